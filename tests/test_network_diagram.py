"""From weights to a diagram without a graph: equal to the engines on the stored graph."""

import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.numpy import save_file

from netkin.diagram.counts import ValueCounts
from netkin.diagram.diagram import read_diagram, write_diagram
from netkin.diagram.exact import exact_diagram
from netkin.diagram.flagser import flagser_diagram
from netkin.diagram.network import network_diagram
from netkin.diagram.network_file import network_file_diagram
from netkin.diagram.policy import apply_policy
from netkin.errors import NetkinError
from netkin.graph.dense import DenseEdges
from netkin.graph.graph import graph_from_weights
from netkin.network.file import HISTORY, Network, write_network
from netkin.vector import VECTORISERS
from netkin.vector.vector import read_vector

DETERMINISTIC = settings(derandomize=True, database=None, deadline=None, max_examples=100)
MODES = ["per_neuron", "per_layer", "none"]
SIZES = [30, 50, 20, 7]


def assert_same(a, b):
    assert len(a.intervals) == len(b.intervals)
    for x, y in zip([*a.intervals, *a.counts], [*b.intervals, *b.counts], strict=True):
        np.testing.assert_array_equal(x, y)


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


@pytest.mark.parametrize("kept", [100, 1 << 21])
@pytest.mark.parametrize("bias_vertices", MODES)
@pytest.mark.parametrize("suffix", ["h5", "safetensors"])
def test_a_file_gives_what_its_graph_gives(tmp_path, monkeypatch, suffix, bias_vertices, kept):
    monkeypatch.setattr("netkin.graph.dense.EDGES_PER_BLOCK", 64)  # many blocks
    monkeypatch.setattr("netkin.diagram.counts.MOST_KEPT", kept)  # a histogram, or none
    weights, biases = random_layers()
    weights[1][:5] = weights[1][5:10]  # ties
    weights[0][3], weights[1][:, 3] = 0, 1e-4  # a dead unit
    path = tmp_path / f"network.{suffix}"
    save(path, weights, biases)
    found, engine = network_file_diagram(path, bias_vertices=bias_vertices, max_dimension=3)
    graph = graph_from_weights(weights, biases, bias_vertices=bias_vertices)
    assert engine == "exact"
    assert_same(found, exact_diagram(graph, max_dimension=3))
    assert_same(found, flagser_diagram(graph, max_dimension=3))
    assert found.counts[1].max() > 1
    write_diagram(tmp_path / "d.h5", found, engine=engine)
    assert_same(read_diagram(tmp_path / "d.h5"), found)


numbers = st.sampled_from([-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0, 1e-3]) | st.floats(-1, 1)


