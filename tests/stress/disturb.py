"""Disturb the jobs of a run from outside, whatever they are called and wherever they write.

A folder on the Python path holds a ``sitecustomize`` that every Python process of the run
imports: it lets the job of one script end at a moment of its work, once.
"""

import textwrap
from pathlib import Path

FAULTS = ("killed", "terminated", "failed", "full disk", "all killed")
"""What happens to a job: SIGKILL, SIGTERM, an error of the system, no space left for its file, and
SIGKILL of Snakemake and all its jobs."""
MOMENTS = ("start", "file", "end")
"""When: before its work, when a finished file is about to get its name, and right after that."""

SITE = """
import atexit, errno, os, pathlib, signal, sys

script, fault, moment, once = (os.environ.get("DISTURB_" + n, "") for n in
                               ("SCRIPT", "FAULT", "MOMENT", "ONCE"))


def disturb():
    try:
        os.close(os.open(once, os.O_CREAT | os.O_EXCL))
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


if script and sys.orig_argv[-1].endswith(script):
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


def disturbance(folder: Path, script: str, fault: str, moment: str) -> dict[str, str]:
    """Return environment variables by which one job of a run is disturbed once.

    Parameters
    ----------
    folder : path
        An empty folder of the caller's.
    script : str
        Name of the job's script, such as ``build_graph.py``.
    fault : str
        One of `FAULTS`.
    moment : str
        One of `MOMENTS`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(textwrap.dedent(SITE))
    return {
        "PYTHONPATH": str(folder),
        "DISTURB_SCRIPT": script,
        "DISTURB_FAULT": fault,
        "DISTURB_MOMENT": moment,
        "DISTURB_ONCE": str(folder / "done"),
    }


def happened(folder: Path) -> bool:
    """Tell whether the job was there to be disturbed."""
    return (folder / "done").exists()
