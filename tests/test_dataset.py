"""Data sets: loaders, checks, files, and the stage."""

import dataclasses
import functools
import gzip
import hashlib
import http.server
import os
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from netkin.dataset import DATASETS
from netkin.dataset.arrays import Arrays, read_arrays, write_arrays
from netkin.dataset.digits import load_digits
from netkin.dataset.mnist import load_mnist
from netkin.dataset.prepare import prepare_dataset
from netkin.errors import NetkinError
from netkin.storage import create, read_parameters
from netkin.torchvision_compat import import_torchvision

HERE = Path()
SOURCE = Path(__file__).resolve().parents[1] / "src"
CLOSED = ["http://127.0.0.1:9/"]  # nothing listens on the discard port


def run_python(code: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
    )


def small_arrays(**changes) -> Arrays:
    rng = np.random.default_rng(0)
    arrays = Arrays(
        train_inputs=rng.random((6, 3), dtype=np.float32),
        train_labels=np.array([0, 1, 2, 0, 1, 2]),
        train_rows=np.arange(6),
        test_inputs=rng.random((2, 3), dtype=np.float32),
        test_labels=np.array([0, 2]),
        test_rows=np.arange(6, 8),
        label_names=("a", "b", "ç"),
    )
    return dataclasses.replace(arrays, **changes)


def assert_equal_arrays(found: Arrays, expected: Arrays) -> None:
    for field in dataclasses.fields(Arrays):
        one, other = getattr(found, field.name), getattr(expected, field.name)
        if field.name == "label_names":
            assert one == other
        else:
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)


# --- digits ---------------------------------------------------------------------------


def test_digits_have_the_promised_shapes_types_and_range():
    arrays = load_digits(HERE)
    arrays.validate("digits")
    assert arrays.train_inputs.shape == (1437, 64)
    assert arrays.test_inputs.shape == (360, 64)
    assert arrays.train_inputs.min() == 0
    assert arrays.train_inputs.max() == 1
    assert set(np.unique(arrays.train_inputs * 16)) == set(range(17))
    assert arrays.label_names == tuple("0123456789")


def test_digits_rows_are_those_of_the_source_each_once():
    from sklearn.datasets import load_digits as sklearn_digits

    source = sklearn_digits()
    arrays = load_digits(HERE)
    rows = np.concatenate([arrays.train_rows, arrays.test_rows])
    np.testing.assert_array_equal(np.sort(rows), np.arange(1797))
    for part in ("train", "test"):
        chosen = getattr(arrays, f"{part}_rows")
        np.testing.assert_allclose(getattr(arrays, f"{part}_inputs") * 16, source.data[chosen])
        np.testing.assert_array_equal(getattr(arrays, f"{part}_labels"), source.target[chosen])


@pytest.mark.parametrize("test_share", [0.2, 0.5])
def test_digits_split_keeps_the_share_of_every_class(test_share):
    arrays = load_digits(HERE, test_share=test_share)
    test, train = np.bincount(arrays.test_labels), np.bincount(arrays.train_labels)
    assert np.abs(test - test_share * (test + train)).max() < 1


def test_digits_split_depends_on_its_seed_only():
    first, again, other = (load_digits(HERE, split_seed=seed) for seed in (3, 3, 4))
    assert_equal_arrays(first, again)
    assert set(first.test_rows) != set(other.test_rows)


@pytest.mark.parametrize("test_share", [0.001, 0.999])
def test_digits_share_that_leaves_out_classes_is_a_named_error(test_share):
    with pytest.raises(NetkinError, match=f"digits: test_share {test_share}.*10 rows"):
        load_digits(HERE, test_share=test_share)


# --- checks and files -----------------------------------------------------------------

LAST_TWO_INFINITE = np.ones((6, 3), dtype=np.float32)
LAST_TWO_INFINITE[4:] = np.inf

BROKEN = {
    "row 4 of the source": {"train_inputs": LAST_TWO_INFINITE},
    r"labels \(5,\)": {"train_labels": np.array([0, 1, 2, 0, 1])},
    r"allowed is 0\.\.2": {"test_labels": np.array([0, 3])},
    r"lie in -1\.\.0": {"test_labels": np.array([-1, 0])},
    "no training row has the label 'b'": {"train_labels": np.array([0, 2, 2, 0, 0, 2])},
    "float64, int64, int64": {"test_inputs": np.zeros((2, 3))},
    "row 0 of the source occurs more than once": {"test_rows": np.array([0, 6])},
    "3 training features, but 2 test": {"test_inputs": np.zeros((2, 2), dtype=np.float32)},
    "the test part is empty": {
        "test_inputs": np.zeros((0, 3), dtype=np.float32),
        "test_labels": np.zeros(0, dtype=np.int64),
        "test_rows": np.zeros(0, dtype=np.int64),
    },
    "1 label names": {"label_names": ("a",)},
}


def test_intact_arrays_pass_the_check():
    small_arrays().validate("small")


@pytest.mark.parametrize("message", BROKEN)
def test_broken_arrays_are_refused_with_the_name_of_the_data_set(message):
    with pytest.raises(NetkinError, match=f"^small: .*{message}"):
        small_arrays(**BROKEN[message]).validate("small")


