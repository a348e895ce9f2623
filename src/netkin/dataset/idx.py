"""Data sets in four IDX files, as torchvision knows them (MNIST and its relatives)."""

import hashlib
import http.client
import logging
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from netkin.dataset.arrays import Arrays
from netkin.dataset.source import find
from netkin.errors import NetkinError
from netkin.torchvision_compat import import_torchvision

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 20.0
"""Longest wait for an answer of a server, so that a run without network ends soon."""


def load_idx(class_name: str, data_folder: Path, content_md5: Mapping[str, str]) -> Arrays:
    """Read, and where absent download, a data set of four IDX files.

    Parameters
    ----------
    class_name : str
        Class in torchvision.datasets that lists the files, their md5, their mirrors and
        the names of the labels; also the name of the folder below `data_folder`.
    data_folder : Path
        Folder with ``<class_name>/raw/train-images-idx3-ubyte.gz`` and so on, each file
        as the published archive or decompressed. Written to only for a download.
    content_md5 : mapping of str to str
        md5 of each decompressed file. torchvision lists those of the archives only.

    Returns
    -------
    Arrays
        Pixels / 255, in [0, 1], the image flattened row by row. Row numbers count
        through the training file and then on through the test file.

    Raises
    ------
    NetkinError
        When files are missing and cannot be downloaded, or have a wrong checksum.
    """
    datasets = import_torchvision().datasets
    source = getattr(datasets, class_name)
    folder = data_folder / class_name / "raw"
    archive_md5 = dict(source.resources)
    missing = [name for name in archive_md5 if _present(folder, name) is None]
    if missing:
        _download(datasets, source, folder, missing)

    def read(name: str, reader: Any) -> Any:
        path = _present(folder, name)
        assert path is not None
        _check(path, archive_md5[name] if path.suffix == ".gz" else content_md5[path.name])
        with _decompressed(datasets, path) as plain:
            return reader(str(plain)).numpy()

    parts = {}
    first_row = 0
    for part, prefix in (("train", "train"), ("test", "t10k")):
        images = read(f"{prefix}-images-idx3-ubyte.gz", datasets.mnist.read_image_file)
        labels = read(f"{prefix}-labels-idx1-ubyte.gz", datasets.mnist.read_label_file)
        parts[f"{part}_inputs"] = images.reshape(len(images), -1) / np.float32(255)
        parts[f"{part}_labels"] = labels
        parts[f"{part}_rows"] = np.arange(first_row, first_row + len(labels))
        first_row += len(labels)
    return Arrays(**parts, label_names=tuple(source.classes))


def _present(folder: Path, archive: str) -> Path | None:
    """Return the archive or, where only that is there, the decompressed file."""
    return find([folder / archive, folder / archive.removesuffix(".gz")])


def _check(path: Path, expected: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != expected:
        raise NetkinError(
            f"{path}: its md5 is {found}, but that of the published file is {expected}; the file "
            "is truncated or another one. Delete it to have it downloaded again."
        )


@contextmanager
def _decompressed(datasets: Any, path: Path) -> Iterator[Path]:
    """Give the IDX file itself; an archive is unpacked elsewhere, its folder may be read-only."""
    if path.suffix != ".gz":
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="netkin-") as folder:
        yield Path(datasets.utils.extract_archive(str(path), folder))


def _download(datasets: Any, source: Any, folder: Path, missing: list[str]) -> None:
    """Fetch the missing archives; each appears in `folder` only when its md5 is right."""
    archive_md5 = dict(source.resources)
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_SECONDS)
    failures: list[str] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as temporary:
            for name in missing:
                failures = []
                for mirror in source.mirrors:
                    logger.info("downloading %s%s", mirror, name)
                    try:
                        datasets.utils.download_url(
                            mirror + name, temporary, filename=name, md5=archive_md5[name]
                        )
                    except (OSError, RuntimeError, http.client.HTTPException) as error:
                        failures.append(f"{mirror}: {error}")
                    else:
                        (Path(temporary) / name).replace(folder / name)
                        failures = []
                        break
                if failures:
                    break
    except OSError as error:  # the folder cannot be written
        failures = [str(error)]
    finally:
        socket.setdefaulttimeout(timeout)
    if failures:
        absent = [name for name in missing if _present(folder, name) is None]
        raise NetkinError(
            f"{', '.join(absent)} missing in {folder} and not to be downloaded "
            f"({'; '.join(failures)}). Put the files there, or set the config key 'data_folder' "
            f"to the folder that holds {source.__name__}/raw."
        )
