"""A copy of the workflow in a folder of its own, and runs of it."""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import h5py
import pytest
import yaml

from tests.warm import run_python

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("Snakefile", "workflow", "src", "config", "envs", "profiles", "resources/published")

TINY = {
    "study": {"datasets": ["digits"], "variants": ["width_8", "width_16", "labels_2"], "seeds": 1},
    "dataset": {"digits": {"labels": [2], "batch_size": 128, "epochs": 1}},
    "network": {
        "width": 8,
        "variants": {"width": [8, 16], "layers": [3], "input_order": 1},
        "device": "cpu",
    },
    "vector": {
        "landscape": {"n_bins": 20, "n_layers": 1},
        "silhouette": {"n_bins": 20, "power": 1.0},
        "heat": {"n_bins": 20, "sigma": 0.1},
    },
    "distance": {"measures": ["landscape", "heat", "norm_1"]},
}
"""Overrides of config.yaml: three small networks, one epoch."""
DISTANCES = [f"results/distance/digits/{measure}.h5" for measure in TINY["distance"]["measures"]]
"""What its tables and figures are made of, beside the networks."""


BUDGETS = {
    "stress": 90,
    "format": 60,
    "graphs": 60,
    "families": 15,
    "keras": 30,
    "onnx": 40,
    "torch": 30,
    "docs": 60,
    "all tests": 540,
}
"""Group of tests -> seconds of a whole run that it may take, on an idle machine of two cores."""
CORES = 2


def pytest_collection_modifyitems(items):
    """Let the reports of a test know the group whose budget it draws on."""
    for item in items:
        for mark in item.iter_markers("budget"):
            if mark.args[0] not in BUDGETS:
                raise pytest.UsageError(f"{item.nodeid}: no budget {mark.args[0]!r}: {BUDGETS}")
            item.user_properties.append(("budget", mark.args[0]))


def pytest_terminal_summary(terminalreporter):
    """Say what the groups of tests took of their budgets; no test fails for its time."""
    took = Counter()
    for report in chain.from_iterable(terminalreporter.stats.values()):
        if isinstance(report, pytest.TestReport):
            spent = report.duration / CORES
            took["all tests"] += spent
            took.update({v: spent for k, v in report.user_properties if k == "budget"})
    for group, seconds in BUDGETS.items():
        if group in took:
            over = ", OVER BUDGET" if took[group] > seconds else ""
            terminalreporter.write_line(f"{group}: {took[group]:.0f} of {seconds} s{over}")


@dataclass
class Checkout:
    """A copy of the workflow's files, with a tiny study."""

    folder: Path
    results: dict = field(default_factory=dict)

    def set(self, path, value):
        """Set one key of the tiny study."""
        study = yaml.safe_load(self.study.read_text())
        *parents, key = path.split(".")
        section = study
        for parent in parents:
            section = section.setdefault(parent, {})
        section[key] = value
        self.study.write_text(yaml.safe_dump(study))

    @property
    def environment(self):
        """What Snakemake's process has of variables."""
        return environment()

    @property
    def study(self):
        """The config file that overrides the default one."""
        return self.folder / "tiny.yaml"

    def edit(self, name, old, new):
        """Replace text in a file of the checkout."""
        path = self.folder / name
        text = path.read_text()
        assert old in text, f"{name} has no {old!r}"
        path.write_text(text.replace(old, new, 1))

    def command(self, *arguments):
        """Return the command line of Snakemake on this checkout."""
        return [
            *(sys.executable, "-m", "snakemake", *arguments),
            *("--cores", "2", "--configfile", self.study.name),
        ]

    def run(self, *arguments, check=True):
        """Run Snakemake and return what it printed."""
        done = run_python(self.command(*arguments)[1:], self.folder, self.environment)
        output = done.stdout + done.stderr
        assert not check or done.returncode == 0, output
        return output

    def ask(self, name, *arguments):
        """Run workflow/NAME.py on this checkout and return the finished process."""
        script = [f"workflow/{name}.py", *arguments, "--configfile", self.study.name]
        return run_python(script, self.folder, self.environment)

    def planned(self, *targets):
        """Return {rule: number of jobs} of a dry run; empty when there is nothing to do."""
        output = self.run("--dry-run", *targets)
        counts = {} if "Nothing to be done" in output else counts_of(output)
        counts.pop("all", None)
        return counts


