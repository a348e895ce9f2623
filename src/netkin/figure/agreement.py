"""How far any two measures agree: a clustered matrix of rank correlations."""

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from netkin.figure.family import (
    FAMILY_COLOURS,
    add_axes,
    add_legend,
    family_handles,
    named,
    placed_figure,
    without_frame,
)
from netkin.figure.style import STYLE, UNDEFINED_COLOUR, colours

CELL = 0.2
"""Least side of a cell, inches: a line of text fits."""
CHARACTER = 0.078
"""Width of a character of the title, inches, on average."""
LEAST_SIDE = 2.6
"""Least side of the matrix, inches."""
NUMBERS_UP_TO = 16
"""With so many measures at most, the numbers are written into the cells."""


def draw_agreement(
    correlations: NDArray[np.float64],
    measures: Sequence[str],
    families: Sequence[str],
    title: str = "",
    *,
    colour_map: str = "PuOr_r",
) -> Figure:
    """Draw the rank correlations of all measures with each other, alike measures side by side.

    Order and tree are those of average linkage on 1 - correlation with the best order of
    leaves. An undefined correlation is drawn grey; for the order alone it counts as 0.

    Parameters
    ----------
    correlations : (n, n) float64
        Symmetric, from -1 to 1, NaN where not defined.
    measures, families : sequence of str
        Name and family of each of the n measures, at least 2.
    title : str
        Written above.
    colour_map : str
        Diverging; its middle is 0.
    """
    tree = _tree(correlations)
    order = tree["leaves"]
    n = len(order)
    side = max(LEAST_SIDE, CELL * n)
    label = 0.062 * max(len(name) for name in measures) + 0.15
    strip, branches = 0.12, max(0.45, 0.12 * side)
    left, below, top = 0.15, 0.95, 0.42  # margins; the strips come between these and the matrix
    heading = title + (" (grey: not defined)" if np.isnan(correlations).any() else "")
    width = max(left + strip + side + label + 0.1, 4.0, left + CHARACTER * len(heading) + 0.1)
    shown = [families[i] for i in order]
    with matplotlib.rc_context(STYLE):
        figure = placed_figure(width, below + side + strip + branches + top)
        square = add_axes(figure, left + strip, below, side, side)
        mesh = _matrix(square, correlations[np.ix_(order, order)], colour_map, side / n)
        square.set_yticks(np.arange(n) + 0.5, [named(measures[i]) for i in order], fontsize=7)
        rows = add_axes(figure, left, below, 0.75 * strip, side)
        _strip(rows, np.arange(n)[:, None], shown)
        columns = add_axes(figure, left + strip, below + side + 0.25 * strip, side, 0.75 * strip)
        _strip(columns, np.arange(n)[None, :], shown)
        _branches(
            add_axes(figure, left + strip, below + side + 1.3 * strip, side, branches), tree, n
        )
        bar = add_axes(figure, left + strip, 0.55, min(2.2, side), 0.09)
        figure.colorbar(mesh, cax=bar, orientation="horizontal")
        bar.set_title("Spearman's rank correlation", fontsize=7, loc="left", pad=3)
        bar.tick_params(labelsize=7, length=2)
        bar.spines["outline"].set_visible(False)
        add_legend(figure, family_handles(families), left, 0.1)
        figure.text(left / width, 1 - 0.25 / figure.get_figheight(), heading, fontsize=10)
        return figure


def _tree(correlations: NDArray[np.float64]) -> dict[str, Any]:
    from scipy.cluster.hierarchy import dendrogram, linkage
    from scipy.spatial.distance import squareform

    apart = 1 - np.nan_to_num(correlations, nan=0.0)
    np.fill_diagonal(apart, 0.0)
    tree: dict[str, Any] = dendrogram(
        linkage(
            squareform(np.clip(apart, 0, None), checks=False), "average", optimal_ordering=True
        ),
        no_plot=True,
    )
    return tree


def _matrix(ax: Axes, values: NDArray[np.float64], colour_map: str, cell: float) -> QuadMesh:
    mesh = ax.pcolormesh(
        values, cmap=colours(colour_map), vmin=-1, vmax=1, edgecolors="white", linewidth=0.4
    )
    ax.set_facecolor(UNDEFINED_COLOUR)
    ax.invert_yaxis()
    ax.yaxis.tick_right()
    ax.set_xticks([])
    without_frame(ax)
    if len(values) > NUMBERS_UP_TO:
        return mesh
    is_dark = mesh.to_rgba(values)[..., :3].sum(axis=-1) < 1.5
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            ax.text(
                *(column + 0.5, row + 0.5, f"{value:.2f}"),
                ha="center",
                va="center",
                fontsize=min(8, 20 * cell),
                color="white" if is_dark[row, column] else "#222222",
            )
    return mesh


def _strip(ax: Axes, places: NDArray[np.int_], families: Sequence[str]) -> None:
    """Draw a row or a column of the families' colours."""
    family_colours = ListedColormap([FAMILY_COLOURS[family] for family in families])
    ax.pcolormesh(
        places, cmap=family_colours, vmin=0, vmax=len(families), edgecolors="white", linewidth=0.4
    )
    ax.invert_yaxis()
    ax.set_xticks([])
    ax.set_yticks([])
    without_frame(ax)


def _branches(ax: Axes, tree: dict[str, Any], n: int) -> None:
    """Draw the tree; scipy puts leaves at 5, 15, 25 and so on."""
    for x, y in zip(tree["icoord"], tree["dcoord"], strict=True):
        ax.plot(np.asarray(x) / 10, y, color="#555555", linewidth=0.8)
    ax.set_xlim(0, n)
    ax.set_ylim(bottom=0)
    ax.set_xticks([])
    ax.set_yticks([])
    without_frame(ax)
