"""Exact diagrams of any directed graph, taken apart into classes of triangles.

Two triangles are neighbours if they share an edge. The classes that this makes do not meet in the
reduction of the boundary, so each can be done on its own: books in closed form, the rest by
flagser. Edges in no triangle cost nothing but the forest. The theorem and its proof are in
docs/mathematics.md.
"""

from typing import Annotated, NamedTuple

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from netkin.diagram.books import Counted, assembled
from netkin.diagram.counts import ValueCounts
from netkin.diagram.diagram import Diagram
from netkin.diagram.flagser import flagser_diagram
from netkin.diagram.forest import minimum_spanning_forest
from netkin.errors import Absent
from netkin.graph.graph import Edges, Graph
from netkin.options import checked

MOST_EDGES = 20_000_000
"""Edges of a graph that is searched for triangles, which took 150 bytes an edge."""
MOST_TRIANGLES = 20_000_000
"""Triangles that are listed, at most; each takes about 50 bytes."""
MOST_FOR_FLAGSER = 1_000_000
"""Triangles of classes that are no books: flagser took six minutes for 790,000 of one class, and
its time grew 28-fold for four times as many (docs/mathematics.md)."""
MOST_CELLS = 8_000_000
"""Simplices from triangles on that flagser is given, at most; each takes about 270 bytes."""


@checked
def split_diagram(edges: Edges, *, max_dimension: Annotated[int, Ge(0)]) -> Diagram:
    """Compute the persistence diagram of the directed flag complex of any directed graph.

    Parameters
    ----------
    edges : Edges
        Values >= 0. Loops are allowed, and parallel edges outside of triangles. Edges of value 0
        that stand for a contraction are a part of no triangle, as if each had two vertices in
        between.
    max_dimension : int
        Highest homology dimension.

    Returns
    -------
    Diagram
        The intervals flagser gives, computed from the same float32 values; intervals of length
        zero are left out.

    Raises
    ------
    Absent
        Parallel edges lie in triangles, or there are more edges or triangles than can be handled.
    NetkinError
        A value is negative, NaN or infinite, or pyflagser is needed and not installed.
    """
    if edges.n_edges > MOST_EDGES:
        raise Absent(
            f"the graph has triangles that no closed form is known for, and {edges.n_edges:,} "
            f"edges; allowed are {MOST_EDGES:,} to list its triangles one by one{_hint(edges)}."
        )
    graph = edges.stored()
    graph.check_values()
    forest = minimum_spanning_forest(graph.blocks, graph.n_vertices, graph.n_edges, graph.sample())
    deaths = _counted(forest.keys.astype(np.float32))
    found = _Found(graph.value, max(max_dimension, 1))
    if max_dimension:  # H0 is the forest's
        meets = graph.value > 0 if getattr(edges, "contracts", False) else slice(None)
        classes = _classes(graph, np.arange(graph.n_edges)[meets], edges)
        _add_books(classes, found)
        _add_others(classes, graph, found, edges)
    counted = ValueCounts()
    counted.add(graph.value)
    return assembled(
        counted.result(),
        deaths,
        forest.n_components,
        found.paired.result(),
        found.kept.result(),
        (np.concatenate(found.intervals[0]), np.concatenate(found.counts[0])),
        [
            (np.concatenate(part), np.concatenate(number))
            for part, number in zip(found.intervals[1:], found.counts[1:], strict=True)
        ],
        max_dimension,
    )


class _Classes(NamedTuple):
    """Triangles and their classes.

    Attributes
    ----------
    triangles : int64 array of shape (n, 3)
        Their edges u -> v, v -> w and u -> w, by position in the graph.
    of : int64 array of shape (n,)
        Class of each, 0 to n_classes - 1.
    is_book : bool array of shape (n_classes,)
    spine : int64 array of shape (n_classes,)
        An edge that all triangles of a book have.
    """

    triangles: NDArray[np.int64]
    of: NDArray[np.int64]
    is_book: NDArray[np.bool_]
    spine: NDArray[np.int64]