@DETERMINISTIC
@given(
    data=st.data(),
    sizes=st.lists(st.integers(1, 6), min_size=2, max_size=4),
    dtypes=st.lists(st.sampled_from([np.float16, np.float32, np.float64]), min_size=4, max_size=4),
    biased=st.lists(st.booleans(), min_size=3, max_size=3),
    bias_vertices=st.sampled_from(MODES),
    zeta=st.sampled_from([1e-6, 0.3, 0.75]),
    block=st.sampled_from([1, 7, 100]),
    kept=st.sampled_from([1, 10, 1000]),
)
def test_any_weights_give_what_their_graph_gives(
    data, sizes, dtypes, biased, bias_vertices, zeta, block, kept
):
    weights = [
        data.draw(arrays(float, (b, a), elements=numbers)).astype(dtype)
        for a, b, dtype in zip(sizes, sizes[1:], dtypes, strict=False)
    ]
    biases = [
        data.draw(arrays(float, len(weight), elements=numbers)).astype(dtypes[-1]) if some else None
        for weight, some in zip(weights, biased, strict=False)
    ]
    weights[0][0, 0] = 1
    options = {"bias_vertices": bias_vertices, "zeta": zeta}
    graph = graph_from_weights(weights, biases, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("netkin.graph.dense.EDGES_PER_BLOCK", block)
        patch.setattr("netkin.graph.dense.SAMPLE_SIZE", block)
        patch.setattr("netkin.diagram.counts.MOST_KEPT", kept)
        found, _ = network_diagram(weights, biases, **options, max_dimension=2)
        # the edges of both have the same values
        edges = DenseEdges(weights, biases, **options)
        values = np.concatenate([edges.values(block.key).ravel() for block in edges.blocks()])
    np.testing.assert_array_equal(np.sort(values), np.sort(graph.value))
    assert (edges.n_vertices, edges.n_edges) == (graph.n_vertices, graph.n_edges)
    assert_same(found, flagser_diagram(graph, max_dimension=2))


def test_the_engine_is_the_one_that_is_named_or_auto():
    network = random_layers()
    found = {
        name: network_diagram(*network, engine=name, max_dimension=2)
        for name in ("auto", "exact", "flagser")
    }
    assert {name: used for name, (_, used) in found.items()} == {
        "auto": "exact",
        "exact": "exact",
        "flagser": "flagser",
    }
    assert_same(found["auto"][0], found["flagser"][0])
    assert len(network_diagram(*network, max_dimension=0)[0].intervals) == 1
    with pytest.raises(NetkinError, match="Did you mean 'flagser'"):
        network_diagram(*network, engine="flagsr")


edge_values = st.one_of(
    st.floats(0.5, 1, width=32),
    st.floats(0, 2, width=32),
    st.sampled_from([0.0, -0.0, 0.5, 1.0, 1e-6, 1e-45, 0.49999997, 1.0000001]),
)


@DETERMINISTIC
@given(
    parts=st.lists(
        st.lists(edge_values, max_size=20).map(lambda part: np.array(part, np.float32)), max_size=8
    ),
    kept=st.sampled_from([0, 3, 1000]),
)
def test_a_histogram_loses_no_value(parts, kept):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("netkin.diagram.counts.MOST_KEPT", kept)
        counted = ValueCounts()
        for part in parts:
            counted.add(part)
        found = counted.result()
    wanted = np.unique(np.concatenate([np.empty(0, np.float32), *parts]), return_counts=True)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype


@DETERMINISTIC
@given(
    largest=st.floats(2**-60, 2**60, width=32),
    shares=st.lists(st.floats(0, 0.5, width=32), min_size=1, max_size=20),
)
def test_a_float32_network_has_few_values(largest, shares):
    # between half the largest weight and the largest lie 2^23 numbers of float32 ...
    ends = np.array([largest / 2, largest], np.float32)
    assert np.diff(ends.view(np.int32)) == 1 << 23
    # ... and all others have one of 2^23 + 1 values
    weights = np.append(ends, ends[1] * np.array(shares, np.float32))[None]
    edges = DenseEdges([weights], [None])
    values = edges.values(-np.delete(weights, 1)).astype(float) * 2**24
    assert (values == np.round(values)).all()
    assert 2**23 <= values.min() <= values.max() <= 2**24


def test_memory_does_not_grow_with_the_number_of_weights(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    peaks = []
    monkeypatch.setattr("netkin.graph.dense.EDGES_PER_BLOCK", 1 << 14)
    monkeypatch.setattr("netkin.diagram.counts.MOST_KEPT", 1 << 15)
    for width in (100, 1600):
        # few different values, as what is listed of them is allowed to take memory
        weights = [rng.integers(-500, 500, size=(width, 1000)).astype(np.float32)]
        path = tmp_path / f"{width}.safetensors"
        save_file({"0.weight": weights[0]}, path)
        network_file_diagram(path)  # imports
        tracemalloc.start()
        found, _ = network_file_diagram(path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert found.n_classes()[1] == weights[0].size - 1000 - width + 1
    # sixteen times the weights, 2.4 times the units
    assert peaks[1] - peaks[0] < weights[0].nbytes / 8


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"bias_vertices": "per_neurom"}, "Did you mean 'per_neuron'"),
        ({"zeta": 2.0}, "zeta: found 2.0"),
    ],
)
def test_a_wrong_argument_is_one_sentence(arguments, sentence):
    for build in (graph_from_weights, network_diagram):
        with pytest.raises(NetkinError, match=sentence):
            build(*random_layers(), **arguments)


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
    elif kind == "a NaN that is left out":
        biases[0][1] = np.nan
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
        ("a NaN that is left out", "NaN or infinite"),
        ("misfit", "layer 1 takes 49 inputs, but the layer before it has 50 units"),
        ("empty", r"layer 2 has weights of shape \(0, 20\)"),
        ("zero", "every weight is 0"),
        ("bias", r"layer 0 has \(49,\) biases for 50 units"),
    ],
)
def test_bad_weights_are_one_sentence_with_the_file(tmp_path, kind, sentence):
    save(tmp_path / "n.safetensors", *broken(kind))
    with pytest.raises(NetkinError, match=rf"n\.safetensors: .*{sentence}"):
        network_file_diagram(tmp_path / "n.safetensors")


def test_the_example_of_the_docs_runs(tmp_path, monkeypatch):
    weights, biases = random_layers()
    save(tmp_path / "model.safetensors", weights, biases)
    page = (Path(__file__).parents[1] / "docs" / "performance.md").read_text()
    (example,) = re.findall(r"```python\n(.*?network_file_diagram.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(example, {})
    found = apply_policy(read_diagram("diagram.h5"), eta=0.01)
    wanted = apply_policy(network_diagram(weights, biases, max_dimension=1)[0], eta=0.01)
    assert_same(found, wanted)
    vector = read_vector("silhouette.h5")
    for array, other in zip(
        vector.arrays, VECTORISERS["silhouette"].arrays(wanted, vector.sampling), strict=True
    ):
        np.testing.assert_array_equal(array, other)


def test_a_file_that_is_no_network_is_one_sentence(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"nothing")
    with pytest.raises(NetkinError, match=r"a\.safetensors: of no format that netkin reads"):
        network_file_diagram(tmp_path / "a.safetensors")
    with pytest.raises(NetkinError, match=r"none\.safetensors: no such file"):
        network_file_diagram(tmp_path / "none.safetensors")
    save_file({"scale": np.ones(3, np.float32)}, tmp_path / "b.safetensors")
    with pytest.raises(NetkinError, match=r"b\.safetensors: no layers found"):
        network_file_diagram(tmp_path / "b.safetensors")
