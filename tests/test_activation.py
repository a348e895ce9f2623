"""Activations: equal to torch, the same rows for all variants, and their file."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from netkin.activation import evaluation
from netkin.activation.compute import compute_activations
from netkin.activation.evaluation import choose_rows, read_part
from netkin.activation.forward import forward, layer_names
from netkin.activation.read import read_activation
from netkin.dataset.arrays import read_arrays
from netkin.distance.representational.representation import Representation
from netkin.errors import NetkinError
from netkin.network.file import Network, read_network, write_network
from netkin.storage import create, read_attributes, read_ids, read_parameters
from tests.altered import altered, opened
from tests.digits import VARIANTS, Digits, rows_of_training, torch_outputs

PROBE_ROWS = 50


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return Digits(tmp_path_factory.mktemp("digits"))


@pytest.fixture
def compute(digits, tmp_path):
    """Give a function that computes the activations of a variant and returns the file."""

    def run(variant="base", **changes):
        target = str(tmp_path / f"{variant}_activation.h5")
        arguments = {
            "network_paths": [digits.networks[variant]],
            "ids": [variant],
            "dataset_path": digits.dataset,
            "activation_path": target,
            "probe_rows": PROBE_ROWS,
            "layers": "all",
            "trained_with": [digits.how(variant)],
        }
        compute_activations(**arguments | changes)
        return target

    return run


@pytest.mark.parametrize("variant", VARIANTS)
def test_activations_are_those_of_torch_on_the_inputs_of_the_variant(digits, compute, variant):
    path = compute(variant)
    network = read_network(digits.networks[variant])
    rows = read_activation(path).rows
    inputs, labels = rows_of_training(digits.dataset, variant, digits.how(variant))
    expected = torch_outputs(network, inputs[rows])
    for name, values in zip(layer_names(network), expected, strict=True):
        found = read_activation(path, name)
        np.testing.assert_allclose(found.values, values, atol=1e-5)
        np.testing.assert_array_equal(found.labels, labels[rows])
    assert (expected[0] == 0).any() and (expected[0] > 0).any()


def test_all_networks_share_the_probe_rows_whatever_they_were_trained_on(compute):
    found = {variant: read_activation(compute(variant)) for variant in VARIANTS}
    for variant, item in found.items():
        np.testing.assert_array_equal(item.rows, found["base"].rows, err_msg=variant)
        np.testing.assert_array_equal(item.labels, found["base"].labels, err_msg=variant)
        assert item.labels.max() > 1, "rows of labels that labels_2 has never seen are kept"


def test_probe_rows_are_the_beginning_of_a_fixed_permutation(digits, compute):
    n_test = len(read_arrays(digits.dataset).test_labels)
    few, many = read_activation(compute()), read_activation(compute(probe_rows=200))
    np.testing.assert_array_equal(few.rows, many.rows[:PROBE_ROWS])
    np.testing.assert_array_equal(
        few.rows, np.random.default_rng(0).permutation(n_test)[:PROBE_ROWS]
    )
    np.testing.assert_array_equal(few.values, many.values[:PROBE_ROWS])
    everything = read_activation(compute(probe_rows=10**6))
    np.testing.assert_array_equal(np.sort(everything.rows), np.arange(n_test))


def test_last_hidden_layer_is_stored_by_default_and_read_by_default(compute):
    only, everything = compute(layers="last_hidden", probe_rows=7), compute("deeper", probe_rows=7)
    with opened(only) as file:
        assert list(file["layers"]) == ["hidden_2"]
        assert file["layers/hidden_2"].dtype == np.float32
        assert file["layers/hidden_2"].shape == (7, 16)
        assert file["rows"].dtype == file["labels"].dtype == np.int64
    assert read_activation(only).values.shape == (7, 16)
    np.testing.assert_array_equal(
        read_activation(everything).values, read_activation(everything, "hidden_3").values
    )
    with opened(everything) as file:
        names = ["hidden_1", "hidden_2", "hidden_3", "logits"]
        assert file["layer_names"].asstr()[()].tolist() == names
    with pytest.raises(NetkinError, match=r"no layer 'hidden_9'; stored: hidden_2\."):
        read_activation(only, "hidden_9")


def test_blocks_do_not_change_what_is_computed(compute, monkeypatch):
    whole = read_activation(compute(probe_rows=100))
    monkeypatch.setattr(evaluation, "VALUES_AT_ONCE", 64 * 7)
    parts = read_activation(compute(probe_rows=100))
    np.testing.assert_allclose(whole.values, parts.values, atol=1e-6)
    np.testing.assert_array_equal(whole.rows, parts.rows)


@pytest.mark.parametrize("n_chosen", [None, 30, 10**6])
@pytest.mark.parametrize("values_at_once", [640, 1 << 22])
def test_part_is_that_of_the_data_set(digits, monkeypatch, n_chosen, values_at_once):
    monkeypatch.setattr(evaluation, "VALUES_AT_ONCE", values_at_once)
    arrays = read_arrays(digits.dataset)
    for name in ("train", "test"):
        part = read_part(digits.dataset, name, n_chosen)
        inputs, labels = getattr(arrays, f"{name}_inputs"), getattr(arrays, f"{name}_labels")
        rows = np.arange(len(labels)) if n_chosen is None else choose_rows(len(labels), n_chosen)
        np.testing.assert_array_equal(part.rows, rows)
        np.testing.assert_array_equal(part.inputs, inputs[rows])
        np.testing.assert_array_equal(part.labels, labels[rows])
        assert part.n_labels == 10


def test_forward_pass_by_hand():
    network = Network(
        (np.array([[1, -1], [0, 2]], np.float32), np.array([[1, 1]], np.float32)),
        (np.array([0, -1], np.float32), np.array([0.5], np.float32)),
        {},
        np.nan,
    )
    hidden, logits = forward(network, np.array([[1, 2], [3, 0]], np.float32))
    np.testing.assert_array_equal(hidden, [[0, 3], [3, 0]])
    np.testing.assert_array_equal(logits, [[3.5], [3.5]])
    assert hidden.dtype == logits.dtype == np.float64


def test_file_says_what_made_it_and_is_the_same_again(digits, compute):
    path = compute(code="a" * 16)
    expected = {
        "networks": ["base"],
        "probe_rows": PROBE_ROWS,
        "layers": "all",
        "trained_with": [digits.how("base")],
    }
    assert read_parameters(path) == expected
    before, values = Path(path).read_bytes(), read_activation(path, "logits").values
    assert Path(compute(code="a" * 16)).read_bytes() == before
    other = compute(code="e" * 16)
    assert read_attributes(other)["code"] == "e" * 16
    np.testing.assert_array_equal(read_activation(other, "logits").values, values)


def test_a_bundle_holds_what_each_network_alone_gives(digits, compute):
    variants = ["base", "labels_2", "features"]
    alone = {variant: read_activation(compute(variant)) for variant in variants}
    together = compute(
        network_paths=[digits.networks[variant] for variant in variants],
        ids=variants,
        trained_with=[digits.how(variant) for variant in variants],
    )
    assert read_ids(together, "activation") == variants
    for variant, expected in alone.items():
        found = read_activation(f"{together}::{variant}")
        np.testing.assert_array_equal(found.values, expected.values)
        np.testing.assert_array_equal(found.rows, expected.rows)


def test_what_does_not_fit_is_named_in_one_sentence(digits, compute, tmp_path):
    refused = {
        r"has 2 outputs, but was to be trained on 10 labels": {
            "network_paths": [digits.networks["labels_2"]]
        },
        r"layers: found 'first'. Allowed": {"layers": "first"},
        r"0 rows were asked for; at least 1": {"probe_rows": 0},
        r"expected a file with layout 'dataset/2'": {"dataset_path": digits.networks["base"]},
        r"no such file": {"dataset_path": str(tmp_path / "none.h5")},
    }
    base = read_network(digits.networks["base"])
    narrow, linear = str(tmp_path / "narrow.h5"), str(tmp_path / "linear.h5")
    history = base.history
    weights = (base.weights[0][:, 1:].copy(), *base.weights[1:])
    write_network(narrow, Network(weights, base.biases, history, 0.5), parameters={})
    one = (np.zeros((10, 64), np.float32),)
    write_network(linear, Network(one, (np.zeros(10, np.float32),), history, 0.1), parameters={})
    refused[r"takes 63 inputs, but the data set has 64 features"] = {"network_paths": [narrow]}
    refused[r"has no hidden layer"] = {"network_paths": [linear], "layers": "last_hidden"}
    for says, changes in refused.items():
        with pytest.raises(NetkinError, match=says) as caught:
            compute(**changes)
        assert "\n" not in str(caught.value)
    assert read_activation(compute(network_paths=[linear]), "logits").values.shape == (
        PROBE_ROWS,
        10,
    )
    with pytest.raises(NetkinError, match=r"no layer 'last_hidden'; stored: logits"):
        read_activation(compute(network_paths=[linear]))


def test_damaged_and_foreign_files_are_named(compute, tmp_path):
    other = tmp_path / "graph.h5"
    with create(other, "graph", parameters={}):
        pass
    with pytest.raises(NetkinError, match="graph/2"):
        read_activation(other)
    path = compute()
    with altered(path) as file:
        del file["layers/hidden_2"]
    with pytest.raises(NetkinError, match="damaged"):
        read_activation(path)


def test_representation_keeps_labels_and_refuses_another_number_of_them():
    assert Representation(np.eye(3)).labels is None
    assert Representation(np.eye(3), labels=[1, 0, 1]).labels.tolist() == [1, 0, 1]
    with pytest.raises(NetkinError, match="here: 2 labels for 3 rows"):
        Representation(np.eye(3), name="here", labels=[0, 1])


@pytest.mark.parametrize("module", ["activation.compute", "activation.read", "prediction.compute"])
def test_stages_import_alone_and_without_heavy_packages(module):
    heavy = {"torch", "scipy", "sklearn", "pandas"}
    code = f"import sys, netkin.{module}; print(*{heavy} & set(sys.modules))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.split() == []
