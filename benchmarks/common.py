"""What the benchmarks share: networks to measure, and a process of its own for each figure."""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

NETWORKS = {
    "base": [784, 512, 512, 10],
    "ten layers": [784, *[512] * 10, 10],
    "10,000 inputs": [10_000, 512, 512, 46],
}
"""Layer sizes of the paper's base network, its deepest one, and the one for Reuters."""


def random_network(sizes: list[int], seed: int = 0):
    """Return normal weights of Glorot's variance, and small biases, for these layer sizes.

    As in trained networks the layers have different scales, which is harder on the forest
    than one scale for all.
    """
    rng = np.random.default_rng(seed)
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    scales = [np.sqrt(2 / sum(shape)) for shape in shapes]
    weights = [
        rng.normal(scale=scale, size=shape).astype(np.float32)
        for shape, scale in zip(shapes, scales, strict=True)
    ]
    biases = [
        rng.normal(scale=scale / 4, size=shape[0]).astype(np.float32)
        for shape, scale in zip(shapes, scales, strict=True)
    ]
    return weights, biases


def machine() -> str:
    """Name the machine a figure was measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":")[1].strip() if names else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB; Python {platform.python_version()}, "
        f"numpy {np.__version__}"
    )


def in_own_process(script: str, *arguments: str, memory_gib: float = 20) -> dict:
    """Run ``script arguments`` and return the JSON it prints last, or {"error": ...}."""
    limit = int(memory_gib * 2**30)
    done = subprocess.run(
        [sys.executable, script, *arguments],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    if done.returncode:
        lost = ("MemoryError", "bad_alloc", "Unable to allocate", "Cannot allocate memory")
        if any(text in done.stderr for text in lost) or done.returncode == -9:
            return {"error": f"out of memory ({memory_gib:.0f} GiB of address space)"}
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def measured(work: Callable[[], None], repeat: int = 5) -> dict:
    """Return the median seconds of `work` after one run to warm up, and the peak memory."""
    work()
    seconds = []
    for _ in range(repeat):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return {"seconds": float(np.median(seconds)), "peak_mib": peak_mib()}


def peak_mib() -> float:
    """Return the largest resident memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])
