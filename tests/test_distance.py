"""Distances: equal to giotto-tda and numpy, matrices, undefined pairs, summaries."""

import shutil
from functools import partial
from itertools import pairwise

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr

from netkin.activation.forward import forward
from netkin.activation.read import read_activation
from netkin.activation.write import write_activations
from netkin.dataset.arrays import Arrays, write_arrays
from netkin.diagram.diagram import Diagram, read_diagram, write_diagram
from netkin.diagram.flagser import flagser_diagram
from netkin.diagram.policy import apply_policy
from netkin.distance import INPUTS, MEASURES
from netkin.distance.compute import compute_distances
from netkin.distance.file import Summary, read_distances, read_summary
from netkin.distance.functional.model import read_model
from netkin.distance.layers import compare_layers, read_layers
from netkin.distance.matrix import distance_matrices
from netkin.distance.norm import frobenius, norm_1
from netkin.distance.representational.null import permutation_null
from netkin.distance.representational.representation import Representation, warn_of_few_rows
from netkin.distance.summary import summarise_distances
from netkin.distance.tensors import read_tensors
from netkin.distance.vector import vector_distance
from netkin.errors import NetkinError, UndefinedDistance
from netkin.giotto_compat import import_giotto
from netkin.graph.export import read_network_graph
from netkin.graph.graph import graph_from_weights, write_graph
from netkin.network.file import HISTORY, Network, read_network, write_network
from netkin.prediction.prediction import Prediction, read_prediction, write_prediction
from netkin.storage import read_ids
from netkin.table.statistic import repeatability
from netkin.vector import VECTORISERS
from netkin.vector.compute import vectorise_diagrams
from netkin.vector.sampling import Sampling
from netkin.vector.vector import Vector, read_vector
from tests.altered import opened

DETERMINISTIC = settings(derandomize=True, database=None, deadline=None, max_examples=60)
PAIRWISE = {
    "landscape": {"n_layers": 3},
    "silhouette": {"power": 2.0},
    "heat": {"sigma": 0.1},
}

# multiples of 1/64 keep the kernel of the heat images on the narrowest fit small
diagrams = st.integers(0, 8).flatmap(
    lambda k: arrays(float, (k, 2), elements=st.integers(0, 64).map(lambda i: i / 64)).map(
        lambda a: np.sort(a, axis=1)
    )
)


def padded(pair):
    """The pair as giotto-tda's array of triples: padded with the smallest birth, else 0."""
    blocks = []
    for dimension, parts in enumerate(zip(*(d.expanded() for d in pair), strict=True)):
        births = np.concatenate(parts)[:, 0]
        longest = max(1, *map(len, parts))
        block = np.full((2, longest, 3), births.min() if births.size else 0.0)
        for row, part in zip(block, parts, strict=True):
            row[: len(part), :2] = part
            row[:, 2] = dimension
        blocks.append(block)
    return np.concatenate(blocks, axis=1)


def giotto_distance(pair, kind, **metric_params):
    PairwiseDistance = import_giotto("gtda.diagrams").PairwiseDistance

    return PairwiseDistance(kind, metric_params=metric_params, order=2).fit_transform(padded(pair))[
        0, 1
    ]


