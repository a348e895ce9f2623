"""Values with how often they occur, by numpy and by compiled loops, against numpy.unique."""

import numpy as np
import pytest

from netkin.diagram.counts import ValueCounts
from netkin.errors import NetkinError
from netkin.graph.graph import edge_values

pytestmark = pytest.mark.budget("graphs")

SPECIAL = np.array([0.0, -0.0, 0.5, 1.0, 1e-6, 1e-45, 0.49999997, 0.50000006, 2.0], np.float32)


def same(found, wanted):
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype


def patched(monkeypatch, rng):
    """Let few values be many."""
    monkeypatch.setattr("netkin.diagram.counts.MOST_KEPT", int(rng.choice([0, 5, 50, 10_000])))
    monkeypatch.setattr("netkin.diagram.counts.MANY_EDGES", int(rng.choice([0, 30, 10_000])))
    monkeypatch.setattr("netkin.diagram.counts.QUEUE", int(rng.integers(1, 40)))
    monkeypatch.setattr("netkin.diagram.counts.MOST_QUEUES", int(rng.integers(1, 4)))


def test_counts_are_those_of_repeated_values(monkeypatch):
    rng = np.random.default_rng(0)
    for _ in range(150):
        patched(monkeypatch, rng)
        counted, all_values = ValueCounts(), [np.empty(0, np.float32)]
        for _ in range(rng.integers(0, 8)):
            shape = (int(rng.integers(0, 6)), int(rng.integers(1, 20)))
            values = rng.choice(
                np.append(SPECIAL, rng.random(5, np.float32) / 2 + np.float32(0.5)), size=shape
            )
            counts = [1, int(rng.integers(0, 5)), rng.integers(0, 4, size=shape)][rng.integers(3)]
            if rng.random() < 0.2:
                counts = rng.integers(0, 4, size=shape[1])  # of columns
            counted.add(values, counts)
            number = np.broadcast_to(counts, shape)
            all_values.append(np.repeat(values.ravel(), number.ravel()))
        same(counted.result(), np.unique(np.concatenate(all_values) + 0, return_counts=True))
        same(counted.result(), (np.empty(0, np.float32), np.empty(0, np.int64)))  # anew


def test_weights_have_the_values_of_edges(monkeypatch):
    rng = np.random.default_rng(1)
    for _ in range(150):
        patched(monkeypatch, rng)
        counted, all_values = ValueCounts(), []
        for _ in range(rng.integers(1, 8)):
            kind = rng.choice(["float32", "float64"])
            weight = rng.normal(size=(int(rng.integers(1, 30)), 3)).astype(kind)
            weight[0] = [0, -0.0, 1e-40]
            largest = float(np.abs(weight).max()) * rng.choice([1, 1.7])
            if rng.random() < 0.1:
                largest = 0.0
            number = [1, 3, np.array([2, 0, 1])][rng.integers(3)]
            counted.add_weights(weight, largest, 1e-6, number)
            values = edge_values(np.abs(weight), largest, 1e-6) if largest else weight * 0
            values = np.abs(values).astype(np.float32)
            all_values.append(
                np.repeat(values.ravel(), np.broadcast_to(number, weight.shape).ravel())
            )
        same(counted.result(), np.unique(np.concatenate(all_values), return_counts=True))


def test_a_negative_count_is_refused():
    with pytest.raises(NetkinError, match=r"counted -1 times; allowed is >= 0"):
        ValueCounts().add(np.ones(2, np.float32), np.array([3, -1]))
