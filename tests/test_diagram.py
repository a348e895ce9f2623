"""Persistence diagrams: known homology, layered graphs, invariance, policy and file."""

from collections import Counter
from itertools import pairwise

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from netkin.diagram import ENGINES
from netkin.diagram.compute import compute_diagrams
from netkin.diagram.diagram import (
    Diagram,
    get_diagram,
    put_diagram,
    read_diagram,
    write_diagram,
)
from netkin.diagram.flagser import flagser_diagram
from netkin.diagram.policy import apply_policy
from netkin.errors import NetkinError
from netkin.giotto_compat import import_giotto
from netkin.graph.graph import Graph, graph_from_weights
from netkin.network.file import HISTORY, Network, write_network
from netkin.storage import create, member, open_layout, read_ids

INF = np.inf
DETERMINISTIC = settings(derandomize=True, database=None, deadline=None, max_examples=60)


def graph_of(n_vertices, edges):
    """Graph of edges (source, target, value)."""
    source, target, value = zip(*edges, strict=True) if edges else ((), (), ())
    return Graph(
        source=np.array(source, np.int32),
        target=np.array(target, np.int32),
        value=np.array(value, np.float32),
        n_vertices=n_vertices,
        layer=np.zeros(n_vertices, np.int32),
        is_bias=np.zeros(n_vertices, bool),
    )


def homology(n_vertices, edges, max_dimension=3):
    """Sorted intervals per dimension, as lists rounded to what float32 carries."""
    diagram = flagser_diagram(graph_of(n_vertices, edges), max_dimension=max_dimension)
    assert len(diagram.intervals) == max_dimension + 1
    return [sorted(map(tuple, np.round(part, 6).tolist())) for part in diagram.expanded()]


def join_of_spheres(levels, value=0.5):
    """Two vertices a level, all edges from a level to every later one.

    The join of k copies of two points, hence a sphere of dimension k - 1.
    """
    vertices = [(2 * level, 2 * level + 1) for level in range(levels)]
    return [
        (a, b, value)
        for i in range(levels)
        for j in range(i + 1, levels)
        for a in vertices[i]
        for b in vertices[j]
    ]


def random_network(rng, widths):
    weights = [rng.normal(size=(b, a)) for a, b in pairwise(widths)]
    return weights, [rng.normal(size=len(weight)) for weight in weights]


def same(a, b):
    return len(a.intervals) == len(b.intervals) and all(
        np.array_equal(x, y)
        for x, y in zip([*a.intervals, *a.counts], [*b.intervals, *b.counts], strict=True)
    )


def test_directed_clique_fills_its_cycle():
    h0, h1, h2, h3 = homology(3, [(0, 1, 0.1), (1, 2, 0.2), (0, 2, 0.3)])
    assert h0 == [(0, 0.1), (0, 0.2), (0, INF)]
    assert h1 == h2 == h3 == []


def test_directed_cycle_leaves_a_class():
    _, h1, *_ = homology(3, [(0, 1, 0.1), (1, 2, 0.2), (2, 0, 0.3)])
    assert h1 == [(0.3, INF)], "no vertex of a -> b -> c -> a comes before both others"


def test_late_chord_fills_a_square_by_two_triangles():
    square = [(0, 1, 0.1), (1, 3, 0.2), (0, 2, 0.3), (2, 3, 0.4)]
    assert homology(4, square)[1] == [(0.4, INF)]
    assert homology(4, [*square, (0, 3, 0.7)])[1] == [(0.4, 0.7)]


def test_directed_four_clique_has_no_homology_but_its_component():
    edges = [(a, b, 0.1 * (a + b)) for a in range(4) for b in range(a + 1, 4)]
    h0, h1, h2, h3 = homology(4, edges)
    assert h0[-1] == (0, INF)
    assert len(h0) == 4
    assert h1 == h2 == h3 == []


def test_two_components_give_two_infinite_classes():
    h0, h1, *_ = homology(5, [(0, 1, 0.1), (3, 2, 0.4)])
    assert h0 == [(0, 0.1), (0, 0.4), (0, INF), (0, INF), (0, INF)]
    assert h1 == []


def test_reciprocal_edges_are_two_simplices_and_close_a_cycle():
    # (a, b) and (b, a) are different ordered cliques on the same two vertices
    _, h1, *_ = homology(2, [(0, 1, 0.1), (1, 0, 0.25)])
    assert h1 == [(0.25, INF)]


