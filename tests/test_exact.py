import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netkin.diagram import ENGINES, forest
from netkin.diagram.compute import compute_diagrams
from netkin.diagram.diagram import read_diagram, write_diagram
from netkin.diagram.exact import exact_diagram
from netkin.diagram.flagser import flagser_diagram
from netkin.diagram.network import METHODS, choose_engine
from netkin.errors import Absent, NetkinError
from netkin.graph.graph import Graph, graph_from_weights
from netkin.network.file import HISTORY, Network, write_network
from tests.altered import opened

pytestmark = pytest.mark.budget("graphs")

FAST = settings(derandomize=True, database=None, deadline=None, max_examples=150)


def graph_of(edges, n_vertices, layer=None):
    """Return a graph from (source, target, value) triples."""
    source, target, value = (np.array(column) for column in zip(*edges, strict=True))
    return Graph(
        source=source.astype(np.int32),
        target=target.astype(np.int32),
        value=value.astype(np.float32),
        n_vertices=n_vertices,
        layer=np.zeros(n_vertices, np.int32) if layer is None else np.array(layer, np.int32),
        is_bias=np.zeros(n_vertices, bool),
    )


def assert_same(a, b):
    assert len(a.intervals) == len(b.intervals)
    for x, y in zip([*a.intervals, *a.counts], [*b.intervals, *b.counts], strict=True):
        np.testing.assert_array_equal(x, y)


def layered(rng, sizes, bias_vertices="per_neuron", kind="normal"):
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    draw = {
        "normal": lambda shape: rng.normal(size=shape),
        "ties": lambda shape: rng.integers(-2, 3, size=shape) / 2,
        "sparse": lambda shape: rng.normal(size=shape) * (rng.random(shape) < 0.1),
        "equal": lambda shape: np.ones(shape),
    }[kind]
    weights = [draw(shape).astype(np.float32) for shape in shapes]
    biases = [draw(shape[:1]).astype(np.float32) for shape in shapes]
    weights[0][0, 0] = 3.0  # never all zero
    return graph_from_weights(weights, biases, bias_vertices=bias_vertices)


@FAST
@given(
    sizes=st.lists(st.integers(1, 12), min_size=2, max_size=5),
    bias_vertices=st.sampled_from(["per_neuron", "per_layer", "none"]),
    kind=st.sampled_from(["normal", "ties", "sparse", "equal"]),
    seed=st.integers(0, 2**32 - 1),
    light=st.sampled_from([0, 0.1, 1, 8]),
    block=st.sampled_from([3, 50]),
)
def test_layered_networks_give_what_flagser_gives(sizes, bias_vertices, kind, seed, light, block):
    graph = layered(np.random.default_rng(seed), sizes, bias_vertices, kind)
    with pytest.MonkeyPatch.context() as patch:
        # so that small graphs, too, need several passes and reductions
        patch.setattr(forest, "LIGHT_EDGES_PER_VERTEX", light)
        patch.setattr(forest, "FEW_SAMPLES", 2)
        patch.setattr(forest, "MOST_EDGES_KEPT", 2 * block)
        patch.setattr("netkin.graph.graph.EDGES_PER_BLOCK", block)
        patch.setattr("netkin.graph.graph.SAMPLE_SIZE", block)
        found = exact_diagram(graph, max_dimension=3)
    assert_same(found, flagser_diagram(graph, max_dimension=3))


@pytest.mark.parametrize("scales", [[1, 1, 1], [1, 0.1, 1], [0.01, 1, 0.1], [1, 1, 1e-4]])
def test_layers_of_different_scale_give_what_flagser_gives(scales):
    rng = np.random.default_rng(5)
    sizes = [60, 200, 150, 10]
    weights = [
        (scale * rng.normal(size=(b, a))).astype(np.float32)
        for a, b, scale in zip(sizes, sizes[1:], scales, strict=False)
    ]
    graph = graph_from_weights(weights, [np.zeros(b, np.float32) for b in sizes[1:]])
    assert_same(exact_diagram(graph, max_dimension=1), flagser_diagram(graph, max_dimension=1))


@FAST
@given(
    sides=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    density=st.floats(0.05, 1.0),
    seed=st.integers(0, 2**32 - 1),
)
def test_disconnected_and_reciprocal_graphs_give_what_flagser_gives(sides, density, seed):
    rng = np.random.default_rng(seed)
    n = sum(sides)
    one, two = np.meshgrid(np.arange(sides[0]), np.arange(sides[0], n), indexing="ij")
    pairs = np.concatenate(
        [np.stack([one, two], -1).reshape(-1, 2), np.stack([two, one], -1).reshape(-1, 2)]
    )
    pairs = pairs[rng.random(len(pairs)) < density]
    if len(pairs) == 0:
        pairs = np.array([[0, sides[0]]])
    # values of a few steps: ties are common
    graph = graph_of([(a, b, rng.integers(0, 4) / 4) for a, b in pairs], n)
    assert graph.is_two_colourable()
    assert_same(exact_diagram(graph, max_dimension=3), flagser_diagram(graph, max_dimension=3))


def test_a_network_of_full_size_gives_what_flagser_gives():
    graph = layered(np.random.default_rng(0), [64, 512, 512, 10])
    found = exact_diagram(graph, max_dimension=3)
    assert_same(found, flagser_diagram(graph, max_dimension=3))
    assert found.n_classes()[1] == len(graph.value) - graph.n_vertices + 1


