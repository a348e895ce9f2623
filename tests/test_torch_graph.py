"""Graphs of torch's modules and of exported programs, held against torch's own functions."""

import json
import pickle
import zipfile
from collections import Counter
from itertools import pairwise
from math import prod

import numpy as np
import pytest

from netkin import graph_of
from netkin.errors import NetkinError
from netkin.graph.blocks import first_vertices, unrolled
from netkin.graph.builder import Builder, Parameter
from netkin.network.format import open_model
from netkin.network.format.input_shape import InputShape, parse_input_shape
from netkin.torchvision_compat import import_torchvision

torch = pytest.importorskip("torch")
nn = torch.nn

pytestmark = pytest.mark.budget("torch")


def matrix(graph, kinds=("weight", "pooling", "identity")):
    """Return what the edges of a graph without activations make of its first group, and biases.

    Groups are in the order in which they are made, so one pass from the first to the last does.
    """
    edges = unrolled(graph)
    first = first_vertices(graph.groups)
    n = first[-1]
    step = np.zeros((n, n))
    bias = np.zeros(n)
    kind = np.array([block.kind for block in graph.blocks])[edges.block]
    is_bias = kind == "bias"
    np.add.at(bias, edges.target[is_bias], edges.weight[is_bias])
    assert set(kind) <= {*kinds, "bias"}
    np.add.at(step, (edges.target[~is_bias], edges.source[~is_bias]), edges.weight[~is_bias])
    inputs = graph.groups[0].size
    made = np.zeros((n, inputs + 1))
    made[:inputs, :inputs] = np.eye(inputs)
    for low, high in pairwise(first[1:]):
        made[low:high] = step[low:high, :low] @ made[:low]
        made[low:high, -1] += bias[low:high]
    return made[first[-2] :]


def jacobian(module, shape):
    """Return the matrix and the shift of an affine module, in float64."""
    module = module.double().eval()
    size = prod(shape)
    with torch.no_grad():
        shift = module(torch.zeros(1, *shape, dtype=torch.float64)).reshape(-1)
        rows = torch.eye(size, dtype=torch.float64).reshape(size, 1, *shape)
        columns = [module(row).reshape(-1) - shift for row in rows]
    return torch.stack([*columns, shift], dim=1).numpy()


def orders(group, shape):
    """Yield how the units of a group can be numbered to be those of a tensor of a shape."""
    shape = tuple(size for size in shape if size != 1)
    numbers = np.arange(group.size)
    if len(shape) < 2 or not group.grid:
        yield numbers
    for axis in range(len(shape)):
        rest = [size for at, size in enumerate(shape) if at != axis]
        if shape[axis] == group.channels and prod(rest) == group.points:
            yield np.moveaxis(numbers.reshape(shape[axis], *rest), 0, axis).ravel()
    if group.channels == 1 and shape:
        yield numbers


def assert_same_function(module, shape):
    graph = graph_of(module.double(), input_shape=shape)
    found, wanted = matrix(graph), jacobian(module, shape)
    given = module(torch.zeros(1, *shape, dtype=torch.float64)).shape[1:]
    assert found.shape == wanted.shape
    assert any(
        np.allclose(found[rows][:, [*columns, -1]], wanted, atol=1e-10)
        for rows in orders(graph.groups[-1], given)
        for columns in orders(graph.groups[0], shape)
    )
    return graph


def random_convolution(chance, axes, channels):
    groups = int(chance.choice([1, 1, 2]))
    stride, dilation = (int(n) for n in chance.integers(1, 3, 2))
    kernel = [int(n) for n in chance.integers(1, 4, axes)]
    kind = getattr(nn, f"Conv{'Transpose' if chance.random() < 0.4 else ''}{axes}d")
    return kind(
        channels,
        2 * int(chance.integers(1, 3)),
        kernel,
        stride=stride,
        padding=int(chance.integers(0, 2)),
        dilation=dilation,
        groups=groups,
        bias=bool(chance.random() < 0.5),
    )


