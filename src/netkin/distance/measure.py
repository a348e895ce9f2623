"""What a measure is: its function, what it reads and what is known of it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Family = Literal["topology", "topology_pairwise", "weight", "representational", "functional"]
Invariance = Literal[
    "permutation", "orthogonal", "scaling", "translation", "invertible_linear", "affine"
]
"""Changes of the columns (neurons) of a representation: their order, a rotation, one factor
for all, an added row, an invertible linear map, and the last two together."""


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
        `netkin.errors.UndefinedDistance` where the pair has no value.
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
        ``down``: the smaller the more alike; ``up``: the larger.
    symmetric : bool
        Whether m(a, b) = m(b, a), so that half of the pairs suffice.
    range : tuple of float
        Least and largest value, infinite where there is no bound.
    invariances : tuple of str
        Changes of either representation that leave the value as it is; for weights and
        outputs empty.
    """

    function: Callable[..., float]
    needs: str
    family: Family
    metric: bool = field(metadata={"inert": True})
    vector: str | None = None
    citation: str = field(default="", metadata={"inert": True})
    orientation: Literal["down", "up"] = "down"
    symmetric: bool = True
    range: tuple[float, float] = field(default=(0.0, math.inf), metadata={"inert": True})
    invariances: tuple[Invariance, ...] = field(default=(), metadata={"inert": True})
