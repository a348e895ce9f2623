"""Stage network: train networks of the grid, one or all of a data set a job."""

import logging
import multiprocessing
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netkin.dataset.arrays import Arrays, read_arrays
from netkin.errors import NetkinError
from netkin.failure import Together
from netkin.network.file import HISTORY, Network, write_network
from netkin.network.fit import rows_to_train_on, way_out
from netkin.network.mlp import build_mlp
from netkin.network.torch_setup import choose_device, derived_seed, flushed_denormals
from netkin.storage import canonical_json

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

VERSION = 2
"""Which way of training made a network, recorded with it: another draws other numbers, sums in
another order, and so gives other weights, of the same law (docs/performance.md)."""
AT_ONCE_BYTES = 2**32
"""Memory that the parameters of networks trained side by side, with gradients and averages, may
take; more of them are trained one stack after the other."""


SHARED = (
    "width",
    "hidden_layers",
    "dropout",
    "learning_rate",
    "rho",
    "epsilon",
    "batch_size",
    "epochs",
)
"""What networks trained side by side have in common, besides the numbers of their rows."""


class Rows(NamedTuple):
    """Which rows and columns of a data set a network gets.

    Attributes
    ----------
    train, validation, test : (n,) int64
        Numbers of rows of the training part, the training part and the test part.
    columns : (d,) int64 or None
        The order in which the network gets the features; None leaves them.
    n_outputs : int
        Number of labels kept.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    columns: NDArray[np.int64] | None
    n_outputs: int


class _Training(NamedTuple):
    path: str
    parameters: Mapping[str, Any]
    rows: Rows
    name: str


def train_network(
    *,
    dataset_path: str,
    network_path: str,
    device: Literal["auto", "cpu", "cuda"],
    threads: int,
    code: str = "",
    dataset: str,
    variant: str,
    seed: int,
    width: int,
    hidden_layers: int,
    dropout: float,
    learning_rate: float,
    rho: float,
    epsilon: float,
    batch_size: int,
    epochs: int,
    validation_share: float,
    n_labels: int | None,
    input_order: Literal["samples", "features"] | None,
    order_seed: int,
) -> None:
    """Train one multilayer perceptron and write it.

    Softmax cross-entropy, RMSprop, rows in a new order each epoch, the last smaller
    batch kept. RMSprop is that of the Keras of 2021 (TensorFlow 2.4):
    ``v <- rho v + (1 - rho) g^2; w <- w - learning_rate g / (sqrt(v) + epsilon)``; later
    versions add epsilon below the root. All randomness comes from one seed made of
    `dataset`, `variant` and `seed`, so that variants of equal architecture are networks
    of their own, and a network is the same whatever the process trained before it.

    Parameters
    ----------
    dataset_path, network_path : str
        HDF5 file to read (layout ``dataset``) and to write (layout ``network``).
    device : {"auto", "cpu", "cuda"}
        ``auto`` takes the GPU where there is one. The device used is stored.
    threads : int
        CPU threads, as many as that whatever the machine has: another number sums in another
        order, and training amplifies the rounding to other weights, of about the same accuracy.
    code : str
        Digest of the code, stored in the file.
    dataset, variant : str
        Names in the grid, parts of the seed.
    seed : int
        Number of the repetition.
    width, hidden_layers, dropout
        Architecture, see `netkin.network.mlp.build_mlp`.
    learning_rate, rho, epsilon : float
        Constants of RMSprop.
    batch_size : int
        Rows a step; more than there are means one batch.
    epochs : int
        Passes over the training rows.
    validation_share : float
        Share in [0, 1) of the training rows, the last ones, that is held out.
    n_labels : int or None
        Train and test on the rows of the first `n_labels` labels only; None means all.
    input_order : {"samples", "features"} or None
        What `order_seed` permutes, see `variant_rows`; None leaves the order.
    order_seed : int
        Seed of that permutation, not negative.

    Raises
    ------
    NetkinError
        When the data set cannot be read, has fewer labels than asked for, when there is
        no GPU for ``cuda``, and when the loss or a weight becomes NaN or infinite. No
        file is written then.
    """
    train_networks(
        dataset_path=dataset_path,
        network_paths=[network_path],
        trainings=[
            {
                "dataset": dataset,
                "variant": variant,
                "seed": seed,
                "width": width,
                "hidden_layers": hidden_layers,
                "dropout": dropout,
                "learning_rate": learning_rate,
                "rho": rho,
                "epsilon": epsilon,
                "batch_size": batch_size,
                "epochs": epochs,
                "validation_share": validation_share,
                "n_labels": n_labels,
                "input_order": input_order,
                "order_seed": order_seed,
                "threads": threads,
            }
        ],
        device=device,
        code=code,
    )


def train_networks(
    *,
    dataset_path: str,
    network_paths: Sequence[str],
    trainings: Sequence[Mapping[str, Any]],
    device: Literal["auto", "cpu", "cuda"],
    cores: int = 1,
    code: str = "",
) -> None:
    """Train several networks on one data set.

    On a GPU those of one shape are trained side by side, in batched products. Each is then
    the network that `train_network` gives, but for rounding, which training amplifies:
    such products may sum in another order. On a CPU each is trained by a process of its
    own, as many at a time as there are cores for, and is that very network.

    Parameters
    ----------
    dataset_path : str
        HDF5 file to read.
    network_paths : sequence of str
        For each network the file to write.
    trainings : sequence of mapping
        For each network what `train_network` takes besides files, device and code.
    device, code
        As `train_network` takes them.
    cores : int
        Cores of this job; it changes no network.

    Raises
    ------
    NetkinError
        As `train_network` does, for all networks at once; the others are written. And
        when a process was killed, for want of memory most likely.
    """
    place = choose_device(device)
    arrays = read_arrays(dataset_path)
    failures = Together()
    stacks: dict[str, list[_Training]] = {}
    for path, parameters in zip(network_paths, trainings, strict=True):
        name = "data set '{dataset}', variant '{variant}', seed {seed}".format_map(parameters)
        with failures.one(name):
            rows = variant_rows(
                arrays,
                **{key: parameters[key] for key in ("n_labels", "input_order", "order_seed")},
                validation_share=parameters["validation_share"],
                name=name,
            )
            shared = {key: parameters[key] for key in SHARED}
            shape = [rows.n_outputs, len(rows.train), len(rows.validation), len(rows.test)]
            key = canonical_json([shape, shared])
            stacks.setdefault(key, []).append(_Training(path, parameters, rows, name))

    import torch

    threads = trainings[0]["threads"]
    torch.set_num_threads(threads)
    with flushed_denormals():
        parts = [_tensors(arrays, part, place) for part in ("train", "test")]
        job = _Job(parts, place, {"code": code, "inputs": [dataset_path]}, len(trainings) > 1)
        if _one_by_one(place):
            alone = [one for stack in stacks.values() for one in stack]
            _train_alone(job, alone, max(1, cores // threads), failures)
        else:
            for stack in stacks.values():
                for several in _split(stack, arrays.train_inputs.shape[1]):
                    _train_stack(job, several, failures)
    failures.check()


def _one_by_one(place: "torch.device") -> bool:
    return place.type == "cpu"


class _Job(NamedTuple):
    """What all networks of a job share: training and test rows, device, record, many or one."""

    parts: "list[tuple[torch.Tensor, torch.Tensor]]"
    place: "torch.device"
    made_by: dict[str, Any]
    of_many: bool


def _train_alone(
    job: _Job, networks: Sequence[_Training], at_once: int, failures: Together
) -> None:
    """Train each network by itself, by processes that begin as copies of this one.

    So Python, the packages and the data set are loaded once.
    """
    global _inherited
    if len(networks) == 1 or at_once == 1:
        for one in networks:
            _train_stack(job, [one], failures)
        return
    n_inputs = job.parts[0][0].shape[1]
    # the longest first, so that the processes end together
    order = sorted(networks, key=lambda one: -_n_parameters(one, n_inputs) * len(one.rows.train))
    _inherited = job, order
    pool = ProcessPoolExecutor(at_once, mp_context=multiprocessing.get_context("fork"))
    with pool:
        found = [pool.submit(_train_inherited, index) for index in range(len(order))]
    _inherited = None
    for one, future in zip(order, found, strict=True):
        with failures.one(one.name):
            try:
                said = future.result()
            except BrokenProcessPool:
                raise NetkinError(
                    f"{one.name}: a process that trained was killed, for want of memory most "
                    "likely; give the job fewer cores or more memory."
                ) from None
            if said:
                raise NetkinError(said)


_inherited: tuple[_Job, list[_Training]] | None = None
"""What the processes that train find when they begin."""


def _train_inherited(index: int) -> str:
    """Train one of the networks, and return what went wrong with it, "" for nothing."""
    assert _inherited is not None
    job, networks = _inherited
    failures = Together()
    _train_stack(job, [networks[index]], failures)
    try:
        failures.check()
    except NetkinError as error:
        return str(error)
    return ""


def _n_parameters(training: _Training, n_inputs: int) -> int:
    settings = training.parameters
    hidden = [settings["width"]] * settings["hidden_layers"]
    return sum((a + 1) * b for a, b in pairwise([n_inputs, *hidden, training.rows.n_outputs]))


def _split(stack: list[_Training], n_inputs: int) -> Iterator[list[_Training]]:
    """Yield parts of a stack that fit into memory."""
    most = max(1, AT_ONCE_BYTES // (16 * _n_parameters(stack[0], n_inputs)))
    for start in range(0, len(stack), most):
        yield stack[start : start + most]


def _train_stack(job: _Job, stack: Sequence[_Training], failures: Together) -> None:
    """Train networks of one shape and write them."""
    import torch

    from netkin.network.perceptrons import Perceptrons

    started = time.perf_counter()
    settings = stack[0].parameters
    (inputs, labels), test_part = job.parts
    names = "; ".join(one.name for one in stack)
    logger.info("%s: training on %s, %d rows", names, job.place.type, len(stack[0].rows.train))
    # lines of several networks stand in one log
    each = "{variant}, seed {seed}: ".format_map(settings) if job.of_many else ""
    if len(stack) > 1:
        each = f"these {len(stack)}: "
    seeds = [
        derived_seed(one.parameters["dataset"], one.parameters["variant"], one.parameters["seed"])
        for one in stack
    ]
    models = []
    for one, seed in zip(stack, seeds, strict=True):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = build_mlp(
                inputs.shape[1],
                one.rows.n_outputs,
                width=settings["width"],
                hidden_layers=settings["hidden_layers"],
                dropout=settings["dropout"],
            )
        if one.rows.columns is not None:
            # to permute the features is to permute the columns of the first weights back
            first = next(model.parameters()).detach()
            first[:, torch.from_numpy(one.rows.columns)] = first.clone()
        models.append(model)
    perceptrons = Perceptrons(
        models,
        seeds,
        inputs,
        labels,
        **{key: settings[key] for key in ("dropout", "learning_rate", "rho", "epsilon")},
    )
    train, validation, test = (
        [torch.from_numpy(getattr(one.rows, part)) for one in stack]
        for part in ("train", "validation", "test")
    )
    epochs = settings["epochs"]
    history = np.zeros((epochs, len(HISTORY), len(stack)))
    diverged: dict[int, int] = {}
    for epoch in range(epochs):
        epoch_started = time.perf_counter()
        values = [
            *perceptrons.train_epoch(train, settings["batch_size"]),
            *perceptrons.evaluate(inputs, labels, validation),
        ]
        history[epoch] = torch.stack(values).numpy()
        for k, finite in enumerate(perceptrons.finite()):
            if not (finite and np.isfinite(history[epoch, 0, k])):
                diverged.setdefault(k, epoch)
        logger.info(
            "%sepoch %d/%d loss %s accuracy %s validation loss %s accuracy %s %.1f s",
            each,
            epoch + 1,
            epochs,
            *(" ".join(f"{value:.4f}" for value in found) for found in history[epoch]),
            time.perf_counter() - epoch_started,
        )
        if len(diverged) == len(stack):
            break
    accuracies = perceptrons.evaluate(*test_part, test)[1]
    for k, one in enumerate(stack):
        with failures.one(one.name):
            if k in diverged:
                raise NetkinError(
                    f"{one.name}: the loss or a weight is NaN or infinite after epoch "
                    f"{diverged[k] + 1} of {epochs} with "
                    + "learning_rate {learning_rate}, rho {rho} and epsilon {epsilon}; ".format_map(
                        settings
                    )
                    + f"{way_out(settings['epsilon'])}."
                )
            weights = [layer[k].cpu().numpy().copy() for layer in perceptrons.weights]
            biases = [layer[k, 0].cpu().numpy().copy() for layer in perceptrons.biases]
            if one.rows.columns is not None:
                weights[0] = weights[0][:, one.rows.columns]
            network = Network(
                tuple(weights),
                tuple(biases),
                dict(zip(HISTORY, history[:, :, k].T.copy(), strict=True)),
                float(accuracies[k]),
            )
            write_network(
                one.path,
                network,
                parameters=dict(one.parameters),
                determined={
                    "device": job.place.type,
                    "training_version": VERSION,
                    "side_by_side": len(stack),
                },
                **job.made_by,
            )
    shown = " ".join(f"{accuracy:.4f}" for accuracy in accuracies)
    logger.info("%stest accuracy %s, %.1f s", each, shown, time.perf_counter() - started)


def variant_rows(
    arrays: Arrays,
    *,
    n_labels: int | None,
    input_order: str | None,
    order_seed: int,
    validation_share: float,
    name: str,
) -> Rows:
    """Choose, permute and split the rows of a variant, in this order.

    Parameters
    ----------
    arrays : Arrays
        The whole data set.
    n_labels : int or None
        Keep training and test rows of the labels 0 to ``n_labels - 1``; None keeps all.
    input_order : {"samples", "features"} or None
        ``samples`` permutes the training rows; ``features`` permutes the columns, in
        the same way for training and test rows.
    order_seed : int
        Seed of numpy's default generator, from which the permutation is drawn.
    validation_share : float
        The first ``floor(n (1 - validation_share))`` of n training rows are trained on,
        as in Keras, the others held out; none for a share of 0.
    name : str
        How an error names the network.

    Raises
    ------
    NetkinError
        When `n_labels` is not in 2..number of labels, or no row is left to train on.
    """
    available = len(arrays.label_names)
    n_outputs = available if n_labels is None else n_labels
    if not 2 <= n_outputs <= available:
        raise NetkinError(
            f"{name}: n_labels is {n_outputs}, but the data set has {available} labels; "
            f"allowed is 2 to {available}."
        )
    train, test = (
        np.flatnonzero(labels < n_outputs) for labels in (arrays.train_labels, arrays.test_labels)
    )
    rng = np.random.default_rng(order_seed)
    columns = None
    if input_order == "samples":
        train = train[rng.permutation(len(train))]
    elif input_order == "features":
        columns = rng.permutation(arrays.train_inputs.shape[1])
    elif input_order is not None:
        raise NetkinError(
            f"{name}: input_order is '{input_order}'; allowed are 'samples', 'features' and none."
        )
    n_train = rows_to_train_on(len(train), validation_share, name)
    return Rows(train[:n_train], train[n_train:], test, columns, n_outputs)


def _tensors(
    arrays: Arrays, part: str, device: "torch.device"
) -> "tuple[torch.Tensor, torch.Tensor]":
    import torch

    inputs, labels = (getattr(arrays, f"{part}_{what}") for what in ("inputs", "labels"))
    return torch.from_numpy(inputs).to(device), torch.from_numpy(labels).to(device)
