"""How many jobs a cluster runs for the paper's 475 networks, and how long they take.

    python benchmarks/cluster.py [--data-sets 5] [--seeds 5] [--single 19] [--jobs 8]

Starts the Slurm of `make cluster-test` on this machine and lets `snakemake --profile slurm` run
the paper's grid on it twice: one training a job, and 19 (Snakemake's --group-components). The
networks are tiny (at most 16 units wide, one epoch) and the embedded digits stand for the five data
sets, so that what is measured are the jobs. One training a job takes hours here: only some networks
of one data set and seed run so. Jobs are counted by a dry run of the whole grid, and where less was
run, its wall time is that number times the wall time of a job. Prints Markdown tables.
"""

import argparse
import math
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import common
import yaml

sys.path.insert(0, str(common.ROOT))
# the longest run; read by the tests' modules when they are imported
os.environ.setdefault("NETKIN_TEST_SECONDS", "86400")

from tests.cluster.conftest import ClusterCheckout
from tests.cluster.slurm import Cluster, install

DATA_SETS, SEEDS, VARIANTS = 5, 5, 19
"""Those of the paper."""
STAGES = ("train_network", "training", "compute_diagrams", "vectorise_diagrams")
HEAD = ["trainings a job", "networks run", "jobs run", "wall time", "a job", "jobs of 475"]
HEAD += ["wall time of 475"]


def study(n_data_sets: int, n_seeds: int, n_variants: int) -> dict:
    """Return what the grid's config changes."""
    variants = [f"width_{width}" for width in (2, 4, 8, 16)]
    variants += [f"layers_{layers}" for layers in (2, 3, 4, 5, 6)]
    variants += [f"input_order_{number}" for number in (1, 2, 3, 4, 5)]
    variants += [f"labels_{labels}" for labels in (2, 4, 6, 8, 10)]
    digits = {"kind": "digits", "labels": [2, 4, 6, 8, 10], "batch_size": 128, "epochs": 1}
    names = [f"digits_{number}" for number in range(n_data_sets)]
    return {
        "study": {"datasets": names, "seeds": n_seeds, "variants": variants[:n_variants]},
        "dataset": {
            name: {**digits, "test_share": 0.2, "split_seed": number}
            for number, name in enumerate(names)
        },
        "network": {
            "width": 8,
            "variants": {"width": [2, 4, 8, 16], "layers": [2, 3, 4, 5, 6], "input_order": 5},
            "device": "cpu",
        },
        "distance": {"measures": ["landscape", "silhouette", "heat", "norm_1", "frobenius"]},
    }


class Grid:
    """A checkout of the grid on a cluster."""

    def __init__(self, folder: Path, cluster: Cluster, networks: int, *size: int) -> None:
        self.checkout = ClusterCheckout(folder, cluster)
        self.checkout.study.write_text(yaml.safe_dump(study(*size)))
        self.cluster = cluster
        self.trainings = networks
        self.n_networks = math.prod(size)

    def count_jobs(self) -> int:
        """Return how many jobs a dry run says there are."""
        said = self.checkout.run("--dry-run")
        # `all` is no job of the cluster
        n_jobs = int(re.search(r"(?m)^total +(\d+)$", said)[1]) - 1
        return n_jobs - self.n_networks + math.ceil(self.n_networks / self.trainings)

    def run(self, n_jobs: int) -> dict:
        """Run it; return networks, jobs, seconds, and {stage: seconds of its jobs}."""
        known = {record["JobId"] for record in self.cluster.jobs()}
        started = time.perf_counter()
        groups = ["--groups", "train_network=training"] if self.trainings > 1 else []
        groups += (
            ["--group-components", f"training={self.trainings}", "--cores", "1"] if groups else []
        )
        self.checkout.run("--jobs", str(n_jobs), *groups)
        seconds = time.perf_counter() - started
        records = [r for r in self.cluster.jobs() if r["JobId"] not in known]
        assert {record["JobState"] for record in records} == {"COMPLETED"}
        stages: dict[str, list[float]] = {stage: [] for stage in STAGES}
        for record in records:
            for stage in STAGES:
                if record["rule"].startswith(stage):
                    stages[stage].append(duration(record))
        return {
            "networks": self.n_networks,
            "jobs": len(records),
            "seconds": seconds,
            "stages": stages,
        }


def duration(record: dict) -> float:
    """Return the seconds between the start and the end of a job."""
    start, end = (datetime.fromisoformat(record[key]) for key in ("StartTime", "EndTime"))
    return (end - start).total_seconds()


def row(networks: int, found: dict, n_jobs: int) -> list[str]:
    """Return the cells of a run, and of the whole grid of so many jobs."""
    a_job = found["seconds"] / found["jobs"]
    whole = found["jobs"] == n_jobs
    hours = f"{n_jobs * a_job / 3600:.1f} h"
    return [
        f"{networks}",
        f"{found['networks']}",
        f"{found['jobs']:,}",
        f"{found['seconds']:.0f} s",
        f"{a_job:.2f} s",
        f"{n_jobs:,}",
        hours if whole else f"{hours}, extrapolated",
    ]


def get_ready() -> None:
    """Install Slurm or end with the reason; once it runs, it is stopped in order by SIGTERM too."""
    reason = install()
    if reason is not None:
        sys.exit(f"no Slurm here: {reason}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-sets", type=int, default=DATA_SETS, help="with 19 trainings a job")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="with 19 trainings a job")
    parser.add_argument("--single", type=int, default=VARIANTS, help="networks of a job each")
    parser.add_argument("--jobs", type=int, default=8, help="jobs in Slurm at once")
    chosen = parser.parse_args()
    get_ready()
    sizes = {1: (1, 1, chosen.single), VARIANTS: (chosen.data_sets, chosen.seeds, VARIANTS)}
    rows, stage_rows = [], []
    print(f"Machine: {common.machine()}; {chosen.jobs} jobs at once\n", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="netkin_cluster_"))
    try:
        with Cluster(folder / "slurm") as cluster:
            for networks, size in sizes.items():
                paper = (DATA_SETS, SEEDS, VARIANTS)
                whole = Grid(folder / f"whole_{networks}", cluster, networks, *paper)
                n_jobs = whole.count_jobs()
                found = Grid(folder / f"run_{networks}", cluster, networks, *size).run(chosen.jobs)
                rows.append(row(networks, found, n_jobs))
                stage_rows += [
                    [f"{networks}", stage, f"{len(each)}", f"{sum(each) / len(each):.1f} s"]
                    for stage, each in found["stages"].items()
                ]
                print(rows[-1], file=sys.stderr, flush=True)
    finally:
        shutil.rmtree(folder)
    print(common.table(HEAD, rows))
    print()
    print(common.table(["trainings a job", "rule", "jobs run", "a job, in Slurm"], stage_rows))


if __name__ == "__main__":
    main()
