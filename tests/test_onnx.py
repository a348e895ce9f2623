"""ONNX: what exporters write is understood as the same network, and what is none is said."""

import gzip
import importlib.util
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from netkin.diagram.network import network_diagram
from netkin.diagram.network_file import network_file_diagram
from netkin.errors import NetkinError
from netkin.network.format import open_model
from netkin.network.layers import open_layers

pytestmark = pytest.mark.budget("onnx")
SIZES = [6, 4, 4, 3]
OLD_EXPORTER = pytest.mark.filterwarnings(
    "ignore:.*legacy TorchScript:DeprecationWarning",
    "ignore:.*feature will be removed:DeprecationWarning",
    "ignore:Exporting a model to ONNX with a batch_size other than 1:UserWarning",
    "ignore::torch.jit.TracerWarning",
)
NEW_EXPORTER = pytest.mark.filterwarnings(
    "ignore:# 'dynamic_axes' is not recommended:UserWarning",
    "ignore:.*:FutureWarning",
    "ignore:.*isinstance.*LeafSpec:DeprecationWarning",
    "ignore:.*copyreg.*:UserWarning",
)


def mlp(sizes=SIZES, dtype=np.float32):
    """Return weights and biases."""
    rng = np.random.default_rng(0)
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    weights = [rng.normal(size=shape).astype(dtype) for shape in shapes]
    return weights, [rng.normal(size=shape[0]).astype(dtype) for shape in shapes]


def layers_of(path):
    with open_layers(path) as layers:
        return [layer.weight[:] for layer in layers], [layer.bias for layer in layers]


def assert_network(path, weights, biases, *, exact=True):
    """The arrays of a file are those of a network, and so is its diagram."""
    found, found_biases = layers_of(path)
    assert [array.shape for array in found] == [array.shape for array in weights]
    check = np.testing.assert_array_equal if exact else close
    for one, other in zip(found, weights, strict=True):
        check(one, other)
    for one, other in zip(found_biases, biases, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            check(one, other)
    with open_layers(path) as layers:
        for layer, array in zip(layers, weights, strict=True):
            check(layer.weight[1:2], array[1:2])
    made, engine = network_file_diagram(path)
    wanted, other_engine = network_diagram(weights, biases)
    assert engine == other_engine
    assert len(made.intervals) == len(wanted.intervals)
    for one, other in zip(made.intervals, wanted.intervals, strict=True):
        check(np.sort(one, axis=0), np.sort(other, axis=0))
    with open_model(path) as model:
        assert model.format == "onnx"
        assert model.unchained == ""


def close(one, other):
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def said(path):
    """Return why a file is no chain, after a look at whether its tensors can be read."""
    with open_model(path) as model:
        assert model.chain is None
        for tensor in model.tensors.values():
            assert tensor[:].shape == tensor.shape
        with pytest.raises(NetkinError, match="no chain of dense layers"):
            model.layers()
        return model.unchained


def save(path, nodes, arrays, *, inputs=None, outputs=("y",), opset=17, sizes=("n", 6), **more):
    """Write a graph."""
    tensors = [
        array if isinstance(array, TensorProto) else numpy_helper.from_array(array, name)
        for name, array in arrays.items()
    ]
    given = inputs or [helper.make_tensor_value_info("x", TensorProto.FLOAT, sizes)]
    made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    graph = helper.make_graph(nodes, "graph", given, made, tensors)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, **more)
    model.ir_version = 10
    onnx.save_model(model, path)
    return model


def node(op, given, made, **attributes):
    return helper.make_node(op, given.split(), made.split(), name=f"node_{made}", **attributes)


def dense(weights, biases, activation="Relu"):
    """Return nodes and arrays of a network of MatMul and Add."""
    nodes, arrays, last = [], {}, "x"
    for index, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        arrays |= {f"W{index}": np.ascontiguousarray(weight.T), f"b{index}": bias}
        nodes += [
            node("MatMul", f"{last} W{index}", f"m{index}"),
            node("Add", f"m{index} b{index}", f"a{index}"),
        ]
        last = f"a{index}"
        if index < len(weights) - 1:
            nodes.append(node(activation, last, f"r{index}"))
            last = f"r{index}"
    nodes.append(node("Identity", last, "y"))
    return nodes, arrays


# --- exporters --------------------------------------------------------------------------


def torch_network(*extra, norm=False, after=False):
    torch.manual_seed(0)
    parts = [torch.nn.Flatten(), *extra]
    for n_in, n_out in pairwise(SIZES[:-1]):
        parts.append(torch.nn.Linear(n_in, n_out))
        if norm and not after:
            parts.append(torch.nn.BatchNorm1d(n_out))
        parts.append(torch.nn.ReLU())
        if norm and after:
            parts.append(torch.nn.BatchNorm1d(n_out))
        parts.append(torch.nn.Dropout(0.3))
    parts += [torch.nn.Linear(*SIZES[-2:]), torch.nn.Softmax(dim=-1)]
    net = torch.nn.Sequential(*parts)
    for module in net:
        if isinstance(module, torch.nn.BatchNorm1d):
            for tensor in (module.weight, module.running_var):
                torch.nn.init.uniform_(tensor, 0.5, 2)
            for tensor in (module.bias, module.running_mean):
                torch.nn.init.normal_(tensor)
    return net.eval()


def folded(net):
    """Return weights and biases with batch normalisation folded in, in float64."""
    weights, biases, waiting = [], [], None
    for module in net:
        if isinstance(module, torch.nn.Linear):
            weight, bias = (each.detach().double().numpy() for each in module.parameters())
            if waiting is not None:
                bias = bias + weight @ waiting[1]
                weight = weight * waiting[0]
                waiting = None
            weights.append(weight)
            biases.append(bias)
            bent = False
        elif isinstance(module, torch.nn.BatchNorm1d):
            scale = module.weight.detach().double() / (module.running_var.double() + 1e-5).sqrt()
            shift = module.bias.detach().double() - module.running_mean.double() * scale
            scale, shift = scale.numpy(), shift.numpy()
            if bent:
                waiting = scale, shift
            else:
                weights[-1] = weights[-1] * scale[:, None]
                biases[-1] = biases[-1] * scale + shift
        elif not isinstance(module, torch.nn.Dropout):
            bent = True
    return (
        [each.astype(np.float32) for each in weights],
        [each.astype(np.float32) for each in biases],
    )


