"""What was understood of a file of weights: its tensors, and which of them are dense layers."""

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netkin.errors import NetkinError, allowed, shown
from netkin.failure import is_of_content
from netkin.graph.blocks import BlockGraph, dense_graph
from netkin.graph.builder import NotUnderstood
from netkin.graph.edges import Halves
from netkin.network.format.input_shape import InputShape

if TYPE_CHECKING:
    from netkin.network.format.wiring_file import Wiring

Floats = NDArray[np.floating[Any]]

STATISTIC = "a statistic of the rows that were trained on"
SIDE_BY_SIDE = (
    *("head", "heads", "expert", "experts", "branch", "branches", "tower", "towers"),
    *("lora", "adapter", "adapters"),
)
"""Parts of names of what is no chain, though its numbers go up."""
PARTS = ("weight", "bias", "kernel", "gamma", "beta")
"""Last parts of the names of what is no counter, whatever its numbers are stored as."""
UNREAD = "stored as "
"""How a reason begins why numbers are left out that netkin does not read."""
COPY = "an averaged copy of the weights (EMA), which are there too"
MOST_NUMBERS = 2**58
"""Numbers of an array, at most; more than any machine addresses."""
COUNTER = "whole numbers: a counter, or weights of few bits"
"""Why a tensor of integers is left out."""
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""Last parts of the names of what batch normalisation keeps beside its parameters."""
NAME_ALL = "name all weights in their order (wiring)"
"""What mends an unknown order; the command line says the option as it is called there."""
BY_FILE = "write it into a file and name that (wiring), see docs/graphs.md"
"""What mends an unknown wiring that no list of names can say."""
COMPARED = "the tensors are compared all the same"


@dataclass(frozen=True)
class Tensor:
    """A tensor of numbers that stays in its file until it is sliced.

    Attributes
    ----------
    name : str
        As the file has it.
    shape : tuple of int
    dtype : str
        As the file says, such as ``bfloat16``.
    read : callable
        Returns the rows of a slice, all for ``slice(None)``, or a part for a tuple of slices, one
        for each axis: float64 where the file has float64, else float32, which holds halves and
        bfloat16 exactly.
    same_as : str
        The name of an earlier tensor that is this very one, "" for none.
    path : str
        The file, for messages; its `Model` says it.
    read_bits : callable, optional
        Returns the rows of a slice as uint16, the bits of numbers that are float16 or bfloat16.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    read: Callable[[slice], Floats]
    same_as: str = ""
    path: str = ""
    read_bits: Callable[[slice], NDArray[np.uint16]] | None = None

    def __getitem__(self, rows: slice) -> Floats:
        """Return some rows, by `read`."""
        found: Floats = self._checked(self.read, rows)
        return found

    @property
    def halves(self) -> Halves | None:
        """Its rows as bits, where it has 16 of them for a number and `read_bits` is known."""
        if self.read_bits is None:
            return None
        return Halves(self.dtype, partial(self._checked, self.read_bits))

    def _checked(self, read: Callable[[slice], Any], rows: slice) -> Any:
        try:
            return read(rows)
        except Exception as error:  # whatever a library makes of damage
            if not is_of_content(error):
                raise
            raise NetkinError(f"{self.path}: '{self.name}' {unreadable(error)}.") from None


def unreadable(error: Exception) -> str:
    """Return what an error of a library means that reads a file of somebody's own."""
    what = " ".join(str(error).split())[:200] or type(error).__name__
    return f"cannot be read ({what if what.isprintable() else ascii(what)})"


