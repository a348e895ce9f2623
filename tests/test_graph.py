"""The graph of a network: protocol, order, file, and other people's graph libraries."""

import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

from netkin.errors import NetkinError
from netkin.graph.export import export_graph, read_network_graph
from netkin.graph.graph import Graph, graph_from_weights, read_graph, write_graph
from netkin.network.file import Network, write_network
from netkin.storage import create, read_parameters

pytestmark = pytest.mark.budget("graphs")

# two inputs, two hidden units, one output; the largest weight is the bias -4
WEIGHTS = (
    np.array([[1.0, -2.0], [0.0, 4.0]], np.float32),
    np.array([[-1.0, 2.0]], np.float32),
)
BIASES = (np.array([-4.0, 1.0], np.float32), np.array([0.0], np.float32))


def edges(graph):
    return list(
        zip(graph.source.tolist(), graph.target.tolist(), graph.value.tolist(), strict=True)
    )


@pytest.fixture
def graph_file(tmp_path):
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(4, 3)), rng.normal(size=(2, 4))]
    graph = graph_from_weights(weights, [rng.normal(size=4), rng.normal(size=2)])
    path = tmp_path / "graph.h5"
    write_graph(path, graph)
    return path


def test_graph_follows_the_protocol_in_canonical_order():
    graph = graph_from_weights(WEIGHTS, BIASES)
    small = float(np.float32(1e-6))
    assert edges(graph) == [
        # input 0 to hidden 2 and 3 (weight 0 is reversed), then input 1
        (0, 2, 0.75),
        (3, 0, 1.0),
        (2, 1, 0.5),
        (1, 3, small),
        (4, 2, 0.75),
        (3, 4, 0.5),
        # bias edges: of the hidden units, then of the output
        (2, 5, small),
        (6, 3, 0.75),
        (4, 7, 1.0),
    ]
    assert graph.n_vertices == 8
    assert graph.layer.tolist() == [0, 0, 1, 1, 2, 1, 1, 2]
    assert graph.is_bias.tolist() == [False] * 5 + [True] * 3
    assert (graph.source.dtype, graph.value.dtype) == (np.int32, np.float32)


def test_bias_per_layer_shares_one_vertex():
    graph = graph_from_weights(WEIGHTS, BIASES, bias_vertices="per_layer")
    assert graph.n_vertices == 7
    assert [edge[:2] for edge in edges(graph)[-3:]] == [(2, 5), (5, 3), (4, 6)]
    assert graph.layer.tolist() == [0, 0, 1, 1, 2, 1, 2]


def test_bias_none_leaves_biases_out_of_edges_and_maximum():
    weights = (np.array([[2.0]]), np.array([[1.0]]))
    graph = graph_from_weights(
        weights, (np.array([8.0]), np.array([8.0])), bias_vertices="none", zeta=0.25
    )
    assert edges(graph) == [(0, 1, 0.25), (1, 2, 0.5)]
    assert not graph.is_bias.any()


def test_one_unit_layers_make_a_path():
    one = np.ones((1, 1))
    graph = graph_from_weights([one, one], [np.zeros(1), np.zeros(1)], bias_vertices="none")
    assert [edge[:2] for edge in edges(graph)] == [(0, 1), (1, 2)]


def test_values_are_computed_in_float64():
    weight = np.random.default_rng(0).normal(size=(30, 30)).astype(np.float32)
    graph = graph_from_weights([weight], [np.zeros(30)], bias_vertices="none")
    exact = np.abs(weight.T.ravel().astype(np.float64))
    exact = np.maximum(1 - exact / exact.max(), 1e-6).astype(np.float32)
    assert np.array_equal(graph.value, exact)


@pytest.mark.parametrize(
    ("weights", "biases", "says"),
    [
        ([np.zeros((2, 2))], [np.zeros(2)], "every weight is 0"),
        ([np.array([[np.nan]])], [np.zeros(1)], "NaN or infinite"),
        ([np.array([[1.0]])], [np.array([-np.inf])], "NaN or infinite"),
        ([np.zeros((0, 2))], [np.zeros(0)], "layer 1"),
        ([np.ones((2, 3)), np.ones((1, 4))], [np.ones(2), np.ones(1)], "layer 2"),
        ([np.ones((2, 3))], [np.ones(3)], "biases of shape"),
        ([], [], "at least one"),
    ],
)
def test_what_makes_no_graph_is_named(weights, biases, says):
    with pytest.raises(NetkinError, match=says) as caught:
        graph_from_weights(weights, biases)
    assert "\n" not in str(caught.value)


