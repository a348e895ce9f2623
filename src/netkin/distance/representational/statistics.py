"""Numbers that describe one representation, and how far two of them differ.

None of them asks which row of one is which row of the other.
"""

import math
from collections.abc import Callable
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from netkin.distance.representational.instance_graph import nearest_cosine_graph
from netkin.distance.representational.neighbours import nearest_rows
from netkin.distance.representational.representation import (
    Matrix,
    Representation,
    check_same_rows,
    directed_rows,
)
from netkin.errors import UndefinedDistance
from netkin.options import checked

_ROUNDING = 1e-12
"""Numbers of order 1 that are no larger than this are rounding errors of 0."""


@checked
def intrinsic_dimension_difference(
    a: Representation, b: Representation, *, discard: Annotated[float, Gt(0), Lt(1)] = 0.1
) -> float:
    """Absolute difference of the intrinsic dimensions, 0 or more; see `intrinsic_dimension`.

    Raises
    ------
    UndefinedDistance
        Where one of the two has no intrinsic dimension.
    """
    return _difference(a, b, intrinsic_dimension, discard)


def magnitude_difference(a: Representation, b: Representation) -> float:
    """Absolute difference of the magnitudes, 0 or more, in their units; see `magnitude`."""
    return _difference(a, b, magnitude)


def concentricity_difference(a: Representation, b: Representation) -> float:
    """Absolute difference of the concentricities, 0 to 2; see `concentricity`.

    Raises
    ------
    UndefinedDistance
        Where one of the two has no concentricity.
    """
    return _difference(a, b, concentricity)


@checked
def uniformity_difference(
    a: Representation, b: Representation, *, t: Annotated[float, Ge(1e-6), Le(100)] = 2.0
) -> float:
    """Absolute difference of the uniformities, 0 or more; see `uniformity`.

    Raises
    ------
    UndefinedDistance
        Where one of the two has no uniformity.
    """
    return _difference(a, b, uniformity, t)


def tolerance_difference(a: Representation, b: Representation) -> float:
    """Absolute difference of the tolerances, 0 to 1; see `tolerance`.

    Raises
    ------
    UndefinedDistance
        Where one of the two has no tolerance.
    """
    return _difference(a, b, tolerance)


@checked
def modularity_difference(
    a: Representation, b: Representation, *, k: Annotated[int, Ge(1), Le(100_000)] = 10
) -> float:
    """Absolute difference of the modularities of the classes, 0 or more; see `modularity`.

    Raises
    ------
    UndefinedDistance
        Where one of the two has no modularity.
    """
    return _difference(a, b, modularity, k)


def intrinsic_dimension(a: Representation, discard: float = 0.1) -> float:
    """Intrinsic dimension by the distances to the two nearest rows, TwoNN.

    Facco et al. 2017: the slope of the line through the origin and the points
    ``(log mu_i, -log(1 - i / n))``, where ``mu_1 <= mu_2 <= ...`` are the ratios of the
    distances of a row to its second and to its nearest row. As in the paper i counts from 1
    (from 0 in some published code) and the points of the largest ratios are left out.

    Parameters
    ----------
    a : Representation
        At least 3 rows, all different.
    discard : float
        Share of the ratios to leave out, the paper's 0.1; ``int(n (1 - discard))`` are kept.

    Returns
    -------
    float
        Above 0.

    Raises
    ------
    UndefinedDistance
        Fewer than 3 rows, equal rows, no ratio kept, or all ratios kept are 1.
    """
    nearest, second = nearest_rows(a, 2).distances.T
    if not nearest.all():
        raise UndefinedDistance(f"{a.name} has equal rows, whose distance 0 has no ratio")
    kept = min(int(a.n * (1 - discard)), a.n - 1)
    x = np.log(np.sort(second / nearest)[:kept])
    if x.max(initial=0.0) <= _ROUNDING:
        raise UndefinedDistance(f"nearest and second nearest rows of {a.name} are equally far")
    y = -np.log1p(-np.arange(1, kept + 1) / a.n)
    return float(x @ y / (x @ x))


def magnitude(a: Representation) -> float:
    """Norm of the mean row, 0 or more in units of the activations; Wang et al. 2020."""
    return float(np.linalg.norm(a.values.mean(axis=0)))


