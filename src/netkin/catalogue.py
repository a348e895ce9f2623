"""The measures there are, as a table."""

from typing import TYPE_CHECKING, Any

from netkin.distance import INPUTS, MEASURES
from netkin.distance.pace import expected_seconds
from netkin.measuring import option_texts

if TYPE_CHECKING:
    import pandas as pd

NEEDS = {
    "vector": "weights whose wiring is known",
    "diagram": "weights whose wiring is known",
    "graph": "weights whose wiring is known",
    "network": "weights whose wiring is known",
    "tensors": "tensors of equal name and shape",
    "activation": "activations on the same rows",
    "prediction": "answers on the same rows",
    "model": "weights, and answers on the same rows",
}
"""What a measure compares -> what people bring for it."""


def listed_measures() -> list[dict[str, Any]]:
    """Return a row for each measure, as `measures` has them."""
    return [
        {
            "measure": name,
            "family": entry.family,
            "orientation": entry.orientation,
            "needs": NEEDS[entry.needs],
            "requires": ", ".join(entry.requires),
            "seconds": expected_seconds(name),
            "of_files": not INPUTS[entry.needs].rows,
            "options": ", ".join(f"{key}={text}" for key, text in option_texts(name).items()),
            "citation": entry.citation,
        }
        for name, entry in MEASURES.items()
    ]


def measures() -> "pd.DataFrame":
    """Return the measures there are.

    Returns
    -------
    DataFrame
        A row for each: measure, family, orientation (``up``: the larger the more alike), what it
        needs and requires, about how many seconds two base networks take (784-512-512-10, with
        1,000 rows; NaN where it was never timed), whether `netkin.compare` computes it of files of
        weights, its options with their defaults, and the citation.
    """
    import pandas as pd

    return pd.DataFrame(listed_measures())
