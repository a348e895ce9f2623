"""Heat images of diagrams in time and memory linear in the number of intervals."""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from netkin.options import checked
from netkin.vector.blur import blurred
from netkin.vector.sampling import Counts, Intervals, Sampling, births_deaths


class Heat:
    """Sample the heat kernel signature of a diagram (Reininghaus et al. 2015).

    A Gaussian on every point (birth, death) minus one on its mirror image in the diagonal,
    on the grid sampling x sampling. As in giotto-tda the points are cut to the sampling and
    rounded down to pixels.

    Parameters
    ----------
    sampling : Sampling
        Both axes of the image.
    sigma : float
        Standard deviation of the Gaussians, in units of the filtration.
    """

    @checked
    def __init__(
        self, sampling: Sampling, *, sigma: Annotated[float, Ge(1e-6), Le(10)] = 0.1
    ) -> None:
        self._sampling = sampling
        self._sigma = sigma
        self._counts = np.zeros(sampling.n_bins**2, dtype=np.int64)

    def add(self, intervals: Intervals, counts: Counts) -> None:
        """Take more intervals, each as often as its count says."""
        birth, death = births_deaths(intervals)
        np.add.at(self._counts, self._sampling.pixels(birth, death), counts)

    def result(self) -> NDArray[np.float64]:
        """Return the image, float64 array of shape (n_bins, n_bins).

        Rows are deaths from high to low, columns births from low to high. All 0 without
        intervals or if the sampling has step 0.
        """
        n_bins, step = self._sampling.n_bins, self._sampling.step
        if step == 0 or not self._counts.any():
            return np.zeros((n_bins, n_bins))
        image = self._counts.reshape(n_bins, n_bins).astype(np.float64)
        # a pixel there is its own mirror image: 0 at once instead of up to rounding
        np.fill_diagonal(image, 0)
        # giotto-tda's bound on the width of the kernel
        sigma_in_pixels = min(self._sigma / step, 1e5 * n_bins)
        image = blurred(image, sigma_in_pixels)
        turned: NDArray[np.float64] = np.rot90((image - image.T) / step**2).copy()
        return turned
