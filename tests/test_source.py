"""What a user may put where a data file belongs: always one sentence, never a wait."""

import errno
import gzip
import os
import socket
from pathlib import Path

import pytest

from netkin.dataset.prepare import prepare_dataset
from netkin.dataset.source import KINDS, find, reading, user_folder
from netkin.errors import NetkinError
from netkin.failure import explain

FILES = {
    "language_identification": "language_identification/en.txt",
    "reuters": "reuters/reuters.npz",
    "cifar10": "cifar-10-batches-bin/data_batch_1.bin",
    "mnist": "MNIST/raw/train-images-idx3-ubyte.gz",
}
"""Kind -> the first of its files that is looked at."""
OPTIONS = {"language_identification": {"languages": ["en", "fr"]}}


def ended(folder, kind, **options):
    """Prepare a data set and return the sentence in which the job would end."""
    try:
        prepare_dataset(
            kind=kind,
            data_folder=str(folder),
            options=OPTIONS.get(kind, {}) | options,
            dataset_path=f"{folder}/new.h5",
        )
    except Exception as error:
        sentence = explain(error)
        assert sentence is not None, repr(error)
        assert "\n" not in sentence
        return sentence
    raise AssertionError("it was prepared")


def folder(path):
    path.mkdir()


def pipe(path):
    os.mkfifo(path)


def listening(path):
    here = Path.cwd()
    os.chdir(path.parent)  # the name of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


def device(path):
    path.symlink_to("/dev/zero")


def circle(path):
    path.symlink_to(path.name)


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize(
    ("put", "found"),
    [
        (folder, "this is a folder"),
        (pipe, "this is a pipe"),
        (listening, "this is a socket"),
        (device, "this is a device"),
        (circle, "symbolic links lead in a circle"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_no_file_is_named(tmp_path, kind, put, found):
    path = tmp_path / FILES[kind]
    path.parent.mkdir(parents=True)
    if kind == "language_identification":
        (path.parent / "fr.txt").write_text("un deux trois\n")
    put(path)
    sentence = ended(tmp_path, kind)
    assert str(path) in sentence
    assert found in sentence


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 1000, b"\xff\xfe\x00", gzip.compress(b"", mtime=0)]
)
def test_empty_and_foreign_files_are_named(tmp_path, kind, content):
    path = tmp_path / FILES[kind]
    path.parent.mkdir(parents=True)
    if kind == "language_identification":
        (path.parent / "fr.txt").write_text("un deux trois\n")
    if kind == "cifar10":
        (path.parent / "test_batch.bin").write_bytes(content)
    if kind == "mnist":
        for name in ("train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
            (path.parent / f"{name}-ubyte").write_bytes(content)
    path.write_bytes(content)
    sentence = ended(tmp_path, kind, **({"batches": 1} if kind == "cifar10" else {}))
    assert path.name in sentence


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (errno.EACCES, "permission denied; let the user of this run read"),
        (errno.EIO, "input/output error; the disk or the file server failed"),
        (errno.ESTALE, "stale file handle; the file server has lost it"),
    ],
)
@pytest.mark.parametrize("damage", ["not a readable tar archive", "truncated"])
def test_errors_of_the_system_are_not_read_as_damage(code, said, damage):
    path = Path("data/a.tar")
    with pytest.raises(OSError) as caught, reading(path, damage, "Put it there."):
        raise OSError(code, os.strerror(code), str(path))
    assert explain(caught.value).startswith(f"data/a.tar: {said}")


@pytest.mark.parametrize(
    "error",
    [gzip.BadGzipFile("no"), EOFError("end"), KeyError("y.npy"), IndexError(), MemoryError()],
)
def test_whatever_damaged_bytes_raise_is_damage(error):
    path = Path("data/a.tar")
    with (
        pytest.raises(NetkinError, match=r"^data/a\.tar: truncated \(.*\)\. Put it there\.$"),
        reading(path, "truncated", "Put it there."),
    ):
        raise error


def test_a_file_that_may_not_be_looked_at_is_named(monkeypatch):
    def refuse(path, **_):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(NetkinError, match=r"secret/en\.txt: permission denied; let"):
        find([Path("secret/en.txt")])


@pytest.mark.parametrize("kind", [kind for kind in FILES if kind != "mnist"])
def test_a_data_folder_that_is_none_is_one_sentence(tmp_path, kind):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / ("a" * 300), tmp_path / "absent"):
        if kind != "cifar10":  # would be downloaded into it
            ended(place, kind)
    assert "write the path out" in ended("~nosuchuser/x", kind)


def test_a_home_is_found(monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    assert user_folder("~/data") == Path("/somewhere/data")
    assert user_folder("data") == Path("data")


def test_a_short_text_is_told_what_it_lacks(tmp_path):
    texts = tmp_path / "language_identification"
    texts.mkdir()
    for name in ("en", "fr"):
        (texts / f"{name}.txt").write_text("ab " * 60)
    sentence = ended(tmp_path, "language_identification")
    assert "'en' gives 1" in sentence
    assert "at least 10 are needed: bring more text or set a smaller sample_length." in sentence
    assert "10 to 1" not in sentence
    assert "allowed is 10 to 19" in ended(tmp_path, "language_identification", sample_length=10)


def test_every_kind_of_file_has_a_name():
    assert all(name.split()[0] == "a" for name in KINDS.values())
