"""Finds channels, points and regular distances in arrays of units, for `netkin.graph.builder`.

Functions of arrays alone: which channels of a group stand in an array of units (`runs`), which
taps join the points of two arrays (`taps_of`), where a window lies (`window`).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Units = NDArray[np.int64]
Taps = NDArray[np.int64]

NOTHING = -1
"""In an array of units: a 0 that comes from no unit, as of padding."""
MOST_TAPS = 1 << 20
"""Taps of a block, at most; more means that no regular distances were found."""


# --- which channels -------------------------------------------------------------------------


@dataclass
class Run:
    """Channels of a value that lie in one group, all at the same points."""

    group: int
    index: NDArray[np.int64]
    channel: NDArray[np.int64]
    points: Units


def runs(units: Units, first: Units, points: Units) -> Iterator[list[Run]]:
    """Yield channels by group; those at several sets of points of one group together.

    Each list holds runs of the same channels, in one order that goes up by one.

    Parameters
    ----------
    units : int64 array of shape (n_channels, *shape)
    first : int64 array of shape (n_groups + 1,)
        The first unit of each group, and how many there are.
    points : int64 array of shape (n_groups,)
        Of the grid of each group.
    """
    flat = units.reshape(len(units), -1)
    if flat.size and flat[0, 0] >= 0:
        # the usual case, channels in their order with all points, is faster
        group = int(np.searchsorted(first, flat[0, 0], side="right")) - 1
        start, before = divmod(int(flat[0, 0] - first[group]), int(points[group]))
        whole = before == 0 and flat.shape[1] == points[group]
        if whole and flat[-1, -1] < first[group + 1] and counts_up(flat):
            every = np.arange(len(flat))
            shape = units.shape[1:]
            yield [Run(group, every, start + every, np.arange(flat.shape[1]).reshape(shape))]
            return
    if flat.size and (flat[:, 0] < 0).any():
        kept = (flat >= 0).any(axis=1)
        rows = np.flatnonzero(kept)
    else:
        rows = np.arange(len(flat))
    probe = np.where(flat[rows] >= 0, flat[rows], -1).max(axis=1) if len(rows) else rows
    owner = np.searchsorted(first, probe, side="right") - 1
    for place in dict.fromkeys(owner.tolist()):
        mine = rows[owner == place]
        local = np.where(flat[mine] >= 0, flat[mine] - first[place], -1)
        if (local >= (first[place + 1] - first[place])).any() or (
            (local < 0) & (flat[mine] >= 0)
        ).any():
            yield from _mixed(flat, mine, units.shape[1:], first, points)
            continue
        channel = np.where(local >= 0, local // points[place], -1)
        known = channel.max(axis=1)
        if ((channel != known[:, None]) & (channel >= 0)).any():
            yield from _mixed(flat, mine, units.shape[1:], first, points)
            continue
        point = np.where(local >= 0, local % points[place], -1)
        if (point == point[:1]).all():
            kinds = [np.arange(len(mine))]
        else:
            _, label = np.unique(point, axis=0, return_inverse=True)
            label = label.ravel()
            order = np.argsort(label, kind="stable")
            cuts = np.flatnonzero(np.diff(label[order])) + 1
            kinds = np.split(order, cuts)
            kinds.sort(key=lambda kind: int(kind[0]))
        found: dict[tuple[int, int], list[Run]] = {}
        for kind in kinds:
            kind = kind[np.argsort(known[kind], kind="stable")]
            steps = np.flatnonzero(np.diff(known[kind]) != 1) + 1
            for piece in np.split(kind, steps):
                key = int(known[piece[0]]), len(piece)
                found.setdefault(key, []).append(
                    Run(
                        place,
                        mine[piece],
                        known[piece],
                        point[piece[0]].reshape(units.shape[1:]),
                    )
                )
        yield from found.values()


def _mixed(
    flat: Units, rows: Units, shape: tuple[int, ...], first: Units, points: Units
) -> Iterator[list[Run]]:
    """Yield runs of channels that lie in several groups, or channels, at different points."""
    for row in rows:
        real = flat[row] >= 0
        owner = np.where(real, np.searchsorted(first, flat[row], side="right") - 1, -1)
        for place in np.unique(owner[owner >= 0]):
            local = flat[row] - first[place]
            channel = np.where(owner == place, local // points[place], -1)
            for one in np.unique(channel[channel >= 0]):
                point = np.where(channel == one, local % points[place], NOTHING)
                yield [
                    Run(
                        int(place),
                        np.array([row]),
                        np.array([one]),
                        point.reshape(shape),
                    )
                ]


def split_groups(run: Run, n_out: int, per: int, groups: int) -> Iterator[tuple[slice, slice, int]]:
    """Yield which channels of a run go to which channels of the target, and in how many groups."""
    if groups == 1:
        yield slice(None), slice(0, n_out), 1
        return
    out = n_out // groups
    index = run.index
    whole = len(index) % per == 0 and index[0] % per == 0
    if whole and np.array_equal(index, np.arange(index[0], index[0] + len(index))):
        begin, count = int(index[0]) // per, len(index) // per
        yield slice(None), slice(begin * out, (begin + count) * out), count
        return
    # channels in another order: piece by piece, each within one group
    own = index // per
    cuts = np.flatnonzero(np.diff(own)) + 1
    for low, high in zip([0, *cuts], [*cuts, len(index)], strict=True):
        group = int(own[low])
        yield slice(int(low), int(high)), slice(group * out, (group + 1) * out), 1


class Pairs(NamedTuple):
    """Pairs of units whose channels go up by one together, at the same points.

    Attributes
    ----------
    source_channel, target_channel : int
        The first ones.
    source_point, target_point : int64 array of shape (n_points,)
        Sorted by the point of the target.
    weight : float64 array of shape (n_channels, n_points)
    """

    source_channel: int
    target_channel: int
    source_point: Units
    target_point: Units
    weight: NDArray[np.float64]


def alike(
    source: tuple[Units, Units], target: tuple[Units, Units], weight: NDArray[np.float64]
) -> Iterator[Pairs]:
    """Yield pairs of units whose channels have the same points together.

    Parameters
    ----------
    source, target : pair of int64 arrays of shape (n_pairs,)
        Channel and point.
    weight : float64 array of shape (n_pairs,)
    """
    order = np.lexsort((source[1], target[1], source[0], target[0]))
    (giving, given_at), (taking, taken_at) = (
        (channel[order], point[order]) for channel, point in (source, target)
    )
    weight = weight[order]
    changes = (np.diff(giving, prepend=-1) != 0) | (np.diff(taking, prepend=-1) != 0)
    starts = np.flatnonzero(changes)
    ends = np.append(starts[1:], len(giving))
    goes_on = np.ones(len(starts), dtype=bool)
    goes_on[0] = False
    for channels in (taking, giving):
        goes_on[1:] &= np.diff(channels[starts]) == 1
    for points in (given_at, taken_at):
        goes_on[1:] &= as_before(points, starts, ends)
    begins = np.append(np.flatnonzero(~goes_on), len(starts))
    for begin, stop in pairwise(begins.tolist()):
        size = ends[begin] - starts[begin]
        one = slice(starts[begin], ends[begin])
        yield Pairs(
            int(giving[starts[begin]]),
            int(taking[starts[begin]]),
            given_at[one],
            taken_at[one],
            weight[starts[begin] : ends[stop - 1]].reshape(stop - begin, size),
        )


# --- which points ---------------------------------------------------------------------------


def taps_of(
    source: Units,
    source_grid: tuple[int, ...],
    target: Units,
    target_grid: tuple[int, ...],
) -> list[Taps] | None:
    """Return taps that join points of two grids one to one, at the same place of two arrays.

    Each has the shape (n_axes, 5) of one of `netkin.graph.blocks.Block.taps`. None where there
    would be more than `MOST_TAPS`.
    """
    if source.size == 0:
        return []
    if (source < 0).any():
        places: Iterable[Any] = boxes(source >= 0)
    else:
        found = decoded(source, source_grid, target, target_grid)
        if found is not None:
            return [found]
        if source.size > MOST_TAPS:
            return None
        # taken apart along the axis where that makes the fewest pieces
        coordinates = [
            each
            for points, grid in ((source, source_grid), (target, target_grid))
            if grid
            for each in np.unravel_index(points, grid)
        ]
        cuts = {axis: _cuts(coordinates, axis) for axis, n in enumerate(source.shape) if n > 1}
        axis = min(cuts, key=lambda k: (len(cuts[k]) == 2, len(cuts[k]), source.shape[k]))
        bounds = pairwise(cuts[axis] if len(cuts[axis]) > 2 else range(source.shape[axis] + 1))
        places = ((*[slice(None)] * axis, slice(low, high)) for low, high in bounds)
    parts = (taps_of(source[at], source_grid, target[at], target_grid) for at in places)
    return _all_of(parts)


def _cuts(points: Sequence[Units], axis: int) -> list[int]:
    """Return where the steps of coordinates along an axis change, 0 and its length too."""
    steps = [np.diff(np.moveaxis(each, axis, 0), axis=0) for each in points]
    size = points[0].shape[axis]
    same = np.ones(size - 2, dtype=bool)
    for step in steps:
        same &= (step[1:] == step[:-1]).all(axis=tuple(range(1, step.ndim)))
    found = [0]
    while found[-1] < size:
        # two places can always be taken together, more of them if the step stays
        ends = np.flatnonzero(~same[found[-1] :])
        found.append(min(size, found[-1] + int(ends[0]) + 2 if ends.size else size))
    return found


def _all_of(parts: Iterable[list[Taps] | None]) -> list[Taps] | None:
    """Return all taps, None as soon as a part has none."""
    found: list[Taps] = []
    for part in parts:
        if part is None:
            return None
        found += part
    return found


def taps_of_points(
    source: Units,
    source_grid: tuple[int, ...],
    target: Units,
    target_grid: tuple[int, ...],
) -> list[Taps] | None:
    """Return taps of pairs of points, which are sorted by the point of the target."""
    coordinates = np.unravel_index(target, target_grid) if target_grid else ()
    kinds = [np.unique(each, return_inverse=True) for each in coordinates]
    shape = tuple(len(values) for values, _ in kinds)
    if prod(shape) == len(target):
        # a box of points
        places = [index for _, index in kinds]
        box = np.ravel_multi_index(places, shape) if shape else np.zeros(1, dtype=np.int64)
        if len(np.unique(box)) == len(box):
            order = np.argsort(box)
            return taps_of(
                source[order].reshape(shape),
                source_grid,
                target[order].reshape(shape),
                target_grid,
            )
    return taps_of(source, source_grid, target, target_grid)


def together(taps: Sequence[Taps]) -> NDArray[np.int64]:
    """Return taps as one array (n_taps, n_axes, 5); those of fewer axes have the one point 0."""
    found = np.zeros((len(taps), max(len(tap) for tap in taps), 5), dtype=np.int64)
    found[:, :, 4] = 1
    for k, tap in enumerate(taps):
        found[k, : len(tap)] = tap
    return found


def decoded(
    source: Units, source_grid: tuple[int, ...], target: Units, target_grid: tuple[int, ...]
) -> NDArray[np.int64] | None:
    """Return the one tap that joins two arrays of points, (n_axes, 5), or None if it is none."""
    begin, end = affine(source, source_grid), affine(target, target_grid)
    if begin is None or end is None:
        return None
    ends = (begin, end)
    loops = [axis for axis, size in enumerate(source.shape) if size > 1]
    n_axes = max(len(source_grid), len(target_grid))
    tap = np.zeros((n_axes, 5), dtype=np.int64)
    tap[:, 4] = 1
    for column, (start, _) in zip((0, 2), ends, strict=True):
        tap[: len(start), column] = start
    taken: set[int] = set()
    extra = []
    for loop in loops:
        moves = [[axis for axis in range(len(start)) if steps[axis][loop]] for start, steps in ends]
        if any(len(each) > 1 for each in moves):
            return None
        axes = {axis for each in moves for axis in each}
        if len(axes) > 1:
            return None
        if not axes:
            extra.append(source.shape[loop])
            continue
        axis = axes.pop()
        if axis in taken:
            return None
        taken.add(axis)
        for column, (start, steps) in zip((1, 3), ends, strict=True):
            if axis < len(start):
                tap[axis, column] = steps[axis][loop]
        tap[axis, 4] = source.shape[loop]
    if extra:
        tail = np.zeros((1, 5), dtype=np.int64)
        tail[0, 4] = prod(extra)
        tap = np.concatenate([tap, tail])
    return tap


def affine(points: Units, grid: tuple[int, ...]) -> tuple[list[int], list[list[int]]] | None:
    """Return where points of a grid start, and how they move along each axis of the array."""
    if not grid:
        return [], []
    coordinates = np.unravel_index(points, grid)
    starts, steps = [], []
    for each in coordinates:
        start = int(each.flat[0])
        moves = []
        expected = np.full(points.shape, start)
        for axis, size in enumerate(points.shape):
            move = 0
            if size > 1:
                at = [0] * points.ndim
                at[axis] = 1
                move = int(each[tuple(at)]) - start
                shape = [-1 if k == axis else 1 for k in range(points.ndim)]
                expected = expected + move * np.arange(size).reshape(shape)
            moves.append(move)
        if not np.array_equal(expected, each):
            return None
        starts.append(start)
        steps.append(moves)
    return starts, steps


def boxes(wanted: NDArray[np.bool_]) -> Iterator[tuple[slice, ...]]:
    """Yield boxes that hold all wanted places and no others."""
    if wanted.all():
        yield tuple(slice(None) for _ in wanted.shape)
        return
    if not wanted.any():
        return
    bounds = []
    for axis in range(wanted.ndim):
        other = tuple(k for k in range(wanted.ndim) if k != axis)
        line = np.flatnonzero(wanted.any(axis=other))
        bounds.append(slice(int(line[0]), int(line[-1]) + 1))
    inside = wanted[tuple(bounds)]
    if inside.all():
        yield tuple(bounds)
        return
    # by the lines of the first axis, equal ones that follow one another together
    first = bounds[0].start
    flat = inside.reshape(len(inside), -1)
    if inside.ndim == 1:
        edges = np.flatnonzero(np.diff(inside.astype(np.int8), prepend=0, append=0))
        for low, high in zip(edges[::2], edges[1::2], strict=True):
            yield (slice(first + int(low), first + int(high)),)
        return
    cuts = np.flatnonzero((flat[1:] != flat[:-1]).any(axis=1)) + 1
    for low, high in zip([0, *cuts], [*cuts, len(inside)], strict=True):
        for rest in boxes(inside[low]):
            yield (
                slice(first + int(low), first + int(high)),
                *(
                    slice(one.start + (each.start or 0), one.start + each.stop)
                    if each.stop is not None
                    else one
                    for one, each in zip(bounds[1:], rest, strict=True)
                ),
            )


def window(
    size: int,
    kernel: int,
    stride: int,
    padding: tuple[int, int],
    dilation: int,
    transposed: bool,
    output_padding: int,
) -> tuple[int, list[tuple[slice, slice]]]:
    """Return the length of what an axis becomes, and for each tap slices of before and after.

    Along an axis of N inputs and O outputs tap t joins input ``stride * o + dilation * t -
    padding`` to output o; of a transposed one, the ends are exchanged (docs/mathematics.md).
    """
    reach = dilation * (kernel - 1) + 1
    if transposed:
        length = (size - 1) * stride - sum(padding) + reach + output_padding
        long, short = length, size
    else:
        length = (size + sum(padding) - reach) // stride + 1
        long, short = size, length
    found = []
    for tap in range(kernel):
        offset = dilation * tap - padding[0]
        low = -(offset // stride) if offset < 0 else 0
        high = min(short - 1, (long - 1 - offset) // stride)
        if high < low:
            found.append((slice(0, 0), slice(0, 0)))
            continue
        wide = slice(stride * low + offset, stride * high + offset + 1, stride)
        narrow = slice(low, high + 1)
        found.append((narrow, wide) if transposed else (wide, narrow))
    return length, found


def numbers_in(
    size: int,
    kernel: int,
    stride: int,
    padding: tuple[int, int],
    dilation: int,
    length: int,
    count_padding: bool,
) -> NDArray[np.float64]:
    """Return of how many numbers the mean of each window is taken, along one axis."""
    starts = stride * np.arange(length) - padding[0]
    taps = starts[:, None] + dilation * np.arange(kernel)
    low, high = (-padding[0], size + padding[1]) if count_padding else (0, size)
    inside = ((taps >= low) & (taps < high)).sum(axis=1)
    found: NDArray[np.float64] = np.maximum(inside, 1).astype(np.float64)
    return found


# --- arrays ---------------------------------------------------------------------------------


def distinct(numbers: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the different columns of a matrix, and which of them each column is."""
    if (numbers == numbers[:, :1]).all():
        return numbers[:, :1], np.zeros(numbers.shape[1], dtype=np.int64)
    found, index = np.unique(numbers, axis=1, return_inverse=True)
    return found, index.ravel()


