"""Measures of graphs of any architecture, and of tensors of which nothing but numbers is known."""

import itertools

import h5py
import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 # its usual name
from safetensors.numpy import save_file
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import minimum_spanning_tree

import netkin
from netkin.diagram.network import graph_diagram
from netkin.distance.deep_graph_persistence import (
    deep_graph_persistence,
    deep_graph_persistence_distance,
    summary_matrix,
)
from netkin.distance.graph_matching import faq
from netkin.distance.neural_persistence import (
    layer_neural_persistence,
    neural_persistence,
    neural_persistence_distance,
    tensor_neural_persistence,
    tensor_neural_persistence_distance,
)
from netkin.distance.norm import frobenius
from netkin.distance.tensor_diagrams import (
    matrix_diagram,
    tensor_bottleneck,
    tensor_diagrams,
    tensor_wasserstein,
)
from netkin.distance.tensors import Tensors
from netkin.distance.weight_matching import matched_orders, weight_matching
from netkin.errors import NetkinError, UndefinedDistance
from netkin.graph.blocks import Block, BlockGraph, Group, dense_graph, no_taps
from netkin.graph.builder import Builder, Parameter
from netkin.graph.reading import listed_graph
from netkin.graph.symmetry import Symmetry, same_structure
from netkin.network.file import Network
from netkin.network.wired import get_graph, put_graph

pytestmark = pytest.mark.budget("graphs")

# --- networks, each as a graph and as the function of torch that it stands for -----------------


