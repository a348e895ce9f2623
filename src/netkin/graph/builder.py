"""Builds the graph of a network while its operators are followed, whoever says what they are.

A tensor is known by the units that stand in it: `Value.units` has its shape and holds a vertex for
each number. Whatever only moves numbers (reshape, transpose, slice, concatenate) is done to that
array by numpy; what multiplies them by weights finds groups, channels and taps in it again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netkin.graph.blocks import (
    NO_GROUP,
    SOURCE,
    TARGET,
    Block,
    BlockGraph,
    Group,
    Heads,
    Kind,
)
from netkin.graph.blocks import points as points_of
from netkin.graph.connect import (
    NOTHING,
    Run,
    Taps,
    Units,
    alike,
    all_differ,
    as_slice,
    axis_of,
    boxes,
    distinct,
    numbers_in,
    runs,
    split_groups,
    taps_of,
    taps_of_points,
    together,
    window,
)
from netkin.graph.lazy import LazyMatrix

__all__ = [
    "NOTHING",
    "Builder",
    "Mean",
    "NotUnderstood",
    "Parameter",
    "Scores",
    "Value",
    "is_new",
]

Floats = NDArray[np.floating[Any]]
SCALED = 1 << 15
"""Weights that are multiplied in float64 at once."""


MOST_WINDOW = 1 << 16
"""Points of a window, at most."""
MOST_UNITS = 1 << 28
"""Units of all groups, at most: an array of them takes 2 GiB."""


class NotUnderstood(Exception):
    """Why an operator has no rule, in one clause.

    Attributes
    ----------
    understood : BlockGraph, optional
        What comes before it, for `netkin inspect`; who follows the operators sets it.
    node : str, optional
        The node or layer that could be left out; "" where that would not help.
    """

    understood: BlockGraph | None = None
    node: str | None = None


@dataclass(frozen=True, eq=False)
class Parameter:
    """Numbers that do not depend on the inputs.

    Attributes
    ----------
    array : array
        Or a `LazyMatrix`, of shape (n_out, n_in, 1), where a fully connected layer reads it.
    names : tuple of str
        The parameters that it is made of; empty for a literal.
    """

    array: Any
    names: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor that depends on the inputs.

    Attributes
    ----------
    units : int64 array of the shape of the tensor
        The batch axis, where there is one, has size 1. `NOTHING` where it is 0 for all inputs.
    scale, shift : float64 arrays that broadcast to that shape, optional
        What the units were multiplied by, and what was added then, since the last activation.
    names : tuple of str
        The parameters of scale and shift.
    activation : str
        What the units passed, such as ``relu``; "" for nothing.
    centred : int, optional
        The axis whose mean was subtracted before scale and shift, as layer normalisation does.
    """

    units: Units
    scale: NDArray[np.float64] | None = None
    shift: NDArray[np.float64] | None = None
    names: tuple[str, ...] = ()
    activation: str = ""
    centred: int | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return self.units.shape

    @property
    def is_plain(self) -> bool:
        """Whether nothing was multiplied or added since the last activation."""
        return self.scale is None and self.shift is None


def is_new(value: Any, before: int) -> bool:
    """Tell whether all units of a value were made since there were so many."""
    return isinstance(value, Value) and bool((value.units >= before).all())


@dataclass(frozen=True, eq=False)
class Mean:
    """Means, sums, norms of some axes: a layer of pooling, or the statistics of a normalisation.

    Attributes
    ----------
    of : Value
    axes : tuple of int
    keepdims : bool
    is_linear : bool
        Whether it is a mean or a sum, and nothing was done to it.
    weight : float
        What each number of a linear one is multiplied by.
    """

    of: Value
    axes: tuple[int, ...]
    keepdims: bool
    is_linear: bool = True
    weight: float = 1.0


@dataclass(frozen=True, eq=False)
class Scores:
    """A product of two values, as attention has it: it says how tokens mix, and has no units.

    Attributes
    ----------
    shape : tuple of int
    queries, keys : int64 arrays of shape (n_heads, n_tokens, n_scored), optional
        Units whose products are added up.
    """

    shape: tuple[int, ...]
    queries: Units | None = None
    keys: Units | None = None


@dataclass
class _Draft:
    """A group that is being made."""

    name: str
    channels: int
    grid: tuple[int, ...]
    first: int
    read: bool = False
    passed: set[str] = field(default_factory=set)
    bias: NDArray[np.float64] | None = None
    bias_names: tuple[str, ...] = ()
    double: bool = False

    @property
    def points(self) -> int:
        return prod(self.grid)

    @property
    def size(self) -> int:
        return self.channels * self.points