def counts_of(output):
    """Return {rule: number of jobs} of what a dry run printed."""
    stats = output.split("Job stats:")[1].split("\ntotal")[0]
    return {name: int(count) for name, count in re.findall(r"(?m)^(\w+) +(\d+)$", stats)}


def environment():
    """Return the environment of a user's shell: nothing of the test run's own paths."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "SNAKEMAKE_PROFILE")}


def make_checkout(folder):
    """Copy the workflow into `folder` with the tiny study."""
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / part, ignore=ignored)
        else:
            shutil.copy2(source, folder / part)
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    return Checkout(folder)


def content(path):
    """Return every dataset and attribute of an HDF5 file, comparable by ==."""
    found = {}

    def visit(name, item):
        # what a run cost is another one each time
        costs = ("seconds", "peak_mib")
        found[f"{name} attributes".strip()] = {
            key: repr(value) for key, value in item.attrs.items() if key not in costs
        }
        if isinstance(item, h5py.Dataset):
            found[name] = (
                item.dtype.str,
                item.shape,
                item[()].tobytes() if item.dtype.kind != "O" else item.asstr()[()].tolist(),
            )

    with h5py.File(path) as file:
        visit("", file)
        file.visititems(visit)
    return found


def results(checkout):
    """Return the content of all HDF5 files of a checkout by their path."""
    folder = checkout.folder / "results"
    return {str(p.relative_to(folder)): content(p) for p in sorted(folder.rglob("*.h5"))}


@contextlib.contextmanager
def made_once(tmp_path_factory, name):
    """Give a folder that all workers share, and whether the caller is the one to fill it."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder, done = shared / name, shared / f"{name}.done"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if done.exists():
            yield folder, False
        else:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            yield folder, True
            done.touch()


@pytest.fixture(scope="session")
def pristine(tmp_path_factory):
    """The folder of a checkout whose tiny study was run to the end: one run for all workers."""
    with made_once(tmp_path_factory, "pristine") as (folder, to_make):
        if to_make:
            # all of it started as a user does
            command = make_checkout(folder).command("--report", "results/report.html")
            ran = subprocess.run(
                [*command, "--report-after-run"],
                cwd=folder,
                env=environment(),
                capture_output=True,
                text=True,
            )
            assert ran.returncode == 0, ran.stdout + ran.stderr
    return folder


def copy_of(pristine, folder):
    """Copy a checkout with its results, to which nothing is left to do there either."""
    # with times as they are
    subprocess.run(["cp", "-a", f"{pristine}/.", folder], check=True)
    return Checkout(folder)


@pytest.fixture(scope="session")
def finished(pristine, tmp_path_factory):
    """A checkout whose tiny study has been run to the end; use `edited` to change it."""
    checkout = copy_of(pristine, tmp_path_factory.mktemp("finished"))
    # tests that edit it may run it again
    checkout.results = results(checkout)
    return checkout


@pytest.fixture
def copied(pristine, tmp_path):
    """A copy of the finished checkout, to run again and to do with as one likes."""
    return copy_of(pristine, tmp_path)


@pytest.fixture
def trained(copied):
    """A copy of the finished checkout with its data set and its networks, and nothing after."""
    for folder in (copied.folder / "results").iterdir():
        if folder.name not in ("dataset", "network", "benchmark"):
            shutil.rmtree(folder) if folder.is_dir() else folder.unlink()
    return copied


@contextlib.contextmanager
def restored(checkout):
    """Restore the code and the config of a checkout at the end."""
    paths = [*checkout.folder.glob("src/**/*.py"), *checkout.folder.glob("**/*.yaml")]
    before = {path: (path.read_text(), path.stat().st_mtime_ns) for path in paths}
    yield checkout
    for path, (text, modified) in before.items():
        if path.read_text() != text:
            path.write_text(text)
            # compiled code is taken for that of a source of its time and size
            os.utime(path, ns=(modified, modified))


@pytest.fixture
def edited(finished):
    """The finished checkout, restored after the test."""
    with restored(finished):
        yield finished


@pytest.fixture
def fresh(tmp_path):
    """A checkout in which nothing has been run."""
    return make_checkout(tmp_path)
