"""Stage distance: the matrices of several seeds made one."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from netkin import storage
from netkin.distance.matrix import read_distances
from netkin.errors import NetkinError


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
    """

    mean: NDArray[np.float64]
    standard_deviation: NDArray[np.float64]
    networks: tuple[str, ...]
    seeds: int
    measure: str
    family: str
    orientation: str

    def normalised(
        self, statistic: Literal["mean", "standard_deviation"] = "mean"
    ) -> NDArray[np.float64]:
        """Return a statistic as a share of the largest finite mean distance.

        NaN stays NaN; if every mean is 0 the statistic is returned as it is.
        """
        values: NDArray[np.float64] = getattr(self, statistic)
        largest = self.mean[np.isfinite(self.mean)].max(initial=0.0)
        return values / largest if largest > 0 else values.copy()


def summarise_distances(
    *, distance_paths: Sequence[str], summary_path: str, code: str = ""
) -> None:
    """Write mean and deviation of the distance matrices of several seeds.

    Layout ``distance_summary``: datasets ``/mean``, ``/standard_deviation`` (population),
    ``/normalised_mean`` (mean over its largest finite entry) and ``/networks``, attributes
    ``seeds`` (how many), ``measure``, ``family`` and ``orientation``. An entry undefined
    for one seed is NaN.

    Parameters
    ----------
    distance_paths : sequence of str
        One distance file per seed, of the same measure and the same networks.
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
    summary = Summary(
        mean=matrices.mean(axis=0),
        standard_deviation=matrices.std(axis=0),
        networks=first.networks,
        seeds=len(found),
        measure=first.measure,
        family=first.family,
        orientation=first.orientation,
    )
    with storage.create(
        summary_path, "distance_summary", parameters={}, code=code, inputs=distance_paths
    ) as file:
        for name in ("seeds", "measure", "family", "orientation"):
            file.attrs[name] = getattr(summary, name)
        file["mean"] = summary.mean
        file["standard_deviation"] = summary.standard_deviation
        file["normalised_mean"] = summary.normalised("mean")
        file.create_dataset("networks", data=list(summary.networks), dtype=h5py.string_dtype())


def read_summary(path: str | os.PathLike[str]) -> Summary:
    """Read a summary file.

    Raises
    ------
    NetkinError
        For a file that is not a summary of distances, or lacks a part of one.
    """
    with storage.open_layout(path, "distance_summary") as file:
        for name in ("mean", "standard_deviation", "networks"):
            if name not in file:
                raise NetkinError(f"{path}: the dataset '/{name}' of a summary is missing.")
        return Summary(
            mean=file["mean"][:],
            standard_deviation=file["standard_deviation"][:],
            networks=tuple(str(name) for name in file["networks"].asstr()[:]),
            seeds=int(file.attrs["seeds"]),
            measure=str(file.attrs["measure"]),
            family=str(file.attrs["family"]),
            orientation=str(file.attrs["orientation"]),
        )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
