"""The house keeps its own rules: thin scripts, complete rules, environments in step."""

import ast
import re
import runpy
import subprocess
import textwrap
import tomllib
from itertools import chain
from pathlib import Path
from typing import get_args

import pytest
import yaml

from netkin.distance import MEASURES
from netkin.distance.measure import Invariance, Requirement, Step
from netkin.network.format import FORMATS, open_model
from tests.stress.inside import damage_of
from tests.stress.models import files_in
from tests.stress.networks import ORIGINALS
from tests.test_format import BARE

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = sorted((ROOT / "workflow" / "scripts").glob("*.py"))
RULE_FILES = sorted((ROOT / "workflow" / "rules").glob("*.smk"))
STAGES = [
    *("dataset", "network", "graph", "diagram", "vector"),
    *("activation", "prediction", "distance", "figure", "table"),
]
WITHOUT_OPTIONS = ("prediction", "table")


def rules():
    """Yield name and text of every rule that runs a script."""
    for path in RULE_FILES:
        for block in re.split(r"(?m)^ *(?=rule\b.*:$)", path.read_text())[1:]:
            if "script:" in block:
                yield pytest.param(textwrap.dedent("    " + block), id=name_of(block))


def name_of(block):
    return re.search(r"rule (\w+):", block).group(1)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_script_is_one_call_of_the_library(script):
    *imports, guard = ast.parse(script.read_text()).body
    assert all(isinstance(node, ast.ImportFrom) for node in imports)
    assert {node.module.split(".")[0] for node in imports} == {"netkin"}
    assert ast.unparse(guard.test) == "__name__ == '__main__'"
    (statement,) = guard.body
    call = statement.value
    assert call.func.id == "run_job"
    assert call.args[0].id == script.stem
    assert "snakemake.config" not in script.read_text()


@pytest.mark.parametrize("block", list(rules()))
def test_rule_is_complete_and_named_as_its_script(block):
    name = name_of(block)
    for directive in ("output", "log", "benchmark", "conda", "threads", "resources", "params"):
        assert re.search(rf"(?m)^ *{directive}:", block), f"{name} has no {directive}"
    assert f'"../scripts/{name}.py"' in block
    assert re.search(r"(?m)^ *mem_mb=.*mem_mb\(", block), f"{name} asks for no memory"
    assert re.search(r"(?m)^ *runtime=.*runtime\(", block), f"{name} asks for no time"
    assert re.search(r"\bcode=", block)
    assert re.search(rf'log:\n *"logs/{name}[./]', block)
    assert re.search(rf'benchmark:\n *"results/benchmark/{name}[./]', block)


@pytest.mark.parametrize("path", RULE_FILES, ids=lambda path: path.stem)
def test_no_rule_is_made_in_a_loop_or_named_by_a_program(path):
    text = path.read_text()
    assert not re.search(r"(?m)^ *name:", text)
    assert not re.search(r"(?m)^ +rule\b", text)
    assert "overwrite_resources" not in text


def test_every_script_has_its_rule():
    names = {name_of(p.values[0]) for p in rules()}
    assert names == {path.stem for path in SCRIPTS}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_found_by_its_noun(stage):
    assert (ROOT / "workflow" / "rules" / f"{stage}.smk").is_file()
    assert (ROOT / "src" / "netkin" / stage / "__init__.py").is_file()
    assert (ROOT / "tests" / f"test_{stage}.py").is_file()
    if stage not in WITHOUT_OPTIONS:
        config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
        assert stage in config
    includes = re.findall(r'rules/(\w+)\.smk"', (ROOT / "Snakefile").read_text())
    assert [name for name in includes if name in STAGES] == STAGES


def pins(text):
    return {
        name.lower(): version
        for name, version in re.findall(r"(?m)^\s*(?:- )?([\w.-]+)==(\S+)$", text)
    }


def test_pinned_packages_are_constrained_to_the_same_versions():
    wanted = pins((ROOT / "envs" / "requirements.txt").read_text())
    constrained = pins((ROOT / "envs" / "constraints.txt").read_text())
    assert wanted
    assert {name: constrained.get(name) for name in wanted} == wanted


AGPL = {"pyflagser", "giotto-tda", "giotto-ph"}


def test_what_the_core_needs_is_imported_pinned_and_not_agpl():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[<>=\[]", need)[0] for need in project["dependencies"]}
    assert not names & AGPL
    assert names <= set(distributions_of_imports())
    extras = chain(*project["optional-dependencies"].values())
    every = names | {re.split(r"[<>=\[]", need)[0] for need in extras} - {"netkin"}
    assert {name.lower() for name in every} <= set(
        pins((ROOT / "envs" / "requirements.txt").read_text())
    )


def distributions_of_imports():
    """Yield the distribution of each package that the library imports, also inside functions."""
    of_package = {
        "annotated_types": "annotated-types",
        "sklearn": "scikit-learn",
        "ot": "POT",
        "yaml": "PyYAML",
    }
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules = [node.module]
            else:
                continue
            for module in modules:
                package = module.partition(".")[0]
                yield of_package.get(package, package)


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda p: p.stem)
def test_conda_environments_are_in_step_with_the_pinned_one(path):
    wanted = pins((ROOT / "envs" / "requirements.txt").read_text())
    found = pins(path.read_text())
    assert found
    assert found == {name: wanted.get(name) for name in found}


