"""What a training step does besides products, one pass over the numbers each, on a CPU.

Torch takes several passes for each of them and starts each anew. This module
loads numba; import it where it is used.
"""

import math
from functools import partial

import numpy as np
from numpy.typing import NDArray

from netkin.compiled import compiled

Floats = NDArray[np.float32]

# as numpy divides: a check for a divisor of 0 would keep the loops from being vectorised
_compiled = partial(compiled, error_model="numpy")


@_compiled
def rectify(values: Floats, bits: NDArray[np.uint16], dropped: int) -> None:
    """Set what is not positive or has bits below `dropped` to 0, in place, all flat."""
    least, zero = np.uint16(dropped), np.float32(0)
    for i in range(values.size):
        value = values[i] if values[i] > zero else zero
        values[i] = value if bits[i] >= least else zero


@_compiled
def answer(
    logits: Floats,
    labels: NDArray[np.int64],
    losses: NDArray[np.float64],
    right: NDArray[np.int64],
) -> None:
    """Replace logits by the slope of the mean cross-entropy, and count what it sums up.

    Parameters
    ----------
    logits : (networks, rows, classes)
        In place.
    labels : (networks, rows)
    losses, right : (networks,)
        To which the cross-entropies and the right answers are added.
    """
    n_networks, n_rows, n_classes = logits.shape
    share = np.float32(1 / n_rows)
    for k in range(n_networks):
        for row in range(n_rows):
            own, label = logits[k, row], labels[k, row]
            best = 0
            for c in range(1, n_classes):
                if own[c] > own[best]:
                    best = c
            right[k] += best == label
            most, wanted, total = own[best], own[label], np.float32(0)
            for c in range(n_classes):
                own[c] = math.exp(own[c] - most)
                total += own[c]
            losses[k] += math.log(total) - (wanted - most)
            for c in range(n_classes):
                own[c] *= share / total
            own[label] -= share


@_compiled
def pass_back(slopes: Floats, values: Floats, sums: Floats) -> None:
    """Set slopes to 0 where the unit was, in place, and sum them over rows.

    Parameters
    ----------
    slopes, values : (networks, rows, units)
    sums : (networks, 1, units)
        Written.
    """
    n_networks, n_rows, n_units = slopes.shape
    zero = np.float32(0)
    for k in range(n_networks):
        total = sums[k, 0]
        total[:] = zero
        for row in range(n_rows):
            own, value = slopes[k, row], values[k, row]
            for unit in range(n_units):
                slope = own[unit] if value[unit] > zero else zero
                own[unit] = slope
                total[unit] += slope


@_compiled
def rmsprop(
    values: Floats,
    gradients: Floats,
    averages: Floats,
    learning_rate: np.float32,
    rho: np.float32,
    rest: np.float32,
    epsilon: np.float32,
) -> None:
    """Change values and averages of squares in place, all flat; `rest` is ``1 - rho``."""
    for i in range(values.size):
        gradient = gradients[i]
        average = rho * averages[i] + rest * gradient * gradient
        averages[i] = average
        values[i] -= learning_rate * gradient / (math.sqrt(average) + epsilon)
