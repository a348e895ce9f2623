"""A data set in memory and in its HDF5 file."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from netkin.errors import NetkinError
from netkin.storage import create, open_layout


@dataclass(frozen=True, eq=False)
class Arrays:
    """Training and test rows of a classification task.

    Attributes
    ----------
    train_inputs : (n, d) float32
        Input features, scaled as the data set's loader says; finite.
    train_labels : (n,) int64
        Class of each row, an index into `label_names`.
    train_rows : (n,) int64
        Number of each row in the source; no number occurs twice in the data set, so
        that no test row can also be a training row.
    test_inputs, test_labels, test_rows
        The same for the m test rows.
    label_names : tuple of str
        Name of each class. Their order is the order in which a variant with fewer
        labels takes them.
    """

    train_inputs: NDArray[np.float32]
    train_labels: NDArray[np.int64]
    train_rows: NDArray[np.int64]
    test_inputs: NDArray[np.float32]
    test_labels: NDArray[np.int64]
    test_rows: NDArray[np.int64]
    label_names: tuple[str, ...]

    def validate(self, name: str) -> None:
        """Check all that the class promises of its arrays.

        Parameters
        ----------
        name : str
            How an error names the data set: its kind or its file.

        Raises
        ------
        NetkinError
            For the first promise that is broken.
        """
        n_labels = len(self.label_names)
        if n_labels < 2:
            raise NetkinError(f"{name}: {n_labels} label names; a classifier needs at least 2.")
        for part in ("train", "test"):
            inputs, labels, rows = (
                getattr(self, f"{part}_{what}") for what in ("inputs", "labels", "rows")
            )
            shapes = f"inputs {inputs.shape}, labels {labels.shape}, rows {rows.shape}"
            if inputs.ndim != 2 or not labels.shape == rows.shape == inputs.shape[:1]:
                raise NetkinError(
                    f"{name}: the {part} part has {shapes}; allowed are (n, d), (n,) and (n,)."
                )
            if 0 in inputs.shape:
                raise NetkinError(f"{name}: the {part} part is empty ({shapes}).")
            types = [str(array.dtype) for array in (inputs, labels, rows)]
            if types != ["float32", "int64", "int64"]:
                raise NetkinError(
                    f"{name}: types of the {part} inputs, labels and rows are {', '.join(types)}; "
                    "allowed are float32, int64, int64."
                )
            finite = np.isfinite(inputs).all(axis=1)
            if not finite.all():
                raise NetkinError(
                    f"{name}: the {part} inputs hold NaN or infinite values, first in row "
                    f"{rows[~finite][0]} of the source."
                )
            if labels.min() < 0 or labels.max() >= n_labels:
                raise NetkinError(
                    f"{name}: {part} labels lie in {labels.min()}..{labels.max()}; "
                    f"allowed is 0..{n_labels - 1}, one for each label name."
                )
        if self.train_inputs.shape[1] != self.test_inputs.shape[1]:
            raise NetkinError(
                f"{name}: {self.train_inputs.shape[1]} training features, but "
                f"{self.test_inputs.shape[1]} test features."
            )
        absent = np.setdiff1d(np.arange(n_labels), self.train_labels)
        if absent.size:
            names = ", ".join(f"'{self.label_names[label]}'" for label in absent)
            raise NetkinError(f"{name}: no training row has the label {names}.")
        numbers, counts = np.unique(
            np.concatenate([self.train_rows, self.test_rows]), return_counts=True
        )
        if counts.max() > 1:
            raise NetkinError(
                f"{name}: row {numbers[counts > 1][0]} of the source occurs more than once."
            )


def write_arrays(
    path: str | os.PathLike[str],
    arrays: Arrays,
    *,
    parameters: Mapping[str, Any],
    code: str = "",
) -> None:
    """Write a data set as an HDF5 file of layout ``dataset``.

    Parameters
    ----------
    path : path
        Where the finished file shall stand.
    arrays : Arrays
        Stored as /train/inputs, /train/labels, /train/rows, the same below /test, and
        /label_names.
    parameters : mapping
        Every parameter that determines the arrays.
    code : str
        Digest of the code that made them.
    """
    with create(path, "dataset", parameters=parameters, code=code) as file:
        store_arrays(file, arrays)


def store_arrays(file: h5py.File, arrays: Arrays) -> None:
    """Put the arrays into a file that was opened for writing, as `write_arrays` says."""
    for part in ("train", "test"):
        for what in ("inputs", "labels", "rows"):
            # not compressed: every training reads it, which is faster so
            file[f"{part}/{what}"] = getattr(arrays, f"{part}_{what}")
    file["label_names"] = list(arrays.label_names)


def read_arrays(path: str | os.PathLike[str]) -> Arrays:
    """Read and check a file written by `write_arrays`.

    Raises
    ------
    NetkinError
        One sentence that names the file, when it is missing, truncated, of another
        kind, or when its arrays are not what `Arrays` promises.
    """
    with open_layout(path, "dataset") as file:
        arrays = Arrays(
            **{
                f"{part}_{what}": file[f"{part}/{what}"][()]
                for part in ("train", "test")
                for what in ("inputs", "labels", "rows")
            },
            label_names=tuple(file["label_names"].asstr()[()]),
        )
    arrays.validate(str(path))
    return arrays
