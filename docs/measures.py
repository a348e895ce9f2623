"""Write measures.md from the registry.

python docs/measures.py
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "src"))

from netkin.distance import MEASURES  # noqa: E402 # found by the line above
from netkin.distance.functional import GROUP_MEASURES  # noqa: E402

NEEDS = {
    "vector": "vectors of diagrams",
    "diagram": "diagrams",
    "graph": "graphs",
    "network": "weights",
    "activation": "activations on the same rows",
    "prediction": "class probabilities on the same rows",
    "model": "weights, and answers on the same rows",
}
HEAD = """# Measures

What `measures` in the section `distance` of the config may name, one by one or by family. Written
from the registry by [measures.py](measures.py); the tests check the properties by applying the
transformations.

*Up*: the larger, the more alike (a similarity); *down*: the smaller, the more alike (a distance).
A metric is symmetric, 0 for a network and itself, and keeps the triangle inequality (0 does not
have to mean equal). Invariances are changes of the neurons of either network that leave the value
as it is: their order (permutation), a rotation (orthogonal), one factor for all (scaling), an
added row (translation), an invertible linear map, and the last two together (affine). Where a
pair has no value the matrix holds NaN and the reason.

Similarities are no proof of likeness: independent data are far from 0 for many of them (distance
correlation, CCA, biased CKA). So every representational measure comes with the null of each pair:
the mean over permutations of the rows of one network, the score calibrated by it (1 as alike as can
be, 0 as unrelated rows) and a p-value; section `distance.calibration` of the config.
"""
GROUPS = """
## groups of networks

How much the answers to a row vary in a group of networks (predictive multiplicity), on the rows
whose label all of them know. Not chosen in the config: where a chosen measure compares class
probabilities, `results/table/{dataset}/multiplicity.html` has all of them, for the experiment
groups at each seed and for each variant over seeds. Predicted classes are compared for networks of
different labels too, probabilities are not. ∞ where the largest value grows with the number of
networks; groups of different sizes are not to be compared by any of them.

| name | compares | way | range | meaning | source |
|---|---|---|---|---|---|
"""


def number(value: float) -> str:
    """Return a bound as people write it."""
    return {float("inf"): "∞", float("-inf"): "-∞"}.get(value, f"{value:.4g}")


def page() -> str:
    """Return the text of measures.md."""
    text = HEAD
    for family in dict.fromkeys(measure.family for measure in MEASURES.values()):
        text += f"\n## {family}\n\n| name | compares | way | range | symmetric | metric | "
        text += "invariances | source |\n|---|---|---|---|---|---|---|---|\n"
        for name, measure in MEASURES.items():
            if measure.family == family:
                cells = [
                    f"`{name}`",
                    NEEDS[measure.needs],
                    measure.orientation,
                    " to ".join(number(bound) for bound in measure.range),
                    "yes" if measure.symmetric else "no",
                    "yes" if measure.metric else "no",
                    ", ".join(measure.invariances).replace("_", " ") or "–",
                    measure.citation,
                ]
                text += "| " + " | ".join(cells) + " |\n"
    text += GROUPS
    for name, group in GROUP_MEASURES.items():
        cells = [
            f"`{name}`",
            {"classes": "predicted classes"}.get(group.requires, "class probabilities"),
            group.orientation,
            " to ".join(number(bound) for bound in group.range),
            group.meaning,
            group.citation,
        ]
        text += "| " + " | ".join(cells) + " |\n"
    return text


if __name__ == "__main__":
    (HERE / "measures.md").write_text(page(), encoding="utf-8")