def test_file_gives_back_the_arrays_and_the_same_bytes_twice(tmp_path):
    for name in ("a.h5", "b.h5"):
        write_arrays(tmp_path / name, small_arrays(), parameters={"kind": "small"})
    assert_equal_arrays(read_arrays(tmp_path / "a.h5"), small_arrays())
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_reading_names_a_missing_truncated_foreign_or_incomplete_file(tmp_path):
    path = tmp_path / "x.h5"
    with pytest.raises(NetkinError, match=r"x\.h5: no such file"):
        read_arrays(path)
    write_arrays(path, small_arrays(), parameters={})
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(NetkinError, match=r"x\.h5: damaged, it has 2488 bytes"):
        read_arrays(path)
    with h5py.File(path, "w") as file:
        file["train/inputs"] = np.zeros((2, 2))
    with pytest.raises(NetkinError, match=r"x\.h5: not a file of this version of netkin"):
        read_arrays(path)
    with create(path, "network", parameters={}):
        pass
    with pytest.raises(NetkinError, match=r"x\.h5: .*layout is 'network/2'"):
        read_arrays(path)
    with create(path, "dataset", parameters={}):
        pass
    with pytest.raises(NetkinError, match=r"x\.h5: damaged"):
        read_arrays(path)


# --- stage ----------------------------------------------------------------------------


def test_prepare_stores_what_determines_the_content_and_not_the_folder(tmp_path):
    for folder in ("one", "two"):
        prepare_dataset(
            kind="digits",
            data_folder=str(tmp_path / folder),
            options={"split_seed": 1},
            dataset_path=str(tmp_path / f"{folder}.h5"),
        )
    expected = {"kind": "digits", "options": {"split_seed": 1, "test_share": 0.2}, "files": {}}
    assert read_parameters(tmp_path / "one.h5") == expected
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()
    assert_equal_arrays(read_arrays(tmp_path / "one.h5"), load_digits(HERE, split_seed=1))


def test_prepare_names_an_unknown_kind_and_the_close_one(tmp_path):
    with pytest.raises(NetkinError, match=r"'digit'.*Did you mean 'digits'\? Allowed: digits, "):
        prepare_dataset(
            kind="digit", data_folder=".", options={}, dataset_path=str(tmp_path / "x.h5")
        )


def test_prepare_writes_nothing_when_a_loader_gives_broken_arrays(tmp_path, monkeypatch):
    broken = small_arrays(test_rows=np.array([0, 6]))
    monkeypatch.setitem(DATASETS, "mine", lambda data_folder: broken)
    with pytest.raises(NetkinError, match=r"^mine: row 0"):
        prepare_dataset(
            kind="mine", data_folder=".", options={}, dataset_path=str(tmp_path / "x.h5")
        )
    assert list(tmp_path.iterdir()) == []


