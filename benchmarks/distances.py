"""All distances of a 19 x 19 matrix, three measures: netkin against giotto's PairwiseDistance.

giotto's route is timed on a sample of pairs and scaled to all 171. Prints a Markdown table.
"""

import itertools
import json
import sys
import time

import common
import numpy as np

N_NETWORKS = 19
SAMPLED_PAIRS = 3
MEASURES = ("landscape", "silhouette", "heat")


def diagrams(count: int) -> list:
    """Return diagrams of base networks as the policy leaves them."""
    from netkin.diagram.exact import exact_diagram
    from netkin.diagram.policy import apply_policy
    from netkin.graph.graph import graph_from_weights

    return [
        apply_policy(
            exact_diagram(
                graph_from_weights(*common.random_network(common.NETWORKS["base"], seed)),
                max_dimension=3,
            )
        )
        for seed in range(count)
    ]


def netkin_route() -> dict:
    """Vectorise every diagram once and compare all pairs."""
    from netkin.distance.matrix import distance_matrices
    from netkin.distance.vector import vector_distance
    from netkin.vector import VECTORISERS
    from netkin.vector.sampling import Sampling
    from netkin.vector.vector import Vector

    found = diagrams(N_NETWORKS)
    sampling = Sampling(0.0, 1.0, 200)

    def work() -> None:
        for name in MEASURES:
            vectoriser = VECTORISERS[name]
            vectors = [
                Vector(
                    vectoriser.arrays(diagram, sampling), sampling, axes=vectoriser.axes, kind=name
                )
                for diagram in found
            ]
            distance_matrices(vectors, {name: vector_distance})

    return common.measured(work, 3)


def peer_route() -> dict:
    """Fit and transform pairs of diagrams with giotto's PairwiseDistance."""
    from netkin.giotto_compat import import_giotto

    PairwiseDistance = import_giotto("gtda.diagrams").PairwiseDistance

    found = diagrams(SAMPLED_PAIRS + 1)
    seconds = []
    for a, b in itertools.pairwise(found):
        pair = padded(a, b)
        started = time.perf_counter()
        for name in MEASURES:
            PairwiseDistance(name, metric_params={"n_bins": 200}, order=2).fit_transform(pair)
        seconds.append(time.perf_counter() - started)
    return {"seconds_per_pair": float(np.median(seconds)), "peak_mib": common.peak_mib()}


def padded(a, b) -> np.ndarray:
    """Return two diagrams as giotto takes them: triples, padded to equal numbers of points."""
    both = []
    for diagram, other in ((a, b), (b, a)):
        rows = []
        for dimension, (part, its) in enumerate(
            zip(diagram.expanded(), other.expanded(), strict=True)
        ):
            size = max(len(part), len(its), 1)
            points = np.zeros((size, 3))
            least = min([*part[:, 0], *its[:, 0]], default=0.0)
            points[:, :2] = least
            points[: len(part), :2] = part
            points[:, 2] = dimension
            rows.append(points)
        both.append(np.concatenate(rows))
    return np.stack(both)


ROUTES = {"netkin": netkin_route, "peer": peer_route}


def main() -> None:
    """Print the table."""
    print(f"Machine: {common.machine()}\n")
    ours, peer = (common.in_own_process(__file__, route) for route in ROUTES)
    pairs = N_NETWORKS * (N_NETWORKS - 1) // 2
    total = peer["seconds_per_pair"] * pairs
    head = ["", "netkin", "giotto pairwise", "ratio"]
    rows = [
        [
            f"{pairs} pairs of base networks, 3 measures, vectors included",
            f"{ours['seconds']:.2f} s",
            f"{total:.0f} s ({SAMPLED_PAIRS} pairs timed, {peer['seconds_per_pair']:.1f} s each)",
            f"{total / ours['seconds']:.0f}",
        ],
        [
            "peak memory",
            f"{ours['peak_mib']:.0f} MiB",
            f"{peer['peak_mib']:.0f} MiB",
            f"{peer['peak_mib'] / ours['peak_mib']:.1f}",
        ],
    ]
    print(common.table(head, rows))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(ROUTES[sys.argv[1]]()))
    else:
        main()
