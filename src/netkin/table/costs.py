"""The tables of run times and memory, and of what jobs asked for against what they used."""

import csv
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from netkin.errors import NetkinError
from netkin.table.use import asked_for, use_by_rule, with_accounting
from netkin.table.write import Section, write_csv, write_page

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

COSTS = (
    "Wall-clock seconds and peak resident memory of the jobs of each rule, as Snakemake's "
    "benchmark files have them; start-up of Python included. Jobs too short to be sampled are left "
    "out of CPU time and memory; a dash: all were."
)
USE = (
    "The largest request of a rule, that of a profile included, against the largest use, and "
    "the largest share that any job used of its own. Far below 1, a lower value under "
    "set-resources in the profile lets jobs start sooner; near 1, the next job may die and be "
    "sent again. A dash: too short to be sampled, or a benchmark file without requests."
)


def tabulate_costs(
    *,
    benchmark_paths: Sequence[str],
    rules: Sequence[str],
    csv_path: str,
    use_path: str,
    html_path: str,
    title: str,
) -> None:
    """Tabulate time, memory and requests per rule from Snakemake's benchmark files.

    A job too short to be sampled has no figure of memory and CPU time and is left out of them; a
    job whose benchmark file is gone or damaged is left out of all. Where Slurm keeps accounts in
    which the jobs of the working folder are found, they stand beside the use.

    Parameters
    ----------
    benchmark_paths, rules : sequences of str
        A benchmark file and the rule of its job, for each job.
    csv_path, use_path : str
        The table of costs, and that of requests and use.
    html_path, title : str
        The page of both.

    Raises
    ------
    NetkinError
        None of the benchmark files is there and can be read.
    """
    import pandas as pd

    frames = {
        Path(path): frame.assign(rule=rule)
        for path, rule in zip(benchmark_paths, rules, strict=True)
        if (frame := _read_benchmark(Path(path))) is not None
    }
    if not frames:
        raise NetkinError(
            "results/benchmark: none of the benchmark files of this study is there, so its costs "
            "are not known. They come with the jobs; make one result anew, with --forcerun RULE."
        )
    everything = pd.concat(frames.values(), ignore_index=True)
    grouped = everything.groupby("rule", sort=False)
    costs = pd.DataFrame(
        {
            "jobs": grouped.size(),
            "seconds_total": grouped["s"].sum(),
            "seconds_median": grouped["s"].median(),
            "seconds_longest": grouped["s"].max(),
            "cpu_seconds_total": grouped["cpu_time"].sum(min_count=1),
            "peak_memory_MiB": grouped["max_rss"].max(),
        }
    ).reset_index()
    # older benchmark files have no such column
    named = everything["resources"] if "resources" in everything else [None] * len(everything)
    requests = pd.DataFrame(map(asked_for, named), columns=["asked_MiB", "asked_minutes"])
    use, said = with_accounting(
        use_by_rule(everything.join(requests)),
        since=min(path.stat().st_mtime - frame["s"].sum() for path, frame in frames.items()),
        folder=Path.cwd(),
    )
    write_csv(costs, csv_path)
    write_csv(use, use_path)
    write_page(
        [
            Section(COSTS, costs, dict.fromkeys(costs.columns[2:], 1)),
            Section(f"{USE} {said}", use, _decimals(use.columns), "Requested against used"),
        ],
        html_path,
        title=title,
    )


def _read_benchmark(path: Path) -> "pd.DataFrame | None":
    """Return what a benchmark file measured, NaN where it did not; None for no such file."""
    import pandas as pd

    if not path.is_file():
        return None
    try:
        # quotes of the extended columns are Python's
        frame = pd.read_csv(path, sep="\t", na_values="-", quoting=csv.QUOTE_NONE)
        numbers = (
            frame[["s", "max_rss", "cpu_time"]].apply(pd.to_numeric, errors="coerce").astype(float)
        )
    except (ValueError, KeyError) as error:  # empty, not a table, of other columns
        logger.warning("%s: not a benchmark file of Snakemake, left out (%s)", path, error)
        return None
    # every process takes some time: what is 0 was sampled before it took any
    numbers["cpu_time"] = numbers["cpu_time"].where(numbers["cpu_time"] > 0)
    numbers = numbers.where(np.isfinite(numbers))
    measured = frame.assign(**numbers).dropna(subset="s")
    return None if measured.empty else measured


def _decimals(columns: Sequence[str]) -> dict[str, int]:
    shares = {name: 3 for name in columns if name.endswith("share_used")}
    return shares | {name: 1 for name in columns if name.endswith(("MiB", "minutes"))}
