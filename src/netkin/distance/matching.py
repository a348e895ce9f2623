"""Distances by matching the points of two diagrams with each other or the diagonal.

The ground metric is L-infinity: two intervals are as far apart as the farther of their
births and deaths, an interval and the diagonal half its length. Classes of different
homology dimensions are never matched.

Diagrams of networks without skip connections lie on a line per dimension, and there both
distances are exact and quick at millions of distinct intervals; see `netkin.distance.line`. The
dimensions of other diagrams go to hera, as GUDHI ships it, for thousands of intervals.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from netkin.diagram.diagram import Diagram
from netkin.errors import NetkinError

if TYPE_CHECKING:
    from netkin.distance.line import OnLine

_RELATIVE_ERROR = 1e-9


def wasserstein(a: Diagram, b: Diagram) -> float:
    """1-Wasserstein distance: the least total cost of a matching.

    The sum over the homology dimensions, as that is the least cost of matching the whole
    diagrams. Cohen-Steiner et al. 2010.

    Parameters
    ----------
    a, b : Diagram
        Finite intervals, equally many dimensions; intervals of length 0 do not count.

    Returns
    -------
    float
        0 for equal diagrams. A dimension on a line is exact up to rounding. Any other is
        within 1e-9 times (its distance + the span of its values), in practice exact up to
        rounding, by the auction of Kerber et al. 2017.

    Raises
    ------
    NetkinError
        The diagrams have different numbers of dimensions, or infinite or NaN intervals.
    """
    from netkin.distance.line import exact_wasserstein_on_line, wasserstein_on_line

    ways = wasserstein_on_line, exact_wasserstein_on_line, _wasserstein_in_plane
    return sum(_distances(a, b, *ways), 0.0)


def bottleneck(a: Diagram, b: Diagram) -> float:
    """Bottleneck distance: the least largest cost of a matching.

    The maximum over the homology dimensions, as that is the largest cost of matching the
    whole diagrams. Cohen-Steiner et al. 2007.

    Parameters
    ----------
    a, b : Diagram
        Finite intervals, equally many dimensions; intervals of length 0 do not count.

    Returns
    -------
    float
        0 for equal diagrams. A dimension on a line is exact, any other is up to the
        rounding of its values, by the search of Kerber et al. 2017.

    Raises
    ------
    NetkinError
        The diagrams have different numbers of dimensions, or infinite or NaN intervals.
    """
    from netkin.distance.line import bottleneck_on_line, exact_bottleneck_on_line

    ways = bottleneck_on_line, exact_bottleneck_on_line, _bottleneck_in_plane
    return max(_distances(a, b, *ways), default=0.0)


def _distances(
    a: Diagram,
    b: Diagram,
    on_line: Callable[..., float],
    exactly: Callable[..., float],
    in_plane: Callable[..., float],
) -> Iterator[float]:
    """Yield the distance of each dimension, on the line if it lies on one.

    Without rounding, which is slow, where the lengths have lost what the points differ by.
    """
    from netkin.distance.line import MOST_LOST, exact_lengths, lengths_of_both

    if len(a.intervals) != len(b.intervals):
        raise NetkinError(
            f"diagrams of {len(a.intervals)} and {len(b.intervals)} homology dimensions "
            "cannot be compared; compute them with the same max_dimension."
        )
    for dimension, both in enumerate(zip(_lines(a), _lines(b), strict=True)):
        lengths = lengths_of_both(*both)
        if lengths is None:  # hera takes a point for each class
            x, y = (
                np.repeat(one.intervals[dimension], one.counts[dimension], axis=0) for one in (a, b)
            )
            yield in_plane(x, y)
            continue
        distance = on_line(*lengths)
        parts = [(one.intervals[dimension], one.counts[dimension]) for one in (a, b)]
        if sum(line.lost for line in both) > MOST_LOST * distance and not all(
            np.array_equal(x, y) for x, y in zip(*parts, strict=True)
        ):
            distance = exactly(*(part for one in parts for part in exact_lengths(*one)))
        yield distance


_known: "WeakKeyDictionary[Diagram, list[OnLine]]" = WeakKeyDictionary()
"""Diagram -> its dimensions on a line: each is compared with many others."""


def _lines(diagram: Diagram) -> "list[OnLine]":
    """Return the dimensions of a diagram on a line, checked and made once."""
    from netkin.distance.line import on_line

    if diagram not in _known:
        both = zip(diagram.intervals, diagram.counts, strict=True)
        _known[diagram] = [on_line(intervals, counts) for intervals, counts in both]
    return _known[diagram]


def _wasserstein_in_plane(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Return the 1-Wasserstein distance of intervals of shape (n, 2) and (m, 2)."""
    from gudhi.hera import wasserstein_distance

    x, y = _off_diagonal(x), _off_diagonal(y)
    if np.array_equal(x, y):
        return 0.0
    # The auction's error is relative, so it never ends where the distance is as small as a
    # rounding error. An interval that can only go to the diagonal, at the cost of `span`,
    # keeps what it computes away from 0.
    values = np.concatenate([x, y])
    span, end = float(np.ptp(values)), float(values.max())
    x = np.concatenate([x, [[end + 2 * span, end + 4 * span]]])
    found = wasserstein_distance(x, y, order=1.0, internal_p=np.inf, delta=_RELATIVE_ERROR)
    return max(float(found) - span, 0.0)


def _bottleneck_in_plane(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Return the bottleneck distance of intervals of shape (n, 2) and (m, 2)."""
    # not gudhi.bottleneck_distance: up to 3.13 it is too large for some diagrams
    # (gudhi-devel#1367)
    from gudhi.hera import bottleneck_distance

    return float(bottleneck_distance(_off_diagonal(x), _off_diagonal(y), delta=0.0))


def _off_diagonal(intervals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the intervals of positive length, sorted, so that equal diagrams are equal."""
    intervals = intervals[intervals[:, 0] < intervals[:, 1]]
    ordered: NDArray[np.float64] = intervals[np.lexsort(intervals.T)]
    return ordered
