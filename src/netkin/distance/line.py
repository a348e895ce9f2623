"""Exact matching distances of diagrams whose points lie on one line.

If all intervals of two diagrams are born together, or all die together, a point is its
length alone: two points of length x and y are |x - y| apart, a point and the diagonal
x / 2, in the L-infinity metric of the plane. Then both distances take O(n log n).
This module loads numba; import it where it is used.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba.core.caching import FunctionCache
from numpy.typing import NDArray

from netkin.errors import NetkinError
from netkin.finite import LARGEST, require_finite, require_intervals

Function = TypeVar("Function", bound=Callable[..., object])


class _Cache(FunctionCache):
    """Numba's cache of machine code, of which nothing is needed: what is damaged is not there."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call] # numba has no types
        except Exception:  # a pickle, of which a killed process or a full disk left a part
            with suppress(OSError):
                self.flush()  # type: ignore[no-untyped-call] # numba has no types
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(OSError):
            super().save_overload(sig, data)  # type: ignore[no-untyped-call] # numba has no types


def compiled(function: Function) -> Function:
    """Compile a function, and keep the machine code for the next process if possible."""
    dispatcher = numba.njit(function)
    with suppress(RuntimeError):  # neither the package nor the user's cache can be written
        dispatcher._cache = _Cache(function)  # type: ignore[no-untyped-call] # numba has no types
    return cast(Function, dispatcher)


def lengths_on_line(
    intervals_a: NDArray[np.float64], intervals_b: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the lengths of two diagrams of one dimension, if these make up the points.

    Parameters
    ----------
    intervals_a, intervals_b : float64 arrays of shape (k, 2)
        Finite births and deaths; k may differ and may be 0.

    Returns
    -------
    pair of float64 arrays of shape (k,), or None
        Lengths in ascending order, 0 for a point on the diagonal; None unless all births
        of both diagrams are equal or all their deaths are.
    """
    for intervals in (intervals_a, intervals_b):
        require_intervals(*intervals.T)
    for column in (0, 1):
        common = np.concatenate([intervals_a[:, column], intervals_b[:, column]])
        if (common == common[:1]).all():
            # files hold intervals sorted by birth, then death: the stable sort is linear
            # on what is sorted already, as lengths are once those of late births lead
            a, b = (
                np.sort((x[:, 1] - x[:, 0])[:: -1 if column else 1], kind="stable")
                for x in (intervals_a, intervals_b)
            )
            return a, b
    return None


def wasserstein_on_line(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """1-Wasserstein distance of two diagrams on a line.

    Parameters
    ----------
    a, b : contiguous float64 arrays of shape (n,) and (m,)
        Lengths, finite, at least 0, ascending.

    Returns
    -------
    float
        The least total cost of matching the points with each other or the diagonal; 0
        exactly if a equals b, and the same if a and b are swapped.

    Notes
    -----
    By Kantorovich duality the distance is the maximum of ``sum f(a) - sum f(b)`` over the
    functions with ``|f(x) - f(y)| <= |x - y|`` and ``|f(x)| <= x / 2``. Let V(y) be the
    maximum over the points up to length x, given f(x) = y: a concave function on
    ``[-x/2, x/2]`` with slopes that are integers, which is known by its maximum and by
    where its slope drops by one. On the way to the next length x + g,

    - the drops left of the maximum move by -g, those right of it by +g, since f may
      change by g; those that leave the domain of x + g do not count any more;
    - a point of `a` adds y: the maximum moves to the nearest drop r on its right, or to
      the end of the domain, grows by r, and r is now on its left. A point of `b` subtracts
      y, which is the mirror image.

    A drop is stored as v, standing for v - x on the left and for x - v on the right, so
    that it moves by itself; it has left the domain once v < x / 2. Both sides are stacks,
    nearest drop on top: all changes happen at the maximum, and if the top has left the
    domain so has the whole stack. Linear in time and memory.
    """
    _check_lengths(a, b)
    return _wasserstein_on_line(a, b)


@compiled
def _wasserstein_on_line(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Compute `wasserstein_on_line` of lengths that are known to be right."""
    n, m = len(a), len(b)
    drops = np.empty((2, max(n, m)))  # left of the maximum, right of it
    size = np.zeros(2, np.int64)
    total = lost = 0.0
    i = j = 0
    while i < n or j < m:
        if i < n and j < m and a[i] == b[j]:
            # adds and subtracts the same; left out, equal points cost 0 without rounding
            i += 1
            j += 1
            continue
        if j == m or (i < n and a[i] < b[j]):
            x = a[i]
            own, other = 0, 1
            i += 1
        else:
            x = b[j]
            own, other = 1, 0
            j += 1
        nearest = x / 2  # the end of the domain
        if size[other] > 0 and drops[other, size[other] - 1] > nearest:
            size[other] -= 1
            nearest = drops[other, size[other]]
        else:
            size[other] = 0
        gain = x - nearest
        drops[own, size[own]] = x + gain
        size[own] += 1
        # compensated sum (Neumaier 1974): millions of gains, of either sign
        new = total + gain
        lost += (total - new) + gain if abs(total) >= abs(gain) else (gain - new) + total
        total = new
    return max(total + lost, 0.0)


def bottleneck_on_line(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Bottleneck distance of two diagrams on a line.

    Parameters
    ----------
    a, b : float64 arrays of shape (n,) and (m,)
        Lengths, finite, at least 0, ascending.

    Returns
    -------
    float
        The least over all matchings of the largest cost in it: exactly one of the
        values |x - y| or x / 2, without rounding error of its own; 0 for two diagrams
        without points.

    Notes
    -----
    A distance eps suffices if a matching of points at most eps apart covers all points
    longer than 2 eps. It exists if those of `a` can be matched into `b` and those of `b`
    into `a`, each by itself (Mendelsohn and Dulmage 1958). Since this can only become true
    as eps grows, bisection finds where; floats >= 0 are ordered as their bits are, so at
    most 64 steps lead to the very number.
    """
    _check_lengths(a, b)
    longest = max(a.max(initial=0.0), b.max(initial=0.0))
    low, high = -1, int(np.float64(longest / 2).view(np.int64))
    while high - low > 1:
        middle = (low + high) // 2
        eps = float(np.int64(middle).view(np.float64))
        if _matched_within(a, b, eps) and _matched_within(b, a, eps):
            high = middle
        else:
            low = middle
    return float(np.int64(high).view(np.float64))


def _check_lengths(*lengths: NDArray[np.float64]) -> None:
    for part in lengths:
        require_finite(part, "lengths of intervals")
        if part.size and (part[0] < 0 or part[-1] > 2 * LARGEST or (part[1:] < part[:-1]).any()):
            raise NetkinError(
                f"lengths of intervals: allowed are numbers from 0 to {2 * LARGEST:g}, ascending."
            )


@compiled
def _matched_within(a: NDArray[np.float64], b: NDArray[np.float64], eps: float) -> bool:
    """Tell whether all x > 2 eps of `a` have partners of their own in `b`, eps apart.

    Both ascend and all reach equally far, so the first partner that is free is the best.
    """
    first = np.searchsorted(a, 2 * eps, side="right")
    if first == len(a):
        return True
    # often few points are that long: what is farther below them need not be walked through
    j = np.searchsorted(b, a[first] - np.nextafter(eps, np.inf))
    for i in range(first, len(a)):
        while j < len(b) and a[i] - b[j] > eps:
            j += 1
        if j == len(b) or b[j] - a[i] > eps:
            return False
        j += 1
    return True
