"""Matrices of distances as heat maps, in the style of the figures of arXiv 2101.07752."""

import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.textpath import TextPath
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
    ordered_by : str
        Of many networks the measure by whose clusters they are ordered: groups are told by the
        colours of a strip, and no network by its label. Else "".
    """

    title: str
    matrix: NDArray[np.float64]
    labels: Sequence[str]
    groups: Sequence[str]
    similarity: bool = False
    note: str = ""
    ordered_by: str = ""


MOST_NAMED = 60
"""Networks of a matrix whose labels can be read, at most."""
MOST_COLOURS = 10
"""Groups that are told by colours, at most."""
FONT = 7.0
"""Size of labels and names of groups, points; less where there are many."""
SINGLE, BESIDE = (5.4, 4.6), (3.5, 4.0)
"""Width and height of one matrix, and of one beside others, inches; labels and titles add to it."""
TITLE, TITLE_BESIDE = 54, 38
"""Letters of a line of the title, at most."""
LINE = 0.2
"""Height of a line of the title, inches."""
MOST_LETTERS = 40
"""Letters of a label or of the name of a group, at most."""


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
    return _single(panel, turned(colour_map), least, largest, "similarity")


def draw_deviation_matrix(panel: Panel, *, colour_map: str = "magma") -> Figure:
    """Draw the standard deviation over replicates, in the unit of the normalised mean.

    With one replicate all deviations are zero.
    """
    finite = panel.matrix[np.isfinite(panel.matrix)]
    top = float(finite.max(initial=0.0)) or 1.0
    unit = "" if panel.similarity else " / largest mean distance"
    return _single(panel, colour_map, 0.0, top, f"standard deviation{unit}")


def draw_overview(panels: Sequence[Panel], *, colour_map: str = "viridis") -> Figure:
    """Draw several measures side by side on one shared colour scale, 0 for the most alike."""
    with matplotlib.rc_context(STYLE):
        columns = len(panels) if len(panels) <= 3 else math.ceil(math.sqrt(len(panels)))
        rows = -(-len(panels) // columns)
        sizes = [_size(panel, BESIDE, TITLE_BESIDE) for panel in panels]
        width, height = (max(side) for side in zip(*sizes, strict=True))
        figure = Figure(figsize=(width * columns + 0.9, height * rows), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False)
        for ax in axes.flat[len(panels) :]:
            ax.set_axis_off()
        mesh: ScalarMappable | None = None
        for ax, panel in zip(axes.flat, panels, strict=False):
            mesh = _heat_map(ax, panel, colour_map, 0.0, 1.0, BESIDE, TITLE_BESIDE)
        if mesh is not None:
            label = "distance / largest mean distance"
            if any(panel.similarity for panel in panels):
                label = "from the most alike pair (0) to the least alike (1)"
            _colour_bar(figure, mesh, list(axes.flat), label)
        return figure


def _single(panel: Panel, colour_map: str, bottom: float, top: float, label: str) -> Figure:
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=_size(panel, SINGLE, TITLE), layout="constrained")
        ax = figure.subplots()
        mesh = _heat_map(ax, panel, colour_map, bottom, top, SINGLE, TITLE)
        _colour_bar(figure, mesh, [ax], label)
        return figure


def _title(panel: Panel, letters: int) -> list[str]:
    """Return the lines above a matrix."""
    undefined = ["grey: not defined"] if np.isnan(panel.matrix).any() else []
    lines = [panel.title, *undefined, *panel.note.splitlines()]
    return [part for line in lines for part in textwrap.wrap(line, letters) or [""]]


def _labels(panel: Panel) -> list[str]:
    """Return what stands at each row and column."""
    return [_shortened(label) for label in panel.labels]


def _names(panel: Panel) -> dict[str, str]:
    """Return how each group is called."""
    return {
        group: _shortened(GROUP_TITLES.get(group, group.replace("_", " ")))
        for group in dict.fromkeys(panel.groups)
    }


def _shortened(text: str) -> str:
    """Return a text without its middle where it is long: names often differ at their ends."""
    if len(text) <= MOST_LETTERS:
        return text
    half = MOST_LETTERS // 2
    return f"{text[:half]}\N{HORIZONTAL ELLIPSIS}{text[-half + 1 :]}"


def _font(panel: Panel, side: float) -> float:
    """Return the size of the labels of a matrix of this side, in inches."""
    return min(FONT, 0.65 * 72 * side / len(panel.labels))


def _width(texts: Iterable[str], size: float) -> float:
    """Return how wide the widest text is, points."""
    widths = [TextPath((0, 0), text, size=size).get_extents().width for text in texts if text]
    return max(widths, default=0.0)


def _are_turned(panel: Panel) -> bool:
    """Tell whether labels stand on end: names would run into one another, numbers do not."""
    return max(map(len, panel.labels)) > 3


def _groups_are_turned(panel: Panel, size: float, side: float) -> bool:
    """Tell whether names of groups stand on end, for want of room below their columns."""
    column = 72 * 0.8 * side / len(panel.labels)
    bounds, names = group_bounds(panel.groups), _names(panel)
    return any(
        _width(_in_two(names[group]), size) > (stop - start) * column
        for group, (start, stop) in bounds.items()
    )


def _in_two(name: str) -> list[str]:
    """Return the first word of the name of a group, and the others."""
    return name.split(" ", 1)


def _size(panel: Panel, size: tuple[float, float], letters: int) -> tuple[float, float]:
    """Return width and height of a matrix with its labels and its title, inches."""
    width, height = size
    height += LINE * (len(_title(panel, letters)) - 1)
    if panel.ordered_by:
        return width, height
    font = _font(panel, size[0])
    if _are_turned(panel):
        label = _width(_labels(panel), font) / 72
        width, height = width + label, height + label
    if _groups_are_turned(panel, font, size[0]):
        height += _width(_names(panel).values(), font) / 72 + 0.3
    return width, height


def _heat_map(
    ax: Axes,
    panel: Panel,
    colour_map: str,
    bottom: float,
    top: float,
    size: tuple[float, float],
    letters: int,
) -> ScalarMappable:
    n = len(panel.labels)
    ax.set_title("\n".join(_title(panel, letters)), loc="left", pad=6)
    ax.set_facecolor(UNDEFINED_COLOUR)
    if panel.ordered_by:
        return _raster(ax, panel, colour_map, bottom, top)
    mesh = ax.pcolormesh(
        panel.matrix,
        cmap=colours(colour_map),
        vmin=bottom,
        vmax=top,
        edgecolors="face",
        linewidth=0.1,
    )
    ax.set_aspect("equal")
    ax.invert_yaxis()
    centres = np.arange(n) + 0.5
    font = _font(panel, size[0])
    labels = _labels(panel)
    ax.set_xticks(centres, labels, fontsize=font, rotation=90 if _are_turned(panel) else 0)
    ax.set_yticks(centres, labels, fontsize=font)
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)
    bounds = group_bounds(panel.groups)
    for start, _ in list(bounds.values())[1:]:
        for line in (ax.axhline, ax.axvline):
            # white on black: seen on every colour of a map, and on grey
            line(start, color="black", linewidth=1.1)
            line(start, color="white", linestyle=(0, (4, 4)), linewidth=1.1)
    below = _width(labels, font) if _are_turned(panel) else font
    _name_groups(ax, panel, below, font, turned=_groups_are_turned(panel, font, size[0]))
    return mesh


def _raster(ax: Axes, panel: Panel, colour_map: str, bottom: float, top: float) -> ScalarMappable:
    """Draw a matrix of many networks as an image, with a strip of the colours of their groups."""
    image = ax.imshow(
        panel.matrix, cmap=colours(colour_map), vmin=bottom, vmax=top, interpolation="antialiased"
    )
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_xlabel(f"{len(panel.labels):,} networks, clustered by {panel.ordered_by}", fontsize=8)
    groups = list(dict.fromkeys(sorted(panel.groups)))
    if 1 < len(groups) <= MOST_COLOURS:
        chosen = matplotlib.colormaps["tab10"].colors[: len(groups)]  # type: ignore[attr-defined] # of listed maps
        strip = ax.inset_axes((-0.04, 0, 0.025, 1))
        numbers = [[groups.index(group)] for group in panel.groups]
        strip.imshow(
            numbers,
            cmap=matplotlib.colors.ListedColormap(chosen),
            vmin=-0.5,
            vmax=len(groups) - 0.5,
            aspect="auto",
            interpolation="nearest",
        )
        strip.set_axis_off()
        marks = [
            Line2D([], [], marker="s", linestyle="", color=colour, label=group or "no group")
            for group, colour in zip(groups, chosen, strict=True)
        ]
        ax.legend(
            handles=marks,
            loc="upper left",
            bbox_to_anchor=(-0.05, -0.08),
            ncols=min(5, len(groups)),
            fontsize=7,
            handletextpad=0.2,
            columnspacing=1.0,
        )
    return image


def _name_groups(ax: Axes, panel: Panel, below: float, size: float, *, turned: bool) -> None:
    """Write the name of each group below its columns and their labels, which take some points."""
    names = _names(panel)
    for group, (start, stop) in group_bounds(panel.groups).items():
        ax.annotate(
            names[group] if turned else "\n".join(_in_two(names[group])),
            xy=((start + stop) / 2, 0),
            xycoords=("data", "axes fraction"),
            xytext=(0, -below - 10),
            textcoords="offset points",
            ha="center",
            va="top",
            rotation=90 if turned else 0,
            fontsize=size,
            color="#444444",
        )


def _colour_bar(figure: Figure, mesh: ScalarMappable, axes: list[Axes], label: str) -> None:
    bar = figure.colorbar(mesh, ax=axes, fraction=0.046, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=7, length=2)
