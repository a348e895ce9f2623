"""Vectors of a network straight from its weights, for networks larger than memory.

Every weight is read a few times and none is kept: once for the largest, two or three times
for the minimum spanning forest, once for the vectors. No diagram is ever whole.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from netkin.diagram.diagram import Diagram
from netkin.diagram.forest import (
    SAMPLE_SIZE,
    EdgeBlock,
    minimum_spanning_forest,
)
from netkin.diagram.policy import apply_policy
from netkin.errors import NetkinError, allowed, require_choice
from netkin.graph.graph import BiasVertices, edge_values
from netkin.network.layers import Layer, open_layers
from netkin.vector import VECTORISERS
from netkin.vector.sampling import Sampling
from netkin.vector.vector import Vector

WEIGHTS_PER_BLOCK = 1 << 18
"""Weights handled at once; temporary arrays of a block stay in the processor's cache."""


def vectorise_layers(
    path: str | Path,
    vectors: Mapping[str, Mapping[str, Any]],
    *,
    bounds: tuple[float, float] = (0.0, 1.0),
    bias_vertices: BiasVertices = "per_neuron",
    zeta: float = 1e-6,
    policy: Mapping[str, Any] | None = None,
    max_dimension: int = 3,
) -> dict[str, Vector]:
    """Compute vectors of the directed flag complex of a feed-forward network.

    The same as graph, diagram by the engine ``exact`` and vector in turn, in memory that
    depends on the number of units and not of weights.

    Parameters
    ----------
    path : path
        See `netkin.network.layers.open_layers`.
    vectors : mapping
        Name of a vectoriser -> ``n_bins`` and its own options.
    bounds : pair of float
        First and last point of the sampling.
    bias_vertices, zeta
        See `netkin.graph.graph.graph_from_weights`. A layer without a bias has no bias
        vertices.
    policy : mapping
        Options of `netkin.diagram.policy.apply_policy`.
    max_dimension : int
        Highest homology dimension listed, at least 1.

    Raises
    ------
    NetkinError
        The file cannot be read, a weight is NaN or infinite, all are 0, or an argument is
        not allowed.
    """
    policy = dict(policy or {})
    _check_arguments(vectors, bias_vertices, zeta, max_dimension)
    with open_layers(path) as layers:
        edges = _Edges(path, layers, bias_vertices)
        forest = minimum_spanning_forest(
            edges.blocks, edges.n_vertices, edges.n_edges, edges.sample
        )
        accumulators = {
            name: [
                VECTORISERS[name].accumulator(
                    Sampling(*bounds, options["n_bins"]),
                    **{key: value for key, value in options.items() if key != "n_bins"},
                )
                for _ in range(max_dimension + 1)
            ]
            for name, options in vectors.items()
        }
        deaths = []
        # whatever a policy drops from H0 as the class of the whole graph, H1 has none
        policy_of_h1 = {**policy, "reduced": False}
        for strength, start in edges.strengths():
            value = edge_values(strength, edges.largest, zeta)
            first, last = np.searchsorted(forest.edges, (start, start + len(value)))
            inside = forest.edges[first:last] - start
            deaths.append(value[inside].astype(np.float64))
            births = np.delete(value, inside).astype(np.float64)
            h1 = np.column_stack([births, np.full(len(births), np.inf)])
            intervals = apply_policy(Diagram((np.empty((0, 2)), h1)), **policy_of_h1).intervals[1]
            for parts in accumulators.values():
                parts[1].add(intervals)
    finite = np.concatenate(deaths)
    h0 = np.zeros((len(finite) + forest.n_components, 2))
    h0[: len(finite), 1] = finite
    h0[len(finite) :, 1] = np.inf
    for parts in accumulators.values():
        parts[0].add(apply_policy(Diagram((h0,)), **policy).intervals[0])
    return {
        name: Vector(
            tuple(part.result() for part in parts),
            Sampling(*bounds, vectors[name]["n_bins"]),
            axes=VECTORISERS[name].axes,
            kind=name,
        )
        for name, parts in accumulators.items()
    }


