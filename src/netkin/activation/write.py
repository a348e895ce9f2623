"""Writing the file of the activations of a network."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from netkin import storage


def write_activations(
    path: str | os.PathLike[str],
    layers: Mapping[str, NDArray[np.float32]],
    rows: NDArray[np.int64],
    labels: NDArray[np.int64],
    *,
    parameters: Mapping[str, Any] | None = None,
    code: str = "",
    inputs: Iterable[str | os.PathLike[str]] = (),
) -> None:
    """Write the activations of one network as HDF5, layout ``activation``.

    Parameters
    ----------
    path : path
        The file to write.
    layers, rows, labels
        See `put_activations`.
    parameters, code, inputs
        Recorded as in `netkin.storage.create`.
    """
    with storage.create(
        path, "activation", parameters=parameters or {}, code=code, inputs=inputs
    ) as file:
        put_activations(storage.member(file), layers, rows, labels)


def put_activations(
    group: h5py.Group,
    layers: Mapping[str, NDArray[np.float32]],
    rows: NDArray[np.int64],
    labels: NDArray[np.int64],
) -> None:
    """Write activations into a group of an open HDF5 file.

    Parameters
    ----------
    group : h5py.Group
        Of a file of layout ``activation``.
    layers : mapping of str to (n, D) float32
        Name of a layer -> its activations, input side first. Stored below ``/layers``, the
        names in this order as ``/layer_names``.
    rows, labels : (n,) int64
        Id and true label of each row, stored as ``/rows`` and ``/labels``.
    """
    group["rows"] = rows.astype(np.int64)
    group["labels"] = labels.astype(np.int64)
    group.create_dataset("layer_names", data=list(layers), dtype=h5py.string_dtype())
    for name, values in layers.items():
        # half of the values after ReLU are 0
        group.create_dataset(
            f"layers/{name}",
            data=values,
            dtype=np.float32,
            compression="gzip",
            compression_opts=1,
            shuffle=True,
        )
