"""What the readings show and what they do not, in sentences made from the numbers."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy as np

from netkin.comparison import OVERALL
from netkin.table.questions import QUANTITIES
from netkin.table.readings import SHEET, Agreement, Reading
from netkin.table.statistic import Interval, interval_over_seeds

ABOVE, BELOW, OPEN = "above", "below", "undecided"
FEW_SEEDS = 5
"""With fewer, intervals are so wide that undecided says little."""
SAME_ORDER = 0.9
"""Two measures are said to put networks in the same order from this rank correlation up."""
LEVEL = 0.95
_OF_SHEET = "the networks of the sheet"
NAMED = 3
"""Up to so many measures are named, more are counted."""


def decide(interval: Interval, bound: float) -> str:
    """Return on which side of a bound the whole interval lies: above, below or undecided.

    With one seed there is no interval, and nothing is decided.
    """
    if interval.low > bound:
        return ABOVE
    return BELOW if interval.high < bound else OPEN


def best_of(readings: Sequence[Reading]) -> list[Reading]:
    """Return the readings of one quantity and comparison that have its best value.

    Among `rivals`. Empty where no value is better than another.
    """
    fair = rivals(readings)
    if not fair or not QUANTITIES[fair[0].quantity].best:
        return []
    means = [reading.interval.mean for reading in fair]
    best = max(means) if QUANTITIES[fair[0].quantity].best == "largest" else min(means)
    return [reading for reading in fair if reading.interval.mean == best]


def rivals(readings: Sequence[Reading]) -> list[Reading]:
    """Return the readings of one quantity and comparison that can be set against each other.

    Those that rest on the most pairs, since a value over fewer pairs answers another question,
    and not of a family whose answer is foregone.
    """
    open_to = [r for r in readings if r.family != QUANTITIES[r.quantity].foregone]
    most = max((reading.pairs for reading in open_to), default=0)
    return [reading for reading in open_to if reading.pairs == most]


def shown(readings: Sequence[Reading], agreements: Sequence[Agreement]) -> list[str]:
    """Return what the readings of one comparison show, one sentence or two for each question."""
    by_quantity = {
        name: [r for r in readings if r.quantity == name and r.family != quantity.foregone]
        for name, quantity in QUANTITIES.items()
    }
    sentences = []
    for name, (subject, *sides) in _ASKED.items():
        found = by_quantity[name]
        if found:
            leader = _leader(found) if QUANTITIES[name].best else ""
            subject = in_words_of(subject, [found[0].comparison])
            sentences.append(_tally(found, subject, *sides) + leader)
    for name in ("design", "groups"):
        sentences += _training(by_quantity[name])
    return [
        *sentences,
        *_same_order(agreements),
        *_null(by_quantity["significant"]),
        *_costs(by_quantity["seconds"]),
    ]


_CLOSER = ("closer together than by chance", "farther apart")
_GROW = ("the distance grows with it", "it shrinks")
_FOLLOW = ("the distance follows it", "it runs against it")
_ASKED = {
    "design": ("Networks of one design", *_CLOSER),
    "groups": ("Networks of one experiment group", *_CLOSER),
    "data_sets": ("Control networks of one data set", *_CLOSER),
    "width": ("The difference in width", *_GROW),
    "depth": ("The difference in depth", *_GROW),
    "labels": ("The difference in the number of labels", *_GROW),
    "performance_difference": (
        "The difference in accuracy, for measures outside the functional family",
        *_FOLLOW,
    ),
    "disagreement": ("Disagreement, for measures outside the functional family", *_FOLLOW),
    "jensen_shannon": ("Divergence, for measures outside the functional family", *_FOLLOW),
}
"""Question -> what it is about, and in words a value above chance and below."""


def in_words_of(text: str, comparisons: Iterable[str]) -> str:
    """Return a text about networks trained here as it is true of those of these comparisons.

    Parameters
    ----------
    text : str
        It speaks of seeds and of experiment groups.
    comparisons : iterable of str
        Networks of a sheet have replicates, and groups that people choose as they like.
    """
    of_sheet = [comparison == SHEET for comparison in comparisons]
    if not any(of_sheet):
        return text
    if all(of_sheet):
        return re.sub(r"\bseed", "replicate", text.replace("experiment group", "group"))
    return re.sub(r"\bseed(s?)\b", r"seed\1 or replicate\1", text)


def limits(readings: Sequence[Reading], n_seeds: int, datasets: Sequence[str]) -> list[str]:
    """Return what the readings do not show.

    Parameters
    ----------
    readings : sequence of Reading
        Of all comparisons.
    n_seeds : int
        How many seeds the study has.
    datasets : sequence of str
        The comparisons that are judged: data sets, and the networks of a sheet.
    """
    trained = [name for name in datasets if name != SHEET]
    has_sheet = len(trained) < len(datasets)
    each = [reading for reading in readings if reading.comparison != OVERALL]
    judged = [r for r in readings if np.isfinite(r.chance) and r.seeds > 1]
    return [
        *(in_words_of(sentence, datasets) for sentence in _few_seeds(n_seeds)),
        *(
            [
                f"{len(judged)} values are judged by {LEVEL:.0%} intervals, one by one: if there "
                f"were nothing to see, about {round((1 - LEVEL) * len(judged))} of them would "
                "look decided by chance alone."
            ]
            if judged
            else []
        ),
        *(in_words_of(sentence, datasets) for sentence in _still(readings)),
        *_what_networks(trained, has_sheet=has_sheet),
        *_partial(each),
        *_what_groups(readings, is_trained=bool(trained), has_sheet=has_sheet),
        *_without_p_values(each),
        *_missing(readings, is_trained=bool(trained)),
    ]


def _what_networks(trained: Sequence[str], *, has_sheet: bool) -> list[str]:
    """Say of which networks alone something is said."""
    sentences = []
    if trained:
        sentences.append(
            f"These are the networks of {_listed(trained)}, feed-forward and trained by one "
            "protocol; nothing is said of other data or other networks."
        )
    if has_sheet:
        sentences.append("What is said of the networks of the sheet is said of these alone.")
    return sentences


def _what_groups(readings: Sequence[Reading], *, is_trained: bool, has_sheet: bool) -> list[str]:
    """Say what follows from groups, designs and answers, and what does not."""
    of_data = [
        "Experiment groups are how the study is laid out, not a truth of what is alike: two "
        "networks of very different width are in one group. Only networks of one design are alike "
        "on purpose. To grow with width or depth is no merit of a measure, it says what it sees.",
        "A rank correlation with disagreement or divergence asks whether a measure sees what "
        "networks answer; one of structure need not.",
    ]
    of_sheet = ["Groups are those that the sheet names, not a truth of what is alike."]
    are_grouped = any(r.comparison == SHEET and r.quantity == "groups" for r in readings)
    return of_data * is_trained + of_sheet * (has_sheet and are_grouped)


def _tally(readings: Sequence[Reading], subject: str, above: str, below: str) -> str:
    """Say for how many measures a value is above chance, below and undecided."""
    found = Counter(decide(reading.interval, reading.chance) for reading in readings)
    pairs = max(reading.pairs for reading in readings)
    if found[OPEN] == len(readings):
        return f"{subject} ({_count(pairs, 'pair')}): undecided for {_all(len(readings))}."
    return (
        f"{subject} ({_count(pairs, 'pair')}): {above} for {found[ABOVE] or 'none'} of "
        f"{_count(len(readings), 'measure')}, {below} for {found[BELOW] or 'none'}, undecided "
        f"for {found[OPEN] or 'none'}."
    )


def _leader(readings: Sequence[Reading]) -> str:
    """Name the highest value, and from how many others it is told apart."""
    best = best_of(readings)
    if not best:
        return ""
    first, names = best[0], _listed(_named(r.measure) for r in best)
    value = _number(first.interval, f"chance {first.chance:.2f}" if first.chance else "")
    sentence = f" Highest: {names}, {value}"
    rest = [r for r in rivals(readings) if r not in best]
    if first.seeds < 2 or not rest:
        return sentence + "."
    apart = sum(
        interval_over_seeds(np.subtract(first.values, other.values).tolist()).low > 0
        for other in rest
    )
    return (
        f"{sentence}; {in_words_of('its lead at each seed', [first.comparison])} tells it apart "
        f"from {apart or 'none'} of {_count(len(rest), 'other')}."
    )


def _training(readings: Sequence[Reading]) -> list[str]:
    """Say for how many measures the networks before training answer otherwise."""
    pairs = [reading for reading in readings if np.isfinite(reading.untrained).any()]
    if not pairs:
        return []
    found = Counter(
        decide(interval_over_seeds(np.subtract(r.values, r.untrained).tolist()), 0) for r in pairs
    )
    what = _ASKED[pairs[0].quantity][0].lower()
    return [
        f"Before training, a null: of {_count(len(pairs), 'measure')}, {found[ABOVE] or 'none'} "
        f"find {what} better "
        f"after training than before, {found[BELOW]} worse, {found[OPEN]} undecided. What a "
        "measure finds as well before training is the architecture."
    ]


def _same_order(agreements: Sequence[Agreement]) -> list[str]:
    defined = [a for a in agreements if np.isfinite(a.interval.mean)]
    if not defined:
        return []
    means = np.asarray([a.interval.mean for a in defined])
    against = sum(decide(a.interval, 0) == BELOW for a in defined)
    closest = defined[int(means.argmax())]
    sentence = (
        f"Of {len(agreements)} pairs of measures, {(means >= SAME_ORDER).sum()} put the networks "
        f"in nearly the same order (rank correlation {SAME_ORDER} or more) and {against} run "
        "against each other, by the whole interval. Most alike: "
        f"{_named(closest.a)} and {_named(closest.b)}, {_number(closest.interval)}."
    )
    without = len(agreements) - len(defined)
    return [sentence + (f" For {without} pairs it is not defined." if without else "")]


def _null(readings: Sequence[Reading]) -> list[str]:
    if not readings:
        return []
    every = sum(reading.interval.mean == 1 for reading in readings)
    return [
        f"Of {len(readings)} measures with a permutation null, {every} tell every pair for which "
        "they are defined apart from it at p ≤ 0.05."
    ]


def _costs(readings: Sequence[Reading]) -> list[str]:
    if len(readings) < 2:
        return []
    ordered = sorted(readings, key=lambda reading: reading.interval.mean)
    fast, slow = ordered[0], ordered[-1]
    return [
        f"Fastest for one matrix: {_named(fast.measure)}, {fast.interval.mean:.2g} s; slowest: "
        f"{_named(slow.measure)}, {slow.interval.mean:.2g} s, on the machine of this run. "
        "Decompositions that measures share are paid for by the first."
    ]


def _few_seeds(n_seeds: int) -> list[str]:
    from scipy.stats import t

    if n_seeds == 1:
        return ["There is one seed, so no interval, and nothing here is decided."]
    factor = t.ppf((1 + LEVEL) / 2, n_seeds - 1)
    sentence = (
        f"Intervals are Student's t over {n_seeds} seeds: {factor:.1f} standard errors to each "
        "side."
    )
    if n_seeds < FEW_SEEDS:
        sentence += (
            " With so few seeds they are wide; undecided means that more seeds are needed, not "
            "that there is nothing."
        )
    return [sentence]


def _partial(readings: Sequence[Reading]) -> list[str]:
    """Name the measures that are not defined for every pair, once for comparisons alike."""
    partial = [r for r in readings if r.quantity == "pairs_defined" and r.pairs < r.all_pairs]
    where: dict[str, list[str]] = {}
    for comparison, found in groupby(partial, key=lambda reading: reading.comparison):
        of_comparison = list(found)
        names = _listed(f"{_named(r.measure)} ({r.pairs})" for r in of_comparison)
        pairs = _count(of_comparison[0].all_pairs, "pair")
        where.setdefault(f"not every measure is defined for all {pairs}: {names}.", []).append(
            comparison
        )
    if not where:
        return []
    return [
        *(
            f"On {_listed(_OF_SHEET if name == SHEET else name for name in names)}, {text}"
            for text, names in where.items()
        ),
        "A value over fewer pairs is about other networks and has another chance level; it is not "
        "compared with the rest.",
    ]


def _still(readings: Sequence[Reading]) -> list[str]:
    """Say how many values have an interval of no width."""
    judged = [r for r in readings if np.isfinite(r.chance) and r.seeds > 1]
    still = sum(reading.interval.low == reading.interval.high for reading in judged)
    if not still:
        return []
    return [
        f"{_count(still, 'value')} of these came out the same at every seed, so that the interval "
        "has no width. Over few pairs that is soon the case and says less than it seems."
    ]


def _without_p_values(readings: Sequence[Reading]) -> list[str]:
    """Name the measures whose null is too small to tell a pair apart from it."""
    with_null, tested = (
        dict.fromkeys(r.measure for r in readings if r.quantity == quantity)
        for quantity in ("calibrated", "significant")
    )
    without = [measure for measure in with_null if measure not in tested]
    if not without:
        return []
    whose = _listed(map(_named, without)) if len(without) <= NAMED else f"{len(without)} measures"
    return [
        f"The null of {whose} has so few permutations that no p-value gets to 0.05: its mean is "
        "known, but not whether a pair is told apart from it."
    ]


def _missing(readings: Sequence[Reading], *, is_trained: bool) -> list[str]:
    """Say which questions were not asked, for want of a measure or a number."""
    asked = {reading.quantity for reading in readings}
    without = [
        QUANTITIES[name].title
        for name, phrases in _ASKED.items()
        if phrases[1:] == _FOLLOW and name not in asked
    ]
    sentences = []
    if not is_trained:
        sentences.append("Nothing is said about what networks answer, for want of rows of data.")
    elif without:
        sentences.append(
            f"Nothing is said about {_listed(without)}: the study has no such measure to compare "
            "with, or too few pairs for a correlation."
        )
    if "seconds" not in asked:
        sentences.append("What the measures cost was not measured.")
    return sentences


def _number(interval: Interval, more: str = "") -> str:
    bounds = f"{interval.low:.2f} to {interval.high:.2f}" if np.isfinite(interval.low) else ""
    inside = "; ".join(part for part in (bounds, more) if part)
    return f"{interval.mean:.2f}" + (f" ({inside})" if inside else "")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _all(number: int) -> str:
    return "the one measure" if number == 1 else f"all {number} measures"


def _named(measure: str) -> str:
    return measure.replace("_", " ")


def _listed(names: Iterable[str]) -> str:
    *most, last = list(names)
    return f"{', '.join(most)} and {last}" if most else last