def test_rules_name_every_conda_environment():
    named = set(re.findall(r'"../../envs/(\w+)\.yaml"', "".join(p.read_text() for p in RULE_FILES)))
    assert named == {path.stem for path in (ROOT / "envs").glob("*.yaml")}


def test_the_library_knows_nothing_of_snakemake():
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert not any(a.name.startswith("snakemake") for a in node.names), path
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith("snakemake"), path


@pytest.mark.budget("docs")
def test_the_page_of_measures_is_that_of_the_registry():
    page = runpy.run_path(str(ROOT / "docs" / "measures.py"))["page"]()
    assert page == (ROOT / "docs" / "measures.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in page for name in MEASURES)


FACTOR = r"(?:log )?[nDBpdCPEhmst](?:\^[23])?"
TERMS = rf"(?:1|{FACTOR}(?: {FACTOR})*(?: \+ {FACTOR}(?: {FACTOR})*)*)"
COST = rf"{TERMS}(?:, once {TERMS})?"
CITATION = r"^\w.* (19|20)\d\d, ."
"""An author and a year."""


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_has_a_source_and_a_cost_in_the_letters_of_the_page(name):
    entry = MEASURES[name]
    assert re.match(CITATION, entry.citation)
    assert re.fullmatch(COST, entry.cost)
    page = (ROOT / "docs" / "measures.md").read_text(encoding="utf-8")
    docstring = type(entry).__doc__
    for meaning in (page[page.index("*Cost*") : page.index("## ")], docstring.split("cost :")[1]):
        of_letters = " ".join(meaning.split())
        for letter in set(re.findall(r"\b[A-Za-z]\b", entry.cost)):
            assert re.search(rf"(^|[,.] |Of |and ){letter} [a-z]{{2,}}", of_letters), letter
    known = {"preprocessing": Step, "requires": Requirement, "invariances": Invariance}
    for field, allowed in known.items():
        values = getattr(entry, field)
        assert isinstance(values, tuple)
        assert set(values) <= set(get_args(allowed))
        assert len(set(values)) == len(values)
    assert entry.needs == "activation" or not entry.preprocessing


@pytest.mark.budget("format")
@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_in_every_list(tmp_path, name):
    """Each list that lacks one is named by where it stands."""
    lacking = []
    one = next((one for one in ORIGINALS.values() if one.kind.split()[0] == name), None)
    if one is None:
        lacking.append("ORIGINALS of tests/stress/networks.py (a kind that begins with it)")
    else:
        one.write(tmp_path)
        if not any(damage_of(*file) for file in files_in(tmp_path).items()):
            lacking.append("damage_of of tests/stress/inside.py (what is inside such a file)")
        with open_model(tmp_path / one.target) as model:
            is_bare = model.chain is None and not model.unchained
    if FORMATS[name].endings:  # others are made of files of these
        if one and is_bare and name not in BARE:
            lacking.append("BARE of tests/test_format.py")
        make = runpy.run_path(str(ROOT / "docs" / "own_networks" / "make_networks.py"))
        if name not in make["WRITERS"]:
            lacking.append("WRITERS of docs/own_networks/make_networks.py")
        if name not in {writer for _, writer, _ in make["rows"]()}:
            lacking.append("config/networks.tsv.example (a network whose name ends in it)")
        for page, text in pages().items():
            # of the README its own need not be there
            if not words(FORMATS[name].title) & words(text) and (name, page) != ("netkin", README):
                lacking.append(page)
    assert not lacking, f"'{name}' of FORMATS is missing in: {'; '.join(lacking)}."


README, TABLE = "README.md (Files of weights by ...)", "docs/own_networks.md (the table of formats)"


def pages():
    """Return the texts that name formats, by where they stand."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    own = (ROOT / "docs" / "own_networks.md").read_text(encoding="utf-8")
    sentence = re.search(r"Files of weights by (.*?) are compared", readme, re.DOTALL)
    table = re.search(r"(?m)^## Formats\n[^|]*((?:\|.*\n)*)", own)
    return {README: sentence[1], TABLE: table[1]}


def words(text):
    return set(re.findall(r"\w{3,}", text.lower())) - {"file", "files", "model"}


def pip_arguments(text):
    """Return the arguments of each `python -m pip install` of a file, continued lines joined."""
    found = re.findall(r"-m pip install (.*)", re.sub(r"\\\n\s*", "", text))
    return [arguments.split() for arguments in found]


def test_the_container_is_built_from_what_the_makefile_installs():
    definition = (ROOT / "envs" / "netkin.def").read_text()
    arguments = pip_arguments(definition)
    assert len(arguments) == 2
    assert arguments == pip_arguments((ROOT / "Makefile").read_text())
    sections = dict(re.findall(r"(?ms)^%(\w+)\n(.*?)(?=^%|\Z)", definition))
    assert set(sections) == {"labels", "files", "post", "environment", "runscript", "test"}
    copied = dict(line.split() for line in sections["files"].strip().splitlines())
    assert all((ROOT / source).is_file() for source in copied)
    # %post works in the folder into which they are copied
    (folder,) = re.findall(r"(?m)^ *cd (\S+)$", sections["post"])
    needed = [f"{folder}/{name}" for name in chain(*arguments) if name.startswith("envs/")]
    assert sorted(needed) == sorted(copied.values())
    for text in [sections["post"], sections["test"], sections["runscript"]]:
        subprocess.run(["sh", "-n"], input=text, text=True, check=True)
    assert "From: python:3.11-" in definition
