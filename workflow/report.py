"""Make the report after a run: python workflow/report.py STATUS [SNAKEMAKE'S ARGUMENTS].

STATUS is how the run ended, and how this ends too. There is a report also where networks of a sheet
could not be read, which fails a run that has done all else; Snakemake makes none after a failure,
and tries to after a dry run. What it says meanwhile is shown where it fails.
"""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

# where Python does not look beside the script (PYTHONSAFEPATH)
sys.path.insert(0, str(Path(__file__).resolve().parent))

from internals import jobs_to_do

REPORT = "results/report.html"


def finished(status, arguments):
    """Return the folder of a run whose figures and tables are all there, None of another one."""
    try:
        # a run that failed said why
        with contextlib.redirect_stderr(io.StringIO()):
            folder, _, left = jobs_to_do(arguments)
    except SystemExit:  # a dry run, or anything else that runs no job
        return None
    is_finished = status == 0 or {job.rule.name for job in left} == {"check_members"}
    return folder if is_finished else None


def make_report(arguments):
    """Let Snakemake make the report and return its status."""
    command = ["snakemake", "--cores", "1", "--report", REPORT, *arguments]
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True)
    if done.returncode:
        print(done.stdout + done.stderr, file=sys.stderr, end="")
    return done.returncode


if __name__ == "__main__":
    status, arguments = int(sys.argv[1]), sys.argv[2:]
    folder = finished(status, arguments)
    if folder is not None:
        failed = make_report(arguments)
        if not failed:
            print(f"netkin: the report is {os.path.relpath(folder / REPORT)}", file=sys.stderr)
        status = status or failed
    sys.exit(status)
