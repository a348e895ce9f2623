"""The workflow as a user has it: run, rerun after an edit, interrupt, resume, report."""

import base64
import csv
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

from netkin.distance import MEASURES
from tests.conftest import (
    DISTANCES,
    ROOT,
    TINY,
    content,
    counts_of,
    environment,
    results,
    run_python,
)
from tests.edits import EDITS, EVERYTHING
from tests.test_house import CITATION, COST

pytestmark = pytest.mark.workflow


def test_a_run_makes_every_result(finished):
    folder = finished.folder / "results"
    assert len(list(folder.glob("network/digits/*/seed_0.h5"))) == 3
    # in one file each
    assert len(list(folder.glob("vector/*/digits/seed_0/all.h5"))) == 2
    assert len(list(folder.glob("diagram/**/*.h5"))) == 1
    # made where they are needed, and a file only for who asks
    assert not (folder / "graph").exists()
    # no measure of these asks what networks answer
    assert not (folder / "prediction").exists()
    assert not (folder / "table/digits/multiplicity.csv").exists()
    with h5py.File(folder / "distance/digits/heat.h5") as file:
        mean = file["mean"][:]
        assert file["networks"].asstr()[:].tolist() == ["width_8", "width_16", "labels_2"]
    assert mean.shape == (3, 3)
    assert (mean == mean.T).all()
    assert (np.diag(mean) == 0).all()
    assert (mean[np.triu_indices(3, 1)] > 0).all()
    with h5py.File(folder / "distance/digits/norm_1.h5") as file:
        assert np.isnan(file["mean"][0, 1])
    for name in (
        *("overview", "training", "diagrams"),
        *("distance_matrix/heat", "deviation_matrix/norm_1"),
    ):
        assert (folder / f"figure/digits/{name}.svg").stat().st_size > 5000
        assert (folder / f"figure/digits/{name}.png").stat().st_size > 5000


def test_the_report_holds_figures_tables_and_method(finished):
    page = (finished.folder / "results/report.html").read_text()
    for text in ("Distances", "Overview", "Tables", "compute_diagrams", "2101.07752"):
        assert text in page
    svg = (finished.folder / "results/figure/digits/overview.svg").read_bytes()
    assert base64.b64encode(svg).decode()[:4000] in page


def test_a_second_run_says_that_there_is_nothing_to_do(finished):
    output = finished.run("--report", "results/report.html", "--report-after-run")
    assert "Nothing to be done" in output


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_reruns_what_it_affects_and_no_more(edited, edit):
    change, expected = EDITS[edit]
    change(edited)
    assert edited.planned() == expected


def test_the_change_taken_back_leaves_nothing_to_do(edited):
    before = edited.study.read_text()
    edited.set("dataset.digits.epochs", 3)
    assert edited.planned()
    edited.study.write_text(before)
    path = edited.folder / "src/netkin/vector/heat.py"
    text = path.read_text()
    edited.edit("src/netkin/vector/heat.py", "1e5 * n_bins", "2e5 * n_bins")
    assert edited.planned()
    path.write_text(text)
    assert edited.planned() == {}


def test_one_job_trains_all_networks_of_a_data_set(copied):
    path = copied.folder / "results/network/digits/width_8/seed_0.h5"
    before = content(path)
    shutil.rmtree(copied.folder / "results/network")
    copied.set("network.together", 2)
    planned = copied.planned()
    assert (planned["train_networks"], planned["take_network"]) == (1, 3)
    assert "train_network" not in planned
    networks = [f"results/network/digits/{name}/seed_0.h5" for name in TINY["study"]["variants"]]
    copied.run(*networks)
    found = copied.folder / "results/network"
    assert [path.name for path in found.iterdir()] == ["digits"]
    assert content(path) == before
    # they are as they were before
    assert copied.planned() == {}


def test_lost_benchmarks_cost_nothing_but_their_rows(copied):
    shutil.rmtree(copied.folder / "results/benchmark")
    assert copied.planned() == {}
    copied.set("study.seeds", 2)
    assert copied.planned()["train_network"] == 3


def test_a_moved_checkout_has_nothing_to_do(copied):
    assert copied.planned() == {}


