"""The grid of networks: every variant changes one thing of the base network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Group = Literal["width", "layers", "input_order", "labels"]
GROUPS: tuple[Group, ...] = ("width", "layers", "input_order", "labels")
"""Experiment groups in the order of the paper's Table 1."""


@dataclass(frozen=True)
class Variant:
    """One cell of the grid, before data set and seed are chosen.

    Attributes
    ----------
    name : str
        Id used in paths, e.g. ``width_128``.
    index : int
        Position in the grid, from 1, as in Table 1 of arXiv 2101.07752.
    group : str
        The experiment it belongs to, one of `GROUPS`.
    width : int
        Units per hidden layer.
    hidden_layers : int
        Number of hidden layers.
    randomisation : int or None
        Which randomised input order, from 1; None keeps the original order.
    n_labels : int or None
        How many labels are kept, in sorted order; None keeps all.
    """

    name: str
    index: int
    group: Group
    width: int
    hidden_layers: int
    randomisation: int | None = None
    n_labels: int | None = None

    @property
    def value(self) -> int:
        """What its group varies: units, layers, number of the order, or labels."""
        values = {
            "width": self.width,
            "layers": self.hidden_layers,
            "input_order": self.randomisation or 0,
            "labels": self.n_labels or 0,
        }
        return values[self.group]


def generate_variants(
    *,
    base_width: int,
    base_hidden_layers: int,
    width: Sequence[int],
    layers: Sequence[int],
    input_order: int,
    labels: Sequence[int],
) -> tuple[Variant, ...]:
    """Generate all variants of a data set, in the order of the paper's Table 1.

    Parameters
    ----------
    base_width, base_hidden_layers : int
        The base network, which every variant changes in one respect.
    width, layers, labels : sequence of int
        The values of three experiment groups.
    input_order : int
        Number of randomised input orders (the control group).
    """
    cells: list[tuple[Group, str, dict[str, int]]] = []
    cells += [("width", f"width_{value}", {"width": value}) for value in width]
    cells += [("layers", f"layers_{value}", {"hidden_layers": value}) for value in layers]
    cells += [
        ("input_order", f"input_order_{value}", {"randomisation": value})
        for value in range(1, input_order + 1)
    ]
    cells += [("labels", f"labels_{value}", {"n_labels": value}) for value in labels]
    base = {"width": base_width, "hidden_layers": base_hidden_layers}
    return tuple(
        Variant(name=name, index=index, group=group, **{**base, **change})
        for index, (group, name, change) in enumerate(cells, start=1)
    )


def group_bounds(groups: Sequence[str]) -> Mapping[str, tuple[int, int]]:
    """Return for each group the half-open range of positions it fills, in order of appearance."""
    bounds: dict[str, tuple[int, int]] = {}
    for position, group in enumerate(groups):
        start, _ = bounds.get(group, (position, position))
        bounds[group] = (start, position + 1)
    return bounds
