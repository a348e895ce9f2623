"""The edges of a feed-forward network, made from its weights while these stay where they are."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import numpy as np
from annotated_types import Gt, Lt
from numpy.typing import NDArray

from netkin.errors import NetkinError
from netkin.graph.edges import EDGES_PER_BLOCK, MANY_EDGES, SAMPLE_SIZE, EdgeBlock
from netkin.graph.graph import (
    BiasVertices,
    Graph,
    check_layers,
    edge_values,
    graph_from_weights,
)
from netkin.options import checked


class DenseEdges:
    """The edges of `netkin.graph.graph.graph_from_weights`, in memory that units decide.

    Parameters
    ----------
    weights : sequence of array-likes of shape (n_out, n_in)
        Weights of each layer, from the inputs on: arrays, or what stays on disk, has a ``shape``
        and gives its rows ``a`` to ``b`` by ``weight[a:b]``. They are read once here and a few
        times later.
    biases : sequence of arrays of shape (n_out,), or None
        Biases of each layer; a layer without has no bias vertices.
    bias_vertices, zeta
        See `netkin.graph.graph.graph_from_weights`.

    Raises
    ------
    NetkinError
        As `netkin.graph.graph.graph_from_weights`.

    Attributes
    ----------
    n_vertices, n_edges : int
    largest : float
        The largest |w|.
    zeta : float

    Notes
    -----
    The key of an edge is -|w|. Edges come layer by layer, row by row of (n_out, n_in), then
    the biases.
    """

    @checked
    def __init__(
        self,
        weights: Sequence[Any],
        biases: Sequence[NDArray[np.floating[Any]] | None],
        *,
        bias_vertices: BiasVertices = "per_neuron",
        zeta: Annotated[float, Gt(0), Lt(1)] = 1e-6,
    ) -> None:
        widths = check_layers(weights, biases, bias_vertices, zeta)
        self._weights = weights
        self._biases = biases
        self._bias_vertices: BiasVertices = bias_vertices
        self.zeta = zeta
        self._first = np.cumsum([0, *widths], dtype=np.int32)
        self._bias_blocks: list[EdgeBlock] = []
        self.n_vertices = int(self._first[-1])
        for bias, first in zip(biases, self._first[1:], strict=False):
            if bias is None or bias_vertices == "none":
                continue
            n_out = len(bias)
            n_new = n_out if bias_vertices == "per_neuron" else 1
            vertices = np.arange(self.n_vertices, self.n_vertices + n_new, dtype=np.int32)
            neurons = np.arange(first, first + n_out, dtype=np.int32)
            self._bias_blocks.append(EdgeBlock(_key(bias), vertices, neurons))
            self.n_vertices += n_new
        self.n_edges = sum(weight.shape[0] * weight.shape[1] for weight in weights)
        self.n_edges += sum(block.key.size for block in self._bias_blocks)
        self._sample: EdgeBlock | None = None
        if self.n_edges < MANY_EDGES:
            self.largest, self._sample = self._look_through()
        else:
            self.largest = self._strongest()
        if self.largest == 0:
            raise NetkinError("every weight is 0, so the values of the edges are undefined.")

    def _strongest(self) -> float:
        """Return the largest |w|, by loops that are compiled."""
        from netkin.diagram.dense_forest import largest_weight

        biases = [-block.key[:, None] for block in self._bias_blocks]
        return max(largest_weight(weight) for weight in [*self._weights, *biases])

    def _look_through(self) -> tuple[float, EdgeBlock]:
        """Return the largest |w| and a sample of the edges."""
        stride = max(1, self.n_edges // SAMPLE_SIZE)
        largest = 0.0
        start = 0
        sample = []
        for block in self.blocks():
            strongest = -float(block.key.min())
            if not np.isfinite(strongest):  # NaN or infinite
                raise NetkinError("a weight or bias is NaN or infinite: the training diverged.")
            largest = max(largest, strongest)
            place = np.unravel_index(
                np.arange(-start % stride, block.key.size, stride), block.key.shape
            )
            ends = (np.broadcast_to(end, block.key.shape)[place] for end in block[1:])
            sample.append((block.key[place], *ends))
            start += block.key.size
        key, tail, head = (np.concatenate(part) for part in zip(*sample, strict=True))
        return largest, EdgeBlock(key, tail, head)

    def blocks(self) -> Iterator[EdgeBlock]:
        """Yield all edges; see `netkin.graph.graph.Edges`."""
        for layer, weight in enumerate(self._weights):
            n_out, n_in = weight.shape
            inputs = np.arange(self._first[layer], self._first[layer + 1], dtype=np.int32)
            rows = max(1, EDGES_PER_BLOCK // n_in)
            for row in range(0, n_out, rows):
                stop = min(row + rows, n_out)  # safetensors refuses to read past the end
                outputs = np.arange(row, stop, dtype=np.int32) + self._first[layer + 1]
                yield EdgeBlock(_key(weight[row:stop]), inputs[None, :], outputs[:, None])
        yield from self._bias_blocks

    def sample(self) -> EdgeBlock:
        """Return some edges drawn evenly from all."""
        if self._sample is None:
            _, self._sample = self._look_through()
        return self._sample

    def matrices(self) -> Iterator[tuple[Any, int, int, int]]:
        """Yield weights, first vertex at either end, and groups; see `DensePart`.

        Those of layers, then biases as columns.
        """
        for layer, weight in enumerate(self._weights):
            yield weight, int(self._first[layer]), int(self._first[layer + 1]), 1
        for block in self._bias_blocks:
            # the strength of a bias is all that matters
            strength = -block.key[:, None]
            groups = len(strength) if len(block.tail) > 1 else 1
            yield strength, int(block.tail[0]), int(block.head[0]), groups

    def values(self, key: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Return the filtration values of edges with these keys."""
        return edge_values(-key, self.largest, self.zeta)

    def is_two_colourable(self) -> bool:
        """Return True: by the parity of the layer, a bias vertex one before what it feeds."""
        return True

    def stored(self) -> Graph:
        """Return the graph with all edges in memory."""
        return graph_from_weights(
            [weight[:] for weight in self._weights],
            self._biases,
            bias_vertices=self._bias_vertices,
            zeta=self.zeta,
        )


def _key(weight: Any) -> NDArray[np.floating[Any]]:
    """Return -|w|, in float32 or float64."""
    array = np.asarray(weight)
    key: NDArray[np.floating[Any]] = np.abs(array, dtype=np.result_type(array, np.float32))
    np.negative(key, out=key)
    return key
