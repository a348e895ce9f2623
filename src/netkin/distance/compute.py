"""Stage distance: from the files of several networks to the matrices of their distances."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import h5py
import numpy as np

from netkin import storage
from netkin.distance import MEASURES, SOURCES
from netkin.distance.file import write_reasons
from netkin.distance.matrix import Matrix, distance_matrices
from netkin.distance.measure import Measure
from netkin.errors import NetkinError, allowed

logger = logging.getLogger(__name__)


def compute_distances(
    *,
    measures: Sequence[str],
    input_paths: Sequence[str],
    networks: Sequence[str],
    distance_paths: Sequence[str],
    options: Mapping[str, Mapping[str, Any]],
    reading: Mapping[str, Any] | None = None,
    dataset_path: str | None = None,
    calibration: Mapping[str, Any] | None = None,
    device: str = "auto",
    codes: Mapping[str, str] | None = None,
) -> None:
    """Write the matrix of several networks for each of several measures that compare the same.

    Layout ``distance``: datasets ``/matrix`` (float64, NaN where undefined), ``/networks``
    (text) and, only if something is undefined, ``/reason`` (text, "" where defined); with a
    null ``/null/mean``, ``/null/calibrated`` and ``/null/p_value``, with intervals
    ``/null/low`` and ``/null/high``; attributes ``measure``, ``family``, ``orientation``,
    ``seconds`` and ``peak_mib``. See `netkin.distance.file.Distances`. A file that was kept and
    that these arguments would give again is put back.

    Parameters
    ----------
    measures : sequence of str
        Keys of `netkin.distance.MEASURES` of one `Measure.group`.
    input_paths : sequence of str
        The file of each network of the stage that the measures compare.
    networks : sequence of str
        The names of the networks, in the same order.
    distance_paths : sequence of str
        The file to write for each measure.
    options : mapping
        Measure -> options of its function.
    reading : mapping, optional
        How the files are read: for diagrams the options of
        `netkin.diagram.policy.apply_policy`.
    dataset_path : str, optional
        The data set, for measures that look at its rows too.
    calibration : mapping, optional
        For representational measures ``permutations``, ``resamples`` (either 0 for none),
        ``seed``, ``level`` and ``fewer``: measure -> how many permutations at most, for one
        that takes long and gets no resamples.
    device : {"auto", "cpu", "cuda"}
        Where large matrices of activations are multiplied and decomposed; not recorded.
    codes : mapping, optional
        Measure -> digest of the code, recorded in its file.

    Raises
    ------
    NetkinError
        Unknown measure, an unreadable file, or files that cannot be compared.
    """
    for measure in measures:
        if measure not in MEASURES:
            raise NetkinError(f"unknown measure '{measure}'. {allowed(measure, MEASURES)}")
    if len({MEASURES[measure].group for measure in measures}) != 1:
        raise ValueError(f"{', '.join(measures)} do not compare the same")
    if len(input_paths) != len(networks):
        raise ValueError(f"{len(input_paths)} files for {len(networks)} networks")
    wanted: dict[str, tuple[str, dict[str, Any]]] = {}
    for measure, path in zip(measures, distance_paths, strict=True):
        made_by: dict[str, Any] = {
            "parameters": parameters_of(measure, networks, options, reading, calibration),
            "code": (codes or {}).get(measure, ""),
            "inputs": [*input_paths, *([dataset_path] if dataset_path else [])],
        }
        if not storage.restore(path, "distance", **made_by):
            wanted[measure] = (path, made_by)
    if not wanted:
        return
    entries = {measure: MEASURES[measure] for measure in wanted}
    items = _read(entries, input_paths, dict(reading or {}), dataset_path)
    parameters = {measure: made_by["parameters"] for measure, (_, made_by) in wanted.items()}
    chosen = {measure: found["options"] for measure, found in parameters.items()}
    source = SOURCES[next(iter(entries.values())).needs]
    elsewhere = nullcontext() if source.on_device is None else source.on_device(device)
    with elsewhere:
        matrices = distance_matrices(
            items,
            {name: partial(entry.function, **chosen[name]) for name, entry in entries.items()},
            asymmetric=[name for name, entry in entries.items() if not entry.symmetric],
        )
        _check_finite(matrices, networks, input_paths)
        nulls: Mapping[str, Mapping[str, Any]] = {}
        if source.calibrate is not None:
            nulls = source.calibrate(
                items,
                entries,
                {name: matrix.values for name, matrix in matrices.items()},
                options=chosen,
                how={name: found["calibration"] for name, found in parameters.items()},
            )
    for name, (path, made_by) in wanted.items():
        _write(path, name, matrices[name], nulls.get(name, {}), networks, made_by)


def parameters_of(
    measure: str,
    networks: Sequence[str],
    options: Mapping[str, Mapping[str, Any]],
    reading: Mapping[str, Any] | None,
    calibration: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return what determines the file of one measure; arguments as in `compute_distances`."""
    return {
        "measure": measure,
        "networks": list(networks),
        "options": dict(options.get(measure, {})),
        "reading": dict(reading or {}),
        "calibration": calibration_of(measure, calibration),
    }


