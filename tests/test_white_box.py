"""Measures that need the weights: equal to torch and scikit-learn, cases by hand."""

import dataclasses
import math
from functools import partial

import numpy as np
import pytest

from netkin.activation.evaluation import Part
from netkin.activation.forward import forward
from netkin.distance.functional import FUNCTIONAL, white_box
from netkin.distance.functional.model import Model, read_model
from netkin.distance.functional.white_box import (
    adversarial_transferability,
    attack,
    attack_transferability_score,
    input_gradients,
    modeldiff,
    saliency_cosine,
    stitching,
)
from netkin.errors import NetkinError, UndefinedDistance
from netkin.network.file import Network, read_network, write_network
from netkin.storage import create
from tests.digits import PROBE_ROWS, Digits


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return Digits(tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="module")
def models(digits):
    """{variant: model} of networks trained on the digits."""
    return digits.models()


def torch_model(network):
    import torch

    layers = []
    for weight, bias in zip(network.weights, network.biases, strict=True):
        linear = torch.nn.Linear(*weight.shape[::-1], dtype=torch.float64)
        linear.weight.data = torch.from_numpy(weight).double()
        linear.bias.data = torch.from_numpy(bias).double()
        layers += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def torch_saliency(model, chosen=None):
    """Absolute gradients of the predicted or a chosen logit, by autograd."""
    import torch

    inputs = torch.from_numpy(model.probe.inputs).double().requires_grad_()
    logits = torch_model(model.network)(inputs)
    picked = logits.max(dim=1).values if chosen is None else logits[:, chosen]
    (gradient,) = torch.autograd.grad(picked.sum(), inputs)
    return gradient.abs()


@pytest.mark.parametrize("pair", [("base", "other_seed"), ("base", "features")])
def test_saliency_cosine_is_that_of_torch(models, pair):
    import torch

    a, b = (models[variant] for variant in pair)
    cosine = partial(torch.nn.functional.cosine_similarity, dim=1)
    expected = cosine(torch_saliency(a), torch_saliency(b)).mean().item()
    assert saliency_cosine(a, b) == pytest.approx(expected, abs=1e-9)
    each = [cosine(torch_saliency(a, c), torch_saliency(b, c)).mean().item() for c in range(10)]
    assert saliency_cosine(a, b, logits="all") == pytest.approx(np.mean(each), abs=1e-9)


def test_features_of_networks_with_permuted_inputs_correspond(digits, models, tmp_path):
    """The same network, had its inputs been permuted, is the same in the data set's order."""
    base = read_network(digits.networks["base"])
    order = np.random.default_rng(3).permutation(64)
    weights = (base.weights[0][:, order].copy(), *base.weights[1:])
    path = tmp_path / "permuted.h5"
    write_network(
        path, dataclasses.replace(base, weights=weights), parameters=digits.how("features")
    )
    permuted = read_model(
        path, dataset_path=digits.dataset, probe_rows=PROBE_ROWS, training_rows=10**6
    )
    model = models["base"]
    for name in ("saliency_cosine", "adversarial_transferability", "stitching"):
        measure = FUNCTIONAL[name].function
        assert measure(model, permuted) == pytest.approx(measure(model, model), abs=1e-12), name
    other = models["features"]
    assert saliency_cosine(other, permuted) == pytest.approx(saliency_cosine(other, model))


def test_gradients_of_logits_by_all_networks_are_those_of_autograd(models):
    import torch

    for model in models.values():
        direction = np.random.default_rng(0).normal(size=(PROBE_ROWS, model.n_classes))
        inputs = torch.from_numpy(model.probe.inputs).double().requires_grad_()
        weighted = (torch_model(model.network)(inputs) * torch.from_numpy(direction)).sum()
        (expected,) = torch.autograd.grad(weighted, inputs)
        found = input_gradients(model.network, model.probe.inputs, direction)
        np.testing.assert_allclose(found, expected.numpy(), atol=1e-9)


