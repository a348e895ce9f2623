"""The command line."""

import csv
import io
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner

import netkin
from netkin.command.app import app
from netkin.comparing import default_measures
from netkin.diagram.diagram import read_diagram
from netkin.distance import MEASURES
from netkin.errors import NetkinError
from netkin.graph.graph import graph_from_weights, read_graph
from netkin.network.file import Network, write_network
from tests import snippets

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "own_networks.md"
SIZES = [6, 5, 4, 3]


def run(*arguments):
    """Run a command in this process; the error of a user's mistake is raised, see `main`."""
    found = CliRunner().invoke(app, [str(one) for one in arguments])
    if found.exception and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found


def process(*arguments, cwd=None, code="from netkin.command import main; main()"):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return start(*arguments, cwd=cwd, code=code, **pipes)


def start(*arguments, cwd=None, code="from netkin.command import main; main()", **pipes):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        **pipes,
        text=True,
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"},
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    snippets.make_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands_of_the_page_run(folder):
    lines = snippets.commands(PAGE)
    assert len(lines) >= 8
    for arguments in lines:
        assert run(*arguments).exit_code == ("c.npz" in " ".join(arguments)), arguments


def test_help_teaches_by_example():
    for command in ([], ["inspect"], ["compare"], ["diagram"], ["export-graph"], ["measures"]):
        found = run(*command, "--help")
        assert found.exit_code == 0
        assert "Examples:" in found.stdout
        assert "netkin " in found.stdout.split("Examples:")[1]
    assert run("--version").stdout == f"netkin {netkin.__version__}\n"


def test_every_example_is_a_call_that_the_command_takes():
    from netkin.command import compare, diagram, export_graph, inspect, measures

    for module in (inspect, compare, diagram, export_graph, measures):
        for line in module.EXAMPLES:
            arguments = re.sub(r" > .*", "", line).replace("'", "").split(" ")[1:]
            found = CliRunner().invoke(app, arguments)
            # no such file, and no mistake of usage
            assert "Usage" not in found.output, line
            if found.exception and not isinstance(found.exception, SystemExit):
                assert "no such file" in str(found.exception), line


def test_inspect(folder):
    found = run("inspect", "a.safetensors", "c.npz")
    assert found.exit_code == 0
    assert "6 -> 5 -> 4 -> 3" in found.stdout
    assert "wiring not known" in found.stdout
    parsed = json.loads(run("inspect", "--json", "a.safetensors").stdout)
    assert parsed[0]["layers"][0]["inputs"] == 6
    assert parsed[0]["edges"] == parsed[0]["used"]
    wired = run("inspect", "--wiring", "enc.weight, dec.weight", "c.npz")
    assert "6 -> 4 -> 6, no biases; wired as given" in wired.stdout


def test_inspect_counts_what_a_checkpoint_leaves_out(folder):
    import torch

    state = {"0.weight": torch.ones(3, 2), "1.weight": torch.ones(2, 3)}
    state |= {"0.num_batches_tracked": torch.tensor(1)}
    others = {"epoch": 3, "loss" + "x" * 100 + "end": 0.5} | {f"other_{k}": k for k in range(4)}
    torch.save({"state_dict": state, **others}, "checkpoint.pt")
    text = run("inspect", "checkpoint.pt").stdout
    line = next(line for line in text.splitlines() if "6 entries" in line)
    assert re.search(
        r"6 entries \(epoch, lossx+\.\.\.x+end, other_0, other_1 and 2 more; --json has all\): "
        "not among the weights",
        line,
    )
    assert "1 entry (0.num_batches_tracked): whole numbers" in text
    parsed = json.loads(run("inspect", "--json", "checkpoint.pt").stdout)
    assert set(others) <= set(parsed[0]["left_out"])


def test_exit_codes_of_inspect(folder):
    some = run("inspect", "a.safetensors", "none.pt")
    assert some.exit_code == 1
    assert some.stderr == "netkin: none.pt: no such file.\n"
    assert run("inspect", "none.pt").exit_code == 2


