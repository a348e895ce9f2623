"""From the weights of a network to its diagram, in memory that units decide and not weights."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple

import numpy as np
from annotated_types import Ge, Gt, Le, Lt
from numpy.typing import NDArray

from netkin.diagram import ENGINES
from netkin.diagram.books import book_diagram, is_of_books
from netkin.diagram.diagram import MOST_DIMENSIONS, Diagram
from netkin.diagram.exact import exact_diagram
from netkin.diagram.split import split_diagram
from netkin.errors import NetkinError, allowed
from netkin.graph.blocks import BlockGraph
from netkin.graph.dense import DenseEdges
from netkin.graph.graph import BiasVertices, Edges
from netkin.graph.reading import Additions, BlockEdges, Normaliser, Rescale
from netkin.graph.triangles import may_have_triangles
from netkin.options import checked


class Method(NamedTuple):
    """A way to the diagram of a graph of blocks.

    Attributes
    ----------
    theorem : str
        What it rests on, for people.
    engine : str
        A key of `netkin.diagram.ENGINES`: what computes.
    applies : callable
        ``(edges) -> bool``, from groups, blocks and taps alone.
    diagram : callable
        ``(edges, *, max_dimension) -> Diagram``.
    """

    theorem: str
    engine: str
    applies: Callable[[BlockEdges], bool]
    diagram: Callable[..., Diagram]


METHODS = (
    Method(
        "no triangles: a spanning forest",
        "exact",
        lambda edges: not may_have_triangles(edges),
        exact_diagram,
    ),
    Method("triangles in books: closed form", "exact", is_of_books, book_diagram),
    Method("classes of triangles, each by itself", "flagser", lambda edges: True, split_diagram),
)
"""Ways to the diagram of a graph of blocks, the fastest first; the last is always one."""
WHOLE = "none: flagser on the whole graph"
"""The theorem of the engine ``flagser`` where it is asked for."""


def choose_engine(edges: Edges, engine: str) -> str:
    """Return the engine that ``auto`` stands for, or `engine` itself.

    Parameters
    ----------
    edges : Edges
        The graph that it is for.
    engine : str
        A key of `netkin.diagram.ENGINES`, or ``auto``: ``exact`` where it is valid (see
        `METHODS` for a graph of blocks, `netkin.graph.graph.Edges.is_two_colourable` for others),
        else ``flagser``.

    Raises
    ------
    NetkinError
        Unknown engine.
    """
    if engine not in ("auto", *ENGINES):
        raise NetkinError(f"unknown engine '{engine}'. {allowed(engine, ('auto', *ENGINES))}")
    if engine != "auto":
        return engine
    if isinstance(edges, BlockEdges):
        return _method(edges).engine
    return "exact" if edges.is_two_colourable() else "flagser"


def _method(edges: BlockEdges) -> Method:
    return next(method for method in METHODS if method.applies(edges))


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


class Computed(NamedTuple):
    """A diagram, and how it was computed.

    Attributes
    ----------
    diagram : Diagram
    engine : str
        The key of `netkin.diagram.ENGINES` that computed it.
    theorem : str
        What made that short, for people.
    notes : tuple of str
        Those of the graph.
    """

    diagram: Diagram
    engine: str
    theorem: str
    notes: tuple[str, ...] = ()


def theorem_of(edges: BlockEdges) -> str:
    """Return what makes the diagram of a graph short to compute, without computing it."""
    return _method(edges).theorem


@checked
def graph_diagram(
    graph: BlockGraph,
    *,
    bias_vertices: BiasVertices = "per_neuron",
    zeta: Annotated[float, Gt(0), Lt(1)] = 1e-6,
    additions: Additions = "contracted",
    normaliser: Normaliser = "network",
    rescale: Rescale = "none",
    engine: str = "auto",
    max_dimension: Annotated[int, Ge(0), Le(MOST_DIMENSIONS - 1)] = 3,
) -> Computed:
    """Compute the persistence diagram of a network of any architecture.

    Parameters
    ----------
    graph : BlockGraph
    bias_vertices, zeta, additions, normaliser, rescale
        See `netkin.graph.reading.BlockEdges`.
    engine : str
        See `choose_engine`.
    max_dimension : int
        Highest homology dimension.

    Raises
    ------
    NetkinError
        The weights make no graph, the engine is unknown or cannot take it, or there are too many
        triangles.
    """
    edges = BlockEdges(
        graph,
        bias_vertices=bias_vertices,
        zeta=zeta,
        additions=additions,
        normaliser=normaliser,
        rescale=rescale,
    )
    used = choose_engine(edges, engine)
    if engine == "flagser":
        whole = ENGINES[used](edges, max_dimension=max_dimension)
        return Computed(whole, used, WHOLE, graph.notes)
    method = _method(edges)
    # 'exact' that was asked for says itself why it cannot
    compute = method.diagram if method.engine == used else ENGINES[used]
    return Computed(compute(edges, max_dimension=max_dimension), used, method.theorem, graph.notes)
