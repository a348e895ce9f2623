"""Permutation nulls and bootstrap intervals, and the permuted rows they rest on."""

import math
from functools import cached_property, partial

import numpy as np
import pytest

from netkin.distance.calibration import calibrate, interval_matrices, null_matrices
from netkin.distance.matrix import distance_matrices
from netkin.distance.measure import Measure
from netkin.distance.representational import REPRESENTATIONAL
from netkin.distance.representational import representation as module
from netkin.distance.representational.alignment import (
    aligned_cosine,
    angular_shape_metric,
    orthogonal_procrustes,
)
from netkin.distance.representational.cca import mean_cca, pwcca, svcca
from netkin.distance.representational.instance_graph import gbs
from netkin.distance.representational.neuron_matching import (
    hard_correlation_match,
    soft_matching_distance,
)
from netkin.distance.representational.null import bootstrap_interval, permutation_null
from netkin.distance.representational.permuted import PIECES, PermutedRepresentation
from netkin.distance.representational.regression import (
    eigenspace_overlap,
    gulp,
    linear_regression,
)
from netkin.distance.representational.representation import Decomposition, Representation
from netkin.errors import NetkinError, UndefinedDistance

FUNCTIONS = [
    mean_cca,
    svcca,
    pwcca,
    orthogonal_procrustes,
    angular_shape_metric,
    aligned_cosine,
    soft_matching_distance,
    hard_correlation_match,
    linear_regression,
    eigenspace_overlap,
    gulp,
]
CACHED = [
    name for name, piece in vars(Representation).items() if isinstance(piece, cached_property)
]


def up(function, range=(0.0, 1.0)):
    return Measure(function, "activation", "representational", False, orientation="up", range=range)


def down(function, range=(0.0, math.inf)):
    return Measure(function, "activation", "representational", True, range=range)


def pair(n=80, widths=(5, 7), noise=1.0, seed=0):
    """Two layers on the same inputs; all noise at an infinite amount of it."""
    random = np.random.default_rng(seed)
    signal = random.normal(size=(n, 4))
    return [
        Representation(
            (0 if math.isinf(noise) else signal @ random.normal(size=(4, d)))
            + min(noise, 1e3) * random.normal(size=(n, d))
        )
        for d in widths
    ]


def test_there_are_pieces_to_permute():
    assert set(PIECES) <= set(CACHED)
    assert {"varying_decomposition", "_cosines", "_distances"} <= set(PIECES)


@pytest.mark.parametrize("name", CACHED)
def test_a_permuted_piece_is_that_of_permuted_values(name):
    _, b = pair()
    order = np.random.default_rng(1).permutation(b.n)
    found = getattr(b.permuted(order), name)
    expected = getattr(Representation(b.values[order]), name)
    if isinstance(found, dict):  # filled by methods, which are tested below
        assert found == expected == {}
        return
    if isinstance(found, Decomposition):
        # the signs of singular vectors are free
        found, expected = ((p.u * p.s) @ p.vt for p in (found, expected))
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_neighbours_and_blocks_are_those_of_permuted_values(monkeypatch):
    _, b = pair()
    order = np.random.default_rng(2).permutation(b.n)
    permuted, fresh = b.permuted(order), Representation(b.values[order])
    for found, expected in zip(permuted.neighbours(6), fresh.neighbours(6), strict=True):
        np.testing.assert_array_equal(found, expected)
    monkeypatch.setattr(module, "KEPT_ROWS", 10)
    block = slice(5, 9)
    for one, other in ((permuted, fresh), (b.permuted(order), Representation(b.values[order]))):
        np.testing.assert_allclose(one.cosine_block(block), other.cosine_block(block), atol=1e-12)
        np.testing.assert_allclose(
            one.distance_block(block), other.distance_block(block), atol=1e-12
        )


def row_sums(representation, power):
    return (representation.values**power).sum(axis=1)


def products(representation):
    return representation.values @ representation.values.T


def largest(representation):
    return representation.values.max()