def calibration_of(measure: str, wanted: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what is to be found out about the values of a measure, {} for nothing."""
    calibrate = SOURCES[MEASURES[measure].needs].calibrate
    if not wanted or calibrate is None:
        return {}
    chosen = {key: wanted[key] for key in ("permutations", "resamples", "seed", "level")}
    if measure in wanted["fewer"]:
        chosen["permutations"] = min(wanted["fewer"][measure], chosen["permutations"])
        chosen["resamples"] = 0
    # without correspondence of rows every permutation gives the score itself
    if not MEASURES[measure].paired:
        chosen["permutations"] = 0
    if not MEASURES[measure].resampled:
        chosen["resamples"] = 0
    return chosen if chosen["permutations"] or chosen["resamples"] else {}


def _read(
    entries: Mapping[str, Measure],
    paths: Sequence[str],
    reading: dict[str, Any],
    dataset_path: str | None,
) -> list[Any]:
    """Read every item once, for all measures: at most 16 bytes per edge or interval."""
    name, first = next(iter(entries.items()))
    if dataset_path is not None:
        reading["dataset_path"] = dataset_path
    items = [SOURCES[first.needs].read(path, **reading) for path in paths]
    for path, item in zip(paths, items, strict=True):
        if first.needs == "vector" and item.kind != first.vector:
            raise NetkinError(
                f"{path}: holds a vector of kind '{item.kind}', but the measure '{name}' "
                f"compares '{first.vector}'."
            )
    check = SOURCES[first.needs].check
    if check is not None:
        check(items)
    return items


def _check_finite(
    matrices: Mapping[str, Matrix], networks: Sequence[str], paths: Sequence[str]
) -> None:
    for name, matrix in matrices.items():
        for i, j in np.argwhere(~np.isfinite(matrix.values)):
            if (i, j) not in matrix.reasons:
                raise NetkinError(
                    f"the distance '{name}' of {networks[i]} and {networks[j]} is "
                    f"{matrix.values[i, j]}, from {paths[i]} and {paths[j]}: the numbers are too "
                    "large or too small for it; choose diagram.infinity_value, vector.range, "
                    "distance.p and the options of the measure and its vector nearer to 1."
                )


def _write(
    path: str,
    measure: str,
    found: Matrix,
    null: Mapping[str, Any],
    networks: Sequence[str],
    made_by: Mapping[str, Any],
) -> None:
    logger.info(
        "%s: %d networks, %d entries undefined%s, %.2f s",
        measure,
        len(networks),
        len(found.reasons),
        f" (such as: {next(iter(found.reasons.values()))})" if found.reasons else "",
        found.cost.seconds,
    )
    text = h5py.string_dtype()
    entry = MEASURES[measure]
    with storage.create(path, "distance", **made_by, keep=True) as file:
        file.attrs["measure"] = measure
        file.attrs["family"] = entry.family
        file.attrs["orientation"] = entry.orientation
        calibration = made_by["parameters"]["calibration"]
        file.attrs["permutations"] = calibration.get("permutations", 0)
        file.attrs["seconds"] = found.cost.seconds
        file.attrs["peak_mib"] = found.cost.peak_mib
        file["matrix"] = found.values
        file.create_dataset("networks", data=list(networks), dtype=text)
        for part, values in null.items():
            file[f"null/{part}"] = values
        write_reasons(file, "reason", found.values.shape, found.reasons)
