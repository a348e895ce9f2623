"""Stage functions of the matrices: read the files, draw, write SVG and PNG."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from netkin.distance.file import read_summary
from netkin.figure.matrix import (
    Panel,
    draw_deviation_matrix,
    draw_distance_matrix,
    draw_overview,
)
from netkin.figure.style import save_figure

Grid = Sequence[Mapping[str, Any]]
"""One mapping a network, with ``name``, ``index`` and ``group``, in the order of the grid."""


def plot_distance_matrix(
    *,
    summary_path: str,
    figure_paths: Sequence[str],
    title: str,
    grid: Grid,
    dpi: int,
    options: Mapping[str, Any],
) -> None:
    """Plot the normalised mean distances of one measure on one data set."""
    figure = draw_distance_matrix(_panel(summary_path, "mean", title, grid), **options)
    save_figure(figure, figure_paths, dpi=dpi)


def plot_deviation_matrix(
    *,
    summary_path: str,
    figure_paths: Sequence[str],
    title: str,
    grid: Grid,
    dpi: int,
    options: Mapping[str, Any],
) -> None:
    """Plot the standard deviation over seeds of one measure on one data set."""
    panel = _panel(summary_path, "standard_deviation", title, grid)
    save_figure(draw_deviation_matrix(panel, **options), figure_paths, dpi=dpi)


def plot_overview(
    *,
    summary_paths: Sequence[str],
    titles: Sequence[str],
    figure_paths: Sequence[str],
    grid: Grid,
    dpi: int,
    options: Mapping[str, Any],
) -> None:
    """Plot the measures of one family side by side."""
    panels = [
        _panel(path, "mean", title, grid) for path, title in zip(summary_paths, titles, strict=True)
    ]
    save_figure(draw_overview(panels, **options), figure_paths, dpi=dpi)


def _panel(
    summary_path: str, statistic: Literal["mean", "standard_deviation"], title: str, grid: Grid
) -> Panel:
    summary = read_summary(summary_path)
    return Panel(
        title=title,
        matrix=summary.normalised(statistic),
        indices=[cell["index"] for cell in grid],
        groups=[cell["group"] for cell in grid],
    )
