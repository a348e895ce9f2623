"""netkin from its wheel in an empty environment outside the checkout; for `make wheel`."""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEWER = "3.13"
"""A Python that the packages are to resolve for; it is not run."""
CORE = """
import importlib
import importlib.util
import pkgutil
import numpy as np
import netkin
from netkin.diagram import ENGINES
from netkin.distance.representational import REPRESENTATIONAL
from netkin.distance.representational.representation import Representation
from netkin.errors import NetkinError
from netkin.graph.graph import graph_from_weights

for package in ("torch", "snakemake", "pyflagser", "gtda", "gph"):
    assert importlib.util.find_spec(package) is None, package
for module in pkgutil.walk_packages(netkin.__path__, "netkin."):
    # these are torch's own classes extended, or work with its tensors
    own = ("network.dropout", "network.perceptrons", "network.format.torch_graph")
    if module.name.removeprefix("netkin.") not in own:
        importlib.import_module(module.name)
rng = np.random.default_rng(0)
weights = [rng.normal(size=(5, 4)), rng.normal(size=(3, 5))]
biases = [rng.normal(size=5), rng.normal(size=3)]
graph = graph_from_weights(weights, biases, zeta=1e-6)
diagram = ENGINES["exact"](graph, max_dimension=1)
assert len(diagram.intervals[0]) and len(diagram.intervals[1])
try:
    ENGINES["flagser"](graph, max_dimension=1)
except NetkinError as error:
    assert "pyflagser" in str(error) and "AGPL" in str(error)
else:
    raise AssertionError("flagser without pyflagser")
rows = rng.normal(size=(30, 6))
value = REPRESENTATIONAL["cka"].function(Representation(rows), Representation(2 * rows))
assert abs(value - 1) < 1e-9, value
print("the core works without torch and without AGPL packages:", netkin.__version__)
"""


def main(folder: Path) -> None:
    """Install the one wheel of a folder, use it, and resolve it for a newer Python."""
    (wheel,) = folder.resolve().glob("*.whl")
    with tempfile.TemporaryDirectory() as empty:
        venv.create(f"{empty}/env", with_pip=True)
        python = f"{empty}/env/bin/python"
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        constraints = ["--constraint", str(ROOT / "envs" / "constraints.txt")]
        subprocess.run([*pip, str(wheel), *constraints], check=True, cwd=empty)
        subprocess.run([python, "-I", "-c", CORE], check=True, cwd=empty)
        (Path(empty) / "work").mkdir()
        snippets = [str(ROOT / "tests" / "snippets.py"), str(ROOT / "docs" / "own_networks.md")]
        subprocess.run([python, "-I", *snippets, f"{empty}/work"], check=True, cwd=empty)
        subprocess.run([f"{empty}/env/bin/netkin", "--version"], check=True, cwd=empty)
        newer = ["--dry-run", "--ignore-installed", "--only-binary=:all:", "--target", "newer"]
        subprocess.run([*pip, *newer, "--python-version", NEWER, str(wheel)], check=True, cwd=empty)
    print(f"the core resolves for Python {NEWER}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