class Transposed:
    """A tensor of shape (n_in, n_out) as a weight matrix, (n_out, n_in); read whole for a slice."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor
        self.shape = tensor.shape[::-1]

    def __getitem__(self, rows: slice) -> Floats:
        """Return some rows."""
        return self._tensor[:].T[rows]


class Layer(NamedTuple):
    """One fully connected layer whose weights stay on disk.

    Attributes
    ----------
    weight : array-like of shape (n_out, n_in)
        Has a ``shape``; sliced by rows, ``weight[a:b]`` reads just these as a float array.
    bias : float array of shape (n_out,) or None
    made_of : tuple of str
        Names of the parameters that it is made of.
    """

    weight: Any
    bias: Floats | None
    made_of: tuple[str, ...] = ()


@dataclass(frozen=True)
class Model:
    """A file of weights.

    Attributes
    ----------
    path : str
        The file.
    format : str
        A key of `netkin.network.format.FORMATS`.
    tensors : dict of str to Tensor
        The parameters.
    left_out : dict of str to str
        Name of each other tensor or entry of the file -> why it is no parameter.
    chain : sequence of Layer, optional
        The dense layers in the order in which inputs pass them, where the format says it and
        they are all there is.
    unchained : str
        Why the network is no chain of dense layers, where the format says how it is wired, in one
        clause; "" for a chain, and where the format does not say it.
    prefix : str
        What wrappers put before every name in the file, such as ``module.``; the names here are
        without it, and a wiring may have either.
    wired : callable, optional
        Returns the graph of a network that is no chain, for an
        `netkin.network.format.input_shape.InputShape`, where the format says how it is wired;
        raises `netkin.graph.builder.NotUnderstood`.
    statistics : dict of str to Tensor
        Means and variances that batch normalisation keeps, which are in `left_out` too: no
        parameters, but a part of the network's function.
    """

    path: str
    format: str
    tensors: Mapping[str, Tensor]
    left_out: Mapping[str, str] = field(default_factory=dict)
    chain: Sequence[Layer] | None = None
    unchained: str = ""
    prefix: str = ""
    wired: Callable[[InputShape], BlockGraph] | None = None
    statistics: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Let the tensors know their file, which an error while they are read must name."""
        for tensor in (*self.tensors.values(), *self.statistics.values()):
            object.__setattr__(tensor, "path", self.path)

    def layers(self, wiring: Sequence[str | tuple[str, str]] = ()) -> list[Layer]:
        """Return the dense layers, input side first.

        Parameters
        ----------
        wiring : sequence of str or pair of str
            The names of all weight matrices in the order in which inputs pass them; needed where
            the file does not tell it. ``.T`` after a name is for a matrix of shape
            (n_in, n_out). A pair names the bias too, which else has the name of the weight with
            ``bias`` in place of ``weight`` or ``kernel``.

        Raises
        ------
        NetkinError
            The wiring is not known, leaves out a parameter, or names what is not there; weights
            that are no matrices or do not fit one another.
        """
        if wiring:
            layers = [self._layer(entry) for entry in wiring]
        elif self.chain is not None:
            layers = list(self.chain)
        elif self.unchained:
            raise NetkinError(
                f"{self.path}: the network is no chain of dense layers: {self.unchained}."
            )
        else:
            layers = [self._layer(name) for name in self._order()]
        if self.chain is None:
            self._refuse_unread()
            if any(len(layer.weight.shape) != 2 for layer in layers) and (why := self._unfit()):
                raise NetkinError(f"{self.path}: {why}.")
        used = {name for layer in layers for name in layer.made_of}
        unused = [
            name
            for name, tensor in self.tensors.items()
            if name not in used and tensor.same_as not in used
        ]
        if unused:
            why = self._unfit() if self.chain is None else ""
            raise NetkinError(
                f"{self.path}: the wiring says nothing of {', '.join(map(repr, unused[:5]))}"
                f"{' and others' if len(unused) > 5 else ''}; every parameter must be used"
                f"{f', but {why}' if why else ''}."
            )
        _check(self.path, layers)
        return layers

    def graph(
        self,
        wiring: "Sequence[str | tuple[str, str]] | Wiring" = (),
        shape: InputShape = InputShape(),  # noqa: B008 # it is frozen
    ) -> BlockGraph:
        """Return the graph of the network: of a chain of dense layers, or of what the file says.

        Parameters
        ----------
        wiring : sequence or Wiring
            See `layers`, or what a file of wiring says.
        shape : InputShape
            Sizes that the file leaves open.

        Raises
        ------
        NetkinError
            The wiring is not known or a part of it has no rule; the message names it.
        """
        # which needs models in turn
        from netkin.network.format.leave_out import hinted, refuse_left_out
        from netkin.network.format.wiring_file import Wiring, graph_from_wiring

        if wiring or self.wired is None:
            refuse_left_out(shape)
        if isinstance(wiring, Wiring):
            return graph_from_wiring(self, wiring, shape)
        if self.wired is None or not self.is_graph(wiring, shape):
            layers = self.layers(wiring)
            graph = dense_graph(
                [layer.weight for layer in layers],
                [layer.bias for layer in layers],
                [layer.made_of for layer in layers],
                activations=() if wiring else self.activations(shape),
            )
            return replace(graph, parameters=self.numbers)
        try:
            # numbers that are not finite are refused where the graph is read
            with np.errstate(all="ignore"):
                return self.wired(shape)
        except NotUnderstood as why:
            # which knows what was understood before
            raise NetkinError(f"{self.path}: {hinted(why)}.") from why
        except Exception as error:  # whatever comes of damage in what a file says of its layers
            if not is_of_content(error):
                raise
            raise NetkinError(f"{self.path}: its graph {unreadable(error)}.") from None

    def is_graph(
        self, wiring: "Sequence[str | tuple[str, str]] | Wiring", shape: InputShape
    ) -> bool:
        """Tell whether the network is taken as a graph, and not as a chain of dense layers.

        Parameters
        ----------
        wiring, shape
            As in `graph`.
        """
        if isinstance(wiring, Sequence):
            is_said = self.wired is not None and (self.chain is None or bool(shape.leave_out))
            return not wiring and is_said
        return True

    def activations(
        self,
        shape: InputShape = InputShape(),  # noqa: B008 # it is frozen
    ) -> list[str]:
        """Return what the units of each layer of a chain pass; empty where that is not known.

        Parameters
        ----------
        shape : InputShape
            Sizes that the file leaves open.
        """
        if self.chain is None or self.wired is None:
            return []
        try:
            graph = self.wired(shape)
        except (NotUnderstood, NetkinError):
            return []
        fed = dict.fromkeys(block.target for block in graph.blocks if block.kind == "weight")
        found = [graph.groups[place].activation for place in fed]
        return found if len(found) == len(self.chain) else []

    @property
    def numbers(self) -> int:
        """How many numbers its parameters are, a tensor under two names counted once."""
        return sum(math.prod(one.shape) for one in self.tensors.values() if not one.same_as)

    def _refuse_unread(self) -> None:
        """Raise `NetkinError` for a part of the network that is not among the tensors."""
        for name, why in self.left_out.items():
            last = _last(name)
            if why == COPY or last == "num_batches_tracked":
                continue
            if last in STATISTICS:
                raise NetkinError(
                    f"{self.path}: {shown(name)} is a part of the network: batch normalisation is "
                    "folded into dense layers only where the file says how they are wired (ONNX, "
                    f"Keras); {COMPARED}."
                )
            if last in PARTS or why.startswith(UNREAD):
                raise NetkinError(
                    f"{self.path}: {shown(name)} is a part of the network that is left out ({why})."
                )

    def _unfit(self) -> str:
        """Return why no wiring makes dense layers of all tensors, "" where one may."""
        for name, tensor in self.tensors.items():
            axes = len(tensor.shape)
            if axes == 2 or (axes == 1 and _last(name) not in ("weight", "kernel", "gamma")):
                continue
            what = {0: "a single number", 1: "as of a norm"}.get(axes, "as of a convolution")
            return (
                f"'{name}' has the shape {tensor.shape}, {what}, and no names of tensors say how "
                f"such layers are wired; {BY_FILE}; {COMPARED}"
            )
        return ""

    def _layer(self, entry: str | tuple[str, str]) -> Layer:
        """Return a layer by the names of its weight and bias."""
        name, bias = (
            each if each in self.tensors else each.removeprefix(self.prefix)
            for each in ((entry, "") if isinstance(entry, str) else entry)
        )
        transposed = name not in self.tensors and name.endswith(".T")
        name = name.removesuffix(".T") if transposed else name
        if not bias and _bias_of(name) in self.tensors:
            bias = _bias_of(name)
        names = (name, bias) if bias else (name,)
        for each in names:
            if each not in self.tensors:
                raise NetkinError(
                    f"{self.path}: no tensor is called {shown(each)}. {allowed(each, self.tensors)}"
                )
        weight = self.tensors[name]
        return Layer(
            Transposed(weight) if transposed else weight,
            self.tensors[bias][:] if bias else None,
            names,
        )

    def _order(self) -> list[str]:
        """Return the order of the weights by their names, where it is certain.

        It is where all names are alike but for one number, as `torch.nn.Sequential` gives them:
        any other order, such as that of the alphabet, would be a guess.
        """
        weights = [name for name in self.tensors if _last(name) == "weight"]
        unfit = self._unfit()
        if not weights:
            why = f"no name ends in 'weight'; {NAME_ALL}, with their biases as in 'W+b'"
            if not any(len(tensor.shape) == 2 for tensor in self.tensors.values()):
                why = "none of its tensors is a matrix"
            raise NetkinError(f"{self.path}: no layers found: {unfit or why}.")
        others = [
            name
            for name in self.tensors
            if name not in weights
            and not (_last(name) == "bias" and name.removesuffix("bias") + "weight" in self.tensors)
        ]
        reason = unfit
        if not reason and others:
            reason = f"'{others[0]}' is neither a weight nor the bias of one"
        elif not reason and len(weights) > 1:
            reason = _unlike(weights)
        if not reason and (side := next(filter(None, map(_side_by_side, weights)), "")):
            reason = f"'{side}' in their names is for what stands side by side"
        if reason:
            hint = f". If they are dense layers one after another, {NAME_ALL}"
            hint = "" if unfit else f"; {BY_FILE}{hint}"
            what = f"{len(self.tensors)} tensors" if len(self.tensors) > 1 else "one tensor"
            raise NetkinError(
                f"{self.path}: in which order inputs pass its {what} is not known: {reason}{hint}."
            )
        return sorted(weights, key=_numbers)


