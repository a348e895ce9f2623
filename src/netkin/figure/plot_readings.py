"""Stage function of what measures see: read the table, draw, write SVG and PNG."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from netkin.figure.readings import Dot, Question, draw_readings
from netkin.figure.style import save_figure
from netkin.table.read import read_table


class _Panel(NamedTuple):
    title: str
    unit: str
    limits: tuple[float, float] | None


_PRECISION, _CORRELATION = "average precision", "rank correlation"
PANELS = {
    "design": _Panel("one design", _PRECISION, (0, 1)),
    "groups": _Panel("groups", _PRECISION, (0, 1)),
    "data_sets": _Panel("data sets", _PRECISION, (0, 1)),
    "width": _Panel("width", _CORRELATION, (-1, 1)),
    "depth": _Panel("depth", _CORRELATION, (-1, 1)),
    "labels": _Panel("labels", _CORRELATION, (-1, 1)),
    "disagreement": _Panel("disagreement", _CORRELATION, (-1, 1)),
    "seconds": _Panel("cost", "seconds a matrix", None),
}
"""Quantity of the table -> its panel."""


def plot_readings(
    *,
    readings_path: str,
    comparison: str,
    figure_paths: Sequence[str],
    title: str,
    dpi: int,
    options: Mapping[str, Any],
) -> None:
    """Plot what each measure sees on one data set, and how it tells data sets apart.

    `readings_path` is the first table of `netkin.table.measures.tabulate_measures`; rows keep
    its order. The panel of data sets is from the comparison ``control``, where there is one.
    """
    table = read_table(
        readings_path,
        text=("comparison", "measure", "family", "quantity"),
        numbers=("pairs", "value", "low", "high", "chance", "untrained"),
    )
    here = table[table["comparison"] == comparison]
    measures = dict(zip(here["measure"], here["family"], strict=True))
    rows = table[
        table["comparison"].eq(comparison)
        | (table["comparison"].eq("control") & table["quantity"].eq("data_sets"))
    ]
    questions = []
    for quantity, panel in PANELS.items():
        found = rows[rows["quantity"].eq(quantity) & rows["measure"].isin(list(measures))]
        if found.empty:
            continue
        most = found["pairs"].max()
        dots = {
            row["measure"]: Dot(
                value=row["value"],
                low=row["low"],
                high=row["high"],
                chance=row["chance"],
                untrained=row["untrained"],
                is_whole=row["pairs"] == most,
            )
            for row in found.to_dict("records")
        }
        questions.append(Question(panel.title, panel.unit, dots, panel.limits))
    figure = draw_readings(list(measures.items()), questions, title, **options)
    save_figure(figure, figure_paths, dpi=dpi)
