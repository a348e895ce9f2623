"""p-norms of the differences of all pairs of rows, compiled. Loads numba; import it where used."""

import numpy as np
from numpy.typing import NDArray

from netkin.compiled import compiled

SIDE = 16
"""Pairs are taken in squares of so many rows by so many: each row is read once for all of them."""
NUMBERS = 1024
"""Numbers of a row that are subtracted before the next pair's, so that a square's rows stay in
the cache."""
MAXIMUM, SUM, POWERS = range(3)
_SUMS_IN_ANY_ORDER = {"reassoc", "contract"}


def norms_of_differences(
    x: NDArray[np.float64], y: NDArray[np.float64], p: float
) -> NDArray[np.float64]:
    """Return the p-norm of the difference of each row of `x` and each row of `y`.

    Parameters
    ----------
    x, y : float64 arrays of shape (n, k) and (m, k)
        Finite; `y` may be `x` itself.
    p : float
        At least 1, or infinite.

    Returns
    -------
    float64 array of shape (n, m)
        0 exactly for equal rows; symmetric, bit by bit, if `y` is `x`.
    """
    rows, columns = _in_squares(len(x), len(y), upper=y is x)
    largest = np.zeros(len(rows))
    values = largest
    if p != 1:
        _accumulate(x, y, rows, columns, MAXIMUM, 0.0, largest, largest)
    if p != np.inf:
        # a power of two rounds nothing, and keeps high powers in the range of floats
        scale = np.ones(len(rows)) if p == 1 else np.ldexp(1.0, np.frexp(largest)[1])
        values = np.zeros(len(rows))
        mode = SUM if p == 1 else POWERS
        _accumulate(x, y, rows, columns, mode, float(p), scale, values)
        values = values ** (1 / p) * scale
    found = np.zeros((len(x), len(y)))
    found[rows, columns] = values
    if y is x:
        found[columns, rows] = values
    return found


def _in_squares(n: int, m: int, *, upper: bool) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the places of all pairs, those above the diagonal only if `upper`."""
    rows, columns = np.triu_indices(n, 1) if upper else np.indices((n, m)).reshape(2, -1)
    order = np.lexsort((columns, rows, columns // SIDE, rows // SIDE))
    return rows[order], columns[order]


def _accumulate_pairs(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    mode: int,
    p: float,
    scale: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Add to `out`, pair by pair, what a norm needs of the differences in units of `scale`."""
    length = x.shape[1]
    for begin in range(0, len(rows), SIDE * SIDE):
        end = min(begin + SIDE * SIDE, len(rows))
        for start in range(0, length, NUMBERS):
            stop = min(start + NUMBERS, length)
            for pair in range(begin, end):
                a, b = x[rows[pair], start:stop], y[columns[pair], start:stop]
                total = 0.0
                if mode == MAXIMUM:
                    for k in range(stop - start):
                        total = max(total, abs(a[k] - b[k]))
                    out[pair] = max(out[pair], total)
                elif mode == SUM:
                    for k in range(stop - start):
                        total += abs(a[k] - b[k])
                    out[pair] += total
                else:
                    unit = scale[pair]
                    for k in range(stop - start):
                        total += (abs(a[k] - b[k]) / unit) ** p
                    out[pair] += total


_accumulate = compiled(_accumulate_pairs, fastmath=_SUMS_IN_ANY_ORDER)
