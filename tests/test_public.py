"""The public functions for networks that people already have."""

import gc
import importlib
import inspect as of_python
import subprocess
import sys
import warnings
import weakref
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from safetensors.numpy import save_file

import netkin
from netkin.comparing import computed_of, default_measures, graph_of
from netkin.deprecation import Going, warn_of
from netkin.diagram.diagram import Diagram, write_diagram
from netkin.diagram.network import graph_diagram, network_diagram
from netkin.diagram.policy import apply_policy
from netkin.distance import INPUTS, MEASURES
from netkin.distance.functional.white_box import attack
from netkin.distance.pace import BASE, QUICK, SECONDS, expected_seconds
from netkin.distance.tensors import (
    Tensors,
    matched_names,
    read_tensors,
    tensor_cosine,
    tensor_difference,
)
from netkin.errors import NetkinError, UndefinedDistance
from netkin.finished import COLUMNS as RESULTS
from netkin.graph.graph import graph_from_weights
from netkin.graph.reading import BlockEdges
from netkin.measuring import PREPARATIONS, ChosenMeasure, option_texts, require_measure
from netkin.network.file import Network, write_network
from netkin.options import Option, check_options, options_of
from netkin.study import Study
from netkin.vector import VECTORISERS
from netkin.vector.sampling import N_BINS, RANGE, Sampling
from tests import snippets

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "own_networks.md"
PUBLIC = [
    *("Compared", "Inspection", "NetkinError", "UndefinedDistance", "__version__", "compare"),
    *("diagram_of", "distances", "graph_of", "inspect", "measure", "measures", "results"),
]


def save(path, seed=0, sizes=(6, 5, 4, 3), **changed):
    weights, biases = snippets.layers(seed, list(sizes))
    tensors = {}
    for k, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        tensors |= {f"{k}.weight": weight, f"{k}.bias": bias}
    save_file(tensors | changed, str(path))
    return str(path)


@pytest.fixture
def files(tmp_path):
    return [save(tmp_path / f"{name}.safetensors", seed) for seed, name in enumerate("abc")]


def test_the_public_names_are_these():
    assert netkin.__all__ == PUBLIC
    assert set(PUBLIC) <= set(dir(netkin))
    for name in PUBLIC:
        assert getattr(netkin, name).__doc__ or name == "__version__"
    with pytest.raises(AttributeError, match="nothing"):
        _ = netkin.nothing
    for package in ("diagram", "distance", "graph", "network"):
        assert of_python.ismodule(importlib.import_module(f"netkin.{package}"))


