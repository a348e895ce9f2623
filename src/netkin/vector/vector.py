"""Vectors of diagrams, and their file."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

from netkin import storage
from netkin.diagram.diagram import Diagram
from netkin.errors import Absent, NetkinError, shown
from netkin.finite import is_finite
from netkin.options import check_options, options_of
from netkin.vector.sampling import Counts, Intervals, Sampling

MOST_BINS = 10_000
"""Points of the sampling of a curve, at most."""
MOST_BINS_OF_IMAGES = 2_000
"""Points of the sampling of an image along each axis, at most: 32 MB a homology dimension."""
CHUNK = 2**16
"""Intervals per step: few enough that all temporaries stay in the cache, and enough that the
calls of numpy do not count."""


class Accumulator(Protocol):
    """Takes the intervals of one homology dimension bit by bit and gives an array.

    The result depends neither on the order of the intervals nor on how they are divided, nor
    on whether equal ones stand apart or are counted, but for rounding; the memory it holds
    does not depend on their number.
    """

    def add(self, intervals: Intervals, counts: Counts) -> None:
        """Take more intervals, each as often as its count says."""

    def result(self) -> NDArray[np.float64]:
        """Return the array of all intervals so far; more may be added after."""


def vectorise(
    accumulator: Accumulator, intervals: Intervals, counts: Counts
) -> NDArray[np.float64]:
    """Return the result of an accumulator after all `intervals`, float of shape (k, 2)."""
    for first in range(0, len(intervals), CHUNK):
        part = slice(first, first + CHUNK)
        accumulator.add(intervals[part], counts[part])
    return accumulator.result()


@dataclass(frozen=True)
class Vectoriser:
    """A way to turn the intervals of one homology dimension into an array.

    Attributes
    ----------
    accumulator : callable
        A class, ``(sampling, **options) -> Accumulator``.
    axes : {0, 1, 2}
        Sampled axes of the array: 1 for curves, 2 for images, 0 for numbers, which have no
        `n_bins` in the config. The distance multiplies the p-norm by ``step ** (axes / p)``,
        which makes it an integral.
    """

    accumulator: Callable[..., Accumulator]
    axes: Literal[0, 1, 2]

    @property
    def most_bins(self) -> int:
        """Points of the sampling, at most; those of an image count squared."""
        return MOST_BINS_OF_IMAGES if self.axes == 2 else MOST_BINS

    def vectorise(
        self, intervals: Intervals, counts: Counts, sampling: Sampling, **options: Any
    ) -> NDArray[np.float64]:
        """Return the array of `intervals`, float of shape (k, 2) and finite."""
        check_options(self.accumulator.__name__, options, options_of(self.accumulator))
        return vectorise(self.accumulator(sampling, **options), intervals, counts)

    def arrays(
        self, diagram: Diagram, sampling: Sampling, **options: Any
    ) -> tuple[NDArray[np.float64], ...]:
        """Return the arrays of a diagram of finite intervals, one per homology dimension."""
        return tuple(
            self.vectorise(intervals, counts, sampling, **options)
            for intervals, counts in zip(diagram.intervals, diagram.counts, strict=True)
        )


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
    """Write the vector of one network as HDF5, layout ``vector``; see `put_vector`.

    `parameters`, `code` and `inputs` are recorded as in `netkin.storage.create`.
    """
    with storage.create(
        path, "vector", parameters=parameters or {}, code=code, inputs=inputs
    ) as file:
        put_vector(storage.member(file), vector)


def put_vector(group: h5py.Group, vector: Vector) -> None:
    """Write a vector into a group of an open HDF5 file.

    Datasets ``/H0``, ``/H1``, ... (float64), attributes ``n_bins``, ``start``, ``stop``,
    ``axes`` and ``kind``.
    """
    group.attrs["n_bins"] = vector.sampling.n_bins
    group.attrs["start"] = vector.sampling.start
    group.attrs["stop"] = vector.sampling.stop
    group.attrs["axes"] = vector.axes
    group.attrs["kind"] = vector.kind
    for dimension, array in enumerate(vector.arrays):
        # nothing, as of a dimension without classes, takes no room; other numbers hardly shrink
        packed = {} if array.any() else {"compression": "gzip", "compression_opts": 1}
        group.create_dataset(f"H{dimension}", data=array, **packed)


def read_vector(path: str | os.PathLike[str]) -> Vector:
    """Read a vector file.

    Raises
    ------
    Absent
        There is none, since the network has no diagram.
    NetkinError
        For a file that is not a vector file or lacks a part of one, for another kind or other
        axes than the kind has, and for arrays that are not those of its sampling, or not finite.
    """
    # the registry imports the vectorisers, which import this package's modules
    from netkin.vector import VECTORISERS

    with storage.open_layout(path, "vector") as file:
        if "reason" in file.attrs:
            raise Absent(str(file.attrs["reason"]))
        for name in ("n_bins", "start", "stop", "axes", "kind"):
            if name not in file.attrs:
                raise NetkinError(f"{path}: the attribute '{name}' of a vector is missing.")
        if "H0" not in file:
            raise NetkinError(f"{path}: the dataset '/H0' of a vector is missing.")
        attributes = file.attrs
        bounds = float(attributes["start"]), float(attributes["stop"])
        axes, n_bins = int(attributes["axes"]), int(attributes["n_bins"])
        kind = str(attributes["kind"])
        if kind not in VECTORISERS:
            raise NetkinError(
                f"{path}: its vector is of the kind {shown(kind)}, allowed: "
                f"{', '.join(VECTORISERS)}."
            )
        if axes != VECTORISERS[kind].axes:
            raise NetkinError(
                f"{path}: the attribute 'axes' is {axes}, but a vector of the kind '{kind}' has "
                f"{VECTORISERS[kind].axes}."
            )
        sampled = (n_bins,) * axes
        arrays: list[NDArray[np.float64]] = []
        while f"H{len(arrays)}" in file:
            name = f"H{len(arrays)}"
            array = file[name][:].astype(np.float64, copy=False)
            # of each sample one number or several
            if array.shape[array.ndim - axes :] != sampled or not (
                array.ndim - axes in (0, 1) and array.size
            ):
                raise NetkinError(
                    f"{path}: /{name} has shape {array.shape}, expected its last dimensions to be "
                    f"{sampled}, with at most one more before them."
                )
            if arrays and array.shape != arrays[0].shape:
                raise NetkinError(
                    f"{path}: /{name} has shape {array.shape}, but /H0 {arrays[0].shape}."
                )
            if not is_finite(array):
                raise NetkinError(f"{path}: /{name} holds NaN or infinity.")
            # zeros take no memory: of many networks whole dimensions are empty
            arrays.append(array if array.any() else np.broadcast_to(0.0, array.shape))
        try:
            sampling = Sampling(*bounds, n_bins)
        except NetkinError as error:
            raise NetkinError(f"{path}: {error}") from None
        return Vector(tuple(arrays), sampling, axes=axes, kind=kind)
