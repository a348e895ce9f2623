"""Take over the networks of an older netkin, and their data sets, instead of making them anew.

What is taken is checked: the digest of its content, that it was made by the parameters that
today's config asks for, and that a network was trained on the very data set that is taken with it.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from netkin import storage
from netkin.comparison import UNTRAINED
from netkin.errors import NetkinError
from netkin.failure import is_of_content
from netkin.freshness import differences
from netkin.recipe import Recipe, Recipes
from netkin.structure import check_entries

FIRST_LAYOUT = "1"
"""Layout version of the files that are not sealed and record no recipe."""
KNOWN = {FIRST_LAYOUT, "2"}
"""Layout versions of data sets and networks that are taken."""
LATER = ("threads", "files")
"""Parameters that the first layout did not record."""


@dataclass
class Adopted:
    """What came of it.

    Attributes
    ----------
    taken : dict of str to str
        File of the study -> the file it was taken from.
    there : list of str
        Files that are as today's config makes them already.
    left : dict of str to str
        File of the study -> why there is nothing to take for it.
    older : dict of str to set of str
        Data set of the study -> the contents that older files of it recorded.
    """

    taken: dict[str, str] = field(default_factory=dict)
    there: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    older: dict[str, set[str]] = field(default_factory=dict)


def adopt(recipes: Recipes, folder: Path) -> Adopted:
    """Write the networks and data sets of a study from the results of an older netkin.

    Parameters
    ----------
    recipes : Recipes
        Of the study.
    folder : Path
        The older results: the folder that holds ``dataset`` and ``network``. It may be the
        study's own.

    Raises
    ------
    NetkinError
        There is no such folder.
    """
    if not (folder / "network").is_dir():
        raise NetkinError(f"{folder}: there is no folder 'network' in it; name a results folder.")
    study, result = recipes.study, Adopted()
    # images before the features that are made from them
    for name in sorted(study.prepared, key=lambda name: not name.endswith(".images")):
        path = study.path("dataset", name)
        _take(recipes.of(path), [folder / "dataset" / f"{name}.h5"], result)
    for member in study.members.values():
        # only those that were trained here have an older file
        if member.probe is None or study.source_of[member.id].making(member) is None:
            continue
        path = study.file_of("network", member)
        dataset, *rest = member.id.split("/")
        if rest[0] == "untrained":
            places = [[dataset, *rest], [f"{dataset}{UNTRAINED}", *rest[1:]]]
        else:
            places = [[dataset, *rest]]
        _take(recipes.of(path), [folder / "network" / f"{'/'.join(p)}.h5" for p in places], result)
    return result


def _take(recipe: Recipe, places: Sequence[Path], result: Adopted) -> None:
    """Take one file, from the first of these places where there is one."""
    found = next((place for place in places if place.is_file()), None)
    try:
        if _is_fresh(recipe):
            result.there.append(recipe.path)
            if recipe.layout == "dataset" and found is not None:
                _note_same(found, recipe.path, result)
            return
        missing = [one.path for one in recipe.inputs if not _is_fresh(one)]
        if missing:
            raise NetkinError(f"{missing[0]}, which it is made from, was not taken")
        if found is None:
            raise NetkinError(f"there is no {places[0]}")
        parts = _read(found)
        older = [result.older.get(one.path, set()) for one in recipe.inputs]
        reasons = list(_reasons(recipe, parts, older))
        if reasons:
            raise NetkinError("; ".join(reasons))
        _write(recipe, parts)
    except NetkinError as error:
        # an older file is not ours to delete
        result.left[recipe.path] = str(error).partition(" Delete it")[0]
        return
    result.taken[recipe.path] = str(found)
    if recipe.layout == "dataset":
        result.older[recipe.path] = {parts.record["content"]}


def _note_same(older: Path, path: str, result: Adopted) -> None:
    """Note what an older data set recorded if it is the same as the one that is there."""
    here = _read(Path(path))
    there = _read(older)
    a, b = there.arrays, here.arrays
    if a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a):
        result.older[path] = {there.record["content"]}
    # taken over before, perhaps from this very place
    before = here.parameters.get("adopted", {}).get("content")
    if before is not None:
        result.older.setdefault(path, set()).add(before)


def _is_fresh(recipe: Recipe) -> bool:
    try:
        return storage.read_origin(recipe.path).recipe == recipe.digest
    except NetkinError:
        return False


@dataclass(frozen=True)
class _Parts:
    """An older file in memory.

    Attributes
    ----------
    path : Path
        The file.
    record : dict of str to str
        What it says of how it was made.
    attributes : dict
        ``NAME@ATTRIBUTE`` -> value, of all groups and arrays; the root is "".
    arrays : dict of str to array
        Name -> what it holds.
    """

    path: Path
    record: dict[str, str]
    attributes: dict[str, Any]
    arrays: dict[str, Any]

    @property
    def parameters(self) -> dict[str, Any]:
        """How it was made."""
        return dict(json.loads(self.record["parameters"]))


RECORD = ("layout", "parameters", "code", "lineage", "content", "version", "recipe")


def _read(path: Path) -> _Parts:
    """Read an older file whole, after checking that it is as it was written."""
    try:
        with h5py.File(path, "r", driver="sec2", locking=False) as file:
            layout = str(file.attrs.get("layout"))
            stage, _, version = layout.partition("/")
            if stage not in ("dataset", "network") or version not in KNOWN:
                raise NetkinError(f"{path}: its layout is '{layout}', which is not taken over")
            if version == FIRST_LAYOUT:
                check_entries(path, file, stage)
                if _first_content(file) != file.attrs["content"]:
                    raise NetkinError(
                        f"{path}: damaged, its arrays are not those that were written"
                    )
            else:
                storage.read_attributes(path)
            attributes, arrays = {}, {}
            for name, item in _items(file):
                attributes.update({f"{name}@{key}": value for key, value in item.attrs.items()})
                if isinstance(item, h5py.Dataset) and name != storage.ANCESTORS:
                    is_text = item.dtype.kind == "O"
                    arrays[name] = item.asstr()[()].tolist() if is_text else item[()]
            record = {key: str(file.attrs[key]) for key in RECORD if key in file.attrs}
            return _Parts(path, record, attributes, arrays)
    except Exception as error:
        if isinstance(error, NetkinError) or not is_of_content(error):
            raise
        what = str(error).partition("\n")[0]
        raise NetkinError(f"{path}: damaged, or not written by netkin ({what})") from None


def _items(file: h5py.File) -> Iterator[tuple[str, Any]]:
    yield "", file
    names: list[str] = []
    file.visit(names.append)
    for name in names:
        yield name, file[name]


def _first_content(file: h5py.File) -> str:
    """Return the digest of the content as the first layout had it, with numpy 1's `repr`."""
    digest = hashlib.blake2b(digest_size=8)
    left_out = {"content", "seconds", "peak_mib"}
    for name, item in _items(file):
        attributes = {k: _repr(v) for k, v in item.attrs.items() if k not in left_out}
        digest.update(f"{name or '/'} {sorted(attributes.items())}".encode())
        if not isinstance(item, h5py.Dataset):
            continue
        digest.update(f"{item.dtype} {item.shape}".encode())
        if item.dtype.kind == "O":
            digest.update(repr(item.asstr()[()].tolist()).encode())
        else:
            digest.update(np.ascontiguousarray(item[()]).tobytes())
    return digest.hexdigest()


