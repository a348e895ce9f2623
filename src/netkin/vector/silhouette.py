"""Persistence silhouettes in time and memory linear in the number of intervals."""

from typing import Annotated

import numpy as np
from annotated_types import Gt, Le
from numpy.typing import NDArray

from netkin.options import OR_INF, checked
from netkin.vector.sampling import Counts, Intervals, Sampling, births_deaths


class Silhouette:
    """Sample the power-weighted silhouette (Chazal et al. 2014).

    The mean of the tents ``max(0, min(t - birth, death - t))``, each weighted by
    ``(death - birth) ** power``.

    Parameters
    ----------
    sampling : Sampling
        Where to evaluate.
    power : float
        Exponent of the weights; ``inf`` leaves only the longest intervals.

    Notes
    -----
    A tent bends at birth, midpoint and death, so that the sum of all tents is a sum of
    ramps: histograms of where the slope changes, summed up along the samples.

    Only ratios of weights matter. They are taken of the longest interval so far, against
    underflow, and all sums are scaled down when a longer one comes.
    """

    @checked
    def __init__(
        self, sampling: Sampling, *, power: Annotated[float, Gt(0), Le(100), OR_INF] = 1.0
    ) -> None:
        self._sampling = sampling
        self._power = power
        self._longest = 0.0
        self._total = 0.0
        # changes of slope since the sample before, and these times their places; at the
        # first sample the slope itself and the negated value, behind the last all the rest
        self._bends = np.zeros((2, sampling.n_bins + 1))

    def add(self, intervals: Intervals, counts: Counts) -> None:
        """Take more intervals, each as often as its count says."""
        birth, death = births_deaths(intervals)
        weight = death - birth
        longest = float(weight.max(initial=0.0))
        if longest == 0:
            return
        if longest > self._longest:
            scale = (self._longest / longest) ** self._power
            self._total *= scale
            self._bends *= scale
            self._longest = longest
        weight /= self._longest
        weight **= self._power
        weight *= counts
        self._total += float(weight.sum())
        middle = (birth + death) / 2
        weights = np.stack([weight, weight])
        for knots, change in ((birth, 1), (middle, -2), (death, 1)):
            np.multiply(weight, knots - self._sampling.start, out=weights[1])
            # each knot goes to the first sample that sees the bend
            self._bends[:, 1:] += change * self._sampling.sums(knots, weights)[:, 1:]
        self._add_first_sample(birth, middle, death, weight)

    def result(self) -> NDArray[np.float64]:
        """Return the silhouette, float64 array of shape (n_bins,).

        All 0 without an interval of positive length.
        """
        if self._total == 0:
            return np.zeros(self._sampling.n_bins)
        along = self._sampling.points() - self._sampling.start
        slope, moment = np.cumsum(self._bends[:, :-1], axis=1)
        summed = along * slope - moment
        # rounding may fall below 0 where no interval is alive
        return np.asarray(np.maximum(summed, 0) / self._total)

    def _add_first_sample(
        self,
        birth: NDArray[np.float64],
        middle: NDArray[np.float64],
        death: NDArray[np.float64],
        weight: NDArray[np.float64],
    ) -> None:
        """Add value and slope at the first sample, whatever the tents did before it."""
        start = self._sampling.start
        alive = np.flatnonzero(birth <= start)
        alive = alive[death[alive] > start]
        birth, middle, death, weight = (part[alive] for part in (birth, middle, death, weight))
        self._bends[0, 0] += weight @ np.where(start < middle, 1.0, -1.0)
        self._bends[1, 0] -= weight @ np.minimum(start - birth, death - start)
