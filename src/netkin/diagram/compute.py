"""Stage diagram: from network files to the bundle of their diagrams."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from netkin import storage
from netkin.diagram.diagram import put_diagram
from netkin.diagram.network import Computed, graph_diagram
from netkin.errors import Absent, NetkinError
from netkin.failure import Together
from netkin.graph.graph import BiasVertices
from netkin.graph.reading import Additions, Normaliser, Rescale
from netkin.network.wired import open_graph

logger = logging.getLogger(__name__)


def compute_diagrams(
    *,
    network_paths: Sequence[str],
    ids: Sequence[str],
    diagram_path: str,
    bias_vertices: BiasVertices,
    zeta: float,
    additions: Additions = "contracted",
    normaliser: Normaliser = "network",
    rescale: Rescale = "none",
    engine: str,
    max_dimension: int,
    code: str = "",
) -> None:
    """Write the persistence diagrams of the graphs of networks.

    One network is in memory at a time; no graph is built for the engine ``exact``. Of a network
    whose wiring is not known, or whose graph the engine cannot take, as it has too many triangles,
    the reason stands in place of its diagram.

    Parameters
    ----------
    network_paths : sequence of str
        The network files to read.
    ids : sequence of str
        What each network is called in the bundle.
    diagram_path : str
        The bundle to write.
    bias_vertices, zeta, additions, normaliser, rescale
        See `netkin.graph.reading.BlockEdges`.
    engine : str
        See `netkin.diagram.network.choose_engine`. The file records which one made it.
    max_dimension : int
        Highest homology dimension.
    code : str
        Digest of the code, recorded in the file.

    Raises
    ------
    NetkinError
        Unknown engine, an unreadable network file, or weights that make no graph.
    """
    options: dict[str, Any] = {
        "bias_vertices": bias_vertices,
        "zeta": zeta,
        "additions": additions,
        "normaliser": normaliser,
        "rescale": rescale,
        "engine": engine,
        "max_dimension": max_dimension,
    }
    with storage.create(
        diagram_path,
        "diagram",
        parameters={"networks": list(ids), **options},
        code=code,
        inputs=network_paths,
        ids=ids,
    ) as file:
        failures = Together()
        for path, id in zip(network_paths, ids, strict=True):
            with failures.one(path):
                try:
                    computed = _computed(path, options)
                except Absent as reason:
                    storage.member(file, id).attrs["reason"] = str(reason)
                    continue
                logger.info(
                    "%s: engine %s (%s), classes %s",
                    id,
                    computed.engine,
                    computed.theorem,
                    list(computed.diagram.n_classes()),
                )
                group = storage.member(file, id)
                put_diagram(
                    group, computed.diagram, engine=computed.engine, theorem=computed.theorem
                )
        failures.check()


def _computed(path: str, options: Mapping[str, Any]) -> Computed:
    with open_graph(path) as graph:
        try:
            return graph_diagram(graph, **options)
        except Absent as reason:  # of this graph; those of other networks may be had
            raise Absent(str(reason).rstrip(".")) from None
        except NetkinError as error:
            raise NetkinError(f"{path}: {error}") from None
