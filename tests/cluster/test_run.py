"""`snakemake --profile slurm`: every job in its place, the results those of a local run."""

import re

import pytest
import yaml

from netkin.config import Study
from tests.cluster.conftest import ClusterCheckout
from tests.test_workflow import results

GPU = {"train_network", "extract_features"}
LARGE = {"compute_diagram"}
SMALL = {
    "prepare_dataset",
    "build_graph",
    "vectorise_diagram",
    "compute_distances",
    "summarise_distances",
    "plot_distance_matrix",
    "plot_deviation_matrix",
    "plot_overview",
    "plot_training",
    "tabulate_accuracy",
    "tabulate_groups",
    "tabulate_costs",
}


@pytest.fixture(scope="module")
def submitted(tmp_path_factory, cluster):
    """A checkout whose study the cluster has run, and Slurm's records of it."""
    checkout = ClusterCheckout(tmp_path_factory.mktemp("submitted") / "checkout", cluster)
    before = {record["JobId"] for record in cluster.jobs()}
    checkout.output = checkout.run()
    checkout.records = [record for record in cluster.jobs() if record["JobId"] not in before]
    return checkout


def test_every_job_runs_in_its_partition_with_what_it_asked_for(submitted):
    found = {}
    for record in submitted.records:
        assert record["JobState"] == "COMPLETED"
        assert record["Account"] == "netkin"
        # Slurm must not start a job again by itself
        assert record["Requeue"] == "0"
        found.setdefault(
            record["rule"].removesuffix("_digits_1").removesuffix("_vector_heat"), set()
        ).add((record["Partition"], record.get("TresPerJob"), record["tres"]["cpu"]))
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
    variants = [v.name for v in study.variants("digits")]
    needs = {
        "prepare_dataset": study.need_of_dataset("digits"),
        "extract_features": study.need_of_features("digits"),
        "build_graph": study.need_of_bundle("graph", "digits", variants),
        "compute_diagram": study.need_of_bundle("diagram", "digits", variants),
        "vectorise_diagram": study.need_of_bundle("vector", "digits", variants),
        "compute_distances": study.need_of_distances("digits", ["heat"]),
        **{f"train_network of {name}": study.need_of_training("digits", name) for name in variants},
    }
    expected = {name: (f"{n.mem_mb(1)}M", n.runtime(1)) for name, n in needs.items()}
    found = {}
    for record in submitted.records:
        rule = record["rule"].removesuffix("_digits_1").removesuffix("_vector_heat")
        network = re.search(r"train_network_wildcards_digits_(\w+)_0$", record["Comment"])
        name = f"{rule} of {network[1]}" if network else rule
        hours, minutes, _ = map(int, record["TimeLimit"].split(":"))
        if name in expected:
            found[name] = (record["tres"]["mem"], 60 * hours + minutes)
    assert found == expected


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