class _Found:
    """What the classes add to the diagram; see `netkin.diagram.books.assembled`."""

    def __init__(self, value: NDArray[np.float32], max_dimension: int) -> None:
        self.value = value
        self.max_dimension = max_dimension
        self.paired, self.kept = ValueCounts(), ValueCounts()
        self.intervals: list[list[NDArray[np.float64]]] = [
            [np.empty((0, 2))] for _ in range(max_dimension)
        ]
        self.counts: list[list[NDArray[np.int64]]] = [
            [np.empty(0, np.int64)] for _ in range(max_dimension)
        ]


def _hint(edges: Edges) -> str:
    return "; use additions: contracted" if getattr(edges, "contracts", None) is False else ""


def _counted(values: NDArray[np.float32]) -> Counted:
    found, counts = np.unique(values, return_counts=True)
    return found, counts.astype(np.int64)


def _classes(graph: Graph, chosen: NDArray[np.int64], edges: Edges) -> _Classes:
    """Return the triangles of some edges of a graph, and their classes."""
    from netkin.diagram.cliques import Neighbours, list_triangles

    neighbours = Neighbours.of(graph.source[chosen], graph.target[chosen], graph.n_vertices)
    places = list_triangles(neighbours, MOST_TRIANGLES)
    if places is None:
        raise Absent(
            f"the graph has more than {MOST_TRIANGLES:,} triangles, which is what is allowed"
            f"{_hint(edges)}."
        )
    first = neighbours.edge[places]
    if neighbours.times[places].max(initial=1) > 1:
        parallel = first[neighbours.times[places] > 1][0]
        edge = chosen[parallel]
        raise Absent(
            f"parallel edges from vertex {graph.source[edge]} to {graph.target[edge]} lie in a "
            f"triangle; allowed are parallel edges in no triangle{_hint(edges)}."
        )
    triangles = chosen[first]
    n = graph.n_edges
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = np.concatenate([triangles[:, 0]] * 2), triangles[:, 1:].T.ravel()
    joined = coo_array((np.ones(len(ends[0]), dtype=bool), ends), shape=(n, n))
    _, component = connected_components(joined, directed=False)
    names, of = np.unique(component[triangles[:, 0]], return_inverse=True)
    # in a book only the spine is in several triangles
    times = np.bincount(triangles.ravel(), minlength=n)
    shared = np.flatnonzero(times > 1)
    place = np.searchsorted(names, component[shared])
    spine = np.empty(len(names), dtype=np.int64)
    spine[of] = triangles[:, 0]
    spine[place] = shared
    is_book = np.bincount(place, minlength=len(names)) <= 1
    return _Classes(triangles, of, is_book, spine)


def _add_books(classes: _Classes, found: _Found) -> None:
    """Add books, single triangles among them, in closed form; see `netkin.diagram.books`."""
    mine = classes.is_book[classes.of]
    triangles, of = classes.triangles[mine], classes.of[mine]
    if not len(of):
        return
    value = found.value
    is_spine = triangles == classes.spine[of][:, None]
    larger = np.where(is_spine, -np.inf, value[triangles]).max(axis=1).astype(np.float32)
    order = np.lexsort((larger, of))
    larger, of = larger[order], of[order]
    spine = value[classes.spine[of]]
    is_first = np.append(True, of[1:] != of[:-1])
    found.paired.add(np.where(is_first, np.maximum(larger, spine), larger))
    ends = ~is_first & (larger < spine)
    found.intervals[0].append(np.column_stack([larger[ends], spine[ends]]).astype(np.float64))
    found.counts[0].append(np.ones(int(ends.sum()), dtype=np.int64))


