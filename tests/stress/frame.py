"""The frame of campaigns with damaged files: cases in a process that may hang or die of them."""

import multiprocessing
import os
import random
import resource
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tests.stress.counts import FINE, Counts

LONGEST = 10.0
"""Seconds of a processor after which a reader hangs."""
SILENCE = 120.0
"""Seconds without an answer after which it does, whatever else the machine has to do."""
SPACE = 5 * 2**28
"""Bytes of addresses beside those of the start, which keep a case from the machine's memory."""
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""A folder in memory: writing a small file anew takes milliseconds on a disk."""
KEPT = Path(tempfile.gettempdir()) / "netkin_stress"
"""Where the files of findings are kept."""
CONTEXT = multiprocessing.get_context("fork")


class Case(NamedTuple):
    """A damaged file.

    Attributes
    ----------
    path : Path
        The file, or the folder with all that belongs to it.
    about : str
        How it was damaged.
    most : int
        Bytes of memory that `judge` may take.
    judge : callable
        Reads it, and returns ``refused``, ``unharmed`` or what is wrong.
    """

    path: Path
    about: str
    most: int
    judge: Callable[[], str]


Begin = Callable[[Path, str], Callable[[random.Random], Case]]
"""``(folder, kind)`` -> what makes a case; imports and reads all that later cases need."""


@dataclass
class _Run:
    """The cases of one kind."""

    name: str
    begin: Begin
    folder: Path
    kind: str
    seed: int
    end: float
    most: float
    counts: Counts


def campaign(
    name: str,
    make: Callable[[Path], None],
    begin: Begin,
    kinds: list[str],
    seed: int,
    seconds: float,
    cases: float,
) -> Counts:
    """Try damaged files of each kind, one kind after the other.

    Parameters
    ----------
    name : str
        Of the campaign, for the files that are kept.
    make : callable
        Writes whole files into a folder.
    begin : callable
        See `Begin`.
    kinds : list of str
    seed : int
        Of the damages; case k of a kind is the same whatever came before it.
    seconds, cases : float
        How long to go on when the files are made, and how many cases there are at most.

    Returns
    -------
    Counts
        A finding is another outcome than ``refused`` and ``unharmed``, more than `LONGEST` or than
        the memory that a case may take, a process that dies.
    """
    counts = Counts()
    with tempfile.TemporaryDirectory(dir=MEMORY) as place:
        folder = Path(place)
        # what it imports would make each process that a reader forks a dear one
        maker = CONTEXT.Process(target=make, args=(folder,))
        maker.start()
        maker.join()
        if maker.exitcode:
            raise RuntimeError(f"whole files of {name} could not be written")
        stop = time.monotonic() + seconds
        for number, kind in enumerate(kinds):
            left, now = len(kinds) - number, time.monotonic()
            end, most = now + (stop - now) / left, (cases - counts.tried) / left
            run = _Run(name, begin, folder, kind, seed, end, most, counts)
            case = 0
            while case < most and (case == 0 or time.monotonic() < end):
                case = _watched(run, case)
    return counts


def _watched(run: _Run, first: int) -> int:
    """Try cases in a process of their own until the end or one that it does not survive."""
    here, there = CONTEXT.Pipe(duplex=False)
    worker = CONTEXT.Process(target=_work, args=(run, first, there), daemon=True)
    worker.start()
    there.close()
    made: tuple[Path, str] | None = None
    case = first
    outcome = f"takes more than {SILENCE:.0f} s"
    try:
        while here.poll(SILENCE):
            if made is None:
                made = here.recv()
            else:
                _count(run, case, made[1], *here.recv())
                made, case = None, case + 1
    except EOFError:
        worker.join()
        if worker.exitcode == 0:
            return case
        outcome = f"the process died ({worker.exitcode})"
    finally:
        worker.kill()
        worker.join()
    if made is None and case == first:
        raise RuntimeError(f"{run.name}, {run.kind}, case {case}, before it was read: {outcome}")
    if made is None:
        run.counts.add(run.kind, f"case {case}", f"no file could be damaged: {outcome}")
    else:
        _keep(run, case, made[0])
        _count(run, case, made[1], outcome)
    return case + 1


def _count(run: _Run, case: int, about: str, outcome: str, seconds: float = 0.0) -> None:
    kept = "" if outcome in FINE else f", kept in {_place(run, case)}"
    run.counts.add(run.kind, f"case {case}, {about}{kept}", outcome, seconds)


def _place(run: _Run, case: int) -> Path:
    return KEPT / f"{run.name}_{run.seed}_{run.kind}_{case}".replace(" ", "_")


def _keep(run: _Run, case: int, path: Path) -> None:
    """Copy what is a finding, before another case takes its place."""
    kept = _place(run, case)
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    if path.is_dir():
        shutil.copytree(path, kept, symlinks=True, dirs_exist_ok=True)
    else:
        shutil.copy(path, kept)


def _work(run: _Run, case: int, answer: Any) -> None:
    tempfile.tempdir = str(run.folder)
    prepare = run.begin(run.folder, run.kind)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + SPACE,) * 2)
    warnings.simplefilter("ignore")
    most_of_children = _of_children().ru_maxrss
    # one at least, however long the imports took
    while case < run.most and (case == 0 or time.monotonic() < run.end):
        started = _processor()
        made = prepare(random.Random(f"{run.seed} {run.kind} {case}"))
        answer.send((made.path, made.about))
        for _ in range(2):
            _peak()
            before, begun = _peak(), _processor()
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                outcome = made.judge()
            taken = _peak() - before
            if taken <= made.most:
                break
            # the first time, it may have been a library that a damaged file makes it import
        # of all children that there were, the largest
        if _of_children().ru_maxrss > most_of_children:
            most_of_children = _of_children().ru_maxrss
            taken = max(taken, most_of_children * 1024 - before)
        now = _processor()
        if taken > made.most:
            outcome = f"takes {taken / 2**20:.0f} MiB"
        if now - begun > LONGEST:
            outcome = f"takes {now - begun:.0f} s"
        if outcome not in FINE:
            _keep(run, case, made.path)
        answer.send((outcome, now - started))
        case += 1


def _of_children() -> resource.struct_rusage:
    return resource.getrusage(resource.RUSAGE_CHILDREN)


def _processor() -> float:
    """Return the seconds that this process and its children took of a processor."""
    children = _of_children()
    return time.process_time() + children.ru_utime + children.ru_stime


def _peak() -> int:
    """Return the most memory since it was last asked, and forget it."""
    status = Path("/proc/self/status").read_text()
    peak = next(int(x.split()[1]) for x in status.splitlines() if x.startswith("VmHWM"))
    Path("/proc/self/clear_refs").write_text("5")
    return peak * 1024
