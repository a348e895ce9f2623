"""What measures share: parts of a pair, lists of nearest rows, samples; and the cross-barcode."""

import gc

import numpy as np
import pytest
import scipy.spatial.distance
from ripser import ripser
from scipy.spatial.distance import cdist, pdist, squareform

from netkin.distance.representational import REPRESENTATIONAL, pair, rtd
from netkin.distance.representational.cross_barcode import bar_length
from netkin.distance.representational.kernel_alignment import cka_minibatch
from netkin.distance.representational.nearest import least_places
from netkin.distance.representational.neighbours import nearest_rows
from netkin.distance.representational.pair import shared_by_pair, squared_distance
from netkin.distance.representational.representation import Representation
from tests.test_representational_subspace import networks

FEW = {"rtd": {"n_points": 25, "n_repeats": 2}, "cka_minibatch": {"batch_size": 16}}


def layers(widths=(6, 9, 6), n=60):
    return [Representation(x, labels=np.arange(n) % 3) for x in networks(widths, n=n)]


def value(name, a, b):
    return REPRESENTATIONAL[name].function(a, b, **FEW.get(name, {}))


@pytest.mark.parametrize("names", [list(REPRESENTATIONAL), list(REPRESENTATIONAL)[::-1]])
@pytest.mark.parametrize("turned", [False, True])
def test_what_came_before_changes_no_value(names, turned):
    shared = layers()
    order = np.random.default_rng(1).permutation(60)
    shared.append(shared[1].permuted(order))
    pairs = [(0, 1), (1, 0), (0, 2), (2, 2), (0, 3), (3, 0)]
    for name in names:
        for i, j in pairs[::-1] if turned else pairs:
            alone = layers()
            alone.append(Representation(alone[1].values[order], labels=alone[1].labels[order]))
            expected = value(name, alone[i], alone[j])
            found = value(name, shared[i], shared[j])
            assert found == pytest.approx(expected, rel=1e-10, abs=1e-12), (name, i, j)


def test_a_network_beside_itself_is_what_it_is_beside_a_copy():
    a = layers()[0]
    copy = Representation(a.values.copy(), labels=a.labels)
    for name in REPRESENTATIONAL:
        assert value(name, a, a) == pytest.approx(value(name, a, copy), rel=1e-10, abs=1e-12)


def made(a, b, calls):
    calls.append((a, b))
    return a.values.sum(), a.values.sum() * b.values.sum(), b.values.sum()


class Calls(list):
    """A list that can be an option."""

    __hash__ = object.__hash__


def test_a_part_of_a_pair_is_made_once_for_both_orders():
    a, b, c = layers()
    calls = Calls()
    forward = shared_by_pair(made, a, b, calls)
    assert shared_by_pair(made, a, b, calls) == forward
    assert shared_by_pair(made, b, a, calls) == forward[::-1]
    assert calls == [(a, b)]
    # neither another pair, nor other options, nor another order of rows
    assert shared_by_pair(made, a, c, calls) != forward
    assert shared_by_pair(made, a, b.permuted(np.arange(60)), calls) == pytest.approx(forward)
    assert len(calls) == 3
    other = Calls()
    shared_by_pair(made, a, b, other)
    assert len(other) == 1


def test_parts_of_a_pair_go_with_either_network():
    gc.collect()  # what tests before left
    a, b, _ = layers()
    for name in REPRESENTATIONAL:
        value(name, a, b)
    before = len(pair._kept)
    assert len(pair._kept[a]) == 1
    del b
    gc.collect()
    assert len(pair._kept[a]) == 0
    del a
    gc.collect()
    assert len(pair._kept) == before - 2


@pytest.mark.parametrize(
    "names",
    [
        ("orthogonal_procrustes", "angular_shape_metric", "normalised_bures_similarity"),
        ("mean_squared_cca", "linear_regression"),
        ("cka", "cka_debiased"),
        ("mean_cca",),
        ("pwcca",),
    ],
)
def test_measures_of_the_same_product_make_it_once(names, monkeypatch):
    a, b, _ = layers()
    kept = type(pair._kept)()
    monkeypatch.setattr(pair, "_kept", kept)
    for name in names:
        value(name, a, b)
        value(name, b, a)
    assert len(kept[a][b]) == 1


@pytest.mark.parametrize(
    "name", [name for name, entry in REPRESENTATIONAL.items() if entry.cost.startswith("1,")]
)
def test_a_pair_costs_nothing_where_the_registry_says(name):
    a, b, c = layers()
    value(name, a, c)
    value(name, c, b)
    # all that is left of a and b is what these pairs had of them
    blank = [Representation(np.zeros(x.values.shape)) for x in (a, b)]
    for new, old in zip(blank, (a, b), strict=True):
        new._shared.update(old._shared)
    assert value(name, *blank) == value(name, a, b) > 0


def test_parts_of_a_pair_are_small():
    a, b = (Representation(x) for x in networks((40, 50), n=400))
    for name in REPRESENTATIONAL:
        if name not in ("tolerance_difference", "modularity_difference"):
            value(name, a, b)
    sizes = [np.size(x) for parts in pair._kept[a][b].values() for x in parts]
    assert sum(sizes) < 400