@pytest.mark.parametrize("name", [n for n, m in FUNCTIONAL.items() if m.needs == "model"])
def test_gradients_and_training_rows_are_used_where_the_registry_says(models, name, monkeypatch):
    measure = FUNCTIONAL[name]
    # with nothing kept from other tests
    a, b = (dataclasses.replace(models[variant]) for variant in ("base", "other_seed"))
    calls = []
    monkeypatch.setattr(
        white_box, "input_gradients", lambda *x: calls.append(x) or input_gradients(*x)
    )
    value = measure.function(a, b)
    assert bool(calls) == ("gradients" in measure.requires)
    rows = {key: getattr(a.training, key)[:200] for key in ("inputs", "labels", "rows")}
    few = dataclasses.replace(a.training, **rows)
    fewer = measure.function(*(dataclasses.replace(model, training=few) for model in (a, b)))
    assert (fewer != value) == ("training rows" in measure.requires)


def tiny_model(weights, biases, inputs, labels, training=None):
    """A model of the given layers and probe rows."""
    network = Network(
        tuple(np.array(weight, np.float32) for weight in weights),
        tuple(np.array(bias, np.float32) for bias in biases),
        {},
        np.nan,
    )
    inputs = np.array(inputs, np.float32)
    part = _part(inputs, labels)
    return Model(network, part, part if training is None else _part(training, labels))


def _part(inputs, labels):
    return Part(np.array(inputs, np.float32), np.array(labels), np.arange(len(labels)), 2)


def test_saliency_leaves_out_maps_without_a_direction():
    inputs, labels = [[1, 1], [-1, -1]], [0, 0]
    a = tiny_model([[[1, 0]], [[1], [-1]]], [[0], [0, 0]], inputs, labels)
    b = tiny_model([[[1, 1]], [[1], [-1]]], [[0], [0, 0]], inputs, labels)
    assert saliency_cosine(a, b) == pytest.approx(math.sqrt(0.5))  # the ReLUs of row 1 are off
    dead = tiny_model([[[1, 1]], [[1], [-1]]], [[-9], [0, 0]], inputs, labels)
    with pytest.raises(UndefinedDistance, match="every gradient"):
        saliency_cosine(a, dead)


@pytest.mark.parametrize("steps", [1, 5])
def test_attack_is_the_gradient_sign_method_of_torch(models, steps):
    import torch

    model = models["base"]
    inputs, labels = model.probe.inputs, model.labels
    found = attack(model.network, inputs, labels, epsilon=0.1, steps=steps, bounds=(0.0, 1.0))
    original = torch.from_numpy(inputs).double()
    examples = original.clone()
    size = 0.1 if steps == 1 else 2.5 * 0.1 / steps
    network = torch_model(model.network)
    for _ in range(steps):
        examples = examples.detach().requires_grad_()
        loss = torch.nn.functional.cross_entropy(network(examples), torch.from_numpy(labels))
        (gradient,) = torch.autograd.grad(loss, examples)
        examples = examples + size * gradient.sign()
        examples = original + (examples - original).clamp(-0.1, 0.1)
        examples = examples.clamp(0, 1)
    np.testing.assert_allclose(found, examples.detach().numpy(), atol=1e-12)


def test_attack_works_where_the_softmax_is_saturated():
    network = Network(
        (np.array([[900.0, 0], [0, 900.0]], np.float32),), (np.zeros(2, np.float32),), {}, np.nan
    )
    found = attack(
        network, np.array([[1.0, 0.0]]), np.array([0]), epsilon=0.2, steps=1, bounds=(0.0, 1.0)
    )
    np.testing.assert_allclose(found, [[0.8, 0.2]])


