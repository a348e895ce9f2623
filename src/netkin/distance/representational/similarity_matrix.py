"""Similarity matrices of rows by rows, compared entry by entry."""

import logging
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netkin.distance.representational.order import Groups, group
from netkin.distance.representational.pair import squared_distance, squared_product
from netkin.distance.representational.representation import (
    TIE_DECIMALS,
    Matrix,
    Representation,
    check_same_rows,
    check_varies,
    one_of_each,
    squared_distances,
)
from netkin.errors import UndefinedDistance
from netkin.options import checked

logger = logging.getLogger(__name__)

MOST_RANKS = 1 << 16
"""Where matrices are not kept, so many ranks are told apart: it changes a value by about 1e-8."""
_CLOSE = 1e-3
"""Half of the squared distance of unit rows below which differences are taken."""
_TIED = 1.5 * 10.0**-TIE_DECIMALS
"""Rounded angles of neighbours in order are ties up to this difference."""
_CONSTANT = 1e-13
"""A row varies if its deviations from its mean are more than this share of it (as in
scipy.stats.pearsonr) and than what the precision of the activations rounds; less is rounding."""


def rsm_norm_difference(a: Representation, b: Representation) -> float:
    """Frobenius norm of the difference of the similarity matrices ``R R^T``.

    Shahbazi et al. 2021; the PIP loss of Yin and Shen 2018. The Frobenius norm, where
    some published code takes the largest singular value, and inner products, where it takes
    Euclidean distances. No matrix of rows by rows is made unless it is smaller than the
    representations.

    Parameters
    ----------
    a, b : Representation
        The same rows; widths may differ.

    Returns
    -------
    float
        0 (equal up to a rotation) or more, in squared units of the activations. A metric.
    """
    check_same_rows(a, b)
    if a is b:
        return 0.0
    x, y = a.values, b.values
    squares = a.shared(_squared_norm), b.shared(_squared_norm)
    distance = squared_distance(squares, squared_product(x, y, a.blocks()))
    if distance is not None:
        return math.sqrt(distance)
    if a.n > x.shape[1] + y.shape[1]:
        # both in the basis of all columns: smaller, and the difference loses no digits
        # numpy's types do not tell that this mode gives R alone
        joint: Matrix = np.linalg.qr(np.hstack([x, y]), mode="r")  # type: ignore[assignment]
        x, y = joint[:, : x.shape[1]], joint[:, x.shape[1] :]
    return float(np.linalg.norm(x @ x.T - y @ y.T))


def rsa(a: Representation, b: Representation) -> float:
    """Representational similarity analysis: Spearman correlation of similarity matrices.

    Kriegeskorte et al. 2008. The matrices hold the Pearson correlations of rows; of each the
    part below the diagonal counts. Tied correlations (see `TIE_DECIMALS`) have their mean
    rank, as in scipy.stats.spearmanr; rows that are one pattern up to rounding, see
    `one_of_each`, correlate alike with all others. A row that is the same for all neurons in one
    of the networks, as a row of zeros is, has no correlation and is left out of both.

    Parameters
    ----------
    a, b : Representation
        The same rows; widths may differ. Beyond `KEPT_ROWS` rows near ranks count as ties, see
        `MOST_RANKS`.

    Returns
    -------
    float
        -1 to 1 (pairs of rows are in the same order of similarity).

    Raises
    ------
    UndefinedDistance
        Every row is the same for all neurons (as is any row of a single neuron) in one of them
        and so has no correlation, or all pairs of rows correlate equally (as the only one of
        two rows).
    """
    check_same_rows(a, b)
    kept = np.logical_and(*(r.shared(_uneven_rows, moves="rows") for r in (a, b)))
    if not kept.any():
        raise UndefinedDistance(
            f"every row of {a.name} or {b.name} is the same for all neurons, and has no correlation"
        )
    if not kept.all():
        return _rsa_of_some(a, b, kept)
    products = (np.vdot(x, y) for x, y in zip(_rank_parts(a), _rank_parts(b), strict=True))
    return float(np.clip(sum(products), -1.0, 1.0))


