"""Reading the files that a user brings: what is wrong with one is said in one sentence."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netkin.errors import NetkinError
from netkin.failure import explain

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
"""What may stand where a file belongs. A pipe would be waited for without end."""


def user_folder(folder: str | os.PathLike[str]) -> Path:
    """Return a folder with ``~`` and ``~user`` replaced.

    Raises
    ------
    NetkinError
        There is no such user, or none whose home is known.
    """
    try:
        return Path(folder).expanduser()
    except RuntimeError as error:
        raise NetkinError(
            f"data_folder: found '{folder}', whose '~' cannot be replaced "
            f"({str(error).rstrip('.')}); write the path out."
        ) from None


def find(candidates: list[Path]) -> Path | None:
    """Return the first of several paths that is there, None if none is.

    Raises
    ------
    NetkinError
        It is there, but no file, or the system does not let it be looked at.
    """
    for path in candidates:
        # a part of the path that is no folder means that nothing is there
        try:
            mode = path.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise NetkinError(explain(error)) from None
        if not stat.S_ISREG(mode):
            what = KINDS.get(stat.S_IFMT(mode), "no file")
            raise NetkinError(f"{path}: this is {what}, a file is needed; move it away.")
        return path
    return None


@contextmanager
def reading(path: Path, damage: str, advice: str) -> Iterator[None]:
    """Read a file of the user in the block; whatever damaged bytes raise is one sentence.

    Errors of the operating system, such as a lack of permission, stay what they are: they say
    nothing of the bytes.

    Parameters
    ----------
    path : Path
        The file.
    damage : str
        What is then said of it, such as ``not a readable gzip file``.
    advice : str
        A sentence on what to do.

    Raises
    ------
    NetkinError
        Names the file, what was found, and what to do.
    """
    try:
        yield
    except NetkinError:
        raise
    except MemoryError:
        raise NetkinError(
            f"{path}: {damage} (what it holds does not fit into memory). {advice}"
        ) from None
    except Exception as error:  # damaged bytes make zipfile, tarfile, pickle and numpy raise all
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise NetkinError(f"{path}: {damage} ({type(error).__name__}: {error}). {advice}") from None