class Maker:
    """A builder that makes up the weights, each layer under its name."""

    def __init__(self, seed):
        self.builder = Builder()
        self.made = {}
        self._rng = np.random.default_rng(seed)

    def new(self, name, *shape):
        self.made[name] = self._rng.normal(size=shape)
        return Parameter(self.made[name], (name,))

    def linear(self, x, name, n_out):
        x = self.builder.units_of(x, name)
        return self.builder.linear(
            x, self.new(f"{name}.w", n_out, x.shape[-1]), self.new(f"{name}.b", n_out), name=name
        )

    def convolution(self, x, name, n_out, kernel=3, groups=1):
        weight = self.new(f"{name}.w", n_out, x.shape[1] // groups, kernel, kernel)
        pad = kernel // 2
        return self.builder.convolution(
            x,
            weight,
            self.new(f"{name}.b", n_out),
            name=name,
            stride=[1, 1],
            padding=[(pad, pad)] * 2,
            dilation=[1, 1],
            groups=groups,
        )

    def batch_norm(self, x, name):
        shape = (1, x.shape[1], 1, 1)
        scale, shift = self.new(f"{name}.scale", *shape), self.new(f"{name}.shift", *shape)
        return self.builder.affine(x, scale, shift, name, sole=True)

    def relu(self, x):
        return self.builder.activation(x, "relu", "relu")

    def moved(self, x, move):
        return self.builder.moved(x, move)


def parameters(graph):
    """Weights and biases by the name of their layer, of layers that are one block."""
    found = {}
    for block in graph.blocks:
        if block.is_trained:
            key = f"{block.name}.{block.kind}"
            assert key not in found
            found[key] = torch.from_numpy(np.array(block.weight[:]))
    return found


def dense(p, x, name):
    # a head that shares its values with others is a point of their grid, and a column
    weight = p[f"{name}.weight"].transpose(1, 2).flatten(1)
    return x @ weight.T + p[f"{name}.bias"][:, 0, 0]


def conv(p, x, name, groups=1):
    weight = p[f"{name}.weight"]
    kernel = int(weight.shape[2] ** 0.5)
    weight = weight.reshape(*weight.shape[:2], kernel, kernel)
    return F.conv2d(x, weight, p[f"{name}.bias"][:, 0, 0], padding=kernel // 2, groups=groups)


class Mlp:
    shape = (1, 4)

    def build(self, seed):
        m = Maker(seed)
        x = m.builder.input("x", self.shape)
        for name, n in (("one", 6), ("two", 5)):
            x = m.relu(m.linear(x, name, n))
        m.linear(x, "out", 3)
        return m.builder.finish()

    def run(self, p, x):
        return dense(p, F.relu(dense(p, F.relu(dense(p, x, "one")), "two")), "out")


class Cnn:
    """Batch normalisation folded, a grouped and a depthwise convolution, pooling, flatten."""

    shape = (1, 2, 4, 4)

    def build(self, seed):
        return self.making(seed).builder.finish()

    def making(self, seed):
        m = Maker(seed)
        x = m.builder.input("x", self.shape)
        x = m.relu(m.batch_norm(m.convolution(x, "one", 6), "bn"))
        x = m.relu(m.convolution(x, "grouped", 9, groups=3))
        x = m.relu(m.convolution(x, "depthwise", 9, groups=9))
        x = m.builder.pool(
            x, name="pool", kernel=[2, 2], stride=[2, 2], padding=[(0, 0)] * 2, dilation=[1, 1],
            kind="max",
        )  # fmt: skip
        m.linear(m.moved(x, lambda a: a.reshape(1, -1)), "out", 3)
        return m

    def run(self, p, x):
        x = F.relu(conv(p, x, "one"))
        x = F.relu(conv(p, x, "grouped", groups=3))
        x = F.max_pool2d(F.relu(conv(p, x, "depthwise", groups=9)), 2)
        weight = p["out.weight"]  # a column for each point
        return x.flatten(1) @ weight.reshape(len(weight), -1).T + p["out.bias"][:, 0, 0]


class Residual:
    """Two blocks of a residual stream, of which one is a single layer, and a gate."""

    shape = (1, 2, 3, 3)

    def build(self, seed):
        m = Maker(seed)
        stream = m.relu(m.convolution(m.builder.input("x", self.shape), "stem", 5))
        branch = m.convolution(m.relu(m.convolution(stream, "a", 4)), "b", 5)
        stream = m.relu(m.builder.add([stream, branch], "add"))
        gate = m.builder.activation(m.convolution(stream, "gate", 5, kernel=1), "sigmoid", "gate")
        branch = m.builder.multiply([m.convolution(stream, "c", 5), gate], "times")
        stream = m.relu(m.builder.add([stream, branch], "add again"))
        m.linear(m.builder.mean(stream, [2, 3], name="mean", keepdims=False), "out", 3)
        return m.builder.finish()

    def run(self, p, x):
        x = F.relu(conv(p, x, "stem"))
        x = F.relu(x + conv(p, F.relu(conv(p, x, "a")), "b"))
        x = F.relu(x + conv(p, x, "c") * torch.sigmoid(conv(p, x, "gate")))
        return dense(p, x.mean((2, 3)), "out")


class Transformer:
    """A pre-norm block; `key_heads` fewer than the heads for grouped queries."""

    def __init__(self, heads=3, key_heads=3, fused=False):
        self.heads, self.key_heads, self.fused = heads, key_heads, fused

    shape = (1, 4, 5)
    size, width = 2, 7

    def _heads(self, x, n):
        b, t, _ = x.shape
        return lambda a: a.reshape(b, t, n, self.size).swapaxes(1, 2)

    def build(self, seed):
        m = Maker(seed)
        b, inner, keys = m.builder, self.heads * self.size, self.key_heads * self.size
        x = m.linear(b.input("x", self.shape), "embed", self.width)
        y = b.normalised(x, None, None, "norm", centred=-1)
        if self.fused:
            qkv = m.linear(y, "qkv", inner + 2 * keys)
            ends = np.cumsum([0, inner, keys, keys])
            q, k, v = (
                m.moved(qkv, lambda a, s=s, e=e: a[..., s:e]) for s, e in itertools.pairwise(ends)
            )
        else:
            q, k, v = (m.linear(y, n, w) for n, w in (("q", inner), ("k", keys), ("v", keys)))
        q = m.moved(q, self._heads(q, self.heads))
        k, v = (m.moved(one, self._heads(one, self.key_heads)) for one in (k, v))
        repeated = self.heads // self.key_heads
        k, v = (m.moved(one, lambda a: np.repeat(a, repeated, axis=1)) for one in (k, v))
        scores = b.scores(q, m.moved(k, lambda a: a.swapaxes(-1, -2)))
        mixed = b.attended(b.activation(scores, "softmax", "softmax"), v, "attention")
        mixed = m.moved(mixed, lambda a: a.swapaxes(1, 2).reshape(1, self.shape[1], inner))
        x = b.add([x, m.linear(mixed, "o", self.width)], "add")
        y = b.normalised(x, None, None, "norm again", centred=-1)
        y = m.linear(b.activation(m.linear(y, "up", 6), "gelu", "gelu"), "down", self.width)
        m.linear(b.add([x, y], "add again"), "out", 4)
        return b.finish()

    def run(self, p, x):
        x = dense(p, x, "embed")
        y = F.layer_norm(x, (self.width,))
        inner, keys = self.heads * self.size, self.key_heads * self.size
        if self.fused:
            q, k, v = dense(p, y, "qkv").split([inner, keys, keys], dim=-1)
        else:
            q, k, v = (dense(p, y, name) for name in "qkv")
        q = self._heads(q, self.heads)(q)
        k, v = (self._heads(one, self.key_heads)(one) for one in (k, v))
        k, v = (one.repeat_interleave(self.heads // self.key_heads, dim=1) for one in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, scale=1.0)
        x = x + dense(p, y.transpose(1, 2).flatten(2), "o")
        y = dense(p, F.gelu(dense(p, F.layer_norm(x, (self.width,)), "up")), "down")
        return dense(p, x + y, "out")


class Recurrent:
    shape = (4, 3)

    def build(self, seed):
        m = Maker(seed)
        x = m.builder.input("x", (1, *self.shape))
        x = m.moved(x, lambda a: a[0])
        states = m.builder.recurrent(
            x, "rnn", m.new("into", 5, 3), m.new("back", 5, 5), [m.new("bias", 5)], name="rnn"
        )
        m.linear(states, "out", 2)
        return m.builder.finish()

    def run(self, p, x):
        state = torch.zeros(5, dtype=x.dtype)
        found = []
        for row in x:
            fed = p["into"] @ row + p["back"] @ state + p["rnn.bias"][:, 0, 0]
            state = torch.tanh(fed)
            found.append(dense(p, state, "out"))
        return torch.stack(found)


def parameters_of_rnn(graph):
    into, back = (
        torch.from_numpy(np.array(block.weight[:, :, 0]))
        for name in ("into", "back")
        for block in graph.blocks
        if block.kind == "weight" and block.made_of == (name,)
    )
    blocks = tuple(b for b in graph.blocks if b.made_of not in (("into",), ("back",)))
    rest = BlockGraph(graph.groups, blocks)
    return parameters(rest) | {"into": into, "back": back}


NETWORKS = {
    "mlp": Mlp(),
    "cnn": Cnn(),
    "residual": Residual(),
    "transformer": Transformer(),
    "fused": Transformer(fused=True),
    "grouped queries": Transformer(heads=4, key_heads=2),
    "one key": Transformer(key_heads=1),
    "recurrent": Recurrent(),
}
ALL = pytest.mark.parametrize("name", NETWORKS)


def answers(name, graph, seed=0):
    network = NETWORKS[name]
    x = torch.from_numpy(np.random.default_rng(seed).normal(size=network.shape))
    found = parameters_of_rnn(graph) if name == "recurrent" else parameters(graph)
    return network.run(found, x).numpy()


# --- which permutations leave the function as it is ---------------------------------------------


@ALL
def test_a_random_element_leaves_function_and_diagram_as_they_are(name):
    for seed in range(5):
        graph = NETWORKS[name].build(seed)
        symmetry = Symmetry(graph)
        moved = symmetry.apply(symmetry.random(np.random.default_rng(seed)))
        assert same_structure(graph, moved)
        assert any(
            not np.array_equal(x.weight[:], y.weight[:])
            for x, y in zip(graph.blocks, moved.blocks, strict=True)
        )
        assert answers(name, moved) == pytest.approx(answers(name, graph), rel=1e-9, abs=1e-9)
        before, after = graph_diagram(graph).diagram, graph_diagram(moved).diagram
        for x, y in zip(
            (*before.intervals, *before.counts), (*after.intervals, *after.counts), strict=True
        ):
            assert np.array_equal(x, y)


def test_the_graphs_stand_for_the_functions_before_batch_norm_is_folded():
    m = Cnn().making(0)
    made = {name: torch.from_numpy(array) for name, array in m.made.items()}
    x = torch.from_numpy(np.random.default_rng(0).normal(size=Cnn.shape))
    expected = F.conv2d(x, made["one.w"], made["one.b"], padding=1)
    expected = expected * made["bn.scale"] + made["bn.shift"]
    found = conv(parameters(m.builder.finish()), x, "one").numpy()
    assert found == pytest.approx(expected.numpy(), rel=1e-9)


@ALL
def test_other_permutations_change_the_function(name):
    graph = NETWORKS[name].build(0)
    symmetry = Symmetry(graph)
    orders = list(symmetry.identity())
    outputs = len(graph.groups) - 1
    orders[outputs] = orders[outputs][::-1].copy()
    assert answers(name, symmetry.apply(orders)) != pytest.approx(answers(name, graph), rel=1e-3)
    with pytest.raises(NetkinError, match="no order of its"):
        symmetry.apply([np.zeros_like(order) for order in orders])


def shapes(graph):
    """Members of each class, what a member has, and its parts, without those of one member."""
    return sorted(
        (len(c.slots), c.slots.shape[1], sorted(part.shape for part in c.inner))
        for c in Symmetry(graph).classes
    )


def test_the_classes_are_those_of_the_architecture():
    assert shapes(Mlp().build(0)) == [(5, 1, []), (6, 1, [])]
    # three groups of a grouped convolution: two channels before, three after, with all tied to them
    assert shapes(Cnn().build(0)) == [(3, 11, [(2, 1), (3, 3)])]
    # channels of the stream: stem, b, add, gate, c, times, add again, mean
    assert shapes(Residual().build(0)) == [(4, 1, []), (5, 8, [])]
    # embed, o, add, down, add again; heads: pairs of q and k, and of v
    heads = (3, 6, [(2, 1), (2, 2)])
    assert shapes(Transformer().build(0)) == [heads, (6, 1, []), (7, 5, [])]
    assert shapes(Transformer(fused=True).build(0)) == [heads, (6, 1, []), (7, 5, [])]
    # a key with the queries of its heads; values with what each head makes of them
    assert (2, 12, [(2, 3), (2, 3)]) in shapes(Transformer(heads=4, key_heads=2).build(0))
    assert (1, 12, [(2, 2), (2, 4)]) in shapes(Transformer(key_heads=1).build(0))
    assert shapes(Recurrent().build(0)) == [(5, 1, [])]


def test_heads_move_whole():
    graph = Transformer().build(0)
    (heads,) = graph.heads
    for seed in range(20):
        orders = Symmetry(graph).random(np.random.default_rng(seed))
        taken = [
            np.array([[orders[g][c] for g, c in head] for head in part]) // Transformer.size
            for part in (heads.queries, heads.keys, heads.values)
        ]
        assert all((part == part[:, :1]).all() for part in taken)
        assert np.array_equal(taken[0][:, 0], taken[1][:, 0])
        assert np.array_equal(taken[0][:, 0], taken[2][:, 0])


def test_outputs_that_something_reads_are_fixed_when_they_are_named():
    m = Maker(0)
    x = m.linear(m.builder.input("x", (1, 3)), "hidden", 4)
    m.linear(m.relu(x), "out", 2)
    assert shapes(m.builder.finish()) == [(4, 1, [])]
    assert shapes(m.builder.finish(outputs=[x])) == []


def test_groups_of_a_normalisation_move_whole_and_slopes_keep_their_channels():
    def hidden(after):
        m = Maker(0)
        x = m.convolution(m.builder.input("x", (1, 2, 3, 3)), "hidden", 6)
        m.convolution(after(m.builder, x), "out", 2)
        return shapes(m.builder.finish())

    def norm(parts):
        return hidden(lambda b, x: b.normalised(x, None, None, "n", centred=None, parts=parts))

    assert norm(1) == norm(6) == [(6, 1, [])]
    assert norm(3) == [(3, 2, [(2, 1)])]
    assert norm(None) == []
    assert hidden(lambda b, x: b.activation(x, "prelu", "p")) == []

    def exported(b, x):
        # as torch writes group normalisation to ONNX
        whole = b.moved(x, lambda a: a.reshape(1, 3, -1))
        whole = b.normalised(whole, None, None, "n", centred=None, parts=3)
        return b.moved(whole, lambda a: a.reshape(x.shape))

    assert hidden(exported) == [(3, 2, [(2, 1)])]


def test_a_layer_that_is_used_twice_ties_what_it_reads_and_gives():
    m = Maker(0)
    weight = m.new("shared", 4, 4)
    x = m.linear(m.builder.input("x", (1, 3)), "first", 4)
    for name in ("once", "twice"):
        x = m.builder.linear(m.relu(x), weight, name=name)
    m.linear(x, "out", 2)
    assert shapes(m.builder.finish()) == [(4, 3, [])]


def test_a_file_keeps_heads_and_outputs(tmp_path):
    graph = Transformer().build(0)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        put_graph(file, graph, {})
        found = get_graph(file, "x.h5")
        assert same_structure(graph, found) and found.heads
        assert shapes(found) == shapes(graph)
        del file["wired/heads/0/keys"]
        file["wired/heads/0/keys"] = graph.heads[0].keys + 100
        with pytest.raises(NetkinError, match="channels that are not there"):
            get_graph(file, "x.h5")


# --- weight matching ----------------------------------------------------------------------------


@ALL
def test_a_renumbered_network_of_any_architecture_is_found_to_be_the_same(name):
    # of heads of 2 channels and 5 units in a loop the search may end in a local optimum
    exact = 0
    for seed in range(10):
        graph = NETWORKS[name].build(seed)
        symmetry = Symmetry(graph)
        moved = symmetry.apply(symmetry.random(np.random.default_rng(seed)))
        distance = weight_matching(graph, moved)
        assert distance <= plain_norm(graph, moved) * (1 + 1e-12)
        exact += distance == 0
        assert weight_matching(graph, graph) == 0
    assert exact >= 9


@ALL
def test_weight_matching_is_symmetric_and_no_larger_than_the_plain_norm(name):
    for seed in range(3):
        a, b = NETWORKS[name].build(seed), NETWORKS[name].build(seed + 100)
        found = weight_matching(a, b)
        assert found == pytest.approx(weight_matching(b, a), rel=1e-12)
        assert found <= plain_norm(a, b) * (1 + 1e-12)
        matched = Symmetry(b).apply(matched_orders(a, b))
        assert answers(name, matched) == pytest.approx(answers(name, b), rel=1e-9, abs=1e-9)
        assert plain_norm(a, matched) >= found * (1 - 1e-12)


def test_weight_matching_of_a_chain_as_a_graph_is_that_of_the_layers():
    for seed in range(20):
        a, b = (chain((4, 6, 5, 3), seed + k) for k in (0, 100))
        x, y = (dense_graph(one.weights, one.biases) for one in (a, b))
        assert weight_matching(x, y) == pytest.approx(weight_matching(a, b), rel=1e-12)


def test_matching_of_other_architectures_is_undefined():
    graph, other = Mlp().build(0), Cnn().build(0)
    network = chain((4, 6, 5, 3), 0)
    for pair in ((graph, other), (graph, network), (network, other)):
        with pytest.raises(UndefinedDistance, match="different shape"):
            weight_matching(*pair)
    with pytest.raises(UndefinedDistance, match="chains of dense layers"):
        faq(graph, graph)


def plain_norm(a, b):
    return np.sqrt(
        sum(
            float(((np.asarray(x.weight[:]) - np.asarray(y.weight[:])) ** 2).sum())
            for x, y in zip(a.blocks, b.blocks, strict=True)
            if x.is_trained
        )
    )


def chain(shape, seed):
    rng = np.random.default_rng(seed)
    pairs = list(itertools.pairwise(shape))
    return Network(
        tuple(rng.normal(size=(after, before)) for before, after in pairs),
        tuple(rng.normal(size=after) for _, after in pairs),
    )


# --- norms ---------------------------------------------------------------------------------------


def test_norms_of_convolutional_networks_are_those_of_their_edges():
    a, b = (listed_graph(Cnn().build(seed)) for seed in (0, 1))
    expected = np.linalg.norm((a.to_scipy().astype(float) - b.to_scipy().astype(float)).toarray())
    assert frobenius(a, b) == pytest.approx(expected, rel=1e-12)
    with pytest.raises(UndefinedDistance, match="different shape"):
        frobenius(a, listed_graph(Residual().build(0)))


# --- neural persistence --------------------------------------------------------------------------


def forest_of_scipy(matrix):
    """|w| of a maximum spanning forest of the bipartite graph, by scipy."""
    n_out, n_in = matrix.shape
    cost = np.zeros((n_out + n_in,) * 2)
    cost[:n_out, n_out:] = 2 * np.abs(matrix).max() - np.abs(matrix)
    tree = minimum_spanning_tree(csr_matrix(cost)).data
    return 2 * np.abs(matrix).max() - tree


def test_neural_persistence_of_tensors_is_that_of_their_matrices():
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(4, 3, 2, 2))
    dense_ = rng.normal(size=(5, 6))
    tensors = Tensors.of({"c.weight": kernel, "c.bias": kernel[:, 0, 0, 0], "d.weight": dense_})
    found = tensor_neural_persistence(tensors, order=3.0)
    assert found.left_out == ("c.bias",)
    largest = max(np.abs(kernel).max(), np.abs(dense_).max())
    for name, matrix in (("c.weight", kernel.reshape(4, 12)), ("d.weight", dense_)):
        lengths = 1 - forest_of_scipy(matrix) / largest
        expected = (lengths**3).sum() ** (1 / 3) / (sum(matrix.shape) - 1) ** (1 / 3)
        assert found.values[name] == pytest.approx(expected, rel=1e-6)
    # Keras has the outputs last
    turned = Tensors.of({"c/kernel": np.moveaxis(kernel, (0, 1), (3, 2)), "d.weight": dense_})
    of_turned = tensor_neural_persistence(turned, order=3.0)
    assert of_turned.values["c/kernel"] == pytest.approx(found.values["c.weight"], rel=1e-6)
    assert tensor_neural_persistence_distance(tensors, turned, order=3.0) == pytest.approx(0)
    other = Tensors.of({"anything": rng.normal(size=(7, 2))})
    means = [
        np.mean(list(tensor_neural_persistence(each).values.values())) for each in (tensors, other)
    ]
    expected = abs(means[0] - means[1])
    assert tensor_neural_persistence_distance(tensors, other) == expected > 1e-3


def test_neural_persistence_of_tensors_that_are_no_layers_is_undefined():
    for arrays in ({"bias": np.ones(3)}, {"w": np.zeros((2, 3))}, {"w": np.full((2, 3), np.nan)}):
        with pytest.raises(UndefinedDistance):
            tensor_neural_persistence(Tensors.of(arrays))


def test_neural_persistence_of_a_graph_is_that_of_its_blocks():
    network = chain((4, 6, 5, 3), 0)
    graph = dense_graph(network.weights, network.biases)
    assert np.array_equal(layer_neural_persistence(graph), layer_neural_persistence(network))
    assert neural_persistence_distance(graph, network) == 0
    cnn = Cnn().build(0)
    weights = [np.asarray(b.weight[:]) for b in cnn.blocks if b.kind == "weight"]
    largest = max(np.abs(weight).max() for weight in weights)
    grouped = weights[1].reshape(3, 3, -1)
    squares = sum(neural_persistence(part, largest) ** 2 for part in grouped)
    n_ends = 3 * (3 + grouped.shape[2] - 1)
    assert layer_neural_persistence(cnn)[1] == pytest.approx(np.sqrt(squares / n_ends))


# --- deep graph persistence ----------------------------------------------------------------------


def test_deep_graph_persistence_by_hand():
    # standardised, |w|: [[1, 1], [1, 1]] of the first, as its mean is 0 and its deviation 2;
    # the second has mean 2 and deviation sqrt(2): [[sqrt(2), 0, ...]]
    first = np.array([[2.0, -2.0], [-2.0, 2.0]])
    second = np.array([[4.0, 2.0], [2.0, 0.0], [1.0, 3.0]])
    mean, deviation = second.mean(), second.std()
    assert (mean, deviation) == (2.0, pytest.approx(np.sqrt(10 / 6)))
    strength = np.array([[2.0, 0.0], [0.0, 2.0], [1.0, 1.0]]) / deviation
    # the strongest of all is 2 / deviation = 1.549; every first weight is 1
    scaled = strength / (2 / deviation)
    assert scaled[2, 0] == 0.5
    weakest = min(deviation / 2, 1.0)
    expected = np.array([[weakest, weakest, 0.5], [weakest, weakest, 0.5]])
    network = Network((first, second), (None, None))
    assert summary_matrix(network) == pytest.approx(expected)
    # divided by its largest entry; a spanning tree has three edges of 1 and one of 0.5 / weakest
    longest = 1 - 0.5 / weakest
    assert deep_graph_persistence(network) == pytest.approx(longest / 2)
    assert deep_graph_persistence(network, order=np.inf) == pytest.approx(longest)


def paths(graph):
    """The summary matrix by trying all paths over channels."""
    blocks = [b for b in graph.blocks if b.kind != "bias"]
    largest, strengths = 0.0, []
    for block in blocks:
        weight = np.asarray(block.weight[:], dtype=float)
        if block.is_trained:
            weight = np.abs(weight - weight.mean()) / weight.std()
            largest = max(largest, weight.max())
        strengths.append(weight)
    edges = {}
    for block, weight in zip(blocks, strengths, strict=True):
        per = weight.shape[1]
        for o, i in np.ndindex(weight.shape[:2]):
            channel = o // (block.n_out // block.groups) * per + i
            strength = weight[o, i].max() / largest if block.is_trained else 1.0
            source = block.source, block.source_channel + channel
            edges.setdefault(source, []).append(
                ((block.target, block.target_channel + o), strength)
            )

    def follow(slot, weakest):
        if slot not in edges:
            best[slot] = max(best.get(slot, 0.0), weakest)
        for target, strength in edges.get(slot, []):
            follow(target, min(weakest, strength))

    rows = []
    last = len(graph.groups) - 1
    for channel in range(graph.groups[0].channels):
        best = {}
        follow((0, channel), 1.0)
        rows.append([best.get((last, c), 0.0) for c in range(graph.groups[last].channels)])
    return np.array(rows)


@pytest.mark.parametrize("name", ["mlp", "cnn", "residual", "transformer"])
def test_the_summary_matrix_holds_the_strongest_paths(name):
    for seed in range(2):
        graph = NETWORKS[name].build(seed)
        found = summary_matrix(graph)
        assert found == pytest.approx(paths(graph), rel=1e-12)
        symmetry = Symmetry(graph)
        moved = symmetry.apply(symmetry.random(np.random.default_rng(seed)))
        assert deep_graph_persistence_distance(graph, moved) == pytest.approx(0, abs=1e-12)


def test_the_summary_matrix_of_a_loop_has_paths_that_go_round():
    one = np.zeros(1, dtype=np.int64)

    def block(name, source, target, weight):
        array = np.array(weight, dtype=float)[:, :, None]
        return Block(name, "weight", source, target, array, no_taps(), one)

    graph = BlockGraph(
        (Group("in", 1), Group("state", 3), Group("out", 1)),
        (
            block("out", 1, 2, [[3, 0, 0]]),
            block("back", 1, 1, [[0, 9, 0], [0, 0, 0], [0, 0, 0]]),
            block("in", 0, 1, [[0], [3], [0]]),
        ),
    )
    # in standard units: in 0.707, 1.414, 0.707; back from the second to the first 2.828; out of
    # the first 1.414. So the way by the second is stronger, 1.414 of 2.828
    assert summary_matrix(graph) == pytest.approx(np.array([[0.5]]))


def test_deep_graph_persistence_that_cannot_be_had_is_undefined():
    flat = Network((np.ones((3, 2)), np.eye(3)), (None, None))
    with pytest.raises(UndefinedDistance, match="'layer 0' are equal"):
        deep_graph_persistence(flat)
    a, b = chain((4, 6, 3), 0), chain((5, 7, 7, 2), 1)
    found = deep_graph_persistence_distance(a, b)
    assert found == abs(deep_graph_persistence(a) - deep_graph_persistence(b)) > 1e-4
    scaled = Network((a.weights[0] * -3, a.weights[1] * 7), a.biases)
    assert deep_graph_persistence_distance(a, scaled) == pytest.approx(0, abs=1e-12)


# --- diagrams of tensors -------------------------------------------------------------------------


def test_the_diagram_of_a_matrix_is_its_forest_and_the_rest():
    rng = np.random.default_rng(0)
    for shape in ((1, 1), (1, 5), (4, 3), (7, 9)):
        matrix = rng.normal(size=shape).astype(np.float32)
        h0, h1 = matrix_diagram(matrix).expanded()
        deaths = np.sort(np.maximum(1 - forest_of_scipy(matrix) / np.abs(matrix).max(), 1e-6))
        assert h0[:-1, 1] == pytest.approx(deaths, abs=1e-6)
        assert np.isinf(h0[-1, 1]) and len(h1) == (shape[0] - 1) * (shape[1] - 1)
        zero = matrix_diagram(np.zeros(shape, np.float32))
        assert zero.n_classes() == (sum(shape), len(h1))
        near_zero = np.zeros(shape, np.float32)
        near_zero[0, 0] = 1e-30
        assert zero.expanded()[1].tolist() == matrix_diagram(near_zero).expanded()[1].tolist()


def test_diagrams_of_tensors_are_compared_by_name_and_by_position():
    rng = np.random.default_rng(0)
    arrays = {"a": rng.normal(size=(4, 3, 2)), "b": rng.normal(size=(5, 4)), "c": np.ones(4)}
    x = Tensors.of(arrays)
    turned = Tensors.of({"a": -arrays["a"][::-1], "b": arrays["b"][:, ::-1] * 3, "c": arrays["c"]})
    other = Tensors.of({"b": rng.normal(size=(5, 4)), "z": rng.normal(size=(2, 2))})
    assert list(tensor_diagrams(x)) == ["a", "b"]
    for distance in (tensor_wasserstein, tensor_bottleneck):
        assert distance(x, turned) == pytest.approx(0, abs=1e-6)
        assert distance(x, other) > 0.01
        assert distance(x, other) == distance(other, x)
        assert distance(x, other, match="position") != distance(x, other)
        with pytest.raises(UndefinedDistance, match="name and shape"):
            distance(x, Tensors.of({"b": np.ones((4, 5))}))
        with pytest.raises(UndefinedDistance, match="2 and 1 tensors"):
            distance(x, Tensors.of({"b": np.ones((4, 5))}), match="position")


def test_bare_files_are_compared_without_their_wiring(tmp_path):
    rng = np.random.default_rng(0)
    paths = []
    for name in ("a", "b"):
        paths.append(str(tmp_path / f"{name}.safetensors"))
        arrays = {
            "conv.weight": rng.normal(size=(4, 3, 3, 3)).astype(np.float32),
            "norm.weight": rng.normal(size=4).astype(np.float32),
            "out.weight": rng.normal(size=(2, 4)).astype(np.float32),
        }
        save_file(arrays, paths[-1])
    chosen = ["tensor_neural_persistence", "tensor_wasserstein", "tensor_bottleneck"]
    found = netkin.compare(*paths, measures=chosen)
    for name in chosen:
        assert found.matrices[name].values[0, 1] > 0
