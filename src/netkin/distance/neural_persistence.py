"""Neural persistence: how strongly each layer of a network is connected.

Rieck et al. 2019, Neural persistence: a complexity measure for deep neural networks using
algebraic topology (ICLR, arXiv 1812.09764). It reads the strength of the weights, not
which units they join, so networks of any two shapes can be compared.

A convolution is taken as the layer that it is at one point of its grid: a unit for each output
channel, one for each input channel at each place of the kernel. So it does not depend on the size
of the grid, as what it is unrolled to over all points would.
"""

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from netkin.diagram.forest import minimum_spanning_forest
from netkin.distance.tensors import NO_TENSOR, Tensors, matrix_of
from netkin.errors import NetkinError, UndefinedDistance
from netkin.finite import require_finite
from netkin.graph.blocks import BlockGraph
from netkin.graph.edges import SAMPLE_SIZE, EdgeBlock
from netkin.network.file import Network
from netkin.options import OR_INF, checked


@checked
def neural_persistence_distance(
    a: Network | BlockGraph,
    b: Network | BlockGraph,
    *,
    order: Annotated[float, Ge(1), Le(100), OR_INF] = 2.0,
) -> float:
    """Absolute difference of the mean normalised neural persistence of two networks.

    A pseudometric: 0 does not mean that the networks are equal. Multiplying all weights of
    a network by a number other than 0 changes nothing, nor does renumbering its units.

    Parameters
    ----------
    a, b : Network or BlockGraph
        Of any shapes.
    order : float
        See `neural_persistence`.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    UndefinedDistance
        All weights of a network are 0.
    """
    return abs(_mean(a, order) - _mean(b, order))


_known: "WeakKeyDictionary[Network | BlockGraph | Tensors, dict[float, float]]"
_known = WeakKeyDictionary()
"""A network -> its mean for each order, for as long as somebody else has it."""


def _mean(network: Network | BlockGraph, order: float) -> float:
    """Return the mean over layers; a network is asked for it once for each of its pairs."""
    known = _known.setdefault(network, {})
    if order not in known:
        known[order] = float(layer_neural_persistence(network, order=order).mean())
    return known[order]


