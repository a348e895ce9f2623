"""Representation topology divergence."""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from netkin.distance.representational.representation import (
    Matrix,
    Representation,
    check_same_rows,
)
from netkin.errors import UndefinedDistance


def rtd(
    a: Representation,
    b: Representation,
    *,
    n_points: Annotated[int, Ge(2), Le(2000)] = 500,
    n_repeats: Annotated[int, Ge(1)] = 10,
    seed: Annotated[int, Ge(0)] = 0,
) -> float:
    """Representation topology divergence: how much the clusters of two clouds differ.

    Barannikov et al. 2022, definition 3.1 and algorithm 1: the total length of the bars of
    dimension 1 of ``[[0, w], [w, min(w, w')]]``, which show the clusters that are one in one
    representation and several in the other; the mean of this and of the same with w and w'
    exchanged. w are the Euclidean distances of rows over their 90 % quantile, in which as in
    the published code the distances of rows to themselves count.

    Parameters
    ----------
    a, b : Representation
        The same rows; widths may differ.
    n_points : int
        Rows of a sample. With n rows or fewer there is one sample, of all rows. One of 500
        takes some seconds.
    n_repeats : int
        Samples to take the mean of.
    seed : int
        Of the samples; the same rows for all pairs of representations of n rows.

    Returns
    -------
    float
        0 (the same distances up to scale) or more.

    Raises
    ------
    UndefinedDistance
        So many rows of a sample are equal that 90 % of the distances are 0.
    """
    check_same_rows(a, b)
    lengths = []
    for rows in _samples(a.n, n_points, n_repeats, seed):
        w, v = _scaled_distances(a.values[rows]), _scaled_distances(b.values[rows])
        lengths.append((_bar_length(w, v) + _bar_length(v, w)) / 2)
    return float(np.mean(lengths))


def _samples(n: int, n_points: int, n_repeats: int, seed: int) -> list[NDArray[np.intp]]:
    if n <= n_points:
        return [np.arange(n)]
    random = np.random.default_rng(seed)
    return [random.choice(n, n_points, replace=False) for _ in range(n_repeats)]


def _scaled_distances(values: Matrix) -> Matrix:
    from scipy.spatial.distance import pdist, squareform

    distances: Matrix = squareform(pdist(values))
    quantile = np.quantile(distances, 0.9)
    if quantile == 0:
        raise UndefinedDistance("90 % of the distances of the sampled rows are 0")
    return distances / quantile


def _bar_length(w: Matrix, v: Matrix) -> float:
    """Return the total length of the bars of dimension 1 of ``[[0, w], [w, min(w, v)]]``."""
    from gph import ripser_parallel

    joint = np.block([[np.zeros_like(w), w], [w, np.minimum(w, v)]])
    # giotto-ph computes in float32, which holds places in order up to 2^24 exactly
    values, places = np.unique(joint, return_inverse=True)
    places = places.reshape(joint.shape).astype(np.float32)
    bars = ripser_parallel(places, metric="precomputed", maxdim=1)["dgms"][1].astype(np.intp)
    return float((values[bars[:, 1]] - values[bars[:, 0]]).sum())
