"""What all figures share: fonts, sizes, colours, and how a figure becomes files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager

from netkin.errors import NetkinError, did_you_mean
from netkin.storage import whole_file

STYLE: Any = {
    # matplotlib's own, whatever a matplotlibrc of the reader says
    **{name: value for name, value in matplotlib.rcParamsDefault.items() if name != "backend"},
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "svg.fonttype": "none",  # text stays text: searchable, and smaller files
    "svg.hashsalt": "netkin",  # the same figure gives the same file
}

GROUP_TITLES = {
    "width": "layer width",
    "layers": "number of layers",
    "input_order": "input order",
    "labels": "number of labels",
}
UNDEFINED_COLOUR = "#e4e4e4"


def _own_fonts_first() -> None:
    """Let matplotlib find the fonts that come with it before those of the system.

    Its cache in the user's folder may be damaged, or name another file of the same font.
    """
    known, fontManager.ttflist = fontManager.ttflist, []
    for path in sorted(Path(matplotlib.get_data_path(), "fonts", "ttf").glob("*.ttf")):
        fontManager.addfont(path)
    fontManager.ttflist += known


_own_fonts_first()


def colours(name: str) -> matplotlib.colors.Colormap:
    """Return a colour map by name; undefined cells become light grey.

    Raises
    ------
    NetkinError
        If matplotlib knows no colour map of this name.
    """
    if name not in matplotlib.colormaps:
        known = list(matplotlib.colormaps)
        raise NetkinError(
            f"colour_map: found {name!r}, which matplotlib does not know; try viridis, magma, "
            f"cividis or Greys.{did_you_mean(name, known)}"
        )
    return matplotlib.colormaps[name].with_extremes(bad=UNDEFINED_COLOUR)


def turned(name: str) -> str:
    """Return the name of a colour map with its ends exchanged."""
    return name.removesuffix("_r") if name.endswith("_r") else f"{name}_r"


def save_figure(figure: Figure, figure_paths: Sequence[str], *, dpi: int) -> None:
    """Write a figure to every path, in the format of its suffix, whole or not at all."""
    with matplotlib.rc_context(STYLE):
        for path in figure_paths:
            is_svg = Path(path).suffix == ".svg"
            with whole_file(path) as temporary:
                metadata = {"Date": None} if is_svg else {}  # same content, same file
                figure.savefig(temporary, dpi=dpi, metadata=metadata)
