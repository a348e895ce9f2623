"""Matrices of distances as heat maps, in the style of the figures of arXiv 2101.07752."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from numpy.typing import NDArray

from netkin.figure.style import GROUP_TITLES, STYLE, UNDEFINED_COLOUR, colours, turned
from netkin.source.variants import group_bounds


@dataclass(frozen=True)
class Panel:
    """One square matrix to draw.

    Attributes
    ----------
    title : str
    matrix : (n, n) float64
        NaN where the measure is not defined.
    labels : sequence of str
        Of each network, for the ticks: of a grid its number (Table 1 of the paper).
    groups : sequence of str
        Experiment group of each network; networks of a group are adjacent.
    similarity : bool
        Whether the largest value, not the least, is that of the most alike.
    note : str
        A second line below the title, empty for none.
    """

    title: str
    matrix: NDArray[np.float64]
    labels: Sequence[str]
    groups: Sequence[str]
    similarity: bool = False
    note: str = ""


def draw_distance_matrix(panel: Panel, *, colour_map: str = "viridis") -> Figure:
    """Draw the normalised mean distances of one measure; colours run from 0 to 1.

    Similarities are drawn as they are, from the least to the largest, with the colours turned
    round: alike is the same colour in all figures.
    """
    if not panel.similarity:
        return _single(panel, colour_map, 0.0, 1.0, "distance / largest mean distance")
    finite = panel.matrix[np.isfinite(panel.matrix)]
    least, largest = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if least == largest:
        least = largest - 1.0
    return _single(panel, turned(colour_map), least, largest, "similarity, mean over seeds")


def draw_deviation_matrix(panel: Panel, *, colour_map: str = "magma") -> Figure:
    """Draw the standard deviation over seeds, in the unit of the normalised mean.

    With one seed all deviations are zero.
    """
    finite = panel.matrix[np.isfinite(panel.matrix)]
    top = float(finite.max(initial=0.0)) or 1.0
    unit = "" if panel.similarity else " / largest mean distance"
    return _single(panel, colour_map, 0.0, top, f"standard deviation over seeds{unit}")


def draw_overview(panels: Sequence[Panel], *, colour_map: str = "viridis") -> Figure:
    """Draw several measures side by side on one shared colour scale, 0 for the most alike."""
    with matplotlib.rc_context(STYLE):
        columns = len(panels) if len(panels) <= 3 else math.ceil(math.sqrt(len(panels)))
        rows = -(-len(panels) // columns)
        figure = Figure(figsize=(3.5 * columns + 0.9, 3.7 * rows), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False)
        for ax in axes.flat[len(panels) :]:
            ax.set_axis_off()
        mesh: QuadMesh | None = None
        for ax, panel in zip(axes.flat, panels, strict=False):
            mesh = _heat_map(ax, panel, colour_map, 0.0, 1.0)
        if mesh is not None:
            label = "distance / largest mean distance"
            if any(panel.similarity for panel in panels):
                label = "from the most alike pair (0) to the least alike (1)"
            _colour_bar(figure, mesh, list(axes.flat), label)
        return figure


def _single(panel: Panel, colour_map: str, bottom: float, top: float, label: str) -> Figure:
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.4, 4.6), layout="constrained")
        ax = figure.subplots()
        mesh = _heat_map(ax, panel, colour_map, bottom, top)
        _colour_bar(figure, mesh, [ax], label)
        return figure


def _heat_map(ax: Axes, panel: Panel, colour_map: str, bottom: float, top: float) -> QuadMesh:
    n = len(panel.labels)
    mesh = ax.pcolormesh(
        panel.matrix,
        cmap=colours(colour_map),
        vmin=bottom,
        vmax=top,
        edgecolors="face",
        linewidth=0.1,
    )
    ax.set_facecolor(UNDEFINED_COLOUR)
    ax.set_aspect("equal")
    ax.invert_yaxis()
    centres = np.arange(n) + 0.5
    # numbers stand upright, names would run into one another
    turn = 90 if max(map(len, panel.labels)) > 3 else 0
    ax.set_xticks(centres, panel.labels, fontsize=7, rotation=turn)
    ax.set_yticks(centres, panel.labels, fontsize=7)
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)
    bounds = group_bounds(panel.groups)
    for start, _ in list(bounds.values())[1:]:
        for line in (ax.axhline, ax.axvline):
            # white on black: seen on every colour of a map, and on grey
            line(start, color="black", linewidth=1.1)
            line(start, color="white", linestyle=(0, (4, 4)), linewidth=1.1)
    _name_groups(ax, bounds)
    undefined = " (grey: not defined)" if np.isnan(panel.matrix).any() else ""
    title = panel.title + undefined + ("\n" + panel.note if panel.note else "")
    ax.set_title(title, loc="left", pad=6)
    return mesh


def _name_groups(ax: Axes, bounds: Mapping[str, tuple[int, int]]) -> None:
    """Write the name of each group below its columns."""
    for group, (start, stop) in bounds.items():
        ax.annotate(
            GROUP_TITLES.get(group, group.replace("_", " ")).replace(" ", "\n", 1),
            xy=((start + stop) / 2, 0),
            xycoords=("data", "axes fraction"),
            xytext=(0, -16),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=7,
            color="#444444",
        )


def _colour_bar(figure: Figure, mesh: ScalarMappable, axes: list[Axes], label: str) -> None:
    bar = figure.colorbar(mesh, ax=axes, fraction=0.046, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=7, length=2)
