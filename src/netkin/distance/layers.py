"""Two networks layer by layer: every layer of one compared with every layer of the other."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from netkin import storage
from netkin.activation.read import layer_names, read_activation
from netkin.distance import MEASURES
from netkin.distance.compute import calibration_of
from netkin.distance.file import check_values, known_measure, read_reasons, write_reasons
from netkin.distance.matrix import Function
from netkin.distance.representational.algebra import on_device
from netkin.distance.representational.representation import Representation, warn_of_few_rows
from netkin.errors import NetkinError, UndefinedDistance
from netkin.finite import require_finite


@dataclass(frozen=True, eq=False)
class LayerDistances:
    """The layers of a pair of networks, compared by one measure.

    Attributes
    ----------
    matrix : float64 array of shape (layers of a, layers of b)
        NaN where undefined.
    layers_a, layers_b : tuple of str
        Names of the layers, input side first.
    measure, orientation : str
        See `netkin.distance.measure.Measure`.
    reasons : dict
        (i, j) -> why the entry is NaN.
    null : float64 array of the same shape, or None
        Mean over permutations of the rows of one network, see
        `netkin.distance.representational.null.Null`; None where none was asked for.
    """

    matrix: NDArray[np.float64]
    layers_a: tuple[str, ...]
    layers_b: tuple[str, ...]
    measure: str
    orientation: str
    reasons: dict[tuple[int, int], str] = field(default_factory=dict)
    null: NDArray[np.float64] | None = None


def compare_layers(
    *,
    measures: Sequence[str],
    a_path: str,
    b_path: str,
    layers_path: str,
    options: Mapping[str, Mapping[str, Any]],
    calibration: Mapping[str, Any] | None = None,
    device: str = "auto",
    code: str = "",
) -> None:
    """Write how alike the layers of two networks are, layout ``layers``.

    Datasets ``/layers_a`` and ``/layers_b`` (text) and for each measure ``/NAME`` (float64,
    (layers of a, layers of b), NaN where undefined) with the attribute ``orientation``, and
    ``/reason/NAME`` (text, "" where defined) if something is undefined, ``/null/NAME`` (float64)
    if a null is wanted.

    Parameters
    ----------
    measures : sequence of str
        Keys of `netkin.distance.MEASURES` that need activations.
    a_path, b_path : str
        Activations of all layers on the same rows: files, or ``FILE::ID`` of a bundle.
    layers_path : str
        The file to write.
    options : mapping
        Measure -> options of its function.
    calibration, device
        As in `netkin.distance.compute.compute_distances`; of the null only the mean is taken.
    code : str
        Digest of the code, recorded in the file.

    Raises
    ------
    NetkinError
        A file is unreadable, or the files hold different rows.
    """
    paths = (a_path, b_path)
    names = [layer_names(path) for path in paths]
    layers_a, layers_b = (
        [read_activation(path, name) for name in found]
        for path, found in zip(paths, names, strict=True)
    )
    parameters = layer_parameters(measures, paths, options, calibration)
    how = parameters["calibration"]
    functions = {m: partial(MEASURES[m].function, **options[m]) for m in measures}
    with on_device(device):
        warn_of_few_rows([*layers_a, *layers_b])
        found = _matrices(layers_a, layers_b, functions)
        nulls = _null_means(layers_a, layers_b, functions, how)
    text = h5py.string_dtype()
    with storage.create(
        layers_path, "layers", parameters=parameters, code=code, inputs=paths
    ) as file:
        file.create_dataset("layers_a", data=names[0], dtype=text)
        file.create_dataset("layers_b", data=names[1], dtype=text)
        for measure, (matrix, reasons) in found.items():
            file[measure] = matrix
            file[measure].attrs["orientation"] = MEASURES[measure].orientation
            write_reasons(file, f"reason/{measure}", matrix.shape, reasons)
        for measure, mean in nulls.items():
            file[f"null/{measure}"] = mean


def layer_parameters(
    measures: Sequence[str],
    paths: Sequence[str],
    options: Mapping[str, Mapping[str, Any]],
    calibration: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return what determines the file of `compare_layers`, whose arguments these are."""
    return {
        "measures": list(measures),
        "members": [storage.id_of(path) for path in paths],
        "options": {measure: dict(options[measure]) for measure in measures},
        "calibration": {measure: calibration_of(measure, calibration) for measure in measures},
    }


