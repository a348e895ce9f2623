"""Persistence images of diagrams."""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from netkin.options import checked
from netkin.vector.blur import blurred
from netkin.vector.sampling import Counts, Intervals, Sampling, births_deaths


class PersistenceImage:
    """Sample the persistence image of a diagram (Adams et al. 2017).

    A Gaussian on every point (birth, persistence), weighted by a power of its persistence,
    where persistence is death - birth. As in giotto-tda the points are cut to the sampling
    and rounded down to pixels, those of persistence 0 after the cut are left out, and the
    weight is that of the pixel, not of the point.

    Parameters
    ----------
    sampling : Sampling
        Both axes of the image.
    sigma : float
        Standard deviation of the Gaussians, in units of the filtration.
    weight_power : float
        Exponent of the weight: 1 is the linear weight of Adams et al., 0 weighs all alike.
        Samples below 0 weigh as 0.
    """

    @checked
    def __init__(
        self,
        sampling: Sampling,
        *,
        sigma: Annotated[float, Ge(1e-6), Le(10)] = 0.1,
        weight_power: Annotated[float, Ge(0), Le(100)] = 1.0,
    ) -> None:
        self._sampling = sampling
        self._sigma = sigma
        self._weight_power = weight_power
        self._counts = np.zeros(sampling.n_bins**2, dtype=np.int64)

    def add(self, intervals: Intervals, counts: Counts) -> None:
        """Take more intervals, each as often as its count says."""
        birth, death = births_deaths(intervals)
        persistence = death - birth
        pixel = self._sampling.pixels(birth, persistence)
        cut = np.clip(persistence, self._sampling.start, self._sampling.stop)
        np.add.at(self._counts, pixel[cut != 0], counts[cut != 0])

    def result(self) -> NDArray[np.float64]:
        """Return the image, float64 array of shape (n_bins, n_bins).

        Rows are persistences from high to low, columns births from low to high. All 0
        without intervals or if the sampling has step 0.
        """
        n_bins, step = self._sampling.n_bins, self._sampling.step
        if step == 0 or not self._counts.any():
            return np.zeros((n_bins, n_bins))
        weight = np.maximum(self._sampling.points(), 0) ** self._weight_power
        image = blurred(self._counts.reshape(n_bins, n_bins) * weight, self._sigma / step)
        turned: NDArray[np.float64] = np.rot90(image / step**2).copy()
        return turned
