"""ONNX graphs of any architecture: what both exporters write is one graph, and it is exact."""

import importlib.util
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional

from netkin.errors import NetkinError
from netkin.graph.blocks import first_vertices, unrolled
from netkin.graph.builder import NotUnderstood
from netkin.graph.reading import BlockEdges
from netkin.network.format import open_model
from netkin.network.format.input_shape import parse_input_shape

pytestmark = [
    pytest.mark.budget("onnx"),
    pytest.mark.filterwarnings("ignore:.*legacy TorchScript:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*feature will be removed:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Exporting a model to ONNX with a batch_size:UserWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
    pytest.mark.filterwarnings("ignore:ONNX export mode is set to:UserWarning"),
    pytest.mark.filterwarnings("ignore:Constant folding - Only steps:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*isinstance.*LeafSpec:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*copyreg.*:UserWarning"),
    pytest.mark.filterwarnings("ignore:# 'dynamic_axes' is not recommended:UserWarning"),
]
EXPORTERS = (False, True) if importlib.util.find_spec("onnxscript") else (False,)


class Residual(nn.Module):
    def __init__(self, n_in, n_out, stride=1):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
            nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(n_out),
        )
        self.skip = nn.Conv2d(n_in, n_out, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x):
        return functional.relu(self.body(x) + self.skip(x))


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 3, 1)
        self.gate = nn.Sequential(nn.Linear(4, 2), nn.ReLU(), nn.Linear(2, 4), nn.Sigmoid())

    def forward(self, x):
        x = self.first(x)
        return self.last(x * self.gate(x.mean((2, 3)))[:, :, None, None])


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(3, 4, 3, 2, 1)
        self.up, self.last = nn.ConvTranspose2d(4, 3, 2, 2), nn.Conv2d(6, 2, 1)

    def forward(self, x):
        x = functional.relu(self.a(x))
        return self.last(torch.cat([x, self.up(functional.relu(self.b(x)))], 1))


class Dense(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(3, 2, 3, padding=1)
        self.norm, self.norm2, self.last = nn.BatchNorm2d(3), nn.BatchNorm2d(5), nn.Conv2d(5, 2, 1)

    def forward(self, x):
        x = self.a(x)
        x = torch.cat([x, self.b(functional.relu(self.norm(x)))], 1)
        return self.last(functional.relu(self.norm2(x)))


class Recurrent(nn.Module):
    def __init__(self, kind, **options):
        super().__init__()
        self.layer = kind(3, 4, batch_first=True, **options)
        self.last = nn.Linear(8 if options.get("bidirectional") else 4, 2)

    def forward(self, x):
        return self.last(self.layer(x)[0][:, -1])


class Block(nn.Module):
    def __init__(self, pre=True, gelu="none"):
        super().__init__()
        self.norm, self.norm2 = nn.LayerNorm(8), nn.LayerNorm(8)
        self.into, self.out = nn.Linear(8, 24), nn.Linear(8, 8)
        self.up, self.down = nn.Linear(8, 16), nn.Linear(16, 8)
        self.pre, self.gelu = pre, gelu

    def attend(self, x):
        n = x.shape[1]
        q, k, v = self.into(x).reshape(1, n, 3, 2, 4).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=self.gelu == "tanh")
        return self.out(mixed.transpose(1, 2).reshape(1, n, 8))

    def mlp(self, x):
        return self.down(functional.gelu(self.up(x), approximate=self.gelu))

    def forward(self, x):
        if self.pre:
            x = x + self.attend(self.norm(x))
            return x + self.mlp(self.norm2(x))
        x = self.norm(x + self.attend(x))
        return self.norm2(x + self.mlp(x))


class ViT(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches, self.block = nn.Conv2d(1, 8, 4, 4), Block()
        self.token = nn.Parameter(torch.zeros(1, 1, 8))
        self.places = nn.Parameter(torch.zeros(1, 5, 8))
        self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 3)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(1, -1, -1), x], 1) + self.places
        return self.head(self.norm(self.block(x))[:, 0])


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(11, 8), nn.Embedding(6, 8)
        self.block, self.norm = Block(gelu="tanh"), nn.LayerNorm(8)
        self.head = nn.Linear(8, 11, bias=False)

    def forward(self, x):
        x = self.words(x) + self.places(torch.arange(x.shape[1]))
        return self.head(self.norm(self.block(x)))


