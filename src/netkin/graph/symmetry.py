"""Which renumberings of units leave what a network computes as it is.

The channels of a group may change places where everything that tells them apart changes with them:
the weights, and the channels that an addition, a product, a pooling window or a head joins them to.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netkin.errors import NetkinError
from netkin.graph.blocks import NO_GROUP, Block, BlockGraph

Ints = NDArray[np.int64]
Orders = tuple[Ints, ...]
"""For each group an order of its channels: entry c is the channel that takes the place of c."""


@dataclass(frozen=True, eq=False)
class Class:
    """Members that may take one another's places, whole.

    Attributes
    ----------
    slots : int64 array of shape (n_members, n_slots, 2)
        Group and channel; slot k of one member takes the place of slot k of another. All that an
        addition or a product ties is one member, and so is a head, or a group of a grouped
        convolution.
    inner : tuple of int64 arrays of shape (n_parts, n_slots_of_part)
        Parts of every member that may take one another's places within it, such as the channels
        of a head, as positions among its slots. Empty where a member has no such parts.
    """

    slots: Ints
    inner: tuple[Ints, ...] = ()


class Symmetry:
    """The permutations of channels that leave the function of a network as it is.

    Inputs and outputs keep their places: groups that nothing feeds, groups that nothing reads
    (but queries and keys), and what `BlockGraph.outputs` names. Channels that structural or
    depthwise blocks join are tied, through whole residual streams; so are the targets, and the
    sources, of two blocks that share a parameter. Grouped convolutions and heads of attention
    change places whole, and their channels within them.

    Parameters
    ----------
    graph : BlockGraph

    Attributes
    ----------
    graph : BlockGraph
    classes : tuple of Class

    Notes
    -----
    The group is the product over classes of the wreath products of the symmetric groups of their
    parts and members. Every element of it leaves the function as it is, as long as units of one
    group pass the same activation. It need not be all there is: members are compared in one order
    of their slots, query heads that share a key do not change places among themselves, nor do
    channels that a grouped convolution reads in another order than their own. Points of a grid
    stay where they are.
    """

    def __init__(self, graph: BlockGraph) -> None:
        self.graph = graph
        self.classes = tuple(_classes(graph))

    def identity(self) -> Orders:
        """Return the orders that change nothing."""
        return tuple(np.arange(group.channels) for group in self.graph.groups)

    def random(self, rng: np.random.Generator) -> Orders:
        """Return an element drawn evenly from all.

        Parameters
        ----------
        rng : numpy.random.Generator
        """
        orders = self.identity()
        for each in self.classes:
            taken = each.slots[rng.permutation(len(each.slots))].copy()
            for member in taken:
                for parts in each.inner:
                    member[parts] = member[rng.permutation(parts)]
            place(orders, each.slots, taken)
        return orders

    def apply(self, orders: Orders) -> BlockGraph:
        """Return the graph with its channels in other places.

        Parameters
        ----------
        orders : tuple of int64 arrays
            An element, for each group an order of its channels.

        Returns
        -------
        BlockGraph
            Of the same groups and blocks; channel c of a group has the weights that channel
            ``order[c]`` had.

        Raises
        ------
        NetkinError
            The orders are not those of the channels of the groups.
        """
        for group, order in zip(self.graph.groups, orders, strict=True):
            if not np.array_equal(np.sort(order), np.arange(group.channels)):
                raise NetkinError(f"'{group.name}': found no order of its {group.channels} units.")
        blocks = tuple(
            replace(block, weight=permuted(block, np.asarray(block.weight[:]), orders))
            if block.is_trained
            else block
            for block in self.graph.blocks
        )
        return replace(self.graph, blocks=blocks)


def same_structure(a: BlockGraph, b: BlockGraph) -> bool:
    """Tell whether two graphs differ in the numbers of their trained weights and in names only.

    Parameters
    ----------
    a, b : BlockGraph
    """
    if [(g.channels, g.grid) for g in a.groups] != [(g.channels, g.grid) for g in b.groups]:
        return False
    if len(a.blocks) != len(b.blocks) or len(a.heads) != len(b.heads) or a.outputs != b.outputs:
        return False
    parts = [
        (getattr(x, part), getattr(y, part))
        for x, y in zip(a.heads, b.heads, strict=True)
        for part in ("values", "queries", "keys")
    ]
    return all(map(_same_block, a.blocks, b.blocks)) and all(
        x is y if x is None or y is None else np.array_equal(x, y) for x, y in parts
    )


def _same_block(a: Block, b: Block) -> bool:
    what = ("kind", "source", "target", "groups", "source_channel", "target_channel")
    return (
        all(getattr(a, each) == getattr(b, each) for each in what)
        and tuple(a.weight.shape) == tuple(b.weight.shape)
        and np.array_equal(a.taps, b.taps)
        and np.array_equal(a.columns, b.columns)
        and (a.is_trained or np.array_equal(a.weight[:], b.weight[:]))
    )


def place(orders: Sequence[Ints], positions: Ints, taken: Ints) -> None:
    """Enter into orders which slots take the places of others.

    Parameters
    ----------
    orders : sequence of int64 arrays
        Changed.
    positions, taken : int64 arrays of shape (..., 2)
        Group and channel, of the same groups.
    """
    for number in np.unique(positions[..., 0]):
        mine = positions[..., 0] == number
        orders[number][positions[mine][:, 1]] = taken[mine][:, 1]


def rows_and_columns(block: Block, orders: Orders) -> tuple[Ints, Ints]:
    """Return which row and which inputs of a block's weights stand in each place under an order.

    Parameters
    ----------
    block : Block
    orders : tuple of int64 arrays
        An element of the symmetry of its graph.

    Returns
    -------
    int64 array of shape (n_out,)
    int64 array of shape (groups, n_in // groups)
        The inputs of each group of a grouped block, counted within theirs.
    """
    n_out, per = block.n_out, block.weight.shape[1]
    start = block.target_channel
    rows = orders[block.target][start : start + n_out] - start
    if block.source == NO_GROUP:
        return rows, np.zeros((1, 1), dtype=np.int64)
    start = block.source_channel
    columns = orders[block.source][start : start + block.n_in] - start
    return rows, columns.reshape(block.groups, per) % per


def permuted(block: Block, weight: NDArray[Any], orders: Orders) -> NDArray[Any]:
    """Return weights of a block with its channels in other places.

    Parameters
    ----------
    block : Block
    weight : array of the shape of its weights
    orders : tuple of int64 arrays
        An element of the symmetry of its graph.
    """
    rows, columns = rows_and_columns(block, orders)
    moved: NDArray[Any]
    if block.groups == 1:
        moved = weight[rows][:, columns[0]]
    else:
        own = np.repeat(columns, block.n_out // block.groups, axis=0)
        moved = weight[rows[:, None], own]
    return moved


# --- how it is found ----------------------------------------------------------------------------


class _Interned(dict[Any, int]):
    """Anything -> a number for it."""

    def __missing__(self, key: Any) -> int:
        self[key] = len(self)
        return self[key]


class _Slots:
    """All channels of all groups, by one number each, and what tells them apart."""

    def __init__(self, graph: BlockGraph) -> None:
        self.first = np.cumsum([0, *(group.channels for group in graph.groups)], dtype=np.int64)
        self.group = np.repeat(np.arange(len(graph.groups)), np.diff(self.first))
        self.mark = self.group.copy()
        """Equal for channels that nothing tells apart but what they are tied to."""
        self._n_marks = len(graph.groups)
        self.ties: list[tuple[Ints, Ints, Ints]] = []
        """Slots, the slots they are tied to, and labels of these ties."""
        self.holders: list[tuple[Ints, Ints]] = []
        """Slots and the sets that they are in, which move whole."""
        self.n_holders = 0
        self.labels = _Interned()

    def of(self, group: int, channels: Any) -> Ints:
        return np.asarray(self.first[group] + channels)

    def tell_apart(self, slots: Ints) -> None:
        """Let nothing outside of these take the place of one of them."""
        slots = np.unique(slots)
        kinds, own = np.unique(self.mark[slots], return_inverse=True)
        self.mark[slots] = self._n_marks + own
        self._n_marks += len(kinds)

    def tie(self, ones: Ints, others: Ints, labels: Any) -> None:
        self.ties.append((ones, others, np.broadcast_to(labels, ones.shape)))

    def hold(self, sets: Ints, *members: Ints) -> None:
        """Keep sets of slots together; `members` have the sets along their first axis."""
        for each in members:
            self.tell_apart(each.ravel())
            self.holders.append(
                (each.ravel(), self.n_holders + np.repeat(sets, each[0].size if len(each) else 0))
            )
        self.n_holders += len(sets)

    def one_of_each(self, channel: Ints) -> Ints:
        return np.stack([self.group[channel], channel - self.first[self.group[channel]]], axis=-1)


def _classes(graph: BlockGraph) -> Iterable[Class]:
    slots = _Slots(graph)
    if not len(slots.mark):
        return
    held_by: list[str] = []
    for number, block in enumerate(graph.blocks):
        _enter(slots, number, block, held_by)
    for number, heads in enumerate(graph.heads):
        values, queries, keys = (
            None if part is None else slots.first[part[..., 0]] + part[..., 1]
            for part in (heads.values, heads.queries, heads.keys)
        )
        members = [part for part in (values, queries, keys) if part is not None]
        slots.hold(np.arange(len(heads.values)), *members)
        held_by += [f"heads {number}"] * len(heads.values)
        if queries is not None and keys is not None:
            label = slots.labels["scores", number]
            slots.tie(queries.ravel(), keys.ravel(), label)
    _enter_shared(slots, graph)
    fixed = np.isin(slots.group, sorted(_ends(graph)))
    yield from _found(slots, fixed, held_by)


def _enter(slots: _Slots, number: int, block: Block, held_by: list[str]) -> None:
    """Enter what a block says of its channels."""
    n_out, per = int(block.weight.shape[0]), int(block.weight.shape[1])
    target = slots.of(block.target, block.target_channel + np.arange(n_out))
    if block.kind == "bias":
        slots.tell_apart(target)
        return
    source = slots.of(block.source, block.source_channel + np.arange(block.n_in))
    if not block.is_trained:
        weight = np.asarray(block.weight[:], dtype=np.float64)
        how = block.kind, block.taps.tobytes(), block.columns.tobytes()
        kinds, own = np.unique(weight.reshape(n_out * per, -1), axis=0, return_inverse=True)
        labels = np.array([slots.labels[(*how, kind.tobytes())] for kind in kinds])[own.ravel()]
        of_group = source.reshape(block.groups, per)
        ones = np.repeat(of_group, n_out // block.groups, axis=0).ravel()
        slots.tie(ones, np.repeat(target, per), labels)
        return
    slots.tell_apart(target)
    slots.tell_apart(source)
    if n_out == block.groups and per == 1 and n_out > 1:
        slots.tie(source, target, slots.labels["block", number])
    elif block.groups > 1:
        sets = np.arange(block.groups)
        slots.hold(sets, source.reshape(len(sets), -1), target.reshape(len(sets), -1))
        held_by += [f"block {number}"] * len(sets)


def _enter_shared(slots: _Slots, graph: BlockGraph) -> None:
    """Tie the ends of blocks that have the same parameter: what moves in one moves in both."""
    alike: dict[Any, list[int]] = {}
    for number, block in enumerate(graph.blocks):
        if block.is_trained and block.made_of:
            key = block.made_of, block.kind, tuple(block.weight.shape), block.groups
            alike.setdefault(key, []).append(number)
    for numbers in alike.values():
        while len(numbers) > 1:
            first, *rest = numbers
            one = graph.blocks[first]
            array = np.asarray(one.weight[:])
            same = [k for k in rest if np.array_equal(array, np.asarray(graph.blocks[k].weight[:]))]
            for k in same:
                other = graph.blocks[k]
                label = slots.labels["shared", first, k]
                for end, size in (("target", one.n_out), ("source", one.n_in)):
                    groups = getattr(one, end), getattr(other, end)
                    if NO_GROUP in groups:
                        continue
                    begin = getattr(one, f"{end}_channel"), getattr(other, f"{end}_channel")
                    ones, others = (
                        slots.of(g, b + np.arange(size)) for g, b in zip(groups, begin, strict=True)
                    )
                    if not np.array_equal(ones, others):
                        slots.tie(ones, others, label)
            numbers = [k for k in rest if k not in same]


def _ends(graph: BlockGraph) -> set[int]:
    """Return the groups whose channels keep their places."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(graph.groups)
    fed = {block.target for block in graph.blocks}
    found = set(graph.outputs) | {place for place in range(n) if place not in fed}
    pairs = [(b.source, b.target) for b in graph.blocks if b.kind != "bias"]
    for heads in graph.heads:  # what is scored goes where the values go
        if heads.queries is not None and heads.keys is not None:
            ends = {int(place) for place in np.unique(heads.values[..., 0])}
            scored = np.unique(np.concatenate([heads.queries[..., 0], heads.keys[..., 0]], axis=1))
            pairs += [(int(place), end) for place in scored for end in ends]
    if not pairs:
        return set(range(n))
    tails, heads_of = np.array(pairs).T
    ones = np.ones(len(tails), dtype=np.int8)
    _, part = connected_components(
        coo_array((ones, (tails, heads_of)), shape=(n, n)), connection="strong"
    )
    # outputs: what leads nowhere, or round and round, as the states of a recurrent layer
    leads_on = set(part[tails][part[tails] != part[heads_of]].tolist())
    return found | {place for place in range(n) if part[place] not in leads_on}


def outputs_of(graph: BlockGraph) -> list[int]:
    """Return the groups that are outputs: named as such, or read by nothing but scores.

    Parameters
    ----------
    graph : BlockGraph
    """
    fed = {block.target for block in graph.blocks}
    return sorted(place for place in _ends(graph) if place in fed)


def _found(slots: _Slots, fixed: NDArray[np.bool_], held_by: Sequence[str]) -> Iterable[Class]:
    """Yield the classes of all that was entered."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(slots.mark)
    ones, others, labels = (
        np.concatenate([np.empty(0, np.int64), *(tie[k] for tie in slots.ties)]) for k in range(3)
    )
    ones, others, labels = np.unique(np.stack([ones, others, labels]), axis=1)
    joined = coo_array((np.ones(len(ones), dtype=np.int8), (ones, others)), shape=(n, n))
    n_units, unit = connected_components(joined, directed=False)
    order = np.argsort(unit, kind="stable")
    starts = np.searchsorted(unit[order], np.arange(n_units + 1))
    rank = np.empty(n, dtype=np.int64)
    rank[order] = np.arange(n) - starts[unit[order]]
    is_fixed = np.zeros(n_units, dtype=bool)
    is_fixed[unit[fixed]] = True
    # a unit is all that is tied: what its slots are, and how they are tied
    by_unit = np.argsort(unit[ones], kind="stable")
    ties = np.stack([rank[ones], rank[others], labels], axis=1)[by_unit]
    tie_starts = np.searchsorted(unit[ones][by_unit], np.arange(n_units + 1))
    kinds = _Interned()
    members = [order[starts[k] : starts[k + 1]] for k in range(n_units)]
    kind = [-1] * n_units
    for k in np.flatnonzero(~is_fixed).tolist():
        own = ties[tie_starts[k] : tie_starts[k + 1]]
        own = own[np.lexsort(own.T)]
        kind[k] = kinds[slots.mark[members[k]].tobytes(), own.tobytes()]
    held, holder = (
        np.concatenate([np.empty(0, np.int64), *(pair[k] for pair in slots.holders)])
        for k in range(2)
    )
    both = np.unique(np.stack([unit[held], holder]), axis=1)
    loose: dict[int, list[int]] = {}
    in_one = np.zeros(n_units, dtype=bool)
    in_one[both[0]] = True
    for k in np.flatnonzero(~is_fixed & ~in_one).tolist():
        loose.setdefault(kind[k], []).append(k)
    for alike in loose.values():
        if len(alike) > 1:
            yield Class(slots.one_of_each(np.stack([members[k] for k in alike])))
    if not both.size:
        return
    # sets that share a unit move together
    size = n_units + slots.n_holders
    graph = coo_array(
        (np.ones(both.shape[1], dtype=np.int8), (both[0], n_units + both[1])), shape=(size, size)
    )
    _, whole = connected_components(graph, directed=False)
    sets_of: dict[int, list[int]] = {}
    units_of: dict[int, list[int]] = {}
    for number in np.unique(both[1]).tolist():
        sets_of.setdefault(int(whole[n_units + number]), []).append(number)
    within: dict[int, list[int]] = {}
    for k, number in both.T.tolist():
        within.setdefault(k, []).append(number)
    for k in np.unique(both[0]).tolist():
        units_of.setdefault(int(whole[k]), []).append(k)
    wholes: dict[Any, list[tuple[list[int], list[tuple[int, ...]]]]] = {}
    for number, units in units_of.items():
        local = {one: place for place, one in enumerate(sets_of[number])}
        places = {k: (kind[k], *(local[one] for one in within[k])) for k in units}
        free = sorted(
            (k for k in units if not is_fixed[k]), key=lambda k: (places[k], members[k][0])
        )
        moves = len(free) == len(units)
        key = (
            -1 if moves else number,
            tuple(held_by[one] for one in sets_of[number]),
            tuple(places[k] for k in free),
        )
        wholes.setdefault(key, []).append((free, [places[k] for k in free]))
    for alike_wholes in wholes.values():
        yield from _class_of_wholes(slots, alike_wholes, members)


def _class_of_wholes(
    slots: _Slots,
    wholes: Sequence[tuple[list[int], list[tuple[int, ...]]]],
    members: Sequence[Ints],
) -> Iterable[Class]:
    """Yield the class of sets that move whole, each as its units and what they are in it."""
    units, places = wholes[0]
    if not units:
        return
    sizes = [len(members[k]) for k in units]
    starts = np.cumsum([0, *sizes])
    parts: dict[tuple[int, ...], list[Ints]] = {}
    for number, where in enumerate(places):
        parts.setdefault(where, []).append(np.arange(starts[number], starts[number + 1]))
    inner = tuple(np.stack(each) for each in parts.values() if len(each) > 1)
    if len(wholes) > 1 or inner:
        stacked = np.stack([np.concatenate([members[k] for k in each]) for each, _ in wholes])
        yield Class(slots.one_of_each(stacked), inner)
