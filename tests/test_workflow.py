"""The workflow as a user has it: run, rerun after an edit, interrupt, resume, report."""

import base64
import csv
import os
import re
import shutil
import signal
import subprocess
import time

import h5py
import numpy as np
import pytest

from tests.conftest import DISTANCES, ROOT, environment, results
from tests.edits import EDITS
from tests.test_house import CITATION, COST

pytestmark = pytest.mark.workflow


def test_a_run_makes_every_result(finished):
    folder = finished.folder / "results"
    assert len(list(folder.glob("network/digits/*/seed_0.h5"))) == 3
    assert len(list(folder.glob("vector/*/digits/*/seed_0.h5"))) == 6
    # no measure of these asks what networks answer
    assert not (folder / "prediction").exists()
    assert not (folder / "table/digits/multiplicity.csv").exists()
    with h5py.File(folder / "distance/digits/heat/summary.h5") as file:
        mean = file["mean"][:]
        assert file["networks"].asstr()[:].tolist() == ["width_8", "width_16", "labels_2"]
    assert mean.shape == (3, 3)
    assert (mean == mean.T).all()
    assert (np.diag(mean) == 0).all()
    assert (mean[np.triu_indices(3, 1)] > 0).all()
    with h5py.File(folder / "distance/digits/norm_1/summary.h5") as file:
        assert np.isnan(file["mean"][0, 1])
    for name in (
        *("overview", "training", "diagrams"),
        *("distance_matrix/heat", "deviation_matrix/norm_1"),
    ):
        assert (folder / f"figure/digits/{name}.svg").stat().st_size > 5000
        assert (folder / f"figure/digits/{name}.png").stat().st_size > 5000


def test_the_report_holds_figures_tables_and_method(finished):
    page = (finished.folder / "results/report.html").read_text()
    for text in ("Distances", "Overview", "Tables", "compute_diagram", "2101.07752"):
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
    shared = {name for name in before if not name.startswith("distance/")}
    inodes = {name: (folder / name).stat().st_ino for name in shared}
    target = "results/distance/digits/heat/summary.h5"
    copied.set("study.variants", ["width_8", "width_16", "layers_3", "labels_2"])
    copied.run(target)
    after = results(copied)
    assert len(after) > len(before)
    assert {name: after[name] for name in shared} == {name: before[name] for name in shared}
    # not only equal: the jobs of several networks left these files alone
    assert {name: (folder / name).stat().st_ino for name in shared} == inodes
    copied.set("networks_per_job", 1)
    copied.set("study.variants", ["width_8", "labels_2"])
    copied.set("study.seeds", 2)
    copied.run(target)
    found = results(copied)
    assert {name: found[name] for name in shared} == {name: before[name] for name in shared}
    assert len(found) > len(after)
    assert copied.planned(target) == {}


def test_graphs_and_diagrams_that_are_not_kept_are_deleted_after_use(trained, finished):
    folder = trained.folder / "results"
    trained.set("keep", [])
    trained.run(*DISTANCES)
    # nor is there a hidden name that would hold their space
    assert not [p for name in ("graph", "diagram") for p in (folder / name).rglob("*.h5*")]
    found = results(trained)
    assert found == {
        name: content
        for name, content in finished.results.items()
        if not name.startswith(("graph/", "diagram/"))
    }
    assert trained.planned(*DISTANCES) == {}
    assert trained.ask("fresh").returncode == 0
    vectors = {path: path.stat().st_ino for path in folder.glob("vector/*/*/*/seed_0.h5")}
    # a vector needs the diagrams, and these the graphs
    trained.set("vector.heat.n_bins", 30)
    planned = trained.planned(*DISTANCES)
    assert {planned[name] for name in ("build_graph", "compute_diagram")} == {1}
    assert "train_network" not in planned
    trained.set("vector.heat.n_bins", 20)
    # options of a stage whose files are gone are remembered
    trained.set("graph.zeta", 1.0e-5)
    assert trained.planned(*DISTANCES)["compute_diagram"] == 1
    trained.set("graph.zeta", 1.0e-6)
    trained.set("study.variants", ["width_8", "width_16", "layers_3", "labels_2"])
    trained.run(*DISTANCES)
    assert {path: path.stat().st_ino for path in vectors} == vectors
    after = results(trained)
    kept = [name for name in found if name.startswith("vector/")]
    assert {name: after[name] for name in kept} == {name: found[name] for name in kept}
    assert not [p for name in ("graph", "diagram") for p in (folder / name).rglob("*.h5*")]


def test_several_trainings_a_job_give_the_networks_of_one_each(copied, finished):
    shutil.rmtree(copied.folder / "results/network")
    shutil.rmtree(copied.folder / "logs")
    copied.set("trainings_per_job", 2)
    networks = [name for name in finished.results if name.startswith("network/")]
    targets = [f"results/{name}" for name in networks]
    assert len(networks) == 3
    copied.run(*targets)
    assert {name: results(copied)[name] for name in networks} == {
        name: finished.results[name] for name in networks
    }
    assert (copied.folder / "logs/train_network/digits_2/seed_0.log").is_file()
    inodes = {target: (copied.folder / target).stat().st_ino for target in targets}
    # another number of networks a job puts them back
    copied.set("trainings_per_job", 1)
    copied.run(*targets)
    assert {target: (copied.folder / target).stat().st_ino for target in targets} == inodes
    for path in copied.folder.glob("logs/train_network/digits/*/seed_0.log"):
        assert "training on" not in path.read_text()


