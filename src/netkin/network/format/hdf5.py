"""Other people's HDF5: only what is stored in the file itself is read, and no more than that."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from netkin.errors import NetkinError
from netkin.failure import is_of_content
from netkin.network.format.model import COUNTER, Floats, Tensor, as_floats, from_bfloat16

SIGNATURE = b"\x89HDF\r\n\x1a\n"
FACTOR, FLOOR = 100, 1 << 24
"""An array may unpack to `FACTOR` times what is stored of it and `FLOOR` bytes, at most."""
FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 4: "szip", 5: "nbit", 6: "scaleoffset"}
FILTERS |= {32000: "lzf"}
"""What h5py unpacks by itself; any other filter is a program that HDF5 would look for and load."""
MOST_TEXT = 1 << 26
"""Bytes of an attribute at most."""


class Stored(NamedTuple):
    """What is in a file.

    Attributes
    ----------
    groups : dict of str to h5py.Group
        By their paths; the root is "".
    datasets : dict of str to h5py.Dataset
        By their paths.
    """

    groups: dict[str, h5py.Group]
    datasets: dict[str, h5py.Dataset]


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what h5py says of a damaged file into a sentence."""
    try:
        yield
    except Exception as error:
        if isinstance(error, NetkinError) or not is_of_content(error):
            raise
        text = str(error).partition("\n")[0][:200] or type(error).__name__
        raise NetkinError(f"{path}: not a readable HDF5 file ({text}).") from None


def child(group: Any, name: str) -> Any:
    """Return a group or dataset that stands in a group itself; None for a link elsewhere."""
    if not isinstance(group, h5py.Group):
        return None
    link = group.get(name, getlink=True)
    return group[name] if isinstance(link, h5py.HardLink) else None


def stored_in(path: Path, file: h5py.File, size: int) -> Stored:
    """Return all that is in a file, after its links and the sizes that it declares were checked.

    Parameters
    ----------
    path : path
        How errors name the file.
    file : h5py.File
    size : int
        Its bytes.

    Raises
    ------
    NetkinError
        Something is or may be elsewhere (soft and external links, external storage, virtual
        datasets), stands under two names, or declares more than is stored.
    """
    found = Stored({"": file}, {})
    seen = {h5py.h5o.get_info(file.id).addr}
    waiting: list[tuple[str, h5py.Group]] = [("", file)]
    stored = 0
    while waiting:
        above, group = waiting.pop()
        for name in group:
            where = f"{above}/{name}" if above else name
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise NetkinError(
                    f"{path}: '{where}' is a link to elsewhere ({type(link).__name__}), which "
                    "netkin does not follow; copy what it stands for into the file (h5repack)."
                )
            entry = group[name]
            address = h5py.h5o.get_info(entry.id).addr
            if address in seen:
                raise NetkinError(f"{path}: '{where}' stands under a second name in the file.")
            seen.add(address)
            if isinstance(entry, h5py.Group):
                found.groups[where] = entry
                waiting.append((where, entry))
            elif isinstance(entry, h5py.Dataset):
                stored += _check(path, where, entry, size)
                found.datasets[where] = entry
    if stored > size:
        raise NetkinError(f"{path}: its arrays declare {stored:,} bytes; the file has {size:,}.")
    return found


def _check(path: Path, where: str, dataset: h5py.Dataset, size: int) -> int:
    """Return how many bytes are stored of a dataset, which may not declare more."""
    made = dataset.id.get_create_plist()
    layout = made.get_layout()
    if made.get_external_count() or layout not in (
        h5py.h5d.COMPACT,
        h5py.h5d.CONTIGUOUS,
        h5py.h5d.CHUNKED,
    ):
        raise NetkinError(
            f"{path}: '{where}' lies in another file (external or virtual), which netkin does not "
            "read; copy it into this one."
        )
    shape = dataset.shape
    itemsize = dataset.id.get_type().get_size()
    declared = math.prod(shape) * itemsize if shape is not None else 0
    if not declared:
        return 0
    stored = int(dataset.id.get_storage_size())
    if layout == h5py.h5d.CHUNKED:
        for index in range(made.get_nfilters()):
            number = made.get_filter(index)[0]
            if number not in FILTERS:
                raise NetkinError(
                    f"{path}: '{where}' is packed by the filter {number}, a program that netkin "
                    "does not load; save it unpacked (h5repack -f NONE)."
                )
        chunk = made.get_chunk()
        wanted = math.prod(-(-n // part) for n, part in zip(shape, chunk, strict=True))
        most = FACTOR * stored + FLOOR
        written = dataset.id.get_num_chunks() == wanted
        fits = declared <= most and math.prod(chunk) * itemsize <= most and stored <= size
    else:
        offset = dataset.id.get_offset() if layout == h5py.h5d.CONTIGUOUS else 0
        written = stored >= declared and offset is not None
        fits = written and offset + declared <= size
    if not (written and fits):
        raise NetkinError(
            f"{path}: '{where}' declares {declared:,} bytes, of which {stored:,} are stored in "
            f"this file of {size:,}."
        )
    return stored


def text_of(attributes: h5py.AttributeManager, name: str) -> str | None:
    """Return an attribute that is text; None where there is none."""
    found = texts_of(attributes, name)
    return found[0] if found else None


def texts_of(attributes: h5py.AttributeManager, name: str) -> list[str]:
    """Return an attribute that is text or a list of it; nothing where there is none."""
    if name not in attributes:
        return []
    identifier = attributes.get_id(name)
    shape = identifier.shape
    if h5py.check_string_dtype(identifier.dtype) is None or shape is None or 0 in shape:
        return []
    if identifier.get_storage_size() > MOST_TEXT:
        return []
    # what is no UTF-8 is kept as it is, so that no two names become one
    return [
        one.decode("utf-8", "surrogateescape") if isinstance(one, bytes) else str(one)
        for one in np.ravel(attributes[name]).tolist()
    ]


def tensor_of(path: Path, name: str, dataset: h5py.Dataset) -> Tensor | str:
    """Return a dataset as a tensor, or why it is none.

    Two opaque bytes are bfloat16, as Keras writes it.

    Parameters
    ----------
    path : Path
        The file, for errors of reading.
    name : str
        How the tensor is called.
    dataset : h5py.Dataset
        Of an open file, which must stay open while the tensor is read.
    """
    try:
        dtype = dataset.dtype
    except Exception as error:
        if not is_of_content(error):
            raise
        return "of a type that h5py does not read"
    bfloat16 = dtype.kind == "V" and dtype.itemsize == 2 and dtype.names is None
    if dataset.shape is None:
        return "empty"
    if dtype.kind in "iub":
        return COUNTER
    if not bfloat16 and not (dtype.kind == "f" and dtype.itemsize in (2, 4, 8)):
        return f"stored as {dtype}, which netkin does not read"

    def read(rows: slice) -> Floats:
        with readable(path):
            array = np.asarray(dataset[()] if dataset.shape == () else dataset[rows])
        if bfloat16:
            return from_bfloat16(np.frombuffer(array.tobytes(), "<u2").reshape(array.shape))
        return as_floats(array.astype(dtype.newbyteorder("="), copy=False))

    return Tensor(name, dataset.shape, "bfloat16" if bfloat16 else dtype.name, read)
