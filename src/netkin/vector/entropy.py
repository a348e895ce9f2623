"""Persistence entropy of diagrams."""

import math

import numpy as np
from numpy.typing import NDArray

from netkin.vector.sampling import Counts, Intervals, Sampling, births_deaths


class PersistenceEntropy:
    """Measure how evenly the lengths of intervals are spread (Chintakunta et al. 2015).

    The Shannon entropy in bits of the lengths divided by their sum: 0 for one interval,
    ``log2(k)`` for k of equal length. As in giotto-tda intervals of length 0 do not count.

    Parameters
    ----------
    sampling : Sampling
        Not used, the entropy is no function of the filtration.
    """

    def __init__(self, sampling: Sampling) -> None:
        self._total = 0.0
        self._total_log = 0.0

    def add(self, intervals: Intervals, counts: Counts) -> None:
        """Take more intervals, each as often as its count says."""
        birth, death = births_deaths(intervals)
        length = death - birth
        counted = length > 0
        length = length[counted]
        total = length * counts[counted]
        self._total += float(total.sum())
        self._total_log += float(total @ np.log(length))

    def result(self) -> NDArray[np.float64]:
        """Return the entropy, float64 array of shape (1,).

        0 without an interval of positive length, where giotto-tda gives -1: nothing is
        spread over no interval as over one.

        Notes
        -----
        With L the sum of the lengths l, ``- sum l/L log(l/L) = log L - (sum l log l) / L``.
        """
        if self._total == 0:
            return np.zeros(1)
        entropy = math.log(self._total) - self._total_log / self._total
        # of a single interval the difference may round to below 0
        return np.array([max(entropy, 0.0) / math.log(2)])
