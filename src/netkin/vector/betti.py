"""Betti curves of diagrams."""

import numpy as np
from numpy.typing import NDArray

from netkin.vector.sampling import Counts, Intervals, Sampling, births_deaths


class BettiCurve:
    """Count the intervals alive at each sample (Umeda 2017).

    An interval is alive from its birth on and until right before its death:
    ``birth <= t < death``, as in giotto-tda.

    Parameters
    ----------
    sampling : Sampling
        Where to evaluate.
    """

    def __init__(self, sampling: Sampling) -> None:
        self._sampling = sampling
        # births less deaths since the sample before; behind the last sample all the rest
        self._change = np.zeros(sampling.n_bins + 1, dtype=np.int64)

    def add(self, intervals: Intervals, counts: Counts) -> None:
        """Take more intervals, each as often as its count says."""
        birth, death = births_deaths(intervals)
        np.add.at(self._change, self._sampling.bins(birth), counts)
        np.subtract.at(self._change, self._sampling.bins(death), counts)

    def result(self) -> NDArray[np.float64]:
        """Return the curve, float64 array of shape (n_bins,); whole numbers, 0 for none."""
        return np.cumsum(self._change[:-1], dtype=np.float64)
