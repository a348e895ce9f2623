"""Exact diagrams of graphs whose triangles are the pages of books: sums that are read as edges.

A *book* is a class of triangles that share one edge, the spine, and no other edge lies in two of
them. The skips of residual blocks are such spines where they join a unit of the stream to the same
unit behind a branch of two layers. The closed form and its proof are in docs/mathematics.md.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations, product
from typing import Annotated, Any, NamedTuple

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from netkin.diagram.counts import ValueCounts
from netkin.diagram.diagram import Diagram
from netkin.errors import NetkinError
from netkin.graph.blocks import COUNT, SOURCE, SOURCE_STEP, TARGET, TARGET_STEP, Block
from netkin.graph.edges import EDGES_PER_BLOCK
from netkin.graph.reading import BlockEdges, Part
from netkin.options import checked

MOST_TAPS = 1 << 18
"""Triples of taps of three blocks that are looked at, at most."""

SPINES = ("identity", "product")
"""Kinds of blocks whose edges can be spines, the likelier first."""

Counted = tuple[NDArray[np.float32], NDArray[np.int64]]
"""Values, ascending and each once, and how often each occurs."""


def is_of_books(edges: BlockEdges) -> bool:
    """Tell whether all triangles of a graph are pages of books, whatever its weights are.

    Decided from the blocks and their taps alone. False is said, too, of books whose spines are not
    the edges of one block that joins units one by one, such as those of triangles in a row.

    Parameters
    ----------
    edges : BlockEdges
        Edges that stand for a contraction are a part of no triangle.
    """
    return _all_pages(edges) is not None


@checked
def book_diagram(edges: BlockEdges, *, max_dimension: Annotated[int, Ge(0)]) -> Diagram:
    """Compute the persistence diagram of the directed flag complex of a graph of books.

    Let m be the larger value of the two edges of a page beside the spine, and s the value of the
    spine. All pages but that of the smallest m take away a class of H1: one that is born at m and
    dies at s where m < s, one of no length otherwise. Higher homology is zero. No edge of a shared
    weight is listed: the pages of a weight have one m wherever they are.

    Parameters
    ----------
    edges : BlockEdges
        See `is_of_books`.
    max_dimension : int
        Highest homology dimension listed; dimensions above 1 are empty.

    Returns
    -------
    Diagram
        The intervals flagser gives, computed from the same float32 values.

    Raises
    ------
    NetkinError
        A triangle is no page of a book.
    """
    from netkin.diagram.block_forest import block_forest

    pages = _all_pages(edges)
    if pages is None:
        raise NetkinError("the graph has triangles that are no pages of books.")
    counted = ValueCounts()
    forest = block_forest(edges, counted)
    sums = _Sums()
    if max_dimension:
        spines: dict[int, list[_Pages]] = {}
        for page in pages:
            spines.setdefault(id(page.spine), []).append(page)
        for of_one in spines.values():
            _add_books(of_one, edges.zeta, sums)
    return assembled(
        counted.result(),
        (forest.values, forest.counts),
        forest.n_components,
        sums.paired.result(),
        sums.kept.result(),
        sums.finite(),
        [],
        max_dimension,
    )


def assembled(
    born: Counted,
    deaths: Counted,
    n_components: int,
    paired: Counted,
    kept: Counted,
    finite: tuple[NDArray[np.float64], NDArray[np.int64]],
    higher: Sequence[tuple[NDArray[np.float64], NDArray[np.int64]]],
    max_dimension: int,
) -> Diagram:
    """Return the diagram of a graph from what its triangles do.

    Parameters
    ----------
    born : (float32 array, int64 array)
        Values of all edges, ascending and each once, and how many edges have each.
    deaths : the same
        Values of a minimum spanning forest.
    n_components : int
        Of the graph.
    paired, kept : the same
        Values of edges whose class a triangle ends, and of those that are counted there but are
        not: the difference counts.
    finite : (float64 array of shape (k, 2), int64 array)
        Intervals of H1 that end, and how many classes have each.
    higher : sequence of the same
        Of H2 and on; empty beyond.
    max_dimension : int
    """
    values, counts = deaths
    joins = np.flatnonzero(values)  # an edge of value 0 joins vertices as they enter
    h0 = np.zeros((len(joins) + (n_components > 0), 2))
    h0[: len(joins), 1], h0[len(joins) :, 1] = values[joins], np.inf
    numbers = np.append(counts[joins], [n_components] * (n_components > 0)).astype(np.int64)
    parts, counted = [h0], [numbers]
    if max_dimension:
        left = born[1].copy()
        for (some, times), sign in ((deaths, -1), (paired, -1), (kept, 1)):
            left[np.searchsorted(born[0], some)] += sign * times
        alive = np.flatnonzero(left)
        h1 = np.full((len(alive), 2), np.inf)
        h1[:, 0] = born[0][alive]
        parts.append(np.concatenate([finite[0], h1]))
        counted.append(np.concatenate([finite[1], left[alive]]))
        for intervals, times in higher:
            parts.append(intervals)
            counted.append(times)
    while len(parts) <= max_dimension:
        parts.append(np.empty((0, 2)))
        counted.append(np.empty(0, np.int64))
    return Diagram.from_intervals(parts[: max_dimension + 1], counted[: max_dimension + 1])


class _Pages(NamedTuple):
    """Pages x - h - y that three taps make, at all points where they meet.

    Attributes
    ----------
    spine, near, far : Part
        The blocks x -> y, x - h and h - y.
    is_near_out, is_far_in : bool
        Whether weights lead from x to h, and from h to y, rather than the other way.
    taps : tuple of int
        Of the three blocks.
    along : tuple of (int64 array, int64 array, int64 array)
        For each axis of the grids the steps of the three taps at which they meet.
    spines : range
        Rows of the weight of the spine.
    hidden : range
        Channels of h.
    """

    spine: Part
    near: Part
    far: Part
    is_near_out: bool
    is_far_in: bool
    taps: tuple[int, int, int]
    along: tuple[tuple[NDArray[np.int64], ...], ...]
    spines: range
    hidden: range


class _Walk(NamedTuple):
    """A block as a closed walk passes it, from one set of vertices to another."""

    number: int
    part: Part
    forward: bool
    start: int
    end: int


def _all_pages(edges: BlockEdges) -> list[_Pages] | None:
    """Return the pages of all books, None where some triangles are, or may be, none."""
    found: list[_Pages] = []
    for walk in _closed_walks(edges):
        meetings = _meetings(walk)
        if meetings is None:
            return None
        if not meetings:
            continue
        if len({step.start for step in walk}) < 3:
            return None
        skips = [k for k, step in enumerate(walk) if _can_be_spine(step.part.block)]
        if not skips:
            return None
        turn = min(skips, key=lambda k: SPINES.index(walk[k].part.block.kind))
        turned = walk[turn:] + walk[:turn]
        for taps, along in meetings:
            page = _page(turned, taps[turn:] + taps[:turn], along, turn)
            if page is not None:
                found.append(page)
    return found if _are_private(found) else None


def _closed_walks(edges: BlockEdges) -> Iterator[tuple[_Walk, _Walk, _Walk]]:
    """Yield all closed walks of three blocks, those through three different groups once."""
    steps: dict[int, list[_Walk]] = {}
    for number, part in enumerate(edges.parts):
        if edges.contracts and part.is_first:
            continue
        ends = int(edges.first[part.block.source]), int(edges.first[part.block.target])
        steps.setdefault(ends[0], []).append(_Walk(number, part, True, *ends))
        steps.setdefault(ends[1], []).append(_Walk(number, part, False, *ends[::-1]))
    for first in (step for leaving in list(steps.values()) for step in leaving if step.forward):
        for second in steps.get(first.end, []):
            if second.number < first.number:
                continue
            for third in steps.get(second.end, []):
                if third.end == first.start and third.number >= first.number:
                    yield first, second, third


Meetings = list[tuple[tuple[int, ...], tuple[tuple[NDArray[np.int64], ...], ...]]]


def _meetings(walk: tuple[_Walk, _Walk, _Walk]) -> Meetings | None:
    """Return which taps of three blocks meet, and where; None where it is not known."""
    taps = [step.part.block.taps for step in walk]
    if np.prod([len(each) for each in taps], dtype=np.int64) > MOST_TAPS:
        return None
    n_axes = max(each.shape[1] for each in taps)
    sides = [_turned(each, step.forward, n_axes) for each, step in zip(taps, walk, strict=True)]
    found: Meetings = []
    for places in product(*(range(len(each)) for each in sides)):
        along = []
        for axis in range(n_axes):
            lines = [side[place][axis] for side, place in zip(sides, places, strict=True)]
            steps = _meeting(*lines)
            if steps is None:
                return None
            if not len(steps[0]):
                break
            along.append(steps)
        else:
            found.append((places, tuple(along)))
    return found


def _turned(taps: NDArray[np.int64], forward: bool, n_axes: int) -> list[list[tuple[int, ...]]]:
    """Return for each tap and axis (start, step, start, step, count) as a walk passes it."""
    order = [SOURCE, SOURCE_STEP, TARGET, TARGET_STEP, COUNT]
    if not forward:
        order = [TARGET, TARGET_STEP, SOURCE, SOURCE_STEP, COUNT]
    missing = [(0, 0, 0, 0, 1)] * (n_axes - taps.shape[1])
    return [[*map(tuple, tap[:, order].tolist()), *missing] for tap in taps]


@lru_cache(maxsize=1 << 12)
def _meeting(
    one: tuple[int, ...], two: tuple[int, ...], three: tuple[int, ...]
) -> tuple[NDArray[np.int64], ...] | None:
    """Return at which steps three taps close along an axis; None where a tap joins points often."""
    if any(line[4] > 1 and 0 in (line[1], line[3]) for line in (one, two, three)):
        return None
    first = np.arange(one[4])
    second, meets = _steps_at(one[2] + one[3] * first, two)
    third, also = _steps_at(two[2] + two[3] * second, three)
    meets &= also & (three[2] + three[3] * third == one[0] + one[1] * first)
    return first[meets], second[meets], third[meets]


def _steps_at(
    points: NDArray[np.int64], line: tuple[int, ...]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return at which steps a tap starts from points, and whether it does."""
    step, rest = np.divmod(points - line[0], line[1] or 1)
    return step, (rest == 0) & (step >= 0) & (step < line[4])


