"""Graph -> diagram -> three vectors: netkin against flagser and giotto-tda, one network each.

Each figure comes from a process of its own. Prints a Markdown table.
"""

import json
import sys

import common
import numpy as np


def netkin_route(network: str) -> dict:
    """Time the exact engine and the three vectors."""
    from netkin.diagram.exact import exact_diagram
    from netkin.diagram.policy import apply_policy
    from netkin.graph.graph import graph_from_weights
    from netkin.vector import VECTORISERS
    from netkin.vector.sampling import Sampling

    graph = graph_from_weights(*common.random_network(common.NETWORKS[network]))
    sampling = Sampling(0.0, 1.0, 200)

    def work() -> None:
        diagram = apply_policy(exact_diagram(graph, max_dimension=3))
        for name in ("landscape", "silhouette", "heat"):
            VECTORISERS[name].arrays(diagram, sampling)

    return common.measured(work)


def peer_route(network: str) -> dict:
    """Time FlagserPersistence and giotto's three representations, once."""
    import time

    from netkin.giotto_compat import import_giotto

    Filtering = import_giotto("gtda.diagrams").Filtering
    HeatKernel = import_giotto("gtda.diagrams").HeatKernel
    PersistenceLandscape = import_giotto("gtda.diagrams").PersistenceLandscape
    Silhouette = import_giotto("gtda.diagrams").Silhouette
    FlagserPersistence = import_giotto("gtda.homology").FlagserPersistence

    from netkin.graph.graph import graph_from_weights

    graph = graph_from_weights(*common.random_network(common.NETWORKS[network]))
    matrix = graph.to_scipy()
    started = time.perf_counter()
    homology = FlagserPersistence(homology_dimensions=(0, 1, 2, 3))
    diagrams = Filtering(epsilon=0.01).fit_transform(homology.fit_transform([matrix]))
    diagrams[np.isinf(diagrams)] = 1.0
    diagrams = np.asarray(diagrams)
    PersistenceLandscape(n_layers=1, n_bins=200).fit_transform(diagrams)
    Silhouette(power=1.0, n_bins=200).fit_transform(diagrams)
    HeatKernel(sigma=0.1, n_bins=200).fit_transform(diagrams)
    return {"seconds": time.perf_counter() - started, "peak_mib": common.peak_mib()}


def stage_against_sort(network: str) -> dict:
    """Time the persistence stage and numpy's sort of the same edges."""
    from netkin.diagram.exact import exact_diagram
    from netkin.graph.graph import graph_from_weights

    graph = graph_from_weights(*common.random_network(common.NETWORKS[network]))
    stage = common.measured(lambda: exact_diagram(graph, max_dimension=3) and None, 11)
    sort = common.measured(lambda: np.sort(graph.value) is None or None, 11)
    return {"stage": stage["seconds"], "sort": sort["seconds"], "edges": len(graph.value)}


ROUTES = {"netkin": netkin_route, "peer": peer_route, "stage": stage_against_sort}


def main() -> None:
    """Print both tables."""
    print(f"Machine: {common.machine()}\n")
    rows, sorts = [], []
    for network in common.NETWORKS:
        ours, peer, stage = (
            common.in_own_process(__file__, route, network) for route in ("netkin", "peer", "stage")
        )
        time_ratio = memory_ratio = "–"
        peer_seconds = peer_memory = peer.get("error", "")
        if "error" not in peer:
            time_ratio = f"{peer['seconds'] / ours['seconds']:.0f}"
            memory_ratio = f"{peer['peak_mib'] / ours['peak_mib']:.0f}"
            peer_seconds, peer_memory = f"{peer['seconds']:.1f} s", f"{peer['peak_mib']:.0f} MiB"
        rows.append(
            [
                network,
                f"{stage['edges']:,}",
                f"{ours['seconds'] * 1e3:.0f} ms",
                peer_seconds,
                time_ratio,
                f"{ours['peak_mib']:.0f} MiB",
                peer_memory,
                memory_ratio,
            ]
        )
        sorts.append(
            [
                network,
                f"{stage['stage'] * 1e3:.1f} ms",
                f"{stage['sort'] * 1e3:.1f} ms",
                f"{stage['stage'] / stage['sort']:.2f}",
            ]
        )
    head = ["network", "edges", "netkin", "flagser + giotto", "times faster"]
    head += ["netkin memory", "peer memory", "times less"]
    print(common.table(head, rows))
    print("\nPersistence stage (graph -> diagram) against `numpy.sort` of the edge values:\n")
    print(common.table(["network", "stage", "sort", "stage / sort"], sorts))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(ROUTES[sys.argv[1]](sys.argv[2])))
    else:
        main()
