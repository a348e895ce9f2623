"""What the file of each layout may hold, checked before an array of it is read.

A bundle holds the same for each of its members, in a group below ``/members``; ``/ids`` names
them.

A file can be whole and still not be one of netkin's: made by another program, or damaged before
its digest was taken. Here names, links, types and shapes are compared with those that netkin
writes. Nothing is allocated meanwhile, and no link leads out of the file. What the numbers
mean is checked by the reader of the layout.
"""

import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5l, h5o, h5s, h5t, h5z

from netkin.errors import NetkinError, shown
from netkin.failure import is_of_content

Size = int | str | None
TYPES = {
    "float": (h5t.FLOAT, "f", (4, 8)),
    "integer": (h5t.INTEGER, "i", (1, 2, 4, 8)),
    "boolean": (h5t.ENUM, "b", (1,)),
    "text": (h5t.STRING, "O", (8,)),
    "names": (h5t.STRING, "O", (8,)),
    "digest": (h5t.STRING, "S", (16,)),
}
"""Name of a type -> its class in HDF5, its kind in numpy and how many bytes it may have."""
TEXT = np.dtype([("length", "<u4"), ("place", "<u8"), ("number", "<u4")])
"""What an entry of text is in its array: its length, and where it is in the file."""
TEXT_BYTES = TEXT.itemsize


@dataclass(frozen=True)
class Array:
    """A dataset.

    Attributes
    ----------
    type : str
        A key of `TYPES`.
    shape : tuple of int, str or None, or None
        A number is the length of that dimension; a name stands for the same length everywhere in
        the file, or in the member of a bundle, and may hold what stands in braces in the name of
        the dataset; None is any length. None for all allows any shape of one to eight dimensions.
    packed : bool
        Whether it may be compressed. What need not be is stored as it is, so that the file is
        as long as what it declares.
    attributes : mapping of str to str
        As in `Structure`.
    gaps : bool
        Whether numbers in names may be missing between others.
    """

    type: str
    shape: tuple[Size, ...] | None
    packed: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)
    gaps: bool = False


@dataclass(frozen=True)
class Structure:
    """What a file may hold.

    Attributes
    ----------
    arrays : mapping of str to Array
        Path of a dataset -> what it is. ``{k}`` stands for numbers that count from 0, ``{name}``
        for any name.
    attributes : mapping of str to str
        Root attribute -> ``text``, ``integer`` or ``float``.
    groups : mapping of str to mapping
        Group -> its attributes in the same way; ``floats`` is a list of numbers.
    """

    arrays: Mapping[str, Array]
    attributes: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


DIGEST = re.compile("[0-9a-f]{16}")
RECORD = {
    "layout": re.compile(".+"),
    "parameters": re.compile(".+"),
    "code": re.compile("([0-9a-f]{16})?"),
    "recipe": DIGEST,
    "lineage": DIGEST,
    "content": DIGEST,
    "version": re.compile(".+"),
}
"""Root attributes of every file, and what their text is like; see `netkin.storage`."""
PARAMETERS = "parameters"
"""Attribute, or where it would be too long for one, dataset that holds the parameters."""
EVERYWHERE = {"ancestors": Array("digest", ("ancestors", 2)), PARAMETERS: Array("text", (1,))}
"""Datasets that a file of any layout may hold."""
IDS, MEMBERS = "ids", "members"
"""What a bundle holds: the ids of its members (text), and a group for each, named by its id."""
MOST_PARTS = 16
"""Parts that an id may have: each is a folder."""
_PART = "[A-Za-z0-9_.+-]{1,200}"
ID = re.compile(f"{_PART}(/{_PART}){{0,{MOST_PARTS - 1}}}")
"""An id; it becomes part of paths."""


def is_id(text: str) -> bool:
    """Tell whether a text can be the id of a member: parts of a path that leads nowhere else."""
    return bool(ID.fullmatch(text)) and not {".", ".."} & set(text.split("/"))


def folder_among(ids: Iterable[str]) -> tuple[str, str] | None:
    """Return an id that is the folder of another one, and that one; None if there is none."""
    known = set(ids)
    for id in sorted(known):
        parts = id.split("/")
        for depth in range(1, len(parts)):
            if (above := "/".join(parts[:depth])) in known:
                return above, id
    return None


_NETWORKS = ("networks", "networks")
_NULL = {
    f"null/{part}": Array("float", _NETWORKS)
    for part in ("mean", "calibrated", "p_value", "low", "high")
}


