"""What the measures of a pair of representations have in common.

Many measures need no more of a pair than a product of two bases, or its singular values. What
is small of it is kept, so that the pair pays once for all of its measures.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from netkin.distance.representational import algebra
from netkin.distance.representational.representation import Matrix, Representation

Parts = TypeVar("Parts", bound=tuple[Any, ...])
CANCELLED = 1e-5
"""Share of the squared norms below which their difference has lost too many digits."""

_kept: "WeakKeyDictionary[Representation, WeakKeyDictionary[Representation, dict[Any, Any]]]"
_kept = WeakKeyDictionary()


def shared_by_pair(
    make: Callable[..., Parts], a: Representation, b: Representation, *options: Any
) -> Parts:
    """Return ``make(a, b, *options)``, computed once and kept while both exist.

    Parameters
    ----------
    make : callable
        A function of a module, not a lambda. It returns a tuple much smaller than a
        representation, for ``(b, a)`` the same in reverse: what belongs to `a`
        first, what belongs to `b` last, what belongs to both in the middle.
    """
    key = (make, *options)
    ours, theirs = (
        _kept.setdefault(x, WeakKeyDictionary()).setdefault(y, {}) for x, y in ((a, b), (b, a))
    )
    if key not in ours:
        ours[key] = theirs[key][::-1] if key in theirs else make(a, b, *options)
    parts: Parts = ours[key]
    return parts


def centred_product(a: Representation, b: Representation) -> tuple[float]:
    """Return ``|R^T R'|^2`` of centred R and R', for `shared_by_pair`."""
    return (squared_product(a.centred, b.centred, a.blocks()),)


def squared_cosines(a: Representation, b: Representation) -> tuple[Matrix, Matrix]:
    """Return the row and column sums of ``(U^T U')^2``, for `shared_by_pair`.

    U and U' are the left singular vectors of the centred columns that vary; the squares are those
    of the entries. (r,) and (r',).
    """
    squares = algebra.product(a.varying_decomposition.u.T, b.varying_decomposition.u) ** 2
    return squares.sum(axis=1), squares.sum(axis=0)


def squared_product(x: Matrix, y: Matrix, blocks: Iterable[slice]) -> float:
    """Return ``|x^T y|^2``, the inner product of ``x x^T`` and ``y y^T``.

    No matrix of rows by rows is made unless it is smaller than ``x^T y``, and then in blocks.
    """
    if x.shape[1] * y.shape[1] <= len(x) ** 2:
        product = algebra.product(x.T, y)
        return float(np.vdot(product, product))
    return float(
        sum(np.vdot(*(algebra.product(z[block], z.T) for z in (x, y))) for block in blocks)
    )


def squared_distance(squares: tuple[float, float], product: float) -> float | None:
    """Return ``|x|^2 + |y|^2 - 2 <x, y>``; None if too many digits cancel."""
    square = sum(squares) - 2 * product
    return square if square > CANCELLED * sum(squares) else None
