"""Hidden units of one network renumbered to fit those of another.

Renumbering the units of a hidden layer, with all their weights and biases, leaves what a
network computes as it is. The inputs and outputs keep their numbers: they have a meaning.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netkin.errors import UndefinedDistance
from netkin.finite import require_finite
from netkin.network.file import Network


class Parameters(NamedTuple):
    """Parameters of a network in double precision.

    Attributes
    ----------
    weights : list of (n_out, n_in) float64
        As in `netkin.network.file.Network`.
    biases : list of (n_out,) float64
        Likewise.
    """

    weights: list[NDArray[np.float64]]
    biases: list[NDArray[np.float64]]


Order = NDArray[np.intp]
"""Of a hidden layer: entry i is the unit of b that takes the place of unit i of a."""


def relabelled_distance(
    a: Network, b: Network, match: Callable[[Parameters, Parameters], list[Order]]
) -> float:
    """Frobenius norm of all parameters of a minus those of b renumbered to fit.

    Parameters
    ----------
    a, b : Network
        Of the same shape.
    match : callable
        ``(a, b) -> orders``, one per hidden layer. It is asked both ways and the smaller
        norm taken, so that the distance is symmetric whatever `match` does with ties.

    Raises
    ------
    UndefinedDistance
        The networks differ in shape.
    NetkinError
        A weight or bias is NaN or infinite.
    """
    if [weight.shape for weight in a.weights] != [weight.shape for weight in b.weights]:
        raise UndefinedDistance("networks of different shape have no corresponding units")
    x, y = _parameters(a), _parameters(b)
    for array in (*x.weights, *x.biases, *y.weights, *y.biases):
        require_finite(array, "weights and biases of a network")
    return min(_norm_of_rest(x, y, match(x, y)), _norm_of_rest(y, x, match(y, x)))


def fixed_products(a: Parameters, b: Parameters) -> list[NDArray[np.float64]]:
    """Inner products of hidden units over the parameters no other order bears on.

    Parameters
    ----------
    a, b : Parameters
        Of the same shape.

    Returns
    -------
    list of (n, n) float64, one per hidden layer
        Entry (i, j) is the inner product of unit i of a and unit j of b over their biases,
        in the first hidden layer also the weights from the inputs, in the last one those
        to the outputs.
    """
    products = [np.outer(x, y) for x, y in zip(a.biases[:-1], b.biases[:-1], strict=True)]
    if products:
        products[0] += a.weights[0] @ b.weights[0].T
        products[-1] += a.weights[-1].T @ b.weights[-1]
    return products


def best_assignment(products: NDArray[np.float64]) -> Order:
    """Return the order that maximises the sum of ``products[i, order[i]]``."""
    from scipy.optimize import linear_sum_assignment

    require_finite(products, "products of units")

    order: Order = linear_sum_assignment(products, maximize=True)[1]
    return order


def _parameters(network: Network) -> Parameters:
    # what a layer computes without biases is what it computes with biases of 0
    return Parameters(
        [weight.astype(np.float64) for weight in network.weights],
        [
            np.zeros(len(weight)) if bias is None else bias.astype(np.float64)
            for weight, bias in zip(network.weights, network.biases, strict=True)
        ],
    )


def _norm_of_rest(a: Parameters, b: Parameters, orders: list[Order]) -> float:
    n_inputs, n_outputs = a.weights[0].shape[1], len(a.biases[-1])
    numbers = [np.arange(n_inputs), *orders, np.arange(n_outputs)]
    rests = [
        [x - y[np.ix_(rows, columns)], of_x - of_y[rows]]
        for x, y, of_x, of_y, columns, rows in zip(
            *(a.weights, b.weights, a.biases, b.biases, numbers[:-1], numbers[1:]), strict=True
        )
    ]
    return float(np.linalg.norm([np.linalg.norm(part) for pair in rests for part in pair]))
