"""Wall time and peak memory of `netkin compare` of two base networks; how long each measure takes.

    python benchmarks/compare.py [--repeat 5]
    python benchmarks/compare.py --pace

Two files of safetensors (784-512-512-10, 670,000 weights each) are compared as a user does it, a
process from start to end, beside the start of `python -c "import numpy, scipy"` in the same run:
the median and the least wall time, and the largest resident memory. torch must not be imported.
With --pace every measure is timed on a pair of such networks with 1,000 rows, on one core; what
it prints, rounded up, are the lines of `SECONDS` in src/netkin/distance/pace.py.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import common
import numpy as np

COMMAND = "from netkin.command import main; main()"
CASES = {
    "import numpy, scipy": ["-c", "import numpy, scipy"],
    "netkin --version": ["-c", COMMAND, "--version"],
    "netkin inspect": ["-c", COMMAND, "inspect", "A"],
    "netkin compare": ["-c", COMMAND, "compare", "A", "B"],
}
# the cost of each matrix is measured by letting the system forget the peak, which has to count for
# the memory of the whole process
REMEMBER = """
import os, sys
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import netkin.cost
from netkin.command import main
netkin.cost._forget_peak = lambda: False
try:
    main()
finally:
    assert "torch" not in sys.modules
"""


def save_networks(folder: Path) -> list[str]:
    """Write two random base networks and return their files."""
    from safetensors.numpy import save_file

    paths = []
    for seed, name in enumerate(("a", "b")):
        weights, biases = common.random_network(common.NETWORKS["base"], seed)
        tensors = {}
        for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            tensors |= {f"{layer}.weight": weight, f"{layer}.bias": bias}
        paths.append(str(folder / f"{name}.safetensors"))
        save_file(tensors, paths[-1])
    return paths


def run(arguments: list[str]) -> tuple[float, float, float]:
    """Return wall time, processor time and peak memory in MB of a process of Python."""
    environment = os.environ | {"PYTHONPATH": str(common.ROOT / "src")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled once, as an installed netkin is
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.DEVNULL, env=environment
    )
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{arguments[:2]} ended with {process.returncode}")
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6


def whole_processes(repeat: int) -> None:
    """Print the table of processes from start to end."""
    with tempfile.TemporaryDirectory() as folder:
        a, b = save_networks(Path(folder))
        rows = []
        for name, arguments in CASES.items():
            filled = [{"A": a, "B": b}.get(one, one) for one in arguments]
            run(filled)  # the page cache, and numba's cache of machine code
            found = np.array([run(filled) for _ in range(repeat)])
            wall, processor, memory = np.median(found, axis=0)
            if "compare" in filled:
                memory = run(["-c", REMEMBER, *filled[2:]])[2]
            rows.append(
                [
                    f"`{name}`",
                    f"{wall:.2f} s",
                    f"{found[:, 0].min():.2f} s",
                    f"{processor:.2f} s",
                    f"{memory:.0f} MB",
                ]
            )
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    print(f"Machine: {common.machine()}; load {load}\n")
    head = ["process", "wall, median", "wall, least", "processor, median", "peak memory"]
    print(common.table(head, rows))


def sources(needs: str) -> list[object]:
    """Return what measures are made of, of two networks and the same rows."""
    from netkin.activation.evaluation import Part
    from netkin.activation.forward import forward
    from netkin.diagram.network import network_diagram
    from netkin.distance.functional.model import TRAINING_ROWS, Model
    from netkin.distance.representational.representation import Representation
    from netkin.distance.tensors import Tensors
    from netkin.measuring import PREPARATIONS
    from netkin.network.file import Network
    from netkin.prediction.prediction import Prediction

    rng = np.random.default_rng(0)
    rows, training = (
        Part(rng.random((n, 784), dtype=np.float32), rng.integers(0, 10, n), np.arange(n), 10)
        for n in (1000, TRAINING_ROWS)
    )
    source = PREPARATIONS[needs].source if needs in PREPARATIONS else needs
    found: list[object] = []
    for seed in (0, 1):
        network = Network(*map(tuple, common.random_network(common.NETWORKS["base"], seed)))
        outputs = forward(network, rows.inputs)
        answers = np.exp(outputs[-1] - outputs[-1].max(axis=1, keepdims=True))
        answers /= answers.sum(axis=1, keepdims=True)
        if source == "network":
            found.append(network)
        elif source == "tensors":
            arrays = {str(k): weight for k, weight in enumerate(network.weights)}
            found.append(Tensors.of(arrays))
        elif source == "diagram":
            found.append(network_diagram(network.weights, network.biases)[0])
        elif source == "activation":
            found.append(Representation(outputs[-2], labels=rows.labels))
        elif source == "prediction":
            found.append(Prediction(rows.rows, answers, rows.labels, "network"))
        else:
            found.append(Model(network, rows, training))
    return found


def pace() -> None:
    """Print the seconds of each measure."""
    from netkin.distance import MEASURES
    from netkin.errors import UndefinedDistance
    from netkin.measuring import PREPARATIONS, ChosenMeasure

    for name, entry in MEASURES.items():
        best = np.inf
        for _ in range(3):
            both = sources(entry.needs)
            started = time.process_time()
            if entry.needs in PREPARATIONS:
                chosen = ChosenMeasure(name)
                both = [chosen.item(one) for one in both]
            try:
                entry.function(*both)
            except UndefinedDistance as reason:
                print(f"# {name}: {reason}", file=sys.stderr)
            best = min(best, time.process_time() - started)
            if best > 5:
                break
        print(f'    "{name}": {best:.3g},', flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--pace", action="store_true")
    chosen = parser.parse_args()
    if chosen.pace:
        pace()
    else:
        whole_processes(chosen.repeat)
