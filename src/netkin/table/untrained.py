"""The table of the null, whether a measure sees the training or the architecture."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netkin.distance.file import Distances, read_distances
from netkin.table.statistic import (
    as_distances,
    control_ratio,
    interval_over_seeds,
    pairs_of,
    rank_correlation,
)
from netkin.table.write import write_table


def tabulate_untrained(
    *,
    trained_paths: Sequence[str],
    untrained_paths: Sequence[str],
    csv_path: str,
    html_path: str,
    title: str,
    grid: Sequence[Mapping[str, Any]],
) -> None:
    """Compare the distances of trained networks with those of the same before training.

    For each measure, over seeds: Spearman's correlation of the two matrices (1: the order of
    the distances was there before training), the mean distance before over after training,
    and how close the control networks are (their mean distance over that of all other
    pairs) after and before.

    Parameters
    ----------
    trained_paths, untrained_paths : sequence of str
        Distance files of the same measures and seeds, in the same order.
    csv_path, html_path, title : str
        Where the table and its page go, and its title.
    grid : sequence of mapping
        Networks in the order of the matrices, with ``group``.
    """
    import pandas as pd

    control = [i for i, cell in enumerate(grid) if cell["group"] == "input_order"]
    pairs: dict[str, list[tuple[Distances, Distances]]] = {}
    for one, other in zip(trained_paths, untrained_paths, strict=True):
        after, before = read_distances(one), read_distances(other)
        pairs.setdefault(after.measure, []).append((after, before))
    rows = []
    for measure, found in pairs.items():
        correlation = interval_over_seeds(
            [rank_correlation(_ordered(after), _ordered(before)) for after, before in found],
            least=-1,
            largest=1,
        )
        # a ratio of similarities says nothing: their 0 is not that of a network and itself
        ratios = found if found[0][0].orientation == "down" else []
        shares = [_mean(before) / _mean(after) for after, before in ratios if _mean(after) > 0]
        rows.append(
            {
                "measure": measure,
                "seeds": len(found),
                "correlation": correlation.mean,
                "low": correlation.low,
                "high": correlation.high,
                "untrained_to_trained": np.mean(shares) if shares else np.nan,
                "control_ratio": _mean_ratio([after for after, _ in ratios], control),
                "control_ratio_untrained": _mean_ratio([before for _, before in ratios], control),
            }
        )
    write_table(
        pd.DataFrame(rows),
        csv_path=csv_path,
        html_path=html_path,
        title=title,
        note="Correlation: Spearman's, of the distances after training with those before, with "
        "its 95 % interval over seeds; near 1, the measure sees the architecture rather than "
        "the training. Control ratio: mean distance of the control networks over that of all "
        "other pairs; a dash for similarities, of which ratios say nothing.",
        decimals={
            "correlation": 3,
            "low": 3,
            "high": 3,
            "untrained_to_trained": 3,
            "control_ratio": 3,
            "control_ratio_untrained": 3,
        },
    )


def _ordered(distances: Distances) -> NDArray[np.float64]:
    return as_distances(distances.matrix, distances.orientation)


def _mean(distances: Distances) -> float:
    pairs = pairs_of(_ordered(distances))
    return float(pairs.mean()) if pairs.size else np.nan


def _mean_ratio(distances: Sequence[Distances], control: Sequence[int]) -> float:
    return interval_over_seeds([control_ratio(_ordered(one), control) for one in distances]).mean
