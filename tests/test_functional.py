"""Functional measures: properties by the registry, other libraries, cases by hand."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from netkin.distance.functional import FUNCTIONAL, GROUP_MEASURES
from netkin.distance.functional.capacity import capacities
from netkin.distance.functional.group import (
    ambiguity,
    discrepancy,
    label_entropy,
    prediction_difference,
    prediction_difference_of_pair,
    rashomon_capacity,
)
from netkin.distance.functional.hard import (
    cohen_kappa,
    disagreement,
    error_corrected_disagreement,
    normalised_disagreement,
    performance_difference,
)
from netkin.distance.functional.soft import (
    jensen_shannon_divergence,
    soft_prediction_difference,
    surrogate_churn,
)
from netkin.distance.matrix import distance_matrices
from netkin.errors import NetkinError, UndefinedDistance
from netkin.prediction.prediction import Prediction
from tests.digits import VARIANTS, Digits

SELF = {
    "cohen_kappa": 1.0,
    "rashomon_capacity": 1.0,
    "saliency_cosine": 1.0,
    # of itself, how many of its own examples fool a network
    "adversarial_transferability": None,
    "attack_transferability_score": None,
    "modeldiff": None,
}
"""What a measure says of a network and itself, where that is not 0."""


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return Digits(tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="module")
def items(digits, tmp_path_factory):
    """What measures compare: {stage: {variant: item}} of networks trained on the digits."""
    folder = tmp_path_factory.mktemp("predictions")
    return {"prediction": digits.predictions(folder), "model": digits.models()}


def random_prediction(seed, n=200, classes=4, sharpness=2.0, name="random"):
    rng = np.random.default_rng(seed)
    logits = sharpness * rng.normal(size=(n, classes))
    weights = np.exp(logits)
    labels = np.random.default_rng(99).integers(0, classes, n)
    return Prediction(
        np.arange(n), weights / weights.sum(axis=1, keepdims=True), labels, f"{name} {seed}"
    )


def certain(predicted, labels, classes=3, name="certain"):
    """A prediction with probability 1 of the given classes."""
    return Prediction(np.arange(len(labels)), np.eye(classes)[predicted], labels, name)


# --- properties of all measures ---------------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONAL)
def test_measure_is_what_the_registry_says(items, name):
    measure = FUNCTIONAL[name]
    assert measure.family == "functional"
    assert measure.citation
    group = {v: item for v, item in items[measure.needs].items() if v != "labels_2"}
    low, high = measure.range
    values = {}
    for one, a in group.items():
        for other, b in group.items():
            values[one, other] = value = measure.function(a, b)
            assert isinstance(value, float)
            assert low - 1e-12 <= value <= high + 1e-12, (one, other)
    pairs = [(one, other) for one, other in values if one != other]
    symmetric = all(
        values[one, other] == pytest.approx(values[other, one], abs=1e-12) for one, other in pairs
    )
    assert symmetric == measure.symmetric
    alike = np.array([values[one, one] for one in group])
    different = np.array([values[pair] for pair in pairs])
    expected = SELF.get(name, 0.0)
    if expected is not None and name != "error_corrected_disagreement":
        np.testing.assert_allclose(alike, expected, atol=1e-12)
    assert different.std() > 0
    sign = 1 if measure.orientation == "down" else -1
    assert sign * alike.mean() < sign * different.mean()
    if measure.metric:
        for one, other in pairs:
            for third in group:
                assert values[one, other] <= values[one, third] + values[third, other] + 1e-12, (
                    "triangle inequality"
                )


@pytest.mark.parametrize("name", FUNCTIONAL)
def test_order_of_rows_does_not_matter(items, name):
    measure = FUNCTIONAL[name]
    a, b = (items[measure.needs][variant] for variant in ("base", "deeper"))
    order = np.random.default_rng(0).permutation(len(a.rows))
    if measure.needs == "prediction":
        shuffled = [
            Prediction(p.rows[order], p.probabilities[order], p.labels[order]) for p in (a, b)
        ]
    else:
        part = dataclasses.replace(
            a.probe,
            **{key: getattr(a.probe, key)[order] for key in ("inputs", "labels", "rows")},
        )
        shuffled = [dataclasses.replace(model, probe=part) for model in (a, b)]
    assert measure.function(*shuffled) == pytest.approx(measure.function(a, b), abs=1e-9)


@pytest.mark.parametrize("name", FUNCTIONAL)
def test_networks_of_different_labels_are_compared_on_the_rows_both_know_or_not_at_all(items, name):
    measure = FUNCTIONAL[name]
    all_items = items[measure.needs]
    a, b = all_items["base"], all_items["labels_2"]
    if "same classes" in measure.requires:
        for pair in ((a, b), (b, a)):
            with pytest.raises(UndefinedDistance, match="2 and 10 classes do not correspond"):
                measure.function(*pair)
        return
    known = a.labels < 2
    assert 0 < known.sum() < len(known)
    if measure.needs == "prediction":
        only = [Prediction(p.rows[known], p.probabilities[known], p.labels[known]) for p in (a, b)]
    else:
        part = dataclasses.replace(
            a.probe,
            **{key: getattr(a.probe, key)[known] for key in ("inputs", "labels", "rows")},
        )
        only = [dataclasses.replace(model, probe=part) for model in (a, b)]
        if "transferability" in name:  # its bounds are those of all probe rows
            bounds = a.probe.inputs[known]
            assert (bounds.min(), bounds.max()) == (a.probe.inputs.min(), a.probe.inputs.max())
    found, expected = [], []
    for pair, target in (((a, b), found), (only, expected)):
        try:
            target.append(measure.function(*pair))
        except UndefinedDistance as reason:
            target.append(str(reason))
    assert found == pytest.approx(expected) if isinstance(found[0], float) else found == expected


@pytest.mark.parametrize("name", FUNCTIONAL)
def test_labels_matter_where_the_registry_says(items, name):
    measure = FUNCTIONAL[name]
    a, b = (items[measure.needs][variant] for variant in ("base", "deeper"))
    # all are known as before
    other = np.random.default_rng(0).permutation(a.labels)
    if measure.needs == "prediction":
        relabelled = [Prediction(p.rows, p.probabilities, other) for p in (a, b)]
    else:
        part = dataclasses.replace(a.probe, labels=other)
        relabelled = [dataclasses.replace(model, probe=part) for model in (a, b)]
    same = measure.function(*relabelled) == measure.function(a, b)
    assert same != ("labels" in measure.requires)


@pytest.mark.parametrize("name", [n for n, m in FUNCTIONAL.items() if m.needs == "prediction"])
def test_probabilities_matter_beyond_the_class_where_the_registry_says(items, name):
    measure = FUNCTIONAL[name]
    a, b = (items["prediction"][variant] for variant in ("base", "deeper"))
    squares = [p.probabilities**2 for p in (a, b)]
    surer = [
        Prediction(p.rows, x / x.sum(axis=1, keepdims=True), p.labels)
        for p, x in zip((a, b), squares, strict=True)
    ]
    assert all((x.predicted == y.predicted).all() for x, y in zip((a, b), surer, strict=True))
    same = measure.function(*surer) == measure.function(a, b)
    assert same != ("probabilities" in measure.requires)
    assert not {"gradients", "training rows"} & set(measure.requires)


@pytest.mark.parametrize("name", FUNCTIONAL)
def test_different_rows_are_refused_by_name(items, name):
    measure = FUNCTIONAL[name]
    a, b = (items[measure.needs][variant] for variant in ("base", "other_seed"))
    if measure.needs == "prediction":
        moved = Prediction(b.rows + 1, b.probabilities, b.labels, "moved.h5")
        relabelled = Prediction(b.rows, b.probabilities, 9 - b.labels, "relabelled.h5")
    else:
        moved, relabelled = (
            dataclasses.replace(b, probe=dataclasses.replace(b.probe, **changes), name=called)
            for called, changes in (
                ("moved.h5", {"rows": b.rows + 1}),
                ("relabelled.h5", {"labels": 9 - b.labels}),
            )
        )
    for other in (moved, relabelled):
        with pytest.raises(NetkinError, match=rf"{a.name} and {other.name} hold different rows"):
            measure.function(a, other)


@pytest.mark.parametrize("name", FUNCTIONAL)
def test_no_row_that_both_know_is_a_reason(items, name):
    measure = FUNCTIONAL[name]
    a = items[measure.needs]["base"]
    foreign = np.full_like(a.labels, 10)
    if measure.needs == "prediction":
        a = Prediction(a.rows, a.probabilities, foreign)
    else:
        a = dataclasses.replace(a, probe=dataclasses.replace(a.probe, labels=foreign))
    with pytest.raises(UndefinedDistance, match="no row has a label"):
        measure.function(a, a)


# --- predicted classes ------------------------------------------------------------------

LABELS = np.array([0, 0, 1, 1, 2, 2, 0, 1])
A = certain([0, 0, 1, 1, 2, 0, 1, 2], LABELS)  # 3 errors
B = certain([0, 1, 1, 0, 2, 0, 0, 2], LABELS)  # 4 errors, differs from A in 3 rows


def test_hard_measures_by_hand():
    assert performance_difference(A, B) == 1 / 8
    assert disagreement(A, B) == 3 / 8
    assert error_corrected_disagreement(A, B) == 1.0
    assert error_corrected_disagreement(B, A) == 3 / 4
    # error rates 3/8 and 4/8: between 1/8 and 7/8
    assert normalised_disagreement(A, B) == pytest.approx((3 / 8 - 1 / 8) / (7 / 8 - 1 / 8))
    # A says 0, 1, 2 in 3, 3, 2 rows, B in 4, 2, 2: by chance they agree in 22/64
    assert cohen_kappa(A, B) == pytest.approx(1 - (3 / 8) / (1 - 22 / 64))


def test_normalised_disagreement_reaches_its_bounds():
    labels = np.zeros(4, int)
    a, least = certain([1, 0, 0, 0], labels), certain([1, 1, 0, 0], labels)
    most = certain([0, 1, 1, 0], labels)
    assert normalised_disagreement(a, least) == 0.0
    assert normalised_disagreement(a, most) == 1.0
    # error rates sum to more than 1: both wrong in different ways
    a, b = certain([1, 1, 1, 0], labels), certain([2, 2, 0, 2], labels)
    assert normalised_disagreement(a, b) == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_kappa_is_that_of_scikit_learn(seed):
    from sklearn.metrics import cohen_kappa_score

    a, b = random_prediction(seed), random_prediction(seed + 100)
    b = Prediction(b.rows, (a.probabilities + b.probabilities) / 2, b.labels)
    expected = cohen_kappa_score(a.predicted, b.predicted)
    assert cohen_kappa(a, b) == pytest.approx(expected, abs=1e-12)


def test_kappa_of_networks_of_different_labels_is_that_of_scikit_learn(items):
    from sklearn.metrics import cohen_kappa_score

    a, b = items["prediction"]["base"], items["prediction"]["labels_2"]
    known = a.labels < 2
    assert not set(b.predicted) - {0, 1}
    expected = cohen_kappa_score(a.predicted[known], b.predicted[known])
    assert cohen_kappa(a, b) == pytest.approx(expected, abs=1e-12)


def test_performance_and_disagreement_are_those_of_scikit_learn():
    from sklearn.metrics import accuracy_score, hamming_loss

    a, b = random_prediction(0), random_prediction(1)
    accuracies = [accuracy_score(p.labels, p.predicted) for p in (a, b)]
    assert performance_difference(a, b) == pytest.approx(abs(accuracies[0] - accuracies[1]))
    assert disagreement(a, b) == pytest.approx(hamming_loss(a.predicted, b.predicted))


def test_networks_without_errors_have_reasons():
    perfect = certain(LABELS, LABELS)
    with pytest.raises(UndefinedDistance, match="no error rate to divide by"):
        error_corrected_disagreement(perfect, A)
    assert error_corrected_disagreement(A, perfect) == 1.0
    for pair in ((perfect, A), (A, perfect), (perfect, perfect)):
        with pytest.raises(UndefinedDistance, match="one value of the disagreement only"):
            normalised_disagreement(*pair)
    constant = certain(np.ones(8, int), LABELS)
    with pytest.raises(UndefinedDistance, match="one and the same class"):
        cohen_kappa(constant, constant)
    assert cohen_kappa(constant, A) == 0.0


def test_undefined_pairs_become_nan_with_a_reason_in_the_matrix(items):
    group = list(items["prediction"].values())
    measure = FUNCTIONAL["jensen_shannon"]
    found = distance_matrices(group, {"jensen_shannon": measure.function})["jensen_shannon"]
    matrix, reasons = found.values, found.reasons
    two = list(VARIANTS).index("labels_2")
    expected = {(two, i) for i in range(len(group)) if i != two}
    assert set(reasons) == expected | {(j, i) for i, j in expected}
    assert set(map(tuple, np.argwhere(np.isnan(matrix)))) == set(reasons)


# --- probabilities ----------------------------------------------------------------------


def test_soft_measures_by_hand():
    a = Prediction([0, 1], [[1.0, 0.0], [0.5, 0.5]], [0, 1])
    b = Prediction([0, 1], [[0.0, 1.0], [0.5, 0.5]], [0, 1])
    assert soft_prediction_difference(a, b) == pytest.approx(math.sqrt(2) / 4)
    assert surrogate_churn(a, b) == pytest.approx(0.5)
    assert jensen_shannon_divergence(a, b) == pytest.approx(math.log(2) / 2)
    c = Prediction([0, 1], [[0.8, 0.2], [0.25, 0.75]], [0, 1])
    # (1, 0) and (1, 1/4); (1, 1) and (1/3, 1)
    assert surrogate_churn(a, c) == pytest.approx((1 / 4 + 2 / 3) / 4)
    assert surrogate_churn(a, c, alpha=2) == pytest.approx((1 / 16 + 8 / 9) / 4)


@pytest.mark.parametrize("seed", range(3))
def test_jensen_shannon_is_that_of_scipy(seed):
    from scipy.spatial.distance import jensenshannon

    a, b = random_prediction(seed), random_prediction(seed + 10)
    expected = (jensenshannon(a.probabilities, b.probabilities, axis=1) ** 2).mean()
    assert jensen_shannon_divergence(a, b) == pytest.approx(expected, abs=1e-12)


def test_jensen_shannon_takes_0_log_0_as_0():
    a, b = certain([0, 1], [0, 1]), certain([0, 2], [0, 1])
    assert jensen_shannon_divergence(a, b) == pytest.approx(math.log(2) / 2)
    assert jensen_shannon_divergence(a, a) == 0.0


def test_surrogate_churn_tends_to_the_disagreement():
    a, b = random_prediction(0), random_prediction(1)
    unlimited = surrogate_churn.__wrapped__
    assert unlimited(a, b, alpha=3000) == pytest.approx(disagreement(a, b), abs=0.01)
    assert abs(surrogate_churn(a, b) - disagreement(a, b)) > 0.05


# --- groups -----------------------------------------------------------------------------


LARGEST = {
    "ambiguity": lambda m, c: 1,
    "discrepancy": lambda m, c: 1,
    "label_entropy": lambda m, c: math.log(min(m, c)),
    "prediction_difference": lambda m, c: 2 * (1 - 1 / m),
    "rashomon_capacity": min,
}
"""Largest value of a measure for m networks of c classes."""


@st.composite
def groups(draw):
    """Networks of the same labels, as certain and as much alike as hypothesis likes."""
    m, n, c = (draw(st.integers(least, most)) for least, most in ((2, 6), (1, 5), (2, 4)))
    weights = draw(arrays(np.float64, (m, n, c), elements=st.floats(0, 1)))
    weights[weights < 1e-3] = 0
    weights[weights.sum(axis=2) == 0] = 1
    labels = draw(arrays(np.int64, n, elements=st.integers(0, c - 1)))
    probabilities = weights / weights.sum(axis=2, keepdims=True)
    return [Prediction(np.arange(n), network, labels) for network in probabilities]


@pytest.mark.parametrize("name", GROUP_MEASURES)
@settings(max_examples=60, deadline=None)
@given(group=groups(), data=st.data())
def test_group_measure_is_what_the_registry_says(name, group, data):
    measure = GROUP_MEASURES[name]
    assert measure.citation
    assert measure.orientation == "down"
    least, largest = measure.range
    m, n_classes = len(group), group[0].n_classes
    assert LARGEST[name](m, n_classes) <= largest
    value = measure.function(group)
    assert isinstance(value, float)
    assert least - 1e-12 <= value <= LARGEST[name](m, n_classes) + 1e-9
    others = data.draw(st.permutations(group))
    assert measure.function(others) == pytest.approx(value, abs=1e-7)
    assert measure.function([group[0]] * m) == pytest.approx(least, abs=1e-9)


@pytest.mark.parametrize("name", GROUP_MEASURES)
def test_largest_value_of_a_group_measure_is_reached(name):
    labels = np.zeros(3, int)
    group = [certain(np.full(3, answer), labels) for answer in range(3)]
    expected = LARGEST[name](3, 3)
    assert GROUP_MEASURES[name].function(group) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", GROUP_MEASURES)
def test_group_of_different_labels_has_what_the_registry_says(items, name):
    group = list(items["prediction"].values())
    measure = GROUP_MEASURES[name]
    if "same classes" not in measure.requires:
        assert measure.function(group) > measure.range[0]
        return
    with pytest.raises(UndefinedDistance, match="2 and 10 classes"):
        measure.function(group)


def test_group_measures_by_hand():
    labels = np.zeros(4, int)
    group = [certain(predicted, labels) for predicted in ([0, 0, 0, 1], [0, 0, 1, 1], [0, 1, 2, 1])]
    assert ambiguity(group) == 2 / 4
    assert discrepancy(group) == 2 / 4  # of the first and the last
    two_of_three = -(2 / 3) * math.log(2 / 3) - (1 / 3) * math.log(1 / 3)
    assert label_entropy(group) == pytest.approx((two_of_three + math.log(3)) / 4)
    # a row with shares (2/3, 1/3, 0): deviations 2/3, 2/3, 4/3; all different: 4/3 each
    assert prediction_difference(group) == pytest.approx((8 / 9 + 4 / 3) / 4)
    # 2 answers are told apart like 3 where two are the same
    assert rashomon_capacity(group) == pytest.approx((1 + 2 + 3 + 1) / 4, abs=1e-6)


def test_ambiguity_counts_rows_that_no_pair_shares():
    labels = np.zeros(4, int)
    group = [certain(p, labels) for p in ([1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0])]
    assert ambiguity(group) == 3 / 4
    assert discrepancy(group) == 2 / 4


def test_group_measures_of_a_pair_are_those_of_the_pair():
    a, b = random_prediction(0), random_prediction(1)
    assert ambiguity([a, b]) == discrepancy([a, b]) == disagreement(a, b)
    assert label_entropy([a, b]) == pytest.approx(math.log(2) * disagreement(a, b))
    total_variation = np.abs(a.probabilities - b.probabilities).sum(axis=1).mean() / 2
    assert prediction_difference_of_pair(a, b) == pytest.approx(total_variation)
    assert prediction_difference_of_pair(a, b, order=2) == pytest.approx(
        soft_prediction_difference(a, b)
    )


def test_groups_are_compared_on_the_rows_all_know(items):
    group = list(items["prediction"].values())
    known = group[0].labels < 2
    only = [Prediction(p.rows[known], p.probabilities[known], p.labels[known]) for p in group]
    for measure in (ambiguity, discrepancy, label_entropy):
        assert measure(group) == pytest.approx(measure(only))
        assert measure(group) != pytest.approx(measure(group[:2]))
    for measure in (prediction_difference, rashomon_capacity):
        with pytest.raises(UndefinedDistance, match="2 and 10 classes"):
            measure(group)
        assert measure(group[:2]) < measure([group[0], group[1], group[-1]])


def test_a_group_needs_two_networks_of_the_same_rows():
    a = random_prediction(0)
    for group in ([], [a]):
        with pytest.raises(NetkinError, match=f"a group of {len(group)} networks"):
            ambiguity(group)
    with pytest.raises(NetkinError, match="random 0 and random 2 hold different rows"):
        rashomon_capacity([a, random_prediction(1), random_prediction(2, n=20)])


def test_capacity_of_channels_that_are_known():
    flip, erased = 0.1, 0.3
    entropy = -flip * math.log2(flip) - (1 - flip) * math.log2(1 - flip)
    channels = np.array(
        [
            [[1 - flip, flip, 0], [flip, 1 - flip, 0]],  # binary symmetric
            [[1 - erased, 0, erased], [0, 1 - erased, erased]],  # binary erasure
            [[1, 0, 0], [0.5, 0.5, 0]],  # Z
            [[0.2, 0.3, 0.5], [0.2, 0.3, 0.5]],
            [[1, 0, 0], [0, 0, 1]],
        ]
    )
    expected = [1 - entropy, 1 - erased, math.log2(5 / 4), 0, 1]
    np.testing.assert_allclose(capacities(channels.swapaxes(0, 1)), expected, atol=1e-7)


def test_capacity_is_the_largest_jensen_shannon_divergence_over_weights():
    from scipy.optimize import minimize_scalar
    from scipy.special import entr

    a, b = random_prediction(0, n=20), random_prediction(1, n=20)

    def negative(weight, p, q):
        mixed = entr(weight * p + (1 - weight) * q).sum()
        return -(mixed - weight * entr(p).sum() - (1 - weight) * entr(q).sum())

    expected = [
        -minimize_scalar(
            negative, bounds=(0, 1), args=pair, method="bounded", options={"xatol": 1e-9}
        ).fun
        for pair in zip(a.probabilities, b.probabilities, strict=True)
    ]
    found = capacities(np.stack([a.probabilities, b.probabilities]))
    np.testing.assert_allclose(found * math.log(2), expected, atol=1e-7)


@pytest.mark.parametrize("n_networks", [2, 3, 19])
@pytest.mark.parametrize("sharpness", [0.1, 3.0, 40.0])
def test_no_network_is_farther_from_the_best_mixture_than_the_capacity(n_networks, sharpness):
    """Bounds on both sides: those of Blahut and Arimoto after some of their steps."""
    from scipy.special import rel_entr

    shared = 3 * random_prediction(0, n=50).probabilities
    group = np.stack(
        [
            shared * random_prediction(i, n=50, sharpness=sharpness).probabilities
            for i in range(n_networks)
        ]
    )
    group /= group.sum(axis=2, keepdims=True)
    weights = np.full(group.shape[:2], 1 / n_networks)
    for _ in range(300):
        divergence = rel_entr(group, (weights[:, :, None] * group).sum(axis=0)).sum(axis=2)
        low = np.log((weights * np.exp(divergence)).sum(axis=0))
        high = divergence.max(axis=0)
        weights = weights * np.exp(divergence) / np.exp(low)
    found = capacities(group) * math.log(2)
    assert (found >= low - 1e-8).all()
    assert (found <= high + 1e-12).all()
