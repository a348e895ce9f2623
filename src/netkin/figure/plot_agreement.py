"""Stage function of the agreement of measures: read the table, draw, write SVG and PNG."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from netkin.figure.agreement import draw_agreement
from netkin.figure.style import save_figure
from netkin.table.read import read_table


def plot_agreement(
    *,
    agreement_path: str,
    comparison: str,
    figure_paths: Sequence[str],
    title: str,
    dpi: int,
    options: Mapping[str, Any],
) -> None:
    """Plot how far the measures of one comparison agree, mean over seeds.

    `agreement_path` is the second table of `netkin.table.measures.tabulate_measures`.
    """
    pair = ("measure_a", "measure_b", "family_a", "family_b")
    table = read_table(agreement_path, text=("comparison", *pair), numbers=("value",))
    rows = table[table["comparison"] == comparison].to_dict("records")
    family = {row[f"measure_{x}"]: row[f"family_{x}"] for row in rows for x in "ab"}
    place = {measure: i for i, measure in enumerate(family)}
    correlations = np.full((len(family), len(family)), np.nan)
    for row in rows:
        a, b = place[row["measure_a"]], place[row["measure_b"]]
        correlations[a, b] = correlations[b, a] = row["value"]
    # a measure that agrees with none, for want of values, does not with itself either
    np.fill_diagonal(correlations, np.where(np.isfinite(correlations).any(axis=0), 1.0, np.nan))
    figure = draw_agreement(correlations, list(family), list(family.values()), title, **options)
    save_figure(figure, figure_paths, dpi=dpi)
