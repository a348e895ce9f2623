"""Stage graph: from a network file to its graph, in memory or as a file."""

import logging
from typing import Any

from netkin import storage
from netkin.errors import Absent, NetkinError
from netkin.graph.graph import BiasVertices, Graph, write_graph
from netkin.graph.reading import Additions, Normaliser, Rescale, listed_graph
from netkin.network.wired import open_graph

logger = logging.getLogger(__name__)


def export_graph(
    *,
    network_path: str,
    graph_path: str,
    bias_vertices: BiasVertices,
    zeta: float,
    additions: Additions = "contracted",
    normaliser: Normaliser = "network",
    rescale: Rescale = "none",
    code: str = "",
) -> None:
    """Write the graph of a network; of one whose wiring is not known, the reason.

    Parameters
    ----------
    network_path, graph_path : str
        The network file to read and the graph file to write.
    bias_vertices, zeta, additions, normaliser, rescale
        See `netkin.graph.reading.BlockEdges`.
    code : str
        Digest of the code, recorded in the file.

    Raises
    ------
    NetkinError
        The network file is unreadable or its weights make no graph.
    """
    reading = {
        "bias_vertices": bias_vertices,
        "zeta": zeta,
        "additions": additions,
        "normaliser": normaliser,
        "rescale": rescale,
    }
    # which of a bundle's networks it is of
    parameters = {"member": storage.id_of(network_path), **reading}
    try:
        graph = read_network_graph(network_path, **reading)
    except Absent as reason:
        with storage.create(
            graph_path, "graph", parameters=parameters, code=code, inputs=[network_path]
        ) as file:
            file.attrs["reason"] = str(reason)
        return
    logger.info("%d vertices, %d edges", graph.n_vertices, len(graph.value))
    write_graph(graph_path, graph, parameters=parameters, code=code, inputs=[network_path])


def read_network_graph(path: str, **reading: Any) -> Graph:
    """Return the graph of the network in a file.

    Parameters
    ----------
    path : str
        The network file.
    **reading
        See `netkin.graph.reading.BlockEdges`.

    Raises
    ------
    Absent
        How the network is wired is not known.
    NetkinError
        The network file is unreadable or its weights make no graph.
    """
    with open_graph(path) as graph:
        try:
            return listed_graph(graph, **reading)
        except Absent:
            raise
        except NetkinError as error:
            raise NetkinError(f"{path}: {error}") from None
