"""Stage graph: from a network file to a graph file."""

import logging
from typing import Any

from netkin.errors import NetkinError
from netkin.graph.graph import BiasVertices, graph_from_weights, write_graph
from netkin.network.file import read_network
from netkin.storage import restore

logger = logging.getLogger(__name__)


def build_graph(
    *,
    network_path: str,
    graph_path: str,
    bias_vertices: BiasVertices,
    zeta: float,
    code: str = "",
) -> None:
    """Write the graph of a trained network, or put back what was there.

    Parameters
    ----------
    network_path, graph_path : str
        The network file to read and the graph file to write.
    bias_vertices, zeta
        See `netkin.graph.graph.graph_from_weights`.
    code : str
        Digest of the code, recorded in the file.

    Raises
    ------
    NetkinError
        The network file is unreadable or its weights make no graph.
    """
    parameters = {"bias_vertices": bias_vertices, "zeta": zeta}
    made_by: Any = {"parameters": parameters, "code": code, "inputs": [network_path]}
    if restore(graph_path, "graph", **made_by):
        return
    network = read_network(network_path)
    try:
        graph = graph_from_weights(
            network.weights, network.biases, bias_vertices=bias_vertices, zeta=zeta
        )
    except NetkinError as error:
        raise NetkinError(f"{network_path}: {error}") from None
    logger.info("%d vertices, %d edges", graph.n_vertices, len(graph.value))
    write_graph(graph_path, graph, **made_by)