def export(net, path, example=None, **how):
    example = torch.zeros(2, 1, 2, 3) if example is None else example
    torch.onnx.export(net, (example,), str(path), verbose=False, **how)


@OLD_EXPORTER
@pytest.mark.parametrize("opset", [9, 11, 13, 17])
@pytest.mark.parametrize("case", ["plain", "norm", "norm after", "norm kept"])
def test_torch_old_exporter(tmp_path, opset, case):
    net = torch_network(norm="norm" in case, after=case == "norm after")
    kept = case == "norm kept"
    export(
        net,
        tmp_path / "m",
        dynamo=False,
        opset_version=opset,
        do_constant_folding=not kept,
        training=torch.onnx.TrainingMode.PRESERVE if kept else torch.onnx.TrainingMode.EVAL,
        input_names=["x"],
        dynamic_axes={"x": {0: "batch"}},
    )
    assert_network(tmp_path / "m", *folded(net), exact=case == "plain")


@NEW_EXPORTER
@pytest.mark.parametrize(("opset", "case"), [(18, "norm"), (20, "plain"), (23, "norm after")])
def test_torch_new_exporter(tmp_path, opset, case):
    net = torch_network(norm="norm" in case, after=case == "norm after")
    outside = case == "plain"
    export(net, tmp_path / "m.onnx", dynamo=True, opset_version=opset, external_data=outside)
    assert (tmp_path / "m.onnx.data").exists() == outside
    assert_network(tmp_path / "m.onnx", *folded(net), exact=case == "plain")


@OLD_EXPORTER
@NEW_EXPORTER
@pytest.mark.parametrize(("new", "opset"), [(False, 9), (False, 14), (True, 18)])
def test_activations_of_several_nodes(tmp_path, new, opset):
    torch.manual_seed(0)
    names = ["GELU", "SiLU", "Mish", "Hardswish", "ELU", "Softplus", "Softsign", "ReLU6"]
    names += ["LogSigmoid", "Hardtanh", "Tanhshrink", "CELU", "SELU", "Sigmoid"]
    if opset < 14:  # not of that version
        names = [name for name in names if name not in ("Hardswish", "CELU")]
    parts = []
    for name in names:
        parts += [torch.nn.Linear(4, 4), getattr(torch.nn, name)()]
    parts += [torch.nn.Linear(4, 4), torch.nn.GELU("tanh"), torch.nn.LogSoftmax(-1)]
    net = torch.nn.Sequential(*parts).eval()
    export(net, tmp_path / "m.onnx", torch.zeros(2, 4), dynamo=new, opset_version=opset)
    assert_network(tmp_path / "m.onnx", *folded(net))


@OLD_EXPORTER
def test_a_view_of_computed_sizes(tmp_path):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = torch.nn.Linear(6, 4), torch.nn.Linear(4, 3)

        def forward(self, x):
            return self.two(torch.relu(self.one(x.view(x.size(0), -1))))

    net = Net().eval()
    axes = {"x": {0: "batch"}}
    how = {"dynamo": False, "opset_version": 13, "input_names": ["x"], "dynamic_axes": axes}
    export(net, tmp_path / "m", **how)
    assert_network(tmp_path / "m", *folded([net.one, net.two]))


@OLD_EXPORTER
def test_a_shortcut_and_two_heads_are_none(tmp_path):
    class Net(torch.nn.Module):
        def __init__(self, heads):
            super().__init__()
            self.heads = heads
            self.one, self.two = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)
            self.three = torch.nn.Linear(4, 4)

        def forward(self, x):
            x = torch.relu(self.one(x))
            if self.heads:
                return self.two(x), self.three(x)
            return self.three(x + torch.relu(self.two(x)))

    how = {"example": torch.zeros(2, 4), "dynamo": False, "opset_version": 13}
    export(Net(False), tmp_path / "shortcut", **how)
    assert said(tmp_path / "shortcut") == "node '/Add' (Add) joins what several layers give"
    export(Net(True), tmp_path / "heads", **how)
    assert "takes what another layer takes too" in said(tmp_path / "heads")


@OLD_EXPORTER
@pytest.mark.filterwarnings("ignore:.*:UserWarning", "ignore:.*:DeprecationWarning")
def test_keras(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    import keras

    assert keras.backend.backend() == "torch"
    keras.utils.set_random_seed(0)
    net = keras.Sequential([keras.Input((6,))])
    for units, act in ((4, "relu"), (5, "gelu"), (3, "softmax")):
        net.add(keras.layers.Dense(units, activation=act, bias_initializer="random_normal"))
        net.add(keras.layers.Dropout(0.2))
    net(np.zeros((2, 6), np.float32))
    net.export(str(tmp_path / "m.onnx"), format="onnx", verbose=False)
    arrays = net.get_weights()
    assert_network(tmp_path / "m.onnx", [each.T for each in arrays[::2]], arrays[1::2])


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer:UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("kind", ["two", "three", "regression", "several"])
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("zipmap", [False, True])
def test_scikit_learn(tmp_path, kind, scaled, zipmap):
    from skl2onnx import to_onnx
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(60, 6)) * 3 + 1).astype(np.float32)
    answers = {
        "two": rows[:, 0] > 1,
        "three": rng.integers(0, 3, 60),
        "regression": rows[:, 0],
        "several": rows[:, :2],
    }[kind]
    if kind in ("two", "three"):
        net = MLPClassifier((5, 4), max_iter=3, random_state=0, activation="tanh")
        options = {MLPClassifier: {"zipmap": zipmap}}
    else:
        net = MLPRegressor(hidden_layer_sizes=(5, 4), max_iter=3, random_state=0)
        options = None
    pipe = make_pipeline(StandardScaler(), net) if scaled else net
    pipe.fit(rows, answers)
    made = to_onnx(pipe, rows[:1], options=options)
    (tmp_path / "m").write_bytes(made.SerializeToString())
    weights = [each.T.astype(np.float32) for each in net.coefs_]
    biases = [each.astype(np.float32) for each in net.intercepts_]
    if scaled:
        scaler = pipe[0]
        wide = weights[0].astype(np.float64)
        biases[0] = (biases[0] - wide @ (scaler.mean_ / scaler.scale_)).astype(np.float32)
        weights[0] = (wide / scaler.scale_).astype(np.float32)
    assert_network(tmp_path / "m", weights, biases, exact=not scaled)
    if scaled:
        with open_model(tmp_path / "m") as model:
            assert sum("standardises the inputs" in why for why in model.left_out.values()) == 2


