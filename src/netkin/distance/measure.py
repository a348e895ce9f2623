"""What a measure of distance is: its function, what it reads and what is known of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Source:
    """A stage whose files measures compare.

    Attributes
    ----------
    read : callable
        ``(path, **how) -> item``, what a measure is given for a network.
    after : str
        The stage this one is made from.
    """

    read: Callable[..., Any]
    after: str


@dataclass(frozen=True)
class Measure:
    """An entry of the registry of measures.

    Attributes
    ----------
    function : callable
        ``(a, b, **options) -> float`` on two items of the stage `needs`; raises
        `netkin.errors.UndefinedDistance` where the pair has no distance.
    needs : str
        The stage whose files are compared, a key of `netkin.distance.SOURCES`.
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
    needs: str
    family: Literal["topology", "topology_pairwise", "weight"]
    metric: bool
    vector: str | None
    citation: str = field(metadata={"inert": True})
    orientation: Literal["down"] = "down"
    symmetric: bool = True
