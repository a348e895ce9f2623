"""Stage distance: the matrices of several seeds made one."""

from collections.abc import Sequence

import h5py
import numpy as np
from numpy.typing import NDArray

from netkin import storage
from netkin.distance.file import Summary, read_distances
from netkin.errors import NetkinError
from netkin.table.statistic import repeatability


def summarise_distances(
    *, distance_paths: Sequence[str], summary_path: str, code: str = ""
) -> None:
    """Write mean and deviation of the distance matrices of several seeds.

    Layout ``distance_summary``: datasets ``/mean``, ``/standard_deviation`` (population),
    ``/normalised_mean`` (see `Summary.normalised`) and ``/networks``, attributes
    ``seeds`` (how many), ``repeatability``, ``measure``, ``family`` and ``orientation``; below
    ``/null`` the largest ``p_value`` over seeds and the mean of the other parts. An entry
    undefined for one seed is NaN; only a network whose distance from itself is undefined at a
    replicate, as of one that is not there, does not count at that replicate.

    Parameters
    ----------
    distance_paths : sequence of str
        ``FILE::MEASURE`` of each replicate, of the same measure and the same networks.
    summary_path : str
        The file to write.
    code : str
        Digest of the code, recorded in the file.

    Raises
    ------
    NetkinError
        An unreadable file, or files of different measures or networks.
    """
    found = [read_distances(path) for path in distance_paths]
    if not found:
        raise NetkinError(f"{summary_path}: there are no distances to summarise.")
    first = found[0]
    for path, other in zip(distance_paths, found, strict=True):
        for what in ("measure", "networks"):
            if getattr(other, what) != getattr(first, what):
                raise NetkinError(
                    f"{path}: its {what} differ from those of {distance_paths[0]}: "
                    f"{_short(getattr(other, what))} and {_short(getattr(first, what))}."
                )
    matrices = np.stack([one.matrix for one in found])
    there = np.isfinite(np.diagonal(matrices, axis1=1, axis2=2))
    count = there[:, :, None] & there[:, None, :]
    summary = Summary(
        mean=_mean(matrices, count),
        standard_deviation=np.sqrt(_mean((matrices - _mean(matrices, count)) ** 2, count)),
        networks=first.networks,
        seeds=len(found),
        measure=first.measure,
        family=first.family,
        orientation=first.orientation,
        null={
            part: _over_seeds(part, np.stack([one.null[part] for one in found]), count)
            for part in first.null
            if all(part in one.null for one in found)
        },
        repeatability=repeatability(list(matrices)),
    )
    with storage.create(
        summary_path,
        "distance_summary",
        parameters={"measure": first.measure},
        code=code,
        inputs=distance_paths,
    ) as file:
        for name in ("seeds", "repeatability", "measure", "family", "orientation"):
            file.attrs[name] = getattr(summary, name)
        file["mean"] = summary.mean
        file["standard_deviation"] = summary.standard_deviation
        file["normalised_mean"] = summary.normalised("mean")
        file.create_dataset("networks", data=list(summary.networks), dtype=h5py.string_dtype())
        for part, values in summary.null.items():
            file[f"null/{part}"] = values


def _mean(matrices: NDArray[np.float64], count: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the mean over the replicates that count, NaN where none does."""
    with np.errstate(invalid="ignore"):
        mean: NDArray[np.float64] = np.where(count, matrices, 0).sum(axis=0) / count.sum(axis=0)
    return mean


def _over_seeds(
    part: str, matrices: NDArray[np.float64], count: NDArray[np.bool_]
) -> NDArray[np.float64]:
    if part != "p_value":
        return _mean(matrices, count)
    largest: NDArray[np.float64] = np.where(count, matrices, -np.inf).max(axis=0)
    largest[~count.any(axis=0)] = np.nan
    return largest


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
