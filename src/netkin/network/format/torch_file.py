"""What `torch.save` wrote: a state dict, or a checkpoint that holds one. Imports torch."""

import io
import os
import pickle
import re
import struct
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from netkin.errors import Lacking, NetkinError, listed, shown
from netkin.failure import is_of_content
from netkin.network.format.model import (
    COPY,
    COUNTER,
    STATISTIC,
    STATISTICS,
    Floats,
    Model,
    Tensor,
)
from netkin.network.format.names import AVERAGED

if TYPE_CHECKING:
    import torch

OLD = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How a file of torch before 1.6 begins: a pickle of its magic number."""
NAMES_OF_WEIGHTS = (
    *("state_dict", "model_state_dict", "model_state", "model", "net", "network", "module"),
    *("params", "weights", "generator"),
)
"""Under which names a checkpoint holds the weights of its network."""
LIKE_WEIGHTS = re.compile(rf"({'|'.join(NAMES_OF_WEIGHTS)})[_-]?(\d+|[a-zA-Z])?")
"""How a group is called that may be meant as well: `NAMES_OF_WEIGHTS`, numbered or lettered."""
OF_TRAINING = re.compile(
    r"optim|sched|scaler|(^|_)opt(_|$)|loops|callbacks|extra_state|loss|criterion|metric|(^|_)rng",
    re.IGNORECASE,
)
"""Names of groups of what training keeps beside the weights."""
SAFE = 2, 10
"""The first torch whose `weights_only` is known to run nothing."""
MOST_LINE, MOST_KEY, MOST_DEPTH = 1000, 1000, 100
"""Bytes of the name of an import, parts of a key, and levels in one another, at most."""
FLOOR, FACTOR = 10_000, 50
"""A pickle may have `FLOOR` parts and `FACTOR` for each of its bytes, repeated ones counted."""
IMPORTED = re.compile(
    r"torch(\.\w+)+|collections\.(OrderedDict|Counter)|_codecs\.encode"
    r"|builtins\.(bytearray|set|complex)"
)
"""What a pickle of tensors may import; torch's own list is shorter."""
CONSTANTS = {pickle.NONE: None, pickle.NEWTRUE: True, pickle.NEWFALSE: False}
NUMBERS = {pickle.BININT: "<i", pickle.BININT1: "B", pickle.BININT2: "<H", pickle.BINFLOAT: ">d"}
MEMO = {pickle.BINGET: "B", pickle.LONG_BINGET: "<I", pickle.BINPUT: "B", pickle.LONG_BINPUT: "<I"}
EMPTY = {pickle.EMPTY_TUPLE: "tuple", pickle.EMPTY_LIST: "list", pickle.EMPTY_DICT: "dict"}
EMPTY |= {pickle.EMPTY_SET: "set"}
TUPLES = {pickle.TUPLE1: 1, pickle.TUPLE2: 2, pickle.TUPLE3: 3}
"""Commands of a pickle that torch knows -> the value, its form in bytes, or its kind or number."""
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
    statistics: dict[str, Tensor] = {}
    left_out: dict[str, str] = {}
    weights = _weights_of(path, loaded, left_out)
    seen: dict[tuple[Any, ...], str] = {}
    for name, value in weights.items():
        if value.layout != torch.strided or value.is_quantized:
            left_out[name] = "sparse or quantised, which netkin does not read"
        elif value.is_complex():
            dtype = str(value.dtype).removeprefix("torch.")
            left_out[name] = f"stored as {dtype}, which netkin does not read"
        elif not value.is_floating_point():
            left_out[name] = COUNTER
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
            if name.rpartition(".")[2] in STATISTICS:
                left_out[name] = STATISTIC
                statistics[name] = tensors.pop(name)
    yield Model(str(path), "torch", tensors, left_out, statistics=statistics)


