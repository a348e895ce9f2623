"""Stage distance: from the files of several networks to the matrices of their distances."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import h5py
import numpy as np

from netkin import storage
from netkin.distance import INPUTS, MEASURES
from netkin.distance.file import write_reasons
from netkin.distance.matrix import Matrix, distance_matrices
from netkin.distance.measure import Measure
from netkin.errors import Absent, NetkinError, allowed

logger = logging.getLogger(__name__)


def compute_distances(
    *,
    measures: Sequence[str],
    input_paths: Sequence[str],
    networks: Sequence[str],
    distance_path: str,
    options: Mapping[str, Mapping[str, Any]],
    reading: Mapping[str, Any] | None = None,
    dataset_path: str | None = None,
    calibration: Mapping[str, Any] | None = None,
    device: str = "auto",
    code: str = "",
) -> None:
    """Write the matrix of several networks for each of several measures that compare the same.

    Layout ``distance``, a bundle whose members are the measures: datasets ``/matrix`` (float64,
    NaN where undefined), ``/networks`` (text) and, only if something is undefined, ``/reason``
    (text, "" where defined); with a null ``/null/mean``, ``/null/calibrated`` and
    ``/null/p_value``, with intervals
    ``/null/low`` and ``/null/high``; attributes ``measure``, ``family``, ``orientation``,
    ``seconds`` and ``peak_mib``. See `netkin.distance.file.Distances`.

    Parameters
    ----------
    measures : sequence of str
        Keys of `netkin.distance.MEASURES` that need the same.
    input_paths : sequence of str
        What the measures compare, of each network: a file, or ``FILE::ID`` of a bundle; "" for a
        network that is not there at this replicate, whose distances are NaN.
    networks : sequence of str
        The names of the networks, in the same order.
    distance_path : str
        The bundle to write.
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
    code : str
        Digest of the code, recorded in the file.

    Raises
    ------
    NetkinError
        Unknown measure, an unreadable file, or files that cannot be compared.
    """
    for measure in measures:
        if measure not in MEASURES:
            raise NetkinError(f"unknown measure '{measure}'. {allowed(measure, MEASURES)}")
    if len({MEASURES[measure].needs for measure in measures}) != 1:
        raise ValueError(f"{', '.join(measures)} do not compare the same")
    if len(input_paths) != len(networks):
        raise ValueError(f"{len(input_paths)} files for {len(networks)} networks")
    parameters = parameters_of(measures, networks, input_paths, options, reading, calibration)
    entries = {measure: MEASURES[measure] for measure in measures}
    items = _read(entries, networks, input_paths, dict(reading or {}), dataset_path)
    chosen = {measure: found["options"] for measure, found in parameters["measures"].items()}
    how = {measure: found["calibration"] for measure, found in parameters["measures"].items()}
    source = INPUTS[next(iter(entries.values())).needs]
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
                how=how,
            )
    with storage.create(
        distance_path,
        "distance",
        parameters=parameters,
        code=code,
        inputs=[*filter(None, input_paths), *([dataset_path] if dataset_path else [])],
        ids=measures,
    ) as file:
        for name, matrix in matrices.items():
            permutations = how[name].get("permutations", 0)
            group = storage.member(file, name)
            _put(group, name, matrix, nulls.get(name, {}), networks, permutations)


def parameters_of(
    measures: Sequence[str],
    networks: Sequence[str],
    input_paths: Sequence[str],
    options: Mapping[str, Mapping[str, Any]],
    reading: Mapping[str, Any] | None,
    calibration: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return what determines the file of measures; arguments as in `compute_distances`."""
    return {
        "measures": {
            measure: {
                "options": dict(options.get(measure, {})),
                "calibration": calibration_of(measure, calibration),
            }
            for measure in measures
        },
        "networks": list(networks),
        # which of a bundle's members stand under these names
        "members": [storage.id_of(path) for path in input_paths],
        "reading": dict(reading or {}),
    }


def calibration_of(measure: str, wanted: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what is to be found out about the values of a measure, {} for nothing."""
    calibrate = INPUTS[MEASURES[measure].needs].calibrate
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


def _read_one(read: Callable[..., Any], network: str, path: str, reading: Mapping[str, Any]) -> Any:
    """Return an item, or why there is none."""
    if not path:
        return Absent(f"{network} is not there at this replicate")
    try:
        return read(path, **reading)
    except Absent as reason:
        return Absent(f"{network}: {reason}")


def _read(
    entries: Mapping[str, Measure],
    networks: Sequence[str],
    paths: Sequence[str],
    reading: dict[str, Any],
    dataset_path: str | None,
) -> list[Any]:
    """Read every item once, for all measures: at most 16 bytes per edge or interval."""
    name, first = next(iter(entries.items()))
    if dataset_path is not None:
        reading["dataset_path"] = dataset_path
    items = [
        _read_one(INPUTS[first.needs].read, network, path, reading)
        for network, path in zip(networks, paths, strict=True)
    ]
    for path, item in zip(paths, items, strict=True):
        if isinstance(item, Absent):
            continue
        if first.needs == "vector" and item.kind != first.vector:
            raise NetkinError(
                f"{path}: holds a vector of kind '{item.kind}', but the measure '{name}' "
                f"compares '{first.vector}'."
            )
    check = INPUTS[first.needs].check
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


def _put(
    group: h5py.Group,
    measure: str,
    found: Matrix,
    null: Mapping[str, Any],
    networks: Sequence[str],
    permutations: int,
) -> None:
    logger.info(
        "%s: %d networks, %d entries undefined%s, %.2f s",
        measure,
        len(networks),
        len(found.reasons),
        f" (such as: {next(iter(found.reasons.values()))})" if found.reasons else "",
        found.cost.seconds,
    )
    entry = MEASURES[measure]
    group.attrs["measure"] = measure
    group.attrs["family"] = entry.family
    group.attrs["orientation"] = entry.orientation
    group.attrs["permutations"] = permutations
    group.attrs["seconds"] = found.cost.seconds
    group.attrs["peak_mib"] = found.cost.peak_mib
    group["matrix"] = found.values
    group.create_dataset("networks", data=list(networks), dtype=h5py.string_dtype())
    for part, values in null.items():
        group[f"null/{part}"] = values
    write_reasons(group, "reason", found.values.shape, found.reasons)
