"""Figures: each entry draws one kind; its keyword parameters are its options in the config."""

from collections.abc import Callable

# before the others, which import matplotlib by themselves
from netkin.plain_matplotlib import Figure  # isort: skip

from netkin.figure.agreement import draw_agreement
from netkin.figure.diagram import draw_diagrams
from netkin.figure.layers import draw_layers
from netkin.figure.matrix import draw_deviation_matrix, draw_distance_matrix, draw_overview
from netkin.figure.readings import draw_readings
from netkin.figure.training import draw_training

FIGURES: dict[str, Callable[..., Figure]] = {
    "distance_matrix": draw_distance_matrix,
    "deviation_matrix": draw_deviation_matrix,
    "overview": draw_overview,
    "diagrams": draw_diagrams,
    "layers": draw_layers,
    "training": draw_training,
    "agreement": draw_agreement,
    "readings": draw_readings,
}
