"""The strongest paths through a layer, compiled."""

import numpy as np
from numpy.typing import NDArray

from netkin.compiled import compiled


@compiled
def strongest(
    source: NDArray[np.float64], strength: NDArray[np.float64], target: NDArray[np.float64]
) -> None:
    """Raise each entry of a matrix to the largest weaker of two steps, as a product of matrices.

    Parameters
    ----------
    source : float64 array of shape (n, n_in)
    strength : float64 array of shape (n_in, n_out)
    target : float64 array of shape (n, n_out)
        Changed.
    """
    for row in range(source.shape[0]):
        for i in range(source.shape[1]):
            reached = source[row, i]
            if reached > 0:
                for o in range(strength.shape[1]):
                    target[row, o] = max(target[row, o], min(reached, strength[i, o]))