def _load(path: Path) -> Any:
    try:
        import torch
    except ImportError:
        raise Lacking(
            f"{path}: a file of torch, which is not installed (pip install torch), or convert it "
            "to safetensors."
        ) from None
    if tuple(int(n) for n in re.findall(r"\d+", torch.__version__)[:2]) < SAFE:
        raise Lacking(
            f"{path}: a file of torch, and the torch that is installed, {torch.__version__}, may "
            "run what is in a file; pip install 'torch>=2.10', or convert it to safetensors."
        )
    mapped = zipfile.is_zipfile(path)
    if mapped:
        with zipfile.ZipFile(path) as archive:
            if any(re.fullmatch(r"[^/]+/constants\.pkl", n) for n in archive.namelist()):
                raise NetkinError(
                    f"{path}: TorchScript, a program with its weights, of which netkin runs "
                    f"nothing. {SAFER}"
                )
            _check_archive(path, archive)
    wanted = ""
    try:
        _check_pickles(path)
        # what is called so torch takes for the other format
        if mapped and path.suffix != ".safetensors":
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        with path.open("rb") as file:
            return torch.load(cast(Any, _Capped(file)), map_location="cpu", weights_only=True)
    except _ImportError as error:
        wanted = str(error)
    except Exception as error:
        text = str(error)
        found = re.search(r"GLOBAL ([\w.]+)", text) or re.search(r"class '([\w.]+)'", text)
        if not found:
            # torch takes what is damaged for wrong code at times
            of_torch = isinstance(error, AttributeError | AssertionError)
            if not (of_torch or is_of_content(error)) or isinstance(error, NetkinError):
                raise
            first = text.partition("\n")[0][:200] or type(error).__name__
            raise NetkinError(f"{path}: not a readable file of torch ({first}).") from None
        wanted = found[1]
    raise NetkinError(
        f"{path}: it asks to import {wanted}, so it holds more than tensors, and reading it would "
        f"run what is in it. {SAFER}"
    )


