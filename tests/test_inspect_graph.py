"""What is left out of a graph on the user's word, and what `netkin inspect` says of graphs."""

import json
import os

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

import netkin
from netkin.comparing import graph_of
from netkin.errors import NetkinError
from netkin.network.format import open_model
from netkin.network.format.leave_out import REASON, given_of, parse_leave_out
from tests.test_command import run

os.environ["KERAS_BACKEND"] = "torch"
import keras

pytestmark = pytest.mark.budget("graphs")

OF_KERAS = "ignore:__array__ implementation:DeprecationWarning"
RNG = np.random.default_rng(0)
ARRAYS = {
    "W": RNG.normal(size=(6, 5)).astype("f4"),
    "b": RNG.normal(size=5).astype("f4"),
    "V": RNG.normal(size=(5, 3)).astype("f4"),
    "P": np.ones((2, 2), "f4"),
}


def odd_onnx(path, *, shape=("N", 5), last="V", domain="mine", op="Wave", more=("P",)):
    """Write x -> W, b -> an operator without a rule -> V."""
    nodes = [
        helper.make_node("MatMul", ["x", "W"], ["a"], name="first"),
        helper.make_node("Add", ["a", "b"], ["h"], name="biases"),
        helper.make_node(op, ["h", *more], ["c"], name="odd", domain=domain),
        helper.make_node("MatMul", ["c", last], ["y"], name="last"),
    ]
    known = [] if shape is None else [helper.make_tensor_value_info("c", 1, list(shape))]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", size])
        for name, size in (("x", 6), ("y", 3))
    ]
    arrays = ARRAYS | {"V2": np.ones((2, 3), "f4")}
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "g",
        ends[:1],
        ends[1:],
        [numpy_helper.from_array(arrays[name], name) for name in arrays if name in used],
        value_info=known,
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets), path)
    return path


class Odd(torch.nn.Module):
    """Two layers, and between them what has no rule."""

    def __init__(self, between):
        super().__init__()
        self.first, self.last = torch.nn.Linear(6, 5), torch.nn.Linear(5, 3)
        self.table = torch.nn.Parameter(torch.eye(5) + 1)
        self.between = between

    def forward(self, x):
        return self.last(self.between(self, self.first(x)))


def solved(module, x):
    return torch.linalg.solve(module.table, x.T).T


def pairs(graph):
    """Return the blocks of weights as pairs of names of groups."""
    names = [group.name for group in graph.groups]
    return [(names[b.source], names[b.target]) for b in graph.blocks if b.kind == "weight"]


# --- what is left out


@pytest.mark.parametrize(
    ("text", "names"),
    [("", ()), (" a , b c,a,", ("a", "b c")), ("/m/Pad_1, Mod", ("/m/Pad_1", "Mod"))],
)
def test_names_are_divided_by_commas(text, names):
    assert parse_leave_out(text) == names
    assert given_of("3x4", text).leave_out == names


@pytest.mark.parametrize("name", ["odd", "Wave", "mine.Wave"])
def test_a_node_of_onnx_is_passed_like_an_activation(tmp_path, name):
    path = odd_onnx(tmp_path / "m.onnx")
    with open_model(path) as model:
        graph = model.graph(shape=given_of("", name))
    assert pairs(graph) == [("x", "first"), ("first", "last")]
    assert graph.unused == {"P": REASON}
    assert graph.parameters == 30 + 5 + 15 + 4
    assert graph.notes == ("node 'odd' (mine.Wave) is left out on the user's word",)
    assert netkin.diagram_of(path, leave_out=name).n_classes()[0] == 6 + 5 + 3 + 5
    assert graph_of(path, leave_out=name).n_edges == 30 + 5 + 15


