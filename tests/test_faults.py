"""A job that is killed or fails after an edit: nothing stale is taken for current afterwards."""

import shutil

import pytest

from tests.conftest import content
from tests.stress.faults import (
    EDITS,
    copy,
    disturbed_run,
    everything,
    of_all_stages,
    run_with,
    take_up,
)

pytestmark = [pytest.mark.workflow, pytest.mark.budget("stress")]
FAULTS = {
    "prepare_dataset.py": ("killed", "start"),
    "train_network.py": ("full disk", "file"),
    "export_graph.py": ("failed", "end"),
    "compute_diagrams.py": ("killed", "file"),
    "vectorise_diagrams.py": ("terminated", "end"),
    "compute_activations.py": ("all killed", "file"),
    "compute_predictions.py": ("failed", "start"),
    "compute_distances.py": ("killed", "end"),
    "compare_layers.py": ("full disk", "file"),
    "summarise_distances.py": ("all killed", "end"),
}
"""Script -> what happens to its job, and when; tests/stress/faults.py has all of them."""
SEVERAL = {
    "train_network": {
        "compute_diagrams",
        "compute_distances",
        "tabulate_accuracy",
        "plot_training",
    },
}
"""Rule of several jobs, one of which is disturbed -> rules that follow from any of them."""
TARGETS = (
    *("results/graph/digits/width_8/seed_0.h5", "results/graph/digits/labels_2/seed_0.h5"),
    *(f"results/distance/digits/{name}.h5" for name in ("heat", "norm_1", "cka", "disagreement")),
    "results/distance/digits/layers/width_8/labels_2/seed_0.h5",
    *("results/figure/digits/distance_matrix/heat.svg", "results/table/digits/accuracy.csv"),
)
"""Every stage, and of figures and tables one each; `make stress` has them all."""


def test_every_stage_is_disturbed():
    assert FAULTS.keys() == EDITS.keys()


# every stage is edited and disturbed by `make stress`, tests/stress/faults.py
@pytest.mark.parametrize("script", ["train_network.py", "compute_diagrams.py"])
def test_what_an_edit_asks_for_is_still_to_do_after_a_disturbed_job(copied, script):
    EDITS[script](copied)
    before = copied.planned()
    rule = script.removesuffix(".py")
    assert disturbed_run(copied, script, *FAULTS[script], "--until", rule)
    after = copied.planned()
    assert 1 <= after[rule] <= before[rule]
    if rule in SEVERAL:
        assert SEVERAL[rule] <= set(after)
    else:
        # all that follows from this job, whatever is there
        assert set(copied.planned("--forcerun", rule)) <= set(after)
    assert copied.ask("fresh").returncode == 1


CODE = {
    "a script": (
        ("workflow/scripts/compute_diagrams.py", "**snakemake.params.graph", "zeta=1e-5"),
        "compute_diagrams",
    ),
    "a measure's function": (
        ("src/netkin/distance/__init__.py", "        norm_1,\n", "        frobenius,\n"),
        "compute_distances",
    ),
    "the engine of a name": (
        ("src/netkin/diagram/__init__.py", '"exact": exact_diagram', '"exact": flagser_diagram'),
        "compute_diagrams",
    ),
}
"""Edit that leaves no trace in files or in the module of a function -> rule to run again."""


@pytest.mark.parametrize("edit", CODE)
def test_an_edit_of_which_code_is_called_counts(copied, edit):
    change, rule = CODE[edit]
    copied.edit(*change)
    assert rule in copied.planned()
    assert copied.ask("fresh").returncode == 1


def test_runs_disturbed_at_every_stage_end_as_an_undisturbed_one(copied, tmp_path_factory):
    undisturbed = copy(copied, tmp_path_factory.mktemp("undisturbed") / "checkout")
    for name in ("results", ".snakemake"):
        shutil.rmtree(undisturbed.folder / name)
    # of which one has results of another study, stale from the first stage on
    for checkout in (undisturbed, copied):
        EDITS["prepare_dataset.py"](of_all_stages(checkout))
    undisturbed.run(*TARGETS)
    # one fault in each stage; what follows from it has to wait for the next run
    seen = set()
    for _ in range(2 * len(FAULTS)):
        seen = run_with(copied, FAULTS, *TARGETS)
        if seen == set(FAULTS):
            break
        copied.run("--unlock", check=False)
    assert seen == set(FAULTS)
    assert take_up(copied, *TARGETS) == ""
    for found, wanted in zip(everything(copied), everything(undisturbed), strict=True):
        assert {name: found[name] for name in wanted} == wanted
    assert copied.planned(*TARGETS) == {}
    assert copied.ask("fresh", *TARGETS).returncode == 0


def test_files_come_back_after_a_forced_job_failed(copied):
    target = "results/diagram/digits/seed_0/all.h5"
    path = copied.folder / target
    before = content(path)
    forced = ("--forcerun", "compute_diagrams")
    assert disturbed_run(copied, "compute_diagrams.py", "killed", "start", *forced)
    # Snakemake deletes what it is about to make
    assert not path.exists()
    copied.run(target)
    assert content(path) == before
    assert copied.planned(target) == {}
