"""The files of distances and of their summaries. Needs no other stage."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from netkin import storage
from netkin.cost import Cost
from netkin.distance.reasons import Reasons
from netkin.errors import NetkinError, did_you_mean, require_choice, shown
from netkin.finite import is_finite

if TYPE_CHECKING:
    from netkin.distance.measure import Measure


@dataclass(frozen=True, eq=False)
class Distances:
    """A matrix of distances and what it is about.

    Attributes
    ----------
    matrix : float64 array of shape (n, n)
        Entry (i, j) is the distance of network i and network j, NaN where undefined.
    networks : tuple of str
        The names of the networks, in the order of rows and columns.
    reasons : Reasons
        (i, j) -> why the entry is NaN.
    measure, family, orientation : str
        See `netkin.distance.measure.Measure`.
    seconds, peak_mib : float
        What the matrix cost: processor time, and the largest memory of the process meanwhile,
        the networks included. Decompositions that several measures share are paid for by the
        first that asks. NaN where it was not measured.
    null : dict of str to float64 array of shape (n, n)
        ``mean``, ``calibrated`` and ``p_value`` as in
        `netkin.distance.representational.null.Null`, NaN where undefined; ``low`` and ``high``,
        the bootstrap interval. Without what the study did not ask for.
    permutations : int
        How many the null rests on.
    """

    matrix: NDArray[np.float64]
    networks: tuple[str, ...]
    reasons: Reasons
    measure: str
    family: str
    orientation: str
    seconds: float = np.nan
    peak_mib: float = np.nan
    null: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    permutations: int = 0


def write_reasons(
    file: h5py.Group, name: str, shape: tuple[int, ...], reasons: Mapping[tuple[int, int], str]
) -> None:
    """Write why entries of a matrix are undefined: text, "" where defined; nothing if all are."""
    if reasons:
        table = np.full(shape, "", dtype=object)
        for place, reason in reasons.items():
            table[place] = reason
        file.create_dataset(name, data=table, dtype=h5py.string_dtype())


def read_reasons(
    path: str | os.PathLike[str], file: h5py.Group, name: str, values: NDArray[np.float64]
) -> dict[tuple[int, int], str]:
    """Return (i, j) -> why the entry of `values` is undefined, as `write_reasons` wrote it."""
    table = file[name].asstr()[:] if name in file else np.full(values.shape, "", dtype=object)
    given = table.astype(bool)
    if np.isfinite(values[given]).any():
        raise NetkinError(f"{path}: /{name} gives a reason for an entry that has a value.")
    if np.isnan(values[~given]).any():
        i, j = np.argwhere(np.isnan(values) & ~given)[0]
        raise NetkinError(
            f"{path}: entry ({i}, {j}) is undefined, but /{name} has no reason for it."
        )
    return {(int(i), int(j)): str(table[i, j]) for i, j in np.argwhere(given)}


def put_reasons(group: h5py.Group, reasons: Reasons) -> None:
    """Write why entries of a matrix are undefined, nothing if all are defined.

    Datasets ``/reason_text`` (text, each reason once) and ``/reason_code`` (int32, of the
    matrix's shape): 0 where defined, else 1 + the place of the reason.
    """
    if reasons:
        group.create_dataset(
            "reason_code",
            data=reasons.codes,
            compression="gzip",
            compression_opts=1,
            shuffle=True,
            chunks=tuple(min(length, 1024) for length in reasons.codes.shape),
        )
        group.create_dataset("reason_text", data=reasons.texts, dtype=h5py.string_dtype())


def get_reasons(
    path: str | os.PathLike[str], group: h5py.Group, values: NDArray[np.float64]
) -> Reasons:
    """Return why entries of `values` are undefined, as `put_reasons` wrote it.

    Raises
    ------
    NetkinError
        A code stands for no reason, an entry that has a value has one, or one without has none.
    """
    if ("reason_code" in group) != ("reason_text" in group):
        raise NetkinError(f"{path}: /reason_code and /reason_text go together, but one is missing.")
    if "reason_code" not in group:
        # as files of an older netkin, a text for each entry
        return Reasons.of(values.shape, read_reasons(path, group, "reason", values))
    texts = [str(text) for text in group["reason_text"].asstr()[:]]
    try:
        found = Reasons.of_codes(group["reason_code"][:], texts)
    except ValueError:
        raise NetkinError(f"{path}: /reason_code holds a code that stands for no reason.") from None
    if not all(texts):
        raise NetkinError(f"{path}: /reason_text holds a reason without words.")
    given = found.codes > 0
    if not np.array_equal(given, np.isnan(values)):
        i, j = np.argwhere(given != np.isnan(values))[0]
        what = (
            "has a value and a reason to have none" if given[i, j] else "is undefined without one"
        )
        raise NetkinError(f"{path}: /reason_code does not fit: entry ({i}, {j}) {what}.")
    return found


@dataclass(frozen=True, eq=False)
class Block:
    """The distances of some networks from others, a part of a matrix.

    Attributes
    ----------
    values : float64 array of shape (n, m)
        NaN where undefined.
    reasons : Reasons
        (i, j) -> why the entry is NaN.
    networks, others : tuple of str
        The names of the rows and of the columns.
    cost : Cost
        What it cost.
    """

    values: NDArray[np.float64]
    reasons: Reasons
    networks: tuple[str, ...]
    others: tuple[str, ...]
    cost: Cost


def read_block(path: str | os.PathLike[str]) -> Block:
    """Read a block of one measure: ``FILE::MEASURE``.

    Raises
    ------
    NetkinError
        For a file that is not one of blocks or lacks a part, and for values that the measure
        cannot have.
    """
    with storage.open_layout(path, "distance_block") as file:
        for name in ("matrix", "networks", "others"):
            if name not in file:
                raise NetkinError(f"{path}: the dataset '/{name}' of a block is missing.")
        values = file["matrix"][:]
        rows, columns = (
            tuple(str(one) for one in file[name].asstr()[:]) for name in ("networks", "others")
        )
        cost = Cost(float(file.attrs["seconds"]), float(file.attrs["peak_mib"]))
        found = Block(values, get_reasons(path, file, values), rows, columns, cost)
        about = [str(file.attrs[name]) for name in ("measure", "family", "orientation")]
    measure = known_measure(path, *about)
    check_values(path, "matrix", values, about[0], square=rows == columns)
    if rows == columns:
        check_self_distances(path, "matrix", values, measure)
    return found


def read_distances(path: str | os.PathLike[str]) -> Distances:
    """Read the distances of one measure: ``FILE::MEASURE``, or a file of one.

    Raises
    ------
    NetkinError
        For a file that is not a distance file or lacks a part of one, and for values that the
        measure cannot have.
    """
    with storage.open_layout(path, "distance") as file:
        for name in ("matrix", "networks"):
            if name not in file:
                raise NetkinError(f"{path}: the dataset '/{name}' of distances is missing.")
        matrix = file["matrix"][:]
        found = Distances(
            matrix=matrix,
            networks=tuple(str(name) for name in file["networks"].asstr()[:]),
            reasons=get_reasons(path, file, matrix),
            measure=str(file.attrs["measure"]),
            family=str(file.attrs["family"]),
            orientation=str(file.attrs["orientation"]),
            seconds=float(file.attrs.get("seconds", np.nan)),
            peak_mib=float(file.attrs.get("peak_mib", np.nan)),
            null=_read_null(path, file),
            permutations=int(file.attrs.get("permutations", 0)),
        )
    measure = known_measure(path, found.measure, found.family, found.orientation)
    check_values(path, "matrix", found.matrix, found.measure)
    check_self_distances(path, "matrix", found.matrix, measure)
    for name, value in (("seconds", found.seconds), ("peak_mib", found.peak_mib)):
        if value < 0 or np.isinf(value):
            raise NetkinError(f"{path}: the attribute '{name}' is {value}; allowed is 0 or more.")
    if not 0 <= found.permutations <= MOST_REPETITIONS:
        raise NetkinError(
            f"{path}: the attribute 'permutations' is {found.permutations}; allowed is 0 to "
            f"{MOST_REPETITIONS:,}."
        )
    unfounded = OF_PERMUTATIONS & set(found.null)
    if unfounded and not found.permutations:
        raise NetkinError(
            f"{path}: /null/{min(unfounded)} rests on permutations, but the attribute "
            "'permutations' is 0."
        )
    return found


SLACK = 1e-6
"""How far values may be beyond the range of their measure, for rounding; of the distance of a
network and itself the share of the largest distance."""
MOST_SEEDS = 10_000
"""Seeds of a study, at most."""
MOST_REPETITIONS = 100_000
"""Permutations, or resamples, of a pair, at most."""
OF_PERMUTATIONS = frozenset({"mean", "calibrated", "p_value"})
"""Parts of a null that rest on permutations; the others on resamples."""


def known_measure(
    path: str | os.PathLike[str], name: str, family: str | None, orientation: str
) -> "Measure":
    """Return the registered measure that a file is about.

    Parameters
    ----------
    path : path
        The file.
    name, family, orientation : str
        What it says of the measure; no family where the layout has none.

    Raises
    ------
    NetkinError
        There is no such measure, or it has another family or orientation.
    """
    # the registry imports modules that read files
    from netkin.distance import MEASURES

    if name not in MEASURES:
        raise NetkinError(
            f"{path}: it is about the measure {shown(name)}, which this netkin does not know."
            f"{did_you_mean(name, MEASURES)}"
        )
    measure = MEASURES[name]
    found = {"orientation": orientation} | ({} if family is None else {"family": family})
    for what, value in found.items():
        if value != getattr(measure, what):
            raise NetkinError(
                f"{path}: the {what} of '{name}' is {shown(value)}, allowed: "
                f"{getattr(measure, what)}."
            )
    return measure


def check_self_distances(
    path: str | os.PathLike[str], name: str, values: NDArray[np.float64], measure: "Measure"
) -> None:
    """Check that a metric is 0 between a network and itself, as far as it is defined."""
    if not measure.metric:
        return
    own = np.nanmax(np.diagonal(values), initial=0.0)
    if own > SLACK * np.nanmax(values, initial=0.0):
        raise NetkinError(
            f"{path}: /{name} holds {own:g} for a network and itself, where a metric is 0."
        )


def check_values(
    path: str | os.PathLike[str],
    name: str,
    values: NDArray[np.float64],
    measure: str,
    *,
    square: bool = True,
) -> None:
    """Check that values that were read can be those of a measure.

    Parameters
    ----------
    path : path
        The file they come from.
    name : str
        Their dataset.
    values : float64 array of shape (n, m)
        NaN where undefined.
    measure : str
        A key of `netkin.distance.MEASURES`.
    square : bool
        Whether rows and columns are the same networks.

    Raises
    ------
    NetkinError
        An infinite value, one outside of the range of the measure, or a matrix of a symmetric
        measure that is not symmetric.
    """
    # the registry imports modules that read files
    from netkin.distance import MEASURES

    entry = MEASURES[measure]
    low, high = entry.range
    known = values[~np.isnan(values)]
    if not is_finite(known):
        raise NetkinError(f"{path}: /{name} holds an infinite value.")
    if known.size and (known.min() < low - SLACK or known.max() > high + SLACK):
        raise NetkinError(
            f"{path}: /{name} holds {known.min():g} to {known.max():g}, but '{measure}' is "
            f"{low:g} to {high:g}."
        )
    if square and entry.symmetric:
        check_symmetric(path, name, values, measure)


def check_symmetric(
    path: str | os.PathLike[str], name: str, values: NDArray[np.float64], measure: str
) -> None:
    """Check that a matrix of a symmetric measure is symmetric, bit by bit."""
    if not np.array_equal(values, values.T, equal_nan=True):
        raise NetkinError(
            f"{path}: /{name} is not symmetric, which '{measure}' is by its definition."
        )


def _read_null(path: str | os.PathLike[str], file: h5py.Group) -> dict[str, NDArray[np.float64]]:
    # the registry imports modules that read files
    from netkin.distance import MEASURES

    measure = str(file.attrs["measure"])
    parts = {str(name): values[:] for name, values in file.get("null", {}).items()}
    chances = parts.get("p_value", np.empty(0))
    if (chances < 0).any() or (chances > 1).any():
        raise NetkinError(f"{path}: /null/p_value holds what is no probability.")
    for name, values in parts.items():
        if np.isinf(values).any():
            raise NetkinError(f"{path}: /null/{name} holds an infinite value.")
        if measure in MEASURES and MEASURES[measure].symmetric:
            check_symmetric(path, f"null/{name}", values, measure)
    if ("low" in parts) != ("high" in parts):
        raise NetkinError(f"{path}: /null/low and /null/high go together, but one is missing.")
    if "low" in parts:
        low, high = parts["low"], parts["high"]
        # by rounding they may change places where they are the same
        if (
            not np.array_equal(np.isnan(low), np.isnan(high))
            or (low > high + SLACK * np.abs(high)).any()
        ):
            raise NetkinError(f"{path}: /null/low is above /null/high, or only one is defined.")
    return parts


@dataclass(frozen=True, eq=False)
class Summary:
    """Distances over several seeds.

    Attributes
    ----------
    mean, standard_deviation : float64 arrays of shape (n, n)
        Over seeds, the deviation of the population; NaN where undefined.
    networks : tuple of str
        The names of the networks, in the order of rows and columns.
    seeds : int
        Number of seeds.
    measure, family, orientation : str
        See `netkin.distance.measure.Measure`.
    null : dict of str to float64 array of shape (n, n)
        The parts of `Distances.null`: the largest p-value over seeds, the mean of the others.
    repeatability : float
        How far one seed lies from the mean of the others, see
        `netkin.table.statistic.repeatability`.
    """

    mean: NDArray[np.float64]
    standard_deviation: NDArray[np.float64]
    networks: tuple[str, ...]
    seeds: int
    measure: str
    family: str
    orientation: str
    null: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    repeatability: float = np.nan

    @property
    def scale(self) -> tuple[float, float]:
        """The mean distances that stand for 0 and 1: of a network and itself, and the largest.

        The first is 0 but for few measures (1 for Rashomon capacity). 1 apart where all means are
        the same.
        """
        own = np.diagonal(self.mean)
        own = own[np.isfinite(own)]
        least = float(own.min()) if own.size else 0.0
        largest = float(self.mean[np.isfinite(self.mean)].max(initial=least))
        return least, largest if largest > least else least + 1.0

    def normalised(
        self, statistic: Literal["mean", "standard_deviation"] = "mean"
    ) -> NDArray[np.float64]:
        """Return a statistic on the `scale` of the distances; the mean is then 0 to 1.

        NaN stays NaN; a similarity (orientation ``up``) has a scale of its own and is returned as
        it is.
        """
        require_choice("statistic", statistic, ("mean", "standard_deviation"))
        values: NDArray[np.float64] = getattr(self, statistic).copy()
        if self.orientation == "up":
            return values
        least, largest = self.scale
        if statistic == "mean":
            values -= least
        return values / (largest - least)

    def unlikeness(self) -> NDArray[np.float64]:
        """Return the mean as a number from 0, alike, to 1, the least alike pair of all.

        Distances as in `normalised`; of similarities what is lacking to the largest, as a share
        of what separates the largest from the least.
        """
        if self.orientation == "down":
            return self.normalised()
        lacking = np.nanmax(self.mean, initial=-np.inf) - self.mean
        largest = lacking[np.isfinite(lacking)].max(initial=0.0)
        shares: NDArray[np.float64] = lacking / largest if largest > 0 else lacking
        return shares


def read_summary(path: str | os.PathLike[str]) -> Summary:
    """Read a summary file.

    Raises
    ------
    NetkinError
        For a file that is not a summary of distances or lacks a part of one, and for values that
        the measure cannot have.
    """
    with storage.open_layout(path, "distance_summary") as file:
        for name in ("mean", "standard_deviation", "networks"):
            if name not in file:
                raise NetkinError(f"{path}: the dataset '/{name}' of a summary is missing.")
        normalised = file["normalised_mean"][:] if "normalised_mean" in file else None
        found = Summary(
            mean=file["mean"][:],
            standard_deviation=file["standard_deviation"][:],
            networks=tuple(str(name) for name in file["networks"].asstr()[:]),
            seeds=int(file.attrs["seeds"]),
            measure=str(file.attrs["measure"]),
            family=str(file.attrs["family"]),
            orientation=str(file.attrs["orientation"]),
            null=_read_null(path, file),
            repeatability=float(file.attrs.get("repeatability", np.nan)),
        )
    if not (np.isnan(found.repeatability) or -1 <= found.repeatability <= 1):
        raise NetkinError(
            f"{path}: the attribute 'repeatability' is {found.repeatability}; allowed is -1 to 1."
        )
    if not 1 <= found.seeds <= MOST_SEEDS:
        raise NetkinError(
            f"{path}: the attribute 'seeds' is {found.seeds}; allowed is 1 to {MOST_SEEDS:,}."
        )
    measure = known_measure(path, found.measure, found.family, found.orientation)
    check_values(path, "mean", found.mean, found.measure)
    check_self_distances(path, "mean", found.mean, measure)
    if not np.array_equal(np.isnan(found.mean), np.isnan(found.standard_deviation)):
        raise NetkinError(f"{path}: /mean and /standard_deviation are defined for different pairs.")
    deviation = found.standard_deviation[~np.isnan(found.standard_deviation)]
    if not is_finite(deviation) or deviation.min(initial=0) < 0:
        raise NetkinError(f"{path}: /standard_deviation holds a negative or infinite value.")
    if measure.symmetric:
        check_symmetric(path, "standard_deviation", found.standard_deviation, found.measure)
    if normalised is not None and not np.allclose(
        normalised, found.normalised(), rtol=1e-9, atol=1e-12, equal_nan=True
    ):
        raise NetkinError(f"{path}: /normalised_mean is not that of /mean.")
    return found
