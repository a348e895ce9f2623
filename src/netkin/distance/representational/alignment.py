"""Representations aligned by a rotation: shape distances and cosines.

A representation is a point cloud of n rows; two are compared after the rotation (with
reflections) that brings one closest to the other. Of two widths the narrower representation
is padded with columns of zeros, as in the published code of Williams et al. 2021; the formulas
below are those of the padded representations. Mostly the singular values and left singular
vectors are enough, since a rotation of the columns can undo the right ones.
"""

import math
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from netkin.distance.representational import algebra
from netkin.distance.representational.cca import check_free
from netkin.distance.representational.pair import shared_by_pair, squared_distance
from netkin.distance.representational.representation import (
    Decomposition,
    Matrix,
    Representation,
    check_not_zero,
    check_same_rows,
    check_varies,
    decompose,
)
from netkin.options import checked


@checked
def orthogonal_procrustes(
    a: Representation, b: Representation, *, centred: bool = False, normalised: bool = False
) -> float:
    """Orthogonal Procrustes distance, ``min_Q |R Q - R'|``.

    Williams et al. 2021: ``(|R|^2 + |R'|^2 - 2 |R^T R'|_nuclear)^(1/2)``, where
    |R| is the Frobenius norm. Ding et al. 2021 report its square, centred and normalised.

    Parameters
    ----------
    a, b : Representation
        The same rows; widths may differ.
    centred : bool
        Subtract the mean of each column first (the size-and-shape distance of Williams et
        al.).
    normalised : bool
        Divide each by its Frobenius norm first; after centring, if both are asked for.

    Returns
    -------
    float
        0 (equal up to a rotation) or more; at most sqrt(2) if normalised. A metric.

    Raises
    ------
    UndefinedDistance
        To be normalised, but all activations of one are 0, or if centred, all its rows the
        same.
    """
    check_same_rows(a, b)
    if normalised:
        check = check_varies if centred else check_not_zero
        check(a, b)
    if a is b:
        return 0.0
    x, y = _decomposition(a, centred), _decomposition(b, centred)
    (alignment,) = shared_by_pair(_alignment, a, b, centred)
    if normalised:
        norms = float(np.linalg.norm(x.s)), float(np.linalg.norm(y.s))
        alignment /= math.prod(norms)
        x, y = (d._replace(s=d.s / norm) for d, norm in zip((x, y), norms, strict=True))
    return _least_distance(x, y, alignment)


@checked
def angular_shape_metric(a: Representation, b: Representation, *, centred: bool = False) -> float:
    """Angle between two representations of norm 1 after the best rotation.

    Williams et al. 2021: ``arccos(|R^T R'|_nuclear / (|R| |R'|))``, computed as
    ``2 arcsin(d / 2)`` from the distance d of the rotated representations, which keeps its
    digits near 0.

    Parameters
    ----------
    a, b : Representation
        The same rows; widths may differ.
    centred : bool
        Subtract the mean of each column first.

    Returns
    -------
    float
        Radians, 0 to pi / 2. A metric.

    Raises
    ------
    UndefinedDistance
        All activations of one are 0, or if centred, all its rows the same.
    """
    return _angle(orthogonal_procrustes(a, b, centred=centred, normalised=True))


@checked
def partial_whitening_shape_metric(
    a: Representation, b: Representation, *, alpha: Annotated[float, Ge(0), Le(1)] = 0.5
) -> float:
    """Angular shape metric of partly whitened representations.

    Williams et al. 2021: `angular_shape_metric` of
    ``H R (alpha I + (1 - alpha) (R^T H R)^(-1/2))``, where H subtracts the column means. The
    inverse root is that of the non-zero eigenvalues: directions without variance stay without
    variance.

    Parameters
    ----------
    a, b : Representation
        The same rows; widths may differ.
    alpha : float in [0, 1]
        1: centred, not whitened, invariant to the scale of the activations; 0: whitened,
        invariant to affine maps, ``arccos`` of the sum of canonical correlations over
        sqrt(rank rank'). In between the weight of both parts depends on the scale.

    Returns
    -------
    float
        Radians, 0 to pi / 2 (never more, as the nuclear norm is not negative). A metric.

    Raises
    ------
    UndefinedDistance
        All rows of one are the same, or alpha is 0 and the ranks add up to as many as there are
        rows, so that canonical correlations are 1 whatever the networks are.
    """
    check_same_rows(a, b)
    check_varies(a, b)
    if alpha == 0:
        check_free(a, b, *(len(r.varying_decomposition.s) for r in (a, b)))
    if a is b:
        return 0.0
    x, y = (_partly_whitened(r.varying_decomposition, alpha) for r in (a, b))
    return _angle(_least_distance(x, y, _nuclear_norm(_cross(x, y))))


