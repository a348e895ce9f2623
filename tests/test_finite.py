"""NaN and infinity are refused by every public function on arrays, in one sentence."""

import numpy as np
import pytest

from netkin.activation.forward import forward
from netkin.diagram.counts import ValueCounts
from netkin.diagram.diagram import Diagram
from netkin.diagram.exact import exact_diagram
from netkin.diagram.flagser import flagser_diagram
from netkin.diagram.forest import minimum_spanning_forest
from netkin.diagram.network import network_diagram
from netkin.diagram.policy import apply_policy
from netkin.distance.functional.capacity import capacities
from netkin.distance.graph_matching import faq
from netkin.distance.line import bottleneck_on_line, lengths_on_line, wasserstein_on_line
from netkin.distance.matching import bottleneck, wasserstein
from netkin.distance.neural_persistence import (
    layer_neural_persistence,
    neural_persistence,
    neural_persistence_distance,
)
from netkin.distance.norm import frobenius, norm_1, self_frobenius, self_norm_1
from netkin.distance.pairwise import heat_pairwise, landscape_pairwise, silhouette_pairwise
from netkin.distance.relabelling import best_assignment
from netkin.distance.representational.cross_barcode import bar_length
from netkin.distance.representational.nearest import least_places
from netkin.distance.representational.null import interval_of_values, null_of_values
from netkin.distance.representational.representation import Representation, decompose
from netkin.distance.vector import lp_distance, vector_distance
from netkin.distance.weight_matching import weight_matching
from netkin.errors import NetkinError
from netkin.graph.dense import DenseEdges
from netkin.graph.edges import EdgeBlock
from netkin.graph.graph import Graph, edge_values, graph_from_weights
from netkin.network.file import Network
from netkin.prediction.prediction import Prediction
from netkin.vector import VECTORISERS
from netkin.vector.sampling import Sampling, fit_samplings
from netkin.vector.vector import Vector

WEIGHTS = [np.ones((3, 2), np.float32), np.ones((2, 3), np.float32)]
BIASES = [np.ones(3, np.float32), np.ones(2, np.float32)]
SAMPLING = Sampling(0.0, 1.0, 5)


def with_bad(array, bad, place):
    """Return a float copy in which one value is bad: the first or the last."""
    changed = np.array(array, dtype=np.float64)
    changed.flat[0 if place == "first" else -1] = bad
    return changed


def network(bad):
    return Network((WEIGHTS[0], bad(WEIGHTS[1])), (BIASES[0], BIASES[1]), {}, np.nan)


def graph(bad):
    value = bad(np.full(3, 0.5)).astype(np.float32)
    layer = np.array([0, 0, 1, 1], np.int32)
    source, target = np.array([0, 0, 1], np.int32), np.array([2, 3, 3], np.int32)
    return Graph(source, target, value, 4, layer, np.zeros(4, bool))


def intervals(bad):
    """Intervals, several on each line, whose births and deaths may be bad."""
    return bad(np.array([[0.0, 0.2], [0.0, 0.4], [0.0, 0.5]]))


def diagram(bad):
    return Diagram.from_intervals((intervals(bad),))


def vector(bad):
    return Vector((bad(np.ones(5)),), SAMPLING, axes=1, kind="landscape")


def block(bad):
    return EdgeBlock(bad(np.ones(3)), np.array([0, 0, 1]), np.array([1, 2, 2]))


def measure():
    from netkin.distance import MEASURES

    return MEASURES["cka"]


