"""How often each value occurs among any number of them, in memory with a bound."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netkin.errors import NetkinError
from netkin.finite import require_finite
from netkin.graph.edges import MANY_EDGES
from netkin.graph.graph import before_vertices, edge_values

HALF = int(np.float32(0.5).view(np.uint32))
STEPS = 1 << 23
"""From 0.5 to 1 the values of float32 are that many steps of 2**-24, and their bits count on."""
MOST_KEPT = 1 << 21
"""Values kept as they are; sorting so many takes about as long as going through a histogram."""
QUEUE = 1 << 16
"""Values that wait for a part of the histogram; see `netkin.diagram.passes.count_bits`."""

_Counted = tuple[NDArray[np.float32], NDArray[np.int64]]


class ValueCounts:
    """Counts float32 values from 0 on; nothing is lost.

    A few are kept and sorted in the end. If there are more, those from 0.5 to 1, which are all
    but the strongest edges of a network, go into a histogram with a counter for each value that
    float32 has there. The others, few or at least with few different ones, are a list.
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._new: list[tuple[NDArray[np.float32], NDArray[np.int64] | None]] = []
        self._n_new = 0
        self._histogram: NDArray[np.int64] | None = None
        self._other: list[tuple[NDArray[np.float32], NDArray[np.int64] | None]] = []
        self._n_other = 0
        self._most_other = MOST_KEPT
        self._n_counted = 0
        self._waiting: NDArray[np.uint16] | None = None
        self._n_waiting = np.zeros(0, dtype=np.int64)

    def add(self, values: NDArray[np.float32], counts: NDArray[np.int64] | int = 1) -> None:
        """Count more values.

        Parameters
        ----------
        values : float32 array of any shape
        counts : int64 array that broadcasts to that shape, or int
            How often each of them occurs, at least 0.

        Raises
        ------
        NetkinError
            A value is NaN or infinite, or negative, or a count is negative.
        """
        require_finite(values, "values of edges")
        if values.min(initial=0) < 0:
            raise before_vertices(values.min())
        number = None
        if not (isinstance(counts, int) and counts == 1):
            number = np.broadcast_to(np.asarray(counts, dtype=np.int64), values.shape).ravel()
            if number.min(initial=0) < 0:
                raise NetkinError(f"a value is counted {number.min()} times; allowed is >= 0.")
        values = values.ravel() + np.float32(0)  # which makes 0 of -0
        if number is not None and not number.all():
            values, number = values[number > 0], number[number > 0]
        self._new.append((values, number))
        self._n_new += values.size
        if self._n_new > MOST_KEPT:
            self._sort_in()

    def add_weights(
        self,
        weight: NDArray[np.floating[Any]],
        largest: float,
        zeta: float,
        multiplicity: NDArray[np.int64] | int = 1,
    ) -> None:
        """Count the values of edges of these weights.

        Parameters
        ----------
        weight : float32 or float64 array of shape (..., n_columns)
            Finite.
        largest : float
            What |w| is divided by; 0 where every edge has the value 0.
        zeta : float
            See `netkin.graph.graph.edge_values`.
        multiplicity : int64 array of shape (n_columns,), or int
            How many edges a weight of each column stands for.

        Raises
        ------
        NetkinError
            A multiplicity is negative, or `largest` or `zeta` is not allowed.
        """
        if largest == 0:
            each = np.broadcast_to(np.asarray(multiplicity, dtype=np.int64), weight.shape)
            self.add(np.zeros(1, np.float32), np.array([each.sum()]))
            return
        once = isinstance(multiplicity, int) and multiplicity == 1
        if self._histogram is None or self._n_counted < MANY_EDGES or not once:
            self.add(edge_values(np.abs(weight), largest, zeta), multiplicity)
            return
        from netkin.diagram.passes import values_of

        values = np.empty(weight.size, np.float32)
        values_of(np.ascontiguousarray(weight).reshape(-1), largest, zeta, values)
        self._count_compiled(values)

    def result(self) -> _Counted:
        """Return the values, ascending and each once, and how often each occurs; start anew."""
        found = _unique(self._new) if self._histogram is None else self._with_histogram()
        self._begin()  # whoever holds it holds no memory
        return found

    def _with_histogram(self) -> _Counted:
        self._sort_in()
        histogram, self._histogram = self._histogram, None
        assert histogram is not None
        if self._waiting is not None:
            from netkin.diagram.passes import empty_all

            empty_all(self._waiting, self._n_waiting, histogram)
            self._waiting = None
        values, counts = self._merge_other()
        low, high = np.searchsorted(values, (0.5, 1.0))
        place = np.flatnonzero(histogram > 0).astype(np.uint32)
        number = np.concatenate([counts[:low], histogram[place], counts[high:]])
        del histogram  # as large as what is made of it
        place += np.uint32(HALF)
        return np.concatenate([values[:low], place.view(np.float32), values[high:]]), number

    def _sort_in(self) -> None:
        """Count the new values in the histogram, or list them."""
        if self._histogram is None:
            self._histogram = np.zeros(STEPS + 1, dtype=np.int64)
        self._n_counted += self._n_new
        for values, counts in self._new:
            if counts is None and self._n_counted >= MANY_EDGES:
                self._count_compiled(values)
                continue
            # what is below 0.5 wraps to beyond all steps
            place = values.view(np.uint32) - np.uint32(HALF)
            inside = place <= STEPS
            if not inside.all():
                outside = ~inside
                self._list_other(values[outside], None if counts is None else counts[outside])
                place = place[inside]
                counts = None if counts is None else counts[inside]
            np.add.at(self._histogram, place.astype(np.intp), 1 if counts is None else counts)
        self._new, self._n_new = [], 0

    def _count_compiled(self, values: NDArray[np.float32]) -> None:
        from netkin.diagram.passes import PLACES, count_bits

        assert self._histogram is not None
        if self._waiting is None:
            parts = STEPS // PLACES + 1
            self._waiting = np.empty((parts, QUEUE), dtype=np.uint16)
            self._n_waiting = np.zeros(parts, dtype=np.int64)
        bits = values.view(np.uint32)
        other = np.empty(len(bits), dtype=np.uint32)
        n_other = count_bits(bits, HALF, self._waiting, self._n_waiting, self._histogram, other)
        if n_other:
            self._list_other(other[:n_other].view(np.float32).copy(), None)

    def _list_other(self, values: NDArray[np.float32], counts: NDArray[np.int64] | None) -> None:
        """Add to the list of values that the histogram does not have."""
        self._other.append((values, counts))
        self._n_other += len(values)
        if self._n_other > self._most_other:
            self._merge_other()
            # so that all merging together takes no longer than linear
            self._most_other = max(MOST_KEPT, 2 * self._n_other)

    def _merge_other(self) -> _Counted:
        merged = _unique(self._other)
        self._other, self._n_other = [merged], len(merged[0])
        return merged


