"""Files whose digest is right and whose structure or values are not."""

import re
import shutil
import time
import zlib

import h5py
import numpy as np
import pytest

from netkin import storage
from netkin.distance.file import read_distances
from netkin.errors import NetkinError
from netkin.storage import LAYOUTS
from netkin.structure import ALWAYS_UNPACKED, STRUCTURES
from netkin.vector.sampling import Sampling
from netkin.vector.vector import Vector, write_vector
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


def test_parameters_that_are_too_long_for_an_attribute_are_read_and_checked(copy_of):
    path = copy_of("dataset")
    assert storage.read_attributes(path)["parameters"] == '{"in":"/parameters"}'
    assert storage.read_parameters(path) == {"kind": "stress", "rows": list(range(15_000))}
    for change, says in (
        (lambda f, n: f.create_dataset(n, data=["{"], dtype=h5py.string_dtype()), "damaged"),
        (lambda f, n: f.create_dataset(n, data=["a", "b"], dtype=h5py.string_dtype()), "shape"),
        (lambda f, n: f.__setitem__(n, np.zeros(1)), "/parameters holds float64, expected text"),
    ):
        with altered(path) as file:
            replaced("parameters", change)(file)
        with pytest.raises(NetkinError, match=says) as caught:
            storage.read_parameters(path)
        assert "\n" not in str(caught.value)


def test_reasons_of_an_older_netkin_are_read(copy_of):
    path = copy_of("distance")
    with altered(path) as file:
        file["matrix"][0, 1] = file["matrix"][1, 0] = np.nan
        text = np.full((3, 3), "", object)
        text[0, 1] = text[1, 0] = "why"
        file.create_dataset("reason", data=text, dtype=h5py.string_dtype())
    assert read_distances(path).reasons == {(0, 1): "why", (1, 0): "why"}


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


def set_bytes(name, byte):
    """Return a change of all bytes of an array, whatever its type."""

    def change(file):
        array = file[name]
        everything = h5py.h5s.ALL
        filled = np.full(array.shape, byte, np.uint8)
        array.id.write(everything, everything, filled, array.id.get_type())

    return change


NULL = ("mean", "calibrated", "p_value", "low", "high")
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
    "another name of the file": (
        lambda f: f.__setitem__("more", f["/"]),
        "/more is the same entry as another",
    ),
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
    "thousands of attributes": (
        lambda f: [f.attrs.__setitem__(f"more_{number}", 1) for number in range(3000)],
        "has 3,00. attributes; its layout knows 9",
    ),
    "an attribute in place of another": (
        lambda f: (f.attrs.__delitem__("n_vertices"), f.attrs.__setitem__("more", 1)),
        "an attribute 'more', which no layout knows",
    ),
    "no recipe": (lambda f: f.attrs.__delitem__("recipe"), "its attribute 'recipe' is missing"),
    **{
        f"a {name} that is no digest": (
            lambda f, name=name: f.attrs.__setitem__(name, "0123456789ABCDEF"),
            f"its attribute '{name}' is '0123456789ABCDEF'",
        )
        for name in ("recipe", "lineage", "content", "code")
    },
    "an edge twice": (
        lambda f: [f[name].__setitem__(1, f[name][0]) for name in ("source", "target")],
        "an edge is listed twice",
    ),
    "a layer without vertices": (
        lambda f: f["layer"].__setitem__(slice(None), np.where(f["layer"][:] == 1, 2, f["layer"])),
        "/layer has no vertex in layer 1",
    ),
    "a byte that is no boolean": (set_bytes("is_bias", 2), "/is_bias holds a byte that is neither"),
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
    started = time.process_time()
    (said,) = refusals("graph", path)
    assert time.process_time() - started < 1
    assert re.search(says, said), said


@pytest.mark.parametrize(
    ("layout", "name"), [("network", "layers/0/weight"), ("dataset", "train/inputs")]
)
def test_a_file_may_not_unpack_to_what_netkin_could_not_have_packed(copy_of, layout, name):
    path = copy_of(layout)
    shape = (30_000, 5_000)
    with altered(path) as file:
        del file[name]
        made = file.create_dataset(name, shape, "f4", chunks=shape, compression="gzip")
        zeros = zlib.compress(bytes(4 * shape[0] * shape[1]), 9)
        made.id.write_direct_chunk((0, 0), zeros)
    started = time.process_time()
    with pytest.raises(NetkinError, match=r"is stored in parts|differ in length|more than netkin"):
        READERS[layout][0](path)
    assert time.process_time() - started < 1