@pytest.mark.parametrize("levels", [2, 3, 4])
def test_join_of_point_pairs_is_a_sphere(levels):
    diagram = homology(2 * levels, join_of_spheres(levels))
    for dimension in range(1, 4):
        assert diagram[dimension] == ([(0.5, INF)] if dimension == levels - 1 else [])


def test_a_cone_kills_the_sphere_at_the_value_of_its_last_edge():
    cone = [(vertex, 6, 0.75) for vertex in range(6)]
    assert homology(7, join_of_spheres(3) + cone)[2] == [(0.5, 0.75)]


def test_a_graph_without_edges_is_its_vertices():
    assert homology(2, [], max_dimension=1) == [[(0, INF), (0, INF)], []]


def test_max_dimension_0_gives_one_dimension():
    assert len(homology(3, [(0, 1, 0.1), (1, 2, 0.2)], max_dimension=0)) == 1


def spanning_forest_diagram(graph):
    """H0 deaths and H1 births of a layered graph by scipy, as multisets of float32."""
    matrix = coo_matrix(
        (graph.value.astype(float), (graph.source, graph.target)), shape=(graph.n_vertices,) * 2
    ).tocsr()
    forest = minimum_spanning_tree(matrix).data.astype(np.float32).tolist()
    n_components = connected_components(matrix, directed=False)[0]
    births = Counter(graph.value.tolist())
    births.subtract(forest)
    return Counter([*forest, *[INF] * n_components]), +births


def check_against_spanning_forest(graph):
    h0, h1, h2, h3 = flagser_diagram(graph, max_dimension=3).expanded()
    deaths, births = spanning_forest_diagram(graph)
    assert Counter(h0[:, 1].tolist()) == deaths
    assert not h0[:, 0].any()
    assert Counter(h1[:, 0].tolist()) == births
    assert np.isinf(h1[:, 1]).all()
    assert len(h2) == len(h3) == 0


@DETERMINISTIC
@given(st.data())
def test_layered_graph_is_its_spanning_forest_and_a_class_per_other_edge(data):
    widths = data.draw(st.lists(st.integers(1, 5), min_size=2, max_size=5))
    # few values make ties, zeros make reversed edges of value 1
    number = data.draw(st.sampled_from([st.integers(-2, 2).map(float), st.floats(-1, 1, width=32)]))

    def draw(*shape):
        size = int(np.prod(shape))
        values = data.draw(st.lists(number, min_size=size, max_size=size))
        return np.array(values, np.float32).reshape(shape)

    weights = [draw(b, a) for a, b in pairwise(widths)]
    biases = [draw(len(weight)) for weight in weights]
    weights[0][0, 0] = 1
    mode = data.draw(st.sampled_from(["per_neuron", "per_layer", "none"]))
    check_against_spanning_forest(graph_from_weights(weights, biases, bias_vertices=mode))


@pytest.mark.parametrize("mode", ["per_neuron", "per_layer", "none"])
@pytest.mark.parametrize("widths", [(20, 12, 12, 4), (3, 1, 1, 3), (30, 2), (8, 8, 8, 8, 8, 8)])
def test_random_network_is_its_spanning_forest(mode, widths):
    network = random_network(np.random.default_rng(1), widths)
    check_against_spanning_forest(graph_from_weights(*network, bias_vertices=mode))


@pytest.mark.parametrize("weight", [0.0, -1.0, 1.0])
def test_tied_weights_are_counted_not_merged(weight):
    weights = [np.full((3, 4), weight), np.ones((2, 3))]
    graph = graph_from_weights(weights, [np.zeros(3), np.zeros(2)], bias_vertices="none")
    check_against_spanning_forest(graph)


@pytest.mark.parametrize("mode", ["per_neuron", "per_layer", "none"])
def test_order_of_neurons_and_inputs_does_not_matter(mode):
    rng = np.random.default_rng(2)
    weights, biases = random_network(rng, (9, 7, 6, 3))
    reference = flagser_diagram(
        graph_from_weights(weights, biases, bias_vertices=mode), max_dimension=3
    )
    for _ in range(5):
        order = [rng.permutation(width) for width in (9, 7, 6)] + [np.arange(3)]
        shuffled = [w[np.ix_(order[i + 1], order[i])] for i, w in enumerate(weights)]
        shuffled_biases = [b[order[i + 1]] for i, b in enumerate(biases)]
        graph = graph_from_weights(shuffled, shuffled_biases, bias_vertices=mode)
        assert same(flagser_diagram(graph, max_dimension=3), reference)


