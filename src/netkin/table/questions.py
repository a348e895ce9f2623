"""The questions that are put to a measure: one statistic of its matrix each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netkin.comparison import CONTROL
from netkin.distance.file import Distances
from netkin.table.statistic import (
    as_distances,
    average_precision,
    chance_precision,
    chance_violation_rate,
    growth,
    pairs_of,
    rank_correlation,
    violation_rate,
)

SIGNIFICANT = 0.05
"""A pair is told apart from its null from this p-value down."""

Grid = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, eq=False)
class Compared:
    """The distances of one comparison by all its measures.

    Attributes
    ----------
    name : str
        Data set, or ``control``.
    grid : sequence of mapping
        For each network ``name``, ``group``, ``value`` and ``design``: networks of one design
        differ in nothing but chance (their start, and the order of their rows).
    files : mapping of str to sequence of Distances
        Measure -> one a seed, in the same order of seeds for every measure.
    """

    name: str
    grid: Grid
    files: Mapping[str, Sequence[Distances]]

    def matrix(self, measure: str, seed: int) -> NDArray[np.float64]:
        """Return the matrix of a measure at the seed in this place, small is alike."""
        found = self.files[measure][seed]
        return as_distances(found.matrix, found.orientation)

    def labels(self, key: str) -> list[str]:
        """Return what the networks have under a key of the grid."""
        return [str(cell[key]) for cell in self.grid]

    @property
    def kind(self) -> str:
        """Which questions make sense, see `Quantity.asked_of`."""
        return CONTROL if self.name == CONTROL else "data set"

    @property
    def n_pairs(self) -> int:
        """How many pairs of networks there are."""
        return len(self.grid) * (len(self.grid) - 1) // 2


class One(NamedTuple):
    """A statistic at one seed.

    Attributes
    ----------
    value : float
        NaN where there is none.
    pairs : int
        On how many defined pairs of networks it rests.
    chance : float
        What to expect of a measure that knows nothing; NaN where that means nothing.
    """

    value: float
    pairs: int
    chance: float = np.nan


@dataclass(frozen=True)
class Quantity:
    """One question to a measure.

    Attributes
    ----------
    read : callable
        ``(compared, measure, seed) -> One``.
    title : str
        Heading of a column.
    meaning : str
        One sentence that says what the number is.
    asked_of : {"data set", "control", "both"}
        Which comparisons it makes sense for.
    best : {"largest", "smallest", ""}
        Which value is marked, if any.
    bounds : tuple of float
        Least and largest value there can be.
    before_training : bool
        Whether the untrained networks can be asked the same.
    foregone : str
        The family whose answer is foregone, since it is made of the same; it is never marked.
    """

    read: Callable[[Compared, str, int], One]
    title: str
    meaning: str
    asked_of: Literal["data set", "control", "both"] = "data set"
    best: Literal["largest", "smallest", ""] = "largest"
    bounds: tuple[float, float] = (-1.0, 1.0)
    before_training: bool = True
    foregone: str = ""


def _precision(compared: Compared, measure: str, seed: int, *, key: str) -> One:
    """Find pairs of one label; distances that are all equal have no order to find them by."""
    matrix, labels = compared.matrix(measure, seed), compared.labels(key)
    distances = pairs_of(matrix)
    if not distances.size or np.ptp(distances) == 0:
        return One(np.nan, distances.size)
    return One(average_precision(matrix, labels), distances.size, chance_precision(matrix, labels))


def _violations(compared: Compared, measure: str, seed: int) -> One:
    matrix = compared.matrix(measure, seed)
    rate = violation_rate(matrix, compared.labels("group"))
    return One(rate, pairs_of(matrix).size, chance_violation_rate(matrix))


def _growth(compared: Compared, measure: str, seed: int, *, group: str) -> One:
    matrix = compared.matrix(measure, seed)
    members = [i for i, name in enumerate(compared.labels("group")) if name == group]
    values = [float(compared.grid[i]["value"]) for i in members]
    return One(growth(matrix, members, values), pairs_of(matrix, members).size, 0.0)


def _follows(compared: Compared, measure: str, seed: int, *, reference: str) -> One:
    """Correlate with a measure of what networks answer; with itself there is nothing to say."""
    if reference == measure or reference not in compared.files:
        return One(np.nan, 0)
    return correlate(compared, measure, seed, reference)


def correlate(compared: Compared, measure: str, seed: int, other: str) -> One:
    """Return Spearman's correlation of two measures over the pairs that both define."""
    a, b = compared.matrix(measure, seed), compared.matrix(other, seed)
    return One(rank_correlation(a, b), pairs_of(a + b).size, 0.0)


