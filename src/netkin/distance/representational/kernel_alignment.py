"""Centred kernels aligned: CKA in its variants, and distance correlation.

A kernel holds a similarity (or distance) for each pair of rows. Two are compared by the
cosine of the angle between them after their row and column means are taken away; with
``H = I - 11^T / n`` the inner product of ``H K H`` and ``H K' H`` is (n - 1)^2 times the
Hilbert-Schmidt independence criterion, HSIC.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt

from netkin.distance.representational.order import group
from netkin.distance.representational.representation import (
    Matrix,
    Representation,
    check_same_rows,
    check_varies,
)
from netkin.errors import UndefinedDistance

Kernel = Callable[..., Matrix]
"""``(representation, block, *options)``: these rows of a symmetric matrix, (b, n)."""

MOST_DISTANCES = 1 << 20
"""Where matrices are not kept, a median distance is exact up to this many; of more it can be
off by a share of 1 / MOST_DISTANCES of the places in order."""
_ROUNDING = 1e-12
"""Share of the squared norm of a kernel below which its unbiased HSIC is a rounding error."""


def cka(a: Representation, b: Representation) -> float:
    """Centred kernel alignment with the linear kernel ``R R^T``.

    Kornblith et al. 2019, table 1: ``|R'^T R|^2 / (|R^T R| |R'^T R'|)`` of centred R and
    R'. Biased: independent representations are above 0, the more so the wider they are; see
    `cka_debiased`. No matrix of rows by rows is made unless it is smaller than that of
    neurons by neurons, and then in blocks.

    Parameters
    ----------
    a, b : Representation
        The same rows; widths may differ.

    Returns
    -------
    float
        0 (no covariance between a neuron of one and a neuron of the other) to 1 (equal up
        to rotation and scale).

    Raises
    ------
    UndefinedDistance
        All rows of one are the same.
    """
    check_same_rows(a, b)
    check_varies(a, b)
    product = _squared_product(a.centred, b.centred, a.blocks())
    norms = math.sqrt(a.shared(_squared_norm)) * math.sqrt(b.shared(_squared_norm))
    return min(product / norms, 1.0)


def cka_rbf(
    a: Representation, b: Representation, *, bandwidth: Annotated[float, Gt(0)] = 1.0
) -> float:
    """Centred kernel alignment with the kernel ``exp(-|R_i - R_j|^2 / (2 sigma^2))``.

    Kornblith et al. 2019, who set sigma to a share of the median distance of rows. As in
    their published code sigma^2 is ``bandwidth^2`` times the median of all n^2 squared
    distances, with those of a row to itself, which are 0. The biased HSIC, see `cka`.

    Parameters
    ----------
    a, b : Representation
        The same rows; widths may differ.
    bandwidth : float
        sigma in median distances; a small one looks at near rows only.

    Returns
    -------
    float
        0 to 1 (the same distances up to scale).

    Raises
    ------
    UndefinedDistance
        All rows of one are the same, or so many of them that the median distance is 0.
    """
    check_same_rows(a, b)
    check_varies(a, b)
    for x in (a, b):
        if x.shared(_median_squared_distance) == 0:
            raise UndefinedDistance(f"the median distance of the rows of {x.name} is 0")
    return _alignment(a, b, _rbf_kernel, bandwidth)


def cka_debiased(a: Representation, b: Representation) -> float:
    """Centred kernel alignment with the linear kernel and the unbiased HSIC.

    Song et al. 2012 (HSIC_1); Nguyen et al. 2021. About 0 for independent representations,
    however wide.

    Parameters
    ----------
    a, b : Representation
        The same rows; widths may differ.

    Returns
    -------
    float
        -1 to 1 (equal up to rotation and scale); below 0 only by chance.

    Raises
    ------
    UndefinedDistance
        Fewer than 4 rows, or all different rows of one are equally similar.
    """
    check_same_rows(a, b)
    return _debiased(a, b, list(a.blocks()), [slice(0, a.n)])


def cka_minibatch(
    a: Representation, b: Representation, *, batch_size: Annotated[int, Ge(4)] = 256
) -> float:
    """Centred kernel alignment from unbiased HSICs of batches of rows.

    Nguyen et al. 2021: of the unbiased HSIC of both and of each with itself the means
    over batches are taken, then their ratio. Batches are consecutive rows. A smaller last
    batch counts as any other, as its HSIC is unbiased, too; one of fewer than 4 rows has none
    and is left out.

    Parameters
    ----------
    a, b : Representation
        The same rows; widths may differ.
    batch_size : int
        Rows of a batch; with n or more this is `cka_debiased`.

    Returns
    -------
    float
        -1 to 1, see `cka_debiased`.

    Raises
    ------
    UndefinedDistance
        Fewer than 4 rows, or in no batch two pairs of rows of one are differently similar.
    """
    check_same_rows(a, b)
    starts = range(0, a.n, batch_size)
    return _debiased(a, b, [slice(None)], [slice(i, min(i + batch_size, a.n)) for i in starts])


def distance_correlation(a: Representation, b: Representation) -> float:
    """Distance correlation: the alignment of centred Euclidean distances.

    Székely et al. 2007, the empirical one (a biased V-statistic): the root of
    ``dCov2(S, S') / (dCov2(S, S) dCov2(S', S'))^(1/2)``, where dCov2 is the mean product of
    the entries of the centred distance matrices.

    Parameters
    ----------
    a, b : Representation
        The same rows; widths may differ.

    Returns
    -------
    float
        0 to 1 (the same distances up to scale). Far above 0 for independent
        representations of few rows.

    Raises
    ------
    UndefinedDistance
        All rows of one are the same.
    """
    check_same_rows(a, b)
    check_varies(a, b)
    return math.sqrt(_alignment(a, b, _distance_kernel))


def _squared_product(x: Matrix, y: Matrix, blocks: Iterable[slice]) -> float:
    """Return ``|x^T y|^2``, the inner product of ``x x^T`` and ``y y^T``."""
    if x.shape[1] * y.shape[1] <= len(x) ** 2:
        return float(((x.T @ y) ** 2).sum())
    return float(sum(np.vdot(x[block] @ x.T, y[block] @ y.T) for block in blocks))


def _squared_norm(a: Representation) -> float:
    return _squared_product(a.centred, a.centred, a.blocks())


def _debiased(
    a: Representation, b: Representation, blocks: list[slice], batches: list[slice]
) -> float:
    """Return the alignment from the sums of the unbiased HSICs of batches of rows."""
    sums = np.zeros(3)
    squared_norms = np.zeros(2)
    for batch in batches:
        x, y = _centred(a.values[batch]), _centred(b.values[batch])
        n = len(x)
        if n < 4:
            continue
        for i, (one, other) in enumerate(((x, y), (x, x), (y, y))):
            product = _squared_product(one, other, blocks)
            # the columns are centred, so a row of a kernel without its diagonal sums to minus
            # the diagonal entry
            u, v = ((z**2).sum(axis=1) for z in (one, other))
            means = u.sum() * v.sum() / ((n - 1) * (n - 2))
            sums[i] += (product - n / (n - 2) * (u @ v) + means) / (n * (n - 3))
            if i:
                squared_norms[i - 1] += product / (n * (n - 3))
    for network, own, squared_norm in zip((a, b), sums[1:], squared_norms, strict=True):
        if own <= _ROUNDING * squared_norm:
            raise UndefinedDistance(
                f"the unbiased HSIC of {network.name} is 0: fewer than 4 rows, or all are equally "
                "similar"
            )
    return float(np.clip(sums[0] / (math.sqrt(sums[1]) * math.sqrt(sums[2])), -1.0, 1.0))


def _centred(values: Matrix) -> Matrix:
    """Return the values with column means 0, exactly 0 in columns that do not vary."""
    varying = (values != values[0]).any(axis=0)
    centred: Matrix = np.where(varying, values - values.mean(axis=0), 0.0)
    return centred


def _alignment(a: Representation, b: Representation, kernel: Kernel, *options: float) -> float:
    """Return the cosine of the angle between two centred kernels, 0 to 1."""
    product = sum(
        np.vdot(*(_centred_rows(x, block, kernel, *options) for x in (a, b)))
        for block in a.blocks()
    )
    norms = (x.shared(_centred_norm, kernel, *options) for x in (a, b))
    return float(np.clip(product / math.prod(norms), 0.0, 1.0))


def _centred_rows(a: Representation, block: slice, kernel: Kernel, *options: float) -> Matrix:
    """Return these rows of ``H K H``, (b, n)."""
    means = a.shared(_means, kernel, *options, moves="rows")
    rows: Matrix = kernel(a, block, *options) - means - means[block, None] + means.mean()
    return rows


def _means(a: Representation, kernel: Kernel, *options: float) -> Matrix:
    return np.concatenate([kernel(a, block, *options).mean(axis=1) for block in a.blocks()])


def _centred_norm(a: Representation, kernel: Kernel, *options: float) -> float:
    squares = ((_centred_rows(a, block, kernel, *options) ** 2).sum() for block in a.blocks())
    return math.sqrt(float(sum(squares)))


def _distance_kernel(a: Representation, block: slice) -> Matrix:
    return a.distance_block(block)


def _rbf_kernel(a: Representation, block: slice, bandwidth: float) -> Matrix:
    scale = 2 * bandwidth**2 * a.shared(_median_squared_distance)
    # less 1, which centring takes away again: a wide kernel loses no digits
    kernel: Matrix = np.expm1(-(a.distance_block(block) ** 2) / scale)
    return kernel


def _median_squared_distance(a: Representation) -> float:
    """Return the median of the squared distances of all n^2 pairs of rows."""
    if a.keeps_matrices:
        return float(np.median(a.distance_block(slice(0, a.n)) ** 2))
    return group(lambda: _squared_distances(a), a.n**2, MOST_DISTANCES).median()


def _squared_distances(a: Representation) -> Iterator[Matrix]:
    return (a.distance_block(block).ravel() ** 2 for block in a.blocks())
