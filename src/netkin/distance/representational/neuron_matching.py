"""Neurons of one network matched with those of another.

These measures take single neurons seriously: a rotation of the columns changes them. The
sign of a neuron counts, too.
"""

import math

import numpy as np
from numpy.typing import NDArray

from netkin.distance.representational import algebra
from netkin.distance.representational.pair import squared_distance
from netkin.distance.representational.representation import (
    Matrix,
    Representation,
    check_not_zero,
    check_same_rows,
    check_varies,
)
from netkin.errors import UndefinedDistance
from netkin.options import checked


@checked
def permutation_procrustes(
    a: Representation, b: Representation, *, centred: bool = False, normalised: bool = False
) -> float:
    """Procrustes distance over the orders of the neurons, ``min_P |R P - R'|``.

    Williams et al. 2021, with permutations for rotations: an assignment problem for ``R^T R'``.
    Of two widths the narrower representation is padded with columns of zeros, as in their
    published code: the neurons without a partner count with their norm.

    Parameters
    ----------
    a, b : Representation
        The same rows; widths may differ.
    centred : bool
        Subtract the mean of each column first.
    normalised : bool
        Divide each by its Frobenius norm first; after centring, if both are asked for.

    Returns
    -------
    float
        0 (the same neurons) or more. A metric among representations of one width; the
        padding of different widths can break the triangle inequality.

    Raises
    ------
    UndefinedDistance
        To be normalised, but all activations of one are 0, or if centred, all its rows the
        same.
    """
    check_same_rows(a, b)
    x, y = _columns(a, b, centred, normalised)
    gains = algebra.product(x.T, y)
    i, j = _assignment(gains)
    squares = float(np.vdot(x, x)), float(np.vdot(y, y))
    square = squared_distance(squares, float(gains[i, j].sum()))
    if square is not None:
        return math.sqrt(square)
    # nearly equal: subtract first, so that equal ones are 0
    alone = np.delete(x, i, axis=1), np.delete(y, j, axis=1)
    parts = x[:, i] - y[:, j], *alone
    return math.hypot(*(float(np.linalg.norm(part)) for part in parts))


@checked
def soft_matching_distance(
    a: Representation, b: Representation, *, centred: bool = True, normalised: bool = True
) -> float:
    """Wasserstein distance between the neurons, each a point with a coordinate per row.

    Khosla and Williams 2024: ``(min_P sum_ij P_ij |R_i - R'_j|^2)^(1/2)`` over the
    transport plans P, whose rows sum to 1 / D and columns to 1 / D'. Exact: an assignment
    problem if the widths are equal, else the network simplex of POT. Of equal widths D it is
    `permutation_procrustes` over sqrt(D).

    Parameters
    ----------
    a, b : Representation
        The same rows; widths may differ.
    centred : bool
        Subtract the mean of each column first.
    normalised : bool
        Divide each by its Frobenius norm first; after centring, if both are asked for.

    Returns
    -------
    float
        0 (the same neurons) or more. A metric.

    Raises
    ------
    UndefinedDistance
        To be normalised, but all activations of one are 0, or if centred, all its rows the
        same.
    """
    check_same_rows(a, b)
    x, y = _columns(a, b, centred, normalised)
    i, j, masses = _transport(x, y)
    squares = ((x[:, i] - y[:, j]) ** 2).sum(axis=0)
    return math.sqrt(float(masses @ squares))


def hard_correlation_match(a: Representation, b: Representation) -> float:
    """Mean Pearson correlation of neurons matched one to one.

    Li et al. 2016, bipartite matching: the assignment of the largest sum. Of two
    widths as many pairs count as the narrower one has neurons. Neurons that give the same
    answer to all rows have no correlation; they are left out of the matching.

    Parameters
    ----------
    a, b : Representation
        The same rows; widths may differ.

    Returns
    -------
    float
        -1 to 1 (each neuron has its equal up to scale and shift).

    Raises
    ------
    UndefinedDistance
        All rows of one are the same.
    """
    correlations = _neuron_correlations(a, b)
    i, j = _assignment(correlations)
    return float(correlations[i, j].mean())


def soft_correlation_match(a: Representation, b: Representation) -> float:
    """Mean Pearson correlation of each neuron with the best of the other network.

    Li et al. 2016, semi-matching; Wu et al. 2020, ``maxcorr``. Best partners can be
    shared, so each direction has a mean of its own: this is the mean of both. Neurons that
    give the same answer to all rows are left out, see `hard_correlation_match`, whose
    parameters, value and errors these are.
    """
    correlations = _neuron_correlations(a, b)
    means = [float(correlations.max(axis=axis).mean()) for axis in (0, 1)]
    return sum(means) / 2


def _neuron_correlations(a: Representation, b: Representation) -> Matrix:
    """Return the Pearson correlations of the varying neurons, (at most D, at most D')."""
    check_same_rows(a, b)
    check_varies(a, b)
    return np.clip(algebra.product(a.unit_columns.T, b.unit_columns), -1.0, 1.0)


def _columns(
    a: Representation, b: Representation, centred: bool, normalised: bool
) -> tuple[Matrix, Matrix]:
    """Return the neurons of both as columns, pre-processed."""
    if not normalised:
        return (a.centred, b.centred) if centred else (a.values, b.values)
    check = check_varies if centred else check_not_zero
    check(a, b)
    if centred:
        return a.centred / a.centred_norm, b.centred / b.centred_norm
    return a.values / a.norm, b.values / b.norm


def _assignment(gains: Matrix) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows and columns of the one-to-one assignment of the largest sum."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(gains, maximize=True)
    return rows, columns


def _transport(x: Matrix, y: Matrix) -> tuple[NDArray[np.intp], NDArray[np.intp], Matrix]:
    """Return the pairs of columns that an optimal plan uses and the mass each moves.

    Masses sum to 1. The plan comes from inner products, which is quick; the cost of its few
    pairs can then be summed from differences, which is exact for equal columns.
    """
    d, e = x.shape[1], y.shape[1]
    if d == e:
        i, j = _assignment(algebra.product(x.T, y))
        return i, j, np.full(d, 1 / d)
    from ot import emd

    costs = (x**2).sum(axis=0)[:, None] + (y**2).sum(axis=0) - 2 * algebra.product(x.T, y)
    # whole masses: e for each of d columns, d for each of e
    plan, log = emd(np.full(d, float(e)), np.full(e, float(d)), costs, numItermax=10**9, log=True)
    if log["warning"] is not None:
        raise UndefinedDistance(f"no optimal plan for {d} and {e} neurons: {log['warning']}")
    i, j = np.nonzero(plan)
    return i, j, plan[i, j] / (d * e)
