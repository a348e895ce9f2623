"""NumPy's ``.npz``: named arrays, no wiring."""

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netkin.errors import NetkinError
from netkin.failure import is_of_content
from netkin.network.format.hdf5 import FACTOR, FLOOR
from netkin.network.format.model import COUNTER, Floats, Model, Tensor, rows_of, unreadable


def recognises(head: bytes, path: Path) -> bool:
    """Tell whether a file is an archive of nothing but arrays."""
    if not head.startswith(b"PK") or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    return bool(names) and all(name.endswith(".npy") for name in names)


@contextmanager
def opened(path: Path) -> Iterator[Model]:
    """Open a file; see `netkin.network.format.open_model`."""
    tensors, left_out = {}, {}
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        declared, most = sum(one.file_size for one in entries), FACTOR * path.stat().st_size + FLOOR
        if declared > most:
            raise NetkinError(
                f"{path}: its arrays would take {declared:,} bytes unpacked, more than {FACTOR} "
                "times the file."
            )
        if len({one.filename for one in entries}) < len(entries):
            raise NetkinError(f"{path}: an array stands in it twice.")
        # the one that was read last, of which more rows will be wanted
        unpacked = lru_cache(maxsize=1)(partial(_unpacked, archive))
        for entry in entries:
            name = entry.filename.removesuffix(".npy")
            shape, dtype = _header(path, archive, entry)
            if dtype.hasobject:
                raise NetkinError(
                    f"{path}: '{name}' holds Python objects, and reading them would run what is in "
                    "them. Save the weights as arrays of numbers (numpy.savez)."
                )
            if dtype.kind in "iub":
                left_out[name] = COUNTER
            elif dtype.kind != "f" or dtype.itemsize > 8:
                left_out[name] = f"stored as {dtype}, which netkin does not read"
            else:
                tensors[name] = Tensor(name, shape, dtype.name, partial(_read, unpacked, entry))
        yield Model(str(path), "npz", tensors, left_out)


def _header(
    path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo
) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and type of an array, whose size must be that of the entry."""
    try:
        with archive.open(entry) as file:
            version = np.lib.format.read_magic(file)
            read = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, _, dtype = read(file)
            size = entry.file_size - file.tell()
    except Exception as error:  # of the header, which numpy parses as Python, of many kinds
        if not is_of_content(error):
            raise
        raise NetkinError(f"{path}: '{entry.filename}' {unreadable(error)}.") from None
    wanted = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if not dtype.hasobject and wanted != size:
        raise NetkinError(f"{path}: '{entry.filename}' declares {wanted:,} bytes and has {size:,}.")
    return shape, dtype


def _unpacked(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    with archive.open(name) as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _read(unpacked: Callable[[str], NDArray[Any]], entry: zipfile.ZipInfo, rows: slice) -> Floats:
    return rows_of(unpacked(entry.filename), rows)
