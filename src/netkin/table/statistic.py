"""Statistics of distance matrices, and their uncertainty over seeds."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


class Interval(NamedTuple):
    """A mean over seeds with the bounds of its confidence interval.

    Attributes
    ----------
    mean, low, high : float
        NaN where there is no value; the bounds also where there is only one.
    """

    mean: float
    low: float
    high: float


def interval_over_seeds(
    values: Sequence[float],
    *,
    level: float = 0.95,
    least: float = -np.inf,
    largest: float = np.inf,
) -> Interval:
    """Return the mean of one value a seed and its interval by Student's t distribution.

    Parameters
    ----------
    values : sequence of float
        NaN are left out.
    level : float
        Coverage, between 0 and 1.
    least, largest : float
        Bounds of what the values can be; the interval is cut to them.
    """
    from scipy.stats import t

    found = np.asarray([value for value in values if np.isfinite(value)])
    if not found.size:
        return Interval(np.nan, np.nan, np.nan)
    mean = float(found.mean())
    if found.size == 1:
        return Interval(mean, np.nan, np.nan)
    error = found.std(ddof=1) / np.sqrt(found.size)
    half = float(t.ppf((1 + level) / 2, found.size - 1) * error)
    return Interval(mean, max(mean - half, least), min(mean + half, largest))


def pairs_of(matrix: Matrix, members: Sequence[int] | None = None) -> Matrix:
    """Return the defined entries above the diagonal, of all rows or of some."""
    chosen = matrix if members is None else matrix[np.ix_(members, members)]
    values = chosen[np.triu_indices(len(chosen), k=1)]
    defined: Matrix = values[np.isfinite(values)]
    return defined


def control_ratio(matrix: Matrix, control: Sequence[int]) -> float:
    """Return the mean distance within a group over the mean of all other pairs; NaN for none."""
    inside = np.zeros(matrix.shape, dtype=bool)
    inside[np.ix_(control, control)] = True
    above = np.triu(np.ones(matrix.shape, dtype=bool), k=1) & np.isfinite(matrix)
    within, others = matrix[above & inside], matrix[above & ~inside]
    if not (within.size and others.size) or others.mean() == 0:
        return np.nan
    return float(within.mean() / others.mean())


def growth(matrix: Matrix, members: Sequence[int], values: Sequence[float]) -> float:
    """Return Spearman's correlation of distance with the difference of a varied value.

    Over the pairs i < j of `members`, of the distance and ``|values[i] - values[j]|``; NaN
    with fewer than three defined pairs, or where either is constant.
    """
    above = np.triu_indices(len(members), k=1)
    array = np.asarray(values, dtype=np.float64)
    differences = np.abs(array[above[0]] - array[above[1]])
    return _spearman(differences, matrix[np.ix_(members, members)][above])


def rank_correlation(a: Matrix, b: Matrix) -> float:
    """Return Spearman's correlation of the entries above the diagonal of two matrices.

    Over the pairs that both define; NaN with fewer than three, or where either is constant.
    """
    above = np.triu_indices(len(a), k=1)
    return _spearman(a[above], b[above])


def repeatability(matrices: Sequence[Matrix]) -> float:
    """Return how well the matrix of one seed agrees with the mean of the others.

    Spearman's correlation over the pairs of networks, the mean over seeds: the most that a
    single run can be expected to reach against the mean of others. NaN for a single seed, and
    where fewer than three pairs are defined.

    Parameters
    ----------
    matrices : sequence of (n, n) float64
        Of the same networks, one a seed.
    """
    if len(matrices) < 2:
        return np.nan
    total = np.sum(matrices, axis=0)
    found = [rank_correlation(one, total - one) for one in matrices]
    # rounding must not leave the range
    return float(np.clip(np.mean(found), -1, 1))


def _spearman(x: Matrix, y: Matrix) -> float:
    """Return Spearman's correlation of what both define; NaN for too little of it."""
    from scipy.stats import rankdata

    defined = np.isfinite(x) & np.isfinite(y)
    if defined.sum() < 3 or min(np.ptp(part[defined]) for part in (x, y)) == 0:
        return np.nan
    # as scipy's spearmanr, without the p-value, which takes most of its time
    return float(np.corrcoef(rankdata(x[defined]), rankdata(y[defined]))[0, 1])


def average_precision(matrix: Matrix, groups: Sequence[str]) -> float:
    """Return the area under the precision-recall curve of finding pairs of one group.

    Over the defined pairs i < j, nearest first: 1 when all pairs within a group are closer
    than all others; about `chance_precision` for distances in random order. NaN where all or
    no pairs are within a group.
    """
    from sklearn.metrics import average_precision_score

    distances, same = _pairs_by_group(matrix, groups)
    if not 0 < same.sum() < same.size:
        return np.nan
    return float(average_precision_score(same, -distances))


