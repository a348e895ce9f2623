"""The table of run times and memory."""

from collections.abc import Sequence
from pathlib import Path

from netkin.table.write import write_table


def tabulate_costs(
    *,
    benchmark_paths: Sequence[str],
    rules: Sequence[str],
    csv_path: str,
    html_path: str,
    title: str,
) -> None:
    """Tabulate run time and peak memory per rule from Snakemake's benchmark files.

    A job too short to be sampled has no memory figure and is left out of it; so is a job
    whose benchmark file is gone.
    """
    import pandas as pd

    frames = [
        pd.read_csv(path, sep="\t", na_values="-").assign(rule=rule)
        for path, rule in zip(benchmark_paths, rules, strict=True)
        if Path(path).is_file()
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
