"""What linear readouts of two representations have in common."""

import math
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from netkin.distance.representational import algebra
from netkin.distance.representational.cca import check_free
from netkin.distance.representational.pair import (
    shared_by_pair,
    squared_cosines,
    squared_distance,
)
from netkin.distance.representational.representation import (
    Matrix,
    Representation,
    check_not_zero,
    check_same_rows,
    check_varies,
)
from netkin.errors import UndefinedDistance
from netkin.options import checked


def linear_regression(a: Representation, b: Representation) -> float:
    """Share of the variance of `a` that a linear regression on `b` explains, R^2.

    Li et al. 2016; Kornblith et al. 2019, table 1: ``|Q'^T R|^2 / |R|^2``, where R is centred and
    Q' an orthonormal basis of the centred columns of `b`. Not symmetric.

    Parameters
    ----------
    a : Representation
        What is explained.
    b : Representation
        What explains it; the same rows, any width. If all its rows are the same, it explains
        nothing: 0.

    Returns
    -------
    float
        0 to 1 (`a` is a linear function of `b`).

    Raises
    ------
    UndefinedDistance
        All rows of `a` are the same, or `b` has the rank n - 1 and explains anything.
    """
    check_same_rows(a, b)
    check_varies(a)
    if not b.varying.any():
        return 0.0
    rank = len(b.varying_decomposition.s)
    if rank >= b.distinct_rows - 1:
        raise UndefinedDistance(
            f"{b.name} has the rank {rank} in {b.distinct_rows} rows, so that it explains anything"
        )
    variances = a.varying_decomposition.s**2
    explained, _ = shared_by_pair(squared_cosines, a, b)
    return min(float(variances @ explained / variances.sum()), 1.0)


def eigenspace_overlap(a: Representation, b: Representation) -> float:
    """Overlap of the spaces that the columns span, not centred.

    May et al. 2019: ``|U^T U'|^2 / max(D, D')``, where U and U' are the left singular vectors.
    They are only defined for singular values above 0, so D and D' are read as the ranks: the
    widths, unless neurons are dead, doubled or sums of others. A representation has the
    overlap 1 with itself then, too.

    Parameters
    ----------
    a, b : Representation
        The same rows; widths may differ.

    Returns
    -------
    float
        0 (orthogonal) to 1 (the same space).

    Raises
    ------
    UndefinedDistance
        All activations of one are 0, or one has the rank n and so contains any other.
    """
    check_same_rows(a, b)
    check_not_zero(a, b)
    u, v = a.decomposition.u, b.decomposition.u
    larger = max(u.shape[1], v.shape[1])
    if larger >= a.distinct_rows:
        raise UndefinedDistance(
            f"a representation has the rank {larger} in {a.distinct_rows} rows, so that it "
            "contains any other"
        )
    return float(min((algebra.product(u.T, v) ** 2).sum() / larger, 1.0))


@checked
def gulp(
    a: Representation, b: Representation, *, regularisation: Annotated[float, Ge(0), Le(1e6)] = 0.01
) -> float:
    """Distance of the predictions of ridge regressions, averaged over all targets.

    Boix-Adserà et al. 2022 (their published code gives the square):
    ``(tr(A S A S) + tr(A' S' A' S') - 2 tr(A C A' C^T))^(1/2)`` with ``S = R^T R / n``,
    ``A = (S + regularisation I)^(-1)`` and ``C = R^T R' / n``, where R is centred and scaled to
    the norm sqrt(n). This is ``|P - P'|``, the Frobenius distance of the matrices that map
    targets to their predictions, and is computed as that.

    Parameters
    ----------
    a, b : Representation
        The same rows; widths may differ.
    regularisation : float
        Weight of the ridge penalty, in units of the total variance, which is 1; 0.01 as in
        figure 1 of the paper. At 0 the measure knows the spaces only and is invariant to affine
        maps, ``(r + r' - 2 sum rho^2)^(1/2)``.

    Returns
    -------
    float
        0 (the same predictions for any target) or more. A metric.

    Raises
    ------
    UndefinedDistance
        All rows of one are the same, or without regularisation the ranks add up to n or more.
    """
    check_same_rows(a, b)
    check_varies(a, b)
    (u, s, _), (v, t, _) = a.varying_decomposition, b.varying_decomposition
    if regularisation == 0:
        check_free(a, b, len(s), len(t))
    if a is b:
        return 0.0
    g, h = _ridge_gains(s, regularisation), _ridge_gains(t, regularisation)
    c = algebra.product(u.T, v)
    distance = squared_distance((float(g @ g), float(h @ h)), float(g @ c**2 @ h))
    if distance is not None:
        return math.sqrt(distance)
    # P = u g u^T and P' = v h v^T; v = u c + e splits P' into a part inside the space of u
    # and three outside. All terms are squares: nearly equal representations lose no digits.
    e = v - u @ c
    outside = e.T @ e
    weighted = c * h
    square = (
        ((np.diag(g) - weighted @ c.T) ** 2).sum()
        + 2 * (weighted @ outside * weighted).sum()
        + (np.outer(h, h) * outside**2).sum()
    )
    return math.sqrt(float(square))


def _ridge_gains(s: Matrix, regularisation: float) -> Matrix:
    """Return what share a ridge regression keeps of each component, (r,), 0 to 1."""
    variances = s**2 / (s**2).sum()
    gains: Matrix = variances / (variances + regularisation)
    return gains