IMAGE, SEQUENCE, TOKENS = (1, 1, 8, 8), (1, 5, 3), (1, 5, 8)
NETWORKS = {
    "residual": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3),
            Residual(4, 4),
            Residual(4, 6, 2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(6, 3),
        ),
        IMAGE,
    ),
    "depthwise": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3),
            nn.Hardswish(),
            nn.Conv2d(4, 4, 3, groups=4, dilation=2, bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU6(),
            nn.AvgPool2d(2, ceil_mode=True),
            nn.Conv2d(4, 2, 1),
        ),
        (1, 1, 9, 9),
    ),
    "transposed": (
        lambda: nn.Sequential(
            nn.ConvTranspose2d(1, 4, 3, 2, 1, output_padding=1),
            nn.SiLU(),
            nn.Upsample(scale_factor=2),
            nn.MaxPool2d(3, 2, 1),
            nn.ConvTranspose2d(4, 2, 3, groups=2, dilation=2),
        ),
        (1, 1, 5, 5),
    ),
    "norms": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3),
            nn.GroupNorm(2, 4),
            nn.PReLU(4),
            nn.Conv2d(4, 2, 3),
            nn.InstanceNorm2d(2, affine=True),
            nn.Mish(),
            nn.Conv2d(2, 2, 1),
            nn.Softmax(1),
        ),
        IMAGE,
    ),
    "gated": (Gated, (1, 2, 5, 5)),
    "unet": (UNet, IMAGE),
    "dense": (Dense, IMAGE),
    "lstm": (lambda: Recurrent(nn.LSTM, num_layers=2, bidirectional=True), SEQUENCE),
    "gru": (lambda: Recurrent(nn.GRU), SEQUENCE),
    "pre-norm": (lambda: nn.Sequential(Block(), nn.Linear(8, 2)), TOKENS),
    "post-norm": (lambda: nn.Sequential(Block(pre=False), nn.Linear(8, 2)), TOKENS),
    "encoder layer": (
        lambda: nn.Sequential(
            nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), nn.Linear(8, 2)
        ),
        TOKENS,
    ),
    "vit": (ViT, IMAGE),
    "gpt": (GPT, None),
}


def trained(make, seed=0):
    """Return a module whose numbers are random, statistics included."""
    torch.manual_seed(seed)
    module = make()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
    return module.eval()


def export(module, example, path, dynamo=False, **options):
    torch.onnx.export(module, (example,), str(path), dynamo=dynamo, verbose=False, **options)
    return path


def graph_of(path, shape=""):
    with open_model(path) as model:
        found = model.wired(parse_input_shape(shape))
        used = {name for block in found.blocks for name in block.made_of}
        assert set(model.tensors) <= used | set(found.unused)
        assert not used & set(found.unused)
        return found


def values(graph):
    """Return how often each value of an edge occurs, those of additions left out."""
    edges, found = BlockEdges(graph), Counter()
    for part in edges.parts:
        if part.is_first:
            continue
        block = part.block
        of = part.values(np.asarray(block.weight[0 : block.n_out]), edges.zeta)
        for column, count in enumerate(block.multiplicity()):
            for value in of[:, :, column].ravel():
                found[round(float(value), 4)] += int(count)
    return found


def applied(graph, x, n_out):
    """Return what a graph without activations makes of inputs, unit by unit."""
    edges, first = unrolled(graph), first_vertices(graph.groups)
    value = np.zeros(first[-1])
    value[: x.size] = x.ravel()
    is_bias = edges.source < 0
    np.add.at(value, edges.target[is_bias], edges.weight[is_bias])
    for place in range(1, len(graph.groups)):
        mine = ~is_bias & (edges.target >= first[place]) & (edges.target < first[place + 1])
        np.add.at(value, edges.target[mine], edges.weight[mine] * value[edges.source[mine]])
    return value[first[-1] - n_out :]


@pytest.mark.parametrize("name", NETWORKS)
def test_both_exporters_and_old_operators_give_one_graph(name, tmp_path):
    make, shape = NETWORKS[name]
    module = trained(make)
    example = torch.zeros(1, 6, dtype=torch.long) if shape is None else torch.randn(shape)
    found = []
    for dynamo in EXPORTERS:
        path = export(module, example, tmp_path / f"{dynamo}.onnx", dynamo)
        found.append(values(graph_of(path)))
    # layer norm and GELU are taken apart there
    path = export(module, example, tmp_path / "old.onnx", opset_version=14)
    found.append(values(graph_of(path)))
    assert sum(found[0].values()) > 0
    for other in found[1:]:
        assert other == found[0]


