"""A sheet on Slurm: what a run without a cluster gives, and what an edit submits."""

import shutil
from collections import Counter

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from safetensors.numpy import save_file

from tests.cluster.conftest import RUN_SECONDS, ClusterCheckout
from tests.cluster.slurm import wait_for
from tests.cluster.test_faults import end, ids, running
from tests.conftest import make_checkout, results
from tests.test_sheet import LINES, change_file, with_sheet, write_sheet

DISTANCES = "results/distance/networks/tensor_difference.h5"


def with_a_broken_file(checkout):
    """Give a checkout the sheet, one file of which cannot be read, and one measure."""
    with_sheet(checkout).set("distance.measures", ["tensor_difference"])
    (checkout.folder / "files/broken.pt").write_text("<html>")
    write_sheet(checkout, [*LINES, "broken\tfiles/broken.pt\ttwo\t1\t\t2022"])
    return checkout


@pytest.fixture(scope="module")
def submitted_sheet(tmp_path_factory, cluster):
    """A checkout whose sheet the cluster has worked through, and Slurm's records of it."""
    checkout = ClusterCheckout(tmp_path_factory.mktemp("sheet") / "checkout", cluster)
    before = ids(cluster)
    with_a_broken_file(checkout).run("--retries", "0", check=False)
    checkout.records = [record for record in cluster.jobs() if record["JobId"] not in before]
    return checkout


def test_a_network_that_cannot_be_read_fails_the_run_when_all_else_is_done(submitted_sheet):
    said = submitted_sheet.said.read_text()
    # not `check_members`, which fails here
    assert {record["JobState"] for record in submitted_sheet.records} == {"COMPLETED"}
    assert "1 of 6 networks could not be read" in said
    assert "broken at 1 (files/broken.pt): " in said
    assert submitted_sheet.planned() == {"check_members": 1}


def test_a_sheet_gives_what_it_gives_without_a_cluster(submitted_sheet, tmp_path):
    here = with_a_broken_file(make_checkout(tmp_path))
    # times of files count
    shutil.rmtree(here.folder / "files")
    shutil.copytree(submitted_sheet.folder / "files", here.folder / "files")
    table = "results/table/networks/members.csv"
    here.run(DISTANCES, table)
    assert results(submitted_sheet) == results(here)
    assert (submitted_sheet.folder / table).read_text() == (here.folder / table).read_text()


def test_jobs_of_a_sheet_run_in_their_places(submitted_sheet):
    partitions = {record["rule"]: record["Partition"] for record in submitted_sheet.records}
    assert partitions["import_networks"] == "cpu"
    use = pd.read_csv(submitted_sheet.folder / "results/table/use.csv").set_index("rule")
    assert use.loc["import_networks", "slurm_states"] == "COMPLETED 2"


def test_of_a_changed_file_only_what_follows_is_submitted(submitted_sheet, cluster):
    change_file(submitted_sheet)
    before = ids(cluster)
    submitted_sheet.run(DISTANCES)
    records = [record for record in cluster.jobs() if record["JobId"] not in before]
    # one of two replicates
    assert Counter(record["rule"] for record in records) == {
        "import_networks": 1,
        "compute_distances": 1,
        "summarise_distances": 1,
    }
    assert {record["JobState"] for record in records} == {"COMPLETED"}
    assert submitted_sheet.planned(DISTANCES) == {}


def write_many(checkout, count):
    """Give a checkout a sheet of so many small networks."""
    rng = np.random.default_rng(0)
    files = checkout.folder / "files"
    files.mkdir()
    lines = ["network\tpath"]
    for k in range(count):
        shapes = {"0": (5, 6), "2": (4, 5), "4": (3, 4)}
        tensors = {
            f"{n}.weight": rng.normal(size=shape).astype("f4") for n, shape in shapes.items()
        }
        save_file(tensors, files / f"n{k}.safetensors")
        lines.append(f"n{k}\tfiles/n{k}.safetensors")
    write_sheet(checkout, lines)
    for key, value in {
        "study": {"datasets": [], "paper": False},
        "source": {"sheet": "networks.tsv"},
        "distance.measures": ["tensor_difference"],
    }.items():
        checkout.set(key, value)


def test_of_500_networks_only_lost_blocks_are_computed_again(tmp_path, cluster):
    """A block is killed, and the node of another goes."""
    checkout = ClusterCheckout(tmp_path / "many", cluster)
    write_many(checkout, 500)
    # where there is more than one node
    profile = checkout.folder / "slurm/config.yaml"
    settings = yaml.safe_load(profile.read_text())
    settings["set-resources"]["compute_block"] = {"slurm_partition": "bigmem"}
    profile.write_text(yaml.safe_dump(settings))
    known = ids(cluster)
    process = checkout.start(DISTANCES)
    lost, dead = [], []
    try:
        first = wait_for(lambda: running(cluster, known, "compute_block"), "a block", RUN_SECONDS)
        cluster.ask("scancel", first["JobId"])
        known.add(first["JobId"])
        lost.append(first["Comment"])
        other = wait_for(
            lambda: running(cluster, known, "compute_block"), "another block", RUN_SECONDS
        )
        dead.append(other["NodeList"])
        lost += [r["Comment"] for r in cluster.jobs() if is_on(r, dead[0])]
        cluster.kill_node(dead[0])
        wait_for(lambda: process.poll() is not None, "end of the run", RUN_SECONDS)
    finally:
        end(process)
        for node in dead:
            cluster.start_node(node)
    assert process.returncode == 0, checkout.said.read_text()
    jobs = [r for r in cluster.jobs() if r["JobId"] not in known - {first["JobId"]}]
    blocks = Counter(r["Comment"] for r in jobs if r["rule"] == "compute_block")
    assert len(blocks) == 3
    # a job may have begun on the node after it was looked at
    again = {comment for comment, times in blocks.items() if times > 1}
    assert set(lost) & set(blocks) <= again
    assert len(again) <= len(lost) + 2
    assert checkout.planned(DISTANCES) == {}
    with h5py.File(checkout.folder / DISTANCES) as file:
        mean = file["mean"][:]
    assert mean.shape == (500, 500)
    assert np.isfinite(mean).all()
    assert (np.diagonal(mean) == 0).all()
    assert mean[np.triu_indices(500, 1)].min() > 0


def is_on(record, node):
    """Tell whether a job runs on a node."""
    return record.get("NodeList") == node and record["JobState"] == "RUNNING"