def test_a_real_rerun_keeps_what_an_edit_does_not_affect(copied):
    before = results(copied)
    folder = copied.folder / "results"
    inodes = {name: (folder / name).stat().st_ino for name in before}
    target = "results/distance/digits/heat.h5"
    copied.set("study.variants", ["width_8", "width_16", "layers_3", "labels_2"])
    copied.run(target)
    after = results(copied)
    assert after.keys() - before.keys() == {"network/digits/layers_3/seed_0.h5"}
    networks = [name for name in before if name.startswith("network/")]
    assert {name: after[name] for name in networks} == {name: before[name] for name in networks}
    # not only equal: no job took these files up again
    assert {name: (folder / name).stat().st_ino for name in networks} == {
        name: inodes[name] for name in networks
    }
    # what a bundle holds of the others is what it held before
    vectors = folder / "vector/heat/digits/seed_0/all.h5"
    members = {path: value for path, value in content(vectors).items() if path != "attributes"}
    held = before["vector/heat/digits/seed_0/all.h5"]
    assert len([path for path in members if "layers_3" in path]) > 0
    assert {path: members[path] for path in held if path.startswith("members/")} == {
        path: value for path, value in held.items() if path.startswith("members/")
    }
    # another seed leaves the bundles of the first alone
    bundles = {p: p.stat().st_ino for kind in ("diagram", "vector") for p in made(folder, kind)}
    copied.set("study.seeds", 2)
    copied.run(target)
    assert {path: path.stat().st_ino for path in bundles} == bundles
    assert len(made(folder, "diagram")) == 2
    found = results(copied)
    assert {name: found[name] for name in networks} == {name: before[name] for name in networks}
    assert copied.planned(target) == {}


def made(folder, stage):
    """Return the files of a stage."""
    return sorted((folder / stage).rglob("*.h5"))


def test_diagrams_that_are_gone_are_made_anew_when_something_needs_them(copied, finished):
    folder = copied.folder / "results"
    shutil.rmtree(folder / "diagram")
    # the vectors are there
    assert copied.planned(*DISTANCES) == {}
    assert copied.ask("fresh").returncode == 0
    inodes = {path: path.stat().st_ino for path in made(folder, "vector/landscape")}
    copied.set("vector.heat.n_bins", 30)
    expected = {
        "compute_diagrams": 1,
        "vectorise_diagrams": 1,
        "compute_distances": 1,
        "summarise_distances": 1,
    }
    assert copied.planned(DISTANCES[1]) == expected
    # options of a stage whose files are gone are remembered
    copied.set("vector.heat.n_bins", 20)
    copied.set("graph.zeta", 1.0e-5)
    assert copied.planned(*DISTANCES)["compute_diagrams"] == 1
    copied.set("graph.zeta", 1.0e-6)
    # and so are the scripts that made them
    script = copied.folder / "workflow/scripts/compute_diagrams.py"
    text = script.read_text()
    copied.edit("workflow/scripts/compute_diagrams.py", "**snakemake.params.graph", "zeta=1e-5")
    assert copied.planned(*DISTANCES)["compute_diagrams"] == 1
    script.write_text(text)
    copied.set("vector.heat.n_bins", 30)
    copied.run(DISTANCES[1])
    assert {path: path.stat().st_ino for path in inodes} == inodes
    assert (
        results(copied)["diagram/digits/seed_0/all.h5"]
        == (finished.results["diagram/digits/seed_0/all.h5"])
    )


def test_graphs_are_files_where_the_config_asks_and_nothing_needs_them(copied):
    copied.set("graph.export", True)
    folder = copied.folder / "results"
    graphs = [f"results/graph/digits/{name}/seed_0.h5" for name in TINY["study"]["variants"]]
    copied.run(*graphs, "results/table/costs.csv")
    assert "export_graph" in (folder / "table/costs.csv").read_text()
    assert [path.relative_to(copied.folder) for path in made(folder, "graph")] == [
        Path(path) for path in sorted(graphs)
    ]
    with h5py.File(copied.folder / graphs[0]) as file:
        assert file.attrs["layout"].startswith("graph/")
    assert copied.planned() == {}
    (copied.folder / graphs[0]).unlink()
    assert copied.planned() == {"export_graph": 1, "tabulate_costs": 1}
    copied.set("graph.export", False)
    assert copied.planned() == {"tabulate_costs": 1}


