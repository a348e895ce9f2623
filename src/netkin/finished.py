"""The results of a finished run of the workflow, as a table."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from netkin import storage
from netkin.distance.file import Distances, read_distances
from netkin.errors import NetkinError, shown

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    *("comparison", "replicate", "network_a", "network_b", "measure", "family", "orientation"),
    *("value", "null_mean", "calibrated", "p_value", "low", "high", "reason", "seconds"),
)
_OF_NULL = {"null_mean": "mean"} | {name: name for name in ("calibrated", "p_value", "low", "high")}


def results(folder: str | os.PathLike[str] = "results") -> "pd.DataFrame":
    """Return every distance of a finished run as a tidy table.

    Parameters
    ----------
    folder : path
        The folder ``results`` of the run, or the one that holds it.

    Returns
    -------
    DataFrame
        A row for each pair of networks, measure, comparison and replicate; both orders of a pair
        where a measure is not symmetric. Value, the null and the interval are NaN where there is
        none, ``reason`` says why a value is; ``seconds`` is the processor time of the whole
        matrix divided by its entries.

    Raises
    ------
    NetkinError
        There are no results of distances, or a file is damaged.
    """
    import pandas as pd

    if not isinstance(folder, str | os.PathLike):
        raise NetkinError(f"a folder is {shown(folder)}; allowed is text or a path.")
    root = Path(folder)
    if (root / "results" / "distance").is_dir():
        root = root / "results"
    root = root / "distance"
    if not root.is_dir():
        raise NetkinError(
            f"{folder}: no results of distances in this folder; expected is the folder 'results' "
            "of a finished run, with 'distance' inside."
        )
    rows = [row for path in sorted(root.glob("*/*/*.h5")) for row in _rows_of(root, path)]
    if not rows:
        raise NetkinError(f"{root}: no matrix of distances is there; did the run finish?")
    return pd.DataFrame(rows, columns=[*COLUMNS])


def _rows_of(root: Path, path: Path) -> Iterator[dict[str, Any]]:
    comparison, _, replicate = path.relative_to(root).with_suffix("").parts
    for measure in storage.read_ids(path, "distance"):
        found = read_distances(storage.address(str(path), measure))
        for row in _pairs(found):
            yield {"comparison": comparison, "replicate": replicate, **row}


def _pairs(found: Distances) -> Iterator[dict[str, Any]]:
    from netkin.distance import MEASURES

    n = len(found.networks)
    symmetric = MEASURES[found.measure].symmetric
    for i in range(n):
        for j in range(n):
            if i < j or (i > j and not symmetric):
                null = {
                    key: float(found.null[part][i, j]) if part in found.null else np.nan
                    for key, part in _OF_NULL.items()
                }
                yield {
                    "network_a": found.networks[i],
                    "network_b": found.networks[j],
                    "measure": found.measure,
                    "family": found.family,
                    "orientation": found.orientation,
                    "value": float(found.matrix[i, j]),
                    **null,
                    "reason": found.reasons.get((i, j), ""),
                    "seconds": found.seconds / n**2,
                }
