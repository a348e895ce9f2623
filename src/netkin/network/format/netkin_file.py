"""netkin's own file of a network, HDF5."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import h5py

from netkin.errors import NetkinError
from netkin.network.format.model import Floats, Layer, Model, Tensor, as_floats
from netkin.storage import open_layout


def recognises(head: bytes, path: Path) -> bool:
    """Tell whether a file begins with netkin's line; other HDF5 files are other people's."""
    return head.startswith(b"netkin length ")


@contextmanager
def opened(path: Path) -> Iterator[Model]:
    """Open a file; see `netkin.network.format.open_model`."""
    with open_layout(path, "network", reading_only=False) as file:
        tensors: dict[str, Tensor] = {}
        layers = []
        for index in range(len(file.get("layers", ()))):
            weight, bias = (file.get(f"layers/{index}/{part}") for part in ("weight", "bias"))
            if weight is None or weight.dtype.kind != "f":
                raise NetkinError(f"{path}: layer {index} has no array of numbers 'weight'.")
            for part, array in (("weight", weight), ("bias", bias)):
                if array is not None:
                    name = f"layers/{index}/{part}"
                    read = partial(_read, array)
                    tensors[name] = Tensor(name, array.shape, str(array.dtype), read)
            weight, bias = f"layers/{index}/weight", f"layers/{index}/bias"
            made_of = (weight, bias) if bias in tensors else (weight,)
            layers.append(
                Layer(tensors[weight], tensors[bias][:] if bias in tensors else None, made_of)
            )
        yield Model(str(path), "netkin", tensors, chain=layers)


def _read(array: h5py.Dataset, rows: slice) -> Floats:
    return as_floats(array[rows])
