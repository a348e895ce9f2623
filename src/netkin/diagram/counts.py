"""How often each value occurs among any number of them, in memory with a bound."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netkin.finite import require_finite

HALF = int(np.float32(0.5).view(np.uint32))
STEPS = 1 << 23
"""From 0.5 to 1 the values of float32 are that many steps of 2**-24, and their bits count on."""
MOST_KEPT = 1 << 21
"""Values kept as they are; sorting so many takes about as long as going through a histogram."""


class ValueCounts:
    """Counts float32 values; nothing is lost.

    A few are kept and sorted in the end. If there are more, those from 0.5 to 1, which are all
    but the strongest edges of a network, go into a histogram with a counter for each value that
    float32 has there. The others, few or at least with few different ones, are a list.
    """

    def __init__(self) -> None:
        self._new: list[NDArray[np.float32]] = []
        self._n_new = 0
        self._histogram: NDArray[np.int64] | None = None
        self._other: list[tuple[NDArray[np.float32], NDArray[np.int64]]] = []
        self._n_other = 0
        self._most_other = MOST_KEPT

    def add(self, values: NDArray[np.float32]) -> None:
        """Count more values, an array of any shape.

        Raises
        ------
        NetkinError
            A value is NaN or infinite.
        """
        require_finite(values, "values of edges")
        self._new.append(values.ravel())
        self._n_new += values.size
        if self._n_new > MOST_KEPT:
            self._sort_in()

    def result(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the values, ascending and each once, and how often each occurs."""
        if self._histogram is None:
            return np.unique(_joined(self._new, np.float32), return_counts=True)
        self._sort_in()
        self._merge_other()
        ((values, counts),) = self._other
        place = np.flatnonzero(self._histogram)
        low, high = np.searchsorted(values, (0.5, 1.0))
        return (
            np.concatenate(
                [values[:low], (place + HALF).astype(np.uint32).view(np.float32), values[high:]]
            ),
            np.concatenate([counts[:low], self._histogram[place], counts[high:]]),
        )

    def _sort_in(self) -> None:
        """Count the new values in the histogram, or list them."""
        if self._histogram is None:
            self._histogram = np.zeros(STEPS + 1, dtype=np.int64)
        for values in self._new:
            # what is below 0.5 wraps to beyond all steps
            place = values.view(np.uint32) - np.uint32(HALF)
            inside = place <= STEPS
            if not inside.all():
                other = np.unique(values[~inside], return_counts=True)
                self._other.append(other)
                self._n_other += len(other[0])
                place = place[inside]
            np.add.at(self._histogram, place.astype(np.intp), 1)
        self._new, self._n_new = [], 0
        if self._n_other > self._most_other:
            self._merge_other()
            # so that all merging together takes no longer than linear
            self._most_other = max(MOST_KEPT, 2 * self._n_other)

    def _merge_other(self) -> None:
        values, place = np.unique(
            _joined([part for part, _ in self._other], np.float32), return_inverse=True
        )
        counts = np.zeros(len(values), dtype=np.int64)
        np.add.at(counts, place, _joined([part for _, part in self._other], np.int64))
        self._other, self._n_other = [(values, counts)], len(values)


def _joined(parts: list[NDArray[Any]], dtype: type) -> NDArray[Any]:
    return np.concatenate([np.empty(0, dtype), *parts])
