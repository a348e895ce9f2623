"""The persistence diagrams of many networks in one figure."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from netkin.figure.style import GROUP_TITLES, STYLE

DIMENSIONS = (0, 1)
"""Dimensions shown: feed-forward networks have no classes in higher ones."""
MOST_CURVES = 20
"""Networks of a group that have a curve each, at most."""
MOST_COLUMNS = 8
"""Groups that have a column each, at most."""
POINTS = 400
"""Points of a curve."""


@dataclass(frozen=True)
class Curves:
    """Where the classes of one network lie.

    Attributes
    ----------
    name, group : str
    deaths, births : (k,) float64
        Deaths in dimension 0, where all births are 0, and births in dimension 1, where no
        class dies.
    death_counts, birth_counts : (k,) int64
        How many classes have each of them.
    """

    name: str
    group: str
    deaths: NDArray[np.float64]
    death_counts: NDArray[np.int64]
    births: NDArray[np.float64]
    birth_counts: NDArray[np.int64]

    def of_dimension(self, dimension: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return where the classes of a dimension lie, and how many have each of them."""
        if dimension:
            return self.births, self.birth_counts
        return self.deaths, self.death_counts


def draw_diagrams(
    networks: Sequence[Curves], title: str = "", *, colour_map: str = "viridis"
) -> Figure:
    """Draw the shares of classes against the filtration value, a column for each group.

    Above, the share of connected components that have merged (dimension 0); below, the share
    of cycles that have appeared (dimension 1). The curve of a network without classes in a
    dimension is left out. Of a group of more than `MOST_CURVES` networks the middle of their curves
    is drawn, and the band that holds nine tenths of them; more than `MOST_COLUMNS` groups stand in
    one column. The title stands above all. Without any network the figure says so.
    """
    groups = list(dict.fromkeys(network.group for network in networks))
    if len(groups) > MOST_COLUMNS:
        groups = [""]
    with matplotlib.rc_context(STYLE):
        if not networks:
            figure = Figure(figsize=(4.6, 1.2), layout="constrained")
            figure.suptitle(title, x=0.01, ha="left")
            figure.text(0.01, 0.3, "none of the networks has a diagram")
            return figure
        figure = Figure(figsize=(2.7 * len(groups) + 0.6, 4.6), layout="constrained")
        axes = figure.subplots(2, len(groups), squeeze=False, sharex="row", sharey=True)
        for column, group in enumerate(groups):
            members = [one for one in networks if one.group == group or len(groups) == 1]
            colours = matplotlib.colormaps[colour_map](np.linspace(0.05, 0.88, len(members)))
            for row in DIMENSIONS:
                ax = axes[row, column]
                if len(members) > MOST_CURVES:
                    _draw_band(ax, members, row, colours[len(members) // 2])
                for network, colour in zip(members, colours, strict=True):
                    if len(members) > MOST_CURVES:
                        break
                    values, counts = network.of_dimension(row)
                    if values.size:
                        # a few hundred points draw the same curve as a million
                        shares = np.linspace(0, 1, min(int(counts.sum()), POINTS))
                        places = _places(values, counts, shares)
                        ax.plot(places, shares, color=colour, linewidth=1.1, label=network.name)
                ax.set_xlabel("filtration value", fontsize=8)
                ax.tick_params(labelsize=7)
            title_of_column = GROUP_TITLES.get(group, group)
            if len(members) > MOST_CURVES:
                title_of_column = f"{title_of_column} ({len(members):,} networks)".strip()
            axes[0, column].set_title(title_of_column, loc="left")
            axes[0, column].legend(fontsize=6, loc="upper left", handlelength=1.2)
        axes[0, 0].set_ylabel("components merged (H0)", fontsize=8)
        axes[1, 0].set_ylabel("cycles born (H1)", fontsize=8)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=10)
        return figure


def _places(
    values: NDArray[np.float64], counts: NDArray[np.int64], shares: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return up to which value these shares of the classes lie."""
    order = np.argsort(values)
    reached = np.cumsum(counts[order])
    rank = np.maximum(np.ceil(shares * reached[-1] - 1), 0)
    found: NDArray[np.float64] = values[order][np.searchsorted(reached, rank, side="right")]
    return found


def _draw_band(
    ax: Axes, members: Sequence[Curves], dimension: int, colour: NDArray[np.float64]
) -> None:
    """Draw the middle of many curves, and what lies between their fifth and 95th percentile."""
    shares = np.linspace(0, 1, POINTS)
    both = [network.of_dimension(dimension) for network in members]
    curves = [_places(values, counts, shares) for values, counts in both if values.size]
    if curves:
        low, middle, high = np.percentile(np.stack(curves), [5, 50, 95], axis=0)
        ax.fill_betweenx(
            shares, low, high, color=colour, alpha=0.3, linewidth=0, label="nine of ten"
        )
        ax.plot(middle, shares, color=colour, linewidth=1.1, label="their middle")
