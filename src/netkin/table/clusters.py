"""Which networks are alike: hierarchical clusters of a matrix, and nearest neighbours."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_CLUSTERS = 20
"""Clusters that are told apart, at most."""


@dataclass(frozen=True, eq=False)
class Clusters:
    """Networks in a hierarchical order, and the clusters in which they are.

    Attributes
    ----------
    order : (n,) intp
        Places of the networks, alike ones beside each other; those that are undefined last.
    labels : (n,) int
        Cluster of each network, counted from 1 in that order; 0 for one that is undefined.
    """

    order: NDArray[np.intp]
    labels: NDArray[np.int64]


def cluster(unlikeness: NDArray[np.float64]) -> Clusters:
    """Cluster networks by average linkage (Sokal and Michener 1958).

    The tree is cut where the height of its last `MOST_CLUSTERS` merges grows most, so that what
    is far apart stays apart; where all are equally far there is one cluster.

    Parameters
    ----------
    unlikeness : float64 array of shape (n, n)
        0 or more, see `netkin.distance.file.Summary.unlikeness`; both directions of a pair count
        half. A network that is undefined with all others is left out, and any other undefined
        pair counts as the farthest.
    """
    from scipy.cluster.hierarchy import cut_tree, leaves_list, linkage
    from scipy.spatial.distance import squareform

    n = len(unlikeness)
    both = (unlikeness + unlikeness.T) / 2
    np.fill_diagonal(both, 0)
    defined = np.isfinite(both)
    there = np.flatnonzero(defined.sum(axis=1) > 1) if n > 1 else np.arange(n)
    labels = np.zeros(n, np.int64)
    away = np.setdiff1d(np.arange(n), there)
    if len(there) < 2:
        labels[there] = 1
        return Clusters(np.concatenate([there, away]), labels)
    chosen = both[np.ix_(there, there)]
    chosen[np.isnan(chosen)] = np.nanmax(chosen, initial=0)
    tree = linkage(squareform(np.maximum(chosen, 0), checks=False), "average")
    leaves = leaves_list(tree)
    # of each of the last merges above the one before; each leaves one cluster fewer
    growth = np.diff(tree[:, 2])[1 - MOST_CLUSTERS :]
    n_clusters = 1 + len(growth) - int(growth.argmax()) if growth.max(initial=0) > 0 else 1
    found = cut_tree(tree, n_clusters).ravel()
    number = {old: new for new, old in enumerate(dict.fromkeys(found[leaves].tolist()), start=1)}
    labels[there] = [number[one] for one in found.tolist()]
    return Clusters(np.concatenate([there[leaves], away]), labels)


def nearest(unlikeness: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """Return the places of the nearest others of each network, nearest first.

    Parameters
    ----------
    unlikeness : float64 array of shape (n, n)
        As for `cluster`.
    count : int
        How many, at most n - 1.

    Returns
    -------
    (n, min(count, n - 1)) intp
        -1 where a pair is not defined. Of equally near ones the first.
    """
    both = (unlikeness + unlikeness.T) / 2
    np.fill_diagonal(both, np.inf)
    both[np.isnan(both)] = np.inf
    places = np.argsort(both, axis=1, kind="stable")[:, : min(count, len(both) - 1)]
    return np.where(np.isinf(np.take_along_axis(both, places, axis=1)), -1, places)