def chance_precision(matrix: Matrix, groups: Sequence[str]) -> float:
    """Return what `average_precision` is on average for pairs in random order.

    With R of N defined pairs within a group and H = 1 + 1/2 + ... + 1/N it is
    ``((R - 1) / (N - 1) * (N - H) + H) / N``: a little above the share R / N, which it comes to
    for many pairs. NaN where `average_precision` is.

    Source: Bestgen 2015, Exact expected average precision of the random baseline for system
    evaluation.
    """
    _, same = _pairs_by_group(matrix, groups)
    within, pairs = int(same.sum()), same.size
    if not 0 < within < pairs:
        return np.nan
    harmonic = float(np.sum(1 / np.arange(1, pairs + 1)))
    return ((within - 1) / (pairs - 1) * (pairs - harmonic) + harmonic) / pairs


def _pairs_by_group(matrix: Matrix, groups: Sequence[str]) -> tuple[Matrix, NDArray[np.bool_]]:
    """Return the defined entries above the diagonal, and which are within a group."""
    rows, columns = np.triu_indices(len(matrix), k=1)
    distances = matrix[rows, columns]
    defined = np.isfinite(distances)
    names = np.asarray(groups)
    same = names[rows] == names[columns]
    return distances[defined], same[defined]


def violation_rate(matrix: Matrix, groups: Sequence[str]) -> float:
    """Return how often a pair within a group is not closer than a pair that leaves the group.

    For each group, over all choices of a pair within it and a pair of one of its networks with
    a network of another group; then the mean over groups. 0 when groups are apart,
    `chance_violation_rate` for distances in random order. A tie is a violation, so that
    distances that are all equal give 1. A group of one network has no pair and is left out.

    Source: Klabunde et al. 2025, ReSi: a comprehensive benchmark for representational
    similarity measures, arXiv 2408.00531.

    Parameters
    ----------
    matrix : (n, n) float64
        Symmetric; the smaller, the more alike; NaN where not defined.
    groups : sequence of str
        The group of each network.

    Returns
    -------
    float
        NaN where a group has no defined pair of either kind, as in the source: a mean over
        the other groups would be about another, perhaps easier, question.
    """
    array = np.asarray(groups)
    rates = []
    for group in dict.fromkeys(groups):
        members = np.flatnonzero(array == group)
        if len(members) < 2:
            continue
        within = pairs_of(matrix, list(members))
        leaving = matrix[np.ix_(members, np.flatnonzero(array != group))].ravel()
        leaving = np.sort(leaving[np.isfinite(leaving)])
        if not (within.size and leaving.size):
            return np.nan
        not_farther = np.searchsorted(leaving, within, side="right")
        rates.append(float(not_farther.mean() / leaving.size))
    return float(np.mean(rates)) if rates else np.nan


def chance_violation_rate(matrix: Matrix) -> float:
    """Return what `violation_rate` is on average for the same distances in random order.

    ``(1 + t) / 2``, where t is the chance that the distances of two defined pairs are equal,
    since a tie is a violation: 1/2 without ties. NaN for fewer than two pairs.
    """
    distances = pairs_of(matrix)
    if distances.size < 2:
        return np.nan
    _, counts = np.unique(distances, return_counts=True)
    ties = (counts * (counts - 1)).sum() / (distances.size * (distances.size - 1))
    return float((1 + ties) / 2)


def as_distances(matrix: Matrix, orientation: str) -> Matrix:
    """Return a symmetric matrix in which small is alike, fit for statistics of order.

    A similarity (orientation ``up``) changes its sign; a measure that is not symmetric is
    given by the mean of both directions, NaN where either is not defined.
    """
    small_is_alike = -matrix if orientation == "up" else matrix
    symmetric: Matrix = (small_is_alike + small_is_alike.T) / 2
    return symmetric


def hub_share(matrix: Matrix, members: Sequence[int]) -> float:
    """Return which share of the nearest other networks of a group's networks is its own.

    Each of the k members is asked for its k - 1 nearest others; 1 when these are the other
    members, for all of them. NaN for fewer than two members or undefined distances.
    """
    k = len(members)
    rows = matrix[list(members)].copy()
    if k < 2 or not np.isfinite(rows).all():
        return np.nan
    rows[np.arange(k), list(members)] = np.inf
    nearest = np.argsort(rows, axis=1, kind="stable")[:, : k - 1]
    return float(np.isin(nearest, list(members)).mean())