@pytest.mark.parametrize("seed", range(24))
def test_convolutions_are_what_torch_makes_of_them(seed):
    chance = np.random.default_rng(seed)
    torch.manual_seed(seed)
    axes = 1 + seed % 3
    shape = (4, *(int(n) for n in chance.integers((5, 5, 4)[axes - 1], (8, 7, 5)[axes - 1], axes)))
    layers = [random_convolution(chance, axes, 4)]
    out = layers[0](torch.zeros(1, *shape)).shape
    if chance.random() < 0.5:
        layers.append(getattr(nn, f"BatchNorm{axes}d")(out[1]))
        layers[-1].running_mean.uniform_(-1, 1)
        layers[-1].running_var.uniform_(0.5, 2)
        nn.init.uniform_(layers[-1].weight, 0.5, 2)
        nn.init.uniform_(layers[-1].bias)
    if min(out[2:]) > 1 and chance.random() < 0.5:
        layers.append(getattr(nn, f"AvgPool{axes}d")(2, stride=1, padding=int(seed % 2)))
    assert_same_function(nn.Sequential(*layers), shape)


def nearest(scale):
    return nn.Upsample(scale_factor=scale, mode="nearest")


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Conv2d(2, 2, 3, padding=1), nn.Linear(5, 5, bias=False)

    def forward(self, x):
        y = self.one(x)
        y += x
        return y - 0.5 * self.other(x).transpose(2, 3)


class Joined(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Conv1d(3, 2, 1), nn.Conv1d(3, 1, 3, padding=1)
        self.last = nn.Linear(12, 2)

    def forward(self, x):
        both = torch.cat([self.one(x), self.other(x), x[:, :1] * 2], 1)
        part, rest = both.split([1, 3], dim=1)
        return self.last(
            torch.stack([rest[..., :4], part[..., :4].expand(-1, 3, 4)], 1)[:, 0].flatten(1)
        )


class Matrices(nn.Module):
    def __init__(self):
        super().__init__()
        self.left = nn.Parameter(torch.randn(3, 4))
        self.right = nn.Parameter(torch.randn(5, 2))
        self.each = nn.Parameter(torch.randn(3, 2, 2))
        self.shift = nn.Parameter(torch.randn(2))

    def forward(self, x):
        y = self.left @ x @ self.right + self.shift
        y = torch.einsum("bij,ijk->bik", y, self.each)
        return torch.addmm(self.shift, y[0], self.right[:2])[None]


LINEAR = {
    "linear": (lambda: nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 3, bias=False)), (6,)),
    "flattened": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(12, 4)), (3, 4)),
    "batch norm": (lambda: nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4, affine=False)), (6,)),
    "same": (lambda: nn.Conv2d(2, 2, (2, 4), padding="same"), (2, 5, 4)),
    "circular": (
        lambda: nn.Conv1d(2, 2, 3, padding=1, padding_mode="circular"),
        (2, 6),
    ),
    "average": (
        lambda: nn.AvgPool2d(3, 2, padding=1, ceil_mode=True, count_include_pad=False),
        (2, 6, 5),
    ),
    "adaptive": (lambda: nn.Sequential(nn.AdaptiveAvgPool2d((2, 1)), nn.Flatten()), (2, 4, 3)),
    "upsampling": (lambda: nn.Sequential(nearest(2), nn.Conv2d(2, 1, 3)), (2, 3, 2)),
    "zeros": (lambda: nn.Sequential(nn.ZeroPad2d((1, 0, 2, 1)), nn.Conv2d(1, 1, 2)), (1, 3, 3)),
    "shuffled": (lambda: nn.Sequential(nn.PixelShuffle(2), nn.Conv2d(1, 2, 2)), (4, 2, 3)),
    "residual": (Residual, (2, 5, 5)),
    "joined": (Joined, (3, 5)),
    "matrices": (Matrices, (4, 5)),
}


@pytest.mark.parametrize("name", LINEAR)
def test_linear_modules_are_what_torch_makes_of_them(name):
    torch.manual_seed(len(name))
    make, shape = LINEAR[name]
    module = make()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d):
            part.running_mean.uniform_(-1, 1)
            part.running_var.uniform_(0.5, 2)
    graph = assert_same_function(module, shape)
    assert not graph.unused
    assert graph.parameters == sum(p.numel() for p in module.parameters())