@pytest.mark.parametrize("kind", PAIRWISE)
@DETERMINISTIC
@given(parts=st.lists(diagrams, min_size=4, max_size=4), p=st.sampled_from([1.0, 2.0, 3.0]))
def test_pairwise_distance_equals_giotto(kind, parts, p):
    pair = [
        Diagram.from_intervals((parts[0], parts[1])),
        Diagram.from_intervals((parts[2], parts[3])),
    ]
    options = {"n_bins": 20, "p": p, **PAIRWISE[kind]}
    ours = MEASURES[f"{kind}_pairwise"].function(*pair, **options)
    assert ours == pytest.approx(giotto_distance(pair, kind, **options), rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("kind", PAIRWISE)
def test_pairwise_distance_of_networks_equals_giotto_at_its_defaults(kind):
    rng = np.random.default_rng(0)
    pair = []
    for width in (20, 30):
        weights = [rng.normal(size=(width, 40)), rng.normal(size=(10, width))]
        graph = graph_from_weights(weights, [rng.normal(size=width), rng.normal(size=10)])
        pair.append(apply_policy(flagser_diagram(graph, max_dimension=3)))
    ours = MEASURES[f"{kind}_pairwise"].function(*pair)
    assert ours > 0
    assert ours == pytest.approx(giotto_distance(pair, kind, n_bins=200), rel=1e-8)


def stored(array, axes=1, kind="landscape", sampling=None):
    array = np.asarray(array, float)
    return Vector((array,), sampling or Sampling(0.0, 2.0, array.shape[-1]), axes, kind)


def test_vector_distance_is_the_integral_norm():
    a, b = stored([[0.0, 3.0, 0.0]]), stored([[0.0, 0.0, 4.0]])
    assert vector_distance(a, b) == pytest.approx(5.0)
    assert vector_distance(a, b, p=1) == pytest.approx(7.0)
    assert vector_distance(a, b, p=np.inf) == 4.0
    step = Sampling(0.0, 1.0, 3)  # 1/2
    a, b = stored(np.eye(3), 2, "heat", step), stored(np.zeros((3, 3)), 2, "heat", step)
    assert vector_distance(a, b) == pytest.approx(np.sqrt(3) / 2)


def test_dimensions_are_combined_by_the_2_norm():
    sampling = Sampling(0.0, 1.0, 2)
    a = Vector((np.array([3.0, 0.0]), np.array([0.0, 4.0])), sampling, 1, "silhouette")
    b = Vector((np.zeros(2), np.zeros(2)), sampling, 1, "silhouette")
    assert vector_distance(a, b, p=1) == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (stored([0.0, 1.0], sampling=Sampling(0.0, 1.0, 2)), "sampling"),
        (stored([0.0, 1.0], kind="silhouette"), "kind"),
        (stored([[0.0, 1.0]]), "shapes"),
    ],
)
def test_vectors_that_cannot_be_compared_are_refused(other, says):
    with pytest.raises(NetkinError, match=f"differ in {says}"):
        vector_distance(stored([0.0, 1.0]), other)


def random_layers(rng, widths):
    weights = [rng.normal(size=(b, a)) for a, b in pairwise(widths)]
    return weights, [rng.normal(size=len(weight)) for weight in weights]


def network_graph(seed, widths=(6, 5, 3), mode="per_neuron"):
    rng = np.random.default_rng(seed)
    return graph_from_weights(*random_layers(rng, widths), bias_vertices=mode)


@pytest.mark.parametrize("mode", ["per_neuron", "per_layer", "none"])
def test_norms_equal_numpy_on_dense_matrices(mode):
    a, b = network_graph(1, mode=mode), network_graph(2, mode=mode)
    difference = (a.to_scipy().astype(float) - b.to_scipy().astype(float)).toarray()
    assert norm_1(a, b) == pytest.approx(np.linalg.norm(difference, 1), rel=1e-14)
    assert frobenius(a, b) == pytest.approx(np.linalg.norm(difference, "fro"), rel=1e-14)
    assert norm_1(a, a) == frobenius(a, a) == 0


@pytest.mark.parametrize("norm", [norm_1, frobenius])
def test_norms_are_undefined_without_corresponding_vertices(norm):
    # equally many vertices, other layers
    with pytest.raises(UndefinedDistance, match="no corresponding vertices"):
        norm(network_graph(1, (5, 6, 3), "none"), network_graph(1, (6, 5, 3), "none"))
    # equal layers, but a neuron here is a bias vertex there
    with pytest.raises(UndefinedDistance, match="no corresponding vertices"):
        norm(network_graph(1, (5, 1), "per_layer"), network_graph(1, (5, 2), "none"))


def test_distance_matrix_mirrors_symmetric_measures_only():
    def difference(a, b):
        return float(a - b)

    functions = {"full": difference, "mirrored": difference}
    found = distance_matrices([1, 3], functions, asymmetric=["full"])
    assert found["full"].values.tolist() == [[0, -2], [2, 0]]
    assert found["mirrored"].values.tolist() == [[0, -2], [-2, 0]]