def test_compare(folder):
    found = run("compare", "a.safetensors", "b.safetensors")
    assert found.exit_code == 0
    assert re.search(r"(?m)^  heat +\S+  smaller is more alike$", found.stdout)
    assert re.search(r"(?m)^  tensor_cosine +\S+  larger is more alike$", found.stdout)
    assert found.stdout.splitlines()[-1] == "null: none yet for any of these values"
    assert "faq (about" in found.stderr
    assert "by name (--measures)" in found.stderr
    rows = json.loads(run("compare", "--json", "a.safetensors", "b.safetensors").stdout)["rows"]
    value = netkin.distances("a.safetensors", "b.safetensors", measure="heat").loc["a", "b"]
    assert {row["measure"]: row["value"] for row in rows}["heat"] == value
    assert rows[0]["null_mean"] is None
    text = run("compare", "--csv", "a.safetensors", "b.safetensors", "c.safetensors").stdout
    table = list(csv.DictReader(io.StringIO(text)))
    assert {(row["network_a"], row["network_b"]) for row in table} == {
        ("a", "b"),
        ("a", "c"),
        ("b", "c"),
    }


def test_exit_codes_of_compare(folder):
    network = Network(*map(tuple, snippets.layers(7, [6, 5, 3])))
    write_network("other.h5", network, parameters={})
    gaps = run("compare", "--measures", "entropy,norm_1", "a.h5", "other.h5")
    assert gaps.exit_code == 1
    assert re.search(r"(?m)^  norm_1 +undefined  the networks", gaps.stdout)
    undefined = run("compare", "--measures", "norm_1,tensor_cosine", "a.safetensors", "c.npz")
    assert undefined.exit_code == 2  # no value at all
    assert "undefined" in undefined.stdout
    assert "wiring not known" in undefined.stderr
    missing = run("compare", "--measures", "entropy", "a.safetensors", "b.safetensors", "none")
    assert missing.exit_code == 1
    assert "none: not read: no such file" in missing.stderr
    nothing = run("compare", "none", "neither")
    assert (nothing.exit_code, nothing.stdout) == (2, "")
    assert run("compare").exit_code == 2


@pytest.mark.parametrize("way", [[], ["--json"], ["--csv"]])
def test_a_pair_without_any_value_is_one_line_and_ends_with_2(folder, way):
    (folder / "broken.pt").write_text("hello")
    found = run("compare", *way, "a.safetensors", "broken.pt")
    assert found.exit_code == 2
    assert "broken.pt: not read: " in found.stderr
    n = len(default_measures())
    if not way:
        head, line = found.stdout.splitlines()
        assert head == "a and broken"
        assert line.startswith(f"  all {n} measures are undefined: broken: ")
    elif way == ["--csv"]:
        assert len(found.stdout.splitlines()) == n + 1
    else:
        assert {row["value"] for row in json.loads(found.stdout)["rows"]} == {None}
    three = run("compare", *way, "a.safetensors", "b.safetensors", "broken.pt")
    assert three.exit_code == 1
    if not way:
        assert len(three.stdout.splitlines()) == 1 + n + 2 + 2 + 1


def test_a_reason_of_all_measures_is_said_once(folder):
    for name, size in (("zero", 0.0), ("ones", 1.0)):
        np.savez(f"{name}.npz", **{"0.weight": np.full((2, 3), size, np.float32)})
    found = run("compare", "--measures", "entropy,norm_1,heat", "ones.npz", "zero.npz")
    assert found.exit_code == 2
    _, line = found.stdout.splitlines()
    assert line.startswith("  all 3 measures are undefined: zero: every weight is 0")
    alone = run("compare", "--measures", "norm_1", "ones.npz", "zero.npz").stdout
    assert re.search(r"(?m)^  norm_1 +undefined  zero: ", alone)