def _check_arguments(
    vectors: Mapping[str, Mapping[str, Any]], bias_vertices: str, zeta: float, max_dimension: int
) -> None:
    for name, options in vectors.items():
        if name not in VECTORISERS:
            raise NetkinError(f"unknown vector '{name}'. {allowed(name, VECTORISERS)}")
        if "n_bins" not in options:
            raise NetkinError(f"vector '{name}': its number of samples, n_bins, is missing.")
    require_choice("bias_vertices", bias_vertices, get_args(BiasVertices))
    if not 0 < zeta < 1:
        raise NetkinError(f"zeta: found {zeta}, allowed is between 0 and 1.")
    if max_dimension < 1:
        raise NetkinError(f"max_dimension: found {max_dimension}, at least 1 is needed.")


class _Edges:
    """The edges of the graph of a network, block by block; strongest is first.

    Edges are numbered layer by layer, row by row of (n_out, n_in), then the biases.
    """

    def __init__(
        self, path: str | Path, layers: Sequence[Layer], bias_vertices: BiasVertices
    ) -> None:
        self.layers = layers
        widths = [layers[0].shape[1], *(layer.shape[0] for layer in layers)]
        self.first = np.cumsum([0, *widths])
        self.biases: list[tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]] = []
        next_vertex = int(self.first[-1])
        for layer, first in zip(layers, self.first[1:], strict=False):
            if layer.bias is None or bias_vertices == "none":
                continue
            n_out = layer.shape[0]
            neurons = np.arange(first, first + n_out)
            n_new = n_out if bias_vertices == "per_neuron" else 1
            vertices = np.broadcast_to(np.arange(next_vertex, next_vertex + n_new), n_out)
            self.biases.append((np.abs(layer.bias.astype(np.float32)), vertices, neurons))
            next_vertex += n_new
        self.n_vertices = next_vertex
        n_weights = sum(layer.shape[0] * layer.shape[1] for layer in layers)
        self.n_edges = n_weights + sum(len(strength) for strength, _, _ in self.biases)
        stride = max(1, self.n_edges // SAMPLE_SIZE)
        self.largest = 0.0
        sample = []
        for block in self.blocks():
            largest = -float(block.key.min(initial=0.0))
            if not np.isfinite(largest):  # NaN or infinite
                raise NetkinError(f"{path}: a weight or bias is NaN or infinite.")
            self.largest = max(self.largest, largest)
            place = np.unravel_index(
                np.arange(-block.start % stride, block.key.size, stride), block.key.shape
            )
            ends = (np.broadcast_to(end, block.key.shape)[place] for end in block[1:3])
            sample.append((block.key[place], *ends))
        if self.largest == 0:
            raise NetkinError(f"{path}: every weight is 0, so the values of edges are undefined.")
        keys, tails, heads = (np.concatenate(part) for part in zip(*sample, strict=True))
        self.sample = EdgeBlock(keys, tails, heads, 0)

    def strengths(self) -> Iterator[tuple[NDArray[np.float32], int]]:
        """Yield |w| of consecutive edges, flat, and the index of the first."""
        for block in self.blocks():
            yield -block.key.ravel(), block.start

    def blocks(self) -> Iterator[EdgeBlock]:
        """Yield all edges; the key is -|w|, which orders them as their values do."""
        start = 0
        for index, layer in enumerate(self.layers):
            n_out, n_in = layer.shape
            inputs = np.arange(self.first[index], self.first[index] + n_in, dtype=np.int32)
            rows = max(1, WEIGHTS_PER_BLOCK // n_in)
            for row in range(0, n_out, rows):
                stop = min(row + rows, n_out)  # safetensors refuses to read past the end
                weight = np.asarray(layer.weight[row:stop], dtype=np.float32)
                outputs = np.arange(row, row + len(weight), dtype=np.int32) + np.int32(
                    self.first[index + 1]
                )
                yield EdgeBlock(-np.abs(weight), inputs[None, :], outputs[:, None], start)
                start += weight.size
        for strength, vertices, neurons in self.biases:
            yield EdgeBlock(-strength, vertices, neurons, start)
            start += len(strength)
