"""Minimum spanning forests of graphs of blocks, whose edges are never listed.

A weight stands for as many edges as its tap has copies, all of one value. So Kruskal's algorithm
(1956) goes over weights, and the copies of one are taken in a loop. Two things keep most of them
from being looked at:

- A channel of which all points lie in one component is *done*. Nothing happens at a weight between
  two done channels of one component, whatever its copies are.
- A weight that joins each point of a channel to the same point of another one makes the two
  channels *alike*: where one is, the other is. Nothing happens at a further such weight between
  them. So channels of points that never meet, as the tokens of a transformer, are gone through
  once and not for each weight.

Weights are taken in rounds, the strongest first. A round goes through all weights but keeps only
those at which something can still happen, and only these are sorted (Osipov, Sanders and Singler
2009, The filter-Kruskal minimum spanning tree algorithm). Loads numba; import it where it is used.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netkin.compiled import compiled
from netkin.diagram.counts import ValueCounts
from netkin.errors import Absent
from netkin.graph.blocks import (
    COUNT,
    SOURCE,
    SOURCE_STEP,
    TARGET,
    TARGET_STEP,
    grid_strides,
    points,
)
from netkin.graph.reading import BlockEdges, Part

WEIGHTS_PER_CHUNK = 1 << 18
"""Weights read at once."""
LIGHT_WEIGHTS_PER_CHANNEL = 8
"""How many of the strongest weights a round aims at, for each channel that is not yet joined."""
FEWEST_WEIGHTS = 1 << 10
"""How many weights the first round aims at, at least; each further one at four times as many, so
that there are few rounds."""
MOST_KEPT = 1 << 22
"""Weights kept for one round; if there are more, the round ends earlier."""
SAMPLE_SIZE = 1 << 16
SAMPLED_ROWS = 64
FEW_SAMPLES = 64
"""A sample of so few weights says nothing of their distribution, only that they are few."""

Ints = NDArray[np.int64]


class BlockForest(NamedTuple):
    """A minimum spanning forest.

    Attributes
    ----------
    values : float32 array of shape (k,)
        Values of its edges, ascending, each once.
    counts : int64 array of shape (k,)
        How many of its edges have each.
    n_components : int
        Connected components of the graph.
    """

    values: NDArray[np.float32]
    counts: Ints
    n_components: int


def block_forest(edges: BlockEdges, counted: ValueCounts | None = None) -> BlockForest:
    """Find a minimum spanning forest of a graph of blocks; loops and parallel edges are allowed.

    Parameters
    ----------
    edges : BlockEdges
    counted : ValueCounts, optional
        Counts the values of all edges, while the weights are read anyway.

    Returns
    -------
    BlockForest
        Its values do not depend on which of equal edges are taken. An edge between what is one
        vertex is never in it.

    Raises
    ------
    Absent
        The graph has 2**31 vertices or more, without those of biases.

    Notes
    -----
    Memory: 4 bytes a vertex, and `MOST_KEPT` weights. Weights are read by rows, a few times.
    """
    leaves = _leaves(edges)
    found = _Joins()
    for part in leaves:
        # the only edge of a vertex is in every forest
        multiplicity = part.block.multiplicity()
        for weight, _ in _chunks(part):
            found.add(part.values(weight, edges.zeta), multiplicity)
    if counted is not None:
        count_values(edges, counted)
    if len(leaves) < len(edges.parts):
        others = [part for part in edges.parts if all(part is not one for one in leaves)]
        layout = _Layout(edges, others)
        found.add(np.zeros(1, np.float32), np.array([layout.n_alike]))
        _Kruskal(edges, layout, found).run()
    values, counts = found.result()
    return BlockForest(values, counts, edges.n_vertices - int(counts.sum()))


def count_values(edges: BlockEdges, counted: ValueCounts) -> None:
    """Count the values of all edges of a graph of blocks, shared weights as often as they occur."""
    for part in edges.parts:
        multiplicity = part.block.multiplicity()
        same = int(multiplicity[0]) if (multiplicity == multiplicity[0]).all() else multiplicity
        for weight, _ in _chunks(part):
            counted.add_weights(weight, part.largest, edges.zeta, same)


def _chunks(part: Part) -> Iterator[tuple[NDArray[Any], int]]:
    """Yield the weights of a part by rows, as float32 or float64, and the first row."""
    n_out, n_in, n_columns = part.block.weight.shape
    rows = max(1, WEIGHTS_PER_CHUNK // (n_in * n_columns))
    for row in range(0, n_out, rows):
        yield _read(part, row, min(row + rows, n_out)), row


def _read(part: Part, start: int, stop: int) -> NDArray[Any]:
    weight = np.asarray(part.block.weight[start:stop])
    return np.ascontiguousarray(weight, dtype=np.result_type(weight.dtype, np.float32))


def _leaves(edges: BlockEdges) -> list[Part]:
    """Return the parts whose sources have no edges but one each, as biases of their own."""
    ends = np.array(
        [edges.first[end] for part in edges.parts for end in (part.block.source, part.block.target)]
    )
    met = dict(zip(*np.unique(ends, return_counts=True), strict=True))
    found = []
    for part in edges.parts:
        block = part.block
        group = edges.groups[block.source]
        if met[edges.first[block.source]] > 1 or block.groups != block.n_out:
            continue
        if block.weight.shape[1] != 1 or block.n_out != group.channels:
            continue
        at_source = np.concatenate(list(points(block.taps, part.source_grid, SOURCE)))
        if np.array_equal(np.sort(at_source), np.arange(group.points)):
            found.append(part)
    return found


class _Joins:
    """Values of edges of the forest, and how many have each."""

    def __init__(self) -> None:
        self._values: list[NDArray[np.float32]] = []
        self._counts: list[Ints] = []
        self.total = 0

    def add(self, values: NDArray[np.float32], counts: Ints) -> None:
        self._values.append(values.ravel())
        self._counts.append(np.broadcast_to(counts, values.shape).ravel())
        self.total += int(self._counts[-1].sum())

    def result(self) -> tuple[NDArray[np.float32], Ints]:
        values, place = np.unique(np.concatenate(self._values), return_inverse=True)
        counts = np.zeros(len(values), dtype=np.int64)
        np.add.at(counts, place, np.concatenate(self._counts))
        return values[counts > 0], counts[counts > 0]


class _Layout:
    """Vertices, channels and taps as the loops need them.

    Channels that edges of value 0 join point by point, over the whole grid, are one from the
    start, so that they need no vertices of their own. What a block of weights reaches of a channel
    is a *field* of points. Where no two fields overlap, as the pixels that a patch has at one
    place, each counts as a channel; else the touched points of a channel are one field.
    """

    def __init__(self, edges: BlockEdges, parts: list[Part]) -> None:
        self.parts = parts
        # groups that a reading makes one have one first vertex
        lead = {int(first): place for place, first in reversed(list(enumerate(edges.first)))}
        self._group = [lead[int(first)] for first in edges.first]
        self._points = np.array([group.points for group in edges.groups], dtype=np.int64)
        self._first_channel = np.cumsum([0, *(group.channels for group in edges.groups)])
        n_channels = int(self._first_channel[-1])
        used = np.zeros(n_channels, dtype=bool)
        for part in parts:
            for channels in self._ends(part):
                used[channels] = True
        alike, joining = self._alike(parts, n_channels)
        self.parts = [part for part in parts if all(part is not one for one in joining)]
        # classes of channels that are one, of those that any part touches
        number = np.full(n_channels, -1, dtype=np.int64)
        kept, place = np.unique(alike[used], return_inverse=True)
        number[used] = place
        size = np.zeros(len(kept), dtype=np.int64)
        points_of_channel = np.repeat(self._points, [group.channels for group in edges.groups])
        size[number[used]] = points_of_channel[used]
        self.n_alike = int(points_of_channel[used].sum() - size.sum())
        self.n_vertices = int(size.sum())
        if self.n_vertices >= 1 << 31:
            raise Absent(
                f"the graph has {self.n_vertices} vertices; allowed are fewer than {1 << 31}."
            )
        start = np.cumsum(size) - size
        self.base = np.where(number >= 0, start[number], 0)  # first vertex of each channel
        self._make_fields(joining)
        # fields of each class of channels
        group_of_channel = np.repeat(self._together, [group.channels for group in edges.groups])
        group_of_class = np.zeros(len(kept), dtype=np.int64)
        group_of_class[number[used]] = group_of_channel[used]
        n_fields = np.array([len(self._fields_of.get(g, ())) for g in range(len(edges.groups))])
        fields = n_fields[group_of_class]
        first_field = np.cumsum(fields) - fields
        self.first_field = np.where(number >= 0, first_field[number], 0)
        self.n_fields = int(fields.sum())
        kind = [self._fields_of.get(g, np.empty(0, np.int64)) for g in group_of_class.tolist()]
        self.field_kind = np.concatenate([np.empty(0, np.int64), *kind])
        self.field_base = np.repeat(start, fields)
        self._make_tables()

    def _ends(self, part: Part) -> tuple[Ints, Ints]:
        """Return the channels at either end of a part."""
        block = part.block
        source = self._first_channel[self._group[block.source]] + block.source_channel
        target = self._first_channel[self._group[block.target]] + block.target_channel
        return source + np.arange(block.n_in), target + np.arange(block.n_out)

    def _alike(self, parts: list[Part], n_channels: int) -> tuple[Ints, list[Part]]:
        """Return which channels are one, and the parts that say so."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        joining = [part for part in parts if _joins_channels(part)]
        n_groups = len(self._group)
        pairs = [(self._group[p.block.source], self._group[p.block.target]) for p in joining]
        ends = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        graph = coo_array((np.ones(len(pairs)), tuple(ends)), shape=(n_groups, n_groups))
        self._together = connected_components(graph, directed=False)[1].astype(np.int64)
        self._together = self._together[self._group]
        if not joining:
            return np.arange(n_channels), joining
        source, target = (
            np.concatenate(side)
            for side in zip(*(self._ends(part) for part in joining), strict=True)
        )
        graph = coo_array((np.ones(len(source)), (source, target)), shape=(n_channels, n_channels))
        return connected_components(graph, directed=False)[1].astype(np.int64), joining

    def _make_fields(self, joining: list[Part]) -> None:
        """Find the fields of each set of groups that are alike."""
        sets: dict[int, list[tuple[Part, int, Ints]]] = {}
        for part in self.parts:
            for end, group in ((SOURCE, part.block.source), (TARGET, part.block.target)):
                sets.setdefault(int(self._together[group]), []).append(
                    (part, end, _boxes(part, end))
                )
        grids: dict[int, tuple[int, ...]] = {}
        for part in joining:
            grids[int(self._together[part.block.source])] = part.source_grid
        self._fields_of: dict[int, Ints] = {}
        self._field_of_tap: dict[tuple[int, int], Ints] = {}
        lists: list[Ints] = []
        for together, ends in sets.items():
            part, end, _ = ends[0]
            grid = part.source_grid if end == SOURCE else part.target_grid
            n_axes = max(1, *(boxes.shape[1] for _, _, boxes in ends))
            wide = [_widened(boxes, n_axes) for _, _, boxes in ends]
            every, which = np.unique(
                np.concatenate(wide).reshape(-1, n_axes * 3), axis=0, return_inverse=True
            )
            which = which.ravel()
            every = every.reshape(-1, n_axes, 3)
            touched = np.zeros(grid, dtype=bool)
            for box in every:
                touched[_slices(box, len(grid))] = True
            splits = np.split(which, np.cumsum([len(boxes) for boxes in wide])[:-1])
            apart = every[:, :, 2].prod(axis=1).sum() == touched.sum() and all(
                _one_a_column(part.block.columns, number)
                for (part, _, _), number in zip(ends, splits, strict=True)
            )
            if apart:
                number = np.arange(touched.size).reshape(grid)
                fields = [number[_slices(box, len(grid))].ravel() for box in every]
            else:
                fields = [np.flatnonzero(touched.ravel())]
                splits = [np.zeros_like(number) for number in splits]
            self._fields_of[together] = len(lists) + np.arange(len(fields))
            lists += fields
            for (part, end, _), number in zip(ends, splits, strict=True):
                self._field_of_tap[id(part), end] = number
        # channels whose every part only says that they are one
        for together, grid in grids.items():
            if together not in sets:
                self._fields_of[together] = np.array([len(lists)])
                lists.append(np.arange(int(np.prod(grid, dtype=np.int64))))
        self.field_start = np.cumsum([0, *(len(each) for each in lists)])
        self.field_points = np.concatenate([np.empty(0, np.int64), *lists])

    def _make_tables(self) -> None:
        """Put parts, columns and taps into arrays."""
        rows, columns, taps = [], [], []
        offset = n_columns = n_taps = 0
        sizes = np.diff(self.field_start)
        n_axes = max((part.block.taps.shape[1] for part in self.parts), default=0)
        n_axes = max(n_axes, 1) + 1
        for part in self.parts:
            block = part.block
            source, target = self._ends(part)
            n_out, per, width = block.weight.shape
            rows.append(
                (offset, per, width, n_out // block.groups, source[0], target[0], n_columns)
            )
            offset += n_out * per * width
            order = np.argsort(block.columns, kind="stable")
            of_tap = [self._field_of_tap[id(part), end][order] for end in (SOURCE, TARGET)]
            copies = block.multiplicity()
            number = np.bincount(block.columns, minlength=width)
            begin = np.cumsum(number) - number
            column = np.zeros((width, 5), dtype=np.int64)
            column[:, 0] = n_taps + begin
            column[:, 1] = number
            met = np.flatnonzero(number)
            for end in (0, 1):
                column[met, 2 + end] = of_tap[end][begin[met]]
            kinds = [
                self._fields_of[int(self._together[group])][column[:, 2 + end]]
                for end, group in enumerate((block.source, block.target))
            ]
            forward = np.zeros(width, dtype=bool)
            forward[met] = _is_forward(block.taps[order[begin[met]]])
            column[:, 4] = (
                (number == 1) & forward & (sizes[kinds[0]] == copies) & (sizes[kinds[1]] == copies)
            )
            columns.append(column)
            taps.append(_linear_taps(part, order, n_axes))
            n_columns += width
            n_taps += len(order)
        self.rows = np.array(rows, dtype=np.int64).reshape(-1, 7)
        self.n_weights = offset
        self.columns = np.concatenate([np.empty((0, 5), np.int64), *columns])
        self.taps = np.concatenate([np.empty((0, n_axes, 3), np.int64), *taps])
        _shorten(self.taps)


def _joins_channels(part: Part) -> bool:
    """Tell whether a part has the value 0 and joins channels point by point, all of a grid."""
    block = part.block
    if not part.is_first or block.weight.shape[1] != 1 or block.groups != block.n_out:
        return False
    if block.weight.shape[2] != 1 or len(block.taps) != 1:
        return False
    if _without_ones(part.source_grid) != _without_ones(part.target_grid):
        return False
    return bool(block.taps[0, :, COUNT].prod() == part.source_points and _is_forward(block.taps)[0])


def _without_ones(grid: tuple[int, ...]) -> tuple[int, ...]:
    """Return a grid without axes of one point at its end."""
    while grid and grid[-1] == 1:
        grid = grid[:-1]
    return grid


def _is_forward(taps: Ints) -> NDArray[np.bool_]:
    """Tell of each tap whether it goes through points in their order, at both ends."""
    steps = taps[:, :, [SOURCE_STEP, TARGET_STEP]]
    found: NDArray[np.bool_] = ((taps[:, :, COUNT] == 1) | (steps > 0).all(axis=2)).all(axis=1)
    return found


def _boxes(part: Part, end: int) -> Ints:
    """Return the points of each tap at an end: along each axis the first, the step, how many."""
    grid = part.source_grid if end == SOURCE else part.target_grid
    taps = part.block.taps[:, : len(grid)]
    start, step, count = (taps[:, :, column] for column in (end, end + 1, COUNT))
    last = start + step * (count - 1)
    count = np.where(step == 0, 1, count)
    return np.stack([np.minimum(start, last), np.where(count == 1, 1, abs(step)), count], axis=2)


def _widened(boxes: Ints, n_axes: int) -> Ints:
    wide = np.empty((len(boxes), n_axes, 3), dtype=np.int64)
    wide[:] = 0, 1, 1
    wide[:, : boxes.shape[1]] = boxes
    return wide


def _slices(box: Ints, n_axes: int) -> tuple[slice, ...]:
    return tuple(slice(a, a + (n - 1) * step + 1, step) for a, step, n in box[:n_axes].tolist())


def _one_a_column(columns: Ints, fields: Ints) -> bool:
    """Tell whether all taps of each column have one field."""
    pairs = np.unique(np.stack([columns, fields]), axis=1)
    return bool(len(np.unique(pairs[0])) == pairs.shape[1])


def _linear_taps(part: Part, order: Ints, n_axes: int) -> Ints:
    """Return taps by numbers of points: starts first, then steps and count of each axis."""
    taps = part.block.taps[order]
    found = np.zeros((len(taps), n_axes, 3), dtype=np.int64)
    found[:, :, 2] = 1
    for side, (end, grid) in enumerate(((SOURCE, part.source_grid), (TARGET, part.target_grid))):
        strides = grid_strides(grid, taps.shape[1])
        found[:, 0, side] = taps[:, :, end] @ strides
        found[:, 1 : 1 + taps.shape[1], side] = taps[:, :, end + 1] * strides
    found[:, 1 : 1 + taps.shape[1], 2] = taps[:, :, COUNT]
    return found


class _Kruskal:
    """The rounds."""

    def __init__(self, edges: BlockEdges, layout: _Layout, found: _Joins) -> None:
        self._layout = layout
        self._found = found
        self._zeta = edges.zeta
        self._n_vertices = edges.n_vertices
        self._parent = np.full(layout.n_vertices, -1, dtype=np.int32)
        size = np.diff(layout.field_start)[layout.field_kind]
        self._alike = np.full(layout.n_fields, -1, dtype=np.int32)
        self._done = size <= 1
        self._spent = np.zeros(layout.n_fields, dtype=np.int64)
        start = layout.field_start[layout.field_kind]
        self._one = (layout.field_base + layout.field_points[start]).astype(np.int32)
        self._sources = [self._fields(part, k) for k, part in enumerate(layout.parts)]
        self._keys = np.empty(1 << 16, dtype=np.float32)
        self._places = np.empty(1 << 16, dtype=np.int64)

    def run(self) -> None:
        """Join everything."""
        layout = self._layout
        for part, row in zip(layout.parts, layout.rows, strict=True):
            if part.is_first:
                places = row[0] + np.arange(int(np.prod(part.block.weight.shape)))
                self._join(np.zeros(len(places), np.float32), places)
        sample = self._sample()
        low = np.float32(-1)
        least = FEWEST_WEIGHTS
        while low < np.inf and self._found.total < self._n_vertices - 1:
            labels = _labels(self._parent, self._alike, self._done, self._one)
            high = self._threshold(sample, labels, low, least)
            least *= 4
            n, high, is_cut = self._collect(labels, low, high)
            keys = self._keys[:n]
            # floats from 0 on are ordered as their bits are; below them the place
            order = keys.view(np.uint32).astype(np.uint64) << np.uint64(32)
            order |= np.arange(n, dtype=np.uint64)
            order.sort()
            order = (order & np.uint64(0xFFFFFFFF)).astype(np.int64)
            self._join(keys[order], self._places[:n][order])
            low = high
            if is_cut:
                low = np.nextafter(high, np.float32(2))
                self._join_equal(low)

    def _fields(self, part: Part, k: int) -> NDArray[np.int32]:
        """Return the field at the source of each number of a row, for all groups of channels."""
        layout = self._layout
        _, _, width, _, source, _, column = layout.rows[k]
        channels = layout.first_field[source : source + part.block.n_in]
        field = layout.columns[column : column + width, 2]
        fields: NDArray[np.int32] = (channels[:, None] + field).astype(np.int32).ravel()
        return fields

    def _sample(self) -> tuple[NDArray[Any], ...]:
        """Return some weights: value, field at the source and at the target, share, is full."""
        layout = self._layout
        columns: list[tuple[NDArray[Any], ...]] = []
        for k, part in enumerate(layout.parts):
            if part.is_first:
                continue
            block = part.block
            n_out, per, width = block.weight.shape
            size = n_out * per * width
            wanted = min(size, max(16, SAMPLE_SIZE * size // layout.n_weights))
            n_rows = min(n_out, SAMPLED_ROWS, wanted)
            step = max(1, per * width * n_rows // wanted)
            rows = np.linspace(0, n_out - 1, n_rows).astype(np.int64)
            at = [np.arange(int(row) % step, per * width, step) for row in rows]
            weight = np.concatenate(
                [
                    _read(part, row, row + 1).ravel()[some]
                    for some, row in zip(at, rows.tolist(), strict=True)
                ]
            )
            row, place = np.repeat(rows, [len(each) for each in at]), np.concatenate(at)
            column = layout.columns[layout.rows[k, 6] + place % width]
            met = column[:, 1] > 0
            weight, row, place, column = weight[met], row[met], place[met], column[met]
            group = row // (n_out // block.groups)
            columns.append(
                (
                    part.values(weight, self._zeta),
                    self._sources[k][group * per * width + place],
                    layout.first_field[layout.rows[k, 5] + row] + column[:, 3],
                    np.full(len(weight), size / wanted),
                    column[:, 4],
                )
            )
        if not columns:
            return tuple(np.empty(0) for _ in range(5))
        return tuple(np.concatenate(each) for each in zip(*columns, strict=True))

    @staticmethod
    def _threshold(
        sample: tuple[NDArray[Any], ...], labels: NDArray[np.int32], low: np.float32, least: int
    ) -> np.float32:
        """Return the value up to which a round looks at weights, at so many of them at least."""
        value, source, target, share, full = sample
        if not len(value):
            return np.float32(np.inf)
        at_source, at_target = labels[source], labels[target]
        crossing = (at_source != at_target) | ((full == 0) & (at_source < 0))
        crossing &= value > low
        if crossing.sum() <= FEW_SAMPLES:
            return np.float32(np.inf)
        value, share = value[crossing], share[crossing]
        order = np.argsort(value)
        below = np.cumsum(share[order])
        wanted = max(least, LIGHT_WEIGHTS_PER_CHANNEL * len(np.unique(labels)))
        if wanted > below[-1] / 2:
            return np.float32(np.inf)
        return np.float32(value[order[np.searchsorted(below, wanted)]])

    def _collect(
        self, labels: NDArray[np.int32], low: np.float32, high: np.float32
    ) -> tuple[int, np.float32, bool]:
        """Keep the weights of values from `low` (without) to `high` that can join anything.

        Returns
        -------
        n : int
            How many are kept.
        high : float32
            Up to which value they are.
        is_cut : bool
            Whether that is less than what was asked for, since there are too many. Then those of
            the next value are too many as well, or a part of them.
        """
        n, is_cut = 0, False
        for k, part in enumerate(self._layout.parts):
            if part.is_first:
                continue
            at_source, of_group = self._source_labels(k, labels)
            if self._is_joined(k, of_group, labels):
                continue
            for weight, row in _chunks(part):
                n = self._scan(part, k, weight, row, at_source, of_group, labels, low, high, n)
                if n > MOST_KEPT:
                    keys = self._keys[:n]
                    cut = np.partition(keys, n // 2)[n // 2]
                    kept = np.flatnonzero(keys < cut)
                    self._places[: len(kept)] = self._places[kept]
                    self._keys[: len(kept)] = keys[kept]
                    n, high, is_cut = len(kept), np.nextafter(cut, np.float32(-1)), True
        return n, high, is_cut

    def _source_labels(
        self, k: int, labels: NDArray[np.int32]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the labels at the source of a part.

        Returns
        -------
        int32 array
            Of each number of a row, for one group of channels after the other. -1, which no target
            has, where the copies do not go point by point between what is not done.
        int32 array
            The one label of each group of channels, -1 if there are several.
        """
        layout = self._layout
        _, per, width, _, _, _, column = layout.rows[k]
        found = labels[self._sources[k]].reshape(-1, width)
        partial = layout.columns[column : column + width, 4] == 0
        found[(found < 0) & partial] = -1
        of_group = found.reshape(-1, per * width)
        first = of_group[:, 0]
        same = (of_group == first[:, None]).all(axis=1)
        return found.ravel(), np.where(same, first, np.int32(-1))

    def _is_joined(self, k: int, of_group: NDArray[np.int32], labels: NDArray[np.int32]) -> bool:
        """Tell whether nothing can happen at any weight of a part."""
        layout = self._layout
        _, _, width, _, _, target, column = layout.rows[k]
        if of_group[0] == -1 or (of_group != of_group[0]).any():
            return False
        channels = layout.first_field[target : target + layout.parts[k].block.n_out]
        fields = np.unique(layout.columns[column : column + width, 3])
        return bool((labels[channels[:, None] + fields] == of_group[0]).all())

    def _scan(
        self,
        part: Part,
        k: int,
        weight: NDArray[Any],
        row: int,
        at_source: NDArray[np.int32],
        of_group: NDArray[np.int32],
        labels: NDArray[np.int32],
        low: np.float32,
        high: np.float32,
        n: int,
    ) -> int:
        layout = self._layout
        if n + weight.size > len(self._keys):
            size = 2 * len(self._keys) + weight.size
            self._keys, self._places = np.resize(self._keys, size), np.resize(self._places, size)
        # a bit less than the weakest that can have a value of at most `high`, for rounding
        least = max(0.0, (1 - float(high) - 2.0**-22) * part.largest)
        column = layout.rows[k, 6]
        width = weight.shape[2]
        return int(
            _scan_rows(
                weight.reshape(len(weight), -1),
                row,
                layout.rows[k],
                at_source,
                of_group,
                labels,
                layout.first_field,
                layout.columns[column : column + width],
                weight.dtype.type(least * (1 - 1e-6)),
                part.largest,
                self._zeta,
                low,
                high,
                self._keys,
                self._places,
                n,
            )
        )

    def _join_equal(self, value: np.float32) -> None:
        """Take the weights of one value, of which there may be any number, in any order."""
        below = np.nextafter(value, np.float32(-1))
        for k, part in enumerate(self._layout.parts):
            if part.is_first:
                continue
            for weight, row in _chunks(part):
                labels = _labels(self._parent, self._alike, self._done, self._one)
                at_source, of_group = self._source_labels(k, labels)
                n = self._scan(part, k, weight, row, at_source, of_group, labels, below, value, 0)
                self._join(self._keys[:n], self._places[:n])

    def _join(self, values: NDArray[np.float32], places: Ints) -> None:
        layout = self._layout
        joined = np.zeros(len(places), dtype=np.int32)
        _unite(
            places,
            layout.rows,
            layout.columns,
            layout.taps,
            layout.base,
            layout.first_field,
            layout.field_kind,
            layout.field_base,
            layout.field_start,
            layout.field_points,
            self._parent,
            self._alike,
            self._done,
            self._spent,
            self._one,
            joined,
        )
        met = np.flatnonzero(joined)
        self._found.add(values[met], joined[met].astype(np.int64))


def _find_root(parent: NDArray[np.int32], x: int) -> int:
    """Return the root of the set of x, halving the path to it; a root has minus its size."""
    up = parent[x]
    if up < 0:
        return x
    above = parent[up]
    while above >= 0:
        parent[x] = above
        x = above
        up = parent[x]
        if up < 0:
            return x
        above = parent[up]
    return int(up)


_find = compiled(_find_root)


def _link_roots(parent: NDArray[np.int32], x: int, y: int) -> int:
    """Join two sets by their roots, and return the root of both."""
    if parent[x] > parent[y]:
        x, y = y, x
    parent[x] += parent[y]
    parent[y] = x
    return x


_link = compiled(_link_roots)


def _copies(parent: NDArray[np.int32], tap: Ints, source: int, target: int) -> int:
    """Join the ends of all copies of a tap, and return how many joined two sets."""
    last = len(tap) - 1
    outer = 1
    for axis in range(1, last):
        outer *= tap[axis, 2]
    one_step, other_step, n = tap[last, 0], tap[last, 1], tap[last, 2]
    joined = 0
    for k in range(outer):
        x, y = source + tap[0, 0], target + tap[0, 1]
        rest = k
        for axis in range(last - 1, 0, -1):
            at = rest % tap[axis, 2]
            rest //= tap[axis, 2]
            x += at * tap[axis, 0]
            y += at * tap[axis, 1]
        for _ in range(n):
            one, other = _find(parent, x), _find(parent, y)
            if one != other:
                _link(parent, one, other)
                joined += 1
            x += one_step
            y += other_step
    return joined


_join_copies = compiled(_copies)


def _is_one(parent: NDArray[np.int32], base: int, points: Ints) -> bool:
    """Tell whether points of a channel lie in one set."""
    root = _find(parent, base + points[0])
    k = 1
    while k < len(points) and _find(parent, base + points[k]) == root:
        k += 1
    return k == len(points)


_lies_in_one = compiled(_is_one)


def _unite_weights(
    places: Ints,
    rows: Ints,
    columns: Ints,
    taps: Ints,
    base: Ints,
    first_field: Ints,
    field_kind: Ints,
    field_base: Ints,
    field_start: Ints,
    field_points: Ints,
    parent: NDArray[np.int32],
    alike: NDArray[np.int32],
    done: NDArray[np.bool_],
    spent: Ints,
    one: NDArray[np.int32],
    joined: NDArray[np.int32],
) -> None:
    """Take weights in their order, and note in `joined` how many sets each of them joined."""
    for k in range(len(places)):
        low, high = 0, len(rows)
        while high - low > 1:
            middle = (low + high) // 2
            if rows[middle, 0] <= places[k]:
                low = middle
            else:
                high = middle
        per, width, n_out = rows[low, 1], rows[low, 2], rows[low, 3]
        rest = places[k] - rows[low, 0]
        number = rows[low, 6] + rest % width
        rest //= width
        o = rest // per
        source = rows[low, 4] + o // n_out * per + rest % per
        target = rows[low, 5] + o
        a = _find(alike, first_field[source] + columns[number, 2])
        b = _find(alike, first_field[target] + columns[number, 3])
        full = columns[number, 4] == 1
        if columns[number, 1] == 0 or (full and a == b):
            continue
        if done[a] and done[b]:
            x, y = _find(parent, one[a]), _find(parent, one[b])
            if x != y:
                _link(parent, x, y)
                joined[k] = 1
            continue
        copies = 0
        for t in range(columns[number, 0], columns[number, 0] + columns[number, 1]):
            joined[k] += _join_copies(parent, taps[t], base[source], base[target])
            n = 1
            for axis in range(1, taps.shape[1]):
                n *= taps[t, axis, 2]
            copies += n
        spent[a] += copies
        spent[b] += copies
        if full:
            either = done[a] or done[b]
            a = b = _link(alike, a, b)
            done[a] = either
        for c in (a, b):
            kind = field_kind[c]
            start, stop = field_start[kind], field_start[kind + 1]
            # so the looking costs less than what was done before
            if not done[c] and spent[c] >= 2 * (stop - start):
                spent[c] = 0
                done[c] = _lies_in_one(parent, field_base[c], field_points[start:stop])


_unite = compiled(_unite_weights)


def _label_fields(
    parent: NDArray[np.int32],
    alike: NDArray[np.int32],
    done: NDArray[np.bool_],
    one: NDArray[np.int32],
) -> NDArray[np.int32]:
    """Return for each field its component, or if it is not done a number < -1 for those alike."""
    labels = np.empty(len(alike), dtype=np.int32)
    for k in range(len(alike)):
        a = _find(alike, k)
        labels[k] = _find(parent, one[a]) if done[a] else -2 - a
    return labels


_labels = compiled(_label_fields)


def _any_of(weight: NDArray[Any], labels: NDArray[np.int32], least: Any, label: np.int32) -> bool:
    """Tell whether any weight is large enough and any label another, in vector instructions."""
    found = 0
    for m in range(len(weight)):
        found |= (abs(weight[m]) >= least) & (labels[m] != label)
    return found != 0


_any_joins = compiled(_any_of)


def _scan_weights(
    weight: NDArray[Any],
    row: int,
    part: Ints,
    at_source: NDArray[np.int32],
    of_group: NDArray[np.int32],
    labels: NDArray[np.int32],
    first_field: Ints,
    columns: Ints,
    least: Any,
    largest: float,
    zeta: float,
    low: np.float32,
    high: np.float32,
    keys: NDArray[np.float32],
    places: Ints,
    n: int,
) -> int:
    """Keep those of some rows of weights whose value is in a range and whose labels differ."""
    length = weight.shape[1]
    width = part[2]
    # a target of several fields has a label for each column
    one_field = True
    for c in range(1, width):
        one_field &= columns[c, 3] == columns[0, 3]
    for r in range(len(weight)):
        o = row + r
        group = o // part[3]
        field = first_field[part[5] + o]
        label = labels[field + columns[0, 3]]
        if one_field and of_group[group] == label:
            continue
        here = weight[r]
        there = at_source[group * length : (group + 1) * length]
        for begin in range(0, length, 64):
            end = min(begin + 64, length)
            if one_field and not _any_joins(here[begin:end], there[begin:end], least, label):
                continue
            for m in range(begin, end):
                if not abs(here[m]) >= least:
                    continue
                column = m % width
                if there[m] == labels[field + columns[column, 3]] or columns[column, 1] == 0:
                    continue
                value = np.float32(max(1 - np.float64(abs(here[m])) / largest, zeta))
                if low < value <= high:
                    keys[n] = value
                    places[n] = part[0] + o * length + m
                    n += 1
    return n


_scan_rows = compiled(_scan_weights)


def _shorten_taps(taps: Ints) -> None:
    """Take the axes of taps together that go on where another one ends; the last are longest."""
    last = taps.shape[1] - 1
    for t in range(len(taps)):
        tap = taps[t]
        place = last
        # from the last axis on: place is the one that grows
        for axis in range(last - 1, 0, -1):
            n = tap[axis, 2]
            one, other = tap[axis, 0], tap[axis, 1]
            tap[axis, 0], tap[axis, 1], tap[axis, 2] = 0, 0, 1
            if n == 1 or (one == 0 and other == 0):
                continue
            here = tap[place]
            if here[2] == 1 or (here[0] == 0 and here[1] == 0):
                here[0], here[1], here[2] = one, other, n
            elif one == here[0] * here[2] and other == here[1] * here[2]:
                here[2] *= n
            else:
                place -= 1
                tap[place, 0], tap[place, 1], tap[place, 2] = one, other, n
        if tap[last, 0] == 0 and tap[last, 1] == 0:
            tap[last, 2] = 1


_shorten = compiled(_shorten_taps)
