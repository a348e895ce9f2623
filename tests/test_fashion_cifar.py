"""Fashion-MNIST, CIFAR-10, and the features of a frozen convolutional network."""

import functools
import gzip
import hashlib
import http.server
import logging
import lzma
import math
import os
import pickle
import socket
import tarfile
import threading
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch.nn import functional

from netkin.dataset import cifar10, features
from netkin.dataset.arrays import Arrays, read_arrays, write_arrays
from netkin.dataset.cifar10 import load_cifar10
from netkin.dataset.fashion_mnist import CONTENT_MD5, load_fashion_mnist
from netkin.dataset.features import extract_features, image_shape
from netkin.dataset.mnist import CONTENT_MD5 as MNIST_MD5
from netkin.errors import NetkinError
from netkin.network.file import HISTORY
from netkin.storage import read_attributes, read_parameters
from netkin.torchvision_compat import import_torchvision

N_RECORDS = 20
"""Records of a hand-made batch, in place of 10,000."""
ENDINGS = {"": bytes, ".xz": lzma.compress, ".gz": gzip.compress}


def real_data() -> Path:
    folder = os.environ.get("NETKIN_DATA")
    if not folder:
        pytest.skip("set NETKIN_DATA to a folder that holds the data files")
    return Path(folder)


# --- Fashion-MNIST --------------------------------------------------------------------


def test_fashion_mnist_has_checksums_of_its_own_for_the_same_files():
    assert set(CONTENT_MD5) == set(MNIST_MD5)
    assert not set(CONTENT_MD5.values()) & set(MNIST_MD5.values())


def test_fashion_mnist_offline_names_files_and_folder(tmp_path, monkeypatch):
    source = import_torchvision().datasets.FashionMNIST
    monkeypatch.setattr(source, "mirrors", ["http://127.0.0.1:9/"])
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(
        NetkinError, match=r"train-images-idx3-ubyte\.gz.* FashionMNIST/raw\.$"
    ) as caught:
        load_fashion_mnist(tmp_path)
    assert str(tmp_path / "FashionMNIST" / "raw") in str(caught.value)


def test_real_fashion_mnist_has_its_known_shape_and_content():
    arrays = load_fashion_mnist(real_data())
    arrays.validate("fashion_mnist")
    assert arrays.train_inputs.shape == (60000, 784)
    assert arrays.test_inputs.shape == (10000, 784)
    assert (arrays.train_inputs.min(), arrays.train_inputs.max()) == (0, 1)
    assert np.bincount(arrays.train_labels).tolist() == [6000] * 10
    assert np.bincount(arrays.test_labels).tolist() == [1000] * 10
    assert arrays.label_names[arrays.train_labels[0]] == "Ankle boot"
    # mean grey level of the training images, as widely published
    assert arrays.train_inputs.mean(dtype=np.float64) == pytest.approx(0.2860, abs=1e-4)


# --- CIFAR-10, binary version ---------------------------------------------------------


@pytest.fixture
def batches(tmp_path, monkeypatch):
    """Put six tiny binary files, known by their checksums, and return their contents."""
    rng = np.random.default_rng(2)
    names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
    contents = {}
    for name in names:
        records = rng.integers(0, 256, (N_RECORDS, 3073), dtype=np.uint8)
        records[:, 0] = np.arange(N_RECORDS) % 10
        contents[name] = records.tobytes()
    md5 = {name: hashlib.md5(data).hexdigest() for name, data in contents.items()}
    monkeypatch.setattr(cifar10, "BATCH_RECORDS", N_RECORDS)
    monkeypatch.setattr(cifar10, "BINARY_MD5", md5)
    put(tmp_path, contents)
    return contents


def put(folder: Path, contents: dict[str, bytes], ending: str = "") -> None:
    (folder / "cifar-10-batches-bin").mkdir(exist_ok=True)
    for name, data in contents.items():
        path = folder / "cifar-10-batches-bin" / f"{name}{ending}"
        path.write_bytes(ENDINGS[ending](data))


def remove(folder: Path, *names: str) -> None:
    for name in names:
        (folder / "cifar-10-batches-bin" / name).unlink()


