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
import seaborn as sns
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
        values = sheet[what].to_numpy(dtype=float)
        values = values if what == "accuracy" else np.log(values)
        found[label] = np.abs(values[:, None] - values)
    return found


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return Spearman's correlation."""
    x, y = rankdata(a), rankdata(b)
    if x.std() == 0 or y.std() == 0:
        return np.nan
    return float(np.corrcoef(x, y)[0, 1])


def apart(matrix: np.ndarray, family: np.ndarray, pairs: np.ndarray) -> float:
    """Return how often a pair of two families is farther apart than one of one family.

    0.5 is chance; ties count half. Only the pairs given.
    """
    i, j = pairs
    values, same = matrix[i, j], family[i] == family[j]
    ranks = rankdata(values)
    n, m = int((~same).sum()), int(same.sum())
    return float((ranks[~same].sum() - n * (n + 1) / 2) / (n * m))


def nearest(matrix: np.ndarray, family: np.ndarray, size: np.ndarray) -> float:
    """Return for which share of networks the nearest one of another size is of its family."""
    hidden = np.where(size[:, None] == size, np.inf, matrix)
    return float((family[hidden.argmin(axis=1)] == family).mean())


def interval(values: list[float]) -> str:
    """Return the 95 % percentile interval of resampled values."""
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return f"{low:.2f} to {high:.2f}"


