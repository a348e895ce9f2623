"""Keep of a run, for one data set, what cannot be made again without its networks.

    python docs/reproduction/keep.py STUDY_FOLDER DATASET [SEED ...]

Writes to `kept/DATASET/`, for each seed of which all distances are there: the matrices
(`distance/`, the files of the run, which may be put back into `results/distance/`), the history of
each training (`histories/seed_0.csv.gz`), vectors as float32 (`vectors/seed_0.npz`), which class
each network answers for each test row (`answers/seed_0.npz`), the neural persistence of its layers
(`neural_persistence/seed_0.csv`) and what each training cost (`costs/seed_0.csv`). Where the run
has them, the summaries and the tables over all seeds too. A seed that is kept already stays.
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

from netkin.distance.neural_persistence import layer_neural_persistence
from netkin.network.file import HISTORY, read_network, read_training
from netkin.prediction.prediction import read_prediction
from netkin.storage import address, read_ids
from netkin.vector.vector import read_vector

VECTORS = ["landscape", "silhouette", "heat"]


def networks(results: Path, dataset: str, seed: int) -> dict[str, Path]:
    """Return variant -> the file of its trained network."""
    found = sorted((results / "network" / dataset).glob(f"*/seed_{seed}.h5"))
    return {path.parent.name: path for path in found}


def histories(results: Path, dataset: str, seed: int) -> pd.DataFrame:
    """Return a row an epoch of each network, and its test accuracy."""
    rows = []
    for variant, path in networks(results, dataset, seed).items():
        training = read_training(path)
        frame = pd.DataFrame({name: training.history[name] for name in HISTORY})
        frame.insert(0, "epoch", np.arange(1, len(frame) + 1))
        frame.insert(0, "seed", seed)
        frame.insert(0, "variant", variant)
        frame["test_accuracy"] = training.test_accuracy
        rows.append(frame)
    return pd.concat(rows)


def persistence(results: Path, dataset: str, seed: int) -> pd.DataFrame:
    """Return the neural persistence of each layer of each network, layers counted from 1."""
    rows = [
        {"variant": variant, "seed": seed, "layer": layer, "neural_persistence": value}
        for variant, path in networks(results, dataset, seed).items()
        for layer, value in enumerate(layer_neural_persistence(read_network(path), order=2.0), 1)
    ]
    return pd.DataFrame(rows)


def answers(results: Path, dataset: str, seed: int) -> dict[str, np.ndarray]:
    """Return ``ID/answers``, ``ID/rows`` and ``ID/labels`` of each network on the test rows."""
    found = {}
    for path in sorted((results / "prediction" / dataset / f"seed_{seed}").glob("*.h5")):
        for id in read_ids(path, "prediction"):
            prediction = read_prediction(address(path, id))
            classes = prediction.probabilities.argmax(axis=1).astype("u2")
            found[f"{id}/answers"] = classes
            found[f"{id}/rows"] = prediction.rows.astype("i4")
            found[f"{id}/labels"] = prediction.labels.astype("u2")
    return found


def vectors(results: Path, dataset: str, seed: int) -> dict[str, np.ndarray]:
    """Return ``KIND/ID/DIMENSION`` -> float32 array.

    The image of a network whose diagram lies on a line in each dimension has rank two: of it
    its singular vectors are kept, (rank, 2, n) with ``image = first.T @ second``.
    """
    found = {}
    for kind in VECTORS:
        for path in sorted((results / "vector" / kind / dataset / f"seed_{seed}").glob("*.h5")):
            for id in read_ids(path, "vector"):
                vector = read_vector(address(path, id))
                for dimension, array in enumerate(vector.arrays):
                    if array.any():
                        name = f"{kind}/{id}/H{dimension}"
                        found[name] = (factors(array) if kind == "heat" else array).astype("f4")
    return found


def costs(results: Path, dataset: str, seed: int) -> pd.DataFrame:
    """Return what each training of a seed cost, and that of the extractor with seed 0."""
    jobs = {
        variant: results / "benchmark" / "train_network" / dataset / variant / f"seed_{seed}.tsv"
        for variant in networks(results, dataset, seed)
    }
    extractor = results / "benchmark" / "extract_features" / f"{dataset}.tsv"
    if seed == 0 and extractor.exists():
        jobs["extractor"] = extractor
    frames = [
        pd.read_csv(path, sep="\t").assign(variant=variant)
        for variant, path in jobs.items()
        if path.exists()
    ]
    return pd.concat(frames)[["variant", "s", "cpu_time", "max_rss"]]


def factors(image: np.ndarray) -> np.ndarray:
    """Return the singular vectors of an image that float32 can tell from nothing."""
    left, values, right = np.linalg.svd(image)
    rank = int((values > 1e-9 * values[0]).sum())
    root = np.sqrt(values[:rank, None])
    kept = np.stack([root * left[:, :rank].T, root * right[:rank]], axis=1)
    rebuilt = np.einsum("ra,rb->ab", *kept.transpose(1, 0, 2).astype("f4").astype("f8"))
    assert np.abs(rebuilt - image).max() <= 1e-6 * np.abs(image).max()
    return kept


def keep_seed(results: Path, kept: Path, dataset: str, seed: int) -> None:
    """Keep what is of one seed."""
    for name in (dataset, f"{dataset}_untrained"):
        for path in sorted((results / "distance" / name).glob(f"*/seed_{seed}.h5")):
            place = kept / path.relative_to(results)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, place)
    for name, maker in TABLES.items():
        place = kept / name / f"seed_{seed}.csv"
        place.parent.mkdir(exist_ok=True)
        maker(results, dataset, seed).to_csv(place, index=False, float_format="%.9g")
    place = kept / "histories" / f"seed_{seed}.csv.gz"
    place.parent.mkdir(exist_ok=True)
    with gzip.GzipFile(place, "wb", mtime=0) as file:
        text = histories(results, dataset, seed).to_csv(index=False, float_format="%.6g")
        file.write(text.encode())
    for name, maker in ARRAYS.items():
        place = kept / name / f"seed_{seed}.npz"
        place.parent.mkdir(exist_ok=True)
        np.savez_compressed(place, **maker(results, dataset, seed))


TABLES = {"neural_persistence": persistence, "costs": costs}
ARRAYS = {"vectors": vectors, "answers": answers}
GROUPS = 8
"""Groups of measures of config.yaml, each a file of distances a seed."""


def main() -> None:
    """Keep."""
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    study, dataset = Path(sys.argv[1]), sys.argv[2]
    results, kept = study / "results", HERE / "kept" / dataset
    kept.mkdir(parents=True, exist_ok=True)
    for seed in map(int, sys.argv[3:] or range(5)):
        groups = [
            len([*(results / "distance" / name).glob(f"*/seed_{seed}.h5")])
            for name in (dataset, f"{dataset}_untrained")
        ]
        if groups != [GROUPS, GROUPS]:
            print(f"seed {seed}: {groups} of {GROUPS} groups of distances, not kept")
        elif (kept / "answers" / f"seed_{seed}.npz").exists():
            print(f"seed {seed}: kept already")
        else:
            keep_seed(results, kept, dataset, seed)
            print(f"seed {seed}: kept")
    for name in (dataset, f"{dataset}_untrained"):
        for path in sorted((results / "distance" / name).glob("*.h5")):
            shutil.copy2(path, kept / path.relative_to(results))
    for table in sorted((results / "table" / dataset).glob("*.csv")):
        shutil.copy2(table, kept)
    commit = ["git", "-C", str(study), "rev-parse", "HEAD"]
    (kept / "commit.txt").write_text(subprocess.check_output(commit, text=True))


if __name__ == "__main__":
    main()