def test_a_study_without_the_paper_has_no_table_about_it(fresh):
    assert fresh.planned()["tabulate_reproduction"] == 1
    fresh.set("study.paper", False)
    assert fresh.planned().keys() == EVERYTHING.keys() - {"tabulate_reproduction"}
    assert "results/paper" not in fresh.run("--dry-run")


def test_several_data_sets_have_a_control_and_a_null(fresh):
    digits = {"labels": [2], "batch_size": 128, "epochs": 1, "test_share": 0.2, "split_seed": 0}
    fresh.set("dataset.digits_b", {**digits, "kind": "digits", "split_seed": 1})
    fresh.set("study.datasets", ["digits", "digits_b"])
    fresh.set("study.variants", ["width_8", "input_order_1", "input_order_2"])
    fresh.set("study.untrained", True)
    fresh.set("network.variants.input_order", 2)
    fresh.set("distance.measures", ["heat"])
    # of each kind of figure one, for each kind of comparison
    figures = (
        *("control/distance_matrix/heat", "digits_untrained/deviation_matrix/heat"),
        *("control/overview", "digits_b_untrained/diagrams", "digits_b/training"),
        *("digits/readings", "all/readings"),
    )
    fresh.run("tables", "paper", *(f"results/figure/{name}.svg" for name in figures))
    with h5py.File(fresh.folder / "results/distance/control/heat.h5") as file:
        names = file["networks"].asstr()[:].tolist()
        assert (file["mean"][:][np.triu_indices(4, 1)] > 0).all()
    assert names == [f"{d}_input_order_{i}" for d in ("digits", "digits_b") for i in (1, 2)]
    for name in ("paper/norms", "paper/norm_ratios", "table/digits_b/untrained", "paper/claims"):
        assert (fresh.folder / f"results/{name}.csv").read_text().count("\n") > 1
    # both data sets together come first
    assert (fresh.folder / "results/table/measures.csv").read_text().split("\n")[1][:4] == "all,"
    figure = (fresh.folder / "results/figure/all/readings.svg").read_text()
    assert "mean over data sets: what each measure sees" in figure
    asked = fresh.ask("fresh")
    assert asked.returncode == 0, asked.stdout
    null = {p.parent.name: p for p in fresh.folder.glob("results/network/digits/untrained/*/*.h5")}
    assert sorted(null) == ["input_order_1", "input_order_2", "width_8"]
    with h5py.File(null["width_8"]) as file:
        assert file["history/loss"].size == 0


def measured(checkout, measure):
    """Return what the file of a measure of the digits at seed 0 holds, and its attributes."""
    path = checkout.folder / f"results/distance/digits/{MEASURES[measure].group}/seed_0.h5"
    found = {}
    with h5py.File(path) as file:
        group = file[f"members/{measure}"]
        group.visititems(
            lambda name, item: found.update({name: item[()]} if hasattr(item, "shape") else {})
        )
        return found, dict(group.attrs)