def test_nothing_comes_of_a_node_whose_output_has_another_shape(tmp_path):
    path = odd_onnx(tmp_path / "m.onnx", shape=("N", 2), last="V2")
    with open_model(path) as model:
        graph = model.graph(shape=given_of("", "odd"))
    assert pairs(graph) == [("x", "first")]
    assert graph.unused == {
        "P": REASON,
        "V2": "no unit is made of it",
    }
    assert graph.notes[0].endswith("is cut off from what lies before")
    # computed by the reference implementation where the file does not say it
    path = odd_onnx(tmp_path / "r.onnx", shape=None, domain="", op="CumSum", more=("axis",))
    proto = onnx.load(path)
    proto.graph.initializer.append(numpy_helper.from_array(np.array(1), "axis"))
    onnx.save(proto, path)
    with open_model(path) as model:
        assert pairs(model.graph(shape=given_of("", "CumSum")))[1] == ("first", "last")


def test_a_shape_that_is_not_known_is_a_sentence(tmp_path):
    path = odd_onnx(tmp_path / "m.onnx", shape=None)
    with pytest.raises(NetkinError) as told:
        netkin.diagram_of(path, leave_out="odd")
    assert str(told.value) == (
        f"{path}: node 'odd' (mine.Wave) is to be left out, but the shape of its output is not "
        "known."
    )


def test_the_sentence_says_once_how_a_node_is_left_out(tmp_path):
    path = odd_onnx(tmp_path / "m.onnx")
    wanted = "node 'odd' is a mine.Wave, which has no rule; to leave it out: leave_out='odd'"
    with pytest.raises(NetkinError) as told:
        netkin.diagram_of(path)
    assert str(told.value) == f"{path}: {wanted}."
    assert netkin.inspect(path).unknown == wanted
    module = Odd(solved)
    with pytest.raises(NetkinError, match="to leave it out: leave_out='linalg_solve'"):
        netkin.graph_of(module, input_shape=(6,))
    # what does not come from a node is mended otherwise
    open_size = onnx.load(path)
    open_size.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "length"
    onnx.save(open_size, path)
    with pytest.raises(NetkinError) as told:
        netkin.diagram_of(path)
    assert "leave_out" not in str(told.value)


def test_a_node_of_torch_is_left_out_of_module_and_file(tmp_path):
    module = Odd(solved).eval()
    torch.export.save(torch.export.export(module, (torch.zeros(1, 6),)), tmp_path / "m.pt2")
    for name in ("linalg_solve", "aten.linalg_solve", "aten.linalg_solve.default"):
        graph = netkin.graph_of(module, input_shape=(6,), leave_out=name)
        assert pairs(graph) == [("x", "first"), ("first", "last")]
        assert graph.unused == {"table": REASON}
        with open_model(tmp_path / "m.pt2") as model:
            again = model.graph(shape=given_of("", name))
        assert (pairs(again), again.unused, again.notes) == (
            pairs(graph),
            graph.unused,
            graph.notes,
        )
    with pytest.raises(NetkinError, match=r"called 'linalg_slove'\. Did you mean 'linalg_solve'"):
        netkin.graph_of(module, input_shape=(6,), leave_out="linalg_slove")


def test_a_custom_operator_of_torch_is_passed_like_an_activation():
    @torch.library.custom_op("netkin_tests::wave", mutates_args=())
    def wave(x: torch.Tensor) -> torch.Tensor:
        return x.sin()

    @wave.register_fake
    def _(x: torch.Tensor) -> torch.Tensor:
        return torch.empty_like(x)

    module = Odd(lambda self, x: torch.ops.netkin_tests.wave(x))
    with pytest.raises(NetkinError, match="to leave it out: leave_out='wave'"):
        netkin.graph_of(module, input_shape=(6,))
    graph = netkin.graph_of(module, input_shape=(6,), leave_out="wave")
    assert pairs(graph) == [("x", "first"), ("first", "last")]
    # the same as with an activation that has a rule
    known = netkin.graph_of(Odd(lambda self, x: x.sin()), input_shape=(6,))
    assert pairs(known) == pairs(graph)


@keras.saving.register_keras_serializable("mine")
class Wave(keras.layers.Layer):
    """A layer with weights of its own, whose class is not of Keras."""

    def __init__(self, width=None, **more):
        super().__init__(**more)
        self.width = width

    def get_config(self):
        return super().get_config() | {"width": self.width}

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), name="scale")

    def call(self, x):
        return (keras.ops.sin(x) * self.scale)[..., : self.width]


