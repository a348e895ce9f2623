"""Loops over the weights of dense blocks, compiled. Loads numba; import it where it is used.

Of floats they see the bits: without the sign these are ordered as the magnitudes are.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netkin.compiled import compiled

RUN = 64
"""Weights of a row that are looked at together; in most runs none is wanted."""
PLACES = 1 << 15
"""Counters of a histogram that stay in the cache while they are raised."""


def _strongest(bits: NDArray[Any], mask: Any) -> Any:
    """Return the largest magnitude of bits, 0 of none; the mask has the type of the bits."""
    most = mask & mask
    most ^= most
    for k in range(len(bits)):
        most = max(most, bits[k] & mask)
    return most


def _strongest_of_columns(bits: NDArray[np.uint16], most: NDArray[np.uint16]) -> None:
    """Raise `most`, the largest magnitude of each column, to that of further rows."""
    for r in range(len(bits)):
        for i in range(len(most)):
            most[i] = max(most[i], bits[r, i] & np.uint16(0x7FFF))


def _scaled_bfloat16(
    bits: NDArray[np.uint16], scale: NDArray[np.float32], out: NDArray[np.uint32]
) -> None:
    """Write numbers of bfloat16, each upper half of a float32, as these with columns scaled."""
    numbers = out.view(np.float32)
    for r in range(len(bits)):
        for i in range(len(scale)):
            out[r, i] = np.uint32(bits[r, i]) << np.uint32(16)
        for i in range(len(scale)):
            numbers[r, i] *= scale[i]


def _values_of(
    weight: NDArray[np.floating[Any]], largest: float, zeta: float, out: NDArray[np.float32]
) -> None:
    """Write the values of weights, bit by bit those of `netkin.graph.graph.edge_values`."""
    for k in range(len(weight)):
        out[k] = np.float32(max(1.0 - np.float64(abs(weight[k])) / largest, zeta))


def _count_magnitudes(bits: NDArray[np.uint16], counters: NDArray[np.int64]) -> None:
    """Count each magnitude of numbers of 16 bits in one of 2**15 counters."""
    for k in range(len(bits)):
        counters[bits[k] & np.uint16(0x7FFF)] += 1


def _empty_into(
    waiting: NDArray[np.uint16], n_waiting: int, times: int, counters: NDArray[np.int64]
) -> None:
    for k in range(n_waiting):
        counters[np.int64(waiting[k])] += times


_empty_into = compiled(_empty_into)


def _count_bits(
    bits: NDArray[np.uint32],
    times: int,
    first: int,
    waiting: NDArray[np.uint16],
    n_waiting: NDArray[np.int64],
    histogram: NDArray[np.int64],
    other: NDArray[np.uint32],
) -> int:
    """Count bits in a histogram; list those that it has no counter for, and return how many.

    A histogram is larger than the cache. So what is counted first waits in a queue for each part
    of it, and a full queue goes into its part at once.

    Parameters
    ----------
    bits : uint32 array
    times : int
        How often each of them counts.
    first : int
        The bits of the first counter.
    waiting : uint16 array of shape (n_parts, n)
        A queue for each part of `PLACES` counters.
    n_waiting : int64 array of shape (n_parts,)
    histogram : int64 array
    other : uint32 array, as long as the bits
    """
    n_other = 0
    length = waiting.shape[1]
    n_places = np.uint32(len(histogram))
    for k in range(len(bits)):
        # what is below the first wraps to beyond all
        place = np.uint32(bits[k] - np.uint32(first))
        if place < n_places:
            part = np.int64(place) // PLACES
            n = n_waiting[part]
            waiting[part, n] = np.uint16(place & np.uint32(PLACES - 1))
            n += 1
            n_waiting[part] = n
            if n == length:
                _empty_into(waiting[part], n, times, histogram[part * PLACES :])
                n_waiting[part] = 0
        else:
            other[n_other] = bits[k]
            n_other += 1
    return n_other


def _empty_all(
    waiting: NDArray[np.uint16],
    n_waiting: NDArray[np.int64],
    times: int,
    histogram: NDArray[np.int64],
) -> None:
    """Count all that waits."""
    for part in range(len(waiting)):
        _empty_into(waiting[part], n_waiting[part], times, histogram[part * PLACES :])
        n_waiting[part] = 0


def _strong_crossing(
    bits: NDArray[Any],
    least: Any,
    mask: Any,
    sources: NDArray[np.int32],
    targets: NDArray[np.int32],
    rows_per_group: int,
    row: int,
    found: NDArray[np.int32],
) -> int:
    """List the weights of some magnitude or more that join two components; return how many.

    Parameters
    ----------
    bits : unsigned array of shape (rows, n_in)
    least, mask : unsigned, of the same type
        The least magnitude, and all bits but the sign.
    sources, targets : int32 array of shape (n_in of all groups,) and (n_out,)
        The component of each unit of the block.
    rows_per_group : int
        So many rows start from the same sources, the next ones from those behind.
    row : int
        Number of the first of these rows in the block.
    found : int32 array, as long as the bits
        Filled with places in the flat rows.
    """
    n_found = 0
    n_rows, n_in = bits.shape
    for r in range(n_rows):
        own = targets[row + r]
        first = (row + r) // rows_per_group * n_in
        for begin in range(0, n_in, RUN):
            end = min(begin + RUN, n_in)
            part = bits[r, begin:end]
            strongest = least ^ least
            for i in range(len(part)):
                strongest = max(strongest, part[i] & mask)
            if strongest < least:
                continue
            other = sources[first + begin : first + end]
            differ = np.int32(0)
            for i in range(len(other)):
                differ |= other[i] ^ own
            if differ == 0:
                continue
            for i in range(len(part)):
                if (part[i] & mask) >= least and other[i] != own:
                    found[n_found] = r * n_in + begin + i
                    n_found += 1
    return n_found


def _root(parent: NDArray[np.int32], vertex: int) -> int:
    while parent[vertex] != vertex:
        parent[vertex] = parent[parent[vertex]]
        vertex = parent[vertex]
    return vertex


_root = compiled(_root)


def _unite_in_order(
    tail: NDArray[np.int32],
    head: NDArray[np.int32],
    order: NDArray[np.intp],
    parent: NDArray[np.int32],
    chosen: NDArray[np.intp],
) -> int:
    """Unite the ends of edges one by one (Kruskal); list those that joined two trees.

    Parameters
    ----------
    tail, head : int32 arrays of shape (m,)
    order : int64 array of shape (m,)
    parent : int32 array of shape (n_vertices,)
        Of a root itself; changed.
    chosen : int64 array of shape (m,)
        Filled with the edges that joined, as many as are returned.
    """
    n_chosen = 0
    for k in range(len(order)):
        edge = order[k]
        one, other = _root(parent, tail[edge]), _root(parent, head[edge])
        if one != other:
            parent[max(one, other)] = min(one, other)
            chosen[n_chosen] = edge
            n_chosen += 1
    return n_chosen


def _roots(parent: NDArray[np.int32]) -> None:
    """Let every vertex point to the root of its tree."""
    for vertex in range(len(parent)):
        parent[vertex] = _root(parent, vertex)


strongest = compiled(_strongest)
strongest_of_columns = compiled(_strongest_of_columns)
scaled_bfloat16 = compiled(_scaled_bfloat16)
values_of = compiled(_values_of)
count_magnitudes = compiled(_count_magnitudes)
count_bits = compiled(_count_bits)
empty_all = compiled(_empty_all)
strong_crossing = compiled(_strong_crossing)
unite_in_order = compiled(_unite_in_order)
roots = compiled(_roots)
