"""What jobs asked for against what they used, from benchmark files and Slurm's accounting."""

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from netkin.errors import NetkinError
from netkin.table.accounting import read_accounting

if TYPE_CHECKING:
    import pandas as pd

MIB_PER_MB = 1e6 / 2**20


def asked_for(resources: object) -> tuple[float, float]:
    """Return MiB and minutes of the resources that a benchmark file names.

    Parameters
    ----------
    resources : str
        A Python dict with the keys ``mem_mb`` and ``runtime`` (minutes), as Snakemake's
        extended benchmark files have it. Profiles and repeated attempts are in it.

    Returns
    -------
    tuple of float
        NaN for what it does not name.
    """
    try:
        found = ast.literal_eval(str(resources))
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        found = {}
    if not isinstance(found, dict):
        found = {}
    memory, minutes = (
        float(value) if isinstance(value, int | float) else float("nan")
        for value in (found.get("mem_mb"), found.get("runtime"))
    )
    return memory * MIB_PER_MB, minutes


def use_by_rule(jobs: "pd.DataFrame") -> "pd.DataFrame":
    """Return the largest request and use of each rule, and the largest share of any job.

    Parameters
    ----------
    jobs : DataFrame
        One row a job: ``rule``, ``s`` (seconds), ``max_rss`` (MiB, NaN for a job too short to
        be sampled), ``asked_MiB`` and ``asked_minutes`` (NaN where not known).

    Returns
    -------
    DataFrame
        One row a rule. A share of 1 is a request used up; NaN where one side is not known.
    """
    import pandas as pd

    minutes = jobs["s"] / 60
    largest = (
        jobs.assign(
            minutes=minutes,
            memory_share=jobs["max_rss"] / jobs["asked_MiB"],
            time_share=minutes / jobs["asked_minutes"],
        )
        .groupby("rule", sort=False)
        .max(numeric_only=True)
    )
    return pd.DataFrame(
        {
            "requested_MiB": largest["asked_MiB"],
            "used_MiB": largest["max_rss"],
            "memory_share_used": largest["memory_share"],
            "requested_minutes": largest["asked_minutes"],
            "used_minutes": largest["minutes"],
            "time_share_used": largest["time_share"],
        }
    ).reset_index()


def with_accounting(
    use: "pd.DataFrame", *, since: float, folder: Path
) -> tuple["pd.DataFrame", str]:
    """Add what Slurm saw of the jobs of each rule, if it keeps accounts.

    Parameters
    ----------
    use : DataFrame
        Of `use_by_rule`.
    since : float
        See `read_accounting`.
    folder : Path
        Working folder of the run.

    Returns
    -------
    use : DataFrame
        With columns of Slurm, or as it was.
    note : str
        One sentence that says which.
    """
    rules: Sequence[str] = use["rule"].tolist()
    try:
        seen = read_accounting(rules, since=since, folder=folder)
    except NetkinError as error:
        return use, f"From benchmark files only: {error}"
    return (
        use.merge(seen, on="rule", how="left"),
        "The columns of Slurm are its accounting of all attempts, failed ones included, and of "
        "earlier runs in this folder of the last day.",
    )