def _reasons(shape: tuple[str, str]) -> dict[str, Array]:
    return {
        "reason_code": Array("integer", shape, packed=True),
        "reason_text": Array("names", ("reasons",)),
    }


_ABOUT = {"measure": "text", "family": "text", "orientation": "text"}

_HISTORY = dict.fromkeys(("loss", "accuracy", "validation_loss", "validation_accuracy"), "floats")

_NETWORK = Structure(
    {
        "layers/{k}/weight": Array(
            "float",
            ("units of layer {k}", "inputs of layer {k}"),
            attributes={"name": "text", "activation": "text"},
        ),
        # a layer may have none
        "layers/{k}/bias": Array(
            "float", ("units of layer {k}",), attributes={"name": "text"}, gaps=True
        ),
        # of a network of somebody's own whose layers are not known
        "tensors/{k}": Array("float", None, attributes={"name": "text"}),
        # its graph, where it is no chain of dense layers
        "wired/description": Array("text", (1,)),
        "wired/taps/{k}": Array("integer", (None, None, 5)),
        "wired/columns/{k}": Array("integer", (None,)),
        "wired/weight/{k}": Array("float", (None, None, None), gaps=True),
        "wired/heads/{k}/values": Array("integer", (None, None, 2)),
        "wired/heads/{k}/queries": Array("integer", (None, None, 2), gaps=True),
        "wired/heads/{k}/keys": Array("integer", (None, None, 2), gaps=True),
        "history/loss": Array("float", ("epochs",)),
        "history/accuracy": Array("float", ("epochs",)),
        "history/validation_loss": Array("float", ("epochs",)),
        "history/validation_accuracy": Array("float", ("epochs",)),
    },
    {
        "test_accuracy": "float",
        "reason": "text",
        "format": "text",
        "left_out": "text",
        "also": "text",
    },
)

STRUCTURES: dict[str, Structure] = {
    "dataset": Structure(
        {
            "train/inputs": Array("float", ("training rows", "features"), packed=True),
            "train/labels": Array("integer", ("training rows",), packed=True),
            "train/rows": Array("integer", ("training rows",), packed=True),
            "test/inputs": Array("float", ("test rows", "features"), packed=True),
            "test/labels": Array("integer", ("test rows",), packed=True),
            "test/rows": Array("integer", ("test rows",), packed=True),
            "label_names": Array("names", ("labels",)),
            "extractor/layers/{k}/weight": Array("float", None),
            "extractor/layers/{k}/bias": Array("float", ("units of extractor {k}",)),
        },
        groups={"extractor": {"test_accuracy": "float", **_HISTORY}},
    ),
    "network": _NETWORK,
    "networks": _NETWORK,
    "graph": Structure(
        {
            "source": Array("integer", ("edges",), packed=True),
            "target": Array("integer", ("edges",), packed=True),
            "value": Array("float", ("edges",)),
            "layer": Array("integer", ("vertices",), packed=True),
            "is_bias": Array("boolean", ("vertices",), packed=True),
        },
        {"n_vertices": "integer", "reason": "text"},
    ),
    "diagram": Structure(
        {
            "H{k}": Array("float", ("intervals of H{k}", 2), packed=True),
            "H{k}_count": Array("integer", ("intervals of H{k}",), packed=True),
        },
        {"engine": "text", "theorem": "text", "reason": "text"},
    ),
    "vector": Structure(
        {"H{k}": Array("float", None, packed=True)},
        {
            "n_bins": "integer",
            "start": "float",
            "stop": "float",
            "axes": "integer",
            "kind": "text",
            "reason": "text",
        },
    ),
    "activation": Structure(
        {
            "rows": Array("integer", ("rows",)),
            "labels": Array("integer", ("rows",)),
            "layer_names": Array("names", ("layers",)),
            "layers/{name}": Array("float", ("rows", "units of {name}"), packed=True),
        }
    ),
    "prediction": Structure(
        {
            "rows": Array("integer", ("rows",)),
            "labels": Array("integer", ("rows",)),
            "probabilities": Array("float", ("rows", "classes"), packed=True),
        }
    ),
    "distance": Structure(
        {
            "matrix": Array("float", _NETWORKS),
            "networks": Array("names", ("networks",)),
            # of an older netkin
            "reason": Array("text", _NETWORKS),
            **_reasons(_NETWORKS),
            **_NULL,
        },
        {**_ABOUT, "permutations": "integer", "seconds": "float", "peak_mib": "float"},
    ),
    "distance_block": Structure(
        {
            "matrix": Array("float", ("networks", "others")),
            "networks": Array("names", ("networks",)),
            "others": Array("names", ("others",)),
            **_reasons(("networks", "others")),
        },
        {**_ABOUT, "seconds": "float", "peak_mib": "float"},
    ),
    "distance_summary": Structure(
        {
            "mean": Array("float", _NETWORKS),
            "standard_deviation": Array("float", _NETWORKS),
            "normalised_mean": Array("float", _NETWORKS),
            "networks": Array("names", ("networks",)),
            **_NULL,
        },
        {**_ABOUT, "seeds": "integer", "repeatability": "float"},
    ),
    "layers": Structure(
        {
            "layers_a": Array("names", ("layers of a",)),
            "layers_b": Array("names", ("layers of b",)),
            "{name}": Array(
                "float", ("layers of a", "layers of b"), attributes={"orientation": "text"}
            ),
            "reason/{name}": Array("text", ("layers of a", "layers of b")),
            "null/{name}": Array("float", ("layers of a", "layers of b")),
        }
    ),
}
"""Stage -> what its files may hold; an entry for each layout of `netkin.storage`."""

