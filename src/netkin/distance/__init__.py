"""Distances: the registered measures of how different two networks are."""

import math

from netkin.activation.read import read_activation
from netkin.diagram.policy import read_finite_diagram
from netkin.distance.calibration import calibrate
from netkin.distance.deep_graph_persistence import deep_graph_persistence_distance
from netkin.distance.functional import FUNCTIONAL
from netkin.distance.functional.model import read_model
from netkin.distance.graph_matching import faq
from netkin.distance.matching import bottleneck, wasserstein
from netkin.distance.measure import Input, Measure
from netkin.distance.neural_persistence import (
    neural_persistence_distance,
    tensor_neural_persistence_distance,
)
from netkin.distance.norm import frobenius, frobenius_norms, norm_1
from netkin.distance.pairwise import heat_pairwise, landscape_pairwise, silhouette_pairwise
from netkin.distance.representational import REPRESENTATIONAL
from netkin.distance.representational.algebra import on_device
from netkin.distance.representational.representation import warn_of_few_rows
from netkin.distance.tensor_diagrams import tensor_bottleneck, tensor_wasserstein
from netkin.distance.tensors import (
    read_tensors,
    tensor_cosine,
    tensor_cosines,
    tensor_difference,
    tensor_differences,
)
from netkin.distance.vector import vector_distance, vector_distances
from netkin.distance.weight_matching import weight_matching
from netkin.distance.wired import read_wired
from netkin.graph.export import read_network_graph
from netkin.prediction.prediction import read_prediction
from netkin.vector.vector import read_vector

_LANDSCAPE = "Bubenik 2015, Statistical topological data analysis using persistence landscapes"
_SILHOUETTE = "Chazal et al. 2014, Stochastic convergence of persistence landscapes and silhouettes"
_HEAT = "Reininghaus et al. 2015, A stable multi-scale kernel for topological machine learning"
_BETTI = "Umeda 2017, Time series classification via topological data analysis"
_IMAGE = (
    "Adams et al. 2017, Persistence images: a stable vector representation of persistent homology"
)
_ENTROPY = "Chintakunta et al. 2015, An entropy-based persistence barcode"
_WASSERSTEIN = (
    "Cohen-Steiner et al. 2010, Lipschitz functions have Lp-stable persistence; "
    "Kerber et al. 2017, Geometry helps to compare persistence diagrams"
)
_BOTTLENECK = (
    "Cohen-Steiner et al. 2007, Stability of persistence diagrams; "
    "Kerber et al. 2017, Geometry helps to compare persistence diagrams"
)
_NORM = (
    "Pérez-Fernández et al. 2021, Characterizing and measuring the similarity of neural "
    "networks with persistent homology"
)
_NEURAL_PERSISTENCE = (
    "Rieck et al. 2019, Neural persistence: a complexity measure for deep neural networks "
    "using algebraic topology"
)
_DEEP_GRAPH_PERSISTENCE = (
    "Girrbach et al. 2023, Addressing caveats of neural persistence with deep graph persistence"
)
_WEIGHT_MATCHING = (
    "Ainsworth et al. 2023, Git Re-Basin: merging models modulo permutation symmetries"
)
_TENSOR_COSINE = "Fort et al. 2020, Deep ensembles: a loss landscape perspective"
_TENSOR_DIFFERENCE = "Hästö 2001, A new weighted metric: the relative metric"
_FAQ = (
    "Vogelstein et al. 2015, Fast approximate quadratic programming for graph matching; "
    "Fishkind et al. 2019, Seeded graph matching"
)

INPUTS: dict[str, Input] = {
    "network": Input(read_wired, stage="network"),
    "graph": Input(read_network_graph, stage="network"),
    "tensors": Input(read_tensors, stage="network"),
    "diagram": Input(read_finite_diagram, stage="diagram"),
    "vector": Input(read_vector, stage="vector"),
    "activation": Input(
        read_activation,
        stage="activation",
        rows=True,
        calibrate=calibrate,
        check=warn_of_few_rows,
        on_device=on_device,
    ),
    "prediction": Input(read_prediction, stage="prediction", rows=True),
    "model": Input(read_model, stage="network", rows=True, with_dataset=True),
}
"""What measures compare -> where its files are and how they are read."""

