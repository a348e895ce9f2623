"""Files whose digest is right and whose structure or values are not."""

import re
import shutil
import time

import h5py
import numpy as np
import pytest

from netkin.errors import NetkinError
from netkin.storage import LAYOUTS
from netkin.structure import STRUCTURES
from tests.altered import altered
from tests.stress.files import EVERY_READER, READERS, make_files, plain


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One file of each layout, not to be changed."""
    folder = tmp_path_factory.mktemp("whole")
    files = make_files(folder)
    shutil.copy(files["dataset"], folder / "whole_dataset.h5")  # what a model is read with
    return files


@pytest.fixture
def copy_of(whole, tmp_path):
    """Return a function that copies the file of a layout."""

    def copy(layout):
        shutil.copy(whole["dataset"], tmp_path / "whole_dataset.h5")
        return shutil.copy(whole[layout], tmp_path / f"{layout}.h5")

    return copy


def refusals(layout, path):
    """Return what the readers of a layout say, all of which have to refuse."""
    said = []
    for reader in READERS[layout]:
        with pytest.raises(NetkinError) as caught:
            reader(path)
        said.append(str(caught.value))
        assert "\n" not in said[-1]
        assert str(path) in said[-1]
    return said


def test_every_layout_has_a_structure_and_readers():
    assert set(STRUCTURES) == set(READERS) == set(LAYOUTS)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_the_library_writes_is_read(whole, layout):
    for reader in (*READERS[layout], *EVERY_READER):
        assert plain(reader(whole[layout])) == plain(reader(whole[layout]))


def replaced(name, make):
    def damage(file):
        del file[name]
        make(file, name)

    return damage


def virtual(file, name):
    source = h5py.VirtualSource(".", "target", (3,))
    layout = h5py.VirtualLayout((3,), np.float32)
    layout[...] = source
    file.create_virtual_dataset(name, layout)


BILLION = (10**9,)
DAMAGES = {
    "a soft link to itself": (
        replaced("value", lambda f, n: f.__setitem__(n, h5py.SoftLink("/value"))),
        "/value is a soft link",
    ),
    "an external link": (
        replaced("value", lambda f, n: f.__setitem__(n, h5py.ExternalLink("/dev/zero", "/x"))),
        "/value is an external link",
    ),
    "another name of the file": (lambda f: f.__setitem__("more", f["/"]), "/more is an entry that"),
    "two names of an array": (
        replaced("target", lambda f, n: f.__setitem__(n, f["source"])),
        "is the same entry as another",
    ),
    "virtual data": (replaced("value", virtual), "/value is put together from other data"),
    "external data": (
        replaced(
            "value",
            lambda f, n: f.create_dataset(n, (3,), "f4", external=[("/dev/zero", 0, 12)]),
        ),
        "/value is put together from other data",
    ),
    "a billion numbers that are not there": (
        replaced("value", lambda f, n: f.create_dataset(n, BILLION, "f4")),
        "/value",
    ),
    "a billion numbers in parts that are not there": (
        replaced("value", lambda f, n: f.create_dataset(n, BILLION, "f4", chunks=(1000,))),
        "/value",
    ),
    "ancestors that are not there": (
        replaced("ancestors", lambda f, n: f.create_dataset(n, (10**9, 2), "S16")),
        "/ancestors declares 32000000000 bytes, but not all",
    ),
    "a part larger than its array": (
        replaced(
            "ancestors",
            lambda f, n: f.create_dataset(
                n, data=np.zeros((1, 2), "S16"), maxshape=(None, 2), chunks=(10**6, 2)
            ),
        ),
        "/ancestors is of shape .* in parts of",
    ),
    "text": (
        replaced("value", lambda f, n: f.__setitem__(n, ["a", "b"])),
        "/value holds text, expected float",
    ),
    "nothing": (
        replaced("value", lambda f, n: f.__setitem__(n, h5py.Empty("f4"))),
        "/value is a single value or empty",
    ),
    "a group": (replaced("value", lambda f, n: f.create_group(n)), "/value is no array"),
    "a type of the file's own": (
        lambda f: f.__setitem__("more", np.dtype("f4")),
        "/more is an entry that its layout does not know",
    ),
    "references": (
        replaced("value", lambda f, n: f.create_dataset(n, (3,), h5py.ref_dtype)),
        "/value holds neither numbers nor text",
    ),
    "four dimensions": (
        replaced("value", lambda f, n: f.__setitem__(n, np.zeros((1, 1, 1, 1), "f4"))),
        r"/value has shape \(1, 1, 1, 1\), expected \(edges\)",
    ),
    "another length": (
        replaced("value", lambda f, n: f.__setitem__(n, np.zeros(2, "f4"))),
        "/value and /.* differ in length",
    ),
    "an attribute of text": (
        lambda f: f.attrs.__setitem__("n_vertices", "many"),
        "attribute 'n_vertices' of another type than integer",
    ),
    "an attribute of many numbers": (
        lambda f: f.attrs.__setitem__("n_vertices", [1, 2]),
        "attribute 'n_vertices' of another type than integer",
    ),
    "no code": (lambda f: f.attrs.__delitem__("code"), "its attribute 'code' is missing"),
    "parameters that are not JSON": (
        lambda f: f.attrs.__setitem__("parameters", "{"),
        "'parameters' that is not JSON",
    ),
    "parameters too deep": (
        lambda f: f.attrs.__setitem__("parameters", "[" * 6000),
        "'parameters' that is not JSON",
    ),
    "parameters that are a list": (
        lambda f: f.attrs.__setitem__("parameters", "[]"),
        "'parameters' that is no JSON object",
    ),
    "a value beyond 1": (
        lambda f: f["value"].__setitem__(0, 1.5),
        "/value holds .* to 1.5, expected 0 to 1",
    ),
    "a value before the vertices": (lambda f: f["value"].__setitem__(0, -1), "expected 0 to 1"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_structure_is_one_sentence_at_once(copy_of, damage):
    path = copy_of("graph")
    change, says = DAMAGES[damage]
    with altered(path) as file:
        change(file)
    started = time.monotonic()
    (said,) = refusals("graph", path)
    assert time.monotonic() - started < 1
    assert re.search(says, said), said


def put(name, value):
    def change(file):
        values = file[name][()]
        values[...] = value(values)
        file[name][...] = values

    return change


def at(place, value):
    def change(values):
        values[place] = value
        return values

    return change


VALUES = {
    "an infinite distance": ("distance", put("matrix", at((0, 1), np.inf)), "infinite"),
    "a negative distance": ("distance", put("matrix", lambda v: -v - 1), "but 'orthogonal_p"),
    "an asymmetric distance": ("distance", put("matrix", at((0, 1), 0.5)), "not symmetric"),
    "a 2 x 2 matrix": (
        "distance",
        replaced("matrix", lambda f, n: f.__setitem__(n, np.zeros((2, 2)))),
        "differ in length",
    ),
    "another orientation": (
        "distance",
        lambda f: f.attrs.__setitem__("orientation", "sideways"),
        "orientation of 'orthogonal_procrustes' is 'sideways', allowed: down",
    ),
    "no probability": ("distance", put("null/p_value", at((0, 1), 2.0)), "is no probability"),
    "an infinite null": ("distance", put("null/mean", at((0, 1), np.inf)), "/null/mean holds an"),
    "a negative cost": ("distance", lambda f: f.attrs.__setitem__("seconds", -1.0), "'seconds'"),
    "a negative mean": ("distance_summary", put("mean", lambda v: -v - 1), "/mean holds"),
    "a negative deviation": (
        "distance_summary",
        put("standard_deviation", at((0, 1), -1.0)),
        "/standard_deviation holds a negative",
    ),
    "no seeds": ("distance_summary", lambda f: f.attrs.__setitem__("seeds", 0), "'seeds' is 0"),
    "an infinite layer": ("layers", put("cka", at((0, 1), np.inf)), "/cka holds an infinite"),
    "layers of another network": (
        "layers",
        replaced("cka", lambda f, n: f.__setitem__(n, np.zeros((3, 2)))),
        "differ in length",
    ),
    "a vector of NaN": ("vector", put("H1", at((0, 0), np.nan)), "/H1 holds NaN or infinity"),
    "a vector of other samples": (
        "vector",
        lambda f: f.attrs.__setitem__("n_bins", 7),
        "/H0 has shape",
    ),
    "a sampling of NaN": ("vector", lambda f: f.attrs.__setitem__("start", np.nan), "a sampling"),
    "an axis too many": ("vector", lambda f: f.attrs.__setitem__("axes", 3), "'axes' is 3"),
    "a death before the birth": ("diagram", put("H1", at((0, 1), 0.0)), "birth <= death"),
    "a birth before 0": ("diagram", put("H0", at((0, 0), -1.0)), "birth <= death"),
    "no counts": ("diagram", lambda f: f.__delitem__("H2_count"), "/H2_count, how often"),
    "counts of no intervals": (
        "diagram",
        lambda f: f.__setitem__("H3_count", np.ones(1, int)),
        "/H3_count counts intervals that are missing",
    ),
    "a count too few": (
        "diagram",
        replaced("H1_count", lambda f, n: f.__setitem__(n, np.ones(29, int))),
        "differ in length: 29 and 30 of 'intervals of H1'",
    ),
    "counts that are no whole numbers": (
        "diagram",
        replaced("H1_count", lambda f, n: f.__setitem__(n, np.ones(30))),
        "/H1_count holds float64, expected integer",
    ),
    "a count of 0": ("diagram", put("H1_count", at(3, 0)), "/H1_count holds a count below 1"),
    "counts beyond all": (
        "diagram",
        replaced("H1_count", lambda f, n: f.__setitem__(n, np.full(30, 2**62))),
        "/H1_count holds a count below 1, or more than",
    ),
    "an interval twice": (
        "diagram",
        put("H1", lambda v: np.tile(v[:1], (30, 1))),
        "/H1 holds an interval twice, or",
    ),
    "intervals out of order": ("diagram", put("H0", lambda v: v[::-1]), "/H0 holds an interval tw"),
    "a gap in the dimensions": ("diagram", lambda f: f.__delitem__("H1"), "/H1 is missing between"),
    "probabilities of 2": ("prediction", put("probabilities", at((0, 0), 2.0)), "no probabilities"),
    "a label below 0": ("prediction", put("labels", at(0, -1)), "labels that are not integers"),
    "a label of no class": ("dataset", put("test/labels", at(0, 3)), "labels lie in 0..3"),
    "activations of NaN": ("activation", put("layers/logits", at((0, 0), np.nan)), "NaN"),
    "a row below 0": ("activation", put("rows", at(0, -1)), "holds a number below 0"),
    "an accuracy of 2": (
        "network",
        lambda f: f.attrs.__setitem__("test_accuracy", 2.0),
        "'test_accuracy' is 2.0; allowed is 0 to 1",
    ),
    "a loss of NaN": ("network", put("history/loss", at(0, np.nan)), "/history/loss holds"),
    "NaN weights": ("network", put("layers/1/weight", at((0, 0), np.nan)), "NaN or infinite"),
    "a vertex out of range": ("graph", put("target", at(0, 10**6)), "a vertex outside 0 to"),
}


@pytest.mark.parametrize("damage", VALUES)
def test_values_that_cannot_be_are_one_sentence(copy_of, damage):
    layout, change, says = VALUES[damage]
    path = copy_of(layout)
    with altered(path) as file:
        change(file)
    # others that read the layout do not look at all of it
    with pytest.raises(NetkinError) as caught:
        READERS[layout][0](path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