def test_importing_netkin_imports_nothing_else():
    code = (
        "import sys, netkin; "
        "assert not {'numpy', 'pandas', 'torch', 'h5py', 'netkin.errors'} & set(sys.modules); "
        "import netkin.diagram; netkin.diagram.ENGINES; netkin.compare; "
        "assert not {'torch', 'pandas', 'numba', 'sklearn', 'matplotlib', 'pydantic', 'ot', "
        "'gudhi'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(ROOT / "src")})


def test_a_name_that_goes_is_announced_one_minor_version_before(monkeypatch):
    going = Going("netkin.errors:NetkinError", "0.2", "use netkin.NetkinError")
    monkeypatch.setitem(netkin._GOING, "Mistake", going)
    with pytest.warns(DeprecationWarning, match=r"netkin.Mistake goes in version 0.2: use netkin"):
        assert netkin.Mistake is NetkinError
    with pytest.raises(AttributeError, match=r"gone since version 0.2: use netkin.NetkinError"):
        warn_of("netkin", "Mistake", going, "0.2.0")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _ = netkin.Mistake
    assert caught[0].filename == __file__


def test_the_snippets_of_the_page_run(tmp_path, monkeypatch):
    snippets.make_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    diagram, tables, one, several, finished, seen = snippets.run_python(PAGE)
    assert np.isfinite(diagram["births"]).all()
    assert list(tables["square"].columns) == ["a", "b", "c"]
    assert set(tables["tidy"]["measure"]) == set(default_measures())
    assert 0 < one["value"] < 1
    assert (several["churn"], several["gap"]) == (0.25, pytest.approx(0.25))
    assert several["angle"] == pytest.approx(np.sqrt(0.5))
    assert several["warmth"] > 0
    assert len(finished["table"]) == 2 * 3
    assert seen["netkin"] is netkin


def test_the_snippet_of_the_page_of_graphs_runs():
    (module,) = snippets.run_python(ROOT / "docs" / "graphs.md")
    assert repr(module["graph"]).startswith("<netkin BlockGraph: 3 groups, 4 blocks, 1,490 ")
    assert module["diagram"].n_classes()[0] == module["graph"].groups[0].size + 2 * (144 + 10)


# --- compare


def test_the_defaults_are_those_of_the_workflow():
    study = Study(yaml.safe_load((ROOT / "config" / "config.yaml").read_text()))
    defaults = {
        BlockEdges: study.graph(),
        apply_policy: study.policy(),
        graph_diagram: {**study.graph(), **study.diagram()},
    }
    for function, wanted in defaults.items():
        assert {name: one.default for name, one in options_of(function).items()} == wanted
    for name, vectoriser in VECTORISERS.items():
        wanted = study.vector(name)
        own = {key: one.default for key, one in options_of(vectoriser.accumulator).items()}
        assert own == wanted["options"]
        assert tuple(wanted["range"]) == RANGE
        assert wanted["n_bins"] == (N_BINS if vectoriser.axes else 2)
    for name, entry in MEASURES.items():
        own = {key: one.default for key, one in options_of(entry.function).items()}
        assert own == study.measure_options(name)


def test_values_are_those_of_the_registry(files):
    found = netkin.compare(*files, measures=["topology", "topology_pairwise", "weight"])
    of_weights = [name for name, one in MEASURES.items() if not INPUTS[one.needs].rows]
    assert list(found.measures) == sorted(of_weights, key=[*found.measures].index)
    assert found.complete
    assert len(found.table) == 3 * len(of_weights)
    assert list(found.table.columns) == [
        *("network_a", "network_b", "measure", "family", "orientation", "value"),
        *("null_mean", "calibrated", "p_value", "low", "high", "reason", "seconds"),
    ]
    assert [*found.table.columns] == [
        name for name in RESULTS if name not in ("comparison", "replicate")
    ]
    for name in ("null_mean", "calibrated", "p_value", "low", "high"):
        assert found.table[name].isna().all()
    nets = [snippets.layers(seed, [6, 5, 4, 3]) for seed in range(2)]
    diagrams = [apply_policy(network_diagram(*net, max_dimension=3)[0]) for net in nets]
    sampling = Sampling(0.0, 1.0, 200)
    heat = [VECTORISERS["heat"].arrays(one, sampling) for one in diagrams]
    step = sampling.step
    wanted = np.sqrt(sum(((x - y) ** 2).sum() * step**2 for x, y in zip(*heat, strict=True)))
    assert found.matrix("heat").loc["a", "b"] == pytest.approx(wanted)
    assert found.matrix("wasserstein").loc["b", "a"] == MEASURES["wasserstein"].function(*diagrams)
    graphs = [graph_from_weights(*net) for net in nets]
    assert found.matrix("norm_1").loc["a", "b"] == MEASURES["norm_1"].function(*graphs)
    networks = [Network(*map(tuple, net)) for net in nets]
    assert found.matrix("faq").loc["a", "b"] == MEASURES["faq"].function(*networks)
    assert (np.diag(found.matrix("tensor_cosine")) == 1).all()
    assert (np.diag(found.matrix("faq")) == 0).all()
    pd.testing.assert_frame_equal(netkin.distances(*files, measure="heat"), found.matrix("heat"))
    assert "smaller is more alike" in str(found)
    assert "larger is more alike" in str(found)
    assert str(found).count("null: none yet") == 1
    assert len(repr(found)) < 200


def test_quick_measures_are_computed_and_the_others_named_with_their_time(files):
    assert {"landscape", "heat", "norm_1", "tensor_cosine"} <= set(default_measures())
    assert {"faq", "weight_matching"}.isdisjoint(default_measures())
    found = netkin.compare(*files[:2])
    assert list(found.measures) == default_measures()
    assert {"faq", "landscape_pairwise"} <= set(found.on_request)
    assert set(found.on_request) | set(found.measures) | set(found.not_computable) == set(MEASURES)
    assert "for two networks of up to 62 weights: " in "\n".join(found.notes())
    assert "faq (about" in "\n".join(found.notes())
    assert list(found.to_dict()["not_computable"].values()) == [[*found.not_computable]]
    assert all(len(f"{seconds}") <= 7 for seconds in found.on_request.values())


def test_nothing_more_is_named_to_who_named_measures(files):
    found = netkin.compare(*files[:2], measures=["heat"])
    assert (found.on_request, found.notes()) == ({}, [])


def test_what_needs_a_wiring_is_not_named_where_none_is_known(tmp_path, files):
    np.savez(tmp_path / "m.npz", **{"a.weight": np.ones((3, 3)), "b.weight": np.ones((3, 3))})
    found = netkin.compare(files[0], tmp_path / "m.npz")
    assert not found.on_request
    assert "wiring not known" in "\n".join(found.notes())


def test_expected_times():
    assert set(SECONDS) == set(MEASURES)
    assert expected_seconds("faq") == SECONDS["faq"] > QUICK
    assert expected_seconds("faq", (784, 1024, 1024, 10)) == pytest.approx(8 * SECONDS["faq"])
    assert expected_seconds("heat", BASE, 3) == pytest.approx(3 * SECONDS["heat"])
    assert expected_seconds("faq", (5, 3)) > 0
    assert expected_seconds("none") is None


def test_an_unreadable_file_and_an_unknown_wiring_leave_the_others_their_values(tmp_path, files):
    bare = str(tmp_path / "bare.npz")
    weights, _ = snippets.layers(0, [6, 5, 4, 3])
    np.savez(bare, **dict(zip(["0.weight", "head.weight", "tail.weight"], weights, strict=True)))
    none = str(tmp_path / "none.pt")
    found = netkin.compare(files[0], bare, none)
    assert not found.complete
    assert found.unreadable == {"none": "no such file"}
    assert "is not known" in found.unwired["bare"]
    rows = found.table.set_index(["network_a", "network_b", "measure"])
    assert rows.loc[("a", "bare", "tensor_cosine"), "value"] == pytest.approx(1)
    assert rows.loc[("a", "bare", "heat"), "reason"].startswith("bare: in which order inputs pass")
    assert rows.loc[("a", "none", "heat"), "reason"] == "none: no such file"
    assert np.isnan(rows.loc[("a", "none", "tensor_cosine"), "value"])
    assert np.isnan(found.matrix("heat").loc["none", "none"])
    wired = netkin.compare(files[0], bare, wiring={bare: "0.weight, head.weight, tail.weight"})
    assert not wired.unwired
    assert np.isfinite(wired.matrix("heat").loc["a", "bare"])


def test_a_reason_of_several_measures_is_one_line(tmp_path, files):
    bare = tmp_path / "bare.npz"
    weights, _ = snippets.layers(0, [6, 5, 4, 3])
    np.savez(bare, **dict(zip(["0.weight", "head.weight", "tail.weight"], weights, strict=True)))
    lines = str(netkin.compare(files[0], bare)).splitlines()
    n = sum(MEASURES[name].needs != "tensors" for name in default_measures())
    assert [line for line in lines if "in which order" in line] == [
        line for line in lines if line.startswith(f"  {n} measures are undefined (landscape, ")
    ]
    assert sum("in which order" in line for line in lines) == 1


def test_a_file_that_is_named_and_not_read_is_named_by_its_path(tmp_path, files):
    missing = tmp_path / "folder" / "none.pt"
    found = netkin.compare(files[0], missing)
    assert found.notes()[0] == f"{missing}: not read: no such file"
    assert netkin.compare(files[0], "/dev/null").unreadable == {
        "null": "neither a file nor a folder, but a device, pipe or the like"
    }


def test_what_is_no_network_is_said_plainly(tmp_path, files):
    write_diagram(tmp_path / "d.h5", netkin.diagram_of(files[0]), engine="exact", parameters={})
    sentence = "d.h5: a file of netkin's with a result of the stage 'diagram', not a network"
    for call in (netkin.inspect, netkin.diagram_of, graph_of):
        with pytest.raises(NetkinError, match=sentence):
            call(tmp_path / "d.h5")
    assert "stage 'diagram'" in netkin.compare(files[0], tmp_path / "d.h5").unreadable["d"]


def test_distances_say_why_there_are_none(tmp_path, files):
    with pytest.raises(NetkinError, match="nope: no such file"):
        netkin.distances(files[0], "nope", measure="heat")
    (tmp_path / "broken.pt").write_text("hello")
    with pytest.warns(UserWarning, match=r"heat: no value for 2 of 3 pairs: broken: ") as caught:
        found = netkin.distances(*files[:2], tmp_path / "broken.pt", measure="heat")
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert np.isfinite(found.loc["a", "b"])
    other = save(tmp_path / "other.safetensors", 1, (6, 5, 3))
    with pytest.warns(UserWarning, match=r"norm_1: no value for 1 of 1 pairs: the networks"):
        netkin.distances(files[0], other, measure="norm_1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        netkin.distances(*files, measure="heat")


def test_networks_of_different_shape_are_compared_by_what_both_have(tmp_path, files):
    shapes = {"1.weight": (7, 5), "1.bias": (7,), "2.weight": (3, 7)}
    changed = {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
    other = save(tmp_path / "other.safetensors", 0, **changed)
    found = netkin.compare(files[0], other).table.set_index("measure")
    assert np.isfinite(found.loc["heat", "value"])
    assert found.loc["tensor_difference", "value"] == 0
    assert "different shape" in found.loc["norm_1", "reason"]


def test_biases_on_one_side_only_are_a_reason(tmp_path, files):
    weights, _ = snippets.layers(1, [6, 5, 4, 3])
    bare = str(tmp_path / "bare.npz")
    np.savez(bare, **{f"{k}.weight": weight for k, weight in enumerate(weights)})
    found = netkin.compare(files[0], bare, measures=["norm_1", "frobenius", "entropy"])
    assert not found.empty
    table = found.table.set_index("measure")
    for name in ("norm_1", "frobenius"):
        assert table.loc[name, "reason"] == (
            "the networks have no corresponding vertices: they are of different shape, or only one "
            "has biases"
        )


def test_weights_that_are_nan_are_a_reason(tmp_path, files):
    bad = save(tmp_path / "bad.safetensors", 1, **{"0.bias": np.full(5, np.nan, np.float32)})
    found = netkin.compare(files[0], bad, measures=["topology", "weight"])
    assert all("NaN" in row["reason"] for row in found.rows)
    assert found.empty


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda f: netkin.compare(f[0]), "found 1 file; two or more"),
        (lambda f: netkin.compare(f[0], 3), "a path is 3"),
        (lambda f: netkin.compare(*f, measures=["hat"]), "unknown measure 'hat'. Did you mean"),
        (lambda f: netkin.compare(*f, measures=[]), "none is named"),
        (lambda f: netkin.compare(*f, measures=["cka"]), "files of weights alone do not have"),
        (lambda f: netkin.compare(*f, names=["x"]), "names: found"),
        (lambda f: netkin.compare(*f, names=["x", "x", "y"]), "names: found"),
        (lambda f: netkin.compare(*f, names=["", "x", "y"]), "not empty"),
        (lambda f: netkin.compare(*f, wiring=["x"]), "wiring: found 1 for 3"),
        (lambda f: netkin.compare(*f, wiring={"x": "y"}), "wiring: no file is called 'x'"),
        (lambda f: netkin.compare(*f, wiring="a,a"), "stands twice"),
        (lambda f: netkin.compare(*f, options={"faq": {}}), "not among the measures"),
        (lambda f: netkin.compare(*f, options={"heat": 3}), "allowed is a mapping"),
        (lambda f: netkin.compare(*f, options={"heat": {"sigma": -0.1}}), "sigma: found -0.1"),
        (lambda f: netkin.compare(*f, options={"heat": {"n_bins": 0}}), "n_bins: found 0"),
        (lambda f: netkin.compare(*f, options={"heat": {"range": (1, 0)}}), "range is"),
        (lambda f: netkin.compare(*f, options={"heat": {"sigm": 1}}), "unknown option 'sigm'"),
        (lambda f: netkin.distances(*f, measure="heat", x=1), "unknown option 'x'"),
        (lambda f: netkin.diagram_of(f[0], x=1), "unknown option 'x'"),
        (lambda f: netkin.diagram_of(f[0], max_dimension=-1), "max_dimension: found -1"),
        (lambda f: netkin.diagram_of(f[0], "x"), "no tensor is called 'x'"),
        (lambda f: netkin.inspect(f[0], "x"), "no tensor is called 'x'"),
        (lambda f: netkin.inspect("none"), "none: no such file"),
        (lambda f: netkin.compare(*f, measures=["heat"]).matrix("faq"), "was not computed"),
        (lambda f: netkin.measure("heap"), "unknown measure"),
        (lambda f: netkin.measure("stitching"), "takes no arrays"),
        (lambda f: netkin.results(f[0]), "no results of distances"),
        (lambda f: netkin.results(None), "a folder is null"),
        (lambda f: netkin.inspect(None), "a path is null"),
        (lambda f: netkin.inspect(""), "a path is ''"),
        (lambda f: netkin.compare(f[0], ""), "a path is ''"),
        (lambda f: netkin.inspect("a\0b"), "a path is "),
        (lambda f: netkin.inspect("/dev/null"), "/dev/null: neither a file nor a folder"),
        (lambda f: netkin.inspect(f[0], ["0.weight"]), "wiring: found ['0.weight']"),
        (lambda f: netkin.diagram_of(3), "a path is 3"),
        (lambda f: netkin.diagram_of(f[0], 3), "wiring: found 3"),
        (lambda f: netkin.compare(*f, wiring={f[0]: ["x"]}), "wiring: found ['x']"),
        (lambda f: netkin.compare(*f, wiring=[["x"], "", ""]), "wiring: found ['x']"),
        (lambda f: netkin.compare(*f, wiring=3), "wiring: found 3; allowed is"),
        (lambda f: netkin.compare(*f, measures=3), "measures: found 3; allowed is"),
        (lambda f: netkin.compare(*f, measures=[["heat"]]), "unknown measure ['heat']"),
        (lambda f: netkin.compare(*f, options=3), "options: found 3; allowed is"),
        (lambda f: netkin.compare(*f, options=0), "options: found 0; allowed is"),
        (lambda f: netkin.compare(*f, names="xyz"), "names: found 'xyz'; allowed is a list"),
        (lambda f: netkin.compare(*f, names=3), "names: found 3; allowed is a list"),
        (lambda f: netkin.compare(*f, progress=3), "progress: found 3"),
        (lambda f: netkin.compare(*f, measures=["heat"]).matrix([]), "unknown measure []"),
    ],
)
def test_a_mistake_is_one_sentence(files, call, sentence):
    with pytest.raises(NetkinError) as caught:
        call(files)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_of_one_name_are_told_apart(tmp_path, files):
    (tmp_path / "b").mkdir()
    same = save(tmp_path / "b" / "a.safetensors", 5)
    assert netkin.compare(files[0], same, measures=["entropy"]).networks == (files[0], same)
    twice = netkin.compare(files[0], files[0], measures=["entropy"])
    assert twice.networks == (files[0], f"{files[0]} (2)")
    assert twice.rows[0]["value"] == 0
    named = netkin.compare(files[0], same, names=["x", "y"], measures=["entropy"])
    assert named.networks == ("x", "y")


