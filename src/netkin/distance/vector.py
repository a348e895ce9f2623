"""Distances of vectorised diagrams: of two, and of all pairs at once."""

import math
from collections.abc import Iterable, Sequence
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from netkin.distance.matrix import CLOSE
from netkin.errors import NetkinError
from netkin.finite import require_finite
from netkin.options import OR_INF, checked
from netkin.vector.vector import Vector


@checked
def vector_distance(
    a: Vector, b: Vector, *, p: Annotated[float, Ge(1), Le(100), OR_INF] = 2.0
) -> float:
    """L^p distance of two vectors on the same sampling.

    Per homology dimension the p-norm of the difference times ``step ** (axes / p)``, an
    approximation of the integral norm; then the 2-norm over the dimensions.

    Parameters
    ----------
    a, b : Vector
        Made by the same vectoriser on the same sampling.
    p : float
        Exponent of the norm, ``inf`` for the largest difference.

    Raises
    ------
    NetkinError
        The vectors differ in kind, sampling, dimensions or shape, or hold NaN or infinity.
    """
    _check_alike(a, b)
    return combine_dimensions(
        lp_distance(x, y, step=a.sampling.step, axes=a.axes, p=p)
        for x, y in zip(a.arrays, b.arrays, strict=True)
    )


def vector_distances(
    a: Sequence[Vector],
    b: Sequence[Vector],
    *,
    p: Annotated[float, Ge(1), Le(100), OR_INF] = 2.0,
) -> tuple[NDArray[np.float64], None]:
    """Return `vector_distance` of all pairs, with a relative error of at most 1e-9.

    For p = 2 of one matrix product, ``|x - y|^2 = |x|^2 + |y|^2 - 2 x.y``, after the mean was
    subtracted, which no distance sees. Where that would lose too many digits, as for a network
    and its copy, and for any other p, differences are taken: equal vectors are at 0.

    Parameters
    ----------
    a, b : sequence of Vector
        Of shape (n,) and (m,), not empty, all made by the same vectoriser on the same sampling;
        `b` may be `a` itself.
    p : float
        As for `vector_distance`.

    Returns
    -------
    float64 array of shape (n, m)
        Symmetric, bit by bit, if `b` is `a`.
    None
        No pair is undefined.

    Raises
    ------
    NetkinError
        As `vector_distance`.
    """
    first = a[0]
    for one in (*a, *(() if b is a else b)):
        _check_alike(first, one)
    step, axes = first.sampling.step, first.axes
    if p == 2:
        return _by_product(a, b) * step ** (axes / 2), None
    from netkin.distance.differences import norms_of_differences  # numba takes its time

    total = np.zeros((len(a), len(b)))
    for dimension in range(len(first.arrays)):
        if not any(one.arrays[dimension].any() for one in (*a, *b)):
            continue
        x, y, scale = _side_by_side(a, b, [dimension])
        with np.errstate(over="ignore"):  # infinite then, which whoever asks refuses
            distances = norms_of_differences(x, y, p) * scale * step ** (axes / p)
        total = np.hypot(total, distances)
    return total, None


ROWS = 128
"""Rows of a matrix that are made at once, few enough to stay in the cache."""


def _check_alike(a: Vector, b: Vector) -> None:
    """Raise `NetkinError` unless two vectors may be subtracted."""
    for what, of_a, of_b in (
        ("kind", a.kind, b.kind),
        ("sampling", a.sampling, b.sampling),
        ("shapes", [part.shape for part in a.arrays], [part.shape for part in b.arrays]),
    ):
        if of_a != of_b:
            raise NetkinError(
                f"two vectors differ in {what}, {of_a} and {of_b}; compute them with the same "
                "settings."
            )


