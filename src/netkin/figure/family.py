"""What figures of measures share: the families and their colours, placing by inches."""

from collections.abc import Iterable

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import PlaceHolderLayoutEngine
from matplotlib.lines import Line2D

FAMILY_TITLES = {
    "topology": "topology",
    "topology_pairwise": "topology, by pair",
    "weight": "weights",
    "representational": "representations",
    "functional": "answers",
}
FAMILY_COLOURS = {
    "topology": "#0072b2",
    "topology_pairwise": "#56b4e9",
    "weight": "#e69f00",
    "representational": "#009e73",
    "functional": "#cc79a7",
}
"""Okabe and Ito's colours, which people who do not see some colours tell apart."""


def named(measure: str) -> str:
    """Return a measure's name as it is written in figures."""
    return measure.replace("_", " ")


def family_handles(families: Iterable[str]) -> list[Line2D]:
    """Return one mark for each family that occurs, for a legend."""
    present = set(families)
    return [
        Line2D([], [], marker="s", linestyle="", color=colour, label=FAMILY_TITLES[family])
        for family, colour in FAMILY_COLOURS.items()
        if family in present
    ]


def placed_figure(width: float, height: float) -> Figure:
    """Return a figure of a size in inches, whose axes stay where they are put."""
    # without an engine of its own matplotlib would take that of the style when saving again
    engine = PlaceHolderLayoutEngine(adjust_compatible=True, colorbar_gridspec=True)
    return Figure(figsize=(width, height), layout=engine)


def add_axes(figure: Figure, left: float, bottom: float, across: float, up: float) -> Axes:
    """Add axes whose place and size are in inches."""
    width, height = figure.get_size_inches()
    return figure.add_axes((left / width, bottom / height, across / width, up / height))


def add_legend(figure: Figure, handles: list[Line2D], left: float, bottom: float) -> None:
    """Add a legend that begins at a place in inches, with as many columns as there is room for."""
    width, height = figure.get_size_inches()
    lengths = [0.055 * len(str(handle.get_label())) + 0.42 for handle in handles]
    fits = sum(lengths) <= width - left
    columns = len(handles) if fits else max(1, int((width - left) / max(lengths)))
    figure.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(left / width, bottom / height),
        borderaxespad=0,
        ncols=columns,
        fontsize=7,
        handlelength=1.4,
        handletextpad=0.4,
        columnspacing=1.2,
        labelspacing=0.3,
    )


def without_frame(ax: Axes) -> None:
    """Remove the frame and the ticks of axes."""
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)
