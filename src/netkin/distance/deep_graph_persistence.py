"""Deep graph persistence: neural persistence of the strongest paths through a whole network.

Girrbach, Christensen, Winther, Akata and Koepke 2023, Addressing caveats of neural persistence with
deep graph persistence (TMLR, arXiv 2307.10865).
"""

from typing import Annotated, Any
from weakref import WeakKeyDictionary

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from netkin.distance.neural_persistence import neural_persistence
from netkin.errors import UndefinedDistance
from netkin.finite import require_finite
from netkin.graph.blocks import NO_GROUP, Block, BlockGraph, dense_graph
from netkin.graph.symmetry import outputs_of
from netkin.network.file import Network
from netkin.options import OR_INF, checked

MOST_STEPS = 1 << 40
"""Minima of two numbers that are taken for one network, at most: about half an hour."""


@checked
def deep_graph_persistence_distance(
    a: Network | BlockGraph,
    b: Network | BlockGraph,
    *,
    order: Annotated[float, Ge(1), Le(100), OR_INF] = 2.0,
) -> float:
    """Absolute difference of the deep graph persistence of two networks.

    A pseudometric: 0 does not mean that the networks are equal. Renumbering units changes
    nothing, nor does multiplying all weights of a layer by a number other than 0.

    Parameters
    ----------
    a, b : Network or BlockGraph
        Of any shapes.
    order : float
        See `deep_graph_persistence`.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    UndefinedDistance
        As `deep_graph_persistence`.
    """
    return abs(_persistence(a, order) - _persistence(b, order))


_known: "WeakKeyDictionary[Network | BlockGraph, dict[float, float]]" = WeakKeyDictionary()
"""A network -> its persistence for each order, for as long as somebody else has it."""


def _persistence(network: Network | BlockGraph, order: float) -> float:
    """Return it; a network is asked for it once for each of its pairs."""
    known = _known.setdefault(network, {})
    if order not in known:
        known[order] = deep_graph_persistence(network, order=order)
    return known[order]


@checked
def deep_graph_persistence(
    network: Network | BlockGraph, *, order: Annotated[float, Ge(1), Le(100), OR_INF] = 2.0
) -> float:
    """Compute the normalised neural persistence of the summary matrix of a network.

    The paper has it divided by the largest entry of that matrix, as neural persistence of one
    layer is; of the authors' program this is the variant that it calls exact.

    Parameters
    ----------
    network : Network or BlockGraph
    order : float
        See `netkin.distance.neural_persistence.neural_persistence`.

    Returns
    -------
    float
        In [0, 1]: 0 where the strongest paths of a spanning tree are all as strong as the
        strongest of all.

    Raises
    ------
    UndefinedDistance
        All weights of a layer are equal, so that they cannot be standardised; no path leads from
        an input to an output; or there are too many inputs and weights.
    NetkinError
        A weight is NaN or infinite.
    """
    summary = summary_matrix(network)
    largest = float(summary.max(initial=0))
    if largest == 0:
        raise UndefinedDistance("no path leads from an input to an output")
    bound = (sum(summary.shape) - 1) ** (1 / order)
    return float(neural_persistence(summary, largest, order=order) / bound)