@checked
def layer_neural_persistence(
    network: Network | BlockGraph, *, order: Annotated[float, Ge(1), Le(100), OR_INF] = 2.0
) -> NDArray[np.float64]:
    """Compute the normalised neural persistence of every layer.

    Biases do not count, neither as edges nor for the largest weight.

    Parameters
    ----------
    network : Network or BlockGraph
        Of a graph each block of trained weights is a layer, the groups of a grouped convolution
        side by side. A layer of n units on both sides together has the upper bound
        ``(n - 1) ** (1 / order)``, reached where all its weights are 0; the neural
        persistence is divided by it (Definition 3). The bound of Theorem 1 also has the
        factor max - min of the w' of the layer; as in the authors' program it is taken as
        1, the most it can be.
    order : float
        See `neural_persistence`.

    Returns
    -------
    float64 array of shape (n_layers,)
        From the inputs on, each in [0, 1]: 0 where a spanning tree has only weights as
        strong as the strongest of the network, 1 where all weights of the layer are 0.

    Raises
    ------
    UndefinedDistance
        All weights of the network are 0, so w' is undefined.
    NetkinError
        A weight is NaN or infinite.
    """
    if isinstance(network, Network):
        return _normalised([weight[None] for weight in network.weights], order)
    layers = []
    for block in network.blocks:
        if block.kind == "weight":
            weight = np.asarray(block.weight[:])
            layers.append(weight.reshape(block.groups, block.n_out // block.groups, -1))
    if not layers:
        raise UndefinedDistance("the network has no weights")
    return _normalised(layers, order)


def _normalised(layers: Sequence[NDArray[np.floating[Any]]], order: float) -> NDArray[np.float64]:
    """Return the normalised neural persistence of layers of shape (n_groups, n_out, n_in)."""
    for weight in layers:
        require_finite(weight, "weights of a network")
    largest = max(float(np.abs(weight).max()) for weight in layers)
    if largest == 0:
        raise UndefinedDistance("all weights of a network are 0, so none is the strongest")
    found = []
    for weight in layers:
        # of groups side by side one class for each never ends
        n_ends = len(weight) * (weight.shape[1] + weight.shape[2] - 1)
        parts = [neural_persistence(each, largest, order=order) for each in weight]
        whole = float(np.linalg.norm(parts, ord=order)) if len(parts) > 1 else parts[0]
        found.append(whole / n_ends ** (1 / order))
    return np.array(found)


class TensorPersistence(NamedTuple):
    """Neural persistence of the tensors of a file.

    Attributes
    ----------
    values : dict of str to float
        Name of a tensor of two and more axes -> its normalised neural persistence.
    left_out : tuple of str
        The others, of one axis or none: biases, and the scales of norms.
    """

    values: dict[str, float]
    left_out: tuple[str, ...]


@checked
def tensor_neural_persistence(
    tensors: Tensors, *, order: Annotated[float, Ge(1), Le(100), OR_INF] = 2.0
) -> TensorPersistence:
    """Compute the normalised neural persistence of every tensor of a file, wired or not.

    Parameters
    ----------
    tensors : Tensors
        Of which those of two and more axes are layers, see
        `netkin.distance.tensors.matrix_of`. The strongest weight is the strongest of all of them.
        A file does not say what a grouped convolution joins: its groups are taken to have the
        same inputs.
    order : float
        See `neural_persistence`.

    Returns
    -------
    TensorPersistence

    Raises
    ------
    UndefinedDistance
        There is no such tensor, all of them are 0, or one holds NaN or infinity.
    """
    with tensors.opened() as opened:
        matrices = {name: matrix_of(one) for name, one in opened.items() if not one.same_as}
        left_out = tuple(name for name, matrix in matrices.items() if matrix is None)
    layers = {name: matrix[None] for name, matrix in matrices.items() if matrix is not None}
    if not layers:
        raise UndefinedDistance(NO_TENSOR)
    values = _normalised(list(layers.values()), order).tolist()
    return TensorPersistence(dict(zip(layers, values, strict=True)), left_out)


@checked
def tensor_neural_persistence_distance(
    a: Tensors, b: Tensors, *, order: Annotated[float, Ge(1), Le(100), OR_INF] = 2.0
) -> float:
    """Absolute difference of the mean normalised neural persistence of the tensors of two files.

    As `neural_persistence_distance`, where nothing need be known of the wiring. Nothing is
    matched.

    Parameters
    ----------
    a, b : Tensors
        Of any names and shapes.
    order : float
        See `neural_persistence`.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    UndefinedDistance
        As `tensor_neural_persistence`.
    """
    return abs(_mean_of_tensors(a, order) - _mean_of_tensors(b, order))


def _mean_of_tensors(tensors: Tensors, order: float) -> float:
    known = _known.setdefault(tensors, {})
    if order not in known:
        values = tensor_neural_persistence(tensors, order=order).values
        known[order] = float(np.mean(list(values.values())))
    return known[order]


@checked
def neural_persistence(
    weight: NDArray[np.floating[Any]],
    largest: float,
    *,
    order: Annotated[float, Ge(1), Le(100), OR_INF] = 2.0,
) -> float:
    """Compute the neural persistence of one layer (Definition 2).

    The units on both sides are there from the start, at w' = 1, then the edges enter from
    the strongest to the weakest, at ``w' = |w| / largest``. An edge of the maximum spanning
    tree ends one class of the zeroth homology, which so persists for 1 - w'. The class
    that never ends does not count, else the bound of `layer_neural_persistence` would not
    hold; the authors' program ends it at 0, which adds 1 to the sum of powers.

    Parameters
    ----------
    weight : array of shape (n_out, n_in)
        Finite.
    largest : float
        Largest |w| of the whole network, positive.
    order : float
        The p of the p-norm of the persistences, ``inf`` for the longest.

    Returns
    -------
    float
        In [0, (n_out + n_in - 1) ** (1 / order)].

    Raises
    ------
    NetkinError
        A weight is NaN or infinite, or `largest` no positive number.
    """
    require_finite(weight, "weights of a layer")
    if not 0 < largest < np.inf:
        raise NetkinError(f"the largest weight is {largest}; allowed is a positive number.")
    n_out, n_in = weight.shape
    key = -np.abs(weight)
    sources, targets = np.arange(n_in), n_in + np.arange(n_out)
    whole = EdgeBlock(key, sources[None, :], targets[:, None])
    row, column = np.divmod(np.arange(0, key.size, max(1, key.size // SAMPLE_SIZE)), n_in)
    sample = EdgeBlock(key[row, column], sources[column], targets[row])
    forest = minimum_spanning_forest(lambda: iter([whole]), n_out + n_in, key.size, sample)
    persistence = 1 + forest.keys.astype(np.float64) / largest
    return float(np.linalg.norm(persistence, ord=order))
