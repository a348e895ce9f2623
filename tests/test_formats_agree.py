"""One torch module in every format gives one diagram."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from netkin import graph_of
from netkin.diagram.network import graph_diagram
from netkin.network.format import open_model
from netkin.network.format.input_shape import InputShape
from netkin.network.format.wiring_file import graph_from_wiring, read_wiring
from netkin.torchvision_compat import import_torchvision

# torch's own, of its exporters
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.budget("format")]


class Cnn(nn.Sequential):
    """Convolutions with batch norm, pooling, a dense head."""

    wiring = """
input: {x: [2, 9, 8]}
layers:
  - {op: convolution, weight: 0.weight, bias: 0.bias, padding: 1}
  - {op: batch_norm, weight: 1.weight, bias: 1.bias, running_mean: 1.running_mean,
     running_var: 1.running_var, activation: relu}
  - {op: max_pool, kernel: 2}
  - {op: convolution, weight: 4.weight, stride: 2, padding: 1}
  - {op: batch_norm, weight: 5.weight, bias: 5.bias, running_mean: 5.running_mean,
     running_var: 5.running_var, activation: relu}
  - {op: flatten}
  - {op: linear, weight: 8.weight, bias: 8.bias}
"""

    def __init__(self):
        super().__init__(
            nn.Conv2d(2, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 6, 3, 2, 1, bias=False),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(24, 3),
        )


def norm(name):
    return ", ".join(
        f"{part}: {name}.{part}" for part in ("weight", "bias", "running_mean", "running_var")
    )


class Basic(nn.Module):
    """Two residual blocks of two convolutions, the second with a projection."""

    wiring = f"""
input: {{x: [1, 8, 8]}}
layers:
  - {{name: s, op: convolution, weight: stem.weight, bias: stem.bias}}
  - {{op: convolution, weight: a.weight, padding: 1}}
  - {{op: batch_norm, {norm("na")}, activation: relu}}
  - {{op: convolution, weight: b.weight, padding: 1}}
  - {{name: y, op: batch_norm, {norm("nb")}}}
  - {{name: z, op: add, inputs: [y, s], activation: relu}}
  - {{op: convolution, weight: c.weight, padding: 1, stride: 2}}
  - {{op: batch_norm, {norm("nc")}, activation: relu}}
  - {{op: convolution, weight: d.weight, padding: 1}}
  - {{name: u, op: batch_norm, {norm("nd")}}}
  - {{op: convolution, input: z, weight: p.weight, stride: 2}}
  - {{name: v, op: batch_norm, {norm("np")}}}
  - {{op: add, inputs: [u, v], activation: relu}}
  - {{op: mean, axes: [2, 3]}}
  - {{op: linear, weight: head.weight, bias: head.bias}}
"""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3)
        self.a, self.na = nn.Conv2d(4, 4, 3, 1, 1, bias=False), nn.BatchNorm2d(4)
        self.b, self.nb = nn.Conv2d(4, 4, 3, 1, 1, bias=False), nn.BatchNorm2d(4)
        self.c, self.nc = nn.Conv2d(4, 6, 3, 2, 1, bias=False), nn.BatchNorm2d(6)
        self.d, self.nd = nn.Conv2d(6, 6, 3, 1, 1, bias=False), nn.BatchNorm2d(6)
        self.p, self.np = nn.Conv2d(4, 6, 1, 2, bias=False), nn.BatchNorm2d(6)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        s = self.stem(x)
        z = functional.relu(self.nb(self.b(functional.relu(self.na(self.a(s))))) + s)
        u = self.nd(self.d(functional.relu(self.nc(self.c(z)))))
        return self.head(functional.relu(u + self.np(self.p(z))).mean((2, 3)))


class Bottleneck(nn.Module):
    wiring = f"""