MAGIKA = ["magika/models/standard_v3_3/model.onnx"]
SILERO = [
    f"silero_vad/data/silero_vad{end}.onnx"
    for end in ("", "_half", "_16k_op15", "_16k_sequence", "_op18_ifless", "_openvino_16k")
]
WHY = {
    "model.onnx": "is an Expand",
    "silero_vad.onnx": "3 inputs",
    "silero_vad_half.onnx": "2 inputs",
    "silero_vad_16k_op15.onnx": "3 inputs",
    "silero_vad_16k_sequence.onnx": "3 inputs",
    "silero_vad_op18_ifless.onnx": "3 inputs",
    "silero_vad_openvino_16k.onnx": "2 inputs",
}


@pytest.mark.parametrize("name", MAGIKA + SILERO)
def test_files_of_packages(name):
    package, _, inside = name.partition("/")
    spec = importlib.util.find_spec(package)
    path = Path(spec.submodule_search_locations[0]) / inside
    assert WHY[path.name] in said(path)
    proto = onnx.load(path)
    with open_model(path) as model:
        kept = set(model.tensors) | set(model.left_out)
        assert {each.name for each in proto.graph.initializer} <= kept
        for each in proto.graph.initializer:
            if each.name in model.tensors:
                array = numpy_helper.to_array(each)
                np.testing.assert_array_equal(model.tensors[each.name][:], array)
        numbers = sum(int(np.prod(tensor.shape)) for tensor in model.tensors.values())
    assert numbers > 200_000
    if package == "silero_vad":
        assert any(name.endswith("conv.weight") or "encoder" in name for name in model.tensors)


def test_tensors_of_both_branches_are_named_by_their_node():
    spec = importlib.util.find_spec("silero_vad")
    path = Path(spec.submodule_search_locations[0]) / "data" / "silero_vad.onnx"
    with open_model(path) as model:
        names = list(model.tensors)
    assert all(name.startswith(("If_0.then_branch.", "If_0.else_branch.")) for name in names)
    assert len(names) == 30


# --- graphs made by hand ----------------------------------------------------------------


@pytest.mark.parametrize("opset", [7, 13, 21])
def test_matmul_and_add(tmp_path, opset):
    weights, biases = mlp()
    save(tmp_path / "m", *dense(weights, biases), opset=opset)
    assert_network(tmp_path / "m", weights, biases)
    with open_model(tmp_path / "m") as model:
        assert not model.left_out
        assert [layer.made_of for layer in model.chain] == [(f"W{i}", f"b{i}") for i in range(3)]


@pytest.mark.parametrize("sides", ["bias left", "weights left", "Sub", "no bias"])
def test_sides(tmp_path, sides):
    weights, biases = mlp()
    nodes, arrays = dense(weights, biases)
    if sides == "bias left":
        for each in nodes:
            if each.op_type == "Add":
                each.input[:] = each.input[::-1]
    elif sides == "Sub":
        for index, each in enumerate(nodes):
            if each.op_type == "Add":
                each.op_type = "Sub"
                if index > 2:
                    arrays[each.input[1]] = -arrays[each.input[1]]
        biases = [-biases[0], *biases[1:]]
    elif sides == "no bias":
        nodes, arrays = nodes[:1] + nodes[2:], {k: v for k, v in arrays.items() if k != "b0"}
        nodes[1].input[0] = "m0"
        biases = [None, *biases[1:]]
    else:
        nodes = [node("Transpose", "x", "t"), *nodes[:-1], node("Transpose", "a2", "y")]
        for each in nodes:
            if each.op_type == "MatMul":
                each.input[:] = each.input[::-1]
                each.input[1] = "t" if each.input[1] == "x" else each.input[1]
        arrays = {
            name: array.T if array.ndim == 2 else array[:, None] for name, array in arrays.items()
        }
    save(tmp_path / "m", nodes, arrays)
    assert_network(tmp_path / "m", weights, biases)


@pytest.mark.parametrize("flip", [0, 1])
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.5, 2.0), (1.0, 0.0)])
@pytest.mark.parametrize("shape", [(-1,), (1, -1)])
def test_gemm(tmp_path, flip, alpha, beta, shape):
    weights, biases = mlp()
    arrays, nodes, last = {}, [], "x"
    for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        arrays |= {f"W{i}": weight if flip else weight.T, f"b{i}": bias.reshape(shape)}
        how = {"transB": flip, "alpha": alpha, "beta": beta}
        nodes += [node("Gemm", f"{last} W{i} b{i}", f"g{i}", **how), node("Tanh", f"g{i}", f"t{i}")]
        last = f"t{i}"
    save(tmp_path / "m", [*nodes, node("Identity", last, "y")], arrays)
    wanted = [np.float32(alpha) * each for each in weights]
    wanted_biases = [np.float32(beta) * each if beta else None for each in biases]
    if beta:
        assert_network(tmp_path / "m", wanted, wanted_biases, exact=True)
    else:
        found, found_biases = layers_of(tmp_path / "m")
        assert found_biases == [None] * 3
        np.testing.assert_array_equal(found[2], wanted[2])
        with open_model(tmp_path / "m") as model:
            assert set(model.left_out) == {"b0", "b1", "b2"}


