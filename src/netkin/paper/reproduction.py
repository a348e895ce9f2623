"""The reproduction report: our numbers beside the published ones, and the paper's claims."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from netkin.distance.file import read_distances
from netkin.paper.claims import Comparison, Grid, claims, overall
from netkin.table.read import read_table
from netkin.table.statistic import pairs_of, repeatability
from netkin.table.write import Section, write_csv, write_page

if TYPE_CHECKING:
    import pandas as pd


def tabulate_reproduction(
    *,
    distance_paths: Sequence[str],
    comparisons: Sequence[str],
    grids: Mapping[str, Grid],
    epochs: Mapping[str, int],
    published_paths: Sequence[str],
    norm_paths: Sequence[str],
    csv_path: str,
    claims_path: str,
    html_path: str,
    title: str,
) -> None:
    """Put our numbers beside the published ones and judge each claim of the paper.

    Parameters
    ----------
    distance_paths : sequence of str
        The distance files of all measures and seeds, of the data sets and of ``control``.
    comparisons : sequence of str
        Of each path, the data set or ``control``.
    grids : mapping
        Comparison -> for each of its networks ``name``, ``group`` and ``value``.
    epochs : mapping
        Data set -> epochs of training.
    published_paths : sequence of str
        The published distances within groups, the published norms, and how well the published
        runs agree.
    norm_paths : sequence of str
        The two tables of `netkin.paper.norms.tabulate_norms`, or none.
    csv_path, claims_path, html_path, title : str
        Where the two tables and the page go, and its title.
    """
    import pandas as pd

    found = _read_comparisons(distance_paths, comparisons, grids)
    control = found.pop("control", None)
    norms = ratios = None
    if norm_paths:
        norms = read_table(norm_paths[0], text=("norm", "reading"), numbers=STATISTICS)
        ratios = read_table(
            norm_paths[1], text=("norm", "data_set"), numbers=("ratio_to_shuffled",)
        )
    beside = pd.DataFrame(
        _groups_beside(found, epochs, published_paths[0])
        + _repeatability_beside(found, epochs, published_paths[2])
        + _norms_beside(norms, found, epochs, published_paths),
        columns=COLUMNS,
    )
    rows = claims(list(found.values()), control, _by_dataset(ratios))
    table = pd.DataFrame(rows, columns=CLAIM_COLUMNS)
    write_csv(beside, csv_path)
    write_csv(table, claims_path)
    numbers = dict.fromkeys(("ours", "published", "difference"), 4)
    write_page(
        [
            Section(
                "Each claim of the paper on the networks of this study. A case is one data set "
                "(and one experiment group). It holds when the whole 95 % interval over seeds "
                "is on the claim's side, does not hold when the whole interval is on the other, "
                "and is undecided otherwise, always so with a single seed. A data set is a hub "
                "when all nearest networks of its control networks are its own, at every seed.",
                pd.DataFrame(overall(rows), columns=OVERALL_COLUMNS),
                heading="Verdicts",
            ),
            Section(
                "Mean (and population deviation) of the distances within a group, in the matrix "
                "averaged over seeds and divided by its largest entry; how well one seed agrees "
                "with the mean of the others over all pairs, Spearman's rho, which no other run "
                "can be expected to exceed; and the norm baselines. "
                "Published with 5 seeds and 20 epochs, with a sampling fitted to each pair of "
                "diagrams, as the measures named pairwise have it. Empty: not published, or "
                "not in this study.",
                beside,
                numbers,
                "Beside the published numbers",
            ),
            Section(
                "The number behind each verdict, mean over seeds with its 95 % interval "
                "(Student's t).",
                table,
                dict.fromkeys(("value", "low", "high"), 3),
                "Every case",
            ),
        ],
        html_path,
        title=title,
    )


COLUMNS = [
    "quantity",
    "data_set",
    "group",
    "measure",
    "statistic",
    "ours",
    "published",
    "difference",
    "seeds",
    "epochs",
    "source",
]
STATISTICS = ("least", "largest", "mean", "deviation")
"""Of the norms of a reading."""
CLAIM_COLUMNS = [
    "claim",
    "data_set",
    "measure",
    "case",
    "statistic",
    "value",
    "low",
    "high",
    "seeds",
    "verdict",
]
OVERALL_COLUMNS = [
    "claim",
    "measure",
    "cases",
    "holds",
    "does_not_hold",
    "undecided",
    "verdict",
]


def _read_comparisons(
    paths: Sequence[str], comparisons: Sequence[str], grids: Mapping[str, Grid]
) -> dict[str, Comparison]:
    matrices: dict[str, dict[str, list[Any]]] = {name: {} for name in grids}
    for path, comparison in zip(paths, comparisons, strict=True):
        distances = read_distances(path)
        matrices[comparison].setdefault(distances.measure, []).append(distances.matrix)
    return {name: Comparison(name, grids[name], matrices[name]) for name in grids}


def _published_groups(path: str) -> "pd.DataFrame":
    return read_table(
        path, text=("data_set", "group", "measure", "source"), numbers=("mean", "deviation")
    )


def _groups_beside(
    found: Mapping[str, Comparison], epochs: Mapping[str, int], path: str
) -> list[dict[str, Any]]:
    rows = []
    for published in _published_groups(path).to_dict("records"):
        one = found.get(published["data_set"])
        if one is None:
            continue
        # the published run fitted the sampling on each pair; see config/paper.yaml
        for measure in (published["measure"], f"{published['measure']}_pairwise"):
            if measure not in one.matrices:
                continue
            matrices = np.stack(one.matrices[measure])
            mean = matrices.mean(axis=0)
            pairs = pairs_of(mean / np.nanmax(mean), one.members(published["group"]))
            if not pairs.size:
                continue
            for statistic, ours in (("mean", pairs.mean()), ("deviation", pairs.std())):
                rows.append(
                    {
                        "quantity": "distance within group",
                        "data_set": published["data_set"],
                        "group": published["group"],
                        "measure": measure,
                        "statistic": statistic,
                        "ours": ours,
                        "published": published[statistic],
                        "difference": ours - published[statistic],
                        "seeds": len(matrices),
                        "epochs": epochs[published["data_set"]],
                        "source": published["source"],
                    }
                )
    return rows


def _repeatability_beside(
    found: Mapping[str, Comparison], epochs: Mapping[str, int], path: str
) -> list[dict[str, Any]]:
    published = read_table(path, text=("data_set", "measure", "source"), numbers=("rho",))
    rows = []
    for row in published.to_dict("records"):
        one = found.get(row["data_set"])
        for measure in (row["measure"], f"{row['measure']}_pairwise"):
            matrices = one.matrices.get(measure, []) if one else []
            ours = repeatability(matrices)
            if np.isnan(ours):
                continue
            rows.append(
                {
                    "quantity": "one seed to the mean of the others",
                    "data_set": row["data_set"],
                    "group": "all",
                    "measure": measure,
                    "statistic": "Spearman's rho",
                    "ours": ours,
                    "published": row["rho"],
                    "difference": ours - row["rho"],
                    "seeds": len(matrices),
                    "epochs": epochs[row["data_set"]],
                    "source": row["source"],
                }
            )
    return rows


def _norms_beside(
    norms: "pd.DataFrame | None",
    found: Mapping[str, Comparison],
    epochs: Mapping[str, int],
    paths: Sequence[str],
) -> list[dict[str, Any]]:
    # the published numbers mix all five data sets
    needed = set(_published_groups(paths[0])["data_set"])
    if norms is None or needed != set(found):
        return []
    n_seeds = {len(m) for one in found.values() for m in one.matrices.values()}
    rows = []
    published = read_table(paths[1], text=("norm", "source"), numbers=STATISTICS).set_index("norm")
    for ours in norms.to_dict("records"):
        for statistic in STATISTICS:
            value = published.loc[ours["norm"], statistic]
            rows.append(
                {
                    "quantity": "normalised difference of norms",
                    "data_set": "all",
                    "group": "input_order",
                    "measure": ours["norm"],
                    "statistic": f"{statistic}, {ours['reading'].replace('_', ' ')}",
                    "ours": ours[statistic],
                    "published": value,
                    "difference": ours[statistic] - value,
                    "seeds": max(n_seeds),
                    "epochs": max(epochs.values()),
                    "source": published.loc[ours["norm"], "source"],
                }
            )
    return rows


def _by_dataset(ratios: "pd.DataFrame | None") -> dict[str, dict[str, list[float]]]:
    grouped: dict[str, dict[str, list[float]]] = {}
    if ratios is not None:
        for row in ratios.to_dict("records"):
            of_norm = grouped.setdefault(row["norm"], {})
            of_norm.setdefault(row["data_set"], []).append(row["ratio_to_shuffled"])
    return grouped
