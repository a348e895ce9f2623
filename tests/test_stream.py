import tracemalloc

import numpy as np
import pytest
from safetensors.numpy import save_file

from netkin.diagram.exact import exact_diagram
from netkin.diagram.policy import apply_policy
from netkin.errors import NetkinError
from netkin.graph.graph import graph_from_weights
from netkin.network.file import HISTORY, Network, write_network
from netkin.network.layers import _numbers
from netkin.vector import VECTORISERS, stream
from netkin.vector.sampling import Sampling
from netkin.vector.stream import vectorise_layers

VECTORS = {name: {"n_bins": 40} for name in VECTORISERS}
SIZES = [30, 50, 20, 7]


def random_layers(seed=0):
    rng = np.random.default_rng(seed)
    shapes = list(zip(SIZES[1:], SIZES[:-1], strict=True))
    weights = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    return weights, [rng.normal(size=shape[0]).astype(np.float32) for shape in shapes]


def save(path, weights, biases):
    if path.suffix == ".h5":
        history = {name: np.zeros(1) for name in HISTORY}
        write_network(path, Network(tuple(weights), tuple(biases), history, 0.5), parameters={})
    else:
        # as torch.nn.Sequential names them; 10 must not come before 2
        names = ["0", "2", "10"]
        arrays = {f"{n}.weight": w for n, w in zip(names, weights, strict=True)}
        arrays |= {f"{n}.bias": b for n, b in zip(names, biases, strict=True)}
        save_file(arrays, path)


@pytest.mark.parametrize("suffix", ["h5", "safetensors"])
@pytest.mark.parametrize("bias_vertices", ["per_neuron", "per_layer", "none"])
@pytest.mark.parametrize(
    "policy", [{}, {"order": "cap_then_filter", "eta": 0.2}, {"reduced": False}], ids=str
)
def test_streaming_gives_what_the_stages_give(tmp_path, monkeypatch, suffix, bias_vertices, policy):
    weights, biases = random_layers()
    path = tmp_path / f"network.{suffix}"
    save(path, weights, biases)
    monkeypatch.setattr(stream, "WEIGHTS_PER_BLOCK", 64)  # many blocks
    found = vectorise_layers(path, VECTORS, bias_vertices=bias_vertices, policy=policy)
    graph = graph_from_weights(weights, biases, bias_vertices=bias_vertices)
    diagram = apply_policy(exact_diagram(graph, max_dimension=3), **policy)
    for name, vector in found.items():
        sampling = Sampling(0.0, 1.0, 40)
        assert (vector.kind, vector.axes) == (name, VECTORISERS[name].axes)
        for array, intervals in zip(vector.arrays, diagram.intervals, strict=True):
            wanted = VECTORISERS[name].vectorise(intervals, sampling)
            np.testing.assert_allclose(array, wanted, rtol=1e-8, atol=1e-12)


def test_dead_units_and_ties_are_handled(tmp_path):
    weights, biases = random_layers()
    weights[0][3] = 0
    weights[1] = np.round(weights[1])
    save(tmp_path / "n.h5", weights, biases)
    vectors = vectorise_layers(tmp_path / "n.h5", {"betti": {"n_bins": 40}})
    diagram = apply_policy(exact_diagram(graph_from_weights(weights, biases), max_dimension=3))
    for array, intervals in zip(vectors["betti"].arrays, diagram.intervals, strict=True):
        wanted = VECTORISERS["betti"].vectorise(intervals, Sampling(0.0, 1.0, 40))
        np.testing.assert_array_equal(array, wanted)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"vectors": {"bety": {"n_bins": 4}}}, "Did you mean 'betti'"),
        ({"vectors": {"betti": {}}}, "n_bins, is missing"),
        ({"bias_vertices": "per_neurom"}, "Did you mean 'per_neuron'"),
        ({"zeta": 2.0}, "zeta: found 2.0"),
        ({"max_dimension": 0}, "max_dimension: found 0"),
    ],
)
def test_a_wrong_argument_is_one_sentence(tmp_path, arguments, sentence):
    save(tmp_path / "n.h5", *random_layers())
    with pytest.raises(NetkinError, match=sentence):
        vectorise_layers(tmp_path / "n.h5", **{"vectors": {"betti": {"n_bins": 4}}, **arguments})


def test_memory_does_not_grow_with_the_number_of_weights(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    peaks = []
    monkeypatch.setattr(stream, "WEIGHTS_PER_BLOCK", 1 << 14)
    for width in (100, 800):
        weights = [rng.normal(size=(width, 1000)).astype(np.float32)]
        path = tmp_path / f"{width}.h5"
        save(path, weights, [np.zeros(width, np.float32)])
        vectorise_layers(path, {"silhouette": {"n_bins": 40}})  # imports
        tracemalloc.start()
        vectorise_layers(path, {"silhouette": {"n_bins": 40}})
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # eight times the weights, 1.6 times the units
    assert peaks[1] < 3 * peaks[0]
    assert peaks[1] < weights[0].nbytes * 4


def broken(kind):
    weights, biases = random_layers()
    if kind == "NaN":
        weights[1][2, 2] = np.nan
    elif kind == "inf":
        biases[0][1] = np.inf
    elif kind == "misfit":
        weights[1] = weights[1][:, :-1]
    elif kind == "empty":
        weights[2], biases[2] = weights[2][:0], biases[2][:0]
    elif kind == "zero":
        weights, biases = ([a * 0 for a in arrays] for arrays in (weights, biases))
    elif kind == "bias":
        biases[0] = biases[0][:-1]
    return weights, biases


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("NaN", "NaN or infinite"),
        ("inf", "NaN or infinite"),
        ("misfit", "layer 1 takes 49 inputs, but the layer before it has 50 units"),
        ("empty", r"layer 2 has weights of shape \(0, 20\)"),
        ("zero", "every weight is 0"),
        ("bias", r"layer 0 has \(49,\) biases for 50 units"),
    ],
)
def test_bad_weights_are_one_sentence_with_the_file(tmp_path, kind, sentence):
    save(tmp_path / "n.safetensors", *broken(kind))
    with pytest.raises(NetkinError, match=rf"n\.safetensors: .*{sentence}"):
        vectorise_layers(tmp_path / "n.safetensors", {"betti": {"n_bins": 4}})


def test_a_file_that_is_no_network_is_one_sentence(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"nothing")
    with pytest.raises(NetkinError, match=r"a\.safetensors: not a readable safetensors file"):
        vectorise_layers(tmp_path / "a.safetensors", VECTORS)
    with pytest.raises(NetkinError, match=r"none\.safetensors: no such file"):
        vectorise_layers(tmp_path / "none.safetensors", VECTORS)
    save_file({"scale": np.ones(3, np.float32)}, tmp_path / "b.safetensors")
    with pytest.raises(NetkinError, match=r"b\.safetensors: no layers found"):
        vectorise_layers(tmp_path / "b.safetensors", VECTORS)


def test_layers_are_in_the_order_of_their_numbers_however_long(tmp_path):
    names = ["2", "10", "0" * 6000 + "11", "²", "1" * 6000]
    assert sorted(names, key=_numbers) == ["2", "10", "0" * 6000 + "11", "1" * 6000, "²"]
