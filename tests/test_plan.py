"""Before a run: what it would take, and which results would be made otherwise."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from netkin import plan
from netkin.diagram.compute import compute_diagrams
from netkin.graph.export import export_graph
from netkin.network.file import HISTORY, Network, write_network
from netkin.plan import PlannedJob, describe, disk_of
from netkin.vector.compute import vectorise_diagrams
from tests.test_estimate import study

NAME = "digits/width_256/seed_0.h5"
BUNDLE = "digits/seed_0/all.h5"


def job(rule="train_network", **changes):
    values = {
        "outputs": (f"results/network/{NAME}",),
        "cores": 1,
        "gpus": 0,
        "megabytes": 4000.0,
        "minutes": 10.0,
    }
    return PlannedJob(rule, **values | changes)


def row(text, name):
    """Return the numbers of the first line that begins with a name."""
    line = next(line for line in text.splitlines() if line.split()[:1] == [name])
    return [float(number) for number in line.split()[1:]]


def test_the_plan_adds_up():
    jobs = [
        job(minutes=130.0, gpus=2, cores=2),
        job(minutes=10.0, megabytes=6500.0),
        job("export_graph", outputs=(f"results/graph/{NAME}",)),
    ]
    text = describe(study(), jobs)
    n_jobs, likely, asked, gpu_hours, memory, longest = row(text, "train_network")
    assert (n_jobs, memory, longest) == (2, 6.5, 130)
    assert asked == pytest.approx((2 * 130 + 10) / 60, abs=0.05)
    assert gpu_hours == pytest.approx(2 * 130 / 60, abs=0.05)
    assert 0 < likely < asked / 2
    assert row(text, "all")[0] == 3
    graph = disk_of(study(), f"results/graph/{NAME}")[1] / 1e9
    assert row(text, "graph") == pytest.approx([graph], abs=0.005)


def test_nothing_to_do_is_one_sentence():
    assert describe(study(), []) == "Nothing to be done: all results are there."


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """The files of one network of the default study, with weights as if trained."""
    folder = tmp_path_factory.mktemp("stored")
    rng = np.random.default_rng(0)
    shapes = [(256, 64), (256, 256), (10, 256)]
    network = Network(
        tuple(rng.normal(scale=0.1, size=shape).astype(np.float32) for shape in shapes),
        tuple(rng.normal(scale=0.02, size=shape[0]).astype(np.float32) for shape in shapes),
        {name: np.zeros(20) for name in HISTORY},
        0.9,
    )
    path = {stage: str(folder / f"{stage}.h5") for stage in ("network", "graph", "diagram", "heat")}
    write_network(path["network"], network, parameters={})
    graph = study().graph()
    export_graph(network_path=path["network"], graph_path=path["graph"], **graph)
    compute_diagrams(
        network_paths=[path["network"]],
        ids=["digits/width_256/seed_0"],
        diagram_path=path["diagram"],
        engine="exact",
        max_dimension=3,
        **graph,
    )
    vectorise_diagrams(
        diagram_path=path["diagram"],
        vector_path=path["heat"],
        vector="heat",
        policy=study().policy(),
        **study().vector("heat"),
    )
    return {stage: Path(name).stat().st_size for stage, name in path.items()}


@pytest.mark.parametrize("stage", ["network", "graph", "diagram", "heat"])
def test_disk_is_what_real_files_take(stored, stage):
    folder = "vector/heat" if stage == "heat" else stage
    name = NAME if stage in ("network", "graph") else BUNDLE
    alone = study(study={"variants": ["width_256"]})
    found, n_bytes = disk_of(alone, f"results/{folder}/{name}")
    assert found == folder.split("/")[0]
    assert stored[stage] / 1.6 < n_bytes < stored[stage] * 1.6


def test_every_stage_has_its_size():
    both = study(study={"datasets": ["digits", "fashion_mnist"]})
    sizes = {
        stage: disk_of(both, f"results/{path}")[1]
        for stage, path in {
            "dataset": "dataset/fashion_mnist.h5",
            "activation": f"activation/{BUNDLE}",
            "prediction": f"prediction/{BUNDLE}",
            "distance": "distance/digits/vector_heat/seed_0.h5",
            "layers": "distance/digits/layers/a/b/seed_0.h5",
            "summary": "distance/digits/heat.h5",
            "table": "table/costs.csv",
        }.items()
    }
    images = disk_of(study(study={"datasets": ["mnist"]}), "results/dataset/mnist.h5")[1]
    assert images == plan.FILE_BYTES + 4 * 70_000 * 784
    assert sizes.pop("dataset") == plan.FILE_BYTES + 4 * 70_000 * 1_152
    # activations of 1,000 rows of 19 networks, as float32
    assert sizes.pop("activation") > 4 * 1000 * 19 * 128
    assert all(plan.FILE_BYTES < size < 5e6 for size in sizes.values())


@pytest.mark.workflow
def test_a_plan_counts_the_jobs_of_a_run(fresh):
    done = fresh.ask("plan", "--set-resources", "train_network:gpu=1")
    assert done.returncode == 0, done.stderr
    planned = fresh.planned()
    assert planned
    assert {name: row(done.stdout, name)[0] for name in planned} == planned
    assert row(done.stdout, "all")[0] == sum(planned.values())
    assert row(done.stdout, "train_network")[3] > 0
    assert not (fresh.folder / "results").exists()


@pytest.mark.workflow
def test_a_plan_counts_what_is_left_to_do(edited):
    assert "Nothing to be done" in edited.ask("plan").stdout
    edited.set("vector.heat.n_bins", 30)
    text = edited.ask("plan").stdout
    planned = edited.planned()
    assert planned["vectorise_diagrams"] == 1
    assert {name: row(text, name)[0] for name in planned} == planned
    assert "train_network" not in text


@pytest.mark.workflow
def test_a_plan_of_a_wrong_config_is_its_sentence(fresh):
    fresh.set("network.learning_rat", 0.1)
    done = fresh.ask("plan")
    assert done.returncode == 1
    assert "Did you mean 'learning_rate'?" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.workflow
def test_results_of_this_code_and_config_are_fresh(finished):
    done = finished.ask("fresh")
    n_files = len(list((finished.folder / "results").rglob("[!.]*.h5")))
    assert done.stdout == (
        f"{n_files} results are as today's code and config make them, 0 are not, 0 are not there.\n"
    ), done.stderr
    assert done.returncode == 0


@pytest.mark.workflow
def test_stale_and_foreign_results_are_listed(edited):
    network = edited.folder / "results/network/digits"
    foreign = network / "width_99/seed_0.h5"
    foreign.parent.mkdir()
    shutil.copy(network / "width_8/seed_0.h5", foreign)
    edited.set("diagram.eta", 0.05)
    edited.edit(
        "src/netkin/diagram/exact.py", "import numpy as np", "import numpy as np\n\nSAME = 1"
    )
    try:
        done = edited.ask("fresh")
    finally:
        shutil.rmtree(foreign.parent)
    assert done.returncode == 1
    text = done.stdout
    assert "not of this study:\n  results/network/digits/width_99/seed_0.h5" in text
    assert "other code:\n  results/diagram/digits/seed_0/all.h5" in text
    assert "policy.eta was 0.01, now 0.05" in text
    assert "made from results/diagram/digits/seed_0/all.h5, which would be" in text
    assert "results/dataset/digits.h5" not in text
    assert "  results/network/digits/width_8/seed_0.h5" not in text


@pytest.mark.workflow
def test_without_snakemakes_memory_only_the_files_tell(edited):
    memory = edited.folder / ".snakemake"
    aside = memory.rename(edited.folder / "aside")
    try:
        assert edited.planned() == {}
        edited.set("vector.heat.n_bins", 30)
        # Snakemake goes by the times of files and sees nothing
        assert edited.planned() == {}
        done = edited.ask("fresh")
        # in a fresh clone the scripts are new, which counts as another code
        script = edited.folder / "workflow/scripts/train_network.py"
        before = script.stat()
        script.touch()
        planned = edited.planned()
        os.utime(script, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert planned["train_network"] == 3
        assert "prepare_dataset" not in planned
    finally:
        shutil.rmtree(memory, ignore_errors=True)
        aside.rename(memory)
    assert done.returncode == 1
    assert "n_bins was 20, now 30" in done.stdout
    assert "results/vector/landscape" not in done.stdout
