"""Stage function of the learning curves: read the networks, draw, write SVG and PNG."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from netkin.figure.style import save_figure
from netkin.figure.training import draw_training
from netkin.network.file import read_training


def plot_training(
    *,
    network_paths: Sequence[str],
    variants: Sequence[str],
    figure_paths: Sequence[str],
    title: str,
    grid: Sequence[Mapping[str, Any]],
    dpi: int,
    options: Mapping[str, Any],
) -> None:
    """Plot the learning curves of one data set; `variants` names the variant of each file."""
    history: dict[str, list[Any]] = {}
    for path, variant in zip(network_paths, variants, strict=True):
        history.setdefault(variant, []).append(read_training(path).history["validation_accuracy"])
    curves: dict[str, list[tuple[str, Any]]] = {}
    for cell in grid:
        curves.setdefault(cell["group"], []).append((cell["name"], np.stack(history[cell["name"]])))
    save_figure(draw_training(curves, title, **options), figure_paths, dpi=dpi)
