"""Measures of the weights of two networks: equal to brute force, to Kruskal and to scipy."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import quadratic_assignment

from netkin.distance import MEASURES
from netkin.distance.graph_matching import faq
from netkin.distance.neural_persistence import (
    layer_neural_persistence,
    neural_persistence,
    neural_persistence_distance,
)
from netkin.distance.weight_matching import weight_matching
from netkin.errors import UndefinedDistance
from netkin.graph.graph import graph_from_weights
from netkin.network.file import HISTORY, Network

DETERMINISTIC = settings(derandomize=True, database=None, deadline=None, max_examples=100)
MATCHINGS = pytest.mark.parametrize("distance", [weight_matching, faq])


def make_network(weights, biases=None):
    biases = [np.zeros(len(weight)) for weight in weights] if biases is None else biases
    return Network(
        tuple(np.asarray(weight, dtype=np.float32) for weight in weights),
        tuple(np.asarray(bias, dtype=np.float32) for bias in biases),
        {name: np.zeros(1) for name in HISTORY},
        0.5,
    )


def random_network(shape, seed):
    rng = np.random.default_rng(seed)
    return make_network(
        [rng.normal(size=(n_out, n_in)) for n_in, n_out in itertools.pairwise(shape)],
        [rng.normal(size=n_out) for n_out in shape[1:]],
    )


def renumbered(network, orders):
    """The network with unit ``orders[k][i]`` of each layer, inputs first, in place i."""
    pairs = list(itertools.pairwise(orders))
    return make_network(
        [w[rows][:, columns] for w, (columns, rows) in zip(network.weights, pairs, strict=True)],
        [b[rows] for b, (_, rows) in zip(network.biases, pairs, strict=True)],
    )


def shape_of(network):
    return [network.weights[0].shape[1], *map(len, network.biases)]


def hidden_orders(network, choose):
    """Orders of all layers: those of the hidden ones by ``choose(n)``."""
    first, *hidden, last = shape_of(network)
    return [np.arange(first), *map(choose, hidden), np.arange(last)]


def plain_norm(a, b):
    parts = zip(a.weights + a.biases, b.weights + b.biases, strict=True)
    return np.sqrt(sum(((x.astype(float) - y) ** 2).sum() for x, y in parts))


def least_norm(a, b):
    """The least norm over all renumberings of the hidden units, by trying them."""
    choices = [[order] for order in hidden_orders(a, np.arange)]
    for k, n in enumerate(shape_of(a)[1:-1], start=1):
        choices[k] = [np.array(order) for order in itertools.permutations(range(n))]
    return min(plain_norm(a, renumbered(b, orders)) for orders in itertools.product(*choices))


@pytest.mark.parametrize(
    "name", [name for name, entry in MEASURES.items() if entry.needs in ("network", "graph")]
)
def test_other_shapes_are_compared_unless_the_registry_says_no(name):
    entry = MEASURES[name]
    items = [random_network(shape, 0) for shape in ((4, 3, 2), (4, 5, 2), (4, 3, 3, 2))]
    if entry.needs == "graph":
        items = [graph_from_weights(network.weights, network.biases) for network in items]
    for other in items[1:]:
        if "same shape" in entry.requires:
            with pytest.raises(UndefinedDistance, match="of different shape"):
                entry.function(items[0], other)
        else:
            assert entry.function(items[0], other) >= 0


# --- neural persistence --------------------------------------------------------------


def tree_of_kruskal(weight):
    """|w| of the edges of a maximum spanning tree, by Kruskal with a union-find."""
    n_out, n_in = weight.shape
    parent = list(range(n_out + n_in))

    def root(vertex):
        while parent[vertex] != vertex:
            vertex = parent[vertex]
        return vertex

    tree = []
    edges = [(abs(weight[i, j]), i, n_out + j) for i in range(n_out) for j in range(n_in)]
    for strength, i, j in sorted(edges, key=lambda edge: -edge[0]):
        if root(i) != root(j):
            parent[root(i)] = root(j)
            tree.append(float(strength))
    return np.array(tree)


def test_neural_persistence_by_hand():
    # of the first layer 0.6 closes a cycle and 0.1 comes after 0.2; the second has the
    # strongest weight of all, 2
    network = make_network([[[0.9, -0.8, 0.1], [-0.7, 0.6, 0.2]], [[-2.0, 0.5]]], [[9, 9], [9]])
    lengths = [np.array([0.55, 0.6, 0.65, 0.9]), np.array([0.0, 0.75])]
    for order in (1.0, 2.0, 3.0):
        sums = [(part**order).sum() ** (1 / order) for part in lengths]
        for weight, expected in zip(network.weights, sums, strict=True):
            assert neural_persistence(weight, 2.0, order=order) == pytest.approx(expected)
        bounds = [4 ** (1 / order), 2 ** (1 / order)]
        assert layer_neural_persistence(network, order=order) == pytest.approx(
            np.divide(sums, bounds)
        )
    assert layer_neural_persistence(network, order=np.inf) == pytest.approx([0.9, 0.75])


@DETERMINISTIC
@given(
    # multiples of 1/4 make ties and zeros
    weight=arrays(
        np.float32,
        st.tuples(st.integers(1, 6), st.integers(1, 6)),
        elements=st.integers(-4, 4).map(lambda i: i / 4) | st.floats(-1, 1, width=32),
    ),
    order=st.sampled_from([1.0, 2.0, 5.0, np.inf]),
)
def test_neural_persistence_equals_kruskal(weight, order):
    expected = np.linalg.norm(1 - tree_of_kruskal(weight), ord=order)
    assert neural_persistence(weight, 1.0, order=order) == pytest.approx(expected, rel=1e-12)


def test_neural_persistence_equals_kruskal_where_the_forest_needs_several_passes():
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(150, 500)).astype(np.float32)
    weight[:, :200] *= 1e-3
    weight[:20] = 0
    largest = float(np.abs(weight).max())
    expected = np.linalg.norm(1 - tree_of_kruskal(weight) / largest)
    assert neural_persistence(weight, largest) == pytest.approx(expected, rel=1e-12)


def test_neural_persistence_knows_neither_numbers_nor_signs_nor_scale():
    network = random_network((6, 9, 7, 4), 0)
    expected = layer_neural_persistence(network)
    rng = np.random.default_rng(1)
    shuffled = renumbered(network, [rng.permutation(n) for n in shape_of(network)])
    scaled = make_network([-8 * weight for weight in network.weights])
    assert layer_neural_persistence(shuffled) == pytest.approx(expected, rel=1e-14)
    assert layer_neural_persistence(scaled) == pytest.approx(expected, rel=1e-14)
    assert neural_persistence_distance(network, scaled) == pytest.approx(0, abs=1e-14)
    one_layer_scaled = make_network([network.weights[0] / 8, *network.weights[1:]])
    assert neural_persistence_distance(network, one_layer_scaled) > 0.01


def test_neural_persistence_reaches_both_of_its_bounds():
    full, empty = np.ones((3, 4)), np.zeros((2, 3))
    assert layer_neural_persistence(make_network([full, empty])).tolist() == [0, 1]


def test_neural_persistence_distance_compares_means_of_any_shapes():
    a, b, c = random_network((5, 8, 3), 0), random_network((7, 6, 6, 2), 1), make_network([[[1.0]]])
    means = [layer_neural_persistence(network, order=3.0).mean() for network in (a, b, c)]
    assert means[2] == 0
    for (x, of_x), (y, of_y) in itertools.product(zip((a, b, c), means, strict=True), repeat=2):
        assert neural_persistence_distance(x, y, order=3.0) == abs(of_x - of_y)
    assert abs(means[0] - means[1]) > 1e-3


def test_neural_persistence_of_no_weights_is_undefined():
    a, zero = random_network((5, 8, 3), 0), make_network([np.zeros((8, 5)), np.zeros((3, 8))])
    for pair in ((a, zero), (zero, a), (zero, zero)):
        with pytest.raises(UndefinedDistance, match="all weights of a network are 0"):
            neural_persistence_distance(*pair)


# --- matchings of hidden units -------------------------------------------------------


@MATCHINGS
@pytest.mark.parametrize("shape", [(20, 16, 5), (20, 24, 16, 12, 10)])
def test_a_renumbered_network_is_found_to_be_the_same(distance, shape):
    network = random_network(shape, 0)
    rng = np.random.default_rng(1)
    other = renumbered(network, hidden_orders(network, rng.permutation))
    assert plain_norm(network, other) > 10
    assert distance(network, other) == 0


@MATCHINGS
def test_inputs_and_outputs_are_not_renumbered(distance):
    network = random_network((20, 16, 5), 0)
    first, hidden, last = hidden_orders(network, np.arange)
    for orders in ([first[::-1], hidden, last], [first, hidden, last[::-1]]):
        assert distance(network, renumbered(network, orders)) > 1


@MATCHINGS
@pytest.mark.parametrize("shape", [(4, 3), (4, 6, 3), (4, 6, 6, 3), (4, 5, 5, 5, 2)])
def test_a_network_is_at_no_distance_of_itself(distance, shape):
    for seed in range(10):
        network = random_network(shape, seed)
        assert distance(network, network) == 0


@MATCHINGS
def test_a_matching_is_symmetric_also_with_ties(distance):
    for seed in range(10):
        # whole numbers from -1 to 1, and dead units
        a, b = (
            make_network(
                [np.clip(np.rint(w), -1, 1) for w in random_network((3, 6, 6, 6, 2), k).weights]
            )
            for k in (seed, seed + 100)
        )
        a.weights[1][:3] = 0
        assert distance(a, b) == distance(b, a)


@MATCHINGS
def test_with_one_hidden_layer_the_matching_is_the_best(distance):
    for seed in range(10):
        a, b = random_network((3, 5, 2), seed), random_network((3, 5, 2), seed + 100)
        assert distance(a, b) == pytest.approx(least_norm(a, b), rel=1e-12)
    # only the biases tell these units apart
    a, b = (make_network([np.ones((3, 2)), np.ones((2, 3))], [x, [0, 0]]) for x in ([1, 2, 3],) * 2)
    b.biases[0][:] = [3, 1, 2.5]
    assert plain_norm(a, b) == pytest.approx(np.sqrt(4 + 1 + 0.25))
    assert distance(a, b) == pytest.approx(0.5)


@MATCHINGS
def test_with_more_hidden_layers_the_matching_is_a_bound_and_often_the_best(distance):
    best = 0
    for seed in range(20):
        a, b = random_network((4, 3, 3, 3, 2), seed), random_network((4, 3, 3, 3, 2), seed + 100)
        least, found = least_norm(a, b), distance(a, b)
        assert found >= least * (1 - 1e-12)
        best += found <= least * (1 + 1e-12)
    assert best >= 10


@MATCHINGS
def test_without_hidden_layers_there_is_nothing_to_match(distance):
    a, b = random_network((6, 4), 0), random_network((6, 4), 1)
    assert distance(a, b) == pytest.approx(plain_norm(a, b), rel=1e-14)


@MATCHINGS
@pytest.mark.parametrize("other", [(5, 6, 7, 3), (5, 7, 3), (4, 6, 6, 3), (5, 6, 6, 2)])
def test_a_matching_of_other_shapes_is_undefined(distance, other):
    with pytest.raises(UndefinedDistance, match="different shape"):
        distance(random_network((5, 6, 6, 3), 0), random_network(other, 0))


def test_weight_matching_is_never_larger_than_the_plain_norm():
    for seed in range(30):
        shape = (4, *[6] * (1 + seed % 4), 3)
        a, b = random_network(shape, seed), random_network(shape, seed + 100)
        assert weight_matching(a, b) <= plain_norm(a, b) * (1 + 1e-14)
        # near the original the identity is the best there is
        near = make_network(
            [x + 1e-3 * y for x, y in zip(a.weights, b.weights, strict=True)], a.biases
        )
        assert weight_matching(a, near) == pytest.approx(plain_norm(a, near), rel=1e-6)


def test_further_sweeps_of_weight_matching_improve_it():
    a, b = random_network((10, 20, 20, 20, 5), 0), random_network((10, 20, 20, 20, 5), 1)
    found = [weight_matching(a, b, sweeps=sweeps) for sweeps in (1, 2, 100, 200)]
    assert found[0] > found[1] > found[2] == found[3]


def adjacency(network, mark):
    """The signed adjacency matrix: neurons layer by layer, then a bias vertex per layer.

    The neurons of each hidden layer have edges of weight `mark` from a vertex of their own.
    """
    first = np.cumsum([0, *shape_of(network)])
    n_neurons, n_layers = first[-1], len(network.biases)
    matrix = np.zeros((n_neurons + 2 * n_layers - 1,) * 2)
    for k, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        targets = slice(first[k + 1], first[k + 2])
        matrix[first[k] : first[k + 1], targets] = weight.T
        matrix[n_neurons + k, targets] = bias
        if k < n_layers - 1:
            matrix[n_neurons + n_layers + k, targets] = mark
    return matrix


def faq_of_scipy(a, b, max_iterations):
    # scipy knows of no layers; to leave its own costs a unit mark^2, and nothing wins as much
    mark = 30.0
    matrices = adjacency(a, mark), adjacency(b, mark)
    widths = shape_of(a)
    layer = np.repeat(range(len(widths)), widths)
    hidden = np.flatnonzero((layer > 0) & (layer < len(widths) - 1))
    same = layer[hidden][:, None] == layer[hidden]
    seeds = np.setdiff1d(range(len(matrices[0])), hidden)
    found = quadratic_assignment(
        *matrices,
        method="faq",
        options={
            "maximize": True,
            "partial_match": np.column_stack([seeds, seeds]),
            "P0": same / same.sum(axis=0),
            "maxiter": max_iterations,
            "rng": np.random.default_rng(0),
        },
    ).col_ind
    assert (layer[found[: len(layer)]] == layer).all()
    return np.linalg.norm(matrices[0] - matrices[1][np.ix_(found, found)])


@pytest.mark.parametrize("shape", [(6, 9, 4), (6, 9, 7, 4), (5, 12, 12, 12, 3)])
@pytest.mark.parametrize("max_iterations", [1, 2, 5, 30])
def test_faq_equals_scipy_that_keeps_the_layers(shape, max_iterations):
    for seed in range(10):
        a, b = random_network(shape, seed), random_network(shape, seed + 100)
        expected = faq_of_scipy(a, b, max_iterations)
        assert faq(a, b, max_iterations=max_iterations) == pytest.approx(expected, rel=1e-12)


def test_faq_does_not_see_how_units_are_numbered():
    rng = np.random.default_rng(0)
    for seed in range(10):
        a, b = random_network((6, 9, 8, 7, 4), seed), random_network((6, 9, 8, 7, 4), seed + 100)
        other = renumbered(b, hidden_orders(b, rng.permutation))
        assert faq(a, other) == pytest.approx(faq(a, b), rel=1e-12)
