"""Persistence diagrams and their file."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from netkin import storage
from netkin.errors import Absent, NetkinError, shown

MOST_DIMENSIONS = 11
"""Homology dimensions of a diagram, at most: 0 to 10."""

MOST_CLASSES = 1 << 53
"""Classes of one dimension; up to here whole numbers are exact in float64 too."""
ROWS = 1 << 18
"""Intervals that are written at once, about."""


@dataclass(frozen=True, eq=False, repr=False)
class Diagram:
    """A persistence diagram: intervals, and how many classes have each.

    Attributes
    ----------
    intervals : tuple of float64 arrays of shape (k_d, 2)
        Birth and death of the classes, one array per homology dimension 0, 1, ...; a death
        of ``inf`` is a class that never dies. Sorted by birth, then death; no interval stands
        twice.
    counts : tuple of int64 arrays of shape (k_d,)
        How many classes have each interval, at least 1.

    Raises
    ------
    NetkinError
        Intervals without counts or counts without intervals, or a count below 1.
    """

    intervals: tuple[NDArray[np.float64], ...]
    counts: tuple[NDArray[np.int64], ...]

    def __repr__(self) -> str:
        """Tell how many classes each dimension has, not where they lie."""
        return f"<netkin Diagram: {', '.join(map(str, self.n_classes()))} classes>"

    def __post_init__(self) -> None:
        """Check that every interval has its count."""
        lengths, counted = (
            [len(part) for part in parts] for parts in (self.intervals, self.counts)
        )
        if lengths != counted or any(part.min(initial=1) < 1 for part in self.counts):
            raise NetkinError(
                f"a diagram of {lengths} intervals and {counted} counts; every interval has one, "
                "of at least 1."
            )

    @classmethod
    def from_intervals(
        cls, intervals: Sequence[ArrayLike], counts: Sequence[ArrayLike] | None = None
    ) -> "Diagram":
        """Return the diagram of intervals in any order, of which some may be equal.

        Parameters
        ----------
        intervals : sequence of arrays of shape (k, 2)
            One per homology dimension.
        counts : sequence of int arrays of shape (k,), optional
            How often each of them occurs; once by default.
        """
        rows = [np.asarray(part, dtype=np.float64).reshape(-1, 2) for part in intervals]
        if counts is None:
            counts = [np.ones(len(part), dtype=np.int64) for part in rows]
        merged = [
            _merge(part, np.asarray(count, dtype=np.int64))
            for part, count in zip(rows, counts, strict=True)
        ]
        return cls(tuple(part for part, _ in merged), tuple(count for _, count in merged))

    def expanded(self) -> tuple[NDArray[np.float64], ...]:
        """Return the intervals with repetitions, a row for each class: for small diagrams."""
        return tuple(
            np.repeat(part, count, axis=0)
            for part, count in zip(self.intervals, self.counts, strict=True)
        )

    def n_classes(self) -> tuple[int, ...]:
        """Return the number of classes of each dimension."""
        return tuple(int(count.sum()) for count in self.counts)


def _merge(
    intervals: NDArray[Any], counts: NDArray[np.int64]
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return intervals by birth, then death, each once and with the sum of its counts."""
    if _ascend(intervals):
        return intervals, counts
    birth, death = intervals.T
    # the usual cases, in which one column decides, are faster
    if (birth == birth[0]).all():
        order = np.argsort(death, kind="stable")
    elif (death == death[0]).all():
        order = np.argsort(birth, kind="stable")
    else:
        order = np.lexsort((death, birth))
    intervals = intervals[order]
    new = np.ones(len(intervals), dtype=bool)
    new[1:] = (intervals[1:] != intervals[:-1]).any(axis=1)
    first = np.flatnonzero(new)
    return intervals[first], np.add.reduceat(counts[order], first)


def _ascend(intervals: NDArray[Any]) -> bool:
    """Tell whether intervals are sorted by birth, then death, and none stands twice."""
    birth, death = intervals.T
    later = birth[:-1] < birth[1:]
    later |= (birth[:-1] == birth[1:]) & (death[:-1] < death[1:])
    return bool(later.all())


def write_diagram(
    path: str | os.PathLike[str],
    diagram: Diagram,
    *,
    engine: str,
    theorem: str = "",
    parameters: Mapping[str, Any] | None = None,
    code: str = "",
    inputs: Iterable[str | os.PathLike[str]] = (),
) -> None:
    """Write the diagram of one network as HDF5, layout ``diagram``; see `put_diagram`.

    `parameters`, `code` and `inputs` are recorded as in `netkin.storage.create`.
    """
    with storage.create(
        path, "diagram", parameters=parameters or {}, code=code, inputs=inputs
    ) as file:
        put_diagram(storage.member(file), diagram, engine=engine, theorem=theorem)