# --- inspect


def test_what_is_understood_of_a_file(tmp_path, files):
    found = netkin.inspect(files[0])
    assert (found.format, found.wiring, found.unknown) == ("safetensors", "the names", "")
    assert [(one.inputs, one.units, one.bias) for one in found.layers] == [
        (6, 5, True),
        (5, 4, True),
        (4, 3, True),
    ]
    weights, biases = snippets.layers(0, [6, 5, 4, 3])
    graph = graph_from_weights(weights, biases)
    assert (found.vertices, found.edges) == (graph.n_vertices, graph.n_edges)
    assert found.parameters == found.used == found.edges
    assert found.share == 1
    assert {"diagram", "graph", "faq", "tensor_cosine"} <= set(found.computable)
    assert set(found.not_computable) == {n for n, m in MEASURES.items() if INPUTS[m.needs].rows}
    assert found.to_dict()["share"] == 1
    assert "6 -> 5 -> 4 -> 3, with biases" in str(found)
    write_network(tmp_path / "n.h5", Network(tuple(weights), tuple(biases)), parameters={})
    assert netkin.inspect(tmp_path / "n.h5").wiring == "the format"


def test_what_is_not_understood_is_said(tmp_path):
    arrays = {
        "enc.weight": np.ones((4, 6), np.float32),
        "dec.weight": np.ones((6, 4), np.float32),
        "steps": np.ones(1, np.int64),
    }
    np.savez(tmp_path / "m.npz", **arrays)
    found = netkin.inspect(tmp_path / "m.npz")
    assert (found.layers, found.wiring, found.vertices, found.edges) == ((), "", None, None)
    assert (found.parameters, found.used, found.share) == (48, 0, 0)
    assert "steps" in found.left_out
    assert found.not_computable["diagram"] == found.unknown
    assert {n for n, one in MEASURES.items() if one.needs == "tensors"} == set(found.computable)
    text = str(found)
    for part in ("wiring not known", "enc.weight (4, 6) float32", "1 entry (steps): whole numbers"):
        assert part in text
    wired = netkin.inspect(tmp_path / "m.npz", "enc.weight dec.weight")
    assert (wired.wiring, wired.share, wired.edges) == ("given", 1, 48)
    np.savez(tmp_path / "zero.npz", **{"0.weight": np.zeros((2, 2))})
    zero = netkin.inspect(tmp_path / "zero.npz")
    assert "every weight is 0" in zero.not_computable["graph"]
    assert "tensor_difference" in zero.computable
    assert "finite" not in str(zero)


