"""A sheet of people's own networks: what it may say, and what a run of it makes."""

import json
import os
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import onnx
import pandas as pd
import pytest
import torch
from safetensors.numpy import save_file

from netkin.distance.summary import summarise_distances
from netkin.errors import Absent, NetkinError
from netkin.network.file import read_network
from netkin.network.format import open_model
from netkin.network.imported import import_network, read_understood, stamps_of
from netkin.source.rows import read_rows, remarks_on
from tests.warm import run_python

README = Path(__file__).resolve().parent.parent / "README.md"
UNITS = (6, 5, 4, 3)


def tensors(seed, names=("0", "2", "4"), dtype=np.float32):
    """Return weights and biases of a small network by their names."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, (n_in, n_out) in zip(names, pairwise(UNITS), strict=True):
        found[f"{name}.weight"] = rng.normal(size=(n_out, n_in)).astype(dtype)
        found[f"{name}.bias"] = rng.normal(size=n_out).astype(dtype)
    return found


def sheet(folder, text, name="networks.tsv"):
    (folder / name).write_text(text)
    return str(folder / name)


@pytest.fixture
def folder(tmp_path):
    """A folder with three files of networks."""
    for name in ("a", "b", "c", "{a}"):
        (tmp_path / f"{name}.pt").write_bytes(b"weights")
    return tmp_path


# --- rows -------------------------------------------------------------------------------


@pytest.mark.parametrize("divider", ["\t", ","])
@pytest.mark.parametrize("start", ["", "﻿", "# of the lab\n\n"])
def test_a_sheet_is_a_table_of_text(folder, divider, start):
    lines = [
        ["network", "path", "replicate", "wiring", "year"],
        ["007", "a.pt", "1", "", "2020-01-01"],
        ["NA", "b.pt", "", "x y", "true"],
        ["null", "c.pt"],
    ]
    text = start + "\n".join(divider.join(line) for line in lines) + "\n\n"
    rows = read_rows(sheet(folder, text))
    assert [row.network for row in rows] == ["007", "NA", "null"]
    assert [row.replicate for row in rows] == ["1", "once", "once"]
    assert [row.annotations for row in rows] == [
        {"year": "2020-01-01"},
        {"year": "true"},
        {"year": ""},
    ]
    assert rows[1].wiring == "x y"
    assert rows[0].file == str(folder / "a.pt")


def test_all_mistakes_are_told_at_once_with_their_lines(folder):
    text = "\n".join(
        [
            "network\tpath\treplicate\tgroup\twiring\tactivations",
            "a\tnone.pt\t1",
            "../b\tb.pt\t1",
            "c\tc.pt\tone two",
            "d\ta.pt\t1\tx\tW+",
            "e\ta.pt\t1\tx",
            "e\tb.pt\t1\tx",
            "e\tb.pt\t2\ty",
            "f\tbert-base-uncased",
            "g\ta.pt\t1\tx\t\tacts.npy",
            "h\ta.pt\t1\tx\t\t\tmore",
            "i",
        ]
    )
    with pytest.raises(NetkinError) as told:
        read_rows(sheet(folder, text))
    said = str(told.value)
    assert "networks.tsv has 10 errors:" in said
    for line, what in {
        2: "no such file",
        3: "network: found '../b'",
        4: "replicate: found 'one two'",
        5: "wiring: found 'W+'",
        7: "stands in line 6 already",
        8: "has 'y' as its group, and in line 6 'x'",
        9: "nothing is downloaded",
        10: "activations: no measure reads this yet",
        11: "7 values for 6 columns",
        12: "path: found nothing",
    }.items():
        assert any(f"line {line}:" in row and what in row for row in said.splitlines())


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "the column 'network' is missing"),
        ("network\tfile\na\ta.pt", "the column 'path' is missing"),
        ("Network\tpath\na\ta.pt", r"'network' is missing. Found: 'Network'"),
        ("network\tpath\tpath\na\ta.pt\ta.pt", "the column 'path' stands 2 times"),
        ("network\tpath\t\na\ta.pt", "a column has no name"),
        ("network\tpath\n", "there is no network in it"),
        ('network,path\n"a,a.pt\n', "line 2"),
        ("network\tpath\na\t{a}.pt", "Snakemake cannot name files with braces"),
    ],
)
def test_a_sheet_that_is_none_is_a_sentence(folder, text, what):
    with pytest.raises(NetkinError, match=what):
        read_rows(sheet(folder, text))


@pytest.mark.parametrize(
    "content", [b"PK\x03\x04rest", b"network\tpath\n\xff\xfea\ta.pt\n", b"a\0b"]
)
def test_a_sheet_that_is_no_text_is_a_sentence(folder, content):
    (folder / "networks.xlsx").write_bytes(content)
    with pytest.raises(NetkinError, match=r"networks.xlsx: (no text|line 2 is not UTF-8)"):
        read_rows(str(folder / "networks.xlsx"))
    with pytest.raises(NetkinError, match="no such file"):
        read_rows(str(folder / "none.tsv"))


@pytest.mark.parametrize("path", ["~nobody/x.pt", "x" * 300, "model", "results/network/a.h5", "."])
def test_a_path_that_cannot_be_taken_is_a_sentence(folder, monkeypatch, path):
    monkeypatch.chdir(folder)
    (folder / "model").mkdir()
    (folder / "model/m{x}.safetensors").write_text("x")
    (folder / "results/network").mkdir(parents=True)
    (folder / "results/network/a.h5").write_text("x")
    (folder / "{a}.pt").unlink()
    with pytest.raises(NetkinError, match=r"line 2: path: "):
        read_rows(sheet(folder, f"network\tpath\na\t{path}"))


def test_a_value_that_begins_like_a_comment_is_no_comment(folder):
    text = '# ours, "as they are\ncolour\tnetwork\tpath\n#ff0000\ta\ta.pt\n'
    (row,) = read_rows(sheet(folder, text))
    assert row.annotations == {"colour": "#ff0000"}


def test_a_folder_is_the_list_of_its_files(folder):
    (folder / "model/sub").mkdir(parents=True)
    with pytest.raises(NetkinError, match="a folder of 0 files"):
        read_rows(sheet(folder, "network\tpath\na\tmodel"))
    (folder / "model/config.json").write_text("{}")
    (folder / "model/sub/weights").write_text("12345")
    (row,) = read_rows(sheet(folder, "network\tpath\na\tmodel"))
    assert {name: size for name, (size, _) in row.files.items()} == {
        "config.json": 2,
        "sub/weights": 5,
    }


def test_what_may_be_a_mistake_is_a_remark(folder):
    text = "network\tpath\tgroup\twirring\na\ta.pt\tx\na2\ta.pt\tx\nb\tb.pt\ty\n"
    rows = read_rows(sheet(folder, text))
    wrong, alone = remarks_on("s", rows, "group")
    assert wrong == "s: the column 'wirring' is an annotation. Did you mean 'wiring'?"
    assert alone == "s: 1 group has one network alone: y."


def test_networks_are_grouped_by_any_column(folder):
    text = "network\tpath\tyear\treplicate\na\ta.pt\t1\t1\na\tb.pt\t2\t2\n"
    assert len(read_rows(sheet(folder, text))) == 2
    with pytest.raises(NetkinError, match=r"line 3: network 'a' has '2' as its year, and in line"):
        read_rows(sheet(folder, text), "year")
    with pytest.raises(NetkinError, match=r"source.group: found 'yaer'.*Did you mean 'year'"):
        read_rows(sheet(folder, text), "yaer")


# --- what is made of a file ---------------------------------------------------------------


def imported(folder, path, wiring=""):
    out = folder / "network.h5"
    out.unlink(missing_ok=True)
    import_network(
        file_path=str(path),
        network_path=str(out),
        path=path.name,
        wiring=wiring,
        files=stamps_of(path),
    )
    return out


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_layers_are_taken_with_their_names_and_precision(tmp_path, dtype):
    found = tensors(0, dtype=dtype)
    del found["2.bias"]
    save_file(found, tmp_path / "m.safetensors")
    out = imported(tmp_path, tmp_path / "m.safetensors")
    network = read_network(out)
    wanted = np.float64 if dtype == np.float64 else np.float32
    assert network.biases[1] is None
    assert {weight.dtype for weight in network.weights} == {np.dtype(wanted)}
    for weight, name in zip(network.weights, ("0", "2", "4"), strict=True):
        np.testing.assert_array_equal(weight, found[f"{name}.weight"])
    with open_model(out) as model:
        assert set(model.tensors) == set(found)
        assert len(model.layers()) == 3
    known = read_understood(out)
    assert (known.format, known.units, known.reason) == ("safetensors", UNITS, "")
    assert known.parameters == sum(array.size for array in found.values())


def test_of_an_unknown_wiring_the_tensors_and_the_reason_are_taken(tmp_path):
    found = tensors(0, ("encoder", "body", "head")) | {"scale": np.array(2.0, np.float32)}
    save_file(found, tmp_path / "m")
    out = imported(tmp_path, tmp_path / "m")
    with pytest.raises(Absent, match="in which order inputs pass its 7 tensors is not known"):
        read_network(out)
    with open_model(out) as model:
        for name, tensor in model.tensors.items():
            np.testing.assert_array_equal(tensor[:], np.atleast_1d(found[name]))
        with pytest.raises(NetkinError, match="in which order"):
            model.layers()
    assert read_understood(out).is_read
    # a wiring that leaves one out is a mistake, not a network without wiring
    out = imported(tmp_path, tmp_path / "m", "encoder.weight body.weight head.weight")
    known = read_understood(out)
    assert not known.is_read
    assert "says nothing of 'scale'" in known.reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t | {"0.bias": np.full(5, np.nan, np.float32)}, "'0.bias' holds NaN"),
        (lambda t: {k: np.zeros_like(v) for k, v in t.items()}, "every weight is 0"),
    ],
)
def test_numbers_that_make_no_graph_are_a_reason(tmp_path, change, reason):
    save_file(change(tensors(0)), tmp_path / "m")
    known = read_understood(imported(tmp_path, tmp_path / "m"))
    assert reason in known.reason
    assert not known.is_read


def test_a_file_that_cannot_be_read_is_a_reason(tmp_path):
    (tmp_path / "m\n.pt").write_text("<html>")
    known = read_understood(imported(tmp_path, tmp_path / "m\n.pt"))
    assert not known.is_read
    assert known.reason


def test_a_file_that_changes_meanwhile_is_refused(tmp_path):
    save_file(tensors(0), tmp_path / "m")
    stamps = stamps_of(tmp_path / "m")
    os.utime(tmp_path / "m", ns=(1, 1))
    with pytest.raises(NetkinError, match="it was changed while"):
        import_network(
            file_path=str(tmp_path / "m"),
            network_path=str(tmp_path / "out.h5"),
            path="m",
            wiring="",
            files=stamps,
        )
    assert not (tmp_path / "out.h5").exists()


def test_what_is_folded_or_turned_is_compared_as_it_is_in_the_file(tmp_path):
    """The workflow compares the same tensors as `netkin compare`, wired or not."""
    rng = np.random.default_rng(0)
    turned = {f"{name}.kernel": rng.normal(size=(4, 4)).astype("f4") for name in ("enc", "dec")}
    np.savez(tmp_path / "m.npz", **turned)
    wired = imported(tmp_path, tmp_path / "m.npz", "enc.kernel.T dec.kernel.T")
    with open_model(wired) as model:
        for name, tensor in model.tensors.items():
            np.testing.assert_array_equal(tensor[:], turned[name])
        layers = model.layers()
        np.testing.assert_array_equal(layers[0].weight[:], turned["enc.kernel"].T)
    assert read_network(wired).weights[1].tolist() == turned["dec.kernel"].T.tolist()


def test_tied_tensors_keep_both_names(tmp_path):
    state = {"embed.weight": torch.ones(4, 5), "scale": torch.ones(3)}
    state["head.weight"] = state["embed.weight"]
    torch.save(state, tmp_path / "m.pt")
    with open_model(imported(tmp_path, tmp_path / "m.pt")) as model:
        assert {name: tensor.same_as for name, tensor in model.tensors.items()} == {
            "embed.weight": "",
            "scale": "",
            "head.weight": "embed.weight",
        }


def test_files_that_a_file_names_are_stamped_too(tmp_path):
    shards = {"a.weight": "one.safetensors", "b.weight": "two.safetensors"}
    for name, shard in shards.items():
        save_file({name: np.ones((2, 2), np.float32)}, tmp_path / shard)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": shards}))
    assert set(stamps_of(index)) == {index.name, *shards.values()}
    part = tmp_path / "one.safetensors"
    with pytest.raises(NetkinError, match="one of the 2 files of a model"), open_model(part):
        pass
    tensor = onnx.numpy_helper.from_array(np.ones((3, 2), np.float32), "W")
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, size])
        for name, size in (("x", 3), ("y", 2))
    ]
    node = onnx.helper.make_node("MatMul", ["x", "W"], ["y"])
    graph = onnx.helper.make_graph([node], "g", ends[:1], ends[1:], [tensor])
    path = tmp_path / "m.onnx"
    onnx.save(
        onnx.helper.make_model(graph),
        path,
        save_as_external_data=True,
        location="w.bin",
        size_threshold=0,
    )
    assert set(stamps_of(path)) == {"m.onnx", "w.bin"}
    (tmp_path / "w.bin").unlink()
    assert stamps_of(path)["w.bin"] == []


# --- a run --------------------------------------------------------------------------------

LINES = [
    "network\tpath\tgroup\treplicate\twiring\tformat",
    "plain\tfiles/a.safetensors\tone\t1\t\t2020",
    "plain\tfiles/b.npz\tone\t2\t\t2020",
    "wired\tfiles/c.pt\ttwo\t1\tencoder.weight body.weight head.weight\t2021",
    "same\tfiles/a.npz\tone\t1\t\t2020",
    "bare\tfiles/c.safetensors\ttwo\t1\t\t2021",
]
MEASURES = ["norm_1", "landscape", "tensor_cosine"]


def write_sheet(checkout, lines):
    (checkout.folder / "networks.tsv").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A checkout whose study of a sheet was run to the end."""
    from tests.conftest import make_checkout

    checkout = make_checkout(tmp_path_factory.mktemp("sheet"))
    files = checkout.folder / "files"
    files.mkdir()
    save_file(tensors(0), files / "a.safetensors")
    np.savez(files / "a.npz", **tensors(0))
    np.savez(files / "b.npz", **tensors(1))
    words = tensors(2, ("encoder", "body", "head"))
    save_file(words, files / "c.safetensors")
    torch.save({name: torch.from_numpy(array) for name, array in words.items()}, files / "c.pt")
    write_sheet(checkout, LINES)
    for key, value in {
        "study": {"datasets": [], "paper": False},
        "source": {"sheet": "networks.tsv"},
        "distance.measures": MEASURES,
    }.items():
        checkout.set(key, value)
    checkout.run()
    return checkout


