"""Training the grid of one data set against its matrix products alone.

    python benchmarks/training.py [DATA_FOLDER]

The 19 networks of the paper on MNIST at full size, 20 epochs, by one process, as the workflow
does with `network.together`: it starts Python, reads the data set, trains as many networks side
by side as there are cores, and writes them. With --each, each network besides by a process of its
own, as without. Against it the products that these steps and the evaluations after each epoch
cannot do without, in float32, timed in as many processes side by side before and after, a sample
of steps for each shape. Without DATA_FOLDER (the folder that holds MNIST/raw) rows of random
pixels of the same shape take its place.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import common
import numpy as np

FEATURES, LABELS, BATCH, EPOCHS, ROWS = 784, 10, 128, 20, 60_000
SHARE = 0.1
SAMPLE_SECONDS = 4.0
CONSTANTS = {"learning_rate": 1e-3, "rho": 0.9, "epsilon": 1e-7}


def grid() -> dict[str, dict]:
    """Return what tells the 19 networks apart."""
    variants = {f"width_{width}": {"width": width} for width in (128, 256, 512, 1024)}
    variants |= {f"layers_{n}": {"hidden_layers": n} for n in (2, 4, 6, 8, 10)}
    orders = {"input_order": "samples"}
    variants |= {f"input_order_{i}": {**orders, "order_seed": i} for i in range(1, 6)}
    return variants | {f"labels_{n}": {"n_labels": n} for n in (2, 4, 6, 8, 10)}


def shape(change: dict) -> list[int]:
    """Return the units of each layer."""
    hidden = [change.get("width", 512)] * change.get("hidden_layers", 2)
    return [FEATURES, *hidden, change.get("n_labels", LABELS)]


def write_dataset(path: Path, folder: str | None) -> np.ndarray:
    """Write the data set as the workflow does, and return the labels of its training rows."""
    from netkin.dataset.arrays import Arrays, write_arrays
    from netkin.dataset.mnist import load_mnist

    if folder:
        arrays = load_mnist(Path(folder))
    else:
        rng = np.random.default_rng(0)
        n, m = ROWS, ROWS // 6
        # like handwritten digits: a fifth of the pixels are not 0
        pixels = rng.random((n + m, FEATURES), dtype=np.float32)
        pixels *= rng.random((n + m, FEATURES), dtype=np.float32) < 0.2
        labels = rng.integers(LABELS, size=n + m)
        names = tuple(map(str, range(LABELS)))
        rows = np.arange(n + m)
        arrays = Arrays(
            pixels[:n], labels[:n], rows[:n], pixels[n:], labels[n:], rows[n:], label_names=names
        )
    write_arrays(path, arrays, parameters={})
    return arrays.train_labels


def settings(name: str, change: dict) -> dict:
    """Return the arguments of `train_network` for a variant."""
    base = {"threads": 1, "dataset": "mnist", "variant": name, "seed": 0}
    base |= {"width": 512, "hidden_layers": 2, "dropout": 0.2, **CONSTANTS}
    base |= {"batch_size": BATCH, "epochs": EPOCHS, "validation_share": SHARE}
    return base | {"n_labels": None, "input_order": None, "order_seed": 0} | change


def run(function: str, **arguments) -> None:
    """Call a function of `netkin.network.train` in a process of its own, as a job does."""
    call = f"import json, sys; from netkin.network.train import {function}; "
    call += f"{function}(**json.loads(sys.argv[1]))"
    environment = os.environ | {"PYTHONPATH": str(common.ROOT / "src")}
    command = [sys.executable, "-c", call, json.dumps(arguments)]
    subprocess.run(command, check=True, env=environment)


def products(units: list[int], rows: int, *, forward_only: bool = False):
    """Return a function that does the products of a step, or of the evaluation of rows."""
    import torch

    shapes = [(b, a) for a, b in pairwise(units)]
    weights = [torch.rand(shape) for shape in shapes]
    inputs = [torch.rand(rows, a) for _, a in shapes]
    outputs = [torch.rand(rows, b) for b, _ in shapes]
    slopes = [torch.rand(rows, b) for b, _ in shapes]
    below = [torch.empty(rows, a) for _, a in shapes]
    # gradients share memory, which so stays in the processor's cache: the faster way
    shared = torch.empty(max(map(torch.numel, weights)))
    gradients = [shared[: weight.numel()].view(weight.shape) for weight in weights]

    def step() -> None:
        for x, weight, out in zip(inputs, weights, outputs, strict=True):
            torch.mm(x, weight.T, out=out)
        if forward_only:
            return
        for i in reversed(range(len(weights))):
            torch.mm(slopes[i].T, inputs[i], out=gradients[i])
            if i:
                torch.mm(slopes[i], weights[i], out=below[i])

    return step


def floor(arguments: str) -> None:
    """Print the seconds of the products of trainings; the body of a process of its own."""
    import torch

    torch.set_num_threads(1)
    found = {}
    for key, (units, rows) in json.loads(arguments).items():
        each = []
        for forward_only, n in ((False, BATCH), (True, 1024)):
            step = products(units, n, forward_only=forward_only)
            step()
            seconds = []
            until = time.perf_counter() + SAMPLE_SECONDS / (4 if forward_only else 1)
            while time.perf_counter() < until:
                started = time.perf_counter()
                for _ in range(5):
                    step()
                seconds.append((time.perf_counter() - started) / 5)
            each.append(statistics.median(seconds))
        train = int(rows * (1 - SHARE))
        n_steps = -(-train // BATCH) * EPOCHS
        n_chunks = (rows - train) / 1024 * EPOCHS + ROWS / 6 / 1024
        found[key] = n_steps * each[0] + n_chunks * each[1]
    print(json.dumps(found))


def floors(wanted: dict, cores: int) -> dict[str, float]:
    """Return the seconds of the products of each shape, timed while all cores do the same."""
    command = [sys.executable, __file__, "--floor", json.dumps(wanted)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(cores)]
    found = [json.loads(process.communicate()[0]) for process in running]
    return {key: statistics.mean(one[key] for one in found) for key in wanted}


def main() -> None:
    """Print both times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data_folder", nargs="?", help="holds MNIST/raw")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--each", action="store_true", help="a process a network besides")
    parser.add_argument("--floor", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.floor:
        floor(given.floor)
        return
    with tempfile.TemporaryDirectory() as folder:
        dataset = Path(folder) / "mnist.h5"
        labels = write_dataset(dataset, given.data_folder)
        rows = {n: int((labels < n).sum()) for n in range(2, LABELS + 1)}
        variants = grid()
        shapes = {
            name: [shape(change), rows[shape(change)[-1]]] for name, change in variants.items()
        }
        distinct = {json.dumps(one): one for one in shapes.values()}
        before = floors(distinct, given.cores)
        tasks = {name: settings(name, change) for name, change in variants.items()}
        paths = {name: f"{folder}/{name}.h5" for name in variants}
        started = time.perf_counter()
        run(
            "train_networks",
            dataset_path=str(dataset),
            network_paths=list(paths.values()),
            trainings=list(tasks.values()),
            device="cpu",
            cores=given.cores,
        )
        wall = time.perf_counter() - started
        each = {}
        if given.each:

            def train(name: str) -> float:
                started = time.perf_counter()
                more = {"dataset_path": str(dataset), "network_path": paths[name]}
                run("train_network", **tasks[name], **more, device="cpu")
                return time.perf_counter() - started

            # the longest first, so that the cores end together
            order = sorted(variants, key=lambda name: -before[json.dumps(shapes[name])])
            started = time.perf_counter()
            with ThreadPoolExecutor(given.cores) as pool:
                each = dict(zip(order, pool.map(train, order), strict=True))
            wall_of_each = time.perf_counter() - started
        after = floors(distinct, given.cores)
    floor_of = {
        name: (before[json.dumps(one)] + after[json.dumps(one)]) / 2 for name, one in shapes.items()
    }
    print(f"{common.machine()}; {given.cores} processes of one thread\n")
    least = sum(floor_of.values()) / given.cores
    lines = [
        [name, f"{one:.1f}", f"{floor_of[name]:.1f}", f"{one / floor_of[name]:.2f}"]
        for name, one in each.items()
    ]
    if each:
        lines.append(["a process each", f"{wall_of_each:.0f}", f"{least:.0f}"])
        lines[-1].append(f"{wall_of_each / least:.2f}")
    lines.append(["one process for all", f"{wall:.0f}", f"{least:.0f}", f"{wall / least:.2f}"])
    print(common.table(["19 networks", "training, s", "products, s", "ratio"], lines))
    drift = sum(after.values()) / sum(before.values())
    print(f"\nProducts after the trainings against before: {drift:.2f}")


if __name__ == "__main__":
    main()
