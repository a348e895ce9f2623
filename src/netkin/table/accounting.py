"""What Slurm's accounting says of the jobs of a run."""

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from netkin.errors import NetkinError

if TYPE_CHECKING:
    import pandas as pd

FIELDS = ("JobID", "WorkDir", "State", "ElapsedRaw", "MaxRSS", "Comment")
"""Fields of sacct. The comment comes last: it alone is free text."""
OUT_OF_MEMORY = "OUT_OF_MEMORY"
SECONDS_ALLOWED = 60
SECONDS_BEFORE = 86400
"""How much earlier than the first benchmark file Slurm is asked from.

Snakemake dates the files when it hears of a job's end, by then up to 180 s ago; attempts that
failed came before.
"""


def read_accounting(rules: Sequence[str], *, since: float, folder: Path) -> "pd.DataFrame":
    """Ask Slurm for the jobs of a working folder, and return what it saw by rule.

    Parameters
    ----------
    rules, folder
        See `jobs_by_rule`.
    since : float
        Begin of the first job as its benchmark file has it, in seconds since 1970.

    Raises
    ------
    NetkinError
        There is no Slurm, it keeps no accounts, it does not answer, or it knows no job of
        this folder.
    """
    if shutil.which("sacct") is None:
        raise NetkinError("there is no Slurm here (no command sacct).")
    begin = datetime.fromtimestamp(since - SECONDS_BEFORE).strftime("%Y-%m-%dT%H:%M:%S")
    command = ["sacct", "--noheader", "--parsable2", "--units=M", f"--starttime={begin}"]
    try:
        done = subprocess.run(
            [*command, f"--format={','.join(FIELDS)}"],
            capture_output=True,
            # comments of other users' jobs may be in any encoding
            encoding="utf-8",
            errors="replace",
            timeout=SECONDS_ALLOWED,
        )
    except OSError as error:
        raise NetkinError(f"sacct cannot be run ({error.strerror}).") from None
    except subprocess.TimeoutExpired:
        raise NetkinError(f"sacct did not answer within {SECONDS_ALLOWED} s.") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise NetkinError(f"sacct says '{said[-1]}'.")
    seen = jobs_by_rule(done.stdout, rules, folder)
    if seen.empty:
        raise NetkinError(
            "Slurm's accounts have no job of this folder with a comment that names its rule "
            "(the cluster needs AccountingStoreFlags=job_comment)."
        )
    return seen


def jobs_by_rule(text: str, rules: Sequence[str], folder: Path) -> "pd.DataFrame":
    """Return what the lines of sacct say of the rules of a run.

    Parameters
    ----------
    text : str
        Lines of `FIELDS` separated by ``|``: one for each job, with its comment, and one for
        each of its steps, with the memory.
    rules : sequence of str
        Names of rules. The comment of a job is ``rule_NAME_wildcards_...``; a rule of several
        networks adds the data set and a number to its name.
    folder : Path
        Where the run works; jobs of other folders are left out.

    Returns
    -------
    DataFrame
        ``rule``, ``slurm_MiB`` (largest resident memory of a step, NaN if never sampled),
        ``slurm_minutes`` (longest) and ``slurm_states``, such as ``COMPLETED 5, TIMEOUT 1``.
        A failed job with a step that was out of memory counts as that.
    """
    import pandas as pd

    jobs: dict[str, dict[str, object]] = {}
    memory: dict[str, float] = {}
    too_large = set()
    for line in text.splitlines():
        values = line.split("|", len(FIELDS) - 1)
        if len(values) < len(FIELDS):  # the rest of a comment of several lines, or a warning
            continue
        fields = dict(zip(FIELDS, values, strict=True))
        if not fields["ElapsedRaw"].isdecimal():
            continue
        number, _, step = fields["JobID"].partition(".")
        size = re.fullmatch(r"([\d.]+)M", fields["MaxRSS"])
        if size:
            memory[number] = max(float(size[1]), memory.get(number, 0.0))
        if step and fields["State"] == OUT_OF_MEMORY:
            too_large.add(number)
        rule = None if step else _rule_of(fields["Comment"], rules)
        if rule is not None and Path(fields["WorkDir"]).resolve() == folder.resolve():
            jobs[number] = {"rule": rule, **_seen(fields)}
    for number in too_large & jobs.keys():
        # to Slurm a job is as its script ends, and Snakemake's ends with an error
        if jobs[number]["state"] == "FAILED":
            jobs[number]["state"] = OUT_OF_MEMORY
    columns = ["rule", "slurm_MiB", "slurm_minutes", "slurm_states"]
    frame = pd.DataFrame(
        [job | {"slurm_MiB": memory.get(number)} for number, job in jobs.items()],
        columns=[*columns[:3], "state"],
    )
    grouped = frame.astype({"slurm_MiB": float, "slurm_minutes": float}).groupby("rule", sort=False)
    rows = [
        [rule, part["slurm_MiB"].max(), part["slurm_minutes"].max(), _counted(part["state"])]
        for rule, part in grouped
    ]
    return pd.DataFrame(rows, columns=columns)


def _rule_of(comment: str, rules: Sequence[str]) -> str | None:
    """Return the rule of the longest name that a job's comment begins with."""
    named = [rule for rule in rules if re.match(rf"rule_{rule}(_|$)", comment)]
    return max(named, key=len, default=None)


def _seen(fields: Mapping[str, str]) -> dict[str, object]:
    # "CANCELLED by 0" is CANCELLED
    return {
        "slurm_minutes": int(fields["ElapsedRaw"]) / 60,
        "state": fields["State"].partition(" ")[0],
    }


def _counted(states: "pd.Series[str]") -> str:
    return ", ".join(f"{state} {count}" for state, count in sorted(Counter(states).items()))
