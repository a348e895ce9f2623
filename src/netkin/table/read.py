"""How a table that netkin or the checkout has as CSV is read again."""

import csv
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from netkin.dataset.source import find
from netkin.errors import NetkinError, shown

if TYPE_CHECKING:
    import pandas as pd

NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def read_table(path: str, *, text: Sequence[str], numbers: Sequence[str]) -> "pd.DataFrame":
    """Read and check a table.

    Parameters
    ----------
    path : str
        A CSV file. Empty cells are NaN and nothing else is: ``nan`` and ``null`` are ids.
    text, numbers : sequences of str
        Columns that must be there: texts, not empty, and numbers (float64) or NaN.

    Returns
    -------
    DataFrame
        With these columns and whatever others there are.

    Raises
    ------
    NetkinError
        It is no CSV file, a row has more or fewer cells than there are columns, or a column is
        missing or holds something else.
    """
    import pandas as pd

    find([Path(path)])  # a pipe would be waited for without end
    try:
        _check_rows(path)
        frame = pd.read_csv(
            path, keep_default_na=False, dtype=dict.fromkeys([*text, *numbers], str)
        )
        missing = [name for name in (*text, *numbers) if name not in frame]
        if missing:
            raise ValueError(f"it has no column '{missing[0]}'")
        for name in numbers:
            frame[name] = [_number(name, cell) for cell in frame[name]]
            frame[name] = frame[name].astype(float)
        for name in text:
            if frame[name].isna().any() or frame[name].eq("").any():
                raise ValueError(f"a cell of the column '{name}' is empty")
    except (ValueError, TypeError, csv.Error) as error:  # those of pandas are among them
        reason = str(error).partition("\n")[0].rstrip(".")
        raise NetkinError(
            f"{path}: not the table that is needed ({reason}). Delete it and run the workflow "
            "again to make it anew; one below resources/ comes with netkin, take it from there."
        ) from None
    return frame


def _check_rows(path: str) -> None:
    """Raise ValueError unless all rows have as many cells as the head, whose names differ."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file, strict=True)
        head = next(rows, [])
        if len(set(head)) < len(head):
            raise ValueError("a column stands there twice")
        for row in rows:
            if row and len(row) != len(head):
                raise ValueError(
                    f"line {rows.line_num} has {len(row)} cells, but there are {len(head)} columns"
                )


def _number(column: str, cell: str) -> float:
    """Return the number of a cell, NaN for an empty one."""
    if cell == "":
        return math.nan
    if not NUMBER.fullmatch(cell) or math.isinf(float(cell)):
        raise ValueError(f"the column '{column}' holds {shown(cell)}, which is no finite number")
    return float(cell)
