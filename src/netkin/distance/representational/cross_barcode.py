"""Persistent homology of one weighted graph relative to another, in dimension 1.

Two symmetric matrices w and v weight the edges between n vertices. At the threshold t the
clique complex of the edges with ``min(w, v) <= t`` contains that of the edges with ``w <= t``.
The homology of the former relative to the latter, over the field of two elements, is that of
the doubled complex ``[[0, w], [w, min(w, v)]]`` of Barannikov et al. 2022: in dimension 1 both
have a generator for each edge, from ``min(w, v)`` on, and the relations that an edge is 0 from
w on and that the three edges of a triangle sum to 0 from their largest ``min(w, v)`` on. In
the doubled complex these are the triangles with one, or none, of their corners in the copy.

This module loads numba; import it where it is used.
"""

import numpy as np
from numpy.typing import NDArray

from netkin.compiled import compiled
from netkin.finite import require_finite

Matrix = NDArray[np.float64]
Bits = NDArray[np.uint64]
"""Sets of vertices or of generators, 64 to a word."""
_ENTERS_AS_ZERO, _ENTERS, _BECOMES_ZERO = 0, 1, 2


def bar_length(w: Matrix, v: Matrix) -> float:
    """Return the total length of the bars of dimension 1 of ``[[0, w], [w, min(w, v)]]``.

    Parameters
    ----------
    w, v : float64 arrays of shape (n (n - 1) / 2,)
        Above the diagonal row by row, as scipy.spatial.distance.pdist orders them; at least 0.

    Returns
    -------
    float
        0 (``w <= v`` everywhere, or fewer than two vertices) or more.

    Notes
    -----
    Edges enter in the order of ``min(w, v)``. Those vertices that are already joined to both
    ends of the edge make triangles with it. Of two such vertices that are themselves joined,
    one triangle is the sum of the other and of two earlier ones, so one triangle for each
    connected component of these vertices is enough (Koyama et al. 2023, Faster computation of
    degree-1 persistent homology using the reduced Vietoris-Rips filtration): the first says
    which earlier edges the edge is the sum of, each further one is a relation. Edges
    without a triangle are the generators of bars. A relation ends the bar of the
    youngest generator in what is left of it once the earlier relations are used.

    Beyond the least t for which some vertex has ``w <= t`` to all others both complexes are
    cones and there are no bars.
    """
    from scipy.spatial.distance import squareform

    for values in (w, v):
        require_finite(values, "distances of points")
    if not (v < w).any():
        return 0.0
    square = squareform(w)
    end = square.max(axis=1).min()
    entering, ending = np.minimum(w, v) <= end, (v < w) & (w <= end)
    edges = np.concatenate([np.flatnonzero(entering), np.flatnonzero(ending)])
    values = np.concatenate([np.minimum(w, v)[entering], w[ending]])
    # False is _ENTERS_AS_ZERO, True is _ENTERS
    kinds = np.concatenate([(v < w)[entering], np.full(ending.sum(), _BECOMES_ZERO)])
    order = np.argsort(values, kind="stable")
    i, j = (ends[edges[order]] for ends in np.triu_indices(len(square), k=1))
    return float(_total_length(len(square), i, j, values[order], kinds[order].astype(np.int8)))


