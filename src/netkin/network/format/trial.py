"""Reading a file in a process of its own first, where a library may hang or crash on damage."""

import faulthandler
import os
import resource
import select
import signal
import warnings
from collections.abc import Callable
from pathlib import Path

from netkin.errors import NetkinError

SECONDS, BYTES_A_SECOND = 5, 20_000_000
"""What reading may take of a processor's time: so many seconds, and one more for so many bytes."""
LONGEST = 300
"""Seconds after which the process is ended, whatever it took of a processor."""
_done: set[tuple[int, ...]] = set()
"""Files that were tried by this process, by what the system knows them by."""


def tried(path: Path, read: Callable[[], object]) -> None:
    """Check that reading a file comes to an end.

    Parameters
    ----------
    path : path
        The file, or a folder with it.
    read : callable
        Reads all that will be read of it, as far as a library may be led astray. What it raises
        does not matter: it is raised again when the file is read in earnest.

    Raises
    ------
    NetkinError
        The process did not end, or crashed.
    """
    status = path.stat()
    known = status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
    if known in _done:
        return
    with warnings.catch_warnings():
        # of a process with several threads, of which the new one has only this
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if process == 0:
        _read_and_end(read, status.st_size)
    if signalled := _ended_by(process):
        what = (
            "does not come to an end"
            if signalled in (signal.SIGXCPU, signal.SIGKILL)
            else f"crashes ({signal.Signals(signalled).name})"
        )
        raise NetkinError(f"{path}: damaged; HDF5 {what} while it reads it.")
    _done.add(known)


def _read_and_end(read: Callable[[], object], size: int) -> None:
    faulthandler.disable()
    try:
        seconds = SECONDS + size // BYTES_A_SECOND
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        read()
    finally:
        os._exit(0)


def _ended_by(process: int) -> int:
    """Wait for a process; return the signal that ended it, 0 for none."""
    handle = os.pidfd_open(process)
    try:
        if not select.select([handle], [], [], LONGEST)[0]:
            os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
    finally:
        os.close(handle)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