def records_of(data: bytes) -> np.ndarray:
    return np.frombuffer(data, dtype=np.uint8).reshape(N_RECORDS, 3073)


def test_cifar10_gives_labels_planes_and_numbers_of_the_source(tmp_path, batches):
    arrays = load_cifar10(tmp_path)
    arrays.validate("cifar10")
    assert arrays.train_inputs.shape == (5 * N_RECORDS, 3072)
    first = records_of(batches["data_batch_2.bin"])[3]
    row = N_RECORDS + 3
    assert arrays.train_labels[row] == first[0]
    np.testing.assert_array_equal(arrays.train_inputs[row], first[1:] / np.float32(255))
    np.testing.assert_array_equal(arrays.train_rows, np.arange(5 * N_RECORDS))
    np.testing.assert_array_equal(
        arrays.test_inputs, records_of(batches["test_batch.bin"])[:, 1:] / np.float32(255)
    )
    np.testing.assert_array_equal(arrays.test_rows, np.arange(5 * N_RECORDS, 6 * N_RECORDS))
    assert arrays.label_names[3] == "cat"


@pytest.mark.parametrize("ending", [".xz", ".gz"])
def test_cifar10_reads_compressed_files_and_leaves_the_folder_as_it_was(tmp_path, batches, ending):
    plain = load_cifar10(tmp_path)
    remove(tmp_path, *batches)
    put(tmp_path, batches, ending)
    found = load_cifar10(tmp_path)
    np.testing.assert_array_equal(found.train_inputs, plain.train_inputs)
    np.testing.assert_array_equal(found.test_labels, plain.test_labels)
    names = sorted(path.name for path in (tmp_path / "cifar-10-batches-bin").iterdir())
    assert names == sorted(f"{name}{ending}" for name in batches)


def test_cifar10_takes_the_first_batches_and_keeps_the_numbers_of_the_test_rows(tmp_path, batches):
    remove(tmp_path, "data_batch_4.bin", "data_batch_5.bin")
    some, fewer = load_cifar10(tmp_path, batches=3), load_cifar10(tmp_path, batches=1)
    assert len(some.train_labels) == 3 * N_RECORDS
    np.testing.assert_array_equal(fewer.train_inputs, some.train_inputs[:N_RECORDS])
    np.testing.assert_array_equal(fewer.test_rows, some.test_rows)
    assert fewer.test_rows[0] == 5 * N_RECORDS


def test_cifar10_names_the_batches_that_are_missing(tmp_path, batches):
    remove(tmp_path, "data_batch_4.bin", "data_batch_5.bin")
    with pytest.raises(
        NetkinError, match=r"^data_batch_4\.bin, data_batch_5\.bin missing in .*'batches'"
    ):
        load_cifar10(tmp_path)
    remove(tmp_path, "test_batch.bin")
    with pytest.raises(NetkinError, match=r"^test_batch\.bin missing in .*cifar-10-batches-bin"):
        load_cifar10(tmp_path, batches=3)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("known", [True, False])
def test_cifar10_names_a_file_of_the_wrong_size(tmp_path, batches, ending, known):
    remove(tmp_path, *batches)
    put(tmp_path, {**batches, "data_batch_2.bin": batches["data_batch_2.bin"][:-1]}, ending)
    size = N_RECORDS * 3073
    with pytest.raises(
        NetkinError, match=rf"data_batch_2\.bin{ending}: it has {size - 1:,} bytes.* {size:,}"
    ):
        load_cifar10(tmp_path, unknown_checksums=known)
    put(tmp_path, {"data_batch_2.bin": batches["data_batch_2.bin"] + bytes(9)}, ending)
    with pytest.raises(NetkinError, match=rf"it has more than {size:,} bytes"):
        load_cifar10(tmp_path, unknown_checksums=known)


@pytest.mark.parametrize("ending", [".xz", ".gz"])
@pytest.mark.parametrize("damage", [lambda data: data[:-99], lambda data: b"no archive" + data])
def test_cifar10_names_an_archive_that_cannot_be_unpacked(tmp_path, batches, ending, damage):
    remove(tmp_path, *batches)
    put(tmp_path, batches, ending)
    path = tmp_path / "cifar-10-batches-bin" / f"test_batch.bin{ending}"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(NetkinError, match=rf"test_batch\.bin{ending}: truncated, damaged"):
        load_cifar10(tmp_path, unknown_checksums=True)


