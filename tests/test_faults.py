"""A job that is killed or fails after an edit: nothing stale is taken for current afterwards."""

import pytest

from tests.conftest import Checkout, content, made_once
from tests.stress.faults import (
    EDITS,
    copy,
    disturbed_run,
    everything,
    prepare,
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
    "compute_distances": {"summarise_distances", "tabulate_measures", "tabulate_groups"},
    "summarise_distances": {"plot_distance_matrix", "tabulate_groups", "tabulate_costs"},
}
"""Rule of several jobs, one of which is disturbed -> rules that follow from any of them."""


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """A study of all stages."""
    with made_once(tmp_path_factory, "faults") as (folder, to_make):
        if to_make:
            prepare(folder)
    return Checkout(folder)


def test_every_stage_is_disturbed():
    assert FAULTS.keys() == EDITS.keys()


# every stage is edited and disturbed by `make stress`, tests/stress/faults.py
@pytest.mark.parametrize("script", ["train_network.py", "compute_diagrams.py"])
def test_what_an_edit_asks_for_is_still_to_do_after_a_disturbed_job(prepared, tmp_path, script):
    checkout = copy(prepared, tmp_path / "checkout")
    EDITS[script](checkout)
    before = checkout.planned()
    rule = script.removesuffix(".py")
    assert disturbed_run(checkout, script, *FAULTS[script], "--until", rule)
    if FAULTS[script][0] == "all killed":
        checkout.run("--unlock")
    after = checkout.planned()
    assert 1 <= after[rule] <= before[rule]
    if rule in SEVERAL:
        assert SEVERAL[rule] <= set(after)
    else:
        # all that follows from this job, whatever is there
        assert set(checkout.planned("--forcerun", rule)) <= set(after)
    assert checkout.ask("fresh").returncode == 1 or rule == "summarise_distances"


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
def test_an_edit_of_which_code_is_called_counts(prepared, tmp_path, edit):
    change, rule = CODE[edit]
    checkout = copy(prepared, tmp_path / "checkout")
    checkout.edit(*change)
    assert rule in checkout.planned()
    assert checkout.ask("fresh").returncode == 1


def test_runs_disturbed_at_every_stage_end_as_an_undisturbed_one(prepared, tmp_path):
    undisturbed, disturbed = (copy(prepared, tmp_path / name) for name in ("a", "b"))
    # of the first stage: the others know of it by what they are made from alone
    for checkout in (undisturbed, disturbed):
        EDITS["prepare_dataset.py"](checkout)
    undisturbed.run()
    # one fault in each stage; what follows from it has to wait for the next run
    seen = set()
    for _ in range(2 * len(FAULTS)):
        found = run_with(disturbed, FAULTS)
        if found == seen:
            break
        seen = found
        disturbed.run("--unlock", check=False)
    assert seen == set(FAULTS)
    assert take_up(disturbed) == ""
    assert everything(disturbed) == everything(undisturbed)
    assert disturbed.planned() == {}
    assert disturbed.ask("fresh").returncode == 0


def test_files_come_back_after_a_forced_job_failed(copied):
    path = copied.folder / "results/diagram/digits/seed_0/all.h5"
    before = content(path)
    forced = ("--forcerun", "compute_diagrams")
    assert disturbed_run(copied, "compute_diagrams.py", "killed", "start", *forced)
    # Snakemake deletes what it is about to make
    assert not path.exists()
    copied.run()
    assert content(path) == before
    assert copied.planned() == {}