def _can_be_spine(block: Block) -> bool:
    """Tell whether a block joins each channel to one, by constant weights."""
    one_to_one = block.weight.shape[1] == 1 and block.groups == block.n_out
    return bool(one_to_one and block.kind in SPINES)


def _channels(step: _Walk, at_start: bool) -> range:
    """Return the channels that a block has where a walk enters or leaves it."""
    block = step.part.block
    if step.forward == at_start:
        return range(block.source_channel, block.source_channel + block.n_in)
    return range(block.target_channel, block.target_channel + block.n_out)


def _common(one: range, other: range) -> range:
    return range(
        max(one.start, other.start), max(one.start, other.start, min(one.stop, other.stop))
    )


def _page(
    walk: tuple[_Walk, ...],
    taps: tuple[int, ...],
    along: tuple[tuple[NDArray[np.int64], ...], ...],
    turn: int,
) -> _Pages | None:
    """Return pages of a walk that starts with the spine, None for no channels in common."""
    turned = tuple(steps[turn:] + steps[:turn] for steps in along)
    spine, second, third = walk
    near, far, order = (third, second, [0, 2, 1]) if spine.forward else (second, third, [0, 1, 2])
    skip = spine.part.block
    at_near = _channels(near, at_start=near is second)
    at_far = _channels(far, at_start=far is second)
    x = range(at_near.start - skip.source_channel, at_near.stop - skip.source_channel)
    y = range(at_far.start - skip.target_channel, at_far.stop - skip.target_channel)
    spines = _common(_common(x, y), range(skip.n_out))
    hidden = _common(_channels(second, at_start=False), _channels(third, at_start=True))
    if not spines or not hidden:
        return None
    return _Pages(
        spine.part,
        near.part,
        far.part,
        near.forward == (near is second),
        far.forward == (far is third),
        (taps[0], taps[order[1]], taps[order[2]]),
        tuple(tuple(steps[k] for k in order) for steps in turned),
        spines,
        hidden,
    )