def normalised_bures_similarity(a: Representation, b: Representation) -> float:
    """Fidelity of the similarity matrices ``K = R R^T``, the cosine of `angular_shape_metric`.

    Tang et al. 2020: ``tr((K^(1/2) K' K^(1/2))^(1/2)) / (tr K tr K')^(1/2)``, which is
    ``|R^T R'|_nuclear / (|R| |R'|)``. Taken as the trace of the root of a matrix, not the root
    of its trace, as the survey of Klabunde et al. prints it.

    Parameters
    ----------
    a, b : Representation
        The same rows; widths may differ.

    Returns
    -------
    float
        0 (columns of one are orthogonal to all columns of the other) to 1 (equal up to
        rotation and scale).

    Raises
    ------
    UndefinedDistance
        All activations of one are 0.
    """
    check_same_rows(a, b)
    check_not_zero(a, b)
    (alignment,) = shared_by_pair(_alignment, a, b, False)
    return min(alignment / math.prod(float(np.linalg.norm(r.decomposition.s)) for r in (a, b)), 1.0)


def aligned_cosine(a: Representation, b: Representation) -> float:
    """Mean cosine of the rows after the best rotation.

    Hamilton et al. 2016: ``mean_i cos((R Q)_i, R'_i)``, where the rotation Q minimises
    ``|R Q - R'|``. Where several do (``R^T R'`` of less than the
    smaller rank), this is the mean over all of them. Rows of zeros have no direction: left
    out if they are zero in both, else their cosine counts as 0.

    Parameters
    ----------
    a, b : Representation
        The same rows; widths may differ.

    Returns
    -------
    float
        -1 to 1 (all rows point the same way).

    Raises
    ------
    UndefinedDistance
        All activations of one are 0.
    """
    check_same_rows(a, b)
    check_not_zero(a, b)
    x, y = a.decomposition, b.decomposition
    left, _, right = decompose(_cross(x, y))
    rotation = x.vt.T @ (left @ right) @ y.vt
    # the sum of the cosines is the product of the rotation with that of the unit rows
    total = float(np.vdot(algebra.product(a.unit_rows.T, b.unit_rows), rotation))
    answered = a.unit_rows.any(axis=1) | b.unit_rows.any(axis=1)
    return float(np.clip(total / answered.sum(), -1.0, 1.0))


def _decomposition(representation: Representation, centred: bool) -> Decomposition:
    return representation.varying_decomposition if centred else representation.decomposition


def _partly_whitened(decomposition: Decomposition, alpha: float) -> Decomposition:
    """Return the decomposition of the partly whitened representation, of norm 1."""
    s = alpha * decomposition.s + (1 - alpha)
    return decomposition._replace(s=s / np.linalg.norm(s))


def _cross(x: Decomposition, y: Decomposition) -> Matrix:
    """Return ``R^T R'`` in the bases of the right singular vectors, (r, r')."""
    return x.s[:, None] * algebra.product(x.u.T, y.u) * y.s


def _alignment(a: Representation, b: Representation, centred: bool) -> tuple[float]:
    """Return the nuclear norm of ``R^T R'``, for `shared_by_pair`."""
    return (_nuclear_norm(_cross(_decomposition(a, centred), _decomposition(b, centred))),)


def _nuclear_norm(matrix: Matrix) -> float:
    return float(algebra.singular_values(matrix).sum())


def _least_distance(x: Decomposition, y: Decomposition, alignment: float) -> float:
    """Return the least Frobenius norm of ``x Q - y`` over rotations Q of padded x and y.

    `alignment` is the nuclear norm of ``x^T y``.
    """
    square = squared_distance((float(x.s @ x.s), float(y.s @ y.s)), alignment)
    if square is not None:
        return math.sqrt(square)
    # nearly equal: rotate, then subtract, so that equal ones are 0 up to rounding
    left, _, right = np.linalg.svd(_cross(x, y))
    p, q = (x.u * x.s) @ left, (y.u * y.s) @ right.T
    shared = min(len(x.s), len(y.s))
    parts = p[:, :shared] - q[:, :shared], p[:, shared:], q[:, shared:]
    return math.hypot(*(float(np.linalg.norm(part)) for part in parts))


def _angle(chord: float) -> float:
    """Return the angle between two vectors of norm 1 that are this far apart."""
    return min(2 * math.asin(min(chord / 2, 1.0)), math.pi / 2)