def values(graph):
    """Return the multiset of all weights by kind."""
    edges = unrolled(graph)
    kinds = [block.kind for block in graph.blocks]
    return Counter(zip((kinds[k] for k in edges.block), np.abs(edges.weight).tolist(), strict=True))


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("batch_first", [True, False])
def test_recurrent_layers_are_those_of_the_builder(kind, directions, batch_first):
    steps, n_in, n = 5, 3, 4
    module = getattr(nn, kind)(
        n_in, n, num_layers=2, bidirectional=directions == 2, batch_first=batch_first
    )
    shape = (1, steps, n_in) if batch_first else (steps, 1, n_in)
    axis = 0 if batch_first else 1
    graph = graph_of(module, torch.zeros(shape), batch_axis=axis)
    builder = Builder()
    x = builder.moved(builder.input("x", (1, steps, n_in)), lambda array: array[0])
    for layer in range(2):
        made = []
        for end in ("", "_reverse")[:directions]:
            into, back, *biases = (
                Parameter(getattr(module, f"{part}_l{layer}{end}").detach().numpy(), ("p",))
                for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            made.append(
                builder.recurrent(
                    x, kind.lower(), into, back, biases, name="layer", reverse=bool(end)
                )
            )
        x = builder.concatenate(made, -1, "layer")
    by_hand = builder.finish()
    assert values(graph) == values(by_hand)
    gates = {"RNN": 1, "LSTM": 4, "GRU": 3}[kind]
    wide = [n_in, directions * n]
    wanted = sum(gates * directions * (steps * w * n + (steps - 1) * n * n) for w in wide)
    assert sum(b.n_edges for b in graph.blocks if b.kind == "weight") == wanted
    assert not graph.unused


def test_an_rnn_of_relu_says_so():
    graph = graph_of(nn.RNN(3, 4, nonlinearity="relu", batch_first=True), input_shape=(5, 3))
    assert [group.activation for group in graph.groups] == ["", "relu"]


class Block(nn.Module):
    """A transformer's block, by hand and by torch's function."""

    def __init__(self, by_hand):
        super().__init__()
        self.by_hand = by_hand
        self.norm, self.qkv, self.out = nn.LayerNorm(8), nn.Linear(8, 24), nn.Linear(8, 8)
        self.table = nn.Embedding(11, 8)
        self.register_buffer("mask", torch.full((5, 5), float("-inf")).triu(1), persistent=False)

    def forward(self, ids):
        x = self.table(ids)
        q, k, v = self.qkv(self.norm(x)).chunk(3, -1)
        q, k, v = (each.view(*each.shape[:2], 2, 4).transpose(1, 2) for each in (q, k, v))
        if self.by_hand:
            y = torch.softmax(q @ k.transpose(-1, -2) / 2 + self.mask, -1) @ v
        else:
            y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return x + self.out(y.transpose(1, 2).flatten(2))


def test_attention_by_hand_and_by_torch_is_one_graph():
    torch.manual_seed(0)
    one, other = Block(True), Block(False)
    other.load_state_dict(one.state_dict())
    ids = torch.zeros(3, 5, dtype=torch.int64)  # of three rows one is taken
    graphs = [graph_of(block, (ids,)) for block in (one, other)]
    assert values(graphs[0]) == values(graphs[1])
    tokens = 5
    wanted = tokens * (11 * 8 + 8 * 24 + 8 * 8)
    assert sum(b.n_edges for b in graphs[0].blocks if b.kind == "weight") == wanted
    assert graphs[0].groups[0].name == "table rows"  # ids are no units
    assert not graphs[0].unused
    assert len(graphs[0].heads) == len(graphs[1].heads) > 0


def test_a_layer_norm_is_folded_into_what_reads_it():
    torch.manual_seed(1)
    module = nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 3)).double()
    nn.init.normal_(module[0].weight)
    nn.init.normal_(module[0].bias)
    graph = graph_of(module, input_shape=(6,))
    weight, bias = (block.weight[:].reshape(3, -1) for block in graph.blocks)
    x = torch.randn(1, 6, dtype=torch.float64)
    normal = nn.functional.layer_norm(x, (6,)).numpy()
    assert np.allclose(normal @ weight.T + bias.T, module(x).detach().numpy(), atol=1e-12)
    assert np.allclose(weight.sum(axis=1), 0)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Linear(4, 4), nn.Linear(4, 4)
        self.other.weight = self.one.weight
        self.never = nn.Linear(2, 2)
        self.slope = nn.PReLU()

    def forward(self, x):
        return self.other(self.slope(self.one(x)))


def test_tied_and_unread_parameters_are_named():
    graph = graph_of(Tied(), input_shape=(4,))
    assert graph.parameters == 16 + 2 * 4 + 6 + 1
    assert graph.unused == {
        "never.weight": "no operator reads it",
        "never.bias": "no operator reads it",
        "slope.weight": "a slope of an activation",
    }


# --- torchvision ---------------------------------------------------------------------------------