def test_wiring_is_of_the_file_however_its_path_is_written(folder):
    Path("sub").mkdir()
    for path in ("./c.npz", "c.npz", ".//sub/../c.npz"):
        wiring = f"{path}=enc.weight, dec.weight"
        found = run("compare", "--measures", "entropy", "--wiring", wiring, "a.h5", path)
        assert found.exit_code == 0, path


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["a.safetensors"], "two or more are compared"),
        (["--measures", "hat", "a.safetensors", "b.safetensors"], "unknown measure 'hat'"),
        (["--json", "--csv", "a.safetensors", "b.safetensors"], "choose one"),
        (["--option", "x", "a.safetensors", "b.safetensors"], "MEASURE.NAME=VALUE"),
        (["--option", "heat.sigma=-1", "a.safetensors", "b.safetensors"], "sigma: found -1"),
        (["--option", "heat.sigma=x", "a.safetensors", "b.safetensors"], "sigma: found 'x'"),
        (["--wiring", "d.npz=x", "a.safetensors", "b.safetensors"], "before the '='"),
        (["--wiring", "a.h5=x", "--wiring", "./a.h5=y", "a.h5", "b.h5"], "a.h5 is given twice"),
        (["--wiring", "x", "--wiring", "y", "a.h5", "b.h5"], "'x' and 'y', both for all files"),
        (
            ["--option", "heat.sigma=1", "--option", "heat.sigma=2", "a.h5", "b.h5"],
            "heat.sigma is given twice",
        ),
        (["a.h5", ""], "a path is ''"),
        (["--name", "x", "a.safetensors", "b.safetensors"], "names: found"),
    ],
)
def test_a_mistake_is_one_sentence(folder, arguments, sentence):
    with pytest.raises(NetkinError) as caught:
        run("compare", *arguments)
    assert sentence in str(caught.value)


def test_measures_may_be_named_one_by_one(folder):
    named = ["--measures", "heat", "--measures", "frobenius,norm_1"]
    found = run("compare", "--csv", *named, "a.h5", "b.h5")
    rows = list(csv.DictReader(io.StringIO(found.stdout)))
    assert [row["measure"] for row in rows] == ["heat", "frobenius", "norm_1"]
    assert found.stderr == ""  # nothing more is offered to who has said what is wanted


def test_arguments_are_called_as_the_command_line_calls_them(folder):
    for command in (["inspect", "c.npz"], ["compare", "a.h5", "c.npz"]):
        found = run(*command)
        assert "order (--wiring)" in found.stdout
        assert "(wiring)" not in found.output
    alone = process("diagram", "c.npz", cwd=folder)
    assert alone.stderr.endswith("name all weights in their order (--wiring).\n")
    wrong = process("diagram", "c.npz", "--wiring", "W+", cwd=folder)
    assert wrong.stderr.startswith("netkin: --wiring: found 'W+'")
    name = process("compare", "--name", "x", "a.h5", "b.h5", cwd=folder)
    assert name.stderr.startswith("netkin: --name: found")
    assert "order (wiring)" in netkin.inspect("c.npz").unknown


def test_inspect_takes_the_wiring_of_one_file(folder):
    found = run("inspect", "--wiring", "c.npz=enc.weight, dec.weight", "a.h5", "c.npz")
    assert found.exit_code == 0
    assert "6 -> 5 -> 4 -> 3" in found.stdout
    assert "6 -> 4 -> 6, no biases; wired as given" in found.stdout


def test_help_has_no_types_of_python_and_breaks_lines_where_they_end():
    for command in ([], ["inspect"], ["compare"], ["diagram"], ["export-graph"], ["measures"]):
        found = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "80"}).stdout
        assert not re.search(r"<\w|\{\w+ ", found)
        assert "..." not in found.partition("Commands:")[2]
        text = found.partition("\n\n")[2].partition("\n\nOptions:")[0]
        for paragraph in text.split("\n\n"):
            lines = paragraph.splitlines()
            for line, following in pairwise(lines):
                assert len(line) + 1 + len(following.split()[0]) > 78, paragraph