def test_activations_and_predictions_are_compared_on_the_same_rows(trained):
    trained.set("activation.probe_rows", 100)
    trained.set("activation.layers", "all")
    trained.set("distance.measures", ["cka", "gbs", "stitching", "disagreement", "jensen_shannon"])
    trained.set("distance.options", {"gbs": {"k": 5}})
    trained.set("distance.calibration", {"permutations": 4, "resamples": 2})
    trained.set("distance.layers", [["width_8", "width_16"]])
    figures = (
        *("distance_matrix/cka", "deviation_matrix/disagreement", "agreement"),
        *("readings", "layers/width_8/width_16"),
    )
    tables = ("results/table/digits/multiplicity.csv", "results/table/measures.csv")
    trained.run(*tables, *(f"results/figure/digits/{name}.svg" for name in figures))
    folder = trained.folder / "results"
    assert not (folder / "graph").exists()
    labels_2 = "members/digits/labels_2/seed_0"
    with h5py.File(folder / "activation/digits/seed_0/all.h5") as file:
        assert file[labels_2]["layers/hidden_2"].shape == (100, 8)
    cka, attributes = measured(trained, "cka")
    matrix = cka["matrix"]
    assert attributes["orientation"] == "up"
    null = {part.removeprefix("null/"): cka[part] for part in cka if part.startswith("null/")}
    assert np.allclose(np.diag(matrix), 1)
    assert ((matrix > 0) & (matrix <= 1 + 1e-9)).all()
    assert set(null) == {"mean", "calibrated", "p_value", "low", "high"}
    above = np.triu_indices(3, 1)
    assert (null["mean"][above] < matrix[above]).all()
    assert (null["p_value"][above] == 0.2).all(), "no permutation is as alike as trained networks"
    assert (folder / "figure/digits/layers/width_8/width_16.svg").stat().st_size > 5000
    with h5py.File(folder / "distance/digits/layers/width_8/width_16/seed_0.h5") as file:
        assert file["cka"].shape == file["gbs"].shape == (3, 3)
    assert np.isfinite(measured(trained, "stitching")[0]["matrix"]).all()
    divergence = measured(trained, "jensen_shannon")[0]
    # the first two networks know all labels, the third two of them
    assert np.isnan(divergence["matrix"][:2, 2]).all()
    assert 0 < divergence["matrix"][0, 1] < np.log(2)
    assert b"classes" in divergence["reason_text"][divergence["reason_code"][0, 2] - 1]
    disagreement = measured(trained, "disagreement")[0]["matrix"][0, 1]
    with (folder / "table/digits/multiplicity.csv").open() as file:
        width, labels = csv.DictReader(file)
    assert (width["group"], labels["group"]) == ("width", "labels")
    # of two networks these are the same
    assert float(width["ambiguity"]) == pytest.approx(disagreement)
    assert labels["reason"] == "all: a group of one network"
    asked = trained.ask("fresh")
    assert asked.returncode == 0, asked.stdout
    trained.set("distance.options", {"gbs": {"k": 7}})
    assert trained.planned()["compute_distances"] == 1
    trained.set("activation.probe_rows", 90)
    assert trained.planned()["compute_activations"] == 1
    # of activations, cka and gbs by themselves, and of networks on the probe rows
    assert trained.planned()["compute_distances"] == 3


@pytest.mark.budget("docs")
def test_a_new_measure_needs_one_function_and_one_line(trained):
    """As docs/extending.md has them."""
    text = (ROOT / "docs/extending.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (function,) = (block for block in blocks if block.startswith("def mean_gap"))
    (line,) = (block for block in blocks if block.startswith('"mean_gap"'))
    package = trained.folder / "src/netkin/distance/representational"
    (package / "mean_gap.py").write_text(
        "from netkin.distance.representational.representation import Representation\n" + function
    )
    registry = "src/netkin/distance/representational/__init__.py"
    trained.edit(registry, '    "mean_cca": ', f'    {line}    "mean_cca": ')
    # what tests/test_house.py asks of every entry
    assert re.search(CITATION, re.search('citation="(.*)"', line)[1])
    assert re.fullmatch(COST, re.search('cost="(.*)"', line)[1])
    trained.edit(
        registry,
        "from netkin.distance.measure import",
        "from netkin.distance.representational.mean_gap import mean_gap\n"
        "from netkin.distance.measure import",
    )
    trained.set("distance.measures", ["mean_gap"])
    trained.run("results/figure/digits/distance_matrix/mean_gap.svg")
    with h5py.File(trained.folder / "results/activation/digits/seed_0/all.h5") as file:
        values = [
            file[f"members/digits/{variant}/seed_0/layers/hidden_2"][:].astype(float).mean()
            for variant in ("width_8", "width_16")
        ]
    path = trained.folder / "results/distance/digits/activation_mean_gap/seed_0.h5"
    with h5py.File(path) as file:
        matrix = file["members/mean_gap/matrix"][:]
    assert matrix[0, 1] == pytest.approx(abs(values[0] - values[1]))


def finished_networks(checkout):
    """Return the networks whose jobs Snakemake knows to be finished."""
    said = "".join(path.read_text() for path in checkout.folder.glob(".snakemake/log/*"))
    outputs = re.findall(r"output: (results/network/\S+)\n(?: .*\n)*?    jobid: (\d+)\n", said)
    done = set(re.findall(r"Finished jobid: (\d+) ", said))
    return [checkout.folder / path for path, job in outputs if job in done]


def test_an_interrupted_run_resumes_and_loses_nothing(fresh, finished):
    process = subprocess.Popen(
        fresh.command(*DISTANCES),
        cwd=fresh.folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not (networks := finished_networks(fresh)):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = {path: path.stat() for path in networks}
    fresh.run("--unlock")
    fresh.run(*DISTANCES)
    # what another run made by itself is what the interrupted one ends with
    assert results(fresh) == finished.results
    for path, before in kept.items():
        after = path.stat()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert not list(fresh.folder.glob("results/**/.*.part*"))


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("study.datasets", ["digitz"], "Did you mean 'digits'?"),
        ("network.learning_rat", 0.1, "Did you mean 'learning_rate'?"),
    ],
)
def test_a_wrong_config_stops_before_any_job(fresh, key, value, sentence):
    fresh.set(key, value)
    output = fresh.run(check=False)
    assert sentence in output
    assert "\ntiny.yaml has an error:\n" in output
    assert "Traceback" not in output
    assert not (fresh.folder / "results").exists()


