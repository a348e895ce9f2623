"""matplotlib, imported where no matplotlibrc of the working folder is read.

It looks there before it looks at MATPLOTLIBRC, and one that it cannot read fails the import.
What needs matplotlib imports this module first.
"""

from contextlib import ExitStack, chdir, suppress
from pathlib import Path

with ExitStack() as elsewhere:
    with suppress(OSError):  # the working folder is gone, and its matplotlibrc with it
        elsewhere.enter_context(chdir(Path(__file__).parent))
    import matplotlib
    from matplotlib.figure import Figure

__all__ = ["Figure", "matplotlib"]
