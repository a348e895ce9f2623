"""Networks: selection of rows, initialisation, training, and files."""

import dataclasses
import logging
import os
import signal

import h5py
import numpy as np
import pytest
import torch

from netkin.dataset.arrays import Arrays, write_arrays
from netkin.dataset.digits import load_digits
from netkin.errors import NetkinError
from netkin.network import train as training
from netkin.network.dropout import Dropout
from netkin.network.file import HISTORY, Network, read_network, read_training, write_network
from netkin.network.mlp import build_mlp, layer_arrays
from netkin.network.optimiser import RMSprop
from netkin.network.perceptrons import Perceptrons
from netkin.network.torch_setup import derived_seed
from netkin.network.train import train_network, train_networks, variant_rows
from netkin.storage import create, read_attributes, read_parameters
from tests.altered import altered

SETTINGS = {
    "device": "cpu",
    "threads": 1,
    "dataset": "toy",
    "variant": "base",
    "seed": 0,
    "width": 8,
    "hidden_layers": 1,
    "dropout": 0.2,
    "learning_rate": 1e-3,
    "rho": 0.9,
    "epsilon": 1e-7,
    "batch_size": 16,
    "epochs": 2,
    "validation_share": 0.1,
    "n_labels": None,
    "input_order": None,
    "order_seed": 0,
}
N_TRAIN, N_TEST, N_FEATURES, N_LABELS = 83, 40, 5, 4