_LINKS = {h5l.TYPE_SOFT: "a soft link", h5l.TYPE_EXTERNAL: "an external link"}
_FILTERS = {h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE}
MOST_UNPACKED = 300
"""Bytes that a file may declare for each one that it has. At level 1, which all writers take,
zlib makes at most 228 of one, of zeros alone; the words of Reuters are 70 to 120. At its other
levels it would be 1,032: a file of some MB that fills the memory."""
ALWAYS_UNPACKED = 256 * 2**20
"""Bytes that any file may declare."""


def check_structure(
    path: str | os.PathLike[str],
    file: h5py.File,
    layout: str | None = None,
    *,
    is_bundle: bool = False,
) -> None:
    """Check that an open file holds what its layout allows, and nothing else.

    Parameters
    ----------
    path : path
        The file, as an error names it.
    file : h5py.File
        The file, open.
    layout : str, optional
        A key of `STRUCTURES`; by default the one that the file names.
    is_bundle : bool
        Whether the layout's arrays are those of each member of a bundle.

    Raises
    ------
    NetkinError
        One sentence that names the file and the entry: a link of another kind than a name of
        the file's own array, data that lie elsewhere, an unknown name, another type, shapes
        that do not fit each other, an array of which not all is stored, or an attribute of
        another type.
    """
    try:
        if layout is None:
            found = file.attrs.get("layout")
            layout = str(found).partition("/")[0]
            if layout not in STRUCTURES:
                raise NetkinError(
                    f"{path}: its layout is {str(found)[:40]!r}, which this netkin does not know. "
                    "Delete it and run the workflow again to make it anew."
                )
        check = _Check(path, file, STRUCTURES[layout])
        if is_bundle:
            check.run_bundle()
        else:
            check.run()
    except Exception as error:  # whatever h5py makes of damage
        if not is_of_content(error):
            raise
        what = str(error).partition("\n")[0] or type(error).__name__
        raise NetkinError(
            f"{path}: damaged, or not written by netkin ({what}). "
            "Delete it and run the workflow again to make it anew."
        ) from error


def check_entries(path: str | os.PathLike[str], file: h5py.File, layout: str) -> None:
    """Check names, links, types and shapes of an open file, but not what it records of itself.

    For files of a layout that recorded less.

    Raises
    ------
    NetkinError
        As `check_structure`.
    """
    check = _Check(path, file, STRUCTURES[layout])
    check.check_group(file["/"].id, "")
    check.check_numbers()


