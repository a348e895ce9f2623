"""Starts of Snakemake without its imports: a process that has made them forks for each start.

Nothing of netkin is imported before the fork, so every start reads the code of its own checkout,
and the jobs of a run are processes of their own as ever.
"""

import atexit
import functools
import gc
import importlib
import json
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

IMPORTED = (
    *("snakemake.cli", "snakemake.executors.dryrun", "snakemake.executors.local"),
    *("snakemake.linting.rules", "snakemake.report", "snakemake.script"),
    *("h5py", "jinja2", "matplotlib.figure", "numpy", "pandas", "pydantic", "requests"),
    *("smart_open", "yaml"),
)
"""What takes nearly all of the time of a start: 2.4 s without it, 0.7 s with it."""


AT_FIRST = dict(os.environ)
"""The environment before any test."""


class WarmPython:
    """A process in which all of this is imported."""

    def __init__(self):
        self._process = subprocess.Popen(
            # isolated: neither the tests' folder nor PYTHONPATH is a place to import from
            [sys.executable, "-I", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # that of a test, which may be odd, is for what it starts
            env=AT_FIRST,
        )

    def run(self, **request):
        """Be Python with the arguments of `become`; return the exit status, -N after signal N."""
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self):
        """End the process."""
        with self._process:
            self._process.stdin.close()


@functools.cache
def warm_python():
    """Return the one of this test process."""
    python = WarmPython()
    atexit.register(python.close)
    return python


def run_python(arguments, folder, environment, new_session=False):
    """Return the finished process, as `subprocess.run` does, of Python with these arguments."""
    with tempfile.TemporaryDirectory() as said:
        files = {name: Path(said, name) for name in ("stdout", "stderr")}
        status = warm_python().run(
            arguments=arguments,
            folder=str(folder),
            environment=environment,
            files=[str(path) for path in files.values()],
            new_session=new_session,
        )
        output = {name: path.read_text() for name, path in files.items()}
    return subprocess.CompletedProcess(arguments, status, **output)


def become(arguments, folder, environment, files, new_session):
    """Be `python ARGUMENTS` in a folder, whose output goes to files."""
    if new_session:
        os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, path in enumerate(files, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        sys.path.insert(0, folder)
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        sys.path.insert(0, str(Path(folder, arguments[0]).parent))
        runpy.run_path(arguments[0], run_name="__main__")


def serve():
    """Fork for every request; return it in the fork, and None at the end."""
    requests, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for line in requests:
        pid = os.fork()
        if pid == 0:
            return json.loads(line)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), file=answers, flush=True)
    return None


if __name__ == "__main__":
    for name in IMPORTED:
        importlib.import_module(name)
    # collections in the forks have less to go through
    gc.freeze()
    request = serve()
    if request is not None:
        become(**request)
