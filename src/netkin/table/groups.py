"""The table of distances within experiment groups."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from netkin.distance.file import read_summary
from netkin.table.write import write_table


def tabulate_groups(
    *,
    summary_paths: Sequence[str],
    measures: Sequence[str],
    csv_path: str,
    html_path: str,
    title: str,
    grid: Sequence[Mapping[str, Any]],
) -> None:
    """Tabulate mean and deviation of the distances within each experiment group.

    As in Table 3 of arXiv 2101.07752: over the pairs i < j of a group in the matrix
    that is averaged over seeds and normalised (see `Summary.normalised`); the deviation is the
    population's. Undefined pairs are left out; a group without any is NaN.
    """
    import pandas as pd

    groups = list(dict.fromkeys(cell["group"] for cell in grid))
    names = [cell["name"] for cell in grid]
    rows = []
    for path, measure in zip(summary_paths, measures, strict=True):
        summary = read_summary(path)
        matrix = summary.normalised("mean")
        matrix = (matrix + matrix.T) / 2  # of a measure that is not symmetric both directions
        for group in groups:
            members = [
                summary.networks.index(n)
                for n, c in zip(names, grid, strict=True)
                if c["group"] == group
            ]
            block = matrix[np.ix_(members, members)]
            pairs = block[np.triu_indices(len(members), k=1)]
            defined = pairs[np.isfinite(pairs)]
            rows.append(
                {
                    "measure": measure,
                    "alike": "small" if summary.orientation == "down" else "large",
                    "group": group,
                    "pairs": len(defined),
                    "mean": defined.mean() if defined.size else np.nan,
                    "deviation": defined.std() if defined.size else np.nan,
                }
            )
    write_table(
        pd.DataFrame(rows),
        csv_path=csv_path,
        html_path=html_path,
        title=title,
        note="Distances between the networks of one experiment group, as a share of the largest "
        "mean distance on this data set, and similarities as they are: the column alike says "
        "which values mean alike. Pairs for which a measure is not defined are left out.",
        decimals={"mean": 4, "deviation": 4},
    )
