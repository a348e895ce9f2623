"""Persistence landscapes in time and memory linear in the number of intervals."""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from netkin.options import checked
from netkin.vector.sampling import Counts, Intervals, Sampling, births_deaths
from netkin.vector.vector import CHUNK


class Landscape:
    """Sample the first layers of the persistence landscape (Bubenik 2015).

    Layer k at t is the k-th largest of the tents ``max(0, min(t - birth, death - t))``.

    Parameters
    ----------
    sampling : Sampling
        Where to evaluate.
    n_layers : int
        Number of layers.

    Notes
    -----
    Left of its midpoint a tent is ``t - birth``, there the smallest births win; right of it
    ``death - t``, there the largest deaths win. Binning the midpoints once gives both.

    An interval inside `n_layers` others lies below `n_layers` tents everywhere and is
    dropped. The longest intervals so far contain almost all others, and where all die
    together, or are born together, they contain all: few are ever sorted.
    """

    @checked
    def __init__(
        self, sampling: Sampling, *, n_layers: Annotated[int, Ge(1), Le(1000)] = 1
    ) -> None:
        self._sampling = sampling
        self._n_layers = n_layers
        # births and deaths; as many intervals of length 0 stand for no interval
        self._longest = np.full((2, n_layers), sampling.start)
        # of each bin of midpoints the smallest births and the smallest negated deaths
        self._tables = np.full((2, sampling.n_bins + 1, n_layers), np.inf)

    def add(self, intervals: Intervals, counts: Counts) -> None:
        """Take more intervals, each as often as its count says."""
        birth, death = births_deaths(intervals)
        # what lies below `n_layers` others is never seen, copies of itself included
        repeats = np.minimum(counts, self._n_layers)
        # in parts, so that memory does not depend on the counts
        bounds = np.arange(CHUNK, int(repeats.sum()), CHUNK)
        for part in np.split(np.arange(len(birth)), np.searchsorted(np.cumsum(repeats), bounds)):
            self._add(birth[part], death[part], repeats[part])

    def _add(self, birth: NDArray[np.float64], death: NDArray[np.float64], repeats: Counts) -> None:
        count = self._n_layers
        seen = self._uncovered(birth, death)
        new = np.repeat(np.stack([birth[seen], death[seen]]), repeats[seen], axis=1)
        candidates = np.hstack([self._longest, new])
        order = np.argpartition(candidates[0] - candidates[1], count - 1)
        self._longest = candidates[:, order[:count]]
        rest = candidates[:, order[count:]]
        rest = rest[:, self._uncovered(*rest)]
        if rest.size:
            self._tables = self._tables_with(rest)

    def result(self) -> NDArray[np.float64]:
        """Return the layers, float64 array of shape (n_layers, n_bins).

        0 where fewer intervals than layers are alive.
        """
        births, deaths = self._tables_with(self._longest)
        points = self._sampling.points()[:, None]
        # a sample sees the births of all later turns and the deaths of all earlier ones
        births = _running_smallest(births[:0:-1])[::-1]
        deaths = _running_smallest(deaths[:-1])
        tents = np.maximum(np.hstack([points - births, -deaths - points]), 0)
        return np.sort(tents, axis=1)[:, : -self._n_layers - 1 : -1].T.copy()

    def _uncovered(
        self, birth: NDArray[np.float64], death: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Tell which intervals some of the longest does not contain."""
        keep: NDArray[np.bool_] = birth < self._longest[0].max()
        keep |= death > self._longest[1].min()
        return keep

    def _tables_with(self, intervals: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the tables after more intervals, (2, k)."""
        birth, death = intervals
        # samples before this index lie left of the midpoint
        turn = self._sampling.bins((birth + death) / 2)
        return np.stack(
            [
                _smaller(table, _smallest_per_bin(values, turn, *table.shape))
                for table, values in zip(self._tables, (birth, -death), strict=True)
            ]
        )


def _smallest_per_bin(
    values: NDArray[np.float64], bins: NDArray[np.intp], n_bins: int, count: int
) -> NDArray[np.float64]:
    """Return the `count` smallest values of each bin, filled up with inf: (n_bins, count)."""
    table = np.full((n_bins, count), np.inf)
    order = np.lexsort((values, bins))
    sorted_bins = bins[order]
    rank = np.arange(len(bins)) - np.searchsorted(sorted_bins, np.arange(n_bins))[sorted_bins]
    keep = rank < count
    table[sorted_bins[keep], rank[keep]] = values[order[keep]]
    return table


def _smaller(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return row by row the smaller half of the values of two tables, in any order."""
    count = a.shape[1]
    return np.partition(np.hstack([a, b]), count - 1, axis=1)[:, :count]


def _running_smallest(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each row the smallest values of it and all rows before, in any order."""
    # after a step each row holds the smallest of twice as many rows
    result, reach = table.copy(), 1
    while reach < len(result):
        result[reach:] = _smaller(result[reach:], result[:-reach])
        reach *= 2
    return result