def test_gemm_with_weights_on_the_left(tmp_path):
    (one, two), (b1, b2) = mlp([6, 4, 3])
    nodes = [
        node("Gemm", "W0 x b0", "g", transB=1),
        node("Relu", "g", "r"),
        node("Gemm", "r W1 b1", "y", transA=1, transB=1),
    ]
    save(tmp_path / "m", nodes, {"W0": one, "b0": b1[:, None], "W1": two, "b1": b2})
    assert_network(tmp_path / "m", [one, two], [b1, b2])


def test_weights_in_constant_nodes(tmp_path):
    weights, biases = mlp()
    nodes, arrays = dense(weights, biases)
    constants = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(array))
        for name, array in arrays.items()
    ]
    constants[1] = helper.make_node("Constant", [], ["b0"], value_floats=arrays["b0"].tolist())
    save(tmp_path / "m", constants + nodes, {})
    assert_network(tmp_path / "m", weights, biases)
    with open_model(tmp_path / "m") as model:
        assert set(model.tensors) == set(arrays)


def test_biases_behind_other_nodes(tmp_path):
    weights, biases = mlp()
    nodes, arrays = dense(weights, biases)
    arrays["b0"] = (biases[0] * 4).reshape(2, 2)
    arrays["four"] = np.array(4, np.float32)
    arrays["shape"] = np.array([1, -1])
    arrays["b1"] = biases[1].reshape(1, 4, 1)
    arrays["b2"] = np.ascontiguousarray(biases[2].reshape(3, 1))
    hidden = [
        node("Reshape", "b0 shape", "b0r"),
        node("Div", "b0r four", "b0d"),
        node("Cast", "b0d", "b0c", to=TensorProto.FLOAT),
        node("Squeeze", "b1", "b1s"),
        node("Transpose", "b2", "b2t"),
        node("Identity", "b2t", "b2i"),
    ]
    for each in nodes:
        if each.op_type == "Add":
            at = each.input[1]
            each.input[1] = {"b0": "b0c", "b1": "b1s", "b2": "b2i"}[at]
    save(tmp_path / "m", hidden + nodes, arrays)
    assert_network(tmp_path / "m", weights, biases)


def test_what_is_multiplied_is_folded_in(tmp_path):
    weights, biases = mlp()
    nodes, arrays = dense(weights, biases)
    rng = np.random.default_rng(1)
    mean, scale, gain, post = (
        rng.uniform(0.5, 2, size).astype(np.float32) for size in (6, 6, 4, 4)
    )
    arrays |= {"mean": mean, "scale": scale, "gain": gain, "post": post}
    arrays["half"] = np.array(0.5, np.float32)
    nodes[0].input[0] = "x2"
    nodes[1].output[0] = "a0_"
    nodes[2].output[0] = "r0_"
    nodes[0:0] = [node("Sub", "x mean", "x1"), node("Div", "x1 scale", "x2")]
    nodes[4:4] = [node("Mul", "a0_ gain", "a0")]
    nodes[6:6] = [node("Mul", "r0_ half", "r0h"), node("Mul", "post r0h", "r0")]
    save(tmp_path / "m", nodes, arrays)
    w, b = (
        [each.astype(np.float64) for each in weights],
        [each.astype(np.float64) for each in biases],
    )
    b[0] = (b[0] - w[0] @ (mean.astype(np.float64) / scale)) * gain
    w[0] = w[0] / scale * gain[:, None]
    w[1] = w[1] * post
    assert_network(tmp_path / "m", w, b, exact=False)
    with open_model(tmp_path / "m") as model:
        assert model.chain[0].made_of == ("W0", "b0", "mean", "gain", "scale")
        # it follows an activation, of which it is a part
        assert model.left_out == {"half": "a constant of node 'node_r0h' (Mul)"}
        assert model.chain[0].weight[:].dtype == model.chain[0].bias.dtype == np.float32


def test_running_the_folded_network_gives_what_the_graph_gives(tmp_path):
    from onnx.reference import ReferenceEvaluator

    weights, biases = mlp()
    nodes, arrays = dense(weights, biases)
    rng = np.random.default_rng(1)
    for name in ("scale", "shift", "mean", "var"):
        arrays[name] = rng.uniform(0.5, 2, 4).astype(np.float32)
    nodes[2].output[0] = "r0_"
    nodes[3:3] = [node("BatchNormalization", "r0_ scale shift mean var", "r0", epsilon=0.1)]
    model = save(tmp_path / "m", nodes, arrays)
    rows = rng.normal(size=(5, 6)).astype(np.float32)
    (wanted,) = ReferenceEvaluator(model).run(None, {"x": rows})
    weights, biases = layers_of(tmp_path / "m")
    for index, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        rows = (np.maximum(rows, 0) if index else rows) @ weight.T + bias
    close(rows, wanted)
    with open_model(tmp_path / "m") as read:
        assert set(read.left_out) == {"mean", "var"}


@pytest.mark.parametrize("shape", [(4,), (1, 4), (1, 1, 4), (1, 1, 1, 4), (1, 1, 1)])
@pytest.mark.parametrize("order", ["c m0", "m0 c"])
def test_a_constant_may_have_more_axes_than_what_it_is_subtracted_from(tmp_path, shape, order):
    from onnx.reference import ReferenceEvaluator

    weights, _ = mlp([6, 4, 3])
    rng = np.random.default_rng(1)
    arrays = {"W0": weights[0].T.copy(), "W1": weights[1].T.copy()}
    arrays["c"] = rng.normal(size=shape).astype(np.float32)
    nodes = [
        node("MatMul", "x W0", "m0"),
        node("Sub", order, "s"),
        node("Relu", "s", "r"),
        node("MatMul", "r W1", "y"),
    ]
    model = save(tmp_path / "m", nodes, arrays)
    rows = rng.normal(size=(5, 6)).astype(np.float32)
    (wanted,) = ReferenceEvaluator(model).run(None, {"x": rows})
    (first, last), (bias, _) = layers_of(tmp_path / "m")
    close(np.maximum(rows @ first.T + bias, 0) @ last.T, wanted.reshape(5, 3))