def _are_private(pages: Sequence[_Pages]) -> bool:
    """Tell whether no edge but the spines is a part of two pages."""
    skips = {id(page.spine) for page in pages}
    uses: dict[tuple[int, int], list[tuple[_Pages, int]]] = {}
    for page in pages:
        for k, part in ((1, page.near), (2, page.far)):
            if id(part) in skips:
                return False
            uses.setdefault((id(part), page.taps[k]), []).append((page, k))
    return not any(
        _overlap(one, other) for same in uses.values() for one, other in combinations(same, 2)
    )


def _overlap(one: tuple[_Pages, int], other: tuple[_Pages, int]) -> bool:
    """Tell whether two sets of pages may have an edge of a common tap in common."""
    (page, k), (second, j) = one, other
    # h may be one end of the block here and the other one there
    if _leads_to_hidden(page, k) == _leads_to_hidden(second, j):
        ends = []
        for each, place in ((page, k), (second, j)):
            block = each.spine.block
            first = block.source_channel if place == 1 else block.target_channel
            ends.append(range(each.spines.start + first, each.spines.stop + first))
        if not _common(page.hidden, second.hidden) or not _common(*ends):
            return False
    # an axis that only one of them has is of one point
    return all(
        len(np.intersect1d(steps[k], others[j]))
        for steps, others in zip(page.along, second.along, strict=False)
    )


