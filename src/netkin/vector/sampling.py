"""Samplings: the evenly spaced points at which diagrams are vectorised."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netkin.diagram.diagram import Diagram
from netkin.errors import NetkinError, shown
from netkin.finite import LARGEST, require_finite, require_intervals
from netkin.options import is_number

Intervals = NDArray[np.floating[Any]]
"""Finite births and deaths of one homology dimension: shape (k, 2), k may be 0."""
Counts = NDArray[np.int64]
"""How many classes have each of the intervals: shape (k,), at least 1."""

MOST_POINTS = 10_000_000
"""Points of a sampling, at most."""
RANGE = (0.0, 1.0)
"""First and last point where nothing else is said: the values of a graph are from 0 to 1."""
N_BINS = 200
"""Points where nothing else is said."""


@dataclass(frozen=True)
class Sampling:
    """`n_bins` evenly spaced points from `start` to `stop`, both included.

    `start` may equal `stop`: then all points coincide and the step is 0.

    Raises
    ------
    NetkinError
        Bounds that are NaN, infinite, farther from 0 than `netkin.finite.LARGEST` or out of
        order, or fewer than two points or more than `MOST_POINTS`.
    """

    start: float
    stop: float
    n_bins: int

    def __post_init__(self) -> None:
        """Check what the class promises."""
        for name in ("start", "stop", "n_bins"):
            value: Any = getattr(self, name)
            if not is_number(value, whole=name == "n_bins"):
                raise NetkinError(
                    f"a sampling: {name} is {shown(value)}; allowed are numbers for the bounds and "
                    "a whole number of points."
                )
        if not -LARGEST <= self.start <= self.stop <= LARGEST:
            raise NetkinError(
                f"a sampling from {self.start} to {self.stop}; allowed are finite bounds from "
                f"{-LARGEST:g} to {LARGEST:g}, the first one not the larger."
            )
        if not 2 <= self.n_bins <= MOST_POINTS:
            raise NetkinError(
                f"a sampling of {self.n_bins} points; allowed are 2 to {MOST_POINTS:,}."
            )

    @property
    def step(self) -> float:
        """Distance of neighbouring points."""
        return (self.stop - self.start) / (self.n_bins - 1)

    def points(self) -> NDArray[np.float64]:
        """Return the points, float64 array of shape (n_bins,), not to be written to."""
        return self._points

    @cached_property
    def _points(self) -> NDArray[np.float64]:
        points = np.linspace(self.start, self.stop, self.n_bins)
        points.flags.writeable = False
        return points

    def bins(self, values: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return how many points lie below each value: the first point at or above it.

        Equals ``np.searchsorted(sampling.points(), values)``, several times faster.

        Parameters
        ----------
        values : float64 array of shape (k,)
            Finite.

        Returns
        -------
        intp array of shape (k,)
            From 0 for values at or below `start` to `n_bins` for those above `stop`.
        """
        require_finite(values, "values to be counted")
        points = self.points()
        # points so close that rounding alone moves a value past its neighbours
        if self.step < 32 * np.spacing(max(abs(self.start), abs(self.stop))):
            return np.searchsorted(points, values)
        position = self._position(values)
        position += 0.5
        nearest = position.astype(np.intp)
        # the nearest point is safe from rounding; the exact points decide on its side
        nearest += values > points[nearest]
        return nearest

    def sums(
        self, values: NDArray[np.float64], weights: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the sums of weights over the values of each bin.

        Parameters
        ----------
        values : float64 array of shape (k,)
            Finite.
        weights : float64 array of shape (m, k)
            One row for each sum.

        Returns
        -------
        float64 array of shape (m, n_bins + 1)
            Columns as `bins` numbers them, 0 for an empty bin.
        """
        require_finite(values, "values to be summed over")
        require_finite(weights, "weights of values")
        if (values[1:] >= values[:-1]).all():
            # stored diagrams are sorted by birth, and often all born, or dead, at once:
            # then bins are slices, several times faster to sum
            inner = np.searchsorted(values, self.points(), side="right")
            bounds = np.concatenate([[0], inner, [len(values)]])
            filled = np.flatnonzero(bounds[1:] > bounds[:-1])
            sums = np.zeros((len(weights), self.n_bins + 1))
            # from each bound to the next, between them only empty bins
            sums[:, filled] = np.add.reduceat(weights, bounds[filled], axis=1)
            return sums
        bins = self.bins(values)
        return np.stack([np.bincount(bins, row, self.n_bins + 1) for row in weights])

    def pixels(self, rows: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the pixels of points in a flattened image, both of whose axes are sampled.

        As in giotto-tda coordinates are cut to the sampling and rounded down to a sample;
        one within rounding of a sample may fall on either side. All 0 if the step is 0.

        Parameters
        ----------
        rows, columns : float64 arrays of shape (k,)
            Finite coordinates along the first and the second axis.

        Returns
        -------
        intp array of shape (k,)
            ``row * n_bins + column``.
        """
        for values in (rows, columns):
            require_finite(values, "coordinates of points")
        pixel = self._position(rows).astype(np.intp)
        pixel *= self.n_bins
        pixel += self._position(columns).astype(np.intp)
        return pixel

    def _position(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the place of values cut to the sampling, in steps from its start."""
        position = np.clip(values, self.start, self.stop)
        position -= self.start
        if self.step > 0:
            position /= self.step
        return position


def fit_samplings(a: Diagram, b: Diagram, *, n_bins: int) -> tuple[Sampling, ...]:
    """Fit a sampling per homology dimension to a pair of diagrams, as giotto-tda does.

    Each dimension spans the values of both diagrams, a dimension without intervals counts
    as the point 0. Where all values of a dimension coincide, its sampling ends at the
    largest value of any dimension.

    Parameters
    ----------
    a, b : Diagram
        Finite intervals, equally many dimensions.
    n_bins : int
        Points per sampling, at least 2.

    Raises
    ------
    NetkinError
        The diagrams have different numbers of dimensions, or hold NaN or infinity.
    """
    if len(a.intervals) != len(b.intervals):
        raise NetkinError(
            f"diagrams of {len(a.intervals)} and {len(b.intervals)} homology dimensions "
            "cannot be compared; compute them with the same max_dimension."
        )
    spans = []
    for pair in zip(a.intervals, b.intervals, strict=True):
        for part in pair:
            require_intervals(*part.T)
        values = np.concatenate([part.ravel() for part in pair])
        spans.append((float(values.min()), float(values.max())) if values.size else (0.0, 0.0))
    largest = max(high for _, high in spans)
    return tuple(Sampling(low, high if high != low else largest, n_bins) for low, high in spans)


def births_deaths(intervals: Intervals) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return births and deaths of intervals, which must be finite, birth before death."""
    # one copy into contiguous columns, which all later passes read faster
    birth, death = np.array(intervals.T, dtype=np.float64, order="C")
    require_intervals(birth, death)
    return birth, death
