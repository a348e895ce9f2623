"""A network as arrays, and its HDF5 file. Needs no torch."""

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from netkin.errors import Absent, NetkinError
from netkin.finite import is_finite
from netkin.storage import create, open_layout, whole_file

Floats = NDArray[np.floating[Any]]

HISTORY = ("loss", "accuracy", "validation_loss", "validation_accuracy")
"""What is recorded once an epoch."""


@dataclass(frozen=True, eq=False)
class Network:
    """Parameters of a feed-forward network and, if known, how its training went.

    Attributes
    ----------
    weights : tuple of (n_out, n_in) float32 or float64
        Weight matrices, input side first; row j holds the weights into unit j.
    biases : tuple of (n_out,) float32 or float64, or None
        Bias of each unit of the same layers; None for a layer without.
    history : mapping of str to (epochs,) float64
        For each name in `HISTORY` its value per epoch: mean cross-entropy in nats, and
        share of right answers in [0, 1]. Training values are running averages over the
        epoch, with dropout, as Keras reports them; validation values are taken after the
        epoch, NaN where no rows were held out. Empty where nothing is known of the training.
    test_accuracy : float
        Share of right answers on the test rows, NaN where there are none or it is not known.
    """

    weights: tuple[Floats, ...]
    biases: tuple[Floats | None, ...]
    history: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    test_accuracy: float = np.nan


class Training(NamedTuple):
    """How the training of a network went; see `Network` for both."""

    history: Mapping[str, NDArray[np.float64]]
    test_accuracy: float


def write_network(
    path: str | os.PathLike[str],
    network: Network,
    *,
    parameters: Mapping[str, Any],
    determined: Mapping[str, Any] | None = None,
    code: str = "",
    inputs: Iterable[str | os.PathLike[str]] = (),
) -> None:
    """Write a network as an HDF5 file of layout ``network``.

    Parameters
    ----------
    path : path
        Where the finished file shall stand.
    network : Network
        Stored as /layers/0/weight, /layers/0/bias and so on from the input side,
        /history/loss and so on, and the root attribute test_accuracy.
    parameters : mapping
        Every parameter that determines the network.
    determined : mapping, optional
        What determines it too but was found out at run time, such as the device.
    code : str
        Digest of the code that trained it.
    inputs : iterable of paths
        The data set it was trained on.
    """
    with create(
        path,
        "network",
        parameters=parameters,
        determined=determined,
        code=code,
        inputs=inputs,
    ) as file:
        for index, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
            file[f"layers/{index}/weight"] = weight
            if bias is not None:
                file[f"layers/{index}/bias"] = bias
        for name in HISTORY if network.history else ():
            file[f"history/{name}"] = network.history[name]
        file.attrs["test_accuracy"] = network.test_accuracy


def take_network(*, trained_path: str, network_path: str) -> None:
    """Copy a network out of the folder of those that one job trained.

    Parameters
    ----------
    trained_path : str
        The file there.
    network_path : str
        Where the network belongs.
    """
    with whole_file(network_path) as temporary:
        shutil.copyfile(trained_path, temporary)


def read_network(path: str | os.PathLike[str]) -> Network:
    """Read and check a file written by `write_network`.

    Raises
    ------
    Absent
        It is a network of somebody's own that could not be read, or whose layers are not known.
    NetkinError
        One sentence that names the file and the layer: file missing, truncated or of
        another kind; a layer missing, empty, of wrong dimension, not finite, or not
        fitting the layer before it; losses and accuracies that can be none.
    """
    with open_layout(path, "network") as file:
        if "reason" in file.attrs:
            raise Absent(str(file.attrs["reason"]))
        n_layers = len(file["layers"]) if "layers" in file else 0
        if n_layers == 0:
            raise NetkinError(f"{path}: a network without layers.")
        weights, biases = [], []
        n_units = None
        for index in range(n_layers):
            where = f"{path}: layer {index}"
            weight = _read(file, f"layers/{index}/weight", path)
            bias = None
            if f"layers/{index}/bias" in file:
                bias = _read(file, f"layers/{index}/bias", path)
            if weight.size == 0:
                raise NetkinError(f"{where} has a weight of shape {weight.shape}, which is empty.")
            if n_units is not None and weight.shape[1] != n_units:
                raise NetkinError(
                    f"{where} takes {weight.shape[1]} inputs, but the layer before it has "
                    f"{n_units} units."
                )
            if not (is_finite(weight) and (bias is None or is_finite(bias))):
                raise NetkinError(f"{where} has NaN or infinite weights.")
            n_units = weight.shape[0]
            weights.append(weight)
            biases.append(bias)
        training = _training(file, path)
    return Network(tuple(weights), tuple(biases), *training)


def read_training(path: str | os.PathLike[str]) -> Training:
    """Read how the training of a network went, and none of its weights.

    Raises
    ------
    NetkinError
        One sentence that names the file, which is missing, truncated or of another kind, holds
        losses and accuracies that can be none, or does not say how the training went.
    """
    with open_layout(path, "network") as file:
        found = _training(file, path)
    if not found.history:
        raise NetkinError(f"{path}: it does not say how the network was trained.")
    return found


def _training(file: h5py.File, path: str | os.PathLike[str]) -> Training:
    names = HISTORY if "history" in file else ()
    history = {name: _read(file, f"history/{name}", path) for name in names}
    _check_history(path, history)
    test_accuracy = float(file.attrs.get("test_accuracy", np.nan))
    if not (np.isnan(test_accuracy) or 0 <= test_accuracy <= 1):
        raise NetkinError(
            f"{path}: the attribute 'test_accuracy' is {test_accuracy}; allowed is 0 to 1."
        )
    return Training(history, test_accuracy)


def _check_history(path: str | os.PathLike[str], history: Mapping[str, NDArray[Any]]) -> None:
    for name, values in history.items():
        # NaN where no rows were held out
        known = values[~np.isnan(values)] if name.startswith("validation") else values
        most = 1.0 if name.endswith("accuracy") else np.inf
        if not (is_finite(known) and known.min(initial=0) >= 0 and known.max(initial=0) <= most):
            raise NetkinError(
                f"{path}: /history/{name} holds what is no {name.replace('_', ' ')}; allowed are "
                f"numbers from 0 to {most}."
            )


def _read(file: h5py.File, name: str, path: str | os.PathLike[str]) -> NDArray[Any]:
    found = file.get(name)
    if not isinstance(found, h5py.Dataset) or found.dtype.kind != "f":
        raise NetkinError(f"{path}: a network file without the array of numbers '{name}'.")
    array = np.asarray(found[()])
    return array if name.startswith("layers") else array.astype(np.float64, copy=False)
