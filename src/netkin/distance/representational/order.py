"""Ranks and medians of more values than memory holds.

A matrix of rows by rows of many rows is made block by block, several times over, and never
kept. What its entries look like in order is learnt from counts in fine groups.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netkin.distance.representational.representation import Matrix
from netkin.finite import require_finite

Parts = Callable[[], Iterator[Matrix]]
"""Makes all values anew, in flat parts, the same ones at every call."""


class Groups(NamedTuple):
    """Values in order, each group holding neighbours.

    Attributes
    ----------
    edges : (g,)
        Ascending. Group i holds the values above edge i - 1 up to edge i, the last group
        those above all edges.
    counts : (g + 1,)
        Values in each group.
    """

    edges: Matrix
    counts: NDArray[np.intp]

    def ranks(self) -> Matrix:
        """Return the mean rank of the values of each group, (g + 1,); ranks start at 1."""
        ranks: Matrix = np.cumsum(self.counts) - (self.counts - 1) / 2
        return ranks

    def median(self) -> float:
        """Return the median, of an even number of values the mean of the middle two."""
        before = np.cumsum(self.counts)
        middle = np.array([(before[-1] + 1) // 2, before[-1] // 2 + 1])
        return float(self.edges[np.searchsorted(before, middle)].mean())


def group(parts: Parts, n_values: int, most: int, tied: float = 0.0) -> Groups:
    """Return the values in groups, one for each distinct value if they are not too many.

    Of more than `most` values every so many makes an edge, so that a group holds about a share
    of ``1 / most``; equal values always share one, and those up to `tied` apart.
    """
    step = -(-n_values // most)
    # a copy, as a view would hold on to the whole part
    edges = np.unique(np.concatenate([part[::step].copy() for part in parts()]))
    edges = edges[np.diff(edges, append=np.inf) > tied]
    counts = np.zeros(len(edges) + 1, dtype=np.intp)
    for part in parts():
        require_finite(part, "values to be ordered")
        up_to_edges = np.searchsorted(np.sort(part), edges, side="right")
        counts += np.diff(up_to_edges, prepend=0, append=len(part))
    return Groups(edges, counts)
