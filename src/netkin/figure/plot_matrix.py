"""Stage functions of the matrices: read the files, draw, write SVG and PNG."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netkin.distance.file import Summary, read_summary
from netkin.figure.matrix import (
    Panel,
    draw_deviation_matrix,
    draw_distance_matrix,
    draw_overview,
)
from netkin.figure.style import save_figure

Grid = Sequence[Mapping[str, Any]]
"""One mapping a network, with ``name``, ``index``, ``group`` and ``label``, as they stand in the
matrix."""


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
    summary = read_summary(summary_path)
    notes = [note for note in (_chance(summary), _repeatability(summary)) if note]
    panel = _panel(summary, summary.normalised(), title, grid, "\n".join(notes))
    save_figure(draw_distance_matrix(panel, **options), figure_paths, dpi=dpi)


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
    summary = read_summary(summary_path)
    panel = _panel(summary, summary.normalised("standard_deviation"), title, grid)
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
    panels = []
    for path, title in zip(summary_paths, titles, strict=True):
        summary = read_summary(path)
        panels.append(_panel(summary, summary.unlikeness(), title, grid, _repeatability(summary)))
    save_figure(draw_overview(panels, **options), figure_paths, dpi=dpi)


def _panel(
    summary: Summary, matrix: NDArray[np.float64], title: str, grid: Grid, note: str = ""
) -> Panel:
    # networks of one group side by side, whatever their order in the matrix
    groups = list(dict.fromkeys(cell["group"] for cell in grid))
    order = sorted(range(len(grid)), key=lambda place: groups.index(grid[place]["group"]))
    grid = [grid[place] for place in order]
    return Panel(
        title=title,
        matrix=matrix[np.ix_(order, order)],
        labels=[cell["label"] or str(cell["index"]) for cell in grid],
        groups=[cell["group"] for cell in grid],
        similarity=summary.orientation == "up",
        note=note,
    )


def _repeatability(summary: Summary) -> str:
    """Say how far one seed lies from the mean of the others, where there are several."""
    if np.isnan(summary.repeatability):
        return ""
    return f"a seed to the others' mean: \N{GREEK SMALL LETTER RHO} = {summary.repeatability:.2f}"


def _chance(summary: Summary) -> str:
    """Say what rows that do not correspond would give, in the unit of the figure."""
    if "mean" not in summary.null:
        return ""
    least, largest = summary.scale if summary.orientation == "down" else (0.0, 1.0)
    null = (summary.null["mean"] - least) / (largest - least)
    null = null[np.isfinite(null)]
    if not null.size:
        return ""
    return f"unrelated rows would give {null.min():.2f} to {null.max():.2f}"
