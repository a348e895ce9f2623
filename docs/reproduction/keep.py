"""Keep of a run, for one data set, what cannot be made again without its networks.

    python docs/reproduction/keep.py STUDY_FOLDER DATASET

Writes to `kept/DATASET/`: all matrices of all seeds (`distance/`, the files of the run, which may
be put back into `results/distance/`), the tables, the history of each training
(`histories.csv.gz`), vectors as float32 (`vectors.npz`) and what training cost (`costs.csv`).
"""

import gzip
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "src"))

from netkin.network.file import HISTORY, read_training
from netkin.storage import address, read_ids
from netkin.vector.vector import read_vector

VECTORS = ["landscape", "silhouette", "heat"]


def histories(results: Path, dataset: str) -> pd.DataFrame:
    """Return a row an epoch of each network, and its test accuracy."""
    rows = []
    for path in sorted((results / "network" / dataset).glob("*/seed_*.h5")):
        if path.parent.parent.name != dataset:
            continue
        training = read_training(path)
        frame = pd.DataFrame({name: training.history[name] for name in HISTORY})
        frame.insert(0, "epoch", np.arange(1, len(frame) + 1))
        frame.insert(0, "seed", path.stem.removeprefix("seed_"))
        frame.insert(0, "variant", path.parent.name)
        frame["test_accuracy"] = training.test_accuracy
        rows.append(frame)
    return pd.concat(rows)


def vectors(results: Path, dataset: str) -> dict[str, np.ndarray]:
    """Return ``KIND/ID/DIMENSION`` -> float32 array.

    The image of a network whose diagram lies on a line in each dimension has rank two: of it
    its singular vectors are kept, (rank, 2, n) with ``image = first.T @ second``.
    """
    found = {}
    for kind in VECTORS:
        for path in sorted((results / "vector" / kind / dataset).glob("seed_*/*.h5")):
            for id in read_ids(path, "vector"):
                vector = read_vector(address(path, id))
                for dimension, array in enumerate(vector.arrays):
                    if array.any():
                        name = f"{kind}/{id}/H{dimension}"
                        found[name] = (factors(array) if kind == "heat" else array).astype("f4")
    return found


def factors(image: np.ndarray) -> np.ndarray:
    """Return the singular vectors of an image that float32 can tell from nothing."""
    left, values, right = np.linalg.svd(image)
    rank = int((values > 1e-9 * values[0]).sum())
    root = np.sqrt(values[:rank, None])
    kept = np.stack([root * left[:, :rank].T, root * right[:rank]], axis=1)
    rebuilt = np.einsum("ra,rb->ab", *kept.transpose(1, 0, 2).astype("f4").astype("f8"))
    assert np.abs(rebuilt - image).max() <= 1e-6 * np.abs(image).max()
    return kept


def main() -> None:
    """Keep."""
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    study, dataset = Path(sys.argv[1]), sys.argv[2]
    results, kept = study / "results", HERE / "kept" / dataset
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for name in (dataset, f"{dataset}_untrained"):
        if (results / "distance" / name).is_dir():
            shutil.copytree(results / "distance" / name, kept / "distance" / name)
    for table in sorted((results / "table" / dataset).glob("*.csv")):
        shutil.copy2(table, kept)
    with gzip.GzipFile(kept / "histories.csv.gz", "wb", mtime=0) as file:
        text = histories(results, dataset).to_csv(index=False, float_format="%.6g")
        file.write(text.encode())
    np.savez_compressed(kept / "vectors.npz", **vectors(results, dataset))
    jobs = [
        pd.read_csv(path, sep="\t").assign(rule=rule)
        for rule in ("extract_features", "train_network")
        for path in (results / "benchmark" / rule).glob(f"{dataset}*/**/*.tsv")
        if "untrained" not in path.parts
    ]
    costs = pd.concat(jobs).groupby("rule")[["s", "cpu_time", "max_rss"]]
    costs = costs.agg({"s": ["count", "sum"], "cpu_time": ["sum", "max"], "max_rss": "max"})
    costs.columns = ["jobs", "seconds", "cpu_seconds", "longest_cpu_seconds", "peak_mib"]
    costs.round(1).to_csv(kept / "costs.csv")
    commit = ["git", "-C", str(study), "rev-parse", "HEAD"]
    (kept / "commit.txt").write_text(subprocess.check_output(commit, text=True))


if __name__ == "__main__":
    main()