@pytest.mark.budget("keras")
@pytest.mark.filterwarnings(OF_KERAS)
@pytest.mark.parametrize("wired", ["Sequential", "Functional"])
@pytest.mark.parametrize("name", ["odd", "Wave"])
def test_a_layer_of_keras_is_left_out(tmp_path, name, wired):
    layers = [keras.layers.Dense(3, name="first"), Wave(name="odd")]
    layers.append(keras.layers.Dense(2, name="last"))
    x = keras.Input((4,), name="x")
    if wired == "Sequential":
        model = keras.Sequential([x, *layers])
    else:
        y = x
        for one in layers:
            y = one(y)
        model = keras.Model(x, y)
    model.save(tmp_path / "m.keras")
    with pytest.raises(NetkinError, match="no rule; to leave it out: leave_out='odd'"):
        netkin.diagram_of(tmp_path / "m.keras")
    with open_model(tmp_path / "m.keras") as opened:
        graph = opened.graph(shape=given_of("", name))
    assert pairs(graph) == [("x", "first"), ("first", "last")]
    assert [*graph.unused.values()] == [REASON]
    assert graph.notes == ("layer 'odd' (Wave) is left out on the user's word",)


@pytest.mark.budget("keras")
@pytest.mark.filterwarnings(OF_KERAS)
def test_nothing_comes_of_a_layer_of_keras_that_gives_another_shape(tmp_path):
    layers = [keras.layers.Dense(3, name="first"), Wave(2, name="odd")]
    layers.append(keras.layers.Dense(2, name="last"))
    model = keras.Sequential([keras.Input((4,), name="x"), *layers])
    model.save(tmp_path / "m.keras")
    with open_model(tmp_path / "m.keras") as opened:
        graph = opened.graph(shape=given_of("", "odd"))
    assert pairs(graph) == [("x", "first")]
    assert graph.notes[0].endswith("is cut off from what lies before")


def test_a_name_that_nothing_has_is_an_error_everywhere(tmp_path):
    path = odd_onnx(tmp_path / "m.onnx")
    wanted = r"leave_out: no node, layer or operator of the network is called 'od'\. Did you mean"
    with pytest.raises(NetkinError, match=wanted):
        netkin.inspect(path, leave_out="od")
    with pytest.raises(NetkinError, match=wanted):
        netkin.diagram_of(path, leave_out="od")
    found = netkin.compare(path, path, names=["a", "b"], measures=["norm_1"], leave_out="od")
    assert "no node, layer or operator" in found.unwired["a"]
    bare = tmp_path / "bare.safetensors"
    save_file({"0.weight": np.ones((2, 2), "f4")}, bare)
    for given in ({"leave_out": "a"}, {"leave_out": "a", "wiring": "0.weight"}):
        with pytest.raises(NetkinError, match=r"leave_out: found 'a'; allowed is nothing here"):
            netkin.inspect(bare, **given)
        with pytest.raises(NetkinError, match=r"leave_out: found 'a'; allowed is nothing here"):
            netkin.diagram_of(bare, **given)


def test_a_chain_of_dense_layers_can_have_a_node_left_out(tmp_path):
    path = odd_onnx(tmp_path / "m.onnx", domain="", op="Tanh", more=())
    assert netkin.inspect(path).layers
    seen = netkin.inspect(path, leave_out="odd")
    assert (seen.layers, seen.graph.complete) == ((), True)
    found = netkin.compare(path, path, names=["a", "b"], measures=["landscape"], leave_out="odd")
    assert found.matrix("landscape").loc["a", "b"] == 0


