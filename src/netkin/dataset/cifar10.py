"""CIFAR-10: colour photographs of 32 x 32 pixels (Krizhevsky 2009)."""

import gzip
import hashlib
import http.client
import logging
import lzma
import socket
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from netkin.dataset.arrays import Arrays
from netkin.dataset.idx import TIMEOUT_SECONDS
from netkin.dataset.source import find, reading
from netkin.errors import NetkinError
from netkin.torchvision_compat import import_torchvision

logger = logging.getLogger(__name__)

LABEL_NAMES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
N_BATCHES = 5
BATCH_RECORDS = 10_000
N_PIXELS = 3 * 32 * 32

# of the files in cifar-10-binary.tar.gz (md5 c32a1d4ab5d03f1284b67883e8d87530), as several
# public projects list them; torchvision lists those of the Python version only
BINARY_MD5 = {
    "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
    "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
    "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
    "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
    "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
    "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
}
OTHERWISE = (
    "truncated, damaged or not what its name says",
    "Put the published file there.",
)
OPENERS: dict[str, Any] = {"": open, ".xz": lzma.open, ".gz": gzip.open}
"""Ending added to the name of a binary file -> what reads it."""


def load_cifar10(
    data_folder: Path,
    *,
    batches: Annotated[int, Ge(1), Le(N_BATCHES)] = N_BATCHES,
    unknown_checksums: bool = False,
) -> Arrays:
    """Load CIFAR-10: up to 50,000 training and 10,000 test images in 10 classes.

    Parameters
    ----------
    data_folder : Path
        Folder that holds ``cifar-10-batches-bin``, the published binary version, each
        file as it is or compressed (``data_batch_1.bin``, ``.bin.xz`` or ``.bin.gz``);
        or else ``cifar-10-batches-py``, the Python version. When neither is there, the
        Python version is downloaded into it.
    batches : int
        Take the first so many of the five training batches only; of the binary version
        the others need not be there.
    unknown_checksums : bool
        Warn, instead of refusing, when a binary file of the right size and with right
        labels is not the published one.

    Returns
    -------
    Arrays
        3,072 pixels a row, levels 0 to 255 divided by 255: the red plane of 32 x 32
        pixels, row by row of the image, then the green, then the blue. Row numbers count
        through the five training batches, present or not, and then through the test
        batch, which begins at 50,000.

    Raises
    ------
    NetkinError
        When files are missing and cannot be downloaded, are damaged or of another
        format, or are not the published ones.
    """
    folder = data_folder / "cifar-10-batches-bin"
    found = _binary_files(folder, batches)
    paths = [path for path in found.values() if path is not None]
    if paths:
        missing = [name for name, path in found.items() if path is None]
        if missing:
            raise NetkinError(
                f"{', '.join(missing)} missing in {folder}, also with the endings .xz and .gz; "
                "put the files there, or lower the data set's option 'batches'."
            )
        parts = [_read_binary(path, unknown_checksums) for path in paths]
        train_labels, train_pixels = (
            np.concatenate(part) for part in zip(*parts[:-1], strict=True)
        )
        test_labels, test_pixels = parts[-1]
    else:
        source = _python_version(data_folder)
        train_labels, train_pixels = _read_python(source, data_folder, train=True)
        test_labels, test_pixels = _read_python(source, data_folder, train=False)
        n_train = batches * BATCH_RECORDS
        train_labels, train_pixels = train_labels[:n_train], train_pixels[:n_train]
    first_test_row = N_BATCHES * BATCH_RECORDS
    return Arrays(
        train_inputs=np.divide(train_pixels, 255, dtype=np.float32),
        train_labels=train_labels,
        train_rows=np.arange(len(train_labels)),
        test_inputs=np.divide(test_pixels, 255, dtype=np.float32),
        test_labels=test_labels,
        test_rows=np.arange(first_test_row, first_test_row + len(test_labels)),
        label_names=LABEL_NAMES,
    )


def files_of_cifar10(
    data_folder: Path, *, batches: int = N_BATCHES, unknown_checksums: bool = False
) -> list[Path]:
    """Return the files that no checksum fixes, as of `load_cifar10`."""
    if not unknown_checksums:
        return []
    found = _binary_files(data_folder / "cifar-10-batches-bin", batches)
    return [path for path in found.values() if path is not None]


def _binary_files(folder: Path, batches: int) -> dict[str, Path | None]:
    names = [f"data_batch_{number}.bin" for number in range(1, batches + 1)]
    return {name: _present(folder, name) for name in (*names, "test_batch.bin")}


def _present(folder: Path, name: str) -> Path | None:
    """Return the binary file, plain or compressed; None where it is not."""
    return find([folder / f"{name}{ending}" for ending in OPENERS])


def _read_binary(
    path: Path, unknown_checksums: bool
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Read and check one batch: labels (n,) and pixels (n, 3072)."""
    ending = path.suffix if path.suffix in OPENERS else ""
    name = path.name.removesuffix(ending)
    size = BATCH_RECORDS * (1 + N_PIXELS)
    with reading(path, *OTHERWISE), OPENERS[ending](path, "rb") as file:
        data = file.read(size + 1)  # no more, however much a foreign archive unpacks to
    if len(data) != size:
        found = f"{len(data):,}" if len(data) < size else f"more than {size:,}"
        raise NetkinError(
            f"{path}: it has {found} bytes, but a batch has {size:,}: {BATCH_RECORDS:,} records "
            f"of a label byte and {N_PIXELS:,} pixels; it is truncated or of another format."
        )
    records = np.frombuffer(data, dtype=np.uint8).reshape(BATCH_RECORDS, 1 + N_PIXELS)
    labels = records[:, 0].astype(np.int64)
    wrong = np.flatnonzero(labels >= len(LABEL_NAMES))
    if wrong.size:
        raise NetkinError(
            f"{path}: record {wrong[0]} has the label {labels[wrong[0]]}; allowed are 0 to "
            f"{len(LABEL_NAMES) - 1}. The file is damaged or of another format."
        )
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if md5 != BINARY_MD5[name]:
        text = f"{path}: its content has the md5 {md5}, but the published file {BINARY_MD5[name]}"
        if not unknown_checksums:
            raise NetkinError(
                f"{text}; put the published file there, or set the data set's option "
                "'unknown_checksums' to true to take this one as it is."
            )
        logger.warning("%s; it is taken as it is, since unknown_checksums is true", text)
    return labels, records[:, 1:]


def _python_version(data_folder: Path) -> Any:
    """Return torchvision's class, after downloading its files where they are not there."""
    source = import_torchvision().datasets.CIFAR10
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_SECONDS)
    try:
        source(str(data_folder), train=False, download=True)  # nothing where md5s are right
    except (OSError, RuntimeError, EOFError, http.client.HTTPException) as error:
        raise NetkinError(
            f"data_batch_1.bin, ..., test_batch.bin missing in "
            f"{data_folder / 'cifar-10-batches-bin'}, data_batch_1, ..., test_batch missing or "
            f"damaged in {data_folder / source.base_folder}, and {source.url} not to be "
            f"downloaded ({error}). Put the files of either there, or set the config key "
            "'data_folder' to the folder that holds one of the two folders."
        ) from None
    finally:
        socket.setdefaulttimeout(timeout)
    return source


def _read_python(
    source: Any, data_folder: Path, *, train: bool
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Read one part of the Python version, whose md5s torchvision checks before it reads."""
    part = source(str(data_folder), train=train)
    planes = part.data.transpose(0, 3, 1, 2)  # torchvision puts the colours last
    return np.array(part.targets, dtype=np.int64), planes.reshape(len(planes), N_PIXELS)