def test_a_diverging_training_is_one_sentence_and_no_file(fresh):
    fresh.set("network.learning_rate", 1e30)
    fresh.set("study.variants", ["width_8"])
    output = fresh.run(check=False)
    assert re.search(r"netkin: .*width_8.*learning.rate.*\(log: logs/train_network/", output)
    assert not list(fresh.folder.glob("results/network/**/*"))


def test_a_truncated_result_is_named_and_made_anew(copied):
    path = copied.folder / "results/diagram/digits/seed_0/all.h5"
    vectors = "results/vector/heat/digits/seed_0/all.h5"
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    copied.set("diagram.eta", 0.02)
    output = copied.run(vectors, check=False)
    assert "diagram/digits/seed_0/all.h5: damaged, it has" in output
    path.unlink()
    copied.run(vectors)
    assert path.read_bytes() == whole


def test_missing_data_files_are_one_sentence(fresh):
    fresh.set("study.datasets", ["mnist"])
    fresh.set("data_folder", "nowhere")
    output = fresh.run("results/dataset/mnist.h5", check=False)
    assert re.search(r"netkin: .*train-images-idx3-ubyte.*nowhere", output)


def test_the_workflow_passes_snakemakes_own_lint(fresh):
    assert "Congratulations" in fresh.run("--lint")


# --- in other hands -----------------------------------------------------------------------

MODULE = """
module netkin:
    snakefile: "{checkout}/Snakefile"
    config: config["kin"]

use rule * from netkin as netkin_*

rule sum_up:
    default_target: True
    input: rules.netkin_all.input
    output: "summary.txt"
    shell: "wc -l {{input}} > {{output}}"
"""


def test_another_workflow_loads_this_one_as_a_module(fresh, tmp_path_factory):
    folder = tmp_path_factory.mktemp("other")
    (folder / "Snakefile").write_text(MODULE.format(checkout=fresh.folder))
    (folder / "other.yaml").write_text(yaml.safe_dump({"kin": TINY, "a key": "of its own"}))
    settings = ("--cores", "2", "--configfile", "other.yaml")

    def run(*arguments, status=0):
        command = ["-m", "snakemake", *arguments, *settings]
        done = run_python(command, folder, environment())
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    prefixed = {f"netkin_{rule}": n for rule, n in EVERYTHING.items()}
    assert counts_of(run("--dry-run")) == {**prefixed, "sum_up": 1}
    # the scripts and the library are those of the module
    table = "results/table/digits/accuracy.csv"
    run(table)
    assert (folder / table).read_text().count("\n") > 1
    assert not (fresh.folder / "results").exists()
    # what is wrong with its config is said as ever
    (folder / "other.yaml").write_text(yaml.safe_dump({"kin": {"study": {"seedz": 2}}}))
    said = run("--dry-run", status=1)
    assert "the config of the module has an error:" in said
    assert "Did you mean 'seeds'?" in said
    # paths have none of their own
    text = (folder / "Snakefile").read_text()
    (folder / "Snakefile").write_text(
        text.replace("    config:", '    prefix: "nk"\n    config:', 1)
    )
    said = run("--dry-run", status=1)
    assert "the module has a prefix of paths, which netkin cannot have" in said
    assert "Traceback" not in said


