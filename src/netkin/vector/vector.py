"""Vectors of diagrams, and their file."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from netkin import storage
from netkin.errors import NetkinError
from netkin.vector.sampling import Sampling


@dataclass(frozen=True)
class Vectoriser:
    """A way to turn the intervals of one homology dimension into an array.

    Attributes
    ----------
    function : callable
        ``(intervals, sampling, **options) -> array``.
    axes : {1, 2}
        Sampled axes of the array: 1 for curves, 2 for images. The distance multiplies the
        p-norm by ``step ** (axes / p)``, which makes it an integral.
    """

    function: Callable[..., NDArray[np.float64]]
    axes: Literal[1, 2]


@dataclass(frozen=True, eq=False)
class Vector:
    """A vectorised diagram.

    Attributes
    ----------
    arrays : tuple of float64 arrays
        One per homology dimension.
    sampling : Sampling
        The sampling common to all dimensions.
    axes : int
        Sampled axes of the arrays, see `Vectoriser`.
    kind : str
        Name of the vectoriser.
    """

    arrays: tuple[NDArray[np.float64], ...]
    sampling: Sampling
    axes: int
    kind: str


def write_vector(
    path: str | os.PathLike[str],
    vector: Vector,
    *,
    parameters: Mapping[str, Any] | None = None,
    code: str = "",
    inputs: Iterable[str | os.PathLike[str]] = (),
) -> None:
    """Write a vector as HDF5, layout ``vector``.

    Datasets ``/H0``, ``/H1``, ... (float64), attributes ``n_bins``, ``start``, ``stop``,
    ``axes`` and ``kind``. `parameters`, `code` and `inputs` are recorded as in
    `netkin.storage.create`.
    """
    with storage.create(
        path, "vector", parameters=parameters or {}, code=code, inputs=inputs
    ) as file:
        file.attrs["n_bins"] = vector.sampling.n_bins
        file.attrs["start"] = vector.sampling.start
        file.attrs["stop"] = vector.sampling.stop
        file.attrs["axes"] = vector.axes
        file.attrs["kind"] = vector.kind
        for dimension, array in enumerate(vector.arrays):
            file.create_dataset(f"H{dimension}", data=array, compression="gzip", shuffle=True)


def read_vector(path: str | os.PathLike[str]) -> Vector:
    """Read a vector file.

    Raises
    ------
    NetkinError
        For a file that is not a vector file, or lacks a part of one.
    """
    with storage.open_layout(path, "vector") as file:
        for name in ("n_bins", "start", "stop", "axes", "kind"):
            if name not in file.attrs:
                raise NetkinError(f"{path}: the attribute '{name}' of a vector is missing.")
        if "H0" not in file:
            raise NetkinError(f"{path}: the dataset '/H0' of a vector is missing.")
        arrays: list[NDArray[np.float64]] = []
        while f"H{len(arrays)}" in file:
            arrays.append(file[f"H{len(arrays)}"][:])
        attributes = file.attrs
        return Vector(
            arrays=tuple(arrays),
            sampling=Sampling(
                float(attributes["start"]), float(attributes["stop"]), int(attributes["n_bins"])
            ),
            axes=int(attributes["axes"]),
            kind=str(attributes["kind"]),
        )