ONE, TWO = (np.array([[0.0, 0.1], [0.0, 0.3]]), np.array([[0.1, 0.4], [0.2, 0.3]]))
TWICE, THRICE = np.ones(2, np.int64), np.ones(3, np.int64)
FUNCTIONS = {
    "graph_from_weights, weights": lambda bad: graph_from_weights(
        [WEIGHTS[0], bad(WEIGHTS[1])], BIASES
    ),
    "graph_from_weights, biases": lambda bad: graph_from_weights(
        WEIGHTS, [BIASES[0], bad(BIASES[1])]
    ),
    "graph_from_weights, biases left out": lambda bad: graph_from_weights(
        WEIGHTS, [bad(BIASES[0]), BIASES[1]], bias_vertices="none"
    ),
    "edge_values": lambda bad: edge_values(bad(np.ones(3)), 1.0, 0.1),
    "edge_values, largest": lambda bad: edge_values(np.ones(3), float(bad(np.ones(1))[0]), 0.1),
    "edge_values, zeta": lambda bad: edge_values(np.ones(3), 1.0, bad(np.full(1, 0.5)).item()),
    "exact_diagram": lambda bad: exact_diagram(graph(bad), max_dimension=1),
    "flagser_diagram": lambda bad: flagser_diagram(graph(bad), max_dimension=1),
    "ValueCounts": lambda bad: ValueCounts().add(bad(np.ones(3)).astype(np.float32)),
    "DenseEdges": lambda bad: DenseEdges([WEIGHTS[0], bad(WEIGHTS[1])], BIASES),
    "network_diagram": lambda bad: network_diagram(
        WEIGHTS, [BIASES[0], bad(BIASES[1])], bias_vertices="none"
    ),
    "minimum_spanning_forest": lambda bad: minimum_spanning_forest(
        lambda: iter([block(bad)]), 3, 3, block(np.asarray)
    ),
    "forward, inputs": lambda bad: forward(network(np.asarray), bad(np.ones((4, 2)))),
    "forward, weights": lambda bad: forward(network(bad), np.ones((4, 2))),
    "norm_1": lambda bad: norm_1(graph(np.asarray), graph(bad)),
    "frobenius": lambda bad: frobenius(graph(bad), graph(np.asarray)),
    "self_norm_1": lambda bad: self_norm_1(graph(bad)),
    "self_frobenius": lambda bad: self_frobenius(graph(bad)),
    "faq": lambda bad: faq(network(bad), network(np.asarray)),
    "weight_matching": lambda bad: weight_matching(network(np.asarray), network(bad)),
    "best_assignment": lambda bad: best_assignment(bad(np.eye(3))),
    "neural_persistence": lambda bad: neural_persistence(bad(WEIGHTS[0]), 1.0),
    "neural_persistence, largest": lambda bad: neural_persistence(
        WEIGHTS[0], float(bad(np.ones(1))[0])
    ),
    "layer_neural_persistence": lambda bad: layer_neural_persistence(network(bad)),
    "neural_persistence_distance": lambda bad: neural_persistence_distance(
        network(np.asarray), network(bad)
    ),
    "wasserstein": lambda bad: wasserstein(diagram(bad), Diagram.from_intervals((ONE,))),
    "wasserstein, in the plane": lambda bad: wasserstein(
        diagram(bad), Diagram.from_intervals((TWO,))
    ),
    "bottleneck": lambda bad: bottleneck(Diagram.from_intervals((ONE,)), diagram(bad)),
    "lengths_on_line": lambda bad: lengths_on_line(intervals(bad), THRICE, ONE, TWICE),
    "wasserstein_on_line": lambda bad: wasserstein_on_line(
        bad(np.ones(3)), THRICE, np.ones(2), TWICE
    ),
    "bottleneck_on_line": lambda bad: bottleneck_on_line(
        np.ones(2), TWICE, bad(np.ones(3)), THRICE
    ),
    "heat_pairwise": lambda bad: heat_pairwise(diagram(bad), Diagram.from_intervals((ONE,))),
    "landscape_pairwise": lambda bad: landscape_pairwise(
        Diagram.from_intervals((ONE,)), diagram(bad)
    ),
    "silhouette_pairwise": lambda bad: silhouette_pairwise(
        diagram(bad), Diagram.from_intervals((ONE,))
    ),
    "fit_samplings": lambda bad: fit_samplings(
        diagram(bad), Diagram.from_intervals((ONE,)), n_bins=3
    ),
    "Sampling, start": lambda bad: Sampling(float(bad(np.zeros(1))[0]), 1.0, 3),
    "Sampling, stop": lambda bad: Sampling(0.0, float(bad(np.ones(1))[0]), 3),
    "Sampling.bins": lambda bad: SAMPLING.bins(bad(np.ones(3))),
    "Sampling.sums, values": lambda bad: SAMPLING.sums(bad(np.ones(3)), np.ones((2, 3))),
    "Sampling.sums, weights": lambda bad: SAMPLING.sums(np.ones(3), bad(np.ones((2, 3)))),
    "Sampling.pixels": lambda bad: SAMPLING.pixels(np.ones(3), bad(np.ones(3))),
    "lp_distance": lambda bad: lp_distance(bad(np.ones(3)), np.ones(3), step=1.0, axes=1, p=np.inf),
    "vector_distance": lambda bad: vector_distance(vector(np.asarray), vector(bad)),
    "Representation": lambda bad: Representation(bad(np.ones((3, 2)))),
    "decompose": lambda bad: decompose(bad(np.ones((3, 2)))),
    "bar_length": lambda bad: bar_length(np.ones(3), bad(np.ones(3))),
    "null_of_values": lambda bad: null_of_values(measure(), 0.5, bad(np.ones(3))),
    "null_of_values, score": lambda bad: null_of_values(
        measure(), float(bad(np.ones(1))[0]), np.ones(3)
    ),
    "interval_of_values": lambda bad: interval_of_values(measure(), 0.5, bad(np.ones(3)), 0.9),
    "capacities": lambda bad: capacities(bad(np.full((2, 3, 2), 0.5))),
    "Prediction": lambda bad: Prediction(
        np.arange(2), bad(np.full((2, 2), 0.5)), np.zeros(2, np.int64)
    ),
    **{
        f"vectoriser {name}": lambda bad, name=name: VECTORISERS[name].vectorise(
            intervals(bad), THRICE, SAMPLING
        )
        for name in VECTORISERS
    },
}