@pytest.fixture
def edited_sheet(ran):
    """The same, with its sheet, files and config as they were after the test."""
    files = ran.folder / "files"
    config = ran.study.read_text()
    before = shutil.copytree(files, ran.folder / "before")
    yield ran
    ran.study.write_text(config)
    write_sheet(ran, LINES)
    shutil.rmtree(files)
    before.rename(files)


def matrix(checkout, measure, replicate):
    (path,) = [
        path
        for path in (checkout.folder / "results/distance/networks").glob(f"*/{replicate}.h5")
        if measure in h5py.File(path)["members"]
    ]
    with h5py.File(path) as file:
        group = file[f"members/{measure}"]
        names = list(group["networks"].asstr())
        reasons = group["reason"].asstr()[:] if "reason" in group else np.full((4, 4), "")
        return (
            pd.DataFrame(group["matrix"][:], names, names),
            pd.DataFrame(reasons, names, names),
        )


@pytest.mark.workflow
def test_networks_are_compared_replicate_by_replicate(ran):
    values, reasons = matrix(ran, "landscape", 1)
    assert list(values) == ["plain", "wired", "same", "bare"]
    assert values.loc["plain", "same"] == 0 < values.loc["plain", "wired"]
    assert values["bare"].isna().all()
    assert reasons.loc["plain", "bare"].startswith("bare: in which order")
    values, reasons = matrix(ran, "norm_1", 2)
    assert np.isfinite(values.loc["plain", "plain"])
    assert values.isna().to_numpy().sum() == 15
    assert reasons.loc["wired", "plain"] == "wired is not there at this replicate"
    # the tensors are alike, whether or not their order is known
    values, _ = matrix(ran, "tensor_cosine", 1)
    np.testing.assert_allclose(values.loc["wired", "bare"], 1)
    with h5py.File(ran.folder / "results/distance/networks/norm_1.h5") as file:
        # of the replicates at which both are there
        assert np.isfinite(file["mean"][:3, :3]).all()


