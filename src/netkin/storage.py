"""HDF5 files of the stages: written whole or not at all, checked when read.

A file begins with HDF5's user block of 512 bytes: a line of text with the length and the
digest of all that follows, which are compared before HDF5 reads anything. Every file carries
the same root attributes, so that it says by itself what it is and what made it:

========== ==============================================================
layout     stage and layout version, e.g. ``graph/2``
parameters JSON object, every parameter that made the file; where it is
           too long for an attribute, ``/parameters`` holds it
code       digest of the library code that made it, "" outside the workflow
recipe     digest of layout, code, parameters and the recipes of the input
           files: of all that was ordered, up to the data set
lineage    digest of code, parameters and the contents of the input files
content    digest of all arrays and other attributes of this file
version    version of netkin
========== ==============================================================

The results of several networks, or of several measures, stand together in a bundle: ``/ids`` names
its members, and ``/members/ID`` holds what the layout has of each. ``FILE::ID`` stands for one
member wherever a file is read.

``/ancestors`` names recipe and content of every file that it was made from, up to the data
set, also of those that are deleted after use. No time stamps: the same inputs and the same seed
give the same content.
"""

import errno
import fcntl
import hashlib
import json
import os
import re
import socket
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from netkin import __version__
from netkin.errors import NetkinError, allowed, listed, shown
from netkin.failure import is_of_content
from netkin.structure import IDS, MEMBERS, PARAMETERS, check_structure, folder_among, is_id

LAYOUTS = {
    "dataset": "dataset/2",
    "network": "network/2",
    "networks": "networks/1",
    "graph": "graph/2",
    "diagram": "diagram/4",
    "vector": "vector/3",
    "activation": "activation/3",
    "prediction": "prediction/3",
    "distance": "distance/3",
    "distance_block": "distance_block/1",
    "distance_summary": "distance_summary/2",
    "layers": "layers/2",
}
"""Stage -> the value of the root attribute ``layout`` of its files."""
BUNDLES = frozenset(
    {
        *("networks", "diagram", "vector", "activation", "prediction"),
        *("distance", "distance_block"),
    }
)
"""Stages whose files are bundles."""
BEFORE = {
    "diagram": "diagram/3",
    "vector": "vector/2",
    "activation": "activation/2",
    "prediction": "prediction/2",
    "distance": "distance/2",
}
"""Stage -> the layout before, which is read as well: of one network or measure, without members."""
TOGETHER = {"network": "networks"}
"""Stage -> the layout of a bundle whose members have what a file of the stage has."""
ONE = "network"
"""Id of the member of a bundle that was written for one network alone."""

ADOPT = (
    "Of an older netkin, trained networks and their data sets are taken over by: "
    "make adopt FROM=FOLDER"
)
ANEW = "Delete it and run the workflow again to make it anew."
HELD = (
    "cannot be locked: another process holds it open, or the file system has no locks. It may "
    "well be right; end that process, or set the environment variable HDF5_USE_FILE_LOCKING to "
    "FALSE, and run again."
)
BYTES_AT_ONCE = 1 << 24
LEFT_SECONDS = 3600
"""After so long without a change a half-written file of another machine has no writer any more."""
NO_CONTENT = frozenset({"content", "recipe", "version", "seconds", "peak_mib"})
"""Root attributes that are not what a file holds: digests, the version, what making it cost."""
MOST_ATTRIBUTE = 60_000
"""Bytes of an attribute, at most; HDF5 allows 64 KiB with all that belongs to it."""
ELSEWHERE = {"in": f"/{PARAMETERS}"}
"""What the attribute says where the parameters stand in a dataset."""
ANCESTORS = "ancestors"
"""Dataset of shape (n, 2), text: recipe and content of each file that a file was made from."""
HEADER_BYTES = 512
HEADER = re.compile(rb"netkin length (\d{1,19}) sha256 ([0-9a-f]{64})\n\0*")
"""What the user block says of the bytes that follow it."""


