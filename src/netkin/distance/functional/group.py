"""Measures on a group of networks: how much the answers to a row vary in it.

Taken on the rows whose true label all networks know, see
`netkin.distance.functional.rows.known_rows`; each is a mean over these rows. The measures
on predicted classes are defined for networks of different label sets, those on probabilities
are not. For two networks, ambiguity and discrepancy are the disagreement, and label entropy is
ln 2 times the disagreement, so these have no measure of a pair of their own.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from netkin.distance.functional.capacity import capacities
from netkin.distance.functional.rows import check_same_classes, known_rows
from netkin.options import checked
from netkin.prediction.prediction import Prediction


def ambiguity(group: Sequence[Prediction]) -> float:
    """Share of rows for which any two networks predict different classes, in [0, 1].

    Marx et al. 2020 compare all with one baseline network; here, as in the survey of Klabunde
    et al. 2025, every pair counts.

    Raises
    ------
    NetkinError
        Fewer than two networks, or networks that hold different rows.
    UndefinedDistance
        No row has a label that all know.
    """
    predicted = _predicted(group)
    return float((predicted != predicted[0]).any(axis=0).mean())


def discrepancy(group: Sequence[Prediction]) -> float:
    """Largest disagreement of two networks, in [0, 1]; see `ambiguity`.

    Raises
    ------
    NetkinError
        Fewer than two networks, or networks that hold different rows.
    UndefinedDistance
        No row has a label that all know.
    """
    predicted = _predicted(group)
    return float(max((one != other).mean() for one, other in combinations(predicted, 2)))


def label_entropy(group: Sequence[Prediction]) -> float:
    """Mean entropy of the classes that the networks predict for a row, in nats.

    From 0, where all agree, to the logarithm of the number of networks or of classes, whichever
    is smaller. Datta et al. 2023.

    Raises
    ------
    NetkinError
        Fewer than two networks, or networks that hold different rows.
    UndefinedDistance
        No row has a label that all know.
    """
    from scipy.special import entr

    predicted = _predicted(group)
    classes = range(max(network.n_classes for network in group))
    return float(sum(entr((predicted == label).mean(axis=0)) for label in classes).mean())


@checked
def prediction_difference(
    group: Sequence[Prediction], *, order: Annotated[float, Ge(1), Le(20)] = 1.0
) -> float:
    """Mean deviation of the probabilities of a row from their mean over the group.

    ``1/n sum_i [1/m sum_j ||O_ij - mean_j O_ij||_r^r]^(1/r)`` for m networks and the `order` r.
    At least 0. Shamir and Coviello 2020.

    Parameters
    ----------
    group : sequence of Prediction
        At least two.
    order : float
        Order of the norm.

    Raises
    ------
    NetkinError
        Fewer than two networks, or networks that hold different rows.
    UndefinedDistance
        The networks know different classes, or no row has a label that they know.
    """
    probabilities = _probabilities(group)
    deviation = np.abs(probabilities - probabilities.mean(axis=0))
    return float(((deviation**order).sum(axis=2).mean(axis=0) ** (1 / order)).mean())


def rashomon_capacity(group: Sequence[Prediction]) -> float:
    """Mean over rows of 2 to the power of the Rashomon capacity in bits.

    The capacity of a row is that of the channel from networks to classes,
    ``sup_w inf_q sum_j w_j KL(O_ij, q)``, the most bits that an answer can tell about which
    network gave it. Two to its power goes from 1, where all networks give the same
    probabilities, to the number of networks or of classes, whichever is smaller: how many
    different answers there are. Hsu and Calmon 2022, definition 2.

    Raises
    ------
    NetkinError
        Fewer than two networks, or networks that hold different rows.
    UndefinedDistance
        The networks know different classes, or no row has a label that they know.
    """
    return float(np.exp2(capacities(_probabilities(group))).mean())


@checked
def prediction_difference_of_pair(
    a: Prediction, b: Prediction, *, order: Annotated[float, Ge(1), Le(20)] = 1.0
) -> float:
    """Half the mean distance of the probabilities of a row, in [0, 1].

    `prediction_difference` of a group of two: with the order 1 the mean total variation
    distance, with the order 2 `netkin.distance.functional.soft.soft_prediction_difference`.
    """
    return prediction_difference([a, b], order=order)


def rashomon_capacity_of_pair(a: Prediction, b: Prediction) -> float:
    """`rashomon_capacity` of a group of two, in [1, 2]."""
    return rashomon_capacity([a, b])


def _predicted(group: Sequence[Prediction]) -> NDArray[np.intp]:
    """Return the predicted classes of the rows that all know, (m, n)."""
    known = known_rows(group)
    return np.stack([network.predicted[known] for network in group])


def _probabilities(group: Sequence[Prediction]) -> NDArray[np.float64]:
    """Return the probabilities of the rows that all know, (m, n, C)."""
    known = known_rows(group)
    check_same_classes(group)
    return np.stack([network.probabilities[known] for network in group])