def blocks(output, rule):
    """Return what a dry run says of each job of a rule."""
    return re.findall(rf"(?m)^(?:local)?rule {rule}:\n((?: +.*\n)*)", output)


def test_a_rule_has_one_name_for_all_of_its_jobs(fresh):
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        assert "name:" not in path.read_text(), path.name
    fresh.set("study.seeds", 3)
    fresh.set("study.variants", ["width_8"])
    asked = ("--set-resources", "compute_diagrams:mem_mb=4321", "compute_distances:runtime=7")
    said = fresh.run("--dry-run", *asked)
    diagrams, distances = (blocks(said, f"compute_{name}") for name in ("diagrams", "distances"))
    assert (len(diagrams), len(distances)) == (3, 9)
    assert all("mem_mb=4321," in job for job in diagrams)
    assert all("runtime=7," in job for job in distances)
    assert not any("mem_mb=4321," in job for job in distances)
    # as a profile has it
    profile = fresh.folder / "profile"
    profile.mkdir()
    settings = {"set-resources": {"compute_diagrams": {"mem_mb": 4321, "slurm_partition": "big"}}}
    (profile / "config.yaml").write_text(yaml.safe_dump(settings))
    diagrams = blocks(fresh.run("--dry-run", "--profile", "profile"), "compute_diagrams")
    assert len(diagrams) == 3
    assert all("mem_mb=4321," in job and "slurm_partition=big" in job for job in diagrams)


def test_several_trainings_go_as_one_job_where_snakemake_groups_them(copied, finished):
    """As docs/cluster.md has it."""
    grouped = ("--groups", "train_network=training", "--group-components", "training=4")
    shutil.rmtree(copied.folder / "results/network")
    networks = [name for name in finished.results if name.startswith("network/")]
    targets = [f"results/{name}" for name in networks]
    copied.run(*targets, *grouped)
    found = results(copied)
    assert {name: found[name] for name in networks} == {
        name: finished.results[name] for name in networks
    }
    # the groups are no matter for what there is to do
    assert copied.planned(*targets) == {}
    copied.set("study.seeds", 3)
    said = copied.run("--dry-run", *grouped)
    groups = re.split(r"(?m)^\[.*\] Group job training ", said)[1:]
    of_a_group = [len(re.findall(r"(?m)^    rule train_network:", group)) for group in groups]
    # those that are missing, as many a job as there is room for
    assert sorted(of_a_group) == [2, 4]
    assert len(re.findall(r"(?m)^ *rule train_network:", said)) == 6
    # by itself, each is a job
    assert "Group job" not in copied.run("--dry-run")


GROUPS = """
import sys

sys.path.insert(0, "workflow")
import internals

run_job = internals.Executor.run_job


def noted(self, job):
    if job.is_group():
        asked = {key: job.resources[key] for key in ("gpu", "mem_mb", "runtime", "slurm_partition")}
        print("group", len(job.jobs), job.threads, asked, file=sys.__stdout__)
    run_job(self, job)


internals.Executor.run_job = noted
internals.jobs_to_do(sys.argv[1:])
"""


def test_a_group_of_trainings_asks_for_one_gpu_and_the_time_of_all_on_a_cluster(fresh):
    shutil.copytree(ROOT / "slurm", fresh.folder / "slurm")
    (fresh.folder / "groups.py").write_text(GROUPS)
    done = run_python(
        [
            *("groups.py", "--profile", "slurm", "--configfile", fresh.study.name, "--cores", "1"),
            *("--groups", "train_network=training", "--group-components", "training=3"),
        ],
        fresh.folder,
        environment(),
    )
    assert done.returncode == 0, done.stderr
    one = blocks(fresh.run("--dry-run"), "train_network")[0]
    memory, minutes = (int(re.search(rf"{key}=(\d+)", one)[1]) for key in ("mem_mb", "runtime"))
    asked = {"gpu": 1, "mem_mb": memory, "runtime": 3 * minutes, "slurm_partition": "gpu"}
    assert done.stdout == f"group 3 1 {asked}\n"
