"""Draw the pictures of docs/graphs.md: what each layer becomes, as the library builds it.

    python docs/graphs.py

Writes docs/images/graphs/*.svg. Each picture is the graph that `netkin.graph.builder.Builder`
makes of a small layer, edge by edge.
"""

import matplotlib.pyplot as plt
import numpy as np
from pages import ROOT

from netkin.graph.blocks import SOURCE, TARGET, BlockGraph, points
from netkin.graph.builder import Builder, Parameter, Value
from netkin.graph.reading import BlockEdges

FOLDER = ROOT / "docs" / "images" / "graphs"
TRAINED = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
"""A colour for each column of shared weights."""
STRUCTURAL = {"identity": "--", "product": ":", "pooling": "-."}


def weights(*shape: int, name: str = "w") -> Parameter:
    """Return parameters of a shape."""
    return Parameter(np.random.default_rng(0).normal(size=shape).astype(np.float32), (name,))


def sequence(builder: Builder, channels: int, length: int) -> Value:
    """Return an input of channels on a line of points."""
    return builder.input("input", (1, channels, length), 1)


def convolution(builder: Builder, x: Value, n_out: int, n_in: int, kernel: int, **options) -> Value:
    """Return a convolution along one axis."""
    chosen = {"stride": 1, "padding": 0, "dilation": 1, **options}
    groups = chosen.get("groups", 1)
    transposed = chosen.get("transposed", False)
    shape = (n_in, n_out, kernel) if transposed else (n_out, n_in // groups, kernel)
    return builder.convolution(
        x,
        weights(*shape),
        name="conv",
        stride=[chosen["stride"]],
        padding=[(chosen["padding"], chosen["padding"])],
        dilation=[chosen["dilation"]],
        groups=groups,
        transposed=transposed,
    )


def dense(b: Builder) -> None:
    """Draw a dense layer with biases."""
    b.linear(b.input("input", (1, 4)), weights(3, 4), weights(3, name="b"), name="dense")


def conv(b: Builder) -> None:
    """Draw a convolution of three taps with zeros around the grid."""
    convolution(b, sequence(b, 1, 6), 1, 1, 3, padding=1)


def stride(b: Builder) -> None:
    """Draw a stride of two."""
    convolution(b, sequence(b, 1, 7), 1, 1, 3, stride=2, padding=1)


def dilation(b: Builder) -> None:
    """Draw a dilation of two."""
    convolution(b, sequence(b, 1, 7), 1, 1, 3, padding=2, dilation=2)


def grouped(b: Builder) -> None:
    """Draw two channels, each for itself."""
    convolution(b, sequence(b, 2, 4), 2, 2, 3, padding=1, groups=2)


def transposed(b: Builder) -> None:
    """Draw a transposed convolution."""
    convolution(b, sequence(b, 1, 4), 1, 1, 3, stride=2, transposed=True)


def pooling(b: Builder) -> None:
    """Draw pooling over windows of two, behind a convolution of one tap."""
    b.pool(
        convolution(b, sequence(b, 1, 4), 2, 1, 1),
        name="pool",
        kernel=[2],
        stride=[2],
        padding=[(0, 0)],
        dilation=[1],
        kind="max",
    )


def upsampling(b: Builder) -> None:
    """Draw each point twice, behind a convolution of one tap."""
    b.upsample(convolution(b, sequence(b, 1, 3), 1, 1, 1), [2], "upsampling")


def flatten(b: Builder) -> None:
    """Draw a dense layer on a flattened map."""
    x = b.moved(sequence(b, 2, 3), lambda array: array.reshape(1, -1))
    b.linear(x, weights(2, 6), name="dense")


def concatenation(b: Builder) -> None:
    """Draw two layers read by one."""
    x, y = b.input("a", (1, 2)), b.input("b", (1, 3))
    b.linear(b.concatenate([x, y], 1, "both"), weights(2, 5), name="dense")


def residual(b: Builder) -> None:
    """Draw a branch of two layers and the skip around it."""
    x = b.input("x", (1, 2))
    hidden = b.activation(b.linear(x, weights(3, 2), name="hidden"), "relu", "relu")
    b.add([b.linear(hidden, weights(2, 3), name="branch"), x], "sum")


def gate(b: Builder) -> None:
    """Draw a product of two layers."""
    x = b.input("x", (1, 2))
    one, other = (b.linear(x, weights(2, 2), name=name) for name in ("value", "gate"))
    b.multiply([one, b.activation(other, "sigmoid", "sigmoid")], "product")


def recurrence(b: Builder) -> None:
    """Draw three steps of a recurrent layer of two units."""
    x = Value(b.group("input", 1, (3,)).reshape(1, 3).T)
    b.recurrent(x, "rnn", weights(2, 1), weights(2, 2, name="u"), name="state")


def lstm(b: Builder) -> None:
    """Draw two steps of one LSTM unit."""
    x = Value(b.group("input", 1, (2,)).reshape(1, 2).T)
    b.recurrent(x, "lstm", weights(4, 1), weights(4, 1, name="u"), name="lstm")


def embedding(b: Builder) -> None:
    """Draw two tokens of a vocabulary of four."""
    b.embedding("embedding", weights(4, 3), (1, 2))


def attention(b: Builder) -> None:
    """Draw one head at two tokens: queries and keys end there."""
    tokens = b.group("stream", 2, (2,)).reshape(2, 2).T[None]
    x = Value(tokens)
    q, k, v = (b.linear(x, weights(2, 2), name=name) for name in ("query", "key", "value"))
    scores = b.scores(q, b.moved(k, lambda array: np.swapaxes(array, -1, -2)))
    b.linear(b.attended(scores, v, "attention"), weights(2, 2), name="output")


RULES = {
    each.__name__: each
    for each in (
        *(dense, conv, stride, dilation, grouped, transposed, pooling, upsampling, flatten),
        *(concatenation, residual, gate, recurrence, lstm, embedding, attention),
    )
}


def places(edges: BlockEdges) -> dict[int, tuple[float, float]]:
    """Return where each vertex is drawn: groups from left to right, channels from top down."""
    depth: dict[int, int] = {}
    for place in range(len(edges.groups)):
        depth.setdefault(int(edges.first[place]), 0)
    for part in edges.parts:
        source, target = int(edges.first[part.block.source]), int(edges.first[part.block.target])
        if source < target:
            depth[target] = max(depth[target], depth[source] + 1)
    for part in edges.parts:
        if part.block.kind == "bias":
            own, target = int(edges.first[part.block.source]), int(edges.first[part.block.target])
            depth[own] = depth[target] - 1
    column: dict[int, float] = {}
    found: dict[int, tuple[float, float]] = {}
    for place, group in enumerate(edges.groups):
        first = int(edges.first[place])
        if first in found:
            continue
        top = column.get(depth[first], 0.0)
        for unit in range(group.size):
            channel, point = divmod(unit, group.points)
            found[first + unit] = (
                float(depth[first]),
                -(top + channel * (group.points + 0.6) + point),
            )
        column[depth[first]] = top + group.channels * (group.points + 0.6) + 0.8
    # in the middle of the picture
    middle = {d: (height - 1.4) / 2 for d, height in column.items()}
    return {vertex: (x, y + middle[int(x)]) for vertex, (x, y) in found.items()}


def draw(graph: BlockGraph, name: str, **reading: str) -> None:
    """Draw a graph under a reading."""
    edges = BlockEdges(graph, **reading)
    at = places(edges)
    xs, ys = zip(*at.values(), strict=True)
    width, height = 1.4 + 1.5 * max(xs), 0.7 + 0.26 * (max(ys) - min(ys))
    figure, axes = plt.subplots(figsize=(width, max(1.2, height)))
    for part in edges.parts:
        block = part.block
        weight = np.asarray(block.weight[0 : block.n_out])
        n_out, n_in, _ = weight.shape
        for column, tails, heads in zip(
            block.columns,
            points(block.taps, part.source_grid, SOURCE),
            points(block.taps, part.target_grid, TARGET),
            strict=True,
        ):
            for o in range(n_out):
                for i in range(n_in):
                    channel = o // (n_out // block.groups) * n_in + i
                    tail = part.source + channel * part.source_points + tails
                    head = part.target + o * part.target_points + heads
                    shared = (o * n_in + i) * weight.shape[2] + int(column)
                    trained = block.is_trained
                    colour = TRAINED[shared % len(TRAINED)] if trained else "#555555"
                    if block.kind == "bias":
                        colour = "#999999"
                    for a, b in zip(tail, head, strict=True):
                        one, other = at[int(a)], at[int(b)]
                        # beside what lies between
                        bend = 0.0 if 0 < other[0] - one[0] < 1.5 else -0.3
                        bend = 0.55 if one[0] == other[0] else bend
                        axes.annotate(
                            "",
                            other,
                            one,
                            arrowprops={
                                "arrowstyle": "-",
                                "color": colour,
                                "lw": 1.1,
                                "ls": "-" if trained else STRUCTURAL[block.kind],
                                "connectionstyle": f"arc3,rad={bend}",
                                "shrinkA": 0,
                                "shrinkB": 0,
                            },
                        )
    named: dict[int, list[str]] = {}
    for place, group in enumerate(edges.groups):
        named.setdefault(int(edges.first[place]), []).append(group.name)
    is_bias = {
        int(edges.first[part.block.source]) for part in edges.parts if part.block.kind == "bias"
    }
    for place, group in enumerate(edges.groups):
        first = int(edges.first[place])
        mine = [at[first + unit] for unit in range(group.size)]
        axes.scatter(
            *zip(*mine, strict=True),
            s=22,
            marker="s" if first in is_bias else "o",
            color="#999999" if first in is_bias else "#222222",
            zorder=3,
        )
        if first in named:
            x, y = max(mine, key=lambda spot: spot[1])
            below = first in is_bias
            if below:
                x, y = min(mine, key=lambda spot: spot[1])
            y += -1.3 if below else 0.75
            axes.text(x, y, " = ".join(named.pop(first)), ha="center", fontsize=8)
    axes.set_xlim(min(xs) - 0.45, max(xs) + 0.45)
    axes.set_ylim(min(ys) - (1.6 if is_bias else 0.6), max(ys) + 1.7)
    axes.axis("off")
    FOLDER.mkdir(parents=True, exist_ok=True)
    figure.savefig(FOLDER / f"{name}.svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    """Draw all."""
    plt.rcParams["svg.hashsalt"] = "netkin"
    for name, rule in RULES.items():
        builder = Builder()
        rule(builder)
        draw(builder.finish(), name)
        if name == "residual":
            draw(builder.finish(), f"{name}_merged", additions="merged")


if __name__ == "__main__":
    main()