@compiled
def _total_length(
    n: int,
    starts: NDArray[np.intp],
    ends: NDArray[np.intp],
    values: Matrix,
    kinds: NDArray[np.int8],
) -> float:
    n_words = (n + 63) // 64
    joined = np.zeros((n, n_words), np.uint64)
    # what an edge is the sum of: a row of `sums`, sets of generators; row 0 is the empty one
    places = np.zeros((n, n), np.int32)
    sums = np.zeros((1024, 1), np.uint64)
    n_sums = 1
    births = np.empty(len(values))
    # the row of the relation that ended a generator, 0 while it lives
    ended = np.zeros(len(values), np.int32)
    n_generators = 0
    apexes = np.empty(n, np.intp)
    total = 0.0
    for event in range(len(values)):
        i, j, value, kind = starts[event], ends[event], values[event], kinds[event]
        if kind == _BECOMES_ZERO:
            relation = sums[places[i, j]].copy()
            places[i, j] = places[j, i] = 0
            youngest = _reduce(relation, sums, ended)
            if youngest >= 0:
                total += value - births[youngest]
                sums = _with_room(sums, n_sums, 0)
                sums[n_sums] = relation
                ended[youngest] = n_sums
                n_sums += 1
            continue
        n_apexes = _find_apexes(joined, i, j, apexes)
        joined[i, j >> 6] |= np.uint64(1) << np.uint64(j & 63)
        joined[j, i >> 6] |= np.uint64(1) << np.uint64(i & 63)
        if kind == _ENTERS and n_apexes == 0:
            sums = _with_room(sums, n_sums, n_generators)
            sums[n_sums, n_generators >> 6] = np.uint64(1) << np.uint64(n_generators & 63)
            births[n_generators] = value
            places[i, j] = places[j, i] = n_sums
            n_generators += 1
            n_sums += 1
            continue
        for number in range(n_apexes):
            one, other = places[i, apexes[number]], places[j, apexes[number]]
            if kind == _ENTERS and number == 0 and (one == 0 or other == 0):
                places[i, j] = places[j, i] = max(one, other)
                continue
            relation = sums[one] ^ sums[other]
            if kind == _ENTERS and number > 0:
                relation ^= sums[places[i, j]]
            youngest = _reduce(relation, sums, ended)
            if youngest < 0:
                continue
            sums = _with_room(sums, n_sums, 0)
            sums[n_sums] = relation
            if kind == _ENTERS and number == 0:
                places[i, j] = places[j, i] = n_sums
            else:
                total += value - births[youngest]
                ended[youngest] = n_sums
            n_sums += 1
    return total


@compiled
def _find_apexes(joined: Bits, i: int, j: int, found: NDArray[np.intp]) -> int:
    """Write one vertex of each component of those joined to both, and return how many."""
    left = joined[i] & joined[j]
    n_found = 0
    reached = np.zeros_like(left)
    vertex = _first(left)
    while vertex >= 0:
        found[n_found] = vertex
        n_found += 1
        reached[vertex >> 6] = np.uint64(1) << np.uint64(vertex & 63)
        while vertex >= 0:
            bit = np.uint64(1) << np.uint64(vertex & 63)
            left[vertex >> 6] &= ~bit
            reached[vertex >> 6] &= ~bit
            any_left = np.uint64(0)
            for word in range(len(left)):
                reached[word] |= left[word] & joined[vertex, word]
                left[word] &= ~joined[vertex, word]
                any_left |= left[word]
            if not any_left:
                return n_found
            vertex = _first(reached)
        vertex = _first(left)
    return n_found


@compiled
def _first(vertices: Bits) -> int:
    """Return the least member of a set, -1 of the empty one."""
    for word in range(len(vertices)):
        if vertices[word]:
            return 64 * word + _lowest(vertices[word])
    return -1


@compiled
def _lowest(word: np.uint64) -> int:
    """Return the place of the lowest bit that is set."""
    place = 0
    while not word & np.uint64(0xFF):
        word >>= np.uint64(8)
        place += 8
    while not word & np.uint64(1):
        word >>= np.uint64(1)
        place += 1
    return place


@compiled
def _reduce(relation: Bits, sums: Bits, ended: NDArray[np.int32]) -> int:
    """Replace generators that have ended, in place; return the youngest left, -1 if none is."""
    youngest = -1
    for word in range(len(relation) - 1, -1, -1):
        seen = np.uint64(0)
        while True:
            ahead = relation[word] & ~seen
            if not ahead:
                break
            bit = 63
            while not (ahead >> np.uint64(bit)) & np.uint64(1):
                bit -= 1
            seen |= np.uint64(1) << np.uint64(bit)
            generator = 64 * word + bit
            if ended[generator]:
                relation ^= sums[ended[generator]]
            elif youngest < 0:
                youngest = generator
    return youngest


@compiled
def _with_room(sums: Bits, row: int, generator: int) -> Bits:
    """Return the table, twice as large if it lacks this row or a bit for this generator."""
    n_rows, n_words = sums.shape
    if row < n_rows and generator < 64 * n_words:
        return sums
    larger = np.zeros(
        (
            2 * n_rows if row >= n_rows else n_rows,
            2 * n_words if generator >= 64 * n_words else n_words,
        ),
        np.uint64,
    )
    larger[:n_rows, :n_words] = sums
    return larger
