"""Persistent homology of the directed flag complex, by flagser."""

from typing import Annotated

import numpy as np
from annotated_types import Ge

from netkin.diagram.diagram import Diagram
from netkin.errors import Absent, NetkinError
from netkin.graph.graph import Edges, Graph
from netkin.options import checked


@checked
def flagser_diagram(edges: Edges, *, max_dimension: Annotated[int, Ge(0)]) -> Diagram:
    """Compute the persistence diagram of the directed flag complex of any directed graph.

    A simplex is an ordered clique (v0, ..., vk) with an edge from vi to vj for all i < j;
    its filtration value is the largest of its edges, a vertex enters at 0. Two reciprocal
    edges are two simplices on the same vertices, hence a 1-cycle. Coefficients in Z/2.

    Parameters
    ----------
    edges : Edges
        Without loops and parallel edges, values >= 0. An edge of value 0 that stands for a
        contraction is given two vertices in between, so that it is a part of no clique.
    max_dimension : int
        Highest homology dimension.

    Returns
    -------
    Diagram
        Dimensions 0 to `max_dimension`, computed in float32. flagser itself leaves out
        intervals of length zero.

    Raises
    ------
    NetkinError
        A value is negative, NaN or infinite; there are loops or parallel edges; or pyflagser is
        not installed, which netkin does without elsewhere since it is AGPL.

    References
    ----------
    Lütgehetmann, Govc, Smith, Levi (2020), Computing persistent homology of directed
    flag complexes, Algorithms 13(1).
    """
    graph = edges.stored()
    graph.check_values()
    if getattr(edges, "contracts", False):
        graph = _subdivided(graph)
    _refuse_multigraph(graph)
    try:
        from pyflagser import flagser_weighted
    except ModuleNotFoundError:
        raise NetkinError(
            "the engine flagser, for graphs with cliques, needs the package pyflagser (AGPL), "
            "which is not installed; install it: pip install pyflagser."
        ) from None

    found = flagser_weighted(
        graph.to_scipy(), max_dimension=max_dimension, directed=True, filtration="max", coeff=2
    )["dgms"]
    # flagser stops at the dimension of the complex, and lists at least two dimensions
    empty = np.empty((0, 2))
    found = (found + [empty] * (max_dimension + 1))[: max_dimension + 1]
    return Diagram.from_intervals(found)


def _subdivided(graph: Graph) -> Graph:
    """Return the graph with two vertices within each edge of value 0.

    With one of them it would be part of a triangle where other edges join its ends.
    """
    zero = np.flatnonzero(graph.value == 0)
    inner = np.arange(graph.n_vertices, graph.n_vertices + 2 * len(zero), dtype=np.int32)
    one, other = inner.reshape(2, -1)
    target = graph.target.copy()
    target[zero] = one
    layer = graph.layer[graph.source[zero]]
    return Graph(
        np.concatenate([graph.source, one, other]),
        np.concatenate([target, other, graph.target[zero]]),
        np.concatenate([graph.value, graph.value[zero], graph.value[zero]]),
        graph.n_vertices + len(inner),
        np.concatenate([graph.layer, layer, layer]),
        np.concatenate([graph.is_bias, np.zeros(len(inner), dtype=bool)]),
    )


def _refuse_multigraph(graph: Graph) -> None:
    loops = np.flatnonzero(graph.source == graph.target)
    if loops.size:
        raise Absent(
            f"the engine flagser takes no edge from a vertex to itself, as vertex "
            f"{graph.source[loops[0]]} has; use 'auto'."
        )
    name = np.sort(graph.source.astype(np.int64) * graph.n_vertices + graph.target)
    parallel = name[1:][name[1:] == name[:-1]]
    if parallel.size:
        source, target = divmod(int(parallel[0]), graph.n_vertices)
        raise Absent(
            f"the engine flagser takes no parallel edges, as from vertex {source} to {target}; use "
            "'auto'."
        )