def test_cifar10_names_the_record_with_a_wrong_label(tmp_path, batches):
    data = bytearray(batches["data_batch_1.bin"])
    data[7 * 3073] = 10
    put(tmp_path, {"data_batch_1.bin": bytes(data)})
    with pytest.raises(
        NetkinError, match=r"data_batch_1\.bin: record 7 has the label 10; .* 0 to 9"
    ):
        load_cifar10(tmp_path, unknown_checksums=True)


def test_cifar10_takes_an_unknown_file_with_permission_only(tmp_path, batches, caplog):
    data = bytearray(batches["data_batch_1.bin"])
    data[5] ^= 1
    put(tmp_path, {"data_batch_1.bin": bytes(data)})
    with pytest.raises(NetkinError, match=r"data_batch_1\.bin: .* md5 .*'unknown_checksums'"):
        load_cifar10(tmp_path)
    with caplog.at_level(logging.WARNING):
        arrays = load_cifar10(tmp_path, unknown_checksums=True)
    assert arrays.train_inputs[0, 4] == np.float32(data[5]) / np.float32(255)
    (line,) = caplog.messages
    assert "data_batch_1.bin" in line
    assert "taken as it is" in line


def test_cifar10_without_a_class_is_not_a_data_set(tmp_path, batches):
    no_class = {}
    for name, data in batches.items():
        records = records_of(data).copy()
        records[:, 0] %= 9
        no_class[name] = records.tobytes()
    put(tmp_path, no_class)
    with pytest.raises(NetkinError, match="no training row has the label 'truck'"):
        load_cifar10(tmp_path, unknown_checksums=True).validate("cifar10")


def test_real_cifar10_has_its_known_shape_and_content():
    folder = real_data()
    with pytest.raises(NetkinError, match="unknown_checksums"):  # some images are not lossless
        load_cifar10(folder, batches=1)
    arrays = load_cifar10(folder, batches=1, unknown_checksums=True)
    arrays.validate("cifar10")
    assert arrays.train_inputs.shape == (10000, 3072)
    assert arrays.test_inputs.shape == (10000, 3072)
    assert np.bincount(arrays.test_labels).tolist() == [1000] * 10
    # the first images of the published files
    names = [arrays.label_names[label] for label in arrays.train_labels[:4]]
    assert names == ["frog", "truck", "truck", "deer"]
    means = arrays.train_inputs.reshape(-1, 3, 1024).mean(axis=(0, 2), dtype=np.float64)
    # of all 50,000 images, as widely published: red, green, blue
    np.testing.assert_allclose(means, [0.4914, 0.4822, 0.4465], atol=5e-3)


# --- CIFAR-10, Python version ---------------------------------------------------------


@pytest.fixture
def python_version(tmp_path, monkeypatch, batches):
    """Patch torchvision's lists to tiny files; give a function that writes them."""
    remove(tmp_path, *batches)
    files = {}
    for name, data in batches.items():
        records = records_of(data)
        entry = {"data": records[:, 1:].copy(), "labels": records[:, 0].tolist()}
        files[name.removesuffix(".bin")] = pickle.dumps(entry)
    files["batches.meta"] = pickle.dumps({"label_names": list(cifar10.LABEL_NAMES)})
    md5 = {name: hashlib.md5(data).hexdigest() for name, data in files.items()}
    source = import_torchvision().datasets.CIFAR10
    lists = [[name, md5[name]] for name in files if name != "batches.meta"]
    monkeypatch.setattr(source, "train_list", lists[:5])
    monkeypatch.setattr(source, "test_list", lists[5:])
    monkeypatch.setattr(source, "meta", {**source.meta, "md5": md5["batches.meta"]})
    monkeypatch.setattr(source, "url", "http://127.0.0.1:9/cifar-10-python.tar.gz")
    monkeypatch.setenv("no_proxy", "*")

    def write(folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)

    return write


