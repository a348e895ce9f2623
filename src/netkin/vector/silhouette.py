"""Persistence silhouettes in time and memory linear in the number of intervals."""

from typing import Annotated

import numpy as np
from annotated_types import Gt
from numpy.typing import NDArray

from netkin.vector.sampling import Sampling, births_deaths


def silhouette(
    intervals: NDArray[np.float64], sampling: Sampling, *, power: Annotated[float, Gt(0)] = 1.0
) -> NDArray[np.float64]:
    """Sample the power-weighted silhouette (Chazal et al. 2014).

    The mean of the tents ``max(0, min(t - birth, death - t))``, each weighted by
    ``(death - birth) ** power``.

    Parameters
    ----------
    intervals : float64 array of shape (k, 2)
        Finite births and deaths of one homology dimension; k may be 0.
    sampling : Sampling
        Where to evaluate.
    power : float
        Exponent of the weights; ``inf`` leaves only the longest intervals.

    Returns
    -------
    float64 array of shape (n_bins,)
        All 0 without an interval of positive length.

    Notes
    -----
    A tent bends at birth, midpoint and death, so that the sum of all tents is a sum of
    ramps: histograms of where the slope changes, summed up along the samples.
    """
    birth, death = births_deaths(intervals)
    weight = death - birth
    longest = weight.max(initial=0.0)
    if longest == 0:
        return np.zeros(sampling.n_bins)
    if power > 8:  # against underflow, as giotto-tda
        weight = weight / longest
    weight = weight**power
    total = weight.sum()
    if total == 0:
        return np.zeros(sampling.n_bins)

    points = sampling.points()
    middle = (birth + death) / 2
    start = points[0]
    # value and slope at the first sample, then what bends behind it
    tents = np.maximum(np.minimum(start - birth, death - start), 0)
    value = (weight * tents).sum()
    slope = weight[(birth <= start) & (start < middle)].sum()
    slope -= weight[(middle <= start) & (start < death)].sum()
    bend = np.zeros(sampling.n_bins)
    moment = np.zeros(sampling.n_bins)
    for knot, change in ((birth, weight), (middle, -2 * weight), (death, weight)):
        inside = (knot > start) & (knot <= points[-1])
        sample = np.searchsorted(points, knot[inside])  # first sample that sees the bend
        change = change[inside]
        bend += np.bincount(sample, change, sampling.n_bins)
        moment += np.bincount(sample, change * (knot[inside] - start), sampling.n_bins)
    along = points - start
    summed = value + slope * along + along * np.cumsum(bend) - np.cumsum(moment)
    # rounding may fall below 0 where no interval is alive
    return np.asarray(np.maximum(summed, 0) / total)
