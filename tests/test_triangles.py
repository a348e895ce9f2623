import numpy as np
import pytest

from netkin.errors import NetkinError
from netkin.graph.blocks import NO_GROUP, Block, BlockGraph, Group
from netkin.graph.builder import Builder, Parameter
from netkin.graph.reading import BlockEdges
from netkin.graph.triangles import may_have_triangles
from tests.stress.graphs import KINDS, MOST_EDGES, has_triangle

pytestmark = pytest.mark.budget("graphs")

ONE = np.zeros(1, dtype=np.int64)


def block(source, target, tap, shape=(2, 2, 1), **options):
    """Return a block of one tap."""
    kind = options.pop("kind", "weight")
    return Block(
        f"{source}-{target}", kind, source, target, np.ones(shape), np.array([tap]), ONE, **options
    )


def edges_of(blocks, n_groups=3, channels=4, grid=(5,), **options):
    groups = tuple(Group(f"{k}", channels, grid) for k in range(n_groups))
    return BlockEdges(BlockGraph(groups, tuple(blocks)), **options)


def tap(source, target, count):
    return [[source, 1, target, 1, count]]


def recurrent(kind, bias_vertices):
    rng = np.random.default_rng(0)
    build = Builder()
    n, rows = 3, 3 * {"rnn": 1, "lstm": 4, "gru": 3}[kind]
    x = build.moved(build.input("x", (1, 6, 2)), lambda array: array[0])
    build.recurrent(
        x,
        kind,
        Parameter(rng.normal(size=(rows, 2)), ("into",)),
        Parameter(rng.normal(size=(rows, n)), ("back",)),
        [Parameter(rng.normal(size=rows), ("bias",))],
        name=kind,
    )
    return BlockEdges(build.finish(), bias_vertices=bias_vertices)


@pytest.mark.parametrize("kind", KINDS)
def test_no_triangle_of_a_random_graph_is_missed(kind):
    seen = free = 0
    for seed in range(60 if kind in ("raw", "convolutions") else 25):
        rng = np.random.default_rng([seed, 7])
        graph = KINDS[kind](rng)
        for additions in ("contracted", "merged"):
            try:
                edges = BlockEdges(graph, additions=additions)
            except NetkinError:  # all weights are 0, or it cannot be merged
                continue
            if edges.n_edges > MOST_EDGES:
                continue
            may = may_have_triangles(edges)
            free += not may
            if has_triangle(edges.stored(), edges.contracts):
                seen += 1
                assert may, (seed, additions)
    assert free > 10
    assert seen > 0 or kind == "recurrences"


def test_shifts_that_add_up_to_nothing_are_a_triangle():
    walk = [block(0, 1, tap(0, 1, 4)), block(1, 2, tap(0, 1, 4)), block(0, 2, tap(0, 2, 3))]
    edges = edges_of(walk)
    assert may_have_triangles(edges)
    assert has_triangle(edges.stored(), edges.contracts)


def test_shifts_that_lead_elsewhere_are_none():
    walk = [block(0, 1, tap(0, 1, 4)), block(1, 2, tap(0, 1, 4)), block(0, 2, tap(0, 1, 4))]
    assert not may_have_triangles(edges_of(walk))


def test_points_that_do_not_meet_are_none():
    walk = [block(0, 1, tap(0, 0, 2)), block(1, 2, tap(0, 0, 5)), block(0, 2, tap(3, 3, 2))]
    assert not may_have_triangles(edges_of(walk))


def test_channels_that_do_not_meet_are_none():
    whole = tap(0, 0, 5)
    walk = [block(0, 1, whole), block(1, 2, whole, source_channel=2), block(0, 2, whole)]
    assert not may_have_triangles(edges_of(walk))


def test_depthwise_blocks_that_come_back_to_another_channel_are_none():
    whole = tap(0, 0, 5)
    walk = [
        block(0, 1, whole, (3, 1, 1), groups=3, target_channel=1),
        block(1, 2, whole, (4, 1, 1), groups=4),
        block(0, 2, whole, (4, 1, 1), groups=4),
    ]
    assert not may_have_triangles(edges_of(walk))
    assert may_have_triangles(edges_of([*walk[1:], block(0, 1, whole, (4, 1, 1), groups=4)]))


def test_steps_that_are_not_one_may_be_a_triangle():
    walk = [
        block(0, 1, [[0, 2, 0, 1, 3]]),
        block(1, 2, tap(0, 0, 5)),
        block(0, 2, [[0, 2, 0, 1, 3]]),
    ]
    edges = edges_of(walk)
    assert may_have_triangles(edges)
    assert has_triangle(edges.stored(), edges.contracts)


def test_an_identity_is_no_side_where_it_is_contracted():
    whole = tap(0, 0, 5)
    walk = [
        block(0, 1, whole, (4, 4, 1)),
        block(1, 2, whole, (4, 4, 1)),
        block(0, 2, whole, (4, 1, 1), groups=4, kind="identity"),
    ]
    assert not may_have_triangles(edges_of(walk))
    assert may_have_triangles(edges_of(walk, additions="merged"))


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_recurrent_layers_have_none(kind):
    edges = recurrent(kind, "per_neuron")
    assert not may_have_triangles(edges)
    assert not has_triangle(edges.stored(), edges.contracts)


def test_a_bias_that_all_steps_share_makes_triangles_with_the_steps():
    edges = recurrent("rnn", "per_layer")
    assert may_have_triangles(edges)
    assert has_triangle(edges.stored(), edges.contracts)


def test_a_bias_of_its_own_makes_none():
    bias = Block(
        "bias", "bias", NO_GROUP, 1, np.ones((4, 1, 1)), np.array([[[0, 0, 0, 1, 5]]]), ONE
    )
    blocks = [block(0, 1, tap(0, 0, 5)), bias]
    for bias_vertices in ("per_neuron", "per_layer"):
        edges = edges_of(blocks, n_groups=2, bias_vertices=bias_vertices)
        assert not may_have_triangles(edges)