@checked
def relational_knowledge_loss(
    a: Representation, b: Representation, *, normalised: bool = True
) -> float:
    """Sum of the Huber losses between distances, each divided by their mean.

    Park et al. 2019, the distance-wise loss of relational knowledge distillation:
    ``sum l(d_ij / m, d'_ij / m')`` over ordered pairs i != j, where d are Euclidean distances of
    rows, m is their mean over these pairs and ``l(x, y)`` is ``(x - y)^2 / 2`` up to a
    difference of 1, ``|x - y| - 1/2`` beyond. The sum, as in the paper, which grows with n^2;
    the published code takes the mean over the matrix instead.

    Parameters
    ----------
    a, b : Representation
        The same rows; widths may differ.
    normalised : bool
        Divide by the mean distance m, as in equation 4 of the paper. If not, m = m' = 1, and the
        scale of the activations counts.

    Returns
    -------
    float
        0 (the same distances, up to scale if normalised) or more.

    Raises
    ------
    UndefinedDistance
        To be normalised, but all rows of one are the same.
    """
    check_same_rows(a, b)
    if normalised:
        check_varies(a, b)
    means = (a.shared(_mean_distance), b.shared(_mean_distance)) if normalised else (1.0, 1.0)
    total = 0.0
    for block in a.blocks():
        differences = np.abs(
            a.distance_block(block) / means[0] - b.distance_block(block) / means[1]
        )
        total += float(np.where(differences <= 1, differences**2 / 2, differences - 0.5).sum())
    return total


def _squared_norm(a: Representation) -> float:
    """Return the squared Frobenius norm of ``R R^T``."""
    return squared_product(a.values, a.values, a.blocks())


def _mean_distance(a: Representation) -> float:
    """Return the mean Euclidean distance of two different rows."""
    total = sum(float(a.distance_block(block).sum()) for block in a.blocks())
    return total / (a.n * (a.n - 1))


def _rsa_of_some(a: Representation, b: Representation, kept: NDArray[np.bool_]) -> float:
    """Return `rsa` of the rows that are kept."""
    if not a.keeps_matrices:
        some = (
            Representation(r.values[kept], r.rows[kept], r.name, None, r.precision) for r in (a, b)
        )
        return rsa(*some)
    below = np.tri(int(kept.sum()), k=-1, dtype=np.bool_)
    ranks = []
    for r in (a, b):
        correlations = r.shared(_similarity_matrix, moves="rows and columns")[kept][:, kept]
        ranks.append(_ranked(correlations[below], 1.0, r))
    return float(np.clip(ranks[0] @ ranks[1], -1.0, 1.0))