class _Check:
    """One file beside its structure."""

    def __init__(self, path: str | os.PathLike[str], file: h5py.File, structure: Structure) -> None:
        self.path = path
        self.file = file
        self.structure = structure
        self.bytes = Path(path).stat().st_size
        self.declared = 0
        self.arrays = [
            (pattern, _compiled(pattern), array)
            for pattern, array in {**EVERYWHERE, **structure.arrays}.items()
        ]
        self.groups = [
            _compiled(group)
            for group in {
                pattern.rsplit("/", depth)[0]
                for pattern in structure.arrays
                for depth in range(1, pattern.count("/") + 1)
            }
        ]
        self.member = ""
        self.sizes: dict[str, tuple[int, str]] = {}
        self.numbers: dict[str, set[int]] = {}

    def refuse(self, name: str, what: str) -> NoReturn:
        place = f"/{self.member}{name}"
        if self.member and not name:
            place = place.removesuffix("/")
        raise NetkinError(
            f"{self.path}: {place} {what}. Delete it and run the workflow again to make it anew."
        )

    def run(self) -> None:
        root = self.file["/"].id
        self.check_attributes(root, "", self.structure.attributes)
        self.check_record()
        self.check_group(root, "")
        self.check_numbers()

    def run_bundle(self) -> None:
        """Check the file of several members."""
        root = self.file["/"].id
        self.check_attributes(root, "", {})
        self.check_record()
        known = {**EVERYWHERE, IDS: Array("names", ("members",))}
        for name, entry in self.entries(root, ""):
            if name in known:
                self.check_dataset(entry, name, known[name], {})
            elif name != MEMBERS:
                self.refuse(name, "is an entry that its layout does not know")
        for name in (IDS, MEMBERS):
            if name not in self.file:
                self.refuse(name, "is missing")
        ids = self.file[IDS].asstr()[()].tolist()
        for one in ids:
            if not is_id(one):
                self.refuse(IDS, f"holds {shown(one)}, which is no id")
        missing = set(ids)
        folders = {
            one.rsplit("/", depth)[0] for one in ids for depth in range(1, 1 + one.count("/"))
        }
        self.check_members(self.file[MEMBERS].id, "", missing, folders)
        if missing:
            self.refuse(f"{MEMBERS}/{min(missing)}", "is missing")

    def check_members(self, group: Any, above: str, missing: set[str], folders: set[str]) -> None:
        """Check what is below ``/members``; what is found is taken out of `missing`."""
        if not isinstance(group, h5g.GroupID):
            self.refuse(f"{MEMBERS}/{above}".rstrip("/"), "is no group")
        if h5a.get_num_attrs(group):
            self.refuse(f"{MEMBERS}/{above}".rstrip("/"), "has an attribute, which no layout knows")
        for name, entry in self.entries(group, f"{MEMBERS}/{above}"):
            one = name.removeprefix(f"{MEMBERS}/")
            if one in missing:
                missing.remove(one)
                if not isinstance(entry, h5g.GroupID):
                    self.refuse(name, "is no group")
                self.sizes, self.numbers = {}, {}
                self.member = f"{name}/"
                self.check_attributes(entry, "", self.structure.attributes)
                self.check_group(entry, "")
                self.check_numbers()
                self.member = ""
            elif one in folders:
                self.check_members(entry, f"{one}/", missing, folders)
            else:
                self.refuse(name, f"is no member, as /{IDS} lists them")

    def check_numbers(self) -> None:
        for pattern, numbers in self.numbers.items():
            if numbers != set(range(len(numbers))) and not self.structure.arrays[pattern].gaps:
                missing = min(set(range(len(numbers))) - numbers)
                self.refuse(pattern.replace("{k}", str(missing)), "is missing between others")

    def check_record(self) -> None:
        """Check the attributes that every file has."""
        for name, text in RECORD.items():
            value = self.file.attrs.get(name)
            if not isinstance(value, str) or not text.fullmatch(value):
                found = "is missing" if value is None else f"is {shown(value)}"
                self.refuse("", f"has a damaged record: its attribute '{name}' {found}")
        try:
            parameters = json.loads(self.file.attrs[PARAMETERS])
        except (ValueError, RecursionError) as error:
            self.refuse("", f"has an attribute 'parameters' that is not JSON ({error})")
        if not isinstance(parameters, dict):
            self.refuse("", "has an attribute 'parameters' that is no JSON object")

    def entries(self, group: h5g.GroupID, above: str) -> Iterator[tuple[str, Any]]:
        """Yield name and entry of all in a group, which are its own."""
        for link in group:
            try:
                name = above + link.decode()
            except UnicodeDecodeError:
                self.refuse(above, f"has an entry {link!r}, whose name is not UTF-8")
            if not name.isprintable():
                self.refuse(above, f"has an entry {name!r}, which no layout knows")
            kind = group.links.get_info(link).type
            if kind != h5l.TYPE_HARD:
                self.refuse(name, f"is {_LINKS.get(kind, 'a link of an unknown kind')}, not data")
            entry = h5o.open(group, link)
            if h5o.get_info(entry).rc != 1:
                self.refuse(name, "is the same entry as another one")
            yield name, entry

    def check_group(self, group: h5g.GroupID, above: str) -> None:
        for name, entry in self.entries(group, above):
            if any(known.fullmatch(name) for known in self.groups):
                if not isinstance(entry, h5g.GroupID):
                    self.refuse(name, "is no group")
                self.check_attributes(entry, name, self.structure.groups.get(name, {}))
                self.check_group(entry, f"{name}/")
            else:
                self.check_dataset(entry, name, *self.array_of(name))

    def check_dataset(self, entry: Any, name: str, array: Array, values: Mapping[str, str]) -> None:
        if not isinstance(entry, h5d.DatasetID):
            self.refuse(name, "is no array")
        self.check_attributes(entry, name, array.attributes)
        self.check_array(entry, name, array, values)

    def array_of(self, name: str) -> tuple[Array, dict[str, str]]:
        """Return what an array of this name must be, and what fills the braces."""
        for pattern, known, array in self.arrays:
            found = known.fullmatch(name)
            if found and not (self.member and pattern in EVERYWHERE):
                values = found.groupdict()
                if "k" in values:
                    self.numbers.setdefault(pattern, set()).add(int(values["k"]))
                return array, values
        return self.refuse(name, "is an entry that its layout does not know")

    def check_array(
        self, entry: h5d.DatasetID, name: str, array: Array, values: Mapping[str, str]
    ) -> None:
        self.check_place(entry, name)
        self.check_type(entry, name, array.type)
        space = entry.get_space()
        if space.get_simple_extent_type() != h5s.SIMPLE:
            self.refuse(name, "is a single value or empty, not an array")
        self.check_shape(name, space.get_simple_extent_dims(), array.shape, values)
        self.check_stored(entry, name, packed=array.packed)
        if entry.dtype.kind == "O":
            self.check_lengths(entry, name)
            self.check_texts(name, are_names=array.type == "names")

    def check_lengths(self, entry: h5d.DatasetID, name: str) -> None:
        """Check that texts together are no longer than the file, before they are read.

        An entry says how long its text is and where: all could name one place.
        """
        size = math.prod(entry.shape)  # all of it is stored, see check_stored
        start = entry.get_offset() if size else 0
        if start is None:
            self.refuse(name, "has no place of its own in the file, as netkin gives each array")
        entries = os.pread(self.file.id.get_vfd_handle(), TEXT_BYTES * size, start)
        length = int(np.frombuffer(entries, TEXT)["length"].sum(dtype=np.int64))
        if length > self.bytes:
            self.refuse(name, f"declares {length:,} bytes of text in a file of {self.bytes:,}")

    def check_texts(self, name: str, *, are_names: bool) -> None:
        """Check that texts have one line each, and that names are there and differ."""
        texts = self.file[f"/{self.member}{name}"].asstr()[()].ravel().tolist()
        if are_names and not texts:
            self.refuse(name, "names nothing; at least one name is needed")
        for text in texts:
            if text.splitlines() != [text] and (text or are_names):
                self.refuse(name, f"holds {shown(text)}; allowed is text of one line")
        if are_names and len(set(texts)) < len(texts):
            twice = next(text for text in texts if texts.count(text) > 1)
            self.refuse(name, f"holds {shown(twice)} more than once")

    def check_type(self, entry: h5d.DatasetID, name: str, wanted: str) -> None:
        stored = entry.get_type()
        if stored.committed():
            self.refuse(name, "has a type that is defined elsewhere in the file")
        if stored.get_class() not in {found for found, _, _ in TYPES.values()}:
            self.refuse(name, f"holds neither numbers nor text, expected {wanted}")
        found = entry.dtype
        known, kind, sizes = TYPES[wanted]
        if (stored.get_class(), found.kind) != (known, kind) or found.itemsize not in sizes:
            as_text = "text" if found.kind == "O" else found
            self.refuse(name, f"holds {as_text}, expected {wanted}")

    def check_shape(
        self,
        name: str,
        shape: tuple[int, ...],
        wanted: tuple[Size, ...] | None,
        values: Mapping[str, str],
    ) -> None:
        if wanted is None:
            if not 1 <= len(shape) <= 8:
                self.refuse(name, f"has shape {shape}, expected one to eight dimensions")
            return
        expected = [size.format(**values) if isinstance(size, str) else size for size in wanted]
        text = f"({', '.join('k' if size is None else str(size) for size in expected)})"
        if len(shape) != len(expected):
            self.refuse(name, f"has shape {shape}, expected {text}")
        for found, size in zip(shape, expected, strict=True):
            if not isinstance(size, str):
                if size not in (None, found):
                    self.refuse(name, f"has shape {shape}, expected {text}")
                continue
            known, source = self.sizes.setdefault(size, (found, name))
            if found != known:
                self.refuse(
                    name, f"and /{source} differ in length: {found} and {known} of '{size}'"
                )

    def check_place(self, entry: h5d.DatasetID, name: str) -> None:
        """Check that the data lie in the file as netkin puts them there."""
        how = entry.get_create_plist()
        if how.get_layout() == h5d.VIRTUAL or how.get_external_count():
            self.refuse(name, "is put together from other data, which netkin does not do")
        filters = {how.get_filter(number)[0] for number in range(how.get_nfilters())}
        if not filters <= _FILTERS:
            self.refuse(name, "is compressed in a way that netkin does not use")

    def check_stored(self, entry: h5d.DatasetID, name: str, *, packed: bool) -> None:
        """Check that all that is declared is here; what is not would be made up of zeros."""
        how = entry.get_create_plist()
        shape = entry.shape
        is_text = entry.dtype.kind == "O"
        wanted = math.prod(shape) * (TEXT_BYTES if is_text else entry.dtype.itemsize)
        stored = entry.get_storage_size() if wanted else 0
        if how.get_layout() == h5d.CHUNKED:
            chunk = how.get_chunk()
            # with a dimension that can grow, a chunk could be larger than all of the array
            if wanted and any(part > size for part, size in zip(chunk, shape, strict=True)):
                self.refuse(name, f"is of shape {shape} in parts of {chunk}, which are larger")
            if not packed:
                self.refuse(name, "is stored in parts, which netkin does only with other arrays")
            parts = math.prod(-(-size // part) for size, part in zip(shape, chunk, strict=True))
            complete = not wanted or entry.get_num_chunks() == parts
        else:
            complete = stored == wanted
        if not complete or stored > self.bytes:
            self.refuse(name, f"declares {wanted} bytes, but not all of them are in the file")
        self.declared += wanted
        if self.declared > max(ALWAYS_UNPACKED, MOST_UNPACKED * self.bytes):
            self.refuse(
                name,
                f"declares {wanted:,} bytes in a file of {self.bytes:,}, more than netkin can "
                "have compressed",
            )

    def check_attributes(self, entry: Any, name: str, known: Mapping[str, str]) -> None:
        record = {} if name or self.member else RECORD
        # before one is opened: each is looked up among all
        count, most = h5a.get_num_attrs(entry), len(known) + len(record)
        if count > most:
            self.refuse(name, f"has {count:,} attributes; its layout knows {most}")
        for number in range(count):
            attribute = h5a.open(entry, index=number)
            title = attribute.name.decode(errors="replace")
            wanted = known.get(title, "text" if title in record else "")
            if not wanted:
                self.refuse(name, f"has an attribute {title!r}, which no layout knows")
            stored = attribute.get_type()
            kind = h5s.SIMPLE if wanted == "floats" else h5s.SCALAR
            if (
                stored.committed()
                or stored.get_class() != TYPES[wanted.removesuffix("s")][0]
                or attribute.get_space().get_simple_extent_type() != kind
            ):
                self.refuse(name, f"has an attribute '{title}' of another type than {wanted}")
            if stored.get_class() == h5t.STRING:
                self.check_text(name, title, self.file[f"/{self.member}{name}"].attrs[title])

    def check_text(self, name: str, title: str, value: Any) -> None:
        if not isinstance(value, str):
            self.refuse(name, f"has an attribute '{title}' that is no text")
        # neither lines, which would make several of a sentence, nor what is no UTF-8
        if not value.isprintable():
            self.refuse(name, f"has an attribute '{title}' with characters that are not printed")


def _compiled(pattern: str) -> re.Pattern[str]:
    text = re.escape(pattern)
    text = text.replace(r"\{k\}", "(?P<k>0|[1-9][0-9]{0,6})")
    return re.compile(text.replace(r"\{name\}", "(?P<name>[^/]+)"))
