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
from netkin.distance.file import put_reasons, read_block
from netkin.distance.matrix import Matrix, distance_matrices
from netkin.distance.measure import Measure
from netkin.errors import Absent, NetkinError, allowed, shown

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
    NaN where undefined), ``/networks`` (text) and, only if something is undefined,
    ``/reason_code`` and ``/reason_text`` (see `netkin.distance.file.put_reasons`); with a null
    ``/null/mean``, ``/null/calibrated`` and ``/null/p_value``, with intervals ``/null/low`` and
    ``/null/high``; attributes ``measure``, ``family``, ``orientation``,
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
    entries = _entries(measures)
    if len(input_paths) != len(networks):
        raise ValueError(f"{len(input_paths)} files for {len(networks)} networks")
    parameters = parameters_of(measures, networks, input_paths, options, reading, calibration)
    items = _read(entries, networks, input_paths, dict(reading or {}), dataset_path)
    chosen = {measure: found["options"] for measure, found in parameters["measures"].items()}
    how = {measure: found["calibration"] for measure, found in parameters["measures"].items()}
    source = INPUTS[next(iter(entries.values())).needs]
    elsewhere = nullcontext() if source.on_device is None else source.on_device(device)
    with elsewhere:
        matrices = _compared(entries, chosen, items)
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


def compute_block(
    *,
    groups: Sequence[Mapping[str, Any]],
    networks: Sequence[str],
    others: Sequence[str],
    block_path: str,
    options: Mapping[str, Mapping[str, Any]],
    reading: Mapping[str, Any] | None = None,
    code: str = "",
) -> None:
    """Write a block of the matrices that `join_distances` puts together.

    Layout ``distance_block``, a bundle whose members are the measures: datasets ``/matrix``
    (float64 of shape (networks, others), NaN where undefined), ``/networks`` and ``/others``
    (text) and the reasons as in `netkin.distance.file.put_reasons`; attributes ``measure``,
    ``family``, ``orientation``, ``seconds`` and ``peak_mib``.

    Parameters
    ----------
    groups : sequence of mapping
        Of measures that read the same files: ``measures``, keys of `netkin.distance.MEASURES`,
        symmetric ones without a null; ``input_paths`` and ``other_paths``, what they compare of
        each network of the rows and of the columns, as in `compute_distances`.
    networks, others : sequence of str
        The names of the networks of the rows and of the columns; the same, or none in both.
    block_path : str
        The bundle to write.
    options, reading, code
        As in `compute_distances`.

    Raises
    ------
    NetkinError
        As `compute_distances`.
    """
    how = dict(reading or {})
    found: dict[str, Matrix] = {}
    for group in groups:
        entries = _entries(group["measures"])
        for measure, entry in entries.items():
            if not entry.symmetric or INPUTS[entry.needs].calibrate is not None:
                raise ValueError(f"{measure} cannot be computed in blocks")
        paths, other_paths = group["input_paths"], group["other_paths"]
        items = _read(entries, networks, paths, dict(how))
        # the same networks: a block on the diagonal
        same = list(others) == list(networks)
        columns = None if same else _read(entries, others, other_paths, dict(how))
        chosen = {measure: options.get(measure, {}) for measure in entries}
        matrices = _compared(entries, chosen, items, columns)
        _check_finite(matrices, networks, paths, others, other_paths)
        found |= matrices
    with storage.create(
        block_path,
        "distance_block",
        parameters=block_parameters(groups, networks, others, options, how),
        code=code,
        inputs=[
            path
            for which in ("input_paths", "other_paths")
            for group in groups
            for path in group[which]
            if path
        ],
        ids=list(found),
    ) as file:
        for name, matrix in found.items():
            _log(name, matrix)
            place = storage.member(file, name)
            _put_matrix(place, name, matrix)
            for what, names in (("networks", networks), ("others", others)):
                place.create_dataset(what, data=list(names), dtype=h5py.string_dtype())


