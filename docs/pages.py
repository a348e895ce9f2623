"""What the scripts that write pages from the results of a run have in common."""

import subprocess
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent


def git(*arguments: str) -> str:
    """Return what git prints."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def markdown(frame: pd.DataFrame, decimals: int = 4) -> str:
    """Return a Markdown table; NaN is empty."""

    def shown(value: object) -> str:
        if isinstance(value, float):
            return "" if np.isnan(value) else f"{value:.{decimals}f}"
        return str(value)

    lines = [
        "| " + " | ".join(str(column).replace("_", " ") for column in frame.columns) + " |",
        "|" + "---|" * len(frame.columns),
        *("| " + " | ".join(map(shown, row)) + " |" for row in frame.itertuples(index=False)),
    ]
    return "\n".join(lines)
