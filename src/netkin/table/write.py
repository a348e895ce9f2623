"""How a table becomes files."""

import html
from collections.abc import Mapping
from typing import TYPE_CHECKING

from netkin.storage import whole_file

if TYPE_CHECKING:
    import pandas as pd

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 14px/1.45 system-ui, sans-serif; color: #222; margin: 1.5rem; }}
h1 {{ font-size: 1.1rem; }} p {{ max-width: 46rem; color: #444; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .28rem .8rem; border-bottom: 1px solid #e3e3e3; text-align: left; }}
td.number, th.number {{ text-align: right; }}
thead th {{ border-bottom: 2px solid #888; }}
</style>
<h1>{title}</h1><p>{note}</p>
{table}
</html>
"""


def write_table(
    frame: "pd.DataFrame",
    *,
    csv_path: str,
    html_path: str,
    title: str,
    note: str,
    decimals: Mapping[str, int],
) -> None:
    """Write a table as CSV (full precision) and as an HTML page (rounded).

    Parameters
    ----------
    frame : DataFrame
        NaN is an empty cell in the CSV and a dash on the page.
    decimals : mapping
        Column name -> decimals shown on the page.
    """
    with whole_file(csv_path) as temporary:
        frame.to_csv(temporary, index=False)
    numeric = set(frame.select_dtypes("number").columns)

    def cell(tag: str, text: str, column: str) -> str:
        kind = ' class="number"' if column in numeric else ""
        return f"<{tag}{kind}>{html.escape(text)}</{tag}>"

    def shown(value: object, column: str) -> str:
        if value is None or value != value:
            return "–"
        return f"{value:.{decimals[column]}f}" if column in decimals else str(value)

    head = "".join(cell("th", column.replace("_", " "), column) for column in frame.columns)
    rows = [
        "<tr>" + "".join(cell("td", shown(v, c), c) for c, v in record.items()) + "</tr>"
        for record in frame.to_dict("records")
    ]
    table = f"<table><thead><tr>{head}</tr></thead><tbody>\n" + "\n".join(rows) + "</tbody></table>"
    page = _PAGE.format(title=html.escape(title), note=html.escape(note), table=table)
    with whole_file(html_path) as temporary:
        temporary.write_text(page, encoding="utf-8")