def _defined(compared: Compared, measure: str, seed: int) -> One:
    pairs = pairs_of(compared.matrix(measure, seed)).size
    return One(pairs / compared.n_pairs if compared.n_pairs else np.nan, pairs)


def _null(compared: Compared, measure: str, seed: int, *, part: str) -> One:
    """Reduce one part of the permutation null to a number; both directions count."""
    found = compared.files[measure][seed]
    if part not in found.null:
        return One(np.nan, 0)
    null = found.null[part]
    # of a pair that is not defined in one direction neither counts, as in every other answer
    counts = np.isfinite(compared.matrix(measure, seed)) & np.isfinite(null)
    np.fill_diagonal(counts, False)
    values = null[counts]
    if not values.size:
        return One(np.nan, 0)
    if part == "p_value" and 1 / (1 + found.permutations) > SIGNIFICANT:
        return One(np.nan, 0)  # so few permutations tell nothing apart
    number = np.median(values) if part == "calibrated" else (values <= SIGNIFICANT).mean()
    return One(float(number), int(np.triu(counts | counts.T).sum()))


def _cost(compared: Compared, measure: str, seed: int, *, attribute: str) -> One:
    found = compared.files[measure][seed]
    return One(float(getattr(found, attribute)), pairs_of(found.matrix).size)


_UNBOUNDED = (-np.inf, np.inf)
_POSITIVE = (0.0, np.inf)
_GROWS = "Spearman's correlation of the distance with the difference in {}, within that group."
_FOLLOWS = "Spearman's correlation with {}, over the pairs that both define."

QUANTITIES: dict[str, Quantity] = {
    "design": Quantity(
        partial(_precision, key="design"),
        "one design",
        "Average precision of finding the pairs of networks of one design, which differ in "
        "nothing but chance: 1 when these are the closest pairs of all.",
        bounds=(0.0, 1.0),
    ),
    "groups": Quantity(
        partial(_precision, key="group"),
        "experiment groups",
        "Average precision of finding the pairs of networks of one experiment group.",
        bounds=(0.0, 1.0),
    ),
    "data_sets": Quantity(
        partial(_precision, key="group"),
        "data sets",
        "Average precision of finding the pairs of control networks trained on one data set.",
        asked_of="control",
        bounds=(0.0, 1.0),
    ),
    "violation_rate": Quantity(
        _violations,
        "violation rate",
        "How often a pair within a group is not closer than a pair that leaves the group, mean "
        "over groups; 0 is none, a tie counts.",
        asked_of="both",
        best="smallest",
        bounds=(0.0, 1.0),
    ),
    "width": Quantity(partial(_growth, group="width"), "width", _GROWS.format("width"), best=""),
    "depth": Quantity(partial(_growth, group="layers"), "depth", _GROWS.format("depth"), best=""),
    "labels": Quantity(
        partial(_growth, group="labels"), "labels", _GROWS.format("the number of labels"), best=""
    ),
    "performance_difference": Quantity(
        partial(_follows, reference="performance_difference"),
        "accuracy difference",
        _FOLLOWS.format("the difference in test accuracy"),
        foregone="functional",
    ),
    "disagreement": Quantity(
        partial(_follows, reference="disagreement"),
        "disagreement",
        _FOLLOWS.format("the share of test rows that two networks answer differently"),
        foregone="functional",
    ),
    "jensen_shannon": Quantity(
        partial(_follows, reference="jensen_shannon"),
        "divergence",
        _FOLLOWS.format("the Jensen-Shannon divergence of the answers"),
        foregone="functional",
    ),
    "pairs_defined": Quantity(
        _defined,
        "pairs defined",
        "Share of the pairs of networks for which the measure is defined.",
        asked_of="both",
        best="",
        bounds=(0.0, 1.0),
        before_training=False,
    ),
    "calibrated": Quantity(
        partial(_null, part="calibrated"),
        "calibrated score",
        "Median over pairs of the score's place between its permutation null (0) and the best "
        "there is (1).",
        asked_of="both",
        best="",
        bounds=_UNBOUNDED,
    ),
    "significant": Quantity(
        partial(_null, part="p_value"),
        "p ≤ 0.05",
        "Share of the pairs that are told apart from their permutation null.",
        asked_of="both",
        best="",
        bounds=(0.0, 1.0),
    ),
    "seconds": Quantity(
        partial(_cost, attribute="seconds"),
        "seconds",
        "Processor time of one matrix.",
        asked_of="both",
        best="",
        bounds=_POSITIVE,
        before_training=False,
    ),
    "peak_mib": Quantity(
        partial(_cost, attribute="peak_mib"),
        "MiB",
        "Largest memory of the process meanwhile.",
        asked_of="both",
        best="",
        bounds=_POSITIVE,
        before_training=False,
    ),
}
"""Name -> question, in the order of the table's columns."""
