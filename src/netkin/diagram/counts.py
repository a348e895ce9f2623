"""How often each value occurs among any number of them, in memory with a bound."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netkin.errors import NetkinError
from netkin.finite import require_finite
from netkin.graph.edges import MANY_EDGES
from netkin.graph.graph import before_vertices, check_scale

HALF = int(np.float32(0.5).view(np.uint32))
STEPS = 1 << 23
"""From 0.5 to 1 the values of float32 are that many steps of 2**-24, and their bits count on."""
MOST_KEPT = 1 << 21
"""Values kept as they are; sorting so many takes about as long as going through a histogram."""
QUEUE = 1 << 16
"""Values that wait for a part of the histogram; see `netkin.diagram.passes.count_bits`."""
MOST_QUEUES = 4
"""Numbers of times for which values wait at once. Their queues are shorter, but for once."""

_Counted = tuple[NDArray[np.float32], NDArray[np.int64]]
_Counts = NDArray[np.int64] | int


class ValueCounts:
    """Counts float32 values from 0 on; nothing is lost.

    A few are kept and sorted in the end. If there are more, those from 0.5 to 1, which are all
    but the strongest edges of a network, go into a histogram with a counter for each value that
    float32 has there. The others, few or at least with few different ones, are a list.
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._new: list[tuple[NDArray[np.float32], _Counts]] = []
        self._n_new = 0
        self._histogram: NDArray[np.int64] | None = None
        self._other: list[tuple[NDArray[np.float32], _Counts]] = []
        self._n_other = 0
        self._most_other = MOST_KEPT
        self._n_counted = 0
        self._compiled = False
        # how often they count -> values that wait, and how many for each part
        self._queues: dict[int, tuple[NDArray[np.uint16], NDArray[np.int64]]] = {}

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
        number: _Counts
        if isinstance(counts, int):
            number, least = counts, counts
        else:
            number = np.broadcast_to(np.asarray(counts, dtype=np.int64), values.shape).ravel()
            least = int(number.min(initial=1))
        if least < 0:
            raise NetkinError(f"a value is counted {least} times; allowed is >= 0.")
        values = values.ravel() + np.float32(0)  # which makes 0 of -0
        if least == 0:
            there = np.broadcast_to(number, values.shape) > 0
            values = values[there]
            number = 1 if isinstance(number, int) else number[there]
        self._keep(values, number)

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
        width = weight.shape[-1]
        of_columns = np.atleast_1d(np.asarray(multiplicity, dtype=np.int64))
        kinds = np.unique(of_columns)  # of all columns one, as it is where they are many
        if kinds.min(initial=0) < 0:
            raise NetkinError(f"a value is counted {kinds.min()} times; allowed is >= 0.")
        if largest == 0:
            total = np.broadcast_to(of_columns, (width,)).sum() * (weight.size // max(1, width))
            self.add(np.zeros(1, np.float32), np.array([total]))
            return
        check_scale(largest, zeta)
        from netkin.diagram.passes import values_of

        self._compiled = True
        for times in kinds[kinds > 0].tolist():
            part = weight if len(kinds) == 1 else weight[..., of_columns == times]
            values = np.empty(part.size, np.float32)
            values_of(np.ascontiguousarray(part).reshape(-1), largest, zeta, values)
            if self._histogram is None:
                self._keep(values, times)
            else:
                self._count_compiled(values, times)

    def result(self) -> _Counted:
        """Return the values, ascending and each once, and how often each occurs; start anew."""
        found = _unique(self._new) if self._histogram is None else self._with_histogram()
        self._begin()  # whoever holds it holds no memory
        return found

    def _with_histogram(self) -> _Counted:
        self._sort_in()
        histogram, self._histogram = self._histogram, None
        assert histogram is not None
        self._empty_queues(histogram)
        values, counts = self._merge_other()
        low, high = np.searchsorted(values, (0.5, 1.0))
        place = np.flatnonzero(histogram > 0).astype(np.uint32)
        number = np.empty(low + len(place) + len(values) - high, dtype=np.int64)
        number[:low] = counts[:low]
        inside = number[low : low + len(place)]
        np.take(histogram, place, out=inside, mode="clip")  # else it makes a copy
        number[low + len(place) :] = counts[high:]
        del histogram  # as large as what is made of it
        place += np.uint32(HALF)
        return np.concatenate([values[:low], place.view(np.float32), values[high:]]), number

    def _keep(self, values: NDArray[np.float32], counts: _Counts) -> None:
        """Take values, each at least once, to count them later."""
        self._new.append((values, counts))
        self._n_new += values.size
        if self._n_new > MOST_KEPT:
            self._sort_in()

    def _sort_in(self) -> None:
        """Count the new values in the histogram, or list them."""
        if self._histogram is None:
            self._histogram = np.zeros(STEPS + 1, dtype=np.int64)
        self._n_counted += self._n_new
        for values, counts in self._new:
            if isinstance(counts, int) and (self._compiled or self._n_counted >= MANY_EDGES):
                self._count_compiled(values, counts)
                continue
            # what is below 0.5 wraps to beyond all steps
            place = values.view(np.uint32) - np.uint32(HALF)
            inside = place <= STEPS
            if not inside.all():
                outside = ~inside
                of_outside = counts if isinstance(counts, int) else counts[outside]
                self._list_other(values[outside], of_outside)
                place = place[inside]
                counts = counts if isinstance(counts, int) else counts[inside]
            np.add.at(self._histogram, place.astype(np.intp), counts)
        self._new, self._n_new = [], 0

    def _count_compiled(self, values: NDArray[np.float32], times: int) -> None:
        from netkin.diagram.passes import PLACES, count_bits

        assert self._histogram is not None
        if times not in self._queues:
            if len(self._queues) >= MOST_QUEUES:
                self._empty_queues(self._histogram)
            parts = STEPS // PLACES + 1
            length = QUEUE if times == 1 else -(-QUEUE // MOST_QUEUES)
            self._queues[times] = (
                np.empty((parts, length), dtype=np.uint16),
                np.zeros(parts, dtype=np.int64),
            )
        bits = values.view(np.uint32)
        other = np.empty(len(bits), dtype=np.uint32)
        queue = self._queues[times]
        n_other = count_bits(bits, times, HALF, *queue, self._histogram, other)
        if n_other:
            self._list_other(other[:n_other].view(np.float32).copy(), times)

    def _empty_queues(self, histogram: NDArray[np.int64]) -> None:
        """Count all that waits."""
        for times, queue in self._queues.items():
            from netkin.diagram.passes import empty_all

            empty_all(*queue, times, histogram)
        self._queues = {}

    def _list_other(self, values: NDArray[np.float32], counts: _Counts) -> None:
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
        Of float32 values, and how often each of them occurs, as an array or one number for all.
    """
    values = np.concatenate([np.empty(0, np.float32), *(part for part, _ in parts)])
    order = order_of(values)
    bits = values.view(np.uint32)[order]
    new = np.ones(len(bits), dtype=bool)
    np.not_equal(bits[1:], bits[:-1], out=new[1:])
    first = np.flatnonzero(new)
    values = bits[first].view(np.float32)
    times = {counts if isinstance(counts, int) else 0 for _, counts in parts}
    if not len(bits) or (len(times) == 1 and 0 not in times):
        return values, np.diff(first, append=len(bits)) * max(times, default=1)
    number = np.concatenate([np.broadcast_to(counts, part.shape) for part, counts in parts])
    return values, np.add.reduceat(number[order], first)