def test_policy_order_decides_over_late_classes():
    diagram = Diagram.from_intervals((np.array([[0, INF]]), np.array([[0.995, INF], [0.5, INF]])))
    kept = apply_policy(diagram, order="filter_then_cap").intervals[1]
    assert kept.tolist() == [[0.5, 1.0], [0.995, 1.0]]
    dropped = apply_policy(diagram, order="cap_then_filter").intervals[1]
    assert dropped.tolist() == [[0.5, 1.0]]


def test_policy_drops_short_trivial_and_one_infinite_component():
    diagram = Diagram.from_intervals(
        (
            np.array([[0, 0.25], [0, 0.005], [0, INF], [0, INF]]),
            np.array([[0.25, 0.5], [0.25, 0.251], [1.0, INF], [1.5, INF]]),
            np.empty((0, 2)),
        )
    )
    h0, h1, h2 = apply_policy(diagram, eta=0.25).intervals
    assert h0.tolist() == [[0, 1]]
    assert h1.tolist() == [], "a length of exactly eta goes, and so does what the cap makes empty"
    assert h2.shape == (0, 2)
    h0, h1, _ = apply_policy(diagram, reduced=False, eta=0, infinity_value=2.0).expanded()
    assert h0.tolist() == [[0, 0.005], [0, 0.25], [0, 2], [0, 2]]
    assert h1.tolist() == [[0.25, 0.251], [0.25, 0.5], [1, 2], [1.5, 2]]


@pytest.mark.parametrize("seed", range(4))
def test_default_policy_equals_giotto(seed):
    Filtering = import_giotto("gtda.diagrams").Filtering
    FlagserPersistence = import_giotto("gtda.homology").FlagserPersistence

    rng = np.random.default_rng(seed)
    if seed < 2:
        graph = graph_from_weights(*random_network(rng, (8, 6, 5, 3)))
    else:  # any directed graph, with cliques
        pairs = [(a, b) for a in range(9) for b in range(9) if a != b and rng.random() < 0.6]
        graph = graph_of(9, [(a, b, rng.random()) for a, b in pairs])
    matrix = coo_matrix(graph.to_scipy())
    found = FlagserPersistence(homology_dimensions=(0, 1, 2, 3)).fit_transform([matrix])
    found = Filtering(epsilon=0.01).fit_transform(found)[0]
    found[np.isinf(found)] = 1.0
    found = found[found[:, 0] < found[:, 1]]
    ours = apply_policy(flagser_diagram(graph, max_dimension=3))
    theirs = Diagram.from_intervals(
        tuple(found[found[:, 2] == dimension, :2] for dimension in range(4))
    )
    assert same(ours, theirs)


def test_equal_intervals_are_one_with_a_count():
    rows = np.array([[0.5, INF], [0.1, 0.75], [0.5, 0.75], [0.1, 0.75], [0.5, INF], [0.1, 0.75]])
    diagram = Diagram.from_intervals((rows, rows[:0], rows[:1]), ([1, 2, 3, 4, 5, 6], [], [7]))
    assert diagram.intervals[0].tolist() == [[0.1, 0.75], [0.5, 0.75], [0.5, INF]]
    assert [counts.tolist() for counts in diagram.counts] == [[12, 3, 6], [], [7]]
    assert diagram.n_classes() == (21, 0, 7)
    assert {part.dtype for part in diagram.counts} == {np.dtype(np.int64)}
    once = Diagram.from_intervals((rows,))
    assert same(Diagram.from_intervals(once.expanded()), once)
    np.testing.assert_array_equal(once.expanded()[0], rows[np.lexsort((rows[:, 1], rows[:, 0]))])


@pytest.mark.parametrize("counts", [(), ([1, 2],), ([0],), ([-1],)], ids=str)
def test_a_diagram_has_a_count_of_at_least_1_for_each_interval(counts):
    with pytest.raises(NetkinError, match="every interval has one, of at least 1"):
        Diagram((np.array([[0.0, 1.0]]),), tuple(np.array(part) for part in counts))


values = st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.5, INF])


