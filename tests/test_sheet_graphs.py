"""A sheet of networks that are no chains of dense layers, run to the end by Snakemake."""

import os

import h5py
import numpy as np
import onnx
import pandas as pd
import pytest
import torch
from safetensors.numpy import save_file

import netkin
from netkin.diagram import split
from netkin.diagram.compute import compute_diagrams
from netkin.diagram.diagram import read_diagram
from netkin.errors import Absent, NetkinError
from netkin.network.imported import import_networks, read_understood, stamps_of
from netkin.source.rows import read_rows
from netkin.storage import address, read_ids
from netkin.torchvision_compat import import_torchvision
from tests.test_inspect_graph import odd_onnx

os.environ["KERAS_BACKEND"] = "torch"
import keras

WIRING = """
input: {x: [frames, 3]}
layers:
  - {op: lstm, weight_ih: cell.weight_ih, weight_hh: cell.weight_hh, bias_ih: cell.bias_ih}
  - {op: linear, weight: head.weight}
leave_out: [scale]
"""
LINES = {
    "cnn": ("cnn.onnx", "", "height=7,width=6", ""),
    "residual": ("residual.pt2", "", "", ""),
    "lstm": ("lstm.safetensors", "files/lstm.yaml", "frames=4", ""),
    "keras": ("cnn.keras", "", "8x8x1", ""),
    "bert": ("bert", "", "", ""),
    "odd": ("odd.onnx", "", "", "Wave"),
    "refused": ("odd.onnx", "", "", ""),
}
"""Network -> path, wiring, input shape, what is left out."""


class Residual(torch.nn.Module):
    """A block whose skip is a projection, over two layers."""

    def __init__(self, width=3):
        super().__init__()
        self.stem = torch.nn.Conv2d(1, width, 3, padding=1)
        self.one = torch.nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.two = torch.nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = torch.nn.BatchNorm2d(width)
        self.skip = torch.nn.Conv2d(width, width, 1, bias=False)

    def forward(self, x):
        x = self.stem(x).relu()
        return (self.norm(self.two(self.one(x).relu())) + self.skip(x)).relu().mean((2, 3))


def exported(path, *shape):
    torch.manual_seed(0)
    module = Residual().eval()
    torch.export.save(torch.export.export(module, (torch.zeros(1, *shape),)), path)
    return path


