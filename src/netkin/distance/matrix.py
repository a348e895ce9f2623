"""Stage distance: from the files of several networks to the matrix of their distances."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from netkin import storage
from netkin.distance import MEASURES, SOURCES
from netkin.errors import NetkinError, UndefinedDistance, did_you_mean

logger = logging.getLogger(__name__)


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
    reading: Mapping[str, Any] | None = None,
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
        Options of the measure's function.
    reading : mapping, optional
        How the files are read: for diagrams the options of
        `netkin.diagram.policy.apply_policy`.
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
    parameters = {
        "measure": measure,
        "networks": list(networks),
        "options": dict(options),
        "reading": dict(reading or {}),
    }
    # every item is read once and kept: at most 16 bytes per edge or interval
    items = [SOURCES[entry.needs].read(path, **(reading or {})) for path in input_paths]
    for path, item in zip(input_paths, items, strict=True):
        if entry.needs == "vector" and item.kind != entry.vector:
            raise NetkinError(
                f"{path}: holds a vector of kind '{item.kind}', but the measure '{measure}' "
                f"compares '{entry.vector}'."
            )
    matrix, reasons = distance_matrix(
        items, partial(entry.function, **options), symmetric=entry.symmetric
    )
    for i, j in np.argwhere(~np.isfinite(matrix)):
        if (i, j) not in reasons:
            raise NetkinError(
                f"the distance '{measure}' of {networks[i]} and {networks[j]} is {matrix[i, j]}, "
                f"from {input_paths[i]} and {input_paths[j]}; this is a defect of netkin."
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