@pytest.mark.parametrize("seed", range(30))
def test_any_mixture_gives_what_the_graph_gives(tmp_path, seed):
    from onnx.reference import ReferenceEvaluator

    rng = np.random.default_rng(seed)
    nodes, arrays, last, width, made = [], {}, "x", 6, 0

    def put(op, *names, **attributes):
        nonlocal last, made
        made += 1
        nodes.append(node(op, " ".join(names), f"v{made}", **attributes))
        last = f"v{made}"

    def array(*shape):
        name = f"t{len(arrays)}"
        arrays[name] = rng.uniform(0.5, 1.5, shape).astype(np.float32)
        return name

    for layer in range(3):
        if layer:
            put("Relu", last)
        for kind in rng.integers(0, 6, rng.integers(0, 4)):
            if kind == 5:
                names = [array(width) for _ in range(4)]
                put("BatchNormalization", last, *names, epsilon=0.01)
                continue
            shape = [(width,), (1, width)][rng.integers(2)]
            pair = [last, array(*shape)]
            op = ["Add", "Sub", "Mul", "Div", "Mul"][kind]
            put(op, *(pair[::-1] if op != "Div" and rng.integers(2) else pair))
        wider = int(rng.integers(2, 6))
        if rng.integers(2):
            flip = int(rng.integers(2))
            shape = (wider, width) if flip else (width, wider)
            more = [array(wider)] if rng.integers(2) else []
            how = {"alpha": 0.7, "beta": 0.3, "transB": flip}
            put("Gemm", last, array(*shape), *more, **how)
        else:
            put("MatMul", last, array(width, wider))
        width = wider
    for op in ("Add", "Mul")[: rng.integers(3)]:
        put(op, last, array(width))
    put("Identity", last)
    nodes[-1].output[0] = "y"
    model = save(tmp_path / "m", nodes, arrays)
    rows = rng.normal(size=(5, 6)).astype(np.float32)
    (wanted,) = ReferenceEvaluator(model).run(None, {"x": rows})
    for index, (weight, bias) in enumerate(zip(*layers_of(tmp_path / "m"), strict=True)):
        rows = (np.maximum(rows, 0) if index else rows) @ weight.T
        rows = rows if bias is None else rows + bias
    np.testing.assert_allclose(rows, wanted, rtol=1e-3, atol=1e-4 * np.abs(wanted).max())


@pytest.mark.parametrize("opset", [9, 13])
def test_a_quick_gelu_and_clip_and_where(tmp_path, opset):
    weights, biases = mlp()
    nodes, arrays = dense(weights, biases)
    arrays |= {"q": np.array(1.702, np.float32), "low": np.array([0.0], np.float32)}
    arrays["high"] = np.array(6, np.float32)
    nodes[2:3] = [
        node("Mul", "a0 q", "q0"),
        node("Sigmoid", "q0", "s0"),
        node("Mul", "a0 s0", "r0"),
    ]
    nodes[7:8] = [
        node("Greater", "a1 low", "c1"),
        node("Mul", "a1 q", "q1"),
        node("Where", "c1 a1 q1", "w1"),
        node("Min", "w1 high", "r1"),
    ]
    save(tmp_path / "m", nodes, arrays, opset=opset)
    assert_network(tmp_path / "m", weights, biases)
    with open_model(tmp_path / "m") as model:
        assert set(model.left_out) == {"q", "low", "high"}
        assert model.left_out["q"] == "a constant of node 'node_q0' (Mul)"


UNCHAINED = {
    "PRelu": ([node("PRelu", "a0 s", "r0")], {"s": np.ones(4, np.float32)}, "'node_r0' is a PRelu"),
    "LayerNormalization": (
        [node("LayerNormalization", "a0 s", "r0")],
        {"s": np.ones(4, np.float32)},
        "'node_r0' is a LayerNormalization",
    ),
    "shortcut": ([node("Add", "a0 x", "r0")], {}, "joins what several layers give"),
    "gate": ([node("Softmax", "a0", "s"), node("Mul", "s a0", "r0")], {}, "joins two branches"),
    "two scales": (
        [node("Mul", "a0 v", "s"), node("Tanh", "s", "t"), node("Mul", "t a0", "r0")],
        {"v": np.arange(4, dtype=np.float32)},
        r"node 'node_r0' \(Mul\) joins branches that node 'node_s' \(Mul\) makes different",
    ),
    "between activations": (
        [node("Relu", "a0", "s"), node("Mul", "s v", "t"), node("Tanh", "t", "r0")],
        {"v": np.arange(4, dtype=np.float32)},
        "'node_t' .* has numbers of each unit between two activations",
    ),
    "softmax of rows": ([node("Softmax", "a0", "r0", axis=0)], {}, "is not taken over the units"),
    "turned": ([node("Transpose", "a0", "r0")], {}, "mixes rows"),
    "mixed": (
        [node("Reshape", "a0 shape", "r0")],
        {"shape": np.array([4, -1])},
        "no rows of units|unit for unit",
    ),
    "numbers of rows": (
        [node("Add", "a0 v", "r0")],
        {"v": np.ones((4, 1), np.float32)},
        "another kind than one for each unit",
    ),
    "unknown": ([helper.make_node("Odd", ["a0"], ["r0"], "odd", domain="us")], {}, "is a us.Odd"),
    "training": (
        [node("BatchNormalization", "a0 v v v v", "r0", training_mode=1)],
        {"v": np.ones(4, np.float32)},
        "is a BatchNormalization",
    ),
    "quantised": (
        [node("DequantizeLinear", "q s", "v"), node("MatMul", "a0 v", "r0")],
        {"q": np.ones((4, 4), np.int8), "s": np.array(0.1, np.float32)},
        "'node_v' is a DequantizeLinear with numbers that netkin does not read",
    ),
    "quantised by cast": (
        [
            node("Cast", "q", "c", to=TensorProto.FLOAT),
            node("Mul", "c s", "v"),
            node("MatMul", "a0 v", "r0"),
        ],
        {"q": np.ones((4, 4), np.int8), "s": np.array(0.1, np.float32)},
        "'node_c' is a Cast with numbers that netkin does not read",
    ),
    "output of a layer between": ([node("Relu", "a0", "r0")], {}, "'r0' leaves before the last"),
    "not there": ([node("Add", "a0 nothing", "r0")], {}, "takes 'nothing', which is not there"),
}


