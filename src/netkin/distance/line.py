"""Exact matching distances of diagrams whose points lie on one line.

If all intervals of two diagrams are born together, or all die together, a point is its
length alone: two points of length x and y are |x - y| apart, a point and the diagonal
x / 2, in the L-infinity metric of the plane. Then both distances take O(n log n) for n
distinct lengths, however often each of them occurs.
This module loads numba; import it where it is used.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from netkin.compiled import compiled
from netkin.errors import NetkinError
from netkin.finite import LARGEST, require_finite, require_intervals

Function = TypeVar("Function", bound=Callable[..., object])
Lengths = NDArray[np.float64]
Counts = NDArray[np.int64]

MOST_LOST = 1e-9
"""Share of a distance up to which the rounding of lengths may change it."""


def lengths_on_line(
    intervals_a: NDArray[np.float64],
    counts_a: NDArray[np.int64],
    intervals_b: NDArray[np.float64],
    counts_b: NDArray[np.int64],
) -> tuple[Lengths, Counts, Lengths, Counts] | None:
    """Return the lengths of two diagrams of one dimension, if these make up the points.

    Parameters
    ----------
    intervals_a, intervals_b : float64 arrays of shape (k, 2)
        Finite births and deaths; k may differ and may be 0.
    counts_a, counts_b : int64 arrays of shape (k,)
        How often each of them occurs.

    Returns
    -------
    lengths_a, counts_a, lengths_b, counts_b : arrays of shape (k,), or None
        Lengths in ascending order, 0 for a point on the diagonal; None unless all births
        of both diagrams are equal or all their deaths are.
    """
    return lengths_of_both(on_line(intervals_a, counts_a), on_line(intervals_b, counts_b))


@dataclass(frozen=True, eq=False)
class OnLine:
    """The points of one diagram in one dimension, as far as they lie on a line.

    Attributes
    ----------
    birth, death : float or None
        What all births, or all deaths, are; None where they differ or there are none.
    lengths, counts : arrays of shape (k,)
        Lengths in ascending order, 0 for a point on the diagonal, and how often each occurs.
    lost : float
        What rounding took from the lengths, of all points together: of a length of 1e16 all but
        whole numbers. 0 where all are born at 0.
    """

    birth: float | None
    death: float | None
    lengths: Lengths
    counts: Counts
    lost: float


def on_line(intervals: NDArray[np.float64], counts: NDArray[np.int64]) -> OnLine:
    """Return the points of one diagram, checked; arguments as in `lengths_on_line`."""
    require_intervals(*intervals.T)
    birth, death = (_only(intervals[:, column]) for column in (0, 1))
    # sorted by birth, then death: lengths ascend once those of late births lead
    turn = slice(None, None, -1 if birth is None else 1)
    lengths = intervals[:, 1] - intervals[:, 0]
    lost = _rounding(intervals[:, 1], -intervals[:, 0], lengths)
    total = float(lost @ counts)
    return OnLine(birth, death, *_ascending(lengths[turn], counts[turn]), total)


def _rounding(x: Lengths, y: Lengths, total: Lengths) -> Lengths:
    """Return how far each sum is from x + y (Knuth's two-sum, which is exact)."""
    part = total - x
    off: Lengths = np.abs((x - (total - part)) + (y - part))
    return off


def _only(values: NDArray[np.float64]) -> float | None:
    """Return the number that all of these are; None if they differ, or there are none."""
    # where they differ, the first and the last mostly tell
    if not len(values) or values[0] != values[-1] or (values != values[0]).any():
        return None
    return float(values[0])


def lengths_of_both(a: OnLine, b: OnLine) -> tuple[Lengths, Counts, Lengths, Counts] | None:
    """Return what `lengths_on_line` does."""
    known = [one for one in (a, b) if len(one.lengths)]
    births, deaths = {one.birth for one in known}, {one.death for one in known}
    if (None not in births and len(births) < 2) or (None not in deaths and len(deaths) < 2):
        return a.lengths, a.counts, b.lengths, b.counts
    return None


def exact_lengths(
    intervals: NDArray[np.float64], counts: Counts
) -> tuple[list[Fraction], list[int]]:
    """Return the lengths of intervals without rounding, ascending, and how often each occurs."""
    found: dict[Fraction, int] = {}
    for (birth, death), count in zip(intervals.tolist(), counts.tolist(), strict=True):
        length = Fraction(death) - Fraction(birth)
        found[length] = found.get(length, 0) + count
    return sorted(found), [found[length] for length in sorted(found)]


def _ascending(lengths: Lengths, counts: Counts) -> tuple[Lengths, Counts]:
    if (lengths[1:] >= lengths[:-1]).all():
        return np.ascontiguousarray(lengths), np.ascontiguousarray(counts)
    order = np.argsort(lengths, kind="stable")
    return lengths[order], counts[order]


def wasserstein_on_line(a: Lengths, counts_a: Counts, b: Lengths, counts_b: Counts) -> float:
    """1-Wasserstein distance of two diagrams on a line.

    Parameters
    ----------
    a, b : contiguous float64 arrays of shape (n,) and (m,)
        Lengths, finite, at least 0, ascending.
    counts_a, counts_b : contiguous int64 arrays of shape (n,) and (m,)
        How often each of them occurs, at least 1.

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
    domain so has the whole stack.

    Drops at one place are one entry with a number, and a length that occurs often takes
    entry after entry. Each step but the last uses up an entry, and the last one splits one or
    makes a new one. So at most n + m entries stand at a time; and as each step takes at least
    one point, there are never more steps than points, and usually a few for each length.
    """
    _check_lengths(a, counts_a)
    _check_lengths(b, counts_b)
    drops, numbers = np.empty(len(a) + len(b)), np.empty(len(a) + len(b), np.int64)
    return _wasserstein_on_line(a, counts_a, b, counts_b, drops, numbers, 0.0)


def exact_wasserstein_on_line(
    a: list[Fraction], counts_a: list[int], b: list[Fraction], counts_b: list[int]
) -> float:
    """Return what `wasserstein_on_line` does of `exact_lengths`, rounded once, at the end."""
    drops, numbers = (np.empty(len(a) + len(b), object) for _ in range(2))
    # what is compiled is plain Python, too
    plain: Any = getattr(_wasserstein_on_line, "py_func", _wasserstein_on_line)
    return float(plain(a, counts_a, b, counts_b, drops, numbers, Fraction(0)))


@compiled
def _wasserstein_on_line(
    a: Lengths,
    counts_a: Counts,
    b: Lengths,
    counts_b: Counts,
    drops: NDArray[np.float64],
    numbers: Counts,
    zero: float,
) -> float:
    """Compute `wasserstein_on_line` of lengths that are known to be right.

    `drops` and `numbers` are room for as many entries as there are lengths, `zero` is that of
    their type.
    """
    n, m = len(a), len(b)
    # drops left of the maximum and right of it: stacks that grow towards each other
    size = np.zeros(2, np.int64)
    bottom, step = (0, n + m - 1), (1, -1)
    total = lost = zero
    i = j = 0
    left_a = counts_a[0] if n else np.int64(0)
    left_b = counts_b[0] if m else np.int64(0)
    while i < n or j < m:
        if i < n and j < m and a[i] == b[j]:
            # adds and subtracts the same; left out, equal points cost 0 without rounding
            both = min(left_a, left_b)
            left_a -= both
            left_b -= both
            left = np.int64(0)
            x = a[i]
            own, other = 0, 1
        elif j == m or (i < n and a[i] < b[j]):
            x = a[i]
            left, left_a = left_a, np.int64(0)
            own, other = 0, 1
        else:
            x = b[j]
            left, left_b = left_b, np.int64(0)
            own, other = 1, 0
        while left > 0:
            used = left
            nearest = x / 2  # the end of the domain
            top = bottom[other] + step[other] * (size[other] - 1)
            if size[other] > 0 and drops[top] > nearest:
                nearest = drops[top]
                used = min(left, numbers[top])
                numbers[top] -= used
                if numbers[top] == 0:
                    size[other] -= 1
            else:
                size[other] = 0
            left -= used
            gain = x - nearest
            top = bottom[own] + step[own] * size[own]
            drops[top] = x + gain
            numbers[top] = used
            size[own] += 1
            # compensated sum (Neumaier 1974): millions of gains, of either sign
            gain *= used
            new = total + gain
            lost += (total - new) + gain if abs(total) >= abs(gain) else (gain - new) + total
            total = new
        if i < n and left_a == 0:
            i += 1
            if i < n:
                left_a = counts_a[i]
        if j < m and left_b == 0:
            j += 1
            if j < m:
                left_b = counts_b[j]
    return max(total + lost, zero)


def bottleneck_on_line(a: Lengths, counts_a: Counts, b: Lengths, counts_b: Counts) -> float:
    """Bottleneck distance of two diagrams on a line.

    Parameters
    ----------
    a, b : float64 arrays of shape (n,) and (m,)
        Lengths, finite, at least 0, ascending.
    counts_a, counts_b : int64 arrays of shape (n,) and (m,)
        How often each of them occurs, at least 1.

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
    most 64 steps lead to the very number, each linear in n + m.
    """
    _check_lengths(a, counts_a)
    _check_lengths(b, counts_b)
    longest = max(a.max(initial=0.0), b.max(initial=0.0))
    low, high = -1, int(np.float64(longest / 2).view(np.int64))
    while high - low > 1:
        middle = (low + high) // 2
        eps = float(np.int64(middle).view(np.float64))
        if _matched_within(a, counts_a, b, counts_b, eps) and _matched_within(
            b, counts_b, a, counts_a, eps
        ):
            high = middle
        else:
            low = middle
    return float(np.int64(high).view(np.float64))


def exact_bottleneck_on_line(
    a: list[Fraction], counts_a: list[int], b: list[Fraction], counts_b: list[int]
) -> float:
    """Return what `bottleneck_on_line` does of `exact_lengths`: the least float that suffices."""
    longest = float(max([*a, *b], default=Fraction(0)) / 2)
    low, high = -1, int(np.nextafter(longest, np.inf).view(np.int64))
    while high - low > 1:
        middle = (low + high) // 2
        eps = Fraction(float(np.int64(middle).view(np.float64)))
        if _exactly_within(a, counts_a, b, counts_b, eps) and _exactly_within(
            b, counts_b, a, counts_a, eps
        ):
            high = middle
        else:
            low = middle
    return float(np.int64(high).view(np.float64))


def _exactly_within(
    a: list[Fraction], counts_a: list[int], b: list[Fraction], counts_b: list[int], eps: Fraction
) -> bool:
    """Tell what `_matched_within` does."""
    j, free = 0, counts_b[0] if b else 0
    for length, count in zip(a, counts_a, strict=True):
        alone = count if length > 2 * eps else 0
        while alone > 0:
            while j < len(b) and (free == 0 or length - b[j] > eps):
                j += 1
                free = counts_b[j] if j < len(b) else 0
            if j == len(b) or b[j] - length > eps:
                return False
            paired = min(alone, free)
            alone -= paired
            free -= paired
    return True


def _check_lengths(lengths: Lengths, counts: Counts) -> None:
    require_finite(lengths, "lengths of intervals")
    if lengths.size and (
        lengths[0] < 0 or lengths[-1] > 2 * LARGEST or (lengths[1:] < lengths[:-1]).any()
    ):
        raise NetkinError(
            f"lengths of intervals: allowed are numbers from 0 to {2 * LARGEST:g}, ascending."
        )
    if counts.shape != lengths.shape or counts.min(initial=1) < 1:
        raise NetkinError("counts of lengths: each length has one, of at least 1.")


@compiled
def _matched_within(a: Lengths, counts_a: Counts, b: Lengths, counts_b: Counts, eps: float) -> bool:
    """Tell whether all x > 2 eps of `a` have partners of their own in `b`, eps apart.

    Both ascend and all reach equally far, so the first partner that is free is the best.
    """
    first = np.searchsorted(a, 2 * eps, side="right")
    if first == len(a):
        return True
    # often few points are that long: what is farther below them need not be walked through
    j = np.searchsorted(b, a[first] - np.nextafter(eps, np.inf))
    free = counts_b[j] if j < len(b) else 0
    for i in range(first, len(a)):
        alone = counts_a[i]
        while alone > 0:
            while j < len(b) and (free == 0 or a[i] - b[j] > eps):
                j += 1
                free = counts_b[j] if j < len(b) else 0
            if j == len(b) or b[j] - a[i] > eps:
                return False
            paired = min(alone, free)
            alone -= paired
            free -= paired
    return True
