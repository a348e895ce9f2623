from unittest import mock

import numpy as np
import pytest

from netkin.diagram import block_forest as forests
from netkin.diagram.block_forest import block_forest, count_values
from netkin.diagram.counts import ValueCounts
from netkin.diagram.exact import exact_diagram
from netkin.diagram.network import graph_diagram, network_diagram, theorem_of
from netkin.errors import NetkinError
from netkin.graph.blocks import Block, BlockGraph, Group, dense_graph
from netkin.graph.builder import Builder, Parameter
from netkin.graph.reading import BlockEdges
from tests.stress.graphs import KINDS, compared, spanning_forest

pytestmark = pytest.mark.budget("graphs")


def assert_same(a, b):
    for x, y in zip([*a.intervals, *a.counts], [*b.intervals, *b.counts], strict=True):
        np.testing.assert_array_equal(x, y)


def assert_forest_of_scipy(edges):
    values, n_components = spanning_forest(edges.stored())
    found = block_forest(edges)
    expected = np.unique(values, return_counts=True)
    np.testing.assert_array_equal(found.values, expected[0])
    np.testing.assert_array_equal(found.counts, expected[1])
    assert found.n_components == n_components


def convolved(rng, size, *, stride=1, kernel=3, padding=0, channels=(2, 3), dtype=np.float32):
    """Return the graph of one convolution of a square image."""
    build = Builder()
    x = build.input("x", (1, channels[0], size, size))
    weight = rng.normal(size=(channels[1], channels[0], kernel, kernel)).astype(dtype)
    build.convolution(
        x,
        Parameter(weight, ("weight",)),
        Parameter(rng.normal(size=channels[1]).astype(dtype), ("bias",)),
        name="convolution",
        stride=(stride, stride),
        padding=((padding, padding),) * 2,
        dilation=(1, 1),
    )
    return build.finish()


@pytest.mark.parametrize("kind", KINDS)
def test_random_graphs_have_the_forest_of_scipy_and_the_diagram_of_flagser(kind):
    n = {"raw": 70, "convolutions": 40}.get(kind, 20)
    outcomes = [compared(kind, seed) for seed in range(n)]
    assert set(outcomes) <= {"unharmed", "refused"}
    assert outcomes.count("unharmed") > n / 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pixels_that_no_kernel_touches_are_components_of_their_own(dtype):
    rng = np.random.default_rng(0)
    edges = BlockEdges(convolved(rng, 8, stride=2, kernel=1, dtype=dtype))
    assert_forest_of_scipy(edges)
    # 64 - 16 untouched pixels of each channel; the 16 others do not meet
    assert block_forest(edges).n_components == 2 * 48 + 16


def test_only_a_few_copies_are_gone_through_in_a_large_grid():
    rng = np.random.default_rng(1)
    edges = BlockEdges(convolved(rng, 64, padding=1, channels=(8, 32)))
    taken = []
    unite = forests._unite

    def noted(places, *rest):
        unite(places, *rest)
        taken.append(len(places))

    with mock.patch.object(forests, "_unite", noted):
        found = block_forest(edges)
    assert sum(taken) < 8 * 32 * 9
    assert found.n_components == 1
    assert found.counts.sum() == edges.n_vertices - 1


def test_any_number_of_equal_weights_needs_no_more_memory():
    rng = np.random.default_rng(2)
    weights = [np.ones((30, 20), np.float32), rng.choice([-1, 1], (10, 30)).astype(np.float32)]
    edges = BlockEdges(dense_graph(weights, [None, None]))
    with mock.patch.multiple(forests, MOST_KEPT=7, WEIGHTS_PER_CHUNK=50):
        assert_forest_of_scipy(edges)


def test_a_loop_is_never_in_the_forest():
    group = Group("x", 3, (4,))
    tap = np.array([[[0, 1, 0, 1, 4]]])
    one = np.zeros(1, dtype=np.int64)
    weight = np.full((3, 1, 1), 2.0, np.float32)
    block = Block("loops", "weight", 0, 0, weight, tap, one, groups=3)
    edges = BlockEdges(BlockGraph((group,), (block,)))
    found = block_forest(edges)
    assert found.n_components == 12
    assert not len(found.values)
    diagram = exact_diagram(edges, max_dimension=1)
    assert diagram.n_classes() == (12, 12)


