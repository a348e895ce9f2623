"""The forest of dense blocks in compiled passes: floats of 16, 32 and 64 bits, against Kruskal."""

import numpy as np
import pytest

from netkin.diagram.counts import ValueCounts
from netkin.diagram.dense_forest import DensePart, dense_forest, largest_weight
from netkin.diagram.exact import exact_diagram
from netkin.errors import NetkinError
from netkin.graph.blocks import dense_graph
from netkin.graph.dense import DenseEdges
from netkin.graph.edges import Halves
from netkin.graph.graph import edge_values
from netkin.graph.lazy import LazyMatrix
from netkin.graph.reading import BlockEdges
from netkin.network.format.model import from_bfloat16

pytestmark = pytest.mark.budget("graphs")

ZETA = 1e-6


class Half:
    """A matrix of bfloat16 that is read by rows, its bits too."""

    def __init__(self, bits):
        self.halves = Halves("bfloat16", bits.__getitem__)
        self.shape = bits.shape

    def __getitem__(self, rows):
        raise AssertionError("widened")


def weights_of(rng, kind, shape):
    """Return random weights as a part has them, and as float64."""
    law = rng.integers(6)
    plain = rng.normal(size=shape) * 10.0 ** rng.integers(-3, 3)
    if law == 1:
        plain = rng.integers(-2, 3, size=shape).astype(float)
    elif law == 2:
        plain = np.full(shape, 0.25)
    elif law == 3:
        plain = plain * (rng.random(shape) < 0.3)
        plain[rng.random(shape) < 0.2] = -0.0
    elif law == 4:  # subnormal
        plain = (
            plain * {"float64": 1e-310, "float32": 1e-41, "bfloat16": 1e-39, "float16": 1e-7}[kind]
        )
    elif law == 5:
        plain = rng.choice([1.0, 1e-3, -1.0, 2.0**-14, 0.0], size=shape)
    if kind == "bfloat16":
        bits = (plain.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
        return Half(bits), from_bfloat16(bits).astype(float)
    weight = plain.astype(kind)
    return weight, weight.astype(float)


def kruskal(tail, head, value, component):
    """Return the values of a forest, and the root of each vertex."""
    parent = list(range(len(component)))

    def root(vertex):
        while parent[vertex] != vertex:
            vertex = parent[vertex]
        return vertex

    for vertex, other in enumerate(component):
        parent[root(vertex)] = root(int(other))
    taken = []
    for edge in np.argsort(value, kind="stable"):
        one, other = root(tail[edge]), root(head[edge])
        if one != other:
            parent[one] = other
            taken.append(value[edge])
    return np.array(taken, np.float32), np.array([root(v) for v in range(len(parent))])


def same_sets(one, other):
    return len(set(zip(one, other, strict=True))) == len(set(one)) == len(set(other))


@pytest.mark.parametrize("kind", ["float64", "float32", "float16", "bfloat16", "mixed"])
def test_the_forest_is_that_of_kruskal(kind, monkeypatch):
    rng = np.random.default_rng(0)
    monkeypatch.setattr("netkin.diagram.dense_forest.SAMPLED_PLACES", 3)
    monkeypatch.setattr("netkin.diagram.forest.FEW_SAMPLES", 4)
    for _ in range(80):
        monkeypatch.setattr("netkin.diagram.dense_forest.EDGES_PER_READ", int(rng.integers(1, 99)))
        monkeypatch.setattr("netkin.diagram.dense_forest.SAMPLE_SIZE", int(rng.integers(10, 500)))
        monkeypatch.setattr("netkin.diagram.dense_forest.MOST_EDGES_KEPT", int(rng.integers(1, 99)))
        monkeypatch.setattr("netkin.diagram.forest.LIGHT_EDGES_PER_VERTEX", 1)
        n = int(rng.integers(6, 60))
        parts, tails, heads, values = [], [], [], []
        drawn = []
        for _ in range(rng.integers(1, 5)):
            groups = int(rng.choice([1, 1, 2, 3]))
            n_out = groups * int(rng.integers(1, n // 3 + 1))
            n_in = int(rng.integers(1, n // groups + 1))
            own = str(rng.choice(["float32", "bfloat16", "float16"])) if kind == "mixed" else kind
            weight, plain = weights_of(rng, own, (n_out, n_in))
            drawn.append((weight, plain, groups, n_in, n_out))
        one = max(float(np.abs(plain).max()) for _, plain, *_ in drawn) or 1.0
        by_layer = rng.random() < 0.5
        for weight, plain, groups, n_in, n_out in drawn:
            assert largest_weight(weight) == np.abs(plain).max()
            largest = (float(np.abs(plain).max()) or 1.0) if by_layer else one
            if rng.random() < 0.1:
                largest = 0.0
            source = int(rng.integers(0, n - n_in * groups + 1))
            target = int(rng.integers(0, max(1, n - n_out + 1)))
            parts.append(DensePart(weight, source, target, largest, groups))
            o, i = np.indices(plain.shape)
            tails.append((source + o // (n_out // groups) * n_in + i).ravel())
            heads.append((target + o).ravel())
            values.append(
                edge_values(np.abs(plain), largest, ZETA).ravel()
                if largest
                else np.zeros(plain.size, np.float32)
            )
        tail, head, value = map(np.concatenate, (tails, heads, values))
        n = max(n, int(head.max()) + 1)
        component = np.arange(n)
        if rng.random() < 0.3:
            component = rng.integers(0, n, size=n)
        counted = ValueCounts()
        found = dense_forest(parts, component, ZETA, counted)
        leads = np.array([np.flatnonzero(component == c)[0] for c in component])
        wanted, roots = kruskal(tail, head, value, leads)
        np.testing.assert_array_equal(found.value, wanted)
        assert same_sets(found.component, roots)
        again, roots = kruskal(found.tail, found.head, found.value, leads)
        np.testing.assert_array_equal(again, wanted)  # a forest, and the same components
        assert same_sets(found.component, roots)
        for one_of, other in zip(
            counted.result(), np.unique(value, return_counts=True), strict=True
        ):
            np.testing.assert_array_equal(one_of, other)


def test_folded_halves_are_the_rows_of_the_lazy_matrix():
    rng = np.random.default_rng(0)
    for n_out, n_in in ((1, 1), (5, 7), (40, 300)):
        bits = rng.integers(0, 0x7F00, size=(n_out, n_in)).astype(np.uint16)

        class Readable(Half):
            def __getitem__(self, rows):
                return from_bfloat16(self.halves.read(rows))

        scale = rng.normal(size=n_in).astype(np.float32)
        plain = LazyMatrix(Readable(bits))
        folded = plain.scaled(scale.astype(float))
        for lazy in (plain, folded):
            part = DensePart(lazy, 0, n_in, 1e38)
            wanted, found = ValueCounts(), ValueCounts()
            vertices = np.arange(n_in + n_out)
            one = dense_forest([part], vertices, ZETA, found)
            rows = lazy[0:n_out][:, :, 0]
            assert largest_weight(lazy) == np.abs(rows).max()
            other = dense_forest([part._replace(weight=rows)], vertices, ZETA, wanted)
            np.testing.assert_array_equal(one.value, other.value)
            for each in zip(found.result(), wanted.result(), strict=True):
                np.testing.assert_array_equal(*each)
        assert plain.halves is not None and folded.halves is None
        assert folded.scaled_halves is not None


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["float64", "float32", "float16", "bfloat16"])
def test_what_is_not_finite_is_refused(kind, bad):
    weight = np.ones((3, 4), np.float32)
    weight[1, 2] = bad
    if kind == "bfloat16":
        weight = Half((weight.view(np.uint32) >> 16).astype(np.uint16))
    else:
        weight = weight.astype(kind)
    with pytest.raises(NetkinError, match="NaN or infinite"):
        largest_weight(weight)


@pytest.mark.parametrize("bias_vertices", ["per_neuron", "per_layer", "none"])
def test_the_diagram_of_many_edges_is_that_of_few(bias_vertices, monkeypatch):
    rng = np.random.default_rng(3)
    for _ in range(10):
        widths = rng.integers(1, 12, size=int(rng.integers(2, 5)))
        shapes = list(zip(widths[1:], widths[:-1], strict=True))
        weights = [np.round(rng.normal(size=shape), 1).astype(np.float32) for shape in shapes]
        weights[0][0, 0] = 3
        biases = [
            None if rng.random() < 0.3 else np.round(rng.normal(size=n), 1).astype(np.float32)
            for n in widths[1:]
        ]
        diagrams = []
        for many in (1 << 24, 0):
            for place in ("diagram.exact", "diagram.counts", "graph.dense", "graph.reading"):
                monkeypatch.setattr(f"netkin.{place}.MANY_EDGES", many)
            options = {"bias_vertices": bias_vertices}
            blocks = BlockEdges(dense_graph(weights, biases), **options)
            for edges in (DenseEdges(weights, biases, **options), blocks):
                diagrams.append(exact_diagram(edges, max_dimension=1))
        for other in diagrams[1:]:
            for name in ("intervals", "counts"):
                for one, same in zip(getattr(diagrams[0], name), getattr(other, name), strict=True):
                    np.testing.assert_array_equal(one, same)
