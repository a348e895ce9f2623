"""What a measure of distance is: its function, what it reads and what is known of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Needs = Literal["vector", "diagram", "graph"]
"""The stage whose files a measure compares."""


@dataclass(frozen=True)
class Measure:
    """An entry of the registry of measures.

    Attributes
    ----------
    function : callable
        ``(a, b, **options) -> float`` on two items of the stage `needs`; raises
        `netkin.errors.UndefinedDistance` where the pair has no distance.
    needs : {"vector", "diagram", "graph"}
        The stage whose files are compared.
    family : str
        Group of measures that rest on the same idea.
    metric : bool
        Whether symmetry, the triangle inequality and d(a, a) = 0 are guaranteed.
    vector : str or None
        The vectoriser whose arrays are compared, None for none.
    citation : str
        Where the measure comes from.
    orientation : {"down", "up"}
        ``down``: the smaller the more alike.
    symmetric : bool
        Whether d(a, b) = d(b, a), so that half of the pairs suffice.
    """

    function: Callable[..., float]
    needs: Needs
    family: Literal["topology", "topology_pairwise", "weight"]
    metric: bool
    vector: str | None
    citation: str
    orientation: Literal["down"] = "down"
    symmetric: bool = True
