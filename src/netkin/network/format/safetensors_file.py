"""Safetensors: named tensors, no wiring. Data only; no code is in such a file."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netkin.errors import NetkinError
from netkin.network.format.model import COUNTER, Floats, Model, Tensor, as_floats

MOST_HEADER = 100_000_000
"""Bytes of the names and shapes at most, as the format says."""
NUMPY = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
WHOLE = {"I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"}
NAMES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
NAMES |= {"F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2"}


def recognises(head: bytes, path: Path) -> bool:
    """Tell whether a file begins with a length and the JSON object of that length."""
    return 2 <= int.from_bytes(head[:8], "little") <= MOST_HEADER and head[8:9] == b"{"


@contextmanager
def opened(path: Path) -> Iterator[Model]:
    """Open a file; see `netkin.network.format.open_model`."""
    from safetensors import SafetensorError, safe_open

    try:
        # checks the header: sizes, gaps, overlaps, what lies beyond the file
        with safe_open(path, framework="numpy"):
            pass
    except SafetensorError as error:
        raise NetkinError(f"{path}: not a readable safetensors file ({error}).") from None
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header: dict[str, Any] = json.loads(file.read(length))
    header.pop("__metadata__", None)
    tensors, left_out = {}, {}
    for name, entry in header.items():
        kind = entry["dtype"]
        if kind in WHOLE:
            left_out[name] = COUNTER
        elif kind not in NAMES:
            left_out[name] = f"stored as {kind}, which netkin does not read"
        else:
            place = 8 + length + entry["data_offsets"][0]
            tensors[name] = _tensor(path, name, kind, tuple(entry["shape"]), place)
    yield Model(str(path), "safetensors", tensors, left_out)


def _tensor(path: Path, name: str, kind: str, shape: tuple[int, ...], place: int) -> Tensor:
    stored = np.dtype(NUMPY.get(kind, "<u2" if kind == "BF16" else "u1"))

    def read(rows: slice) -> Floats:
        if 0 in shape:
            return np.zeros(shape, np.float32)[rows]
        array = np.memmap(path, stored, mode="r", offset=place, shape=shape)[rows]
        return as_floats(_decoded(np.asarray(array), kind))

    return Tensor(name, shape, NAMES[kind], read)


def _decoded(array: NDArray[Any], kind: str) -> NDArray[Any]:
    if kind == "BF16":  # the upper half of a float32
        widened: NDArray[np.float32] = (array.astype(np.uint32) << 16).view(np.float32)
        return widened
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
