"""The graph of a network in its file, and what reads it."""

import json

import numpy as np
import pytest

from netkin import diagram_of, inspect, storage
from netkin.diagram.network import graph_diagram
from netkin.errors import Absent, NetkinError
from netkin.graph.blocks import unrolled
from netkin.graph.builder import Builder, Parameter
from netkin.network.file import Network, write_network
from netkin.network.format.input_shape import InputShape, parse_input_shape
from netkin.network.format.model import Tensor
from netkin.network.wired import get_graph, open_graph, put_graph

pytestmark = pytest.mark.budget("graphs")


def small_network():
    """Return a graph with a convolution, pooling, a sum and a dense head, and its parameters."""
    rng = np.random.default_rng(0)
    shapes = {
        "conv.weight": (3, 2, 3, 3),
        "conv.bias": (3,),
        "inner.weight": (3, 3, 3, 3),
        "head.weight": (48, 4),  # turned, as Keras and GPT-2 have it
        "norm.weight": (3,),
    }
    arrays = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    parameters = {name: Parameter(array, (name,)) for name, array in arrays.items()}
    builder = Builder()
    square = {"stride": [1, 1], "padding": [(1, 1)] * 2, "dilation": [1, 1]}
    x = builder.input("pixels", (1, 2, 8, 8))
    x = builder.convolution(
        x, parameters["conv.weight"], parameters["conv.bias"], name="conv", **square
    )
    scale = Parameter(arrays["norm.weight"].reshape(1, 3, 1, 1), ("norm.weight",))
    x = builder.activation(builder.affine(x, scale, None, "norm", sole=True), "relu", "relu")
    y = builder.convolution(x, parameters["inner.weight"], name="inner", **square)
    x = builder.add([x, y], "sum")
    x = builder.pool(
        x,
        name="pool",
        kernel=[2, 2],
        stride=[2, 2],
        padding=[(0, 0)] * 2,
        dilation=[1, 1],
        kind="mean",
    )
    flat = builder.moved(x, lambda array: array.reshape(1, -1))
    head = Parameter(arrays["head.weight"].T, ("head.weight",))
    builder.linear(flat, head, name="head")
    sizes = {name: array.size for name, array in arrays.items()}
    return builder.finish(sizes, {"steps": 3}, {"other": "left out"}), arrays


def written(path, graph, arrays):
    tensors = {
        name: Tensor(name, array.shape, "float32", lambda rows, array=array: array[rows])
        for name, array in arrays.items()
    }
    with storage.create(path, "networks", parameters={}, ids=["a"]) as file:
        group = storage.member(file, "a")
        group.attrs.update({"format": "onnx", "test_accuracy": np.nan, "reason": "no chain"})
        stored = {}
        for number, (name, tensor) in enumerate(tensors.items()):
            group[f"tensors/{number}"] = tensor[:]
            group[f"tensors/{number}"].attrs["name"] = name
            stored[name] = f"tensors/{number}", tensor
        put_graph(group, graph, stored)
    return f"{path}::a"


def test_a_graph_comes_back_from_its_file(tmp_path):
    graph, arrays = small_network()
    path = written(tmp_path / "networks.h5", graph, arrays)
    with open_graph(path) as found:
        assert found.groups == graph.groups
        assert found.parameters == graph.parameters == sum(a.size for a in arrays.values())
        assert found.unused == graph.unused == {"other": "left out"}
        assert found.sizes == {"steps": 3}
        assert found.notes == graph.notes
        for one, other in zip(found.blocks, graph.blocks, strict=True):
            for name in ("name", "kind", "source", "target", "groups", "made_of"):
                assert getattr(one, name) == getattr(other, name)
            assert np.array_equal(one.weight[0 : one.n_out], other.weight[0 : other.n_out])
            assert np.array_equal(one.weight[1:2], other.weight[1:2])
        for one, other in zip(unrolled(found), unrolled(graph), strict=True):
            assert np.array_equal(one, other)
        diagrams = graph_diagram(found).diagram, graph_diagram(graph).diagram
    for one, other in zip(*(d.intervals for d in diagrams), strict=True):
        assert np.array_equal(one, other)