def test_several_data_sets_have_a_control_and_a_null(fresh):
    digits = {"labels": [2], "batch_size": 128, "epochs": 1, "test_share": 0.2, "split_seed": 0}
    fresh.set("dataset.digits_b", {**digits, "kind": "digits", "split_seed": 1})
    fresh.set("study.datasets", ["digits", "digits_b"])
    fresh.set("study.variants", ["width_8", "input_order_1", "input_order_2"])
    fresh.set("study.untrained", True)
    fresh.set("network.variants.input_order", 2)
    fresh.set("trainings_per_job", 4)
    fresh.set("distance.measures", ["heat"])
    # of each kind of figure one, for each kind of comparison
    figures = (
        *("control/distance_matrix/heat", "digits_untrained/deviation_matrix/heat"),
        *("control/overview", "digits_b_untrained/diagrams", "digits_b/training"),
        *("digits/readings", "all/readings"),
    )
    fresh.run("tables", *(f"results/figure/{name}.svg" for name in figures))
    with h5py.File(fresh.folder / "results/distance/control/heat/summary.h5") as file:
        names = file["networks"].asstr()[:].tolist()
        assert (file["mean"][:][np.triu_indices(4, 1)] > 0).all()
    assert names == [f"{d}_input_order_{i}" for d in ("digits", "digits_b") for i in (1, 2)]
    for name in ("control/norms", "control/norm_ratios", "digits_b/untrained", "claims"):
        assert (fresh.folder / f"results/table/{name}.csv").read_text().count("\n") > 1
    # both data sets together come first
    assert (fresh.folder / "results/table/measures.csv").read_text().split("\n")[1][:4] == "all,"
    figure = (fresh.folder / "results/figure/all/readings.svg").read_text()
    assert "mean over data sets: what each measure sees" in figure
    asked = fresh.ask("fresh")
    assert asked.returncode == 0, asked.stdout
    null = {p.parent.name: p for p in fresh.folder.glob("results/network/digits_untrained/*/*.h5")}
    assert sorted(null) == ["input_order_1", "input_order_2", "width_8"]
    with h5py.File(null["width_8"]) as file:
        assert file["history/loss"].size == 0


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
    trained.run("tables", *(f"results/figure/digits/{name}.svg" for name in figures))
    folder = trained.folder / "results"
    assert not (folder / "graph").exists()
    with h5py.File(folder / "activation/digits/labels_2/seed_0.h5") as file:
        assert file["layers/hidden_2"].shape == (100, 8)
    with h5py.File(folder / "distance/digits/cka/seed_0.h5") as file:
        matrix = file["matrix"][:]
        assert file.attrs["orientation"] == "up"
        null = {part: values[:] for part, values in file["null"].items()}
    assert np.allclose(np.diag(matrix), 1)
    assert ((matrix > 0) & (matrix <= 1 + 1e-9)).all()
    assert set(null) == {"mean", "calibrated", "p_value", "low", "high"}
    above = np.triu_indices(3, 1)
    assert (null["mean"][above] < matrix[above]).all()
    assert (null["p_value"][above] == 0.2).all(), "no permutation is as alike as trained networks"
    assert (folder / "figure/digits/layers/width_8/width_16.svg").stat().st_size > 5000
    with h5py.File(folder / "distance/digits/layers/width_8/width_16/seed_0.h5") as file:
        assert file["cka"].shape == file["gbs"].shape == (3, 3)
    with h5py.File(folder / "distance/digits/stitching/seed_0.h5") as file:
        assert np.isfinite(file["matrix"][:]).all()
    with h5py.File(folder / "distance/digits/jensen_shannon/seed_0.h5") as file:
        # the first two networks know all labels, the third two of them
        assert np.isnan(file["matrix"][:2, 2]).all()
        assert 0 < file["matrix"][0, 1] < np.log(2)
        assert "classes" in file["reason"].asstr()[0, 2]
    with h5py.File(folder / "distance/digits/disagreement/seed_0.h5") as file:
        disagreement = file["matrix"][0, 1]
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
    # of activations, and of networks on the probe rows
    assert trained.planned()["compute_distances"] == 2


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
    values = []
    for variant in ("width_8", "width_16"):
        with h5py.File(trained.folder / f"results/activation/digits/{variant}/seed_0.h5") as file:
            values.append(file["layers/hidden_2"][:].astype(float).mean())
    with h5py.File(trained.folder / "results/distance/digits/mean_gap/seed_0.h5") as file:
        assert file["matrix"][0, 1] == pytest.approx(abs(values[0] - values[1]))


def test_an_interrupted_run_resumes_and_loses_nothing(fresh, finished):
    process = subprocess.Popen(
        fresh.command(*DISTANCES),
        cwd=fresh.folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    # a graph that is being made shows that Snakemake knows its network to be finished
    made = fresh.folder / "results/graph/digits"
    deadline = time.monotonic() + 120
    while not list(made.glob("*/seed_0.h5")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    networks = [
        fresh.folder / "results/network/digits" / p.parent.name / p.name
        for p in made.glob("*/seed_0.h5")
    ]
    kept = {path: path.stat() for path in networks}
    assert kept
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
    path = copied.folder / "results/diagram/digits/width_8/seed_0.h5"
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    copied.set("diagram.eta", 0.02)
    output = copied.run("results/vector/heat/digits/width_8/seed_0.h5", check=False)
    assert "width_8/seed_0.h5: damaged, it has" in output
    path.unlink()
    copied.run("results/vector/heat/digits/width_8/seed_0.h5")
    assert path.read_bytes() == whole


def test_missing_data_files_are_one_sentence(fresh):
    fresh.set("study.datasets", ["mnist"])
    fresh.set("data_folder", "nowhere")
    output = fresh.run("results/dataset/mnist.h5", check=False)
    assert re.search(r"netkin: .*train-images-idx3-ubyte.*nowhere", output)


def test_the_workflow_passes_snakemakes_own_lint(fresh):
    assert "Congratulations" in fresh.run("--lint")