@pytest.fixture(autouse=True)
def _one_thread():
    """Give back torch's number of threads, which training sets for its process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def toy_arrays(**changes) -> Arrays:
    rng = np.random.default_rng(5)
    arrays = Arrays(
        train_inputs=rng.random((N_TRAIN, N_FEATURES), dtype=np.float32),
        train_labels=np.arange(N_TRAIN) % N_LABELS,
        train_rows=np.arange(N_TRAIN),
        test_inputs=rng.random((N_TEST, N_FEATURES), dtype=np.float32),
        test_labels=np.arange(N_TEST) % N_LABELS,
        test_rows=np.arange(N_TRAIN, N_TRAIN + N_TEST),
        label_names=("a", "b", "c", "d"),
    )
    return dataclasses.replace(arrays, **changes)


@pytest.fixture
def train(tmp_path):
    """Give a function that trains on given arrays and returns the network."""
    count = 0

    def run(arrays: Arrays | None = None, **changes) -> Network:
        nonlocal count
        count += 1
        dataset_path = tmp_path / f"dataset_{count}.h5"
        network_path = tmp_path / f"network_{count}.h5"
        write_arrays(dataset_path, arrays or toy_arrays(), parameters={"kind": "toy"})
        train_network(
            dataset_path=str(dataset_path), network_path=str(network_path), **SETTINGS | changes
        )
        return read_network(network_path)

    return run


def equal_weights(one: Network, other: Network) -> bool:
    pairs = zip(one.weights + one.biases, other.weights + other.biases, strict=True)
    return all(a.shape == b.shape and (a == b).all() for a, b in pairs)


# --- rows -----------------------------------------------------------------------------


def rows_of(arrays: Arrays, **changes):
    options = {
        "n_labels": None,
        "input_order": None,
        "order_seed": 0,
        "validation_share": 0.1,
        "name": "here",
    }
    return variant_rows(arrays, **options | changes)


def test_rows_keep_the_first_labels_in_training_and_test():
    arrays = toy_arrays()
    rows = rows_of(arrays, n_labels=2)
    assert rows.n_outputs == 2
    assert rows.columns is None
    kept = np.flatnonzero(arrays.train_labels < 2)
    np.testing.assert_array_equal(np.concatenate([rows.train, rows.validation]), kept)
    np.testing.assert_array_equal(rows.test, np.flatnonzero(arrays.test_labels < 2))


@pytest.mark.parametrize("n_labels", [1, 5])
def test_labels_that_the_data_set_has_not_are_refused(n_labels):
    with pytest.raises(NetkinError, match=f"here: n_labels is {n_labels}.*has 4 .*2 to 4"):
        rows_of(toy_arrays(), n_labels=n_labels)


def test_last_tenth_of_the_training_rows_is_held_out():
    rows = rows_of(toy_arrays())
    n = 74  # floor(83 * 0.9), as Keras splits
    np.testing.assert_array_equal(rows.train, np.arange(n))
    np.testing.assert_array_equal(rows.validation, np.arange(n, N_TRAIN))
    np.testing.assert_array_equal(rows.test, np.arange(N_TEST))


def test_sample_order_permutes_training_rows_before_the_split():
    rows = rows_of(toy_arrays(), input_order="samples", order_seed=3)
    order = np.random.default_rng(3).permutation(N_TRAIN)
    assert (order != np.arange(N_TRAIN)).any()
    np.testing.assert_array_equal(rows.train, order[:74])
    np.testing.assert_array_equal(rows.validation, order[74:])
    np.testing.assert_array_equal(rows.test, np.arange(N_TEST))


def test_feature_order_permutes_the_columns_and_no_rows():
    rows = rows_of(toy_arrays(), input_order="features", order_seed=3)
    order = np.random.default_rng(3).permutation(N_FEATURES)
    assert (order != np.arange(N_FEATURES)).any()
    np.testing.assert_array_equal(rows.columns, order)
    np.testing.assert_array_equal(rows.train, np.arange(74))


def test_training_in_another_order_of_features_is_training_on_permuted_columns(train):
    arrays = toy_arrays()
    order = np.random.default_rng(3).permutation(N_FEATURES)
    permuted = toy_arrays(
        train_inputs=arrays.train_inputs[:, order], test_inputs=arrays.test_inputs[:, order]
    )
    found = train(arrays, input_order="features", order_seed=3)
    expected = train(permuted)
    assert not equal_weights(found, train(arrays))
    pairs = zip(found.weights + found.biases, expected.weights + expected.biases, strict=True)
    for one, other in pairs:
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert found.test_accuracy == expected.test_accuracy


def test_unknown_order_and_a_share_that_leaves_no_row_are_refused():
    with pytest.raises(NetkinError, match="input_order is 'rows'; allowed"):
        rows_of(toy_arrays(), input_order="rows")
    with pytest.raises(NetkinError, match=r"validation_share 0\.999 leaves none of 83"):
        rows_of(toy_arrays(), validation_share=0.999)


# --- initialisation -------------------------------------------------------------------


def test_initial_weights_fill_the_glorot_bounds_and_biases_are_zero():
    torch.manual_seed(0)
    weights, biases = layer_arrays(build_mlp(64, 10, width=128, hidden_layers=2, dropout=0.2))
    assert [weight.shape for weight in weights] == [(128, 64), (128, 128), (10, 128)]
    for weight, bias in zip(weights, biases, strict=True):
        bound = np.sqrt(6 / sum(weight.shape))
        assert 0.99 * bound < np.abs(weight).max() <= bound * (1 + 1e-6)
        assert weight.std() == pytest.approx(bound / np.sqrt(3), rel=0.05)
        assert bias.shape == weight.shape[:1]
        assert not bias.any()


def test_layers_are_linear_relu_dropout_and_a_linear_output():
    model = build_mlp(3, 2, width=4, hidden_layers=2, dropout=0.25)
    names = [type(layer).__name__ for layer in model]
    assert names == ["Linear", "ReLU", "Dropout"] * 2 + ["Linear"]
    assert {layer.p for layer in model if isinstance(layer, torch.nn.Dropout)} == {0.25}


def test_dropout_drops_the_share_it_is_told_and_scales_the_rest():
    torch.manual_seed(0)
    dropout = Dropout(0.2)
    found = dropout(torch.ones(1000, 1001))
    kept = found != 0
    # 13107 of 65536 values of 16 bits drop a unit
    assert kept.double().mean().item() == pytest.approx(1 - 13107 / 65536, abs=2e-3)
    assert found[kept].unique().tolist() == pytest.approx([65536 / (65536 - 13107)])
    # units are dropped independently: neighbours share no bits
    neighbours = (kept[:, :-1] & kept[:, 1:]).double().mean().item()
    assert neighbours == pytest.approx(0.8**2, abs=3e-3)


def test_dropout_passes_gradients_of_kept_units_only():
    torch.manual_seed(0)
    inputs = torch.ones(64, 5, requires_grad=True)
    outputs = Dropout(0.5)(inputs)
    outputs.sum().backward()
    assert torch.equal(inputs.grad, outputs.detach())
    assert 0 < (inputs.grad == 0).sum() < inputs.numel()


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_dropout_outside_of_training_changes_nothing(share):
    inputs = torch.rand(7, 3)
    assert torch.equal(Dropout(share).eval()(inputs), inputs)
    assert torch.equal(Dropout(0.0)(inputs), inputs)


def test_masks_follow_the_seed():
    def mask():
        torch.manual_seed(3)
        return Dropout(0.3)(torch.ones(9, 9))

    assert torch.equal(mask(), mask())


def test_no_epoch_gives_the_network_as_training_would_begin_it(train):
    network = train(epochs=0)
    torch.manual_seed(derived_seed("toy", "base", 0))
    model = build_mlp(N_FEATURES, N_LABELS, width=8, hidden_layers=1, dropout=0.2)
    for found, expected in zip(network.weights, layer_arrays(model)[0], strict=True):
        np.testing.assert_array_equal(found, expected)
    assert [values.size for values in network.history.values()] == [0] * len(HISTORY)


# --- training -------------------------------------------------------------------------


def keras_steps(arrays: Arrays, n_steps: int, rate: float, rho: float, epsilon: float):
    """Train one hidden layer by full batches in float64, gradients written out by hand."""
    torch.manual_seed(derived_seed("toy", "base", 0))
    model = build_mlp(N_FEATURES, N_LABELS, width=8, hidden_layers=1, dropout=0.0)
    (w1, w2), (b1, b2) = layer_arrays(model)
    values = [array.astype(np.float64) for array in (w1, b1, w2, b2)]
    averages = [np.zeros_like(value) for value in values]
    x, y = arrays.train_inputs.astype(np.float64), np.eye(N_LABELS)[arrays.train_labels]
    losses = []
    for _ in range(n_steps):
        w1, b1, w2, b2 = values
        hidden = np.maximum(x @ w1.T + b1, 0)
        logits = hidden @ w2.T + b2
        shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        losses.append(-np.log((shares * y).sum(axis=1)).mean())
        d_logits = (shares - y) / len(x)
        d_hidden = (d_logits @ w2) * (hidden > 0)
        gradients = [d_hidden.T @ x, d_hidden.sum(0), d_logits.T @ hidden, d_logits.sum(0)]
        for i, gradient in enumerate(gradients):
            averages[i] = rho * averages[i] + (1 - rho) * gradient**2
            values[i] = values[i] - rate * gradient / (np.sqrt(averages[i]) + epsilon)
    return values, losses


@pytest.mark.parametrize("n_steps", [1, 3])
def test_steps_are_rmsprop_as_keras_defines_it(train, n_steps):
    constants = {"rho": 0.8, "epsilon": 1e-3}
    network = train(
        epochs=n_steps,
        dropout=0.0,
        validation_share=0.0,
        batch_size=1000,
        learning_rate=0.01,
        **constants,
    )
    expected, losses = keras_steps(toy_arrays(), n_steps, 0.01, **constants)
    found = [network.weights[0], network.biases[0], network.weights[1], network.biases[1]]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)
    np.testing.assert_allclose(network.history["loss"], losses, atol=1e-5)


def test_held_out_rows_are_never_trained_on(train):
    inputs = toy_arrays().train_inputs.copy()
    inputs[74:] = 1e4
    plain, poisoned = train(), train(toy_arrays(train_inputs=inputs))
    assert equal_weights(plain, poisoned)
    assert (plain.history["validation_loss"] != poisoned.history["validation_loss"]).all()
    inputs[73] = 1e4
    assert not equal_weights(plain, train(toy_arrays(train_inputs=inputs)))


def test_every_training_row_is_used_also_those_of_the_last_smaller_batch(train):
    # 74 rows in batches of 73: were the last batch dropped, an epoch would be one step
    one = train(epochs=1, batch_size=73, dropout=0.0)
    other = train(epochs=1, batch_size=74, dropout=0.0)
    # the first step of RMSprop has the same size for every parameter
    one_step = SETTINGS["learning_rate"] / np.sqrt(1 - SETTINGS["rho"])
    np.testing.assert_allclose(np.abs(other.biases[-1]), one_step, rtol=1e-3)
    assert not np.isclose(np.abs(one.biases[-1]), one_step, rtol=1e-3).any()


def test_history_is_the_mean_over_rows_also_with_a_smaller_last_batch(train):
    # without dropout and almost without learning, the running mean is the mean itself
    network = train(epochs=1, batch_size=60, dropout=0.0, validation_share=0.0, learning_rate=1e-12)
    _, losses = keras_steps(toy_arrays(), 1, 0.0, 0.9, 1e-7)
    assert network.history["loss"][0] == pytest.approx(losses[0], abs=1e-6)


def test_dropout_is_on_in_every_epoch_and_off_in_validation(train):
    network = train(epochs=3, dropout=0.5, learning_rate=1e-12)
    without = train(epochs=3, dropout=0.0, learning_rate=1e-12)
    assert (np.abs(network.history["loss"] - without.history["loss"]) > 1e-5).all()
    np.testing.assert_allclose(
        network.history["validation_loss"], without.history["validation_loss"], atol=1e-6
    )


def test_rows_come_in_a_new_order_each_epoch(train, monkeypatch):
    orders = []
    randperm = torch.randperm

    def recorded(n, generator):
        orders.append(randperm(n, generator=generator))
        return orders[-1]

    monkeypatch.setattr(torch, "randperm", recorded)
    shuffled = train(epochs=2, dropout=0.0)
    assert [sorted(order.tolist()) for order in orders] == [list(range(74))] * 2
    assert (orders[0] != orders[1]).any()
    monkeypatch.setattr(torch, "randperm", lambda n, generator: torch.arange(n))
    assert not equal_weights(shuffled, train(epochs=2, dropout=0.0))


# --- networks side by side --------------------------------------------------------------

ROWS, SHAPE = 48, {"width": 7, "hidden_layers": 3}
CONSTANTS = {"learning_rate": 0.01, "rho": 0.8, "epsilon": 1e-3}


def stack_of(seeds, *, dropout=0.0, loops=None):
    """Return a stack, the rows it learns from, and models as it begins."""
    arrays = toy_arrays()
    models = []
    for seed in seeds:
        torch.manual_seed(seed)
        models.append(build_mlp(N_FEATURES, N_LABELS, dropout=dropout, **SHAPE))
    inputs, labels = map(torch.from_numpy, (arrays.train_inputs, arrays.train_labels))
    stack = Perceptrons(models, seeds, inputs, labels, dropout=dropout, loops=loops, **CONSTANTS)
    return stack, (inputs, labels), models


def numbers_of(stack, k):
    return torch.cat([part[k].flatten() for part in (*stack.weights, *stack.biases)])


@pytest.mark.parametrize("loops", ["compiled", "torch"])
@pytest.mark.parametrize("seeds", [[3], [3, 5, 9]])
def test_steps_are_those_of_automatic_differentiation(loops, seeds):
    stack, (inputs, labels), models = stack_of(seeds, loops=loops)
    rows = [torch.arange(start, start + ROWS) for start, _ in enumerate(seeds)]
    for _ in range(5):
        losses, _ = stack.train_epoch(rows, ROWS)
    for k, (model, own) in enumerate(zip(models, rows, strict=True)):
        optimiser = RMSprop(model.parameters(), **CONSTANTS)
        for _ in range(5):
            optimiser.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(inputs[own]), labels[own])
            loss.backward()
            optimiser.step()
        assert losses[k].item() == pytest.approx(loss.item(), abs=1e-5)
        linear = [layer for layer in model if isinstance(layer, torch.nn.Linear)]
        expected = [layer.weight for layer in linear] + [layer.bias for layer in linear]
        expected = torch.cat([part.detach().flatten() for part in expected])
        assert torch.allclose(numbers_of(stack, k), expected, atol=1e-4)


@pytest.mark.parametrize("loops", ["compiled", "torch"])
def test_a_network_among_others_is_the_network_alone(loops):
    together, _, _ = stack_of([3, 5, 9], dropout=0.3, loops=loops)
    rows = torch.arange(ROWS)
    for _ in range(3):
        losses, accuracies = together.train_epoch([rows] * 3, 20)
    for k, seed in enumerate([3, 5, 9]):
        alone, data, _ = stack_of([seed], dropout=0.3, loops=loops)
        for _ in range(3):
            loss, accuracy = alone.train_epoch([rows], 20)
        assert torch.allclose(numbers_of(alone, 0), numbers_of(together, k), atol=1e-5)
        assert torch.allclose(loss, losses[k : k + 1], atol=1e-5)
        assert torch.equal(accuracy, accuracies[k : k + 1])
        found = alone.evaluate(*data, [rows])
        for one, other in zip(found, together.evaluate(*data, [rows] * 3), strict=True):
            assert torch.allclose(one, other[k : k + 1], atol=1e-5)


@pytest.mark.parametrize("loops", ["compiled", "torch"])
def test_dropout_drops_the_share_it_is_told_and_each_unit_by_itself(loops):
    stack, _, _ = stack_of([1, 2], dropout=0.2, loops=loops)
    values = torch.ones(2, 1000, 1001)
    stack._rest.rectify(values, 13107)
    assert set(values.unique().tolist()) == {0.0, 1.0}
    kept = values != 0
    # 13107 of 65536 values of 16 bits drop a unit
    for own in kept:
        assert own.double().mean().item() == pytest.approx(1 - 13107 / 65536, abs=2e-3)
        neighbours = (own[:, :-1] & own[:, 1:]).double().mean().item()
        assert neighbours == pytest.approx(0.8**2, abs=3e-3)
    assert (kept[0] & kept[1]).double().mean().item() == pytest.approx(0.8**2, abs=3e-3)
    negative = -torch.ones(2, 3, 5)
    stack._rest.rectify(negative, 13107)
    assert not negative.any()


@pytest.mark.parametrize("loops", ["compiled", "torch"])
def test_what_dropout_keeps_is_scaled_forward_and_backward(loops):
    stack, (inputs, labels), (model,) = stack_of([3], dropout=0.3, loops=loops)
    rectify, kept = stack._rest.rectify, []

    def recorded(values, dropped):
        rectify(values, dropped)
        kept.append((values[0] > 0).float())

    stack._rest.rectify = recorded
    rows = torch.arange(ROWS)
    (loss,), _ = stack.train_epoch([rows], ROWS)
    # the order of the rows is drawn first, from the same seed
    order = rows[torch.randperm(ROWS, generator=torch.Generator().manual_seed(3))]
    linear = [layer for layer in model if isinstance(layer, torch.nn.Linear)]
    values, scale = inputs[order], 2**16 / (2**16 - round(0.3 * 2**16))
    for layer, mask in zip(linear[:-1], kept, strict=True):
        values = torch.relu(layer(values)) * mask * scale
    expected = torch.nn.functional.cross_entropy(linear[-1](values), labels[order])
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
    optimiser = RMSprop(model.parameters(), **CONSTANTS)
    optimiser.step()
    parts = [layer.weight for layer in linear] + [layer.bias for layer in linear]
    wanted = torch.cat([part.detach().flatten() for part in parts])
    assert torch.allclose(numbers_of(stack, 0), wanted, atol=1e-5)
    assert 0 < sum(mask.mean().item() for mask in kept) < len(kept)


def train_several(folder, changes, cores=1):
    """Train networks in one job and return their files; they differ as the changes say."""
    write_arrays(folder / "dataset.h5", toy_arrays(), parameters={"kind": "toy"})
    settings = {key: value for key, value in SETTINGS.items() if key != "device"}
    paths = [folder / f"{i}.h5" for i in range(len(changes))]
    train_networks(
        dataset_path=str(folder / "dataset.h5"),
        network_paths=[str(path) for path in paths],
        trainings=[settings | change for change in changes],
        device="cpu",
        cores=cores,
    )
    return paths


OF_SEVERAL_SHAPES = [
    *({}, {"variant": "other"}, {"width": 9}, {"n_labels": 3}, {"seed": 4}),
    {"input_order": "features", "order_seed": 2},
]


@pytest.mark.parametrize("cores", [1, 3])
def test_networks_of_a_job_are_those_of_jobs_of_their_own(tmp_path, train, cores):
    paths = train_several(tmp_path, OF_SEVERAL_SHAPES, cores)
    for change in OF_SEVERAL_SHAPES:
        train(**change)
    for i, path in enumerate(paths):
        alone = tmp_path / f"network_{i + 1}.h5"
        assert read_parameters(path) == read_parameters(alone)
        assert equal_weights(read_network(path), read_network(alone))


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """Let networks of one shape be trained side by side on a CPU, too."""
    monkeypatch.setattr(training, "_one_by_one", lambda place: False)


def test_networks_of_one_shape_are_trained_side_by_side(tmp_path, train, as_on_a_gpu):
    paths = train_several(tmp_path, OF_SEVERAL_SHAPES)
    sizes = [read_parameters(path)["side_by_side"] for path in paths]
    assert sizes == [4, 4, 1, 1, 4, 4]
    for path, change in zip(paths, OF_SEVERAL_SHAPES, strict=True):
        found, expected = read_network(path), train(**change)
        pairs = zip(found.weights + found.biases, expected.weights + expected.biases, strict=True)
        for one, other in pairs:
            np.testing.assert_allclose(one, other, atol=1e-5)
        for name in HISTORY:
            np.testing.assert_allclose(found.history[name], expected.history[name], atol=1e-5)
        assert found.test_accuracy == expected.test_accuracy


def test_networks_that_do_not_fit_into_memory_together_are_trained_in_turn(
    tmp_path, monkeypatch, as_on_a_gpu
):
    monkeypatch.setattr(training, "AT_ONCE_BYTES", 2 * 16 * 84)  # 5 - 8 - 4: 84 parameters
    paths = train_several(tmp_path, [{"seed": seed} for seed in range(3)])
    assert [read_parameters(path)["side_by_side"] for path in paths] == [2, 2, 1]


@pytest.mark.parametrize("cores", [1, 2])
def test_all_networks_that_fail_are_named_and_the_others_written(tmp_path, cores):
    changes = [{"variant": "fine"}, {"variant": "wild", "learning_rate": 1e38}, {"n_labels": 9}]
    with pytest.raises(NetkinError, match=r"(?s)n_labels is 9.*variant 'wild'.*NaN or infinite"):
        train_several(tmp_path, changes, cores)
    assert [(tmp_path / f"{i}.h5").exists() for i in range(3)] == [True, False, False]


def test_a_killed_process_of_several_is_told_in_a_sentence(tmp_path, monkeypatch):
    def killed(job, stack, failures):
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(training, "_train_stack", killed)
    with pytest.raises(NetkinError, match="was killed, for want of memory most likely"):
        train_several(tmp_path, [{"seed": seed} for seed in range(2)], cores=2)


def accuracy_by_hand(network: Network, inputs: np.ndarray, labels: np.ndarray) -> float:
    values = inputs
    for weight, bias in zip(network.weights[:-1], network.biases[:-1], strict=True):
        values = np.maximum(values @ weight.T + bias, 0)
    values = values @ network.weights[-1].T + network.biases[-1]
    return float((values.argmax(axis=1) == labels).mean())


def test_training_learns_the_digits_and_reports_its_accuracy(train):
    arrays = load_digits(".")
    network = train(arrays, width=64, hidden_layers=2, batch_size=64, epochs=8)
    test_accuracy = accuracy_by_hand(network, arrays.test_inputs, arrays.test_labels)
    assert test_accuracy > 0.9
    assert network.test_accuracy == pytest.approx(test_accuracy, abs=1.1 / 360)
    held_out = slice(1293, None)
    validation_accuracy = accuracy_by_hand(
        network, arrays.train_inputs[held_out], arrays.train_labels[held_out]
    )
    assert network.history["validation_accuracy"][-1] == pytest.approx(
        validation_accuracy, abs=1.1 / 144
    )
    assert set(network.history) == set(HISTORY)
    for values in network.history.values():
        assert values.shape == (8,)
        assert values.dtype == np.float64
    assert network.history["loss"][-1] < 0.5 * network.history["loss"][0]
    assert network.history["accuracy"][-1] > network.history["accuracy"][0]


def test_fewer_labels_give_fewer_outputs_and_other_rows_do_not_matter(train):
    arrays = toy_arrays()
    inputs = np.where(arrays.train_labels[:, None] < 2, arrays.train_inputs, np.float32(50))
    plain = train(n_labels=2)
    assert plain.weights[-1].shape == (2, 8)
    assert equal_weights(plain, train(toy_arrays(train_inputs=inputs), n_labels=2))


def test_same_seed_gives_the_same_file_and_another_number_other_weights(train, tmp_path):
    first, again = train(), train()
    one, other = (tmp_path / f"network_{i}.h5" for i in (1, 2))
    assert one.read_bytes() == other.read_bytes()
    assert equal_weights(first, again)
    assert not equal_weights(first, train(seed=1))


def test_equal_architectures_are_networks_of_their_own(train):
    base = train(variant="width_512")
    assert not equal_weights(base, train(variant="layers_2"))
    assert not equal_weights(base, train(dataset="other"))


def test_training_neither_reads_nor_moves_the_global_random_state(train):
    torch.manual_seed(1)
    first = train()
    expected = torch.rand(1)
    torch.manual_seed(2)
    assert equal_weights(first, train())
    torch.manual_seed(1)
    assert torch.rand(1) == expected


def test_seed_is_stable_and_no_two_entries_share_it():
    # first 16 digits of sha256sum of the text digits/layers_2/3, halved
    assert derived_seed("digits", "layers_2", 3) == 4843438032758982915
    seeds = {derived_seed(d, v, s) for d in ("a", "ab") for v in ("b", "bb") for s in range(20)}
    assert len(seeds) == 80
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_orders_change_the_network(train):
    plain = train()
    assert not equal_weights(plain, train(input_order="samples", order_seed=1))
    assert not equal_weights(plain, train(input_order="features", order_seed=1))


def test_file_says_what_made_it(train, tmp_path):
    train(n_labels=3, input_order="samples", order_seed=2, code="a" * 16)
    parameters = read_parameters(tmp_path / "network_1.h5")
    expected = SETTINGS | {"n_labels": 3, "input_order": "samples", "order_seed": 2}
    assert parameters == expected | {"training_version": training.VERSION, "side_by_side": 1}
    attributes = read_attributes(tmp_path / "network_1.h5")
    assert attributes["code"] == "a" * 16


def test_device_used_is_stored_for_auto(train, tmp_path):
    train(device="auto")
    used = "cuda" if torch.cuda.is_available() else "cpu"
    assert read_parameters(tmp_path / "network_1.h5")["device"] == used


def test_one_line_an_epoch_is_logged(train, caplog):
    with caplog.at_level(logging.INFO, logger="netkin.network.train"):
        train(epochs=3)
    lines = [line for line in caplog.messages if line.startswith("epoch ")]
    assert len(lines) == 3
    assert lines[2].startswith("epoch 3/3 loss ")


def test_no_held_out_rows_give_nan_validation(train):
    network = train(validation_share=0.0)
    assert np.isnan(network.history["validation_loss"]).all()
    assert np.isfinite(network.history["loss"]).all()


def test_no_test_rows_of_the_kept_labels_give_nan_accuracy(train):
    assert np.isnan(train(toy_arrays(test_labels=np.full(N_TEST, 3)), n_labels=2).test_accuracy)


def test_diverged_training_is_one_named_error_and_leaves_no_file(train, tmp_path):
    expected = r"'toy', variant 'base', seed 7: .*epoch \d of 5 .*learning_rate 1e\+30"
    with pytest.raises(NetkinError, match=expected):
        train(learning_rate=1e30, epochs=5, seed=7)
    assert [path.name for path in tmp_path.iterdir()] == ["dataset_1.h5"]


@pytest.mark.parametrize(
    ("changes", "way_out"),
    [
        ({"learning_rate": 1e30}, "try a smaller learning_rate or rho, or a larger epsilon"),
        ({"epsilon": 1e-300}, "this epsilon is 0 in float32, take a larger one, such as 1.0e-7"),
    ],
)
def test_diverged_training_names_what_may_be_the_cause(train, changes, way_out):
    # a feature that is always 0 has no gradient
    arrays = toy_arrays(train_inputs=np.eye(N_TRAIN, N_FEATURES, k=1, dtype=np.float32))
    with pytest.raises(NetkinError, match=r"learning_rate .*, rho 0\.9 and epsilon") as caught:
        train(arrays, **changes)
    assert way_out in str(caught.value)


def test_weight_that_overflows_in_the_last_step_is_an_error(train):
    # one step only: its loss is taken before the step and is finite
    with pytest.raises(NetkinError, match="epoch 1 of 1"):
        train(learning_rate=3e38, epochs=1, batch_size=1000)


def test_labels_and_devices_that_are_not_there_end_before_training(train, tmp_path, monkeypatch):
    with pytest.raises(NetkinError, match="seed 0: n_labels is 9, but the data set has 4"):
        train(n_labels=9)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(NetkinError, match=r"device: 'cuda' was asked for.*no GPU"):
        train(device="cuda")
    with pytest.raises(NetkinError, match=r"device: found 'gpu'.*Allowed"):
        train(device="gpu")
    assert not list(tmp_path.glob("network_*"))


def test_a_network_is_the_same_whatever_its_process_trained_before(tmp_path):
    write_arrays(tmp_path / "dataset.h5", toy_arrays(), parameters={"kind": "toy"})

    def trained(name, **changes):
        path = tmp_path / f"{name}.h5"
        train_network(
            dataset_path=str(tmp_path / "dataset.h5"),
            network_path=str(path),
            **SETTINGS | {"variant": "base", "width": 8} | changes,
        )
        return path.read_bytes()

    variants = {
        "base": {},
        "wide": {"variant": "wide", "width": 16},
        "few": {"variant": "few", "n_labels": 2},
    }
    first = {name: trained(name, **changes) for name, changes in variants.items()}
    assert len(set(first.values())) == len(variants)
    with pytest.raises(NetkinError, match="variant 'other', seed 0"):
        trained("diverging", variant="other", learning_rate=1e30)
    assert not (tmp_path / "diverging.h5").exists()
    for name in reversed(variants):
        assert trained(f"{name}_again", **variants[name]) == first[name]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("seeds", [[3], [3, 5, 9]])
def test_captured_steps_are_those_of_torch_one_by_one(seeds, monkeypatch):
    rows = [torch.arange(ROWS)] * len(seeds)
    found = []
    for capture in (True, False):
        stack, (inputs, labels), models = stack_of(seeds)
        stack = Perceptrons(models, seeds, inputs.cuda(), labels.cuda(), dropout=0.0, **CONSTANTS)
        if not capture:
            monkeypatch.setattr(stack, "_replay", stack._step)
        for _ in range(3):
            stack.train_epoch(rows, 20)
        found.append([numbers_of(stack, k).cpu() for k in range(len(seeds))])
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_trains_to_the_accuracy_of_the_cpu_and_repeats_itself(train, tmp_path):
    arrays = load_digits(".")
    settings = {"width": 64, "hidden_layers": 2, "batch_size": 64, "epochs": 8}
    cpu, gpu, again = (
        train(arrays, device=device, **settings) for device in ("cpu", "cuda", "cuda")
    )
    assert gpu.test_accuracy == pytest.approx(cpu.test_accuracy, abs=0.05)
    assert equal_weights(gpu, again)


# --- files ----------------------------------------------------------------------------


def small_network(**changes) -> Network:
    rng = np.random.default_rng(2)
    network = Network(
        weights=tuple(rng.normal(size=s).astype(np.float32) for s in ((4, 3), (2, 4))),
        biases=tuple(rng.normal(size=s).astype(np.float32) for s in (4, 2)),
        history={name: rng.random(5) for name in HISTORY},
        test_accuracy=0.75,
    )
    return dataclasses.replace(network, **changes)


def test_network_file_gives_back_what_was_written(tmp_path):
    # more than ten layers: their order is by number, not by name
    square = tuple(np.full((2, 2), i, dtype=np.float32) for i in range(12))
    network = small_network(weights=square, biases=tuple(w[0] for w in square))
    write_network(tmp_path / "n.h5", network, parameters={})
    found = read_network(tmp_path / "n.h5")
    assert equal_weights(found, network)
    assert found.weights[0].dtype == found.biases[0].dtype == np.float32
    assert found.test_accuracy == 0.75
    for name in HISTORY:
        np.testing.assert_array_equal(found.history[name], network.history[name])


def test_how_a_training_went_is_read_without_the_weights(tmp_path):
    network = small_network()
    write_network(tmp_path / "n.h5", network, parameters={})
    with altered(tmp_path / "n.h5") as file:
        del file["layers"]
    training = read_training(tmp_path / "n.h5")
    assert training.test_accuracy == network.test_accuracy
    for name in HISTORY:
        np.testing.assert_array_equal(training.history[name], network.history[name])
    with altered(tmp_path / "n.h5") as file:
        del file["history/loss"]
    with pytest.raises(NetkinError, match="history/loss"):
        read_training(tmp_path / "n.h5")


def test_a_network_of_unknown_training_is_read(tmp_path):
    known = small_network()
    write_network(tmp_path / "n.h5", Network(known.weights, known.biases), parameters={})
    found = read_network(tmp_path / "n.h5")
    np.testing.assert_array_equal(found.weights[0], known.weights[0])
    assert found.history == {}
    assert np.isnan(found.test_accuracy)
    with pytest.raises(NetkinError, match="does not say how the network was trained"):
        read_training(tmp_path / "n.h5")


def test_a_layer_may_have_no_bias(tmp_path):
    known = small_network()
    write_network(tmp_path / "n.h5", Network(known.weights, (None, known.biases[1])), parameters={})
    found = read_network(tmp_path / "n.h5")
    assert found.biases[0] is None
    np.testing.assert_array_equal(found.biases[1], known.biases[1])


def test_network_file_has_the_documented_layout(tmp_path):
    network = small_network()
    write_network(tmp_path / "n.h5", network, parameters={})
    with h5py.File(tmp_path / "n.h5") as file:
        assert file.attrs["layout"] == "network/2"
        assert file.attrs["test_accuracy"] == 0.75
        np.testing.assert_array_equal(file["layers/1/weight"][()], network.weights[1])
        np.testing.assert_array_equal(file["layers/1/bias"][()], network.biases[1])
        assert file["history/validation_loss"].dtype == np.float64


def test_missing_truncated_and_foreign_network_files_are_named(tmp_path):
    path = tmp_path / "n.h5"
    with pytest.raises(NetkinError, match=r"n\.h5: no such file"):
        read_network(path)
    write_network(path, small_network(), parameters={})
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(NetkinError, match=r"n\.h5: damaged, it has 1488 bytes where"):
        read_network(path)
    write_arrays(path, toy_arrays(), parameters={})
    with pytest.raises(NetkinError, match=r"n\.h5: .*layout is 'dataset/2'"):
        read_network(path)
    with create(path, "network", parameters={}):
        pass
    with pytest.raises(NetkinError, match=r"n\.h5: a network without layers"):
        read_network(path)


F32 = np.float32
BAD_LAYERS = {
    r"layer 1 takes 5 inputs, .* 4 units": ("layers/1/weight", np.ones((2, 5), F32)),
    r"/layers/0/weight has shape \(12,\)": ("layers/0/weight", np.ones(12, F32)),
    "/layers/1/weight and /layers/1/bias differ in": ("layers/1/bias", np.ones(3, F32)),
    "/layers/0/weight and /layers/0/bias differ in": ("layers/0/weight", np.ones((0, 3), F32)),
    "layer 1 has NaN or infinite weights": ("layers/1/weight", np.full((2, 4), np.nan, F32)),
    "layer 0 has NaN or infinite": ("layers/0/bias", np.array([1, 2, np.inf, 4], F32)),
    "without the array of numbers 'layers/1/weight'": ("layers/1/weight", None),
    "/layers/1/weight holds text, expected float": ("layers/1/weight", b"text"),
    "without the array of numbers 'history/loss'": ("history/loss", None),
}


@pytest.mark.parametrize("message", BAD_LAYERS)
def test_broken_layers_are_named(tmp_path, message):
    path = tmp_path / "n.h5"
    write_network(path, small_network(), parameters={})
    name, value = BAD_LAYERS[message]
    with altered(path) as file:
        del file[name]
        if value is not None:
            file[name] = value
    with pytest.raises(NetkinError, match=rf"n\.h5: .*{message}"):
        read_network(path)


def test_training_leaves_the_processor_as_it_was(train):
    tiny = np.array([1e-310])
    assert (tiny * 0.5)[0] > 0
    train(toy_arrays())
    assert (tiny * 0.5)[0] > 0