MEASURES: dict[str, Measure] = {
    "landscape": Measure(
        vector_distance,
        "vector",
        "topology",
        True,
        vector="landscape",
        citation=_LANDSCAPE,
        all_pairs=vector_distances,
        cost="s",
    ),
    "silhouette": Measure(
        vector_distance,
        "vector",
        "topology",
        True,
        vector="silhouette",
        citation=_SILHOUETTE,
        all_pairs=vector_distances,
        cost="s",
    ),
    "heat": Measure(
        vector_distance,
        "vector",
        "topology",
        True,
        vector="heat",
        citation=_HEAT,
        all_pairs=vector_distances,
        cost="s",
    ),
    "betti": Measure(
        vector_distance,
        "vector",
        "topology",
        True,
        vector="betti",
        citation=_BETTI,
        all_pairs=vector_distances,
        cost="s",
    ),
    "persistence_image": Measure(
        vector_distance,
        "vector",
        "topology",
        True,
        vector="persistence_image",
        citation=_IMAGE,
        all_pairs=vector_distances,
        cost="s",
    ),
    "entropy": Measure(
        vector_distance,
        "vector",
        "topology",
        True,
        vector="entropy",
        citation=_ENTROPY,
        all_pairs=vector_distances,
        cost="s",
    ),
    "wasserstein": Measure(
        wasserstein, "diagram", "topology", True, vector=None, citation=_WASSERSTEIN, cost="m log m"
    ),
    "bottleneck": Measure(
        bottleneck, "diagram", "topology", True, vector=None, citation=_BOTTLENECK, cost="m log m"
    ),
    "landscape_pairwise": Measure(
        landscape_pairwise,
        "diagram",
        "topology_pairwise",
        False,
        vector="landscape",
        citation=_LANDSCAPE,
        cost="m log m + s",
    ),
    "silhouette_pairwise": Measure(
        silhouette_pairwise,
        "diagram",
        "topology_pairwise",
        False,
        vector="silhouette",
        citation=_SILHOUETTE,
        cost="m log m + s",
    ),
    "heat_pairwise": Measure(
        heat_pairwise,
        "diagram",
        "topology_pairwise",
        False,
        vector="heat",
        citation=_HEAT,
        cost="m + s",
    ),
    "neural_persistence": Measure(
        neural_persistence_distance,
        "network",
        "topology",
        True,
        citation=_NEURAL_PERSISTENCE,
        range=(0.0, 1.0),
        cost="1, once P log P",
    ),
    "tensor_neural_persistence": Measure(
        tensor_neural_persistence_distance,
        "tensors",
        "topology",
        True,
        citation=_NEURAL_PERSISTENCE,
        range=(0.0, 1.0),
        cost="1, once P log P",
    ),
    "deep_graph_persistence": Measure(
        deep_graph_persistence_distance,
        "network",
        "topology",
        True,
        citation=_DEEP_GRAPH_PERSISTENCE,
        range=(0.0, 1.0),
        cost="1, once d P",
    ),
    "tensor_wasserstein": Measure(
        tensor_wasserstein,
        "tensors",
        "topology_pairwise",
        False,
        citation=_WASSERSTEIN,
        cost="m log m, once P log P",
    ),
    "tensor_bottleneck": Measure(
        tensor_bottleneck,
        "tensors",
        "topology_pairwise",
        False,
        citation=_BOTTLENECK,
        cost="m log m, once P log P",
    ),
    "norm_1": Measure(
        norm_1,
        "graph",
        "weight",
        True,
        vector=None,
        citation=_NORM,
        requires=("same shape",),
        cost="E",
    ),
    "frobenius": Measure(
        frobenius,
        "graph",
        "weight",
        True,
        vector=None,
        citation=_NORM,
        requires=("same shape",),
        all_pairs=frobenius_norms,
        cost="E",
    ),
    "weight_matching": Measure(
        weight_matching,
        "network",
        "weight",
        False,
        vector=None,
        citation=_WEIGHT_MATCHING,
        requires=("same shape",),
        cost="d D^2 + t h D^3",
    ),
    "faq": Measure(
        faq,
        "network",
        "weight",
        False,
        vector=None,
        citation=_FAQ,
        requires=("same shape", "dense layers"),
        cost="d D^2 + t h D^3",
    ),
    "tensor_cosine": Measure(
        tensor_cosine,
        "tensors",
        "weight",
        False,
        citation=_TENSOR_COSINE,
        all_pairs=tensor_cosines,
        orientation="up",
        range=(-1.0, 1.0),
        cost="P",
    ),
    "tensor_difference": Measure(
        tensor_difference,
        "tensors",
        "weight",
        False,
        citation=_TENSOR_DIFFERENCE,
        all_pairs=tensor_differences,
        range=(0.0, math.sqrt(2)),
        cost="P",
    ),
    **REPRESENTATIONAL,
    **FUNCTIONAL,
}
"""Name -> measure; its options are the keyword-only parameters of its function."""