def test_the_commands_leave_out(tmp_path):
    path, other = odd_onnx(tmp_path / "m.onnx"), odd_onnx(tmp_path / "o.onnx")
    done = run("inspect", path)
    assert "has no rule; to leave it out: --leave-out 'odd'" in done.output
    done = run("inspect", "--leave-out", "odd", path)
    assert "node 'odd' (mine.Wave) is left out on the user's word" in done.output
    assert "50 used (93%)" in done.output
    done = run("diagram", "--leave-out", "Wave", path)
    assert (done.exit_code, "19" in done.output) == (0, True)
    done = run("export-graph", "--leave-out", "odd", path, tmp_path / "g.csv")
    assert done.exit_code == 0
    done = run(
        *("compare", "--measures", "landscape", "--leave-out", f"{path}=odd"),
        *("--leave-out", f"{other}=Wave", path, other),
    )
    assert done.exit_code == 0
    assert "landscape" in done.output
    with pytest.raises(NetkinError, match=r"^leave_out: no node, layer or operator"):
        run("diagram", "--leave-out", "od", path)


# --- inspect


def test_an_inspection_of_a_graph_is_json(tmp_path):
    path = odd_onnx(tmp_path / "m.onnx")
    for leave_out in ("", "odd"):
        seen = netkin.inspect(path, leave_out=leave_out)
        graph = json.loads(json.dumps(seen.to_dict()))["graph"]
        assert graph["complete"] == bool(leave_out)
        assert graph["blocks"][0]["made_of"] == ["W"]
        for block in graph["blocks"]:
            source, target = block["ends"]
            assert graph["groups"][target][0] == block["target"]
            assert source == -1 or graph["groups"][source][0] == block["source"]
    assert graph["notes"] == ["node 'odd' (mine.Wave) is left out on the user's word"]


def test_what_was_understood_is_shown_before_what_was_not(tmp_path):
    seen = netkin.inspect(odd_onnx(tmp_path / "m.onnx"))
    assert (seen.parameters, seen.used) == (54, 35)
    text = str(seen)
    assert "54 in 4 tensors, 35 used (65%)" in text
    assert "first (weight): x [6] -> first [5], 30 numbers, 30 edges" in text
    assert "first (bias): bias -> first [5], 5 numbers, 5 edges" in text
    assert "unused       2 entries (V, P): no unit is made of it" in text
    assert text.count("V") == 1


@pytest.mark.filterwarnings("ignore")  # of torch's exporter
def test_many_blocks_are_shortened_and_statistics_are_no_parameters(tmp_path):
    blocks = [torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.BatchNorm2d(4), torch.nn.ReLU()]
    for _ in range(13):
        blocks += [torch.nn.Conv2d(4, 4, 3, padding=1), torch.nn.BatchNorm2d(4), torch.nn.ReLU()]
    module = torch.nn.Sequential(*blocks).eval()
    torch.export.save(torch.export.export(module, (torch.zeros(1, 3, 8, 8),)), tmp_path / "m.pt2")
    seen = netkin.inspect(tmp_path / "m.pt2")
    parameters = sum(each.numel() for each in module.parameters())
    assert (seen.parameters, seen.used, seen.share) == (parameters, parameters, 1)
    text = str(seen)
    assert f"{parameters:,} in 56 tensors, all used (100%)" in text
    assert "[3 x 8 x 8] -> 0 [4 x 8 x 8]" in text
    assert "and 16 more (--json has all)" in text
    assert "no triangles: a spanning forest; " in text
    assert "running_mean" in text


def test_a_share_is_rounded_to_all_only_where_it_is_all(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {"W": rng.normal(size=(40, 50)).astype("f4"), "V": rng.normal(size=(50, 40))}
    arrays["V"] = arrays["V"].astype("f4")
    wiring = "input: {x: [50]}\nlayers:\n  - {op: linear, weight: W}\n  - {op: linear, weight: V}\n"
    save_file(arrays | {"scale": np.ones(1, "f4")}, tmp_path / "m.safetensors")
    (tmp_path / "w.yaml").write_text(f"{wiring}leave_out: [scale]\n")
    text = str(netkin.inspect(tmp_path / "m.safetensors", str(tmp_path / "w.yaml")))
    assert "4,001 in 3 tensors, 4,000 used (over 99%)" in text
    assert "1 entry (scale): left out by the wiring file" in text
