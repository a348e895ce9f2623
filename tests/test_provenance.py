import dataclasses
import importlib

import numpy as np
import pytest

from netkin import provenance

BASE = {
    "__init__.py": "",
    "stage/__init__.py": "from netkin.stage.one import one\nONES = {'one': one}\n",
    "stage/one.py": '"""Says."""\nfrom netkin.helper import double\n\n\ndef one(x):\n'
    "    return double(x)\n",
    "stage/run.py": "from netkin.stage import ONES\n\n\ndef run(x):\n    return ONES['one'](x)\n",
    "helper.py": "def double(x: int) -> int:\n    return 2 * x  # twice\n",
    "other.py": "def other():\n    return 0\n",
}


@pytest.fixture
def digest_of(tmp_path, monkeypatch):
    """Return a function: digest of stage.one.one in a package with some files changed."""

    def digest(changes=None, function="one", module="netkin.stage.one"):
        for name, text in {**BASE, **(changes or {})}.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        monkeypatch.setattr(provenance, "PACKAGE_ROOT", tmp_path)
        provenance._module_facts.cache_clear()
        fake = type("F", (), {"__module__": module})
        try:
            return provenance.code_digest(fake)
        finally:
            provenance._module_facts.cache_clear()

    return digest


def test_comments_docstrings_annotations_and_layout_do_not_count(digest_of):
    same = {
        "stage/one.py": '"""Says otherwise."""\nfrom netkin.helper import double\n\ndef one(x):\n'
        '    """Give it."""\n    # a comment\n    return double(\n        x\n    )\n',
        "helper.py": "def double(x):\n    return 2 * x\n",
    }
    assert digest_of() == digest_of(same)


def test_an_edit_counts(digest_of):
    changed = BASE["stage/one.py"].replace("double(x)", "double(x) + 1")
    assert digest_of() != digest_of({"stage/one.py": changed})


def test_an_edit_of_an_imported_module_counts(digest_of):
    assert digest_of() != digest_of({"helper.py": "def double(x):\n    return 3 * x\n"})


def test_an_edit_of_a_module_that_is_not_imported_does_not_count(digest_of):
    assert digest_of() == digest_of({"other.py": "def other():\n    return 1\n"})


def test_a_new_registry_entry_does_not_count(digest_of):
    more = {"stage/__init__.py": BASE["stage/__init__.py"] + "ONES['two'] = one\n"}
    assert digest_of(module="netkin.stage.run") == digest_of(more, module="netkin.stage.run")


def test_an_entry_counts_by_its_numbers_and_not_by_how_they_are_printed():
    @dataclasses.dataclass
    class Bounded:
        bounds: tuple

    digests = [
        provenance.code_digest(Bounded(bounds))
        for bounds in [(0.0, 0.1), (np.float64(0.0), np.float64(0.1)), (0.0, 0.2)]
    ]
    assert digests[0] == digests[1] != digests[2]


def norm(a, b):
    return 1


def other_norm(a, b):
    return 2


@dataclasses.dataclass
class Entry:
    function: object
    read: object = None


def test_which_function_of_a_module_an_entry_names_counts(monkeypatch):
    monkeypatch.setattr(provenance, "_module_facts", lambda module: ("", frozenset()))
    digests = {
        provenance.code_digest(*parts)
        for parts in [
            [Entry(norm)],
            [Entry(other_norm)],
            [Entry(norm, other_norm)],
            [Entry(other_norm, norm)],
            [norm, other_norm],
            [other_norm, norm],
        ]
    }
    assert len(digests) == 6


def test_a_script_counts_by_what_it_does(tmp_path):
    script = tmp_path / "stage.py"
    texts = ["run(stage, a=1)\n", "# why\nrun(stage,\n    a=1)\n", "run(stage, a=2)\n"]
    digests = []
    for text in texts:
        script.write_text(text)
        digests.append(provenance.script_digest(script))
    assert digests[0] == digests[1] != digests[2]
    assert provenance.script_digest(tmp_path / "none.py") == ""


def test_the_change_taken_back_gives_the_first_digest(digest_of):
    before = digest_of()
    digest_of({"helper.py": "def double(x):\n    return 3 * x\n"})
    assert digest_of() == before


def test_every_stage_function_has_a_digest_of_its_own():
    names = [
        ("netkin.dataset.prepare", "prepare_dataset"),
        ("netkin.dataset.features", "extract_features"),
        ("netkin.network.train", "train_network"),
        ("netkin.graph.export", "export_graph"),
        ("netkin.diagram.compute", "compute_diagrams"),
        ("netkin.vector.compute", "vectorise_diagrams"),
        ("netkin.activation.compute", "compute_activations"),
        ("netkin.prediction.compute", "compute_predictions"),
        ("netkin.distance.compute", "compute_distances"),
        ("netkin.figure.plot_matrix", "plot_overview"),
    ]
    functions = [getattr(importlib.import_module(module), name) for module, name in names]
    assert len({provenance.code_digest(f) for f in functions}) == len(names)


LATER = ("graph", "diagram", "vector", "activation", "prediction", "distance", "figure", "table")
LATER += (
    "paper",
    "config",
    "study",
    "need",
    "estimate",
    "source",
    "member",
    "bundle",
    "comparison",
)


def test_training_does_not_import_what_is_edited_often():
    """What train_network imports retrains the grid when it changes."""
    pending, seen = {"netkin.network.train"}, set()
    while pending:
        module = pending.pop()
        seen.add(module)
        pending |= provenance._module_facts(module)[1] - seen
    assert not {module for module in seen if module.split(".")[1] in LATER}
