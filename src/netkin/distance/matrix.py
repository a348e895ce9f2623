"""Stage distance: from the files of several networks to the matrix of their distances."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from netkin import storage
from netkin.diagram.diagram import apply_policy, read_diagram
from netkin.distance import MEASURES
from netkin.errors import NetkinError, UndefinedDistance, did_you_mean
from netkin.graph.graph import read_graph
from netkin.vector.vector import read_vector

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Distances:
    """A matrix of distances and what it is about.

    Attributes
    ----------
    matrix : float64 array of shape (n, n)
        Entry (i, j) is the distance of network i and network j, NaN where undefined.
    networks : tuple of str
        The names of the networks, in the order of rows and columns.
    reasons : dict
        (i, j) -> why the entry is NaN.
    measure, family, orientation : str
        See `netkin.distance.measure.Measure`.
    """

    matrix: NDArray[np.float64]
    networks: tuple[str, ...]
    reasons: dict[tuple[int, int], str]
    measure: str
    family: str
    orientation: str


def distance_matrix(
    items: Sequence[Any], function: Callable[[Any, Any], float], *, symmetric: bool = True
) -> tuple[NDArray[np.float64], dict[tuple[int, int], str]]:
    """Compare all pairs of items.

    Parameters
    ----------
    items : sequence
        Whatever `function` compares.
    function : callable
        ``(a, b) -> float``; may raise `UndefinedDistance`.
    symmetric : bool
        Compute each pair once and mirror it.

    Returns
    -------
    matrix : float64 array of shape (n, n)
        NaN where the distance is undefined.
    reasons : dict
        (i, j) -> text of the `UndefinedDistance`, for the entries that are NaN by it.
    """
    n = len(items)
    matrix = np.full((n, n), np.nan)
    reasons: dict[tuple[int, int], str] = {}
    for i in range(n):
        for j in range(i if symmetric else 0, n):
            places = {(i, j), (j, i)} if symmetric else {(i, j)}
            try:
                distance = function(items[i], items[j])
            except UndefinedDistance as reason:
                reasons |= dict.fromkeys(places, str(reason))
            else:
                for place in places:
                    matrix[place] = distance
    return matrix, reasons


def compute_distances(
    *,
    measure: str,
    input_paths: Sequence[str],
    networks: Sequence[str],
    distance_path: str,
    options: Mapping[str, Any],
    code: str = "",
) -> None:
    """Write the matrix of distances of several networks, layout ``distance``.

    Datasets ``/matrix`` (float64, NaN where undefined), ``/networks`` (text) and, only if
    something is undefined, ``/reason`` (text, "" where defined); attributes ``measure``,
    ``family`` and ``orientation``.

    Parameters
    ----------
    measure : str
        A key of `netkin.distance.MEASURES`.
    input_paths : sequence of str
        The file of each network of the stage that the measure needs.
    networks : sequence of str
        The names of the networks, in the same order.
    distance_path : str
        The file to write.
    options : mapping
        Options of the measure's function. For a measure of diagrams also ``policy``, the
        options of `netkin.diagram.diagram.apply_policy`, and ``options``, those of the
        vectoriser.
    code : str
        Digest of the code, recorded in the file.

    Raises
    ------
    NetkinError
        Unknown measure, an unreadable file, or files that cannot be compared.
    """
    if measure not in MEASURES:
        raise NetkinError(
            f"unknown measure '{measure}', allowed: {', '.join(MEASURES)}."
            + did_you_mean(measure, MEASURES)
        )
    if len(input_paths) != len(networks):
        raise ValueError(f"{len(input_paths)} files for {len(networks)} networks")
    entry = MEASURES[measure]
    parameters = {"measure": measure, "networks": list(networks), "options": dict(options)}
    settings = dict(options)
    policy = settings.pop("policy", {})
    settings |= settings.pop("options", {})
    # every item is read once and kept: at most 16 bytes per edge or interval
    items = [_read_item(path, measure, policy) for path in input_paths]
    matrix, reasons = distance_matrix(
        items, partial(entry.function, **settings), symmetric=entry.symmetric
    )
    logger.info("%d networks, %d entries undefined", len(networks), len(reasons))
    text = h5py.string_dtype()
    with storage.create(
        distance_path, "distance", parameters=parameters, code=code, inputs=input_paths
    ) as file:
        file.attrs["measure"] = measure
        file.attrs["family"] = entry.family
        file.attrs["orientation"] = entry.orientation
        file["matrix"] = matrix
        file.create_dataset("networks", data=list(networks), dtype=text)
        if reasons:
            table = np.full(matrix.shape, "", dtype=object)
            for place, reason in reasons.items():
                table[place] = reason
            file.create_dataset("reason", data=table, dtype=text)


def read_distances(path: str | os.PathLike[str]) -> Distances:
    """Read a distance file.

    Raises
    ------
    NetkinError
        For a file that is not a distance file, or lacks a part of one.
    """
    with storage.open_layout(path, "distance") as file:
        for name in ("matrix", "networks"):
            if name not in file:
                raise NetkinError(f"{path}: the dataset '/{name}' of distances is missing.")
        reasons = {}
        if "reason" in file:
            table = file["reason"].asstr()[:]
            reasons = {
                (int(i), int(j)): str(table[i, j]) for i, j in np.argwhere(table.astype(bool))
            }
        return Distances(
            matrix=file["matrix"][:],
            networks=tuple(str(name) for name in file["networks"].asstr()[:]),
            reasons=reasons,
            measure=str(file.attrs["measure"]),
            family=str(file.attrs["family"]),
            orientation=str(file.attrs["orientation"]),
        )


def _read_item(path: str, measure: str, policy: Mapping[str, Any]) -> Any:
    """Read the file of one network as what the measure compares."""
    entry = MEASURES[measure]
    if entry.needs == "vector":
        vector = read_vector(path)
        if vector.kind != entry.vector:
            raise NetkinError(
                f"{path}: holds a vector of kind '{vector.kind}', but the measure '{measure}' "
                f"compares '{entry.vector}'."
            )
        return vector
    if entry.needs == "diagram":
        return apply_policy(read_diagram(path), **policy)
    return read_graph(path)
