"""Damages of bytes and of the structure of HDF5, whose digest can be made right again."""

import json
import random
import warnings
import zlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.altered import altered

# --- damages of bytes -----------------------------------------------------------------------


def _one_byte(data: bytearray, chance: random.Random) -> bytearray:
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return data


def _many_bytes(data: bytearray, chance: random.Random) -> bytearray:
    for _ in range(chance.randrange(2, 200)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return data


def _cut(data: bytearray, chance: random.Random) -> bytearray:
    return data[: chance.randrange(len(data))]


def _range(data: bytearray, chance: random.Random) -> slice:
    start = chance.randrange(len(data))
    return slice(start, min(len(data), start + chance.randrange(1, 4096)))


def _zeros(data: bytearray, chance: random.Random) -> bytearray:
    where = _range(data, chance)
    data[where] = bytes(where.stop - where.start)
    return data


def _swap(data: bytearray, chance: random.Random) -> bytearray:
    size = chance.choice((8, 64, 512))
    one, other = (chance.randrange(max(1, len(data) - size)) for _ in range(2))
    here, there = slice(one, one + size), slice(other, other + size)
    data[here], data[there] = data[there], data[here]
    return data


def _insert(data: bytearray, chance: random.Random) -> bytearray:
    place = chance.randrange(len(data))
    data[place:place] = chance.randbytes(chance.randrange(1, 64))
    return data


def _append(data: bytearray, chance: random.Random) -> bytearray:
    return data + chance.randbytes(chance.randrange(1, 1000))


BYTES = (_one_byte, _many_bytes, _cut, _zeros, _swap, _insert, _append)


# --- damages of the structure, whose digest is made right again -----------------------------


def _entries(file: h5py.Group) -> list[str]:
    names: list[str] = []
    file.visit(names.append)
    return names


def _arrays(file: h5py.Group) -> list[str]:
    return [name for name in _entries(file) if isinstance(file[name], h5py.Dataset)]


def _replace(file: h5py.Group, name: str, make: Callable[[], Any]) -> None:
    del file[name]
    make()


def _value_of_another_kind(chance: random.Random) -> Any:
    return chance.choice(
        (
            *(
                1,
                -1,
                1.5,
                np.nan,
                -np.inf,
                "text",
                "two\nlines",
                b"\xff\xfe",
                "",
                True,
                np.uint64(2**63),
            ),
            *(np.arange(3), np.zeros((2, 2)), np.zeros((1, 1, 1, 1)), h5py.Empty("f8")),
            *(np.zeros(0), np.array([b"ab"]), np.float16(1), np.array([1 + 2j]), 1e308, 2**62),
        )
    )


def _link(file: h5py.Group, name: str, chance: random.Random) -> None:
    other = chance.choice(_entries(file))
    links = (
        h5py.SoftLink(f"/{name}"),
        h5py.SoftLink(f"/{other}"),
        h5py.SoftLink("/"),
        h5py.SoftLink("/nowhere"),
        h5py.ExternalLink(file.file.filename, f"/{name}"),
        h5py.ExternalLink("/dev/zero", "/x"),
        h5py.ExternalLink("nowhere.h5", "/x"),
        file["/"],
        file[name].parent,
        file[other],
    )
    link = chance.choice(links)
    if chance.random() < 0.3:
        file[f"{name}_more"] = link
    else:
        _replace(file, name, lambda: file.__setitem__(name, link))


def _virtual(file: h5py.Group, name: str, chance: random.Random) -> None:
    shape = file[name].shape
    source = chance.choice((".", "nowhere.h5", "/dev/zero"))
    layout = h5py.VirtualLayout(shape, np.float64)
    layout[...] = h5py.VirtualSource(source, "x", shape)
    _replace(file, name, lambda: file.create_virtual_dataset(name, layout))


def _external(file: h5py.Group, name: str, chance: random.Random) -> None:
    shape = file[name].shape
    where = [(chance.choice(("/dev/zero", "/dev/urandom", "nowhere")), 0, h5py.h5f.UNLIMITED)]
    _replace(file, name, lambda: file.create_dataset(name, shape, np.float64, external=where))


def _huge(file: h5py.Group, name: str, chance: random.Random) -> None:
    found = file[name]
    kind, shape = found.dtype.kind, list(found.shape or (1,))
    for axis in chance.sample(range(len(shape)), chance.randint(1, len(shape))):
        shape[axis] = chance.choice((10**6, 10**9, 2**40))
    while np.prod(shape, dtype=float) * 16 > 2**62:
        shape[shape.index(max(shape))] = 1
    chunks = chance.choice((None, True, tuple(min(size, 1000) for size in shape)))
    packed = {"compression": "gzip"} if chunks and chance.random() < 0.5 else {}
    made = _made(file, name, tuple(shape), found.dtype, chunks=chunks, **packed)
    if chunks and chance.random() < 0.5 and kind != "O" and 0 not in shape:
        made[tuple(0 for _ in shape)] = 1


def _made(
    file: h5py.Group, name: str, shape: tuple[int, ...], dtype: Any, **options: Any
) -> h5py.Dataset:
    del file[name]
    return file.create_dataset(name, shape, dtype, **options)


def _delete(file: h5py.Group, name: str, chance: random.Random) -> None:
    del file[name]


def _rename(file: h5py.Group, name: str, chance: random.Random) -> None:
    file.move(name, chance.choice((f"{name}x", "H0", "H7", "ünknown", "layers/9/weight", "x/y/z")))


def _exchange(file: h5py.Group, name: str, chance: random.Random) -> None:
    other = chance.choice(_arrays(file))
    if other != name:
        file.move(name, "between")
        file.move(other, name)
        file.move("between", other)


def _retype(file: h5py.Group, name: str, chance: random.Random) -> None:
    value = file[name][()]
    kinds = ("f2", "f4", "f8", ">f8", "i1", "i4", "i8", "u8", "S3", "c16", "?", h5py.ref_dtype)
    kind = chance.choice(kinds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            value = np.zeros(value.shape, kind) if value.dtype.kind == "O" else value.astype(kind)
        except (TypeError, ValueError):
            value = np.zeros(value.shape, "f8")
    if kind == h5py.ref_dtype:
        value = np.full(value.shape, file.ref, dtype=kind)
    _replace(file, name, lambda: file.create_dataset(name, data=value, dtype=kind))


def _reshape(file: h5py.Group, name: str, chance: random.Random) -> None:
    value = file[name][()]
    changed = chance.choice(
        (
            *(value.ravel(), value[None], value[:0], value[:1], value[..., None]),
            *(value[::-1], value.T, np.repeat(value, 2, axis=0), value.ravel()[:4].reshape(-1, 1)),
            *(value[(0,) * value.ndim] if value.size else value, h5py.Empty(value.dtype)),
        )
    )
    kind = file[name].dtype
    _replace(file, name, lambda: file.create_dataset(name, data=changed, dtype=kind))


def _wrong_value(file: h5py.Group, name: str, chance: random.Random) -> None:
    found = file[name]
    if not found.size:
        return
    place = tuple(chance.randrange(size) for size in found.shape)
    kinds = {
        "f": (np.nan, np.inf, -np.inf, -1.0, 2.0, 1e30, 1e-40),
        "i": (-1, 127, 2**31 - 1, -(2**31)),
        "b": (True, False),
        "O": ("", "x", "\0", "ü" * 1000, b"\xff\xfe"),
        "S": (b"", b"\xff\xfe", b"x" * 16),
    }
    value = chance.choice(kinds[found.dtype.kind])
    if found.dtype.kind == "i":  # as large as fits
        value = np.clip(value, np.iinfo(found.dtype).min, np.iinfo(found.dtype).max)
    found[place] = value


def _zero_values(file: h5py.Group, name: str, chance: random.Random) -> None:
    if file[name].dtype.kind in "fi":
        file[name][...] = 0


def _attribute(file: h5py.Group, name: str, chance: random.Random) -> None:
    owner = chance.choice((file, file, file.file, file.file, file[name]))
    names = list(owner.attrs) or ["more"]
    chosen = chance.choice(names)
    what = chance.randrange(4)
    if what == 0 and chosen in owner.attrs:
        del owner.attrs[chosen]
    elif what == 1:
        owner.attrs["more"] = _value_of_another_kind(chance)
    else:
        owner.attrs[chosen] = _value_of_another_kind(chance)


def _json(file: h5py.Group, name: str, chance: random.Random) -> None:
    texts = (
        *("", "{", "[]", "null", "1", '"text"', "{}", "NaN", "[" * 5_000, '{"a":' * 5_000),
        *('{"n_labels": "x"}', json.dumps({"input_order": 5, "order_seed": -1, "n_labels": -3})),
        json.dumps({"input_order": "features", "order_seed": "x", "n_labels": None}),
    )
    file.file.attrs["parameters"] = chance.choice(texts)


def _committed(file: h5py.Group, name: str, chance: random.Random) -> None:
    file["a_type"] = np.dtype(chance.choice(("f8", "i4", "S5")))
    if chance.random() < 0.7:
        shape, kind = file[name].shape, file["a_type"]
        _made(file, name, shape, kind)


def _group(file: h5py.Group, name: str, chance: random.Random) -> None:
    _replace(file, name, lambda: file.create_group(name))


def _alien(file: h5py.Group, name: str, chance: random.Random) -> None:
    del file[name]
    kinds = (
        h5py.vlen_dtype(np.int32),
        np.dtype([("a", "f4"), ("b", "i8")]),
        h5py.opaque_dtype(np.dtype("V10")),
        h5py.enum_dtype({"x": 1}, "i4"),
        np.dtype(("f4", (3, 3))),
        h5py.string_dtype(length=5),
    )
    file.create_dataset(name, (3,), chance.choice(kinds))


# --- what no writer can have written, though types and shapes fit ---------------------------


def _packed(file: h5py.Group, name: str, chance: random.Random) -> None:
    """Some MB that unpack to some GB."""
    part = (1000,) * file[name].ndim if file[name].ndim < 3 else (100,) * file[name].ndim
    kind = file[name].dtype
    if kind.kind not in "fib":
        raise ValueError("text")
    number = 4 * 10**9 // (int(np.prod(part)) * kind.itemsize)
    shape = (part[0] * min(number, 4000), *part[1:])
    made = _made(file, name, shape, kind, chunks=part, compression="gzip")
    zeros = zlib.compress(bytes(int(np.prod(part)) * kind.itemsize), 9)
    for k in range(shape[0] // part[0]):
        made.id.write_direct_chunk((k * part[0],) + (0,) * (len(part) - 1), zeros)


def _many_attributes(file: h5py.Group, name: str, chance: random.Random) -> None:
    owner = chance.choice((file, file.file, file[name]))
    for number in range(chance.choice((1, 12, 1000))):
        owner.attrs[f"more_{number}"] = 1


def _no_digest(file: h5py.Group, name: str, chance: random.Random) -> None:
    which = chance.choice(("recipe", "lineage", "content", "code"))
    file.file.attrs[which] = chance.choice(("x", "0" * 15, "0" * 17, "A" * 16, "0123456789abcdeg"))


def _first_of(file: h5py.Group, names: tuple[str, ...], chance: random.Random) -> h5py.Dataset:
    """Return one of the arrays with one of these names; ValueError if there is none."""
    there = [name for name in _arrays(file) if name in names or name.split("/")[0] in names]
    if not there:
        raise ValueError("no such array")
    return file[chance.choice(there)]


def _bad_name(file: h5py.Group, name: str, chance: random.Random) -> None:
    kinds = ("label_names", "layer_names", "networks", "others", "layers_a", "layers_b")
    names = _first_of(file, kinds, chance)
    names[0] = chance.choice(("", "a\nb", "a\u2028b", names.asstr()[len(names) - 1]))


def _one_direction(file: h5py.Group, name: str, chance: random.Random) -> None:
    kinds = ("matrix", "mean", "standard_deviation", "null")
    if "networks" not in file or "others" in file:
        raise ValueError("no matrix of some networks and themselves")
    values = _first_of(file, kinds, chance)
    values[0, 1] = values[0, 1] / 2 + 0.01


def _from_itself(file: h5py.Group, name: str, chance: random.Random) -> None:
    if "others" in file:
        raise ValueError("no matrix of some networks and themselves")
    _first_of(file, ("matrix", "mean"), chance)[0, 0] = chance.choice((0.3, 1.0))


def _undefined(file: h5py.Group, name: str, chance: random.Random) -> None:
    """A value that is gone without a reason, or in one of two matrices that go together."""
    values = _first_of(file, ("matrix", "mean", "standard_deviation", "cka"), chance)
    values[1, 0] = np.nan
    if values.shape[0] == values.shape[1]:
        values[0, 1] = np.nan


def _twice(file: h5py.Group, name: str, chance: random.Random) -> None:
    if "source" in file:
        for end in ("source", "target"):
            file[end][1] = file[end][0]
        return
    kinds = ("rows", "train/rows", "test/rows")
    rows = _first_of(file, kinds, chance)
    rows[1] = rows[0]


def _unknown_word(file: h5py.Group, name: str, chance: random.Random) -> None:
    words = [w for w in ("measure", "family", "orientation", "kind", "engine") if w in file.attrs]
    if not words:
        raise ValueError("no such attribute")
    file.attrs[chance.choice(words)] = chance.choice(("x", "", "cka2", "heats"))


def _beyond(file: h5py.Group, name: str, chance: random.Random) -> None:
    """A number beyond what its meaning allows."""
    numbers = {"seeds": 2**62, "permutations": 2**62, "stop": 1e308, "axes": 1, "n_bins": 2**40}
    arrays = {"cka": 1.5, "value": 1.5, "H0": 2.0, "null/p_value": 2.0, "null/low": 1e6, "layer": 9}
    there = [n for n in numbers if n in file.attrs]
    there += [n for n in arrays if n in file and ("kind" not in file.attrs or n != "H0")]
    if not there:
        raise ValueError("nothing such")
    chosen = chance.choice(there)
    if chosen in numbers:
        file.attrs[chosen] = numbers[chosen]
    elif chosen == "layer":
        file["layer"][...] = np.where(file["layer"][...] == 1, 2, file["layer"][...])
    elif file[chosen].ndim == 2 and "networks" in file:
        file[chosen][0, 1] = file[chosen][1, 0] = arrays[chosen]
    else:
        file[chosen][(0,) * (file[chosen].ndim - 1) + (-1,)] = arrays[chosen]


def _bundle(file: h5py.Group, name: str, chance: random.Random) -> None:
    """A bundle whose ids and members do not fit each other, or are none."""
    whole = file.file
    if "ids" not in whole:
        raise ValueError("no bundle")
    what = chance.randrange(8)
    if what == 0:
        bad = ("", "..", "../x", "/x", "x/", "x//y", "x/.", "a b", "x" * 5000, "other", "é", "x\n")
        whole["ids"][0] = chance.choice((*bad, "/".join("x" * 17), "x/" * 200_000 + "x"))
    elif what == 1:
        del whole[chance.choice(("ids", "members"))]
    elif what == 2:
        whole.create_group(f"members/{chance.choice(('more', 'x/y', 'network/more'))}")
    elif what == 3:
        whole["members"].attrs["more"] = 1
    elif what == 4:
        one = whole[f"members/{whole['ids'].asstr()[0]}"]
        whole[chance.choice(("more", "members/more", "members/x/y"))] = one
    elif what == 5:
        whole["members/network/ancestors"] = np.array([["0" * 16] * 2], "S16")
    elif what == 6:
        links = h5py.SoftLink("/members"), h5py.ExternalLink("x.h5", "/"), whole["members"]
        whole[f"members/{chance.choice(('x', 'network/x'))}"] = chance.choice(links)
    else:
        there = whole["ids"].asstr()[:].tolist()
        del whole["ids"]
        names = chance.choice(([], [*there, *there], [*there, f"{there[0]}/x"], [*there, "x"]))
        whole.create_dataset("ids", data=names, dtype=h5py.string_dtype())


IMPOSSIBLE = (
    _bundle,
    *(_packed, _many_attributes, _no_digest, _bad_name, _one_direction, _from_itself),
    *(_undefined, _twice, _unknown_word, _beyond),
)
"""Damages after which no file may be read."""
STRUCTURE = (
    *IMPOSSIBLE,
    *(_link, _virtual, _external, _huge, _delete, _rename, _exchange, _retype, _reshape),
    *(_wrong_value, _zero_values, _attribute, _json, _committed, _group, _alien),
)
HARMLESS = (
    _wrong_value,
    _zero_values,
    _exchange,
    _attribute,
    _json,
    _reshape,
    _retype,
    _delete,
    _rename,
)
"""Damages after which a file may still be a right one, of another content."""


def damage_structure(
    path: Path,
    chance: random.Random,
    damages: Sequence[Callable[[h5py.Group, str, random.Random], None]] = STRUCTURE,
    opened: Callable[[Path], AbstractContextManager[h5py.Group]] = altered,
) -> str:
    """Damage a file by h5py; return how."""
    how = chance.choice(damages)
    whole = path.read_bytes()
    try:
        with opened(path) as group:
            # mostly what holds the arrays of a layout, at times the whole of a bundle
            file = group if chance.random() < 0.8 else group.file
            how(file, chance.choice(_arrays(file)), chance)
    except (TypeError, ValueError, OSError, KeyError, RuntimeError, AttributeError, IndexError):
        # not possible with this array, and perhaps half done
        path.write_bytes(whole)
        return "nothing"
    return how.__name__.strip("_")


def damaged(data: bytes, chance: random.Random) -> tuple[str, bytes]:
    """Return how the bytes of a file were damaged, and what they are then."""
    how = chance.choice(BYTES)
    return how.__name__.strip("_"), bytes(how(bytearray(data or b"x"), chance))
