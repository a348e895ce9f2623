"""Values as exact as the activations: ranks, scales, near rows, far rows; against mpmath."""

import math

import ml_dtypes
import mpmath
import numpy as np
import pytest

from netkin.distance.representational import REPRESENTATIONAL
from netkin.distance.representational.neighbours import knn_jaccard
from netkin.distance.representational.representation import (
    BITS,
    Representation,
    found_precision,
    squared_distances,
)
from netkin.errors import NetkinError
from tests.stress import exact

DTYPES = {
    "bfloat16": ml_dtypes.bfloat16,
    "float16": np.float16,
    "float32": np.float32,
    "float64": np.float64,
}
EVERY = pytest.mark.parametrize("precision", DTYPES)


def of(name, a, b, **options):
    return REPRESENTATIONAL[name].function(Representation(a), Representation(b), **options)


def ranks(a):
    representation = Representation(a)
    return len(representation.decomposition.s), len(representation.varying_decomposition.s)


def factors(n=1000, rank=10, width=64, seed=0):
    random = np.random.default_rng(seed)
    shared = random.normal(size=(n, rank))
    return [shared @ random.normal(size=(rank, width)) for _ in range(2)]


# ranks


@EVERY
@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_the_rank_is_that_before_rounding(precision, offset):
    a, b = ((x + offset).astype(DTYPES[precision]) for x in factors())
    assert Representation(a).precision == precision
    assert ranks(a) == ranks(b) == (10 + (offset > 0), 10)
    eps = 2.0 ** (1 - BITS[precision])
    for name in ("mean_cca", "mean_squared_cca", "eigenspace_overlap", "linear_regression"):
        assert of(name, a, b) == pytest.approx(1, abs=1e-12 + eps)
    unrelated = [factors(n=100, seed=seed)[0] for seed in (1, 2)]
    rounded = [x.astype(DTYPES[precision]) for x in unrelated]
    found = of("linear_regression", *rounded)
    assert found == pytest.approx(of("linear_regression", *unrelated), abs=eps)
    assert found < 0.2


@EVERY
@pytest.mark.parametrize("shape", [(1000, 512), (600, 512), (300, 512), (40, 3)])
def test_a_full_rank_stays_full(precision, shape):
    values = np.random.default_rng(0).normal(size=shape)
    n, width = shape
    for full in (values, np.maximum(values, 0), values * np.logspace(-4, 4, width)):
        rounded = full.astype(np.float32).astype(DTYPES[precision])
        assert ranks(rounded) == (min(n, width), min(n - 1, width))


@EVERY
@pytest.mark.parametrize(("rank", "width"), [(10, 64), (40, 100), (300, 400)])
def test_a_matrix_computed_in_a_precision_has_its_rank_too(precision, rank, width):
    random = np.random.default_rng(0)
    dtype = DTYPES[precision]
    left, right = random.normal(size=(500, rank)), random.normal(size=(rank, width))
    left, right = (x.astype(np.float32).astype(dtype) for x in (left, right))
    # as a layer does: half precision is summed in float32
    summed = np.float64 if precision == "float64" else np.float32
    found = (left.astype(summed) @ right.astype(summed)).astype(dtype)
    assert ranks(found) == (rank, rank)


@EVERY
def test_the_precision_is_seen_where_it_is_stored_in_more(precision):
    a, b = (x.astype(DTYPES[precision]) for x in factors())
    for wider in (np.float32, np.float64):
        if BITS[precision] > BITS[np.dtype(wider).name]:
            continue
        x, y = a.astype(wider), b.astype(wider)
        assert Representation(x).precision == precision
        assert of("mean_cca", x, y) == of("mean_cca", a, b)
        # rows and columns of it, and copies in other orders, have it too
        assert Representation(x[:7]).precision == precision
        permuted = Representation(x).permuted(np.arange(1000)[::-1])
        assert permuted.precision == precision


def test_whole_numbers_are_exact():
    for values in (np.eye(5), np.arange(12).reshape(4, 3), np.arange(12.0).reshape(4, 3) / 8):
        assert Representation(values).precision == "float64"
        assert Representation(values.astype(np.float32)).precision == "float32"
    # a rank that is there by the last digit
    large = np.full((4, 2), 255.0)
    large[0, 1] = 254.0
    large[1] = [3, 5]
    assert ranks(large)[0] == 2
    assert found_precision(np.zeros((3, 2)), "float64") == "float64"


