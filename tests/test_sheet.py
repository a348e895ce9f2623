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
import yaml
from safetensors.numpy import save_file

from netkin.distance.file import read_distances
from netkin.distance.summary import summarise_distances
from netkin.errors import Absent, NetkinError
from netkin.network.file import read_network
from netkin.network.format import open_model
from netkin.network.imported import import_networks, read_understood, stamps_of
from netkin.source.rows import read_rows, remarks_on
from netkin.source.sheet import NETWORKS
from netkin.storage import address, read_ids, read_parameters
from netkin.study import Study
from netkin.table.findings import in_words_of, limits
from netkin.table.members import check_members, tabulate_members
from netkin.table.readings import SHEET
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
        ("network\tfile\na\ta.pt", r"the column 'path' is missing. Found: 'network', 'file'.$"),
        ("network\tpaht\na\ta.pt", r"missing. Found: 'paht'. Did you mean 'path'\?$"),
        ("Network\tpath\na\ta.pt", r"missing. Found: 'Network'. Did you mean 'network'\?$"),
        ("network   path\na   a.pt", r"columns are divided by blanks: .* Allowed are tabs or"),
        ("network;path\na;a.pt", r"columns are divided by ';': 'network;path'. Allowed are tabs"),
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
    with pytest.raises(NetkinError) as told:
        read_rows(sheet(folder, text), "yaer")
    # a key of the config, which is no mistake of the sheet
    assert str(told.value) == (
        f"source.group: found 'yaer', which is no column of {folder}/networks.tsv to group by. "
        "Did you mean 'year'? Allowed: group, year."
    )
    with pytest.raises(NetkinError, match=r"(?s)found 'x'.*: group, year.*networks.tsv has an er"):
        read_rows(sheet(folder, f"{text}b\tnone.pt\t\t\n"), "x")


REPLICATES = {
    "a 1, b 2": "no two networks have the same replicate, so nothing is compared. Networks are "
    "compared only within a replicate: give one to those that are to be compared, or leave the "
    "column out.",
    "a 1": "there is one network alone, a, so nothing is compared.",
    "a 1, a 2": "there is one network alone, a, so nothing is compared.",
    "a 1, b 1, c 2": "1 network has no replicate in common with another one, to be compared with: "
    "c. Networks are compared only within a replicate.",
    "a 1, b 1, c 2, b 2": None,
}


@pytest.mark.parametrize("lines", REPLICATES)
def test_networks_that_are_compared_with_none_are_a_remark(folder, lines):
    rows = [line.split() for line in lines.split(", ")]
    text = "".join(f"{name}\ta.pt\t{replicate}\n" for name, replicate in rows)
    found = remarks_on("s", read_rows(sheet(folder, f"network\tpath\treplicate\n{text}")), "group")
    assert found == ([f"s: {REPLICATES[lines]}"] if REPLICATES[lines] else [])


def test_the_sheet_of_the_docs_can_be_copied(tmp_path):
    docs = README.parent / "docs/own_networks.md"
    text = docs.read_text().split("## A sheet")[1].split("```")[1].lstrip()
    for path in re.findall(r"models/\S+?(?=,)", text):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(b"weights")
    rows = read_rows(sheet(tmp_path, text), "year")
    assert [(row.network, row.replicate) for row in rows] == [
        ("resnet_a", "1"),
        ("resnet_a", "2"),
        ("ours", "1"),
    ]


def study_of(folder, datasets, measures):
    config = yaml.safe_load((README.parent / "config/config.yaml").read_text())
    config["study"] |= {"datasets": datasets, "variants": ["width_128"]}
    config["source"]["sheet"] = sheet(folder, "network\tpath\na\ta.pt\nb\tb.pt\n")
    config["distance"]["measures"] = measures
    return Study(config)