def test_what_can_be_computed_counts_on_finite_numbers(tmp_path, files):
    bad = save(tmp_path / "bad.safetensors", 1, **{"0.bias": np.full(5, np.nan, np.float32)})
    found = netkin.inspect(bad)
    assert found.computable == ()
    assert "NaN" in found.not_computable["tensor_cosine"]
    assert "finite" not in str(netkin.inspect(files[0]))
    np.savez(tmp_path / "m.npz", **{"a.weight": np.full((2, 2), np.nan), "b.weight": np.ones(2)})
    text = str(netkin.inspect(tmp_path / "m.npz"))
    assert "tensor_cosine, tensor_difference (where all numbers are finite" in text


def test_an_inspection_is_short(tmp_path, files):
    found = netkin.inspect(files[0])
    assert repr(found) == f"<netkin.Inspection of {files[0]}: 6 -> 5 -> 4 -> 3; print it>"
    (names,) = found.to_dict()["not_computable"].values()
    assert names == [*found.not_computable]
    assert "besides" not in str(found)
    np.savez(tmp_path / "one.npz", **{"0.weight": np.ones((1, 1))})
    assert "2 vertices, 1 edge\n" in str(netkin.inspect(tmp_path / "one.npz"))


# --- measures of tensors


def tensors(**arrays):
    return Tensors.of(arrays)