@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_function_takes_what_is_not_finite(name, bad, place):
    FUNCTIONS[name](lambda array: with_bad(array, array.flat[0], "first"))  # takes what is right
    with pytest.raises(NetkinError) as caught:
        FUNCTIONS[name](lambda array: with_bad(array, bad, place))
    assert "\n" not in str(caught.value)


BAD_INTERVALS = {
    "a length beyond all numbers": [[-1e308, 1e308]],
    "ends beyond what can be squared": [[0.0, 0.1], [0.0, 1e308]],
    "a death before the birth": [[0.0, 0.1], [0.5, 0.2]],
}


def once(intervals):
    """Return that each interval occurs once."""
    return np.ones(len(intervals), dtype=np.int64)


def of(intervals):
    """Return a diagram of these intervals, whatever they are."""
    return Diagram((intervals,), (once(intervals),))


OF_INTERVALS = {
    **{
        f"vectoriser {name}": lambda bad, name=name: VECTORISERS[name].vectorise(
            bad, once(bad), SAMPLING
        )
        for name in VECTORISERS
    },
    "fit_samplings": lambda bad: fit_samplings(of(bad), of(ONE), n_bins=3),
    "lengths_on_line": lambda bad: lengths_on_line(bad, once(bad), ONE, once(ONE)),
    "apply_policy": lambda bad: apply_policy(of(bad)),
    **{
        distance.__name__: lambda bad, distance=distance: distance(of(ONE), of(bad))
        for distance in (
            *(wasserstein, bottleneck),
            *(heat_pairwise, landscape_pairwise, silhouette_pairwise),
        )
    },
}


@pytest.mark.parametrize("intervals", BAD_INTERVALS)
@pytest.mark.parametrize("name", OF_INTERVALS)
def test_no_function_takes_intervals_that_are_none(name, intervals):
    with pytest.raises(NetkinError) as caught:
        OF_INTERVALS[name](np.array(BAD_INTERVALS[intervals]))
    assert "\n" not in str(caught.value)


def test_vectors_too_far_apart_are_refused():
    with pytest.raises(NetkinError, match="differences of arrays"):
        lp_distance(np.array([1e308]), np.array([-1e308]), step=1.0, axes=1, p=2.0)


NAN_ONLY = {
    "least_places": lambda bad: least_places(bad(np.ones((2, 3))), 2),
    "apply_policy": lambda bad: apply_policy(diagram(bad)),
}
"""Where infinity has a meaning: a class that never dies, and a row that is no neighbour."""


@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize("name", NAN_ONLY)
def test_where_infinity_has_a_meaning_nan_has_none(name, place):
    NAN_ONLY[name](lambda array: with_bad(array, np.inf, "last"))
    with pytest.raises(NetkinError):
        NAN_ONLY[name](lambda array: with_bad(array, np.nan, place))


@pytest.mark.parametrize("options", [{"eta": np.nan}, {"infinity_value": np.nan}, {"eta": -1.0}])
def test_a_policy_of_nan_is_refused(options):
    with pytest.raises(NetkinError, match=r"(eta|infinity_value): found"):
        apply_policy(Diagram.from_intervals((ONE,)), **options)


def test_a_block_of_nan_does_not_hide_behind_one_of_numbers():
    """The example of the issue: max(1.0, nan) is 1.0."""
    with pytest.raises(NetkinError, match="NaN or infinite"):
        graph_from_weights([np.ones((1, 1)), np.array([[np.nan]])], [np.zeros(1), np.zeros(1)])
