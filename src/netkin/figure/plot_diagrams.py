"""Stage function of the figure of diagrams: read the files, draw, write SVG and PNG."""

from collections.abc import Mapping, Sequence
from typing import Any

from netkin.diagram.diagram import read_diagram
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
    """Plot the raw diagrams of one seed, a path for each network of the grid."""
    curves = []
    for path, cell in zip(diagram_paths, grid, strict=True):
        intervals = read_diagram(path).intervals
        births = intervals[1][:, 0] if len(intervals) > 1 else intervals[0][:0, 0]
        deaths = intervals[0][:, 1]
        finite = deaths[deaths < float("inf")]
        curves.append(Curves(cell["name"], cell["group"], finite, births))
    save_figure(draw_diagrams(curves, title, **options), figure_paths, dpi=dpi)
