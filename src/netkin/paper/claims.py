"""The claims of arXiv 2101.07752, each as a number with an interval and a verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netkin.table.statistic import (
    Interval,
    average_precision,
    control_ratio,
    growth,
    hub_share,
    interval_over_seeds,
)

PAPER_MEASURES = ("landscape", "silhouette", "heat")
"""The measures of the paper."""
GROWING = {"width": "width", "layers": "depth", "labels": "number of labels"}
"""Group -> what is said to grow."""
NORM_FAILS = 0.95
"""A norm fails from this share of the norm between networks with shuffled units."""

Grid = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, eq=False)
class Comparison:
    """The distances of one set of networks.

    Attributes
    ----------
    name : str
        Data set, or ``control``.
    grid : sequence of mapping
        For each network ``name``, ``group`` and ``value``, what the group varies.
    matrices : mapping of str to sequence of (n, n) float64
        Measure -> one matrix a seed.
    """

    name: str
    grid: Grid
    matrices: Mapping[str, Sequence[NDArray[np.float64]]]

    def members(self, group: str) -> list[int]:
        """Return the positions of a group's networks."""
        return [i for i, cell in enumerate(self.grid) if cell["group"] == group]


def claims(
    datasets: Sequence[Comparison],
    control: Comparison | None,
    norm_ratios: Mapping[str, Mapping[str, Sequence[float]]],
) -> list[dict[str, Any]]:
    """Return one row for each claim and case: the statistic, its interval and the verdict.

    Parameters
    ----------
    datasets : sequence of Comparison
        The grids of single data sets.
    control : Comparison or None
        The control networks of all data sets, whose groups are the data sets.
    norm_ratios : mapping
        Norm -> data set -> one ratio to shuffled units a seed, see
        `netkin.paper.norms.tabulate_norms`.

    Returns
    -------
    list of dict
        ``claim``, ``data_set``, ``measure``, ``case``, ``statistic``, ``value``, ``low``,
        ``high``, ``seeds``, ``verdict``. Cases without a value are left out.
    """
    rows: list[dict[str, Any]] = []
    for one in datasets:
        rows += _control_is_close(one) + _distances_grow(one) + _groups_are_separated(one)
    if control is not None:
        rows += _datasets_are_hubs(control)
    for norm, of_datasets in norm_ratios.items():
        for name, ratios in of_datasets.items():
            found = interval_over_seeds(ratios, least=0)
            claim = "weight norms do not see that networks were trained alike"
            statistic = "distance / distance after shuffling hidden units"
            rows.append(_row(claim, name, norm, "", statistic, found, ratios, least=NORM_FAILS))
    return [row for row in rows if np.isfinite(row["value"])]


def overall(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return for each claim and measure in how many cases it holds, in plain words."""
    verdicts: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        verdicts.setdefault((row["claim"], row["measure"]), []).append(row["verdict"])
    return [
        {
            "claim": claim,
            "measure": measure,
            "cases": len(found),
            "holds": found.count(HOLDS),
            "does_not_hold": found.count(FAILS),
            "undecided": found.count(UNDECIDED),
            "verdict": _in_words(found),
        }
        for (claim, measure), found in verdicts.items()
    ]


HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided"


def _in_words(found: Sequence[str]) -> str:
    if len(set(found)) == 1:
        return found[0]
    if HOLDS not in found:
        return "not shown"
    return f"holds in {found.count(HOLDS)} of {len(found)} cases only"


def _row(
    claim: str,
    name: str,
    measure: str,
    case: str,
    statistic: str,
    found: Interval,
    values: Sequence[float],
    *,
    below: float | None = None,
    above: float | None = None,
    least: float | None = None,
) -> dict[str, Any]:
    """Make a row; the claim is that the statistic lies below, above or at least at a bound."""
    seeds = int(np.isfinite(np.asarray(values, dtype=np.float64)).sum())
    if below is not None:
        verdict = _verdict(-found.high, -found.low, -below)
    elif above is not None:
        verdict = _verdict(found.low, found.high, above)
    else:
        assert least is not None
        verdict = _verdict(found.low, found.high, np.nextafter(least, -np.inf))
    return {
        "claim": claim,
        "data_set": name,
        "measure": measure,
        "case": case,
        "statistic": statistic,
        "value": found.mean,
        "low": found.low,
        "high": found.high,
        "seeds": seeds,
        "verdict": verdict,
    }


def _verdict(low: float, high: float, bound: float) -> str:
    """Decide by the interval; with one seed there is none, and nothing is decided."""
    if low > bound:
        return HOLDS
    return FAILS if high <= bound else UNDECIDED


def _of_paper(one: Comparison) -> list[str]:
    return [measure for measure in PAPER_MEASURES if measure in one.matrices]


def _control_is_close(one: Comparison) -> list[dict[str, Any]]:
    rows = []
    for measure in _of_paper(one):
        ratios = [control_ratio(m, one.members("input_order")) for m in one.matrices[measure]]
        rows.append(
            _row(
                "control networks are close",
                one.name,
                measure,
                "input order",
                "mean distance of control pairs / of all other pairs",
                interval_over_seeds(ratios, least=0),
                ratios,
                below=1.0,
            )
        )
    return rows


def _distances_grow(one: Comparison) -> list[dict[str, Any]]:
    rows = []
    for measure in _of_paper(one):
        for group, what in GROWING.items():
            members = one.members(group)
            values = [float(one.grid[i]["value"]) for i in members]
            found = [growth(m, members, values) for m in one.matrices[measure]]
            rows.append(
                _row(
                    "distances grow with width, depth and number of labels",
                    one.name,
                    measure,
                    what,
                    "rank correlation with the difference",
                    interval_over_seeds(found, least=-1, largest=1),
                    found,
                    above=0.0,
                )
            )
    return rows


def _groups_are_separated(one: Comparison) -> list[dict[str, Any]]:
    rows = []
    groups = [cell["group"] for cell in one.grid]
    precision = {
        measure: [average_precision(m, groups) for m in one.matrices[measure]]
        for measure in _of_paper(one)
    }
    for measure in ("silhouette", "heat"):
        if measure in precision and "landscape" in precision:
            gains = list(np.subtract(precision[measure], precision["landscape"]))
            rows.append(
                _row(
                    "heat and silhouette separate groups better than landscape",
                    one.name,
                    measure,
                    "against landscape",
                    "gain in average precision of pairs within a group",
                    interval_over_seeds(gains, least=-1, largest=1),
                    gains,
                    above=0.0,
                )
            )
    return rows


def _datasets_are_hubs(control: Comparison) -> list[dict[str, Any]]:
    rows = []
    for measure in _of_paper(control):
        for name in dict.fromkeys(cell["group"] for cell in control.grid):
            shares = [hub_share(m, control.members(name)) for m in control.matrices[measure]]
            found = interval_over_seeds(shares, least=0, largest=1)
            row = _row(
                "each data set is a hub of its own in the control matrix",
                name,
                measure,
                "all data sets",
                "share of nearest networks that are of the same data set",
                found,
                shares,
                least=1.0,
            )
            # a share is no sample mean: it holds when it is 1 at every seed, one is enough
            whole = np.isfinite(found.mean) and min(shares) == 1.0
            rows.append(row | {"verdict": HOLDS if whole else FAILS})
    return rows
