"""How a table that netkin or the checkout has as CSV is read again."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from netkin.errors import NetkinError

if TYPE_CHECKING:
    import pandas as pd


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
        It is no CSV file, or a column is missing or holds something else.
    """
    import pandas as pd

    try:
        frame = pd.read_csv(
            path,
            keep_default_na=False,
            na_values={name: [""] for name in numbers},
            dtype=dict.fromkeys(text, str),
        )
        missing = [name for name in (*text, *numbers) if name not in frame]
        if missing:
            raise ValueError(f"it has no column '{missing[0]}'")
        for name in numbers:
            frame[name] = pd.to_numeric(frame[name]).astype(float)
        for name in text:
            if frame[name].isna().any() or frame[name].eq("").any():
                raise ValueError(f"a cell of the column '{name}' is empty")
    except (ValueError, TypeError) as error:  # those of pandas are among them
        reason = str(error).partition("\n")[0].rstrip(".")
        raise NetkinError(
            f"{path}: not the table that is needed ({reason}). Delete it and run the workflow "
            "again to make it anew; one below resources/ comes with netkin, take it from there."
        ) from None
    return frame