def _leads_to_hidden(page: _Pages, k: int) -> bool:
    """Tell whether weights lead to h: of x - h for k = 1, of h - y for k = 2."""
    return page.is_near_out if k == 1 else not page.is_far_in


@dataclass
class _Sums:
    """What the books of a graph add to its diagram.

    Attributes
    ----------
    paired, kept : ValueCounts
        See `assembled`.
    ended : dict of float to (ValueCounts, ValueCounts)
        Value of the spine -> births of the classes that end there, and of those that are counted
        there but are not.
    """

    paired: ValueCounts = field(default_factory=ValueCounts)
    kept: ValueCounts = field(default_factory=ValueCounts)
    ended: dict[float, tuple[ValueCounts, ValueCounts]] = field(default_factory=dict)

    def end(
        self, births: NDArray[np.float32], deaths: NDArray[np.float32], times: int, out: bool
    ) -> None:
        """Count classes that end, or take them back."""
        for death in np.unique(deaths):
            counts = self.ended.setdefault(float(death), (ValueCounts(), ValueCounts()))
            counts[out].add(births[deaths == death], times)

    def finite(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the intervals that end, and how many classes have each."""
        intervals, numbers = [np.empty((0, 2))], [np.empty(0, np.int64)]
        for death, (more, less) in self.ended.items():
            births, counts = more.result()
            back, times = less.result()
            counts[np.searchsorted(births, back)] -= times
            left = np.flatnonzero(counts)
            intervals.append(np.column_stack([births[left], np.full(len(left), death)]))
            numbers.append(counts[left])
        return np.concatenate(intervals), np.concatenate(numbers)


def _add_books(pages: Sequence[_Pages], zeta: float, sums: _Sums) -> None:
    """Count the pages of the books whose spines are the edges of one block."""
    part = pages[0].spine
    weight = np.asarray(part.block.weight[0 : part.block.n_out])[:, 0]
    values = part.values(weight, zeta)
    by_tap: dict[int, list[_Pages]] = {}
    for page in pages:
        by_tap.setdefault(page.taps[0], []).append(page)
    for tap, same in by_tap.items():
        column = part.block.columns[tap]
        spine, positive = values[:, column], weight[:, column] > 0
        least = np.full((len(same), len(spine)), np.inf, dtype=np.float32)
        for k, page in enumerate(same):
            times = int(np.prod([len(steps[0]) for steps in page.along], dtype=np.int64))
            _add_pages(page, spine, positive, times, zeta, least[k], sums)
        if not (least < spine).any():
            continue
        # the smallest m of a book is not born where it is said above, but at s and for no time
        for valid, times in _classes(same, part.block.taps[tap, :, COUNT]):
            smallest = least[valid].min(axis=0)
            early = smallest < spine
            sums.end(smallest[early], spine[early], times, out=True)
            sums.kept.add(smallest[early], times)
            sums.paired.add(spine[early], times)


def _add_pages(
    page: _Pages,
    spine: NDArray[np.float32],
    positive: NDArray[np.bool_],
    times: int,
    zeta: float,
    least: NDArray[np.float32],
    sums: _Sums,
) -> None:
    """Count pages, and lower the smallest m of each spine."""
    skip = page.spine.block
    rows = slice(page.spines.start, page.spines.stop)
    spine, positive, least = spine[rows], positive[rows], least[rows]
    x = range(page.spines.start + skip.source_channel, page.spines.stop + skip.source_channel)
    y = range(page.spines.start + skip.target_channel, page.spines.stop + skip.target_channel)
    near, far = _numbers(page.near, page.taps[1]), _numbers(page.far, page.taps[2])
    step = max(1, EDGES_PER_BLOCK // len(x))
    for start in range(page.hidden.start, page.hidden.stop, step):
        h = range(start, min(start + step, page.hidden.stop))
        one, there = _matrix(page.near.block, near, h, x, page.is_near_out)
        other, also = _matrix(page.far.block, far, h, y, not page.is_far_in)
        larger = np.maximum(page.near.values(one, zeta), page.far.values(other, zeta))
        # whether the edges lead from x to h and from h to y; both against the spine is a cycle
        out, in_ = (one > 0) == page.is_near_out, (other > 0) == page.is_far_in
        is_page = (out != in_) | (in_ == positive)
        if there is not None:
            is_page &= there
        if also is not None:
            is_page &= also
        sums.paired.add(larger[is_page], times)
        np.minimum(least, np.where(is_page, larger, np.inf).min(axis=0), out=least)
        early = is_page & (larger < spine)
        if early.any():
            sums.end(larger[early], np.broadcast_to(spine, early.shape)[early], times, out=False)


def _numbers(part: Part, tap: int) -> NDArray[Any]:
    """Return the weights that a tap has, of shape (n_out, n_in // groups)."""
    block = part.block
    numbers: NDArray[Any] = np.asarray(block.weight[0 : block.n_out])[:, :, block.columns[tap]]
    return numbers


def _matrix(
    block: Block, numbers: NDArray[Any], h: range, other: range, is_h_target: bool
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Return the weights between channels, of shape (len(h), len(other)), and where there are any.

    The second is None for everywhere.
    """
    targets, sources = (h, other) if is_h_target else (other, h)
    rows = slice(targets.start - block.target_channel, targets.stop - block.target_channel)
    first = sources.start - block.source_channel
    if block.groups == 1:
        found = numbers[rows, first : first + len(sources)]
        return (found if is_h_target else found.T), None
    per = numbers.shape[1]
    row = np.arange(rows.start, rows.stop)[:, None]
    inner = first + np.arange(len(sources)) - row // (block.n_out // block.groups) * per
    there = (inner >= 0) & (inner < per)
    found = numbers[row, np.where(there, inner, 0)]
    return (found, there) if is_h_target else (found.T, there.T)


def _classes(
    pages: Sequence[_Pages], count: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.bool_], int]]:
    """Yield which pages there are at the points of a tap of spines, and at how many points.

    Points at which the same pages are go together, axis by axis.
    """
    kinds: list[list[tuple[NDArray[np.bool_], int]]] = []
    for axis in range(len(pages[0].along)):
        length = int(count[axis]) if axis < len(count) else 1
        valid = np.zeros((len(pages), length), dtype=bool)
        for k, page in enumerate(pages):
            valid[k, page.along[axis][0]] = True
        patterns, times = np.unique(valid, axis=1, return_counts=True)
        kinds.append([(pattern, int(n)) for pattern, n in zip(patterns.T, times, strict=True)])
    for chosen in product(*kinds):
        valid = np.logical_and.reduce([np.ones(len(pages), bool), *(each[0] for each in chosen)])
        if valid.any():
            yield valid, int(np.prod([each[1] for each in chosen], dtype=np.int64))