def test_transferability_by_hand():
    # inputs in [0, 1]; a looks at the first feature, b at the second
    inputs, labels = [[0, 0], [0.4, 0.4], [1, 1], [0.4, 1]], [0, 0, 1, 1]
    weights = ([[-1, 0], [1, 0]], [[0, -1], [0, 1]])
    bias = [0.5, -0.5]
    a, b = (tiny_model([weight], [bias], inputs, labels) for weight in weights)
    # the last row is wrong in a; of the other three, the second is within reach of 0.2
    assert adversarial_transferability(a, a, epsilon=0.2) == pytest.approx(1 / 3)
    assert adversarial_transferability(b, b, epsilon=0.2) == pytest.approx(1 / 4)
    assert adversarial_transferability(a, b, epsilon=0.2) == 0.0, "each changes its own feature"
    assert adversarial_transferability(a, a, epsilon=0.6) == 1.0
    assert attack_transferability_score(a, a, epsilon=0.6) == pytest.approx(math.log(100))
    assert attack_transferability_score(a, b, epsilon=0.2) == pytest.approx(math.log(0.01))
    assert attack_transferability_score(a, b, epsilon=0.2, least=1.0) == 0.0


def test_transferability_needs_a_row_that_both_classify_rightly():
    inputs = [[0, 0], [1, 1]]
    a, b = (tiny_model([[[-s, 0], [s, 0]]], [[0.5 * s, -0.5 * s]], inputs, [0, 1]) for s in (1, -1))
    with pytest.raises(UndefinedDistance, match="classified rightly"):
        adversarial_transferability(a, b)


def test_larger_attacks_fool_more(models):
    a, b = models["base"], models["other_seed"]
    shares = [adversarial_transferability(a, b, epsilon=e) for e in (0.01, 0.1, 0.3)]
    assert shares == sorted(shares)
    assert shares[0] < shares[-1]
    assert shares[1] <= adversarial_transferability(a, a)


def test_modeldiff_is_the_cosine_of_how_far_answers_move(models):
    from scipy.spatial.distance import cosine
    from scipy.special import softmax

    a, b = models["base"], models["labels_2"]
    known = a.labels < b.n_classes
    examples = attack(
        a.network,
        a.probe.inputs[known],
        a.labels[known],
        epsilon=0.1,
        steps=1,
        bounds=(a.probe.inputs.min(), a.probe.inputs.max()),
    )
    moved = []
    for model in (a, b):
        before, after = (
            softmax(forward(model.network, rows)[-1], axis=1)
            for rows in (model.probe.inputs[known], examples)
        )
        moved.append([cosine(x, y) for x, y in zip(before, after, strict=True)])
    found = modeldiff(a, b)
    assert found == pytest.approx(1 - cosine(*moved), abs=1e-7)  # float32 answers
    # the other way round the examples are others
    assert found != pytest.approx(modeldiff(b, a), abs=1e-6)
    assert modeldiff(a, a) == pytest.approx(1)
    assert modeldiff(a, b, outputs="logits") != pytest.approx(found, abs=1e-6)


@pytest.mark.parametrize("n_classes", range(2, 16))
@pytest.mark.parametrize("outputs", ["probabilities", "logits"])
def test_modeldiff_needs_answers_that_move(models, n_classes, outputs):
    """A constant answer has no movement, whatever rounding makes of its norm."""
    a = models["base"]
    rng = np.random.default_rng(n_classes)
    still = dataclasses.replace(
        a.network,
        weights=[
            *(np.zeros_like(weight) for weight in a.network.weights[:-1]),
            np.zeros((n_classes, a.network.weights[-1].shape[1])),
        ],
        biases=[*a.network.biases[:-1], rng.normal(size=n_classes)],
    )
    same = dataclasses.replace(a, network=still)
    for pair in ((a, same), (same, a)):
        with pytest.raises(UndefinedDistance, match="no adversarial example moves"):
            modeldiff(*pair, outputs=outputs)


