"""Write measures.md from the registry.

python docs/measures.py
"""

import inspect
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "src"))

from netkin.distance import INPUTS, MEASURES  # noqa: E402 # found by the line above
from netkin.distance.functional import GROUP_MEASURES  # noqa: E402 # the same
from netkin.distance.measure import Measure  # noqa: E402 # the same

NEEDS = {
    "vector": "vectors of diagrams",
    "diagram": "diagrams",
    "graph": "graphs",
    "network": "weights",
    "tensors": "tensors",
    "activation": "activations on the same rows",
    "prediction": "class probabilities on the same rows",
    "model": "weights, and answers on the same rows",
}
HEAD = """# Measures

What `measures` in the section `distance` of the config may name, one by one or by family. Written
from the registry by [measures.py](measures.py); the tests check the properties by applying the
transformations (but for cost, which is read off the functions).

*Up*: the larger, the more alike (a similarity); *down*: the smaller, the more alike (a distance).
A metric is symmetric, 0 for a network and itself, and keeps the triangle inequality (0 does not
have to mean equal). Invariances are changes of the neurons of either network that leave the value
as it is: their order (permutation), a rotation (orthogonal), one positive factor for all (scaling),
an added row (translation), an invertible linear map, and the last two together (affine). Where a
pair has no value the matrix holds NaN and the reason.

*First*: what a measure does to the activations of each network by default, in this order, before
it compares them (columns are neurons, rows are inputs; a norm is that of Frobenius). *Needs*: what
it cannot do without, besides what it compares: the true labels of the rows (for more than to
choose the rows whose label both networks know, as all functional measures do), probabilities and
not only the predicted classes, networks that know the same classes or have layers of the same
shape, chains of dense layers, gradients by the input, training rows.

*Options*: what `distance.options` of the config may set for a measure, with the default; the
docstring of its function says what each means.

*Cost*: how the time of a pair grows, and after *once* that of what is computed once for each
network, for all of its pairs. Of n rows, D neurons of a layer (n > D), B rows of a batch, p rows
of a sample, d inputs, C classes, P parameters, E edges of a graph, h hidden layers, m intervals of
a diagram (on a line, as those of networks without skip connections), s samples of a vector (of an
image, pixels) and t repeats (of samples, or of steps of a search).

Similarities are no proof of likeness: independent data are far from 0 for many of them (distance
correlation, CCA, biased CKA). So representational measures come with the null of each pair: the
mean over permutations of the rows of one network, the score calibrated by it (1 as alike as can be,
0 as unrelated rows) and a p-value; section `distance.calibration` of the config. *Beside it*: what
there is besides the value. No null where it does not matter which row stands beside which; no
bootstrap interval over the rows where the copies of a row in a sample would be taken for likeness.

Not built, since their authors or the survey call them experimental, or they need conditions that
trained networks do not meet: the Riemannian distance of covariances (needs more neurons than rows),
Geometry Score, maximum matching, ContraSim, the modularity of graphs of neurons.
"""
NUMBERS = """
## how exact representational values are

*Precision*: a rank counts what is larger than the noise of the precision the activations came in,
column by column, whatever their scales: that of the array, or a lower one whose numbers all values
are (bfloat16 stored as float32, float32 as float64), but for whole numbers, which are exact. What
was scaled or centred after it was rounded is not seen to be; `Representation(..., precision=...)`
names it. A column that is smaller beside its own mean than the noise, or all of it beside one row
that is larger by 1 over the noise, is lost.

*Left out*: a row that is 0 in one of the networks has no cosine, and one that is the same for all
neurons no correlation; where ties decide which rows are nearest to a row, it has no neighbours.
Such rows are left out of the mean, in the null too, and a warning counts them.

Largest errors of 300 pairs of hostile activations against 50 digits (`make numbers`): few rows,
columns that depend on others, scales of 1e-8 to 1e8, offsets, ties, duplicates, constants, a row
1e8 times as large as the others, rows that are nearly the same, ReLU. Of the value, or of 1 if that
is larger; of distances in units of the activations, of the larger norm. *Undefined*: pairs without
a value, or without a rank that the precision tells.

| measure | float64 | float32 | float16 | bfloat16 | undefined |
|---|---|---|---|---|---|
| `mean_cca` | 1.5e-09 | 1.0e-14 | 8.8e-15 | 1.6e-15 | 15 |
| `mean_squared_cca` | 1.3e-09 | 9.3e-15 | 1.1e-14 | 1.4e-15 | 15 |
| `linear_regression` | 1.3e-15 | 1.6e-15 | 1.1e-15 | 1.6e-15 | 8 |
| `eigenspace_overlap` | 2.2e-10 | 7.2e-15 | 8.0e-15 | 6.7e-16 | 8 |
| `orthogonal_procrustes` | 1.3e-14 | 1.1e-15 | 1.0e-15 | 1.1e-15 | 8 |
| `normalised_bures_similarity` | 1.6e-15 | 1.0e-15 | 1.0e-15 | 1.3e-15 | 8 |
| `angular_shape_metric` | 4.8e-14 | 1.5e-14 | 1.7e-15 | 1.4e-15 | 8 |
| `gulp` | 6.8e-15 | 1.4e-14 | 2.2e-14 | 5.2e-15 | 8 |
| `rsm_norm_difference` | 6.9e-15 | 3.3e-16 | 3.4e-16 | 1.9e-16 | 0 |
| `cka` | 4.4e-16 | 6.7e-16 | 3.3e-16 | 3.3e-16 | 0 |
| `cka_rbf` | 2.2e-16 | 4.4e-16 | 5.6e-16 | 3.3e-16 | 0 |
| `cka_debiased` | 6.7e-16 | 1.1e-11 | 5.6e-16 | 4.4e-16 | 0 |
| `cka_minibatch` | 2.2e-16 | 1.2e-15 | 2.2e-16 | 3.3e-16 | 0 |
| `distance_correlation` | 2.2e-16 | 2.2e-16 | 1.1e-16 | 1.1e-16 | 0 |
| `relational_knowledge_loss` | 5.8e-16 | 5.9e-16 | 4.5e-16 | 6.2e-16 | 0 |
| `knn_jaccard` | 1.1e-16 | 1.1e-16 | 1.7e-16 | 5.6e-17 | 28 |
| `gbs` | 2.2e-16 | 2.2e-16 | 1.1e-16 | 3.3e-16 | 0 |
| `rsa` | 1.1e-16 | 1.1e-16 | 1.1e-16 | 2.2e-16 | 29 |
| `magnitude_difference` | 2.6e-16 | 1.5e-16 | 1.3e-16 | 1.1e-16 | 0 |
| `concentricity_difference` | 3.8e-16 | 3.7e-16 | 2.2e-16 | 2.2e-16 | 0 |
| `uniformity_difference` | 8.9e-16 | 1.0e-15 | 1.0e-15 | 7.5e-16 | 0 |
| `soft_correlation_match` | 2.2e-16 | 2.2e-16 | 1.1e-16 | 1.1e-16 | 0 |
"""
GROUPS = """
## groups of networks

How much the answers to a row vary in a group of networks (predictive multiplicity), on the rows
whose label all of them know. Not chosen in the config: where a chosen measure compares class
probabilities, `results/table/{dataset}/multiplicity.html` has all of them, for the experiment
groups at each seed and for each variant over seeds. ∞ where the largest value grows with the number
of networks; groups of different sizes are not to be compared by any of them.

| name | way | range | needs | meaning | source |
|---|---|---|---|---|---|
"""


