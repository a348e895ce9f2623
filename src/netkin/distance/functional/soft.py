"""Measures on class probabilities.

Undefined for networks of different label sets, whose probabilities do not correspond. Taken on
the rows whose true label the networks know, see `netkin.distance.functional.rows.known_rows`.
The definitions are those of the survey of Klabunde et al. 2025, Similarity of neural network
models, section 4.
"""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from netkin.distance.functional.rows import check_same_classes, known_rows
from netkin.options import checked
from netkin.prediction.prediction import Prediction


def _probabilities(a: Prediction, b: Prediction) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    known = known_rows([a, b])
    check_same_classes([a, b])
    return a.probabilities[known], b.probabilities[known]


def soft_prediction_difference(a: Prediction, b: Prediction) -> float:
    """Half the mean Euclidean distance of the probabilities of a row, in [0, sqrt(1/2)].

    ``1 / (2 n) sum_i ||O_i - O'_i||_2``.

    Raises
    ------
    NetkinError
        The networks hold different rows.
    UndefinedDistance
        The networks know different classes, or no row has a label that they know.
    """
    of_a, of_b = _probabilities(a, b)
    return float(np.linalg.norm(of_a - of_b, axis=1).mean() / 2)


@checked
def surrogate_churn(
    a: Prediction, b: Prediction, *, alpha: Annotated[float, Ge(1e-3), Le(1000)] = 1.0
) -> float:
    """Smooth form of disagreement, from 0 to half the number of classes.

    ``1 / (2 n) sum_i ||(O_i / max O_i)^alpha - (O'_i / max O'_i)^alpha||_1``. It tends to the
    disagreement as `alpha` grows. Bhojanapalli et al. 2021.

    Parameters
    ----------
    a, b : Prediction
        What is compared.
    alpha : float
        Exponent.

    Raises
    ------
    NetkinError
        The networks hold different rows.
    UndefinedDistance
        The networks know different classes, or no row has a label that they know.
    """
    of_a, of_b = ((p / p.max(axis=1, keepdims=True)) ** alpha for p in _probabilities(a, b))
    return float(np.abs(of_a - of_b).sum(axis=1).mean() / 2)


def jensen_shannon_divergence(a: Prediction, b: Prediction) -> float:
    """Mean Jensen-Shannon divergence of the probabilities of a row, in nats, in [0, ln 2].

    ``1 / (2 n) sum_i [KL(O_i, M_i) + KL(O'_i, M_i)]`` with ``M = (O + O') / 2`` and 0 log 0 = 0.
    Lin 1991. Its square root would be a metric, this is none.

    Raises
    ------
    NetkinError
        The networks hold different rows.
    UndefinedDistance
        The networks know different classes, or no row has a label that they know.
    """
    from scipy.special import rel_entr

    of_a, of_b = _probabilities(a, b)
    middle = (of_a + of_b) / 2
    return float((rel_entr(of_a, middle) + rel_entr(of_b, middle)).sum(axis=1).mean() / 2)