def _check_archive(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse an archive that unpacks to more than the file has; torch compresses nothing."""
    entries = archive.infolist()
    packed = [entry.filename for entry in entries if entry.compress_type != zipfile.ZIP_STORED]
    if packed:
        raise NetkinError(f"{path}: '{packed[0]}' in it is compressed, which is not of torch.")
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise NetkinError(f"{path}: its parts declare more bytes than the file has.")


class _ImportError(Exception):
    """What a pickle asks to import and is not of tensors; the text is its full name."""


class _Capped:
    """A file of which nobody takes memory for more than it has left; torch reads it so, too."""

    def __init__(self, file: io.BufferedIOBase) -> None:
        self._file = file
        self._size = file.seek(0, os.SEEK_END)
        file.seek(0)
        self.tell, self.seek, self.readinto = file.tell, file.seek, file.readinto

    def read(self, number: int = -1) -> bytes:
        if number > self._size - self._file.tell():
            raise pickle.UnpicklingError("it ends before what it declares does")
        return self._file.read(number)

    def readline(self) -> bytes:
        line = self._file.readline(MOST_LINE)
        if not line.endswith(b"\n"):
            raise pickle.UnpicklingError("a name in it does not end")
        return line


class _Part:
    """What a pickle would make, without it.

    Attributes
    ----------
    weight : int
        How many parts it has, those that stand in it twice counted twice: what hashing, printing
        or copying it takes.
    depth : int
    called : str
        The full name of what is imported, ``list``, ``dict``, ``set`` or ``tuple``, ``bytes``,
        ``tensor`` or ``storage`` of a call, or "" for the others.
    parts : sequence
        Those of a tuple.
    done : bool
        It stands in another, and may not change any more; so the weights are right.
    """

    __slots__ = ("called", "depth", "done", "parts", "weight")

    def __init__(self, called: str = "", parts: Sequence[Any] = ()) -> None:
        self.weight, self.depth, self.called, self.done = 1, 1, called, False
        self.parts = parts
        self.add(parts)

    def add(self, parts: Iterable[Any]) -> None:
        for part in parts:
            if part is self:
                raise pickle.UnpicklingError("something in it stands in itself")
            self.weight += _weight(part)
            if isinstance(part, _Part):
                part.done = True
                self.depth = max(self.depth, part.depth + 1)
        if self.depth > MOST_DEPTH:
            raise pickle.UnpicklingError(f"more than {MOST_DEPTH} levels stand in one another")


def _weight(part: Any) -> int:
    if isinstance(part, _Part):
        return part.weight
    return 1 + len(part) // 64 if isinstance(part, str | bytes) else 1


class _Scan:
    """Goes through a pickle as torch does, and imports, hashes, prints and makes nothing.

    torch reads pickles of few bytes for years: parts that stand in one another twice over many
    levels are twice the work with each level. The commands are those that torch knows.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self._spent = 0
        self.numbers: dict[Any, int] = {}
        """Key of a storage -> how many numbers it says it has."""

    def load(self) -> None:
        """Go through one pickle.

        Raises
        ------
        pickle.UnpicklingError
            It is damaged, or takes more to read than its size allows.
        _ImportError
            It imports what is not of tensors.
        """
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        while (command := self._bytes(1)) != pickle.STOP:
            self._run(command)
        self._spend(self._stack.pop())

    def _bytes(self, number: int) -> bytes:
        found: bytes = self._file.read(number)
        if len(found) < number:
            raise pickle.UnpicklingError("it is cut short")
        return found

    def _number(self, form: str) -> Any:
        return struct.unpack(form, self._bytes(struct.calcsize(form)))[0]

    def _spend(self, part: Any) -> None:
        """Note that something is read through."""
        self._spent += _weight(part)
        if self._spent > FLOOR + FACTOR * self._file.tell():
            raise pickle.UnpicklingError("its parts stand in one another so often that it is huge")

    def _make(self, called: str, parts: Sequence[Any] = ()) -> None:
        made = _Part(called, parts)
        if made.weight > FLOOR + FACTOR * self._file.tell():
            raise pickle.UnpicklingError("its parts stand in one another so often that it is huge")
        self._stack.append(made)

    def _items(self) -> list[Any]:
        items, self._stack = self._stack, self._below.pop()
        return items

    def _fill(self, kinds: Collection[str], parts: Sequence[Any]) -> None:
        """Put something into what is on top."""
        target = self._stack[-1]
        if not isinstance(target, _Part) or target.called not in kinds or target.done:
            raise pickle.UnpicklingError("something in it is changed that cannot be")
        target.add(parts)
        if target.weight > FLOOR + FACTOR * self._file.tell():
            raise pickle.UnpicklingError("its parts stand in one another so often that it is huge")

    def _run(self, command: bytes) -> None:
        stack = self._stack
        if command in CONSTANTS:
            stack.append(CONSTANTS[command])
        elif command in NUMBERS:
            stack.append(self._number(NUMBERS[command]))
        elif command == pickle.LONG1:
            stack.append(pickle.decode_long(self._bytes(self._number("B"))))
        elif command == pickle.BINUNICODE:
            stack.append(str(self._bytes(self._number("<I")), "utf-8", "surrogatepass"))
        elif command == pickle.SHORT_BINSTRING:
            stack.append(self._bytes(self._number("B")))
        elif command in MEMO:
            index = self._number(MEMO[command])
            if command in (pickle.BINGET, pickle.LONG_BINGET):
                stack.append(self._memo[index])
            else:
                self._memo[index] = stack[-1]
        elif command in EMPTY:
            self._make(EMPTY[command])
        elif command in TUPLES:
            number = TUPLES[command]
            parts = stack[len(stack) - number :]
            if len(parts) < number:
                raise pickle.UnpicklingError("a part in it is missing")
            del stack[len(stack) - number :]
            self._make("tuple", parts)
        elif command == pickle.TUPLE:
            parts = self._items()
            self._make("tuple", parts)
        elif command == pickle.MARK:
            self._below.append(stack)
            self._stack = []
        elif command == pickle.GLOBAL:
            self._make(self._import())
        elif command in (pickle.REDUCE, pickle.NEWOBJ):
            arguments = stack.pop()
            self._call(stack.pop(), arguments)
        elif command == pickle.BUILD:
            state = stack.pop()
            self._spend(state)
            if isinstance(state, _Part) and state.called == "tuple" and len(state.parts) == 4:
                raise pickle.UnpicklingError("a tensor in it is of torch before 0.4")
            self._fill(("",), [state])
        elif command == pickle.APPEND:
            item = stack.pop()
            self._fill(("list",), [item])
        elif command == pickle.APPENDS:
            items = self._items()
            self._fill(("list",), items)
        elif command == pickle.SETITEM:
            value, key = stack.pop(), stack.pop()
            self._set([key, value])
        elif command == pickle.SETITEMS:
            items = self._items()
            self._set(items)
        elif command == pickle.BINPERSID:
            self._storage(stack.pop())
        elif command == pickle.PROTO:
            self._bytes(1)
        else:
            raise pickle.UnpicklingError(f"its command {command!r} is none of torch")

    def _set(self, items: Sequence[Any]) -> None:
        for key in items[::2]:
            if _weight(key) > MOST_KEY:
                raise pickle.UnpicklingError("a key in it is neither text nor a number")
            self._spend(key)
        self._fill(("dict", ""), items)

    def _import(self) -> str:
        module, name = (str(self._file.readline()[:-1], "utf-8") for _ in range(2))
        module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
        full = f"{module}.{name}"
        if not IMPORTED.fullmatch(full):
            raise _ImportError(full)
        return full

    def _call(self, function: Any, arguments: Any) -> None:
        name = function.called if isinstance(function, _Part) else ""
        if not isinstance(arguments, _Part) or arguments.called != "tuple" or "." not in name:
            raise pickle.UnpicklingError("something in it is called that cannot be")
        first = arguments.parts[0] if arguments.parts else None
        if name.endswith("._rebuild_from_type_v2") and not (
            isinstance(first, _Part) and first.called.startswith("torch._utils._rebuild_")
        ):
            raise pickle.UnpicklingError("something in it is called that cannot be")
        # a number, or many, for which there would be memory taken
        if arguments.parts and (
            ("Tensor" in name and "_rebuild" not in name)
            or "Storage" in name
            or (name == "builtins.bytearray" and getattr(first, "called", "") != "bytes")
        ):
            raise pickle.UnpicklingError(f"it makes {name} of numbers in its program")
        self._spend(arguments)
        _check_view(name, arguments.parts)
        if name.endswith("._rebuild_from_type_v2") and len(arguments.parts) > 2:
            _check_view(getattr(first, "called", ""), getattr(arguments.parts[2], "parts", ()))
        kind = "bytes" if name == "_codecs.encode" else "tensor" if "Tensor" in name else ""
        self._make(kind, [arguments])

    def _storage(self, pid: Any) -> None:
        if not isinstance(pid, _Part) or pid.called != "tuple" or pid.weight > MOST_KEY:
            raise pickle.UnpicklingError("a storage in it has no name")
        self._spend(pid)
        if len(pid.parts) < 5:
            raise pickle.UnpicklingError("a storage in it has no name")
        _, _, key, _, number = pid.parts[:5]
        if isinstance(key, _Part) or type(number) is not int or number < 0:
            raise pickle.UnpicklingError("a storage in it has neither a name nor a size")
        self.numbers.setdefault(key, number)
        self._make("storage", [pid])


def _check_view(name: str, arguments: Sequence[Any]) -> None:
    """Refuse a tensor that is larger than its storage, for which torch would take memory."""
    if not re.fullmatch(r"torch\._utils\._rebuild_(q?tensor|tensor_v\d)", name):
        return
    storage, offset, shape, stride = arguments[:4]
    if not isinstance(storage, _Part) or storage.called != "storage":
        raise pickle.UnpicklingError("a tensor in it has no storage")
    sizes, strides = shape.parts, stride.parts
    numbers = [offset, *sizes, *strides]
    if not all(type(n) is int and n >= 0 for n in numbers) or len(sizes) != len(strides):
        raise pickle.UnpicklingError("a tensor in it has no shape")
    last = offset + sum((n - 1) * step for n, step in zip(sizes, strides, strict=True))
    if 0 not in sizes and last >= storage.parts[0].parts[4]:
        raise pickle.UnpicklingError("a tensor in it is larger than its storage")


def _check_pickles(path: Path) -> None:
    """Refuse a file whose pickles would take very long to read, or very much memory.

    Torch takes memory for as many numbers as a file before 1.6 says that it has, before it reads
    any.
    """
    with path.open("rb") as file:
        if zipfile.is_zipfile(path):
            import torch

            # the very bytes that torch will read, whatever stands in the archive twice
            reader = torch._C.PyTorchFileReader(str(path))
            _Scan(_Capped(io.BytesIO(reader.get_record("data.pkl")))).load()
            return
        scan = _Scan(_Capped(file))
        for _ in range(5):  # magic number, version, machine, what was saved, and its storages
            scan.load()
    if sum(scan.numbers.values()) > path.stat().st_size:
        raise NetkinError(
            f"{path}: it declares {sum(scan.numbers.values()):,} numbers; the file has "
            f"{path.stat().st_size:,} bytes."
        )


def _weights_of(path: Path, loaded: Any, left_out: dict[str, str]) -> "dict[str, torch.Tensor]":
    """Return the tensors of the network, and name what else there is.

    A group of tensors that has one of `NAMES_OF_WEIGHTS` is taken, and every other entry is named
    as left out. Where several groups may be meant, nobody but the user knows which: two with such
    names (``model`` and ``net``, ``model`` and ``model2``), or a ``generator`` beside any other
    group of floats, are refused. Groups of optimisers and the like and averaged copies do not
    count, and neither does the same group under a second name.
    """
    import torch

    if isinstance(loaded, torch.Tensor):
        return {"weight": loaded}
    if not isinstance(loaded, Mapping):
        raise NetkinError(f"{path}: it holds {type(loaded).__name__}, no tensors by name. {SAFER}")
    keys = [str(key) for key in loaded]
    if len(set(keys)) < len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise NetkinError(
            f"{path}: two of its keys are {shown(twice)}, as text and as a number or the like; "
            "rename one."
        )
    tensors = {str(key): v for key, v in loaded.items() if isinstance(v, torch.Tensor)}
    nested = {
        str(key): value
        for key, value in loaded.items()
        if isinstance(value, Mapping) and _has_tensors(value)
    }
    chosen = next((name for name in NAMES_OF_WEIGHTS if name in nested), None)
    if chosen is not None:
        others = [
            name
            for name, value in nested.items()
            if value is not nested[chosen]
            and not AVERAGED.fullmatch(name)
            and not OF_TRAINING.search(name)
            and _has_tensors(value, floats=True)
        ]
        if rivals := [n for n in others if chosen == "generator" or LIKE_WEIGHTS.fullmatch(n)]:
            raise NetkinError(
                f"{path}: several networks are in it: {listed([chosen, *rivals])}; save the one "
                "that is meant alone, torch.save(model.state_dict(), FILE)."
            )
        for name in keys:
            if name in others:
                left_out[name] = f"another group of tensors beside the weights, '{chosen}'"
            elif name in nested and AVERAGED.fullmatch(name):
                left_out[name] = COPY
            elif name != chosen:
                left_out[name] = f"not among the weights, which are under '{chosen}'"
        return _weights_of(path, nested[chosen], left_out)
    if not tensors:
        groups = listed(map(repr, nested)) or "none"
        raise NetkinError(
            f"{path}: no tensors by name; groups of tensors: {groups}. netkin takes those called "
            f"{', '.join(NAMES_OF_WEIGHTS)}."
        )
    for key in keys:
        if key not in tensors:
            left_out[key] = "a group of tensors beside others" if key in nested else "no tensor"
    return tensors


def _has_tensors(value: Mapping[Any, Any], floats: bool = False) -> bool:
    import torch

    return any(
        (isinstance(part, torch.Tensor) and (part.is_floating_point() or not floats))
        or (isinstance(part, Mapping) and _has_tensors(part, floats))
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
