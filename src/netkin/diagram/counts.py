"""How often each value occurs among any number of them, in memory with a bound."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netkin.finite import require_finite
from netkin.graph.graph import before_vertices

HALF = int(np.float32(0.5).view(np.uint32))
STEPS = 1 << 23
"""From 0.5 to 1 the values of float32 are that many steps of 2**-24, and their bits count on."""
MOST_KEPT = 1 << 21
"""Values kept as they are; sorting so many takes about as long as going through a histogram."""


class ValueCounts:
    """Counts float32 values from 0 on; nothing is lost.

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
            A value is NaN or infinite, or negative.
        """
        require_finite(values, "values of edges")
        if values.min(initial=0) < 0:
            raise before_vertices(values.min())
        self._new.append(values.ravel() + np.float32(0))  # which makes 0 of -0
        self._n_new += values.size
        if self._n_new > MOST_KEPT:
            self._sort_in()

    def result(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the values, ascending and each once, and how often each occurs."""
        if self._histogram is None:
            return _unique(_joined(self._new, np.float32))
        self._sort_in()
        self._merge_other()
        ((values, counts),) = self._other
        place = np.flatnonzero(self._histogram > 0)
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
                other = _unique(values[~inside])
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


def _unique(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return values from 0 on, ascending and each once, and how often each occurs.

    As `numpy.unique`, but several times faster: floats from 0 on are ordered as their bits
    are, and numpy sorts integers of 16 bits in linear time.
    """
    bits = values.view(np.uint32)
    bits = bits[np.argsort(bits.astype(np.uint16), kind="stable")]
    bits = bits[np.argsort((bits >> 16).astype(np.uint16), kind="stable")]
    new = np.ones(len(bits), dtype=bool)
    np.not_equal(bits[1:], bits[:-1], out=new[1:])
    first = np.flatnonzero(new)
    return bits[first].view(np.float32), np.diff(first, append=len(bits))


def _joined(parts: list[NDArray[Any]], dtype: type) -> NDArray[Any]:
    return np.concatenate([np.empty(0, dtype), *parts])
