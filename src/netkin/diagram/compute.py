"""Stage diagram: from a graph file to a diagram file."""

import logging

from netkin.diagram import ENGINES
from netkin.diagram.diagram import write_diagram
from netkin.errors import NetkinError, did_you_mean
from netkin.graph.graph import read_graph

logger = logging.getLogger(__name__)


def compute_diagram(
    *, graph_path: str, diagram_path: str, engine: str, max_dimension: int, code: str = ""
) -> None:
    """Write the persistence diagram of a graph.

    Parameters
    ----------
    graph_path, diagram_path : str
        The graph file to read and the diagram file to write.
    engine : str
        A key of `netkin.diagram.ENGINES`.
    max_dimension : int
        Highest homology dimension.
    code : str
        Digest of the code, recorded in the file.

    Raises
    ------
    NetkinError
        Unknown engine, or an unreadable graph file.
    """
    if engine not in ENGINES:
        raise NetkinError(
            f"unknown engine '{engine}', allowed: {', '.join(ENGINES)}."
            + did_you_mean(engine, ENGINES)
        )
    diagram = ENGINES[engine](read_graph(graph_path), max_dimension=max_dimension)
    logger.info("classes per dimension: %s", [len(part) for part in diagram.intervals])
    write_diagram(
        diagram_path,
        diagram,
        engine=engine,
        parameters={"engine": engine, "max_dimension": max_dimension},
        code=code,
        inputs=[graph_path],
    )