def copies(module, size):
    """Return how often each weight of a convolution or a linear layer is met, by hooks."""
    found = []

    def convolution(layer, inputs, output):
        per_axis = []
        for axis in (0, 1):
            n, o = inputs[0].shape[2 + axis], output.shape[2 + axis]
            taps = [
                sum(
                    0
                    <= layer.stride[axis] * at + k * layer.dilation[axis] - layer.padding[axis]
                    < n
                    for at in range(o)
                )
                for k in range(layer.kernel_size[axis])
            ]
            per_axis.append(sum(taps))
        found.append(prod(layer.weight.shape[:2]) * prod(per_axis))

    def linear(layer, inputs, output):
        found.append(layer.weight.numel() * output.shape[:-1].numel())

    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            part.register_forward_hook(convolution)
        elif isinstance(part, nn.Linear):
            part.register_forward_hook(linear)
    with torch.no_grad():
        module.eval()(torch.zeros(1, 3, size, size))
    return sum(found)


def test_resnet50_is_read_whole():
    models = import_torchvision().models
    module = models.resnet50(weights=None)
    graph = graph_of(module, input_shape="3x224x224")
    assert graph.parameters == 25_557_032
    assert not graph.unused
    of_weights = sum(block.n_edges for block in graph.blocks if block.kind == "weight")
    assert of_weights == copies(module, 224) == 3_948_251_904
    pooled = sum(block.n_edges for block in graph.blocks if block.kind == "pooling")
    assert pooled == 64 * (3 * 56 - 1) ** 2 + 2048 * 49
    skips = [block for block in graph.blocks if block.kind == "identity"]
    assert len(skips) == 2 * 16  # what a branch gives and the skip, for each block
    stages = [(256, 56, 3), (512, 28, 4), (1024, 14, 6), (2048, 7, 3)]
    assert sum(b.n_edges for b in skips) == sum(2 * n * c * s * s for c, s, n in stages)
    # with one edge for each skip, as where a branch's end and the sum are one vertex
    assert of_weights + sum(block.n_edges for block in skips) // 2 == 3_953_771_264


TABLE = "attn.relative_position_bias_table"
TORCHVISION = {
    "resnet18": (32, ""),
    "mobilenet_v3_small": (32, ""),
    "densenet121": (32, ""),
    "googlenet": (32, "aux"),
    "efficientnet_b0": (32, ""),
    "convnext_tiny": (32, ""),
    "swin_t": (32, TABLE),
}


@pytest.mark.parametrize("name", TORCHVISION)
def test_modules_of_torchvision_are_read_whole(name):
    size, unused = TORCHVISION[name]
    options = {"init_weights": False} if name == "googlenet" else {}
    module = getattr(import_torchvision().models, name)(weights=None, **options)
    graph = graph_of(module, input_shape=(3, size, size))
    assert graph.parameters == sum(p.numel() for p in module.parameters())
    assert all(unused and unused in each for each in graph.unused)
    if name not in ("swin_t", "convnext_tiny"):
        of_weights = sum(block.n_edges for block in graph.blocks if block.kind == "weight")
        assert of_weights >= copies(module, size)


def test_a_vision_transformer_is_read_whole():
    vision = import_torchvision().models.VisionTransformer
    module = vision(
        image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=24
    )
    nn.init.normal_(module.class_token)
    nn.init.normal_(module.heads.head.weight)
    graph = graph_of(module, input_shape=(3, 32, 32))
    assert not graph.unused
    tokens = 17
    layer = 16 * 48 + 16 * 16 + 2 * 16 * 24
    wanted = 16 * 3 * 8 * 8 * 16 + 2 * tokens * layer + 16 * 1000
    assert sum(block.n_edges for block in graph.blocks if block.kind == "weight") == wanted


# --- files ---------------------------------------------------------------------------------------


def saved(module, example, path, **options):
    exported = torch.export.export(module.eval(), example, **options)
    torch.export.save(exported, path)
    return path


def same(one, other):
    assert one.groups == other.groups
    assert len(one.blocks) == len(other.blocks)
    for a, b in zip(one.blocks, other.blocks, strict=True):
        assert (a.name, a.kind, a.source, a.target) == (b.name, b.kind, b.source, b.target)
        assert a.made_of == b.made_of
        assert np.array_equal(a.weight[0 : a.n_out], b.weight[0 : b.n_out])
        assert np.array_equal(a.taps, b.taps) and np.array_equal(a.columns, b.columns)
    assert (one.parameters, one.unused) == (other.parameters, other.unused)