def test_shared_parts_move_with_the_rows():
    _, b = pair()
    order = np.random.default_rng(1).permutation(b.n)
    permuted, fresh = b.permuted(order), Representation(b.values[order])
    for make, options, moves in (
        (row_sums, (2,), "rows"),
        (row_sums, (3,), "rows"),
        (products, (), "rows and columns"),
        (largest, (), "nothing"),
    ):
        part = permuted.shared(make, *options, moves=moves)
        np.testing.assert_allclose(part, fresh.shared(make, *options, moves=moves), atol=1e-12)
        assert permuted.shared(make, *options, moves=moves) is part
        # once for all orders
        assert (make, *options) in b._shared


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_measure_of_permuted_rows_is_that_of_permuted_values(function):
    a, b = pair()
    order = np.random.default_rng(3).permutation(b.n)
    again = np.random.default_rng(4).permutation(b.n)
    expected = function(a, Representation(b.values[order]))
    assert function(a, b.permuted(order)) == pytest.approx(expected, rel=1e-10)
    expected = function(a, Representation(b.values[order][again]))
    assert function(a, b.permuted(order).permuted(again)) == pytest.approx(expected, rel=1e-10)


def test_ids_stay_and_labels_move():
    b = Representation([[0.0], [1.0], [2.0]], rows=[7, 8, 9], labels=[0, 1, 1])
    permuted = b.permuted(np.array([2, 0, 1]))
    assert permuted.values.ravel().tolist() == [2, 0, 1]
    assert permuted.rows.tolist() == [7, 8, 9]
    assert permuted.labels.tolist() == [1, 0, 1]
    for wrong in ([0, 0, 1], [0, 1], [1, 2, 3]):
        with pytest.raises(ValueError, match="not a permutation of 3 rows"):
            b.permuted(np.array(wrong))


def test_nothing_is_decomposed_twice(monkeypatch):
    a, b = pair()
    calls = []
    decompose = module.decompose_in_precision
    monkeypatch.setattr(
        module, "decompose_in_precision", lambda *x: calls.append(x) or decompose(*x)
    )
    for function in (mean_cca, svcca, linear_regression, gulp):
        permutation_null(up(function), a, b, permutations=5, seed=0)
    assert len(calls) == 2
    assert "_cosines" not in b.__dict__


def test_null_follows_its_formulas():
    a, b = pair()
    for measure, best in ((up(mean_cca), 1.0), (down(gulp), 0.0)):
        null = permutation_null(measure, a, b, permutations=19, seed=5)
        random = np.random.default_rng(5)
        values = np.array(
            [
                measure.function(a, Representation(b.values[random.permutation(b.n)]))
                for _ in range(19)
            ]
        )
        score = measure.function(a, b)
        assert null.score == score
        assert null.mean == pytest.approx(values.mean())
        assert null.calibrated == pytest.approx((score - values.mean()) / (best - values.mean()))
        assert null.calibrated > 0
        k = (values >= score).sum() if best else (values <= score).sum()
        assert null.p_value == pytest.approx((1 + k) / 20)
    # of a distance: the share of the null that is missing
    assert null.calibrated == pytest.approx((null.mean - null.score) / null.mean)


def test_a_network_with_itself_is_all_that_can_be():
    a, _ = pair()
    for measure in (up(mean_cca), down(orthogonal_procrustes), up(aligned_cosine, (-1.0, 1.0))):
        null = permutation_null(measure, a, a, permutations=9, seed=0)
        assert null.calibrated == pytest.approx(1)
        assert null.p_value == 0.1


@pytest.mark.parametrize("measure", [up(mean_cca), down(angular_shape_metric)])
def test_unrelated_networks_are_calibrated_to_zero_and_p_values_are_valid(measure):
    nulls = [
        permutation_null(measure, *pair(n=40, noise=math.inf, seed=s), permutations=19, seed=s)
        for s in range(100)
    ]
    assert abs(np.mean([null.calibrated for null in nulls])) < 0.02
    p_values = np.array([null.p_value for null in nulls])
    # uniform on 0.05, 0.1, ..., 1: four standard errors
    for level in (0.1, 0.5):
        share = (p_values <= level + 1e-12).mean()
        assert abs(share - level) < 4 * math.sqrt(level * (1 - level) / 100)


def test_values_that_no_order_changes_are_ties():
    constant = up(lambda a, b: 0.1 + 1e-17 * b.values[0, 0])
    null = permutation_null(constant, *pair(), permutations=9, seed=0)
    assert null.p_value == 1.0
    assert null.calibrated == pytest.approx(0)


@pytest.mark.parametrize("function", [gbs, partial(gbs, k=5)])
def test_rows_that_are_all_equally_near_say_nothing(function):
    # one neuron, always active: every cosine is 1
    a, b = (Representation(x) for x in np.random.default_rng(0).uniform(1, 2, (2, 100, 1)))
    null = permutation_null(up(function), a, b, permutations=19, seed=0)
    assert null.p_value == 1.0
    assert null.score == pytest.approx(null.mean)


