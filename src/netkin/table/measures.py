"""Stage function of the page on which measure sees what: read distances, write CSV and HTML."""

from collections.abc import Mapping, Sequence
from typing import Any

from netkin.distance.file import Distances, read_distances
from netkin.errors import NetkinError
from netkin.table.measures_page import write_measures_page
from netkin.table.questions import Compared, Grid
from netkin.table.readings import (
    Agreement,
    Reading,
    agreements,
    agreements_over_data_sets,
    in_order,
    over_data_sets,
    read_all,
)
from netkin.table.statistic import interval_over_seeds
from netkin.table.write import write_csv

COLUMNS = (
    *("comparison", "family", "measure", "orientation", "quantity", "value", "low", "high"),
    *("seeds", "chance", "untrained", "pairs", "all_pairs"),
)
AGREEMENT_COLUMNS = (
    *("comparison", "measure_a", "measure_b", "family_a", "family_b", "value", "low", "high"),
    *("seeds", "pairs"),
)


def tabulate_measures(
    *,
    distance_paths: Sequence[str],
    comparisons: Sequence[str],
    grids: Mapping[str, Grid],
    untrained: Mapping[str, str],
    n_seeds: int,
    csv_path: str,
    agreement_path: str,
    html_path: str,
    title: str,
) -> None:
    """Tabulate for all measures what each sees, how far any two agree, and what each costs.

    On each data set, and before these on all of them together where there are several.

    Parameters
    ----------
    distance_paths : sequence of str
        The distance files of all measures and seeds: of the data sets, of their untrained
        networks and of ``control``; the seeds of each measure in the same order.
    comparisons : sequence of str
        Of each path, the comparison it belongs to.
    grids : mapping
        Comparison -> for each of its networks ``name``, ``group``, ``value`` and ``design``, see
        `netkin.table.readings.Compared`.
    untrained : mapping
        Comparison of untrained networks -> the data set whose null it is. These are not judged
        themselves.
    n_seeds : int
        How many seeds the study has; of networks of a sheet, replicates.
    csv_path, agreement_path, html_path, title : str
        Where the readings, the agreement of every two measures and the page go, and its title.

    Raises
    ------
    NetkinError
        A file is unreadable, or about other networks than those of its comparison.
    """
    import pandas as pd

    found = _read(distance_paths, comparisons, grids)
    nulls = {dataset: found.pop(name) for name, dataset in untrained.items()}
    each = [r for name, one in found.items() for r in read_all(one, nulls.get(name))]
    readings = in_order([*over_data_sets(each), *each])
    apart = [agreement for one in found.values() for agreement in agreements(one)]
    alike = [*agreements_over_data_sets(apart), *apart]
    write_csv(pd.DataFrame([_row(r) for r in readings], columns=list(COLUMNS)), csv_path)
    write_csv(
        pd.DataFrame([_agreement_row(a) for a in alike], columns=list(AGREEMENT_COLUMNS)),
        agreement_path,
    )
    write_measures_page(readings, alike, html_path, title=title, n_seeds=n_seeds)


def _read(
    paths: Sequence[str], comparisons: Sequence[str], grids: Mapping[str, Grid]
) -> dict[str, Compared]:
    files: dict[str, dict[str, list[Distances]]] = {name: {} for name in grids}
    for path, comparison in zip(paths, comparisons, strict=True):
        distances = read_distances(path)
        names = tuple(str(cell["name"]) for cell in grids[comparison])
        if distances.networks != names:
            raise NetkinError(
                f"{path}: is about {len(distances.networks)} networks "
                f"({', '.join(distances.networks[:3])}, ...), but '{comparison}' has {len(names)} "
                f"({', '.join(names[:3])}, ...); delete the file to have it made anew."
            )
        files[comparison].setdefault(distances.measure, []).append(distances)
    return {name: Compared(name, grids[name], files[name]) for name in grids}


def _row(reading: Reading) -> dict[str, Any]:
    interval = reading.interval
    return {
        "comparison": reading.comparison,
        "family": reading.family,
        "measure": reading.measure,
        "orientation": reading.orientation,
        "quantity": reading.quantity,
        "value": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "seeds": reading.seeds,
        "chance": reading.chance,
        "untrained": interval_over_seeds(reading.untrained).mean,
        "pairs": reading.pairs,
        "all_pairs": reading.all_pairs,
    }


def _agreement_row(agreement: Agreement) -> dict[str, Any]:
    interval = agreement.interval
    return {
        "comparison": agreement.comparison,
        "measure_a": agreement.a,
        "measure_b": agreement.b,
        "family_a": agreement.family_a,
        "family_b": agreement.family_b,
        "value": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "seeds": agreement.seeds,
        "pairs": agreement.pairs,
    }