@DETERMINISTIC
@given(
    rows=st.lists(
        st.tuples(values.filter(np.isfinite), values, st.integers(1, 3)).filter(
            lambda row: row[0] <= row[1]
        ),
        max_size=8,
    ),
    options=st.fixed_dictionaries(
        {
            "reduced": st.booleans(),
            "eta": st.sampled_from([0.0, 0.25]),
            "infinity_value": st.sampled_from([0.25, 1.0, 1.5]),
            "order": st.sampled_from(["filter_then_cap", "cap_then_filter"]),
        }
    ),
)
def test_policy_on_counts_is_that_on_repeated_intervals(rows, options):
    table = np.reshape(rows, (-1, 3)).astype(float)
    parts, counts = (table[:, :2],) * 2, (table[:, 2],) * 2
    found = apply_policy(Diagram.from_intervals(parts, counts), **options)
    for dimension, intervals in enumerate(found.expanded()):
        wanted = sorted(map(tuple, np.repeat(parts[0], counts[0].astype(int), axis=0).tolist()))
        never = [interval for interval in wanted if interval[1] == INF]
        if options["reduced"] and dimension == 0 and never:
            wanted.remove(never[0])
        cap, eta = options["infinity_value"], options["eta"]
        capped = [(birth, min(death, cap) if death == INF else death) for birth, death in wanted]
        measured = wanted if options["order"] == "filter_then_cap" else capped
        kept = [
            interval
            for interval, (birth, death) in zip(capped, measured, strict=True)
            if death - birth > eta and interval[0] < interval[1]
        ]
        assert sorted(map(tuple, intervals.tolist())) == sorted(kept)


def test_a_file_counts_what_is_equal_in_float32(tmp_path):
    near = np.array([[0.1, 0.5], [0.1 + 1e-12, 0.5], [0.2, INF]])
    diagram = Diagram.from_intervals((near,), ([2, 3, 10**12],))
    write_diagram(tmp_path / "a.h5", diagram, engine="flagser")
    found = read_diagram(tmp_path / "a.h5")
    assert found.counts[0].tolist() == [5, 10**12]
    assert found.intervals[0].tolist() == near[[0, 2]].astype(np.float32).tolist()


def test_a_group_of_a_file_holds_a_diagram(tmp_path):
    diagrams = [
        Diagram.from_intervals((np.array([[0.0, 0.5], [0.0, INF]]), np.empty((0, 2)))),
        Diagram.from_intervals((np.array([[0.0, 0.25]]), np.array([[0.75, INF]] * 3))),
    ]
    with h5py.File(tmp_path / "all.h5", "w") as file:
        for name, diagram in zip("ab", diagrams, strict=True):
            engine = {"a": "exact", "b": "flagser"}[name]
            put_diagram(file.create_group(name), diagram, engine=engine)
            assert same(get_diagram(file[name], "all.h5"), diagram)
            assert file[name].attrs["engine"] == engine
        file["b/H1_count"][0] = -1
        with pytest.raises(NetkinError, match=r"^all\.h5::b: /H1_count holds a count below 1"):
            get_diagram(file["b"], "all.h5::b")


def test_diagram_file_is_sorted_unpadded_and_deterministic(tmp_path):
    intervals = np.array([[0.5, INF], [0.1, 0.75], [0.1, 0.5]])
    for name, order in (("a", [0, 1, 2]), ("b", [2, 0, 1])):
        diagram = Diagram.from_intervals((intervals[order], np.empty((0, 2))))
        write_diagram(tmp_path / f"{name}.h5", diagram, engine="flagser")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    h0, h1 = read_diagram(tmp_path / "a.h5").intervals
    assert h0.dtype == np.float64
    assert np.array_equal(h0, intervals[[2, 1, 0]].astype(np.float32).astype(np.float64))
    assert h1.shape == (0, 2)


def test_compute_diagrams_writes_what_the_engine_finds(tmp_path):
    networks = {
        f"net/{seed}": random_network(np.random.default_rng(seed), (5, 4, 2)) for seed in (3, 4)
    }
    paths = [str(tmp_path / f"{seed}.h5") for seed in (3, 4)]
    history = {name: np.zeros(1) for name in HISTORY}
    for path, (weights, biases) in zip(paths, networks.values(), strict=True):
        # as a file stores them
        weights[:] = [weight.astype(np.float32) for weight in weights]
        biases[:] = [bias.astype(np.float32) for bias in biases]
        write_network(path, Network(weights, biases, history, 1.0), parameters={})
    arguments = {
        "network_paths": paths,
        "ids": list(networks),
        "diagram_path": str(tmp_path / "diagram.h5"),
        "bias_vertices": "per_layer",
        "zeta": 1e-3,
        "max_dimension": 2,
    }
    for engine, used in {"auto": "exact", "flagser": "flagser"}.items():
        compute_diagrams(**arguments, engine=engine)
        assert read_ids(tmp_path / "diagram.h5", "diagram") == list(networks)
        for id, network in networks.items():
            graph = graph_from_weights(*network, bias_vertices="per_layer", zeta=1e-3)
            address = f"{tmp_path / 'diagram.h5'}::{id}"
            expected = flagser_diagram(graph, max_dimension=2)
            assert same(read_diagram(address), expected), "float32 must lose nothing"
            with open_layout(address, "diagram") as group:
                assert group.attrs["engine"] == used
    before = (tmp_path / "diagram.h5").read_bytes()
    with pytest.raises(NetkinError, match="Did you mean 'flagser'"):
        compute_diagrams(**arguments, engine="flagsr")
    zeros = [np.zeros_like(weight) for weight in weights]
    write_network(paths[1], Network(zeros, biases, history, 1.0), parameters={})
    with pytest.raises(NetkinError, match=r"4\.h5: every weight is 0, so .* undefined"):
        compute_diagrams(**arguments | {"bias_vertices": "none"}, engine="exact")
    # one network that makes no graph leaves nothing half-written
    assert (tmp_path / "diagram.h5").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3.h5", "4.h5", "diagram.h5"]


