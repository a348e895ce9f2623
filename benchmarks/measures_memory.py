"""Peak memory of every representational measure of one pair of networks with many rows.

    python benchmarks/measures_memory.py [--rows 10000] [--width 512] [--measures ...]

Each measure in a process of its own: two representations of random ReLU features, one call.
A matrix of rows by rows in float64 takes 8 n^2 bytes, 763 MiB at 10,000 rows; the table says
which measures stay below it with all that the process holds, and how long a pair takes.
"""

import argparse
import json
import sys
import time

import common
import numpy as np


def features(rows: int, width: int, seed: int) -> np.ndarray:
    """Return ReLU features of random inputs whose variances decay, float32."""
    inputs = np.random.default_rng(0).normal(size=(rows, 64)) / np.sqrt(np.arange(1, 65))
    weights, biases = common.random_network([64, width, width, 10], seed)
    for weight, bias in zip(weights[:2], biases[:2], strict=True):
        inputs = np.maximum(inputs @ weight.T + bias, 0)
    return inputs.astype(np.float32)


def route(name: str, rows: int, width: int) -> dict:
    """Return the seconds and the peak memory of one call, and of the process before it."""
    from netkin.distance.representational import REPRESENTATIONAL
    from netkin.distance.representational.representation import Representation

    labels = np.arange(rows) % 10
    pair = [Representation(features(rows, width, seed), labels=labels) for seed in (0, 1)]
    before = common.peak_mib()
    started = time.perf_counter()
    REPRESENTATIONAL[name].function(*pair)
    return {
        "seconds": time.perf_counter() - started,
        "before_mib": before,
        "peak_mib": common.peak_mib(),
    }


def main() -> None:
    """Print a row for each measure."""
    from netkin.distance.representational import REPRESENTATIONAL

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--measures", nargs="*", default=list(REPRESENTATIONAL))
    arguments = parser.parse_args()
    limit = 8 * arguments.rows**2 / 2**20
    print(f"{common.machine()}; {arguments.rows} rows, {arguments.width} neurons.\n")
    print(common.table(["measure", "peak, MiB", f"below {limit:.0f} MiB", "one pair, s"], []))
    for name in arguments.measures:
        found = common.in_own_process(__file__, name, str(arguments.rows), str(arguments.width))
        if "error" in found:
            row = [found["error"], "no", "–"]
        else:
            row = [
                f"{found['peak_mib']:.0f}",
                "yes" if found["peak_mib"] < limit else "no",
                f"{found['seconds']:.1f}",
            ]
        print("| " + " | ".join([f"`{name}`", *row]) + " |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 4 and not sys.argv[1].startswith("-"):
        print(json.dumps(route(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
    else:
        main()