LINEAR = {
    "convolution": (lambda: nn.Conv2d(2, 4, 3, 2, 1, groups=2), (1, 2, 7, 6)),
    "two": (lambda: nn.Sequential(nn.Conv1d(2, 4, 3, dilation=2), nn.Conv1d(4, 3, 2)), (1, 2, 9)),
    "folded": (
        lambda: nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4)),
        (1, 2, 5, 5),
    ),
    "norm first": (
        lambda: nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(2, 4, 3, padding=1)),
        (1, 2, 5, 5),
    ),
    "transposed": (
        lambda: nn.ConvTranspose2d(2, 4, 3, 2, 1, output_padding=1, groups=2),
        (1, 2, 4, 5),
    ),
    "mean pooling": (lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True), (1, 2, 6, 6)),
    "border left out": (
        lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False),
        (1, 2, 6, 6),
    ),
    "upsampling": (lambda: nn.Upsample(scale_factor=3), (1, 2, 3, 2)),
    "padding": (
        lambda: nn.Sequential(nn.ConstantPad2d((1, 2, 0, 1), 0.0), nn.Conv2d(2, 3, 3)),
        (1, 2, 5, 5),
    ),
    "shuffle": (
        lambda: nn.Sequential(nn.Conv2d(2, 8, 3), nn.PixelShuffle(2), nn.Conv2d(2, 3, 2)),
        (1, 2, 5, 5),
    ),
    "linear": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.Linear(5, 4)),
        (1, 3, 2, 2),
    ),
}


@pytest.mark.parametrize("dynamo", EXPORTERS)
@pytest.mark.parametrize("name", LINEAR)
def test_a_linear_network_is_its_graph(name, dynamo, tmp_path):
    make, shape = LINEAR[name]
    module = trained(make)
    path = export(module, torch.randn(shape), tmp_path / "net.onnx", dynamo)
    found = graph_of(path)
    for _ in range(3):
        x = torch.randn(shape)
        wanted = module(x).detach().numpy().ravel()
        np.testing.assert_allclose(
            applied(found, x.numpy(), wanted.size), wanted, rtol=1e-4, atol=1e-4
        )


