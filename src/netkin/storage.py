"""HDF5 files of the stages: written whole or not at all, checked when read.

Every file carries the same root attributes, so that a file says by itself what it
is and what made it:

========== ==============================================================
layout     stage and layout version, e.g. ``graph/1``
parameters JSON object, every parameter that made the file
code       digest of the library code that made it, "" outside the workflow
lineage    digest of code, parameters and the contents of the input files
content    digest of all arrays and other attributes of this file
version    version of netkin
========== ==============================================================

No time stamps: the same inputs and the same seed give the same content.
"""

import hashlib
import json
import os
import re
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from netkin import __version__
from netkin.errors import NetkinError
from netkin.structure import check_structure

LAYOUTS = {
    "dataset": "dataset/1",
    "network": "network/1",
    "graph": "graph/1",
    "diagram": "diagram/1",
    "vector": "vector/1",
    "activation": "activation/1",
    "prediction": "prediction/1",
    "distance": "distance/1",
    "distance_summary": "distance_summary/1",
    "layers": "layers/1",
}
"""Stage -> the value of the root attribute ``layout`` of its files."""


BYTES_AT_ONCE = 1 << 24
LEFT_SECONDS = 3600
"""After so long without a change a half-written file of another machine has no writer any more."""
NO_CONTENT = frozenset({"content", "seconds", "peak_mib"})
"""Root attributes that are not what a file holds: the digest of it, and what making it cost."""


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
    name = re.compile(rf"\.{stem}\.(?P<host>[^.]+)-(?P<process>\d+)\.part{suffix}")
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
    return True


@contextmanager
def create(
    path: str | os.PathLike[str],
    layout: str,
    *,
    parameters: Mapping[str, Any],
    code: str = "",
    inputs: Iterable[str | os.PathLike[str]] = (),
    keep: bool = False,
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
    code : str
        Digest of the code that makes the content (see `netkin.provenance`).
    inputs : iterable of paths
        The netkin files the content is made from.
    keep : bool
        Give the file a second, hidden name, so that `restore` can put it back when it has
        been deleted. It takes no space of its own as long as both names are there. On a
        file system without hard links nothing is kept.
    """
    contents = [read_attributes(source)["content"] for source in inputs]
    with whole_file(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["layout"] = LAYOUTS[layout]
        file.attrs["parameters"] = canonical_json(dict(parameters))
        file.attrs["code"] = code
        file.attrs["lineage"] = lineage(code, parameters, contents)
        file.attrs["version"] = __version__
        yield file
        file.attrs["content"] = _content(file)
    if keep:
        with suppress(OSError):
            _link(path, _kept(path))


def restore(
    path: str | os.PathLike[str],
    layout: str,
    *,
    parameters: Mapping[str, Any],
    code: str = "",
    inputs: Iterable[str | os.PathLike[str]] = (),
) -> bool:
    """Put a file back that was kept, if it is what `create` with these arguments would give.

    Snakemake deletes all outputs of a job before it starts, also those that an edit does
    not affect. A job of several networks puts these back instead of making them anew.

    Returns
    -------
    bool
        Whether `path` is there now; False if nothing was kept, it cannot be read, or it
        was made otherwise.
    """
    kept = _kept(path)
    try:
        found = read_attributes(kept)
    except NetkinError:
        return False
    wanted = lineage(code, parameters, [read_attributes(source)["content"] for source in inputs])
    # without a digest of the code nobody knows what made the file
    if not code or (found["layout"], found["lineage"]) != (LAYOUTS[layout], wanted):
        return False
    try:
        with _open(kept) as file:
            if _content(file) != found["content"]:
                return False
        _link(kept, path)
        os.utime(path)  # newer than its inputs
    except OSError:
        # damaged, or no room for a name, or no hard links here; what is kept stays until the
        # file has been made anew
        return False
    return True


def forget(path: str | os.PathLike[str]) -> None:
    """Remove the second, hidden name of a file, whose space is then free once `path` is gone."""
    _kept(path).unlink(missing_ok=True)


def _content(file: h5py.File) -> str:
    """Return a digest of all arrays and attributes of a file but `NO_CONTENT`."""
    digest = hashlib.blake2b(digest_size=8)

    def add(name: str, item: h5py.Group | h5py.Dataset) -> None:
        attributes = {
            key: repr(value) for key, value in item.attrs.items() if key not in NO_CONTENT
        }
        digest.update(f"{name} {sorted(attributes.items())}".encode())
        if not isinstance(item, h5py.Dataset):
            return
        digest.update(f"{item.dtype} {item.shape}".encode())
        if item.dtype.kind == "O":
            digest.update(repr(item.asstr()[()].tolist()).encode())
        elif item.ndim == 0:
            digest.update(item[()].tobytes())
        else:  # a part at a time: an array may be larger than memory
            rows = max(1, BYTES_AT_ONCE // max(1, item.nbytes // max(1, len(item))))
            for start in range(0, len(item), rows):
                digest.update(np.ascontiguousarray(item[start : start + rows]).data)

    add("/", file)
    file.visititems(add)
    return digest.hexdigest()


def _kept(path: str | os.PathLike[str]) -> Path:
    return Path(path).with_name(f".{Path(path).name}.kept")


def _link(existing: str | os.PathLike[str], new: str | os.PathLike[str]) -> None:
    """Make `new` a second name of a file, at once and in place of what was there."""
    with whole_file(new) as temporary:
        temporary.unlink(missing_ok=True)
        os.link(existing, temporary)
    temporary.unlink(missing_ok=True)  # still there if both were names of one file already


@contextmanager
def open_layout(
    path: str | os.PathLike[str], layout: str, *, reading_only: bool = True
) -> Iterator[h5py.File]:
    """Open a netkin file for reading after checking that it is what the caller expects.

    Parameters
    ----------
    path : path
        The file.
    layout : str
        A key of `LAYOUTS`.
    reading_only : bool
        The block does nothing but read, so that whatever h5py raises in it is due to the
        file and becomes a `NetkinError`.

    Raises
    ------
    NetkinError
        One sentence that names the file, for a missing, truncated, damaged or foreign
        file, for another stage's file and for another layout version.
    """
    file = _open(path)
    with file:
        found = file.attrs.get("layout")
        if not isinstance(found, str) or found != LAYOUTS[layout]:
            what = "it is not a netkin file" if found is None else f"its layout is '{found}'"
            raise NetkinError(
                f"{path}: expected a file with layout '{LAYOUTS[layout]}', but {what}. "
                "Delete it and run the workflow again to make it anew."
            )
        check_structure(path, file, layout)
        try:
            yield file
        except (AttributeError, IndexError, KeyError, OSError, TypeError, ValueError) as error:
            if not reading_only:
                raise
            raise NetkinError(
                f"{path}: damaged, or not written by netkin ({error}). "
                "Delete it and run the workflow again to make it anew."
            ) from error


def read_attributes(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return the root attributes of a netkin file (see the module's table)."""
    with _open(path) as file:
        if "layout" not in file.attrs:
            raise NetkinError(f"{path}: not a netkin file (it has no attribute 'layout').")
        return {key: str(value) for key, value in file.attrs.items()}


def read_parameters(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the parameters that made a netkin file."""
    parameters: dict[str, Any] = json.loads(read_attributes(path)["parameters"])
    return parameters


def _open(path: str | os.PathLike[str]) -> h5py.File:
    if not Path(path).is_file():
        raise NetkinError(f"{path}: no such file.")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise NetkinError(
            f"{path}: not a readable HDF5 file, truncated or of another kind ({error}). "
            "Delete it and run the workflow again to make it anew."
        ) from None
