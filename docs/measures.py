"""Write measures.md from the registry.

python docs/measures.py
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "src"))

from netkin.distance import MEASURES  # noqa: E402 # found by the line above

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
    return text


if __name__ == "__main__":
    (HERE / "measures.md").write_text(page(), encoding="utf-8")
