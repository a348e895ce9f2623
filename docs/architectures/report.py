"""Write README.md and its figures from a finished run of study.yaml.

    python docs/architectures/report.py FOLDER

FOLDER holds networks.tsv, models/ and results/. No number in README.md is typed by hand.
"""

import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE.parent), str(HERE), str(ROOT / "src")]

import matplotlib.pyplot as plt
from pages import markdown
from scipy.stats import rankdata
from train import FAMILIES, MATCHED, SIZES

import netkin
from netkin.diagram.diagram import read_diagram
from netkin.diagram.policy import apply_policy
from netkin.vector import VECTORISERS
from netkin.vector.sampling import Sampling

RESAMPLED = 1000
"""Resamplings of networks behind each interval."""
LABELS = {"mlp": "perceptron", "cnn": "convolutional", "resnet": "residual", "gru": "recurrent"}
TRIVIAL = {
    "parameters": "difference of log(parameters)",
    "edges": "difference of log(edges)",
    "accuracy": "difference of accuracy",
}
"""What any network has a number of; beside them stands every measure."""
MARKERS = ("o", "s", "^", "D")
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
"""Of the families; safe for colour-blind readers."""
PER_CLASS = "heat_per_class"
"""Heat of a diagram in which each interval counts 1 / (their number)."""


def networks(folder: Path) -> pd.DataFrame:
    """Return the sheet, with the number of edges of each graph."""
    sheet = pd.read_csv(folder / "networks.tsv", sep="\t")
    sheet["edges"] = [netkin.inspect(str(folder / path)).edges for path in sheet["path"]]
    return sheet


def per_class(folder: Path, names: list[str]) -> np.ndarray:
    """Return the distances of heat in which every interval of a dimension counts 1 / n."""
    vectors = []
    sampling = Sampling(0.0, 1.0, 200)
    for name in names:
        diagram = apply_policy(read_diagram(_diagram_of(folder, name)))
        arrays = VECTORISERS["heat"].arrays(diagram, sampling)
        counts = [max(int(count.sum()), 1) for count in diagram.counts]
        vectors.append([array / count for array, count in zip(arrays, counts, strict=True)])
    found = np.zeros((len(names), len(names)))
    for i, j in combinations(range(len(names)), 2):
        parts = zip(vectors[i], vectors[j], strict=True)
        found[i, j] = found[j, i] = np.sqrt(sum(((a - b) ** 2).sum() for a, b in parts))
    return found * sampling.step


def _diagram_of(folder: Path, name: str) -> str:
    from netkin import storage

    wanted = f"networks/{name}/once"
    for path in (folder / "results" / "diagram").rglob("*.h5"):
        if wanted in storage.read_ids(path, "diagram"):
            return storage.address(str(path), wanted)
    raise SystemExit(f"{folder}: no diagram of {name}.")


