"""Many networks: the matrix of each vector measure, and whole studies of 20 to 2,000 networks.

    python benchmarks/many.py --matrix [--networks 2000]
    python benchmarks/many.py --study [--sizes 20 200 2000] [--folder FOLDER]

--matrix: all pairs by `vector_distances`, on one thread, beside the product of matrices that it
needs (of all numbers of a network that are not 0 in all of them), timed in the same process; the
largest relative error of 2,000 pairs against differences; other exponents, and the distances of
diagrams, on fewer networks, beside one pair after the other.

--study: from files of multilayer perceptrons of about 20,000 weights, written before, through
Snakemake on two cores to three vectors, five measures, figures and report; then with nothing to do,
and with one more network. Seconds of the clock, the largest memory of a process, files, and the
exponent with which they grow from one size to the next.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import common
import numpy as np

UNITS = (64, 128, 64, 32, 10)
"""19,306 weights and biases."""
CONFIG = """\
study: {datasets: [], paper: false}
source: {sheet: networks.tsv}
distance: {measures: [landscape, silhouette, heat, frobenius, tensor_difference]}
"""
PAIRS = 2000
FEW = 60
"""Networks of measures that take long."""


# --- the matrix -----------------------------------------------------------------------------


def random_diagrams(count: int) -> list:
    """Return diagrams of networks of `UNITS` as the policy leaves them."""
    from netkin.diagram.network import network_diagram
    from netkin.diagram.policy import apply_policy

    found = []
    for seed in range(count):
        weights, biases = common.random_network(list(UNITS), seed)
        diagram, _ = network_diagram(
            weights, biases, bias_vertices="per_neuron", zeta=1e-6, engine="exact", max_dimension=3
        )
        found.append(apply_policy(diagram, reduced=True, eta=0.01))
    return found


def clock(work) -> tuple[float, object]:
    """Return the seconds of the processor that work takes, and what it gives."""
    started = time.process_time()
    found = work()
    return time.process_time() - started, found


def products(vectors) -> float:
    """Return the seconds of the products of all numbers that are not 0 in all networks."""
    seconds = 0.0
    for dimension in range(len(vectors[0].arrays)):
        if any(vector.arrays[dimension].any() for vector in vectors):
            x = np.stack([vector.arrays[dimension].ravel() for vector in vectors])
            x @ x[:1].T  # to warm up
            took, _ = clock(lambda x=x: x @ x.T)
            seconds += took
    return seconds


def matrix(count: int) -> None:
    """Print the table of the matrices."""
    from threadpoolctl import threadpool_limits

    from netkin.distance.matching import bottleneck, wasserstein
    from netkin.distance.vector import vector_distance, vector_distances
    from netkin.vector import VECTORISERS
    from netkin.vector.sampling import Sampling
    from netkin.vector.vector import Vector

    found = random_diagrams(count)
    sampling = Sampling(0.0, 1.0, 200)
    rng = np.random.default_rng(0)
    i, j = rng.integers(0, count, (2, PAIRS))
    rows, others = [], []
    with threadpool_limits(1):
        for name in ("landscape", "silhouette", "heat"):
            vectoriser = VECTORISERS[name]
            vectors = [
                Vector(
                    # as they are read
                    tuple(
                        array if array.any() else np.broadcast_to(0.0, array.shape)
                        for array in vectoriser.arrays(one, sampling)
                    ),
                    sampling,
                    vectoriser.axes,
                    name,
                )
                for one in found
            ]
            before = products(vectors)
            took, (values, _) = clock(lambda vectors=vectors: vector_distances(vectors, vectors))
            floor = (before + products(vectors)) / 2
            wanted = np.array(
                [vector_distance(vectors[a], vectors[b]) for a, b in zip(i, j, strict=True)]
            )
            error = np.max(np.abs(values[i, j] - wanted) / np.where(wanted > 0, wanted, 1))
            each, _ = clock(
                lambda vectors=vectors: [
                    vector_distance(vectors[a], vectors[b])
                    for a, b in zip(i[:200], j[:200], strict=True)
                ]
            )
            pair_by_pair = each / 200 * count * (count + 1) / 2
            rows.append(
                [
                    name,
                    f"{took:.2f} s",
                    f"{floor:.2f} s",
                    f"{took / floor:.2f}",
                    f"{pair_by_pair:.0f} s",
                    f"{pair_by_pair / took:.0f}",
                    f"{error:.1e}",
                ]
            )
            for p in (1, 3, np.inf):
                few = vectors[:FEW]
                vector_distances(few[:3], few[:3], p=p)
                took, _ = clock(lambda few=few, p=p: vector_distances(few, few, p=p))
                each, _ = clock(
                    lambda few=few, p=p: [vector_distance(a, b, p=p) for a, b in pairwise(few)]
                )
                n_pairs = FEW * (FEW - 1) / 2
                others.append(
                    [
                        f"{name}, p = {p}",
                        f"{1e6 * took / n_pairs:.0f}",
                        f"{1e6 * each / (FEW - 1):.0f}",
                        f"{each / (FEW - 1) / (took / n_pairs):.1f}",
                    ]
                )
            del vectors
        for name, function in (("wasserstein", wasserstein), ("bottleneck", bottleneck)):
            few = found[:FEW]
            function(few[0], few[1])
            for one in few:
                function(one, one)
            took, _ = clock(
                lambda function=function, few=few: [function(a, b) for a, b in pairwise(few)]
            )
            others.append([name, f"{1e6 * took / (FEW - 1):.0f}", "", ""])
    print(f"{count} x {count}, p = 2, peak memory {common.peak_mib():.0f} MiB\n")
    head = ["measure", "netkin", "product", "ratio", "pair by pair", "times", "largest error"]
    print(common.table(head, rows), "\n")
    print(common.table(["measure", "us a pair", "alone", "times"], others), "\n")


# --- the study --------------------------------------------------------------------------------


def write_study(folder: Path, count: int) -> None:
    """Write so many networks, their sheet and the config."""
    from safetensors.numpy import save_file

    (folder / "models").mkdir(parents=True, exist_ok=True)
    lines = ["network\tpath\tgroup"]
    for seed in range(count):
        path = folder / "models" / f"n{seed}.safetensors"
        if not path.exists():
            weights, biases = common.random_network(list(UNITS), seed)
            tensors = {}
            for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
                # groups differ in the spread of their weights
                spread = np.float32(1 + seed % 5)
                tensors |= {f"{layer}.weight": weight * spread, f"{layer}.bias": bias}
            save_file(tensors, str(path))
        lines.append(f"n{seed}\tmodels/n{seed}.safetensors\tgroup {seed % 5}")
    (folder / "networks.tsv").write_text("\n".join(lines) + "\n")
    (folder / "many.yaml").write_text(CONFIG)


def run(folder: Path, *arguments: str) -> tuple[float, float, str]:
    """Return seconds of the clock, the largest memory of a process in MiB, and what was said."""
    command = [
        *("/usr/bin/env", "-u", "PYTHONDONTWRITEBYTECODE", sys.executable, "-m", "snakemake"),
        *("--snakefile", str(common.ROOT / "Snakefile"), "--cores", "2", "--quiet", "rules"),
        *("--directory", str(folder), "--configfile", str(folder / "many.yaml"), *arguments),
    ]
    started = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder
    )
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(said[-3000:])
    return time.perf_counter() - started, usage.ru_maxrss / 1024, said


def jobs_memory(folder: Path) -> float:
    """Return the largest memory of a job in MiB, of what Snakemake measured."""
    import pandas as pd

    found = [pd.read_csv(path, sep="\t") for path in (folder / "results/benchmark").rglob("*.tsv")]
    return float(pd.to_numeric(pd.concat(found)["max_rss"], errors="coerce").max())


def study(sizes: list[int], place: Path | None) -> None:
    """Print the table of studies."""
    rows, logs = [], []
    with tempfile.TemporaryDirectory() as temporary:
        for count in sizes:
            folder = (place or Path(temporary)) / str(count)
            write_study(folder, count)
            for name in ("results", ".snakemake", "logs"):
                shutil.rmtree(folder / name, ignore_errors=True)
            listed, memory, _ = run(folder, "--dry-run")
            report = ("--report", "report.html", "--report-after-run")
            whole, _, _ = run(folder, *report)
            largest = jobs_memory(folder)
            size = (folder / "report.html").stat().st_size / 1e6
            files = sum(path.is_file() for path in (folder / "results").rglob("*"))
            disk = sum(p.stat().st_size for p in (folder / "results").rglob("*") if p.is_file())
            idle, _, said = run(folder, "--dry-run")
            assert "Nothing to be done" in said
            write_study(folder, count + 1)
            more, _, _ = run(folder, *report)
            logs.append(np.log([whole, largest, files]))
            growth = ["", "", ""]
            if len(logs) > 1:
                steps = (logs[-1] - logs[-2]) / np.log(count / sizes[len(logs) - 2])
                growth = [f" (^{step:.2f})" for step in steps]
            rows.append(
                [
                    f"{count:,}",
                    f"{listed:.1f} s, {memory:.0f} MiB",
                    f"{whole:.0f} s{growth[0]}",
                    f"{largest:.0f} MiB{growth[1]}",
                    f"{files}{growth[2]}",
                    f"{disk / 1e6:,.0f} MB",
                    f"{size:.1f} MB",
                    f"{idle:.1f} s",
                    f"{more:.0f} s",
                ]
            )
            print(rows[-1], file=sys.stderr)
    head = ["networks", "list of jobs", "run", "memory", "files", "disk", "report"]
    print(common.table([*head, "nothing to do", "one more"], rows))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--matrix", action="store_true")
    parser.add_argument("--networks", type=int, default=2000)
    parser.add_argument("--study", action="store_true")
    parser.add_argument("--sizes", type=int, nargs="+", default=[20, 200, 2000])
    parser.add_argument("--folder", type=Path, help="keep files and results here")
    arguments = parser.parse_args()
    print(f"Machine: {common.machine()}\n")
    if arguments.matrix or not arguments.study:
        matrix(arguments.networks)
    if arguments.study:
        study(arguments.sizes, arguments.folder)