@pytest.mark.parametrize("case", UNCHAINED)
def test_what_is_no_chain_is_said(tmp_path, case):
    more, arrays, why = UNCHAINED[case]
    nodes, others = dense(*mlp([4 if case == "shortcut" else 6, 4, 4, 4]))
    outputs = ("y", "r0") if case == "output of a layer between" else ("y",)
    save(
        tmp_path / "m",
        [*nodes[:2], *more, *nodes[3:]],
        others | arrays,
        outputs=outputs,
        sizes=("n", 4) if case == "shortcut" else ("n", 6),
        opset=17,
    )
    assert re.search(why, said(tmp_path / "m"))
    with open_model(tmp_path / "m") as model:
        assert set(model.tensors) | set(model.left_out) == set(others | arrays)
        if "quantised" in case:
            assert model.left_out["q"].startswith("quantised numbers for node")
            assert "s" in model.left_out


def test_numbers_behind_the_last_activation_and_before_the_first_layer(tmp_path):
    weights, biases = mlp()
    nodes, arrays = dense(weights, biases)
    arrays["v"] = np.ones(3, np.float32)
    nodes[-1:] = [node("Tanh", "a2", "t"), node("Mul", "t v", "y")]
    save(tmp_path / "m", nodes, arrays)
    assert "numbers of each unit behind the last activation" in said(tmp_path / "m")
    nodes, arrays = dense(weights, biases)
    arrays["v"] = np.ones(6, np.float32)
    nodes[0].input[0] = "t"
    nodes[0:0] = [node("Mul", "x v", "s"), node("Tanh", "s", "t")]
    save(tmp_path / "m", nodes, arrays)
    assert "numbers of each unit before the first layer" in said(tmp_path / "m")


@pytest.mark.parametrize(
    ("sizes", "why"),
    [
        (("n", 5), "unit for unit"),
        (("n", "t", 6), r"array of shape \(n, t, 6\), no rows of units"),
        ((2, 3, 6), r"array of shape \(2, 3, 6\)"),
        (None, "does not say the shape"),
    ],
)
def test_inputs_of_other_shapes(tmp_path, sizes, why):
    nodes, arrays = dense(*mlp())
    save(tmp_path / "m", nodes, arrays, sizes=sizes)
    with open_model(tmp_path / "m") as model, pytest.raises(NetkinError, match=why):
        model.layers()


@pytest.mark.parametrize("sizes", [(6,), (1, 6), (7, 6), ("n", "k"), ("n", 1, 6), (None, None)])
def test_inputs_of_rows(tmp_path, sizes):
    weights, biases = mlp()
    save(tmp_path / "m", *dense(weights, biases), sizes=sizes)
    assert_network(tmp_path / "m", weights, biases)


def test_several_inputs_and_none(tmp_path):
    nodes, arrays = dense(*mlp())
    kind = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ("n", 6)) for name in ("x", "z")]
    nodes[0:0] = [node("Add", "x z", "xz")]
    nodes[1].input[0] = "xz"
    save(tmp_path / "m", nodes, arrays, inputs=kind)
    assert said(tmp_path / "m") == "it has 2 inputs ('x', 'z')"
    # weights of an older file are inputs too
    weights, biases = mlp()
    nodes, arrays = dense(weights, biases)
    kind = kind[:1] + [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape)
        for name, array in arrays.items()
    ]
    save(tmp_path / "old", nodes, arrays, inputs=kind)
    assert_network(tmp_path / "old", weights, biases)
    save(tmp_path / "none", [node("Add", "W0 W0", "y")], arrays)
    assert said(tmp_path / "none") == "its outputs come from no input"


def test_what_no_node_has_is_named(tmp_path):
    nodes, arrays = dense(*mlp())
    arrays |= {
        "spare": np.ones(3, np.float32),
        "empty": np.ones((0, 3), np.float32),
        "dead": np.ones((4, 4), np.float32),
        "steps": np.array(3),
    }
    nodes.append(node("MatMul", "a0 dead", "nowhere"))
    save(tmp_path / "m", nodes, arrays)
    with open_model(tmp_path / "m") as model:
        assert model.left_out == {
            "spare": "no node has it",
            "empty": "it is empty",
            "dead": "no node that leads to an output has it",
            "steps": "whole numbers: a counter, or weights of few bits",
        }
        assert len(model.layers()) == 3


