"""Damaged files of models: one sentence, or what can still be understood, and nothing else."""

import contextlib
import math
import random
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from netkin.errors import NetkinError
from netkin.network.format import FORMATS, open_model
from netkin.network.imported import stamps_of
from tests.stress import frame
from tests.stress.counts import Counts
from tests.stress.inside import IMPOSSIBLE, OUTSIDE, TEXTS, damaged_file
from tests.stress.networks import KINDS, ORIGINALS, make_files

MOST_TIMES = 64
"""Times its size that a damaged file may take of memory, beside `SLACK`."""
SLACK = 64 * 2**20
"""Bytes that libraries take whatever they read."""
MOST_LETTERS = 4000
"""Letters of a sentence."""


class Link(NamedTuple):
    """A symbolic link."""

    to: str


Files = dict[str, bytes | Link | None]
"""Name in a folder -> content of a file, a link, or None for a folder."""


def read_all(path: Path) -> bool:
    """Read all that is understood of a file; return whether its layers are known.

    Raises
    ------
    NetkinError
        It cannot be read.
    """
    with open_model(path) as model:
        for tensor in model.tensors.values():
            assert tensor[:].shape == tensor.shape
        assert model.format in FORMATS
        try:
            for layer in model.layers():
                assert layer.weight[:].shape == layer.weight.shape
        except NetkinError:
            return False
    return True


def files_in(folder: Path) -> Files:
    """Return all files and links in a folder."""
    return {
        str(path.relative_to(folder)): Link(str(path.readlink()))
        if path.is_symlink()
        else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def write(files: Files, folder: Path) -> None:
    """Write files and links into a new folder, instead of what is there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Link):
            path.symlink_to(content.to)
        elif content is None:
            path.mkdir()
        else:
            path.write_bytes(content)


# --- damages --------------------------------------------------------------------------------


def damaged(name: str, files: Files, chance: random.Random) -> tuple[str, Files]:
    """Return how one of `ORIGINALS` was damaged, and what it is then."""
    original = ORIGINALS[name]
    if len(files) > 1 and chance.random() < 0.25:
        return _of_folder(original.kind, files, original.target, chance)
    chosen = chance.choice([name for name, content in files.items() if content])
    if original.target in files and chance.random() < 0.4:
        chosen = original.target
    content = files[chosen]
    if isinstance(content, Link):
        return _of_folder(original.kind, files, original.target, chance)
    assert content is not None
    how, data = damaged_file(chosen, content, chance)
    more: Files = {"link": Link(f"../{OUTSIDE}")} if how == "outside" else {}
    return how, files | {chosen: data} | more


def _of_folder(kind: str, files: Files, target: str, chance: random.Random) -> tuple[str, Files]:
    """Take away, exchange or add a file or a link."""
    name, other = chance.choice(list(files)), chance.choice(list(files))
    content = files[name]
    rest = {each: found for each, found in files.items() if each != name}
    above = name.rpartition("/")[0]
    what = chance.randrange(8)
    if what == 0:
        return "taken away", rest
    if what == 1:
        return "exchanged", files | {name: files[other], other: content}
    if what in (2, 3):
        names = [text for text in TEXTS if _can_be_a_name(text)]
        names += ["model.safetensors", "b.npz", "x.index.json", "saved_model.pb", "b.onnx", "x.bin"]
        new = f"{above}/{chance.choice(names)}".lstrip("/")
        if what == 2:
            return "renamed", {new: content} | rest
        return "added", {new: content} | files
    if what == 4:
        is_part = name != target and kind in ("sharded", "onnx outside")
        how = "outside" if is_part and not name.endswith(".json") else "linked"
        return how, rest | {name: Link(f"../{OUTSIDE}/{name}")}
    if what == 5:
        to = chance.choice(("/dev/zero", "nowhere", name, ".", "..", other, "/etc/passwd"))
        return "linked", rest | {name: Link(to)}
    if what == 6:
        return "a folder", rest | {name: None}
    return "empty", rest | {name: b""}


def _can_be_a_name(text: str) -> bool:
    odd = set(text) & {"/", "\0", "\ud800"}
    return not odd and text not in ("", ".", "..") and len(text) < 200


# --- the campaign ---------------------------------------------------------------------------


def campaign(seed: int, seconds: float, cases: float = math.inf) -> Counts:
    """Send damaged files of every format through the reader, as `frame.campaign` does.

    The only right outcomes are a sentence that names a file and a model that was read, and after
    some damages only a sentence. Beside `SLACK`, `MOST_TIMES` of the files' size in memory is
    allowed.
    """
    return frame.campaign("models", make_files, _begin, KINDS, seed, seconds, cases)


def _begin(folder: Path, kind: str) -> Callable[[random.Random], frame.Case]:
    # what a damaged file may not lead to
    shutil.rmtree(folder / OUTSIDE, ignore_errors=True)
    whole = {}
    for name in (name for name, original in ORIGINALS.items() if original.kind == kind):
        whole[name] = files_in(folder / name)
        shutil.copytree(folder / name, folder / OUTSIDE, dirs_exist_ok=True)
        read_all(folder / name / ORIGINALS[name].target)
        for file in (folder / name).rglob("*"):  # which may be all that is left
            with contextlib.suppress(NetkinError):
                read_all(file)
    place = folder / "model"

    def case(chance: random.Random) -> frame.Case:
        name = chance.choice(list(whole))
        how, files = damaged(name, whole[name], chance)
        write(files, place)
        size = sum(len(content) for content in files.values() if isinstance(content, bytes))
        judge = partial(_outcome, place, files, ORIGINALS[name].target, how in IMPOSSIBLE)
        return frame.Case(place, f"{name}, {how}", SLACK + MOST_TIMES * size, judge)

    return case


def _outcome(folder: Path, files: Files, target: str, is_impossible: bool) -> str:
    outcome = outcome_of(folder / target, [folder / name for name in files])
    if outcome == "unharmed" and is_impossible:
        return "is accepted"
    return outcome


def outcome_of(path: Path, others: list[Path]) -> str:
    """Return ``refused``, ``unharmed`` for a model that was read, or what is wrong.

    Parameters
    ----------
    path : Path
    others : list of Path
        What belongs to it, which a sentence may name instead.
    """
    try:
        if path.is_file():
            stamps_of(path)
        read_all(path)
    except NetkinError as error:
        text = str(error)
        names = tuple(f"{one}: " for one in (path, *others))
        if not text.startswith(names):
            return f"does not name the file: {text[:300]!r}"
        if not text.isprintable():
            return f"cannot be printed: {text[:500]!a}"
        if len(text) > MOST_LETTERS:
            return f"says {len(text):,} letters: {text[:300]!r}"
        if "elete" in text:
            return f"says {text[:300]!r}"
        return "refused"
    except BaseException as error:
        return f"raises {type(error).__name__}: {str(error)[:200]!a}"
    return "unharmed"