def matrices(folder: Path, sheet: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return a square matrix for each measure and each trivial difference."""
    names = sheet["network"].tolist()
    place = {name: k for k, name in enumerate(names)}
    found: dict[str, np.ndarray] = {}
    for measure, rows in netkin.results(folder).groupby("measure"):
        matrix = np.zeros((len(names), len(names)))
        i, j = (rows[end].map(place).to_numpy() for end in ("network_a", "network_b"))
        matrix[i, j] = matrix[j, i] = rows["value"].to_numpy()
        found[str(measure)] = matrix
    found[PER_CLASS] = per_class(folder, names)
    for what, label in TRIVIAL.items():
        # sizes that are meant to be equal are
        values = sheet["size" if what == "parameters" else what].to_numpy(dtype=float)
        values = values if what == "accuracy" else np.log(values)
        found[label] = np.abs(values[:, None] - values)
    return found


class Pairs:
    """Pairs of networks, and how often each counts."""

    def __init__(self, sheet: pd.DataFrame) -> None:
        self.i, self.j = np.triu_indices(len(sheet), 1)
        self._cells = list(sheet.groupby(["family", "size"]).indices.values())
        cell = np.empty(len(sheet), dtype=int)
        for number, members in enumerate(self._cells):
            cell[members] = number
        self._same_cell = cell[self.i] == cell[self.j]
        self.n = len(sheet)

    def weights(self, rng: np.random.Generator) -> np.ndarray:
        """Return weights of networks drawn with replacement within each family and size.

        Two draws of one network are no pair, so that pairs within a cell of n networks are fewer by
        1 / n; they count as much more.
        """
        drawn = np.zeros(self.n)
        for members in self._cells:
            np.add.at(drawn, rng.choice(members, len(members)), 1)
        n = len(self._cells[0])
        return drawn[self.i] * drawn[self.j] * np.where(self._same_cell, n / (n - 1), 1.0)


def correlation(a: np.ndarray, b: np.ndarray, weight: np.ndarray) -> float:
    """Return the correlation of ranks, each pair with its weight."""
    a, b = (each - np.average(each, weights=weight) for each in (a, b))
    scale = np.sqrt((weight * a * a).sum() * (weight * b * b).sum())
    return float((weight * a * b).sum() / scale) if scale else np.nan


def beyond(a: np.ndarray, b: np.ndarray, given: list[np.ndarray], weight: np.ndarray) -> float:
    """Return the partial correlation of ranks, given others."""
    root = np.sqrt(weight)
    known = np.column_stack([np.ones(len(a)), *given]) * root[:, None]
    left = [
        each
        - np.column_stack([np.ones(len(a)), *given])
        @ np.linalg.lstsq(known, each * root, rcond=None)[0]
        for each in (a, b)
    ]
    if min(np.abs(each).max() for each in left) < 1e-6 * len(a):
        return np.nan
    return correlation(*left, weight)


def apart(values: np.ndarray, same: np.ndarray, weight: np.ndarray) -> float:
    """Return how often a pair of two families is farther apart than one of one family.

    0.5 is chance; ties count half.
    """
    near, far = values[same], values[~same]
    order = np.sign(far[:, None] - near)
    both = weight[~same][:, None] * weight[same]
    return float((both * (order + 1) / 2).sum() / both.sum())


def nearest(matrix: np.ndarray, family: np.ndarray, size: np.ndarray) -> float:
    """Return for which share of networks the nearest one of another size is of its family."""
    hidden = np.where(size[:, None] == size, np.inf, matrix)
    return float((family[hidden.argmin(axis=1)] == family).mean())


def stated(value: float, values: list[float]) -> str:
    """Return a value with the 95 % interval of what resampling gives."""
    if np.isnan(value):
        return ""
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


def table(sheet: pd.DataFrame, found: dict[str, np.ndarray]) -> pd.DataFrame:
    """Return a row for each measure: what it goes with, and whether it tells families apart."""
    family, size = sheet["family"].to_numpy(), sheet["size"].to_numpy()
    pairs = Pairs(sheet)
    i, j = pairs.i, pairs.j
    # at one size of those at which all families have equally many parameters
    equal = (size[i] == size[j]) & np.isin(size[i], MATCHED)
    same = family[i] == family[j]
    rng = np.random.default_rng(0)
    every = np.ones(len(i))
    draws = [every, *(pairs.weights(rng) for _ in range(RESAMPLED))]
    edges, count = (rankdata(found[TRIVIAL[what]][i, j]) for what in ("edges", "parameters"))
    rows = []
    for name, matrix in found.items():
        values = matrix[i, j]
        ranks = rankdata(values)
        known = {
            "with edges": [correlation(ranks, edges, w) for w in draws],
            "with parameters": [correlation(ranks, count, w) for w in draws],
            "family beyond both": [
                beyond(ranks, (~same).astype(float), [edges, count], w) for w in draws
            ],
            "families apart": [apart(values[equal], same[equal], w[equal]) for w in draws],
        }
        rows.append(
            {
                "measure": name.replace("_", " "),
                **{what: each[0] for what, each in known.items()},
                "nearest": nearest(matrix, family, size),
                **{f"{what}, stated": stated(each[0], each[1:]) for what, each in known.items()},
            }
        )
    return pd.DataFrame(rows)


def draw_matrices(sheet: pd.DataFrame, found: dict[str, np.ndarray], names: list[str]) -> None:
    """Draw matrices in the order of families and sizes."""
    order = sheet.sort_values(["family", "size", "seed"], key=_family_first).index.to_numpy()
    figure, axes = plt.subplots(1, len(names), figsize=(4.6 * len(names), 4.8), layout="tight")
    n = len(sheet) // len(FAMILIES)
    for axis, name in zip(np.atleast_1d(axes), names, strict=True):
        image = axis.imshow(found[name][np.ix_(order, order)], interpolation="nearest")
        figure.colorbar(image, ax=axis, shrink=0.7)
        axis.set_title(name.replace("_", " "))
        middle = [n * (k + 0.5) - 0.5 for k in range(len(FAMILIES))]
        axis.set_xticks(middle, [LABELS[each] for each in FAMILIES], rotation=20)
        axis.set_yticks(
            middle, [LABELS[each] for each in FAMILIES], rotation=90, va="center", fontsize=8
        )
        for k in range(1, len(FAMILIES)):
            axis.axhline(k * n - 0.5, color="white")
            axis.axvline(k * n - 0.5, color="white")
    figure.savefig(HERE / "matrices.png", dpi=110)
    plt.close(figure)


def _family_first(column: pd.Series) -> pd.Series:
    return column.map({name: k for k, name in enumerate(FAMILIES)}).fillna(column)


def draw_map(sheet: pd.DataFrame, found: dict[str, np.ndarray], names: list[str]) -> None:
    """Draw networks by multidimensional scaling, larger ones larger."""
    from sklearn.manifold import MDS

    figure, axes = plt.subplots(1, len(names), figsize=(4.6 * len(names), 4.4), layout="tight")
    for axis, name in zip(np.atleast_1d(axes), names, strict=True):
        scaling = MDS(dissimilarity="precomputed", random_state=0, n_init=4)
        places = scaling.fit_transform(found[name] / found[name].max())
        for family, marker, colour in zip(FAMILIES, MARKERS, COLOURS, strict=True):
            mine = np.flatnonzero(sheet["family"] == family)
            axis.scatter(
                *places[mine].T,
                s=20 + 100 * sheet["size"].to_numpy()[mine] / max(SIZES),
                marker=marker,
                color=colour,
                alpha=0.75,
                label=LABELS[family],
            )
        axis.set(title=name.replace("_", " "), xticks=[], yticks=[])
        axis.set_aspect("equal")
    np.atleast_1d(axes)[-1].legend(loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(HERE / "map.png", dpi=110)
    plt.close(figure)


def sentences(rows: pd.DataFrame) -> list[str]:
    """Return what the table says, in plain words."""
    of = rows.set_index("measure")
    topological = [m for m in of.index if not m.startswith("difference")]
    size_bound = [m for m in topological if of.loc[m, "with edges"] > 0.9]
    others = [m for m in topological if m not in size_bound]
    told = of.loc[others, "families apart"]
    lines = [
        "At equal numbers of parameters pairs of two families are farther apart than pairs of one "
        f"in {told.min():.0%} ({told.idxmin()}) to {told.max():.0%} ({told.idxmax()}) of cases; "
        "chance is 50 %. So topology sees more than the number of parameters.",
        "The number of edges sees it too, and needs no topology: the difference of log(edges) "
        f"tells families apart in {of.loc[TRIVIAL['edges'], 'families apart']:.0%} of cases, for a "
        "shared weight stands for as many edges as it has copies. Across sizes it does not: the "
        "nearest network of another size is of the same family for "
        f"{of.loc[TRIVIAL['edges'], 'nearest']:.0%} of networks (chance 25 %).",
    ]
    best = of.loc[others, "nearest"].sort_values(ascending=False)
    lines.append(
        f"Across sizes {best.index[0]} ({best.iloc[0]:.0%}) and {best.index[1]} "
        f"({best.iloc[1]:.0%}) find the family best. Neither counts intervals: what they see is "
        "how values are distributed."
        if {*best.index[:2]} == {PER_CLASS.replace("_", " "), "silhouette"}
        else f"Across sizes {best.index[0]} finds the family best ({best.iloc[0]:.0%})."
    )
    partial = of.loc[others, "family beyond both"].sort_values(ascending=False)
    stated_as = of.loc[partial.index[0], "family beyond both, stated"]
    lines.append(
        "Given the differences of log(edges) and of log(parameters), whether two networks are of "
        f"two families still goes with their distance: partial rank correlation {stated_as} for "
        f"{partial.index[0]}, and {partial.min():.2f} to {partial.max():.2f} over all measures."
    )
    if size_bound:
        lines.append(
            f"{' and '.join(size_bound).capitalize()} is the number of edges in other words: "
            "Spearman's correlation with it is "
            f"{of.loc[size_bound, 'with edges'].min():.2f} over all pairs."
        )
    return lines


def main() -> None:
    """Write everything."""
    folder = Path(sys.argv[1])
    sheet = networks(folder).rename(columns={"group": "family"})
    found = matrices(folder, sheet)
    rows = table(sheet, found)
    shown = ["heat", "silhouette", PER_CLASS]
    draw_matrices(sheet, found, shown)
    draw_map(sheet, found, shown)
    rows.to_csv(HERE / "measures.csv", index=False, float_format="%.4g")
    columns = ["with edges", "with parameters", "family beyond both", "families apart"]
    shown_rows = rows[["measure", *(f"{each}, stated" for each in columns), "nearest"]]
    shown_rows.columns = ["measure", *columns, "nearest"]
    cells = sheet.groupby(["family", "size"], sort=False).agg(
        networks=("network", "size"),
        parameters=("parameters", "first"),
        edges=("edges", "first"),
        accuracy=("accuracy", "mean"),
    )
    cells = cells.reset_index().drop(columns="size")
    cells["family"] = cells["family"].map(LABELS)
    text = [
        "# What topology sees across architectures",
        "",
        f"{len(sheet)} networks: {', '.join(LABELS[name] for name in FAMILIES)}, of {len(SIZES)} "
        f"sizes, {sheet['seed'].nunique()} seeds each, trained on 10,000 images of MNIST for 4 "
        "epochs by [train.py](train.py), compared as files of ONNX by the workflow with "
        "[study.yaml](study.yaml). All of them have equally many parameters, to 0.3 %, at "
        f"{' and '.join(f'{size:,}' for size in MATCHED)}. This page is written by "
        "[report.py](report.py).",
        "",
        *(f"- {line}" for line in sentences(rows)),
        "",
        "Intervals (95 %) are of 1,000 resamplings of networks within family and size, never of "
        "pairs.",
        "",
        "![matrices](matrices.png)",
        "",
        "![map](map.png)",
        "",
        "## Every measure",
        "",
        "*with edges*, *with parameters*: Spearman's correlation of all pairs with the difference "
        "of the logarithm. *family beyond both*: the partial rank correlation with whether two "
        "networks are of two families, given both differences. *families apart*: how often, at one "
        "of the two sizes at which all families have equally many parameters, a pair of two "
        "families is farther apart than one of one family; 0.5 is chance. *nearest*: for which "
        "share of networks the nearest one of another size is of the same family; "
        f"chance is {1 / len(FAMILIES):.2f}.",
        "",
        markdown(shown_rows, 2),
        "",
        "## The networks",
        "",
        markdown(cells, 3),
        "",
        "To make it anew:",
        "",
        "    python docs/architectures/train.py studies/architectures",
        "    snakemake --cores 2 --directory studies/architectures --configfile "
        "docs/architectures/study.yaml",
        "    python docs/architectures/report.py studies/architectures",
        "",
    ]
    (HERE / "README.md").write_text("\n".join(text))


if __name__ == "__main__":
    main()
