"""Time per edge of the streaming route from 1e6 to 1e9 edges, weights on disk.

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
VECTORS = {
    "landscape": {"n_bins": 200},
    "silhouette": {"n_bins": 200},
    "heat": {"n_bins": 200},
}


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


def stream(path: str) -> dict:
    """Time the route from the file to three vectors."""
    from netkin.vector.stream import vectorise_layers

    with tempfile.TemporaryDirectory() as folder:
        # a first network pays what is imported on the way: start-up, see startup.py
        first = str(Path(folder) / "first.h5")
        write_network(first, [10, 10], seed=0)
        vectorise_layers(first, VECTORS)

    started = time.perf_counter()
    vectorise_layers(path, VECTORS)
    return {"seconds": time.perf_counter() - started, "peak_mib": common.peak_mib()}


def main(folder: str, largest: int) -> None:
    """Print the table and draw the plot."""
    print(f"Machine: {common.machine()}\n")
    rows, points = [], []
    for edges, sizes in SIZES.items():
        if edges > largest:
            continue
        path = str(Path(folder) / f"network_{edges}.h5")
        write_network(path, sizes, seed=0)
        found = common.in_own_process(__file__, "--stream", path, memory_gib=8)
        Path(path).unlink()
        exact = sum(a * b + b for a, b in itertools.pairwise(sizes))
        nanoseconds = found["seconds"] / exact * 1e9
        points.append((exact, nanoseconds))
        rows.append(
            [
                f"{exact:,}",
                " - ".join(map(str, sizes)),
                f"{found['seconds']:.2f} s",
                f"{nanoseconds:.0f} ns",
                f"{found['peak_mib']:.0f} MiB",
            ]
        )
        print(f"{exact:,} edges: {found}", file=sys.stderr)
    print(common.table(["edges", "units per layer", "time", "per edge", "peak memory"], rows))
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
        ax.set_title("weights on disk to three vectors", loc="left")
        images = common.ROOT / "docs" / "images"
        save_figure(figure, [str(images / "scale.svg"), str(images / "scale.png")], dpi=150)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--stream"]:
        print(json.dumps(stream(sys.argv[2])))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            place = sys.argv[1] if len(sys.argv) > 1 else temporary
            main(place, int(float(sys.argv[2])) if len(sys.argv) > 2 else 10**9)
