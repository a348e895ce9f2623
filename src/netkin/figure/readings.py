"""What each measure sees: one row a measure, one panel a question."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from netkin.figure.family import (
    FAMILY_COLOURS,
    FAMILY_TITLES,
    add_axes,
    add_legend,
    family_handles,
    named,
    placed_figure,
)
from netkin.figure.style import STYLE

ROW = 0.17
"""Height of a row, inches."""
PANEL = 1.15
"""Width of a panel, inches."""
NULL_COLOUR = "#9a9a9a"


@dataclass(frozen=True)
class Dot:
    """The answer of one measure to one question.

    Attributes
    ----------
    value, low, high : float
        Mean over seeds and its interval, NaN where there is none.
    chance : float
        What a measure that knows nothing would have, NaN where that means nothing.
    untrained : float
        The value of the networks before training, NaN where not asked.
    is_whole : bool
        Whether it rests on as many pairs of networks as any other of its panel.
    """

    value: float
    low: float
    high: float
    chance: float
    untrained: float
    is_whole: bool


@dataclass(frozen=True)
class Question:
    """One panel.

    Attributes
    ----------
    title, unit : str
        Written above and below it.
    dots : mapping of str to Dot
        Measure -> its answer; measures without one are left out.
    limits : tuple of float or None
        Ends of the axis; None for positive values on a logarithmic axis.
    """

    title: str
    unit: str
    dots: Mapping[str, Dot]
    limits: tuple[float, float] | None


def draw_readings(
    measures: Sequence[tuple[str, str]], questions: Sequence[Question], title: str = ""
) -> Figure:
    """Draw the answers of all measures with their intervals over seeds.

    A full dot rests on as many pairs of networks as any in its panel, an empty one on fewer.
    Dashed: what a measure that knows nothing would have. Cross: the same before training.

    Parameters
    ----------
    measures : sequence of (str, str)
        Name and family, in the order of the rows; those of a family follow each other.
    questions : sequence of Question
        The panels, from the left.
    title : str
        Written above all panels.
    """
    place = _places(measures)
    rows = max(place.values(), default=0.0) + 1
    label = 0.062 * max((len(name) for name, _ in measures), default=0) + 0.3
    gap, top, below = 0.16, 0.6, 0.85
    width = max(label + len(questions) * (PANEL + gap) + 0.1, 6.0)
    with matplotlib.rc_context(STYLE):
        figure = placed_figure(width, top + rows * ROW + below)
        figure.text(0.1 / width, 1 - 0.25 / figure.get_figheight(), title, fontsize=10)
        if not questions:
            figure.text(0.1 / width, 0.4, "no question has an answer here", color="#777777")
            return figure
        for column, question in enumerate(questions):
            left = label + column * (PANEL + gap)
            ax = add_axes(figure, left, below, PANEL, rows * ROW)
            _panel(ax, question, measures, place)
            ax.set_ylim(rows - 0.5, -0.5)
            if not column:
                _name_rows(ax, measures, place)
        add_legend(figure, _marks(questions) + family_handles(f for _, f in measures), 0.1, 0.1)
        return figure


def _places(measures: Sequence[tuple[str, str]]) -> dict[str, float]:
    """Return the row of each measure, with a free line above each family."""
    place: dict[str, float] = {}
    row, previous = -1.0, ""
    for measure, family in measures:
        row += 1 if family == previous else 2
        place[measure] = row
        previous = family
    return place


def _panel(
    ax: Axes,
    question: Question,
    measures: Sequence[tuple[str, str]],
    place: Mapping[str, float],
) -> None:
    for measure, family in measures:
        row = place[measure]
        ax.axhline(row, color="#eeeeee", linewidth=0.7, zorder=0)
        dot = question.dots.get(measure)
        if dot is None:
            continue
        colour = FAMILY_COLOURS[family]
        # not a line for all: over other pairs chance is another
        ax.plot([dot.chance] * 2, [row - 0.5, row + 0.5], color=NULL_COLOUR, linewidth=0.9, ls=":")
        ax.plot([dot.low, dot.high], [row] * 2, color=colour, linewidth=1.6, alpha=0.45)
        ax.plot(dot.untrained, row, "x", color="#444444", markersize=3.6, markeredgewidth=0.9)
        ax.plot(
            *(dot.value, row, "o"),
            color=colour,
            markerfacecolor=colour if dot.is_whole else "white",
            markersize=4.6,
            markeredgewidth=1.1,
        )
    if question.limits is None:
        values = [dot.value for dot in question.dots.values()]
        ax.set_xscale("log")
        ax.set_xlim(min(values) / 2, max(values) * 2)
    else:
        low, high = question.limits
        margin = 0.04 * (high - low)
        ax.set_xlim(low - margin, high + margin)
        ax.set_xticks([low, (low + high) / 2, high])
    ax.set_title(question.title, loc="left", fontsize=8.5, pad=5)
    ax.set_xlabel(question.unit, fontsize=7, color="#555555")
    ax.tick_params(labelsize=7, length=2)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)


def _name_rows(ax: Axes, measures: Sequence[tuple[str, str]], place: Mapping[str, float]) -> None:
    ax.set_yticks([place[name] for name, _ in measures], [named(name) for name, _ in measures])
    ax.tick_params(axis="y", length=0, pad=4, labelsize=7)
    first = {family: place[name] for name, family in reversed(measures)}
    for family, row in first.items():
        ax.annotate(
            FAMILY_TITLES[family],
            xy=(0, row - 1),
            xycoords=("axes fraction", "data"),
            xytext=(-4, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=7.5,
            fontweight="bold",
            color=FAMILY_COLOURS[family],
        )


def _marks(questions: Sequence[Question]) -> list[Line2D]:
    """Explain the marks that occur."""
    dots = [dot for question in questions for dot in question.dots.values()]
    dark: dict[str, Any] = {"color": "#444444", "markersize": 4.6, "linestyle": ""}
    marks = [
        (True, Line2D([], [], marker="o", label="mean over seeds", **dark)),
        (
            any(np.isfinite(dot.low) for dot in dots),
            Line2D([], [], color="#444444", alpha=0.45, linewidth=1.6, label="95 % interval"),
        ),
        (
            any(not dot.is_whole for dot in dots),
            Line2D([], [], marker="o", markerfacecolor="white", label="over fewer pairs", **dark),
        ),
        (
            any(np.isfinite(dot.untrained) for dot in dots),
            Line2D([], [], marker="x", label="before training", **dark),
        ),
        (
            any(np.isfinite(dot.chance) for dot in dots),
            Line2D([], [], color=NULL_COLOUR, linewidth=0.9, linestyle=":", label="chance"),
        ),
    ]
    return [mark for occurs, mark in marks if occurs]
