"""Distances: the registered measures of how different two networks are."""

from netkin.distance.measure import Measure
from netkin.distance.norm import frobenius, norm_1
from netkin.distance.pairwise import heat_pairwise, landscape_pairwise, silhouette_pairwise
from netkin.distance.vector import vector_distance

_LANDSCAPE = "Bubenik 2015, Statistical topological data analysis using persistence landscapes"
_SILHOUETTE = "Chazal et al. 2014, Stochastic convergence of persistence landscapes and silhouettes"
_HEAT = "Reininghaus et al. 2015, A stable multi-scale kernel for topological machine learning"
_NORM = (
    "Pérez-Fernández et al. 2021, Characterizing and measuring the similarity of neural "
    "networks with persistent homology"
)

MEASURES: dict[str, Measure] = {
    "landscape": Measure(
        vector_distance, "vector", "topology", True, vector="landscape", citation=_LANDSCAPE
    ),
    "silhouette": Measure(
        vector_distance, "vector", "topology", True, vector="silhouette", citation=_SILHOUETTE
    ),
    "heat": Measure(vector_distance, "vector", "topology", True, vector="heat", citation=_HEAT),
    "landscape_pairwise": Measure(
        landscape_pairwise,
        "diagram",
        "topology_pairwise",
        False,
        vector="landscape",
        citation=_LANDSCAPE,
    ),
    "silhouette_pairwise": Measure(
        silhouette_pairwise,
        "diagram",
        "topology_pairwise",
        False,
        vector="silhouette",
        citation=_SILHOUETTE,
    ),
    "heat_pairwise": Measure(
        heat_pairwise, "diagram", "topology_pairwise", False, vector="heat", citation=_HEAT
    ),
    "norm_1": Measure(norm_1, "graph", "weight", True, vector=None, citation=_NORM),
    "frobenius": Measure(frobenius, "graph", "weight", True, vector=None, citation=_NORM),
}
"""Name -> measure; its options are the keyword-only parameters of its function."""
