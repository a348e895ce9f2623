"""Exact persistent homology of graphs whose flag complex is the graph itself.

Where no three vertices are joined pairwise, the directed flag complex has no simplices
but vertices and edges. Then H0 is single linkage, every edge outside a minimum spanning
forest is a class of H1 that never dies, and all higher homology is zero. The theorem and
its proof are in docs/mathematics.md.
"""

from typing import Annotated

import numpy as np
from annotated_types import Ge

from netkin.diagram.counts import ValueCounts
from netkin.diagram.diagram import Diagram
from netkin.diagram.forest import minimum_spanning_forest
from netkin.errors import NetkinError
from netkin.graph.graph import Edges
from netkin.options import checked


@checked
def exact_diagram(edges: Edges, *, max_dimension: Annotated[int, Ge(0)]) -> Diagram:
    """Compute the persistence diagram of the directed flag complex of a two-colourable graph.

    Memory depends on the number of vertices, and on the number of different values, which for
    the weights of a float32 network has a bound.

    Parameters
    ----------
    edges : Edges
        Two-colourable, values >= 0. Reciprocal edges are allowed: they are two simplices on
        the same vertices, as in flagser.
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
    if not edges.is_two_colourable():
        raise NetkinError(
            "the engine 'exact' needs a graph without cycles of odd length, and this one has "
            "some (as edges within a layer and some skip connections make); use 'flagser' or "
            "'auto'."
        )
    forest = minimum_spanning_forest(edges.blocks, edges.n_vertices, edges.n_edges, edges.sample())
    counted = ValueCounts()
    for block in edges.blocks():
        counted.add(edges.values(block.key))
    values, counts = counted.result()

    del counted  # as large as what is left

    deaths, joined = np.unique(edges.values(forest.keys), return_counts=True)
    counts[np.searchsorted(values, deaths)] -= joined
    born = np.flatnonzero(counts > 0)
    # an edge of value 0 joins two vertices as they enter, an interval of length zero
    joins = np.flatnonzero(deaths)
    deaths, joined = deaths[joins], joined[joins]
    if forest.n_components:
        deaths, joined = np.append(deaths, np.inf), np.append(joined, forest.n_components)
    h0, h1 = np.zeros((len(deaths), 2)), np.full((len(born), 2), np.inf)
    h0[:, 1], h1[:, 0] = deaths, values[born]
    intervals = [h0, h1, *[np.empty((0, 2))] * (max_dimension - 1)]
    numbers = [joined, counts[born], *[np.empty(0, np.int64)] * (max_dimension - 1)]
    return Diagram(tuple(intervals[: max_dimension + 1]), tuple(numbers[: max_dimension + 1]))
