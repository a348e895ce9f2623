"""Functional measures: how alike the outputs of two networks are."""

import math

from netkin.distance.functional.group import (
    ambiguity,
    discrepancy,
    label_entropy,
    prediction_difference,
    prediction_difference_of_pair,
    rashomon_capacity,
    rashomon_capacity_of_pair,
)
from netkin.distance.functional.group_measure import GroupMeasure
from netkin.distance.functional.hard import (
    cohen_kappa,
    disagreement,
    error_corrected_disagreement,
    normalised_disagreement,
    performance_difference,
)
from netkin.distance.functional.soft import (
    jensen_shannon_divergence,
    soft_prediction_difference,
    surrogate_churn,
)
from netkin.distance.functional.white_box import (
    adversarial_transferability,
    attack_transferability_score,
    modeldiff,
    saliency_cosine,
    stitching,
)
from netkin.distance.measure import Measure

_SURVEY = "Klabunde et al. 2025, Similarity of neural network models: a survey"
_HWANG = (
    "Hwang et al. 2023, Similarity of neural architectures using adversarial attack transferability"
)
_MARX = "Marx et al. 2020, Predictive multiplicity in classification"
_DATTA = "Datta et al. 2023, Measuring and mitigating local instability in deep neural networks"
_SHAMIR = "Shamir and Coviello 2020, Anti-distillation: improving reproducibility of deep networks"
_HSU = (
    "Hsu and Calmon 2022, Rashomon capacity: a metric for predictive multiplicity in classification"
)

FUNCTIONAL: dict[str, Measure] = {
    "performance_difference": Measure(
        performance_difference,
        "prediction",
        "functional",
        False,
        citation=_SURVEY,
        range=(0.0, 1.0),
        requires=("labels",),
        cost="n",
    ),
    "disagreement": Measure(
        disagreement,
        "prediction",
        "functional",
        False,
        citation="Madani et al. 2004, Co-validation: using model disagreement on unlabeled data",
        range=(0.0, 1.0),
        cost="n",
    ),
    "error_corrected_disagreement": Measure(
        error_corrected_disagreement,
        "prediction",
        "functional",
        False,
        citation="Fort et al. 2020, Deep ensembles: a loss landscape perspective",
        symmetric=False,
        requires=("labels",),
        cost="n",
    ),
    "normalised_disagreement": Measure(
        normalised_disagreement,
        "prediction",
        "functional",
        False,
        citation="Klabunde and Lemmerich 2023, On the prediction instability of graph neural "
        "networks",
        range=(0.0, 1.0),
        requires=("labels",),
        cost="n",
    ),
    "cohen_kappa": Measure(
        cohen_kappa,
        "prediction",
        "functional",
        False,
        citation="Cohen 1960, A coefficient of agreement for nominal scales",
        orientation="up",
        range=(-1.0, 1.0),
        cost="n",
    ),
    "soft_prediction_difference": Measure(
        soft_prediction_difference,
        "prediction",
        "functional",
        True,
        citation=_SURVEY,
        range=(0.0, math.sqrt(0.5)),
        requires=("probabilities", "same classes"),
        cost="n C",
    ),
    "surrogate_churn": Measure(
        surrogate_churn,
        "prediction",
        "functional",
        True,
        citation="Bhojanapalli et al. 2021, On the reproducibility of neural network predictions",
        requires=("probabilities", "same classes"),
        cost="n C",
    ),
    "jensen_shannon": Measure(
        jensen_shannon_divergence,
        "prediction",
        "functional",
        False,
        citation="Lin 1991, Divergence measures based on the Shannon entropy",
        range=(0.0, math.log(2)),
        requires=("probabilities", "same classes"),
        cost="n C",
    ),
    "prediction_difference": Measure(
        prediction_difference_of_pair,
        "prediction",
        "functional",
        True,
        citation=_SHAMIR,
        range=(0.0, 1.0),
        requires=("probabilities", "same classes"),
        cost="n C",
    ),
    "rashomon_capacity": Measure(
        rashomon_capacity_of_pair,
        "prediction",
        "functional",
        False,
        citation=_HSU,
        range=(1.0, 2.0),
        requires=("probabilities", "same classes"),
        cost="n C",
    ),
    "saliency_cosine": Measure(
        saliency_cosine,
        "model",
        "functional",
        False,
        citation="Jones et al. 2022, If you've trained one you've trained them all: "
        "inter-architecture similarity increases with robustness",
        orientation="up",
        range=(0.0, 1.0),
        requires=("gradients",),
        cost="n d, once n P",
    ),
    "adversarial_transferability": Measure(
        adversarial_transferability,
        "model",
        "functional",
        False,
        citation=_HWANG,
        orientation="up",
        range=(0.0, 1.0),
        requires=("labels", "gradients"),
        cost="n P, once t n P",
    ),
    "attack_transferability_score": Measure(
        attack_transferability_score,
        "model",
        "functional",
        False,
        citation=_HWANG,
        orientation="up",
        range=(-math.inf, math.log(100)),
        requires=("labels", "gradients"),
        cost="n P, once t n P",
    ),
    "modeldiff": Measure(
        modeldiff,
        "model",
        "functional",
        False,
        citation="Li et al. 2021, ModelDiff: testing-based DNN similarity comparison for model "
        "reuse detection",
        orientation="up",
        symmetric=False,
        range=(0.0, 1.0),
        requires=("labels", "gradients"),
        cost="n P, once t n P",
    ),
    "stitching": Measure(
        stitching,
        "model",
        "functional",
        False,
        citation="Csiszárik et al. 2021, Similarity and matching of neural network representations",
        orientation="up",
        symmetric=False,
        range=(-1.0, 1.0),
        requires=("labels", "training rows"),
        cost="n D^2 + n P, once n D^2 + n P",
    ),
}
"""Name -> measure on the predictions of two networks on the same rows, or on two
`netkin.distance.functional.model.Model`."""

GROUP_MEASURES: dict[str, GroupMeasure] = {
    "ambiguity": GroupMeasure(
        ambiguity,
        "share of rows for which not all networks predict the same class",
        _MARX,
        range=(0.0, 1.0),
    ),
    "discrepancy": GroupMeasure(
        discrepancy,
        "largest share of rows for which two of the networks predict different classes",
        _MARX,
        range=(0.0, 1.0),
    ),
    "label_entropy": GroupMeasure(
        label_entropy,
        "mean over rows of the entropy, in nats, of the classes that the networks predict",
        _DATTA,
    ),
    "prediction_difference": GroupMeasure(
        prediction_difference,
        "mean over rows of the deviation of the probabilities from their mean over the group",
        _SHAMIR,
        requires=("probabilities", "same classes"),
        range=(0.0, 2.0),
    ),
    "rashomon_capacity": GroupMeasure(
        rashomon_capacity,
        "mean over rows of how many different answers the networks give: 2 to the power of the "
        "capacity, in bits, of the channel from networks to classes",
        _HSU,
        requires=("probabilities", "same classes"),
        range=(1.0, math.inf),
    ),
}
"""Name -> measure on the predictions of a group of networks on the same rows."""
