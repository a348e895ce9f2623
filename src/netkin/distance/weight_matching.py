"""Distance of two networks after matching their hidden units one layer at a time.

Ainsworth, Hayase and Srinivasa 2023, Git Re-Basin: merging models modulo permutation
symmetries (ICLR, arXiv 2209.04836), section 3.2 and Algorithm 1.
"""

from functools import partial
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from netkin.distance.relabelling import (
    Order,
    Parameters,
    best_assignment,
    fixed_products,
    relabelled_distance,
)
from netkin.network.file import Network
from netkin.options import checked

_ROUNDING = 1e-12
"""An improvement by less than this share of |a| |b| is none."""


@checked
def weight_matching(
    a: Network, b: Network, *, sweeps: Annotated[int, Ge(1), Le(100_000)] = 100
) -> float:
    """Frobenius norm of the difference of all weights and biases after weight matching.

    The hidden units of one network are renumbered so that the inner product of the
    parameters of both grows: one layer at a time the best order given those of its
    neighbours, an assignment problem, from the inputs to the outputs and again until no
    layer improves. It starts from the numbering at hand, and the layers have a fixed order
    where Algorithm 1 draws them, so the result is deterministic.

    An upper bound of the least norm over all renumberings, and that norm itself where
    there is one hidden layer at most. Never larger, up to rounding, than the norm without
    renumbering. No metric: the triangle inequality may fail, and with two and more hidden
    layers renumbering a network may lead to another local optimum.

    Parameters
    ----------
    a, b : Network
        Of the same shape.
    sweeps : int
        Most often that all layers are gone through. Where that is not enough the bound is
        looser; a handful is the rule.

    Returns
    -------
    float
        0 for a network and itself.

    Raises
    ------
    UndefinedDistance
        The networks differ in shape.

    Notes
    -----
    Matching a to b takes the same steps as matching b to a as long as the assignments are
    unique: their matrices are transposes. Both are computed, in case they are not.
    """
    return relabelled_distance(a, b, partial(_match, sweeps=sweeps))


def _match(a: Parameters, b: Parameters, *, sweeps: int) -> list[Order]:
    fixed = fixed_products(a, b)
    # weights from hidden layer k to hidden layer k + 1
    of_a, of_b = a.weights[1:-1], b.weights[1:-1]
    orders = [np.arange(len(part)) for part in fixed]
    least = _ROUNDING * _norm(a) * _norm(b)
    for _ in range(sweeps):
        improved = False
        for k, part in enumerate(fixed):
            products = part.copy()
            if k > 0:
                products += of_a[k - 1] @ of_b[k - 1][:, orders[k - 1]].T
            if k < len(of_a):
                products += of_a[k].T @ of_b[k][orders[k + 1]]
            order = best_assignment(products)
            rows = np.arange(len(order))
            if products[rows, order].sum() > products[rows, orders[k]].sum() + least:
                orders[k] = order
                improved = True
        if not improved:
            break
    return orders


def _norm(network: Parameters) -> float:
    return float(np.linalg.norm([np.linalg.norm(part) for parts in network for part in parts]))
