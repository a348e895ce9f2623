"""The predictions of a network on rows of its data set, and their file."""

import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from netkin import storage
from netkin.errors import NetkinError
from netkin.finite import is_finite

SUM_TOLERANCE = 1e-3
"""How far the probabilities of a row may be from summing to 1."""


class Prediction:
    """Class probabilities of one network.

    Parameters
    ----------
    rows : array-like of shape (n,)
        Ids of the rows.
    probabilities : array-like of shape (n, C)
        Of the classes 0 to C - 1, not negative, each row sums to 1. All measures compute in
        float64.
    labels : array-like of shape (n,)
        True label of each row, an integer from 0; labels from C on are those the network has
        never seen.
    name : str
        How an error names the network.

    Raises
    ------
    NetkinError
        No row, fewer than 2 classes, shapes that do not fit, values that are no
        probabilities, or labels that are no integers from 0.
    """

    def __init__(
        self,
        rows: ArrayLike,
        probabilities: ArrayLike,
        labels: ArrayLike,
        name: str = "prediction",
    ) -> None:
        self.rows: NDArray[Any] = np.asarray(rows)
        self.probabilities: NDArray[np.float64] = np.asarray(probabilities, dtype=np.float64)
        self.labels: NDArray[np.integer[Any]] = np.asarray(labels)
        self.name = name
        shape = self.probabilities.shape
        if len(shape) != 2 or shape[0] < 1 or shape[1] < 2:
            raise NetkinError(
                f"{name}: probabilities of shape {shape}; allowed is (rows, classes), with at "
                "least one row and two classes."
            )
        if not self.rows.shape == self.labels.shape == shape[:1]:
            raise NetkinError(
                f"{name}: {self.rows.shape} row ids and {self.labels.shape} labels for {shape[0]} "
                "rows."
            )
        sums = self.probabilities.sum(axis=1)
        if not ((self.probabilities >= 0).all() and (np.abs(sums - 1) <= SUM_TOLERANCE).all()):
            raise NetkinError(
                f"{name}: values that are no probabilities; allowed are rows of numbers from 0 "
                "that sum to 1. Take the softmax of logits."
            )
        if self.rows.dtype.kind == "f" and not is_finite(self.rows):
            raise NetkinError(f"{name}: row ids that are NaN or infinite.")
        if self.labels.dtype.kind not in "iu" or self.labels.min() < 0:
            raise NetkinError(f"{name}: labels that are not integers from 0.")

    @property
    def n_classes(self) -> int:
        """Number C of classes that the network knows, 0 to C - 1."""
        return int(self.probabilities.shape[1])

    @cached_property
    def predicted(self) -> NDArray[np.intp]:
        """Most probable class of each row, the lower of equal ones, (n,)."""
        predicted: NDArray[np.intp] = self.probabilities.argmax(axis=1)
        return predicted


def write_prediction(
    path: str | os.PathLike[str],
    prediction: Prediction,
    *,
    parameters: Mapping[str, Any] | None = None,
    code: str = "",
    inputs: Iterable[str | os.PathLike[str]] = (),
) -> None:
    """Write the predictions of one network as HDF5, layout ``prediction``; see `put_prediction`.

    `parameters`, `code` and `inputs` are recorded as in `netkin.storage.create`.
    """
    with storage.create(
        path, "prediction", parameters=parameters or {}, code=code, inputs=inputs
    ) as file:
        put_prediction(storage.member(file), prediction)


def put_prediction(group: h5py.Group, prediction: Prediction) -> None:
    """Write predictions into a group of an open HDF5 file.

    Datasets ``/probabilities`` (n, C) float32, ``/rows`` and ``/labels`` (n,) int64 as in
    `Prediction`.
    """
    group["rows"] = prediction.rows.astype(np.int64)
    group["labels"] = prediction.labels.astype(np.int64)
    group.create_dataset(
        "probabilities",
        data=prediction.probabilities,
        dtype=np.float32,
        compression="gzip",
        compression_opts=1,
        shuffle=True,
    )


def read_prediction(path: str | os.PathLike[str]) -> Prediction:
    """Read a prediction file.

    Raises
    ------
    NetkinError
        For a file that is not a prediction file, lacks a part of one, or holds a row twice or
        what `Prediction` refuses.
    """
    with storage.open_layout(path, "prediction") as file:
        rows, probabilities, labels = (
            file[name][()] for name in ("rows", "probabilities", "labels")
        )
    if len(np.unique(rows)) < len(rows):
        raise NetkinError(f"{path}: /rows holds an id more than once.")
    return Prediction(rows, probabilities, labels, str(path))