input: {{x: [4, 5, 5]}}
layers:
  - {{op: convolution, weight: a.weight}}
  - {{op: batch_norm, {norm("na")}, activation: relu}}
  - {{op: convolution, weight: b.weight, padding: 1}}
  - {{op: batch_norm, {norm("nb")}, activation: relu}}
  - {{op: convolution, weight: c.weight}}
  - {{name: y, op: batch_norm, {norm("nc")}}}
  - {{op: add, inputs: [y, x], activation: relu}}
  - {{op: mean, axes: [2, 3]}}
  - {{op: linear, weight: head.weight, bias: head.bias}}
"""

    def __init__(self):
        super().__init__()
        self.a, self.na = nn.Conv2d(4, 2, 1, bias=False), nn.BatchNorm2d(2)
        self.b, self.nb = nn.Conv2d(2, 2, 3, 1, 1, bias=False), nn.BatchNorm2d(2)
        self.c, self.nc = nn.Conv2d(2, 4, 1, bias=False), nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        y = functional.relu(self.na(self.a(x)))
        y = functional.relu(self.nb(self.b(y)))
        y = functional.relu(self.nc(self.c(y)) + x)
        return self.head(functional.adaptive_avg_pool2d(y, 1).flatten(1))


class Excited(nn.Module):
    """Depthwise convolution, squeeze and excite."""

    wiring = f"""
input: {{x: [2, 6, 5]}}
layers:
  - {{op: convolution, weight: a.weight, bias: a.bias}}
  - {{op: batch_norm, {norm("na")}, activation: silu}}
  - {{op: convolution, weight: b.weight, groups: 4, padding: 1}}
  - {{name: y, op: batch_norm, {norm("nb")}, activation: silu}}
  - {{op: mean, axes: [2, 3], keep: true}}
  - {{op: convolution, weight: down.weight, bias: down.bias, activation: silu}}
  - {{name: g, op: convolution, weight: up.weight, bias: up.bias, activation: sigmoid}}
  - {{op: multiply, inputs: [y, g]}}
  - {{op: convolution, weight: last.weight, bias: last.bias}}
"""

    def __init__(self):
        super().__init__()
        self.a, self.na = nn.Conv2d(2, 4, 1), nn.BatchNorm2d(4)
        self.b, self.nb = nn.Conv2d(4, 4, 3, 1, 1, groups=4, bias=False), nn.BatchNorm2d(4)
        self.down, self.up, self.last = nn.Conv2d(4, 2, 1), nn.Conv2d(2, 4, 1), nn.Conv2d(4, 3, 1)

    def forward(self, x):
        y = functional.silu(self.na(self.a(x)))
        y = functional.silu(self.nb(self.b(y)))
        gate = self.up(functional.silu(self.down(functional.adaptive_avg_pool2d(y, 1))))
        return self.last(y * torch.sigmoid(gate))


class UNet(nn.Module):
    wiring = """
input: {x: [1, 8, 6]}
layers:
  - {name: a, op: convolution, weight: a.weight, bias: a.bias, padding: 1, activation: relu}
  - {op: convolution, weight: b.weight, bias: b.bias, stride: 2, padding: 1, activation: relu}
  - {name: up, op: transposed_convolution, weight: up.weight, bias: up.bias, stride: 2}
  - {op: concatenate, inputs: [a, up]}
  - {op: convolution, weight: last.weight, bias: last.bias}
"""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(3, 4, 3, 2, 1)
        self.up, self.last = nn.ConvTranspose2d(4, 3, 2, 2), nn.Conv2d(6, 2, 1)

    def forward(self, x):
        x = functional.relu(self.a(x))
        return self.last(torch.cat([x, self.up(functional.relu(self.b(x)))], 1))


class DenseBlock(nn.Module):
    """Norms stand before the convolutions, so that their shifts are biases of each place."""

    wiring = f"""
