"""Two networks layer by layer, a heat map for each measure."""

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

    Every measure has a colour scale of its own; the first colour of the map is alike in all.

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
        columns = min(len(panels), max(3, math.ceil(math.sqrt(len(panels)))))
        rows = -(-len(panels) // columns)
        figure = Figure(figsize=(3.1 * columns + 0.4, 2.9 * rows + 0.5), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
        axes = figure.subplots(rows, columns, squeeze=False)
        for ax in axes.flat[len(panels) :]:
            ax.set_axis_off()
        for ax, panel in zip(axes.flat, panels, strict=False):
            name = turned(colour_map) if panel.orientation == "up" else colour_map
            mesh = ax.pcolormesh(panel.matrix, cmap=colours(name))
            ax.set_facecolor(UNDEFINED_COLOUR)
            ax.invert_yaxis()
            for ticks, layers in ((ax.set_xticks, panel.layers_b), (ax.set_yticks, panel.layers_a)):
                short = [layer.removeprefix("hidden_") for layer in layers]
                ticks(np.arange(len(layers)) + 0.5, short, fontsize=7)
            ax.set_xlabel(f"layers of {names[1]}", fontsize=8)
            ax.set_ylabel(f"layers of {names[0]}", fontsize=8)
            way = "larger is more alike" if panel.orientation == "up" else "smaller is more alike"
            ax.set_title(f"{panel.measure}\n{way}{_null(panel)}", loc="left", fontsize=8)
            bar = figure.colorbar(mesh, ax=ax, fraction=0.05, pad=0.02)
            bar.outline.set_visible(False)
            bar.ax.tick_params(labelsize=7, length=2)
        return figure


def _null(panel: LayerDistances) -> str:
    """Say what rows that do not correspond give, over all pairs of layers."""
    if panel.null is None or not np.isfinite(panel.null).any():
        return ""
    low, high = np.nanmin(panel.null), np.nanmax(panel.null)
    return f"\nunrelated rows: {low:.2g} to {high:.2g}"