def _matrices(
    layers_a: Sequence[Representation],
    layers_b: Sequence[Representation],
    functions: Mapping[str, Function],
) -> dict[str, tuple[NDArray[np.float64], dict[tuple[int, int], str]]]:
    """Return for each measure its values, and why there is none."""
    shape = len(layers_a), len(layers_b)
    found: dict[str, tuple[NDArray[np.float64], dict[tuple[int, int], str]]]
    found = {measure: (np.full(shape, np.nan), {}) for measure in functions}
    # all measures of a pair before the next, so that they share what they make of it
    for i, one in enumerate(layers_a):
        for j, other in enumerate(layers_b):
            for measure, function in functions.items():
                matrix, reasons = found[measure]
                try:
                    matrix[i, j] = function(one, other)
                except UndefinedDistance as reason:
                    reasons[i, j] = str(reason)
                    continue
                require_finite(matrix[i, j], f"'{measure}' of {one.name} and {other.name}")
    return found


def _null_means(
    layers_a: Sequence[Representation],
    layers_b: Sequence[Representation],
    functions: Mapping[str, Function],
    how: Mapping[str, Mapping[str, Any]],
) -> dict[str, NDArray[np.float64]]:
    """Return the mean over permutations of the rows of b, for the measures that want a null."""
    counts = {measure: how[measure].get("permutations", 0) for measure in functions}
    wanted = [measure for measure, count in counts.items() if count]
    totals = {measure: np.zeros((len(layers_a), len(layers_b))) for measure in wanted}
    if not wanted:
        return totals
    random = np.random.default_rng(how[wanted[0]]["seed"])
    for k in range(max(counts.values())):
        order = random.permutation(layers_b[0].n)
        permuted = [layer.permuted(order) for layer in layers_b]
        asked = {measure: functions[measure] for measure in wanted if k < counts[measure]}
        for measure, (matrix, _) in _matrices(layers_a, permuted, asked).items():
            totals[measure] += matrix
    return {measure: total / counts[measure] for measure, total in totals.items()}


def read_layers(path: str | os.PathLike[str]) -> list[LayerDistances]:
    """Read what `compare_layers` wrote, measure by measure.

    Raises
    ------
    NetkinError
        For a file that is not of this layout or lacks a part, and for values that a measure cannot
        have.
    """
    with storage.open_layout(path, "layers") as file:
        layers_a, layers_b = (tuple(file[name].asstr()[:]) for name in ("layers_a", "layers_b"))
        found = [
            LayerDistances(
                file[name][:],
                layers_a,
                layers_b,
                name,
                str(file[name].attrs["orientation"]),
                read_reasons(path, file, f"reason/{name}", file[name][:]),
                file[f"null/{name}"][:] if f"null/{name}" in file else None,
            )
            for name in file
            if name not in ("layers_a", "layers_b", "reason", "null", storage.ANCESTORS)
        ]
        beside = {
            f"{part}/{name}": name for part in ("reason", "null") for name in file.get(part, ())
        }
    if not found:
        raise NetkinError(f"{path}: it compares layers by no measure.")
    for place, name in beside.items():
        if name not in {one.measure for one in found}:
            raise NetkinError(f"{path}: /{place} is of a measure that is not there, /{name}.")
    for one in found:
        measure = known_measure(path, one.measure, None, one.orientation)
        if measure.needs != "activation":
            raise NetkinError(f"{path}: /{one.measure} is no measure of layers.")
        check_values(path, one.measure, one.matrix, one.measure, square=False)
        if one.null is not None and np.isinf(one.null).any():
            raise NetkinError(f"{path}: /null/{one.measure} holds an infinite value.")
    return found