def concentricity(a: Representation) -> float:
    """Mean cosine of the rows with their mean, -1 to 1; Wang et al. 2020.

    Raises
    ------
    UndefinedDistance
        All rows or the mean row are 0 and have no direction. Single rows of zeros are left out.
    """
    directed = directed_rows(a)
    mean = a.values.mean(axis=0)
    norm = float(np.linalg.norm(mean))
    if norm <= _ROUNDING * np.linalg.norm(a.values, axis=1).mean():
        raise UndefinedDistance(f"the mean row of {a.name} is 0 and has no direction")
    return float(np.clip((a.unit_rows[directed] @ (mean / norm)).mean(), -1.0, 1.0))


def uniformity(a: Representation, t: float = 2.0) -> float:
    """Log of the mean Gaussian potential of the rows on the unit sphere.

    Wang and Isola 2020: ``log mean_ij exp(-t |u_i - u_j|^2)``, where u are the rows divided by
    their norms. The mean is over all n^2 pairs, those of a row with itself among them, as in the
    survey of Klabunde et al.; the published code of Wang and Isola has i < j only.

    Parameters
    ----------
    a : Representation
    t : float
        Sharpness of the potential, 2 as in the paper.

    Returns
    -------
    float
        ``-4 t`` to 0 (all rows point the same way).

    Raises
    ------
    UndefinedDistance
        All rows are 0 and have no direction. Single rows of zeros are left out.
    """
    directed = directed_rows(a)
    # |u - v|^2 = 2 - 2 cos(u, v)
    total = sum(
        np.exp(2 * t * (a.cosine_block(block)[directed[block]][:, directed] - 1)).sum()
        for block in a.blocks()
    )
    return math.log(float(total) / int(directed.sum()) ** 2)


def tolerance(a: Representation) -> float:
    """Mean similarity of rows of the same class.

    Wang and Liu 2021: ``sum_ij u_i^T u_j [y_i = y_j] / n^2``, where u are the rows divided by
    their norms and y their labels; pairs of different classes count as 0.

    Returns
    -------
    float
        0 to 1 (one class, all rows point the same way).

    Raises
    ------
    UndefinedDistance
        There are no labels, or all rows are 0 and have no direction. Single rows of zeros are
        left out.
    """
    members = _members(a)
    directed = directed_rows(a)
    return float(((members.T @ a.unit_rows) ** 2).sum() / int(directed.sum()) ** 2)


def modularity(a: Representation, k: int = 10) -> float:
    """Modularity of the classes in the graph of nearest rows.

    Lu et al. 2022, in the survey of Klabunde et al. instance-graph modularity:
    ``sum_ij (A_ij - d_i d_j / 2 W) [y_i = y_j] / 2 W``, where A is the graph of
    `nearest_cosine_graph`, d are its sums of rows, 2 W is the sum of all and y are the labels.

    Parameters
    ----------
    a : Representation
        With labels.
    k : int
        Edges that start at a row, fewer than n.

    Returns
    -------
    float
        -1/2 (all edges join different classes) to 1; 0 for a single class. Other values if
        edges have negative weights.

    Raises
    ------
    UndefinedDistance
        There are no labels, k rows or fewer are not 0, or the weights sum to 0 or less.
    """
    members = _members(a)
    directed_rows(a)
    graph = nearest_cosine_graph(a, k)
    total = float(graph.sum())
    if total <= _ROUNDING:
        raise UndefinedDistance(f"the cosines of nearest rows of {a.name} sum to 0 or less")
    within = float((members * (graph @ members)).sum())
    degrees = members.T @ np.asarray(graph.sum(axis=1)).ravel()
    return within / total - float(((degrees / total) ** 2).sum())


def _difference(
    a: Representation, b: Representation, statistic: Callable[..., float], *options: float
) -> float:
    check_same_rows(a, b)
    return abs(a.shared(statistic, *options) - b.shared(statistic, *options))


def _members(a: Representation) -> Matrix:
    """Return which row is of which class, 1 or 0, (n, classes)."""
    if a.labels is None:
        raise UndefinedDistance(f"the rows of {a.name} have no labels")
    classes = np.unique(a.labels)
    members: Matrix = (a.labels[:, None] == classes).astype(np.float64)
    return members
