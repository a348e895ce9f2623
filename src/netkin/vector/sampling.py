"""Samplings: the evenly spaced points at which diagrams are vectorised."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netkin.diagram.diagram import Diagram
from netkin.errors import NetkinError


@dataclass(frozen=True)
class Sampling:
    """`n_bins` evenly spaced points from `start` to `stop`, both included.

    `start` may equal `stop`: then all points coincide and the step is 0.
    """

    start: float
    stop: float
    n_bins: int

    @property
    def step(self) -> float:
        """Distance of neighbouring points."""
        return (self.stop - self.start) / (self.n_bins - 1)

    def points(self) -> NDArray[np.float64]:
        """Return the points, float64 array of shape (n_bins,)."""
        return np.linspace(self.start, self.stop, self.n_bins)


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
        The diagrams have different numbers of dimensions.
    """
    if len(a.intervals) != len(b.intervals):
        raise NetkinError(
            f"diagrams of {len(a.intervals)} and {len(b.intervals)} homology dimensions "
            "cannot be compared; compute them with the same max_dimension."
        )
    spans = []
    for pair in zip(a.intervals, b.intervals, strict=True):
        values = np.concatenate([part.ravel() for part in pair])
        spans.append((float(values.min()), float(values.max())) if values.size else (0.0, 0.0))
    largest = max(high for _, high in spans)
    return tuple(Sampling(low, high if high != low else largest, n_bins) for low, high in spans)


def births_deaths(
    intervals: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return births and deaths of intervals of shape (k, 2), which must be finite."""
    if not np.isfinite(intervals).all():
        raise ValueError("infinite or NaN intervals have no vector; apply a policy first")
    return intervals[:, 0], intervals[:, 1]