def test_known_values_of_the_measures_of_tensors():
    a = tensors(v=np.array([3.0, 4.0]), w=np.zeros((2, 2)))
    b = tensors(v=np.array([4.0, 3.0]), w=np.zeros((2, 2)), other=np.ones(3))
    assert tensor_cosine(a, b) == pytest.approx(24 / 25)
    assert tensor_difference(a, b) == pytest.approx(np.sqrt(2 / 50))
    assert (tensor_cosine(a, a), tensor_difference(a, a)) == (1, 0)
    opposite = tensors(v=np.array([-3.0, -4.0]))
    assert tensor_cosine(a, opposite) == -1
    assert tensor_difference(a, opposite) == pytest.approx(np.sqrt(2))
    zero = tensors(v=np.zeros(2))
    assert tensor_difference(a, zero) == 1
    scaled = tensors(v=np.array([6.0, 8.0]))
    assert tensor_cosine(a, scaled) == pytest.approx(1)
    point, other = tensors(s=np.array(2.0)), tensors(s=np.array(-2.0))
    assert tensor_cosine(point, other) == -1


@pytest.mark.parametrize("size", [1e-300, 1e-30, 1e30, 1e300])
def test_measures_of_tensors_keep_the_range_of_floats(size):
    a = tensors(u=np.array([1e-5]), v=np.array([3.0, 4.0]) * size)
    b = tensors(u=np.array([1e-5]), v=np.array([4.0, 3.0]) * size)
    if size > 1:
        assert tensor_cosine(a, b) == pytest.approx(24 / 25)
        assert tensor_difference(a, b) == pytest.approx(np.sqrt(2 / 50))
    else:
        assert tensor_cosine(a, b) == pytest.approx(1)
        assert tensor_difference(a, b) < 1e-20


