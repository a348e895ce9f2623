"""What a value means: its permutation null and its bootstrap interval.

Many measures are far from their worst value for representations that have nothing to do
with each other, the more so the wider they are. A permutation of the rows of one leaves all
that each network does as it is and takes away that both answer the same row.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netkin.distance.measure import Measure
from netkin.distance.representational.representation import Representation, check_same_rows
from netkin.errors import NetkinError
from netkin.finite import require_finite

_ROUNDING = 1e-9
"""Values that are as close as this share of the larger are ties."""


class Null(NamedTuple):
    """A value beside the values of permuted rows.

    Attributes
    ----------
    score : float
        The measure of the pair.
    mean : float
        Mean over the permutations: what the measure gives without any correspondence of rows.
    calibrated : float
        ``(score - mean) / (best - mean)``, where best is the value of equal representations: 1
        as alike as can be, 0 as unrelated rows, negative less than those. For distances, whose
        best is 0, this is ``(mean - score) / mean``. NaN where the measure has no finite best
        value or the mean is the best value.
    p_value : float
        ``(1 + k) / (1 + permutations)``, where k permutations are at least as alike as the
        pair (Phipson and Smyth 2010): the chance of a value this good if rows do not
        correspond. At least 1 / (1 + permutations), never 0.
    """

    score: float
    mean: float
    calibrated: float
    p_value: float


class Interval(NamedTuple):
    """Ends of a confidence interval."""

    low: float
    high: float


def permutation_null(
    measure: Measure,
    a: Representation,
    b: Representation,
    *,
    permutations: int,
    seed: int,
    options: Mapping[str, Any] | None = None,
) -> Null:
    """Compare a value with those of permuted rows of `b`.

    Decompositions, similarity matrices and neighbours are permuted, not computed anew; see
    `Representation.permuted`.

    Parameters
    ----------
    measure : Measure
        Of representations; its orientation and range say what is alike.
    a, b : Representation
        The same rows.
    permutations : int
        At least 1; p-values are multiples of 1 / (1 + permutations).
    seed : int
        Of the permutations; the same ones for all pairs of n rows.
    options : mapping, optional
        Options of the measure's function.

    Returns
    -------
    Null

    Raises
    ------
    NetkinError
        Fewer than one permutation, or other rows.
    UndefinedDistance
        The measure is not defined for the pair.
    """
    check_same_rows(a, b)
    _check_count("permutations", permutations)
    function = _with_options(measure, options)
    score = function(a, b)
    random = np.random.default_rng(seed)
    null = np.array([function(a, b.permuted(random.permutation(b.n))) for _ in range(permutations)])
    return null_of_values(measure, score, null)


def null_of_values(measure: Measure, score: float, values: NDArray[np.float64]) -> Null:
    """Return what the values of permuted rows, of shape (permutations,), make of a score."""
    require_finite(values, "values of permuted rows")
    require_finite(score, "a score")
    mean = float(values.mean())
    up = measure.orientation == "up"
    best = measure.range[1 if up else 0]
    slack = _ROUNDING * max(abs(score), abs(mean))
    as_alike = values >= score - slack if up else values <= score + slack
    return Null(
        score=score,
        mean=mean,
        calibrated=_calibrated(score, mean, best),
        p_value=(1 + int(as_alike.sum())) / (1 + len(values)),
    )


def bootstrap_interval(
    measure: Measure,
    a: Representation,
    b: Representation,
    *,
    resamples: int,
    seed: int,
    level: float = 0.95,
    options: Mapping[str, Any] | None = None,
) -> Interval:
    """Return a confidence interval of the value over all rows the probe rows are drawn from.

    The basic (reverse percentile) bootstrap, cut to the range of the measure: if q is the
    quantile of the resampled values, the ends are ``2 score - q(high)`` and
    ``2 score - q(low)`` (Davison and Hinkley 1997). Few rows make networks look more alike
    than they are, a resample of them more so; reversed, this corrects for it, where an interval
    of plain percentiles would move the wrong way. So the score can lie outside of its interval,
    which says that there are too few rows.

    Every resample is decomposed anew, so this costs as much as `resamples` pairs of networks.

    Parameters
    ----------
    measure : Measure
        Of representations.
    a, b : Representation
        The same rows.
    resamples : int
        At least 1; some hundreds for a level of 0.95.
    seed : int
        Of the draws; the same ones for all pairs of n rows.
    level : float in (0, 1)
        Share of intervals that are to hold the value.
    options : mapping, optional
        Options of the measure's function.

    Returns
    -------
    Interval

    Raises
    ------
    NetkinError
        Fewer than one resample, a level out of range, or other rows.
    UndefinedDistance
        The measure is not defined for the pair or for a resample, which has about 0.63 n
        different rows.
    """
    check_same_rows(a, b)
    _check_count("resamples", resamples)
    if not 0 < level < 1:
        raise NetkinError(f"level is {level}; allowed is more than 0 and less than 1, e.g. 0.95.")
    function = _with_options(measure, options)
    score = function(a, b)
    random = np.random.default_rng(seed)
    values = [
        function(resampled(a, chosen), resampled(b, chosen))
        for chosen in (random.integers(a.n, size=a.n) for _ in range(resamples))
    ]
    return interval_of_values(measure, score, np.array(values), level)


def interval_of_values(
    measure: Measure, score: float, values: NDArray[np.float64], level: float
) -> Interval:
    """Return the basic bootstrap interval by the values of resamples, of shape (resamples,)."""
    require_finite(values, "values of resamples")
    require_finite(score, "a score")
    ends = 2 * score - np.quantile(values, [(1 + level) / 2, (1 - level) / 2])
    low, high = np.clip(ends, *measure.range)
    return Interval(float(low), float(high))


def _check_count(name: str, count: int) -> None:
    if count < 1:
        raise NetkinError(f"{name} is {count}; allowed is 1 or more.")


def _with_options(
    measure: Measure, options: Mapping[str, Any] | None
) -> Callable[[Representation, Representation], float]:
    return partial(measure.function, **(options or {}))


def _calibrated(score: float, mean: float, best: float) -> float:
    if not math.isfinite(best) or mean == best:
        return math.nan
    return (score - mean) / (best - mean)


def resampled(representation: Representation, chosen: NDArray[np.intp]) -> Representation:
    """Return these rows, some of them several times; the ids say which."""
    labels = representation.labels
    return Representation(
        representation.values[chosen],
        representation.rows[chosen],
        representation.name,
        None if labels is None else labels[chosen],
        representation.precision,
    )
