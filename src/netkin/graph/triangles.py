"""Whether a graph of blocks can have triangles, told by its groups and taps alone.

Three vertices that are joined pairwise make a closed walk of three blocks. Along each axis that
two points go through side by side a tap is a shift, and the three shifts of the walk, with their
signs, add up to 0. Where no walk has such taps there is no triangle (docs/mathematics.md).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netkin.graph.blocks import COUNT, SOURCE, SOURCE_STEP, TARGET, TARGET_STEP
from netkin.graph.reading import BlockEdges, Part

MOST_WALKS = 1 << 22
"""Walks of three taps that are looked at for three blocks; beyond, there may be a triangle."""

Ints = NDArray[np.int64]


def may_have_triangles(edges: BlockEdges) -> bool:
    """Tell whether three vertices may be joined pairwise.

    Where edges of value 0 stand for a contraction, they are subdivided, so that none is part of a
    triangle.

    Parameters
    ----------
    edges : BlockEdges

    Returns
    -------
    bool
        False: there is no triangle, whatever the weights are. True: there is one, or it cannot be
        told.
    """
    return next(triangle_walks(edges), None) is not None


def triangle_walks(edges: BlockEdges) -> Iterator[tuple[Part, Part, Part]]:
    """Yield the closed walks of three blocks in which triangles may lie."""
    steps: dict[tuple[int, int], list[_Step]] = {}
    neighbours: dict[int, set[int]] = {}
    for part in edges.parts:
        if edges.contracts and part.block.kind in ("identity", "product"):
            continue
        source, target = (int(edges.first[e]) for e in (part.block.source, part.block.target))
        step = _step(part)
        if source == target and step.stays:
            continue
        steps.setdefault((source, target), []).append(step)
        steps.setdefault((target, source), []).append(step.reversed())
        neighbours.setdefault(source, set()).add(target)
        neighbours.setdefault(target, set()).add(source)
    for a, around in neighbours.items():
        for b, c in combinations_with_replacement(sorted(around), 2):
            # each set of three groups once
            if b < a or c not in neighbours[b]:
                continue
            for one in steps[a, b]:
                for two in steps[b, c]:
                    for three in steps[c, a]:
                        if _can_close(one, two, three):
                            yield one.part, two.part, three.part


@dataclass(frozen=True, eq=False)
class _Step:
    """The taps of a block, in one direction.

    Attributes
    ----------
    part : Part
    start, end : (int, int)
        First and last channel at either end.
    shift : int, optional
        From the channel at the start to that at the end; None for one that can be any.
    taps : int64 array of shape (n_taps, n_axes, 4)
        First and last point at the start, the shift from there to the end, and whether it is one.
    """

    part: Part
    start: tuple[int, int]
    end: tuple[int, int]
    shift: int | None
    taps: Ints

    @property
    def stays(self) -> bool:
        """Whether it ends where it starts, if both ends are in one group: a loop is no side."""
        moves = (self.taps[:, :, 3] == 0) | (self.taps[:, :, 2] != 0)
        return self.shift == 0 and not moves.any()

    def reversed(self) -> "_Step":
        taps = self.taps.copy()
        taps[:, :, :2] += self.taps[:, :, 2:3]
        taps[:, :, 2] *= -1
        shift = None if self.shift is None else -self.shift
        return _Step(self.part, self.end, self.start, shift, taps)


def _step(part: Part) -> _Step:
    block = part.block
    taps = block.taps
    source, target, count = (taps[:, :, column] for column in (SOURCE, TARGET, COUNT))
    moves = taps[:, :, SOURCE_STEP]
    found = np.empty((*taps.shape[:2], 4), dtype=np.int64)
    last = source + moves * (count - 1)
    found[:, :, 0], found[:, :, 1] = np.minimum(source, last), np.maximum(source, last)
    found[:, :, 2] = target - source
    found[:, :, 3] = (count == 1) | (moves == taps[:, :, TARGET_STEP])
    start = block.source_channel, block.source_channel + block.n_in - 1
    end = block.target_channel, block.target_channel + block.n_out - 1
    is_depthwise = block.weight.shape[1] == 1 and block.groups == block.n_out
    return _Step(part, start, end, end[0] - start[0] if is_depthwise else None, found)


def _can_close(one: _Step, two: _Step, three: _Step) -> bool:
    """Tell whether a walk of three blocks can come back to the vertex where it started."""
    for before, after in ((one, two), (two, three), (three, one)):
        if before.end[1] < after.start[0] or after.start[1] < before.end[0]:
            return False
    shifts = [int(step.shift) for step in (one, two, three) if step.shift is not None]
    if len(shifts) == 3 and sum(shifts) != 0:
        return False
    n_axes = max(1, *(step.taps.shape[1] for step in (one, two, three)))
    a, b, c = (_distinct(step.taps, n_axes) for step in (one, two, three))
    if len(a) * len(b) * len(c) > MOST_WALKS:
        return True
    b, c = b[:, None], c[None, :]
    return any(_closes(tap, b, c).any() for tap in a)


def _distinct(taps: Ints, n_axes: int) -> Ints:
    """Return taps of so many axes, each once."""
    wide = np.zeros((len(taps), n_axes, 4), dtype=np.int64)
    wide[:, :, 3] = 1
    wide[:, : taps.shape[1]] = taps
    return np.unique(wide.reshape(len(taps), -1), axis=0).reshape(-1, n_axes, 4)


def _closes(a: Ints, b: Ints, c: Ints) -> NDArray[np.bool_]:
    """Tell of which of the taps b and c a walk that starts with the tap a comes back."""
    is_shift = (a[..., 3] & b[..., 3] & c[..., 3]) == 1
    back = a[..., 2] + b[..., 2] + c[..., 2] == 0
    # the points at the start from which each of the three can be taken
    after_one = a[..., 2]
    after_two = after_one + b[..., 2]
    low: Any = np.maximum(a[..., 0], b[..., 0] - after_one)
    low = np.maximum(low, c[..., 0] - after_two)
    high: Any = np.minimum(a[..., 1], b[..., 1] - after_one)
    high = np.minimum(high, c[..., 1] - after_two)
    closes: NDArray[np.bool_] = (~is_shift | (back & (low <= high))).all(axis=-1)
    return closes