@pytest.mark.workflow
def test_the_table_says_what_was_understood(ran):
    table = pd.read_csv(ran.folder / "results/table/networks/members.csv", keep_default_na=False)
    assert list(table["format"]) == ["safetensors", "npz", "torch", "npz", "safetensors"]
    assert list(table["layers"]) == ["6-5-4-3"] * 4 + [""]
    assert list(table["format (sheet)"]) == [2020, 2020, 2021, 2020, 2021]
    assert ran.planned() == {}


IMPORT = {"import_network": 1, "tabulate_members": 1, "check_members": 1}
# of each measure: one matrix a replicate, a summary, two figures
REPLICATE = {"compute_distances": 3, "summarise_distances": 3}
DRAWN = {"plot_distance_matrix": 3, "plot_deviation_matrix": 3, "plot_overview": 1}
OF_ALL = {"tabulate_groups": 1, "tabulate_measures": 1, "tabulate_costs": 1, "plot_agreement": 1}
ONE_MORE = {
    **IMPORT,
    "compute_diagrams": 1,
    "vectorise_diagrams": 1,
    **REPLICATE,
    **DRAWN,
    **OF_ALL,
    "plot_diagrams": 1,
}


def change_file(checkout):
    save_file(tensors(9), checkout.folder / "files/a.safetensors")


