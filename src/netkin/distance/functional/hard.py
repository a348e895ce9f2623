"""Measures on predicted classes.

All are taken on the rows whose true label both networks know, see
`netkin.distance.functional.rows.known_rows`. The definitions are those of the survey of
Klabunde et al. 2025, Similarity of neural network models, section 4. Rows are counted as
integers, so that the bounds hold exactly.
"""

from typing import NamedTuple

import numpy as np

from netkin.distance.functional.rows import known_rows
from netkin.errors import UndefinedDistance
from netkin.prediction.prediction import Prediction


class _Counts(NamedTuple):
    """Rows compared, rows where the networks differ, and wrong answers of each."""

    rows: int
    differ: int
    errors_a: int
    errors_b: int


def _count(a: Prediction, b: Prediction) -> _Counts:
    known = known_rows([a, b])
    labels, of_a, of_b = a.labels[known], a.predicted[known], b.predicted[known]
    return _Counts(
        len(labels),
        int((of_a != of_b).sum()),
        int((of_a != labels).sum()),
        int((of_b != labels).sum()),
    )


def performance_difference(a: Prediction, b: Prediction) -> float:
    """Absolute difference of the accuracies, in [0, 1].

    Raises
    ------
    NetkinError
        The networks hold different rows.
    UndefinedDistance
        No row has a label that both know.
    """
    counts = _count(a, b)
    return abs(counts.errors_a - counts.errors_b) / counts.rows


def disagreement(a: Prediction, b: Prediction) -> float:
    """Share of rows with different predicted classes, in [0, 1]; also called churn.

    Defined for networks of different label sets as well: both name classes by the label ids
    of the data set. Madani et al. 2004.

    Raises
    ------
    NetkinError
        The networks hold different rows.
    UndefinedDistance
        No row has a label that both know.
    """
    counts = _count(a, b)
    return counts.differ / counts.rows


def error_corrected_disagreement(a: Prediction, b: Prediction) -> float:
    """Disagreement divided by the error rate of `a`, at least 0 and not symmetric.

    1 is what `b` gives that is right wherever it differs from `a` and differs wherever `a` is
    wrong. Fort et al. 2020 divide by the error rate of the network that is compared with a
    reference; the reading taken is that of the survey, the first argument.

    Raises
    ------
    NetkinError
        The networks hold different rows.
    UndefinedDistance
        `a` makes no error, or no row has a label that both know.
    """
    counts = _count(a, b)
    if counts.errors_a == 0:
        raise UndefinedDistance("a network without errors has no error rate to divide by")
    return counts.differ / counts.errors_a


def normalised_disagreement(a: Prediction, b: Prediction) -> float:
    """Disagreement between the least and the largest that the error rates allow, in [0, 1].

    ``(dis - |e - e'|) / (min(e + e', 1) - |e - e'|)`` with the error rates e and e', the
    min-max-normalised disagreement of Klabunde and Lemmerich 2023.

    Raises
    ------
    NetkinError
        The networks hold different rows.
    UndefinedDistance
        The error rates leave one value only, as where a network makes no error; or no row has
        a label that both know.
    """
    n, differ, errors_a, errors_b = _count(a, b)
    least, largest = abs(errors_a - errors_b), min(errors_a + errors_b, n)
    if least == largest:
        raise UndefinedDistance("the error rates allow one value of the disagreement only")
    return (differ - least) / (largest - least)


def cohen_kappa(a: Prediction, b: Prediction) -> float:
    """Agreement of predicted classes beyond chance, in [-1, 1]; 1 for equal predictions.

    ``1 - dis / (1 - p_e)``, where p_e is the chance that independent answers with the class
    shares of a and b agree. Cohen 1960.

    Raises
    ------
    NetkinError
        The networks hold different rows.
    UndefinedDistance
        Both predict one and the same class for all rows, or no row has a label that both know.
    """
    known = known_rows([a, b])
    n_classes = max(a.n_classes, b.n_classes)
    of_a, of_b = (
        np.bincount(network.predicted[known], minlength=n_classes).tolist() for network in (a, b)
    )
    n, differ, _, _ = _count(a, b)
    differ_by_chance = n * n - sum(x * y for x, y in zip(of_a, of_b, strict=True))
    if differ_by_chance == 0:
        raise UndefinedDistance("both networks predict one and the same class for all rows")
    return 1 - differ * n / int(differ_by_chance)
