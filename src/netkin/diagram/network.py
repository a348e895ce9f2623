"""From the weights of a network to its diagram, in memory that units decide and not weights."""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Le, Lt
from numpy.typing import NDArray

from netkin.diagram import ENGINES
from netkin.diagram.diagram import MOST_DIMENSIONS, Diagram
from netkin.errors import NetkinError, allowed
from netkin.graph.dense import DenseEdges
from netkin.graph.graph import BiasVertices, Edges
from netkin.options import checked


def choose_engine(edges: Edges, engine: str) -> str:
    """Return the engine that ``auto`` stands for, or `engine` itself.

    Parameters
    ----------
    edges : Edges
        The graph that it is for.
    engine : str
        A key of `netkin.diagram.ENGINES`, or ``auto``: ``exact`` where it is valid (see
        `netkin.graph.graph.Edges.is_two_colourable`), else ``flagser``.

    Raises
    ------
    NetkinError
        Unknown engine.
    """
    if engine not in ("auto", *ENGINES):
        raise NetkinError(f"unknown engine '{engine}'. {allowed(engine, ('auto', *ENGINES))}")
    if engine == "auto":
        return "exact" if edges.is_two_colourable() else "flagser"
    return engine


@checked
def network_diagram(
    weights: Sequence[Any],
    biases: Sequence[NDArray[np.floating[Any]] | None],
    *,
    bias_vertices: BiasVertices = "per_neuron",
    zeta: Annotated[float, Gt(0), Lt(1)] = 1e-6,
    engine: str = "auto",
    max_dimension: Annotated[int, Ge(0), Le(MOST_DIMENSIONS - 1)] = 3,
) -> tuple[Diagram, str]:
    """Compute the persistence diagram of the graph of a feed-forward network.

    The same as an engine on the graph that `netkin.graph.graph.graph_from_weights` builds. No
    graph is built for ``exact``, which ``auto`` takes.

    Parameters
    ----------
    weights, biases, bias_vertices, zeta
        See `netkin.graph.dense.DenseEdges`.
    engine : str
        See `choose_engine`.
    max_dimension : int
        Highest homology dimension.

    Returns
    -------
    diagram : Diagram
    engine : str
        The key of `netkin.diagram.ENGINES` that computed it.

    Raises
    ------
    NetkinError
        The weights make no graph, or the engine is unknown or cannot take it.
    """
    edges = DenseEdges(weights, biases, bias_vertices=bias_vertices, zeta=zeta)
    used = choose_engine(edges, engine)
    return ENGINES[used](edges, max_dimension=max_dimension), used