def test_diagram(folder):
    diagram = netkin.diagram_of("a.safetensors")
    lines = run("diagram", "a.safetensors").stdout.splitlines()
    assert lines[1].split()[:2] == ["0", str(diagram.n_classes()[0])]
    assert "intervals" not in lines[0]
    parsed = json.loads(run("diagram", "--json", "a.safetensors").stdout)
    assert [one["classes"] for one in parsed["dimensions"]] == [*diagram.n_classes()]
    for ending in ("h5", "csv", "png", "svg"):
        assert run("diagram", "a.safetensors", "--out", f"d.{ending}").exit_code == 0
        assert Path(f"d.{ending}").stat().st_size
    stored = read_diagram("d.h5")
    for one, other in zip(stored.intervals, diagram.intervals, strict=True):
        np.testing.assert_array_equal(one, other)
    rows = list(csv.DictReader(Path("d.csv").read_text().splitlines()))
    assert sum(int(row["count"]) for row in rows) == sum(diagram.n_classes())
    assert run("diagram", "a.safetensors", "--out", "-").stdout == Path("d.csv").read_text()
    for out in ("-", "e.csv"):
        with pytest.raises(NetkinError, match=r"found --json and --out.*; choose one"):
            run("diagram", "a.safetensors", "--out", out, "--json")
    assert not Path("e.csv").exists()


def test_export_graph(folder):
    graph = graph_from_weights(*snippets.layers(0, SIZES))
    for ending in ("h5", "npz", "csv", "graphml"):
        assert run("export-graph", "a.safetensors", f"g.{ending}").exit_code == 0
    stored = read_graph("g.h5")
    with np.load("g.npz") as opened:
        arrays = dict(opened)
    for name in ("source", "target", "value", "layer", "is_bias"):
        np.testing.assert_array_equal(getattr(stored, name), getattr(graph, name))
        np.testing.assert_array_equal(arrays[name], getattr(graph, name))
    table = np.loadtxt("g.csv", delimiter=",", skiprows=1)
    np.testing.assert_array_equal(table[:, 2].astype(np.float32), graph.value)
    np.testing.assert_array_equal(table[:, 0], graph.source)
    root = xml.etree.ElementTree.parse("g.graphml").getroot()
    space = {"g": "http://graphml.graphdrawing.org/xmlns"}
    edges = root.findall("g:graph/g:edge", space)
    assert len(root.findall("g:graph/g:node", space)) == graph.n_vertices
    assert [int(one.get("target")) for one in edges] == graph.target.tolist()
    assert [np.float32(one.find("g:data", space).text) for one in edges] == graph.value.tolist()


def test_no_file_is_written_over(folder):
    before = Path("b.h5").read_bytes()
    for command in (
        ["export-graph", "a.safetensors", "b.h5"],
        ["diagram", "a.h5", "--out", "b.h5"],
    ):
        with pytest.raises(NetkinError, match="only copy"):
            run(*command)
    for command in (["export-graph", "b.h5", "b.h5"], ["diagram", "b.h5", "--out", "b.h5"]):
        with pytest.raises(NetkinError, match="the network itself"):
            run(*command, "--force")
    assert Path("b.h5").read_bytes() == before
    with pytest.raises(NetkinError, match=r"found the ending .\.txt."):
        run("export-graph", "a.safetensors", "g.txt")
    assert run("export-graph", "a.safetensors", "g.csv").exit_code == 0
    assert run("export-graph", "b.safetensors", "g.csv", "--force").exit_code == 0


def test_measures():
    found = run("measures")
    assert len(found.stdout.splitlines()) == len(MEASURES) + 1
    rows = json.loads(run("measures", "--json", "--family", "weight").stdout)
    assert {row["measure"] for row in rows} == {
        name for name, one in MEASURES.items() if one.family == "weight"
    }
    assert all(row["seconds"] > 0 for row in rows)
    with pytest.raises(NetkinError, match="--family: found 'x'"):
        run("measures", "--family", "x")


def test_run_says_that_the_workflow_is_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NetkinError, match="the workflow is not here"):
        run("run", "--cores", "1")


