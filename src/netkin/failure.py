"""What a failure means that is no defect of netkin: memory, the file system, the GPU, packages."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from netkin.errors import NetkinError

OUT_OF_MEMORY = re.compile(
    r"out of memory|can(no|')t allocate|not enough memory|unable to allocate|bad_alloc"
    r"|memory allocation failed|alloc_failed|storage size calculation overflowed"
    r"|array is too big|maximum allowed (size|dimension) exceeded|larger than max_size"
    r"|vector::_M_|failed to map segment",
    re.IGNORECASE,
)
"""How torch, CUDA, numpy, h5py and C++ say that there is no memory for something."""
GPU = re.compile(r"\b(CUDA|cuDNN|cuBLAS|CUBLAS|cuSOLVER)\b")
FROM_HDF5 = re.compile(r"\berrno = (\d+),")
NAME_IN_HDF5 = re.compile(r"(?:file)?name = '([^']*)'")

MEMORY_HINT = (
    "start fewer jobs side by side (--cores), take a machine with more memory, or make the study "
    "smaller (network.width, network.variants, activation.probe_rows)"
)
HINTS = {
    errno.EACCES: "let the user of this run read and write it, its folders included (ls -l)",
    errno.EPERM: "let the user of this run read and write it, its folders included (ls -l)",
    errno.EROFS: "work in a folder that can be written",
    errno.ENOENT: "if it was deleted or moved during the run, run again",
    errno.EISDIR: "there is a folder where a file belongs; move it away",
    errno.ENOTDIR: "a part of the path is a file where a folder belongs; move it away",
    errno.EEXIST: "there is a file where a folder belongs; move it away",
    errno.ELOOP: "symbolic links lead in a circle; remove them",
    errno.ENAMETOOLONG: "take shorter ids, or a folder whose path is shorter",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "raise the limit of open files, or start fewer jobs side by side (--cores)",
    errno.EAGAIN: "start fewer jobs side by side (--cores), or raise the limits (ulimit -a); of a "
    "file: another process holds it open",
    errno.ENOLCK: "set the environment variable HDF5_USE_FILE_LOCKING to FALSE where the file "
    "system knows no locks",
    errno.ENOSPC: "make room, then run again",
    errno.EDQUOT: "make room within your quota, then run again",
    errno.EFBIG: "raise the limit of the size of files (ulimit -f), or take another file system",
    errno.EIO: "the disk or the file server failed; have it checked, then run again",
    errno.ESTALE: "the file server has lost it; run again",
    errno.ETIMEDOUT: "the file server or the network did not answer; run again",
    errno.EBUSY: "another process uses it; end that, then run again",
    errno.ETXTBSY: "another process uses it; end that, then run again",
}
"""What a user can do about an error of the operating system."""
WRITE_ERRORS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.ESTALE}
)
"""Errors that can leave HDF5 with a file that it cannot write and cannot close."""

WRONG_CODE = (NameError, ImportError, AttributeError, AssertionError)
"""Errors that no file and no system can be at fault for."""


def explain(error: BaseException) -> str | None:
    """Return what a failure means, in one sentence; None if it is a defect of netkin.

    Parameters
    ----------
    error : exception
        What a stage function raised.

    Returns
    -------
    str or None
        What failed, with the file if it is known, and what to do.
    """
    if isinstance(error, NetkinError):
        return str(error)
    if _is_of_memory(error):
        detail = _first_line(error)
        hint = MEMORY_HINT
        if GPU.search(detail):
            hint = f"set network.device and distance.device to cpu, or {hint}"
        return f"out of memory{f' ({detail})' if detail else ''}; {hint}."
    # h5py fails once more when it closes a file: the first error says why
    code = next((c for e in _chain(error) if (c := error_code(e)) in WRITE_ERRORS), None)
    if code is None:
        code = error_code(error)
    if code is not None:
        where = next((name for e in _chain(error) if (name := _file_of(e))), None)
        reason = os.strerror(code).lower()
        if where is None and isinstance(error, OSError) and error.strerror:
            reason = error.strerror.rstrip(".")
        hint = HINTS.get(code, "see to it, then run again")
        return f"{f'{where}: ' if where else ''}{reason}; {hint}."
    if isinstance(error, OSError):
        return f"reading or writing failed ({_first_line(error)}); see to it, then run again."
    if isinstance(error, RuntimeError) and GPU.search(_first_line(error)):
        return (
            f"the GPU failed ({_first_line(error)}); run again, or set network.device and "
            "distance.device to cpu."
        )
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return f"the system gives no further thread; {HINTS[errno.EAGAIN].partition(';')[0]}."
    if isinstance(error, ImportError) and not (error.name or "").startswith("netkin"):
        return f"a package cannot be loaded ({_first_line(error)}); install it (make env)."
    return None


def error_code(error: BaseException) -> int | None:
    """Return the number of an error of the operating system, also as h5py writes it."""
    if isinstance(error, OSError) and error.errno in errno.errorcode:
        return error.errno
    if isinstance(error, OSError | RuntimeError):
        found = FROM_HDF5.search(str(error))
        if found and int(found[1]) in errno.errorcode:
            return int(found[1])
    return None


def is_of_content(error: Exception) -> bool:
    """Tell whether an error that comes of reading a file can be due to what is in the file.

    It is not where the system says why (permissions, no memory, too many open files), nor where
    the code is wrong.
    """
    if isinstance(error, (NetkinError, *WRONG_CODE)) or _is_of_memory(error):
        return False
    return error_code(error) is None


def cannot_be_closed(error: BaseException) -> bool:
    """Tell whether HDF5 may crash at the end of the process, on a file it could not write."""
    return any(error_code(one) in WRITE_ERRORS for one in _chain(error))


def _is_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or error_code(error) == errno.ENOMEM:
        return True
    kinds = (RuntimeError, ValueError, OSError, ImportError)
    return isinstance(error, kinds) and OUT_OF_MEMORY.search(str(error)) is not None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those in whose handling it arose, the last one first.

    Wrong code, wherever it runs, is no matter of what came before.
    """
    while error is not None:
        yield error
        error = None if isinstance(error, WRONG_CODE) else error.__context__


def _file_of(error: BaseException) -> str | None:
    if isinstance(error, OSError):
        names = [str(name) for name in (error.filename, error.filename2) if name is not None]
        if names:
            return " or ".join(names)
    found = NAME_IN_HDF5.search(str(error))
    return found[1] if found else None


def _first_line(error: BaseException) -> str:
    line = str(error).strip().partition("\n")[0].rstrip(".")
    # where torch found out
    return re.sub(r"^\[enforce fail at [^]]*\]\s*(\. )?(data\. )?", "", line)


class Together:
    """What goes wrong with single networks of a job, so that one sentence tells of all."""

    def __init__(self) -> None:
        self._said: list[str] = []

    @contextmanager
    def one(self, name: str) -> Iterator[None]:
        """Note what goes wrong in the block and go on; a defect of netkin is raised at once.

        Parameters
        ----------
        name : str
            How the sentence names the network, where the error does not.
        """
        try:
            yield
        except NetkinError as error:
            self._said.append(str(error))
        except Exception as error:
            sentence = explain(error)
            if sentence is None or cannot_be_closed(error):
                raise
            self._said.append(f"{name}: {sentence}")

    def check(self) -> None:
        """Raise what was noted.

        Raises
        ------
        NetkinError
            Something went wrong.
        """
        if self._said:
            raise NetkinError("; ".join(self._said))
