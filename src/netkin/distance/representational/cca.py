"""Canonical correlation analysis: which linear functions do two representations share.

The canonical correlations of two representations are the cosines of the principal angles
between the spaces that their centred columns span: the singular values of ``U^T U'``, where
U and U' are orthonormal bases (Björck and Golub 1973). Columns that depend on others add
nothing to a space, so the number of correlations is the smaller rank, at most the smaller
width.

In n rows, spaces of ranks r and r' share at least r + r' - n + 1 dimensions, whatever the
networks have learnt: that many correlations are 1 for noise, too. All measures of this
module refuse a pair for which that is one or more. Far below that limit the correlations
of noise are still large (about 0.5 on average at n = 200 for ranks 50 and 60), so a value
is read beside its null, `netkin.distance.representational.null`.
"""

from typing import Annotated

import numpy as np
from annotated_types import Gt, Le

from netkin.distance.representational import algebra
from netkin.distance.representational.pair import shared_by_pair, squared_cosines
from netkin.distance.representational.representation import (
    Matrix,
    Representation,
    check_same_rows,
    check_varies,
)
from netkin.errors import UndefinedDistance
from netkin.options import checked


def mean_cca(a: Representation, b: Representation) -> float:
    """Mean canonical correlation.

    Raghu et al. 2017. The mean is over the correlations that exist, as many as the smaller
    rank.

    Parameters
    ----------
    a, b : Representation
        The same rows; widths may differ.

    Returns
    -------
    float
        0 (no linear function in common) to 1 (the spaces of one lie in that of the other).

    Raises
    ------
    UndefinedDistance
        All rows of one are the same, or the ranks add up to n or more.
    """
    _bases(a, b)
    (correlations,) = shared_by_pair(_canonical_correlations, a, b)
    return float(correlations.mean())


def mean_squared_cca(a: Representation, b: Representation) -> float:
    """Mean squared canonical correlation, Yanai's generalised coefficient of determination.

    Yanai 1974; Kornblith et al. 2019, table 1. Parameters, value and errors as in
    `mean_cca`.
    """
    _bases(a, b)
    # the squares of the singular values sum to the squared norm
    ours, theirs = shared_by_pair(squared_cosines, a, b)
    return min(float(ours.sum()) / min(len(ours), len(theirs)), 1.0)


@checked
def svcca(
    a: Representation, b: Representation, *, variance: Annotated[float, Gt(0), Le(1)] = 0.99
) -> float:
    """Mean canonical correlation of the leading principal components.

    Raghu et al. 2017. Of each representation the fewest components are kept that hold at
    least this share of its variance; the correlations that count are as many as the smaller
    number kept. (The published code can keep fewer correlations; the paper does not.)

    Parameters
    ----------
    a, b : Representation
        The same rows; widths may differ.
    variance : float in (0, 1]
        Share of the variance to keep; 1 is `mean_cca`.

    Returns
    -------
    float
        0 to 1, see `mean_cca`.

    Raises
    ------
    UndefinedDistance
        All rows of one are the same, or n or more components are kept in all.
    """
    return float(_correlations(*_bases(a, b, variance)).mean())


def pwcca(a: Representation, b: Representation) -> float:
    """Projection-weighted mean of the canonical correlations.

    Morcos et al. 2018: ``sum_i a_i rho_i / sum_i a_i`` with
    ``a_i = sum_j |<h_i, R_j>|``, where h_i are the canonical variables of the first
    representation, of norm 1, and R_j its centred columns. The weights are those of `a`
    alone, so the measure is not symmetric; it can be taken for any two widths. Where
    several correlations are equal, the variables that belong to them are not unique; this
    matters only if other correlations differ from them, and never for exact copies.

    Parameters
    ----------
    a : Representation
        Gives the weights.
    b : Representation
        The same rows; widths may differ.

    Returns
    -------
    float
        0 to 1, see `mean_cca`.

    Raises
    ------
    UndefinedDistance
        All rows of one are the same, or the ranks add up to n or more.
    """
    _bases(a, b)
    weights, correlations, _ = shared_by_pair(_projections, a, b)
    return float(correlations @ weights / weights.sum())


def check_free(a: Representation, b: Representation, rank_a: int, rank_b: int) -> None:
    """Raise `UndefinedDistance` if spaces of these ranks meet whatever the networks are."""
    if rank_a + rank_b >= a.distinct_rows:
        raise UndefinedDistance(
            f"ranks {rank_a} and {rank_b} add up to no less than the {a.distinct_rows} rows, "
            "so that canonical correlations are 1 whatever the networks are"
        )


def _bases(a: Representation, b: Representation, variance: float = 1.0) -> tuple[Matrix, Matrix]:
    """Return orthonormal bases of the centred columns, or of their leading components."""
    check_same_rows(a, b)
    check_varies(a, b)
    u, v = _basis(a, variance), _basis(b, variance)
    check_free(a, b, u.shape[1], v.shape[1])
    return u, v


def _basis(representation: Representation, variance: float) -> Matrix:
    u, s, _ = representation.varying_decomposition
    # what is lost by keeping the first 1, 2, ... components; summed from the smallest on,
    # so that the last of it is exactly 0
    lost = np.append(np.cumsum(s[:0:-1] ** 2)[::-1], 0.0)
    kept = 1 + int(np.argmax(lost <= (1 - variance) * (lost[0] + s[0] ** 2)))
    return u[:, :kept]


def _canonical_correlations(a: Representation, b: Representation) -> tuple[Matrix]:
    return (_correlations(a.varying_decomposition.u, b.varying_decomposition.u),)


def _projections(a: Representation, b: Representation) -> tuple[Matrix, Matrix, Matrix]:
    """Return the weights of `a` in `pwcca`, the canonical correlations and the weights of `b`."""
    x, y = a.varying_decomposition, b.varying_decomposition
    left, correlations, right = algebra.svd(algebra.product(x.u.T, y.u))
    # h = u @ directions, so that h^T R needs no pass over the rows
    of_a, of_b = (
        np.abs((directions * d.s) @ d.vt).sum(axis=1) for directions, d in ((left.T, x), (right, y))
    )
    return of_a, np.minimum(correlations, 1.0), of_b


def _correlations(u: Matrix, v: Matrix) -> Matrix:
    # rounding can lead an eps beyond 1
    found: Matrix = np.minimum(algebra.singular_values(algebra.product(u.T, v)), 1.0)
    return found
