"""What the values of representational measures mean, for all pairs of several networks.

As `netkin.distance.representational.null` for one pair, with the work shared: a permutation is
made once for all pairs and measures, a resample decomposed once for each network.
"""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netkin.distance.matrix import Function, distance_matrices
from netkin.distance.measure import Measure
from netkin.distance.representational.null import interval_of_values, null_of_values, resampled
from netkin.distance.representational.representation import Representation, check_same_rows
from netkin.errors import UndefinedDistance

logger = logging.getLogger(__name__)

Array = NDArray[np.float64]
Reasons = dict[tuple[int, int], str]


def calibrate(
    items: Sequence[Representation],
    measures: Mapping[str, Measure],
    scores: Mapping[str, Array],
    *,
    options: Mapping[str, Mapping[str, Any]],
    how: Mapping[str, Mapping[str, Any]],
) -> dict[str, dict[str, Array]]:
    """Return nulls and intervals of the measures that want any.

    Parameters
    ----------
    items, measures, scores, options
        As in `null_matrices`.
    how : mapping
        Name -> ``permutations``, ``resamples``, ``seed`` and ``level``, {} for nothing. Of those
        that want any, all want the same but for the number of permutations.

    Returns
    -------
    dict of str to dict of str to float64 array of shape (n, n)
        Name -> the parts of `null_matrices` and `interval_matrices`, as far as wanted.
    """
    found: dict[str, dict[str, Array]] = {name: {} for name in measures}
    asked = {name: entry for name, entry in measures.items() if how[name].get("permutations")}
    if asked:
        nulls = null_matrices(
            items,
            asked,
            scores,
            options=options,
            permutations={name: how[name]["permutations"] for name in asked},
            seed=how[next(iter(asked))]["seed"],
        )
        for name, parts in nulls.items():
            found[name] |= parts
    asked = {name: entry for name, entry in measures.items() if how[name].get("resamples")}
    if asked:
        chosen = how[next(iter(asked))]
        intervals = interval_matrices(
            items,
            asked,
            scores,
            options=options,
            **{key: chosen[key] for key in ("resamples", "seed", "level")},
        )
        for name, parts in intervals.items():
            found[name] |= parts
    return found


def null_matrices(
    items: Sequence[Representation],
    measures: Mapping[str, Measure],
    scores: Mapping[str, Array],
    *,
    options: Mapping[str, Mapping[str, Any]],
    permutations: Mapping[str, int],
    seed: int,
) -> dict[str, dict[str, Array]]:
    """Return the permutation null of every pair and measure.

    Parameters
    ----------
    items : sequence of Representation
        n networks on the same rows.
    measures : mapping
        Name -> measure, all with `Measure.paired`.
    scores : mapping
        Name -> the values of the pairs, (n, n).
    options : mapping
        Name -> options of the measure's function.
    permutations : mapping
        Name -> how many; the first ones are the same for all.
    seed : int
        As in `netkin.distance.representational.null.permutation_null`.

    Returns
    -------
    dict of str to dict of str to float64 array of shape (n, n)
        Name -> ``mean``, ``calibrated`` and ``p_value``; NaN on the diagonal and where the
        measure is undefined, for the pair or one of its permutations; the latter is logged.
    """
    n = len(items)
    functions = _functions(measures, options)
    values = {name: np.full((n, n, permutations[name]), np.nan) for name in measures}
    reasons: dict[str, Reasons] = {name: {} for name in measures}
    for j, item in enumerate(items):
        for other in items:
            check_same_rows(item, other)
        random = np.random.default_rng(seed)
        for k in range(max(permutations.values())):
            permuted = item.permuted(random.permutation(item.n))
            asked = [name for name in measures if k < permutations[name]]
            for i in range(n):
                for name in asked:
                    if not _is_asked(measures[name], i, j) or np.isnan(scores[name][i, j]):
                        continue
                    try:
                        values[name][i, j, k] = functions[name](items[i], permuted)
                    except UndefinedDistance as reason:
                        reasons[name].setdefault((i, j), str(reason))
    found: dict[str, dict[str, Array]] = {}
    for name, measure in measures.items():
        found[name] = {part: np.full((n, n), np.nan) for part in ("mean", "calibrated", "p_value")}
        _warn_of_undefined(name, "null", reasons[name])
        defined = np.isfinite(values[name]).all(axis=2) & np.isfinite(scores[name])
        for i, j in np.argwhere(defined):
            null = null_of_values(measure, float(scores[name][i, j]), values[name][i, j])
            for a, b in {(i, j), (j, i)} if measure.symmetric else {(i, j)}:
                for part, matrix in found[name].items():
                    matrix[a, b] = getattr(null, part)
    return found


def interval_matrices(
    items: Sequence[Representation],
    measures: Mapping[str, Measure],
    scores: Mapping[str, Array],
    *,
    options: Mapping[str, Mapping[str, Any]],
    resamples: int,
    seed: int,
    level: float,
) -> dict[str, dict[str, Array]]:
    """Return the bootstrap interval of every pair and measure.

    Parameters
    ----------
    items, measures, scores, options
        As in `null_matrices`, measures of any kind.
    resamples, seed, level
        As in `netkin.distance.representational.null.bootstrap_interval`.

    Returns
    -------
    dict of str to dict of str to float64 array of shape (n, n)
        Name -> ``low`` and ``high``; NaN on the diagonal and where the measure is undefined for
        the pair or one of its resamples; the latter is logged.
    """
    n = len(items)
    functions = _functions(measures, options)
    asymmetric = [name for name, measure in measures.items() if not measure.symmetric]
    values: dict[str, list[Array]] = {name: [] for name in measures}
    reasons: dict[str, Reasons] = {name: {} for name in measures}
    random = np.random.default_rng(seed)
    for _ in range(resamples):
        chosen = random.integers(items[0].n, size=items[0].n)
        again = [resampled(item, chosen) for item in items]
        for name, matrix in distance_matrices(again, functions, asymmetric=asymmetric).items():
            values[name].append(matrix.values)
            for (i, j), reason in matrix.reasons.items():
                if _is_asked(measures[name], i, j) and np.isfinite(scores[name][i, j]):
                    reasons[name].setdefault((i, j), reason)
    found = {}
    for name, measure in measures.items():
        _warn_of_undefined(name, "interval", reasons[name])
        ends = {part: np.full((n, n), np.nan) for part in ("low", "high")}
        stack = np.stack(values[name])
        defined = np.isfinite(stack).all(axis=0) & np.isfinite(scores[name])
        np.fill_diagonal(defined, False)
        for i, j in np.argwhere(defined):
            interval = interval_of_values(measure, scores[name][i, j], stack[:, i, j], level)
            ends["low"][i, j], ends["high"][i, j] = interval
        found[name] = ends
    return found


def _functions(
    measures: Mapping[str, Measure], options: Mapping[str, Mapping[str, Any]]
) -> dict[str, Function]:
    return {name: partial(entry.function, **options[name]) for name, entry in measures.items()}


def _is_asked(measure: Measure, i: int, j: int) -> bool:
    """Tell whether a pair is asked in this direction: in both, unless they are one."""
    return i < j or (i != j and not measure.symmetric)


def _warn_of_undefined(measure: str, what: str, reasons: Reasons) -> None:
    """Log how many pairs have a value but no null or interval, and the reason of the first."""
    if reasons:
        reason = next(iter(reasons.values()))
        logger.warning("%s: no %s for %d pairs, since %s", measure, what, len(reasons), reason)
