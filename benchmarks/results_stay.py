"""Compare the results of two versions of netkin: the networks, diagrams, vectors and distances.

    python benchmarks/results_stay.py OLDER NEWER

OLDER is a results folder of commit 3379e22, a file for each network; NEWER is one of today. Run
the same study in both, such as `config/config.yaml` or `config/mnist.yaml`. Networks must be equal
bit by bit (with the same packages), diagrams as multisets, vectors and distances to 1e-12 of their
largest entry. Prints the largest difference of each stage; status 1 if one is too large.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

TOLERANCE = {"network": 0.0, "diagram": 0.0, "vector": 1e-12, "distance": 1e-12}
"""Stage -> the largest difference allowed, as a share of the largest entry."""


def arrays(group: h5py.Group) -> dict[str, np.ndarray]:
    """Return all arrays of numbers below a group by their names."""
    found = {}

    def add(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "fi" and name != "ancestors":
            found[name] = item[()]

    group.visititems(add)
    return found


def members(folder: Path) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Yield id and arrays of every member of the bundles in a folder."""
    for path in sorted(folder.rglob("*.h5")):
        with h5py.File(path) as file:
            if "ids" in file:
                for id in file["ids"].asstr()[()]:
                    yield id, arrays(file[f"members/{id}"])


def renamed(path: Path, folder: Path) -> str:
    """Return the id of today for a network's file of the older version."""
    dataset, *rest = path.relative_to(folder).with_suffix("").parts
    trained = dataset.removesuffix("_untrained")
    return "/".join([trained, *["untrained"] * (trained != dataset), *rest])


def of_networks(older: Path, newer: Path, stage: str) -> Iterator[tuple[str, dict, dict]]:
    """Yield name, older and newer arrays of each network's result of a stage."""
    today = dict(members(newer / stage))
    for path in sorted((older / stage).rglob("[!.]*.h5")):
        id = renamed(path, older / stage)
        with h5py.File(path) as file:
            yield f"{stage}/{id}", arrays(file), today[id]


def pairs(older: Path, newer: Path) -> Iterator[tuple[str, str, dict, dict]]:
    """Yield stage, name, older and newer arrays of every result of the older version."""
    for path in sorted((older / "network").rglob("[!.]*.h5")):
        id = renamed(path, older / "network")
        with h5py.File(path) as one, h5py.File(newer / f"network/{id}.h5") as other:
            yield "network", id, arrays(one), arrays(other)
    for name, one, other in of_networks(older, newer, "diagram"):
        expanded = {
            key: np.repeat(values, other[f"{key}_count"], axis=0)
            for key, values in other.items()
            if not key.endswith("_count")
        }
        in_order = {key: rows[np.lexsort(rows.T[::-1])] for key, rows in one.items()}
        yield "diagram", name, in_order, expanded
    for folder in sorted((older / "vector").iterdir()):
        for name, one, other in of_networks(older, newer, f"vector/{folder.name}"):
            yield "vector", name, one, other
    today = {
        (path.parent.parent.name, measure, path.stem): matrices
        for path in (newer / "distance").rglob("seed_*.h5")
        for measure, matrices in members_of(path)
    }
    for path in sorted((older / "distance").rglob("seed_*.h5")):
        key = (path.parent.parent.name, path.parent.name, path.stem)
        if key in today:
            with h5py.File(path) as file:
                yield "distance", "/".join(key), arrays(file), today[key]


def members_of(path: Path) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Yield id and arrays of every member of one bundle."""
    with h5py.File(path) as file:
        for id in file["ids"].asstr()[()] if "ids" in file else ():
            yield id, arrays(file[f"members/{id}"])


def difference(older: np.ndarray, newer: np.ndarray) -> float:
    """Return the largest difference as a share of the largest entry, inf for other shapes."""
    if older.shape != newer.shape or not np.array_equal(np.isfinite(older), np.isfinite(newer)):
        return np.inf
    known = np.isfinite(older)
    largest = np.abs(older[known]).max(initial=0.0)
    apart = np.abs(older[known].astype(float) - newer[known]).max(initial=0.0)
    return float(apart / largest) if largest else float(apart)


def main() -> int:
    """Compare two folders; return the exit status."""
    if len(sys.argv) != 3:
        print(__doc__)
        return 2
    worst = dict.fromkeys(TOLERANCE, (0.0, ""))
    counts = dict.fromkeys(TOLERANCE, 0)
    for stage, name, one, other in pairs(*map(Path, sys.argv[1:])):
        counts[stage] += 1
        for key, values in one.items():
            apart = difference(values, other[key]) if key in other else np.inf
            worst[stage] = max(worst[stage], (apart, f"{name} /{key}"))
    for stage, (apart, where) in worst.items():
        verdict = "ok" if apart <= TOLERANCE[stage] and counts[stage] else "DIFFERENT"
        print(f"{stage:9} {counts[stage]:5} compared, at most {apart:.1e} apart {where}: {verdict}")
    return any(a > TOLERANCE[s] or not counts[s] for s, (a, _) in worst.items())


if __name__ == "__main__":
    sys.exit(main())
