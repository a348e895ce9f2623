"""What a run finds where it writes and reads, looked at before any job."""

import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from netkin.dataset.source import user_folder
from netkin.errors import NetkinError, shown
from netkin.failure import explain

SECONDS_APART = 2
"""By how much the clocks of machines that share files may differ."""


def check_folders(paths: Iterable[str | os.PathLike[str]]) -> None:
    """Check that nothing else stands where the folders of files belong; they may be absent.

    Parameters
    ----------
    paths : iterable of path
        Of files. Where braces stand for what may be anything, as in
        ``logs/train_network/{dataset}/{variant}.log``, the folders before them.

    Raises
    ------
    NetkinError
        A file stands there, or a link to what is not there.
    """
    folders = {folder for path in paths for folder in Path(path).parents if "{" not in str(folder)}
    for folder in sorted(folders):
        try:
            there = folder.is_dir() or not (folder.is_symlink() or folder.exists())
        except OSError as error:
            raise NetkinError(explain(error)) from None
        if not there:
            what = "a link to what is not there" if folder.is_symlink() else "no folder"
            raise NetkinError(f"{folder}: this is {what}, a folder is needed; move it away.")


def check_links(folder: str | os.PathLike[str]) -> None:
    """Check that no symbolic link below a folder leads in a circle; the folder may be absent.

    Raises
    ------
    NetkinError
        Names the first that does: nothing can be read or made there.
    """
    if not Path(folder).is_dir():
        return
    for entry in _files(folder):
        if entry.is_symlink():
            try:
                entry.stat()
            except FileNotFoundError:
                continue  # a file that is missing is made
            except OSError as error:
                raise NetkinError(explain(error)) from None


def check_writable(folders: Iterable[str | os.PathLike[str]]) -> None:
    """Check that files can be made in folders, which are made where they are absent.

    Raises
    ------
    NetkinError
        Names the folder and what the system says.
    """
    for folder in folders:
        _now(folder)


def no_results_of_tomorrow(folder: str | os.PathLike[str]) -> int:
    """Give files that are dated in the future the date of now.

    They come with a clock that was wrong for a while, or with a copy from such a machine. A job
    that reads one would fail, since Snakemake finds its outputs older than its input.

    Parameters
    ----------
    folder : path
        Of results, with all below; it is made where it is absent.

    Returns
    -------
    int
        How many there were.

    Raises
    ------
    NetkinError
        The folder cannot be written, or a file is another user's.
    """
    now = _now(folder)
    try:
        late = [entry for entry in _files(folder) if _modified(entry) > now]
        for entry in late:
            os.utime(entry, ns=(now, now), follow_symlinks=False)
    except OSError as error:
        raise NetkinError(explain(error)) from None
    return len(late)


def check_dates(paths: Iterable[str | os.PathLike[str]]) -> None:
    """Check that no file of the user is dated in the future; absent ones are no matter.

    Raises
    ------
    NetkinError
        One is; what is made of it would never be newer.
    """
    now = time.time()
    for path in paths:
        try:
            modified = Path(path).stat().st_mtime
        except OSError:
            continue  # the job that reads it says so
        if modified > now + SECONDS_APART:
            raise NetkinError(
                f"{path}: it is dated in the future ({datetime.fromtimestamp(modified):%F %T}), so "
                "that what is made of it would always seem out of date; set the clock right, or "
                f"give it the date of now: touch '{path}'"
            )


def _now(folder: str | os.PathLike[str]) -> int:
    """Return the time in nanoseconds as the file system of a folder has it.

    It may be that of another machine, whose clock is the one that counts.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".now-") as file:
            return Path(file.name).stat().st_mtime_ns
    except OSError as error:
        error.filename = str(folder)
        raise NetkinError(explain(error)) from None


def _files(folder: str | os.PathLike[str]) -> Iterator["os.DirEntry[str]"]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry)
            else:
                yield entry


def _modified(entry: "os.DirEntry[str]") -> int:
    return entry.stat(follow_symlinks=False).st_mtime_ns


def problem_of_data_folder(text: str) -> str | None:
    """Return what is wrong with the config's ``data_folder``; None if it may be used.

    It may be missing: jobs make it, or say which files they need.

    Parameters
    ----------
    text : str
        As the config has it; ``~`` is a home folder.
    """
    try:
        folder = user_folder(text)
    except NetkinError as error:
        return str(error).removeprefix("data_folder: ")
    try:
        for there in (folder, *folder.parents):
            if _in_the_way(there):
                return f"found {shown(text)}, but {there} is {_in_the_way(there)}."
        if not folder.exists():
            return None
        if not os.access(folder, os.R_OK | os.X_OK):
            return f"found {shown(text)}, which may not be read."
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return f"found {shown(text)}, which cannot be looked at ({reason})."
    return None


def _in_the_way(path: Path) -> str:
    """Return what a path is where a folder is wanted; empty for a folder and for nothing."""
    if path.is_symlink() and not path.exists():
        return f"a link to nothing ({path.readlink()})"
    return "a file, no folder" if path.exists() and not path.is_dir() else ""