def number(value: float) -> str:
    """Return a bound as people write it."""
    return {float("inf"): "∞", float("-inf"): "-∞"}.get(value, f"{value:.4g}")


def power(cost: str) -> str:
    """Return a cost with powers as people write them."""
    return cost.replace("^2", "²").replace("^3", "³")


COLUMNS = {
    "compares": lambda measure: NEEDS[measure.needs],
    "way": lambda measure: measure.orientation,
    "range": lambda measure: " to ".join(number(bound) for bound in measure.range),
    "symmetric": lambda measure: "yes" if measure.symmetric else "no",
    "metric": lambda measure: "yes" if measure.metric else "no",
    "invariances": lambda measure: ", ".join(measure.invariances).replace("_", " "),
    "first": lambda measure: ", ".join(measure.preprocessing),
    "needs": lambda measure: ", ".join(measure.requires),
    "beside it": lambda measure: beside(measure),
    "options": lambda measure: options(measure),
    "cost": lambda measure: power(measure.cost),
    "source": lambda measure: measure.citation,
}
"""Head of a column -> what it says of a measure."""


def beside(measure: Measure) -> str:
    """Return what is found out about the values of a measure, if wanted."""
    if INPUTS[measure.needs].calibrate is None:
        return ""
    return ", ".join(["null"] * measure.paired + ["interval"] * measure.resampled)


def options(measure: Measure) -> str:
    """Return the options of a measure's function with their defaults."""
    parameters = inspect.signature(measure.function).parameters.values()
    return ", ".join(
        f"`{p.name}={p.default!r}`".replace("'", '"')
        for p in parameters
        if p.kind is p.KEYWORD_ONLY
    )


def table(measures: dict[str, Measure]) -> str:
    """Return a table of measures, without columns that would be empty."""
    rows = {name: {head: say(m) for head, say in COLUMNS.items()} for name, m in measures.items()}
    heads = [head for head in COLUMNS if any(row[head] for row in rows.values())]
    text = "| " + " | ".join(["name", *heads]) + " |\n|" + "---|" * (len(heads) + 1) + "\n"
    for name, row in rows.items():
        cells = [f"`{name}`", *(row[head] or "–" for head in heads)]
        text += "| " + " | ".join(cells) + " |\n"
    return text


def page() -> str:
    """Return the text of measures.md."""
    text = HEAD
    for family in dict.fromkeys(measure.family for measure in MEASURES.values()):
        members = {name: m for name, m in MEASURES.items() if m.family == family}
        text += f"\n## {family}\n\n{table(members)}"
    text += NUMBERS + GROUPS
    for name, group in GROUP_MEASURES.items():
        cells = [
            f"`{name}`",
            group.orientation,
            " to ".join(number(bound) for bound in group.range),
            ", ".join(group.requires) or "–",
            group.meaning,
            group.citation,
        ]
        text += "| " + " | ".join(cells) + " |\n"
    return text


if __name__ == "__main__":
    (HERE / "measures.md").write_text(page(), encoding="utf-8")