def test_only_tensors_of_equal_name_and_shape_are_matched():
    a = tensors(v=np.ones(2), w=np.ones((2, 3)), x=np.ones(3))
    assert tensor_cosine(a, tensors(v=-np.ones(2), w=np.ones((3, 2)), y=np.ones(3))) == (
        pytest.approx(-1)
    )
    for measure in (tensor_cosine, tensor_difference):
        with pytest.raises(UndefinedDistance, match="no tensor of the one has the name and shape"):
            measure(a, tensors(z=np.ones(2)))
        with pytest.raises(UndefinedDistance, match="'v' holds NaN"):
            measure(a, tensors(v=np.array([1.0, np.nan])))
        with pytest.raises(UndefinedDistance, match="are 0"):
            measure(tensors(v=np.zeros(2)), tensors(v=np.zeros(2)))
    with pytest.raises(UndefinedDistance, match="no angle"):
        tensor_cosine(a, tensors(v=np.zeros(2)))


def test_one_tensor_under_two_names_counts_once(tmp_path):
    import torch

    rng = np.random.default_rng(0)
    for name in "ab":
        tied, own = (torch.from_numpy(rng.normal(size=(3, 2))) for _ in range(2))
        torch.save({"tied": tied, "head": tied, "own": own}, tmp_path / f"{name}.pt")
        save_file({"tied": tied.numpy(), "own": own.numpy()}, str(tmp_path / f"{name}.safetensors"))
    torches = [read_tensors(tmp_path / f"{name}.pt") for name in "ab"]
    plain = [read_tensors(tmp_path / f"{name}.safetensors") for name in "ab"]
    for measure in (tensor_cosine, tensor_difference):
        assert measure(*torches) == pytest.approx(measure(*plain))
        assert measure(torches[0], plain[1]) == pytest.approx(measure(*plain))


def test_arrays_are_not_kept_after_they_were_compared():
    measure = netkin.measure("tensor_cosine")
    arrays = [np.ones((2, 3)) for _ in range(2)]
    there = [weakref.ref(one) for one in arrays]
    assert measure(*({"w": one} for one in arrays)) == pytest.approx(1)
    del arrays
    gc.collect()
    assert [one() for one in there] == [None, None]