def order_of(values: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return the stable order of values from 0 on, in linear time.

    They are ordered as their bits are, and numpy sorts integers of 16 bits in linear time.

    Parameters
    ----------
    values : float32 array of shape (m,)
        None of them -0.

    Returns
    -------
    int64 array of shape (m,)
    """
    bits = values.view(np.uint32)
    order = np.argsort(bits.astype(np.uint16), kind="stable")
    return order[np.argsort((bits[order] >> 16).astype(np.uint16), kind="stable")]


def _unique(parts: list[Any]) -> _Counted:
    """Return values from 0 on, ascending and each once, and how often each occurs.

    As `numpy.unique`, but several times faster.

    Parameters
    ----------
    parts : list of pairs
        Of float32 values, and how often each of them occurs or None for once.
    """
    values = np.concatenate([np.empty(0, np.float32), *(part for part, _ in parts)])
    order = order_of(values)
    bits = values.view(np.uint32)[order]
    new = np.ones(len(bits), dtype=bool)
    np.not_equal(bits[1:], bits[:-1], out=new[1:])
    first = np.flatnonzero(new)
    values = bits[first].view(np.float32)
    if not len(bits) or all(counts is None for _, counts in parts):
        return values, np.diff(first, append=len(bits))
    number = np.concatenate(
        [np.ones(len(part), np.int64) if counts is None else counts for part, counts in parts]
    )
    return values, np.add.reduceat(number[order], first)
