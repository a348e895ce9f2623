"""Representation topology divergence."""

from collections.abc import Iterator
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
from netkin.options import checked

_KEPT_DISTANCES = 1 << 24
"""The scaled distances of samples are kept for all pairs up to about so many."""


@checked
def rtd(
    a: Representation,
    b: Representation,
    *,
    n_points: Annotated[int, Ge(2), Le(2000)] = 500,
    n_repeats: Annotated[int, Ge(1), Le(10_000)] = 10,
    seed: Annotated[int, Ge(0), Le(2**32 - 1)] = 0,
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
        takes some tenths of a second.
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
    from netkin.distance.representational.cross_barcode import bar_length

    check_same_rows(a, b)
    draw = n_points, n_repeats, seed
    if n_repeats * n_points**2 <= _KEPT_DISTANCES:
        samples = [iter(r.shared(_kept_samples, *draw, moves="all")) for r in (a, b)]
    else:
        samples = [_scaled_samples(r, *draw) for r in (a, b)]
    lengths = [(bar_length(w, v) + bar_length(v, w)) / 2 for w, v in zip(*samples, strict=True)]
    return float(np.mean(lengths))


def _samples(n: int, n_points: int, n_repeats: int, seed: int) -> list[NDArray[np.intp]]:
    if n <= n_points:
        return [np.arange(n)]
    random = np.random.default_rng(seed)
    return [random.choice(n, n_points, replace=False) for _ in range(n_repeats)]


def _kept_samples(a: Representation, n_points: int, n_repeats: int, seed: int) -> list[Matrix]:
    return list(_scaled_samples(a, n_points, n_repeats, seed))


def _scaled_samples(
    a: Representation, n_points: int, n_repeats: int, seed: int
) -> Iterator[Matrix]:
    """Yield the distances of the rows of each sample as scipy's pdist orders them, scaled."""
    from scipy.spatial.distance import pdist, squareform

    for rows in _samples(a.n, n_points, n_repeats, seed):
        distances: Matrix = pdist(a.values[rows])
        quantile = np.quantile(squareform(distances), 0.9)
        if quantile == 0:
            raise UndefinedDistance("90 % of the distances of the sampled rows are 0")
        yield distances / quantile
