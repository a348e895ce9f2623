"""Look at the folders of a run before any job: what would fail later is one sentence now."""

import os
from collections.abc import Iterable
from pathlib import Path

from netkin.errors import NetkinError, shown


def problem_of_data_folder(text: str) -> str | None:
    """Return what is wrong with the config's ``data_folder``; None if it may be used.

    It may be missing: jobs make it, or say which files they need.

    Parameters
    ----------
    text : str
        As the config has it; ``~`` is a home folder.
    """
    try:
        folder = Path(text).expanduser()
    except RuntimeError:
        user = text.partition("/")[0]
        return f"found {shown(text)}, but there is no home folder {shown(user)}."
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


def check_folders(paths: Iterable[Path]) -> None:
    """Check that folders of results and logs are folders, or can be made.

    Raises
    ------
    NetkinError
        A path is a file or a link to nothing, or cannot be looked at.
    """
    for path in paths:
        try:
            what = _in_the_way(path)
        except OSError as error:
            what = f"nothing that can be looked at ({error.strerror})"
        if what:
            raise NetkinError(
                f"{path} is {what}; netkin writes into a folder of this name: rename it."
            )


def check_writable(paths: Iterable[Path]) -> None:
    """Check that folders, or those in which they would be made, can be written to.

    Raises
    ------
    NetkinError
        One cannot: its permissions forbid it, or the file system is read-only.
    """
    for path in paths:
        folder = next(there for there in (path, *path.parents) if there.exists())
        if not os.access(folder, os.W_OK | os.X_OK):
            raise NetkinError(
                f"{path} cannot be written to; change the permissions of {folder.absolute()}, or "
                "work in another folder with --directory."
            )