def test_cifar10_reads_the_python_version_to_the_same_arrays(tmp_path, batches, python_version):
    python_version(tmp_path / "cifar-10-batches-py")
    found = load_cifar10(tmp_path, batches=2)
    put(tmp_path, batches)
    expected = load_cifar10(tmp_path, batches=2)
    for part in ("train", "test"):
        for what in ("inputs", "labels", "rows"):
            one, other = (getattr(arrays, f"{part}_{what}") for arrays in (found, expected))
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)
    assert found.label_names == expected.label_names


@pytest.fixture
def server(tmp_path):
    """Serve the folder "server" and give its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path / "server"))
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


# torchvision unpacks archives in the way of Python before 3.12
@pytest.mark.filterwarnings("ignore:Python 3.14 will, by default, filter:DeprecationWarning")
def test_cifar10_downloads_when_nothing_is_there(tmp_path, monkeypatch, python_version, server):
    python_version(tmp_path / "server" / "cifar-10-batches-py")
    archive = tmp_path / "server" / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(tmp_path / "server" / "cifar-10-batches-py", arcname="cifar-10-batches-py")
    source = import_torchvision().datasets.CIFAR10
    monkeypatch.setattr(source, "url", f"{server}/{archive.name}")
    monkeypatch.setattr(source, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    timeout = socket.getdefaulttimeout()
    arrays = load_cifar10(tmp_path / "data")
    assert len(arrays.train_labels) == 5 * N_RECORDS
    assert socket.getdefaulttimeout() == timeout
    monkeypatch.setattr(source, "tgz_md5", "0" * 32)
    with pytest.raises(NetkinError, match=r"not to be downloaded"):
        load_cifar10(tmp_path / "other")


def test_cifar10_offline_names_files_folders_and_key(tmp_path, python_version):
    with pytest.raises(NetkinError) as caught:
        load_cifar10(tmp_path)
    text = str(caught.value)
    for part in ("data_batch_1.bin", "cifar-10-batches-bin", "cifar-10-batches-py"):
        assert part in text
    assert str(tmp_path) in text
    assert "'data_folder'" in text
    assert "\n" not in text


def test_cifar10_damaged_python_version_is_not_unpickled(tmp_path, python_version):
    folder = tmp_path / "cifar-10-batches-py"
    python_version(folder)
    (folder / "data_batch_3").write_bytes((folder / "data_batch_3").read_bytes()[:-1])
    with pytest.raises(NetkinError, match=r"missing or damaged in .*cifar-10-batches-py"):
        load_cifar10(tmp_path)


def test_cifar10_unwritable_folder_is_the_same_error(tmp_path, python_version):
    (tmp_path / "file").write_text("a file where the folder should be")
    with pytest.raises(NetkinError, match=r"not to be downloaded"):
        load_cifar10(tmp_path / "file")


# --- features -------------------------------------------------------------------------

SETTINGS = {
    "device": "cpu",
    "threads": 1,
    "dataset": "toy",
    "epochs": 1,
    "batch_size": 8,
    "dropout": 0.2,
    "learning_rate": 1e-3,
    "rho": 0.9,
    "epsilon": 1e-7,
    "validation_share": 0.1,
}
N_TRAIN, N_TEST = 20, 7


@pytest.fixture(autouse=True)
def _threads_given_back():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def toy_images(n_inputs: int = 64, n_train: int = N_TRAIN) -> Arrays:
    rng = np.random.default_rng(6)
    return Arrays(
        train_inputs=rng.random((n_train, n_inputs), dtype=np.float32),
        train_labels=np.arange(n_train) % 3,
        train_rows=np.arange(n_train)[::-1].copy(),
        test_inputs=rng.random((N_TEST, n_inputs), dtype=np.float32),
        test_labels=np.arange(N_TEST) % 2,
        test_rows=np.arange(100, 100 + N_TEST),
        label_names=("a", "b", "c"),
    )


@pytest.fixture
def extract(tmp_path):
    """Give a function that extracts the features of images and returns the file's path."""
    count = 0

    def run(images: Arrays | None = None, **changes) -> Path:
        nonlocal count
        count += 1
        path = tmp_path / f"{count}.h5"
        images_path = tmp_path / f"{count}.images.h5"
        write_arrays(images_path, images or toy_images(), parameters={"kind": "toy"})
        extract_features(images_path=str(images_path), dataset_path=str(path), **SETTINGS | changes)
        return path

    return run