def test_stitching_undoes_any_invertible_map_of_the_senders_units(models):
    """Permuted and scaled units hold the same, so the receiver loses nothing."""
    b = models["base"]
    order = np.random.default_rng(0).permutation(16)
    scale = np.linspace(0.5, 2, 16, dtype=np.float32)
    (w1, w2, w3), (c1, c2, c3) = b.network.weights, b.network.biases
    network = dataclasses.replace(
        b.network,
        weights=(w1, (scale[:, None] * w2)[order], w3[:, order] / scale[order]),
        biases=(c1, (scale * c2)[order], c3),
    )
    a = dataclasses.replace(b, network=network)
    assert stitching(a, b) == 0.0
    assert stitching(b, a) == 0.0


def test_stitching_is_the_least_squares_map_of_scikit_learn(models):
    import torch
    from sklearn.linear_model import LinearRegression

    a, b = models["base"], models["deeper"]
    for layer in (-1, -2):
        halves = []
        for model in (a, b):
            cut = 2 * (len(model.network.weights) - 1 + layer + 1)  # behind the ReLU
            halves.append((torch_model(model.network)[:cut], torch_model(model.network)[cut:]))
        (first_a, _), (first_b, rest_b) = halves
        training, probe = (torch.from_numpy(part.inputs).double() for part in (a.training, a.probe))
        with torch.no_grad():
            fitted = LinearRegression().fit(first_a(training).numpy(), first_b(training).numpy())
            stitched = rest_b(torch.from_numpy(fitted.predict(first_a(probe).numpy())))
            own = torch_model(b.network)(probe)
        accuracies = [(logits.argmax(1).numpy() == a.labels).mean() for logits in (stitched, own)]
        expected = accuracies[0] - accuracies[1]
        assert stitching(a, b, layer=layer) == pytest.approx(expected, abs=1e-12)


def test_stitching_of_a_sender_that_knows_nothing_loses_accuracy(models):
    b = models["base"]
    silent = tuple(np.zeros_like(weight) for weight in b.network.weights)
    a = dataclasses.replace(b, network=dataclasses.replace(b.network, weights=silent))
    own = (b.logits.argmax(axis=1) == b.labels).mean()
    most_common = np.bincount(b.labels).max() / len(b.labels)
    assert own + stitching(a, b) <= most_common
    with pytest.raises(UndefinedDistance, match="2 hidden layers has no layer -3"):
        stitching(a, b, layer=-3)


def test_stitch_is_fitted_to_the_labels_that_both_know(models):
    a, b = models["labels_2"], models["base"]
    unknown = a.training.labels >= 2
    inputs = a.training.inputs.copy()
    inputs[unknown] = 100 * np.random.default_rng(0).normal(size=(unknown.sum(), 64))
    training = dataclasses.replace(a.training, inputs=inputs)
    changed = [dataclasses.replace(model, training=training) for model in (a, b)]
    assert stitching(*changed) == stitching(a, b)


def test_models_of_a_data_set_share_its_rows_and_know_their_training(digits, models, tmp_path):
    assert all(model.probe is models["base"].probe for model in models.values())
    assert len(models["base"].probe.rows) == PROBE_ROWS
    assert len(models["base"].training.rows) == 1437
    assert models["labels_2"].n_classes == 2
    unknown = tmp_path / "unknown.h5"
    with create(unknown, "network", parameters={"input_order": None}):
        pass
    with pytest.raises(NetkinError, match=r"unknown\.h5: does not say with which 'order_seed'"):
        read_model(unknown, dataset_path=digits.dataset)


def test_models_on_different_inputs_are_refused(models):
    a = models["base"]
    for part in ("probe", "training"):
        changed = dataclasses.replace(getattr(a, part), inputs=getattr(a, part).inputs + 1)
        b = dataclasses.replace(a, **{part: changed}, name="b.h5")
        with pytest.raises(NetkinError, match=f"b.h5 hold different {part} rows"):
            saliency_cosine(a, b)
