"""Arrangements of operators and of taps that are rare: each was once translated wrongly."""

import gc
import weakref

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 # its usual name
from safetensors.torch import save_file

from netkin.diagram.exact import exact_diagram
from netkin.diagram.flagser import flagser_diagram
from netkin.diagram.split import split_diagram
from netkin.distance.deep_graph_persistence import deep_graph_persistence_distance
from netkin.distance.neural_persistence import neural_persistence_distance
from netkin.graph.blocks import (
    Block,
    BlockGraph,
    Group,
    dense_graph,
    first_vertices,
    no_taps,
    unrolled,
)
from netkin.graph.builder import Builder, NotUnderstood, Parameter
from netkin.graph.reading import BlockEdges
from netkin.graph.rescale import rescaled
from netkin.network.format import open_model
from netkin.network.format.input_shape import parse_input_shape
from netkin.network.format.wiring_file import graph_from_wiring, read_wiring

pytestmark = pytest.mark.budget("graphs")


def numbers(rng, *shape):
    return Parameter(rng.normal(size=shape), ("w",))


def outputs(graph: BlockGraph, x):
    """Return what all units of a graph without activations are, of its first group's values."""
    n = int(first_vertices(graph.groups)[-1])
    edges = unrolled(graph)
    constant, matrix = np.zeros(n), np.eye(n)
    bias = edges.source < 0
    np.add.at(constant, edges.target[bias], edges.weight[bias])
    np.add.at(matrix, (edges.target[~bias], edges.source[~bias]), -edges.weight[~bias])
    constant[: x.size] += x.ravel()
    return np.linalg.solve(matrix, constant)


def convolved(builder, x, weight, groups=1, stride=(1, 1)):
    return builder.convolution(
        x,
        weight,
        name="convolution",
        stride=stride,
        padding=((1, 1), (1, 1)),
        dilation=(1, 1),
        groups=groups,
    )


