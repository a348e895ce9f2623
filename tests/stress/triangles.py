"""Graphs with triangles: books and classes of triangles against flagser on the whole graph."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from netkin.diagram.books import book_diagram, is_of_books
from netkin.diagram.diagram import Diagram
from netkin.diagram.flagser import flagser_diagram
from netkin.diagram.split import split_diagram
from netkin.errors import NetkinError
from netkin.graph.blocks import BlockGraph
from netkin.graph.builder import Builder, Parameter, Value
from netkin.graph.graph import Graph
from netkin.graph.reading import BlockEdges
from tests.stress.counts import Counts

LAWS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "ties": lambda rng, shape: rng.integers(-3, 4, size=shape) / 2,
    "positive": lambda rng, shape: rng.random(shape) + 0.1,
    "negative": lambda rng, shape: -rng.random(shape) - 0.1,
    "sparse": lambda rng, shape: rng.normal(size=shape) * (rng.random(shape) < 0.4),
    "equal": lambda rng, shape: np.ones(shape),
}
"""How weights are drawn."""


class Drawn:
    """Draws the weights of a network for a builder."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.builder = Builder()
        self._law = LAWS[str(rng.choice([*LAWS]))]
        # the larger, the later the edges of weight 1 enter
        self._scale = float(rng.choice([0.3, 1.0, 3.0]))
        self._biases = rng.random() < 0.5

    def numbers(self, *shape: int) -> Parameter:
        """Return parameters."""
        array = self._scale * self._law(self.rng, shape)
        array.flat[0] = array.flat[0] or self._scale  # never all 0
        return Parameter(array.astype(self.rng.choice([np.float32, np.float64])), ("w",))

    def bias(self, n: int) -> Parameter | None:
        """Return biases, or none in half of the networks."""
        return self.numbers(n) if self._biases else None

    def pick(self, *choices: int) -> int:
        """Return one of some numbers."""
        return int(self.rng.choice(choices))

    def linear(self, x: Value, n: int) -> Value:
        """Return a dense layer."""
        found = self.builder.linear(x, self.numbers(n, x.shape[-1]), self.bias(n), name="dense")
        return self.builder.activation(found, "relu", "relu")

    def convolution(self, x: Value, n: int, kernel: int, dilation: int, groups: int) -> Value:
        """Return a convolution that keeps the grid."""
        axes = len(x.shape) - 2
        around = dilation * (kernel - 1) // 2
        return self.builder.convolution(
            x,
            self.numbers(n, x.shape[1] // groups, *[kernel] * axes),
            self.bias(n),
            name="convolution",
            stride=[1] * axes,
            padding=[(around, around)] * axes,
            dilation=[dilation] * axes,
            groups=groups,
        )

    def skipped(self, x: Value, branches: list[Value]) -> Value:
        """Return the sum of a skip and branches, the skip scaled or with another sign at times."""
        factor = self.rng.choice([1.0, 1.0, 1.0, 0.5, 0.0])
        if factor != 1:
            x = self.builder.affine(x, Parameter(np.array(factor)), None, "skip", sole=False)
        signs = [float(self.rng.choice([1, 1, 1, -1])), *[1.0] * len(branches)]
        return self.builder.add([x, *branches], "sum", signs)


def residual(rng: np.random.Generator) -> BlockGraph:
    """Return dense residual blocks of one to three branches of two or three layers."""
    drawn = Drawn(rng)
    x = drawn.builder.input("x", (1, drawn.pick(1, 2, 3, 4)))
    if rng.random() < 0.5:
        x = drawn.linear(x, drawn.pick(1, 2, 3))
    for _ in range(drawn.pick(1, 1, 2, 3)):
        branches = []
        for _ in range(drawn.pick(1, 1, 2, 3)):
            branch = x
            for _ in range(drawn.pick(1, 1, 2)):
                branch = drawn.linear(branch, drawn.pick(1, 2, 3, 5))
            branches.append(
                drawn.builder.linear(
                    branch, drawn.numbers(x.shape[-1], branch.shape[-1]), None, name="last"
                )
            )
        x = drawn.skipped(x, branches) if rng.random() < 0.9 else branches[0]
    if rng.random() < 0.5:
        drawn.linear(x, drawn.pick(1, 2))
    return drawn.builder.finish()


def convolutional(rng: np.random.Generator) -> BlockGraph:
    """Return one or two residual blocks of two convolutions of one or two axes."""
    drawn = Drawn(rng)
    axes, n = drawn.pick(1, 2), drawn.pick(1, 2, 4)
    grid = [drawn.pick(1, 2, 3, 4) for _ in range(axes)]
    x = drawn.builder.input("x", (1, n, *grid), channel_axis=1)
    for _ in range(drawn.pick(1, 1, 2)):
        hidden = x
        width = n * drawn.pick(1, 2)
        for out in (width, n):
            kernel = drawn.pick(1, 3, 3)
            dilation = drawn.pick(1, 1, 2)
            common = [g for g in (1, 2, 4) if hidden.shape[1] % g == 0 and out % g == 0]
            groups = drawn.pick(1, 1, *common)
            hidden = drawn.convolution(hidden, out, kernel, dilation, groups)
        x = drawn.skipped(x, [hidden])
    return drawn.builder.finish()


def projected(rng: np.random.Generator) -> BlockGraph:
    """Return a block of two layers whose skip has weights, dense or a convolution of stride 2."""
    drawn = Drawn(rng)
    b = drawn.builder
    if rng.random() < 0.5:
        x = b.input("x", (1, drawn.pick(1, 2, 3, 4)))
        n = drawn.pick(1, 2, 3, 4)
        hidden = drawn.linear(drawn.linear(x, drawn.pick(1, 2, 3, 4)), n)
        short = b.linear(x, drawn.numbers(n, x.shape[-1]), None, name="shortcut")
        b.add([short, hidden], "sum")
        return b.finish()
    size, n = drawn.pick(2, 3, 4, 5), drawn.pick(1, 2)
    x = b.input("x", (1, drawn.pick(1, 2), size), channel_axis=1)
    wide = drawn.numbers(n, x.shape[1], 3)
    hidden = b.convolution(
        x, wide, drawn.bias(n), name="one", stride=[2], padding=[(1, 1)], dilation=[1]
    )
    hidden = drawn.convolution(hidden, n, 3, 1, 1)
    short = b.convolution(
        x,
        drawn.numbers(n, x.shape[1], 1),
        None,
        name="shortcut",
        stride=[2],
        padding=[(0, 0)],
        dilation=[1],
    )
    b.add([short, hidden], "sum")
    return b.finish()


def concatenated(rng: np.random.Generator) -> BlockGraph:
    """Return layers each of which reads all before it."""
    drawn = Drawn(rng)
    x = drawn.builder.input("x", (1, drawn.pick(1, 2, 3)))
    for _ in range(drawn.pick(2, 3, 4)):
        more = drawn.linear(x, drawn.pick(1, 2, 3))
        x = drawn.builder.concatenate([x, more], -1, "all")
    return drawn.builder.finish()


def recurrent(rng: np.random.Generator) -> BlockGraph:
    """Return a recurrent layer of any kind."""
    drawn = Drawn(rng)
    kind = str(rng.choice(["rnn", "lstm", "gru"]))
    gates = {"rnn": 1, "lstm": 4, "gru": 3}[kind]
    steps, n_in, n = drawn.pick(1, 2, 3), drawn.pick(1, 2), drawn.pick(1, 2)
    x = drawn.builder.moved(drawn.builder.input("x", (1, steps, n_in)), lambda a: a[0])
    biases = [drawn.numbers(gates * n) for _ in range(2)] if rng.random() < 0.5 else []
    drawn.builder.recurrent(
        x,
        kind,
        drawn.numbers(gates * n, n_in),
        drawn.numbers(gates * n, n),
        biases,
        name=kind,
        reverse=bool(rng.random() < 0.5),
        reset_after=bool(rng.random() < 0.5),
    )
    return drawn.builder.finish()


def transformer(rng: np.random.Generator) -> BlockGraph:
    """Return one or two blocks as of GPT-2, GPT-J or Llama, at one or two tokens."""
    drawn = Drawn(rng)
    b = drawn.builder
    tokens, heads, width = drawn.pick(1, 2), drawn.pick(1, 2), drawn.pick(1, 2)
    n = heads * width
    gated, parallel = rng.random() < 0.4, rng.random() < 0.3

    def plain(x: Value, size: int) -> Value:
        return b.linear(x, drawn.numbers(size, x.shape[-1]), drawn.bias(size), name="dense")

    def attention(x: Value) -> Value:
        def split(y: Value) -> Value:
            return b.moved(y, lambda a: a.reshape(1, tokens, heads, width).transpose(0, 2, 1, 3))

        q, k, v = (split(plain(x, n)) for _ in range(3))
        scores = b.scores(q, b.moved(k, lambda a: a.swapaxes(-1, -2)))
        mixed = b.attended(scores, v, "attention")
        return plain(b.moved(mixed, lambda a: a.transpose(0, 2, 1, 3).reshape(1, tokens, n)), n)

    def mlp(x: Value) -> Value:
        size = drawn.pick(1, 2, 4)
        hidden = b.activation(plain(x, size), "gelu", "gelu")
        if gated:
            hidden = b.multiply([hidden, plain(x, size)], "gate")
        return plain(hidden, n)

    x = b.input("x", (1, tokens, n))
    for _ in range(drawn.pick(1, 2)):
        if parallel:
            x = b.add([x, attention(x), mlp(x)], "sum")
        else:
            x = b.add([x, attention(x)], "sum")
            x = b.add([x, mlp(x)], "sum")
    return b.finish()


NETWORKS: dict[str, Callable[[np.random.Generator], BlockGraph]] = {
    "residual": residual,
    "convolutional": convolutional,
    "projected": projected,
    "concatenated": concatenated,
    "recurrent": recurrent,
    "transformer": transformer,
}
"""Kinds of networks."""
OF_BOOKS = ("residual", "convolutional", "transformer")
"""Those whose triangles are pages of books whatever their sizes."""


def digraph(rng: np.random.Generator) -> Graph:
    """Return a graph of 2 to 14 vertices, with reciprocal edges and ties at times."""
    n = int(rng.integers(2, 15))
    joined = rng.random((n, n)) < rng.uniform(0.1, 0.9 if n < 9 else 0.5)
    np.fill_diagonal(joined, False)
    if rng.random() < 0.3:
        joined = np.triu(joined)
    ends = rng.permutation(np.argwhere(joined).astype(np.int32))
    values = rng.random(len(ends))
    if rng.random() < 0.67:
        levels = int(rng.integers(1, 6))
        values = rng.integers(0, levels + 1, len(ends)) / levels
    return Graph(
        ends[:, 0],
        ends[:, 1],
        values.astype(np.float32),
        n,
        np.zeros(n, dtype=np.int32),
        np.zeros(n, dtype=bool),
    )


def difference(one: Diagram, other: Diagram) -> str:
    """Return where two diagrams differ, "" for nowhere."""
    for dimension, parts in enumerate(
        zip(one.intervals, other.intervals, one.counts, other.counts, strict=True)
    ):
        if not np.array_equal(parts[0], parts[1]) or not np.array_equal(parts[2], parts[3]):
            return f"H{dimension} is {one.n_classes()[dimension]} classes, not those of flagser"
    return ""


def judged_digraph(rng: np.random.Generator) -> str:
    """Return ``unharmed``, or what is wrong with the diagram of a random graph."""
    graph, most = digraph(rng), int(rng.integers(0, 5))
    right = flagser_diagram(graph, max_dimension=most)
    return difference(split_diagram(graph, max_dimension=most), right) or "unharmed"


def judged_network(rng: np.random.Generator, kind: str) -> str:
    """Return ``unharmed``, ``refused`` where there is no diagram, or what is wrong with it."""
    graph = NETWORKS[kind](rng)
    options = {
        "additions": "merged" if rng.random() < 0.8 else "contracted",
        "bias_vertices": str(rng.choice(["per_neuron", "per_neuron", "per_layer", "none"])),
        "normaliser": str(rng.choice(["network", "layer"])),
    }
    try:
        edges = BlockEdges(graph, **options)
    except NetkinError as error:
        if "every weight is 0" not in str(error):  # as of a kernel that meets the grid at zeros
            raise
        return "refused"
    most = int(rng.choice([3, 3, 3, 2, 1, 0]))
    books = is_of_books(edges)
    try:
        right = flagser_diagram(edges, max_dimension=most)
    except NetkinError as error:
        if "parallel" not in str(error):
            raise
        return "refused"
    wrong = difference(split_diagram(edges, max_dimension=most), right)
    if wrong:
        return f"split: {wrong}"
    if books and (wrong := difference(book_diagram(edges, max_dimension=most), right)):
        return f"books: {wrong}"
    if kind in OF_BOOKS and not books:
        return "not known as books"
    return "unharmed"


def campaign(seed: int, seconds: float, cases: float) -> Counts:
    """Try graphs of each kind in turn; case k is the same whatever came before it."""
    counts = Counts()
    kinds = ["digraph", *NETWORKS]
    end = time.monotonic() + seconds
    case = 0
    while case < cases and time.monotonic() < end:
        kind = kinds[case % len(kinds)]
        rng = np.random.default_rng([seed, case])
        started = time.process_time()
        try:
            outcome = judged_digraph(rng) if kind == "digraph" else judged_network(rng, kind)
        except Exception as error:  # a finding like any other
            outcome = f"{type(error).__name__}: {error}"
        counts.add(kind, f"case {case}", outcome, time.process_time() - started)
        case += 1
    return counts