def test_both_measures_of_a_pair_read_it_once():
    reads = []

    def opened():
        reads.append(1)
        return Tensors.of({"w": np.ones(2)}).opened()

    a, b = Tensors(opened), Tensors(opened)
    for _ in range(2):
        tensor_cosine(a, b), tensor_difference(a, b)
    assert len(reads) == 2
    assert (tensor_cosine(a, a), tensor_cosine(b, a)) == (pytest.approx(1), pytest.approx(1))


@pytest.mark.parametrize(
    "function",
    [
        *(computed_of, graph_of, read_tensors, matched_names, require_measure),
        *(option_texts, netkin.compare, netkin.diagram_of, netkin.distances, netkin.inspect),
    ],
    ids=lambda one: one.__name__,
)
def test_documentation_has_the_sections_of_numpydoc(function):
    text = of_python.getdoc(function)
    for head in ("Parameters", "Returns"):
        assert f"{head}\n{'-' * len(head)}\n" in text
    raises = function not in (matched_names, option_texts)
    assert ("Raises\n------\n" in text) == raises


# --- one measure on two arrays


def sources_for(name, rng):
    entry = MEASURES[name]
    if entry.needs not in PREPARATIONS:
        return None
    labels = {"labels": rng.integers(0, 3, 60)} if "labels" in entry.requires else {}
    source = PREPARATIONS[entry.needs].source
    if source == "activation":
        labels = {"labels": rng.integers(0, 3, 60)}
        return [rng.normal(size=(60, 4)) for _ in range(2)], labels
    if source == "prediction":
        return [rng.dirichlet(np.ones(3), 60) for _ in range(2)], labels
    if source == "diagram":
        return [np.sort(rng.random((20, 2)), axis=1) for _ in range(2)], {}
    if source == "tensors":
        return [{"w": rng.normal(size=(3, 2))} for _ in range(2)], {}
    pairs = [
        [(rng.normal(size=(4, 3)), rng.normal(size=4)), rng.normal(size=(2, 4))] for _ in range(2)
    ]
    return pairs, {}


@pytest.mark.parametrize("name", [n for n, m in MEASURES.items() if m.needs in PREPARATIONS])
def test_every_measure_of_arrays_takes_plain_arrays(name):
    rng = np.random.default_rng(1)
    (a, b), more = sources_for(name, rng)
    found = netkin.measure(name)
    value = found(a, b, **more)
    low, high = found.range
    assert low - 1e-9 <= value <= high + 1e-9
    assert repr(found) == f"netkin.measure('{name}')"
    with pytest.raises(NetkinError, match="unknown option 'nothing'"):
        found(a, b, nothing=1, **more)
    for wrong in (
        None,
        "text",
        object(),
        np.array(["a"]),
        # of it a measure that matches nothing makes tensors of three axes
        *([] if name == "tensor_neural_persistence" else [np.ones((2, 2, 2, 2))]),
        3,
        [[1], [1, 2]],
        {},
    ):
        with pytest.raises((NetkinError, UndefinedDistance)):
            found(a, wrong, **more)


def test_classes_and_probabilities():
    a, b = np.array([0, 1, 2, 2]), np.array([0, 1, 1, 2])
    assert netkin.measure("disagreement")(a, b) == 0.25
    assert netkin.measure("disagreement")(np.eye(3)[a], b) == 0.25
    assert netkin.measure("performance_difference")(a, b, labels=a) == 0.25
    for call, sentence in [
        (lambda: netkin.measure("performance_difference")(a, b), "give labels="),
        (lambda: netkin.measure("surrogate_churn")(a, b), "compares probabilities"),
        (lambda: netkin.measure("disagreement")(a, -b), "whole numbers from 0"),
        (lambda: netkin.measure("disagreement")(a, b[:2]), "labels for 2"),
        (lambda: netkin.measure("heat")(np.ones((0, 2)), np.ones((0, 2)), labels=a), "no rows"),
    ]:
        with pytest.raises(NetkinError) as caught:
            call()
        assert sentence in str(caught.value) or "different rows" in str(caught.value)