def test_the_precision_can_be_named():
    a, b = (x.astype(np.float32) / 3.0 for x in factors())
    scaled = [x.astype(np.float64) / np.pi for x in (a, b)]
    assert Representation(scaled[0]).precision == "float64"
    assert len(Representation(scaled[0]).decomposition.s) > 10
    named = [Representation(x, precision="float32") for x in scaled]
    assert len(named[0].decomposition.s) == 10
    assert REPRESENTATIONAL["mean_cca"].function(*named) == pytest.approx(1, abs=1e-6)
    with pytest.raises(NetkinError, match="precision 'half' is not known; allowed are bfloat16"):
        Representation(a, precision="half")


@pytest.mark.parametrize(
    "name", ["mean_cca", "mean_squared_cca", "eigenspace_overlap", "linear_regression"]
)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_columns_of_very_different_scale_are_columns_all_the_same(name, precision):
    random = np.random.default_rng(0)
    shared = random.normal(size=(60, 3))
    a, b = (
        (shared @ random.normal(size=(3, d)) + random.normal(size=(60, d))).astype(precision)
        for d in (9, 7)
    )
    # powers of 2: nothing is rounded
    scales = [2.0 ** np.linspace(-27, 27, d).round() for d in (9, 7)]
    value = float(exact.MEASURES[name](exact.matrix(a), exact.matrix(b)))
    if name == "linear_regression":
        # not invariant to the scales of what is explained
        pairs = [(a, b * scales[1])]
    else:
        pairs = [(a * scales[0], b), (a, b * scales[1]), (a * scales[0], b * scales[1])]
    for x, y in pairs:
        assert of(name, x, y) == pytest.approx(value, rel=1e-10)


# near rows and far ones


def test_rows_that_are_close_to_each_other_have_neighbours():
    random = np.random.default_rng(0)
    pattern, noise = random.normal(size=8), random.normal(size=(40, 8))
    pattern /= np.linalg.norm(pattern)
    noise -= np.outer(noise @ pattern, pattern)
    noise /= np.linalg.norm(noise, axis=1).max()
    # the nearest of a bundle of directions are the nearest of its points
    a, b = pattern + 1e-8 * noise, pattern + 1e-3 * noise
    assert of("knn_jaccard", a, b, k=5) == 1
    assert of("rank_similarity", a, b, k=5) == 1


def test_one_pattern_at_many_scales_is_one_pattern():
    random = np.random.default_rng(1)
    pattern, others = random.normal(size=6), random.normal(size=(3, 6))
    for dtype in DTYPES.values():
        a, b = (
            np.vstack([np.outer(random.uniform(0.5, 2, 30), pattern), others]).astype(dtype)
            for _ in range(2)
        )
        assert of("rsa", a, b) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cka", {}),
        ("cka_debiased", {}),
        ("cka_minibatch", {"batch_size": 10}),
        ("cka_rbf", {}),
        ("distance_correlation", {}),
    ],
)
@pytest.mark.parametrize("factor", [1e4, 1e8])
def test_one_row_far_from_all_others_has_a_value(name, options, factor):
    a, b = factors(n=30, rank=3, width=4, seed=3)
    a = a + np.random.default_rng(4).normal(size=a.shape)
    a[3] *= factor
    value = exact.MEASURES[name](exact.matrix(a), exact.matrix(b), **options)
    assert of(name, a, b, **options) == pytest.approx(float(value), rel=1e-9)


def test_distances_keep_the_digits_of_near_rows():
    random = np.random.default_rng(0)
    values = random.normal(size=(20, 5))
    values[10:] = values[:10] + 1e-9 * random.normal(size=(10, 5))
    values[19] = values[9]
    found = np.sqrt(squared_distances(values, slice(5, 15)))
    with mpmath.workdps(50):
        rows = exact.matrix(values)
        expected = [
            [float(mpmath.norm(rows[i, :] - rows[j, :])) for j in range(20)] for i in range(5, 15)
        ]
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=0)


def test_means_of_large_offsets_leave_nothing():
    random = np.random.default_rng(0)
    a = random.normal(size=(50, 4))
    moved = a + 1e7 * random.uniform(1, 2, 4)
    centred = Representation(moved).centred
    assert np.abs(centred.mean(axis=0)).max() < 1e-15
    assert ranks(np.hstack([moved, np.full((50, 2), 1e7 + 0.1)]))[1] == 4


def test_a_neighbour_is_found_whatever_comes_before_it():
    # more candidates than are compared at once
    a, b = np.random.default_rng(0).normal(size=(2, 600, 3))
    assert 0 < knn_jaccard(Representation(a), Representation(b), k=300) < 1
    assert math.isclose(knn_jaccard(Representation(a), Representation(a), k=300), 1)