@pytest.mark.parametrize("groups", [1, 2, 4, 8])
def test_groups_of_channels_that_stand_at_other_points(groups):
    rng = np.random.default_rng(groups)
    builder = Builder()
    x = builder.input("x", (1, 2, 4, 6))
    corners = [(0, 0), (0, 1), (1, 0), (1, 1)]
    parts = [builder.moved(x, lambda u, a=a, b=b: u[..., a::2, b::2]) for a, b in corners]
    weight = numbers(rng, groups * 3, 8 // groups, 3, 3)
    y = convolved(builder, builder.concatenate(parts, 1, "corners"), weight, groups)
    data = rng.normal(size=x.shape)
    t = torch.tensor(data)
    want = F.conv2d(
        torch.cat([t[..., a::2, b::2] for a, b in corners], 1),
        torch.tensor(weight.array),
        padding=1,
        groups=groups,
    )
    np.testing.assert_allclose(outputs(builder.finish(), data)[y.units], want.numpy(), atol=1e-10)


def test_pooling_that_skips_all_points_of_a_channel():
    builder = Builder()
    x = builder.input("x", (1, 1, 4, 4))
    parts = [
        builder.moved(x, lambda u, k=k: np.pad(u[..., 1:], [*[(0, 0)] * 3, k], constant_values=-1))
        for k in ((0, 1), (1, 0))
    ]
    y = builder.pool(
        builder.concatenate(parts, 1, "both"),
        name="pool",
        kernel=(1, 1),
        stride=(4, 4),
        padding=((0, 0), (0, 0)),
        dilation=(1, 1),
        kind="mean",
    )
    data = np.random.default_rng(0).normal(size=x.shape)
    found = outputs(builder.finish(), data)[y.units]
    np.testing.assert_allclose(found.ravel(), [data[0, 0, 0, 1], 0])


def test_a_mean_whose_first_number_is_a_zero_of_padding():
    builder = Builder()
    x = builder.input("x", (1, 2, 3, 3))
    around = [(0, 0), (0, 0), (1, 0), (1, 0)]
    padded = builder.moved(x, lambda u: np.pad(u, around, constant_values=-1))
    y = builder.units_of(builder.mean(padded, [2, 3], name="mean", keepdims=True), "mean")
    data = np.random.default_rng(0).normal(size=x.shape)
    found = outputs(builder.finish(), data)[y.units]
    np.testing.assert_allclose(found.ravel(), data.sum(axis=(2, 3)).ravel() / 16)


def test_what_reads_nothing_but_zeros_is_not_understood():
    builder = Builder()
    zeros = builder.moved(builder.input("x", (1, 2)), lambda u: np.full_like(u, -1))
    with pytest.raises(NotUnderstood, match="nothing but zeros"):
        builder.units_of(builder.mean(zeros, [1], name="mean", keepdims=True), "mean")


def test_a_mean_over_channels_is_one_channel_on_the_same_grid():
    builder = Builder()
    x = builder.input("x", (1, 3, 4, 5))
    means = [builder.mean(x, [1], name=kind, keepdims=True, kind=kind) for kind in ("mean", "max")]
    weight = numbers(np.random.default_rng(0), 1, 2, 3, 3)
    convolved(builder, builder.concatenate(means, 1, "both"), weight)
    graph = builder.finish()
    assert [(group.channels, group.grid) for group in graph.groups[1:]] == [(1, (4, 5))] * 3
    assert sum(block.kind == "weight" for block in graph.blocks) == 2


@pytest.mark.parametrize("size", [5, 8])
def test_points_that_go_round_the_grid_take_few_taps(size):
    builder = Builder()
    rng = np.random.default_rng(size)
    x = builder.input("x", (1, 1, size, size))
    turned = builder.moved(x, lambda u: np.roll(u, (2, -1), (2, 3)))
    weight = numbers(rng, 1, 1, 1, 1)
    y = builder.linear(turned, Parameter(weight.array[:, :, 0, 0], ("w",)), name="y", axis=1)
    graph = builder.finish()
    assert len(graph.blocks[0].taps) == 4
    data = rng.normal(size=x.shape)
    want = np.roll(data, (2, -1), (2, 3)) * weight.array.ravel()[0]
    np.testing.assert_allclose(outputs(graph, data)[y.units], want)


def test_a_circular_convolution_takes_as_many_taps_on_any_grid():
    def taps(size):
        builder = Builder()
        x = builder.input("x", (1, 1, size, size))
        around = [(0, 0), (0, 0), (1, 1), (1, 1)]
        wrapped = builder.moved(x, lambda u: np.pad(u, around, mode="wrap"))
        weight = numbers(np.random.default_rng(0), 1, 1, 3, 3)
        builder.convolution(
            wrapped, weight, name="y", stride=(1, 1), padding=((0, 0),) * 2, dilation=(1, 1)
        )
        return len(builder.finish().blocks[0].taps)

    assert taps(6) == taps(20) == 25


def test_a_layer_of_a_wiring_file_is_not_scaled_for_one_of_its_readers_only(tmp_path):
    rng = np.random.default_rng(0)
    weights = {
        "first": torch.tensor(rng.normal(size=(2, 2, 1, 1))),
        "second": torch.tensor(rng.normal(size=(2, 2, 1, 1))),
        "scale": torch.tensor(rng.normal(size=2)),
    }
    (tmp_path / "wiring.yaml").write_text(
        """
input: {x: [2, 3, 4]}
layers:
  - {name: a, op: convolution, weight: first}
  - {name: turned, op: transpose, order: [0, 1, 3, 2]}
  - {name: scaled, op: scale, weight: scale, axis: 1}
  - {name: back, op: transpose, order: [0, 1, 3, 2]}
  - {name: b, op: convolution, weight: second}
  - {op: add, inputs: [a, b]}
"""
    )
    save_file(weights, tmp_path / "weights.safetensors")
    with open_model(tmp_path / "weights.safetensors") as model:
        wiring = read_wiring(tmp_path / "wiring.yaml")
        graph = graph_from_wiring(model, wiring, parse_input_shape(""))
        x = rng.normal(size=(2, 3, 4))
        found = outputs(graph, x)[-24:].reshape(x.shape)
    first, second = (weights[name].numpy()[:, :, 0, 0] for name in ("first", "second"))
    a = np.tensordot(first, x, 1)
    want = a + np.tensordot(second, a * weights["scale"].numpy()[:, None, None], 1)
    np.testing.assert_allclose(found, want, atol=1e-10)


@pytest.mark.parametrize("is_output", [False, True])
def test_units_that_are_outputs_are_not_rescaled(is_output):
    rng = np.random.default_rng(0)
    builder = Builder()
    x = builder.input("x", (1, 2))
    hidden = builder.activation(builder.linear(x, numbers(rng, 3, 2), name="h"), "relu", "relu")
    y = builder.linear(hidden, numbers(rng, 1, 3), name="y")
    graph = builder.finish(outputs=[hidden, y] if is_output else [y])
    pairs = zip(graph.blocks, rescaled(graph).blocks, strict=True)
    assert all(np.array_equal(a.weight[:], b.weight[:]) for a, b in pairs) is is_output


def test_units_that_attention_compares_are_not_rescaled():
    rng = np.random.default_rng(0)
    builder = Builder()
    x = builder.input("x", (1, 3, 2))
    hidden = builder.activation(builder.linear(x, numbers(rng, 2, 2), name="h"), "relu", "relu")
    scores = builder.scores(hidden, builder.moved(hidden, lambda u: np.swapaxes(u, -1, -2)))
    values = builder.linear(hidden, numbers(rng, 2, 2), name="v")
    builder.linear(builder.attended(scores, values, "heads"), numbers(rng, 1, 2), name="y")
    graph = builder.finish()
    pairs = zip(graph.blocks, rescaled(graph).blocks, strict=True)
    assert all(np.array_equal(a.weight[:], b.weight[:]) for a, b in pairs)


def test_a_contracted_edge_beside_a_weight_closes_no_triangle():
    one = np.zeros(1, dtype=np.int64)
    blocks = tuple(
        Block(kind, kind, 0, 1, np.full((1, 1, 1), w, np.float32), no_taps(), one)
        for kind, w in (("weight", 0.5), ("identity", 1.0))
    )
    edges = BlockEdges(BlockGraph((Group("x", 1), Group("z", 1)), blocks))
    for engine in (exact_diagram, split_diagram, flagser_diagram):
        diagram = engine(edges, max_dimension=1)
        assert diagram.n_classes() == (1, 1)


@pytest.mark.parametrize("distance", [neural_persistence_distance, deep_graph_persistence_distance])
def test_a_graph_is_not_kept_for_what_is_known_of_it(distance):
    rng = np.random.default_rng(0)
    one, other = (dense_graph([rng.normal(size=(3, 2))], [None]) for _ in range(2))
    distance(one, other)
    seen = weakref.ref(one)
    del one
    gc.collect()
    assert seen() is None
