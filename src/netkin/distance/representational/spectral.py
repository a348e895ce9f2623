"""Spectra of neighbour graphs: the multi-scale intrinsic distance."""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from netkin.distance.representational import algebra
from netkin.distance.representational.neighbours import nearest_rows
from netkin.distance.representational.representation import (
    Matrix,
    Representation,
    check_same_rows,
)
from netkin.options import checked

TEMPERATURES = np.logspace(-1, 1, 256)
"""Diffusion times at which heat traces are compared, as in the published code of Tsitsulin et
al. 2020."""


@checked
def imd(
    a: Representation, b: Representation, *, k: Annotated[int, Ge(1), Le(100_000)] = 5
) -> float:
    """Multi-scale intrinsic distance: largest weighted difference of two heat traces.

    Tsitsulin et al. 2020: ``sup_t exp(-2 (t + 1/t)) |h(t) - h'(t)|`` over the 256 `TEMPERATURES`,
    where ``h(t) = sum exp(-t lambda)`` over the eigenvalues of the normalised Laplacian of the
    graph that joins each row with its k nearest rows by Euclidean distance, if one is
    among the nearest of the other, edges of weight 1. The eigenvalues are exact, where the
    published code estimates the traces from random vectors; the traces are sums, as in the
    paper, where that code takes them times 1e6 / n.

    Parameters
    ----------
    a, b : Representation
        The same rows; widths may differ. All eigenvalues take n^3 steps and a matrix of rows
        by rows in memory, 8 n^2 bytes, once for each representation.
    k : int
        Neighbours of a row, fewer than n. Of equal distances the lower rows come first.

    Returns
    -------
    float
        0 (the same spectrum) or more. A metric.

    Raises
    ------
    UndefinedDistance
        k rows or fewer.
    """
    check_same_rows(a, b)
    weights = np.exp(-2 * (TEMPERATURES + 1 / TEMPERATURES))
    differences = a.shared(_heat_trace, k) - b.shared(_heat_trace, k)
    return float((weights * np.abs(differences)).max())


def _heat_trace(a: Representation, k: int) -> Matrix:
    """Return the heat trace at the `TEMPERATURES`, (256,)."""
    joined = np.zeros((a.n, a.n))
    rows, ends = np.arange(a.n)[:, None], nearest_rows(a, k).rows
    joined[rows, ends] = joined[ends, rows] = 1.0
    roots = np.sqrt(joined.sum(axis=1))
    joined /= -roots
    joined /= roots[:, None]
    joined[np.diag_indices(a.n)] = 1.0
    eigenvalues = algebra.eigenvalues(joined)
    trace: Matrix = np.exp(-np.outer(TEMPERATURES, eigenvalues)).sum(axis=1)
    return trace