def test_batch_norm_is_folded_as_torch_does(tmp_path):
    module = trained(lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU()))
    fused = torch.nn.utils.fusion.fuse_conv_bn_eval(module[0], module[1])
    path = export(
        module,
        torch.randn(1, 2, 5, 5),
        tmp_path / "net.onnx",
        training=torch.onnx.TrainingMode.PRESERVE,
        do_constant_folding=False,
    )
    weight, bias = (block.weight for block in graph_of(path).blocks)
    np.testing.assert_allclose(
        weight.reshape(4, 2, 3, 3), fused.weight.detach(), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(bias.ravel(), fused.bias.detach(), rtol=1e-5, atol=1e-6)


def test_a_transformer_uses_or_names_all_and_dead_ends_stay(tmp_path):
    module = trained(GPT)
    path = export(module, torch.zeros(1, 6, dtype=torch.long), tmp_path / "net.onnx")
    found = graph_of(path)
    sources = {block.source for block in found.blocks}
    into = next(k for k, group in enumerate(found.groups) if group.channels == 24)
    reads = [block for block in found.blocks if block.source == into]
    # values go on, queries and keys do not
    assert {(block.source_channel, block.n_in) for block in reads} == {(16, 8)}
    assert len(found.heads) == 1
    assert sources
    rows = next(block for block in found.blocks if "words.weight" in block.made_of)
    assert found.groups[rows.source].channels == 11
    assert found.groups[rows.source].grid == (6,)


def test_symbolic_axes_are_said_and_recorded(tmp_path):
    module = trained(lambda: nn.Conv1d(1, 2, 3))
    path = export(
        module,
        torch.randn(1, 1, 9),
        tmp_path / "net.onnx",
        input_names=["wave"],
        dynamic_axes={"wave": {0: "batch", 2: "time"}},
    )
    with pytest.raises(NotUnderstood, match=r"'time' of its input 'wave'.*'time=128'"):
        graph_of(path)
    with pytest.raises(NetkinError, match="no input and no axis is called 'tim'"):
        graph_of(path, "tim=5")
    for text in ("time=12", "wave=1x12", "1x12"):
        found = graph_of(path, text)
        assert found.sizes == {"time": 12}
        assert [group.grid for group in found.groups] == [(12,), (10,)]


def test_a_fixed_batch_is_taken_as_one(tmp_path):
    path = export(trained(lambda: nn.Conv1d(1, 2, 3)), torch.randn(4, 1, 9), tmp_path / "n.onnx")
    found = graph_of(path)
    assert [group.size for group in found.groups] == [9, 14]
    assert "batch of 4" in found.notes[0]


def save(path, nodes, arrays, sizes, *, kind=TensorProto.FLOAT, opset=17):
    given = [helper.make_tensor_value_info("x", kind, sizes)]
    made = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    tensors = [numpy_helper.from_array(np.asarray(a), name) for name, a in arrays.items()]
    graph = helper.make_graph(nodes, "graph", given, made, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 10
    onnx.save_model(model, path)
    return path


def node(op, given, made, **attributes):
    return helper.make_node(op, given.split(), made.split(), name=f"n_{made}", **attributes)


WEIGHT = np.arange(1, 7, dtype=np.float32).reshape(3, 2)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([node("Pad", "h pads", "y", mode="reflect")], r"'n_y' \(Pad\).*reflection"),
        ([node("DFT", "h", "y")], "'n_y' is a DFT, which has no rule"),
        ([node("Reshape", "h bad", "y")], r"'n_y' \(Reshape\) cannot be computed"),
        ([node("MatMul", "h w", "y")], r"'n_y' \(MatMul\).*for 2 units"),
        (
            [node("DFT", "h", "z"), node("Pad", "z pads", "y", mode="reflect")],
            r"'n_z' is a DFT.*'n_y' \(Pad\) that pads by 'reflect'",
        ),
    ],
)
def test_what_has_no_rule_is_named_after_what_was_understood(nodes, message, tmp_path):
    arrays = {"w": WEIGHT, "pads": np.array([0, 1, 0, 1]), "bad": np.array([5])}
    path = save(tmp_path / "n.onnx", [node("MatMul", "x w", "h"), *nodes], arrays, [1, 3])
    with pytest.raises(NotUnderstood, match=message) as caught:
        graph_of(path)
    assert [block.made_of for block in caught.value.understood.blocks] == [("w",)]