input: {{x: [1, 6, 6]}}
layers:
  - {{name: a, op: convolution, weight: a.weight, bias: a.bias, padding: 1}}
  - {{op: batch_norm, {norm("na")}, activation: relu}}
  - {{name: b, op: convolution, weight: b.weight, padding: 1}}
  - {{name: ab, op: concatenate, inputs: [a, b]}}
  - {{op: batch_norm, {norm("nb")}, activation: relu}}
  - {{name: c, op: convolution, weight: c.weight, padding: 1}}
  - {{op: concatenate, inputs: [ab, c]}}
  - {{op: batch_norm, {norm("nc")}, activation: relu}}
  - {{op: mean, axes: [2, 3]}}
  - {{op: linear, weight: head.weight, bias: head.bias}}
"""

    def __init__(self):
        super().__init__()
        self.a, self.na = nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.b, self.nb = nn.Conv2d(3, 2, 3, padding=1, bias=False), nn.BatchNorm2d(5)
        self.c, self.nc = nn.Conv2d(5, 2, 3, padding=1, bias=False), nn.BatchNorm2d(7)
        self.head = nn.Linear(7, 2)

    def forward(self, x):
        x = self.a(x)
        x = torch.cat([x, self.b(functional.relu(self.na(x)))], 1)
        x = torch.cat([x, self.c(functional.relu(self.nb(x)))], 1)
        return self.head(functional.relu(self.nc(x)).mean((2, 3)))


def recurrent_wiring(op, layers, directions):
    """Return the wiring of a recurrent network of torch whose last step goes to a dense layer."""
    lines, last = [], "x"
    for layer in range(layers):
        made = []
        for end in ("", "_reverse")[:directions]:
            made.append(f"{op}{layer}{end}")
            names = ", ".join(
                f"{part}: layer.{part}_l{layer}{end}"
                for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            back = ", reverse: true" if end else ""
            lines.append(f"  - {{name: {made[-1]}, op: {op}, input: {last}, {names}{back}}}")
        last = f"layer {layer}"
        if directions == 2:
            lines.append(f"  - {{name: {last}, op: concatenate, inputs: {made}, axis: -1}}")
        else:
            last = made[0]
    joined = "\n".join(lines)
    return f"""
input: {{x: [5, 3]}}
layers:
{joined}
  - {{op: take, index: -1}}
  - {{op: linear, weight: last.weight, bias: last.bias}}
