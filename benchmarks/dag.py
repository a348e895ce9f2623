"""How long Snakemake takes to see what is to be done, and of how many jobs.

    python benchmarks/dag.py

Dry runs of config/paper.yaml, from an empty folder, with and without the untrained networks.
Seconds of the processor are what a free core takes; on a busy machine the clock shows more.
"""

import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import common

NETWORKS = {"false": 475, "true": 950}
"""Value of `study.untrained` -> networks of the paper's study."""


def dry_run(untrained: str) -> list[str]:
    """Return the cells of a row: networks, jobs, seconds of the processor and of the clock."""
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "study.yaml"
        study.write_text(f"study: {{untrained: {untrained}}}\n")
        command = [
            *(sys.executable, "-m", "snakemake", "--dry-run", "--cores", "1"),
            *("--quiet", "rules", "host", "--snakefile", str(common.ROOT / "Snakefile")),
            *("--directory", folder, "--configfile"),
            *(str(common.ROOT / "config" / "paper.yaml"), str(study)),
        ]
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        clock = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = sum(
        getattr(after, name) - getattr(before, name) for name in ("ru_utime", "ru_stime")
    )
    jobs = re.search(r"(?m)^total +(\d+)$", done.stdout + done.stderr)
    assert jobs is not None, done.stdout
    return [str(NETWORKS[untrained]), jobs[1], f"{processor:.1f} s", f"{clock:.1f} s"]


if __name__ == "__main__":
    print(f"Machine: {common.machine()}\n")
    head = ["networks", "jobs", "processor", "clock"]
    print(common.table(head, [dry_run(untrained) for untrained in NETWORKS]))
