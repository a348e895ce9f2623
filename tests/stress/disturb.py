"""Disturb the jobs of a run from outside, whatever they are called and wherever they write.

A folder on the Python path holds a ``sitecustomize`` that every Python process of the run
imports: it lets the first job of each of several scripts end at a moment of its work, once.
"""

import textwrap
from collections.abc import Mapping
from pathlib import Path

FAULTS = ("killed", "terminated", "failed", "full disk", "all killed")
"""What happens to a job: SIGKILL, SIGTERM, an error of the system, no space left for its file, and
SIGKILL of Snakemake and all its jobs."""
MOMENTS = ("start", "file", "end")
"""When: before its work, when a finished file is about to get its name, and right after that."""

SITE = """
import atexit, errno, os, pathlib, signal, sys

folder = pathlib.Path(os.environ.get("DISTURB_FOLDER", ""))
script, fault, moment = next(
    (each.split(":") for each in os.environ.get("DISTURB", "").split(",")
     if sys.orig_argv[-1].endswith(each.split(":")[0])),
    ("", "", ""),
)


def disturb():
    try:
        os.close(os.open(folder / f"{script}.done", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    if fault == "all killed":
        os.killpg(os.getpgid(0), signal.SIGKILL)
    elif fault in ("killed", "terminated"):
        os.kill(os.getpid(), signal.SIGKILL if fault == "killed" else signal.SIGTERM)
    elif moment == "start":
        os._exit(1)  # an error here would be printed and passed over
    else:
        code = errno.ENOSPC if fault == "full disk" else errno.EIO
        raise OSError(code, os.strerror(code))


if script:
    replace = pathlib.Path.replace

    def disturbed(self, target):
        if moment == "file":
            disturb()
        result = replace(self, target)
        if moment == "end":
            disturb()
        return result

    pathlib.Path.replace = disturbed
    if moment == "start":
        disturb()
"""


def disturbance(folder: Path, jobs: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """Return environment variables by which jobs of a run are disturbed, once each.

    Parameters
    ----------
    folder : path
        A folder of the caller's, for what has happened.
    jobs : mapping of str to (str, str)
        Name of a script, such as ``compute_diagrams.py`` -> one of `FAULTS` and one of `MOMENTS`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(textwrap.dedent(SITE))
    each = [f"{script}:{fault}:{moment}" for script, (fault, moment) in jobs.items()]
    return {
        "PYTHONPATH": str(folder),
        "DISTURB_FOLDER": str(folder),
        "DISTURB": ",".join(each),
    }


def happened(folder: Path) -> set[str]:
    """Return the scripts whose job was there to be disturbed."""
    return {path.name.removesuffix(".done") for path in folder.glob("*.done")}