def test_values_are_counted_as_often_as_edges_have_them():
    edges = BlockEdges(convolved(np.random.default_rng(3), 7, padding=2))
    counted = ValueCounts()
    count_values(edges, counted)
    values, counts = counted.result()
    expected = np.unique(edges.stored().value, return_counts=True)
    np.testing.assert_array_equal(values, expected[0])
    np.testing.assert_array_equal(counts, expected[1])


@pytest.mark.parametrize("bias_vertices", ["per_neuron", "per_layer", "none"])
def test_dense_networks_give_the_diagram_that_they_give_as_layers(bias_vertices):
    rng = np.random.default_rng(4)
    sizes = [7, 1, 12, 5]
    weights = [
        np.round(rng.normal(size=shape), 1).astype(np.float32)
        for shape in zip(sizes[1:], sizes[:-1], strict=True)
    ]
    biases = [rng.normal(size=n).astype(np.float32) for n in sizes[1:]]
    expected, engine = network_diagram(weights, biases, bias_vertices=bias_vertices)
    found = graph_diagram(dense_graph(weights, biases), bias_vertices=bias_vertices)
    assert_same(found.diagram, expected)
    assert found.engine == engine == "exact"
    assert found.theorem == "no triangles: a spanning forest"


class FromDisk:
    """Weights that give their rows and nothing else, and note how many they gave at most."""

    def __init__(self, array):
        self._array = array
        self.shape = array.shape
        self.most = 0

    def __getitem__(self, rows):
        assert isinstance(rows, slice)
        assert 0 <= rows.start < rows.stop <= len(self._array)
        self.most = max(self.most, rows.stop - rows.start)
        return self._array[rows]


def test_weights_on_disk_are_read_by_rows():
    rng = np.random.default_rng(5)
    array = rng.normal(size=(40, 30)).astype(np.float32)
    weight = FromDisk(array)
    edges = BlockEdges(dense_graph([weight], [None]))
    weight.most = 0
    with mock.patch.object(forests, "WEIGHTS_PER_CHUNK", 200):
        found = block_forest(edges)
    assert weight.most == 200 // 30
    expected = block_forest(BlockEdges(dense_graph([array], [None])))
    np.testing.assert_array_equal(found.values, expected.values)


def added(layers):
    """Return the graph of x + f(x), where f has so many layers."""
    rng = np.random.default_rng(6)
    build = Builder()
    x = y = build.linear(build.input("x", (1, 3)), Parameter(rng.normal(size=(4, 3))), name="in")
    for k in range(layers):
        y = build.linear(y, Parameter(rng.normal(size=(4, 4)), (f"{k}",)), name=f"{k}")
    build.add([x, y], "sum")
    return build.finish()


@pytest.mark.parametrize(
    ("layers", "additions", "theorem", "engine"),
    [
        (2, "contracted", "no triangles: a spanning forest", "exact"),
        (2, "merged", "triangles in books: closed form", "exact"),
        (3, "merged", "no triangles: a spanning forest", "exact"),
    ],
)
def test_a_diagram_says_what_it_rests_on(layers, additions, theorem, engine):
    graph = added(layers)
    found = graph_diagram(graph, additions=additions)
    assert (found.theorem, found.engine) == (theorem, engine)
    assert theorem_of(BlockEdges(graph, additions=additions)) == theorem
    whole = graph_diagram(graph, additions=additions, engine="flagser")
    assert whole.engine == "flagser"
    assert_same(found.diagram, whole.diagram)


def test_the_forest_alone_is_refused_where_there_may_be_triangles():
    with pytest.raises(NetkinError, match="without triangles"):
        exact_diagram(BlockEdges(added(2), additions="merged"), max_dimension=1)
