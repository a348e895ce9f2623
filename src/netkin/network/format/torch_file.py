"""What `torch.save` wrote: a state dict, or a checkpoint that holds one. Imports torch."""

import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netkin.errors import NetkinError
from netkin.failure import is_of_content
from netkin.network.format.model import COUNTER, STATISTICS, Floats, Model, Tensor
from netkin.network.format.names import AVERAGED, COPY

if TYPE_CHECKING:
    import torch

OLD = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How a file of torch before 1.6 begins: a pickle of its magic number."""
NAMES_OF_WEIGHTS = (
    *("state_dict", "model_state_dict", "model_state", "model", "net", "network", "module"),
    *("params", "weights", "generator"),
)
"""Under which names a checkpoint holds the weights of its network."""
SAFER = "Save the weights alone, torch.save(model.state_dict(), FILE), or as safetensors."


def recognises(head: bytes, path: Path) -> bool:
    """Tell whether torch wrote a file."""
    if head.startswith(OLD):
        return True
    if not head.startswith(b"PK") or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(re.fullmatch(r"[^/]+/(data|constants)\.pkl", n) for n in archive.namelist())


@contextmanager
def opened(path: Path) -> Iterator[Model]:
    """Open a file; see `netkin.network.format.open_model`."""
    loaded = _load(path)
    import torch

    tensors: dict[str, Tensor] = {}
    left_out: dict[str, str] = {}
    weights = _weights_of(path, loaded, left_out)
    seen: dict[tuple[Any, ...], str] = {}
    for name, value in weights.items():
        if value.layout != torch.strided or value.is_quantized:
            left_out[name] = "sparse or quantised, which netkin does not read"
        elif not value.is_floating_point():
            left_out[name] = COUNTER
        elif name.rpartition(".")[2] in STATISTICS:
            left_out[name] = "a statistic of the rows that were trained on"
        elif value.numel() * value.element_size() > path.stat().st_size:
            raise NetkinError(
                f"{path}: '{name}' declares {value.numel() * value.element_size():,} bytes; the "
                f"file has {path.stat().st_size:,}."
            )
        else:
            # views of one memory are no tied weights unless they are the same view
            place = value.data_ptr(), tuple(value.shape), value.stride(), value.dtype
            first = seen.setdefault(place, name) if value.numel() else name
            dtype = str(value.dtype).removeprefix("torch.")
            tensors[name] = Tensor(
                name, tuple(value.shape), dtype, _reader(value), first if first != name else ""
            )
    yield Model(str(path), "torch", tensors, left_out)


def _load(path: Path) -> Any:
    try:
        import torch
    except ImportError:
        raise NetkinError(
            f"{path}: a file of torch, which is not installed (pip install torch), or convert it "
            "to safetensors."
        ) from None
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(re.fullmatch(r"[^/]+/constants\.pkl", n) for n in archive.namelist()):
                raise NetkinError(
                    f"{path}: TorchScript, a program with its weights, of which netkin runs "
                    f"nothing. {SAFER}"
                )
            _check_archive(path, archive)
    else:
        _check_old(path)
    try:
        mapped = zipfile.is_zipfile(path)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:
        text = str(error)
        wanted = re.search(r"GLOBAL ([\w.]+)", text) or re.search(r"class '([\w.]+)'", text)
        if wanted:
            raise NetkinError(
                f"{path}: it asks to import {wanted[1]}, so it holds more than tensors, and "
                f"reading it would run what is in it. {SAFER}"
            ) from None
        if not is_of_content(error):
            raise
        first = text.partition("\n")[0][:200] or type(error).__name__
        raise NetkinError(f"{path}: not a readable file of torch ({first}).") from None


def _check_archive(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse an archive that unpacks to more than the file has; torch compresses nothing."""
    entries = archive.infolist()
    packed = [entry.filename for entry in entries if entry.compress_type != zipfile.ZIP_STORED]
    if packed:
        raise NetkinError(f"{path}: '{packed[0]}' in it is compressed, which is not of torch.")
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise NetkinError(f"{path}: its parts declare more bytes than the file has.")


class _Nothing:
    """Stands for whatever a pickle would make, and does nothing."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    __call__ = __setitem__ = __setstate__ = append = extend = __init__


class _Sizes(pickle._Unpickler):  # the one in C takes memory for a place in a list that is named
    """Reads what a pickle says of the sizes of arrays, and imports nothing."""

    def __init__(self, file: Any) -> None:
        super().__init__(file)
        self.numbers: dict[str, int] = {}

    def find_class(self, module: str, name: str) -> Any:
        return _Nothing

    def persistent_load(self, pid: Any) -> Any:
        if isinstance(pid, tuple) and len(pid) > 4 and isinstance(pid[4], int):
            self.numbers[str(pid[2])] = pid[4]
        return _Nothing()


def _check_old(path: Path) -> None:
    """Refuse a file before 1.6 that says that it has more numbers than bytes.

    torch takes memory for as many before it reads any.
    """
    with path.open("rb") as file:
        try:
            for _ in range(4):  # magic number, version, machine, and what was saved
                sizes = _Sizes(file)
                sizes.load()
        except Exception as error:
            if not is_of_content(error):
                raise
            first = str(error).partition("\n")[0][:200] or type(error).__name__
            raise NetkinError(f"{path}: not a readable file of torch ({first}).") from None
    if sum(sizes.numbers.values()) > path.stat().st_size:
        raise NetkinError(
            f"{path}: it declares {sum(sizes.numbers.values()):,} numbers; the file has "
            f"{path.stat().st_size:,} bytes."
        )


def _weights_of(path: Path, loaded: Any, left_out: dict[str, str]) -> "dict[str, torch.Tensor]":
    """Return the tensors of the network, and name what else there is."""
    import torch

    if isinstance(loaded, torch.Tensor):
        return {"weight": loaded}
    if not isinstance(loaded, Mapping):
        raise NetkinError(f"{path}: it holds {type(loaded).__name__}, no tensors by name. {SAFER}")
    tensors = {str(key): v for key, v in loaded.items() if isinstance(v, torch.Tensor)}
    nested = {
        str(key): value
        for key, value in loaded.items()
        if isinstance(value, Mapping) and _has_tensors(value)
    }
    chosen = next((name for name in NAMES_OF_WEIGHTS if name in nested), None)
    if chosen is not None:
        for key in loaded:
            if str(key) != chosen:
                left_out[str(key)] = (
                    COPY
                    if str(key) in nested and AVERAGED.fullmatch(str(key))
                    else f"not among the weights, which are under '{chosen}'"
                )
        return _weights_of(path, loaded[chosen], left_out)
    if not tensors:
        listed = ", ".join(map(repr, nested)) or "none"
        raise NetkinError(
            f"{path}: no tensors by name; groups of tensors: {listed}. netkin takes those called "
            f"{', '.join(NAMES_OF_WEIGHTS)}."
        )
    for key in loaded:
        if str(key) not in tensors:
            left_out[str(key)] = "no tensor"
    return tensors


def _has_tensors(value: Mapping[Any, Any]) -> bool:
    import torch

    return any(
        isinstance(part, torch.Tensor) or (isinstance(part, Mapping) and _has_tensors(part))
        for part in value.values()
    )


def _reader(value: "torch.Tensor") -> Any:
    import torch

    def read(rows: slice) -> Floats:
        part = value.detach()[rows] if value.ndim else value.detach()
        if part.dtype != torch.float64:
            part = part.to(torch.float32)
        array: Floats = part.resolve_neg().contiguous().numpy()
        return array

    return read