def write_files(files):
    """Write the networks of the sheet, and what says how one of them is wired."""
    import_torchvision()
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    module = torch.nn.Sequential(
        *(torch.nn.Conv2d(1, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.ReLU()),
        *(torch.nn.Conv2d(3, 2, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()),
    ).eval()
    axes = {"x": {0: "batch", 2: "height", 3: "width"}}
    torch.onnx.export(
        *(module, (torch.zeros(1, 1, 8, 8),), files / "cnn.onnx"),
        **{"dynamo": False, "opset_version": 17, "input_names": ["x"], "dynamic_axes": axes},
    )
    assert onnx.load(files / "cnn.onnx").graph.input[0].name == "x"
    exported(files / "residual.pt2", 1, 6, 6)
    rng = np.random.default_rng(0)
    shapes = {"cell.weight_ih": (16, 3), "cell.weight_hh": (16, 4), "cell.bias_ih": (16,)}
    shapes |= {"head.weight": (2, 4), "scale": (1,)}
    arrays = {name: rng.normal(size=shape).astype("f4") for name, shape in shapes.items()}
    save_file(arrays, files / "lstm.safetensors")
    (files / "lstm.yaml").write_text(WIRING)
    layers = [keras.layers.Conv2D(2, 3, activation="relu"), keras.layers.BatchNormalization()]
    layers += [keras.layers.MaxPooling2D(2), keras.layers.Flatten(), keras.layers.Dense(3)]
    keras.Sequential([keras.Input((8, 8, 1)), *layers]).save(files / "cnn.keras")
    config = BertConfig(
        **{"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2},
        **{"intermediate_size": 8, "vocab_size": 11, "max_position_embeddings": 5},
    )
    BertModel(config).save_pretrained(files / "bert")
    odd_onnx(files / "odd.onnx")


def write_sheet(folder):
    lines = ["network\tpath\twiring\tinput_shape\tleave_out"]
    lines += [f"{name}\tfiles/{path}\t" + "\t".join(rest) for name, (path, *rest) in LINES.items()]
    (folder / "networks.tsv").write_text("\n".join(lines) + "\n")
    return str(folder / "networks.tsv")


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A checkout whose study of such a sheet was run to the end."""
    from tests.conftest import make_checkout

    checkout = make_checkout(tmp_path_factory.mktemp("graphs"))
    (checkout.folder / "files").mkdir()
    write_files(checkout.folder / "files")
    write_sheet(checkout.folder)
    for key, value in {
        "study": {"datasets": []},
        "source": {"sheet": "networks.tsv"},
        "distance.measures": ["landscape", "heat", "norm_1", "tensor_cosine"],
    }.items():
        checkout.set(key, value)
    checkout.run()
    return checkout


def diagrams(checkout):
    """Return where the diagram of each network is."""
    return {
        id.split("/")[-2]: address(path, id)
        for path in (checkout.folder / "results/diagram").rglob("*.h5")
        for id in read_ids(path, "diagram")
    }


@pytest.mark.workflow
@pytest.mark.filterwarnings("ignore")
def test_diagrams_are_those_of_the_library(ran):
    found = diagrams(ran)
    assert set(found) == set(LINES)
    for name, (path, wiring, shape, leave_out) in LINES.items():
        if name == "refused":
            with pytest.raises(Absent, match=r"node .odd. is a mine\.Wave, which has no rule"):
                read_diagram(found[name])
            continue
        file = ran.folder / "files" / path
        wiring = str(ran.folder / wiring) if wiring else ""
        wanted = netkin.diagram_of(file, wiring, input_shape=shape, leave_out=leave_out)
        made = read_diagram(found[name])
        assert wanted.n_classes() == made.n_classes()
        for part in ("intervals", "counts"):
            for one, two in zip(getattr(made, part), getattr(wanted, part), strict=True):
                np.testing.assert_array_equal(one, two)


@pytest.mark.workflow
def test_the_table_of_members_shows_graphs_and_reasons(ran):
    table = pd.read_csv(ran.folder / "results/table/networks/members.csv", keep_default_na=False)
    table = table.set_index("network")
    assert (table["read"] == "yes").all()
    assert (table["layers"] == "").all()
    graphs = table["graph"]
    assert [name for name in LINES if not graphs[name]] == ["refused"]
    assert "edges; height = 7; width = 6" in graphs["cnn"]
    assert graphs["lstm"].endswith("frames = 4")
    reason = table.loc["refused", "reason"]
    assert reason.endswith("which has no rule; to leave it out: leave_out='odd'")
    assert (table["reason"].drop("refused") == "").all()


@pytest.mark.workflow
def test_what_cannot_be_had_of_one_network_is_a_reason(ran):
    (path,) = (
        path
        for path in (ran.folder / "results/distance/networks").rglob("once.h5")
        if "landscape" in h5py.File(path)["members"]
    )
    from netkin.distance.file import read_distances

    found = read_distances(address(path, "landscape"))
    place = found.networks.index("refused")
    others = [i for i in range(len(LINES)) if i != place]
    assert np.isfinite(found.matrix[np.ix_(others, others)]).all()
    assert np.isnan(found.matrix[place]).all()
    assert found.reasons[place, others[0]].startswith("refused: node 'odd'")
    # its tensors are compared all the same
    cosine = next(
        address(each, "tensor_cosine")
        for each in (ran.folder / "results/distance/networks").rglob("once.h5")
        if "tensor_cosine" in h5py.File(each)["members"]
    )
    cosine = read_distances(cosine)
    both = cosine.networks.index("refused"), cosine.networks.index("odd")
    np.testing.assert_allclose(cosine.matrix[both], 1)


@pytest.mark.workflow
def test_an_edit_of_a_wiring_file_reruns_its_network_alone(ran):
    assert ran.planned() == {}
    path = ran.folder / "files/lstm.yaml"
    try:
        path.write_text(WIRING.replace("op: linear", "activation: relu, op: linear"))
        planned = ran.planned()
        wanted = {"import_networks": 1, "compute_diagrams": 1, "vectorise_diagrams": 2}
        assert {rule: planned[rule] for rule in wanted} == wanted
        path.write_text(f"# as it was, with a comment\n{WIRING}")
        assert ran.planned() == {}
    finally:
        path.write_text(WIRING)


# --- one network at a time


def test_a_sheet_says_what_is_left_out(tmp_path):
    (tmp_path / "files").mkdir()
    for path, *_ in LINES.values():
        (tmp_path / "files" / path).write_text("x")
    (tmp_path / "files/lstm.yaml").write_text(WIRING)
    rows = {row.network: row for row in read_rows(write_sheet(tmp_path))}
    assert (rows["odd"].leave_out, rows["refused"].leave_out) == ("Wave", "")
    assert rows["odd"].annotations == {}


def imported(folder, path, **said):
    out = folder / "networks.h5"
    out.unlink(missing_ok=True)
    made_of = {"path": path.name, "wiring": "", "files": stamps_of(path), **said}
    import_networks(file_paths=[str(path)], networks={"n/1": made_of}, networks_path=str(out))
    return address(out, "n/1")


def test_a_mistake_in_what_is_left_out_is_no_network(tmp_path):
    path = odd_onnx(tmp_path / "m.onnx")
    known = read_understood(imported(tmp_path, path, leave_out="od"))
    assert not known.is_read
    assert "is called 'od'. Did you mean 'odd'?" in known.reason
    known = read_understood(imported(tmp_path, path, leave_out="odd"))
    assert known.is_read
    assert known.graph == "3 groups, 3 blocks, 50 edges"
    # what is left out is right, and something else has no rule
    proto = onnx.load(path)
    proto.graph.node[-1].domain, proto.graph.node[-1].op_type = "mine", "Blur"
    onnx.save(proto, path)
    known = read_understood(imported(tmp_path, path, leave_out="odd"))
    assert (known.is_read, known.graph) == (True, "")
    assert "node 'last' is a mine.Blur, which has no rule" in known.reason


def diagram_in(folder, networks, **options):
    out = folder / "diagrams.h5"
    compute_diagrams(
        **{"network_paths": [networks], "ids": ["n/1"], "diagram_path": str(out)},
        **{"bias_vertices": "per_neuron", "zeta": 1e-6, "engine": "auto", "max_dimension": 2},
        **options,
    )
    return address(out, "n/1")


@pytest.mark.filterwarnings("ignore")
def test_too_many_triangles_are_a_reason_and_not_a_failed_job(tmp_path, monkeypatch):
    networks = imported(tmp_path, exported(tmp_path / "m.pt2", 1, 3, 3))
    assert read_diagram(diagram_in(tmp_path, networks)).n_classes()[1] > 0
    (tmp_path / "diagrams.h5").unlink()
    for limit in ("MOST_EDGES", "MOST_TRIANGLES", "MOST_FOR_FLAGSER"):
        with monkeypatch.context() as patch:
            patch.setattr(split, limit, 3)
            found = diagram_in(tmp_path, networks, additions="merged")
        with pytest.raises(Absent, match=r"allowed.*; use additions: contracted$"):
            read_diagram(found)
        (tmp_path / "diagrams.h5").unlink()
    assert read_diagram(diagram_in(tmp_path, networks, additions="merged")).n_classes()[1] > 0


def test_a_graph_whose_weights_are_all_0_is_a_reason(tmp_path):
    arrays = {"a.weight": np.zeros((2, 3, 3), "f4"), "scale": np.ones(2, "f4")}
    save_file(arrays, tmp_path / "m.safetensors")
    wiring = tmp_path / "w.yaml"
    wiring.write_text(
        "input: {x: [3, 8]}\nlayers:\n  - {op: convolution, weight: a.weight}\nleave_out: [scale]\n"
    )
    known = read_understood(imported(tmp_path, tmp_path / "m.safetensors", wiring=str(wiring)))
    assert known.reason == "every weight is 0"
    assert not known.is_read
    with pytest.raises(NetkinError, match="every weight is 0"):
        netkin.diagram_of(tmp_path / "m.safetensors", str(wiring))