def layers_of(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    with h5py.File(path) as file:
        layers = file["extractor/layers"]
        return [(layers[f"{i}/weight"][:], layers[f"{i}/bias"][:]) for i in range(len(layers))]


def features_by_hand(path: Path, inputs: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    values = torch.from_numpy(inputs).reshape(-1, *shape)
    for index, (weight, bias) in enumerate(layers_of(path)[:6]):
        values = torch.relu(
            functional.conv2d(values, torch.from_numpy(weight), torch.from_numpy(bias), padding=1)
        )
        if index % 2:
            values = functional.max_pool2d(values, 2)
    return values.flatten(1).numpy()


@pytest.mark.parametrize(
    ("n_inputs", "shape", "n_features"),
    [(784, (1, 28, 28), 1152), (3072, (3, 32, 32), 2048), (64, (1, 8, 8), 128)],
)
def test_features_are_those_of_the_stored_convolutions(extract, n_inputs, shape, n_features):
    images = toy_images(n_inputs)
    path = extract(images)
    found = read_arrays(path)
    assert found.train_inputs.shape == (N_TRAIN, n_features)
    assert found.test_inputs.shape == (N_TEST, n_features)
    for part in ("train", "test"):
        np.testing.assert_allclose(
            getattr(found, f"{part}_inputs"),
            features_by_hand(path, getattr(images, f"{part}_inputs"), shape),
            atol=1e-5,
        )
    shapes = [weight.shape for weight, _ in layers_of(path)]
    planes = shape[0]
    assert shapes[:6] == [
        (n_out, n_in, 3, 3)
        for n_in, n_out in ((planes, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 128))
    ]
    assert shapes[6:] == [(128, n_features), (64, 128), (3, 64)]


def test_labels_rows_and_names_are_carried_over(extract):
    images, found = toy_images(), read_arrays(extract())
    for name in ("train_labels", "train_rows", "test_labels", "test_rows"):
        np.testing.assert_array_equal(getattr(found, name), getattr(images, name))
    assert found.label_names == images.label_names


def test_same_seed_gives_the_same_file_and_another_name_other_features(extract):
    torch.manual_seed(1)
    first = extract()
    torch.manual_seed(2)
    state = torch.random.get_rng_state()
    again = extract()
    assert torch.equal(torch.random.get_rng_state(), state)
    assert first.read_bytes() == again.read_bytes()
    other = read_arrays(extract(dataset="other"))
    assert (read_arrays(first).train_inputs != other.train_inputs).any()


def test_held_out_and_test_images_are_not_trained_on(extract):
    plain, poisoned, trained = toy_images(), toy_images(), toy_images()
    poisoned.train_inputs[18:] = 100
    poisoned.test_inputs[:] = 100
    trained.train_inputs[17] = 100
    weights = [
        np.concatenate([w.ravel() for w, _ in layers_of(extract(x))])
        for x in (plain, poisoned, trained)
    ]
    np.testing.assert_array_equal(weights[0], weights[1])
    assert (weights[0] != weights[2]).any()


def test_convolutions_and_head_are_trained(extract):
    with_steps, without = layers_of(extract()), layers_of(extract(learning_rate=1e-30))
    for (weight, _), (initial, zeros) in zip(with_steps, without, strict=True):
        assert (weight != initial).any()
        assert np.abs(zeros).max() < 1e-20
        bound = math.sqrt(6 / (math.prod(initial.shape[2:]) * sum(initial.shape[:2])))
        assert 0.9 * bound < np.abs(initial).max() <= bound * (1 + 1e-6)


def test_file_says_what_made_it_and_how_good_the_extractor_is(extract, tmp_path):
    path = extract(epochs=2, code="a" * 16)
    expected = SETTINGS | {"epochs": 2}
    assert read_parameters(path) == expected
    with h5py.File(path) as file:
        found = dict(file["extractor"].attrs)
    assert set(found) == {*HISTORY, "test_accuracy"}
    assert all(found[name].shape == (2,) for name in HISTORY)
    assert 0 <= found["test_accuracy"] <= 1
    attributes = read_attributes(path)
    assert attributes["code"] == "a" * 16
    # other images are another lineage
    images = tmp_path / "1.images.h5"
    write_arrays(images, toy_images(), parameters={"kind": "other"})
    extract_features(
        images_path=str(images), dataset_path=str(path), code="a" * 16, **SETTINGS | {"epochs": 2}
    )
    assert read_attributes(path)["lineage"] != attributes["lineage"]


def test_more_images_than_are_taken_at_once_and_one_line_an_epoch(extract, monkeypatch, caplog):
    whole = read_arrays(extract())
    monkeypatch.setattr(features, "CHUNK_ROWS", 6)
    with caplog.at_level(logging.INFO, logger="netkin.dataset.features"):
        parts = read_arrays(extract(epochs=1))
    np.testing.assert_allclose(parts.train_inputs, whole.train_inputs, atol=1e-6)
    assert [line for line in caplog.messages if line.startswith("epoch 1/1 loss ")]


def test_diverged_extractor_is_one_named_error_and_leaves_no_file(extract, tmp_path):
    with pytest.raises(NetkinError, match=r"'toy', extractor: .*epoch 1 of 1 .*learning_rate"):
        extract(learning_rate=1e30)
    assert not (tmp_path / "1.h5").exists()


def test_rows_that_are_no_images_are_refused(extract):
    assert image_shape(3 * 8 * 8, "x") == (3, 8, 8)
    for n_inputs in (10, 49, 3 * 49, 65):
        with pytest.raises(NetkinError, match=rf"^x: rows of {n_inputs} values are no images"):
            image_shape(n_inputs, "x")
    with pytest.raises(NetkinError, match=r"'toy', extractor: rows of 10 values"):
        extract(toy_images(10))


def test_validation_share_and_device_that_cannot_be_are_refused(extract, monkeypatch):
    with pytest.raises(NetkinError, match=r"extractor: validation_share 0\.99 leaves none of 20"):
        extract(validation_share=0.99)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(NetkinError, match=r"device: 'cuda' was asked for"):
        extract(device="cuda")


# --- workflow -------------------------------------------------------------------------


@pytest.mark.workflow
def test_features_are_a_job_of_each_data_set_with_an_extractor(fresh):
    fresh.set("study.datasets", ["digits", "fashion_mnist", "cifar10"])
    fresh.set("study.variants", ["width_8"])
    planned = fresh.planned()
    assert planned["extract_features"] == 2
    assert planned["prepare_dataset"] == 3
    assert planned["train_network"] == 3
    fresh.set("dataset.cifar10.extractor", None)
    assert fresh.planned()["extract_features"] == 1
    fresh.set("study.datasets", ["digits"])
    assert "extract_features" not in fresh.planned()


@pytest.mark.workflow
def test_features_take_the_place_of_the_pixels(fresh):
    fresh.set("dataset.digits.extractor", {"epochs": 1, "batch_size": 128})
    fresh.set("study.variants", ["width_8", "labels_2"])
    fresh.set("distance.measures", ["norm_1"])
    targets = ("results/distance/digits/norm_1.h5", "results/table/costs.csv")
    fresh.run(*targets)
    folder = fresh.folder / "results"
    images = read_arrays(folder / "dataset/digits.images.h5")
    found = read_arrays(folder / "dataset/digits.h5")
    assert images.train_inputs.shape == (1437, 64)
    assert found.train_inputs.shape == (1437, 128)
    with h5py.File(folder / "network/digits/width_8/seed_0.h5") as file:
        assert file["layers/0/weight"].shape == (8, 128)
    assert "epoch 1/1" in (fresh.folder / "logs/extract_features/digits.log").read_text()
    table = next(folder.glob("table/**/costs.csv")).read_text()
    assert "extract_features" in table
    assert fresh.planned(*targets) == {}
    fresh.set("dataset.digits.extractor", {"epochs": 2, "batch_size": 128})
    planned = fresh.planned(*targets)
    assert (planned["extract_features"], planned["train_network"]) == (1, 2)
    assert "prepare_dataset" not in planned