"""


class Recurrent(nn.Module):
    def __init__(self, kind, layers=1, directions=1):
        super().__init__()
        self.layer = kind(3, 4, layers, batch_first=True, bidirectional=directions == 2)
        self.last = nn.Linear(4 * directions, 2)
        self.wiring = recurrent_wiring(kind.__name__.lower(), layers, directions)

    def forward(self, x):
        return self.last(self.layer(x)[0][:, -1])


class Layer(nn.Module):
    """A layer of a transformer, the norms before or after."""

    def __init__(self, pre, gelu="none"):
        super().__init__()
        self.n1, self.n2 = nn.LayerNorm(8), nn.LayerNorm(8)
        self.q, self.k, self.v, self.o = (nn.Linear(8, 8) for _ in range(4))
        self.up, self.down = nn.Linear(8, 12), nn.Linear(12, 8)
        self.pre, self.gelu = pre, gelu

    def attend(self, x):
        parts = (part(x).reshape(1, -1, 2, 4).transpose(1, 2) for part in (self.q, self.k, self.v))
        mixed = functional.scaled_dot_product_attention(*parts, is_causal=self.gelu == "tanh")
        return self.o(mixed.transpose(1, 2).reshape(1, -1, 8))

    def mlp(self, x):
        return self.down(functional.gelu(self.up(x), approximate=self.gelu))

    def forward(self, x):
        if self.pre:
            x = x + self.attend(self.n1(x))
            return x + self.mlp(self.n2(x))
        x = self.n1(x + self.attend(x))
        return self.n2(x + self.mlp(x))


def layer_wiring(name, reads, pre):
    """Return the wiring of a `Layer` of that name, whose last one is called 'out'."""

    def dense(part, given, **more):
        options = "".join(f", {key}: {value}" for key, value in more.items())
        weights = f"weight: {name}{part}.weight, bias: {name}{part}.bias"
        return f"  - {{name: {part}, op: linear, input: {given}, {weights}{options}}}"

    def normed(part, given):
        weights = f"weight: {name}{part}.weight, bias: {name}{part}.bias"
        return f"  - {{name: {part}, op: layer_norm, input: {given}, {weights}}}"

    def attention(given):
        return [
            *(dense(part, given) for part in "qkv"),
            "  - {name: mixed, op: attention, inputs: [q, k, v], heads: 2}",
            dense("o", "mixed"),
        ]

    def added(label, one, other):
        return f"  - {{name: {label}, op: add, inputs: [{one}, {other}]}}"

    if pre:
        lines = [
            normed("n1", reads),
            *attention("n1"),
            added("middle", reads, "o"),
            normed("n2", "middle"),
            dense("up", "n2", activation="gelu"),
            dense("down", "up"),
            added("out", "middle", "down"),
        ]
    else:
        lines = [
            *attention(reads),
            added("sum", reads, "o"),
            normed("n1", "sum"),
            dense("up", "n1", activation="gelu"),
            dense("down", "up"),
            added("sum2", "n1", "down"),
            normed("n2", "sum2"),
        ]
    return "\n".join(lines)


class ViT(nn.Module):
    """A class token and learned positions."""

    def __init__(self, pre):
        super().__init__()
        self.patches, self.layer = nn.Conv2d(1, 8, 4, 4), Layer(pre)
        self.token = nn.Parameter(torch.zeros(1, 1, 8))
        self.places = nn.Parameter(torch.zeros(1, 5, 8))
        self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 3)
        self.wiring = f"""
input: {{x: [1, 8, 8]}}
layers:
  - {{op: convolution, weight: patches.weight, bias: patches.bias, stride: 4}}
  - {{op: reshape, shape: [8, -1]}}
  - {{name: patches, op: transpose, order: [0, 2, 1]}}
  - {{name: token, op: parameter, weight: token}}
  - {{op: concatenate, inputs: [token, patches], axis: 1}}
  - {{name: tokens, op: shift, weight: places}}
{layer_wiring("layer.", "tokens", pre)}
  - {{op: layer_norm, weight: norm.weight, bias: norm.bias}}
  - {{op: take, index: 0}}
  - {{op: linear, weight: head.weight, bias: head.bias}}
"""

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(1, -1, -1), x], 1) + self.places
        return self.head(self.norm(self.layer(x))[:, 0])


class Gpt(nn.Module):
    """Tokens, positions, a causal layer, logits."""

    wiring = f"""
input: {{ids: [6]}}
layers:
  - {{name: w, op: embedding, input: ids, weight: words.weight}}
  - {{name: tokens, op: shift, weight: places.weight}}
{layer_wiring("layer.", "tokens", True)}
  - {{op: layer_norm, weight: norm.weight, bias: norm.bias}}
  - {{op: linear, weight: head.weight}}
"""

    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(11, 8), nn.Embedding(6, 8)
        self.layer, self.norm = Layer(True, gelu="tanh"), nn.LayerNorm(8)
        self.head = nn.Linear(8, 11, bias=False)

    def forward(self, x):
        x = self.words(x) + self.places(torch.arange(x.shape[1]))
        return self.head(self.norm(self.layer(x)))


class Llama(nn.Module):
    """Root-mean-square norms, rotated queries and keys, grouped ones, a gated layer."""

    wiring = """
