"""A wiring file makes of bare tensors the graph that an equal network has."""

import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from netkin.diagram.network import graph_diagram
from netkin.errors import NetkinError
from netkin.graph.blocks import first_vertices, unrolled
from netkin.graph.builder import Builder, Parameter
from netkin.network.format import open_model
from netkin.network.format.input_shape import parse_input_shape
from netkin.network.format.operators import OPERATORS
from netkin.network.format.wiring_file import graph_from_wiring, read_wiring

pytestmark = pytest.mark.budget("graphs")
SILERO = Path(find_spec("silero_vad").submodule_search_locations[0]) / "data"
SILERO_WIRING = """
input: {sound: [1, samples]}
layers:
  - {name: stft, op: convolution, weight: stft_conv.weight, stride: 128}
  - {name: real, op: slice, input: stft, stop: 129, activation: square}
  - {name: imaginary, op: slice, input: stft, start: 129, activation: square}
  - {name: size, op: add, inputs: [real, imaginary], activation: sqrt}
  - {op: convolution, weight: conv1.weight, bias: conv1.bias, padding: 1, activation: relu}
  - {op: convolution, weight: conv2.weight, bias: conv2.bias, padding: 1, stride: 2,
     activation: relu}
  - {op: convolution, weight: conv3.weight, bias: conv3.bias, padding: 1, stride: 2,
     activation: relu}
  - {op: convolution, weight: conv4.weight, bias: conv4.bias, padding: 1, activation: relu}
  - {op: lstm, axis: 1, weight_ih: lstm_cell.weight_ih, weight_hh: lstm_cell.weight_hh,
     bias_ih: lstm_cell.bias_ih, bias_hh: lstm_cell.bias_hh, activation: relu}
  - {op: convolution, weight: final_conv.weight, bias: final_conv.bias, activation: sigmoid}
"""


def written(folder, text):
    path = folder / "wiring.yaml"
    path.write_text(text)
    return path


def wired(folder, weights, text, shape=""):
    """Return the graph of tensors by a file of wiring."""
    save_file(weights, folder / "weights.safetensors")
    with open_model(folder / "weights.safetensors") as model:
        return graph_from_wiring(
            model, read_wiring(written(folder, text)), parse_input_shape(shape)
        )


def silero_by_hand(weights, samples):
    """Return the same network, each rule called by hand."""

    def numbers(name):
        return Parameter(weights[name].numpy(), (name,))

    build = Builder()
    x = build.input("sound", (1, 1, samples), 1)
    window = {"dilation": [1], "padding": [(1, 1)]}
    x = build.convolution(
        x, numbers("stft_conv.weight"), name="stft", stride=[128], padding=[(0, 0)], dilation=[1]
    )
    parts = [
        build.activation(build.moved(x, lambda a, s=s: a[:, s]), "square", "square")
        for s in (slice(0, 129), slice(129, None))
    ]
    x = build.activation(build.add(parts, "size"), "sqrt", "sqrt")
    for k, stride in zip((1, 2, 3, 4), (1, 2, 2, 1), strict=True):
        weight, bias = numbers(f"conv{k}.weight"), numbers(f"conv{k}.bias")
        x = build.convolution(x, weight, bias, name=f"conv{k}", stride=[stride], **window)
        x = build.activation(x, "relu", "relu")
    x = build.moved(x, lambda a: a[0].T)
    x = build.recurrent(
        x,
        "lstm",
        numbers("lstm_cell.weight_ih"),
        numbers("lstm_cell.weight_hh"),
        [numbers("lstm_cell.bias_ih"), numbers("lstm_cell.bias_hh")],
        name="lstm",
    )
    x = build.moved(build.activation(x, "relu", "relu"), lambda a: a.T[None])
    build.convolution(
        x,
        numbers("final_conv.weight"),
        numbers("final_conv.bias"),
        name="final",
        stride=[1],
        padding=[(0, 0)],
        dilation=[1],
    )
    return build.finish()


def edges_of(graph):
    """Return all edges as sorted rows of (source, target, weight)."""
    edges = unrolled(graph)
    rows = np.stack([edges.source, edges.target, edges.weight], axis=1)
    return rows[np.lexsort(rows.T)]