@pytest.mark.parametrize("measure", ["cka", "disagreement", "saliency_cosine", "representational"])
def test_a_measure_of_rows_is_told_where_there_are_none(folder, measure):
    with pytest.raises(NetkinError, match=rf"distance.measures: found '{measure}'; it compares wh"):
        study_of(folder, [], ["heat", measure])
    (remark,) = study_of(folder, ["digits"], ["heat", measure]).remarks
    assert f"networks.tsv: its networks are not compared by {measure}: such a measure" in remark
    assert study_of(folder, ["digits"], ["heat", "weight"]).remarks == []


# --- what is made of a file ---------------------------------------------------------------


def imported(folder, path, wiring=""):
    out = folder / "networks.h5"
    out.unlink(missing_ok=True)
    made_of = {"path": path.name, "wiring": wiring, "files": stamps_of(path)}
    import_networks(file_paths=[str(path)], networks={"n/1": made_of}, networks_path=str(out))
    return address(out, "n/1")


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


@pytest.mark.parametrize("replicates", [("once", "once"), ("1", "2")])
def test_the_table_and_the_error_are_plain_text(tmp_path, replicates):
    state = {name: torch.from_numpy(array) for name, array in tensors(0).items()}
    counters = {f"norm.{k}.num_batches_tracked": torch.tensor(k) for k in (1, 2)}
    torch.save(state | counters, tmp_path / "m.pt")
    (tmp_path / "broken.pt").write_text("<html>")
    files = [tmp_path / "m.pt", tmp_path / "broken.pt"]
    made_of = [{"path": file.name, "wiring": "", "files": stamps_of(file)} for file in files]
    out = str(tmp_path / "networks.h5")
    ids = ["good/x", "broken/x"]
    import_networks(
        file_paths=[str(file) for file in files],
        networks=dict(zip(ids, made_of, strict=True)),
        networks_path=out,
    )
    tabulate_members(
        network_paths=[address(out, id) for id in ids],
        rows=[
            {"network": id[:-2], "replicate": replicate, "path": file.name}
            for id, replicate, file in zip(ids, replicates, files, strict=True)
        ],
        csv_path=str(tmp_path / "members.csv"),
        html_path=str(tmp_path / "members.html"),
        title="Networks",
    )
    left_out = pd.read_csv(tmp_path / "members.csv")["left_out"][0]
    assert left_out.startswith("norm.1.num_batches_tracked, norm.2.num_batches_tracked: ")
    with pytest.raises(NetkinError, match="1 of 2 networks could not be read") as told:
        check_members(table_path=str(tmp_path / "members.csv"), checked_path=str(tmp_path / "read"))
    # a replicate that the sheet does not name is not named here
    at = " at 2" if replicates[1] == "2" else ""
    assert f". broken{at} (broken.pt): " in str(told.value)


def test_a_file_that_changes_meanwhile_is_refused(tmp_path):
    save_file(tensors(0), tmp_path / "m")
    stamps = stamps_of(tmp_path / "m")
    os.utime(tmp_path / "m", ns=(1, 1))
    with pytest.raises(NetkinError, match="it was changed while"):
        import_networks(
            file_paths=[str(tmp_path / "m")],
            networks={"n": {"path": "m", "wiring": "", "files": stamps}},
            networks_path=str(tmp_path / "out.h5"),
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


def test_parameters_are_counted_once(tmp_path):
    """Also where a layer and the tensors that it is made of are both stored."""
    weights = [np.ones((4, 6), np.float32), np.ones((3, 4), np.float32)]
    biases = [np.array([1, 2, 3, 4], np.float32), None]
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["rows", size])
        for name, size in (("x", 6), ("y", 3))
    ]
    named = {"W0": weights[0], "b0": biases[0], "W1": weights[1].T.copy()}
    nodes = [
        onnx.helper.make_node("Gemm", ["x", "W0", "b0"], ["h"], transB=1, beta=-1.0),
        onnx.helper.make_node("MatMul", ["h", "W1"], ["y"]),
    ]
    arrays = [onnx.numpy_helper.from_array(array, name) for name, array in named.items()]
    graph = onnx.helper.make_graph(nodes, "g", ends[:1], ends[1:], arrays)
    onnx.save(onnx.helper.make_model(graph), tmp_path / "m.onnx")
    out = imported(tmp_path, tmp_path / "m.onnx")
    assert read_understood(out).parameters == 24 + 4 + 12
    np.testing.assert_array_equal(read_network(out).biases[0], -biases[0])
    # the parameter itself, not what a node makes of it
    with open_model(out) as model:
        assert {name: tensor[:].tolist() for name, tensor in model.tensors.items()} == {
            name: array.tolist() for name, array in named.items()
        }


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


