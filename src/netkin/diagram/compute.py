"""Stage diagram: from network files to the bundle of their diagrams."""

import logging
from collections.abc import Sequence

from netkin import storage
from netkin.diagram.diagram import put_diagram
from netkin.diagram.network import network_diagram
from netkin.errors import Absent, NetkinError
from netkin.failure import Together
from netkin.graph.graph import BiasVertices
from netkin.network.file import read_network

logger = logging.getLogger(__name__)


def compute_diagrams(
    *,
    network_paths: Sequence[str],
    ids: Sequence[str],
    diagram_path: str,
    bias_vertices: BiasVertices,
    zeta: float,
    engine: str,
    max_dimension: int,
    code: str = "",
) -> None:
    """Write the persistence diagrams of the graphs of networks.

    One network is in memory at a time; no graph is built for the engine ``exact``. Of a network
    whose layers are not known, the reason stands in place of its diagram.

    Parameters
    ----------
    network_paths : sequence of str
        The network files to read.
    ids : sequence of str
        What each network is called in the bundle.
    diagram_path : str
        The bundle to write.
    bias_vertices, zeta
        See `netkin.graph.graph.graph_from_weights`.
    engine : str
        See `netkin.diagram.network.choose_engine`. The file records which one made it.
    max_dimension : int
        Highest homology dimension.
    code : str
        Digest of the code, recorded in the file.

    Raises
    ------
    NetkinError
        Unknown engine, an unreadable network file, weights that make no graph, or ``exact`` for
        a graph it cannot take.
    """
    parameters = {
        "networks": list(ids),
        "bias_vertices": bias_vertices,
        "zeta": zeta,
        "engine": engine,
        "max_dimension": max_dimension,
    }
    with storage.create(
        diagram_path, "diagram", parameters=parameters, code=code, inputs=network_paths, ids=ids
    ) as file:
        failures = Together()
        for path, id in zip(network_paths, ids, strict=True):
            with failures.one(path):
                try:
                    network = read_network(path)
                except Absent as reason:
                    storage.member(file, id).attrs["reason"] = str(reason)
                    continue
                try:
                    diagram, used = network_diagram(
                        network.weights,
                        network.biases,
                        bias_vertices=bias_vertices,
                        zeta=zeta,
                        engine=engine,
                        max_dimension=max_dimension,
                    )
                except NetkinError as error:
                    raise NetkinError(f"{path}: {error}") from None
                logger.info("%s: engine %s, classes %s", id, used, list(diagram.n_classes()))
                put_diagram(storage.member(file, id), diagram, engine=used)
        failures.check()
