"""Exact 1-Wasserstein and bottleneck distances of diagrams on a line, against hera.

Times are those of the public functions, sorting included. hera, as GUDHI ships it, is timed
where it ends in seconds.
"""

import time

import common
import numpy as np


def diagrams(n: int):
    """Return two diagrams of n intervals of H0."""
    from netkin.diagram.diagram import Diagram

    rng = np.random.default_rng(0)
    return [
        Diagram.from_intervals([np.column_stack([np.zeros(n), rng.random(n) ** power])])
        for power in (1, 2)
    ]


def seconds(work) -> float:
    """Return the seconds of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    """Print the table."""
    from gudhi.hera import bottleneck_distance, wasserstein_distance

    from netkin.distance.matching import bottleneck, wasserstein

    peers = {
        "1-Wasserstein": (
            wasserstein,
            lambda x, y: wasserstein_distance(x, y, order=1.0, internal_p=np.inf, delta=0.01),
        ),
        "bottleneck": (bottleneck, lambda x, y: bottleneck_distance(x, y, delta=0.01)),
    }
    rows = []
    for name, (ours, theirs) in peers.items():
        ours(*diagrams(10))  # compiles
        for n in (1_000, 10_000, 1_000_000, 5_000_000):
            a, b = diagrams(n)
            mine = seconds(lambda a=a, b=b, ours=ours: ours(a, b))
            row = [name, f"{n:,}", f"{mine:.4f} s", "–", "–"]
            if n <= 10_000:
                x, y = a.intervals[0], b.intervals[0]
                other = seconds(lambda x=x, y=y, theirs=theirs: theirs(x, y))
                row[3:] = [f"{other:.2f} s", f"{other / mine:.0f}"]
            rows.append(row)
    print(f"Machine: {common.machine()}\n")
    print(
        common.table(
            ["", "different intervals a side", "netkin", "hera (1 % error)", "times faster"], rows
        )
    )


if __name__ == "__main__":
    main()
