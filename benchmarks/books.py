"""Blocks with a skip in closed form against flagser on a smaller one, both in one run.

Prints a Markdown table: seconds, and nanoseconds for each edge of the graph.
"""

import time

import common
import numpy as np

from netkin.diagram.books import book_diagram
from netkin.diagram.flagser import flagser_diagram
from netkin.graph.builder import Builder, Parameter
from netkin.graph.reading import BlockEdges

SMALL, LARGE = (128, 512), (768, 3072)
"""Units of the stream and hidden ones; flagser gets the smaller block."""


def block(n: int, hidden: int) -> BlockEdges:
    """Return a dense block x + V W x with random weights, read with the skip as an edge."""
    rng = np.random.default_rng(0)
    b = Builder()
    x = b.input("x", (1, n))
    shapes = (hidden, n), (n, hidden)
    into, back = (
        Parameter(rng.normal(scale=shape[1] ** -0.5, size=shape).astype(np.float32), ("w",))
        for shape in shapes
    )
    h = b.activation(b.linear(x, into, name="in"), "relu", "relu")
    b.add([x, b.linear(h, back, name="out")], "sum")
    return BlockEdges(b.finish(), additions="merged")


def timed(work, edges: BlockEdges, repeats: int) -> float:
    """Return the seconds that a diagram takes, the least of some runs."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        work(edges, max_dimension=3)
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def main() -> None:
    """Print the table."""
    print(common.machine())
    print()
    print("| block | edges | engine | seconds | ns an edge |")
    print("|---|---|---|---|---|")
    book_diagram(block(4, 8), max_dimension=3)  # compiles
    found = {}
    for name, work, sizes, repeats in (
        ("flagser", flagser_diagram, SMALL, 1),
        ("closed form", book_diagram, SMALL, 3),
        ("closed form", book_diagram, LARGE, 3),
    ):
        edges = block(*sizes)
        seconds = found[name, sizes] = timed(work, edges, repeats)
        print(
            f"| {sizes[0]} x {sizes[1]} | {edges.n_edges:,} | {name} | {seconds:.3f} | "
            f"{seconds / edges.n_edges * 1e9:.0f} |"
        )
    print()
    small = found["flagser", SMALL] / found["closed form", SMALL]
    large = found["flagser", SMALL] / found["closed form", LARGE]
    factor = block(*LARGE).n_edges / block(*SMALL).n_edges
    print(f"flagser takes {small:.0f} times as long for the small block,")
    print(f"and {large:.1f} times as long as the closed form for {factor:.0f} times the edges.")


if __name__ == "__main__":
    main()
