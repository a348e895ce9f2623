"""How a table becomes files."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from netkin.storage import whole_file

if TYPE_CHECKING:
    import pandas as pd

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 14px/1.45 system-ui, sans-serif; color: #222; margin: 1.5rem; }}
h1 {{ font-size: 1.1rem; }} h2 {{ font-size: 1rem; margin-top: 1.8rem; }}
p {{ max-width: 46rem; color: #444; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .28rem .8rem; border-bottom: 1px solid #e3e3e3; text-align: left; }}
td.number, th.number {{ text-align: right; }}
thead th {{ border-bottom: 2px solid #888; }}
</style>
<h1>{title}</h1>
{sections}
</html>
"""


@dataclass(frozen=True)
class Section:
    """One table of a page.

    Attributes
    ----------
    note : str
        What the table shows, above it.
    frame : DataFrame
        NaN is shown as a dash.
    decimals : mapping
        Column name -> decimals shown.
    heading : str
        Title of the table, empty where the page has only one.
    """

    note: str
    frame: "pd.DataFrame"
    decimals: Mapping[str, int] = field(default_factory=dict)
    heading: str = ""


def write_table(
    frame: "pd.DataFrame",
    *,
    csv_path: str,
    html_path: str,
    title: str,
    note: str,
    decimals: Mapping[str, int],
) -> None:
    """Write a table as CSV and as an HTML page, see `write_csv` and `write_page`."""
    write_csv(frame, csv_path)
    write_page([Section(note, frame, decimals)], html_path, title=title)


def write_csv(frame: "pd.DataFrame", csv_path: str) -> None:
    """Write a table at full precision; NaN is an empty cell."""
    with whole_file(csv_path) as temporary:
        frame.to_csv(temporary, index=False)


def write_page(sections: Sequence[Section], html_path: str, *, title: str) -> None:
    """Write tables, rounded, one below the other as an HTML page."""
    text = "\n".join(_section(section) for section in sections)
    page = _PAGE.format(title=html.escape(title), sections=text)
    with whole_file(html_path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _section(section: Section) -> str:
    frame, decimals = section.frame, section.decimals
    numeric = set(frame.select_dtypes("number").columns)

    def cell(tag: str, text: str, column: str) -> str:
        kind = ' class="number"' if column in numeric else ""
        return f"<{tag}{kind}>{html.escape(text)}</{tag}>"

    def shown(value: object, column: str) -> str:
        if value is None or value != value:
            return "–"
        return f"{value:.{decimals[column]}f}" if column in decimals else str(value)

    head = "".join(cell("th", column.replace("_", " "), column) for column in frame.columns)
    rows = "\n".join(
        "<tr>" + "".join(cell("td", shown(v, c), c) for c, v in record.items()) + "</tr>"
        for record in frame.to_dict("records")
    )
    heading = f"<h2>{html.escape(section.heading)}</h2>\n" if section.heading else ""
    note = f"<p>{html.escape(section.note)}</p>\n" if section.note else ""
    return f"{heading}{note}<table><thead><tr>{head}</tr></thead><tbody>\n{rows}</tbody></table>"