def as_slice(index: NDArray[np.int64]) -> Any:
    """Return indices that go up by one as a slice, which copies nothing."""
    if len(index) and np.array_equal(index, np.arange(index[0], index[0] + len(index))):
        return slice(int(index[0]), int(index[0]) + len(index))
    return index


def as_before(
    array: Units, starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Tell of each piece of an array but the first whether it is like the piece before it."""
    size = ends - starts
    if (size == size[0]).all():
        pieces = array.reshape(len(starts), -1)
        same: NDArray[np.bool_] = (pieces[1:] == pieces[:-1]).all(axis=1)
        return same
    parts = [array[start:end] for start, end in zip(starts, ends, strict=True)]
    return np.array([np.array_equal(one, other) for one, other in pairwise(parts)], dtype=bool)


def axis_of(along: NDArray[np.int64], size: int) -> int | None:
    """Return the axis that counts 0 to size - 1, whatever stands at the others; None for none."""
    for axis in range(along.ndim):
        if along.shape[axis] == size:
            line = np.arange(size).reshape([-1 if k == axis else 1 for k in range(along.ndim)])
            if (along == line).all():
                return axis
    return None


def counts_up(units: Units) -> bool:
    """Tell whether units of an array, one after the other, are numbers that go up by one."""
    flat = units.ravel()
    return bool((flat[-1] - flat[0] == len(flat) - 1) and (flat[1:] - flat[:-1] == 1).all())


def all_differ(units: Units) -> bool:
    """Tell whether no unit, none of which is `NOTHING`, stands in an array twice."""
    if not units.size:
        return True
    low, high = int(units.min()), int(units.max())
    if low < 0:
        return False
    if high - low > 4 * units.size:  # far apart, so that sorting takes less memory
        return len(np.unique(units)) == units.size
    seen = np.zeros(high - low + 1, dtype=bool)
    seen[units.ravel() - low] = True
    return int(np.count_nonzero(seen)) == units.size
