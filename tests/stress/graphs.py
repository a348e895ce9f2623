"""Random graphs of blocks: forest and multiplicities against scipy, diagrams against flagser."""

import random
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from netkin.diagram import block_forest as forests
from netkin.diagram.block_forest import block_forest
from netkin.diagram.counts import ValueCounts
from netkin.diagram.flagser import flagser_diagram
from netkin.diagram.network import graph_diagram
from netkin.errors import NetkinError
from netkin.graph.blocks import NO_GROUP, TRAINED, Block, BlockGraph, Group
from netkin.graph.builder import Builder, Parameter, Value
from netkin.graph.graph import Graph
from netkin.graph.reading import BlockEdges
from netkin.graph.triangles import may_have_triangles
from tests.stress.counts import Counts

MOST_EDGES = 4000
"""Larger graphs are not compared."""


def campaign(seed: int, seconds: float, cases: float) -> Counts:
    """Compare random graphs; see `tests.stress.__main__`."""
    counts = Counts()
    chance = random.Random(seed)
    end = time.monotonic() + seconds
    while time.monotonic() < end and counts.tried < cases:
        kind = chance.choice(list(KINDS))
        one = chance.randrange(1 << 32)
        started = time.process_time()
        try:
            outcome = compared(kind, one)
        except Exception as error:
            outcome = f"{type(error).__name__}: {error}"
        counts.add(kind, f"seed {one}", outcome, time.process_time() - started)
    return counts


def compared(kind: str, seed: int) -> str:
    """Compare one random graph; return ``refused``, ``unharmed`` or what is wrong.

    Refused is what has more edges than `MOST_EDGES`, or no reading as it was drawn.
    """
    rng = np.random.default_rng(seed)
    graph = KINDS[kind](rng)
    options: dict[str, Any] = {
        "bias_vertices": str(rng.choice(["per_neuron", "per_layer", "none"])),
        "additions": str(rng.choice(["contracted", "contracted", "merged"])),
        "normaliser": str(rng.choice(["network", "layer"])),
    }
    try:
        edges = BlockEdges(graph, **options)
    except NetkinError:
        return "refused"
    if edges.n_edges > MOST_EDGES:
        return "refused"
    listed = edges.stored()
    # so that a small graph takes several rounds, and those too many weights
    small = {
        "LIGHT_WEIGHTS_PER_CHANNEL": rng.choice([0, 0.3, 1, 8]),
        "FEWEST_WEIGHTS": 1,
        "FEW_SAMPLES": 2,
        "MOST_KEPT": int(rng.choice([3, 20, 1 << 22])),
        "WEIGHTS_PER_CHUNK": int(rng.choice([4, 40, 1 << 18])),
    }
    counted = ValueCounts()
    with mock.patch.multiple(forests, **small):
        found = block_forest(edges, counted)
    values, n_components = spanning_forest(listed)
    if found.n_components != n_components:
        return f"{found.n_components} components, by scipy {n_components}"
    if not _equal((found.values, found.counts), np.unique(values, return_counts=True)):
        return "another forest than scipy's"
    if not _equal(counted.result(), np.unique(listed.value, return_counts=True)):
        return "another number of edges of some value"
    if has_triangle(listed, edges.contracts) and not may_have_triangles(edges):
        return "a triangle was not seen"
    if is_multigraph(listed):
        return "unharmed"
    diagram = graph_diagram(graph, max_dimension=2, **options).diagram
    expected = flagser_diagram(edges, max_dimension=2)
    pairs = zip(
        [*diagram.intervals, *diagram.counts], [*expected.intervals, *expected.counts], strict=True
    )
    same = all(np.array_equal(one, other) for one, other in pairs)
    return "unharmed" if same else "another diagram than flagser's"