def test_what_unpacks_too_far_is_refused_also_where_all_else_fits(copy_of):
    path = copy_of("vector")
    with altered(path) as file:
        del file["H2"]
        made = file.create_dataset(
            "H2", (1, 36_000_000), "f8", chunks=(1, 36_000_000), compression=9
        )
        made.id.write_direct_chunk((0, 0), zlib.compress(bytes(288_000_000), 9))
    with pytest.raises(NetkinError, match="/H2 declares 288,000,000 bytes in a file of"):
        READERS["vector"][0](path)


def test_the_most_compressible_that_is_written_is_read(tmp_path):
    """Zeros, of more than any file may declare: a landscape of a diagram without intervals."""
    path = tmp_path / "zeros.h5"
    sampling = Sampling(0.0, 1.0, 10_000)
    zeros = np.zeros((400, 10_000))
    assert 10 * zeros.nbytes > ALWAYS_UNPACKED
    write_vector(path, Vector((zeros,) * 10, sampling, axes=1, kind="landscape"))
    with storage.open_layout(path, "vector") as group:
        assert len(group) == 10


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


def both(*changes):
    def change(file):
        for one in changes:
            one(file)

    return change


def pair(value):
    """Return a change of both entries of the first pair."""

    def change(values):
        values[0, 1] = values[1, 0] = value
        return values

    return change


def renamed(name, names):
    def change(file):
        file[name][: len(names)] = names

    return change


def attribute(name, value):
    return lambda file: file.attrs.__setitem__(name, value)