@pytest.mark.parametrize("name", ["knn_jaccard", "cka_debiased", "gbs"])
def test_copies_of_rows_look_like_likeness_to_what_is_not_resampled(name):
    measure = REPRESENTATIONAL[name]
    assert not measure.resampled
    a, b = (Representation(x) for x in np.random.default_rng(0).normal(size=(2, 200, 50)))
    _, high = bootstrap_interval(measure, a, b, resamples=9, seed=0)
    # the likeness of the sample, taken for a bias, is taken away from the score
    assert high < measure.function(a, b) - 0.02


def test_a_pair_without_null_or_interval_is_logged(caplog):
    few = [Representation(x) for x in np.random.default_rng(0).normal(size=(2, 40, 15))]
    measures = {"mean_cca": REPRESENTATIONAL["mean_cca"]}
    scores = {"mean_cca": np.array([[1, 0.9], [0.9, 1]])}
    found = interval_matrices(
        few, measures, scores, options={"mean_cca": {}}, resamples=3, seed=0, level=0.9
    )
    assert np.isnan(found["mean_cca"]["low"]).all()
    assert "mean_cca: no interval for 1 pairs, since ranks 15 and 15 add up" in caplog.text


def test_calibration_needs_a_best_value_that_differs_from_the_null():
    a, b = pair()
    assert math.isnan(
        permutation_null(up(mean_cca, (0, math.inf)), a, b, permutations=3, seed=0).calibrated
    )
    assert math.isnan(
        permutation_null(up(lambda a, b: 1.0), a, b, permutations=3, seed=0).calibrated
    )


def test_options_reach_the_measure():
    a, b = pair()
    options = {"variance": 0.5}
    null = permutation_null(up(svcca), a, b, permutations=3, seed=0, options=options)
    assert null == permutation_null(up(partial(svcca, **options)), a, b, permutations=3, seed=0)
    assert null.score != svcca(a, b)
    interval = bootstrap_interval(up(svcca), a, b, resamples=9, seed=0, options=options)
    assert interval == bootstrap_interval(up(partial(svcca, **options)), a, b, resamples=9, seed=0)


def test_seeds_decide():
    a, b = pair()
    for function, count in ((permutation_null, "permutations"), (bootstrap_interval, "resamples")):
        one, same, other = (
            function(up(mean_cca), a, b, seed=seed, **{count: 9}) for seed in (0, 0, 1)
        )
        assert one == same != other


def test_an_interval_holds_the_value_of_all_rows():
    # two neurons of correlation 0.6 over all rows that could be drawn
    random = np.random.default_rng(6)
    hits = 0
    for _ in range(60):
        x, y = random.normal(size=(2, 100, 1))
        a, b = Representation(x), Representation(0.6 * x + 0.8 * y)
        measure = up(hard_correlation_match, (-1.0, 1.0))
        low, high = bootstrap_interval(measure, a, b, resamples=200, seed=0, level=0.9)
        assert low < hard_correlation_match(a, b) < high
        hits += low <= 0.6 <= high
    # four standard errors around 54 of 60
    assert 45 <= hits <= 60


def test_an_interval_corrects_for_too_few_rows():
    # independent noise: over all rows the regression explains nothing
    a, b = pair(n=60, noise=math.inf)
    measure = up(linear_regression)
    low, high = bootstrap_interval(measure, a, b, resamples=100, seed=0)
    assert low == 0.0
    assert high < linear_regression(a, b)


def test_an_interval_of_a_network_with_itself_is_a_point():
    a, _ = pair()
    assert bootstrap_interval(up(mean_cca), a, a, resamples=9, seed=0) == pytest.approx((1, 1))
    interval = bootstrap_interval(down(orthogonal_procrustes), a, a, resamples=9, seed=0)
    assert interval == pytest.approx((0, 0), abs=1e-10)


def test_a_wider_level_is_a_wider_interval():
    a, b = pair()
    narrow, wide = (
        bootstrap_interval(up(mean_cca), a, b, resamples=50, seed=0, level=level)
        for level in (0.5, 0.95)
    )
    assert wide.low < narrow.low < narrow.high < wide.high


def test_a_resample_is_refused_by_the_rows_it_has_left():
    # 12 columns in 18 rows; of 18 draws about 11 are different, and their spaces must meet
    a, b = pair(n=18, widths=(6, 6))
    assert mean_cca(a, b) < 1
    with pytest.raises(UndefinedDistance, match=r"add up to no less than the 1[012] rows"):
        bootstrap_interval(up(mean_cca), a, b, resamples=3, seed=0)


