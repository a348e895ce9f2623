"""Exact persistent homology of graphs whose flag complex is the graph itself.

Where no three vertices are joined pairwise, the directed flag complex has no simplices
but vertices and edges. Then H0 is single linkage, every edge outside a minimum spanning
forest is a class of H1 that never dies, and all higher homology is zero; parallel edges are
allowed. The theorem and its proof are in docs/mathematics.md.
"""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from netkin.diagram.counts import ValueCounts
from netkin.diagram.dense_forest import DensePart, dense_forest, dense_parts
from netkin.diagram.diagram import Diagram
from netkin.diagram.forest import minimum_spanning_forest
from netkin.errors import Absent, NetkinError
from netkin.graph.dense import DenseEdges
from netkin.graph.edges import MANY_EDGES
from netkin.graph.graph import Edges
from netkin.graph.reading import BlockEdges
from netkin.graph.triangles import may_have_triangles
from netkin.options import checked


@checked
def exact_diagram(edges: Edges, *, max_dimension: Annotated[int, Ge(0)]) -> Diagram:
    """Compute the persistence diagram of the directed flag complex of a graph without triangles.

    Memory depends on the number of vertices, and on the number of different values, which for
    the weights of a float32 network has a bound.

    Parameters
    ----------
    edges : Edges
        Values >= 0. Two-colourable; of blocks, such that `may_have_triangles` sees none. Reciprocal
        edges are allowed: they are two simplices on the same vertices, as in flagser.
    max_dimension : int
        Highest homology dimension listed; dimensions above 1 are empty.

    Returns
    -------
    Diagram
        The intervals flagser gives, computed from the same float32 values; intervals of
        length zero are left out, as flagser does.

    Raises
    ------
    NetkinError
        The graph is not two-colourable, or may have triangles; or a value is negative, NaN or
        infinite.
    """
    if isinstance(edges, BlockEdges):
        return _diagram_of_blocks(edges, max_dimension)
    if not edges.is_two_colourable():
        raise NetkinError(
            "the engine 'exact' needs a graph without cycles of odd length, and this one has "
            "some (as edges within a layer and some skip connections make); use 'flagser' or "
            "'auto'."
        )
    if isinstance(edges, DenseEdges) and edges.n_edges >= MANY_EDGES:
        return _diagram_of_dense(dense_parts(edges), edges, max_dimension)
    forest = minimum_spanning_forest(edges.blocks, edges.n_vertices, edges.n_edges, edges.sample())
    counted = ValueCounts()
    for block in edges.blocks():
        counted.add(edges.values(block.key))
    deaths, joined = np.unique(edges.values(forest.keys), return_counts=True)
    return _diagram(counted, deaths, joined, forest.n_components, max_dimension)


def _diagram_of_blocks(edges: BlockEdges, max_dimension: int) -> Diagram:
    from netkin.diagram.block_forest import block_forest

    if may_have_triangles(edges):
        raise Absent(
            "the engine 'exact' needs a graph without triangles, and this one may have some (as "
            "skip connections over one or two layers make); use 'auto', or additions: contracted."
        )
    parts = dense_parts(edges)
    if parts and edges.n_edges >= MANY_EDGES:
        return _diagram_of_dense(parts, edges, max_dimension)
    counted = ValueCounts()
    forest = block_forest(edges, counted)
    return _diagram(counted, forest.values, forest.counts, forest.n_components, max_dimension)


def _diagram_of_dense(
    parts: Sequence[DensePart], edges: DenseEdges | BlockEdges, max_dimension: int
) -> Diagram:
    counted = ValueCounts()
    none_joined = np.arange(edges.n_vertices, dtype=np.int32)
    forest = dense_forest(parts, none_joined, edges.zeta, counted)
    deaths, joined = np.unique(forest.value, return_counts=True)
    n_components = edges.n_vertices - len(forest.value)
    return _diagram(counted, deaths, joined, n_components, max_dimension)


def _diagram(
    counted: ValueCounts,
    deaths: NDArray[np.float32],
    joined: NDArray[np.int64],
    n_components: int,
    max_dimension: int,
) -> Diagram:
    """Return the diagram of a graph without triangles.

    Parameters
    ----------
    counted : ValueCounts
        Of all edges; its memory is handed over.
    deaths, joined : arrays of shape (k,)
        Values of a minimum spanning forest, ascending and each once, and how many edges have each.
    n_components : int
    max_dimension : int
    """
    values, counts = counted.result()
    counts[np.searchsorted(values, deaths)] -= joined
    born = counts > 0
    # one after the other: of large networks each takes 70 MB
    values = values[born]
    counts = counts[born]
    del born
    # an edge of value 0 joins two vertices as they enter, an interval of length zero
    joins = np.flatnonzero(deaths)
    deaths, joined = deaths[joins], joined[joins]
    if n_components:
        deaths, joined = np.append(deaths, np.inf), np.append(joined, n_components)
    h0, h1 = np.zeros((len(deaths), 2)), np.full((len(values), 2), np.inf)
    h0[:, 1], h1[:, 0] = deaths, values
    del values
    intervals = [h0, h1, *[np.empty((0, 2))] * (max_dimension - 1)]
    numbers = [joined, counts, *[np.empty(0, np.int64)] * (max_dimension - 1)]
    return Diagram(tuple(intervals[: max_dimension + 1]), tuple(numbers[: max_dimension + 1]))