VALUES = {
    "a network apart from itself": ("distance", put("matrix", at((0, 0), 0.5)), "and itself"),
    "all undefined without a reason": (
        "distance",
        put("matrix", lambda v: v * np.nan),
        "is undefined, but /reason has no reason",
    ),
    "one pair undefined without a reason": (
        "distance",
        put("matrix", pair(np.nan)),
        "is undefined, but /reason has no reason",
    ),
    "a code of no reason": ("distance_block", put("reason_code", at((0, 1), 9)), "for no reason"),
    "a reason beside a value": (
        "distance_block",
        put("matrix", at((0, 1), 0.5)),
        "entry (0, 1) has a value and a reason to have none",
    ),
    "a pair of a block without a reason": (
        "distance_block",
        put("matrix", at((0, 0), np.nan)),
        "entry (0, 0) is undefined without one",
    ),
    "codes without reasons": (
        "distance_block",
        lambda f: f.__delitem__("reason_text"),
        "/reason_code and /reason_text go together",
    ),
    "a reason without words": ("distance_block", renamed("reason_text", [""]), "of one line"),
    "an infinite distance of a block": ("distance_block", put("matrix", at((0, 0), np.inf)), "inf"),
    "a distance of a block beyond its range": (
        "distance_block",
        put("matrix", at((0, 0), 1.5)),
        "but 'neural_persistence' is 0 to 1",
    ),
    "a network of a block twice": ("distance_block", renamed("others", ["d"]), "'d' more than"),
    "a block without its columns": (
        "distance_block",
        lambda f: f.__delitem__("others"),
        "the dataset '/others' of a block is missing",
    ),
    "no networks": (
        "distance",
        both(
            *(
                replaced(name, lambda f, n: f.__setitem__(n, np.zeros((0, 0))))
                for name in ("matrix", *(f"null/{part}" for part in NULL))
            ),
            replaced("networks", lambda f, n: f.create_dataset(n, (0,), h5py.string_dtype())),
        ),
        "/networks names nothing",
    ),
    "a network twice": ("distance", renamed("networks", ["a", "a"]), "'a' more than once"),
    "a network without a name": ("distance", renamed("networks", [""]), "allowed is text of one"),
    "a network of two lines": ("distance", renamed("networks", ["a\nb"]), "allowed is text of one"),
    "an asymmetric null": ("distance", put("null/mean", at((0, 1), 7.0)), "/null/mean is not symm"),
    "an interval that ends before it begins": (
        "distance",
        put("null/low", pair(1e6)),
        "/null/low is above /null/high",
    ),
    "half an interval": ("distance", lambda f: f.__delitem__("null/high"), "go together"),
    "a null of no permutations": ("distance", attribute("permutations", 0), "is 0"),
    "too many permutations": ("distance", attribute("permutations", 2**62), "'permutations' is"),
    "an unknown measure": ("distance", attribute("measure", "ckaa"), "does not know"),
    "an unknown family": ("distance", attribute("family", "weights"), "the family of"),
    "no family": ("distance", attribute("family", ""), "the family of"),
    "a deviation of one direction": (
        "distance_summary",
        put("standard_deviation", at((0, 1), 7.0)),
        "/standard_deviation is not symmetric",
    ),
    "a deviation without a mean": (
        "distance_summary",
        put("mean", pair(np.nan)),
        "defined for different pairs",
    ),
    "the normalised mean of another": (
        "distance_summary",
        put("normalised_mean", pair(0.123)),
        "/normalised_mean is not that of /mean",
    ),
    "seeds beyond counting": ("distance_summary", attribute("seeds", 2**62), "'seeds' is"),
    "a mean of itself": ("distance_summary", put("mean", at((1, 1), 0.5)), "and itself"),
    "a likeness beyond 1": ("layers", put("cka", at((0, 0), 1.5)), "but 'cka' is 0 to 1"),
    "a layer twice": ("layers", renamed("layers_a", ["logits"]), "'logits' more than once"),
    "no measure of layers": (
        "layers",
        lambda f: [
            f.__delitem__(n) for n in list(f) if n not in ("layers_a", "layers_b", "ancestors")
        ],
        "by no measure",
    ),
    "a null of layers by no measure": ("layers", lambda f: f.__delitem__("cka"), "/null/cka is of"),
    "an unknown measure of layers": ("layers", lambda f: f.move("cka", "kca"), "/null/cka is of"),
    "layers by a measure of diagrams": (
        "layers",
        both(
            lambda f: f.move("orthogonal_procrustes", "wasserstein"),
            lambda f: f.move("null/orthogonal_procrustes", "null/wasserstein"),
        ),
        "/wasserstein is no measure of layers",
    ),
    "axes of another kind": ("vector", attribute("axes", 1), "'axes' is 1, but a vector of"),
    "an unknown kind of vector": ("vector", attribute("kind", "heats"), "of the kind 'heats'"),
    "a curve for an image": ("vector", attribute("kind", "betti"), "'axes' is 2, but a vector of"),
    "images of images": (
        "vector",
        both(
            *(
                replaced(f"H{k}", lambda f, n: f.__setitem__(n, np.zeros((2, 2, 20, 20))))
                for k in range(3)
            )
        ),
        "has shape (2, 2, 20, 20)",
    ),
    "a sampling out of all proportion": ("vector", attribute("stop", 1e308), "a sampling from"),
    "a death beyond 1": ("diagram", put("H0", at((0, 1), 2.0)), "a birth or death at 2"),
    "a birth beyond 1": ("diagram", put("H1", at((0, 0), 2.0)), "a birth or death at 2"),
    "more dimensions than are computed": (
        "diagram",
        lambda f: [f.create_dataset(f"H{k}", (0, 2), "f4") for k in range(3, 12)],
        "more than 11 dimensions",
    ),
    "an unknown engine": ("diagram", attribute("engine", "ripser"), "its engine is 'ripser'"),
    "a prediction of a row twice": ("prediction", put("rows", at(1, 0)), "an id more than once"),
    "activations of a row twice": ("activation", put("rows", at(1, 0)), "an id more than once"),
    "a layer of activations twice": (
        "activation",
        renamed("layer_names", ["logits"]),
        "'logits' more than once",
    ),
    "no layers": (
        "activation",
        both(
            replaced("layer_names", lambda f, n: f.create_dataset(n, (0,), h5py.string_dtype())),
        ),
        "/layer_names names nothing",
    ),
    "a layer that is not listed": (
        "activation",
        lambda f: f.move("layers/logits", "layers/other"),
        "is in only one of",
    ),
    "a label twice": ("dataset", renamed("label_names", ["b"]), "'b' more than once"),
    "a label without a name": ("dataset", renamed("label_names", [""]), "allowed is text of one"),
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
    "no probability": ("distance", put("null/p_value", pair(2.0)), "is no probability"),
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
    "NaN weights of somebody's own": (
        "networks",
        put("layers/1/weight", at((0, 0), np.nan)),
        "NaN or infinite",
    ),
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