def _side_by_side(
    a: Sequence[Vector], b: Sequence[Vector], dimensions: Sequence[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return the arrays of these dimensions as rows, and the power of two in whose units they are.

    The second is the first if `b` is `a`.
    """
    sizes = [a[0].arrays[dimension].size for dimension in dimensions]
    ends = np.cumsum([0, *sizes])
    found = []
    for vectors in (a,) if b is a else (a, b):
        rows = np.empty((len(vectors), ends[-1]))
        for row, vector in zip(rows, vectors, strict=True):
            for dimension, start, end in zip(dimensions, ends, ends[1:], strict=False):
                row[start:end] = vector.arrays[dimension].ravel()
        require_finite(rows, "arrays of a vector")
        found.append(rows)
    largest = max(max(-rows.min(initial=0), rows.max(initial=0)) for rows in found)
    scale = 1.0
    if not 1e-100 < largest < 1e100:  # squares would leave the range of floats
        scale = float(np.ldexp(1.0, np.frexp(largest)[1] - 1))
        for rows in found:
            rows /= scale
    return found[0], found[-1], scale


def _by_product(a: Sequence[Vector], b: Sequence[Vector]) -> NDArray[np.float64]:
    """Return the Euclidean distances of all arrays of each pair together."""
    # of dimensions in which nobody has anything nothing is to be multiplied
    dimensions = [
        dimension
        for dimension in range(len(a[0].arrays))
        if any(vector.arrays[dimension].any() for vector in (*a, *b))
    ]
    found = np.zeros((len(a), len(b)))
    x, y, scale = _side_by_side(a, b, dimensions)
    centre = x.mean(axis=0)  # what all have in common takes no digits then
    x -= centre
    if y is not x:
        y -= centre
    of_x = np.einsum("ij,ij->i", x, x)
    of_y = of_x if y is x else np.einsum("ij,ij->i", y, y)
    for start in range(0, len(a), ROWS):
        rows = slice(start, start + ROWS)
        columns = slice(start if y is x else 0, len(b))
        both = of_x[rows, None] + of_y[columns]
        squares = x[rows] @ y[columns].T
        squares *= -2
        squares += both
        both *= CLOSE
        close = np.argwhere(squares <= both)
        np.maximum(squares, 0, out=squares)
        np.sqrt(squares, out=squares)
        squares *= scale
        for i in np.unique(close[:, 0]).tolist():
            near = close[close[:, 0] == i, 1]
            if y is x:
                near = near[near >= i]
            others = [b[j] for j in (near + columns.start).tolist()]
            squares[i, near] = _of_differences(a[start + i], others)
        found[rows, columns] = squares
        if y is x:
            # what was computed twice may have been rounded differently
            own = np.triu(found[rows, rows], 1)
            found[rows, rows] = own + own.T
            found[rows.stop :, rows] = squares[:, ROWS:].T
    return found


def _of_differences(one: Vector, others: Sequence[Vector]) -> NDArray[np.float64]:
    """Return the Euclidean distances of a vector from others, from their differences."""
    found = np.zeros(len(others))
    for start in range(0, len(others), ROWS):
        part = others[start : start + ROWS]
        parts = [
            [
                np.subtract(array, own).ravel()
                for array, own in zip(each.arrays, one.arrays, strict=True)
            ]
            for each in part
        ]
        rows = np.stack([np.concatenate(each) for each in parts])
        require_finite(rows, "differences of arrays of a vector")
        # a power of two rounds nothing, and keeps squares in the range of floats
        scale = np.ldexp(1.0, np.frexp(np.abs(rows).max(axis=1))[1] - 1)
        rows /= scale[:, None]
        found[start : start + ROWS] = np.sqrt(np.einsum("ij,ij->i", rows, rows)) * scale
    return found


def lp_distance(
    x: NDArray[np.float64], y: NDArray[np.float64], *, step: float, axes: int, p: float
) -> float:
    """Return the p-norm of x - y, flattened, times ``step ** (axes / p)``; of finite x and y."""
    for array in (x, y):
        require_finite(array, "arrays of a vector")
    with np.errstate(over="ignore"):
        difference = (x - y).ravel()
    require_finite(difference, "differences of arrays of a vector")
    # a power of two rounds nothing, and keeps high powers in the range of floats
    scale = np.ldexp(1.0, np.frexp(np.abs(difference).max(initial=0.0))[1] - 1)
    with np.errstate(over="ignore"):  # infinite then, which whoever asks refuses
        return float(np.linalg.norm(difference / scale, ord=p) * scale * step ** (axes / p))


def combine_dimensions(distances: Iterable[float]) -> float:
    """Return the 2-norm of the distances of the homology dimensions."""
    return math.hypot(*distances)