def join_distances(
    *,
    measures: Sequence[str],
    block_paths: Sequence[str],
    networks: Sequence[str],
    distance_path: str,
    code: str = "",
) -> None:
    """Write the matrices that blocks hold; see `compute_distances` for the layout.

    Parameters
    ----------
    measures : sequence of str
        Some of those of the blocks.
    block_paths : sequence of str
        What `compute_block` wrote; each pair of networks stands in one, in either order.
    networks : sequence of str
        The names of all networks, in the order of the matrices.
    distance_path : str
        The bundle to write.
    code : str
        Digest of the code, recorded in the file.

    Raises
    ------
    NetkinError
        A block cannot be read, is about other networks, or a pair stands in none.
    """
    entries = _entries(measures)
    place = {name: i for i, name in enumerate(networks)}
    with storage.create(
        distance_path,
        "distance",
        parameters=joined_parameters(measures, networks),
        code=code,
        inputs=block_paths,
        ids=measures,
    ) as file:
        for name in entries:
            whole = Matrix.empty((len(networks), len(networks)))
            filled = np.zeros(whole.values.shape, bool)
            for path in block_paths:
                block = read_block(storage.address(path, name))
                for strange in {*block.networks, *block.others} - place.keys():
                    raise NetkinError(
                        f"{path}: holds a network {shown(strange)}, which is none here."
                    )
                rows = np.array([place[one] for one in block.networks], np.intp)
                columns = np.array([place[one] for one in block.others], np.intp)
                whole.values[np.ix_(rows, columns)] = block.values
                whole.values[np.ix_(columns, rows)] = block.values.T
                whole.reasons.put(rows, columns, block.reasons)
                whole.reasons.put(columns, rows, block.reasons.turned())
                filled[np.ix_(rows, columns)] = filled[np.ix_(columns, rows)] = True
                whole.cost.seconds += block.cost.seconds
                whole.cost.peak_mib = float(np.fmax(whole.cost.peak_mib, block.cost.peak_mib))
            if not filled.all():
                i, j = np.argwhere(~filled)[0]
                raise NetkinError(
                    f"{distance_path}: no block holds {networks[i]} and {networks[j]}."
                )
            _put(storage.member(file, name), name, whole, {}, networks, 0)


def block_parameters(
    groups: Sequence[Mapping[str, Any]],
    networks: Sequence[str],
    others: Sequence[str],
    options: Mapping[str, Mapping[str, Any]],
    reading: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what determines a block; arguments as in `compute_block`."""
    return {
        "measures": {
            measure: dict(options.get(measure, {}))
            for group in groups
            for measure in group["measures"]
        },
        "networks": list(networks),
        "others": list(others),
        "members": [
            [storage.id_of(path) for path in [*group["input_paths"], *group["other_paths"]]]
            for group in groups
        ],
        "reading": dict(reading),
    }


def joined_parameters(measures: Sequence[str], networks: Sequence[str]) -> dict[str, Any]:
    """Return what determines the file that `join_distances` writes, besides its blocks."""
    return {"measures": list(measures), "networks": list(networks)}


def _entries(measures: Sequence[str]) -> dict[str, Measure]:
    """Return the measures, which must compare the same."""
    for measure in measures:
        if measure not in MEASURES:
            raise NetkinError(f"unknown measure '{measure}'. {allowed(measure, MEASURES)}")
    if len({MEASURES[measure].needs for measure in measures}) != 1:
        raise ValueError(f"{', '.join(measures)} do not compare the same")
    return {measure: MEASURES[measure] for measure in measures}


def _compared(
    entries: Mapping[str, Measure],
    options: Mapping[str, Mapping[str, Any]],
    items: Sequence[Any],
    others: Sequence[Any] | None = None,
) -> dict[str, Matrix]:
    """Return the matrix of each measure."""
    return distance_matrices(
        items,
        {name: partial(entry.function, **options[name]) for name, entry in entries.items()},
        others=others,
        all_pairs={
            name: partial(entry.all_pairs, **options[name])
            for name, entry in entries.items()
            if entry.all_pairs is not None
        },
        asymmetric=[name for name, entry in entries.items() if not entry.symmetric],
    )


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
    dataset_path: str | None = None,
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
    matrices: Mapping[str, Matrix],
    networks: Sequence[str],
    paths: Sequence[str],
    others: Sequence[str] | None = None,
    other_paths: Sequence[str] | None = None,
) -> None:
    columns, column_paths = others or networks, other_paths or paths
    for name, matrix in matrices.items():
        for i, j in np.argwhere(~np.isfinite(matrix.values) & (matrix.reasons.codes == 0)):
            raise NetkinError(
                f"the distance '{name}' of {networks[i]} and {columns[j]} is "
                f"{matrix.values[i, j]}, from {paths[i]} and {column_paths[j]}: the numbers are "
                "too large or too small for it; choose diagram.infinity_value, vector.range, "
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
    _log(measure, found)
    group.attrs["permutations"] = permutations
    _put_matrix(group, measure, found)
    group.create_dataset("networks", data=list(networks), dtype=h5py.string_dtype())
    for part, values in null.items():
        group[f"null/{part}"] = values


def _put_matrix(group: h5py.Group, measure: str, found: Matrix) -> None:
    entry = MEASURES[measure]
    group.attrs["measure"] = measure
    group.attrs["family"] = entry.family
    group.attrs["orientation"] = entry.orientation
    group.attrs["seconds"] = found.cost.seconds
    group.attrs["peak_mib"] = found.cost.peak_mib
    group["matrix"] = found.values
    put_reasons(group, found.reasons)


def _log(measure: str, found: Matrix) -> None:
    logger.info(
        "%s: %d x %d networks, %d entries undefined%s, %.2f s",
        measure,
        *found.values.shape,
        len(found.reasons),
        f" (such as: {found.reasons.texts[0]})" if found.reasons.texts else "",
        found.cost.seconds,
    )