def _repr(value: Any) -> str:
    """Return `repr` as numpy 1 wrote it: a number without its type, an array as ever."""
    return repr(value.item() if isinstance(value, np.generic) else value)


def _reasons(recipe: Recipe, parts: _Parts, older: Sequence[set[str]]) -> Iterator[str]:
    """Yield why an older file is not what today's config asks for."""
    recorded = parts.parameters
    wanted = {
        key: value
        for key, value in json.loads(storage.canonical_json(recipe.parameters)).items()
        if key in recorded or key not in LATER
    }
    yield from (f"{parts.path}: {text}" for text in differences(recorded, wanted))
    if recipe.device not in ("auto", recorded.get("device")):
        yield f"{parts.path}: it was made on {recorded.get('device')}, now {recipe.device}"
    if not all(older):
        yield f"{parts.path}: the data set it was made from is not that of this study"
    elif parts.record["lineage"] not in {
        storage.lineage(parts.record["code"], recorded, contents) for contents in product(*older)
    }:
        yield f"{parts.path}: it was made from another data set than the one beside it"


def _write(recipe: Recipe, parts: _Parts) -> None:
    """Write what was read as a file of today's layout and recipe; it says what it was before."""
    said = parts.parameters
    determined: Mapping[str, Any] = {
        "adopted": {key: parts.record[key] for key in ("layout", "code", "content")},
        **({"device": said["device"]} if "device" in said else {}),
    }
    with storage.create(
        recipe.path,
        recipe.layout,
        parameters=recipe.parameters,
        determined=determined,
        code=recipe.code,
        inputs=[one.path for one in recipe.inputs],
    ) as file:
        for name, values in parts.arrays.items():
            if isinstance(values, list):
                file.create_dataset(name, data=values, dtype=h5py.string_dtype())
            elif recipe.layout == "dataset" and values.ndim and name.startswith(("train", "test")):
                file.create_dataset(
                    name, data=values, compression="gzip", compression_opts=1, shuffle=True
                )
            else:
                file[name] = values
        for place, value in parts.attributes.items():
            name, _, key = place.rpartition("@")
            if name or key not in RECORD:
                file[name or "/"].attrs[key] = value


def describe(result: Adopted) -> str:
    """Return what came of it as text."""
    lines = [f"{path}: left, {why}" for path, why in result.left.items()]
    lines.append(
        f"{len(result.taken)} taken over, {len(result.there)} were there already, "
        f"{len(result.left)} left."
    )
    return "\n".join(lines)
