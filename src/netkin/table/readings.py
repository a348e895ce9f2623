"""What each measure sees: its answers to the questions, one value a seed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import get_args

import numpy as np

from netkin.comparison import CONTROL, OVERALL
from netkin.distance.measure import Family
from netkin.table.questions import QUANTITIES, Compared, One, Quantity, correlate
from netkin.table.statistic import Interval, interval_over_seeds

SHEET = "networks"
"""The comparison of networks of people's own, `netkin.source.sheet.NETWORKS`: not taken from there,
or an edit of how sheets are read would make all tables anew."""


@dataclass(frozen=True)
class Reading:
    """The answer of one measure to one question on one comparison.

    Attributes
    ----------
    comparison, measure, family, orientation, quantity : str
        `quantity` is a key of `QUANTITIES`.
    values : tuple of float
        One a seed, NaN where a seed has none.
    untrained : tuple of float
        The same of the networks before training, empty where not asked.
    chance : float
        Mean over seeds, see `One`.
    pairs, all_pairs : int
        Pairs of networks it rests on, the fewest of any seed, and pairs there are.
    """

    comparison: str
    measure: str
    family: str
    orientation: str
    quantity: str
    values: tuple[float, ...]
    untrained: tuple[float, ...]
    chance: float
    pairs: int
    all_pairs: int

    @property
    def seeds(self) -> int:
        """How many seeds have a value."""
        return int(np.isfinite(self.values).sum())

    @cached_property
    def interval(self) -> Interval:
        """Mean over seeds and its 95 % interval."""
        least, largest = QUANTITIES[self.quantity].bounds
        return interval_over_seeds(self.values, least=least, largest=largest)


def read_all(compared: Compared, untrained: Compared | None = None) -> list[Reading]:
    """Ask every measure of a comparison every question that makes sense for it.

    Parameters
    ----------
    compared : Compared
    untrained : Compared, optional
        The same networks before training, a null.

    Returns
    -------
    list of Reading
        Without those that have no value at any seed.
    """
    found = []
    for measure, files in compared.files.items():
        for name, quantity in QUANTITIES.items():
            if quantity.asked_of not in ("both", compared.kind):
                continue
            ones = _over_seeds(quantity, compared, measure)
            defined = [one for one in ones if np.isfinite(one.value)]
            if not defined:
                continue
            before: list[One] = []
            if untrained is not None and quantity.before_training and measure in untrained.files:
                before = _over_seeds(quantity, untrained, measure)
            found.append(
                Reading(
                    comparison=compared.name,
                    measure=measure,
                    family=files[0].family,
                    orientation=files[0].orientation,
                    quantity=name,
                    values=tuple(one.value for one in ones),
                    untrained=tuple(one.value for one in before),
                    chance=float(np.mean([one.chance for one in defined])),
                    pairs=min(one.pairs for one in defined),
                    all_pairs=compared.n_pairs,
                )
            )
    return found


def over_data_sets(readings: Sequence[Reading]) -> list[Reading]:
    """Return the readings of all data sets as one, the mean over data sets at each seed.

    Parameters
    ----------
    readings : sequence of Reading
        Of each data set; those of ``control`` and of a sheet are left out.

    Returns
    -------
    list of Reading
        Of the comparison `OVERALL`; empty for fewer than two data sets. A seed has a value where
        each data set has one that answers this question by this measure; without such a seed
        there is no reading. ``pairs`` and ``all_pairs`` are sums, so that a measure without an
        answer on some data sets rests on fewer pairs than the others.
    """
    found: dict[tuple[str, str], list[Reading]] = {}
    datasets = set()
    for reading in readings:
        if reading.comparison not in (CONTROL, SHEET):
            datasets.add(reading.comparison)
            found.setdefault((reading.measure, reading.quantity), []).append(reading)
    if len(datasets) < 2:
        return []
    together = [
        replace(
            each[0],
            comparison=OVERALL,
            values=_means(reading.values for reading in each),
            untrained=_means(reading.untrained for reading in each),
            chance=float(np.mean([reading.chance for reading in each])),
            pairs=sum(reading.pairs for reading in each),
            all_pairs=sum(reading.all_pairs for reading in each),
        )
        for each in found.values()
    ]
    return [reading for reading in together if reading.seeds]


def _means(values: Iterable[Sequence[float]]) -> tuple[float, ...]:
    """Return the mean at each seed, NaN where one is; empty where not all were asked."""
    return tuple(float(np.mean(of_seed)) for of_seed in zip(*values, strict=False))


def in_order(readings: Sequence[Reading]) -> list[Reading]:
    """Return readings as they are shown: comparison, family, measure, question.

    Within a family the measure comes first that answers the first question best, of those that
    any measure has an answer to; measures without an answer come last.
    """
    comparisons = list(dict.fromkeys(reading.comparison for reading in readings))
    questions = list(QUANTITIES)
    means = {(r.comparison, r.measure, r.quantity): r.interval.mean for r in readings}
    first = {
        comparison: min(
            (r.quantity for r in readings if r.comparison == comparison), key=questions.index
        )
        for comparison in comparisons
    }

    def place(reading: Reading) -> tuple[int, int, float, str, int]:
        comparison, measure = reading.comparison, reading.measure
        return (
            comparisons.index(comparison),
            get_args(Family).index(reading.family),
            -means.get((comparison, measure, first[comparison]), -np.inf),
            measure,
            questions.index(reading.quantity),
        )

    return sorted(readings, key=place)


@dataclass(frozen=True)
class Agreement:
    """How far two measures put the pairs of networks in the same order.

    Attributes
    ----------
    comparison, a, b, family_a, family_b : str
        The comparison, the two measures and their families.
    values : tuple of float
        Spearman's correlation, one a seed; 1 is the same order, NaN where not defined.
    pairs : int
        Pairs of networks that both define, the fewest of any seed.
    """

    comparison: str
    a: str
    b: str
    family_a: str
    family_b: str
    values: tuple[float, ...]
    pairs: int

    @property
    def seeds(self) -> int:
        """How many seeds have a value."""
        return int(np.isfinite(self.values).sum())

    @cached_property
    def interval(self) -> Interval:
        """Mean over seeds and its 95 % interval."""
        return interval_over_seeds(self.values, least=-1, largest=1)


def agreements(compared: Compared) -> list[Agreement]:
    """Return the agreement of every two measures of a comparison, also where not defined."""
    names = list(compared.files)
    found = []
    for position, a in enumerate(names):
        for b in names[position + 1 :]:
            ones = [correlate(compared, a, seed, b) for seed in range(len(compared.files[a]))]
            found.append(
                Agreement(
                    comparison=compared.name,
                    a=a,
                    b=b,
                    family_a=compared.files[a][0].family,
                    family_b=compared.files[b][0].family,
                    values=tuple(one.value for one in ones),
                    pairs=min(one.pairs for one in ones),
                )
            )
    return found


def agreements_over_data_sets(found: Sequence[Agreement]) -> list[Agreement]:
    """Return agreements of all data sets as one, the mean over data sets at each seed.

    Over the data sets on which the two measures have an agreement at any seed; without such a
    data set it is not defined, as there.
    """
    of_pair: dict[tuple[str, str], list[Agreement]] = {}
    datasets = set()
    for agreement in found:
        if agreement.comparison not in (CONTROL, SHEET):
            datasets.add(agreement.comparison)
            of_pair.setdefault((agreement.a, agreement.b), []).append(agreement)
    if len(datasets) < 2:
        return []
    together = []
    for every in of_pair.values():
        each = [agreement for agreement in every if agreement.seeds] or every
        together.append(
            replace(
                each[0],
                comparison=OVERALL,
                values=_means(agreement.values for agreement in each),
                pairs=sum(agreement.pairs for agreement in each),
            )
        )
    return together


def _over_seeds(quantity: Quantity, compared: Compared, measure: str) -> list[One]:
    return [quantity.read(compared, measure, seed) for seed in range(len(compared.files[measure]))]
