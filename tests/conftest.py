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
        done = run_python(self.command(*arguments)[1:], self.folder, environment())
        output = done.stdout + done.stderr
        assert not check or done.returncode == 0, output
        return output

    def ask(self, name, *arguments):
        """Run workflow/NAME.py on this checkout and return the finished process."""
        script = [f"workflow/{name}.py", *arguments, "--configfile", self.study.name]
        return run_python(script, self.folder, environment())

    def planned(self, *targets):
        """Return {rule: number of jobs} of a dry run; empty when there is nothing to do."""
        output = self.run("--dry-run", *targets)
        if "Nothing to be done" in output:
            return {}
        stats = output.split("Job stats:")[1].split("\ntotal")[0]
        counts = Counter()
        for name, count in re.findall(r"(?m)^(\w+) +(\d+)$", stats):
            counts[plain(name)] += int(count)
        del counts["all"]
        return dict(counts)


def plain(rule):
    """Return a rule's name without the bundle of networks or group of measures it is made for."""
    rule = re.sub(r"_(digits|mnist|digits_untrained)_\d+$", "", rule)
    return re.sub(r"^(compute_distances)_.*", r"\1", rule)


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
        if isinstance(item, h5py.Dataset):
            found[name] = (
                item.dtype.str,
                item.shape,
                item[()].tobytes() if item.dtype.kind != "O" else item.asstr()[()].tolist(),
            )

    with h5py.File(path) as file:
        file.visititems(visit)
        # what a run cost is another one each time
        costs = ("seconds", "peak_mib")
        found["attributes"] = {k: repr(v) for k, v in file.attrs.items() if k not in costs}
    return found


def results(checkout):
    """Return the content of all HDF5 files of a checkout by their path."""
    folder = checkout.folder / "results"
    return {str(p.relative_to(folder)): content(p) for p in sorted(folder.rglob("*.h5"))}


@pytest.fixture(scope="session")
def pristine(tmp_path_factory):
    """The folder of a checkout whose tiny study was run to the end: one run for all workers."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder, done = shared / "pristine", shared / "pristine.done"
    with (shared / "pristine.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
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
            done.touch()
    return folder


def copy_of(pristine, folder):
    """Copy a checkout with its results, to which nothing is left to do there either."""
    # with times and hard links as they are
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