def with_line(number, line):
    """Return a change of one line of the sheet, "" to take it out."""

    def change(checkout):
        lines = [line if i == number else old for i, old in enumerate(LINES)]
        write_sheet(checkout, [one for one in lines if one])

    return change


EDITS = {
    "a changed file": (change_file, ONE_MORE),
    "a changed file of the second replicate": (
        lambda c: np.savez(c.folder / "files/b.npz", **tensors(8)),
        {name: n for name, n in ONE_MORE.items() if name != "plot_diagrams"},
    ),
    "an annotation": (
        with_line(1, LINES[1].replace("2020", "1999")),
        {"tabulate_members": 1, "check_members": 1},
    ),
    "a comment": (with_line(0, f"# ours\n{LINES[0]}"), {}),
    "a wiring": (
        with_line(5, LINES[5].replace("\t\t", "\tencoder.weight body.weight head.weight\t")),
        ONE_MORE,
    ),
}


@pytest.mark.workflow
@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_of_a_sheet_reruns_what_it_touches_and_no_more(edited_sheet, edit):
    change, expected = EDITS[edit]
    change(edited_sheet)
    assert edited_sheet.planned() == expected


@pytest.mark.workflow
def test_a_group_touches_what_shows_groups(edited_sheet):
    write_sheet(edited_sheet, [line.replace("\ttwo\t", "\tthree\t") for line in LINES])
    planned = edited_sheet.planned()
    assert planned.keys() == {
        *DRAWN,
        *("tabulate_groups", "tabulate_measures", "plot_agreement", "plot_diagrams"),
        *("tabulate_members", "check_members"),
    }