input: {ids: [6]}
layers:
  - {name: x, op: embedding, input: ids, weight: words.weight}
  - {name: a, op: rms_norm, weight: n1.weight}
  - {name: q, op: linear, input: a, weight: q.weight}
  - {name: k, op: linear, input: a, weight: k.weight}
  - {name: v, op: linear, input: a, weight: v.weight}
  - {op: attention, inputs: [q, k, v], heads: 2, kv_heads: 1}
  - {name: o, op: linear, weight: o.weight}
  - {name: y, op: add, inputs: [x, o]}
  - {name: b, op: rms_norm, weight: n2.weight}
  - {name: gate, op: linear, input: b, weight: gate.weight, activation: silu}
  - {name: up, op: linear, input: b, weight: up.weight}
  - {op: multiply, inputs: [gate, up]}
  - {name: down, op: linear, weight: down.weight}
  - {op: add, inputs: [y, down]}
  - {op: rms_norm, weight: norm.weight}
  - {op: linear, weight: head.weight}
"""

    def __init__(self):
        super().__init__()
        self.words, self.head = nn.Embedding(11, 8), nn.Linear(8, 11, bias=False)
        self.q, self.o = nn.Linear(8, 8, bias=False), nn.Linear(8, 8, bias=False)
        self.k, self.v = nn.Linear(8, 4, bias=False), nn.Linear(8, 4, bias=False)
        self.gate, self.up = nn.Linear(8, 12, bias=False), nn.Linear(8, 12, bias=False)
        self.down = nn.Linear(12, 8, bias=False)
        self.n1, self.n2, self.norm = (Rms() for _ in range(3))
        angle = torch.arange(6)[:, None] / torch.tensor([1.0, 10.0, 1.0, 10.0])
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def rotated(self, x):
        one, other = x.chunk(2, -1)
        return x * self.cos + torch.cat([-other, one], -1) * self.sin

    def attend(self, x):
        q, k, v = (
            part(x).reshape(1, -1, n, 4).transpose(1, 2)
            for part, n in ((self.q, 2), (self.k, 1), (self.v, 1))
        )
        k, v = self.rotated(k).expand(-1, 2, -1, -1), v.expand(-1, 2, -1, -1)
        scores = (self.rotated(q) * 0.5) @ k.transpose(-1, -2)
        return self.o((scores.softmax(-1) @ v).transpose(1, 2).reshape(1, -1, 8))

    def forward(self, ids):
        x = self.words(ids)
        x = x + self.attend(self.n1(x))
        y = self.n2(x)
        gate = self.gate(y)
        y = gate * torch.sigmoid(gate) * self.up(y)
        return self.head(self.norm(x + self.down(y)))


class Rms(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(8))

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


NETWORKS = {
    "cnn": (Cnn, (2, 9, 8)),
    "basic": (Basic, (1, 8, 8)),
    "bottleneck": (Bottleneck, (4, 5, 5)),
    "excited": (Excited, (2, 6, 5)),
    "unet": (UNet, (1, 8, 6)),
    "dense block": (DenseBlock, (1, 6, 6)),
    "rnn": (lambda: Recurrent(nn.RNN), (5, 3)),
    "gru": (lambda: Recurrent(nn.GRU), (5, 3)),
    "lstm": (lambda: Recurrent(nn.LSTM, 2, 2), (5, 3)),
    "encoder, norms last": (lambda: ViT(False), (1, 8, 8)),
    "vit": (lambda: ViT(True), (1, 8, 8)),
    "gpt": (Gpt, None),
    "llama": (Llama, None),
}


def trained(make, seed=0, std=0.5):
    """Return a module in which every number is random, statistics included."""
    torch.manual_seed(seed)
    module = make()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=std)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
    return module.eval()


def from_file(path):
    with open_model(path) as model:
        return model.wired(InputShape())


def in_memory(module, example, folder):
    return graph_of(module, (example,))


def onnx_by_trace(module, example, folder):
    path = folder / "trace.onnx"
    torch.onnx.export(module, (example,), str(path), dynamo=False)
    return from_file(path)


def onnx_by_export(module, example, folder):
    path = folder / "export.onnx"
    torch.onnx.export(module, (example,), str(path), dynamo=True, verbose=False)
    return from_file(path)


def exported_program(module, example, folder):
    path = folder / "net.pt2"
    torch.export.save(torch.export.export(module, (example,)), path)
    return from_file(path)


def state_dict_and_wiring(module, example, folder):
    path, wiring = folder / "net.safetensors", folder / "wiring.yaml"
    save_file({name: one.contiguous() for name, one in module.state_dict().items()}, path)
    wiring.write_text(module.wiring)
    with open_model(path) as model:
        return graph_from_wiring(model, read_wiring(wiring))


def in_core_operators(module, example, folder):
    """As torch takes the operators of a program apart, the steps of a recurrence among them."""
    path = folder / "core.pt2"
    program = torch.export.export(module, (example,)).run_decompositions()
    torch.export.save(program, path)
    return from_file(path)


FORMATS = (onnx_by_trace, onnx_by_export, exported_program, state_dict_and_wiring)
FOLDING = (onnx_by_trace, onnx_by_export)
"""Exporters that fold batch norm themselves, in float32; here that is done in float64."""


def assert_same(found, wanted, tolerance=0.0):
    for one, other in zip(found.expanded(), wanted.expanded(), strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)


def trained_edges(graph):
    return sum(block.n_edges for block in graph.blocks if block.is_trained)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_format_gives_one_diagram(name, tmp_path):
    make, shape = NETWORKS[name]
    module = trained(make)
    example = torch.zeros(1, 6, dtype=torch.long) if shape is None else torch.randn(1, *shape)
    graph = in_memory(module, example, tmp_path)
    wanted = graph_diagram(graph).diagram
    folds = any(isinstance(part, nn.BatchNorm2d) for part in module.modules())
    for read in FORMATS:
        found = read(module, example, tmp_path)
        assert trained_edges(found) == trained_edges(graph), read.__name__
        # of values from 1/2 on the last bit of float32 is 2**-24; what is folded may miss it by one
        tolerance = 2**-23 if folds and read in FOLDING else 0.0
        assert_same(graph_diagram(found).diagram, wanted, tolerance)


@pytest.mark.parametrize("name", ["rnn", "encoder, norms last", "llama"])
def test_operators_that_torch_takes_apart_give_it_too(name, tmp_path):
    make, shape = NETWORKS[name]
    module = trained(make)
    example = torch.zeros(1, 6, dtype=torch.long) if shape is None else torch.randn(1, *shape)
    graph, found = (read(module, example, tmp_path) for read in (in_memory, in_core_operators))
    assert_same(graph_diagram(found).diagram, graph_diagram(graph).diagram)


@pytest.mark.parametrize(
    ("kind", "blocks"), [("BasicBlock", (2, 2, 2, 2)), ("Bottleneck", (1, 1, 1, 1))]
)
def test_resnets_of_torchvision_are_one_graph_in_onnx(kind, blocks, tmp_path):
    resnet = import_torchvision().models.resnet
    module = trained(lambda: resnet.ResNet(getattr(resnet, kind), blocks), std=0.05)
    example = torch.zeros(1, 3, 64, 64)
    graph, found = (read(module, example, tmp_path) for read in (in_memory, onnx_by_trace))
    assert [(g.channels, g.grid) for g in found.groups] == [
        (g.channels, g.grid) for g in graph.groups
    ]
    assert not graph.unused
    for mine, theirs in zip(found.blocks, graph.blocks, strict=True):
        assert (mine.kind, mine.source, mine.target) == (theirs.kind, theirs.source, theirs.target)
        np.testing.assert_array_equal(mine.taps, theirs.taps)
        np.testing.assert_array_equal(mine.columns, theirs.columns)
        np.testing.assert_allclose(mine.weight[:], theirs.weight[:], rtol=1e-6, atol=1e-6)
