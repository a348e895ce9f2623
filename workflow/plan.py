"""Print what a run would take; nothing is run: python workflow/plan.py [SNAKEMAKE'S ARGUMENTS]."""

import os
import sys
from pathlib import Path

# where Python does not look beside the script (PYTHONSAFEPATH)
sys.path.insert(0, str(Path(__file__).resolve().parent))

from internals import jobs_to_do

from netkin.errors import NetkinError
from netkin.plan import PlannedJob, describe
from netkin.study import Study


def planned(job):
    """Return what a job of Snakemake asks for."""

    def number(name):
        value = job.resources.get(name)
        return value if isinstance(value, int | float) else 0

    return PlannedJob(
        rule=job.rule.name,
        outputs=tuple(map(str, job.output)),
        cores=job.threads,
        gpus=number("gpu"),
        megabytes=number("mem_mb"),
        minutes=number("runtime"),
    )


if __name__ == "__main__":
    folder, config, jobs = jobs_to_do(sys.argv[1:])
    # a sheet is named as seen from where Snakemake works
    os.chdir(folder)
    try:
        print(describe(Study(config), map(planned, jobs)))
    except NetkinError as error:
        sys.exit(f"netkin: {error}")
