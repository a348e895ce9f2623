"""Triangles and cliques of directed graphs in memory."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netkin.compiled import compiled


class Neighbours(NamedTuple):
    """For each vertex of a directed graph the vertices to which its edges lead.

    Loops are left out, and parallel edges are one.

    Attributes
    ----------
    first : int64 array of shape (n + 1,)
        Where those of each vertex begin.
    target : int32 array of shape (m,)
        Ascending for each vertex.
    edge : int64 array of shape (m,)
        A position among the edges that they were made from.
    times : int64 array of shape (m,)
        How many parallel edges there are.
    """

    first: NDArray[np.int64]
    target: NDArray[np.int32]
    edge: NDArray[np.int64]
    times: NDArray[np.int64]

    @classmethod
    def of(
        cls, source: NDArray[np.int32], target: NDArray[np.int32], n_vertices: int
    ) -> "Neighbours":
        """Return those of a graph.

        Parameters
        ----------
        source, target : int32 array of shape (k,)
        n_vertices : int
        """
        name = source.astype(np.int64) * n_vertices + target
        proper = np.flatnonzero(source != target)
        order = proper[np.argsort(name[proper], kind="stable")]
        name = name[order]
        begin = np.flatnonzero(np.diff(name, prepend=-1))
        first = np.searchsorted(name[begin], np.arange(n_vertices + 1) * n_vertices)
        return cls(
            first.astype(np.int64),
            target[order[begin]],
            order[begin],
            np.diff(begin, append=len(name)),
        )


def list_triangles(neighbours: Neighbours, most: int) -> NDArray[np.int64] | None:
    """Return all triangles u -> v -> w with u -> w, in O(m^1.5).

    Parameters
    ----------
    neighbours : Neighbours
    most : int

    Returns
    -------
    int64 array of shape (k, 3), or None for more than `most`
        Positions of their edges u -> v, v -> w and u -> w in `neighbours`.

    Notes
    -----
    Every edge points to the end with more neighbours, or to the later one of equally many, so that
    at most sqrt(2 m) point away from a vertex: Chiba and Nishizeki (1985), Arboricity and subgraph
    listing algorithms, SIAM Journal on Computing 14(1).
    """
    n = len(neighbours.first) - 1
    source = np.repeat(np.arange(n), np.diff(neighbours.first))
    target = neighbours.target.astype(np.int64)
    degree = np.bincount(source, minlength=n) + np.bincount(target, minlength=n)
    rank = np.empty(n, dtype=np.int64)
    rank[np.argsort(degree, kind="stable")] = np.arange(n)
    # pairs of joined vertices by rank, with the position of the edge each way, -1 for none
    one, other = rank[source], rank[target]
    low, high = np.minimum(one, other), np.maximum(one, other)
    pair, place = np.unique(low * n + high, return_inverse=True)
    ways = np.full((len(pair), 2), -1, dtype=np.int64)
    ways[place, (one > other).astype(np.int64)] = np.arange(len(source))
    first = np.searchsorted(pair, np.arange(n + 1) * n).astype(np.int64)
    above = pair % max(n, 1)
    empty = np.empty((0, 3), dtype=np.int64)
    count = _triangles(first, above, ways, most, empty)
    if count > most:
        return None
    found = np.empty((count, 3), dtype=np.int64)
    _triangles(first, above, ways, most, found)
    return found


def count_cliques(neighbours: Neighbours, largest: int, most: int) -> int:
    """Return how many directed cliques of 3 to `largest` vertices there are, at most `most`.

    Parameters
    ----------
    neighbours : Neighbours
    largest : int
    most : int
        Counting stops there.
    """
    longest = int(np.diff(neighbours.first).max(initial=0))
    candidates = np.empty((largest, longest), dtype=np.int32)
    return _count_cliques(neighbours.first, neighbours.target, candidates, most)


@compiled
def _triangles(
    first: NDArray[np.int64],
    above: NDArray[np.int64],
    ways: NDArray[np.int64],
    most: int,
    found: NDArray[np.int64],
) -> int:
    """List triangles where there is room for any, and return their number, beyond `most` early."""
    n = len(first) - 1
    count = 0
    at = np.full(n, -1, np.int64)
    order = np.array([[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]])
    between = np.empty((3, 3), np.int64)
    for a in range(n):
        for p in range(first[a], first[a + 1]):
            at[above[p]] = p
        for p in range(first[a], first[a + 1]):
            b = above[p]
            for q in range(first[b], first[b + 1]):
                r = at[above[q]]
                if r < 0:
                    continue
                between[0, 1], between[1, 0] = ways[p, 0], ways[p, 1]
                between[1, 2], between[2, 1] = ways[q, 0], ways[q, 1]
                between[0, 2], between[2, 0] = ways[r, 0], ways[r, 1]
                for k in range(6):
                    u, v, w = order[k, 0], order[k, 1], order[k, 2]
                    if between[u, v] >= 0 and between[v, w] >= 0 and between[u, w] >= 0:
                        if len(found):
                            found[count, 0] = between[u, v]
                            found[count, 1] = between[v, w]
                            found[count, 2] = between[u, w]
                        count += 1
            if count > most:
                return count
        for p in range(first[a], first[a + 1]):
            at[above[p]] = -1
    return count


@compiled
def _count_cliques(
    first: NDArray[np.int64],
    target: NDArray[np.int32],
    candidates: NDArray[np.int32],
    most: int,
) -> int:
    """Go through cliques depth first; `candidates` has what each beginning can be continued by."""
    largest = len(candidates)
    length = np.zeros(largest, np.int64)
    place = np.zeros(largest, np.int64)
    count = 0
    for start in range(len(first) - 1):
        depth = 0
        length[0] = first[start + 1] - first[start]
        candidates[0, : length[0]] = target[first[start] : first[start + 1]]
        place[0] = 0
        while depth >= 0:
            if place[depth] == length[depth]:
                depth -= 1
                continue
            vertex = candidates[depth, place[depth]]
            place[depth] += 1
            # what both lead to
            kept = 0
            i, j = 0, first[vertex]
            while i < length[depth] and j < first[vertex + 1]:
                if candidates[depth, i] < target[j]:
                    i += 1
                elif candidates[depth, i] > target[j]:
                    j += 1
                else:
                    candidates[depth + 1, kept] = target[j]
                    kept += 1
                    i += 1
                    j += 1
            count += kept
            if count >= most:
                return most
            if kept and depth + 3 < largest:
                depth += 1
                length[depth] = kept
                place[depth] = 0
    return count
