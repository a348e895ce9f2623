"""Persistence landscapes in time and memory linear in the number of intervals."""

from typing import Annotated

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from netkin.vector.sampling import Sampling, births_deaths


def landscape(
    intervals: NDArray[np.float64], sampling: Sampling, *, n_layers: Annotated[int, Ge(1)] = 1
) -> NDArray[np.float64]:
    """Sample the first layers of the persistence landscape (Bubenik 2015).

    Layer k at t is the k-th largest of the tents ``max(0, min(t - birth, death - t))``.

    Parameters
    ----------
    intervals : float64 array of shape (k, 2)
        Finite births and deaths of one homology dimension; k may be 0.
    sampling : Sampling
        Where to evaluate.
    n_layers : int
        Number of layers.

    Returns
    -------
    float64 array of shape (n_layers, n_bins)
        0 where fewer intervals than layers are alive.

    Notes
    -----
    Left of its midpoint a tent is ``t - birth``, there the smallest births win; right of it
    ``death - t``, there the largest deaths win. Binning the midpoints once gives both.
    """
    birth, death = births_deaths(intervals)
    points, n_bins = sampling.points(), sampling.n_bins
    # samples before this index lie left of the midpoint
    turn = np.searchsorted(points, (birth + death) / 2)
    births = _smallest_per_bin(birth, turn, n_bins + 1, n_layers)
    deaths = _smallest_per_bin(-death, turn, n_bins + 1, n_layers)
    # a sample sees the births of all later turns and the deaths of all earlier ones
    births = _running_smallest(births[:0:-1])[::-1]
    deaths = _running_smallest(deaths[:-1])
    tents = np.hstack([points[:, None] - births, -deaths - points[:, None]])
    return np.sort(np.maximum(tents, 0), axis=1)[:, : -n_layers - 1 : -1].T.copy()


def _smallest_per_bin(
    values: NDArray[np.float64], bins: NDArray[np.intp], n_bins: int, count: int
) -> NDArray[np.float64]:
    """Return the `count` smallest values of each bin, filled up with inf: (n_bins, count)."""
    table = np.full((n_bins, count), np.inf)
    order = np.lexsort((values, bins))
    sorted_bins = bins[order]
    rank = np.arange(len(bins)) - np.searchsorted(sorted_bins, np.arange(n_bins))[sorted_bins]
    keep = rank < count
    table[sorted_bins[keep], rank[keep]] = values[order[keep]]
    return table


def _running_smallest(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each row the smallest values of it and all rows before."""
    result = table.copy()
    count = table.shape[1]
    for row in range(1, len(result)):
        result[row] = np.sort(np.concatenate([result[row - 1], result[row]]))[:count]
    return result
