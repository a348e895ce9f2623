"""Heat images of diagrams in time and memory linear in the number of intervals."""

from typing import Annotated

import numpy as np
from annotated_types import Gt
from numpy.typing import NDArray

from netkin.vector.sampling import Sampling, births_deaths


def heat(
    intervals: NDArray[np.float64], sampling: Sampling, *, sigma: Annotated[float, Gt(0)] = 0.1
) -> NDArray[np.float64]:
    """Sample the heat kernel signature of a diagram (Reininghaus et al. 2015).

    A Gaussian on every point (birth, death) minus one on its mirror image in the diagonal,
    on the grid sampling x sampling. As in giotto-tda the points are cut to the sampling and
    rounded down to pixels, and those on the diagonal after the cut are left out.

    Parameters
    ----------
    intervals : float64 array of shape (k, 2)
        Finite births and deaths of one homology dimension; k may be 0.
    sampling : Sampling
        Both axes of the image.
    sigma : float
        Standard deviation of the Gaussians, in units of the filtration.

    Returns
    -------
    float64 array of shape (n_bins, n_bins)
        Rows are deaths from high to low, columns births from low to high. All 0 if the
        sampling has step 0.
    """
    from scipy.ndimage import gaussian_filter

    n_bins, step = sampling.n_bins, sampling.step
    births_deaths(intervals)
    if step == 0:
        return np.zeros((n_bins, n_bins))
    cut = np.clip(intervals, sampling.start, sampling.stop)
    cut = cut[cut[:, 0] != cut[:, 1]]
    pixel = ((cut - sampling.start) / step).astype(np.intp)
    counts = np.bincount(pixel[:, 0] * n_bins + pixel[:, 1], minlength=n_bins**2)
    image = counts.reshape(n_bins, n_bins).astype(np.float64)
    # giotto-tda's bound on the width of the kernel
    sigma_in_pixels = min(sigma / step, 1e5 * n_bins)
    image = gaussian_filter(image, sigma_in_pixels, mode="constant")
    return np.rot90((image - image.T) / step**2).copy()
