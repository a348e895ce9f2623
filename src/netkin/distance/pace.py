"""How long measures take, before they are asked for."""

from collections.abc import Sequence
from itertools import pairwise

from netkin.distance import MEASURES

BASE = (784, 512, 512, 10)
"""Units of each layer of the networks that were timed."""
SECONDS = {
    "landscape": 0.099,
    "silhouette": 0.11,
    "heat": 0.096,
    "betti": 0.11,
    "persistence_image": 0.11,
    "entropy": 0.064,
    "wasserstein": 1.0,
    "bottleneck": 1.0,
    "landscape_pairwise": 0.11,
    "silhouette_pairwise": 0.11,
    "heat_pairwise": 0.12,
    "neural_persistence": 0.001,
    "tensor_neural_persistence": 0.12,
    "deep_graph_persistence": 3.5,
    "tensor_wasserstein": 1.5,
    "tensor_bottleneck": 1.5,
    "norm_1": 0.067,
    "frobenius": 0.074,
    "weight_matching": 5.0,
    "faq": 22.0,
    "tensor_cosine": 0.005,
    "tensor_difference": 0.005,
    "mean_cca": 0.34,
    "mean_squared_cca": 0.3,
    "svcca": 0.29,
    "pwcca": 0.4,
    "orthogonal_procrustes": 0.42,
    "permutation_procrustes": 0.11,
    "angular_shape_metric": 0.44,
    "partial_whitening_shape_metric": 0.34,
    "soft_matching_distance": 0.069,
    "linear_regression": 0.31,
    "aligned_cosine": 0.51,
    "hard_correlation_match": 0.044,
    "soft_correlation_match": 0.033,
    "normalised_bures_similarity": 0.42,
    "eigenspace_overlap": 0.39,
    "gulp": 0.31,
    "rsm_norm_difference": 0.04,
    "rsa": 0.28,
    "relational_knowledge_loss": 0.06,
    "cka": 0.044,
    "cka_rbf": 0.18,
    "cka_debiased": 0.045,
    "cka_minibatch": 0.017,
    "distance_correlation": 0.073,
    "knn_jaccard": 0.074,
    "second_order_cosine": 0.08,
    "rank_similarity": 0.066,
    "joint_rank_jaccard": 0.069,
    "gbs": 0.049,
    "rtd": 2.6,
    "imd": 0.75,
    "intrinsic_dimension_difference": 0.52,
    "magnitude_difference": 0.001,
    "concentricity_difference": 0.006,
    "uniformity_difference": 0.06,
    "tolerance_difference": 0.009,
    "modularity_difference": 0.081,
    "performance_difference": 0.001,
    "disagreement": 0.001,
    "error_corrected_disagreement": 0.001,
    "normalised_disagreement": 0.001,
    "cohen_kappa": 0.001,
    "soft_prediction_difference": 0.001,
    "surrogate_churn": 0.001,
    "jensen_shannon": 0.001,
    "prediction_difference": 0.001,
    "rashomon_capacity": 0.011,
    "saliency_cosine": 0.33,
    "adversarial_transferability": 0.11,
    "attack_transferability_score": 0.11,
    "modeldiff": 0.39,
    "stitching": 1.5,
}
"""Measure -> seconds that a pair of base networks takes with 1,000 rows, what is made of each
network alone included, on one core: what `benchmarks/compare.py --pace` printed, rounded up. But
of matchings of diagrams and of `deep_graph_persistence` with the start of numba, and of
`weight_matching` and `faq` what trained networks take, on which their search is longer than on
random ones."""
QUICK = 0.5
"""What takes no longer is computed without being asked for."""


def expected_seconds(measure: str, units: Sequence[int] = BASE, pairs: int = 1) -> float | None:
    """Return about how long a measure takes.

    Parameters
    ----------
    measure : str
        A key of `netkin.distance.MEASURES`.
    units : sequence of int
        Units of each layer of the largest network, the inputs first.
    pairs : int
        How many pairs are compared.

    Returns
    -------
    float or None
        Seconds of one core; None where it was never timed. Assumed to grow with the weights, or
        with the cube of the widths where the cost of the measure says so.
    """
    if measure not in SECONDS:
        return None
    grown = _cubes(units) / _cubes(BASE) if "D^3" in MEASURES[measure].cost else 1.0
    if not grown or "D^3" not in MEASURES[measure].cost:
        grown = weights_of(units) / weights_of(BASE)
    return SECONDS[measure] * max(grown, 0.1) * pairs


def weights_of(units: Sequence[int]) -> int:
    """Return how many weights so many units of each layer have between them."""
    return sum(before * after for before, after in pairwise(units))


def _cubes(units: Sequence[int]) -> int:
    return sum(width**3 for width in units[1:-1])
