"""Stage graph: from a network file to its graph, in memory or as a file."""

import logging

from netkin import storage
from netkin.errors import Absent, NetkinError
from netkin.graph.graph import BiasVertices, Graph, graph_from_weights, write_graph
from netkin.network.file import read_network

logger = logging.getLogger(__name__)


def export_graph(
    *,
    network_path: str,
    graph_path: str,
    bias_vertices: BiasVertices,
    zeta: float,
    code: str = "",
) -> None:
    """Write the graph of a network; of one whose layers are not known, the reason.

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
    # which of a bundle's networks it is of
    member = storage.id_of(network_path)
    parameters = {"member": member, "bias_vertices": bias_vertices, "zeta": zeta}
    try:
        graph = read_network_graph(network_path, bias_vertices=bias_vertices, zeta=zeta)
    except Absent as reason:
        with storage.create(
            graph_path, "graph", parameters=parameters, code=code, inputs=[network_path]
        ) as file:
            file.attrs["reason"] = str(reason)
        return
    logger.info("%d vertices, %d edges", graph.n_vertices, len(graph.value))
    write_graph(graph_path, graph, parameters=parameters, code=code, inputs=[network_path])


def read_network_graph(path: str, *, bias_vertices: BiasVertices, zeta: float) -> Graph:
    """Return the graph of the network in a file.

    Parameters
    ----------
    path : str
        The network file.
    bias_vertices, zeta
        See `netkin.graph.graph.graph_from_weights`.

    Raises
    ------
    NetkinError
        The network file is unreadable or its weights make no graph.
    """
    network = read_network(path)
    try:
        return graph_from_weights(
            network.weights, network.biases, bias_vertices=bias_vertices, zeta=zeta
        )
    except NetkinError as error:
        raise NetkinError(f"{path}: {error}") from None