@pytest.mark.workflow
def test_a_line_more_and_a_line_less_touch_no_other_network(edited_sheet):
    write_sheet(edited_sheet, [*LINES, "new\tfiles/b.npz\ttwo\t1\t\t2022"])
    planned = edited_sheet.planned()
    assert planned["import_network"] == 1
    # both replicates: the matrix has one row more
    assert (planned["compute_diagrams"], planned["compute_distances"]) == (1, 6)
    write_sheet(edited_sheet, LINES[:-1])
    planned = edited_sheet.planned()
    assert "import_network" not in planned
    assert (planned["compute_diagrams"], planned["compute_distances"]) == (1, 6)


@pytest.mark.workflow
def test_a_network_that_cannot_be_read_fails_the_run_when_the_others_are_done(edited_sheet):
    (edited_sheet.folder / "files/broken.pt").write_text("<html>")
    edited_sheet.set("graph.export", True)
    write_sheet(edited_sheet, [*LINES, "broken\tfiles/broken.pt\ttwo\t1\t\t2022"])
    said = edited_sheet.run(check=False)
    assert "1 of 6 networks could not be read" in said
    assert "broken at 1 (files/broken.pt): " in said
    values, reasons = matrix(edited_sheet, "landscape", 1)
    assert values["broken"].isna().all()
    assert reasons.loc["broken", "plain"].startswith("broken: ")
    assert np.isfinite(values.loc["plain", "wired"])
    assert edited_sheet.planned() == {"check_members": 1}


