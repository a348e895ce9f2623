"""What a piece of work costs: time, and the most memory the process held meanwhile."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_PEAK = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


@dataclass
class Cost:
    """Time and memory of work that may be done in several pieces.

    Attributes
    ----------
    seconds : float
        Processor time of all pieces, of all threads together; it does not grow with what else
        runs on the machine.
    peak_mib : float
        Largest resident memory of the process during any of them, in MiB; NaN where the system
        does not tell (it is Linux that does).
    """

    seconds: float = 0.0
    peak_mib: float = np.nan

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Add what the block costs, also if it fails."""
        told = _forget_peak()
        start = time.process_time()
        try:
            yield
        finally:
            self.seconds += time.process_time() - start
            if told:
                self.peak_mib = float(np.fmax(self.peak_mib, _peak_mib()))


def _forget_peak() -> bool:
    """Let the system count the peak from now on; False where it cannot."""
    try:
        _PEAK.write_text("5")
    except OSError:
        return False
    return True


def _peak_mib() -> float:
    for line in _STATUS.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return np.nan
