"""Stage functions of the matrices: read the files, draw, write SVG and PNG."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netkin.distance.file import Summary, read_summary
from netkin.figure.matrix import (
    MOST_NAMED,
    Panel,
    draw_deviation_matrix,
    draw_distance_matrix,
    draw_overview,
)
from netkin.figure.style import save_figure
from netkin.table.clusters import cluster

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
    order = _order(summary, grid)
    panel = _panel(summary, summary.normalised(), title, grid, order, "\n".join(notes))
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
    values = summary.normalised("standard_deviation")
    panel = _panel(summary, values, title, grid, _order(summary, grid))
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
    panels: list[Panel] = []
    order: tuple[Sequence[int], str] = (), ""
    for path, title in zip(summary_paths, titles, strict=True):
        summary = read_summary(path)
        # one order for all, so that they can be compared
        order = order if panels else _order(summary, grid)
        note = _repeatability(summary)
        panels.append(_panel(summary, summary.unlikeness(), title, grid, order, note))
    save_figure(draw_overview(panels, **options), figure_paths, dpi=dpi)


def _panel(
    summary: Summary,
    matrix: NDArray[np.float64],
    title: str,
    grid: Grid,
    order: tuple[Sequence[int], str],
    note: str = "",
) -> Panel:
    places, ordered_by = order
    grid = [grid[place] for place in places]
    return Panel(
        title=title,
        matrix=matrix[np.ix_(places, places)],
        labels=[cell["label"] or str(cell["index"]) for cell in grid],
        groups=[cell["group"] for cell in grid],
        similarity=summary.orientation == "up",
        note=note,
        ordered_by=ordered_by,
    )


def _order(summary: Summary, grid: Grid) -> tuple[Sequence[int], str]:
    """Return the places of the networks as they are drawn, and by which measure, "" for none."""
    if len(grid) > MOST_NAMED:
        return [int(place) for place in cluster(summary.unlikeness()).order], summary.measure
    # networks of one group side by side, whatever their order in the matrix
    groups = list(dict.fromkeys(cell["group"] for cell in grid))
    return sorted(range(len(grid)), key=lambda place: groups.index(grid[place]["group"])), ""


def _repeatability(summary: Summary) -> str:
    """Say how far one replicate lies from the mean of the others, where there are several."""
    if np.isnan(summary.repeatability):
        return ""
    return (
        f"one to the mean of the others: \N{GREEK SMALL LETTER RHO} = {summary.repeatability:.2f}"
    )


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