def test_differences_that_cancel_are_not_trusted():
    assert squared_distance((4.0, 9.0), 5.0) == 3.0
    assert squared_distance((1.0, 1.0), 1.0 - 1e-7) is None


@pytest.mark.parametrize("k", [1, 4, 30])
@pytest.mark.parametrize("distinct", [1, 3, 1000])
def test_least_places_are_those_of_a_stable_sort(k, distinct):
    values = np.random.default_rng(0).integers(0, distinct, size=(20, 30)).astype(float)
    values[3, 7] = np.inf
    values[4] = -np.inf
    expected = np.argsort(values, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(least_places(values, k), expected)


def test_nearest_rows_are_listed_once(monkeypatch):
    a = layers()[0]
    distances = cdist(a.values, a.values)
    np.fill_diagonal(distances, np.inf)
    calls = []
    monkeypatch.setattr(
        scipy.spatial.distance, "cdist", lambda *pair: calls.append(pair) or cdist(*pair)
    )
    for k in (2, 5, 1):
        found = nearest_rows(a, k)
        np.testing.assert_array_equal(found.rows, np.argsort(distances, axis=1)[:, :k])
        np.testing.assert_array_equal(found.distances, np.sort(distances, axis=1)[:, :k])
    assert len(calls) == 1
    assert nearest_rows(a, 9).rows.shape == (60, 9)
    # of other rows it is another list
    order = np.random.default_rng(2).permutation(60)
    expected = nearest_rows(Representation(a.values[order]), 2)
    np.testing.assert_array_equal(nearest_rows(a.permuted(order), 2).rows, expected.rows)


def test_batches_of_permuted_rows_are_other_batches():
    a, b, _ = layers()
    order = np.random.default_rng(3).permutation(60)
    first = cka_minibatch(a, b, batch_size=10)
    expected = cka_minibatch(a, Representation(b.values[order]), batch_size=10)
    assert cka_minibatch(a, b.permuted(order), batch_size=10) == pytest.approx(expected, rel=1e-12)
    assert expected != pytest.approx(first, rel=1e-3)


def doubled_complex(w, v):
    """Total length of the bars of dimension 1 by ripser."""
    w, v = squareform(w), squareform(v)
    joint = np.block([[np.zeros_like(w), w], [w, np.minimum(w, v)]])
    values, places = np.unique(joint, return_inverse=True)
    places = places.reshape(joint.shape).astype(np.float32)
    bars = ripser(places, distance_matrix=True)["dgms"][1].astype(int)
    return (values[bars[:, 1]] - values[bars[:, 0]]).sum()


@pytest.mark.parametrize("n", [1, 2, 3, 4, 10, 63, 65, 130])
@pytest.mark.parametrize("kind", ["metric", "any", "ties"])
def test_the_cross_barcode_is_that_of_the_doubled_complex(n, kind):
    random = np.random.default_rng(n)
    n_edges = n * (n - 1) // 2
    if kind == "metric":
        w, v = (pdist(random.normal(size=(n, 5))) for _ in range(2))
    elif kind == "any":
        # no triangle inequality: many loops, so several words of generators
        w, v = random.uniform(0.1, 1, size=(2, n_edges))
    else:
        w, v = random.integers(1, 12, size=(2, n_edges)).astype(float)
    for x, y in ((w, v), (v, w)):
        expected = doubled_complex(x, y) if n > 1 else 0.0
        assert bar_length(x, y) == pytest.approx(expected, rel=1e-10, abs=1e-12)
    assert n < 4 or kind == "ties" or bar_length(w, v) > 0
    assert bar_length(w, w) == bar_length(np.minimum(w, v), v) == 0.0


def test_the_cross_barcode_of_few_new_edges_by_hand():
    # a square of sides 1 whose diagonals are 2, in v all are together at 1/2
    w = np.array([1.0, 2.0, 1.0, 1.0, 2.0, 1.0])
    # three clusters too many from 1/2 to 1; the loop of w dies with it
    assert bar_length(w, np.full(6, 0.5)) == pytest.approx(1.5)
    assert bar_length(np.full(6, 0.5), w) == 0.0


@pytest.mark.parametrize("most", [1 << 24, 0])
def test_samples_are_kept_unless_they_are_many(most, monkeypatch):
    module = __import__("sys").modules[rtd.__module__]
    monkeypatch.setattr(module, "_KEPT_DISTANCES", most)
    calls = []
    monkeypatch.setattr(scipy.spatial.distance, "pdist", lambda x: calls.append(x) or pdist(x))
    a, b, c = layers()
    options = {"n_points": 20, "n_repeats": 3}
    values = [rtd(x, y, **options) for x, y in ((a, b), (a, c), (b, c), (b, a))]
    assert values[0] == values[3]
    assert len(calls) == (9 if most else 24)
    assert values[0] == pytest.approx(
        rtd(*(Representation(x.values) for x in (a, b)), **options), rel=1e-12
    )
