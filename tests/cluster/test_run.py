"""`snakemake --profile slurm`: jobs in their places, results and reruns those of a local run.

All of this is one file, because test files run side by side and these tests share a run.
"""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter

import pandas as pd
import pytest
import yaml

from netkin.study import Study
from tests import edits
from tests.cluster.conftest import EVERYTHING
from tests.conftest import DISTANCES, ROOT, restored, results

GPU = {"train_network", "extract_features"}
LARGE = {"compute_diagrams"}
SMALL = EVERYTHING.keys() - GPU - LARGE
EDITS = {
    # all of them are tests of tests/test_workflow.py
    **{
        name: edits.EDITS[name]
        for name in ("another seed", "how intervals are filtered", "one table", "the data folder")
    },
    # of the extractor too, which this study has
    **{
        name: (edits.EDITS[name][0], {**edits.EDITS[name][1], "extract_features": 1})
        for name in ("threads of training", "the device of training")
    },
    "the profile": (
        lambda c: c.edit("slurm/config.yaml", "slurm_partition: bigmem", "mem_mb: 8000"),
        {},
    ),
}


def test_every_job_runs_in_its_partition_with_what_it_asked_for(submitted):
    found = {}
    for record in submitted.records:
        assert record["JobState"] == "COMPLETED"
        assert record["Account"] == "netkin"
        # Slurm must not start a job again by itself
        assert record["Requeue"] == "0"
        found.setdefault(record["rule"], set()).add(
            (record["Partition"], record.get("TresPerJob"), record["tres"]["cpu"])
        )
    assert found == {
        **{key: {("gpu", "gres:gpu:1", "1")} for key in GPU},
        **{key: {("bigmem", None, "1")} for key in LARGE},
        **{key: {("cpu", None, "1")} for key in SMALL},
    }


def test_memory_and_time_are_those_computed_from_the_networks(submitted):
    config = yaml.safe_load((submitted.folder / "config/config.yaml").read_text())
    for section, change in yaml.safe_load(submitted.study.read_text()).items():
        config[section] = merged(config[section], change)
    study = Study(config)
    (bundle,) = study.bundles
    needs = {
        "prepare_dataset digits.images": study.need.dataset("digits"),
        "extract_features digits": study.need.features("digits"),
        f"compute_diagrams {bundle}": study.need.bundle("diagram", bundle),
        **{
            f"vectorise_diagrams {vector}/{bundle}": study.need.bundle("vector", bundle)
            for vector in study.needed_vectors()
        },
        **{
            f"compute_distances digits/{group}/seed_0": study.need.distances("digits", group)
            for group in study.groups
        },
        **{f"train_network {member}": study.need.network(member) for member in study.members},
    }
    expected = {
        # what the plugin makes of a rule and its wildcards
        f"rule_{name.replace(' ', '_wildcards_').replace('/', '_')}": (
            f"{need.mem_mb(1)}M",
            need.runtime(1),
        )
        for name, need in needs.items()
    }
    found = {}
    for record in submitted.records:
        hours, minutes, _ = map(int, record["TimeLimit"].split(":"))
        if record["Comment"] in expected:
            found[record["Comment"]] = (record["tres"]["mem"], 60 * hours + minutes)
    assert found == expected


def test_the_table_of_costs_has_what_slurm_saw(submitted):
    folder = submitted.folder / "results/table"
    use = pd.read_csv(folder / "use.csv").set_index("rule")
    # not of tables and figures: the table is one of them
    assert {*GPU, *LARGE, "prepare_dataset", "compute_distances"} <= {*use.index}
    assert use["slurm_states"].to_dict() == {
        rule: f"COMPLETED {EVERYTHING[rule]}" for rule in use.index
    }
    # start-up included, in whole seconds
    assert (use["slurm_minutes"] > use["used_minutes"]).all()
    assert use["slurm_minutes"].max() < 10
    # Snakemake itself takes this much
    assert use["slurm_MiB"].between(50, 4000).all()
    page = (folder / "costs.html").read_text()
    assert "The columns of Slurm are its accounting of all attempts" in page
    assert "COMPLETED 3" in page


