"""Stage diagram: from a graph file to a diagram file."""

import logging
from typing import Any

from netkin.diagram import ENGINES
from netkin.diagram.diagram import write_diagram
from netkin.diagram.network import choose_engine
from netkin.errors import NetkinError
from netkin.graph.graph import read_graph
from netkin.storage import restore

logger = logging.getLogger(__name__)


def compute_diagram(
    *, graph_path: str, diagram_path: str, engine: str, max_dimension: int, code: str = ""
) -> None:
    """Write the persistence diagram of a graph, or put back what was there.

    Parameters
    ----------
    graph_path, diagram_path : str
        The graph file to read and the diagram file to write.
    engine : str
        See `netkin.diagram.network.choose_engine`. The file records which one made it.
    max_dimension : int
        Highest homology dimension.
    code : str
        Digest of the code, recorded in the file.

    Raises
    ------
    NetkinError
        Unknown engine, an unreadable graph file, or ``exact`` for a graph it cannot take.
    """
    made_by: Any = {
        "parameters": {"engine": engine, "max_dimension": max_dimension},
        "code": code,
        "inputs": [graph_path],
    }
    if restore(diagram_path, "diagram", **made_by):
        return
    graph = read_graph(graph_path)
    used = choose_engine(graph, engine)
    try:
        diagram = ENGINES[used](graph, max_dimension=max_dimension)
    except NetkinError as error:
        raise NetkinError(f"{graph_path}: {error}") from None
    logger.info("engine %s", used)
    logger.info("classes per dimension: %s", list(diagram.n_classes()))
    write_diagram(
        diagram_path,
        diagram,
        engine=used,
        **made_by,
    )
