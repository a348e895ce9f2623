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
    """Write activations as HDF5, layout ``activation``.

    Parameters
    ----------
    path : path
        The file to write.
    layers : mapping of str to (n, D) float32
        Name of a layer -> its activations, input side first. Stored below ``/layers``, the
        names in this order as ``/layer_names``.
    rows, labels : (n,) int64
        Id and true label of each row, stored as ``/rows`` and ``/labels``.
    parameters, code, inputs
        Recorded as in `netkin.storage.create`.
    """
    with storage.create(
        path, "activation", parameters=parameters or {}, code=code, inputs=inputs, keep=True
    ) as file:
        file["rows"] = rows.astype(np.int64)
        file["labels"] = labels.astype(np.int64)
        file.create_dataset("layer_names", data=list(layers), dtype=h5py.string_dtype())
        for name, values in layers.items():
            # half of the values after ReLU are 0
            file.create_dataset(
                f"layers/{name}",
                data=values,
                dtype=np.float32,
                compression="gzip",
                compression_opts=1,
                shuffle=True,
            )
