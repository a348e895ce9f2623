"""The layers of a network read block by block, for networks larger than memory."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netkin.errors import NetkinError
from netkin.storage import open_layout


class Layer(NamedTuple):
    """One fully connected layer whose weights stay on disk.

    Attributes
    ----------
    weight : array-like of shape (n_out, n_in)
        Has a ``shape``; sliced by rows, ``weight[a:b]`` reads just these as a float array.
    bias : float array of shape (n_out,) or None
    """

    weight: Any
    bias: NDArray[np.floating[Any]] | None


class _Stored:
    """An array in a safetensors file, with the interface of other arrays."""

    def __init__(self, stored: Any) -> None:
        self._stored = stored
        self.shape = tuple(stored.get_shape())

    def __getitem__(self, rows: slice) -> NDArray[np.floating[Any]]:
        array: NDArray[np.floating[Any]] = self._stored[rows]
        return array


@contextmanager
def open_layers(path: str | Path) -> Iterator[list[Layer]]:
    """Open the layers of a feed-forward network, input side first.

    Parameters
    ----------
    path : path
        A network file of netkin (HDF5), or a safetensors file whose matrices are named
        ``….weight`` and vectors ``….bias``, in the order of the numbers in their names
        (as `torch.nn.Sequential` names them: ``0.weight``, ``0.bias``, ``3.weight``).

    Raises
    ------
    NetkinError
        The file cannot be read, has no layers, or its layers do not fit one another.
    """
    opened = _open_safetensors(path) if Path(path).suffix == ".safetensors" else _open_hdf5(path)
    with opened as layers:
        _check(path, layers)
        yield layers


@contextmanager
def _open_hdf5(path: str | Path) -> Iterator[list[Layer]]:
    with open_layout(path, "network", reading_only=False) as file:
        layers = []
        for index in range(len(file.get("layers", ()))):
            weight = file.get(f"layers/{index}/weight")
            bias = file.get(f"layers/{index}/bias")
            if weight is None or weight.dtype.kind != "f":
                raise NetkinError(f"{path}: layer {index} has no array of numbers 'weight'.")
            layers.append(Layer(weight, None if bias is None else bias[:]))
        yield layers


@contextmanager
def _open_safetensors(path: str | Path) -> Iterator[list[Layer]]:
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise NetkinError(f"{path}: no such file.")
    try:
        file = safe_open(path, framework="numpy")
    except SafetensorError as error:
        raise NetkinError(f"{path}: not a readable safetensors file ({error}).") from None
    with file as opened:
        stored: Any = opened  # the package has no types
        names = set(stored.keys())
        weights = sorted((n for n in names if n.endswith("weight")), key=_numbers)
        layers = []
        for name in weights:
            weight = stored.get_slice(name)
            if weight.get_dtype() not in ("F64", "F32", "F16"):
                raise NetkinError(
                    f"{path}: '{name}' is stored as {weight.get_dtype()}; allowed are F64, F32 and "
                    "F16. Convert it to float32."
                )
            bias_name = name.removesuffix("weight") + "bias"
            bias = stored.get_tensor(bias_name) if bias_name in names else None
            layers.append(Layer(_Stored(weight), bias))
        yield layers


def _numbers(name: str) -> list[tuple[int, str]]:
    """Return a sort key in which 10 follows 9."""
    parts = re.split(r"([0-9]+)", name)
    # digits compare as numbers do, however many there are
    numbers = [part.lstrip("0") for part in parts[1::2]]
    parts[1::2] = numbers
    return [(len(part) if place % 2 else -1, part) for place, part in enumerate(parts)]


def _check(path: str | Path, layers: list[Layer]) -> None:
    if not layers:
        raise NetkinError(f"{path}: no layers found; their names must end in 'weight'.")
    width = None
    for index, layer in enumerate(layers):
        where = f"{path}: layer {index}"
        shape = layer.weight.shape
        if len(shape) != 2 or 0 in shape:
            raise NetkinError(
                f"{where} has weights of shape {shape}; allowed is (n_out, n_in), not empty."
            )
        if width is not None and shape[1] != width:
            raise NetkinError(
                f"{where} takes {shape[1]} inputs, but the layer before it has {width} units."
            )
        if layer.bias is not None and layer.bias.shape != shape[:1]:
            raise NetkinError(f"{where} has {layer.bias.shape} biases for {shape[0]} units.")
        width = shape[0]