def test_silero_by_a_wiring_file_is_the_network_built_by_hand(tmp_path):
    path = SILERO / "silero_vad_16k.safetensors"
    with open_model(path) as model:
        wiring = read_wiring(written(tmp_path, SILERO_WIRING))
        graph = graph_from_wiring(model, wiring, parse_input_shape("samples=1152"))
        by_file = graph_diagram(graph).diagram
    weights = load_file(path)
    by_hand = silero_by_hand(weights, 1152)
    assert graph.sizes == {"samples": 1152}
    assert not graph.unused
    assert graph.parameters == sum(one.numel() for one in weights.values()) == 309_633
    np.testing.assert_array_equal(edges_of(graph), edges_of(by_hand))
    other = graph_diagram(by_hand).diagram
    for one, two in zip(by_file.intervals, other.intervals, strict=True):
        np.testing.assert_array_equal(one, two)


class Silero(torch.nn.Module):
    """The same network as a module of torch, without the padding before and the mean behind."""

    def __init__(self, weights):
        super().__init__()
        self.stft_conv = torch.nn.Conv1d(1, 258, 256, stride=128, bias=False)
        self.conv1 = torch.nn.Conv1d(129, 128, 3, padding=1)
        self.conv2 = torch.nn.Conv1d(128, 64, 3, padding=1, stride=2)
        self.conv3 = torch.nn.Conv1d(64, 64, 3, padding=1, stride=2)
        self.conv4 = torch.nn.Conv1d(64, 128, 3, padding=1)
        self.lstm_cell = torch.nn.LSTM(128, 128)
        self.final_conv = torch.nn.Conv1d(128, 1, 1)
        of_cell = re.compile(r"(lstm_cell\.(weight|bias)_[ih]h)")
        self.load_state_dict({of_cell.sub(r"\1_l0", k): v for k, v in weights.items()})

    def forward(self, x):
        x = self.stft_conv(x)
        x = (x[:, :129] ** 2 + x[:, 129:] ** 2).sqrt()
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            x = layer(x).relu()
        x, _ = self.lstm_cell(x.permute(2, 0, 1))
        return self.final_conv(x.permute(1, 2, 0).relu()).sigmoid()


@pytest.mark.filterwarnings("ignore")  # of torch's exporter
def test_silero_by_a_wiring_file_has_the_diagram_of_an_export_to_onnx(tmp_path):
    path = SILERO / "silero_vad_16k.safetensors"
    module = Silero(load_file(path)).eval()
    torch.onnx.export(
        module, (torch.zeros(1, 1, 1152),), tmp_path / "silero.onnx", dynamo=False, opset_version=17
    )
    with open_model(tmp_path / "silero.onnx") as model:
        by_onnx = graph_diagram(model.graph()).diagram
    with open_model(path) as model:
        wiring = read_wiring(written(tmp_path, SILERO_WIRING))
        graph = graph_from_wiring(model, wiring, parse_input_shape("samples=1152"))
        by_file = graph_diagram(graph).diagram
    for part in ("intervals", "counts"):
        for one, two in zip(getattr(by_file, part), getattr(by_onnx, part), strict=True):
            np.testing.assert_array_equal(one, two)


