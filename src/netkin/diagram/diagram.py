"""Persistence diagrams and their file."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netkin import storage
from netkin.errors import NetkinError, shown

MOST_DIMENSIONS = 11
"""Homology dimensions of a diagram, at most: 0 to 10."""


@dataclass(frozen=True, eq=False)
class Diagram:
    """A persistence diagram.

    Attributes
    ----------
    intervals : tuple of float64 arrays of shape (k_d, 2)
        Birth and death of each class, one array per homology dimension 0, 1, ...; a death
        of ``inf`` is a class that never dies.
    """

    intervals: tuple[NDArray[np.float64], ...]


def write_diagram(
    path: str | os.PathLike[str],
    diagram: Diagram,
    *,
    engine: str,
    parameters: Mapping[str, Any] | None = None,
    code: str = "",
    inputs: Iterable[str | os.PathLike[str]] = (),
) -> None:
    """Write a diagram as HDF5, layout ``diagram``.

    Datasets ``/H0``, ``/H1``, ... of shape (k, 2), float32 since engines compute in
    float32: birth and death, ``inf`` for a class that never dies, unpadded, sorted by
    birth then death so that equal diagrams give equal files. Attribute ``engine``.
    `parameters`, `code` and `inputs` are recorded as in `netkin.storage.create`.
    """
    with storage.create(
        path, "diagram", parameters=parameters or {}, code=code, inputs=inputs, keep=True
    ) as file:
        file.attrs["engine"] = engine
        for dimension, intervals in enumerate(diagram.intervals):
            file.create_dataset(
                f"H{dimension}",
                data=_sorted(intervals.astype(np.float32)),
                compression="gzip" if len(intervals) else None,
                compression_opts=1 if len(intervals) else None,  # more gains little, costs time
                shuffle=bool(len(intervals)),
            )


def _sorted(intervals: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return intervals by birth, then death."""
    birth, death = intervals.T
    # the usual cases, in which one column decides, are much faster
    if birth.size and (birth == birth[0]).all():
        return np.column_stack([birth, np.sort(death)])
    if death.size and (death == death[0]).all():
        return np.column_stack([np.sort(birth), death])
    order = np.lexsort((death, birth))
    return np.ascontiguousarray(intervals[order])


def read_diagram(path: str | os.PathLike[str]) -> Diagram:
    """Read and check a diagram file; the intervals come as float64.

    Raises
    ------
    NetkinError
        For a file that is not a diagram file, for more than `MOST_DIMENSIONS` or another engine
        than netkin's, and for intervals of another shape, with NaN, an infinite birth, a death
        before the birth, or beyond 0 to 1, where the values of a graph are.
    """
    result: list[NDArray[np.float64]] = []
    # the registry imports the engines, which import this module
    from netkin.diagram import ENGINES

    with storage.open_layout(path, "diagram") as file:
        if f"H{MOST_DIMENSIONS}" in file:
            raise NetkinError(f"{path}: it has more than {MOST_DIMENSIONS} dimensions.")
        while f"H{len(result)}" in file:
            name = f"H{len(result)}"
            intervals = file[name][:].astype(np.float64)
            if intervals.ndim != 2 or intervals.shape[1] != 2:
                raise NetkinError(f"{path}: /{name} has shape {intervals.shape}, expected (k, 2).")
            birth, death = intervals.T
            if not (np.isfinite(birth) & (birth <= death)).all() or birth.min(initial=0) < 0:
                raise NetkinError(
                    f"{path}: /{name} holds an interval without finite birth <= death, from 0 on."
                )
            latest = max(birth.max(initial=0), death[death < np.inf].max(initial=0))
            if latest > 1:
                raise NetkinError(
                    f"{path}: /{name} holds a birth or death at {latest:g}; allowed is 0 to 1, as "
                    "the values of a graph are, and no death (inf)."
                )
            result.append(intervals)
        engine = file.attrs.get("engine")
    if not result:
        raise NetkinError(f"{path}: the dataset '/H0' of a diagram is missing.")
    if engine not in ENGINES:
        raise NetkinError(f"{path}: its engine is {shown(engine)}, allowed: {', '.join(ENGINES)}.")
    return Diagram(tuple(result))