def resampled(sheet: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """Return networks drawn with replacement within each family and size."""
    cells = sheet.groupby(["family", "size"]).indices.values()
    return np.concatenate([rng.choice(cell, len(cell)) for cell in cells])


def distinct(chosen: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Return the pairs of different networks among those drawn, of which `keep` is true."""
    i, j = np.triu_indices(len(chosen), 1)
    i, j = chosen[i], chosen[j]
    ok = (i != j) & keep[i, j]
    return np.stack([i[ok], j[ok]])


def table(sheet: pd.DataFrame, found: dict[str, np.ndarray]) -> pd.DataFrame:
    """Return a row for each measure: what it goes with, and whether it tells families apart."""
    family, size = sheet["family"].to_numpy(), sheet["size"].to_numpy()
    everything = np.ones((len(sheet), len(sheet)), dtype=bool)
    # at one size of those at which all families have equally many parameters
    equal = (size[:, None] == size) & np.isin(size, MATCHED)[:, None]
    whole = np.arange(len(sheet))
    rng = np.random.default_rng(0)
    draws = [resampled(sheet, rng) for _ in range(RESAMPLED)]
    edges, count = (found[TRIVIAL[what]] for what in ("edges", "parameters"))
    rows = []
    for name, matrix in found.items():
        pairs, at_equal = distinct(whole, everything), distinct(whole, equal)
        with_edges, with_count, told = [], [], []
        for chosen in draws:
            i, j = distinct(chosen, everything)
            with_edges.append(correlation(matrix[i, j], edges[i, j]))
            with_count.append(correlation(matrix[i, j], count[i, j]))
            told.append(apart(matrix, family, distinct(chosen, equal)))
        rows.append(
            {
                "measure": name.replace("_", " "),
                "with edges": correlation(matrix[*pairs], edges[*pairs]),
                "edges 95 %": interval(with_edges),
                "with parameters": correlation(matrix[*pairs], count[*pairs]),
                "parameters 95 %": interval(with_count),
                "families apart": apart(matrix, family, at_equal),
                "apart 95 %": interval(told),
                "nearest": nearest(matrix, family, size),
            }
        )
    return pd.DataFrame(rows)


def draw_matrices(sheet: pd.DataFrame, found: dict[str, np.ndarray], names: list[str]) -> None:
    """Draw matrices in the order of families and sizes."""
    order = sheet.sort_values(["family", "size", "seed"], key=_family_first).index.to_numpy()
    figure, axes = plt.subplots(1, len(names), figsize=(4.6 * len(names), 4.8), layout="tight")
    n = len(sheet) // len(FAMILIES)
    for axis, name in zip(np.atleast_1d(axes), names, strict=True):
        sns.heatmap(
            found[name][np.ix_(order, order)],
            ax=axis,
            square=True,
            cmap="viridis",
            cbar_kws={"shrink": 0.7},
            xticklabels=False,
            yticklabels=False,
        )
        axis.set_title(name.replace("_", " "))
        middle = [n * (k + 0.5) for k in range(len(FAMILIES))]
        axis.set_xticks(middle, [LABELS[each] for each in FAMILIES], rotation=20)
        axis.set_yticks(middle, [LABELS[each] for each in FAMILIES], rotation=90, va="center")
        for k in range(1, len(FAMILIES)):
            axis.axhline(k * n, color="white")
            axis.axvline(k * n, color="white")
    figure.savefig(HERE / "matrices.png", dpi=110)
    plt.close(figure)


def _family_first(column: pd.Series) -> pd.Series:
    return column.map({name: k for k, name in enumerate(FAMILIES)}).fillna(column)


def draw_map(sheet: pd.DataFrame, found: dict[str, np.ndarray], names: list[str]) -> None:
    """Draw networks as points by multidimensional scaling, a shape for each family."""
    from sklearn.manifold import MDS

    figure, axes = plt.subplots(1, len(names), figsize=(4.6 * len(names), 4.4), layout="tight")
    for axis, name in zip(np.atleast_1d(axes), names, strict=True):
        scaling = MDS(dissimilarity="precomputed", random_state=0, n_init=4)
        places = scaling.fit_transform(found[name] / found[name].max())
        shown = sheet.assign(
            x=places[:, 0],
            y=places[:, 1],
            family=sheet["family"].map(LABELS),
            parameters=sheet["size"],
        )
        sns.scatterplot(
            shown,
            x="x",
            y="y",
            hue="family",
            style="family",
            size="parameters",
            sizes=(20, 120),
            palette="colorblind",
            ax=axis,
            legend="brief" if axis is np.atleast_1d(axes)[-1] else False,
        )
        axis.set(title=name.replace("_", " "), xlabel="", ylabel="", xticks=[], yticks=[])
        axis.set_aspect("equal")
    sns.move_legend(np.atleast_1d(axes)[-1], "upper left", bbox_to_anchor=(1, 1))
    figure.savefig(HERE / "map.png", dpi=110)
    plt.close(figure)


def sentences(rows: pd.DataFrame) -> list[str]:
    """Return what the table says, in plain words."""
    of = rows.set_index("measure")
    topological = [m for m in of.index if not m.startswith("difference")]
    size_bound = [m for m in topological if of.loc[m, "with edges"] > 0.9]
    told = of.loc[topological, "families apart"]
    trivial = of.loc[TRIVIAL["edges"], "families apart"]
    lines = []
    if size_bound:
        lines.append(
            f"The number of edges explains {', '.join(size_bound)} almost alone: Spearman's "
            f"correlation over all pairs is above 0.9."
        )
    lines.append(
        "At equal numbers of parameters pairs of two families are farther apart than pairs of one "
        f"in {told.min():.0%} to {told.max():.0%} of cases (chance 50 %), most by {told.idxmax()}. "
        "So topology sees more than the number of parameters."
    )
    lines.append(
        f"The difference of log(edges), which needs no topology, does so in {trivial:.0%}: a "
        "shared weight stands for as many edges as it has copies, which already tells a "
        "convolution from a dense layer."
    )
    free = of.loc[[PER_CLASS.replace("_", " "), "silhouette"]]
    best = free["families apart"].idxmax()
    lines.append(
        f"Of what does not count intervals ({', '.join(free.index)}), {best} tells families apart "
        f"in {free.loc[best, 'families apart']:.0%} ({free.loc[best, 'apart 95 %']}) while its "
        f"correlation with the number of edges is {free.loc[best, 'with edges']:.2f}."
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
        "Intervals are percentiles of 1,000 resamplings of networks within family and size, never "
        "of pairs.",
        "",
        "![matrices](matrices.png)",
        "",
        "![map](map.png)",
        "",
        "## Every measure",
        "",
        "*with edges*, *with parameters*: Spearman's correlation of all pairs with the difference "
        "of the logarithm. *families apart*: how often, at one of the two sizes at which all "
        "families have equally many parameters, a pair of two families is farther apart than one "
        "of one family; 0.5 is chance. *nearest*: for which share of networks the nearest one of "
        "another size is of the same family; "
        f"chance is {1 / len(FAMILIES):.2f}.",
        "",
        markdown(rows, 2),
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