def test_subgraphs_and_functions(tmp_path):
    nodes, arrays = dense(*mlp())

    def branch(name):
        constant = helper.make_node(
            "Constant", [], ["inner"], value=numpy_helper.from_array(np.ones((4, 4), np.float32))
        )
        weight = numpy_helper.from_array(np.ones((4, 4), np.float32), "weight")
        made = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        inner = [
            constant,
            node("MatMul", "a0 weight", f"{name}1"),
            node("MatMul", f"{name}1 inner", f"{name}2"),
            node("Mul", f"{name}2 outer", name),
        ]
        return helper.make_graph(inner, name, [], [made], [weight])

    nodes[2:3] = [
        helper.make_node("ReduceMax", ["a0"], ["most"], keepdims=0),
        helper.make_node("Cast", ["most"], ["c"], to=TensorProto.BOOL),
        node("If", "c", "r0", then_branch=branch("then"), else_branch=branch("else")),
    ]
    arrays["outer"] = np.ones(4, np.float32)
    save(tmp_path / "m", nodes, arrays)
    assert "ReduceMax" in said(tmp_path / "m")
    with open_model(tmp_path / "m") as model:
        assert {
            f"node_r0.{kind}_branch.{name}"
            for kind in ("then", "else")
            for name in ("weight", "inner")
        } | {"outer"} <= set(model.tensors)
    nodes, arrays = dense(*mlp())
    inner = helper.make_node("Constant", [], ["w"], value_floats=[1.0, 2.0, 3.0, 4.0])
    function = helper.make_function(
        *("us", "Gate", ["a"], ["b"], [inner, node("Mul", "a w", "b")]),
        [helper.make_opsetid("", 17)],
    )
    nodes[2] = helper.make_node("Gate", ["a0"], ["r0"], "gate", domain="us")
    save(tmp_path / "f", nodes, arrays, functions=[function])
    assert said(tmp_path / "f") == "node 'gate' (us.Gate) is a function of the file"
    with open_model(tmp_path / "f") as model:
        np.testing.assert_array_equal(model.tensors["us:Gate.w"][:], [1, 2, 3, 4])


# --- numbers ----------------------------------------------------------------------------

KINDS = {
    "float16": (TensorProto.FLOAT16, torch.float16),
    "bfloat16": (TensorProto.BFLOAT16, torch.bfloat16),
    "float8_e4m3fn": (TensorProto.FLOAT8E4M3FN, torch.float8_e4m3fn),
    "float8_e5m2": (TensorProto.FLOAT8E5M2, torch.float8_e5m2),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("raw", [False, True])
def test_few_bits_become_float32_exactly(tmp_path, kind, raw):
    number, like = KINDS[kind]
    values = torch.linspace(-3, 3, 24).reshape(4, 6).to(like)
    bits = values.view(torch.uint8 if "8_" in kind else torch.int16).numpy()
    tensor = TensorProto(name="W", data_type=number, dims=(4, 6))
    if raw:
        tensor.raw_data = bits.tobytes()
    else:
        unsigned = bits.view(np.uint8 if "8_" in kind else np.uint16)
        tensor.int32_data.extend(unsigned.ravel().tolist())
    nodes = [
        node("Cast", "W", "Wf", to=TensorProto.FLOAT),
        node("Gemm", "x Wf", "y", transB=1),
    ]
    save(tmp_path / "m", nodes, {"W": tensor})
    (weight,), _ = layers_of(tmp_path / "m")
    assert weight.dtype == np.float32
    np.testing.assert_array_equal(weight, values.float().numpy())
    with open_model(tmp_path / "m") as model:
        assert model.tensors["W"].dtype == kind
        np.testing.assert_array_equal(model.tensors["W"][1:3], weight[1:3])


@pytest.mark.parametrize("raw", [False, True])
def test_double_precision_stays(tmp_path, raw):
    weights, biases = mlp(dtype=np.float64)
    nodes, arrays = dense(weights, biases)
    if not raw:
        arrays = {
            name: helper.make_tensor(name, TensorProto.DOUBLE, array.shape, array.ravel())
            for name, array in arrays.items()
        }
    save(tmp_path / "m", nodes, arrays)
    assert_network(tmp_path / "m", weights, biases)
    assert {each.dtype for part in layers_of(tmp_path / "m") for each in part} == {
        np.dtype(np.float64)
    }


def test_kinds_that_are_not_read_are_named(tmp_path):
    nodes, arrays = dense(*mlp())
    arrays["four"] = helper.make_tensor("four", TensorProto.FLOAT4E2M1, (2,), [1.0, 2.0])
    arrays["complex"] = np.ones(2, np.complex64)
    arrays["text"] = helper.make_tensor("text", TensorProto.STRING, (1,), [b"a"])
    save(tmp_path / "m", nodes, arrays)
    with open_model(tmp_path / "m") as model:
        assert {model.left_out[name] for name in ("four", "complex", "text")} == {
            f"stored as {kind}, which netkin does not read"
            for kind in ("FLOAT4E2M1", "COMPLEX64", "STRING")
        }


# --- numbers in other files -------------------------------------------------------------


def save_outside(path, location="weights.bin", **changed):
    """Write a network whose weights lie in another file; return what it is."""
    weights, biases = mlp()
    nodes, arrays = dense(weights, biases)
    content, tensors = b"", {}
    for name, array in arrays.items():
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=array.shape)
        tensor.data_location = TensorProto.EXTERNAL
        content += bytes(-len(content) % 64)
        where = {"location": location, "offset": len(content), "length": array.nbytes}
        for key, value in (where | (changed if name == "W1" else {})).items():
            tensor.external_data.add(key=key, value=str(value))
        content += array.tobytes()
        tensors[name] = tensor
    save(path, nodes, tensors)
    return weights, biases, content


