"""A comparison: members that are compared with each other, the same at each replicate."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from netkin.member import Member

PATH_PART = re.compile(r"[a-z]([a-z0-9_]*[a-z0-9])?")
"""What the name of a data set or a comparison is like, which becomes part of paths."""
CONTROL = "control"
"""The comparison of the control networks of all data sets with each other."""
OVERALL = "all"
"""What stands for the mean over all data sets."""
UNTRAINED = "_untrained"
"""What is added to the name of a comparison for that of its networks before training."""


@dataclass(frozen=True)
class Cell:
    """One row of a matrix: a network, whatever the replicate.

    Attributes
    ----------
    name : str
        What it is called.
    index : int
        Its number in figures.
    value : int
        What its group varies.
    group : str
        What it has in common with its neighbours.
    design : str
        Networks of one design differ in nothing but chance.
    label : str
        What stands at its row of a figure, "" for its number.
    """

    name: str
    index: int
    value: int
    group: str
    design: str = ""
    label: str = ""


@dataclass(frozen=True)
class Comparison:
    """A named set of members.

    Attributes
    ----------
    name : str
        Part of paths.
    cells : tuple of Cell
        The networks, in the order of the matrices.
    members : mapping of str to tuple of Member
        Replicate -> the member of each cell; one that no source has where it is not there at that
        replicate.
    probe : str or None
        The data set whose rows all of them know; without one nothing that rests on rows can be
        compared.
    trained_here : bool
        Whether their files say how training went.
    null_of : str or None
        The comparison of the same networks after training, of one before it.
    """

    name: str
    cells: tuple[Cell, ...]
    members: Mapping[str, tuple[Member, ...]]
    probe: str | None = None
    trained_here: bool = False
    null_of: str | None = None

    @property
    def first(self) -> tuple[Member, ...]:
        """The members of the first replicate, of the same sizes as those of the others."""
        return next(iter(self.members.values()))
