"""The persistence diagrams of many networks in one figure."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from netkin.figure.style import GROUP_TITLES, STYLE

DIMENSIONS = (0, 1)
"""Dimensions shown: feed-forward networks have no classes in higher ones."""


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


def draw_diagrams(
    networks: Sequence[Curves], title: str = "", *, colour_map: str = "viridis"
) -> Figure:
    """Draw the shares of classes against the filtration value, a column for each group.

    Above, the share of connected components that have merged (dimension 0); below, the share
    of cycles that have appeared (dimension 1). The curve of a network without classes in a
    dimension is left out. The title stands above all. Without any network the figure says so.
    """
    groups = list(dict.fromkeys(network.group for network in networks))
    with matplotlib.rc_context(STYLE):
        if not networks:
            figure = Figure(figsize=(4.6, 1.2), layout="constrained")
            figure.suptitle(title, x=0.01, ha="left")
            figure.text(0.01, 0.3, "none of the networks has a diagram")
            return figure
        figure = Figure(figsize=(2.7 * len(groups) + 0.6, 4.6), layout="constrained")
        axes = figure.subplots(2, len(groups), squeeze=False, sharex="row", sharey=True)
        for column, group in enumerate(groups):
            members = [network for network in networks if network.group == group]
            colours = matplotlib.colormaps[colour_map](np.linspace(0.05, 0.88, len(members)))
            for row in DIMENSIONS:
                ax = axes[row, column]
                for network, colour in zip(members, colours, strict=True):
                    if row:
                        values, counts = network.births, network.birth_counts
                    else:
                        values, counts = network.deaths, network.death_counts
                    if values.size:
                        order = np.argsort(values)
                        reached = np.cumsum(counts[order])
                        # a few hundred points draw the same curve as a million
                        shares = np.linspace(0, 1, min(int(reached[-1]), 400))
                        rank = np.maximum(np.ceil(shares * reached[-1] - 1), 0)
                        places = values[order][np.searchsorted(reached, rank, side="right")]
                        ax.plot(places, shares, color=colour, linewidth=1.1, label=network.name)
                ax.set_xlabel("filtration value", fontsize=8)
                ax.tick_params(labelsize=7)
            axes[0, column].set_title(GROUP_TITLES.get(group, group), loc="left")
            axes[0, column].legend(fontsize=6, loc="upper left", handlelength=1.2)
        axes[0, 0].set_ylabel("components merged (H0)", fontsize=8)
        axes[1, 0].set_ylabel("cycles born (H1)", fontsize=8)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=10)
        return figure