def test_weights_beside_the_file(tmp_path):
    weights, biases, content = save_outside(tmp_path / "m.onnx")
    with pytest.raises(NetkinError, match=r"'W0' are in 'weights.bin', which is missing; it be"):
        layers_of(tmp_path / "m.onnx")
    (tmp_path / "weights.bin").write_bytes(content)
    assert_network(tmp_path / "m.onnx", weights, biases)
    (tmp_path / "weights.bin").write_bytes(content[:-1])
    with pytest.raises(NetkinError, match=r"'b2' lies at the bytes .* of weights\.bin, which has"):
        layers_of(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"offset": 10**6}, "lies at the bytes 1,000,000 to"),
        ({"offset": -4}, "allowed are whole numbers"),
        ({"offset": "9" * 30}, "allowed are whole numbers"),
        ({"length": 4}, "declares 64 bytes and has 4"),
        ({"length": "many"}, "allowed are whole numbers"),
    ],
)
def test_places_that_are_none(tmp_path, changed, why):
    content = save_outside(tmp_path / "m.onnx", **changed)[2]
    (tmp_path / "weights.bin").write_bytes(content)
    with pytest.raises(NetkinError, match=rf"m.onnx: 'W1' .*{why}"):
        layers_of(tmp_path / "m.onnx")


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "a/../../secret", "", "link"])
def test_numbers_outside_the_folder_are_not_read(tmp_path, location):
    (tmp_path / "in").mkdir()
    content = save_outside(tmp_path / "in" / "m.onnx", location)[2]
    (tmp_path / "secret").write_bytes(content)
    (tmp_path / "in" / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(NetkinError, match=r"m.onnx: the numbers of 'W0' are .* alone\."):
        layers_of(tmp_path / "in" / "m.onnx")


def test_a_folder_within_is_read(tmp_path):
    weights, biases, content = save_outside(tmp_path / "m.onnx", "part/w")
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "w").write_bytes(content)
    assert_network(tmp_path / "m.onnx", weights, biases)


def test_a_cache_of_links_and_a_link_to_a_model(tmp_path):
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "0a"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    weights, biases, content = save_outside(blobs / "aaa", "m.onnx_data")
    (blobs / "bbb").write_bytes(content)
    (snapshot / "m.onnx").symlink_to("../../blobs/aaa")
    (snapshot / "m.onnx_data").symlink_to("../../blobs/bbb")
    assert_network(snapshot / "m.onnx", weights, biases)
    (blobs / "m.onnx_data").write_bytes(content)
    (tmp_path / "elsewhere.onnx").symlink_to(blobs / "aaa")
    assert_network(tmp_path / "elsewhere.onnx", weights, biases)


# --- damage -----------------------------------------------------------------------------


def test_a_file_cut_anywhere_is_refused(tmp_path):
    nodes, arrays = dense(*mlp())
    save(tmp_path / "whole", nodes, arrays)
    whole = (tmp_path / "whole").read_bytes()
    imports = len(helper.make_opsetid("ai.onnx.ml", 3).SerializeToString()) + 2
    for length in [*range(0, len(whole) - imports, 3), len(whole) - imports - 1]:
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(NetkinError, match=r"cut: ") as told:
            layers_of(tmp_path / "cut")
        assert "elete" not in str(told.value)


def test_a_changed_byte_is_a_sentence_or_a_network(tmp_path):
    nodes, arrays = dense(*mlp([3, 2, 2]))
    save(tmp_path / "whole", nodes, arrays, sizes=("n", 3))
    whole = (tmp_path / "whole").read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.permutation(len(whole))[:400]:
        changed = bytearray(whole)
        changed[place] ^= 1 << int(rng.integers(8))
        (tmp_path / "changed").write_bytes(changed)
        try:
            layers_of(tmp_path / "changed")
        except NetkinError as error:
            assert "changed: " in str(error)


def test_sizes_that_are_not_there_are_refused(tmp_path):
    nodes, arrays = dense(*mlp())
    tensor = TensorProto(name="W0", data_type=TensorProto.FLOAT, dims=(10**9, 10**9))
    for raw in (b"", b"1234"):
        tensor.raw_data = raw
        save(tmp_path / "m", nodes, arrays | {"W0": tensor})
        with pytest.raises(NetkinError, match=r"'W0' declares 4,000,000,000,000,000,000 bytes"):
            layers_of(tmp_path / "m")
    tensor.dims[0] = -1
    save(tmp_path / "m", nodes, arrays | {"W0": tensor})
    with pytest.raises(NetkinError, match=r"'W0' has the shape \(-1, 1000000000\)"):
        layers_of(tmp_path / "m")


def test_two_tensors_of_one_name_are_refused(tmp_path):
    nodes, arrays = dense(*mlp())
    model = save(tmp_path / "m", nodes, arrays)
    model.graph.initializer.append(model.graph.initializer[0])
    onnx.save_model(model, tmp_path / "m")
    with pytest.raises(NetkinError, match="m: two tensors are called 'W0'"):
        layers_of(tmp_path / "m")


def test_fields_may_come_in_any_order(tmp_path):
    weights, biases = mlp()
    model = save(tmp_path / "m", *dense(weights, biases))
    graph = onnx.ModelProto(graph=model.graph).SerializeToString()
    model.ClearField("graph")
    (tmp_path / "m").write_bytes(graph + model.SerializeToString())
    assert_network(tmp_path / "m", weights, biases)


def test_what_is_no_onnx_is_not_taken_for_it(tmp_path):
    save(tmp_path / "m", *dense(*mlp()))
    (tmp_path / "m.gz").write_bytes(gzip.compress((tmp_path / "m").read_bytes()))
    rng = np.random.default_rng(0)
    for index in range(300):
        name = "m.gz" if index == 0 else "noise"
        (tmp_path / "noise").write_bytes(b"\x08\x0a" * (index % 2) + rng.bytes(200))
        with pytest.raises(NetkinError) as told, open_model(tmp_path / name):
            pass
        assert "ONNX file" not in str(told.value)


def test_without_the_package_a_sentence_says_so(tmp_path, monkeypatch):
    save(tmp_path / "m", *dense(*mlp()))
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(NetkinError, match=r"m: a file of ONNX, which is not installed \(pip"):
        layers_of(tmp_path / "m")


def test_nothing_grows_beyond_what_is_in_the_file(tmp_path):
    nodes, arrays = dense(*mlp())
    arrays |= {"v": np.ones((10**6, 1), np.float32), "w": np.ones((1, 10**6), np.float32)}
    nodes[0:0] = [node("Mul", "v w", "vw")]
    nodes[1].input[1] = "vw"
    save(tmp_path / "m", nodes, arrays)
    assert (tmp_path / "m").stat().st_size < 10**7
    assert said(tmp_path / "m") == "node 'node_vw' is a Mul"