def test_all_networks_that_fail_are_told_at_once_and_nothing_is_written(tmp_path):
    weights, biases = random_network(np.random.default_rng(3), (5, 4, 2))
    paths = [str(tmp_path / f"{name}.h5") for name in "abc"]
    zeros = tuple(np.zeros_like(weight) for weight in weights)
    for path, kept in zip(paths, (zeros, zeros, tuple(weights)), strict=True):
        write_network(path, Network(kept, tuple(biases)), parameters={})
    with pytest.raises(NetkinError, match=r"a\.h5: every weight is 0.*; .*b\.h5: every") as caught:
        compute_diagrams(
            network_paths=paths,
            ids=["a", "b", "c"],
            diagram_path=str(tmp_path / "diagram.h5"),
            bias_vertices="none",
            zeta=1e-6,
            engine="exact",
            max_dimension=1,
        )
    assert "c.h5" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "diagram.h5").exists()


@pytest.mark.parametrize(
    ("intervals", "says"),
    [
        (np.zeros(3), "expected \\(intervals of H0, 2\\)"),
        (np.array([[0.5, 0.25]]), "birth <= death"),
        (np.array([[np.nan, 1]]), "birth <= death"),
        (None, "/H0, a dataset of every diagram, is missing"),
    ],
)
def test_a_diagram_file_that_makes_no_sense_is_refused(tmp_path, intervals, says):
    path = tmp_path / "diagram.h5"
    with create(path, "diagram", parameters={}) as file:
        group = member(file)
        if intervals is not None:
            group["H0"] = intervals
    with pytest.raises(NetkinError, match=says):
        read_diagram(path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Weights and biases of a small network that was really trained."""
    from netkin.dataset.prepare import prepare_dataset
    from netkin.network.file import read_network
    from netkin.network.train import train_network

    folder = tmp_path_factory.mktemp("trained")
    dataset, network = str(folder / "digits.h5"), str(folder / "network.h5")
    prepare_dataset(kind="digits", data_folder="", options={}, dataset_path=dataset)
    train_network(
        dataset_path=dataset,
        network_path=network,
        device="cpu",
        threads=1,
        dataset="digits",
        variant="width_16",
        seed=0,
        width=16,
        hidden_layers=2,
        dropout=0.2,
        learning_rate=1e-3,
        rho=0.9,
        epsilon=1e-7,
        batch_size=128,
        epochs=2,
        validation_share=0.1,
        n_labels=None,
        input_order=None,
        order_seed=0,
    )
    found = read_network(network)
    return list(found.weights), list(found.biases)


@pytest.mark.parametrize("bias_vertices", ["per_neuron", "per_layer", "none"])
@pytest.mark.parametrize("layer", [0, 1, 2], ids=["inputs", "hidden 1", "hidden 2"])
@pytest.mark.parametrize("engine", ENGINES)
def test_permuting_the_units_of_a_trained_network_changes_no_diagram(
    trained, layer, bias_vertices, engine
):
    weights, biases = [w.copy() for w in trained[0]], [b.copy() for b in trained[1]]
    order = np.random.default_rng(3).permutation(weights[layer].shape[1])
    weights[layer] = weights[layer][:, order]
    if layer > 0:
        weights[layer - 1] = weights[layer - 1][order]
        biases[layer - 1] = biases[layer - 1][order]
    before, after = (
        ENGINES[engine](graph_from_weights(w, b, bias_vertices=bias_vertices), max_dimension=3)
        for w, b in (trained, (weights, biases))
    )
    assert same(before, after)
    assert len(before.intervals[1]) > 1000