def test_undefined_pairs_have_no_null():
    a, b = pair(n=10)
    with pytest.raises(UndefinedDistance, match="10 rows"):
        permutation_null(up(mean_cca), a, b, permutations=3, seed=0)


@pytest.mark.parametrize("count", [0, -1])
def test_counts_and_levels_are_checked(count):
    a, b = pair()
    with pytest.raises(NetkinError, match=f"permutations is {count}; allowed is 1 or more"):
        permutation_null(up(mean_cca), a, b, permutations=count, seed=0)
    with pytest.raises(NetkinError, match=f"resamples is {count}; allowed is 1 or more"):
        bootstrap_interval(up(mean_cca), a, b, resamples=count, seed=0)
    with pytest.raises(NetkinError, match="level is"):
        bootstrap_interval(up(mean_cca), a, b, resamples=1, seed=0, level=float(count))
    for function, name in ((permutation_null, "permutations"), (bootstrap_interval, "resamples")):
        with pytest.raises(NetkinError, match="different probe rows"):
            function(up(mean_cca), a, Representation(b.values[1:]), seed=0, **{name: 3})


def test_permuted_is_a_representation_like_any_other():
    _, b = pair()
    permuted = b.permuted(np.arange(b.n))
    assert isinstance(permuted, PermutedRepresentation)
    assert permuted.name == b.name
    assert permuted.n == b.n


@pytest.fixture(scope="module")
def group():
    """Four networks of different likeness on the same rows."""
    rng = np.random.default_rng(5)
    shared = rng.normal(size=(40, 6))
    return [Representation(shared + s * rng.normal(size=(40, 6))) for s in (0.1, 0.5, 1.0, 3.0)]


def matrices(measures, group):
    functions = {name: measure.function for name, measure in measures.items()}
    asymmetric = [name for name, measure in measures.items() if not measure.symmetric]
    found = distance_matrices(group, functions, asymmetric=asymmetric)
    return {name: matrix.values for name, matrix in found.items()}


CALIBRATED = {name: REPRESENTATIONAL[name] for name in ("cka", "linear_regression", "gulp", "gbs")}


def test_the_nulls_of_a_matrix_are_those_of_its_pairs(group):
    scores = matrices(CALIBRATED, group)
    options = {name: {} for name in CALIBRATED}
    counts = dict.fromkeys(CALIBRATED, 4) | {"gbs": 2}
    found = null_matrices(group, CALIBRATED, scores, options=options, permutations=counts, seed=3)
    for name, measure in CALIBRATED.items():
        assert np.isnan(np.diag(found[name]["mean"])).all()
        for i, j in [(0, 1), (1, 3), (2, 0)]:
            if i > j and measure.symmetric:
                i, j = j, i
            one = permutation_null(measure, group[i], group[j], permutations=counts[name], seed=3)
            for part in ("mean", "calibrated", "p_value"):
                assert found[name][part][i, j] == pytest.approx(getattr(one, part), rel=1e-9), name


def test_the_intervals_of_a_matrix_are_those_of_its_pairs(group):
    scores = matrices(CALIBRATED, group)
    options = {name: {} for name in CALIBRATED}
    found = interval_matrices(
        group, CALIBRATED, scores, options=options, resamples=5, seed=2, level=0.9
    )
    for name, measure in CALIBRATED.items():
        one = bootstrap_interval(measure, group[1], group[2], resamples=5, seed=2, level=0.9)
        assert found[name]["low"][1, 2] == pytest.approx(one.low, rel=1e-9)
        assert found[name]["high"][1, 2] == pytest.approx(one.high, rel=1e-9)


def test_only_what_is_wanted_is_calibrated(group):
    measures = {name: CALIBRATED[name] for name in ("cka", "gulp")}
    both = {"permutations": 2, "resamples": 2, "seed": 0, "level": 0.5}
    found = calibrate(
        group,
        measures,
        matrices(measures, group),
        options={name: {} for name in measures},
        how={"cka": both, "gulp": {}},
    )
    assert set(found["cka"]) == {"mean", "calibrated", "p_value", "low", "high"}
    assert found["gulp"] == {}


@pytest.mark.parametrize("name", REPRESENTATIONAL)
def test_a_permutation_changes_exactly_the_paired_measures(name):
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    a, b = (
        Representation(labels[:, None] + rng.normal(size=(90, 7)), labels=labels) for _ in range(2)
    )
    measure = REPRESENTATIONAL[name]
    value = measure.function(a, b)
    moved = measure.function(a, b.permuted(rng.permutation(90)))
    assert (moved != pytest.approx(value, rel=1e-6)) == measure.paired