class Builder:
    """Makes groups and blocks, operator by operator.

    Values are given to one method an operator and come back as values. Batches have size 1.
    """

    def __init__(self) -> None:
        self._groups: list[_Draft] = []
        self._blocks: list[Block] = []
        self._first: list[int] = [0]
        self._heads: list[Heads] = []
        self._kept: set[int] = set()
        # values that got units of their own, by identity, so that all readers meet the same ones
        self._own: dict[int, tuple[Value, Value]] = {}
        self.notes: list[str] = []

    # --- groups -----------------------------------------------------------------------------

    def group(self, name: str, channels: int, grid: Sequence[int] = ()) -> Units:
        """Make a group, and return its units as an array of shape (channels, *grid)."""
        if self._first[-1] + channels * prod(grid) > MOST_UNITS:
            raise NotUnderstood(
                f"{name} would have {channels * prod(grid):,} units; allowed are {MOST_UNITS:,} in "
                "all"
            )
        draft = _Draft(name, channels, tuple(grid), self._first[-1])
        self._groups.append(draft)
        self._first.append(draft.first + draft.size)
        return np.arange(draft.first, self._first[-1]).reshape(channels, *grid)

    @property
    def n_units(self) -> int:
        """Units of all groups so far; those of a later one are numbered from here."""
        return self._first[-1]

    def input(self, name: str, shape: Sequence[int], channel_axis: int | None = None) -> Value:
        """Return an input of the network.

        Parameters
        ----------
        name : str
        shape : sequence of int
            With the batch axis first, of size 1.
        channel_axis : int, optional
            1 by default, or the last of two axes and of three.
        """
        shape = tuple(int(size) for size in shape)
        if channel_axis is None:
            channel_axis = 1 if len(shape) != 3 else 2
        if len(shape) < 2:
            return Value(self.group(name, prod(shape)).reshape(shape))
        axis = channel_axis % len(shape)
        grid = [size for place, size in enumerate(shape) if place not in (0, axis)]
        units = self.group(name, shape[axis], grid)
        return Value(np.moveaxis(units, 0, axis - 1)[None])

    def finish(
        self,
        parameters: dict[str, int] | None = None,
        sizes: dict[str, int] | None = None,
        unused: dict[str, str] | None = None,
        outputs: Sequence[Any] = (),
    ) -> BlockGraph:
        """Return the graph.

        Parameters
        ----------
        parameters : dict of str to int, optional
            All parameters of the network and how many numbers each has.
        sizes : dict of str to int, optional
            What symbolic axes were taken as.
        unused : dict of str to str, optional
            Parameters that are left out on purpose -> why.
        outputs : sequence of Value, optional
            What the network gives; what nothing reads is so without being named.
        """
        for value in outputs:
            if isinstance(value, Value):
                self._kept.update(self._owners(value.units))
        blocks = list(self._blocks)
        self._add_up_biases()
        for place, draft in enumerate(self._groups):
            if draft.bias is not None:
                blocks.append(_bias_block(place, draft))
        groups = tuple(
            Group(
                draft.name,
                draft.channels,
                draft.grid,
                next(iter(draft.passed)) if len(draft.passed) == 1 else "",
            )
            for draft in self._groups
        )
        used = {name for block in blocks for name in block.made_of}
        parameters = parameters or {}
        left = {name: "no unit is made of it" for name in parameters if name not in used}
        return BlockGraph(
            groups,
            tuple(blocks),
            sum(parameters.values()),
            left | (unused or {}),
            sizes or {},
            tuple(dict.fromkeys(self.notes)),
            tuple(self._heads),
            tuple(sorted(self._kept)),
        )

    # --- layers with weights ----------------------------------------------------------------

    def linear(
        self,
        x: Any,
        weight: Parameter,
        bias: Parameter | None = None,
        *,
        name: str,
        axis: int = -1,
    ) -> Value:
        """Return a fully connected layer along one axis, at every point of the others.

        Parameters
        ----------
        x : Value
        weight : Parameter of shape (n_out, n_in)
        bias : Parameter of shape (n_out,), optional
        name : str
        axis : int
            Of `x`; the units of the result stand there.
        """
        x = self.units_of(x, name)
        axis %= len(x.shape)
        x = self._foldable(x, axis, name)
        matrix = weight.array
        if not isinstance(matrix, LazyMatrix) and matrix.ndim == 2:
            matrix = matrix[:, :, None]
        if matrix.ndim != 3 or matrix.shape[1:] != (x.shape[axis], 1):
            raise NotUnderstood(
                f"{name} has weights of shape {weight.array.shape[:2]} for {x.shape[axis]} units"
            )
        units = np.moveaxis(x.units, axis, 0)
        points = units.shape[1:]
        grid = self._grid_for(units)
        made = self.group(name, matrix.shape[0], grid)
        target = np.moveaxis(made.reshape(matrix.shape[0], *points), 0, axis)
        every = tuple(slice(None) for _ in points)
        self._connect(
            name,
            x,
            axis,
            matrix,
            [(0, every, np.arange(prod(points)).reshape(points))],
            weight.names,
        )
        if bias is not None:
            self._add_bias(len(self._groups) - 1, bias)
        return Value(target)

    def convolution(
        self,
        x: Any,
        weight: Parameter,
        bias: Parameter | None = None,
        *,
        name: str,
        stride: Sequence[int],
        padding: Sequence[tuple[int, int]],
        dilation: Sequence[int],
        groups: int = 1,
        transposed: bool = False,
        output_padding: Sequence[int] = (),
        channel_axis: int = 1,
    ) -> Value:
        """Return a convolution of any number of axes, zeros around its grid.

        Parameters
        ----------
        x : Value
            Batch first; the axes of the grid are the others, in their order.
        weight : Parameter
            Of shape (n_out, n_in // groups, *kernel); of a transposed one
            (n_in, n_out // groups, *kernel), as torch and ONNX have it.
        bias : Parameter of shape (n_out,), optional
        name : str
        stride, dilation : sequence of int
        padding : sequence of (int, int)
            Zeros before and after each axis.
        groups : int
        transposed : bool
        output_padding : sequence of int
            Of a transposed one.
        channel_axis : int
        """
        x = self._foldable(self.units_of(x, name), channel_axis, name)
        units = np.moveaxis(x.units[0], channel_axis - 1, 0)
        n_in, size = units.shape[0], units.shape[1:]
        kernel = weight.array.shape[2:]
        array = weight.array
        if transposed:
            # (n_in, n_out // groups, ...) -> (n_out, n_in // groups, ...)
            array = array.reshape(groups, n_in // groups, array.shape[1], *kernel)
            array = np.swapaxes(array, 1, 2).reshape(-1, n_in // groups, *kernel)
        n_out = array.shape[0]
        if len(kernel) != len(size) or array.shape[1] * groups != n_in:
            raise NotUnderstood(
                f"{name} has weights of shape {weight.array.shape} for units of shape {x.shape}"
            )
        _check_window(name, kernel, size)
        axes = [
            window(
                size[at],
                kernel[at],
                stride[at],
                padding[at],
                dilation[at],
                transposed,
                output_padding[at] if output_padding else 0,
            )
            for at in range(len(kernel))
        ]
        grid = tuple(length for length, _ in axes)
        if min(grid, default=1) < 1:
            raise NotUnderstood(f"{name} has a window that is larger than what it moves over")
        made = self.group(name, n_out, grid)
        number = np.arange(prod(grid)).reshape(grid)
        windows = [
            (
                int(np.ravel_multi_index(tap, kernel)) if kernel else 0,
                tuple(axes[at][1][tap[at]][0] for at in range(len(kernel))),
                number[tuple(axes[at][1][tap[at]][1] for at in range(len(kernel)))],
            )
            for tap in product(*(range(width) for width in kernel))
        ]
        windows = [each for each in windows if each[2].size]
        self._connect(
            name,
            x,
            channel_axis,
            array.reshape(n_out, n_in // groups, -1),
            windows,
            weight.names,
            groups=groups,
        )
        if bias is not None:
            self._add_bias(len(self._groups) - 1, bias)
        return Value(np.moveaxis(made, 0, channel_axis - 1)[None])

    def embedding(self, name: str, table: Parameter, shape: Sequence[int]) -> Value:
        """Return the rows of a table that an input of whole numbers chooses.

        Parameters
        ----------
        name : str
        table : Parameter of shape (n_rows, n_channels)
        shape : sequence of int
            Of the input.

        Returns
        -------
        Value of shape (*shape, n_channels)
        """
        grid = tuple(size for size in shape if size != 1)
        rows = self.group(f"{name} rows", table.array.shape[0], grid)
        chosen = Value(np.moveaxis(rows.reshape(rows.shape[0], *shape), 0, -1))
        return self.linear(chosen, Parameter(table.array.T, table.names), name=name)

    def recurrent(
        self,
        x: Any,
        kind: str,
        into: Parameter,
        back: Parameter,
        biases: Sequence[Parameter] = (),
        *,
        name: str,
        reverse: bool = False,
        reset_after: bool = True,
        activation: str = "tanh",
    ) -> Value:
        """Return the states of a recurrent layer in one direction, from a constant first one.

        Parameters
        ----------
        x : Value of shape (n_steps, n_in)
            One sequence.
        kind : {"rnn", "lstm", "gru"}
        into : Parameter of shape (n_gates * n_units, n_in)
            Gates of an LSTM in the order input, forget, cell, output, those of a GRU reset,
            update, new, as torch has them.
        back : Parameter of shape (n_gates * n_units, n_units)
        biases : sequence of Parameter of shape (n_gates * n_units,)
            They are added up, but for the new gate of a GRU with `reset_after`.
        name : str
        reverse : bool
            From the last step to the first.
        reset_after : bool
            Of a GRU: whether the reset gate multiplies what its recurrent weights give, not what
            they take.
        activation : str
            Of the states of an ``rnn``.

        Returns
        -------
        Value of shape (n_steps, n_units)
        """
        x = self.units_of(x, name)
        n = back.array.shape[1]
        gates = {"rnn": ("",), "lstm": ("input", "forget", "cell", "output")}.get(
            kind, ("reset", "update", "new")
        )
        before = (slice(1, None), slice(None, -1)) if reverse else (slice(None, -1), slice(1, None))

        def rows(of: Parameter, gate: int) -> Parameter:
            return Parameter(of.array[gate * n : (gate + 1) * n], of.names)

        def fed(label: str, gate: int, with_biases: Sequence[Parameter]) -> Value:
            value = self.linear(x, rows(into, gate), name=f"{name} {label}".strip())
            for bias in with_biases:
                self._add_bias(len(self._groups) - 1, rows(bias, gate))
            return value

        def feed_back(state: Value, to: Value, gate: int) -> None:
            self._across(state, to, before, rows(back, gate), f"{name} {gates[gate]}".strip())

        if kind == "rnn":
            state = fed("", 0, biases)
            feed_back(replace(state, activation=activation), state, 0)
            return replace(state, activation=activation)
        made = {gate: fed(gate, k, biases) for k, gate in enumerate(gates) if gate != "new"}
        if kind == "lstm":
            cell = self._like(f"{name} cell state", made["cell"])
            for gate in ("input", "forget", "cell"):
                self._join("product", made[gate], cell, name)
            self._join("product", cell, cell, name, before)
            state = self._like(f"{name} state", cell)
            self._join("product", cell, state, name)
            self._join("product", made["output"], state, name)
            for k in range(4):
                feed_back(state, made[gates[k]], k)
            return state
        # of a GRU
        last = biases[1:] if reset_after else ()
        new = fed("new", 2, biases[: len(biases) - len(last)])
        state = self._like(f"{name} state", new)
        for k in range(2):
            feed_back(state, made[gates[k]], k)
        if reset_after:
            part = self._like(f"{name} recurrent", new)
            for bias in last:
                self._add_bias(self._group_of(part.units.flat[0]), rows(bias, 2))
            feed_back(state, part, 2)
            gated = self._like(f"{name} gated", new)
            self._join("product", part, gated, name)
            self._join("product", made["reset"], gated, name)
            self._join("product", gated, new, name)
        else:
            gated = self._like(f"{name} gated", new)
            self._join("product", made["reset"], gated, name)
            self._join("product", state, gated, name, before)
            self._across(gated, new, (slice(None), slice(None)), rows(back, 2), f"{name} new")
        self._join("product", new, state, name)
        self._join("product", made["update"], state, name)
        # the carried state passes a vertex of its own: no triangle
        carried = self._like(f"{name} carried", state)
        self._join("product", state, carried, name, before)
        self._join("product", carried, state, name)
        return state

    # --- layers without weights ---------------------------------------------------------------

    def activation(self, x: Any, kind: str, name: str) -> Any:
        """Return a value after a function of each number, or of numbers of the same units."""
        if isinstance(x, Scores):
            return x
        if isinstance(x, Mean):
            return replace(x, is_linear=False)
        if not x.is_plain or x.centred is not None:
            x = self.own_units(x, name)
        if kind == "prelu":  # its slopes tell channels apart
            self._keep(x)
        passed = kind if not x.activation or kind == x.activation else f"{x.activation} {kind}"
        return replace(x, activation=passed)

    def affine(
        self,
        x: Any,
        scale: Parameter | None,
        shift: Parameter | None,
        name: str,
        *,
        sole: bool,
    ) -> Any:
        """Return ``x * scale + shift``.

        Parameters
        ----------
        x : Value
        scale, shift : Parameter, optional
            Arrays that broadcast with the shape of `x`.
        name : str
        sole : bool
            Whether nothing else reads `x`, so that it can become a part of the layer before.
        """
        if isinstance(x, Scores):
            return x
        if isinstance(x, Mean):
            if shift is None and scale is not None and not scale.names and scale.array.size == 1:
                return replace(x, weight=x.weight * float(scale.array.reshape(())))
            return (
                replace(x, is_linear=False)
                if x.is_linear is False
                else self.affine(self.units_of(x, name), scale, shift, name, sole=sole)
            )
        names = (*(scale.names if scale else ()), *(shift.names if shift else ()))
        arrays = [
            None if each is None else each.array.astype(np.float64) for each in (scale, shift)
        ]
        shape = np.broadcast_shapes(x.shape, *(a.shape for a in arrays if a is not None))
        if shape != x.shape:
            x = self.moved(x, lambda array: np.broadcast_to(array, shape))
        if sole and self._fold(x, arrays[0], arrays[1], names):
            return x
        if x.scale is not None and arrays[0] is not None:
            arrays[0] = x.scale * arrays[0]
        elif arrays[0] is None:
            arrays[0] = x.scale
        if x.shift is not None:
            moved = x.shift if scale is None else x.shift * scale.array.astype(np.float64)
            arrays[1] = moved if arrays[1] is None else moved + arrays[1]
        return replace(x, scale=arrays[0], shift=arrays[1], names=(*x.names, *names))

    def normalised(
        self,
        x: Any,
        scale: Parameter | None,
        shift: Parameter | None,
        name: str,
        *,
        centred: int | None,
        parts: int | None = 1,
        channel_axis: int = 1,
    ) -> Value:
        """Return a value divided by statistics of its own, then scaled and shifted.

        Parameters
        ----------
        x : Value
        scale, shift : Parameter, optional
            Arrays that broadcast with the shape of `x`.
        name : str
        centred : int, optional
            The axis whose mean is subtracted, where every layer that reads it is fully connected
            along it.
        parts : int, optional
            In how many parts channels are taken, as group normalisation does; None where that is
            not known. It makes no edge, but says which of them may change places.
        channel_axis : int
        """
        x = self.activation(self.units_of(x, name), "normalisation", name)
        if parts != 1:
            self._note_parts(x, parts, channel_axis, name)
        found: Value = self.affine(x, scale, shift, name, sole=False)
        return replace(found, centred=None if centred is None else centred % len(x.shape))

    def add(self, values: Sequence[Any], name: str, signs: Sequence[float] | None = None) -> Any:
        """Return a sum (or a difference, by signs) of values."""
        signs = signs or [1.0] * len(values)
        if any(isinstance(each, Scores) for each in values):
            return next(each for each in values if isinstance(each, Scores))
        if (own := self._own_statistic(values)) is not None:
            return self.activation(own, "normalisation", name)
        values, wide, shape = self._broadcast(values, name)
        if all(np.array_equal(wide[0].units, each.units) for each in wide[1:]):
            scaled = next((each for each in wide if not each.is_plain), wide[0])
            return self.activation(scaled, "sum", name)
        total = self._like(name, next((v for v in values if v.shape == shape), wide[0]), shape)
        place = self._group_of(total.units.flat[0])
        for each, sign in zip(wide, signs, strict=True):
            each = self._without_centre(each, name)
            if each.shift is not None:
                self._shift_bias(place, total, sign * each.shift, each.names)
            scale = sign if each.scale is None else sign * each.scale
            kind: Kind = "weight" if each.scale is not None and each.names else "identity"
            self._join(kind, each, total, name, weight=scale)
        return total

    def _broadcast(
        self, values: Sequence[Any], name: str
    ) -> tuple[list[Value], list[Value], tuple[int, ...]]:
        """Return values with units, the same in one shape, and that shape."""
        found = [self.units_of(each, name) for each in values]
        shape = np.broadcast_shapes(*(each.shape for each in found))
        wide = [self.moved(each, lambda a: np.broadcast_to(a, shape)) for each in found]
        return found, wide, shape

    def multiply(self, values: Sequence[Any], name: str) -> Any:
        """Return a product of values that depend on the inputs: a gate."""
        if any(isinstance(each, Scores) for each in values):
            return next(each for each in values if isinstance(each, Scores))
        if (own := self._own_statistic(values)) is not None:
            return self.activation(own, "normalisation", name)
        values, wide, shape = self._broadcast(values, name)
        if all(np.array_equal(wide[0].units, each.units) for each in wide[1:]):
            plain = next((each for each in wide if not each.is_plain), wide[0])
            is_square = len({each.activation for each in wide}) == 1
            return self.activation(plain, "square" if is_square else "product", name)
        total = self._like(name, next((v for v in values if v.shape == shape), wide[0]), shape)
        for each in wide:
            if not each.is_plain or each.centred is not None:
                each = self.own_units(each, name)
            self._join("product", each, total, name)
        return total

    def pool(
        self,
        x: Any,
        *,
        name: str,
        kernel: Sequence[int],
        stride: Sequence[int],
        padding: Sequence[tuple[int, int]],
        dilation: Sequence[int],
        kind: str,
        ceil: bool = False,
        count_padding: bool = True,
        channel_axis: int = 1,
    ) -> Value:
        """Return pooling, channel by channel.

        Parameters
        ----------
        x : Value
            Batch first.
        name : str
        kernel, stride, padding, dilation
            As of a convolution.
        kind : {"max", "mean", "sum"}
            Edges weigh 1, but for a mean, of whose window each has its share.
        ceil : bool
            Whether a window may begin inside and end outside.
        count_padding : bool
            Whether zeros around the grid are a part of a mean.
        channel_axis : int
        """
        x = self.own_units(self.units_of(x, name), name)
        units = np.moveaxis(x.units[0], channel_axis - 1, 0)
        size = units.shape[1:]
        _check_window(name, kernel, size)
        axes = []
        for at, length in enumerate(size):
            before, after = padding[at]
            extra = 0
            if ceil:
                reach = length + before + after - dilation[at] * (kernel[at] - 1) - 1
                extra = -reach % stride[at]
                # a window begins inside the grid or the zeros before it
                if (-(-reach // stride[at])) * stride[at] >= length + before:
                    extra = 0
            axes.append(
                window(
                    length, kernel[at], stride[at], (before, after + extra), dilation[at], False, 0
                )
            )
        grid = tuple(length for length, _ in axes)
        if min(grid, default=1) < 1:
            raise NotUnderstood(f"{name} has a window that is larger than what it moves over")
        made = self.group(name, units.shape[0], grid)
        number = np.arange(prod(grid)).reshape(grid)
        taps = list(product(*(range(width) for width in kernel)))
        windows = [
            (
                tuple(axes[at][1][tap[at]][0] for at in range(len(kernel))),
                number[tuple(axes[at][1][tap[at]][1] for at in range(len(kernel)))],
            )
            for tap in taps
        ]
        share = np.ones(grid)
        if kind == "mean":
            counted = [
                numbers_in(
                    size[at], kernel[at], stride[at], padding[at], dilation[at], n, count_padding
                )
                for at, n in enumerate(grid)
            ]
            for at, count in enumerate(counted):
                share = share / count.reshape([-1 if k == at else 1 for k in range(len(grid))])
        self._structural(name, "pooling", x, channel_axis, windows, share)
        return Value(np.moveaxis(made, 0, channel_axis - 1)[None])

    def upsample(self, x: Any, factors: Sequence[int], name: str, channel_axis: int = 1) -> Value:
        """Return each number repeated along the axes of the grid: a vertex for each copy."""
        x = self.own_units(self.units_of(x, name), name)
        units = np.moveaxis(x.units[0], channel_axis - 1, 0)
        size = units.shape[1:]
        grid = tuple(length * factor for length, factor in zip(size, factors, strict=True))
        made = self.group(name, units.shape[0], grid)
        number = np.arange(prod(grid)).reshape(grid)
        every = tuple(slice(None) for _ in size)
        windows = [
            (every, number[tuple(slice(k, None, f) for k, f in zip(at, factors, strict=True))])
            for at in product(*(range(factor) for factor in factors))
        ]
        self._structural(name, "pooling", x, channel_axis, windows, np.ones(grid))
        return Value(np.moveaxis(made, 0, channel_axis - 1)[None])

    def mean(
        self,
        x: Any,
        axes: Sequence[int],
        *,
        name: str,
        keepdims: bool,
        kind: str = "mean",
    ) -> Any:
        """Return the mean (or sum, norm, maximum) over some axes.

        It is a layer of pooling once weights read it, and part of a normalisation where the value
        itself is shifted or divided by it.
        """
        if isinstance(x, Scores):
            return replace(x, shape=np.empty(x.shape).mean(tuple(axes), keepdims=keepdims).shape)
        if isinstance(x, Mean):
            x = self.units_of(x, name)
        axes = tuple(axis % len(x.shape) for axis in axes)
        count = prod(x.shape[axis] for axis in axes)
        weight = 1 / count if kind == "mean" else 1.0
        return Mean(x, axes, keepdims, kind in ("mean", "sum", "max"), weight)

    def scores(self, one: Any, other: Any) -> Scores:
        """Return the product of two values along an axis, as of queries and keys."""
        one, other = (
            self.units_of(each, "a product") if isinstance(each, Mean) else each
            for each in (one, other)
        )
        shape = (
            *np.broadcast_shapes(one.shape[:-2], other.shape[:-2]),
            one.shape[-2],
            other.shape[-1],
        )
        if not (isinstance(one, Value) and isinstance(other, Value)):
            return Scores(shape)
        for each in (one, other):  # what tells heads apart is read as it is
            for place in self._owners(each.units):
                self._groups[place].passed.add("scores")
        queries, keys = (
            np.broadcast_to(units, (*shape[:-2], *units.shape[-2:])).reshape(-1, *units.shape[-2:])
            for units in (one.units, np.swapaxes(other.units, -1, -2))
        )
        return Scores(shape, queries, keys)

    def attended(self, scores: Scores, x: Any, name: str) -> Value:
        """Return values mixed by scores: at each token those of the same token.

        Attention mixes tokens without weights, so that what a token meets are the weights of its
        own. A unit that several heads read gets a vertex for each of them.

        Parameters
        ----------
        scores : Scores of shape (..., n_queries, n_keys)
        x : Value of shape (..., n_keys, n_channels)
        name : str
        """
        x = self.own_units(self.units_of(x, name), name)
        queries = scores.shape[-2]
        shape = (*np.broadcast_shapes(scores.shape[:-2], x.shape[:-2]), queries, x.shape[-1])
        if x.shape[-2] not in (1, queries) and queries != 1:
            raise NotUnderstood(
                f"{name} mixes {x.shape[-2]} tokens to {queries}; allowed are equally many, or one "
                "on either side"
            )
        self.notes.append("attention: what a token gives is joined to what it takes by its values")
        wide_units = np.broadcast_to(x.units, (*shape[:-2], *x.shape[-2:]))
        self._note_heads(name, wide_units.reshape(-1, *x.shape[-2:]), scores.queries, scores.keys)
        x = replace(x, activation="attention")
        if queries == 1 and x.shape[-2] > 1:
            units = np.broadcast_to(x.units, (*shape[:-2], *x.shape[-2:]))
            total = self._like(name, Value(units[..., :1, :]), shape)
            for token in range(units.shape[-2]):
                self._join(
                    "product", replace(x, units=units[..., token : token + 1, :]), total, name
                )
            return total
        wide: Value = self.moved(x, lambda array: np.broadcast_to(array, shape))
        if all_differ(wide.units):
            return wide
        total = self._like(name, wide)
        self._join("product", wide, total, name)
        return total

    def _keep(self, x: Value) -> None:
        """Let no channel of the groups of a value take the place of another."""
        self._kept.update(self._owners(x.units))

    def _note_parts(self, x: Value, parts: int | None, axis: int, name: str) -> None:
        """Note which channels a normalisation takes together, where it does not take all."""
        if parts is None or x.shape[axis] % parts or (x.units < 0).any():
            self._keep(x)
            return
        units = np.moveaxis(x.units, axis, 0).reshape(parts, -1)
        place, channel = self._places(units)
        both = [
            np.unique(np.stack(pair, axis=1), axis=0) for pair in zip(place, channel, strict=True)
        ]
        if len({len(each) for each in both}) > 1:
            self._keep(x)
        elif len(both[0]) > 1:
            self._heads.append(Heads(name, np.stack(both)))

    def _places(self, units: Units) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the group of each unit, -1 for none, and its channel."""
        place = np.searchsorted(self._first, units, side="right") - 1
        first = np.array([draft.first for draft in self._groups])
        points = np.array([draft.points for draft in self._groups])
        return place, (units - first[place]) // points[place]

    def _note_heads(
        self, name: str, values: Units, queries: Units | None = None, keys: Units | None = None
    ) -> None:
        """Note which channels are taken set by set; units of shape (n_heads, n_tokens, n)."""
        of_values, *scored = (self._channels_of(units) for units in (values, queries, keys))
        if of_values is None:
            return
        if all(each is not None and len(each) == len(of_values) for each in scored):
            self._heads.append(Heads(name, of_values, *scored))
        else:  # what chooses between them is not known, so none may take the place of another
            self._heads += [Heads(name, each[None]) for each in of_values]

    def _channels_of(self, units: Units | None) -> NDArray[np.int64] | None:
        """Return group and channel of units (n_heads, n_tokens, n) as (n_heads, n, 2).

        None, and their groups keep their channels, where these are not the same at all tokens.
        """
        if units is None:
            return None
        place, channel = self._places(units)
        real = place >= 0
        if real.all() and (place == place[:, :1]).all() and (channel == channel[:, :1]).all():
            return np.stack([place[:, 0], channel[:, 0]], axis=-1)
        self._kept.update(np.unique(place[real]).tolist())
        return None

    def concatenate(self, values: Sequence[Any], axis: int, name: str) -> Value:
        """Return values one behind the other; a `Parameter` among them becomes units of its own."""
        whole = []
        for each in values:
            if isinstance(each, Parameter):
                whole.append(self.constant(each, name))
            else:
                each = self.units_of(each, name)
                whole.append(each if each.centred is None else self.own_units(each, name))
        axis %= len(whole[0].shape)
        if all(each.is_plain for each in whole):
            scale = shift = None
        else:
            scale, shift = (
                np.concatenate(
                    [
                        np.broadcast_to(neutral if part is None else part, each.shape)
                        for each in whole
                        for part in [getattr(each, what)]
                    ],
                    axis,
                )
                for what, neutral in (("scale", 1.0), ("shift", 0.0))
            )
        passed = {each.activation for each in whole}
        return Value(
            np.concatenate([each.units for each in whole], axis),
            scale,
            shift,
            tuple(dict.fromkeys(name for each in whole for name in each.names)),
            passed.pop() if len(passed) == 1 else "several",
        )

    def constant(self, of: Parameter, name: str) -> Value:
        """Return numbers that do not depend on the inputs as units with nothing but a bias."""
        if not of.names and not of.array.any():
            return Value(np.full(of.array.shape, NOTHING, dtype=np.int64))
        shape = of.array.shape
        units = self.group(name, shape[-1] if shape else 1, [n for n in shape[:-1] if n != 1])
        value = Value(np.moveaxis(units.reshape(shape[-1], *shape[:-1]), 0, -1))
        self._shift_bias(len(self._groups) - 1, value, of.array.astype(np.float64), of.names)
        return value

    # --- what only moves numbers --------------------------------------------------------------

    def moved(self, x: Any, move: Callable[[NDArray[Any]], NDArray[Any]]) -> Any:
        """Return a value whose numbers were moved, by a function of any array of its shape.

        `move` may take numbers away, repeat and reorder them; `reshape`, `transpose`, a slice.
        A centred axis must not be touched otherwise than by moving it whole.
        """
        if isinstance(x, Scores):
            return replace(x, shape=move(np.broadcast_to(np.int8(0), x.shape)).shape)
        if isinstance(x, Mean):
            x = self.units_of(x, "a mean")
        parts = [
            None if part is None else move(np.broadcast_to(part, x.shape))
            for part in (x.scale, x.shift)
        ]
        centred = x.centred
        if centred is not None:
            along = np.broadcast_to(
                np.arange(x.shape[centred]).reshape(
                    [-1 if axis == centred else 1 for axis in range(len(x.shape))]
                ),
                x.shape,
            )
            centred = axis_of(move(along), x.shape[centred])
            if centred is None and x.shape[x.centred] > 1:
                return self.moved(self.own_units(x, "a normalisation"), move)
        return replace(x, units=move(x.units), scale=parts[0], shift=parts[1], centred=centred)

    def units_of(self, x: Any, name: str) -> Value:
        """Return a value with units, of a mean a layer of pooling.

        Raises
        ------
        NotUnderstood
            It has none, as scores of attention.
        """
        if isinstance(x, Value):
            return self._own[id(x)][1] if id(x) in self._own else x
        if isinstance(x, Scores):
            raise NotUnderstood(f"{name} reads a product of two values as if it were one")
        if not isinstance(x, Mean):
            raise NotUnderstood(f"{name} reads what does not come from the inputs")
        if not x.is_linear:
            raise NotUnderstood(f"{name} reads a norm of units")
        source = self.own_units(x.of, name)
        kept = [axis for axis in range(len(source.shape)) if axis not in x.axes]
        shape = tuple(1 if axis in x.axes else n for axis, n in enumerate(source.shape))
        first = source.units[self._first_of(x.axes, source)]
        if (first < 0).any():  # zeros around a grid
            first = source.units.max(axis=x.axes, keepdims=True)
        total = self._like(name, Value(first), shape)
        self.notes.append("a mean over an axis is pooling")
        order = (*x.axes, *kept)
        flat = np.transpose(source.units, order).reshape(-1, *(source.shape[k] for k in kept))
        base = total.units.reshape([source.shape[k] for k in kept])
        for units in flat:
            self._join(
                "pooling",
                replace(source, units=units),
                Value(base),
                name,
                weight=x.weight,
            )
        return total if x.keepdims else replace(total, units=base)

    @staticmethod
    def _first_of(axes: Sequence[int], x: Value) -> tuple[slice, ...]:
        return tuple(slice(0, 1) if k in axes else slice(None) for k in range(len(x.shape)))

    def own_units(self, x: Value, name: str) -> Value:
        """Return a value with what was multiplied and added in weights of a layer of their own."""
        if x.is_plain and x.centred is None:
            return x
        if id(x) in self._own:
            return self._own[id(x)][1]
        total = self._like(f"{name} scale", x)
        if x.scale is not None:
            kind: Kind = "weight" if x.names else "identity"
            self._join(kind, x, total, name, weight=x.scale)
        else:
            self._join("identity", x, total, name)
        if x.shift is not None:
            place = self._group_of(total.units.flat[0])
            self._shift_bias(place, total, x.shift, x.names)
        self._own[id(x)] = x, total
        return total

    def _foldable(self, x: Value, axis: int, name: str) -> Value:
        """Return a value whose scale and centre a layer along an axis can take in."""
        if x.centred not in (None, axis):
            return self.own_units(x, name)
        if x.scale is not None:
            wide = np.moveaxis(np.broadcast_to(x.scale, x.shape), axis, 0)
            flat = wide.reshape(x.shape[axis], -1)
            if not (flat == flat[:, :1]).all():
                return self.own_units(x, name)
        return x

    def _without_centre(self, x: Value, name: str) -> Value:
        return x if x.centred is None else replace(x, centred=None)

    def _own_statistic(self, values: Sequence[Any]) -> Value | None:
        """Return the value that is combined with a mean of its own units, as a norm does."""
        means = [each for each in values if isinstance(each, Mean)]
        others = [each for each in values if isinstance(each, Value)]
        if not means or not others:
            return None
        units = others[0].units
        for each in others[1:]:
            if each.shape == units.shape and not np.array_equal(each.units, units):
                return None
        for mean in means:
            if not np.isin(mean.of.units.ravel()[:1], units).all():
                return None
            if not mean.is_linear or np.array_equal(mean.of.units, units):
                continue
            return None
        return others[0]

    # --- how blocks are made ------------------------------------------------------------------

    def _group_of(self, unit: Any) -> int:
        return int(np.searchsorted(self._first, unit, side="right")) - 1

    def _owners(self, units: Units) -> list[int]:
        """Return the groups in which units lie, in their order."""
        real = units if units.size and units.min() >= 0 else units[units >= 0]
        if not real.size:
            return []
        low, high = self._group_of(real.min()), self._group_of(real.max())
        if low == high:
            return [low]
        place = np.searchsorted(self._first, real.ravel(), side="right") - 1 - low
        found: list[int] = (np.flatnonzero(np.bincount(place)) + low).tolist()
        return found

    def _grid_for(self, units: Units) -> tuple[int, ...]:
        """Return the grid of what reads units of shape (channels, ...) at every point.

        It is that of their group where they are all of its points in order, so that regular
        distances stay regular.
        """
        points = units.shape[1:]
        place = self._group_of(units.flat[0])
        draft = self._groups[place] if units.flat[0] >= 0 else None
        if draft and prod(points) == draft.points > 1:
            own = (units[0].ravel() - draft.first) % draft.points
            if np.array_equal(own, np.arange(draft.points)):
                return draft.grid
        return tuple(size for size in points if size != 1)

    def _like(self, name: str, x: Value, shape: tuple[int, ...] | None = None) -> Value:
        """Return a value of new units that are laid out as those of another one."""
        shape = x.shape if shape is None else shape
        real = x.units[x.units >= 0]
        if not real.size:
            raise NotUnderstood(f"{name} reads nothing but zeros")
        place = self._group_of(real.flat[0])
        draft = self._groups[place]
        if shape == x.shape and draft.size == x.units.size:
            units = x.units - draft.first
            if units.min() == 0 and units.max() == draft.size - 1:
                seen = np.zeros(draft.size, dtype=bool)
                seen[units.ravel()] = True
                if seen.all():
                    made = self.group(name, draft.channels, draft.grid)
                    return Value(made.ravel()[units])
        axes = self._channel_axes(x)
        grid_axes = [k for k in range(len(shape)) if k not in axes]
        channels = prod(shape[k] for k in axes)
        grid = [shape[k] for k in grid_axes if shape[k] != 1]
        made = self.group(name, channels, grid)
        order = (*axes, *grid_axes)
        units = made.reshape([shape[k] for k in order])
        return Value(np.transpose(units, np.argsort(order)))

    def _channel_axes(self, x: Value) -> list[int]:
        """Return the axes along which the channel of the units changes and not the point."""
        units = x.units
        at = np.unravel_index(int(np.argmax(units >= 0)), units.shape)
        draft = self._groups[self._group_of(units[at])]
        found = []
        for axis, size in enumerate(units.shape):
            line = units[tuple(slice(None) if k == axis else at[k] for k in range(units.ndim))]
            inside = line[(line >= draft.first) & (line < draft.first + draft.size)]
            if size > 1 and len(np.unique((inside - draft.first) // draft.points)) > 1:
                found.append(axis)
        if not found and draft.points > 1 and 1 in units.shape:
            return [units.shape.index(1)]
        return found or [max(range(units.ndim), key=lambda k: units.shape[k])]

    def _note_reading(self, x: Value) -> None:
        for place in self._owners(x.units):
            self._groups[place].read = True
            self._groups[place].passed.add(x.activation)

    def _connect(
        self,
        name: str,
        x: Value,
        axis: int,
        weight: Any,
        windows: Sequence[tuple[int, tuple[slice, ...], Units]],
        made_of: tuple[str, ...],
        groups: int = 1,
    ) -> None:
        """Join a value to the group that was made last, by trained weights.

        Parameters
        ----------
        axis : int
            Where the channels are.
        weight : array of shape (n_out, n_in // groups, n_columns)
        windows : sequence of (column, slices of the other axes of x, points of the target)
        """
        place = len(self._groups) - 1
        draft = self._groups[place]
        self._note_reading(x)
        double = weight.dtype == np.float64
        draft.double |= double
        # without the batch axis, which a convolution does not have in its windows
        drop = len(x.shape) - 1 - len(windows[0][1]) if windows else 0
        units = np.moveaxis(x.units, axis, 0)
        units = units.reshape(units.shape[0], *units.shape[1 + drop :])
        scale, shift = (
            None
            if part is None
            else np.moveaxis(np.broadcast_to(part, x.shape), axis, 0).reshape(units.shape)
            for part in (x.scale, x.shift)
        )
        names = made_of
        if shift is not None:
            self._shift_through(place, weight, windows, shift, groups, x.names)
        if scale is not None:
            weight = _scaled_in(weight, scale.reshape(len(scale), -1)[:, 0], groups)
            names = (*made_of, *x.names)
        elif shift is not None:
            names = (*made_of, *x.names)
        if x.centred is not None:
            if x.centred != axis:
                raise NotUnderstood(f"{name} is not taken over the axis that was normalised")
            if isinstance(weight, LazyMatrix):
                weight = weight.centred()
            elif groups == 1:
                wide = weight.astype(np.float64)
                weight = (wide - wide.mean(axis=1, keepdims=True)).astype(weight.dtype)
        for run in runs(units, *self._layout()):
            # at other points the same channels may belong to another group of the convolution
            for part in [run] if groups == 1 else [[each] for each in run]:
                self._connect_run(name, part, weight, windows, names, groups, place)

    def _connect_run(
        self,
        name: str,
        run: list[Run],
        weight: Any,
        windows: Sequence[tuple[int, tuple[slice, ...], Units]],
        names: tuple[str, ...],
        groups: int,
        place: int,
    ) -> None:
        """Make blocks of channels of one group, at one or more sets of points."""
        n_out, per, n_columns = weight.shape
        first = run[0]
        for part, target, n_groups in split_groups(first, n_out, per, groups):
            # rows of weights: the target's channels; columns: channels of the source
            taps, columns, arrays = [], [], []
            for number, each in enumerate(run):
                if not isinstance(weight, LazyMatrix):
                    index = each.index[part]
                    inner = index % per if groups > 1 and n_groups == 1 else index
                    block = weight[target]
                    if n_groups == 1:
                        block = block[:, as_slice(inner)]
                    arrays.append(block)
                for column, slices, target_points in windows:
                    found = self._taps(
                        each.points[slices],
                        self._groups[first.group].grid,
                        target_points,
                        self._groups[place].grid,
                        name,
                    )
                    taps += found
                    columns += [number * n_columns + column] * len(found)
            if not taps:
                continue
            self._blocks.append(
                Block(
                    name,
                    "weight",
                    first.group,
                    place,
                    _joined(weight, run, arrays),
                    together(taps),
                    np.array(columns, dtype=np.int64),
                    n_groups,
                    int(first.channel[part][0]),
                    target.start or 0,
                    tuple(dict.fromkeys(names)),
                )
            )

    def _taps(
        self,
        source: Units,
        source_grid: tuple[int, ...],
        target: Units,
        target_grid: tuple[int, ...],
        name: str,
        find: Callable[..., list[Taps] | None] = taps_of,
    ) -> list[Taps]:
        """Return taps that join points of two grids one to one, at the same place of two arrays."""
        found = find(source, source_grid, target, target_grid)
        if found is None:
            raise NotUnderstood(f"{name} joins units at no regular distances")
        return found

    def _layout(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the first unit of each group and of the next one, and the points of its grid."""
        points = [draft.points for draft in self._groups]
        return np.array(self._first, dtype=np.int64), np.array(points, dtype=np.int64)

    def _join(
        self,
        kind: Kind,
        x: Value,
        total: Value,
        name: str,
        steps: tuple[slice, slice] | None = None,
        weight: Any = 1.0,
    ) -> None:
        """Join each unit of a value to the unit at the same place of another one.

        Parameters
        ----------
        steps : (slice, slice), optional
            Of the first axis of either.
        weight : float or array that broadcasts to the shape of x
        """
        self._note_reading(x)
        source, target = x.units, total.units
        weight = np.broadcast_to(np.asarray(weight, dtype=np.float64), source.shape)
        if steps is not None:
            source, target, weight = source[steps[0]], target[steps[1]], weight[steps[0]]
        if not source.size:  # one step has none before it
            return
        place = self._group_of(target.flat[0])
        draft = self._groups[place]
        self._pairwise(name, kind, source, place, target - draft.first, weight, x.names)

    def _across(
        self,
        x: Value,
        total: Value,
        steps: tuple[slice, slice],
        weight: Parameter,
        name: str,
    ) -> None:
        """Join units of one step to all units of another, by trained weights."""
        source, target = x.units[steps[0]], total.units[steps[1]]
        if not source.size:
            return
        self._note_reading(x)
        place, place_of_source = self._group_of(target.flat[0]), self._group_of(source.flat[0])
        one, other = self._groups[place_of_source], self._groups[place]
        taps = self._taps(
            (source[:, 0] - one.first) % one.points,
            one.grid,
            (target[:, 0] - other.first) % other.points,
            other.grid,
            name,
        )
        self._blocks.append(
            Block(
                name,
                "weight",
                place_of_source,
                place,
                weight.array[:, :, None],
                together(taps),
                np.zeros(len(taps), dtype=np.int64),
                made_of=weight.names,
            )
        )

    def _pairwise(
        self,
        name: str,
        kind: Kind,
        source: Units,
        place: int,
        target: Units,
        weight: NDArray[np.float64],
        names: tuple[str, ...],
    ) -> None:
        """Make depthwise blocks of pairs of units, at the same place of two arrays."""
        draft = self._groups[place]
        if self._is_copy(source, place, target) and (weight == weight.flat[0]).all():
            whole = np.array([[[0, 1, 0, 1, n] for n in draft.grid]], dtype=np.int64)
            dtype = np.float32 if kind == "weight" and not draft.double else np.float64
            self._blocks.append(
                Block(
                    name,
                    kind,
                    self._group_of(source.flat[0]),
                    place,
                    np.full((draft.channels, 1, 1), weight.flat[0], dtype),
                    whole.reshape(1, len(draft.grid), 5),
                    np.zeros(1, dtype=np.int64),
                    draft.channels,
                    made_of=tuple(dict.fromkeys(names)) if kind == "weight" else (),
                )
            )
            return
        channel, point = target // draft.points, target % draft.points
        real = source >= 0
        owner = np.searchsorted(self._first, source, side="right") - 1
        for group in self._owners(source):
            giver = self._groups[group]
            mine = real & (owner == group)
            chosen: Any = slice(None) if mine.all() else mine
            local = source[chosen].ravel() - giver.first
            self._depthwise(
                name,
                kind,
                int(group),
                place,
                local // giver.points,
                channel[chosen].ravel(),
                local % giver.points,
                point[chosen].ravel(),
                weight[chosen].ravel(),
                names,
            )

    def _is_copy(self, source: Units, place: int, target: Units) -> bool:
        """Tell whether units are all of a group, each joined to its like in a group of its form."""
        draft = self._groups[place]
        if source.size != draft.size or source.flat[0] < 0:
            return False
        giver = self._groups[self._group_of(source.flat[0])]
        if (giver.channels, giver.grid) != (draft.channels, draft.grid):
            return False
        if not np.array_equal(source - giver.first, target):
            return False
        seen = np.zeros(draft.size, dtype=bool)
        seen[target.ravel()] = True
        return bool(seen.all())

    def _depthwise(
        self,
        name: str,
        kind: Kind,
        group: int,
        place: int,
        source_channel: Units,
        target_channel: Units,
        source_point: Units,
        target_point: Units,
        weight: NDArray[np.float64],
        names: tuple[str, ...],
    ) -> None:
        """Make blocks of pairs (channel, point) to (channel, point)."""
        giver, draft = self._groups[group], self._groups[place]
        for one in alike((source_channel, source_point), (target_channel, target_point), weight):
            same, column_of = distinct(one.weight)
            taps, columns = [], []
            for column in range(same.shape[1]):
                at = column_of == column
                found = self._taps(
                    one.source_point[at],
                    giver.grid,
                    one.target_point[at],
                    draft.grid,
                    name,
                    taps_of_points,
                )
                taps += found
                columns += [column] * len(found)
            dtype = np.float64 if draft.double else np.float32
            self._blocks.append(
                Block(
                    name,
                    kind,
                    group,
                    place,
                    same[:, None, :].astype(dtype if kind == "weight" else np.float64),
                    together(taps),
                    np.array(columns, dtype=np.int64),
                    len(one.weight),
                    one.source_channel,
                    one.target_channel,
                    tuple(dict.fromkeys(names)) if kind == "weight" else (),
                )
            )

    def _structural(
        self,
        name: str,
        kind: Kind,
        x: Value,
        axis: int,
        windows: Sequence[tuple[tuple[slice, ...], Units]],
        share: NDArray[np.float64],
    ) -> None:
        """Join a value channel by channel to the group made last, by constant weights."""
        place = len(self._groups) - 1
        draft = self._groups[place]
        self._note_reading(x)
        units = np.moveaxis(x.units[0], axis - 1, 0)
        weights, column_of = np.unique(share, return_inverse=True)
        column_of = column_of.reshape(share.shape)
        channels = np.arange(len(units))
        for run in (one for each in runs(units, *self._layout()) for one in each):
            steps = np.flatnonzero(np.diff(run.index) != 1) + 1
            for part in np.split(channels[: len(run.index)], steps):
                taps, columns = [], []
                for slices, points in windows:
                    source = run.points[slices]
                    if not source.size:
                        continue
                    which = column_of.ravel()[points]
                    for column in np.unique(which):
                        for box in boxes(which == column):
                            found = self._taps(
                                source[box],
                                self._groups[run.group].grid,
                                points[box],
                                draft.grid,
                                name,
                            )
                            taps += found
                            columns += [int(column)] * len(found)
                if not taps:  # windows that are further apart than they are wide
                    continue
                n = len(part)
                self._blocks.append(
                    Block(
                        name,
                        kind,
                        run.group,
                        place,
                        np.broadcast_to(weights, (n, 1, len(weights))),
                        together(taps),
                        np.array(columns, dtype=np.int64),
                        n,
                        int(run.channel[part][0]),
                        int(run.index[part][0]),
                    )
                )

    # --- biases and what is folded --------------------------------------------------------------

    def _add_bias(self, place: int, bias: Parameter) -> None:
        """Add a number for each channel."""
        draft = self._groups[place]
        array = bias.array.astype(np.float64).reshape(-1, 1)
        if len(array) not in (1, draft.channels):
            raise NotUnderstood(f"{draft.name} has {len(array)} biases for {draft.channels} units")
        self._put_bias(draft, np.broadcast_to(array, (draft.channels, 1)), bias.names)

    def _put_bias(self, draft: _Draft, array: NDArray[np.float64], names: tuple[str, ...]) -> None:
        draft.bias = array if draft.bias is None else draft.bias + array
        draft.bias_names = tuple(dict.fromkeys((*draft.bias_names, *names)))

    def _shift_bias(
        self, place: int, x: Value, shift: NDArray[np.float64], names: tuple[str, ...]
    ) -> None:
        """Add numbers for each unit of a value that is the whole group."""
        draft = self._groups[place]
        flat = np.zeros(draft.size)
        flat[(x.units - draft.first).ravel()] = np.broadcast_to(shift, x.shape).ravel()
        array = flat.reshape(draft.channels, draft.points)
        if (array == array[:, :1]).all():
            array = array[:, :1]
        self._put_bias(draft, array, names)

    def _add_up_biases(self) -> None:
        """Give the units of an unrolled recurrence one bias, where each step adds up two.

        A layer for all steps goes step by step into sums, which nothing else does with it, and the
        other term of each is a layer that nothing else reads.
        """
        readers: dict[int, list[Block]] = {}
        terms: dict[int, list[Block]] = {}
        for block in self._blocks:
            readers.setdefault(block.source, []).append(block)
            terms.setdefault(block.target, []).append(block)
        for place, draft in enumerate(self._groups):
            steps = readers.get(place, [])
            if draft.bias is None or place in self._kept or len(steps) < 2:
                continue
            if not all(_adds_all(block, draft) for block in steps):
                continue
            at = [next(points_of(block.taps, draft.grid, SOURCE)) for block in steps]
            if not all_differ(np.concatenate(at)):
                continue
            array = np.broadcast_to(draft.bias, (draft.channels, draft.points)).copy()
            for block, step in zip(steps, at, strict=True):
                for other in self._terms(block, terms[block.target], readers):
                    if other.bias is None:
                        continue
                    array[:, step] += other.bias
                    draft.bias_names = tuple(dict.fromkeys((*draft.bias_names, *other.bias_names)))
                    other.bias, other.bias_names = None, ()
            draft.bias = array[:, :1] if (array == array[:, :1]).all() else array

    def _terms(
        self, step: Block, terms: Sequence[Block], readers: dict[int, list[Block]]
    ) -> list[_Draft]:
        """Return the sum that a step goes into, and what else goes into nothing but it."""
        total = self._groups[step.target]
        to = next(points_of(step.taps, total.grid, TARGET))
        if total.channels != step.n_out or not np.array_equal(to, np.arange(total.points)):
            return []
        found = [total]
        for block in terms:
            other = self._groups[block.source]
            is_own = block is not step and block.source not in self._kept
            if is_own and len(readers[block.source]) == 1 and _adds_all(block, other):
                here, there = (
                    next(points_of(block.taps, draft.grid, end))
                    for draft, end in ((other, SOURCE), (total, TARGET))
                )
                if len(here) == other.points and np.array_equal(here, there):
                    found.append(other)
        return found

    def _shift_through(
        self,
        place: int,
        weight: Any,
        windows: Sequence[tuple[int, tuple[slice, ...], Units]],
        shift: NDArray[np.float64],
        groups: int,
        names: tuple[str, ...],
    ) -> None:
        """Add what a shift of the inputs gives, point by point where zeros are around them."""
        draft = self._groups[place]
        n_out, per, _ = weight.shape
        if isinstance(weight, LazyMatrix):  # of a fully connected layer: one column, all points
            each = shift.reshape(per, -1)
            if (each == each[:, :1]).all():
                each = each[:, :1]
            self._put_bias(draft, weight.product(each), names)
            return
        each = shift.reshape(len(shift), -1)
        is_everywhere = len(windows) == 1 and windows[0][2].size == draft.points
        if is_everywhere and (each == each[:, :1]).all():  # one bias, the same to the last bit
            wide = weight[:, :, windows[0][0]].astype(np.float64)
            parts = each[:, 0].reshape(groups, 1, per)
            total = (wide.reshape(groups, -1, per) * parts).sum(axis=2).reshape(n_out, 1)
            self._put_bias(draft, total, names)
            return
        total = np.zeros((n_out, draft.points))
        matrix = weight.astype(np.float64).reshape(groups, n_out // groups, per, -1)
        parts = shift.reshape(groups, per, *shift.shape[1:])
        for column, slices, points in windows:
            part = parts[(slice(None), slice(None), *slices)].reshape(groups, per, -1)
            given = np.einsum("goi,gip->gop", matrix[..., column], part).reshape(n_out, -1)
            total[:, points.ravel()] += given
        if (total == total[:, :1]).all() or np.allclose(total, total[:, :1], rtol=1e-14, atol=0):
            total = total[:, :1]
        self._put_bias(draft, total, names)

    def _fold(
        self,
        x: Value,
        scale: NDArray[np.float64] | None,
        shift: NDArray[np.float64] | None,
        names: tuple[str, ...],
    ) -> bool:
        """Make scale and shift a part of the layer that gives a value; tell whether it could be."""
        if x.activation or not x.is_plain or x.centred is not None or not x.units.size:
            return False
        if x.units.flat[0] < 0:
            return False
        place = self._group_of(x.units.flat[0])
        draft = self._groups[place]
        if draft.read or draft.size != x.units.size:
            return False
        local = (x.units - draft.first).ravel()
        if local.min() < 0 or local.max() >= draft.size or not all_differ(local):
            return False
        mine = [k for k, block in enumerate(self._blocks) if block.target == place]
        by_channel = None
        if scale is not None:
            flat = np.empty(draft.size)
            flat[local] = np.broadcast_to(scale, x.shape).ravel()
            by_point = flat.reshape(draft.channels, draft.points)
            if not (by_point == by_point[:, :1]).all() or not mine:
                return False
            if any(self._blocks[k].kind != "weight" for k in mine):
                return False
            by_channel = by_point[:, 0]
        elif not mine:
            return False
        if by_channel is not None:
            for k in mine:
                block = self._blocks[k]
                part = by_channel[block.target_channel : block.target_channel + block.n_out]
                made_of = tuple(dict.fromkeys((*block.made_of, *names)))
                self._blocks[k] = replace(
                    block, weight=_scaled_out(block.weight, part), made_of=made_of
                )
            if draft.bias is not None:
                draft.bias = draft.bias * by_channel[:, None]
                draft.bias_names = tuple(dict.fromkeys((*draft.bias_names, *names)))
        if shift is not None:
            self._shift_bias(place, x, shift, names)
        return True


def _adds_all(block: Block, source: _Draft) -> bool:
    """Tell whether a block adds all channels of its source, as they are, at some points."""
    return (
        block.kind == "identity"
        and block.groups == block.n_out == source.channels
        and len(block.taps) == 1
        and block.target_channel == 0
        and bool((block.weight[0 : block.n_out] == 1).all())
    )


def _bias_block(place: int, draft: _Draft) -> Block:
    """Return the bias of a group as a block."""
    assert draft.bias is not None
    array = draft.bias
    axes = len(draft.grid)
    if array.shape[1] == 1:
        taps = np.zeros((1, axes, 5), dtype=np.int64)
        for axis, size in enumerate(draft.grid):
            taps[0, axis] = 0, 0, 0, 1, size
        columns = np.zeros(1, dtype=np.int64)
    else:
        taps = np.zeros((draft.points, axes, 5), dtype=np.int64)
        taps[:, :, 2] = np.stack(np.unravel_index(np.arange(draft.points), draft.grid), axis=1)
        taps[:, :, 4] = 1
        columns = np.arange(draft.points)
    dtype = np.float64 if draft.double else np.float32
    return Block(
        draft.name,
        "bias",
        NO_GROUP,
        place,
        array[:, None, :].astype(dtype),
        taps,
        columns,
        made_of=draft.bias_names,
    )


def _joined(weight: Any, run: Sequence[Run], arrays: Sequence[Floats]) -> Any:
    """Return the numbers of a block, of those at each set of points one behind the other."""
    if isinstance(weight, LazyMatrix):
        return weight.with_columns([each.index for each in run])
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=2)


def _scaled_out(weight: Any, factor: NDArray[np.float64]) -> Any:
    """Return weights times a number for each channel of the target."""
    if isinstance(weight, LazyMatrix):
        return weight.scaled_out(factor)
    found: Floats = np.empty(weight.shape, weight.dtype)
    # by rows that the cache holds in float64
    rows = max(1, SCALED // max(1, weight[:1].size))
    for row in range(0, len(weight), rows):
        part = slice(row, row + rows)
        found[part] = weight[part].astype(np.float64) * factor[part, None, None]
    return found


def _scaled_in(weight: Any, scale: NDArray[np.float64], groups: int) -> Any:
    """Return weights times a number for each channel of the source."""
    if isinstance(weight, LazyMatrix):
        return weight.scaled(scale)
    n_out, per, _ = weight.shape
    each = np.repeat(scale.reshape(groups, 1, per), n_out // groups, axis=1)
    scaled: Floats = (weight.astype(np.float64) * each.reshape(n_out, per, 1)).astype(weight.dtype)
    return scaled


def _check_window(name: str, kernel: Sequence[int], size: Sequence[int]) -> None:
    """Raise `NotUnderstood` for a window that no layer has, as damaged files may say."""
    points = prod(kernel)
    if points > MOST_WINDOW or points * max(size, default=1) > MOST_UNITS:
        raise NotUnderstood(
            f"{name} has a window of {points:,} points; allowed are {MOST_WINDOW:,}, and fewer on "
            "large grids"
        )
