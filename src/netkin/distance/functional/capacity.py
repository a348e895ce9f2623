"""Capacity of the channels from networks to classes, many at once.

The capacity of a channel with rows p_j is the largest mutual information of its input and
output over the weights w of the inputs, ``max_w sum_j w_j KL(p_j, q)`` with q the mixture
``sum_j w_j p_j``. At the best weights no row is farther from q than the capacity says (Gallager
1968, theorem 4.5.1), so the largest divergence bounds what is missing.

Weight is moved between two rows at a time, as in sequential minimal optimisation: to the row that
is farthest from q, from the row that promises the largest gain (Fan et al. 2005), as much as is
best. For two rows one move is the solution. The usual algorithm of Blahut and Arimoto needs
hundreds of thousands of steps for networks that are nearly alike or nearly certain.
"""

import numpy as np
from numpy.typing import NDArray

from netkin.finite import require_finite

TOLERANCE = 1e-8
"""A capacity in nats is known to within this, unless `MOVES` moves did not suffice."""
MOVES = 5000
HALVINGS = 50
"""Of the interval that holds the best weight to move."""
LEAST = 1e-300
"""Taken for 0 in logarithms and quotients."""

Array = NDArray[np.float64]


def capacities(probabilities: Array) -> Array:
    """Return the capacity of each channel, in bits.

    Parameters
    ----------
    probabilities : float64 array of shape (m, n, C)
        Row j of channel i is ``probabilities[j, i]``: what network j answers on row i of the
        data.

    Returns
    -------
    float64 array of shape (n,)
        From 0 to the binary logarithm of m or of C, whichever is smaller.
    """
    from scipy.special import entr

    require_finite(probabilities, "probabilities")
    m, n, _ = probabilities.shape
    entropies = entr(probabilities).sum(axis=2)
    found = np.zeros(n)
    pending = np.arange(n)
    weights = np.full((m, n), 1 / m)
    for _ in range(MOVES):
        rows, entropy = probabilities[:, pending], entropies[:, pending]
        mixture = (weights[:, :, None] * rows).sum(axis=0)
        divergence = -entropy - (rows * _log(mixture)).sum(axis=2)
        found[pending] = (weights * divergence).sum(axis=0)
        going = divergence.max(axis=0) - found[pending] > TOLERANCE
        if not going.any():
            break
        pending, weights = pending[going], weights[:, going]
        _move(weights, rows[:, going], entropy[:, going], mixture[going], divergence[:, going])
    bits: Array = np.maximum(found, 0.0) / np.log(2)
    return bits


def _move(weights: Array, rows: Array, entropy: Array, mixture: Array, divergence: Array) -> None:
    """Move weight from one row of each channel to another, in place."""
    each = np.arange(len(mixture))
    to = divergence.argmax(axis=0)
    changes = rows[to, each] - rows
    # gain of a move by its first two derivatives
    slope = divergence[to, each] - divergence
    curvature = np.maximum((changes**2 / np.maximum(mixture, LEAST)).sum(axis=2), LEAST)
    step = np.minimum(slope / curvature, weights)
    gain = np.where(weights > 0, slope * step - curvature * step**2 / 2, -1.0)
    gain[to, each] = -1.0
    source = gain.argmax(axis=0)
    change = changes[source, each]
    constant = entropy[source, each] - entropy[to, each]

    def rising(moved: Array) -> NDArray[np.bool_]:
        """Whether the mutual information still rises after so much was moved."""
        log = _log(mixture + moved[:, None] * change)
        rises: NDArray[np.bool_] = constant - (change * log).sum(axis=1) >= 0
        return rises

    high = weights[source, each]
    low = np.where(rising(high), high, 0.0)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        up = rising(middle)
        low, high = np.where(up, middle, low), np.where(up, high, middle)
    weights[to, each] += low
    weights[source, each] -= low


def _log(values: Array) -> Array:
    logarithm: Array = np.log(np.maximum(values, LEAST))
    return logarithm