def test_vectors_of_arrays_take_the_options_of_their_making():
    a, b = np.array([[0.0, 0.5]]), np.array([[0.0, 0.75]])
    heat = netkin.measure("heat")
    assert heat(a, b, sigma=0.2, n_bins=50) != heat(a, b)
    assert netkin.measure("landscape")([a], [b]) == netkin.measure("landscape")(a, b)
    assert heat(Diagram.from_intervals([a]), b) == heat(a, b)
    for options, sentence in [
        ({"range": (1, 0)}, "range is"),
        ({"range": 3}, "range is 3"),
        ({"range": (0, float("inf"))}, "range is"),
        ({"n_bins": 0}, "n_bins: found 0"),
        ({"n_bins": 2.5}, "n_bins: found 2.5"),
        ({"sigma": -0.1}, "sigma: found -0.1"),
        ({"sigma": "x"}, "sigma: found 'x'"),
        ({"p": float("nan")}, "p: found nan"),
        ({"eta": -1}, "eta: found -1"),
        ({"order": "x"}, "order: found 'x'"),
        ({"reduced": 1}, "reduced: found 1. Allowed: true or false"),
    ]:
        with pytest.raises(NetkinError) as caught:
            heat(a, b, **options)
        assert sentence in str(caught.value)


# --- options


def wrong_values(option):
    """Return values that an option must not take."""
    yield object()
    yield [1]
    if option.allows(1.0) or option.allows(1):
        yield from ("x", float("nan"), -float("inf"), True)
        for value in (-1e9, 1e9, -(10**9), 10**9):
            if not option.allows(value):
                yield value


CHECKED = [
    *dict.fromkeys(m.function for m in MEASURES.values() if options_of(m.function)),
    *dict.fromkeys(v.accumulator for v in VECTORISERS.values() if options_of(v.accumulator)),
    *(graph_from_weights, apply_policy),
]


@pytest.mark.parametrize("function", CHECKED, ids=lambda one: one.__name__)
def test_no_option_is_accepted_that_its_annotation_does_not_allow(function):
    positional = [
        one
        for one in of_python.signature(function).parameters.values()
        if one.kind is one.POSITIONAL_OR_KEYWORD
    ]
    for name, option in options_of(function).items():
        for value in wrong_values(option):
            with pytest.raises(NetkinError, match=f"^{name}: found "):
                function(*[None] * len(positional), **{name: value})
    with pytest.raises(NetkinError, match="unknown option 'nothing'"):
        function(*[None] * len(positional), nothing=1)


def test_bounds_that_do_not_ascend_are_refused():
    network = Network((np.ones((2, 2), np.float32),), (np.zeros(2, np.float32),))
    with pytest.raises(NetkinError, match="bounds: found"):
        attack(network, np.ones((1, 2)), np.zeros(1, int), epsilon=0.1, steps=1, bounds=(1, 0))
    for arguments in [(1, 0, 5), (0, 1, 0), (0, 1, 2.5), ("a", 1, 5), (0, True, 5), (0, None, 5)]:
        with pytest.raises(NetkinError, match="a sampling"):
            Sampling(*arguments)


def test_options_say_what_is_allowed():
    known = options_of(VECTORISERS["heat"].accumulator)
    with pytest.raises(NetkinError, match=r"sigma: found -1\. Allowed: a number from 1.0e-6 to 10"):
        check_options("heat", {"sigma": -1}, known)
    with pytest.raises(NetkinError, match="'x' is missing"):
        check_options("f", {}, {"x": Option(int)}, missing=True)
    with pytest.raises(NetkinError, match="it has none"):
        VECTORISERS["betti"].arrays(Diagram.from_intervals([]), Sampling(0.0, 1.0, 5), sigma=1) or (
            ChosenMeasure("cka", {"x": 1})
        )


# --- results


def test_results_of_a_finished_run(tmp_path):
    snippets.make_files(tmp_path)
    found = netkin.results(tmp_path)
    pd.testing.assert_frame_equal(found, netkin.results(tmp_path / "results"))
    assert set(found["measure"]) == {"norm_1", "frobenius"}
    assert set(found["comparison"]) == {"digits"}
    assert set(found["replicate"]) == {"seed_0"}
    assert found["null_mean"].isna().all()
    nets = [graph_from_weights(*snippets.layers(seed, [6, 5, 4, 3])) for seed in range(2)]
    row = found[(found["network_a"] == "a") & (found["network_b"] == "b")].set_index("measure")
    assert row.loc["norm_1", "value"] == MEASURES["norm_1"].function(*nets)
    (tmp_path / "empty" / "distance").mkdir(parents=True)
    with pytest.raises(NetkinError, match="no matrix of distances"):
        netkin.results(tmp_path / "empty")


def test_the_measures_there_are():
    found = netkin.measures().set_index("measure")
    assert list(found.index) == list(MEASURES)
    assert found.loc["cka", "orientation"] == "up"
    assert not found.loc["cka", "of_files"]
    assert found.loc["faq", "seconds"] > QUICK
    assert "sigma=0.1" in found.loc["heat", "options"]
