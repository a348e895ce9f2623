"""Distance of two networks after matching their graphs by the FAQ algorithm.

Vogelstein et al. 2015, Fast approximate quadratic programming for graph matching (PLOS
ONE 10(4): e0121002), with seeds as Fishkind et al. 2019, Seeded graph matching.
"""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from netkin.distance.relabelling import (
    Order,
    Parameters,
    best_assignment,
    fixed_products,
    relabelled_distance,
)
from netkin.errors import UndefinedDistance
from netkin.network.file import Network
from netkin.options import checked

_TOLERANCE = 0.03
"""The search ends where a step is shorter than this times the root of the number of hidden
units; the default of `scipy.optimize.quadratic_assignment`."""

Matrices = Sequence[NDArray[np.float64]]


@checked
def faq(
    a: Network, b: Network, *, max_iterations: Annotated[int, Ge(1), Le(100_000)] = 30
) -> float:
    """Frobenius norm of A - P B P^T, P found by the FAQ algorithm.

    A and B are the adjacency matrices of the networks: a signed edge per weight from its
    input to its output, and per layer a bias vertex with an edge to each unit. Inputs,
    outputs and bias vertices are seeds, matched by their number; hidden units are matched
    with hidden units of the same layer. FAQ maximises the trace of A^T P B P^T by the
    method of Frank and Wolfe, with doubly stochastic matrices instead of permutations,
    from the barycentre of what is allowed, and takes the permutation nearest to its end.

    An upper bound of the least norm over all renumberings of the hidden units, and that
    norm itself where there is one hidden layer at most. Unlike `weight_matching` it does
    not start from the numbering at hand, so renumbering a network does not change it, as
    long as the assignments are unique; for that it may be larger than the norm without
    renumbering. No metric: the triangle inequality may fail.

    Parameters
    ----------
    a, b : Network
        Of the same shape.
    max_iterations : int
        Most steps of the search.

    Returns
    -------
    float
        0 for a network and itself, as long as the assignments are unique.

    Raises
    ------
    UndefinedDistance
        The networks differ in shape, or are no chains of dense layers.

    Notes
    -----
    The steps are those of ``scipy.optimize.quadratic_assignment(method="faq")`` with the
    seeds as ``partial_match``, where that keeps the layers apart. It knows nothing of
    layers, so it may move a unit to another layer, and it works on dense matrices of all
    vertices, nearly all of whose entries are 0. Here each layer has its own block: of h
    hidden layers of n units, a step takes time in O(h n^3), not O(h^3 n^3), and memory in
    O(h n^2), and the inputs count only once.
    """
    if not (isinstance(a, Network) and isinstance(b, Network)):
        raise UndefinedDistance("it compares chains of dense layers")
    return relabelled_distance(a, b, partial(_match, max_iterations=max_iterations))


def _match(a: Parameters, b: Parameters, *, max_iterations: int) -> list[Order]:
    fixed = fixed_products(a, b)
    # weights from hidden layer k to hidden layer k + 1
    of_a, of_b = a.weights[1:-1], b.weights[1:-1]
    position = [np.full(part.shape, 1 / len(part)) for part in fixed]
    shortest = _TOLERANCE * np.sqrt(sum(map(len, fixed)))
    for _ in range(max_iterations):
        gradient = _gradient(fixed, of_a, of_b, position)
        step = [
            np.eye(len(here))[best_assignment(part)] - here
            for part, here in zip(gradient, position, strict=True)
        ]
        # along the step the objective is slope t + curvature t^2, and slope >= 0
        slope = sum(float(np.vdot(x, y)) for x, y in zip(gradient, step, strict=True))
        curvature = _curvature(of_a, of_b, step)
        length = 1.0 if curvature >= 0 else min(1.0, -slope / (2 * curvature))
        position = [here + length * part for here, part in zip(position, step, strict=True)]
        if length * np.sqrt(sum(float(np.vdot(part, part)) for part in step)) < shortest:
            break
    return [best_assignment(part) for part in position]


def _gradient(
    fixed: Matrices, of_a: Matrices, of_b: Matrices, position: Matrices
) -> list[NDArray[np.float64]]:
    """Return the gradient of the objective by the block of each hidden layer."""
    gradient = [part.copy() for part in fixed]
    for k, (x, y) in enumerate(zip(of_a, of_b, strict=True)):
        gradient[k] += x.T @ (position[k + 1] @ y)
        gradient[k + 1] += (x @ position[k]) @ y.T
    return gradient


def _curvature(of_a: Matrices, of_b: Matrices, step: Matrices) -> float:
    """Return the part of the objective that is quadratic in the step."""
    return sum(
        float(np.vdot(step[k + 1].T @ x, y @ step[k].T))
        for k, (x, y) in enumerate(zip(of_a, of_b, strict=True))
    )