@pytest.mark.filterwarnings("ignore:The tensor attributes")
@pytest.mark.parametrize("name", ["convolutions", "attention", "lstm", "tied", "bfloat16"])
def test_a_file_is_the_graph_of_its_module(tmp_path, name):
    torch.manual_seed(3)
    module, example = {
        "convolutions": lambda: (
            import_torchvision().models.resnet18(weights=None),
            torch.zeros(1, 3, 32, 32),
        ),
        "attention": lambda: (Block(True), torch.zeros(1, 5, dtype=torch.int64)),
        "lstm": lambda: (nn.LSTM(3, 4, 2, batch_first=True), torch.zeros(1, 6, 3)),
        "tied": lambda: (Tied(), torch.zeros(1, 4)),
        "bfloat16": lambda: (
            nn.Sequential(nn.Conv1d(2, 3, 3), nn.ReLU(), nn.Conv1d(3, 1, 2)).bfloat16(),
            torch.zeros(1, 2, 9, dtype=torch.bfloat16),
        ),
    }[name]()
    path = saved(module, (example,), tmp_path / "m.pt2")
    with open_model(path) as model:
        assert model.format == "pt2"
        trained = dict(module.named_parameters())
        alone = {name: t for name, t in model.tensors.items() if not t.same_as}
        assert {n: tuple(p.shape) for n, p in trained.items()} == {
            n: t.shape for n, t in alone.items()
        }
        for name, tensor in model.tensors.items():
            wanted = module.get_parameter(name).detach().float().numpy()
            assert np.array_equal(tensor[:], wanted)
            assert np.array_equal(tensor[1:2], wanted[1:2])
        same(model.wired(InputShape()), graph_of(module, (example,)))


@pytest.mark.filterwarnings("ignore:.isinstance.treespec")
def test_a_chain_of_dense_layers_is_one_from_any_export(tmp_path):
    torch.manual_seed(4)
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 2)).eval()
    several = {"dynamic_shapes": ({0: torch.export.Dim("batch", min=1)},)}
    for options in ({}, several):
        for decomposed in (False, True):
            exported = torch.export.export(module, (torch.randn(4, 3, 4),), **options)
            if decomposed:
                exported = exported.run_decompositions()
            torch.export.save(exported, tmp_path / "m.pt2")
            with open_model(tmp_path / "m.pt2") as model:
                first, last = model.layers()
                assert first.made_of == ("1.weight", "1.bias")
                assert np.array_equal(first.weight[:], module[1].weight.detach().numpy())
                assert np.array_equal(last.bias, module[3].bias.detach().numpy())
                same(model.wired(InputShape()), graph_of(module, input_shape=(3, 4)))


@pytest.mark.filterwarnings("ignore:.isinstance.treespec")
def test_open_axes_come_from_the_shape_or_the_example(tmp_path):
    steps = torch.export.Dim("steps", min=4, max=64)
    path = saved(
        nn.Sequential(nn.Conv1d(2, 3, 3), nn.ReLU()),
        (torch.zeros(2, 2, 10),),
        tmp_path / "m.pt2",
        dynamic_shapes=({0: torch.export.Dim("batch"), 2: steps},),
    )
    with open_model(path) as model:
        assert model.wired(InputShape()).groups[1].grid == (8,)  # 10 in the example
        graph = model.wired(parse_input_shape("2x20"))
        assert graph.groups[1].grid == (18,)
        assert list(graph.sizes.values()) == [20]
        assert model.unchained == "node 'conv1d' is 'aten.conv1d.default'"
        with pytest.raises(NetkinError, match=r"m\.pt2: axis 1 of .* has the size 2; 5 is given"):
            model.graph((), parse_input_shape("5x20"))


def rewritten(path, change):
    """Write an archive again, with the parts that a function makes of its own."""
    with zipfile.ZipFile(path) as archive:
        parts = {one.filename: archive.read(one) for one in archive.infolist()}
    change(parts)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return path


def in_json(end, change):
    def changed(parts):
        name = next(name for name in parts if name.endswith(end))
        content = json.loads(parts[name])
        change(content)
        parts[name] = json.dumps(content).encode()

    return changed


