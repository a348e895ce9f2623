"""Predictions: softmax of torch's logits on all test rows, and their file."""

import numpy as np
import pytest

from netkin.activation import evaluation
from netkin.errors import NetkinError
from netkin.network.file import read_network
from netkin.prediction.compute import compute_predictions
from netkin.prediction.prediction import Prediction, read_prediction, write_prediction
from netkin.storage import create, read_ids, read_parameters
from tests.altered import altered, opened
from tests.digits import VARIANTS, Digits, rows_of_training, torch_outputs


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return Digits(tmp_path_factory.mktemp("digits"))


@pytest.fixture
def compute(digits, tmp_path):
    """Give a function that computes the predictions of a variant and returns the file."""

    def run(variant="base", **changes):
        target = str(tmp_path / f"{variant}_prediction.h5")
        arguments = {
            "network_paths": [digits.networks[variant]],
            "ids": [variant],
            "dataset_path": digits.dataset,
            "prediction_path": target,
            "trained_with": [digits.how(variant)],
        }
        compute_predictions(**arguments | changes)
        return target

    return run


@pytest.mark.parametrize("variant", VARIANTS)
def test_predictions_are_the_softmax_of_torch_on_all_test_rows(digits, compute, variant):
    import torch

    found = read_prediction(compute(variant))
    inputs, labels = rows_of_training(digits.dataset, variant, digits.how(variant))
    network = read_network(digits.networks[variant])
    logits = torch.from_numpy(torch_outputs(network, inputs)[-1]).double()
    np.testing.assert_allclose(found.probabilities, torch.softmax(logits, dim=1).numpy(), atol=1e-5)
    np.testing.assert_array_equal(found.labels, labels)
    np.testing.assert_array_equal(found.rows, np.arange(len(labels)))
    assert found.n_classes == (2 if variant == "labels_2" else 10)


@pytest.mark.parametrize("variant", VARIANTS)
def test_right_answers_on_known_labels_are_the_test_accuracy_of_training(digits, compute, variant):
    found = read_prediction(compute(variant))
    known = found.labels < found.n_classes
    right = (found.predicted == found.labels)[known].mean()
    assert right == pytest.approx(read_network(digits.networks[variant]).test_accuracy)


def test_file_holds_float32_probabilities_and_its_parameters(digits, compute):
    path = compute("features")
    with opened(path) as file:
        assert file["probabilities"].dtype == np.float32
        assert file["rows"].dtype == file["labels"].dtype == np.int64
        np.testing.assert_allclose(file["probabilities"][()].sum(axis=1), 1, atol=1e-6)
    assert read_parameters(path) == {
        "networks": ["features"],
        "trained_with": [digits.how("features")],
    }


def test_blocks_do_not_change_what_is_computed(compute, monkeypatch):
    whole = read_prediction(compute()).probabilities
    monkeypatch.setattr(evaluation, "VALUES_AT_ONCE", 64 * 7)
    np.testing.assert_allclose(read_prediction(compute()).probabilities, whole, atol=1e-7)


def test_a_bundle_holds_what_each_network_alone_gives(digits, compute):
    # of other numbers of classes, in another order than by id
    variants = ["labels_2", "base", "features"]
    alone = {variant: read_prediction(compute(variant)) for variant in variants}
    together = compute(
        network_paths=[digits.networks[variant] for variant in variants],
        ids=variants,
        trained_with=[digits.how(variant) for variant in variants],
    )
    assert read_ids(together, "prediction") == variants
    for variant, expected in alone.items():
        found = read_prediction(f"{together}::{variant}")
        np.testing.assert_array_equal(found.probabilities, expected.probabilities)
        np.testing.assert_array_equal(found.rows, expected.rows)
        np.testing.assert_array_equal(found.labels, expected.labels)


def test_what_is_written_is_read(tmp_path):
    written = Prediction([5, 3], [[0.25, 0.75], [1, 0]], [1, 4], "here")
    write_prediction(tmp_path / "a.h5", written)
    found = read_prediction(tmp_path / "a.h5")
    np.testing.assert_array_equal(found.probabilities, written.probabilities)
    assert (found.rows.tolist(), found.labels.tolist()) == ([5, 3], [1, 4])
    assert found.predicted.tolist() == [1, 0]
    assert found.name == str(tmp_path / "a.h5")


@pytest.mark.parametrize(
    ("rows", "probabilities", "labels", "says"),
    [
        ([0, 1], [[1.0, 0.0]], [0, 0], r"\(2,\) row ids and \(2,\) labels for 1"),
        ([0], [[1.0, 0.0]], [0, 0], "labels for 1 rows"),
        ([0], [1.0], [0], "allowed is"),
        ([0], [[1.0]], [0], "two classes"),
        ([], np.empty((0, 2)), [], "at least one row"),
        ([0], [[2.0, -1.0]], [0], "no probabilities"),
        ([0], [[3.0, 4.0]], [0], "Take the softmax of logits"),
        ([0], [[np.nan, 1.0]], [0], "no probabilities"),
        ([0], [[1.0, 0.0]], [-1], "labels that are not integers from 0"),
        ([0], [[1.0, 0.0]], [0.5], "labels that are not integers from 0"),
    ],
)
def test_what_is_no_prediction_is_refused(rows, probabilities, labels, says):
    with pytest.raises(NetkinError, match=says) as caught:
        Prediction(rows, probabilities, labels, "here")
    assert str(caught.value).startswith("here: ")


def test_damaged_and_foreign_files_are_named(compute, tmp_path):
    other = tmp_path / "graph.h5"
    with create(other, "graph", parameters={}):
        pass
    with pytest.raises(NetkinError, match="graph/2"):
        read_prediction(other)
    path = compute()
    with altered(path) as file:
        del file["labels"]
    with pytest.raises(NetkinError, match="damaged"):
        read_prediction(path)


def test_network_of_another_variant_is_refused(digits, compute):
    with pytest.raises(NetkinError, match="has 2 outputs, but was to be trained on 10 labels"):
        compute(network_paths=[digits.networks["labels_2"]])