def _equal(one: tuple[Any, Any], other: tuple[Any, Any]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


# --- what is compared with ------------------------------------------------------------------


def spanning_forest(graph: Graph) -> tuple[np.ndarray, int]:
    """Return the values of a minimum spanning forest and the number of components, by scipy."""
    low, high = np.minimum(graph.source, graph.target), np.maximum(graph.source, graph.target)
    levels, rank = np.unique(graph.value, return_inverse=True)
    # of parallel edges the lightest, and no loops; scipy takes 0 for no edge
    order = np.lexsort((rank, high, low))
    order = order[low[order] != high[order]]
    low, high, rank = low[order], high[order], rank[order] + 1
    first = np.ones(len(low), dtype=bool)
    first[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    shape = (graph.n_vertices, graph.n_vertices)
    matrix = coo_array((rank[first].astype(float), (low[first], high[first])), shape=shape).tocsr()
    tree = minimum_spanning_tree(matrix).data.astype(int) - 1
    return levels[tree], connected_components(matrix, directed=False)[0]


def has_triangle(graph: Graph, contracts: bool) -> bool:
    """Tell whether three vertices are joined pairwise, by edges that are not contracted."""
    kept = graph.source != graph.target
    if contracts:
        kept &= graph.value > 0
    ends = graph.source[kept], graph.target[kept]
    shape = (graph.n_vertices, graph.n_vertices)
    matrix = coo_array((np.ones(len(ends[0])), ends), shape=shape).tocsr()
    matrix = ((matrix + matrix.T) > 0).astype(int)
    return bool((matrix @ matrix).multiply(matrix).sum() > 0)


def is_multigraph(graph: Graph) -> bool:
    """Tell whether there are loops, or several edges from a vertex to another one."""
    name = graph.source.astype(np.int64) * graph.n_vertices + graph.target
    return bool((graph.source == graph.target).any()) or len(np.unique(name)) < len(name)


# --- random graphs --------------------------------------------------------------------------


def numbers(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return random weights: all different, with ties, or many of them 0."""
    array = rng.normal(size=shape)
    law = rng.integers(4)
    if law == 1:
        array = np.round(array)
    elif law == 2:
        array *= rng.random(shape) < 0.5
    elif law == 3:
        array = np.sign(array)
    return array.astype(rng.choice([np.float32, np.float32, np.float64]))


def raw(rng: np.random.Generator) -> BlockGraph:
    """Return groups and blocks of any kind, with taps of any kind."""
    n_axes = int(rng.integers(0, 3))
    groups = [
        Group(
            f"{k}",
            int(rng.integers(1, 4)),
            tuple(rng.integers(1, 5, size=rng.integers(0, n_axes + 1)).tolist()),
        )
        for k in range(rng.integers(1, 5))
    ]
    if rng.random() < 0.5:
        groups = [Group(group.name, 2, groups[0].grid) for group in groups]
    blocks = []
    for k in range(rng.integers(1, 6)):
        kind = str(rng.choice(["weight", "weight", "bias", "identity", "product", "pooling"]))
        place = int(rng.integers(len(groups)))
        target = groups[place]
        if kind == "bias":
            axes = len(target.grid)
            taps = np.zeros((1, axes, 5), dtype=np.int64)
            taps[0, :, 3], taps[0, :, 4] = 1, target.grid
            weight = numbers(rng, (target.channels, 1, 1))
            blocks.append(Block(f"{k}", kind, NO_GROUP, place, weight, taps, np.zeros(1, np.int64)))
            continue
        giver = int(rng.integers(len(groups)))
        source = groups[giver]
        depthwise = kind != "weight" or rng.random() < 0.3
        most = min(source.channels, target.channels)
        n_out = int(rng.integers(1, (most if depthwise else target.channels) + 1))
        n_in = n_out if depthwise else int(rng.integers(1, source.channels + 1))
        n_columns = int(rng.integers(1, 4))
        if rng.random() < 0.4 and source.grid == target.grid:
            # point by point
            taps = np.zeros((1, len(source.grid), 5), dtype=np.int64)
            taps[0, :, 1] = taps[0, :, 3] = 1
            taps[0, :, 4] = source.grid
            n_columns = 1
        else:
            taps = np.stack(
                [
                    _any_tap(rng, source.grid, target.grid)
                    for _ in range(n_columns + rng.integers(0, 3))
                ]
            )
        columns = rng.integers(n_columns, size=len(taps))
        weight = numbers(rng, (n_out, 1 if depthwise else n_in, n_columns))
        if kind not in TRAINED:
            weight = np.abs(weight) * 0 + 1
        blocks.append(
            Block(
                f"{k}",
                kind,
                giver,
                place,
                weight,
                taps,
                columns,
                n_out if depthwise else 1,
                int(rng.integers(source.channels - n_in + 1)),
                int(rng.integers(target.channels - n_out + 1)),
            )
        )
    return BlockGraph(tuple(groups), tuple(blocks))


def _any_tap(
    rng: np.random.Generator, source: tuple[int, ...], target: tuple[int, ...]
) -> np.ndarray:
    n_axes = max(len(source), len(target))
    tap = np.zeros((n_axes, 5), dtype=np.int64)
    for axis in range(n_axes):
        sizes = [grid[axis] if axis < len(grid) else 1 for grid in (source, target)]
        # as long as both ends stay on their grids
        starts = [int(rng.integers(size)) for size in sizes]
        steps = [int(rng.choice([0, 1, 1, 1, 2, -1])) for _ in sizes]
        count = 1
        while count < rng.integers(1, 5) and all(
            0 <= start + step * count < size
            for start, step, size in zip(starts, steps, sizes, strict=True)
        ):
            count += 1
        tap[axis] = starts[0], steps[0], starts[1], steps[1], count
    return tap


def convolutions(rng: np.random.Generator) -> BlockGraph:
    """Return convolutions, pooling, additions and a dense head."""
    build = _Random(rng)
    n_axes = int(rng.integers(1, 4))
    most = (0, 10, 6, 3)[n_axes]
    grid = rng.integers(1, most + 1, size=n_axes).tolist()
    x: Any = build.builder.input("x", (1, int(rng.integers(1, 4)), *grid), channel_axis=1)
    earlier = [x]
    for k in range(rng.integers(1, 4)):
        x = build.spatial(x, f"{k}")
        mates = [value for value in earlier if value.shape == x.shape]
        if mates and rng.random() < 0.7:
            other = mates[rng.integers(len(mates))]
            if rng.random() < 0.7:
                x = build.builder.add([x, other], f"add {k}")
            else:
                x = build.builder.concatenate([x, other], 1, f"cat {k}")
        if rng.random() < 0.5:
            x = build.builder.activation(x, "relu", f"relu {k}")
        earlier.append(x)
    if rng.random() < 0.6:
        if rng.random() < 0.4:
            axes = tuple(range(2, 2 + n_axes))
            x = build.builder.mean(x, axes, name="pool", keepdims=True)
            x = build.builder.units_of(x, "pool")
        x = build.builder.moved(x, lambda array: array.reshape(1, -1))
        for k in range(rng.integers(1, 3)):
            x = build.dense(x, f"dense {k}")
    return build.builder.finish()


def recurrences(rng: np.random.Generator) -> BlockGraph:
    """Return layers that carry a state from step to step, in one direction or both."""
    build = _Random(rng)
    steps = int(rng.integers(1, 5))
    x: Any = build.builder.input("x", (1, steps, int(rng.integers(1, 4))), channel_axis=2)
    x = build.builder.moved(x, lambda array: array[0])
    for k in range(rng.integers(1, 3)):
        n = int(rng.integers(1, 4))
        kind = str(rng.choice(["rnn", "lstm", "gru"]))
        rows = n * {"rnn": 1, "lstm": 4, "gru": 3}[kind]
        after = bool(rng.integers(2))
        outs = []
        for reverse in range(1 + rng.integers(2)):
            outs.append(
                build.builder.recurrent(
                    x,
                    kind,
                    build.parameter((rows, x.shape[1])),
                    build.parameter((rows, n)),
                    [build.parameter((rows,)) for _ in range(2)] if rng.random() < 0.7 else [],
                    name=f"{kind} {k} {reverse}",
                    reverse=bool(reverse),
                    reset_after=after,
                )
            )
        x = outs[0] if len(outs) == 1 else build.builder.concatenate(outs, 1, f"both {k}")
    if rng.random() < 0.7:
        if rng.random() < 0.5:
            x = build.builder.moved(x, lambda array: array[-1:])
        x = build.dense(x, "head")
    return build.builder.finish()


def tokens(rng: np.random.Generator) -> BlockGraph:
    """Return blocks of a transformer behind an embedding, or patches of an image."""
    build = _Random(rng)
    width = int(rng.integers(1, 4)) * 2
    x: Any
    if rng.random() < 0.5:
        n = int(rng.integers(1, 5))
        x = build.builder.embedding(
            "embedding", build.parameter((int(rng.integers(1, 6)), width)), (1, n)
        )
    else:
        sides = rng.integers(1, 3, size=2).tolist()
        x = build.builder.input("x", (1, 1, 2 * sides[0], 2 * sides[1]), channel_axis=1)
        x = build.builder.convolution(
            x,
            build.parameter((width, 1, 2, 2)),
            None,
            name="patches",
            stride=(2, 2),
            padding=((0, 0), (0, 0)),
            dilation=(1, 1),
        )
        x = build.builder.moved(x, lambda array: array.reshape(1, width, -1).transpose(0, 2, 1))
        if rng.random() < 0.5:
            first = build.parameter((1, 1, width))
            x = build.builder.concatenate([first, x], 1, "class")
    for k in range(rng.integers(1, 3)):
        branch = _normed(build, x, f"norm {k}") if rng.random() < 0.5 else x
        if rng.random() < 0.7:
            value = build.dense(branch, f"value {k}", width)
            query = build.dense(branch, f"query {k}", width)
            scores = build.builder.scores(
                query, build.builder.moved(query, lambda array: np.swapaxes(array, -1, -2))
            )
            out = build.builder.attended(scores, value, f"attention {k}")
            x = build.builder.add([x, build.dense(out, f"out {k}", width)], f"add {k}")
        hidden = build.dense(x, f"up {k}", int(rng.integers(1, 5)))
        if rng.random() < 0.3:
            gate = build.dense(x, f"gate {k}", hidden.shape[-1])
            hidden = build.builder.multiply([hidden, gate], f"gated {k}")
        else:
            hidden = build.builder.activation(hidden, "gelu", f"gelu {k}")
        x = build.builder.add([x, build.dense(hidden, f"down {k}", width)], f"second add {k}")
    if rng.random() < 0.5:
        x = build.builder.moved(x, lambda array: array[:, 0])
    build.dense(x, "head")
    return build.builder.finish()


def _normed(build: "_Random", x: Value, name: str) -> Value:
    width = x.shape[-1]
    return build.builder.normalised(
        x, build.parameter((width,)), build.parameter((width,)), name, centred=-1
    )


class _Random:
    """A builder, and layers with random weights."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.builder = Builder()
        self._made = 0

    def parameter(self, shape: tuple[int, ...]) -> Parameter:
        self._made += 1
        array = numbers(self.rng, shape)
        array.flat[0] = 1.5  # not all 0
        return Parameter(array, (f"parameter {self._made}",))

    def dense(self, x: Any, name: str, n_out: int | None = None) -> Value:
        x = self.builder.units_of(x, name)
        n_out = n_out or int(self.rng.integers(1, 4))
        bias = self.parameter((n_out,)) if self.rng.random() < 0.6 else None
        return self.builder.linear(x, self.parameter((n_out, x.shape[-1])), bias, name=name)

    def spatial(self, x: Value, name: str) -> Value:
        """Return a convolution or a pooling of any kind that fits."""
        rng = self.rng
        n_axes, channels = len(x.shape) - 2, x.shape[1]
        kernel = [int(rng.integers(1, 4)) for _ in range(n_axes)]
        stride = [int(rng.integers(1, 4)) for _ in range(n_axes)]
        dilation = [int(rng.integers(1, 3)) for _ in range(n_axes)]
        padding = [tuple(rng.integers(0, 3, size=2).tolist()) for _ in range(n_axes)]
        if rng.random() < 0.5:
            stride = [1] * n_axes
            padding = [(d * (k - 1) // 2,) * 2 for d, k in zip(dilation, kernel, strict=True)]
        for axis, size in enumerate(x.shape[2:]):
            room = size + sum(padding[axis])
            if dilation[axis] * (kernel[axis] - 1) + 1 > room:
                dilation[axis], kernel[axis] = 1, min(kernel[axis], room)
        if rng.random() < 0.25:
            kind = str(rng.choice(["max", "mean"]))
            inside = [
                tuple(min(p, k // 2) for p in pads) for pads, k in zip(padding, kernel, strict=True)
            ]
            if all(k <= size for k, size in zip(kernel, x.shape[2:], strict=True)):
                return self.builder.pool(
                    x,
                    name=name,
                    kernel=kernel,
                    stride=stride,
                    padding=inside,
                    dilation=[1] * n_axes,
                    kind=kind,
                    count_padding=bool(rng.integers(2)),
                )
        groups = int(rng.choice([g for g in (1, 1, 2, 3) if channels % g == 0]))
        n_out = groups * int(rng.integers(1, 3))
        if rng.random() < 0.3:
            n_out = channels
        transposed = bool(rng.random() < 0.25)
        if transposed:
            padding = [(0, 0)] * n_axes
        shape = (channels, n_out // groups) if transposed else (n_out, channels // groups)
        return self.builder.convolution(
            x,
            self.parameter((*shape, *kernel)),
            self.parameter((n_out,)) if rng.random() < 0.6 else None,
            name=name,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            transposed=transposed,
        )


KINDS: dict[str, Callable[[np.random.Generator], BlockGraph]] = {
    "raw": raw,
    "convolutions": convolutions,
    "recurrences": recurrences,
    "tokens": tokens,
}
"""Name -> what draws a random graph."""
