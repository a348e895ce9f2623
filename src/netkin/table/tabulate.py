"""Stage functions of the tables: test accuracies, group statistics, costs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from netkin.distance.summary import read_summary
from netkin.network.file import read_network
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
        accuracy.setdefault(variant, []).append(read_network(path).test_accuracy)
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
    that is averaged over seeds and divided by its largest entry; the deviation is the
    population's. Undefined pairs are left out; a group without any is NaN.
    """
    import pandas as pd

    groups = list(dict.fromkeys(cell["group"] for cell in grid))
    names = [cell["name"] for cell in grid]
    rows = []
    for path, measure in zip(summary_paths, measures, strict=True):
        summary = read_summary(path)
        matrix = summary.normalised("mean")
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
        "mean distance on this data set. Pairs for which a measure is not defined are left out.",
        decimals={"mean": 4, "deviation": 4},
    )


def tabulate_costs(
    *,
    benchmark_paths: Sequence[str],
    rules: Sequence[str],
    csv_path: str,
    html_path: str,
    title: str,
) -> None:
    """Tabulate run time and peak memory per rule from Snakemake's benchmark files.

    A job too short to be sampled has no memory figure and is left out of it.
    """
    import pandas as pd

    frames = [
        pd.read_csv(path, sep="\t", na_values="-").assign(rule=rule)
        for path, rule in zip(benchmark_paths, rules, strict=True)
    ]
    everything = pd.concat(frames, ignore_index=True)
    grouped = everything.groupby("rule", sort=False)
    table = pd.DataFrame(
        {
            "jobs": grouped.size(),
            "seconds_total": grouped["s"].sum(),
            "seconds_median": grouped["s"].median(),
            "seconds_longest": grouped["s"].max(),
            "cpu_seconds_total": grouped["cpu_time"].sum(),
            "peak_memory_MiB": grouped["max_rss"].max(),
        }
    ).reset_index()
    write_table(
        table,
        csv_path=csv_path,
        html_path=html_path,
        title=title,
        note="Wall-clock seconds and peak resident memory of the jobs of each rule, as Snakemake's "
        "benchmark files have them; start-up of Python included.",
        decimals={name: 1 for name in table.columns if name not in ("rule", "jobs")},
    )
