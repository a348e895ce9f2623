"""Time per edge from weights on disk to a diagram file and three vectors, 1e6 to 1e9 edges.

    python benchmarks/scale.py [FOLDER] [LARGEST]

Writes one network at a time into FOLDER (a temporary one by default; 1e9 edges take 4 GB),
prints a Markdown table and draws docs/images/scale.svg.
"""

import itertools
import json
import sys
import tempfile
import time
from pathlib import Path

import common
import numpy as np

SIZES = {
    10**6: [800, 700, 600, 10],
    10**7: [2500, 2200, 2000, 10],
    10**8: [8000, 7000, 6200, 10],
    10**9: [25_000, 22_000, 20_000, 500],
}
VECTORS = ("landscape", "silhouette", "heat")


def write_network(path: str, sizes: list[int], seed: int) -> None:
    """Write a network of random weights, a block of rows at a time."""
    from netkin.storage import create

    rng = np.random.default_rng(seed)
    with create(path, "network", parameters={"sizes": sizes}) as file:
        for layer, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
            weight = file.create_dataset(f"layers/{layer}/weight", (n_out, n_in), np.float32)
            for row in range(0, n_out, 256):
                rows = min(256, n_out - row)
                block = rng.standard_normal((rows, n_in), dtype=np.float32)
                weight[row : row + rows] = np.sqrt(2 / (n_in + n_out)) * block
            file[f"layers/{layer}/bias"] = 0.01 * rng.standard_normal(n_out, dtype=np.float32)


def route(path: str) -> dict:
    """Time the route from the file of a network to its diagram and three vectors."""
    from netkin.diagram.diagram import write_diagram
    from netkin.diagram.network_file import network_file_diagram
    from netkin.diagram.policy import read_finite_diagram
    from netkin.vector import VECTORISERS
    from netkin.vector.sampling import Sampling

    def work(network: str, target: Path) -> dict:
        started = time.perf_counter()
        diagram, engine = network_file_diagram(network, max_dimension=3)
        write_diagram(target, diagram, engine=engine)
        seconds = {"diagram": time.perf_counter() - started}
        distinct = len(diagram.intervals[1])
        del diagram
        finite = read_finite_diagram(target)
        for name in VECTORS:
            VECTORISERS[name].arrays(finite, Sampling(0.0, 1.0, 200))
        seconds["vectors"] = time.perf_counter() - started - seconds["diagram"]
        return {"seconds": seconds, "distinct": distinct, "bytes": target.stat().st_size}

    with tempfile.TemporaryDirectory() as folder:
        # a first network pays what is imported on the way: start-up, see startup.py
        first = str(Path(folder) / "first.h5")
        write_network(first, [10, 10], seed=0)
        work(first, Path(folder) / "diagram.h5")
        return {**work(path, Path(folder) / "diagram.h5"), "peak_mib": common.peak_mib()}


def main(folder: str, largest: int) -> None:
    """Print the table and draw the plot."""
    print(f"Machine: {common.machine()}\n")
    rows, points = [], []
    for edges, sizes in SIZES.items():
        if edges > largest:
            continue
        path = str(Path(folder) / f"network_{edges}.h5")
        write_network(path, sizes, seed=0)
        found = common.in_own_process(__file__, "--route", path, memory_gib=8)
        Path(path).unlink()
        exact = sum(a * b + b for a, b in itertools.pairwise(sizes))
        nanoseconds = sum(found["seconds"].values()) / exact * 1e9
        points.append((exact, nanoseconds))
        rows.append(
            [
                f"{exact:,}",
                " - ".join(map(str, sizes)),
                f"{found['distinct']:,}",
                f"{found['bytes'] / 1e6:.1f} MB",
                f"{found['seconds']['diagram']:.2f} s",
                f"{found['seconds']['vectors']:.2f} s",
                f"{nanoseconds:.0f} ns",
                f"{found['peak_mib']:.0f} MiB",
            ]
        )
        print(f"{exact:,} edges: {found}", file=sys.stderr)
    head = ["edges", "units per layer", "distinct births", "diagram file", "diagram", "vectors"]
    print(common.table([*head, "all, per edge", "peak memory"], rows))
    draw(points)


def draw(points: list[tuple[int, float]]) -> None:
    """Draw time per edge against the number of edges."""
    import matplotlib
    from matplotlib.figure import Figure

    from netkin.figure.style import STYLE, save_figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.6, 2.8), layout="constrained")
        ax = figure.subplots()
        edges, nanoseconds = zip(*points, strict=True)
        ax.plot(edges, nanoseconds, marker="o", color="#31688e")
        ax.set_xscale("log")
        ax.set_ylim(0, 1.3 * max(nanoseconds))
        ax.set_xlabel("edges")
        ax.set_ylabel("nanoseconds per edge")
        ax.set_title("weights on disk to diagram and vectors", loc="left")
        images = common.ROOT / "docs" / "images"
        save_figure(figure, [str(images / "scale.svg"), str(images / "scale.png")], dpi=150)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--route"]:
        print(json.dumps(route(sys.argv[2])))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            place = sys.argv[1] if len(sys.argv) > 1 else temporary
            main(place, int(float(sys.argv[2])) if len(sys.argv) > 2 else 10**9)
