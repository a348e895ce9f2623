"""The page on which measure sees what, as HTML."""

import html
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

import numpy as np

from netkin.comparison import CONTROL, OVERALL
from netkin.storage import whole_file
from netkin.table.findings import ABOVE, BELOW, best_of, decide, in_words_of, limits, shown
from netkin.table.questions import QUANTITIES
from netkin.table.readings import SHEET, Agreement, Reading

FAMILIES = {
    "topology": "Topology of the weights",
    "topology_pairwise": "Topology of the weights, sampled for each pair",
    "weight": "Weights",
    "representational": "Representations: activations on the same inputs",
    "functional": "Functions: answers to the same inputs",
}
"""Family -> heading."""
HEADINGS = {
    OVERALL: "All data sets: the mean over them",
    CONTROL: "Control networks of all data sets",
    SHEET: "Networks of the sheet",
}
"""Comparison that is no data set -> heading."""
FORMATS = {"pairs_defined": "", "seconds": ".2g", "peak_mib": ".0f"}
"""Quantity -> how its numbers are written; the others with two decimals."""

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 14px/1.5 system-ui, sans-serif; color: #222; margin: 1.5rem 2rem 3rem; }}
h1 {{ font-size: 1.35rem; margin-bottom: .4rem; }}
h2 {{ font-size: 1.1rem; margin: 2.4rem 0 .4rem; }}
h3 {{ font-size: .95rem; margin: 1.2rem 0 .2rem; }}
p, li, dd {{ max-width: 54rem; }} p, dd {{ color: #444; }}
ul {{ padding-left: 1.1rem; }} li {{ margin: .3rem 0; }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: .5rem 0; }}
dt {{ font-weight: 600; }} dd {{ margin: 0; }}
.limits {{ border-left: 3px solid #e69f00; padding: .1rem 0 .1rem 1rem; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .22rem .6rem; border-bottom: 1px solid #ececec; text-align: right; }}
th:first-child, td:first-child {{ text-align: left; position: sticky; left: 0;
  background: #fff; white-space: nowrap; }}
thead th {{ vertical-align: bottom; border-bottom: 2px solid #888; }}
td, thead th {{ line-height: 1.2; }}
tbody th {{ padding-top: .9rem; color: #555; font-weight: 600; }}
small {{ display: block; color: #777; font-size: 10.5px; font-weight: 400; white-space: nowrap; }}
td.open {{ color: #8a8a8a; }}
thead th:last-child, td.words {{ text-align: left; white-space: nowrap; }}
td b {{ font-weight: 700; }} td b::before {{ content: "● "; font-size: .6em; color: #d55e00; }}
</style>
<h1>{title}</h1>
{body}
</html>
"""


def write_measures_page(
    readings: Sequence[Reading],
    agreements: Sequence[Agreement],
    html_path: str,
    *,
    title: str,
    n_seeds: int,
) -> None:
    """Write what every measure sees, one table for each comparison, below it in words.

    Parameters
    ----------
    readings : sequence of Reading
        In the order they are shown, see `netkin.table.readings.in_order`.
    agreements : sequence of Agreement
        Of the same comparisons.
    html_path, title : str
        Where the page goes, and its title.
    n_seeds : int
        How many seeds the study has; of networks of a sheet, replicates.
    """
    body = _body(readings, agreements, n_seeds) if readings else _NOTHING
    page = _PAGE.format(title=html.escape(title), body=body)
    with whole_file(html_path) as temporary:
        temporary.write_text(page, encoding="utf-8")


_NOTHING = "<p>There is no pair of networks for which a measure is defined.</p>"


def _body(readings: Sequence[Reading], agreements: Sequence[Agreement], n_seeds: int) -> str:
    comparisons = list(dict.fromkeys(reading.comparison for reading in readings))
    judged = [name for name in comparisons if name not in (OVERALL, CONTROL)]
    body = [_head(readings, n_seeds, judged)]
    for comparison in comparisons:
        here = [reading for reading in readings if reading.comparison == comparison]
        alike = [agreement for agreement in agreements if agreement.comparison == comparison]
        heading = HEADINGS.get(comparison, comparison)
        body += [
            f"<h2>{html.escape(heading)}</h2>",
            "<h3>What this shows</h3>",
            _list(shown(here, alike)),
            _table(here, alike),
        ]
    return "\n".join(
        [
            *body,
            "<h2>What this does not show</h2>",
            f'<div class="limits">{_list(limits(readings, n_seeds, judged))}</div>',
        ]
    )


def _head(readings: Sequence[Reading], n_seeds: int, judged: Sequence[str]) -> str:
    """Say in plain words what is in the tables."""
    asked = {reading.quantity for reading in readings}
    seeds = in_words_of("1 seed" if n_seeds == 1 else f"{n_seeds} seeds", judged)
    terms = "".join(
        f"<dt>{html.escape(in_words_of(quantity.title, judged))}</dt>"
        f"<dd>{html.escape(in_words_of(quantity.meaning, judged))}</dd>"
        for name, quantity in QUANTITIES.items()
        if name in asked
    )
    text = (
        "Every measure puts the pairs of networks in an order, from the most alike to the most "
        "different. The tables ask what that order follows. Only order counts, so measures of "
        f"any scale stand side by side. A number is the mean over {seeds}, the small one its "
        "95 % interval. Blue: the whole interval lies beyond chance on the side that is asked "
        "for; orange: on the other side; grey: undecided. A dot marks the best mean of a column, "
        "decided or not, among the measures that rest on the most pairs. Within a family the "
        "measure comes first that does best in the first column."
    )
    return (
        f"<p>{text}</p>\n<h3>The columns</h3>\n<dl>{terms}"
        "<dt>most like</dt><dd>The measure that puts the pairs of networks in the most similar "
        "order, and Spearman's correlation with it.</dd></dl>"
    )


def _table(readings: Sequence[Reading], agreements: Sequence[Agreement]) -> str:
    columns = [name for name in QUANTITIES if any(r.quantity == name for r in readings)]
    of_column = {name: [r for r in readings if r.quantity == name] for name in columns}
    best = {name: {r.measure for r in best_of(found)} for name, found in of_column.items()}
    nearest = _nearest(agreements)
    head = "".join(_column_head(name, of_column[name]) for name in columns)
    rows = []
    for family, of_family in groupby(readings, key=lambda reading: reading.family):
        heading = html.escape(FAMILIES.get(family, family))
        rows.append(f'<tr><th colspan="{len(columns) + 2}">{heading}</th></tr>')
        for measure, of_measure in groupby(of_family, key=lambda reading: reading.measure):
            found = {reading.quantity: reading for reading in of_measure}
            cells = "".join(
                _cell(found.get(name), of_column[name], measure in best[name]) for name in columns
            )
            like = f'<td class="words">{nearest.get(measure, "–")}</td>'
            rows.append(f"<tr><td>{html.escape(_named(measure))}</td>{cells}{like}</tr>")
    return (
        f'<div class="wide"><table><thead><tr><th>measure</th>{head}<th>most like</th></tr>'
        f"</thead><tbody>\n{chr(10).join(rows)}\n</tbody></table></div>"
    )


def _column_head(name: str, readings: Sequence[Reading]) -> str:
    """Name a column, with the chance level and the pairs that most measures rest on."""
    quantity = QUANTITIES[name]
    fullest = max(readings, key=lambda reading: reading.pairs)
    below = ""
    if np.isfinite(fullest.chance):
        below = f"<small>{fullest.pairs} pairs</small><small>chance {fullest.chance:.2g}</small>"
    title, meaning = (
        html.escape(in_words_of(text, [fullest.comparison]))
        for text in (quantity.title, quantity.meaning)
    )
    return f'<th title="{meaning}">{title}{below}</th>'


def _cell(reading: Reading | None, column: Sequence[Reading], is_best: bool) -> str:
    if reading is None:
        return "<td>–</td>"
    if reading.quantity == "pairs_defined":
        return f"<td>{reading.pairs}<small>of {reading.all_pairs}</small></td>"
    form = FORMATS.get(reading.quantity, ".2f")
    value, low, high = reading.interval
    text = _number(value, form)
    lines = [f"<b>{text}</b>" if is_best else text]
    if np.isfinite(low):
        lines.append(f"<small>{_number(low, form)} to {_number(high, form)}</small>")
    if np.isfinite(reading.chance) and reading.pairs < max(r.pairs for r in column):
        lines.append(f"<small>{reading.pairs} pairs, chance {reading.chance:.2g}</small>")
    before = [one for one in reading.untrained if np.isfinite(one)]
    if before:
        lines.append(f"<small>untrained {_number(float(np.mean(before)), form)}</small>")
    return f"<td{_look(reading)}>{''.join(lines)}</td>"


def _number(value: float, form: str) -> str:
    text = f"{value:{form}}"
    return text if float(text) else text.removeprefix("-")


def _look(reading: Reading) -> str:
    """Return the class or the tint of a cell: deeper, the further from chance."""
    if not np.isfinite(reading.chance):
        return ""
    side = decide(reading.interval, reading.chance)
    if side not in (ABOVE, BELOW):
        return ' class="open"'
    quantity = QUANTITIES[reading.quantity]
    end = quantity.bounds[1] if side == ABOVE else quantity.bounds[0]
    depth = 0.06 + 0.34 * abs(reading.interval.mean - reading.chance) / abs(end - reading.chance)
    is_good = (side == ABOVE) == (quantity.best != "smallest")
    colour = "0, 114, 178" if is_good else "213, 94, 0"
    return f' style="background: rgba({colour}, {depth:.2f})"'


def _nearest(agreements: Sequence[Agreement]) -> Mapping[str, str]:
    """Return for each measure the one that agrees most with it, and how far."""
    closest: dict[str, tuple[float, str]] = {}
    for agreement in agreements:
        value = agreement.interval.mean
        for one, other in ((agreement.a, agreement.b), (agreement.b, agreement.a)):
            if np.isfinite(value) and value > closest.get(one, (-np.inf, ""))[0]:
                closest[one] = (value, other)
    return {
        one: f"{html.escape(_named(other))}<small>{value:.2f}</small>"
        for one, (value, other) in closest.items()
    }


def _list(sentences: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{html.escape(s)}</li>" for s in sentences) + "</ul>"


def _named(measure: str) -> str:
    return measure.replace("_", " ")
