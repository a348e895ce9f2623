"""The table of many networks: clusters, and the nearest neighbours of each network."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from netkin.distance.file import read_summary
from netkin.table.clusters import cluster, nearest
from netkin.table.write import Section, write_csv, write_page

NEIGHBOURS = 3
"""Nearest networks that are named."""
MOST_GROUPS = 3
"""Groups of a cluster that are named, the most frequent first."""


def tabulate_neighbours(
    *,
    summary_paths: Sequence[str],
    measures: Sequence[str],
    csv_path: str,
    html_path: str,
    title: str,
    grid: Sequence[Mapping[str, Any]],
) -> None:
    """Tabulate the cluster and the nearest networks of each network, by each measure.

    The CSV has a row for each measure and network: ``cluster`` (0 where undefined) and, for each
    of its `NEIGHBOURS` nearest, its name and their value, as it is in the summary. The page has a
    row for each cluster, and how often the nearest network is of the same group.

    Parameters
    ----------
    summary_paths, measures : sequence of str
        The summary of each measure, of the same networks.
    csv_path, html_path, title : str
        Where the table goes, and its title.
    grid : sequence of mapping
        ``name`` and ``group`` of each network, in the order of the matrices.
    """
    import pandas as pd

    groups = np.array([cell["group"] for cell in grid], dtype=object)
    networks = np.array([cell["name"] for cell in grid], dtype=object)
    tables, pages = [], []
    for path, measure in zip(summary_paths, measures, strict=True):
        summary = read_summary(path)
        unlikeness = summary.unlikeness()
        found = cluster(unlikeness)
        near = nearest(unlikeness, NEIGHBOURS)
        columns: dict[str, Any] = {
            "measure": measure,
            "network": networks,
            "group": groups,
            "cluster": found.labels,
        }
        for k in range(near.shape[1]):
            there = near[:, k] >= 0
            columns[f"nearest_{k + 1}"] = [
                networks[place] if place >= 0 else "" for place in near[:, k]
            ]
            values = summary.mean[np.arange(len(near)), near[:, k]]
            columns[f"value_{k + 1}"] = np.where(there, values, np.nan)
        tables.append(pd.DataFrame(columns))
        rows = [
            _described(number, found.labels, unlikeness, networks, groups)
            for number in range(1, int(found.labels.max(initial=0)) + 1)
        ]
        pages.append(Section(_note(near, groups), pd.DataFrame(rows), {"within": 3}, measure))
    write_csv(pd.concat(tables, ignore_index=True), csv_path)
    write_page(pages, html_path, title=title)


def _described(
    number: int,
    labels: np.ndarray[Any, Any],
    unlikeness: np.ndarray[Any, Any],
    networks: np.ndarray[Any, Any],
    groups: np.ndarray[Any, Any],
) -> dict[str, Any]:
    """Return the row of a cluster; its middle is the network that is nearest to all others."""
    members = np.flatnonzero(labels == number)
    block = unlikeness[np.ix_(members, members)]
    pairs = block[np.triu_indices(len(members), 1)]
    pairs = pairs[np.isfinite(pairs)]
    counts = Counter(groups[members].tolist()).most_common()
    told = ", ".join(f"{group or 'no group'} ({n})" for group, n in counts[:MOST_GROUPS])
    more = f" and {len(counts) - MOST_GROUPS} more" if len(counts) > MOST_GROUPS else ""
    middle = int(np.argmin(np.nan_to_num(block, nan=1).sum(axis=1)))
    return {
        "cluster": number,
        "networks": len(members),
        "middle": networks[members[middle]],
        "groups": told + more,
        "within": float(pairs.mean()) if pairs.size else np.nan,
    }


def _note(near: np.ndarray[Any, Any], groups: np.ndarray[Any, Any]) -> str:
    there = near[:, 0] >= 0 if near.shape[1] else np.zeros(len(near), bool)
    text = (
        "Clusters by average linkage, cut where the height of the merges grows most. The middle is "
        "the network nearest to the others of its cluster; within is their mean distance, as a "
        "share of the largest. The file beside this page has the nearest networks of each."
    )
    if there.any() and len(set(groups.tolist())) > 1:
        there &= groups != ""
        same = groups[there] == groups[near[there, 0]]
        text += (
            f" The nearest network is of the same group for {same.sum():,} of the "
            f"{there.sum():,} networks that have one."
        )
    return text