def test_a_graph_that_netkin_stored_is_read_like_any_file(tmp_path):
    graph, arrays = small_network()
    path = written(tmp_path / "networks.h5", graph, arrays)
    found = diagram_of(path)
    for one, other in zip(found.intervals, graph_diagram(graph).diagram.intervals, strict=True):
        assert np.array_equal(one, other)
    assert inspect(path).graph.complete
    with pytest.raises(NetkinError, match="settled when it was imported"):
        diagram_of(path, input_shape="2x9x9")


def test_numbers_that_are_a_tensor_as_it_is_are_stored_once(tmp_path):
    graph, arrays = small_network()
    path = written(tmp_path / "networks.h5", graph, arrays)
    with storage.open_layout(path, "network") as group:
        description = json.loads(group["wired/description"].asstr()[0])
        place = {each["name"]: each for each in description["blocks"] if each["kind"] == "weight"}
        assert place["inner"]["tensor"] == "tensors/2"
        assert place["conv"]["tensor"] == "", "it is folded"
        pooled = next(k for k, one in enumerate(description["blocks"]) if one["kind"] == "pooling")
        assert len(group[f"wired/weight/{pooled}"]) == 1, "a constant has one row"


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-5],
        lambda text: text.replace('"kind": "pooling"', '"kind": "guess"'),
        lambda text: text.replace('"target": 1', '"target": 99', 1),
        lambda text: text.replace('"channels": 3', '"channels": 2', 1),
        lambda text: text.replace('"shape": [3,', '"shape": [4,', 1),
        lambda text: text.replace('"groups"', '"group"', 1),
        lambda text: text.replace("tensors/2", "tensors/7"),
    ],
)
def test_a_damaged_graph_is_one_sentence(tmp_path, damage):
    graph, arrays = small_network()
    path = written(tmp_path / "networks.h5", graph, arrays)
    with storage.open_layout(path, "network") as group:
        text = group["wired/description"].asstr()[0]

    changed = damage(text)
    assert changed != text
    with storage.open_layout(path, "network") as group:

        class Other:
            """The group, with another description."""

            def __getitem__(self, name):
                if name == "wired/description":
                    return type("", (), {"asstr": lambda self: [changed]})()
                return group[name]

        with pytest.raises(NetkinError, match=r"networks\.h5"):
            get_graph(Other(), path)


def test_a_chain_is_a_graph_too_and_a_reason_a_reason(tmp_path):
    rng = np.random.default_rng(1)
    weights = [rng.normal(size=shape).astype(np.float32) for shape in ((4, 3), (2, 4))]
    write_network(tmp_path / "a.h5", Network(weights, (weights[0][:, 0], None)), parameters={})
    with open_graph(tmp_path / "a.h5") as graph:
        assert [group.activation for group in graph.groups] == ["", "relu", ""]
        assert graph.n_edges == 12 + 8 + 4
    with storage.create(tmp_path / "b.h5", "networks", parameters={}, ids=["b"]) as file:
        storage.member(file, "b").attrs["reason"] = "nobody knows"
    with pytest.raises(Absent, match="nobody knows"), open_graph(f"{tmp_path / 'b.h5'}::b"):
        pass


def test_input_shapes_are_read_from_text():
    assert parse_input_shape("") == InputShape()
    assert parse_input_shape("3x224x224").of("anything") == (3, 224, 224)
    found = parse_input_shape("pixels=3x8x8, steps=12")
    assert found.of("pixels") == (3, 8, 8)
    assert found.of("other") is None
    assert found.axes == {"steps": 12}


@pytest.mark.parametrize(
    "text", ["3x", "axb", "-3", "0x3", "=3", "3x4,5x6", "n=3,n=4", "9" * 12, 3, None, "1e3"]
)
def test_a_wrong_input_shape_is_one_sentence(text):
    with pytest.raises(NetkinError, match="input shape: "):
        parse_input_shape(text)
