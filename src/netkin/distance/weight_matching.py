"""Distance of two networks after matching their hidden units one layer at a time.

Of networks that are no chain, what is matched is what may change places as one: a channel of a
residual stream, a head, a group of a grouped convolution; see `netkin.graph.symmetry`.

Ainsworth, Hayase and Srinivasa 2023, Git Re-Basin: merging models modulo permutation
symmetries (ICLR, arXiv 2209.04836), section 3.2 and Algorithm 1.
"""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, NamedTuple

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from netkin.distance.relabelling import (
    Order,
    Parameters,
    best_assignment,
    fixed_products,
    relabelled_distance,
)
from netkin.errors import UndefinedDistance
from netkin.finite import require_finite
from netkin.graph.blocks import NO_GROUP, Block, BlockGraph
from netkin.graph.symmetry import Class, Orders, Symmetry, permuted, place, same_structure
from netkin.network.file import Network
from netkin.options import checked

_ROUNDING = 1e-12
"""An improvement by less than this share of |a| |b| is none."""


Floats = NDArray[np.float64]


@checked
def weight_matching(
    a: Network | BlockGraph,
    b: Network | BlockGraph,
    *,
    sweeps: Annotated[int, Ge(1), Le(100_000)] = 100,
) -> float:
    """Frobenius norm of the difference of all weights and biases after weight matching.

    The hidden units of one network are renumbered so that the inner product of the
    parameters of both grows: one layer at a time the best order given those of its
    neighbours, an assignment problem, from the inputs to the outputs and again until no
    layer improves. It starts from the numbering at hand, and the layers have a fixed order
    where Algorithm 1 draws them, so the result is deterministic.

    An upper bound of the least norm over all renumberings, and that norm itself where
    there is one hidden layer at most. Never larger, up to rounding, than the norm without
    renumbering. No metric: the triangle inequality may fail, and with two and more hidden
    layers renumbering a network may lead to another local optimum.

    Parameters
    ----------
    a, b : Network or BlockGraph
        Of the same shape, or two graphs that differ in numbers only. Of a graph the channels move
        that may (see `netkin.graph.symmetry.Symmetry`), and every number of a block counts once,
        however many edges it stands for.
    sweeps : int
        Most often that all layers are gone through. Where that is not enough the bound is
        looser; a handful is the rule.

    Returns
    -------
    float
        0 for a network and itself.

    Raises
    ------
    UndefinedDistance
        The networks differ in shape.

    Notes
    -----
    Matching a to b takes the same steps as matching b to a as long as the assignments are
    unique: their matrices are transposes. Both are computed, in case they are not.
    """
    if isinstance(a, Network) and isinstance(b, Network):
        return relabelled_distance(a, b, partial(_match, sweeps=sweeps))
    if isinstance(a, Network) or isinstance(b, Network) or not same_structure(a, b):
        raise UndefinedDistance("networks of different shape have no corresponding units")
    x, y = _numbers(a), _numbers(b)
    return min(_rest(a, x, y, sweeps), _rest(b, y, x, sweeps))


def matched_orders(a: BlockGraph, b: BlockGraph, *, sweeps: int = 100) -> Orders:
    """Return the orders of the channels of b that `weight_matching` finds to fit those of a.

    Parameters
    ----------
    a, b : BlockGraph
        That differ in numbers only.
    sweeps : int
        See `weight_matching`.

    Returns
    -------
    tuple of int64 arrays
        An element of the symmetry of both, for ``Symmetry(b).apply``.

    Raises
    ------
    UndefinedDistance
        The graphs differ in shape.
    """
    if not same_structure(a, b):
        raise UndefinedDistance("networks of different shape have no corresponding units")
    return _Matching(a, _numbers(a), _numbers(b)).found(sweeps)


def _match(a: Parameters, b: Parameters, *, sweeps: int) -> list[Order]:
    fixed = fixed_products(a, b)
    # weights from hidden layer k to hidden layer k + 1
    of_a, of_b = a.weights[1:-1], b.weights[1:-1]
    orders = [np.arange(len(part)) for part in fixed]
    least = _ROUNDING * _norm(a) * _norm(b)
    for _ in range(sweeps):
        improved = False
        for k, part in enumerate(fixed):
            products = part.copy()
            if k > 0:
                products += of_a[k - 1] @ of_b[k - 1][:, orders[k - 1]].T
            if k < len(of_a):
                products += of_a[k].T @ of_b[k][orders[k + 1]]
            order = best_assignment(products)
            rows = np.arange(len(order))
            if products[rows, order].sum() > products[rows, orders[k]].sum() + least:
                orders[k] = order
                improved = True
        if not improved:
            break
    return orders


