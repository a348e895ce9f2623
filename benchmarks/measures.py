"""All representational measures of 19 networks, shared parts once, against one pair at a time.

    python benchmarks/measures.py [--networks 19] [--rows 1000] [--width 512] [--pairs 2]

The networks are two hidden layers of random weights after a ReLU, on images of digits; what
is compared are the activations of the second. netkin's side is
`netkin.distance.matrix.distance_matrices` of every measure on the same representations, all in
this process, all pairs. The other side, `measures_apart.py`, are functions of two arrays that
know nothing of other pairs or measures: by scipy, scikit-learn, POT and giotto-ph, else numpy
as the definition reads. It is timed on a few pairs and scaled to the number of calls that the
matrix takes; each value must agree with netkin's to 1e-6. Of RTD both sides take one sample
of 500 rows where the default is ten, which is ten times as much work for either.

Both sides are timed in seconds of one core's time, so that other work on the machine counts
little. Set OPENBLAS_NUM_THREADS=1 for one core.
"""

import argparse
import os
import time
from collections.abc import Callable

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import common
import measures_apart
import numpy as np
from sklearn.datasets import load_digits

from netkin.distance.matrix import distance_matrices
from netkin.distance.representational import REPRESENTATIONAL
from netkin.distance.representational.representation import Representation

OPTIONS = {"rtd": {"n_repeats": 1}}
SLOWEST = 3


def representations(count: int, rows: int, width: int) -> list[Representation]:
    """Return the activations of the second hidden layer of random networks, with labels."""
    images, labels = load_digits(return_X_y=True)
    if rows > len(images):
        raise SystemExit(f"--rows {rows}: there are {len(images)} images.")
    found = []
    for seed in range(count):
        weights, biases = common.random_network([images.shape[1], width, width, 10], seed)
        values = images[:rows].astype(np.float32) / 16
        for weight, bias in zip(weights[:2], biases[:2], strict=True):
            values = np.maximum(values @ weight.T + bias, 0)
        found.append(Representation(values, labels=labels[:rows], name=f"network {seed}"))
    return found


def timed(work: Callable[[], object]) -> tuple[float, object]:
    """Return the seconds of this process's time that `work` takes, and what it returns."""
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def ours(name: str, networks: list[Representation]) -> tuple[float, np.ndarray]:
    """Return the seconds and the matrix of a measure."""
    entry, options = REPRESENTATIONAL[name], OPTIONS.get(name, {})

    def work() -> np.ndarray:
        functions = {name: lambda a, b: entry.function(a, b, **options)}
        asymmetric = [] if entry.symmetric else [name]
        found = distance_matrices(networks, functions, asymmetric=asymmetric)[name]
        if found.reasons:
            raise SystemExit(f"{name}: {next(iter(found.reasons.values()))}.")
        return found.values

    return timed(work)


def apart(name: str, networks: list[Representation], pairs: int, matrix: np.ndarray) -> float:
    """Return the seconds of a call of the independent function, the mean over some pairs."""
    function = measures_apart.MEASURES[name]
    total = 0.0
    for i in range(pairs):
        a, b = networks[i], networks[i + 1]
        arrays = [a.values, b.values, *([a.labels] if name in measures_apart.LABELLED else [])]
        seconds, value = timed(lambda arrays=arrays: function(*arrays))
        if not np.isclose(value, matrix[i, i + 1], rtol=1e-6, atol=1e-6):
            raise SystemExit(f"{name}: {value} alone, {matrix[i, i + 1]} by netkin.")
        total += seconds
    return total / pairs


def main() -> None:
    """Print a row for each measure and the sums."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=19, help="at least 3")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--pairs", type=int, default=2, help="pairs timed one at a time")
    parser.add_argument("--measures", nargs="*", default=list(REPRESENTATIONAL))
    arguments = parser.parse_args()
    networks = representations(arguments.networks, arguments.rows, arguments.width)
    # imports and compilation are start-up, see startup.py
    few = representations(3, 60, 8)
    for name in arguments.measures:
        matrix = ours(name, few)[1]
        apart(name, few, 1, matrix)
    print(
        f"{common.machine()}; one thread. {len(networks)} networks, {arguments.rows} rows, "
        f"{arguments.width} neurons; {arguments.pairs} pairs timed apart.\n"
    )
    print(common.table(["measure", "netkin, s", "pair by pair, s", "ratio"], []))
    seconds = {}
    for name in arguments.measures:
        mine, matrix = ours(name, networks)
        n = len(networks)
        calls = n * (n + 1) // 2 if REPRESENTATIONAL[name].symmetric else n * n
        theirs = calls * apart(name, networks, min(arguments.pairs, n - 1), matrix)
        seconds[name] = mine, theirs
        print(_row(f"`{name}`", mine, theirs), flush=True)
    slowest = sorted(seconds, key=lambda name: -sum(seconds[name]))[:SLOWEST]
    sums = {
        "all": list(seconds),
        f"all but {', '.join(slowest)}": [name for name in seconds if name not in slowest],
    }
    for label, names in sums.items():
        print(_row(label, *np.sum([seconds[name] for name in names], axis=0)))
    print(f"\nLoad of the machine at the end: {os.getloadavg()[0]:.1f}")


def _row(label: str, mine: float, theirs: float) -> str:
    ratio = f"{theirs / mine:.3g}" if mine >= 0.005 else "–"
    return f"| {label} | {mine:.2f} | {theirs:.1f} | {ratio} |"


if __name__ == "__main__":
    main()
