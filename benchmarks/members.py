"""How long Snakemake takes over many networks that are there already, and how many files they make.

    python benchmarks/members.py [MEMBERS]

Writes 2,000 small networks, or as many as are given, and a copy of netkin with the source of
docs/extending.md, one file and one line. Then seconds and peak memory of the list of jobs, of the
run, and of the list when nothing is left to do, and the files in results/.
"""

import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import common
import numpy as np
import yaml

SIZES = (8, 16, 16, 4)
CONFIG = {
    "study": {"datasets": [], "paper": False},
    "distance": {"measures": ["entropy"]},
}


def source_of_docs() -> str:
    """Return the source that docs/extending.md adds, for networks of these sizes."""
    text = (common.ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    blocks = map(textwrap.dedent, re.findall(r"(?s)```python\n(.*?)```", text))
    (found,) = (block for block in blocks if "class Folder" in block)
    return found.replace("(784, 512, 10)", repr(SIZES))


def make_checkout(folder: Path, n_members: int) -> None:
    """Copy the workflow, add the source, and write the networks."""
    for part in ("Snakefile", "workflow", "src", "config", "envs", "resources/published"):
        source = common.ROOT / part
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        copy(source, folder / part)
    sources = folder / "src" / "netkin" / "source"
    (sources / "folder.py").write_text(source_of_docs())
    registry = sources / "__init__.py"
    text = registry.read_text().replace(
        '    "trained_grid": TrainedGrid,\n',
        '    "trained_grid": TrainedGrid,\n    "folder": Folder,\n',
    )
    registry.write_text(
        text.replace(
            "from netkin.source.source",
            "from netkin.source.folder import Folder\nfrom netkin.source.source",
        )
    )
    (folder / "many.yaml").write_text(yaml.safe_dump(CONFIG))
    from netkin.network.file import HISTORY, Network, write_network

    (folder / "given").mkdir()
    history = {name: np.empty(0) for name in HISTORY}
    for number in range(n_members):
        weights, biases = common.random_network(list(SIZES), seed=number)
        network = Network(tuple(weights), tuple(biases), history, float("nan"))
        write_network(folder / f"given/{number:05}.h5", network, parameters={"number": number})


def snakemake(folder: Path, *arguments: str) -> tuple[float, float, str]:
    """Run Snakemake; return seconds, the largest memory of a process in MiB, and what it said."""
    command = [sys.executable, "-m", "snakemake", "--configfile", "many.yaml", "--cores", "2"]
    started = time.perf_counter()
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [*command, *arguments, "--quiet", "rules", "host"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return seconds, peak, done.stdout + done.stderr


def main() -> None:
    """Print a table."""
    n_members = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_checkout(folder, n_members)
        # all that compares networks; pictures of so many are another matter
        targets = [f"results/distance/given/{m}.h5" for m in CONFIG["distance"]["measures"]]
        rows = []
        for title, arguments in (
            ("list of all jobs", ["--dry-run"]),
            ("run, without figures and tables", targets),
            ("nothing to do", ["--dry-run", *targets]),
        ):
            seconds, peak, said = snakemake(folder, *arguments)
            rows.append([title, f"{seconds:.1f} s", f"{peak:.0f} MiB"])
        assert "Nothing to be done" in said, said
        n_files = sum(path.is_file() for path in (folder / "results").rglob("*"))
        print(f"Machine: {common.machine()}\n\n{n_members:,} networks of {SIZES} units\n")
        print(common.table(["", "time", "peak memory"], rows))
        print(f"\n{n_files} files in results/")


if __name__ == "__main__":
    main()