@pytest.mark.workflow
def test_mistakes_of_a_sheet_are_told_before_any_job(edited_sheet):
    write_sheet(edited_sheet, [*LINES, LINES[1], "x\tnone.pt"])
    said = edited_sheet.run("--dry-run", check=False)
    assert "networks.tsv has 2 errors:" in said
    assert "Traceback" not in said


# --- summaries ------------------------------------------------------------------------------


def test_a_replicate_at_which_a_network_is_missing_does_not_count(tmp_path):
    from netkin.distance.compute import compute_distances
    from netkin.network.file import Network, write_network

    names = ["a", "b", "c"]
    for seed in (0, 1):
        for index, name in enumerate(names):
            found = tensors(10 * seed + index)
            layers = ("0", "2", "4")
            write_network(
                tmp_path / f"{name}{seed}.h5",
                Network(
                    tuple(found[f"{layer}.weight"] for layer in layers),
                    tuple(found[f"{layer}.bias"] for layer in layers),
                ),
                parameters={"seed": seed, "name": name},
            )
        paths = [str(tmp_path / f"{name}{seed}.h5") for name in names]
        if seed:
            paths[2] = ""
        compute_distances(
            measures=["norm_1"],
            input_paths=paths,
            networks=names,
            distance_path=str(tmp_path / f"d{seed}.h5"),
            options={"norm_1": {}},
            reading={"bias_vertices": "per_neuron", "zeta": 1e-6},
        )
    each = [str(tmp_path / f"d{seed}.h5") for seed in (0, 1)]
    summarise_distances(distance_paths=each, summary_path=str(tmp_path / "s.h5"))
    matrices = [h5py.File(path)["members/norm_1/matrix"][:] for path in each]
    with h5py.File(tmp_path / "s.h5") as file:
        np.testing.assert_array_equal(file["mean"][:2, :2], np.mean(matrices, axis=0)[:2, :2])
        np.testing.assert_array_equal(file["mean"][2], matrices[0][2])
        np.testing.assert_array_equal(file["standard_deviation"][2], 0)


# --- the study of the README ------------------------------------------------------------------


@pytest.mark.workflow
def test_the_study_of_the_readme(fresh):
    block = re.search(r"## Networks you already have\n.*?```sh\n(.*?)```", README.read_text(), re.S)
    script, run = (line.partition("#")[0].split() for line in block[1].splitlines())
    assert script == [".venv/bin/python", "docs/own_networks/make_networks.py", "studies/own"]
    assert " ".join(run) == (
        'make run ARGS="--directory studies/own --configfile config/own_networks.yaml"'
    )
    subprocess.run(
        [sys.executable, README.parent / script[1], script[2]], cwd=fresh.folder, check=True
    )
    command = ["-m", "snakemake", "--cores", "2", "--directory", "studies/own"]
    done = run_python(
        [*command, "--configfile", "config/own_networks.yaml"], fresh.folder, fresh.environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = fresh.folder / "studies/own/results"
    table = pd.read_csv(results / "table/networks/members.csv")
    assert table["reason"].isna().all()
    with h5py.File(results / "distance/networks/heat.h5") as file:
        mean = file["mean"][:]
        names = list(file["networks"].asstr())
    kin = [name.partition("_")[0] for name in names]
    for i, one in enumerate(kin):
        for j, other in enumerate(kin):
            assert (mean[i, j] == 0) == (one == other)