def _last(name: str) -> str:
    return re.split(r"[./]", name)[-1]


def _bias_of(name: str) -> str:
    last = _last(name)
    return name.removesuffix(last) + "bias" if last in ("weight", "kernel") else ""


def _unlike(names: Sequence[str]) -> str:
    """Return why names do not tell an order; "" where they do."""
    parts = [re.split(r"(\d+)", name) for name in names]
    first = parts[0]
    for other, name in zip(parts, names, strict=True):
        if len(other) != len(first) or other[::2] != first[::2]:
            return f"'{names[0]}' and '{name}' differ in more than a number"
    varied = {
        place
        for place in range(1, len(first), 2)
        if len({part[place].lstrip("0") for part in parts}) > 1
    }
    if len(varied) != 1:
        return (
            f"'{names[0]}' and '{names[1]}' differ in several numbers"
            if varied
            else (f"'{names[0]}' and '{names[1]}' have the same number")
        )
    return ""


def _side_by_side(name: str) -> str:
    """Return the part of a name that says that numbers beside it tell no order; "" for none."""
    parts = re.split(r"[._/\d]+", name.lower())
    return next((part for part in parts if part in SIDE_BY_SIDE), "")


def _numbers(name: str) -> list[tuple[int, str]]:
    """Return a sort key in which 10 follows 9."""
    # digits compare as numbers do, however many there are
    numbers = [part.lstrip("0") for part in re.findall(r"\d+", name)]
    return [(len(part), part) for part in numbers]


