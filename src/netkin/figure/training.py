"""Learning curves of all networks of a data set."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from netkin.figure.style import GROUP_TITLES, STYLE, colours


def draw_training(
    curves: Mapping[str, Sequence[tuple[str, NDArray[np.float64]]]],
    title: str = "",
    *,
    colour_map: str = "viridis",
) -> Figure:
    """Draw validation accuracy per epoch, one panel for each experiment group.

    Parameters
    ----------
    curves : mapping of group to [(variant, (n_seeds, n_epochs) accuracies), ...]
        The line is the mean over seeds, the band their range.
    title : str
        Written above all panels.
    colour_map : str
        Sequential; later variants of a group are lighter.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2.6 * len(curves) + 0.4, 2.9), layout="constrained")
        axes = figure.subplots(1, len(curves), sharey=True, squeeze=False)[0]
        for ax, (group, variants) in zip(axes, curves.items(), strict=True):
            shades = colours(colour_map)(np.linspace(0.05, 0.85, len(variants)))
            for (variant, accuracies), shade in zip(variants, shades, strict=True):
                epochs = np.arange(1, accuracies.shape[1] + 1)
                label = variant.removeprefix(f"{group}_")
                ax.plot(epochs, accuracies.mean(axis=0), color=shade, linewidth=1.3, label=label)
                ax.fill_between(
                    epochs, accuracies.min(axis=0), accuracies.max(axis=0), color=shade, alpha=0.18
                )
            ax.set_title(GROUP_TITLES.get(group, group), loc="left")
            ax.set_xlabel("epoch")
            ax.xaxis.get_major_locator().set_params(integer=True)
            ax.legend(fontsize=7, handlelength=1.2)
        axes[0].set_ylabel("validation accuracy")
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=10)
        return figure