def summary_matrix(network: Network | BlockGraph) -> NDArray[np.float64]:
    """Return how strong the strongest path is from each input to each output.

    Each layer is standardised, ``|w - mean| / deviation``, and all are divided by the largest of
    these numbers. A path is as strong as its weakest weight; biases do not count. Section 5 of
    the paper.

    Parameters
    ----------
    network : Network or BlockGraph
        Of a graph each block of trained weights is a layer, pieces of one layer together, and
        structural edges are as strong as the strongest weight. Units are the channels: a weight
        between two of them is the strongest over the places of a kernel, and an entry the
        strongest over all positions of a grid. Where there are none, as in a chain of dense
        layers, this is the definition of the paper.

    Returns
    -------
    float64 array of shape (n_inputs, n_outputs)
        In [0, 1], 0 where there is no path. Inputs are the groups that nothing feeds, outputs
        those of `netkin.graph.symmetry.outputs_of`, in the order of the graph.

    Raises
    ------
    UndefinedDistance, NetkinError
        As `deep_graph_persistence`.
    """
    if isinstance(network, Network):
        network = dense_graph(network.weights, [None] * len(network.weights))
    groups, blocks = network.groups, [b for b in network.blocks if b.source != NO_GROUP]
    fed = {block.target for block in network.blocks}
    inputs = [k for k in range(len(groups)) if k not in fed]
    outputs = outputs_of(network)
    n_inputs = sum(groups[k].channels for k in inputs)
    steps = n_inputs * sum(block.weight.shape[0] * block.weight.shape[1] for block in blocks)
    if steps > MOST_STEPS:
        raise UndefinedDistance(
            f"the strongest paths of {n_inputs:,} inputs take {steps:,} steps; allowed are "
            f"{MOST_STEPS:,}"
        )
    strength = _strengths(blocks)
    reached = [np.zeros((n_inputs, group.channels)) for group in groups]
    start = 0
    for k in inputs:
        stop = start + groups[k].channels
        np.fill_diagonal(reached[k][start:stop], 1.0)
        start = stop
    stale = [True] * len(blocks)
    while any(stale):  # once, where every block comes after those that feed it; more in a loop
        for number, block in enumerate(blocks):
            if not stale[number]:
                continue
            stale[number] = False
            if _pass_on(block, strength[number], reached):
                for other, one in enumerate(blocks):
                    stale[other] = stale[other] or one.source == block.target
    return np.concatenate([reached[k] for k in outputs], axis=1)


def _strengths(blocks: list[Block]) -> list[NDArray[np.float64]]:
    """Return how strong the edges of each block are, of shape (n_out, n_in // groups)."""
    layers: dict[Any, list[int]] = {}
    for number, block in enumerate(blocks):
        if block.is_trained:
            layers.setdefault((block.name, block.made_of, block.target), []).append(number)
    found = [np.ones((block.weight.shape[0], block.weight.shape[1])) for block in blocks]
    for numbers in layers.values():
        arrays = [
            np.asarray(blocks[k].weight[:], dtype=np.float64)[:, :, blocks[k].multiplicity() > 0]
            for k in numbers
        ]
        whole = np.concatenate([array.ravel() for array in arrays])
        name = blocks[numbers[0]].name
        require_finite(whole, "weights of a network")
        if whole.size == 0 or (whole == whole[0]).all():
            raise UndefinedDistance(
                f"all weights of '{name}' are equal, so they cannot be standardised"
            )
        mean, deviation = whole.mean(), whole.std()
        for k, array in zip(numbers, arrays, strict=True):
            found[k] = (np.abs(array - mean) / deviation).max(axis=2, initial=0)
    trained = [k for numbers in layers.values() for k in numbers]
    largest = max((float(found[k].max()) for k in trained), default=1.0)
    for k in trained:
        found[k] /= largest
    return found


def _pass_on(
    block: Block, strength: NDArray[np.float64], reached: list[NDArray[np.float64]]
) -> bool:
    """Follow paths along a block; tell whether a stronger one was found."""
    from netkin.distance.strongest import strongest

    out, per = block.n_out // block.groups, strength.shape[1]
    first, to = block.source_channel, block.target_channel
    source = reached[block.source][:, first : first + block.n_in]
    target = reached[block.target][:, to : to + block.n_out]
    before = target.copy()
    if per == 1 and out == 1:
        np.maximum(target, np.minimum(source, strength[:, 0]), out=target)
    else:
        for k in range(block.groups):
            rows, columns = slice(k * out, (k + 1) * out), slice(k * per, (k + 1) * per)
            found = np.ascontiguousarray(target[:, rows])
            strongest(
                np.ascontiguousarray(source[:, columns]),
                np.ascontiguousarray(strength[rows].T),
                found,
            )
            target[:, rows] = found
    return not np.array_equal(before, target)
