"""Sources: where networks come from."""

from netkin.source.sheet import Sheet
from netkin.source.source import Source
from netkin.source.trained_grid import TrainedGrid

SOURCES: dict[str, type[Source]] = {
    "trained_grid": TrainedGrid,
    "sheet": Sheet,
}
"""Name -> source; each is asked for its members by every study."""