def _add_others(classes: _Classes, graph: Graph, found: _Found, edges: Edges) -> None:
    """Add the classes that are no books, by flagser; those that are equal by one run."""
    mine = ~classes.is_book[classes.of]
    if not mine.any():
        return
    triangles, of = classes.triangles[mine], classes.of[mine]
    order = np.argsort(of, kind="stable")
    cuts = np.flatnonzero(np.diff(of[order])) + 1
    kinds: dict[tuple[int, bytes], tuple[_Part, int]] = {}
    for members in np.split(order, cuts):
        part = _part(graph, np.unique(triangles[members]), len(members))
        seen = kinds.get(part.key, (part, 0))
        kinds[part.key] = seen[0], seen[1] + 1
    by_times: dict[int, list[_Part]] = {}
    for part, times in kinds.values():
        by_times.setdefault(times, []).append(part)
    unions = {times: _union(parts) for times, parts in by_times.items()}
    _refuse_too_many([part for part, _ in kinds.values()], list(unions.values()), found, edges)
    for times, union in unions.items():
        diagram = flagser_diagram(union, max_dimension=found.max_dimension)
        forest = minimum_spanning_forest(
            union.blocks, union.n_vertices, union.n_edges, union.sample()
        )
        endless = np.isinf(diagram.intervals[1][:, 1])
        # edges that are neither in the forest nor a class without end are paired with triangles
        found.paired.add(union.value, times)
        found.kept.add(forest.keys.astype(np.float32), times)
        found.kept.add(
            diagram.intervals[1][endless, 0].astype(np.float32),
            diagram.counts[1][endless] * times,
        )
        for dimension in range(1, found.max_dimension + 1):
            intervals, counts = diagram.intervals[dimension], diagram.counts[dimension]
            wanted = ~endless if dimension == 1 else slice(None)
            found.intervals[dimension - 1].append(intervals[wanted])
            found.counts[dimension - 1].append(counts[wanted] * times)


class _Part(NamedTuple):
    """The edges of a class, its vertices numbered from 0 on in their order."""

    source: NDArray[np.int32]
    target: NDArray[np.int32]
    value: NDArray[np.float32]
    n_vertices: int
    n_triangles: int

    @property
    def key(self) -> tuple[int, bytes]:
        """The same for classes that are equal, as copies of shared weights are."""
        return self.n_vertices, b"".join(array.tobytes() for array in self[:3])


def _part(graph: Graph, edges: NDArray[np.int64], n_triangles: int) -> _Part:
    ends = np.stack([graph.source[edges], graph.target[edges]])
    vertices, place = np.unique(ends, return_inverse=True)
    source, target = place.reshape(2, -1).astype(np.int32)
    order = np.lexsort((target, source))
    value = graph.value[edges][order]
    return _Part(source[order], target[order], value, len(vertices), n_triangles)


def _union(parts: list[_Part]) -> Graph:
    """Return classes side by side as a graph."""
    first = np.cumsum([0, *(part.n_vertices for part in parts)])
    n = int(first[-1])
    ends = [
        np.concatenate([part[k] + start for part, start in zip(parts, first, strict=False)])
        for k in (0, 1)
    ]
    return Graph(
        ends[0].astype(np.int32),
        ends[1].astype(np.int32),
        np.concatenate([part.value for part in parts]),
        n,
        np.zeros(n, dtype=np.int32),
        np.zeros(n, dtype=bool),
    )


def _refuse_too_many(parts: list[_Part], unions: list[Graph], found: _Found, edges: Edges) -> None:
    """Raise `Absent` for more than flagser can do in minutes and some gigabytes."""
    triangles = sum(part.n_triangles for part in parts)
    if triangles > MOST_FOR_FLAGSER:
        raise Absent(
            f"{triangles:,} triangles of the graph are no pages of books, so that flagser would "
            f"take very long; allowed are {MOST_FOR_FLAGSER:,}{_hint(edges)}."
        )
    from netkin.diagram.cliques import Neighbours, count_cliques

    cells = 0
    for union in unions:
        neighbours = Neighbours.of(union.source, union.target, union.n_vertices)
        cells += count_cliques(neighbours, found.max_dimension + 2, MOST_CELLS - cells)
        if cells >= MOST_CELLS:
            raise Absent(
                f"{triangles:,} triangles of the graph are no pages of books, and with larger "
                f"cliques up to dimension {found.max_dimension + 1} they are more than "
                f"{MOST_CELLS:,} simplices, which is what is allowed (about "
                f"{MOST_CELLS * 270 / 2**30:.0f} GiB for flagser); use a lower max_dimension"
                f"{_hint(edges).replace('; use', ' or')}."
            )
