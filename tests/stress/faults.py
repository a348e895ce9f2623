"""Runs that are disturbed: run again, they must end with what an undisturbed run leaves."""

import math
import random
import shutil
import tempfile
import time
from pathlib import Path

from tests.conftest import environment, make_checkout, results
from tests.stress.counts import Counts
from tests.stress.disturb import FAULTS, MOMENTS, disturbance, happened
from tests.warm import run_python

STUDY = {
    "graph.export": True,
    "study.variants": ["width_8", "labels_2"],
    "distance.measures": ["heat", "norm_1", "cka", "disagreement"],
    "distance.calibration": {"permutations": 2, "resamples": 0},
    "distance.layers": [["width_8", "labels_2"]],
    "activation.probe_rows": 50,
    "activation.layers": "all",
}
"""Changes of `tests.conftest.TINY` so that every stage has a job."""
EDITS = {
    "prepare_dataset.py": lambda c: c.set("dataset.digits.split_seed", 1),
    "train_network.py": lambda c: c.set("network.dropout", 0.25),
    "export_graph.py": lambda c: c.set("graph.zeta", 1.0e-3),
    "compute_diagrams.py": lambda c: c.set("diagram.max_dimension", 0),
    "vectorise_diagrams.py": lambda c: c.set("diagram.eta", 0.02),
    "compute_activations.py": lambda c: c.set("activation.probe_rows", 40),
    "compute_predictions.py": lambda c: c.edit(
        "src/netkin/prediction/compute.py", "softmax(", "(lambda *a, **k: softmax(*a, **k))("
    ),
    "compute_distances.py": lambda c: c.set("distance.p", 3.0),
    "compare_layers.py": lambda c: c.set("distance.calibration.permutations", 3),
    "summarise_distances.py": lambda c: c.edit(
        "src/netkin/distance/summary.py", ".std(axis=0)", ".std(axis=0, ddof=0)"
    ),
}
"""Script -> an edit that makes its job run again."""
DOWNSTREAM = ("plot_layers.py", "tabulate_measures.py", "plot_overview.py", "tabulate_groups.py")
"""Scripts of jobs at the end of the chain, disturbed after any edit before them."""
COSTS = ("costs", "use", "measures", "readings")
"""Tables and figures that show what runs cost, which is never the same."""
MOST_RUNS = 4
"""So often a disturbed run is taken up again before it counts as stuck."""


def of_all_stages(checkout):
    """Give a checkout the study of all stages."""
    for key, value in STUDY.items():
        checkout.set(key, value)
    return checkout


def prepare(folder):
    """Return a checkout whose small study of all stages has been run."""
    folder.mkdir(parents=True)
    checkout = of_all_stages(make_checkout(folder))
    checkout.run()
    return checkout


def copy(checkout, folder):
    """Return a checkout that is as another one is, results and Snakemake's memory included."""
    shutil.copytree(checkout.folder, folder, symlinks=True)
    return type(checkout)(folder)


def pictures(checkout):
    """Return the figures of a checkout and its tables, but `COSTS`."""
    folder = checkout.folder / "results"
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for kind in ("svg", "csv")
        for path in sorted(folder.rglob(f"*.{kind}"))
        if path.stem not in COSTS
    }


def everything(checkout):
    """Return all results of a checkout, comparable by ==."""
    return results(checkout), pictures(checkout)


def disturbed_run(checkout, script, fault, moment, *arguments):
    """Run a checkout while a job is disturbed, and tell whether it was."""
    shutil.rmtree(checkout.folder / ".disturbance", ignore_errors=True)
    return script in run_with(checkout, {script: (fault, moment)}, *arguments)


def run_with(checkout, jobs, *arguments):
    """Run a checkout while jobs are disturbed that were not so before; return which were by now."""
    hook = checkout.folder / ".disturbance"
    run_python(
        checkout.command(*arguments)[1:],
        checkout.folder,
        environment() | disturbance(hook, jobs),
        # which may be killed as a whole
        new_session=True,
    )
    return happened(hook)


def take_up(checkout, *targets):
    """Run again until all is done, as a user would; return why it did not end well, or ""."""
    output = ""
    for _ in range(MOST_RUNS):
        checkout.run("--unlock", check=False)
        output = checkout.run(*targets, check=False)
        if "(100%) done" in output or "Nothing to be done" in output:
            return ""
    return f"does not end: {output[-500:]}"


def campaign(seed: int, seconds: float, cases: float = math.inf) -> Counts:
    """Disturb jobs of random stages at random moments after an edit, and compare.

    Parameters
    ----------
    seed : int
        Of the choice of jobs, faults and moments.
    seconds, cases : float
        No new case is begun after so long, or so many.
    """
    chance = random.Random(seed)
    counts = Counts()
    stop = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as place:
        finished = prepare(Path(place) / "finished")
        undisturbed = {}
        while time.monotonic() < stop and counts.tried < cases:
            edit = chance.choice(list(EDITS))
            script = chance.choice([edit, edit, *DOWNSTREAM])
            fault, moment = chance.choice(FAULTS), chance.choice(MOMENTS)
            name = f"{edit} edited, {script} {fault} at its {moment}"
            if edit not in undisturbed:
                checkout = copy(finished, Path(place) / f"undisturbed_{len(undisturbed)}")
                EDITS[edit](checkout)
                checkout.run()
                undisturbed[edit] = everything(checkout)
                shutil.rmtree(checkout.folder)
            checkout = copy(finished, Path(place) / "disturbed")
            EDITS[edit](checkout)
            there = disturbed_run(checkout, script, fault, moment)
            why = take_up(checkout)
            if not why and everything(checkout) != undisturbed[edit]:
                why = "other results than those of an undisturbed run"
            if not why and checkout.planned():
                why = "something is left to do"
            if not why and checkout.ask("fresh").returncode:
                why = "make fresh finds stale results"
            counts.tried += there
            counts.unharmed += there and not why
            if why:
                counts.findings.append(f"{name}: {why}")
            shutil.rmtree(checkout.folder)
    return counts
