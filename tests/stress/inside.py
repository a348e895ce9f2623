"""Damages of what is inside a file of a network, which keep its frame right."""

import ast
import copy
import io
import json
import math
import pickle
import pickletools
import random
import re
import struct
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.stress.damages import STRUCTURE, damage_structure, damaged

OUTSIDE = "outside"
"""Folder beside the damaged one, with whole copies of all that a network consists of."""
IMPOSSIBLE = {"overlap", "beyond", "shape", "outside", "objects"}
"""Damages after which no file may be read."""
TEXTS = (
    *("", "x", "W0", "h0", "two\nlines", "\x1b[31mred", "\u2028", "\ud800", "\0", "é" * 50),
    *("x" * 100_000, "..", ".", "/", "a/b", "../x", "/etc/passwd", "/dev/zero", "nowhere"),
    *("weight", "0.weight", "module.x", "Dense", "Sequential", "F64", "float32", "None", "1"),
)
NUMBERS = (
    *(-1, 0, 1, 2, 3, 5, 7, 10, 11, 16, 255, 2**16, 2**31 - 1, 2**31, 2**40, 2**63 - 1, 2**63),
    *(2**64, 10**300),
)
PLAIN = (None, True, False, 0.5, 1e308, math.nan, math.inf, [], {}, [[]], [0] * 100, {"a": {}})


def ran(*arguments: Any) -> None:
    """Stand for code in a file, which no reader may run."""
    raise SystemExit("code in the file was run")


class Runs:
    """Run code where a pickle of it is read."""

    def __reduce__(self) -> Any:
        return ran, ()