def put_diagram(group: h5py.Group, diagram: Diagram, *, engine: str, theorem: str = "") -> None:
    """Write a diagram into a group of an open HDF5 file.

    Datasets ``/H0``, ``/H1``, ... of shape (k, 2), float32 since engines compute in float32:
    birth and death, ``inf`` for a class that never dies, sorted by birth, then death, each
    once; ``/H0_count``, ... of shape (k,), signed integers as short as they can be: how many
    classes have the interval. Equal diagrams give equal files. Attributes ``engine`` and, where it
    is known, ``theorem``: what made the computation short.
    """
    group.attrs["engine"] = engine
    if theorem:
        group.attrs["theorem"] = theorem
    for dimension, part in enumerate(zip(diagram.intervals, diagram.counts, strict=True)):
        intervals, counts = part
        if not _ascend_as_float32(intervals):  # what differed may be equal in float32
            intervals, counts = _merge(intervals.astype(np.float32), counts)
        _put_packed(group, f"H{dimension}", intervals, np.dtype(np.float32))
        # the shortest signed type that holds them
        shortest = np.min_scalar_type(-1 - int(counts.max(initial=1)))
        _put_packed(group, f"H{dimension}_count", counts, shortest)


def _ascend_as_float32(intervals: NDArray[Any]) -> bool:
    """Tell whether intervals that are rounded to float32 still ascend; without a copy of all."""
    return all(
        _ascend(intervals[row : row + ROWS + 1].astype(np.float32))
        for row in range(0, len(intervals), ROWS)
    )


def _put_packed(group: h5py.Group, name: str, array: NDArray[Any], dtype: np.dtype[Any]) -> None:
    """Write an array as another type, by pieces of whole chunks: a copy of it may be large."""
    if not len(array):
        group.create_dataset(name, data=array, dtype=dtype)
        return
    dataset = group.create_dataset(
        name,
        array.shape,
        dtype,
        compression="gzip",
        compression_opts=1,  # more gains little and costs time
        shuffle=True,
    )
    rows = -(-ROWS // dataset.chunks[0]) * dataset.chunks[0]
    for row in range(0, len(array), rows):
        dataset[row : row + rows] = array[row : row + rows].astype(dtype)


def read_diagram(path: str | os.PathLike[str]) -> Diagram:
    """Read and check a diagram, of ``FILE::ID`` or of a file of one; see `get_diagram`."""
    with storage.open_layout(path, "diagram") as group:
        return get_diagram(group, path)


def get_diagram(group: h5py.Group, path: str | os.PathLike[str]) -> Diagram:
    """Read and check the diagram in a group of an open file; the intervals come as float64.

    Parameters
    ----------
    group : h5py.Group
        As `put_diagram` writes it.
    path : path
        The file, as an error names it.

    Raises
    ------
    Absent
        There is none; the attribute ``reason`` says why.
    NetkinError
        For more than `MOST_DIMENSIONS` or another engine than netkin's, arrays of another shape,
        intervals with NaN, an infinite birth, a death before the birth, or beyond 0 to 1, where
        the values of a graph are, that stand twice or out of order, and counts below 1 or of all
        too many.
    """
    # the registry imports the engines, which import this module
    from netkin.diagram import ENGINES

    intervals: list[NDArray[np.float64]] = []
    counts: list[NDArray[np.int64]] = []
    above = f"{path}: "
    if "reason" in group.attrs:
        raise Absent(str(group.attrs["reason"]))
    if f"H{MOST_DIMENSIONS}" in group:
        raise NetkinError(f"{path}: it has more than {MOST_DIMENSIONS} dimensions.")
    while f"H{len(intervals)}" in group:
        name = f"H{len(intervals)}"
        part = group[name][:].astype(np.float64)
        if part.ndim != 2 or part.shape[1] != 2:
            raise NetkinError(f"{above}/{name} has shape {part.shape}, expected (k, 2).")
        birth, death = part.T
        if not (np.isfinite(birth) & (birth <= death)).all() or birth.min(initial=0) < 0:
            raise NetkinError(
                f"{above}/{name} holds an interval without finite birth <= death, from 0 on."
            )
        latest = max(birth.max(initial=0), death[death < np.inf].max(initial=0))
        if latest > 1:
            raise NetkinError(
                f"{above}/{name} holds a birth or death at {latest:g}; allowed is 0 to 1, as the "
                "values of a graph are, and no death (inf)."
            )
        if not _ascend(part):
            raise NetkinError(
                f"{above}/{name} holds an interval twice, or intervals that are not sorted by "
                "birth, then death."
            )
        intervals.append(part)
        counts.append(_counts_of(group, f"{name}_count", len(part), above))
    if not intervals:
        raise NetkinError(f"{above}/H0, a dataset of every diagram, is missing.")
    if f"H{len(intervals)}_count" in group:
        raise NetkinError(f"{above}/H{len(intervals)}_count counts intervals that are missing.")
    engine = group.attrs.get("engine")
    if engine not in ENGINES:
        raise NetkinError(f"{path}: its engine is {shown(engine)}, allowed: {', '.join(ENGINES)}.")
    return Diagram(tuple(intervals), tuple(counts))


def _counts_of(group: h5py.Group, name: str, length: int, above: str) -> NDArray[np.int64]:
    if name not in group:
        raise NetkinError(f"{above}/{name}, how often each interval occurs, is missing.")
    counts: NDArray[Any] = group[name][:]
    if counts.shape != (length,) or counts.dtype.kind != "i":
        raise NetkinError(
            f"{above}/{name} has shape {counts.shape} of {counts.dtype}, expected ({length},) of "
            "whole numbers, one for each interval."
        )
    # as floats, whose sum does not wrap
    if counts.min(initial=1) < 1 or counts.sum(dtype=np.float64) > MOST_CLASSES:
        raise NetkinError(
            f"{above}/{name} holds a count below 1, or more than {MOST_CLASSES} in all."
        )
    return counts.astype(np.int64, copy=False)
