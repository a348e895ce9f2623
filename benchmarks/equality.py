"""Whether the exact engine equals flagser on every network of a finished run.

    python benchmarks/equality.py [RESULTS]

Compares the diagrams of all networks below RESULTS (default: results), interval by interval.
"""

import sys
from pathlib import Path

import common
import numpy as np


def main(results: Path) -> None:
    """Print how many are equal; exit with 1 if one is not."""
    from netkin.diagram.exact import exact_diagram
    from netkin.diagram.flagser import flagser_diagram
    from netkin.graph.export import read_network_graph

    paths = sorted(results.glob("network/**/seed_*.h5"))
    different = []
    for path in paths:
        graph = read_network_graph(path, bias_vertices="per_neuron", zeta=1e-6)
        found, wanted = (
            engine(graph, max_dimension=3) for engine in (exact_diagram, flagser_diagram)
        )
        if not all(
            np.array_equal(a, b)
            for a, b in zip(
                [*found.intervals, *found.counts], [*wanted.intervals, *wanted.counts], strict=True
            )
        ):
            different.append(path)
    print(f"{len(paths) - len(different)} of {len(paths)} networks: exact equals flagser")
    if different or not paths:
        sys.exit("\n".join(["different:", *map(str, different)]) if paths else "no networks found")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else common.ROOT / "results")