def _norm(network: Parameters) -> float:
    return float(np.linalg.norm([np.linalg.norm(part) for parts in network for part in parts]))


# --- graphs of any architecture -----------------------------------------------------------------


def _numbers(graph: BlockGraph) -> list[Floats | None]:
    """Return the trained weights of each block, None for the constants of others."""
    found = [
        np.asarray(block.weight[:], dtype=np.float64) if block.is_trained else None
        for block in graph.blocks
    ]
    for array in found:
        if array is not None:
            require_finite(array, "weights and biases of a network")
    return found


def _rest(
    graph: BlockGraph, a: Sequence[Floats | None], b: Sequence[Floats | None], sweeps: int
) -> float:
    """Return the norm of a minus b, matched to it."""
    orders = _Matching(graph, a, b).found(sweeps)
    norms = [
        np.linalg.norm(x - permuted(block, y, orders))
        for block, x, y in zip(graph.blocks, a, b, strict=True)
        if x is not None and y is not None
    ]
    return float(np.linalg.norm(norms))


class _End(NamedTuple):
    """An end of a block with trained weights."""

    block: int
    is_target: bool


class _Matching:
    """The search for the best order, class by class of the symmetry of a graph."""

    def __init__(
        self, graph: BlockGraph, a: Sequence[Floats | None], b: Sequence[Floats | None]
    ) -> None:
        self._blocks = graph.blocks
        self._a, self._b = a, b
        self._symmetry = Symmetry(graph)
        self._ends: list[list[_End]] = [[] for _ in graph.groups]
        for number, block in enumerate(graph.blocks):
            if block.is_trained:
                self._ends[block.target].append(_End(number, True))
                # a depthwise block counts at its target, to which the source is tied
                if block.source != NO_GROUP and not _is_depthwise(block):
                    self._ends[block.source].append(_End(number, False))
        norms = [[np.linalg.norm(x) for x in each if x is not None] for each in (a, b)]
        self._least = _ROUNDING * float(np.linalg.norm(norms[0]) * np.linalg.norm(norms[1]))

    def found(self, sweeps: int) -> Orders:
        """Return the best orders of the channels of b that were found."""
        orders = self._symmetry.identity()
        for _ in range(sweeps):
            improved = False
            for each in self._symmetry.classes:
                for step in (self._inner, self._outer):
                    better = self._if_better(each, orders, step(each, orders))
                    improved |= better is not orders
                    orders = better
            if not improved:
                break
        return orders

    def _if_better(self, each: Class, orders: Orders, other: Orders) -> Orders:
        """Return `other` if the products of all weights that it moves are larger."""
        if all(map(np.array_equal, orders, other)):
            return orders
        touched = {
            end.block for group in np.unique(each.slots[..., 0]) for end in self._ends[group]
        }
        gain = 0.0
        for number in sorted(touched):
            block, x, y = self._blocks[number], self._a[number], self._b[number]
            assert x is not None and y is not None
            gain += float(np.vdot(x, permuted(block, y, other)))
            gain -= float(np.vdot(x, permuted(block, y, orders)))
        return other if gain > self._least else orders

    def _outer(self, each: Class, orders: Orders) -> Orders:
        """Return orders with the best places of whole members."""
        slots = each.slots
        if len(slots) == 1:
            return orders
        if not each.inner:
            best = best_assignment(self._products(slots, slots, orders))
            return _placed(orders, slots, slots[best])
        taken = np.empty((len(slots), *slots.shape), dtype=np.int64)
        value = np.empty((len(slots), len(slots)))
        for x, position in enumerate(slots):
            now = orders[position[0, 0]][position[0, 1]]
            for y, candidate in enumerate(slots):
                inside = (candidate[:, 0] == position[0, 0]) & (candidate[:, 1] == now)
                start = _standing(orders, position) if inside.any() else candidate
                taken[x, y], value[x, y] = self._within(each, position, start, orders)
        best = best_assignment(value)
        return _placed(orders, slots, taken[np.arange(len(slots)), best])

    def _inner(self, each: Class, orders: Orders) -> Orders:
        """Return orders with the best places of the parts of each member."""
        if each.inner:
            for position in each.slots:
                taken, _ = self._within(each, position, _standing(orders, position), orders)
                orders = _placed(orders, position, taken)
        return orders

    def _within(
        self, each: Class, position: NDArray[np.int64], taken: NDArray[np.int64], orders: Orders
    ) -> tuple[NDArray[np.int64], float]:
        """Return a member whose parts are in their best places, and the products it has there.

        Parameters
        ----------
        position, taken : int64 arrays of shape (n_slots, 2)
            A member, and the one that is to take its place.
        """
        taken = taken.copy()
        for parts in each.inner:
            now = _placed(orders, position, taken)
            best = best_assignment(self._products(position[parts], taken[parts], now))
            taken[parts] = taken[parts[best]]
        now = _placed(orders, position, taken)
        internal = self._internal(position)
        value = 0.0
        left = np.ones(len(position), dtype=bool)
        for parts in each.inner:
            left[parts] = False
            value += float(np.trace(self._products(position[parts], taken[parts], now, internal)))
        if left.any():
            value += float(
                self._products(position[None, left], taken[None, left], now, internal)[0, 0]
            )
        return taken, value

    def _internal(self, position: NDArray[np.int64]) -> frozenset[int]:
        """Return the blocks both of whose ends a member has, which count once."""
        groups = set(position[:, 0].tolist())
        return frozenset(
            end.block
            for group in groups
            for end in self._ends[group]
            if self._blocks[end.block].source in groups
        )

    def _products(
        self,
        positions: NDArray[np.int64],
        candidates: NDArray[np.int64],
        orders: Orders,
        once: frozenset[int] = frozenset(),
    ) -> Floats:
        """Return inner products of members over the weights at their slots, all else in place.

        Parameters
        ----------
        positions, candidates : int64 arrays of shape (n, k, 2) and (m, k, 2)
            Slots of a, and of b; slot k of all lies in the same ranges of blocks.
        orders : tuple of int64 arrays
            Of the channels of b at the other ends.
        once : set of int
            Blocks that count at their targets only.

        Returns
        -------
        float64 array of shape (n, m)
        """
        found = np.zeros((len(positions), len(candidates)))
        for k in range(positions.shape[1]):
            group = int(positions[0, k, 0])
            for end in self._ends[group]:
                if not end.is_target and end.block in once:
                    continue
                block = self._blocks[end.block]
                start = block.target_channel if end.is_target else block.source_channel
                size = block.n_out if end.is_target else block.n_in
                if not start <= positions[0, k, 1] < start + size:
                    continue
                here, there = positions[:, k, 1] - start, candidates[:, k, 1] - start
                found += self._at(end, here, there, orders)
        return found

    def _at(
        self, end: _End, here: NDArray[np.int64], there: NDArray[np.int64], orders: Orders
    ) -> Floats:
        """Return inner products of channels at one end of a block, counted from its first one."""
        block, x, y = self._blocks[end.block], self._a[end.block], self._b[end.block]
        assert x is not None and y is not None
        out, per = block.n_out // block.groups, block.weight.shape[1]
        if end.is_target:
            rows_x, rows_y = x[here], y[there]
            if per > 1:
                start = block.source_channel
                first = start + here[0] // out * per
                order = orders[block.source][first : first + per] - start
                rows_y = rows_y[:, order % per]
        else:
            part = here[0] // per * out
            first = block.target_channel + part
            order = orders[block.target][first : first + out] - block.target_channel
            rows_x = np.swapaxes(x[part : part + out][:, here % per], 0, 1)
            rows_y = np.swapaxes(y[order][:, there % per], 0, 1)
        products: Floats = rows_x.reshape(len(here), -1) @ rows_y.reshape(len(there), -1).T
        return products


def _is_depthwise(block: Block) -> bool:
    return block.n_out == block.groups > 1 and block.weight.shape[1] == 1


def _standing(orders: Orders, position: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the slots that stand at slots of shape (k, 2)."""
    taken = position.copy()
    for group in np.unique(position[:, 0]):
        mine = position[:, 0] == group
        taken[mine, 1] = orders[group][position[mine, 1]]
    return taken


def _placed(orders: Orders, positions: NDArray[np.int64], taken: NDArray[np.int64]) -> Orders:
    """Return orders in which slots take the places of others."""
    groups = set(np.unique(positions[..., 0]).tolist())
    found = tuple(each.copy() if k in groups else each for k, each in enumerate(orders))
    place(found, positions, taken)
    return found