@pytest.fixture
def study(sources, tmp_path):
    """A folder with the files of three networks, to write distances to."""
    return shutil.copytree(sources, tmp_path, dirs_exist_ok=True)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Files of three networks: of every source; the third has another shape."""
    folder = tmp_path_factory.mktemp("sources")
    shapes = [(6, 5, 3), (6, 5, 3), (6, 7, 3)]
    for i, widths in enumerate(shapes):
        layers = [
            [array.astype(np.float32) for array in arrays_]
            for arrays_ in random_layers(np.random.default_rng(i), widths)
        ]
        history = {name: np.zeros(1) for name in HISTORY}
        network = Network(tuple(layers[0]), tuple(layers[1]), history, 0.5)
        trained = {"input_order": None, "order_seed": 0, "n_labels": None}
        write_network(folder / f"network_{i}.h5", network, parameters=trained)
        if i == 1:  # what it answers is right
            rows_of = [np.random.default_rng(n).normal(size=(n, 6)) for n in (200, 80)]
            parts = [
                (
                    x.astype(np.float32),
                    forward(network, x)[-1].argmax(axis=1),
                    np.arange(len(x)) + n,
                )
                for n, x in zip((0, 200), rows_of, strict=True)
            ]
            arrays_of = Arrays(*parts[0], *parts[1], ("a", "b", "c"))
            write_arrays(folder / "dataset.h5", arrays_of, parameters={})
        rng = np.random.default_rng(100 + i)
        rows, labels = np.arange(80), np.arange(80) % 4
        values = (labels[:, None] + rng.normal(size=(80, widths[1]))).astype(np.float32)
        write_activations(folder / f"activation_{i}.h5", {"hidden_1": values}, rows, labels)
        shares = rng.dirichlet(np.ones(4), size=80)
        prediction = Prediction(rows, shares, labels)
        write_prediction(folder / f"prediction_{i}.h5", prediction)
        graph = network_graph(i, widths)
        write_graph(folder / f"graph_{i}.h5", graph)
        diagram = flagser_diagram(graph, max_dimension=3)
        write_diagram(folder / f"diagram_{i}.h5", diagram, engine="flagser")
        for kind in VECTORISERS:
            vectorise_diagrams(
                diagram_path=str(folder / f"diagram_{i}.h5"),
                vector_path=str(folder / f"{kind}_{i}.h5"),
                vector=kind,
                range=[0.0, 1.0],
                n_bins=30,
                options={},
                policy={},
            )
    return folder


GRAPH = {"bias_vertices": "per_neuron", "zeta": 1e-6}


def inputs_of(study, measure):
    entry = MEASURES[measure]
    stage = entry.vector if entry.needs == "vector" else INPUTS[entry.needs].stage
    return [str(study / f"{stage}_{i}.h5") for i in range(3)]


def run(study, measure, options=None, target="distance.h5", networks=("a", "b", "c"), reading=None):
    compute_distances(
        measures=[measure],
        input_paths=inputs_of(study, measure),
        networks=list(networks),
        distance_path=str(study / target),
        options={measure: options or {}},
        reading=GRAPH if MEASURES[measure].needs == "graph" else reading,
        dataset_path=str(study / "dataset.h5") if MEASURES[measure].needs == "model" else None,
    )
    return read_distances(study / target)


@pytest.mark.parametrize("measure", MEASURES)
def test_compute_distances_writes_the_matrix_of_every_measure(study, measure):
    found = run(study, measure)
    entry = MEASURES[measure]
    read = {
        "vector": read_vector,
        "diagram": lambda path: apply_policy(read_diagram(path)),
        "graph": partial(read_network_graph, **GRAPH),
        "network": read_network,
        "tensors": read_tensors,
        "activation": read_activation,
        "prediction": read_prediction,
        "model": partial(read_model, dataset_path=str(study / "dataset.h5")),
    }[entry.needs]
    a, b, _ = (read(path) for path in inputs_of(study, measure))
    exact = entry.all_pairs is None
    assert found.matrix[0, 1] == pytest.approx(entry.function(a, b), rel=0 if exact else 1e-9)
    assert found.matrix[1, 0] == pytest.approx(entry.function(b, a), rel=1e-9)
    assert (found.matrix[0, 1] == found.matrix[1, 0]) or not entry.symmetric
    least, largest = entry.range
    assert (found.matrix >= least - 1e-9)[np.isfinite(found.matrix)].all()
    assert (found.matrix <= largest + 1e-9)[np.isfinite(found.matrix)].all()
    itself = found.matrix[0, 0]
    assert abs(found.matrix[0, 1] - itself) > 1e-6
    if entry.family not in ("representational", "functional") and entry.orientation == "down":
        assert not np.diag(found.matrix).any()
    else:
        # nothing is more like a network than itself
        away = itself - found.matrix[0, 1]
        assert (away > 0) == (entry.orientation == "up")
    assert found.networks == ("a", "b", "c")
    assert (found.measure, found.family) == (measure, entry.family)
    assert found.orientation == entry.orientation


def test_undefined_pairs_are_nan_with_their_reason(study):
    found = run(study, "norm_1")
    assert np.isnan(found.matrix).tolist() == [
        [False, False, True],
        [False, False, True],
        [True, True, False],
    ]
    assert set(found.reasons) == {(0, 2), (2, 0), (1, 2), (2, 1)}
    assert "corresponding vertices" in found.reasons[0, 2]
    defined = run(study, "heat", target="heat_distance.h5")
    assert defined.reasons == {}
    with opened(study / "heat_distance.h5") as file:
        assert "reason_code" not in file
    with opened(study / "distance.h5") as file:
        assert file["reason_code"][:].tolist() == [[0, 0, 1], [0, 0, 1], [1, 1, 0]]


def test_policy_and_options_reach_a_pairwise_measure(study):
    options = {"p": 1.0, "n_bins": 10, "n_layers": 2}
    policy = {"eta": 0.3, "order": "cap_then_filter"}
    found = run(study, "landscape_pairwise", options, reading=policy)
    a, b, _ = (
        apply_policy(read_diagram(path), **policy)
        for path in inputs_of(study, "landscape_pairwise")
    )
    function = MEASURES["landscape_pairwise"].function
    assert found.matrix[0, 1] == function(a, b, p=1.0, n_bins=10, n_layers=2)
    assert found.matrix[0, 1] != function(a, b)


def test_unknown_measure_and_foreign_vector_are_named(study):
    with pytest.raises(NetkinError, match="Did you mean 'silhouette'"):
        compute_distances(
            measures=["silhuette"], input_paths=[], networks=[], distance_path="", options={}
        )
    with pytest.raises(NetkinError, match="of kind 'heat', but the measure 'landscape'"):
        compute_distances(
            measures=["landscape"],
            input_paths=inputs_of(study, "heat"),
            networks=["a", "b", "c"],
            distance_path=str(study / "distance.h5"),
            options={},
        )


def test_a_truncated_input_is_named_and_nothing_is_written(study):
    path = study / "heat_1.h5"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(NetkinError, match=r"heat_1\.h5") as caught:
        run(study, "heat")
    assert "\n" not in str(caught.value)
    assert not (study / "distance.h5").exists()


def write_matrix(monkeypatch, study, target, scale, measure="norm_1", networks=("a", "b", "c")):
    """Write a distance file whose matrix is scaled, as if from another seed."""
    import netkin.distance.compute as stage

    def scaled(items, functions, **how):
        found = distance_matrices(items, functions, **how)
        for matrix in found.values():
            matrix.values *= scale
        return found

    with monkeypatch.context() as patch:
        patch.setattr(stage, "distance_matrices", scaled)
        return run(study, measure, target=target, networks=networks).matrix


def test_summary_is_mean_deviation_and_share_of_the_largest(study, monkeypatch):
    names = ["seed_0.h5", "seed_1.h5"]
    one = write_matrix(monkeypatch, study, names[0], 1.0)
    write_matrix(monkeypatch, study, names[1], 3.0)
    summarise_distances(
        distance_paths=[str(study / name) for name in names],
        summary_path=str(study / "summary.h5"),
    )
    found = read_summary(study / "summary.h5")
    assert found.mean[0, 1] == pytest.approx(2 * one[0, 1])
    assert found.standard_deviation[0, 1] == pytest.approx(one[0, 1]), "of the population"
    assert np.isnan(found.mean[0, 2])
    assert found.normalised("mean")[0, 1] == 1.0
    assert found.normalised("standard_deviation")[0, 1] == pytest.approx(0.5)
    assert (found.seeds, found.networks, found.measure) == (2, ("a", "b", "c"), "norm_1")
    with h5py.File(study / "summary.h5") as file:
        expected = found.normalised("mean")
        assert np.array_equal(file["normalised_mean"][:], expected, equal_nan=True)


def test_repeatability_is_the_correlation_of_a_seed_with_the_mean_of_the_others():
    rng = np.random.default_rng(0)
    seeds = [matrix + matrix.T for matrix in rng.random((3, 5, 5))]
    above = np.triu_indices(5, 1)
    expected = [
        spearmanr(seeds[i][above], (seeds[j] + seeds[k])[above] / 2).statistic
        for i, j, k in ((0, 1, 2), (1, 0, 2), (2, 0, 1))
    ]
    assert repeatability(seeds) == pytest.approx(np.mean(expected))
    assert repeatability([seeds[0]] * 3) == pytest.approx(1)
    assert repeatability([seeds[0], -seeds[0]]) == pytest.approx(-1)
    assert np.isnan(repeatability(seeds[:1]))
    # two networks are one pair, of which no order can be told
    assert np.isnan(repeatability([seed[:2, :2] for seed in seeds]))


def test_summary_of_equal_networks_stays_zero(study, monkeypatch):
    write_matrix(monkeypatch, study, "zero.h5", 0.0, measure="heat")
    summarise_distances(
        distance_paths=[str(study / "zero.h5")], summary_path=str(study / "summary.h5")
    )
    assert not read_summary(study / "summary.h5").normalised("mean").any()


def test_summary_refuses_other_networks_and_measures(study):
    run(study, "heat", target="one.h5")
    run(study, "heat", target="other.h5", networks=("a", "b", "x"))
    run(study, "norm_1", target="norm.h5")
    for name, says in (("other.h5", "networks"), ("norm.h5", "measure")):
        with pytest.raises(NetkinError, match=f"{name}: its {says} differ"):
            summarise_distances(
                distance_paths=[str(study / "one.h5"), str(study / name)],
                summary_path=str(study / "summary.h5"),
            )
    with pytest.raises(NetkinError, match="no distances"):
        summarise_distances(distance_paths=[], summary_path=str(study / "summary.h5"))


def test_several_measures_of_a_job_stand_in_one_file(study):
    names = ["cka", "gbs", "magnitude_difference"]
    path = study / "some.h5"
    how = {"permutations": 3, "resamples": 2, "level": 0.9, "seed": 1, "fewer": {"gbs": 1}}
    arguments = {
        "input_paths": inputs_of(study, "cka"),
        "networks": ["a", "b", "c"],
        "options": {"gbs": {"k": 4}},
        "calibration": how,
    }
    compute_distances(measures=names, distance_path=str(path), **arguments)
    assert read_ids(path, "distance") == names
    cka, gbs, magnitude = (read_distances(f"{path}::{name}") for name in names)
    assert set(cka.null) == {"mean", "calibrated", "p_value", "low", "high"}
    # fewer of the same permutations, and no interval
    assert set(gbs.null) == {"mean", "calibrated", "p_value"}
    assert (cka.permutations, gbs.permutations) == (3, 1)
    assert set(gbs.null["p_value"][np.triu_indices(3, 1)]) <= {0.5, 1.0}
    # a permutation says nothing about it
    assert set(magnitude.null) == {"low", "high"}
    assert cka.null["p_value"][0, 1] in (0.25, 0.5, 0.75, 1.0)
    assert cka.seconds > 0
    # each is what it is alone
    compute_distances(measures=["cka"], distance_path=str(study / "one.h5"), **arguments)
    alone = read_distances(study / "one.h5")
    assert np.array_equal(alone.matrix, cka.matrix, equal_nan=True)
    for part, values in alone.null.items():
        assert np.array_equal(values, cka.null[part], equal_nan=True)
    with pytest.raises(NetkinError, match="it holds 3 members, name one"):
        read_distances(path)


def test_a_summary_holds_what_nulls_say(study):
    paths = []
    for seed in (1, 2):
        paths.append(str(study / f"seed_{seed}.h5"))
        compute_distances(
            measures=["cka"],
            input_paths=inputs_of(study, "cka"),
            networks=["a", "b", "c"],
            distance_path=paths[-1],
            options={},
            calibration={
                "permutations": 5,
                "resamples": 0,
                "level": 0.9,
                "seed": seed,
                "fewer": {},
            },
        )
    summarise_distances(distance_paths=paths, summary_path=str(study / "summary.h5"))
    found = read_summary(study / "summary.h5")
    one, other = (read_distances(path).null for path in paths)
    assert found.null["mean"][0, 1] == pytest.approx((one["mean"] + other["mean"])[0, 1] / 2)
    assert found.null["p_value"][0, 1] == max(one["p_value"][0, 1], other["p_value"][0, 1])
    # of a similarity 1 is lacking for the least alike, nothing for a network and itself
    assert found.unlikeness().max() == 1.0
    assert np.allclose(np.diag(found.unlikeness()), 0)


def test_distances_count_from_that_of_a_network_and_itself():
    capacity = np.array([[1, 1.2, 1.5], [1.2, 1, np.nan], [1.5, np.nan, 1]])
    spread = np.full((3, 3), 0.1)
    found = Summary(capacity, spread, ("a", "b", "c"), 2, "rashomon_capacity", "functional", "down")
    expected = np.array([[0, 0.4, 1], [0.4, 0, np.nan], [1, np.nan, 0]])
    assert found.normalised() == pytest.approx(expected, nan_ok=True)
    assert found.unlikeness() == pytest.approx(expected, nan_ok=True)
    assert found.normalised("standard_deviation") == pytest.approx(spread / 0.5)


def test_layers_of_two_networks_are_all_compared(tmp_path):
    rng = np.random.default_rng(0)
    rows, labels = np.arange(13), np.arange(13) % 2
    layers = {f"hidden_{i}": rng.normal(size=(13, 4 + i)).astype(np.float32) for i in (1, 2, 3)}
    write_activations(tmp_path / "a.h5", layers, rows, labels)
    fewer = {"hidden_1": layers["hidden_2"], "logits": layers["hidden_1"][:, :2]}
    write_activations(tmp_path / "b.h5", fewer, rows, labels)
    compare_layers(
        measures=["cka", "mean_cca"],
        a_path=str(tmp_path / "a.h5"),
        b_path=str(tmp_path / "b.h5"),
        layers_path=str(tmp_path / "layers.h5"),
        options={"cka": {}, "mean_cca": {}},
        calibration={
            "permutations": 3,
            "resamples": 0,
            "level": 0.9,
            "seed": 4,
            "fewer": {"mean_cca": 0},
        },
    )
    cka, cca = read_layers(tmp_path / "layers.h5")
    assert (cka.measure, cka.orientation) == ("cka", "up")
    assert cka.layers_a == ("hidden_1", "hidden_2", "hidden_3")
    assert cka.layers_b == ("hidden_1", "logits")
    assert cka.matrix.shape == (3, 2)
    assert cka.matrix[1, 0] == pytest.approx(1)
    assert (cka.matrix[[0, 2], 0] < 0.95).all()
    a, b = (
        read_activation(tmp_path / f"{n}.h5", layer)
        for n, layer in (("a", "hidden_3"), ("b", "logits"))
    )
    assert cka.matrix[2, 1] == MEASURES["cka"].function(a, b)
    assert cca.matrix[1, 0] == pytest.approx(1)
    assert cca.null is None
    one = read_activation(tmp_path / "a.h5", "hidden_1")
    other = read_activation(tmp_path / "b.h5", "logits")
    null = permutation_null(MEASURES["cka"], one, other, permutations=3, seed=4)
    assert cka.null[0, 1] == pytest.approx(null.mean)
    # 7 and 6 neurons on 13 rows have a direction in common, whatever they are
    assert [tuple(place) for place in np.argwhere(np.isnan(cca.matrix))] == [(2, 0)]
    assert list(cca.reasons) == [(2, 0)]
    assert "13 rows" in cca.reasons[2, 0]
    assert cka.reasons == {}


def test_few_rows_for_wide_layers_are_warned_of(caplog):
    values = np.random.default_rng(0).normal(size=(50, 10))
    warn_of_few_rows([Representation(values)])
    assert not caplog.records
    warn_of_few_rows([Representation(values), Representation(np.hstack([values, values[:, :1]]))])
    assert "50 rows for up to 11 neurons" in caplog.text