def test_many_networks_stand_in_one_file(tmp_path):
    """Also where what made them is more than an attribute holds."""
    save_file(tensors(0), tmp_path / "m")
    made_of = {"path": "m" * 2000, "wiring": "", "files": stamps_of(tmp_path / "m")}
    ids = [f"n{k}/1" for k in range(40)]
    out = tmp_path / "networks.h5"
    import_networks(
        file_paths=[str(tmp_path / "m")] * 40,
        networks=dict.fromkeys(ids, made_of),
        networks_path=str(out),
    )
    assert read_ids(out, "networks") == ids
    assert read_parameters(out) == {"networks": dict.fromkeys(ids, made_of)}
    np.testing.assert_array_equal(
        read_network(address(out, "n7/1")).weights[0], tensors(0)["0.weight"]
    )
    with pytest.raises(NetkinError, match="it holds 40 members, name one"):
        read_network(out)


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


def with_sheet(checkout):
    """Let a checkout have a sheet of five networks as its study."""
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
        "study": {"datasets": []},
        "source": {"sheet": "networks.tsv"},
        "distance.measures": MEASURES,
    }.items():
        checkout.set(key, value)
    return checkout


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A checkout whose study of a sheet was run to the end."""
    from tests.conftest import make_checkout

    checkout = with_sheet(make_checkout(tmp_path_factory.mktemp("sheet")))
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
    found = read_distances(address(path, measure))
    reasons = np.full(found.matrix.shape, "", dtype=object)
    for place, reason in found.reasons.items():
        reasons[place] = reason
    names = found.networks
    return pd.DataFrame(found.matrix, names, names), pd.DataFrame(reasons, names, names)


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


IMPORT = {"import_networks": 1, "tabulate_members": 1, "check_members": 1}
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
    assert planned["import_networks"] == 1
    # both replicates: the matrix has one row more
    assert (planned["compute_diagrams"], planned["compute_distances"]) == (1, 6)
    write_sheet(edited_sheet, LINES[:-1])
    planned = edited_sheet.planned()
    assert planned["import_networks"] == 1
    assert (planned["compute_diagrams"], planned["compute_distances"]) == (1, 6)


@pytest.mark.workflow
def test_the_page_of_measures_speaks_of_a_sheet(ran):
    said = (ran.folder / "results/table/measures.html").read_text()
    assert "mean over 2 replicates" in said
    assert "Networks of the sheet" in said
    assert "t over 2 replicates: 12.7 standard errors" in said
    assert (
        ">networks: diagrams of replicate 1<"
        in (ran.folder / "results/figure/networks/diagrams.svg").read_text()
    )
    # nothing of a paper on other networks
    assert not (ran.folder / "results/paper").exists()
    for untrue in ("seed", "experiment", "trained", "of networks,", "disagreement"):
        assert untrue not in said


@pytest.mark.workflow
def test_a_network_that_cannot_be_read_fails_the_run_when_the_others_are_done(edited_sheet):
    makefile = (README.parent / "Makefile").read_text()
    assert "host $(ARGS); \\\n\t$(BIN)/python workflow/report.py $$? $(ARGS)" in makefile
    (edited_sheet.folder / "files/broken.pt").write_text("<html>")
    edited_sheet.set("graph.export", True)
    edited_sheet.set("distance.measures", ["landscape"])
    write_sheet(edited_sheet, [*LINES, "broken\tfiles/broken.pt\ttwo\t1\t\t2022"])
    report = edited_sheet.folder / "results/report.html"
    # a dry run, and one that failed before all is done
    for arguments in (("0", "--dry-run"), ("1",)):
        done = edited_sheet.ask("report", *arguments)
        assert (done.returncode, done.stdout + done.stderr) == (int(arguments[0]), "")
        assert not report.exists()
    said = edited_sheet.run(check=False)
    assert "1 of 6 networks could not be read" in said
    assert "broken at 1 (files/broken.pt): " in said
    values, reasons = matrix(edited_sheet, "landscape", 1)
    assert values["broken"].isna().all()
    assert reasons.loc["broken", "plain"].startswith("broken: ")
    assert np.isfinite(values.loc["plain", "wired"])
    assert edited_sheet.planned() == {"check_members": 1}
    done = edited_sheet.ask("report", "1")
    assert done.returncode == 1
    assert done.stderr == "netkin: the report is results/report.html\n"
    assert "overview.svg" in report.read_text()
    report.unlink()


@pytest.mark.workflow
def test_mistakes_of_a_sheet_are_told_before_any_job(edited_sheet):
    write_sheet(edited_sheet, [*LINES, LINES[1], "x\tnone.pt"])
    said = edited_sheet.run("--dry-run", check=False)
    assert "networks.tsv has 2 errors:" in said
    assert "Traceback" not in said


@pytest.mark.workflow
def test_a_sheet_is_looked_for_where_snakemake_works(fresh):
    own = fresh.folder / "own"
    (own / "files").mkdir(parents=True)
    for name in ("a", "b"):
        save_file(tensors(0), own / f"files/{name}.safetensors")
    lines = ["network\tpath", "a\tfiles/a.safetensors", "b\tfiles/b.safetensors"]
    sheet(own, "\n".join(lines))
    fresh.set("study", {"datasets": []})
    fresh.set("source", {"sheet": "networks.tsv"})
    fresh.set("distance.measures", ["norm_1"])
    done = fresh.ask("plan", "--directory", "own")
    assert done.returncode == 0, done.stderr
    assert re.search(r"(?m)^import_networks +1 ", done.stdout)
    done = fresh.ask("fresh", "--directory", "own")
    assert done.returncode == 0, done.stderr
    assert "0 results are as today's code and config make them, 0 are not, 3 are" in done.stdout
    # all mistakes as a sentence, before Snakemake puts its own words around it
    sheet(own, "\n".join([*lines, "c\tnone.pt", "b\tfiles/a.safetensors"]))
    for name in ("check", "plan", "fresh"):
        done = fresh.ask(name, "--directory", "own")
        assert done.returncode == 1
        assert done.stderr.startswith("netkin: networks.tsv has 2 errors:\n  line 4: path: ")
        assert done.stderr.count("\n") == 3
    # of a folder that is not there and a section that is none Snakemake says it
    assert fresh.ask("check", "--directory", "none").returncode == 0
    assert fresh.ask("check", "--config", "source=1").returncode == 1
    assert fresh.ask("check", "--config", "source={sheet: null}", "--").returncode == 0


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


# --- words ------------------------------------------------------------------------------------


def test_words_are_those_of_what_the_networks_are():
    assert SHEET == NETWORKS
    text = "4 seeds of one experiment group, at each seed"
    assert in_words_of(text, ["digits"]) == text
    assert in_words_of(text, [SHEET]) == "4 replicates of one group, at each replicate"
    assert in_words_of("4 seeds, a seed", ["digits", SHEET]) == (
        "4 seeds or replicates, a seed or replicate"
    )
    alone, both = (" ".join(limits([], 1, names)) for names in ([SHEET], ["digits", SHEET]))
    assert "There is one replicate, so no interval" in alone
    assert "one protocol" not in alone
    assert "networks of digits, feed-forward" in both
    assert "networks of the sheet is said of these alone" in both