def test_dead_units_are_joined_by_their_late_edges():
    # the edges of unit 1 are far heavier than the lightest ones collected first
    weights = [np.full((200, 40), 1.0, np.float32), np.ones((1, 200), np.float32)]
    weights[0] *= np.random.default_rng(0).uniform(0.5, 1, size=weights[0].shape)
    weights[0][1] = 1e-4
    weights[1][0, 1] = 1e-5
    biases = [np.ones(200, np.float32), np.ones(1, np.float32)]
    biases[0][1] = 0
    graph = graph_from_weights(weights, biases)
    assert_same(exact_diagram(graph, max_dimension=1), flagser_diagram(graph, max_dimension=1))


def test_keeping_few_edges_at_a_time_changes_nothing(monkeypatch):
    graph = layered(np.random.default_rng(1), [30, 60, 20, 5], kind="ties")
    whole = exact_diagram(graph, max_dimension=1)
    monkeypatch.setattr(forest, "MOST_EDGES_KEPT", 50)
    monkeypatch.setattr("netkin.graph.graph.EDGES_PER_BLOCK", 64)
    assert_same(exact_diagram(graph, max_dimension=1), whole)


@pytest.mark.parametrize("max_dimension", [0, 1, 4])
def test_as_many_dimensions_as_asked_for(max_dimension):
    graph = layered(np.random.default_rng(2), [3, 4, 2])
    found = exact_diagram(graph, max_dimension=max_dimension)
    assert_same(found, flagser_diagram(graph, max_dimension=max_dimension))


ODD = {
    "triangle": [(0, 1, 0.1), (1, 2, 0.2), (0, 2, 0.3)],
    "cycle of five": [(i, (i + 1) % 5, 0.1) for i in range(5)],
}
EVEN = {
    "square": [(i, (i + 1) % 4, 0.1) for i in range(4)],
    "two reciprocal edges": [(0, 1, 0.1), (1, 0, 0.2)],
    "path": [(2, 1, 0.5), (1, 0, 0.5)],
}


@pytest.mark.parametrize("name", ODD)
def test_a_cycle_of_odd_length_is_refused(name):
    graph = graph_of(ODD[name], 6)
    assert not graph.is_two_colourable()
    with pytest.raises(NetkinError, match="'exact' needs a graph without cycles of odd length"):
        exact_diagram(graph, max_dimension=1)


@pytest.mark.parametrize("name", EVEN)
def test_even_cycles_are_taken_whatever_the_layers_say(name):
    graph = graph_of(EVEN[name], 6, layer=[0, 5, 5, 0, 0, 0])
    assert graph.is_two_colourable()
    assert_same(exact_diagram(graph, max_dimension=2), flagser_diagram(graph, max_dimension=2))


def test_a_triangle_beside_a_layered_part_is_found():
    layers = [(0, 2, 0.1), (1, 2, 0.2), (0, 3, 0.3)]
    graph = graph_of([*layers, (4, 5, 0.1), (5, 6, 0.1), (6, 4, 0.1)], 7, [0, 0, 1, 1, 0, 1, 0])
    assert not graph.is_two_colourable()


@pytest.mark.parametrize(
    ("value", "sentence"),
    [(-0.5, "before its vertices enter"), (np.nan, "NaN or infinite"), (np.inf, "NaN or infinite")],
)
def test_a_value_that_makes_no_filtration_is_refused(value, sentence):
    with pytest.raises(NetkinError, match=sentence):
        exact_diagram(graph_of([(0, 1, value)], 2), max_dimension=1)


@pytest.mark.parametrize(
    ("edges", "used"), [(EVEN["square"], "exact"), (ODD["triangle"], "flagser")]
)
def test_auto_takes_the_engine_that_is_valid_and_says_which(tmp_path, edges, used):
    graph = graph_of(edges, 5)
    chosen = choose_engine(graph, "auto")
    assert chosen == used
    for engine in (chosen, "flagser"):
        diagram = ENGINES[engine](graph, max_dimension=2)
        write_diagram(tmp_path / f"{engine}.h5", diagram, engine=engine)
    with opened(tmp_path / f"{chosen}.h5") as auto, opened(tmp_path / "flagser.h5") as flagser:
        assert auto.attrs["engine"] == used
        for name in ("H0", "H1", "H2", "H0_count", "H1_count", "H2_count"):
            np.testing.assert_array_equal(auto[name][:], flagser[name][:])


def test_exact_for_a_triangle_is_a_reason_in_the_file(tmp_path, monkeypatch):
    with pytest.raises(NetkinError, match=r"^the engine 'exact' needs"):
        exact_diagram(graph_of(ODD["triangle"], 3), max_dimension=1)
    # no network of dense layers has a triangle: as if one had
    monkeypatch.setattr("netkin.diagram.exact.may_have_triangles", lambda edges: True)
    monkeypatch.setattr("netkin.diagram.network.METHODS", METHODS[-1:])
    weights, biases = (np.ones((2, 3), np.float32),), (np.ones(2, np.float32),)
    history = {name: np.zeros(1) for name in HISTORY}
    write_network(tmp_path / "n.h5", Network(weights, biases, history, 0.5), parameters={})
    arguments = {
        "network_paths": [str(tmp_path / "n.h5")],
        "ids": ["n"],
        "diagram_path": str(tmp_path / "d.h5"),
        "bias_vertices": "per_neuron",
        "zeta": 1e-6,
        "max_dimension": 1,
    }
    compute_diagrams(**arguments, engine="exact")
    with pytest.raises(Absent, match=r"^the engine 'exact' needs a graph without triangles"):
        read_diagram(f"{tmp_path / 'd.h5'}::n")
    compute_diagrams(**arguments, engine="auto")
    with opened(tmp_path / "d.h5") as file:
        assert file.attrs["engine"] == "flagser"