class Touch:
    """What creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_nothing_in_a_file_is_unpickled(tmp_path):
    path = saved(nn.Linear(2, 2), (torch.zeros(1, 2),), tmp_path / "m.pt2")
    gadget = pickle.dumps(Touch(tmp_path / "ran"))

    def put(parts):
        for name in parts:
            if name.endswith(("weight_0", "sample_inputs/model.pt")):
                parts[name] = gadget
        in_json("weights_config.json", mark)(parts)

    def mark(content):
        content["config"]["weight"]["use_pickle"] = True

    with (
        pytest.raises(NetkinError, match=r"m\.pt2: 'weight' is pickled, and reading it would run"),
        open_model(rewritten(path, put)),
    ):
        pass
    assert not (tmp_path / "ran").exists()


def larger(content):
    content["config"]["weight"]["tensor_meta"]["sizes"][0]["as_int"] = 10**9


def negative(content):
    content["config"]["weight"]["tensor_meta"]["storage_offset"]["as_int"] = -4


def unnamed(content):
    del content["config"]["weight"]["path_name"]


def astray(content):
    content["config"]["weight"]["path_name"] = "weight_9"


def listed(content):
    content["config"] = [1, 2]


def unknown(content):
    content["graph_module"]["graph"]["nodes"][0]["target"] = "torch.ops.aten.from_file.default"


@pytest.mark.parametrize(
    ("end", "change", "sentence"),
    [
        ("weights_config.json", larger, r"'weight' declares 8,000,000,000 bytes; there are 16\."),
        ("weights_config.json", negative, r"not a readable exported program .*a size is -4"),
        ("weights_config.json", unnamed, r"not a readable exported program .*path_name"),
        ("weights_config.json", astray, r"'data/weights/weight_9' is missing in it\."),
        ("weights_config.json", listed, r"not a readable exported program"),
    ],
)
def test_a_file_that_lies_ends_in_a_sentence(tmp_path, end, change, sentence):
    path = saved(nn.Linear(2, 2), (torch.zeros(1, 2),), tmp_path / "m.pt2")
    with (
        pytest.raises(NetkinError, match=rf"m\.pt2: {sentence}"),
        open_model(rewritten(path, in_json(end, change))),
    ):
        pass


def test_operators_of_a_file_that_have_no_rule_are_named(tmp_path):
    path = saved(nn.Linear(2, 2), (torch.zeros(1, 2),), tmp_path / "m.pt2")
    named = r"m\.pt2: node 'linear' \(aten\.from_file\.default\)"
    with (
        open_model(rewritten(path, in_json("models/model.json", unknown))) as model,
        pytest.raises(NetkinError, match=named),
    ):
        model.graph()


# --- what has no rule ----------------------------------------------------------------------------


class Reflecting(nn.Module):
    def forward(self, x):
        return nn.functional.pad(x, (1, 1), mode="reflect")


class InPlace(nn.Module):
    def forward(self, x):
        y = self.layer(x)
        part = y[:, :2]
        part.relu_()
        return y

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 4)


class Branching(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize(
    ("module", "shape", "sentence"),
    [
        (Reflecting(), (2, 5), r"Reflecting: node 'pad' .* it pads by reflect"),
        (nn.Upsample(scale_factor=2, mode="bilinear"), (1, 3, 3), r"Upsample: node .*bilinear"),
        (nn.AdaptiveAvgPool1d(3), (2, 4), r"makes a grid of 3 of one of 4"),
        (InPlace(), (3,), r"changes 'linear' in place, of which 'linear' is read later"),
        (Branching(), (3,), r"Branching: torch\.export cannot follow it"),
        (nn.LSTM(3, 4, proj_size=2, batch_first=True), (5, 3), r"its states are projected"),
    ],
)
def test_what_has_no_rule_is_named(module, shape, sentence):
    with pytest.raises(NetkinError, match=sentence):
        graph_of(module, input_shape=shape)


def test_what_was_understood_before_is_kept():
    module = nn.Sequential(nn.Conv1d(1, 2, 2), Reflecting())
    with pytest.raises(NetkinError) as caught:
        graph_of(module, input_shape=(1, 5))
    assert [group.name for group in caught.value.__cause__.understood.groups] == ["input", "0"]


@pytest.mark.parametrize(
    ("inputs", "options", "sentence"),
    [
        (None, {}, "give either inputs or input_shape"),
        (torch.zeros(1, 2), {"input_shape": (2,)}, "give either inputs or input_shape"),
        (None, {"input_shape": (0,)}, "allowed are sizes from 1 on"),
        ("text", {}, "inputs: found a str"),
    ],
)
def test_wrong_arguments_end_in_a_sentence(inputs, options, sentence):
    with pytest.raises(NetkinError, match=sentence):
        graph_of(nn.Linear(2, 2), inputs, **options)


def test_a_module_is_left_in_its_mode():
    module = nn.Sequential(nn.Linear(2, 2), nn.Dropout()).train()
    module[0].eval()
    graph_of(module, input_shape=(2,))
    assert [part.training for part in module.modules()] == [True, False, True]
