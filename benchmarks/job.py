"""What one job on a cluster costs besides its work, and where the time goes.

    python benchmarks/job.py [--repeat 5]

Starts the Slurm of `make cluster-test` on this machine and times, one after the other and on the
paper's grid (tiny networks, as in `benchmarks/cluster.py`): how long Slurm takes from `sbatch` to
the first line of a job and to start a step in it; the Snakemake that looks the job up, of which
every job runs two, one in the other; the imports of a stage. And runs some jobs through
`snakemake --profile slurm`, one at a time, to compare with.
Prints a Markdown table; medians, on a machine that should do nothing else.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import common
import numpy as np
from cluster import DATA_SETS, SEEDS, VARIANTS, Grid, duration, get_ready
from tests.cluster.slurm import Cluster, wait_for

IMPORTS = {
    "train_network": "netkin.network.train, torch",
    "compute_diagrams": "netkin.diagram.compute",
    "vectorise_diagrams": "netkin.vector.compute",
    "compute_distances": "netkin.distance.compute",
}
"""Rule -> what its script imports."""
IMPORT = "Python, import of Snakemake"
SEARCH = "Snakemake until it knows its job (import, Snakefile, config)"
JOB = "Snakemake that runs `train_network` without Slurm, script included"


def timed(command: list[str], folder: Path) -> float:
    """Run a command and return its seconds."""
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - started


def slurm_starts(cluster: Cluster) -> tuple[float, float]:
    """Return the seconds from `sbatch` to a job's first line, and those around a step in it."""
    times = cluster.folder / "times"
    times.unlink(missing_ok=True)
    now = f"date +%s.%N >> {times}"
    script = f"{now}; srun -n1 sh -c '{now}'; {now}"
    submitted = time.time()
    cluster.ask("sbatch", "--account=netkin", "--output=/dev/null", f"--wrap={script}")
    wait_for(lambda: times.exists() and times.read_text().count("\n") == 3, "job of one step")
    begun, _, ended = map(float, times.read_text().split())
    wait_for(cluster.all_idle, "idle nodes")
    return begun - submitted, ended - begun


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=5, help="times each part is measured")
    repeat = parser.parse_args().repeat
    get_ready()
    folder = Path(tempfile.mkdtemp(prefix="netkin_job_"))
    python = [sys.executable, "-c"]
    try:
        with Cluster(folder / "slurm") as cluster:
            grid = Grid(folder / "run", cluster, 1, DATA_SETS, SEEDS, VARIANTS)
            checkout = grid.checkout
            slurm = np.median([slurm_starts(cluster) for _ in range(repeat)], axis=0)
            checkout.run("results/dataset/digits_0.h5")
            known = {record["JobId"] for record in cluster.jobs()}
            targets = [f"results/network/digits_0/width_{w}/seed_0.h5" for w in (2, 4, 8, 16)]
            checkout.run("--jobs", "1", *targets)
            jobs = [duration(r) for r in cluster.jobs() if r["JobId"] not in known]
            # what a job's Snakemake is called with, but for the executor
            one = "train_network:member=digits_0/layers_3/seed_0"
            search = [sys.executable, "-m", "snakemake", "--nolock", "--cores", "1", "--force"]
            search += ["--configfile", checkout.study.name, "--allowed-rules", "train_network"]
            search += ["--target-jobs", one, "--executor"]
            commands = {
                IMPORT: [*python, "import snakemake.cli"],
                SEARCH: [*search, "dryrun"],
                JOB: [*search, "local"],
                **{
                    f"Python and imports of `{rule}`": [
                        *python,
                        f"import sys; sys.path.insert(0, 'src'); import {modules}",
                    ]
                    for rule, modules in IMPORTS.items()
                },
            }
            found = {
                part: np.median([timed(call, checkout.folder) for _ in range(repeat)])
                for part, call in commands.items()
            }
    finally:
        shutil.rmtree(folder)
    rows = [
        ["Slurm, from `sbatch` to the job's first line", f"{slurm[0]:.2f} s"],
        ["Slurm, a step around nothing", f"{slurm[1]:.2f} s"],
    ]
    rows += [[part, f"{seconds:.2f} s"] for part, seconds in found.items()]
    print(f"Machine: {common.machine()}\n")
    print(common.table(["part", "time"], rows))
    # one Snakemake finds the job and starts a step, in which another one runs it
    together = slurm.sum() + found[SEARCH] + found[JOB]
    print(f"\nSlurm, and a Snakemake that finds and one that runs the job: {together:.1f} s.")
    print(
        f"{len(jobs)} such jobs in Slurm, one at a time: {np.mean(jobs):.1f} s each, start to end."
    )


if __name__ == "__main__":
    main()
