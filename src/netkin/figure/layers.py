"""Two networks layer by layer, a heat map for each measure."""

import dataclasses
import math
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from netkin.distance.layers import LayerDistances
from netkin.figure.style import STYLE, UNDEFINED_COLOUR, colours, turned


def draw_layers(
    panels: Sequence[LayerDistances],
    names: tuple[str, str],
    title: str,
    *,
    colour_map: str = "viridis",
) -> Figure:
    """Draw the layers of one network (rows) against those of the other (columns).

    Every measure has a colour scale of its own; the first colour of the map is alike in all. Where
    there is a null it stands beside the values on their scale: what unrelated rows would give.

    Parameters
    ----------
    panels : sequence of LayerDistances
        One a measure, of the same two networks.
    names : tuple of str
        The networks of rows and columns.
    title : str
        Of the figure.
    colour_map : str
        Any name matplotlib knows.
    """
    with matplotlib.rc_context(STYLE):
        each = [part for panel in panels for part in _with_null(panel)]
        # a null stays beside its values
        columns = min(len(each), 2 * max(2, math.ceil(math.sqrt(len(panels)) / 1.5)))
        rows = -(-len(each) // columns)
        figure = Figure(figsize=(3.1 * columns + 0.4, 2.9 * rows + 0.5), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
        axes = figure.subplots(rows, columns, squeeze=False)
        for ax in axes.flat[len(each) :]:
            ax.set_axis_off()
        for ax, (panel, of_what, limits) in zip(axes.flat, each, strict=False):
            name = turned(colour_map) if panel.orientation == "up" else colour_map
            mesh = ax.pcolormesh(panel.matrix, cmap=colours(name), vmin=limits[0], vmax=limits[1])
            ax.set_facecolor(UNDEFINED_COLOUR)
            ax.invert_yaxis()
            for ticks, layers in ((ax.set_xticks, panel.layers_b), (ax.set_yticks, panel.layers_a)):
                short = [layer.removeprefix("hidden_") for layer in layers]
                ticks(np.arange(len(layers)) + 0.5, short, fontsize=7)
            ax.set_xlabel(f"layers of {names[1]}", fontsize=8)
            ax.set_ylabel(f"layers of {names[0]}", fontsize=8)
            way = "larger is more alike" if panel.orientation == "up" else "smaller is more alike"
            ax.set_title(f"{panel.measure}{of_what}\n{way}", loc="left", fontsize=8)
            bar = figure.colorbar(mesh, ax=ax, fraction=0.05, pad=0.02)
            bar.outline.set_visible(False)
            bar.ax.tick_params(labelsize=7, length=2)
        return figure


def _with_null(panel: LayerDistances) -> list[tuple[LayerDistances, str, tuple[float, float]]]:
    """Return the values and, if there is one, the null: panel, words, ends of the colour scale."""
    parts = [(panel, "")]
    if panel.null is not None:
        null = dataclasses.replace(panel, matrix=panel.null, null=None)
        parts.append((null, " of unrelated rows"))
    values = np.concatenate([part.matrix[np.isfinite(part.matrix)] for part, _ in parts])
    limits = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    return [(part, words, limits) for part, words in parts]
