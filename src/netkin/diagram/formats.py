"""A diagram written for people and other programs, in the format of the file's ending."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from netkin.diagram.diagram import Diagram, write_diagram
from netkin.diagram.network import Computed
from netkin.storage import whole_file

HEAD = "dimension,birth,death,count"


def csv_lines(diagram: Diagram) -> Iterator[str]:
    """Yield a diagram as lines of CSV: a row for each interval, a death of ``inf`` for never."""
    yield HEAD
    for dimension, (intervals, counts) in enumerate(
        zip(diagram.intervals, diagram.counts, strict=True)
    ):
        for (birth, death), count in zip(intervals.tolist(), counts.tolist(), strict=True):
            yield f"{dimension},{birth!r},{death!r},{count}"


def _write_csv(path: Path, computed: Computed, name: str) -> None:
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in csv_lines(computed.diagram))


def _write_hdf5(path: Path, computed: Computed, name: str) -> None:
    write_diagram(
        path,
        computed.diagram,
        engine=computed.engine,
        theorem=computed.theorem,
        parameters={"network": name},
    )


def _plot(path: Path, computed: Computed, name: str) -> None:
    import netkin.plain_matplotlib  # noqa: F401 # before matplotlib
    from netkin.figure.diagram import Curves, draw_diagrams
    from netkin.figure.style import save_figure

    diagram = computed.diagram
    deaths, death_counts = diagram.intervals[0][:, 1], diagram.counts[0]
    finite = np.isfinite(deaths)
    births, birth_counts = deaths[:0], death_counts[:0]
    if len(diagram.intervals) > 1:
        births, birth_counts = diagram.intervals[1][:, 0], diagram.counts[1]
    curves = Curves(name, name, deaths[finite], death_counts[finite], births, birth_counts)
    save_figure(draw_diagrams([curves]), [str(path)], dpi=150)


WRITERS: dict[str, Callable[[Path, Computed, str], None]] = {
    ".h5": _write_hdf5,
    ".csv": _write_csv,
    ".png": _plot,
    ".svg": _plot,
}
"""Ending -> ``(path, what was computed, name of the network)``, which writes the file."""


def summary(diagram: Diagram) -> list[dict[str, float]]:
    """Return a row for each homology dimension: how many classes there are, and where.

    Births and deaths are NaN where there is no class, ``last_death`` where none dies.
    """
    rows = []
    for dimension, (intervals, counts) in enumerate(
        zip(diagram.intervals, diagram.counts, strict=True)
    ):
        birth, death = intervals.T
        dying = death < np.inf
        rows.append(
            {
                "dimension": dimension,
                "classes": int(counts.sum()),
                "intervals": len(counts),
                "never_dying": int(counts[~dying].sum()),
                "first_birth": float(birth.min()) if len(birth) else np.nan,
                "last_birth": float(birth.max()) if len(birth) else np.nan,
                "last_death": float(death[dying].max()) if dying.any() else np.nan,
            }
        )
    return rows
