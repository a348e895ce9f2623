"""Stage function of the figure of diagrams: read the files, draw, write SVG and PNG."""

from collections.abc import Mapping, Sequence
from typing import Any

from netkin.diagram.diagram import read_diagram
from netkin.errors import Absent
from netkin.figure.diagram import Curves, draw_diagrams
from netkin.figure.style import save_figure


def plot_diagrams(
    *,
    diagram_paths: Sequence[str],
    figure_paths: Sequence[str],
    title: str,
    grid: Sequence[Mapping[str, Any]],
    dpi: int,
    options: Mapping[str, Any],
) -> None:
    """Plot the raw diagrams of one seed, a path for each network of the grid, "" for none."""
    curves = []
    for path, cell in zip(diagram_paths, grid, strict=True):
        if not path:
            continue
        try:
            diagram = read_diagram(path)
        except Absent:
            continue
        deaths, death_counts = diagram.intervals[0][:, 1], diagram.counts[0]
        finite = deaths < float("inf")
        births, birth_counts = deaths[:0], death_counts[:0]
        if len(diagram.intervals) > 1:
            births, birth_counts = diagram.intervals[1][:, 0], diagram.counts[1]
        curves.append(
            Curves(
                cell["name"],
                cell["group"],
                deaths[finite],
                death_counts[finite],
                births,
                birth_counts,
            )
        )
    save_figure(draw_diagrams(curves, title, **options), figure_paths, dpi=dpi)