def _centred_rows(a: Representation) -> tuple[Matrix, Matrix, Matrix]:
    """Return the rows with mean 0, their norms and those of the rows before."""
    scale = np.abs(a.values).max(axis=1, keepdims=True)
    rows = a.values / np.where(scale > 0, scale, 1.0)
    whole = np.linalg.norm(rows, axis=1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    return rows, np.linalg.norm(rows, axis=1), whole


def _uneven_rows(a: Representation) -> NDArray[np.bool_]:
    """Return which rows differ between neurons by more than rounding, (n,)."""
    _, norms, whole = _centred_rows(a)
    uneven: NDArray[np.bool_] = norms > max(_CONSTANT, a.eps / 2) * whole
    lost = a.n - int(uneven.sum())
    if 0 < lost < a.n:
        logger.warning(
            "%s: %d of %d rows are the same for all neurons; RSA leaves them out", a.name, lost, a.n
        )
    return uneven


def _standard_rows(a: Representation) -> Matrix:
    """Return the rows with mean 0 and norm 1; products of two are Pearson correlations.

    Rows that do not vary are 0; see `_uneven_rows`.
    """
    rows, norms, whole = _centred_rows(a)
    uneven = a.shared(_uneven_rows, moves="rows")
    norms = np.where(uneven, norms, 1.0)
    standard = np.where(uneven[:, None], rows, 0.0) / norms[:, None]
    # what rounding is of the deviations alone
    return one_of_each(standard, np.where(uneven, (a.eps + 4e-16) * whole / norms, 0.0))


def _similarities(a: Representation, block: slice) -> Matrix:
    """Return numbers in the order of the correlations of these rows with all, (b, n).

    Minus the angles between the standard rows: near 1 and -1, where correlations lose their
    digits, these do not.
    """
    rows = a.shared(_standard_rows, moves="rows")
    squares = squared_distances(rows, block, close=_CLOSE)
    opposite = np.nonzero(squares > 4 - 2 * _CLOSE)
    angles: Matrix = 2 * np.arcsin(np.sqrt(squares / 4).clip(0.0, 1.0))
    step = max(1, (1 << 22) // rows.shape[1])
    for i in range(0, len(opposite[0]), step):
        i_rows, i_columns = (x[i : i + step] for x in opposite)
        sums = np.linalg.norm(rows[i_rows + block.start] + rows[i_columns], axis=1)
        angles[i_rows, i_columns] = math.pi - 2 * np.arcsin(sums / 2)
    return -angles.round(TIE_DECIMALS)


def _similarity_matrix(a: Representation) -> Matrix:
    return np.concatenate([_similarities(a, block) for block in a.blocks()])


def _lower_triangles(a: Representation) -> Iterator[Matrix]:
    """Yield the similarities below the diagonal, those of a block of rows at a time."""
    for block in a.blocks():
        similarities = _similarities(a, block)[:, : block.stop]
        below = np.tri(len(similarities), block.stop, k=block.start - 1, dtype=np.bool_)
        yield similarities[below]


def _rank_parts(a: Representation) -> Iterator[Matrix]:
    """Yield the ranks of the correlations, centred and with squares that sum to 1."""
    if a.keeps_matrices:
        ranks = a.shared(_rank_matrix, moves="rows and columns")
        yield from (ranks[block] for block in a.blocks())
    else:
        groups = a.shared(_correlation_groups)
        ranks = _standardised(groups.ranks(), groups.counts, a)
        for similarities in _lower_triangles(a):
            yield ranks[np.searchsorted(groups.edges, similarities)]


def _rank_matrix(a: Representation) -> Matrix:
    """Return the standardised ranks as a symmetric matrix, (n, n), 0 on the diagonal."""
    below = np.tri(a.n, k=-1, dtype=np.bool_)
    matrix = np.zeros((a.n, a.n))
    matrix[below] = _ranked(np.concatenate(list(_lower_triangles(a))), 2.0, a)
    return matrix + matrix.T


def _ranked(correlations: Matrix, count: float, a: Representation) -> Matrix:
    """Return the standardised ranks, each of which counts so often."""
    order = np.argsort(correlations, kind="stable")
    # ties, though rounding may have parted them
    new = np.diff(correlations[order], prepend=-np.inf) > _TIED
    counts = np.diff(np.append(np.flatnonzero(new), len(order)))
    ranks = np.empty(len(order))
    ranks[order] = np.repeat(np.cumsum(counts) - (counts - 1) / 2, counts)
    return _standardised(ranks, np.full(len(ranks), count), a)


def _correlation_groups(a: Representation) -> Groups:
    return group(lambda: _lower_triangles(a), a.n * (a.n - 1) // 2, MOST_RANKS, _TIED)


def _standardised(ranks: Matrix, counts: NDArray[np.number[Any]], a: Representation) -> Matrix:
    """Return ranks minus their mean, so that ``counts @ result**2`` is 1."""
    centred = ranks - counts @ ranks / max(counts.sum(), 1)
    norm = math.sqrt(float(counts @ centred**2))
    if norm == 0:
        raise UndefinedDistance(f"all pairs of rows of {a.name} correlate equally")
    standard: Matrix = centred / norm
    return standard