def test_export_graph_writes_the_graph_of_a_network_file(tmp_path):
    network, target = tmp_path / "network.h5", tmp_path / "graph.h5"
    history = {
        name: np.zeros(1) for name in ("loss", "accuracy", "validation_loss", "validation_accuracy")
    }
    write_network(network, Network(WEIGHTS, BIASES, history, 1.0), parameters={})
    export_graph(
        network_path=str(network), graph_path=str(target), bias_vertices="per_layer", zeta=1e-3
    )
    expected = graph_from_weights(WEIGHTS, BIASES, bias_vertices="per_layer", zeta=1e-3)
    found = read_graph(target)
    assert edges(found) == edges(expected)
    assert read_parameters(target) == {
        "member": "",
        "bias_vertices": "per_layer",
        "zeta": 1e-3,
        "additions": "contracted",
        "normaliser": "network",
        "rescale": "none",
    }
    unwritten = read_network_graph(str(network), bias_vertices="per_layer", zeta=1e-3)
    assert edges(unwritten) == edges(expected)

    zeros = tuple(np.zeros_like(weight) for weight in WEIGHTS)
    write_network(network, Network(zeros, BIASES, history, 1.0), parameters={})
    with pytest.raises(NetkinError, match=str(network)):
        export_graph(
            network_path=str(network), graph_path=str(target), bias_vertices="none", zeta=1e-3
        )
    assert edges(read_graph(target)) == edges(expected), "a failed job must not touch its output"


def test_graph_file_gives_back_the_graph_bit_for_bit(tmp_path, graph_file):
    graph = read_graph(graph_file)
    copy = tmp_path / "copy.h5"
    write_graph(copy, graph)
    again = read_graph(copy)
    for name in ("source", "target", "value", "layer", "is_bias"):
        assert np.array_equal(getattr(graph, name), getattr(again, name)), name
        assert getattr(graph, name).dtype == getattr(again, name).dtype
    assert again.n_vertices == graph.n_vertices
    assert copy.read_bytes() == graph_file.read_bytes()


def broken(**changes):
    parts = {
        "source": np.array([0, 1], np.int32),
        "target": np.array([1, 2], np.int32),
        "value": np.array([0.1, 0.2], np.float32),
        "n_vertices": 3,
        "layer": np.zeros(3, np.int32),
        "is_bias": np.zeros(3, bool),
    }
    return Graph(**(parts | changes))


@pytest.mark.parametrize(
    ("graph", "says"),
    [
        (broken(target=np.array([1, 3], np.int32)), "outside 0 to 2"),
        (broken(source=np.array([0, -1], np.int32)), "outside 0 to 2"),
        (broken(target=np.array([1, 1], np.int32)), "to itself"),
        (broken(value=np.array([0.1, np.nan], np.float32)), "NaN or infinity"),
        (broken(value=np.array([0.1], np.float32)), "differ in length"),
        (broken(layer=np.zeros(2, np.int32)), "/layer and /is_bias differ in length"),
    ],
)
def test_a_graph_file_that_makes_no_sense_is_refused(tmp_path, graph, says):
    path = tmp_path / "graph.h5"
    write_graph(path, graph)
    with pytest.raises(NetkinError, match=says) as caught:
        read_graph(path)
    assert str(path) in str(caught.value)


def test_truncated_foreign_and_missing_files_are_named_in_one_sentence(tmp_path, graph_file):
    truncated = tmp_path / "truncated.h5"
    truncated.write_bytes(graph_file.read_bytes()[:500])
    text = tmp_path / "text.h5"
    text.write_text("source,target\n")
    foreign = tmp_path / "foreign.h5"
    with h5py.File(foreign, "w") as file:
        file["source"] = [0]
    other = tmp_path / "diagram.h5"
    with create(other, "dataset", parameters={}):
        pass
    partial = tmp_path / "partial.h5"
    with create(partial, "graph", parameters={}) as file:
        file["source"] = [0]
    for path in (truncated, text, foreign, other, partial, tmp_path / "missing.h5"):
        with pytest.raises(NetkinError) as caught:
            read_graph(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_to_scipy_keeps_edges_of_value_zero():
    matrix = broken(value=np.array([0.0, 0.5], np.float32)).to_scipy()
    assert matrix.shape == (3, 3)
    assert matrix.nnz == 2


def test_graph_file_loads_in_scipy_networkx_and_igraph(graph_file):
    with h5py.File(graph_file) as file:
        source, target, value = file["source"][:], file["target"][:], file["value"][:]
        n = int(file.attrs["n_vertices"])

    from scipy.sparse import coo_array

    matrix = coo_array((value, (source, target)), shape=(n, n))

    import networkx

    directed = networkx.DiGraph()
    directed.add_nodes_from(range(n))
    directed.add_weighted_edges_from(zip(source, target, value, strict=True))

    import igraph

    ends = zip(source, target, strict=True)
    igraphed = igraph.Graph(n=n, edges=ends, directed=True, edge_attrs={"weight": value})

    graph = read_graph(graph_file)
    assert (matrix - graph.to_scipy()).nnz == 0
    assert directed.number_of_nodes() == igraphed.vcount() == n
    assert directed.number_of_edges() == igraphed.ecount() == len(value)
    first = (int(source[0]), int(target[0]))
    assert directed.edges[first]["weight"] == value[0]
    assert igraphed.es[igraphed.get_eid(*first)]["weight"] == pytest.approx(float(value[0]))


def test_stage_modules_import_no_heavy_library():
    modules = (
        "netkin.graph.export, netkin.diagram.compute, netkin.vector.compute, "
        "netkin.distance.matrix, netkin.distance.summary"
    )
    heavy = "{'scipy', 'pyflagser', 'numba', 'torch', 'pandas', 'gtda', 'sklearn', 'matplotlib'}"
    code = f"import sys, {modules}; print(*{heavy} & set(sys.modules))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert found.stdout.strip() == ""
