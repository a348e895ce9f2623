"""A source of networks of one's own, as docs/extending.md adds it."""

import re
import textwrap
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest

from netkin.diagram.network_file import network_file_diagram
from netkin.network.file import HISTORY, Network, write_network

ROOT = Path(__file__).resolve().parent.parent
REGISTRY = "src/netkin/source/__init__.py"
NAMES = ("a", "b", "c")
UNITS = (6, 5, 3)


def write(path, seed):
    """Write a network of random weights."""
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=(out, into)) for into, out in pairwise(UNITS)]
    biases = [rng.normal(size=out) for out in UNITS[1:]]
    network = Network(
        tuple(weight.astype(np.float32) for weight in weights),
        tuple(bias.astype(np.float32) for bias in biases),
        {name: np.empty(0) for name in HISTORY},
        float("nan"),
    )
    path.parent.mkdir(exist_ok=True)
    write_network(path, network, parameters={"seed": seed})


@pytest.fixture
def folder(fresh):
    """A checkout with the source of the docs, three networks, and nothing to train."""
    text = (ROOT / "docs/extending.md").read_text()
    blocks = [textwrap.dedent(block) for block in re.findall(r"(?s)```python\n(.*?)```", text)]
    (source,) = (block for block in blocks if "class Folder" in block)
    path = fresh.folder / "src/netkin/source/folder.py"
    path.write_text(source.replace("(784, 512, 10)", repr(UNITS)))
    fresh.edit(REGISTRY, "TrainedGrid,\n", 'TrainedGrid,\n    "folder": Folder,\n')
    fresh.edit(
        REGISTRY,
        "from netkin.source.source",
        "from .folder import Folder\nfrom netkin.source.source",
    )
    for seed, name in enumerate(NAMES):
        write(fresh.folder / f"given/{name}.h5", seed)
    for key, value in {
        "study.datasets": [],
        "study.variants": "all",
        "study.paper": False,
        "distance.measures": ["norm_1", "wasserstein"],
    }.items():
        fresh.set(key, value)
    return fresh


@pytest.mark.budget("docs")
def test_a_new_source_needs_one_class_and_one_line(folder):
    folder.run()
    results = folder.folder / "results"
    assert not (results / "network").exists()
    assert not (results / "dataset").exists()
    assert not (results / "paper").exists()
    with h5py.File(results / "distance/given/graph/once.h5") as file:
        assert list(file["members/norm_1/networks"].asstr()) == list(NAMES)
        matrix = file["members/norm_1/matrix"][:]
    assert np.isfinite(matrix).all()
    assert (matrix[np.triu_indices(3, 1)] > 0).all()
    (bundle,) = (results / "diagram/given").rglob("*.h5")
    for name in NAMES:
        expected, _ = network_file_diagram(str(folder.folder / f"given/{name}.h5"), max_dimension=1)
        with h5py.File(bundle) as file:
            for dimension in (0, 1):
                found = file[f"members/given/{name}/H{dimension}"][:]
                np.testing.assert_array_equal(found, expected.intervals[dimension])
    assert (results / "figure/given/overview.svg").exists()
    assert folder.planned() == {}
    # another network
    write(folder.folder / "given/d.h5", seed=3)
    planned = folder.planned()
    assert planned["compute_diagrams"] == 1
    assert planned["compute_distances"] == 2
    assert "train_network" not in planned


def test_a_source_without_networks_adds_nothing(folder):
    for path in (folder.folder / "given").iterdir():
        path.unlink()
    said = folder.run("--dry-run", check=False)
    assert "study.datasets: found [], so there are no networks." in said