def random_weights(shapes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def slope(graph, x, n_out):
    """Return the linear map of a graph without activations, from its inputs to its last units."""
    first = first_vertices(graph.groups)
    edges = unrolled(graph)
    values = np.zeros((first[-1], x))
    values[np.arange(x), np.arange(x)] = 1
    for place in range(1, len(graph.groups)):
        mine = (edges.target >= first[place]) & (edges.target < first[place + 1])
        mine &= edges.source >= 0
        np.add.at(values, edges.target[mine], values[edges.source[mine]] * edges.weight[mine, None])
    return values[first[-1] - n_out : first[-1]]


def test_layers_by_a_wiring_file_have_torchs_jacobian(tmp_path):
    weights = random_weights(
        {
            **{"a": (4, 1, 3, 3), "ab": (4,), "b": (4, 3, 2, 2), "c": (132, 5), "cb": (5,)},
            **{"n.weight": (4,), "n.bias": (4,), "n.running_mean": (4,), "d": (5, 5)},
            **{"spare": (2,)},
        }
    )
    weights["n.running_var"] = torch.rand(4) + 0.5
    text = """
input: {x: [2, height, 4]}
layers:
  - {name: a, op: convolution, weight: a, bias: ab, padding: half, groups: 2}
  - {name: n, op: batch_norm, weight: n.weight, bias: n.bias, running_mean: n.running_mean,
     running_var: n.running_var, eps: 0.001}
  - {name: b, op: transposed_convolution, input: n, weight: b, stride: 2, output_padding: [1, 0]}
  - {name: p, op: mean_pool, kernel: [5, 4], stride: [2, 4]}
  - {name: u, op: upsample, factor: [1, 3]}
  - {name: u2, op: slice, input: u, axis: 3, start: 1}
  - {name: both, op: concatenate, inputs: [u, u2], axis: 3}
  - {op: flatten}
  - {name: c, op: linear, weight: c, transposed: true, bias: cb}
  - {name: d, op: linear, weight: d}
  - {name: sum, op: add, inputs: [c, d]}
leave_out: [spare]
"""
    functional = torch.nn.functional

    def network(x):
        x = functional.conv2d(x[None], weights["a"], weights["ab"], padding=1, groups=2)
        x = functional.batch_norm(
            *(x, weights["n.running_mean"], weights["n.running_var"]),
            *(weights["n.weight"], weights["n.bias"]),
            eps=0.001,
        )
        x = functional.conv_transpose2d(x, weights["b"], stride=2, output_padding=(1, 0))
        x = functional.interpolate(functional.avg_pool2d(x, (5, 4), (2, 4)), scale_factor=(1, 3))
        x = torch.cat([x, x[..., 1:]], dim=3).flatten(1) @ weights["c"] + weights["cb"]
        return (x + x @ weights["d"].T)[0]

    assert network(torch.zeros(2, 5, 4)).shape == (5,)
    graph = wired(tmp_path, weights, text, "height=5")
    wanted = torch.autograd.functional.jacobian(network, torch.zeros(2, 5, 4)).reshape(5, -1)
    np.testing.assert_allclose(slope(graph, 40, 5), wanted.numpy(), rtol=1e-4, atol=1e-5)
    assert graph.unused == {"spare": "left out by the wiring file"}
    assert graph.sizes == {"height": 5}
    used = {name for block in graph.blocks for name in block.made_of}
    assert used == set(weights) - {"spare", "n.running_mean", "n.running_var"}


FIRST = "input: {x: [2]}\nlayers:\n  - {op: linear, weight: w}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("layers: []", "input: found null"),
        ("input: {x: [2]}", "layers: found null"),
        ("input: {x: [0]}\nlayers: [{op: linear, weight: w}]", "input.x: found [0]"),
        (f"{FIRST}\nlayer: 3", "unknown key 'layer'. Did you mean 'layers'?"),
        ("input: {x: [2]}\nlayers: [{op: linaer, weight: w}]", "Did you mean 'linear'?"),
        ("input: {x: [2]}\nlayers: [{op: linear, wight: w}]", "Did you mean 'weight'?"),
        ("input: {x: [2]}\nlayers: [{op: linear}]", "the option 'weight' is missing"),
        ("input: {x: [2]}\nlayers: [{op: linear, weight: 3}]", "weight: found 3"),
        ("input: {x: [2]}\nlayers: [{op: linear, weight: W}]", "no tensor is called 'W'"),
        ("input: {x: [3]}\nlayers: [{op: linear, weight: w}]", "shape (2, 2) for 3 units"),
        ("input: {x: [n]}\nlayers: [{op: linear, weight: w}]", "such as n=128"),
        (f"{FIRST}\n  - {{op: linear, input: y, weight: w}}", "is called 'y'"),
        (f"{FIRST}\n  - {{op: add, input: x}}", "add: found 1 inputs. Allowed: 2 or more"),
        (f"{FIRST}\n  - {{op: flatten, name: x}}", "'x' stands twice"),
        (f"{FIRST}\n  - {{op: activation, activation: rleu}}", "Did you mean 'relu'?"),
        (f"{FIRST}\n  - {{op: max_pool, kernel: 2}}", "which have no grid"),
        (f"{FIRST}\n  - {{op: shift, weight: b, axis: 0}}", "the axis 0"),
        (f"{FIRST}\n  - {{op: reshape, shape: [3]}}", "shape: found [3]"),
        (FIRST, "nothing is said of 'b'"),
        (f"{FIRST}\nleave_out: [c]", "leave_out: no tensor is called 'c'"),
        (f"{FIRST}\nleave_out: [w, b]", "'w' is used by a layer"),
    ],
)
def test_a_wrong_wiring_file_is_one_sentence(text, said, tmp_path):
    with pytest.raises(NetkinError) as error:
        wired(tmp_path, {"w": torch.ones(2, 2), "b": torch.ones(2)}, text)
    assert str(error.value).startswith(str(tmp_path / "wiring.yaml"))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


DOCS = Path(__file__).resolve().parent.parent / "docs" / "graphs.md"


def test_the_docs_name_every_operator():
    text = DOCS.read_text()
    assert not [name for name in OPERATORS if f"`{name}`" not in text]


def test_examples_of_the_docs_are_wiring_files(tmp_path):
    blocks = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(), re.DOTALL)
    examples = [block for block in blocks if block.startswith("input:")]
    assert len(examples) >= 2
    for text in examples:
        assert read_wiring(written(tmp_path, text)).layers
