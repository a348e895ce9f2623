"""What is compared: a member, one network, known before anything of it is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise


@dataclass(frozen=True)
class Size:
    """How large a network is, which every estimate of memory and time rests on.

    Attributes
    ----------
    parameters : int
        Weights and biases.
    units : tuple of int
        Units of each layer from the inputs to the classes; empty where only the file's size is
        known.
    """

    parameters: int
    units: tuple[int, ...] = ()

    @classmethod
    def of_units(cls, units: tuple[int, ...]) -> "Size":
        """Return the size of a multilayer perceptron of so many units."""
        return cls(sum((n_in + 1) * n_out for n_in, n_out in pairwise(units)), units)

    @property
    def edges(self) -> int:
        """Edges of the graph, one for each weight and bias; at most, without bias vertices."""
        return self.parameters

    @property
    def classes(self) -> int:
        """Classes that the network knows; 0 where nothing is known of its layers."""
        return self.units[-1] if self.units else 0

    @property
    def hidden(self) -> tuple[int, ...]:
        """Units of each hidden layer."""
        return self.units[1:-1]


@dataclass(frozen=True)
class Member:
    """One network.

    Attributes
    ----------
    id : str
        Unique in a study, and part of paths, such as ``digits/width_512/seed_0``.
    name : str
        What it is called in a matrix, the same at each replicate.
    replicate : str
        Networks are compared with those of the same replicate, such as ``seed_0``.
    size : Size
        Known before anything runs.
    probe : str or None
        The data set that it knows, whose rows may be put to it.
    group : str
        What it has in common with its neighbours in a matrix.
    annotations : mapping
        What else is known of it, by any name.
    """

    id: str
    name: str
    replicate: str
    size: Size
    probe: str | None = None
    group: str = ""
    annotations: Mapping[str, object] = field(default_factory=dict)
