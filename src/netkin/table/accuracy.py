"""The table of test accuracies."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from netkin.network.file import read_training
from netkin.table.write import write_table


def tabulate_accuracy(
    *,
    network_paths: Sequence[str],
    variants: Sequence[str],
    csv_path: str,
    html_path: str,
    title: str,
    grid: Sequence[Mapping[str, Any]],
) -> None:
    """Tabulate the test accuracy of every variant over seeds.

    The standard deviation is the population's (divided by the number of seeds), as in
    the paper; with one seed it is 0.
    """
    import pandas as pd

    accuracy: dict[str, list[float]] = {}
    for path, variant in zip(network_paths, variants, strict=True):
        accuracy.setdefault(variant, []).append(read_training(path).test_accuracy)
    rows = [
        {
            "index": cell["index"],
            "variant": cell["name"],
            "group": cell["group"],
            "seeds": len(accuracy[cell["name"]]),
            "mean": np.mean(accuracy[cell["name"]]),
            "deviation": np.std(accuracy[cell["name"]]),
            "lowest": np.min(accuracy[cell["name"]]),
            "highest": np.max(accuracy[cell["name"]]),
        }
        for cell in grid
    ]
    write_table(
        pd.DataFrame(rows),
        csv_path=csv_path,
        html_path=html_path,
        title=title,
        note="Share of test rows classified rightly; networks with fewer labels are tested on "
        "the rows of those labels only.",
        decimals=dict.fromkeys(("mean", "deviation", "lowest", "highest"), 4),
    )
