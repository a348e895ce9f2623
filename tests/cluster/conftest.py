"""A Slurm of its own for these tests, and checkouts whose jobs it runs."""

import copy
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import edits
from tests.cluster.slurm import Cluster, install
from tests.conftest import DISTANCES, ROOT, Checkout, environment, made_once, make_checkout

RUN_SECONDS = int(os.environ.get("NETKIN_TEST_SECONDS", "600"))
"""Longest run of a workflow here, on a machine that is not busy; none may hang."""
PROMPT = Path(__file__).with_name("prompt.py")
EXTRACTOR = {"epochs": 1, "batch_size": 128}
EVERYTHING = {**edits.EVERYTHING, "extract_features": 1}
"""Rule -> number of its jobs in a whole run here."""


def with_features(checkout):
    """Let the networks of a checkout learn extracted features, so that every rule has a job."""
    checkout.set("dataset.digits.extractor", EXTRACTOR)
    return checkout


class ClusterCheckout(Checkout):
    """A copy of the workflow whose runs go through `--profile slurm`."""

    def __init__(self, folder, cluster):
        folder.mkdir()
        super().__init__(make_checkout(folder).folder)
        # as in the repository: found as ./slurm
        shutil.copytree(ROOT / "slurm", folder / "slurm")
        self.cluster = cluster
        with_features(self)

    def command(self, *arguments):
        """Return the command line of Snakemake on this checkout."""
        return [
            *(sys.executable, str(PROMPT), *arguments, "--profile", "slurm"),
            *("--configfile", self.study.name),
        ]

    @property
    def environment(self):
        """What Snakemake's process has of variables."""
        variables = environment() | {"SLURM_CONF": str(self.cluster.conf)}
        return variables | {"PATH": f"{self.cluster.commands}:{variables['PATH']}"}

    def moved(self, folder):
        """Return a copy of all that is there, in a folder that is not."""
        moved = copy.copy(self)
        moved.folder = shutil.copytree(self.folder, folder)
        return moved

    def start(self, *arguments):
        """Start Snakemake; its output goes to `said`."""
        with self.said.open("w") as output:
            return subprocess.Popen(
                # should the tests be killed, it goes too
                ["setpriv", "--pdeathsig", "KILL", *self.command(*arguments)],
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # a test run in the background ignores interrupts, and what it starts would too
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    @property
    def said(self):
        """The file with what the last run printed."""
        return self.folder / "said.txt"

    def run(self, *arguments, check=True):
        """Run Snakemake to its end and return what it printed."""
        if "--dry-run" in arguments:
            output = super().run(*arguments, check=check)
            self.said.write_text(output)
            return output
        process = self.start(*arguments)
        try:
            process.wait(RUN_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
            raise AssertionError(f"it hangs:\n{self.said.read_text()}") from None
        output = self.said.read_text()
        assert not check or process.returncode == 0, output
        return output


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """A running cluster; without Slurm the tests are skipped, but fail where CI is set."""
    reason = install()
    if reason is not None:
        text = f"no Slurm here, nothing of the cluster is tested: {reason}"
        pytest.fail(text) if os.environ.get("CI") else pytest.skip(text)
    with Cluster(tmp_path_factory.mktemp("slurm")) as running:
        # its jobs outlive a test run that is terminated, unless that ends in order
        signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated"))
        yield running


@pytest.fixture(scope="session")
def submitted(tmp_path_factory, cluster):
    """A checkout whose study the cluster has run, and Slurm's records of it."""
    checkout = ClusterCheckout(tmp_path_factory.mktemp("submitted") / "checkout", cluster)
    before = {record["JobId"] for record in cluster.jobs()}
    checkout.run()
    checkout.records = [record for record in cluster.jobs() if record["JobId"] not in before]
    return checkout


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """The same study, run without a cluster: one run for all workers, tables and figures aside."""
    with made_once(tmp_path_factory, "undisturbed") as (folder, to_make):
        if not to_make:
            return Checkout(folder)
        checkout = with_features(make_checkout(folder))
        checkout.run(*DISTANCES, "results/table/digits/accuracy.csv")
    return checkout
