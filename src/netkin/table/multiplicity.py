"""The table of predictive multiplicity: how differently the networks of a group answer."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from netkin.distance.functional import GROUP_MEASURES
from netkin.errors import NetkinError, UndefinedDistance
from netkin.prediction.prediction import read_prediction
from netkin.table.statistic import interval_over_seeds
from netkin.table.write import Section, write_csv, write_page

SEEDS = "seeds"
"""What stands for the name of an experiment group where a variant's own seeds are the group."""
ALONE = "a group of one network"
NOTE = (
    "Predictive multiplicity: how differently the networks of a group answer the same rows, the "
    "test rows whose label all of them know. A group is an experiment group at a seed, and the "
    "number its mean over seeds with the 95 % interval; or, in the row seeds, one variant at all "
    "seeds, and the number its mean over variants, which differ on purpose and so have no "
    "interval. All measures depend on the number of networks: groups of other sizes, or of other "
    "labels, are not to be compared. A dash: not defined."
)


def tabulate_multiplicity(
    *,
    prediction_paths: Sequence[str],
    variants: Sequence[str],
    seeds: Sequence[int],
    options: Mapping[str, Mapping[str, Any]],
    csv_path: str,
    html_path: str,
    title: str,
    grid: Sequence[Mapping[str, Any]],
) -> None:
    """Tabulate the measures on groups of networks.

    A group is an experiment group at a seed, of which the table has the mean over seeds with a
    95 % interval; or, where there are two seeds or more, a variant at all seeds (`SEEDS`), of
    which it has the mean over variants. These differ on purpose, so that there is no interval.
    NaN where a measure is not defined for a group, with the reason in a column of its own.

    Parameters
    ----------
    prediction_paths, variants, seeds : sequence
        The predictions, and the variant and the seed of each.
    options : mapping
        Key of `netkin.distance.functional.GROUP_MEASURES` -> options of its function.
    csv_path, html_path, title : str
        Where the table and its page go, and its title.
    grid : sequence of mapping
        Variants in order, with ``name`` and ``group``.

    Raises
    ------
    NetkinError
        A network is missing, an unreadable file, or networks of a group that hold different rows.
    """
    import pandas as pd

    places = zip(variants, seeds, strict=True)
    paths = dict(zip(places, prediction_paths, strict=True))
    rows, reasons = [], []
    for group, samples in _groups(grid, list(dict.fromkeys(seeds)), paths).items():
        # one by one: the predictions of all networks at once may be too many for the memory
        found = [_measure(sample, options) for sample in samples]
        row: dict[str, Any] = {
            "group": group,
            "networks": len(samples[0]),
            "values": len(samples),
            "over": "variants" if group == SEEDS else "seeds",
        }
        for name, measure in GROUP_MEASURES.items():
            least, largest = measure.range
            mean, low, high = interval_over_seeds(
                [values.get(name, np.nan) for values, _ in found], least=least, largest=largest
            )
            ends = (np.nan, np.nan) if group == SEEDS else (low, high)
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), (mean, *ends), strict=True))
        texts = list(dict.fromkeys(text for _, why in found for text in _by_reason(why)))
        row["reason"] = "; ".join(f"{measures}: {reason}" for measures, reason in texts)
        rows.append(row)
        reasons += [
            {"group": group, "measures": measures.replace("_", " "), "reason": reason}
            for measures, reason in texts
        ]
    write_csv(pd.DataFrame(rows), csv_path)
    sections = [
        Section(NOTE, pd.DataFrame([_shown(row) for row in rows])),
        Section("", pd.DataFrame(_known()), heading="The measures"),
    ]
    if reasons:
        sections.append(Section("", pd.DataFrame(reasons), heading="Not defined"))
    write_page(sections, html_path, title=title)


def _groups(
    grid: Sequence[Mapping[str, Any]],
    seeds: Sequence[int],
    paths: Mapping[tuple[str, int], str],
) -> dict[str, list[list[str]]]:
    """Return group -> the files of each sample of it."""
    for cell in grid:
        for seed in seeds:
            if (cell["name"], seed) not in paths:
                raise NetkinError(f"no prediction of {cell['name']} at seed {seed}.")
    names: dict[str, list[str]] = {}
    for cell in grid:
        names.setdefault(cell["group"], []).append(cell["name"])
    groups = {
        group: [[paths[name, seed] for name in members] for seed in seeds]
        for group, members in names.items()
    }
    if len(seeds) > 1:
        groups[SEEDS] = [[paths[cell["name"], seed] for seed in seeds] for cell in grid]
    return groups


def _measure(
    paths: Sequence[str], options: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, float], dict[str, str]]:
    """Return the values of the measures on a group, and the reasons of those that have none."""
    if len(paths) < 2:
        return {}, dict.fromkeys(GROUP_MEASURES, ALONE)
    group = [read_prediction(path) for path in paths]
    values, reasons = {}, {}
    for name, measure in GROUP_MEASURES.items():
        try:
            values[name] = measure.function(group, **options.get(name, {}))
        except UndefinedDistance as reason:
            reasons[name] = str(reason)
    return values, reasons


def _by_reason(reasons: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return (measures, reason) for each reason; of all measures as ``all``."""
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(reason, []).append(name)
    return [
        ("all" if len(found) == len(GROUP_MEASURES) else ", ".join(found), reason)
        for reason, found in names.items()
    ]


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of the page: for each measure mean and interval in one cell."""
    count = row["values"]
    over = row["over"] if count > 1 else row["over"].removesuffix("s")
    cells = {"group": row["group"], "networks": row["networks"], "mean_over": f"{count} {over}"}
    for name in GROUP_MEASURES:
        mean, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
        text = f"{mean:.4f}" if np.isfinite(mean) else None
        if np.isfinite(low):
            # breaks between the two only, if at all
            text = f"{text} " + f"({low:.4f} to {high:.4f})".replace(" ", "\N{NO-BREAK SPACE}")
        cells[name] = text
    return cells


def _known() -> list[dict[str, str]]:
    """Return what the registry knows of each measure."""
    return [
        {
            "measure": name.replace("_", " "),
            "meaning": measure.meaning,
            "compares": "probabilities" if "probabilities" in measure.requires else "classes",
            "range": " to ".join(f"{bound:g}" for bound in measure.range).replace("inf", "∞"),
            "alike": "small" if measure.orientation == "down" else "large",
            "source": measure.citation,
        }
        for name, measure in GROUP_MEASURES.items()
    ]