def test_run_hands_its_arguments_to_snakemake(monkeypatch):
    monkeypatch.chdir(ROOT)
    calls = []
    monkeypatch.setattr("subprocess.call", lambda command: calls.append(command) or 7)
    assert run("run", "--cores", "1", "-n", "x").exit_code == 7
    assert calls[0][1:] == ["--cores", "1", "-n", "x"]
    assert Path(calls[0][0]).name == "snakemake"


def test_a_process_ends_with_one_sentence_and_no_traceback(folder):
    (folder / "not.pt").write_text("hello")
    (folder / "empty.npz").write_bytes(b"")
    for arguments in (
        ["compare", "a.safetensors"],
        ["diagram", "none"],
        ["diagram", "not.pt"],
        ["diagram", "empty.npz"],
        ["diagram", "c.npz"],
        ["diagram", "a.safetensors", "--out", "a.safetensors"],
        ["diagram", "a.safetensors", "--max-dimension", "99"],
        ["export-graph", "a.safetensors", "g.csv", "--zeta", "2"],
        ["run"],
    ):
        found = process(*arguments, cwd=folder)
        assert found.returncode == 2, arguments
        assert found.stdout == ""
        assert len(found.stderr.splitlines()) == 1, found.stderr
        assert found.stderr.startswith("netkin: ")
    usage = process("compare", "--nothing", cwd=folder)
    assert usage.returncode == 2
    assert "Traceback" not in usage.stderr


CLOSED = [
    ["measures"],
    ["measures", "--json"],
    ["--help"],
    ["compare", "--help"],
    ["inspect", "a.safetensors"],
    ["diagram", "a.safetensors", "--out", "-"],
    ["compare", "--csv", "a.safetensors", "b.safetensors"],
]


@pytest.mark.parametrize("arguments", CLOSED, ids=" ".join)
def test_a_reader_that_has_gone_is_no_failure(folder, arguments):
    """As in `netkin measures | true`, where the pipe is closed before anything is written."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        found = start(*arguments, cwd=folder, stdout=writing, stderr=subprocess.PIPE)
    finally:
        os.close(writing)
    assert (found.returncode, found.stderr) == (0, "")


def test_a_reader_of_messages_that_has_gone_keeps_the_exit_code_of_a_mistake(folder):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        found = start("diagram", "none", cwd=folder, stdout=subprocess.PIPE, stderr=writing)
    finally:
        os.close(writing)
    assert (found.returncode, found.stdout) == (2, "")


def test_results_are_whole_where_nobody_reads_the_messages(folder):
    reading, writing = os.pipe()
    os.close(reading)
    files = ["a.safetensors", "b.safetensors"]
    try:
        found = start(
            "compare", "--csv", *files, cwd=folder, stdout=subprocess.PIPE, stderr=writing
        )
    finally:
        os.close(writing)
    assert found.returncode == 0
    assert len(found.stdout.splitlines()) == len(default_measures()) + 1


def test_compare_loads_what_it_needs_and_no_more(folder):
    code = (
        "import sys\nfrom netkin.command import main\ntry:\n    main()\nfinally:\n"
        "    print([m for m in ('torch', 'pandas', 'sklearn', 'matplotlib', 'ot', "
        "'gudhi', 'onnx') if m in sys.modules], file=sys.stderr)"
    )
    found = process("compare", "a.safetensors", "b.safetensors", cwd=folder, code=code)
    assert found.returncode == 0
    assert found.stderr.splitlines()[-1] == "[]"
    assert "\r" not in found.stderr and "\x1b" not in found.stderr


def test_weights_of_big_files_are_read_tensor_by_tensor(tmp_path):
    """Memory of a measure of tensors is that of a tensor, not of the file."""
    import tracemalloc

    for seed, name in enumerate("ab"):
        rng = np.random.default_rng(seed)
        tensors = {f"{k}.weight": rng.random((256, 1024), dtype=np.float32) for k in range(16)}
        save_file(tensors, str(tmp_path / f"{name}.safetensors"))
    files = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    netkin.compare(*files, measures=["tensor_cosine"])
    tracemalloc.start()
    netkin.compare(*files, measures=["tensor_cosine"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < files[0].stat().st_size
