"""Images blurred by a Gaussian."""

import numpy as np
from numpy.typing import NDArray

TRUNCATE = 4.0
"""Standard deviations after which the kernel ends, as scipy's and giotto-tda's do."""


def blurred(image: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Return an image convolved with a Gaussian, with zeros around it.

    As ``scipy.ndimage.gaussian_filter(image, sigma, mode="constant")``, up to rounding; scipy's
    takes longer to import than all images of a network to blur.

    Parameters
    ----------
    image : float64 array of shape (n, n)
    sigma : float
        Standard deviation in pixels, above 0.
    """
    radius = int(TRUNCATE * sigma + 0.5)
    weights = np.exp(-0.5 / sigma**2 * np.arange(radius + 1) ** 2)
    weights /= 2 * weights.sum() - weights[0]
    n = len(image)
    place = np.arange(n)
    apart = np.abs(place[:, None] - place)
    kernel = np.where(apart <= radius, weights[np.minimum(apart, radius)], 0.0)
    return np.asarray(kernel @ image @ kernel)