def _number(found: int, chance: random.Random) -> int:
    near = (found - 1, found + 1, -found, 2 * found, found // 2)
    return chance.choice(NUMBERS if chance.random() < 0.6 else near)


def _text(found: str, chance: random.Random) -> str:
    near = (found[:-1], found + "x", f"{found}.{found}", found.upper(), found.replace("0", "1"))
    return chance.choice(TEXTS if chance.random() < 0.6 else near)


# --- JSON -----------------------------------------------------------------------------------


def _places(container: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each entry of lists and objects in one another, as what it stands in and its key."""
    keys = list(container) if isinstance(container, dict) else range(len(container))
    for key in keys:
        yield container, key
        if isinstance(container[key], dict | list):
            yield from _places(container[key])


def _value(found: Any, chance: random.Random) -> Any:
    """Return a value instead of another one, mostly of its kind."""
    if chance.random() < 0.6:
        if isinstance(found, int) and not isinstance(found, bool):
            return _number(found, chance)
        if isinstance(found, str):
            return _text(found, chance)
    return copy.deepcopy(chance.choice(chance.choice((TEXTS, NUMBERS, PLAIN))))


def _change(content: Any, chance: random.Random) -> None:
    """Change an entry of JSON that was parsed."""
    places = list(_places(content))
    if not places:
        return
    container, key = chance.choice(places)
    found, (other, its) = container[key], chance.choice(places)
    what = chance.randrange(8)
    if what == 0:
        del container[key]
    elif what == 1 and isinstance(container, dict):
        container[_text(key, chance)] = container.pop(key)
    elif what == 1:
        container.append(copy.deepcopy(found))
    elif what == 2:
        container[key] = copy.deepcopy(other[its])
    elif what == 3:
        container[key], other[its] = copy.deepcopy(other[its]), copy.deepcopy(found)
    elif what == 4:
        container[key] = chance.choice(([found], {"a": found}, [found, found]))
    else:
        container[key] = _value(found, chance)


def _of_json(data: bytes, chance: random.Random) -> tuple[str, bytes]:
    text = data.decode("utf-8", "replace")
    if chance.random() < 0.2:
        kind = chance.randrange(5)
        if kind == 0:  # its first entry once more
            start = text.find("{")
            end = text.find(",", start)
            changed = text[: start + 1] + text[start + 1 : end] + "," + text[start + 1 :]
        elif kind == 1:
            changed = chance.choice(("[", '{"a":')) * 100_000
        elif kind == 2:
            place = text.find(":", chance.randrange(len(text) or 1)) + 1
            odd = ("NaN", "-Infinity", "1e999", "9" * 5000, "1" * 300, "-0", '"\\ud800"', "tru")
            changed = f"{text[:place]}{chance.choice(odd)},{text[place:]}"
        elif kind == 3:
            return "encoding", text.encode(chance.choice(("utf-8-sig", "utf-16", "utf-32")))
        else:
            changed = text + chance.choice(("\0", "{}", " ", "x", "\n" * 1000))
        return "text", changed.encode("utf-8", "surrogatepass")
    try:
        content = json.loads(text)
    except ValueError:
        return damaged(data, chance)
    how = "entry"
    if isinstance(content, dict) and "weight_map" in content and chance.random() < 0.3:
        how, places = "outside", content["weight_map"]
        shard = chance.choice(list(places.values()))
        there = _elsewhere(shard, chance)
        content["weight_map"] = {n: there if at == shard else at for n, at in places.items()}
    else:
        _change(content, chance)
    return how, json.dumps(content).encode()


# --- safetensors ----------------------------------------------------------------------------


def _of_safetensors(data: bytes, chance: random.Random) -> tuple[str, bytes]:
    """Damage the header, whose length is made right again."""
    length = int.from_bytes(data[:8], "little")
    text, numbers = data[8 : 8 + length], data[8 + length :]
    how = chance.choice(("overlap", "beyond", "shape", "type", "gap", "json", "json", "length"))
    if how == "json":
        how, text = _of_json(text, chance)
    elif how == "length":
        odd = (0, 1, 2, length - 1, length + 1, len(data) - 8, 10**8, 10**8 + 1, 2**63, 2**64 - 1)
        return how, chance.choice(odd).to_bytes(8, "little") + data[8:]
    else:
        header = json.loads(text)
        full = [
            entry
            for name, entry in header.items()
            if name != "__metadata__" and entry["data_offsets"][0] < entry["data_offsets"][1]
        ]
        one, other = chance.sample(full, 2) if len(full) > 1 else (full[0], full[0])
        begin, end = one["data_offsets"]
        if how == "overlap":
            one |= other | {"data_offsets": other["data_offsets"]} if one is not other else {}
            how = how if one is not other else "nothing"
        elif how == "beyond":
            more = chance.choice((1, 8, 2**20, 2**62, 10**300))
            width = (end - begin) // math.prod(one["shape"])
            one["shape"] = [math.prod(one["shape"]) + more]
            one["data_offsets"] = [begin, end + more * width]
        elif how == "shape":
            sizes = one["shape"]
            odd = ([*sizes, 2], [2**32, 2**32], [10**300], [0], [], [*sizes, 0], [1] * 100)
            one["shape"] = chance.choice(odd)
            if math.prod(one["shape"]) == math.prod(sizes):
                how = "nothing"
        elif how == "type":
            odd = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "I8", "I16", "I32", "BOOL")
            one["dtype"] = chance.choice((*odd, "F4", "F8_E8M0", "C64", "f32", "X", "", None))
        else:
            step = chance.choice((-8, -1, 1, 8))
            one["data_offsets"] = [begin + step, end + step]
        text = json.dumps(header).encode()
    return how, len(text).to_bytes(8, "little") + text + numbers


# --- archives -------------------------------------------------------------------------------


CONFIG = "config.json"


def _of_archive(data: bytes, chance: random.Random) -> tuple[str, bytes]:
    """Damage an entry of an archive, whose checksum is made right again, or the archive's own."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = [(entry.filename, archive.read(entry)) for entry in archive.infolist()]
    chosen = chance.randrange(len(entries))
    if chance.random() < 0.5:
        told = [k for k, (name, _) in enumerate(entries) if name.endswith((CONFIG, ".pkl", ".h5"))]
        chosen = chance.choice(told or [chosen])
    name, content = entries[chosen]
    what = chance.random()
    how = "entry"
    if what < 0.15:
        return "directory", _of_directory(data, chance)
    if what < 0.2:
        del entries[chosen]
    elif what < 0.25:
        entries.append(entries[chosen])
    elif what < 0.3:
        entries[chosen] = _text(name, chance).replace("\ud800", "?")[:60_000], content
    elif what < 0.35:
        other = chance.randrange(len(entries))
        entries[chosen], entries[other] = (name, entries[other][1]), (entries[other][0], content)
    elif what < 0.36:
        entries[chosen] = name, content[:100] + bytes(10**7)
    else:
        how, content = within(name, content, chance)
        entries[chosen] = name, content
    out = io.BytesIO()
    packed = chance.choice((zipfile.ZIP_STORED,) * 3 + (zipfile.ZIP_DEFLATED,) * 2)
    if chance.random() < 0.05:
        packed = chance.choice((zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    with zipfile.ZipFile(out, "w", packed) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name that stands twice
        for name, content in entries:
            archive.writestr(zipfile.ZipInfo(name), content, packed)
    return how, out.getvalue()


def _of_directory(data: bytes, chance: random.Random) -> bytes:
    """Change a number of a record of an archive: a method, a flag, a size, a place."""
    changed = bytearray(data)
    sizes = {b"PK\1\2": 46, b"PK\3\4": 30, b"PK\5\6": 22}
    found = [
        (record.start(), sizes[record[0]]) for record in re.finditer(b"PK(?:\1\2|\3\4|\5\6)", data)
    ]
    place, size = chance.choice(found)
    width = chance.choice((1, 2, 4))
    at = place + chance.randrange(4, size, 2)
    changed[at : at + width] = (chance.choice(NUMBERS) % 256**width).to_bytes(width, "little")
    return bytes(changed)


def _of_npy(data: bytes, chance: random.Random) -> tuple[str, bytes]:
    """Damage the header of an array of numpy, or put objects into it."""
    if chance.random() < 0.2:
        out = io.BytesIO()
        np.lib.format.write_array(out, np.array([Runs(), 1], object), allow_pickle=True)
        return "objects", out.getvalue()
    start = 10 if data[6] == 1 else 12
    end = start + int.from_bytes(data[8:start], "little")
    header = ast.literal_eval(data[start:end].decode("latin1"))
    key = chance.choice(list(header))
    kinds = ("|O", "<f8", ">f4", "<f2", "<f16", "<i4", "|b1", "<c8", "<U9", "|S4", "|V4", "<M8[s]")
    odd = {
        "descr": (*kinds, "", "x", [("a", "<f4")], [("a", "|O")], ("<f4", (2,)), "<f4,<f4", 1, "{"),
        "fortran_order": (True, False, 1, None, "x"),
        "shape": (
            *((), (0,), (-1,), (2**63,), (2**31, 2**31), (10**300, 0), 5, (1.5,), ("x",), None),
            *((True,), (*header["shape"], 2), (1,) * 70, [3], ((3,),), (2**40, 0)),
        ),
    }
    what = chance.random()
    if what < 0.1:
        del header[key]
    elif what < 0.2:
        header[_text(key, chance)] = 1
    else:
        header[key] = chance.choice(odd[key])
    text = repr(header)
    if chance.random() < 0.1:
        odd_texts = ("(" * 5000, "{" * 200, "-" * 10_000 + "1", "{'descr': f()}", "9" * 5000, "\0")
        text = chance.choice((*odd_texts, text.replace(":", ""), text + "#" * 20_000))
    version = chance.choice((1, 1, 2, 3, 4, 255))
    stored = text.encode("utf-8", "surrogatepass")
    size = len(stored).to_bytes(2 if version == 1 and len(stored) < 2**16 else 4, "little")
    return "header", b"\x93NUMPY" + bytes((version, 0)) + size + stored + data[end:]


# --- pickles --------------------------------------------------------------------------------

COMMANDS = (
    *(b"N", b"}", b"]", b")", b"(", b"0", b"2", b"1", b"R", b"b", b"o", b"s", b"u", b"a", b"e"),
    *(b"t", b"\x85", b"\x86", b"\x87", b"Q", b"P0\n", b".", b"\x93", b"\x81", b"\x92", b"\x97"),
    *(b"\x98", b"\x94", b"\x8f", b"\x90", b"\x91", b"I01\n", b"L5L\n", b"F1.5\n", b"S'x'\n"),
    *(b"h\0", b"j\0\0\0\0", b"q\0", b"r\xff\xff\xff\x7f", b"g0\n", b"p0\n", b"\x95" + bytes(8)),
    *(b"\x8a\xff" + b"\x7f" * 255, b"\x8b\xff\xff\xff\x7f", b"T\xff\xff\xff\x7f", b"\x82\1"),
    *(b"X\xff\xff\xff\xff", b"\x8e" + b"\xff" * 8, b"\x96" + b"\xff" * 8, b"\x80\5", b"\x80\xff"),
)
"""Commands of all protocols."""
IMPORTS = (
    *("os system", "builtins eval", "builtins bytearray", "builtins set", "builtins complex"),
    *("tests.stress.inside ran", "tests.stress.inside Runs", "collections OrderedDict"),
    *("collections Counter", "_codecs encode", "torch.storage _load_from_bytes", "torch load"),
    *("torch._utils _rebuild_tensor", "torch._utils _rebuild_tensor_v2", "torch device"),
    *("torch._utils _rebuild_tensor_v3", "torch._utils _rebuild_parameter", "torch Tensor"),
    *("torch._utils _rebuild_qtensor", "torch._utils _rebuild_sparse_tensor", "torch Size"),
    *("torch._utils _rebuild_meta_tensor_no_storage", "torch._tensor _rebuild_from_type_v2"),
    *("torch FloatStorage", "torch DoubleStorage", "torch BFloat16Storage", "torch LongStorage"),
    *("torch ComplexFloatStorage", "torch QInt8Storage", "torch FloatTensor", "torch float64"),
    *("torch.nn.parameter Parameter", "torch.serialization _get_layout", "torch UntypedStorage"),
    *("torch.hub load", "torch._utils _rebuild_wrapper_subclass", "torch.nn Linear", "numpy x"),
)
"""Modules and names that are imported, some of them allowed."""


def _laughs() -> bytes:
    """Return commands of parts that stand in one another twice over many levels."""
    memo = 10**6
    found = b"]r" + struct.pack("<I", memo)
    for level in range(40):
        again = b"j" + struct.pack("<I", memo + level)
        found += again + b"\x86r" + struct.pack("<I", memo + level + 1)
    return found


LAUGHS = _laughs()


def _commands(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the commands of the pickles at the beginning, and what follows."""
    file = io.BytesIO(data)
    places, end = [], 0
    for _ in range(5):  # so many does a file of torch before 1.6 have before its numbers
        try:
            found = [place for _, _, place in pickletools.genops(file)]
        except ValueError:
            break
        places += found
        end = file.tell()
    starts = [*places, end]
    return [data[a:b] for a, b in pairwise(starts)], data[end:]


def _of_pickle(data: bytes, chance: random.Random) -> tuple[str, bytes]:
    """Change a command, or a size of the numbers that follow."""
    commands, rest = _commands(data)
    if not commands:
        return damaged(data, chance)
    if len(rest) > 8 and chance.random() < 0.15:
        changed = bytearray(rest)
        at = chance.choice((0, 0, chance.randrange(len(rest) - 8)))
        changed[at : at + 8] = (chance.choice(NUMBERS) % 2**64).to_bytes(8, "little")
        return "numbers", b"".join(commands) + bytes(changed)
    place = chance.randrange(len(commands))
    if chance.random() < 0.5:  # one that has an argument, of which there are fewer
        some = [k for k, one in enumerate(commands) if one[:1] in b"cXKMJ\x8a" or len(one) > 5]
        place = chance.choice(some or [place])
    found = commands[place]
    what = chance.randrange(10)
    how = "command"
    if what == 0:
        commands[place] = b""
    elif what == 1:
        commands[place] = found + found
    elif what == 2:
        other = chance.randrange(len(commands))
        commands[place], commands[other] = commands[other], found
    elif what == 3:
        commands[place] = chance.choice(commands)
    elif what == 4:
        commands.insert(place, chance.choice(COMMANDS))
    elif what == 5:
        commands[place] = chance.choice(COMMANDS)
    elif what == 6 and chance.random() < 0.3:
        commands[place] = LAUGHS
        how = "laughs"
    else:
        commands[place] = _argument(found, chance)
        how = "argument"
    return how, b"".join(commands) + rest


def _argument(command: bytes, chance: random.Random) -> bytes:
    """Return a command with another argument."""
    if command[:1] == b"c":
        return b"c" + chance.choice(IMPORTS).replace(" ", "\n").encode() + b"\n"
    if command[:1] == b"X":
        text = _text(command[5:].decode("utf-8", "replace"), chance)
        stored = text.encode("utf-8", "surrogatepass")
        return b"X" + struct.pack("<I", len(stored)) + stored
    if command[:1] in b"KMJ\x8a":
        number = _number(int(pickle.loads(command + b".")), chance)
        if -(2**31) <= number < 2**31:
            return b"J" + struct.pack("<i", number)
        return pickle.dumps(number, 2)[2:-1]
    if len(command) > 1:
        at = chance.randrange(1, len(command))
        return command[:at] + bytes((chance.randrange(256),)) + command[at + 1 :]
    return chance.choice(COMMANDS)


# --- ONNX -----------------------------------------------------------------------------------


def _of_onnx(data: bytes, chance: random.Random) -> tuple[str, bytes]:
    """Damage a field of a message of a model, or where a tensor says that its numbers are."""
    import onnx

    model = onnx.load_from_string(data)
    outside = [tensor for tensor in model.graph.initializer if tensor.external_data]
    try:
        if outside and chance.random() < 0.5:
            how = _of_place(chance.choice(outside), chance)
        else:
            how = _of_field(model, chance.choice(list(_messages(model))), chance)
    except (TypeError, ValueError):  # not of this type, too large, no UTF-8
        return "nothing", data
    return how, bytes(model.SerializeToString())


def _messages(message: Any) -> Iterator[Any]:
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for one in value if field.is_repeated else [value]:
                yield from _messages(one)


def _of_field(model: Any, message: Any, chance: random.Random) -> str:
    named = {field.name: field for field in message.DESCRIPTOR.fields}
    # at times one that it does not have
    there = [field.name for field, _ in message.ListFields()]
    field = named[chance.choice(there if there and chance.random() < 0.8 else list(named))]
    how = f"field {field.name}"
    if not field.is_repeated:
        if field.message_type is not None:
            alike = [m for m in _messages(model) if m.DESCRIPTOR is field.message_type]
            copied = copy.deepcopy(chance.choice(alike)) if alike else None
            message.ClearField(field.name)
            if copied is not None and chance.random() < 0.5:
                getattr(message, field.name).CopyFrom(copied)
        elif chance.random() < 0.1:
            message.ClearField(field.name)
        else:
            setattr(message, field.name, _scalar(getattr(message, field.name), chance))
        return how
    values = getattr(message, field.name)
    what = chance.randrange(4)
    if values and what == 0:
        del values[chance.randrange(len(values))]
    elif field.message_type is not None:
        alike = [m for m in _messages(model) if m.DESCRIPTOR is field.message_type]
        values.add().CopyFrom(copy.deepcopy(chance.choice(alike or [values.add()])))
        if what == 1:
            values.reverse()
    elif values and what < 3:
        place = chance.randrange(len(values))
        values[place] = _scalar(values[place], chance)
    else:
        known = [m for m in _messages(model) if m.DESCRIPTOR is message.DESCRIPTOR]
        alike = [one for m in known for one in getattr(m, field.name)] or [1]
        values.append(_scalar(chance.choice(alike), chance))
    return how


def _scalar(found: Any, chance: random.Random) -> Any:
    if isinstance(found, int):
        return chance.choice((_number(found, chance), chance.randrange(30), chance.randrange(30)))
    if isinstance(found, float):
        return chance.choice((0.0, -1.0, 1e308, math.nan, math.inf, 0.5))
    if isinstance(found, bytes):
        return damaged(found, chance)[1]
    operators = ("Conv", "Gemm", "MatMul", "Add", "Relu", "Constant", "Identity", "Reshape", "If")
    return chance.choice((_text(found, chance), chance.choice(operators)))


def _of_place(tensor: Any, chance: random.Random) -> str:
    """Change where a tensor says that its numbers are."""
    said = {entry.key: entry for entry in tensor.external_data}
    what = chance.randrange(8)
    file = said["location"].value
    if what < 2:
        said["location"].value = _elsewhere(file, chance)
        return "outside"
    if what == 2:
        said["location"].value = chance.choice((*TEXTS, f"./{file}", f"x/../{file}", "a.onnx"))
        return "location"
    if what == 3:
        del tensor.external_data[chance.randrange(len(tensor.external_data))]
        return "missing"
    if what == 4:
        tensor.external_data.append(copy.deepcopy(chance.choice(tensor.external_data)))
        tensor.external_data[-1].value = chance.choice(TEXTS)
        return "twice"
    key = chance.choice(("offset", "length"))
    entry = said.get(key)
    if entry is None:
        entry = tensor.external_data.add()
        entry.key, entry.value = key, "0"
    texts = ("-1", "1e3", " 4", "0x10", "٣", "+4", "1_0", "4.0", "9" * 5000, "", "\0", "True")
    number = str(_number(int(entry.value), chance))
    entry.value = chance.choice((chance.choice(texts), number, str(chance.randrange(300))))
    return key


def _elsewhere(file: str, chance: random.Random) -> str:
    """Return a name of a whole file that lies in `OUTSIDE`, seen from the damaged folder."""
    root = Path(tempfile.gettempdir())
    names = (f"../{OUTSIDE}/{file}", f"x/../../{OUTSIDE}/{file}", f"{root}/{OUTSIDE}/{file}")
    return chance.choice((*names, f"./.././{OUTSIDE}/{file}", f"link/{file}"))


# --- HDF5 -----------------------------------------------------------------------------------


def _model_config(file: h5py.Group, name: str, chance: random.Random) -> None:
    """Change the JSON of a model of Keras."""
    key = chance.choice(("model_config", "model_config", "model_config", "training_config"))
    file.file.attrs[key] = _of_json(str(file.file.attrs[key]).encode(), chance)[1]


def _names(file: h5py.Group, name: str, chance: random.Random) -> None:
    """Change a list of names of Keras."""
    owners = [file.file]
    file.file.visititems(lambda _, item: owners.append(item))
    listed = [(o, key) for o in owners for key in ("weight_names", "layer_names") if key in o.attrs]
    owner, key = chance.choice(listed)
    names = [one if isinstance(one, str) else one.decode() for one in owner.attrs[key]]
    _change(names, chance)
    owner.attrs[key] = names


OF_KERAS = (*STRUCTURE, *(_model_config,) * 5, *(_names,) * 3)
MOST_TRIES = 8


def _of_hdf5(data: bytes, chance: random.Random) -> tuple[str, bytes]:
    with tempfile.NamedTemporaryFile(suffix=".h5") as file:
        path = Path(file.name)
        path.write_bytes(data)
        how = "nothing"
        for _ in range(MOST_TRIES):  # many are for other arrays than those of a network
            if data.startswith(b"netkin"):
                how = damage_structure(path, chance)
            else:
                how = damage_structure(path, chance, OF_KERAS, partial(h5py.File, mode="r+"))
            if how != "nothing":
                break
        return how, path.read_bytes()


# --- files and folders ----------------------------------------------------------------------

Damage = Callable[[bytes, random.Random], tuple[str, bytes]]
"""``(data, chance)`` -> how it was damaged, and what it is then."""
BY_START: dict[bytes, Damage] = {
    b"PK\3\4": _of_archive,
    b"\x80\x02": _of_pickle,
    b"\x93NUMPY": _of_npy,
    b"\x89HDF": _of_hdf5,
    b"netkin": _of_hdf5,
    b"{": _of_json,
}


def damage_of(name: str, data: bytes) -> Damage | None:
    """Return what damages a file inside, by what it is; None where that is unknown."""
    for start, damage in BY_START.items():
        if data.startswith(start):
            return damage
    if data[8:9] == b"{":
        return _of_safetensors
    return _of_onnx if name.endswith(".onnx") else None


def within(name: str, data: bytes, chance: random.Random) -> tuple[str, bytes]:
    """Return how a file was damaged inside, by what it is, and what it is then."""
    return (damage_of(name, data) or damaged)(data, chance)


def damaged_file(name: str, data: bytes, chance: random.Random) -> tuple[str, bytes]:
    """Return how a file was damaged, inside or in its bytes, and what it is then."""
    if not data or chance.random() < 0.3:
        return damaged(data, chance)
    if chance.random() < 0.05:
        return "start twice", data[: chance.randrange(len(data))] * 2
    return within(name, data, chance)
