"""Look at the folders of a run before any job: what would fail later is one sentence now."""

import os
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
            if there.exists() and not there.is_dir():
                return f"found {shown(text)}, but {there} is a file. Allowed: a folder."
        if not folder.exists():
            return None
        if not os.access(folder, os.R_OK | os.X_OK):
            return f"found {shown(text)}, which may not be read."
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return f"found {shown(text)}, which cannot be looked at ({reason})."
    return None


def check_folder(path: Path) -> None:
    """Check that a folder of results or logs is one, or can be made.

    Raises
    ------
    NetkinError
        The path is a file or a link to nothing, or cannot be looked at.
    """
    try:
        if path.is_dir():
            return
        if path.is_symlink() and not path.exists():
            what = f"a link to a folder that is missing ({path.readlink()})"
        elif path.exists():
            what = "a file"
        else:
            return
    except OSError as error:
        what = f"nothing that can be looked at ({error.strerror})"
    raise NetkinError(f"{path} is {what}; netkin writes into a folder of this name: rename it.")


def check_writable(path: Path) -> None:
    """Check that a folder, or the one in which it would be made, can be written to.

    Raises
    ------
    NetkinError
        It cannot: its permissions forbid it, or the file system is read-only.
    """
    folder = path if path.is_dir() else path.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        raise NetkinError(
            f"{folder.absolute()} cannot be written to, where results go; change its permissions, "
            "or work in another folder with --directory."
        )
