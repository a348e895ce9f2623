"""The least values of each row of a matrix."""

import numpy as np
from numpy.typing import NDArray

from netkin.finite import NotFinite


def least_places(values: NDArray[np.float64], k: int) -> NDArray[np.intp]:
    """Return where the k least values of each row are, least first, (b, k).

    Parameters
    ----------
    values : float64 array of shape (b, n)
        Not NaN; infinite values count as any others.
    k : int
        1 to n. Of equal values the lower places come first.
    """
    if np.isnan(values.min()):
        raise NotFinite("values to be ordered: there is a NaN.")
    bound = np.partition(values, k - 1, axis=1)[:, k - 1, None]
    rows, columns = np.nonzero(values <= bound)
    order = np.lexsort((columns, values[rows, columns], rows))
    # all that equal the bound are among them, so a row can have more than k
    starts = np.searchsorted(rows, np.arange(len(values)))
    places: NDArray[np.intp] = columns[order[starts[:, None] + np.arange(k)]]
    return places