def merged(old, new):
    """Return a section of a config with another one laid over it, as Snakemake does."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return old | {key: merged(old.get(key), value) for key, value in new.items()}


def test_results_are_those_of_a_run_without_a_cluster(submitted, undisturbed):
    assert results(submitted) == results(undisturbed)
    csv = "results/table/digits/accuracy.csv"
    assert (submitted.folder / csv).read_text() == (undisturbed.folder / csv).read_text()


def test_a_second_run_submits_nothing(submitted, cluster):
    before = len(cluster.jobs())
    assert "Nothing to be done" in submitted.run()
    assert len(cluster.jobs()) == before


# --- reruns, as in tests/test_workflow.py ---------------------------------------------------


@pytest.fixture
def moved(submitted, tmp_path):
    """All that the cluster's run left, in another folder."""
    return submitted.moved(tmp_path / "elsewhere")


@pytest.fixture
def edited(submitted):
    """The checkout whose study the cluster has run, restored after the test."""
    with restored(submitted):
        yield submitted


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_reruns_what_it_affects_and_no_more(edited, edit):
    change, expected = EDITS[edit]
    change(edited)
    assert edited.planned() == expected


def test_jobs_of_several_trainings_go_where_those_of_one_do(edited):
    """As docs/cluster.md has it."""
    grouped = ("--groups", "train_network=training", "--group-components", "training=3")
    edited.set("dataset.digits.epochs", 2)
    said = edited.run("--dry-run", *grouped, "--cores", "1")
    (group,) = re.findall(r"(?m)^\[.*\] Group job training .*\n((?:\n| +.*\n)*)", said)
    resources = re.findall(r"rule train_network:(?:\n .*)*?\n +resources: (.*)", group)
    assert len(resources) == 3
    for asked in resources:
        assert "slurm_partition=gpu" in asked
        assert "gpu=1" in asked


def test_a_rerun_submits_what_was_planned(moved, cluster):
    change, expected = edits.EDITS["n_bins of one vector"]
    change(moved)
    assert moved.planned() == expected
    targets = (*DISTANCES, "results/figure/digits/overview.svg")
    planned = moved.planned(*targets)
    assert planned.items() <= expected.items()
    before = len(cluster.jobs())
    moved.run(*targets)
    submitted = Counter(record["rule"] for record in cluster.jobs()[before:])
    assert submitted == planned
    assert moved.planned(*targets) == {}


def test_a_move_a_lost_record_and_a_new_clone(moved, submitted, cluster):
    assert moved.planned() == {}
    # without Snakemake's record nothing is known to have changed, also what has
    shutil.rmtree(moved.folder / ".snakemake")
    assert moved.planned() == {}
    assert "missing provenance/metadata" in moved.said.read_text()
    moved.set("dataset.digits.epochs", 2)
    assert moved.planned() == {}
    moved.set("dataset.digits.epochs", 1)
    # the scripts of a clone are newer than all results
    for path in moved.folder.glob("workflow/scripts/*.py"):
        path.touch()
    assert moved.planned() == EVERYTHING
    # unless they are accepted
    networks = sorted(moved.folder.glob("results/network/digits/*/seed_0.h5"))
    before = [path.stat().st_ino for path in networks]
    moved.run("--touch")
    assert moved.planned() == {}
    assert [path.stat().st_ino for path in networks] == before


# --- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("slurm_account: netkin", "slurm_account: nobody", "account nobody appears to be invalid"),
        ("slurm_partition: cpu", "slurm_partition: nowhere", "invalid partition specified"),
    ],
)
def test_a_wrong_account_or_partition_is_named(moved, right, wrong, message):
    moved.edit("slurm/config.yaml", right, wrong)
    output = moved.run("--forcerun", "tabulate_accuracy", "--retries", "0", check=False)
    assert message in output
    assert "Traceback" not in output


# --- no Slurm ---------------------------------------------------------------------------------


def test_without_slurm_these_tests_are_skipped_but_fail_in_ci(tmp_path):
    test = "tests/cluster/test_run.py::test_a_second_run_submits_nothing"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", test]
    here = {key: value for key, value in os.environ.items() if key != "CI"}
    for environment, code in (({}, 0), ({"CI": "true"}, 1)):
        done = subprocess.run(
            command,
            cwd=ROOT,
            # neither Slurm nor apt-get
            env={**here, "PATH": str(tmp_path), **environment},
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stdout
        assert "no Slurm here, nothing of the cluster is tested: slurmctld" in done.stdout
