"""Stage network: train one network of the grid."""

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from netkin.dataset.arrays import Arrays, read_arrays
from netkin.errors import NetkinError
from netkin.network.file import Network, write_network
from netkin.network.fit import evaluate, fit, rows_to_train_on
from netkin.network.mlp import build_mlp, layer_arrays
from netkin.network.optimiser import RMSprop
from netkin.network.torch_setup import choose_device, derived_seed, flushed_denormals

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Rows:
    """Inputs (n, d) float32 and labels (n,) int64 of one part of a data set."""

    inputs: NDArray[np.float32]
    labels: NDArray[np.int64]


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
        What `order_seed` permutes, see `select_rows`; None leaves the order.
    order_seed : int
        Seed of that permutation, not negative.

    Raises
    ------
    NetkinError
        When the data set cannot be read, has fewer labels than asked for, when there is
        no GPU for ``cuda``, and when the loss or a weight becomes NaN or infinite. No
        file is written then.
    """
    started = time.perf_counter()
    place = choose_device(device)
    parameters = {
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
    made_by: Any = {
        "parameters": parameters,
        "determined": {"device": place.type},
        "code": code,
        "inputs": [dataset_path],
    }
    arrays = read_arrays(dataset_path)
    name = f"data set '{dataset}', variant '{variant}', seed {seed}"
    train, validation, test, n_outputs = select_rows(
        arrays,
        n_labels=n_labels,
        input_order=input_order,
        order_seed=order_seed,
        validation_share=validation_share,
        name=name,
    )
    del arrays

    import torch

    torch.set_num_threads(threads)
    logger.info("%s: training on %s, %d rows", name, place.type, len(train.labels))
    on_cuda = [torch.cuda.current_device()] if place.type == "cuda" else []
    with flushed_denormals(), torch.random.fork_rng(devices=on_cuda):
        torch.manual_seed(derived_seed(dataset, variant, seed))
        model = build_mlp(
            train.inputs.shape[1],
            n_outputs,
            width=width,
            hidden_layers=hidden_layers,
            dropout=dropout,
        ).to(place)
        optimiser = RMSprop(model, learning_rate=learning_rate, rho=rho, epsilon=epsilon)
        history = fit(
            model,
            optimiser,
            _tensors(train, place),
            _tensors(validation, place),
            batch_size=batch_size,
            epochs=epochs,
            name=name,
            logger=logger,
        )
    test_accuracy = evaluate(model, _tensors(test, place))[1]
    weights, biases = layer_arrays(model)
    write_network(network_path, Network(weights, biases, history, test_accuracy), **made_by)
    logger.info("test accuracy %.4f, %.1f s", test_accuracy, time.perf_counter() - started)


def select_rows(
    arrays: Arrays,
    *,
    n_labels: int | None,
    input_order: str | None,
    order_seed: int,
    validation_share: float,
    name: str,
) -> tuple[Rows, Rows, Rows, int]:
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
        as in Keras, the others held out.
    name : str
        How an error names the network.

    Returns
    -------
    train, validation, test : Rows
        Validation is empty for a share of 0.
    n_outputs : int
        Number of labels kept.

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
    train = Rows(arrays.train_inputs, arrays.train_labels)
    test = Rows(arrays.test_inputs, arrays.test_labels)
    if n_outputs < available:
        train, test = (
            Rows(part.inputs[part.labels < n_outputs], part.labels[part.labels < n_outputs])
            for part in (train, test)
        )
    rng = np.random.default_rng(order_seed)
    if input_order == "samples":
        order = rng.permutation(len(train.labels))
        train = Rows(train.inputs[order], train.labels[order])
    elif input_order == "features":
        order = rng.permutation(train.inputs.shape[1])
        train = Rows(train.inputs[:, order], train.labels)
        test = Rows(test.inputs[:, order], test.labels)
    elif input_order is not None:
        raise NetkinError(
            f"{name}: input_order is '{input_order}'; allowed are 'samples', 'features' and none."
        )
    n_train = rows_to_train_on(len(train.labels), validation_share, name)
    validation = Rows(train.inputs[n_train:], train.labels[n_train:])
    train = Rows(train.inputs[:n_train], train.labels[:n_train])
    return train, validation, test, n_outputs


def _tensors(rows: Rows, device: "torch.device") -> "tuple[torch.Tensor, torch.Tensor]":
    import torch

    return torch.from_numpy(rows.inputs).to(device), torch.from_numpy(rows.labels).to(device)