def _check(path: str, layers: Sequence[Layer]) -> None:
    for index, layer in enumerate(layers):
        shape = layer.weight.shape
        if len(shape) != 2 or 0 in shape:
            raise NetkinError(
                f"{path}: layer {index} has weights of shape {shape}; allowed is (n_out, n_in), "
                "not empty."
            )
        if layer.bias is not None and layer.bias.shape != shape[:1]:
            hint = _turned(layer) if layer.bias.shape == shape[1:] else ""
            raise NetkinError(
                f"{path}: layer {index} has {layer.bias.shape} biases for {shape[0]} units{hint}."
            )
    for index, (one, other) in enumerate(pairwise(layers), start=1):
        if other.weight.shape[1] != one.weight.shape[0]:
            hint = _turned(one) if other.weight.shape[0] == one.weight.shape[1] else ""
            raise NetkinError(
                f"{path}: layer {index} takes {other.weight.shape[1]} inputs, but the layer before "
                f"it has {one.weight.shape[0]} units{hint}."
            )


def _turned(layer: Layer) -> str:
    """Return how to say that the weights of a layer, and so perhaps of all, are the other way."""
    if not layer.made_of:
        return ""
    name, *bias = layer.made_of
    if isinstance(layer.weight, Transposed):
        return f"; '{name}.T' is for a matrix of shape (n_in, n_out)"
    own = [_bias_of(name)] == bias
    wired = "+".join([f"{name}.T", *([] if own else bias)])
    return f"; {NAME_ALL}, those of shape (n_in, n_out) with '.T', as in '{wired}'"


def can_be(shape: Sequence[int]) -> bool:
    """Tell whether an array of a shape fits into any machine, also if it has no numbers."""
    return math.prod(size or 1 for size in shape) <= MOST_NUMBERS


def as_floats(array: NDArray[Any]) -> Floats:
    """Return numbers as float64 where they are, else as float32; the array itself if it is so."""
    if array.dtype.kind == "f" and array.dtype.itemsize == 8:
        return array.astype(np.float64, copy=False)  # in the order of bytes of this machine
    return array.astype(np.float32, copy=False)


def rows_of(array: NDArray[Any], rows: slice) -> Floats:
    """Return some rows of an array as a copy that `as_floats` makes.

    Parameters
    ----------
    array : array of shape (n, ...) or ()
        Of any floats, ml_dtypes' included; of shape () it is returned whole.
    rows : slice
    """
    return as_floats(np.array(array[rows] if array.ndim else array))


def from_bfloat16(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return the numbers that bits of bfloat16 stand for, each the upper half of a float32.

    Parameters
    ----------
    bits : uint16 array

    Returns
    -------
    float32 array of the same shape
    """
    numbers: NDArray[np.float32] = (bits.astype(np.uint32) << 16).view(np.float32)
    return numbers


def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON; for ``object_pairs_hook`` of `json.loads`.

    Parameters
    ----------
    pairs : list of (str, object)
        Its names and values.

    Raises
    ------
    NetkinError
        A name stands in it twice, of which json would take the last.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        numbers = Counter(name for name, _ in pairs)
        twice = next(name for name in found if numbers[name] > 1)
        raise NetkinError(f"{shown(twice)} stands in it twice.")
    return found
