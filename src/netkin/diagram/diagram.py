"""Persistence diagrams: their file, and the policy that makes them comparable."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Gt
from numpy.typing import NDArray

from netkin import storage
from netkin.errors import NetkinError

Order = Literal["filter_then_cap", "cap_then_filter"]


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


def apply_policy(
    diagram: Diagram,
    *,
    reduced: bool = True,
    eta: Annotated[float, Ge(0)] = 0.01,
    infinity_value: Annotated[float, Gt(0)] = 1.0,
    order: Order = "filter_then_cap",
) -> Diagram:
    """Drop the intervals that do not count and make the rest finite.

    Parameters
    ----------
    diagram : Diagram
        As an engine gives it.
    reduced : bool
        Reduced homology: leave out one infinite class of dimension 0, the earliest born.
    eta : float
        Intervals of length <= eta are dropped, in units of the filtration.
    infinity_value : float
        Death given to the classes that never die.
    order : {"filter_then_cap", "cap_then_filter"}
        ``filter_then_cap`` keeps every class that never dies, however late it is born;
        ``cap_then_filter`` measures it up to `infinity_value` first.

    Returns
    -------
    Diagram
        Finite intervals only, each with birth < death: what has no length left after
        the capping is trivial.

    Notes
    -----
    ``filter_then_cap`` gives the intervals of giotto-tda's `FlagserPersistence` followed
    by `Filtering` with ``epsilon=eta``, infinite deaths then set to `infinity_value`.
    """
    result = []
    for dimension, intervals in enumerate(diagram.intervals):
        birth, death = intervals.T
        if dimension == 0 and reduced:
            never_dying = np.flatnonzero(np.isinf(death))
            if never_dying.size:
                drop = never_dying[np.argmin(birth[never_dying])]
                birth, death = np.delete(birth, drop), np.delete(death, drop)
        capped = np.where(np.isinf(death), infinity_value, death)
        measured = death if order == "filter_then_cap" else capped
        keep = (measured - birth > eta) & (birth < capped)
        result.append(np.column_stack([birth[keep], capped[keep]]))
    return Diagram(tuple(result))


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
        path, "diagram", parameters=parameters or {}, code=code, inputs=inputs
    ) as file:
        file.attrs["engine"] = engine
        for dimension, intervals in enumerate(diagram.intervals):
            order = np.lexsort((intervals[:, 1], intervals[:, 0]))
            file.create_dataset(
                f"H{dimension}",
                data=intervals[order].astype(np.float32),
                compression="gzip" if len(intervals) else None,
                shuffle=bool(len(intervals)),
            )


def read_diagram(path: str | os.PathLike[str]) -> Diagram:
    """Read and check a diagram file; the intervals come as float64.

    Raises
    ------
    NetkinError
        For a file that is not a diagram file, and for intervals of another shape, with
        NaN, an infinite birth or a death before the birth.
    """
    result: list[NDArray[np.float64]] = []
    with storage.open_layout(path, "diagram") as file:
        while f"H{len(result)}" in file:
            name = f"H{len(result)}"
            intervals = file[name][:].astype(np.float64)
            if intervals.ndim != 2 or intervals.shape[1] != 2:
                raise NetkinError(f"{path}: /{name} has shape {intervals.shape}, expected (k, 2).")
            birth, death = intervals.T
            if not (np.isfinite(birth) & (birth <= death)).all():
                raise NetkinError(
                    f"{path}: /{name} holds an interval without finite birth <= death."
                )
            result.append(intervals)
    if not result:
        raise NetkinError(f"{path}: the dataset '/H0' of a diagram is missing.")
    return Diagram(tuple(result))
