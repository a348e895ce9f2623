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

from netkin.distance.representational.representation import (
    Decomposition,
    Matrix,
    Representation,
    check_not_zero,
    check_same_rows,
    check_varies,
    decompose,
)

_CANCELLED = 1e-6
"""Share of the squared norms below which their difference has lost too many digits."""


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
    return _least_distance(*(_coordinates(_decomposition(x, centred), normalised) for x in (a, b)))


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
        All rows of one are the same.
    """
    check_same_rows(a, b)
    check_varies(a, b)
    x, y = (
        _coordinates(d._replace(s=alpha * d.s + (1 - alpha)), normalised=True)
        for d in (a.varying_decomposition, b.varying_decomposition)
    )
    return _angle(_least_distance(x, y))


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
    x, y = (_coordinates(r.decomposition, normalised=True) for r in (a, b))
    return min(_nuclear_norm(x.T @ y), 1.0)


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
    x, y = (_coordinates(r.decomposition, normalised=True) for r in (a, b))
    left, _, right = decompose(x.T @ y)
    # unit rows, not those of x and y, in which the digits of a short row are lost
    rotated = (
        a.unit_rows @ a.decomposition.vt.T @ left,
        b.unit_rows @ b.decomposition.vt.T @ right.T,
    )
    cosines = np.einsum("ij,ij->i", *rotated)
    answered = a.unit_rows.any(axis=1) | b.unit_rows.any(axis=1)
    return float(np.clip(cosines[answered].mean(), -1.0, 1.0))


def _decomposition(representation: Representation, centred: bool) -> Decomposition:
    return representation.varying_decomposition if centred else representation.decomposition


def _coordinates(decomposition: Decomposition, normalised: bool) -> Matrix:
    """Return the representation in the basis of its right singular vectors, (n, r)."""
    s = decomposition.s
    scaled: Matrix = decomposition.u * (s / np.linalg.norm(s) if normalised else s)
    return scaled


def _nuclear_norm(matrix: Matrix) -> float:
    return float(np.linalg.svd(matrix, compute_uv=False).sum())


def _least_distance(x: Matrix, y: Matrix) -> float:
    """Return the least Frobenius norm of ``x Q - y`` over rotations Q of padded x and y."""
    cross = x.T @ y
    total = float((x**2).sum() + (y**2).sum())
    square = total - 2 * _nuclear_norm(cross)
    if square > _CANCELLED * total:
        return math.sqrt(square)
    # nearly equal: rotate, then subtract, so that equal ones are 0 up to rounding
    left, _, right = np.linalg.svd(cross)
    x, y = x @ left, y @ right.T
    shared = min(x.shape[1], y.shape[1])
    parts = x[:, :shared] - y[:, :shared], x[:, shared:], y[:, shared:]
    return math.hypot(*(float(np.linalg.norm(part)) for part in parts))


def _angle(chord: float) -> float:
    """Return the angle between two vectors of norm 1 that are this far apart."""
    return min(2 * math.asin(min(chord / 2, 1.0)), math.pi / 2)
