"""Safetensors: named tensors, no wiring. Data only; no code is in such a file."""

import json
import math
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netkin.errors import NetkinError, shown
from netkin.network.format.model import (
    COUNTER,
    Floats,
    Model,
    Tensor,
    as_floats,
    each_once,
    from_bfloat16,
)

MOST_HEADER = 100_000_000
"""Bytes of the names and shapes at most, as the format says."""
NUMPY = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
WHOLE = {"I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"}
NAMES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
BITS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16, "F8_E4M3": 8, "F8_E5M2": 8, "BOOL": 8}
BITS |= {kind: int(kind[1:]) for kind in WHOLE - {"BOOL"}}
NAMES |= {"F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2"}


def recognises(head: bytes, path: Path) -> bool:
    """Tell whether a file begins with a length and the JSON object of that length."""
    return 2 <= int.from_bytes(head[:8], "little") <= MOST_HEADER and head[8:9] == b"{"


@contextmanager
def opened(path: Path) -> Iterator[Model]:
    """Open a file; see `netkin.network.format.open_model`."""
    start, entries = _header(path)
    tensors, left_out = {}, {}
    for name, entry in entries.items():
        if entry.kind in WHOLE:
            left_out[name] = COUNTER
        elif entry.kind not in NAMES:
            left_out[name] = f"stored as {entry.kind}, which netkin does not read"
        else:
            tensors[name] = _tensor(path, name, entry.kind, entry.shape, start + entry.begin)
    yield Model(str(path), "safetensors", tensors, left_out)


class _Entry(NamedTuple):
    kind: str
    shape: tuple[int, ...]
    begin: int
    end: int


def _header(path: Path) -> tuple[int, dict[str, _Entry]]:
    """Return where the data begin and what each tensor is, by the rules of the format.

    Not by the library of the format, which refuses a file for one type that it does not know, and
    of a name that stands twice takes the last.
    """

    def refused(why: str) -> NetkinError:
        return NetkinError(f"{path}: not a readable safetensors file ({why}).")

    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(MOST_HEADER, size - 8):
            raise refused(f"its header has {length:,} bytes, the file {size:,}")
        try:
            header = json.loads(file.read(length).decode("utf-8"), object_pairs_hook=each_once)
        except (ValueError, RecursionError, NetkinError) as error:
            why = "nested too deep" if isinstance(error, RecursionError) else str(error)[:200]
            raise refused(f"its header: {why.rstrip('.')}") from None
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise refused("its '__metadata__' are not texts")
    entries = {}
    for name, entry in header.items():
        try:
            found = _Entry(entry["dtype"], tuple(entry["shape"]), *entry["data_offsets"])
        except (KeyError, TypeError):
            raise refused(f"{shown(name)} is no tensor") from None
        numbers = (*found.shape, found.begin, found.end)
        if not isinstance(found.kind, str) or not all(type(n) is int and n >= 0 for n in numbers):
            raise refused(f"{shown(name)} has a type, shape or place that is none")
        bits = BITS.get(found.kind)
        if bits is not None and math.prod(found.shape) * bits != 8 * (found.end - found.begin):
            raise refused(f"{shown(name)} has not as many bytes as its shape {found.shape}")
        entries[name] = found
    end = 0
    for name, found in sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end)):
        if found.begin != end or found.end < found.begin:
            raise refused(f"{shown(name)} overlaps others or leaves a gap")
        end = found.end
    if end != size - 8 - length:
        raise refused(f"its tensors have {end:,} bytes, the file {size - 8 - length:,} for them")
    return 8 + length, entries


def _tensor(path: Path, name: str, kind: str, shape: tuple[int, ...], place: int) -> Tensor:
    stored = np.dtype(NUMPY.get(kind, "<u2" if kind == "BF16" else "u1"))

    def read(rows: slice) -> Floats:
        if 0 in shape:
            return np.zeros(shape, np.float32)[rows]
        return as_floats(_decoded(_mapped(path, stored, place, shape, rows), kind))

    def read_bits(rows: slice) -> NDArray[np.uint16]:
        if 0 in shape:
            return np.zeros(shape, np.uint16)[rows]
        return _mapped(path, np.dtype("<u2"), place, shape, rows)

    return Tensor(
        name, shape, NAMES[kind], read, read_bits=read_bits if kind in ("F16", "BF16") else None
    )


def _mapped(
    path: Path, stored: np.dtype[Any], place: int, shape: tuple[int, ...], rows: Any
) -> NDArray[Any]:
    """Return a part of a tensor, mapped as long as it is used and no longer."""
    if not shape or not isinstance(rows, slice) or rows.step not in (None, 1):
        whole = np.memmap(path, stored, mode="r", offset=place, shape=shape or (1,))
        return np.asarray(whole[rows] if shape else whole.reshape(()))
    start, stop, _ = rows.indices(shape[0])
    if start >= stop:
        return np.zeros((0, *shape[1:]), stored)
    # numpy takes longer to begin a map than to read some rows
    row = math.prod(shape[1:])
    begin = place + start * row * stored.itemsize
    page = begin - begin % mmap.ALLOCATIONGRANULARITY
    size = (stop - start) * row
    with path.open("rb") as file:
        length = begin - page + size * stored.itemsize
        mapped = mmap.mmap(file.fileno(), length, offset=page, access=mmap.ACCESS_READ)
    return np.frombuffer(mapped, stored, size, begin - page).reshape(-1, *shape[1:])


def _decoded(array: NDArray[Any], kind: str) -> NDArray[Any]:
    if kind == "BF16":
        return from_bfloat16(array)
    if kind.startswith("F8"):
        decoded: NDArray[np.float32] = _float8(kind)[array]
        return decoded
    return array


def _float8(kind: str) -> NDArray[np.float32]:
    """Return the number that each byte stands for (Micikevicius et al. 2022, arXiv 2209.05433)."""
    mantissa = 3 if kind == "F8_E4M3" else 2
    bias = 7 if kind == "F8_E4M3" else 15
    byte = np.arange(256)
    exponent, fraction = (byte & 127) >> mantissa, byte & (2**mantissa - 1)
    share = fraction / 2**mantissa
    values = np.where(
        exponent == 0, share * 2.0 ** (1 - bias), (1 + share) * 2.0 ** (exponent - bias)
    )
    if kind == "F8_E4M3":
        values[byte & 127 == 127] = np.nan
    else:
        values[exponent == 31] = np.where(fraction == 0, np.inf, np.nan)[exponent == 31]
    table: NDArray[np.float32] = np.where(byte > 127, -values, values).astype(np.float32)
    return table