def canonical_json(value: Any) -> str:
    """Return `value` as JSON with sorted keys, so that equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=_plain)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # numpy scalars and arrays
        return value.tolist()
    if isinstance(value, tuple | set):
        return list(value)
    raise TypeError(f"{type(value).__name__} cannot be stored as a parameter")


def lineage(code: str, parameters: Mapping[str, Any], input_contents: Iterable[str]) -> str:
    """Digest of all that determines a result: code, parameters and what it was made from.

    Returns
    -------
    str
        16 hexadecimal digits. Equal lineages mean equal content on the same machine.
    """
    text = canonical_json([code, dict(parameters), list(input_contents)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def recipe(layout: str, code: str, parameters: Mapping[str, Any], inputs: Iterable[str]) -> str:
    """Digest of all that is ordered of a result: known before anything of it has been made.

    Parameters
    ----------
    layout : str
        A key of `LAYOUTS`.
    code : str
        Digest of the code (see `netkin.provenance`).
    parameters : mapping
        Every parameter that is chosen.
    inputs : iterable of str
        The recipes of the files it is made from, in order.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    text = canonical_json([LAYOUTS[layout], code, dict(parameters), list(inputs)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` if the block succeeds.

    On any failure the temporary file is removed, and a file that stood at `path`
    before stays as it was. Two writers, such as a job and the one that was sent for it when
    its node did not answer, do not meet: the later one's file stands.
    """
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    # the suffix stays last: writers of pictures choose their format by it
    temporary = final.with_name(f".{final.stem}.{_writer()}.part{final.suffix}")
    try:
        yield temporary
        temporary.replace(final)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _remove_leftovers(final)


def _writer() -> str:
    """Return a name of this process, without dots, that no other one has."""
    return f"{socket.gethostname().replace('.', '_')}-{os.getpid()}"


def _remove_leftovers(final: Path) -> None:
    """Remove what killed writers of a file have left beside it."""
    here = _writer().rpartition("-")[0]
    stem, suffix = re.escape(final.stem), re.escape(final.suffix)
    name = re.compile(rf"\.{stem}\.(?P<host>[^.]+)-(?P<process>\d{{1,9}})\.part{suffix}")
    for path in final.parent.iterdir():
        found = name.fullmatch(path.name)
        if not found:
            continue
        # another writer may finish it or remove it meanwhile
        with suppress(FileNotFoundError):
            if found["host"] == here:
                left = not _is_running(int(found["process"]))
            else:
                left = time.time() - path.stat().st_mtime > LEFT_SECONDS
            if left:
                path.unlink()


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):  # not Linux, or ended meanwhile
        return True
    return state not in "ZX"  # killed, but its parent has not taken note of it


@contextmanager
def create(
    path: str | os.PathLike[str],
    layout: str,
    *,
    parameters: Mapping[str, Any],
    determined: Mapping[str, Any] | None = None,
    code: str = "",
    inputs: Iterable[str | os.PathLike[str]] = (),
    ids: Sequence[str] = (ONE,),
) -> Iterator[h5py.File]:
    """Open a new HDF5 file for writing; it appears at `path` only when complete.

    Parameters
    ----------
    path : path
        Where the finished file shall stand.
    layout : str
        A key of `LAYOUTS`.
    parameters : mapping
        Every parameter that determines the content, JSON-serialisable.
    determined : mapping, optional
        What determines the content too but was found out only now, such as the device that
        ``auto`` stood for. Recorded among the parameters; no part of the recipe.
    code : str
        Digest of the code that makes the content (see `netkin.provenance`).
    inputs : iterable of paths
        The netkin files the content is made from.
    ids : sequence of str
        Of a bundle, the members, each of which gets what `member` gives the group for.
    """
    # several members of one bundle are one file
    sources = [read_origin(source) for source in dict.fromkeys(map(file_of, inputs))]
    every = {**parameters, **(determined or {})}
    with whole_file(path) as temporary:
        with _hdf5(temporary, "w", userblock_size=HEADER_BYTES) as file:
            file.attrs["layout"] = LAYOUTS[layout]
            _put_parameters(file, canonical_json(every))
            file.attrs["code"] = code
            file.attrs["recipe"] = recipe(layout, code, parameters, [s.recipe for s in sources])
            file.attrs["lineage"] = lineage(code, every, [s.content for s in sources])
            file.attrs["version"] = __version__
            ancestors = set().union(*map(_ancestry, sources))
            if ancestors:
                file[ANCESTORS] = np.array(sorted(ancestors), "S16")
            if layout in BUNDLES:
                file.create_dataset(IDS, data=list(ids), dtype=h5py.string_dtype())
            yield file
            if layout in BUNDLES:
                _check_members(file, ids)
            file.attrs["content"] = _content(file)
        seal(temporary)


def _put_parameters(file: h5py.File, text: str) -> None:
    """Write the parameters, which are ASCII, where there is room for them."""
    if len(text) > MOST_ATTRIBUTE:
        file.create_dataset(PARAMETERS, data=[text], dtype=h5py.string_dtype())
        text = canonical_json(ELSEWHERE)
    file.attrs[PARAMETERS] = text


def _check_members(file: h5py.File, ids: Sequence[str]) -> None:
    """Raise ValueError for a bundle that could not be read."""
    for id in ids:
        if not is_id(id):
            raise ValueError(f"{id!r} is no id of a member")
        if f"{MEMBERS}/{id}" not in file:
            raise ValueError(f"the member {id!r} was not written")
    if nested := folder_among(ids):
        raise ValueError(f"the id {nested[0]!r} is the folder of {nested[1]!r}")
    if len(set(ids)) < len(ids) or not ids:
        raise ValueError("ids of members that are none, or stand twice")


def member(file: h5py.File, id: str = ONE) -> h5py.Group:
    """Return the group in which a member of a bundle that is written has its arrays."""
    return file.require_group(f"{MEMBERS}/{id}")


def address(path: str | os.PathLike[str], id: str) -> str:
    """Return how a member of a bundle is named."""
    return f"{os.fspath(path)}::{id}"


def file_of(path: str | os.PathLike[str]) -> str:
    """Return the file of an address ``FILE::ID``, or the path itself."""
    return os.fspath(path).partition("::")[0]


def id_of(path: str | os.PathLike[str]) -> str:
    """Return the id of an address ``FILE::ID``, "" for a file."""
    return os.fspath(path).partition("::")[2]


def read_ids(path: str | os.PathLike[str], layout: str) -> list[str]:
    """Return the ids of the members of a bundle, in their order.

    Raises
    ------
    NetkinError
        As `open_layout`.
    """
    with _opened(path, layout) as file, _reading(path):
        return _ids(file)


def _ids(file: h5py.File) -> list[str]:
    kept = (_kept.get() or {}).get(file.filename)
    if kept is not None and kept.file is file:
        kept.ids = kept.ids or _read_ids(file)
        return kept.ids
    return _read_ids(file)


def _read_ids(file: h5py.File) -> list[str]:
    return [str(id) for id in file[IDS].asstr()[()]] if _is_bundle(file) else [ONE]


def _is_bundle(file: h5py.File) -> bool:
    """Tell whether a file has members, by its layout: others may call an array ``ids``."""
    found = file.attrs.get("layout")
    return isinstance(found, str) and found in [LAYOUTS[stage] for stage in BUNDLES]


@dataclass(frozen=True)
class Origin:
    """What a file says of how it was made.

    Attributes
    ----------
    path : str
        The file.
    recipe, content : str
        Its root attributes; of a file that was made outside the workflow, without a digest of the
        code, its content is both.
    ancestors : frozenset of (str, str)
        Recipe and content of every file that it was made from.
    """

    path: str
    recipe: str
    content: str
    ancestors: frozenset[tuple[str, str]]


def read_origin(path: str | os.PathLike[str]) -> Origin:
    """Return how a netkin file was made.

    Raises
    ------
    NetkinError
        The file cannot be read, or is no netkin file.
    """
    with _open(path) as file, _reading(path):
        _check_structure(path, file)
        ancestors = file[ANCESTORS][()].astype(str).tolist() if ANCESTORS in file else []
        made_by, content = (str(file.attrs[name]) for name in ("recipe", "content"))
        if not file.attrs["code"]:
            # nobody knows what made it, and two of its kind may say the same of themselves
            made_by = content
        return Origin(str(path), made_by, content, frozenset(map(tuple, ancestors)))


def _ancestry(origin: Origin) -> set[tuple[str, str]]:
    """Return recipe and content of a file and of all that it was made from."""
    return {*origin.ancestors, (origin.recipe, origin.content)}


def check_inputs(inputs: Mapping[str, str]) -> None:
    """Check that files were made as today's code and config ask for, before they are used.

    Parameters
    ----------
    inputs : mapping of str to str
        File -> its recipe as planned, see `netkin.recipe`.

    Raises
    ------
    NetkinError
        A file was made otherwise or cannot be read, or two of them go back to different
        contents of one file.
    """
    origins = [read_origin(path) for path in inputs]
    other = [origin.path for origin in origins if origin.recipe != inputs[origin.path]]
    if other:
        more = f" and {len(other) - 1} more" if len(other) > 1 else ""
        raise NetkinError(
            f"{other[0]}{more}: made by other code or another config than this run's, and nothing "
            "has made it anew. make fresh lists all such results; delete them, or run the workflow "
            "with --forceall once."
        )
    contents: dict[str, tuple[str, str]] = {}
    for origin in origins:
        for made_by, content in _ancestry(origin):
            known, path = contents.setdefault(made_by, (content, origin.path))
            if known != content:
                raise NetkinError(
                    f"{origin.path} and {path} do not fit together: they go back to two versions "
                    "of the same result. Delete the older one of the two and run the workflow "
                    "again."
                )


def seal(path: str | os.PathLike[str]) -> None:
    """Write length and digest of what follows the user block of an HDF5 file into it."""
    with Path(path).open("r+b") as file:
        length, digest = _measure(file)
        header = b"netkin length %d sha256 %s\n" % (length, digest.encode())
        file.seek(0)
        file.write(header.ljust(HEADER_BYTES, b"\0"))


def _measure(file: BufferedIOBase) -> tuple[int, str]:
    """Return length and digest of what follows the user block."""
    file.seek(HEADER_BYTES)
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    return file.tell() - HEADER_BYTES, digest


def _content(file: h5py.File) -> str:
    """Return a digest of all arrays and attributes of a file but `ANCESTORS` and `NO_CONTENT`."""
    digest = hashlib.blake2b(digest_size=8)

    def add(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if name == ANCESTORS:
            return
        digest.update(f"{name}\n".encode())
        for key in sorted(item.attrs):
            if key not in NO_CONTENT:
                digest.update(f"{key} {canonical_json(item.attrs[key])}\n".encode())
        if not isinstance(item, h5py.Dataset):
            return
        digest.update(f"{item.dtype.str} {item.shape}".encode())
        if item.dtype.kind == "O":
            digest.update(canonical_json(item.asstr()[()]).encode())
        elif item.ndim == 0:
            digest.update(item[()].tobytes())
        else:  # a part at a time: an array may be larger than memory
            rows = max(1, BYTES_AT_ONCE // max(1, item.nbytes // max(1, len(item))))
            for start in range(0, len(item), rows):
                digest.update(np.ascontiguousarray(item[start : start + rows]).data)

    add("/", file)
    file.visititems(add)
    return digest.hexdigest()


@contextmanager
def open_layout(
    path: str | os.PathLike[str], layout: str, *, reading_only: bool = True
) -> Iterator[h5py.Group]:
    """Open a netkin file for reading after checking that it is whole and what is expected.

    Parameters
    ----------
    path : path
        The file; for a bundle of several members ``FILE::ID``.
    layout : str
        A key of `LAYOUTS`.
    reading_only : bool
        The block does nothing but read, so that whatever is raised in it, but a lack of memory,
        is due to the file and becomes a `NetkinError`.

    Yields
    ------
    h5py.Group
        What holds the arrays of the layout: the file, or the member of a bundle.

    Raises
    ------
    NetkinError
        One sentence that names the file, for a missing, unreadable, truncated, damaged or
        foreign file, for another stage's file, for another layout version, and for a member that
        a bundle has not, or that must be named.
    """
    with _opened(path, layout) as file:
        group = _group(path, file)
        with _reading(path) if reading_only else nullcontext():
            yield group


def _group(path: str | os.PathLike[str], file: h5py.File) -> h5py.Group:
    """Return the group that an address names."""
    own, _, id = os.fspath(path).partition("::")
    if not _is_bundle(file):
        if id not in ("", ONE):
            raise NetkinError(
                f"{own}: it holds one network or measure, and none is called {shown(id)}."
            )
        return file["/"]
    ids = _ids(file)
    if not id and len(ids) > 1:
        raise NetkinError(
            f"{own}: it holds {len(ids)} members, name one: {address(own, ids[0])} (or another of "
            f"{listed(ids)})."
        )
    if id and id not in ids:
        raise NetkinError(f"{own}: it has no member {shown(id)}. {allowed(id, ids)}")
    return file[f"{MEMBERS}/{id or ids[0]}"]


@contextmanager
def _opened(path: str | os.PathLike[str], layout: str) -> Iterator[h5py.File]:
    """Open a file of a layout, checked."""
    with _open(path) as file:
        with _reading(path):
            found = file.attrs.get("layout")
        if layout in TOGETHER and found == LAYOUTS[TOGETHER[layout]]:
            layout = TOGETHER[layout]
        if not isinstance(found, str) or found not in (LAYOUTS[layout], BEFORE.get(layout)):
            what = f"'{found}'" if isinstance(found, str) and found.isprintable() else "damaged"
            raise NetkinError(
                f"{file_of(path)}: expected a file with layout '{LAYOUTS[layout]}', but its layout "
                f"is {what}. {ANEW}"
            )
        _check_structure(path, file, layout)
        yield file


def read_attributes(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return the root attributes of a netkin file (see the module's table)."""
    with _open(path) as file, _reading(path):
        _check_structure(path, file)
        return {key: str(value) for key, value in file.attrs.items()}


def read_parameters(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the parameters that made a netkin file."""
    with _open(path) as file, _reading(path):
        _check_structure(path, file)
        parameters: dict[str, Any] = json.loads(file.attrs[PARAMETERS])
        if PARAMETERS in file and parameters == ELSEWHERE:
            parameters = json.loads(file[PARAMETERS].asstr()[0])
            if not isinstance(parameters, dict):
                raise NetkinError(f"{file_of(path)}: /{PARAMETERS} is no JSON object. {ANEW}")
        return parameters


@contextmanager
def _reading(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what a file raises while it is read into one sentence."""
    try:
        yield
    except Exception as error:
        if not is_of_content(error):
            raise
        what = str(error).partition("\n")[0] or type(error).__name__
        raise NetkinError(f"{path}: damaged, or not written by netkin ({what}). {ANEW}") from error


def _open(path: str | os.PathLike[str]) -> AbstractContextManager[h5py.File]:
    """Open a file whose bytes are those that netkin wrote; of an address, its file."""
    path = Path(file_of(path))
    return _keep(path) or _open_anew(path)


def _open_anew(path: Path) -> h5py.File:
    if not path.exists():
        raise NetkinError(f"{path}: no such file.")
    if not path.is_file():
        raise NetkinError(f"{path}: not a file.")
    try:
        with path.open("rb") as file:
            _check_bytes(path, file)
        return _hdf5(path, "r")
    except OSError as error:
        raise NetkinError(f"{path}: {_why_unreadable(error)}") from error


MOST_KEPT = 32
"""Files that are kept open, at most."""


@dataclass
class _Kept:
    """A file that is open for several readers, and the ids of its members once they were read."""

    file: h5py.File
    ids: list[str] | None = None
    readers: int = 0

    @contextmanager
    def read(self) -> Iterator[h5py.File]:
        """Lend the file, which is not closed meanwhile."""
        self.readers += 1
        try:
            yield self.file
        finally:
            self.readers -= 1


_kept: ContextVar[dict[str, _Kept] | None] = ContextVar("_kept", default=None)


@contextmanager
def kept_open() -> Iterator[None]:
    """Keep netkin files open that are read in the block: many members of a bundle are read faster.

    A file that is replaced meanwhile is read on as it was. Each thread keeps files of its own.
    """
    files: dict[str, _Kept] = {}
    before = _kept.set(files)
    try:
        yield
    finally:
        _kept.reset(before)
        for one in files.values():
            one.file.close()


def _keep(path: Path) -> AbstractContextManager[h5py.File] | None:
    """Return a file that is kept open, None where none is kept."""
    files = _kept.get()
    if files is None:
        return None
    name = str(path)
    if name not in files:
        # the one that was asked for longest ago
        idle = [key for key, one in files.items() if not one.readers]
        if len(files) >= MOST_KEPT and idle:
            files.pop(idle[0]).file.close()
        files[name] = _Kept(_open_anew(path))
    else:
        files[name] = files.pop(name)
    return files[name].read()


_whole: set[tuple[int, ...]] = set()
"""Files that this process has found to be whole, by what the system knows them by."""
_well_formed: set[tuple[int, ...]] = set()
"""Those whose structure it has checked: a bundle is opened for each of its members."""


def _known_by(status: os.stat_result) -> tuple[int, ...]:
    """Return what tells a file, unchanged, from all others."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _check_structure(
    path: str | os.PathLike[str], file: h5py.File, layout: str | None = None
) -> None:
    # of the file that is open: another one may have its name by now
    known = _known_by(os.fstat(file.id.get_vfd_handle()))
    if known in _well_formed:
        return
    check_structure(file_of(path), file, layout, is_bundle=_is_bundle(file))
    _well_formed.add(known)


def _check_bytes(path: Path, file: BufferedIOBase) -> None:
    """Check that a file has the length and the digest that its user block says."""
    status = os.fstat(file.fileno())
    known = _known_by(status)
    if known in _whole:
        return
    wrong = _what_is_wrong(status.st_size - HEADER_BYTES, file)
    if wrong:
        # who has it open to write into it changes its first bytes, and puts them back
        if _is_held(file):
            raise NetkinError(
                f"{path}: another process has it open to write into it, as its lock says (such as "
                "HDF5 sets, see HDF5_USE_FILE_LOCKING); end that process, and run again."
            )
        raise NetkinError(f"{path}: {wrong}. {ANEW}")
    _whole.add(known)


def _what_is_wrong(length: int, file: BufferedIOBase) -> str:
    """Return why bytes are not those that netkin wrote, "" if they are."""
    said = HEADER.fullmatch(file.read(HEADER_BYTES))
    if said is None:
        return (
            f"not a file of this version of netkin: its first {HEADER_BYTES} bytes are damaged, "
            f"or another program or an older netkin wrote it. {ADOPT}"
        )
    if length != int(said[1]):
        return f"damaged, it has {length} bytes where {int(said[1])} were written"
    if _measure(file) != (length, said[2].decode()):
        return "damaged, its bytes are not those that were written"
    return ""


def _is_held(file: BufferedIOBase) -> bool:
    """Tell whether another process has locked a file for itself, as HDF5 does to write."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no locks here
        return False
    return False


def _hdf5(path: Path, mode: str, **options: Any) -> h5py.File:
    """Open an HDF5 file without a lock: a file is never changed once it has its name.

    The driver is named, since HDF5 takes another one where the environment says so.
    """
    return h5py.File(path, mode, driver="sec2", locking=False, **options)


def _why_unreadable(error: OSError) -> str:
    """Return why the system does not give a file whose bytes may well be right."""
    text = str(error)
    code = error.errno
    if code is None:  # h5py puts it into its text
        said = re.search(r"errno = (\d+)", text)
        code = int(said[1]) if said else None
    if "lock" in text or code in (errno.ENOLCK, errno.EAGAIN):
        return HELD
    what = os.strerror(code) if code else text.partition("\n")[0]
    return f"cannot be read ({what}). It may well be right; see to that and run again."
