"""Stage function of the figure of two networks layer by layer."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netkin.distance.layers import LayerDistances, read_layers
from netkin.figure.layers import draw_layers
from netkin.figure.style import save_figure


def plot_layers(
    *,
    layers_paths: Sequence[str],
    figure_paths: Sequence[str],
    names: tuple[str, str],
    title: str,
    dpi: int,
    options: Mapping[str, Any],
) -> None:
    """Plot the mean over seeds, one file of layout ``layers`` a seed."""
    seeds = [read_layers(path) for path in layers_paths]
    panels = [
        dataclasses.replace(
            of_measure[0],
            matrix=np.mean([one.matrix for one in of_measure], axis=0),
            null=_mean_null(of_measure),
        )
        for of_measure in zip(*seeds, strict=True)
    ]
    save_figure(draw_layers(panels, names, title, **options), figure_paths, dpi=dpi)


def _mean_null(seeds: Sequence[LayerDistances]) -> NDArray[np.float64] | None:
    nulls = [one.null for one in seeds if one.null is not None]
    return np.mean(nulls, axis=0) if nulls else None