def test_stage_modules_import_without_heavy_packages():
    done = run_python(
        "import sys, netkin.dataset.prepare, netkin.network.train, netkin.network.file\n"
        "print(sorted({'torch', 'torchvision', 'sklearn', 'pandas'} & set(sys.modules)))"
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


# --- torchvision ----------------------------------------------------------------------


def test_torchvision_imports_beside_the_installed_torch():
    done = run_python(
        "from netkin.torchvision_compat import import_torchvision\n"
        "module = import_torchvision()\n"
        "assert import_torchvision() is module\n"
        "print(len(module.datasets.MNIST.resources))"
    )
    assert (done.returncode, done.stdout.strip()) == (0, "4"), done.stderr


def test_torchvision_schemas_that_exist_are_not_defined_again():
    done = run_python(
        "import torch\n"
        "library = torch.library.Library('torchvision', 'FRAGMENT')\n"
        "for name in ('nms', 'qnms'):\n"
        "    if not hasattr(torch.ops.torchvision, name):\n"
        "        library.define(name + '(Tensor a, Tensor b, float c) -> Tensor')\n"
        "from netkin import torchvision_compat\n"
        "torchvision_compat.import_torchvision()\n"
        "print(torchvision_compat._libraries)"
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


# --- MNIST ----------------------------------------------------------------------------

N_TINY = {"train": 20, "t10k": 10}


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Give IDX files of 2 x 3 pixels and patch the lists of checksums to them."""
    rng = np.random.default_rng(1)
    images, labels, contents = {}, {}, {}
    for prefix, n in N_TINY.items():
        images[prefix] = rng.integers(0, 256, (n, 2, 3), dtype=np.uint8)
        labels[prefix] = np.arange(n, dtype=np.uint8) % 10
        contents[f"{prefix}-images-idx3-ubyte"] = (
            struct.pack(">IIII", 0x803, n, 2, 3) + images[prefix].tobytes()
        )
        contents[f"{prefix}-labels-idx1-ubyte"] = (
            struct.pack(">II", 0x801, n) + labels[prefix].tobytes()
        )
    archives = {f"{name}.gz": gzip.compress(data, mtime=0) for name, data in contents.items()}

    def md5(data: bytes) -> str:
        return hashlib.md5(data).hexdigest()

    mnist = import_torchvision().datasets.MNIST
    monkeypatch.setattr(mnist, "resources", [(name, md5(data)) for name, data in archives.items()])
    monkeypatch.setattr(mnist, "mirrors", CLOSED)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(
        "netkin.dataset.mnist.CONTENT_MD5", {name: md5(data) for name, data in contents.items()}
    )
    raw = tmp_path / "data" / "MNIST" / "raw"

    def put(files: dict[str, bytes], folder: Path = raw) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)

    class Tiny:
        pass

    tiny = Tiny()
    tiny.folder, tiny.raw, tiny.put = tmp_path / "data", raw, put
    tiny.images, tiny.labels, tiny.contents, tiny.archives = images, labels, contents, archives
    return tiny


def assert_tiny(arrays: Arrays, tiny) -> None:
    arrays.validate("tiny")
    np.testing.assert_array_equal(
        arrays.train_inputs, tiny.images["train"].reshape(20, 6).astype(np.float32) / 255
    )
    np.testing.assert_array_equal(arrays.test_labels, tiny.labels["t10k"])
    np.testing.assert_array_equal(arrays.train_rows, np.arange(20))
    np.testing.assert_array_equal(arrays.test_rows, np.arange(20, 30))


@pytest.mark.parametrize("form", ["archives", "contents"])
def test_mnist_reads_archives_and_decompressed_files_and_leaves_the_folder_as_it_was(tiny, form):
    files = getattr(tiny, form)
    tiny.put(files)
    assert_tiny(load_mnist(tiny.folder), tiny)
    assert sorted(path.name for path in tiny.raw.iterdir()) == sorted(files)


@pytest.mark.parametrize("form", ["archives", "contents"])
@pytest.mark.parametrize("damage", ["truncated", "changed"])
def test_mnist_file_with_a_wrong_checksum_is_named(tiny, form, damage):
    files = getattr(tiny, form)
    name = next(name for name in files if name.startswith("t10k-images"))
    data = files[name]
    files[name] = data[:-1] if damage == "truncated" else data[:-1] + bytes([data[-1] ^ 1])
    tiny.put(files)
    with pytest.raises(NetkinError, match=rf"MNIST/raw/{name}: its md5 is [0-9a-f]+, but"):
        load_mnist(tiny.folder)


def test_mnist_offline_names_the_missing_files_and_the_folder_at_once(tiny):
    missing = "train-labels-idx1-ubyte.gz"
    tiny.put({name: data for name, data in tiny.archives.items() if name != missing})
    before = time.monotonic()
    with pytest.raises(NetkinError) as caught:
        load_mnist(tiny.folder)
    assert time.monotonic() - before < 5
    text = str(caught.value)
    assert text.startswith(f"{missing} missing in {tiny.raw} ")
    assert "'data_folder'" in text
    assert "train-images" not in text
    assert "\n" not in text
    assert len(list(tiny.raw.iterdir())) == 3


def test_mnist_folder_that_cannot_be_made_is_the_same_error(tiny, tmp_path):
    tiny.folder.write_text("a file where the folder should be")
    with pytest.raises(
        NetkinError, match=r"train-images-idx3-ubyte\.gz, .* missing in .*data_folder"
    ):
        load_mnist(tiny.folder)


@pytest.fixture
def mirror(tiny, tmp_path, monkeypatch):
    """Serve a folder as the second mirror, after one that does not answer."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    folder = tmp_path / "mirror"
    folder.mkdir()
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        mnist = import_torchvision().datasets.MNIST
        url = f"http://127.0.0.1:{server.server_port}/"
        monkeypatch.setattr(mnist, "mirrors", [*CLOSED, url])
        yield folder
        server.shutdown()
        thread.join()


def test_mnist_downloads_what_is_missing(tiny, mirror):
    tiny.put(tiny.archives, mirror)
    assert_tiny(load_mnist(tiny.folder), tiny)
    assert {path.name: path.read_bytes() for path in tiny.raw.iterdir()} == tiny.archives


def test_mnist_download_with_a_wrong_checksum_leaves_no_file(tiny, mirror):
    tiny.put({name: data[:-1] for name, data in tiny.archives.items()}, mirror)
    with pytest.raises(NetkinError, match="not to be downloaded"):
        load_mnist(tiny.folder)
    assert list(tiny.raw.iterdir()) == []


def test_real_mnist_has_its_known_shape_and_content():
    folder = os.environ.get("NETKIN_DATA")
    if not folder:
        pytest.skip("set NETKIN_DATA to a folder that holds MNIST/raw")
    arrays = load_mnist(Path(folder))
    arrays.validate("mnist")
    assert arrays.train_inputs.shape == (60000, 784)
    assert arrays.test_inputs.shape == (10000, 784)
    assert (arrays.train_inputs.min(), arrays.train_inputs.max()) == (0, 1)
    assert arrays.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    # mean grey level of the training images, as widely published
    assert arrays.train_inputs.mean(dtype=np.float64) == pytest.approx(0.1307, abs=1e-4)
