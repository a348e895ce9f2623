"""Exact persistent homology of graphs whose flag complex is the graph itself.

Where no three vertices are joined pairwise, the directed flag complex has no simplices
but vertices and edges. Then H0 is single linkage, every edge outside a minimum spanning
forest is a class of H1 that never dies, and all higher homology is zero. The theorem and
its proof are in docs/mathematics.md.
"""

from collections.abc import Iterator
from typing import Annotated

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from netkin.diagram.diagram import Diagram
from netkin.diagram.forest import (
    SAMPLE_SIZE,
    EdgeBlock,
    minimum_spanning_forest,
)
from netkin.errors import NetkinError
from netkin.finite import require_finite
from netkin.graph.graph import Graph

EDGES_PER_BLOCK = 1 << 17
"""Edges handled at once; temporary arrays of a block stay in the processor's cache."""


def exact_diagram(graph: Graph, *, max_dimension: Annotated[int, Ge(0)]) -> Diagram:
    """Compute the persistence diagram of the directed flag complex of a two-colourable graph.

    Parameters
    ----------
    graph : Graph
        Two-colourable (see `is_two_colourable`), values >= 0. Reciprocal edges are
        allowed: they are two simplices on the same vertices, as in flagser.
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
        The graph is not two-colourable, or a value is negative, NaN or infinite.
    """
    graph.check_values()
    if not is_two_colourable(graph):
        raise NetkinError(
            "the engine 'exact' needs a graph without cycles of odd length, and this one has "
            "some (as edges within a layer and some skip connections make); use 'flagser' or "
            "'auto'."
        )
    n_edges = len(graph.value)
    some = slice(None, None, max(1, n_edges // SAMPLE_SIZE))
    sample = EdgeBlock(graph.value[some], graph.source[some], graph.target[some], 0)
    forest = minimum_spanning_forest(lambda: _blocks(graph), graph.n_vertices, n_edges, sample)
    return diagram_of_forest(graph.value, forest.edges, forest.n_components, max_dimension)


def diagram_of_forest(
    value: NDArray[np.float32], index: NDArray[np.int64], n_components: int, max_dimension: int
) -> Diagram:
    """Return the diagram of a graph whose flag complex is the graph itself.

    Parameters
    ----------
    value : array of shape (m,)
        Values of all edges.
    index : int array
        Which of them are in a minimum spanning forest.
    n_components : int
        Number of connected components.

    Raises
    ------
    NetkinError
        A value is NaN or infinite.
    """
    require_finite(value, "values of edges")
    deaths = value[index]
    deaths = deaths[deaths > 0]
    h0 = np.zeros((len(deaths) + n_components, 2))
    h0[: len(deaths), 1] = deaths
    h0[len(deaths) :, 1] = np.inf
    outside = np.ones(len(value), dtype=bool)
    outside[index] = False
    h1 = np.empty((len(value) - len(index), 2))
    h1[:, 0] = value[outside]
    h1[:, 1] = np.inf
    higher = [np.empty((0, 2)) for _ in range(2, max_dimension + 1)]
    return Diagram.from_intervals((h0, h1, *higher)[: max_dimension + 1])


def is_two_colourable(graph: Graph) -> bool:
    """Tell whether the vertices can be coloured so that every edge joins two colours.

    The condition under which `exact_diagram` is valid: a graph without cycles of odd
    length has no triangle, whatever the directions of its edges. Time linear in the
    number of edges. The colouring that a feed-forward network has by its layers is tried
    first, then any other by the bipartite double cover, in which the two copies of a
    vertex are connected just if it lies in a component with a cycle of odd length.
    """
    colour = ((graph.layer + graph.is_bias) % 2).astype(bool)
    if all((colour[block.tail] != colour[block.head]).all() for block in _blocks(graph)):
        return True
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = graph.n_vertices
    source, target = graph.source.astype(np.int64), graph.target.astype(np.int64)
    ends = np.concatenate([source, source + n]), np.concatenate([target + n, target])
    cover = coo_array((np.ones(len(ends[0]), dtype=bool), ends), shape=(2 * n, 2 * n))
    _, component = connected_components(cover, directed=False)
    return bool((component[:n] != component[n:])[np.unique(source)].all())


def _blocks(graph: Graph) -> Iterator[EdgeBlock]:
    for start in range(0, len(graph.value), EDGES_PER_BLOCK):
        part = slice(start, start + EDGES_PER_BLOCK)
        yield EdgeBlock(graph.value[part], graph.source[part], graph.target[part], start)