def branches(condition):
    then, other = (
        helper.make_graph(
            [node("MatMul", f"x {name}", f"out_{name}")],
            name,
            [],
            [helper.make_tensor_value_info(f"out_{name}", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(array, name)],
        )
        for name, array in (("a", WEIGHT), ("b", 2 * WEIGHT))
    )
    return node("If", condition, "y", then_branch=then, else_branch=other)


def test_a_branch_of_a_known_condition_is_followed_and_any_other_refused(tmp_path):
    for value, name in ((True, "a"), (False, "b")):
        path = save(tmp_path / f"{name}.onnx", [branches("c")], {"c": np.array(value)}, [1, 3])
        found = graph_of(path)
        assert len(found.blocks) == 1
        assert found.blocks[0].made_of[0].endswith(f".{name}")
    nodes = [node("ReduceSum", "x", "s", keepdims=0), node("Cast", "s", "c", to=9), branches("c")]
    path = save(tmp_path / "refused.onnx", nodes, {}, [1, 3])
    with pytest.raises(NotUnderstood, match="'n_y' is an If, which has no rule"):
        graph_of(path)


def test_quantised_weights_stand_for_their_numbers(tmp_path):
    quantised = np.array([[1, -2], [3, 4], [5, -6]], dtype=np.int8)
    arrays = {"q": quantised, "s": np.float32(0.5), "z": np.int8(1)}
    nodes = [node("DequantizeLinear", "q s z", "w"), node("MatMul", "x w", "y")]
    integers = [
        node("DynamicQuantizeLinear", "x", "xq xs xz"),
        node("MatMulInteger", "xq q xz z", "i"),
        node("Cast", "i", "f", to=1),
        node("Mul", "xs s", "both"),
        node("Mul", "f both", "y"),
    ]
    for number, given in enumerate((nodes, integers)):
        found = graph_of(save(tmp_path / f"{number}.onnx", given, arrays, [1, 3]))
        assert "quantised" in found.notes[0]
        (block,) = found.blocks
        np.testing.assert_array_equal(block.weight[:, :, 0], (quantised.T - 1.0) * 0.5)
        assert block.made_of == ("q",)
        assert "q" not in found.unused


def test_layouts_of_recurrent_nodes(tmp_path):
    """Gates stand in ONNX's order; the last state and the layout are those of the operator."""
    rng = np.random.default_rng(0)
    arrays = {
        "W": rng.normal(size=(1, 8, 3)).astype(np.float32),
        "R": rng.normal(size=(1, 8, 2)).astype(np.float32),
        "B": rng.normal(size=(1, 16)).astype(np.float32),
    }
    given = [node("LSTM", "x W R B", "a y", hidden_size=2)]
    found = graph_of(save(tmp_path / "n.onnx", given, arrays, [4, 1, 3]))
    into = {block.name: block for block in found.blocks if block.source == 0}
    for number, gate in enumerate(("input", "output", "forget", "cell")):
        rows = slice(2 * number, 2 * number + 2)
        block = into[f"n_a y {gate}"]
        np.testing.assert_array_equal(block.weight[:, :, 0], arrays["W"][0, rows])
        assert block.multiplicity().tolist() == [4]
    back = [block for block in found.blocks if "R" in block.made_of]
    assert [block.multiplicity().tolist() for block in back] == [[3]] * 4


def test_einsum_is_the_layer_or_the_attention_that_it_says(tmp_path):
    weight = np.random.default_rng(0).normal(size=(3, 2, 4)).astype(np.float32)
    given = [node("Einsum", "x w", "y", equation="bti,iho->btho")]
    found = graph_of(save(tmp_path / "n.onnx", given, {"w": weight}, [1, 5, 3]))
    (block,) = found.blocks
    np.testing.assert_array_equal(block.weight[:, :, 0], weight.reshape(3, 8).T)
    assert block.multiplicity().tolist() == [5]


def test_one_hot_by_comparison_is_a_table(tmp_path):
    """As exporters of JAX write it."""
    given = [
        node("Unsqueeze", "x last", "u"),
        node("Equal", "u numbers", "e"),
        node("Cast", "e", "f", to=1),
        node("MatMul", "f w", "y"),
    ]
    arrays = {"numbers": np.arange(3), "last": np.array([2]), "w": WEIGHT}
    found = graph_of(save(tmp_path / "n.onnx", given, arrays, [1, 4], kind=TensorProto.INT64))
    (block,) = found.blocks
    assert (found.groups[0].channels, found.groups[0].grid) == (3, (4,))
    np.testing.assert_array_equal(block.weight[:, :, 0], WEIGHT.T)


def test_a_chain_is_one_graph_by_either_way(tmp_path):
    module = trained(lambda: nn.Sequential(nn.Linear(4, 3), nn.GELU(), nn.Linear(3, 2)))
    path = export(module, torch.randn(1, 4), tmp_path / "n.onnx", opset_version=14)
    with open_model(path) as model:
        assert model.chain is not None
        assert values(model.graph()) == values(model.wired(parse_input_shape("")))


def installed(package, inside):
    spec = importlib.util.find_spec(package)
    return Path(spec.submodule_search_locations[0]) / inside


def test_magika_is_read_whole():
    """One-hot by comparison, GELU and layer norm taken apart, a norm over positions."""
    found = graph_of(installed("magika", "models/standard_v3_3/model.onnx"))
    assert [(group.channels, group.points) for group in found.groups] == [
        (257, 2048),
        (64, 2048),
        (64, 2048),
        (512, 508),
        (512, 1),
        (214, 1),
    ]
    assert list(found.unused) == ["const_fold_opt__211"]  # ones of a GELU


def test_silero_ends_in_a_sentence_that_names_its_obstacles():
    path = installed("silero_vad", "data/silero_vad.onnx")
    for shape in ("", "input=512"):
        with pytest.raises(NotUnderstood, match=r"\(If\)|an If") as caught:
            graph_of(path, shape)
        assert "(Pad) that pads by 'reflect'" in str(caught.value)
