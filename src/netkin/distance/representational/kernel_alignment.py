"""Centred kernels aligned: CKA in its variants, and distance correlation.

A kernel holds a similarity (or distance) for each pair of rows. Two are compared by the
cosine of the angle between them after their row and column means are taken away; with
``H = I - 11^T / n`` the inner product of ``H K H`` and ``H K' H`` is (n - 1)^2 times the
Hilbert-Schmidt independence criterion, HSIC.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, NamedTuple

import numpy as np
from annotated_types import Ge, Le

from netkin.distance.representational import algebra
from netkin.distance.representational.order import group
from netkin.distance.representational.pair import (
    centred_product,
    shared_by_pair,
    squared_product,
)
from netkin.distance.representational.representation import (
    Matrix,
    Representation,
    check_same_rows,
    check_varies,
    middled,
)
from netkin.errors import UndefinedDistance
from netkin.options import checked

Kernel = Callable[..., Matrix]
"""``(representation, block, *options)``: these rows of a symmetric matrix, (b, n)."""

MOST_DISTANCES = 1 << 20
"""Where matrices are not kept, a median distance is exact up to this many; of more it can be
off by a share of 1 / MOST_DISTANCES of the places in order."""
_CANCELLED = 1e-6
"""Share of the squared norm of a kernel below which its unbiased HSIC, found from the whole
kernel less its diagonal, has lost too many digits."""
_ROUNDING = 16 * float(np.finfo(np.float64).eps)
"""Share of the norms of two rows that rounding leaves of their product."""


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
    (product,) = shared_by_pair(centred_product, a, b)
    norms = math.sqrt(a.shared(_squared_norm)) * math.sqrt(b.shared(_squared_norm))
    return min(product / norms, 1.0)


@checked
def cka_rbf(
    a: Representation, b: Representation, *, bandwidth: Annotated[float, Ge(1e-3), Le(1000)] = 0.8
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
        sigma in median distances; a small one looks at near rows only. 0.8 is the largest of
        the three that Kornblith et al. compare, and finds the same layers best; their published
        function leaves it at 1.

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
    if a.n < 4:
        raise UndefinedDistance(f"the unbiased HSIC of {a.name} is 0: fewer than 4 rows")
    own = a.shared(_own_hsic), b.shared(_own_hsic)
    if min(own) <= _CANCELLED:
        # rare: takes a matrix of rows by rows, in blocks
        careful = a.shared(_own_careful_hsic), b.shared(_own_careful_hsic)
        return _debiased(a, b, _careful_hsic(a, b), careful)
    (product,) = shared_by_pair(centred_product, a, b)
    squares = a.shared(_squared_rows, moves="rows"), b.shared(_squared_rows, moves="rows")
    norms = (math.sqrt(r.shared(_squared_norm)) for r in (a, b))
    hsic = _unbiased(product, *squares) * a.n * (a.n - 3) / math.prod(norms)
    return float(np.clip(hsic / math.sqrt(math.prod(own)), -1.0, 1.0))


@checked
def cka_minibatch(
    a: Representation, b: Representation, *, batch_size: Annotated[int, Ge(4), Le(100_000)] = 256
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
    if batch_size >= a.n:
        return cka_debiased(a, b)
    own = (r.shared(_own_batch_hsic, batch_size, moves="all") for r in (a, b))
    return _debiased(a, b, _batch_hsic(a, b, batch_size), tuple(own))


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


class _OwnHsic(NamedTuple):
    """Unbiased HSIC of a kernel with itself, and what rounding alone can make of it."""

    hsic: float
    rounding: float


def _squared_norm(a: Representation) -> float:
    return squared_product(a.centred, a.centred, a.blocks())


def _squared_rows(a: Representation) -> Matrix:
    """Return the squared norms of the centred rows, the diagonal of ``H K H``, (n,)."""
    squares: Matrix = np.einsum("ij,ij->i", a.centred, a.centred)
    return squares


def _own_hsic(a: Representation) -> float:
    """Return the unbiased HSIC of the kernel with itself, as a share of its squared norm."""
    product, squares = a.shared(_squared_norm), a.shared(_squared_rows, moves="rows")
    if product == 0:
        return 0.0
    return _unbiased(product, squares, squares) * a.n * (a.n - 3) / product


def _careful_hsic(a: Representation, b: Representation) -> float:
    """Return the unbiased HSIC from the entries of both kernels beside the diagonal.

    Székely and Rizzo 2014: the mean product of kernels whose rows sum to 0 without their diagonal.
    The diagonal is never there, so that it cannot take the digits of the rest.
    """
    products = (np.vdot(*(_bare_rows(r, block) for r in (a, b))) for block in a.blocks())
    return float(sum(products)) / (a.n * (a.n - 3))


def _own_careful_hsic(a: Representation) -> _OwnHsic:
    return _OwnHsic(_careful_hsic(a, a), _rounding_of(a, middled(a.values)))


def _rounding_of(a: Representation, values: Matrix) -> float:
    """Return the unbiased HSIC that the rounding of products of different rows leaves."""
    squares = np.einsum("ij,ij->i", values, values)
    others = float(squares @ (squares.sum() - squares))
    return (_ROUNDING + a.eps / 2) ** 2 * others / (len(values) * (len(values) - 3))


def _bare_sums(a: Representation) -> Matrix:
    values = a.shared(_middled, moves="rows")
    return np.concatenate([_bare(values, block).sum(axis=1) for block in a.blocks()])


def _bare_rows(a: Representation, block: slice) -> Matrix:
    """Return these rows of the kernel without its diagonal, rows and columns of sum 0, (b, n)."""
    bare = _bare(a.shared(_middled, moves="rows"), block)
    return _less_means(bare, a.shared(_bare_sums, moves="rows"), block.start)


def _middled(a: Representation) -> Matrix:
    return middled(a.values)


def _bare(values: Matrix, block: slice) -> Matrix:
    """Return these rows of ``R R^T``, 0 on the diagonal, (b, n)."""
    bare = algebra.product(values[block], values.T)
    steps = np.arange(len(bare))
    bare[steps, steps + block.start] = 0.0
    return bare


def _less_means(bare: Matrix, sums: Matrix, start: int) -> Matrix:
    """Return rows of a kernel without diagonal less what makes its rows sum to 0 (U-centring)."""
    n = len(sums)
    shares = sums / (n - 2)
    own = shares[start : start + len(bare), None]
    centred: Matrix = bare - shares - own + sums.sum() / ((n - 1) * (n - 2))
    steps = np.arange(len(bare))
    centred[steps, steps + start] = 0.0
    return centred


def _unbiased(product: float, u: Matrix, v: Matrix) -> float:
    """Return the unbiased HSIC of two centred kernels from their product and diagonals.

    The columns are centred, so a row of a kernel without its diagonal sums to minus the
    diagonal entry.
    """
    n = len(u)
    means = u.sum() * v.sum() / ((n - 1) * (n - 2))
    return float((product - n / (n - 2) * (u @ v) + means) / (n * (n - 3)))


def _batches(a: Representation, batch_size: int) -> Iterator[Matrix]:
    """Yield the rows of each batch of at least 4, less the medians of the columns."""
    for start in range(0, a.n, batch_size):
        values = a.values[start : start + batch_size]
        if len(values) >= 4:
            yield middled(values)


def _batch_kernels(a: Representation, batch_size: int) -> Iterator[Matrix]:
    """Yield the linear kernel of each batch, without its diagonal, rows of sum 0."""
    for values in _batches(a, batch_size):
        bare = _bare(values, slice(0, len(values)))
        yield _less_means(bare, bare.sum(axis=1), 0)


def _kept_kernels(a: Representation, batch_size: int) -> list[Matrix]:
    return list(_batch_kernels(a, batch_size))


def _kernels(a: Representation, batch_size: int) -> Iterable[Matrix]:
    if a.keeps_matrices:
        return a.shared(_kept_kernels, batch_size, moves="all")
    return _batch_kernels(a, batch_size)


def _batch_hsic(a: Representation, b: Representation, batch_size: int) -> float:
    """Return the sum over the batches of the unbiased HSICs."""
    return sum(
        float(np.vdot(k, m)) / (len(k) * (len(k) - 3))
        for k, m in zip(_kernels(a, batch_size), _kernels(b, batch_size), strict=True)
    )


def _own_batch_hsic(a: Representation, batch_size: int) -> _OwnHsic:
    rounding = sum(_rounding_of(a, values) for values in _batches(a, batch_size))
    return _OwnHsic(_batch_hsic(a, a, batch_size), rounding)


def _debiased(
    a: Representation, b: Representation, hsic: float, own: tuple[_OwnHsic, ...]
) -> float:
    """Return the alignment from unbiased HSICs."""
    for network, (self_hsic, rounding) in zip((a, b), own, strict=True):
        if self_hsic <= rounding:
            raise UndefinedDistance(
                f"the unbiased HSIC of {network.name} is 0: fewer than 4 rows, or all are equally "
                "similar"
            )
    return float(np.clip(hsic / math.prod(math.sqrt(x.hsic) for x in own), -1.0, 1.0))


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
