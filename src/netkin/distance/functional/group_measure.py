"""What a measure on a group of networks is: its function and what is known of it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from netkin.distance.measure import Requirement


@dataclass(frozen=True)
class GroupMeasure:
    """An entry of the registry of measures on groups.

    Attributes
    ----------
    function : callable
        ``(group, **options) -> float`` on two predictions or more, in any order; raises
        `netkin.errors.UndefinedDistance` where the group has no value.
    meaning : str
        What it is, in one clause.
    citation : str
        Where the measure comes from.
    requires : tuple of str
        What it cannot do without, besides predicted classes, as in
        `netkin.distance.measure.Measure`.
    orientation : {"down", "up"}
        ``down``: the smaller, the more alike are the networks; ``up``: the larger.
    range : tuple of float
        Least and largest value; infinite where it grows with the number of networks.
    """

    function: Callable[..., float]
    meaning: str
    citation: str
    requires: tuple[Requirement, ...] = ()
    orientation: Literal["down", "up"] = "down"
    range: tuple[float, float] = (0.0, math.inf)
