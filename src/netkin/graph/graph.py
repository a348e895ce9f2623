"""The directed weighted graph of a feed-forward network, and its file."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, get_args

import numpy as np
from annotated_types import Gt, Lt
from numpy.typing import NDArray

from netkin import storage
from netkin.errors import Absent, NetkinError, require_choice
from netkin.finite import is_finite, require_finite
from netkin.graph.edges import EDGES_PER_BLOCK, SAMPLE_SIZE, EdgeBlock
from netkin.options import checked

if TYPE_CHECKING:
    from scipy.sparse import coo_matrix

BiasVertices = Literal["per_neuron", "per_layer", "none"]


class Edges(Protocol):
    """The edges of a directed graph with a value on every edge.

    What goes through the blocks needs memory for one of them only, so a graph can have far more
    edges than fit into memory.
    """

    @property
    def n_vertices(self) -> int:
        """Number of vertices n; they are numbered 0 to n - 1."""

    @property
    def n_edges(self) -> int:
        """Number of edges."""

    def blocks(self) -> Iterator[EdgeBlock]:
        """Yield all edges, the same ones in the same order at each call."""

    def sample(self) -> EdgeBlock:
        """Return some edges drawn evenly from all, one-dimensional."""

    def values(self, key: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Return the filtration values of edges with these keys, of the same shape."""

    def is_two_colourable(self) -> bool:
        """Tell whether the vertices can be coloured so that every edge joins two colours."""

    def stored(self) -> "Graph":
        """Return the graph with all edges in memory."""


@dataclass(frozen=True, eq=False)
class Graph:
    """A directed graph with a value on every edge, all of them in memory.

    The key of an edge, see `Edges`, is its value.

    Attributes
    ----------
    source, target : int32 array of shape (m,)
        Vertices where each edge starts and ends.
    value : float32 array of shape (m,)
        Filtration value of each edge, the smaller the earlier it enters; 0 is a value
        like any other, an absent edge is not listed.
    n_vertices : int
        Number of vertices n; they are numbered 0 to n - 1.
    layer : int32 array of shape (n,)
        Layer of a vertex, 0 for the inputs; a bias vertex carries the layer it feeds.
    is_bias : bool array of shape (n,)
        True for bias vertices, which are no neurons.
    """

    source: NDArray[np.int32]
    target: NDArray[np.int32]
    value: NDArray[np.float32]
    n_vertices: int
    layer: NDArray[np.int32]
    is_bias: NDArray[np.bool_]

    @property
    def n_edges(self) -> int:
        """Number of edges m."""
        return len(self.value)

    def blocks(self) -> Iterator[EdgeBlock]:
        """Yield all edges; see `Edges`."""
        for start in range(0, self.n_edges, EDGES_PER_BLOCK):
            yield self._part(slice(start, start + EDGES_PER_BLOCK))

    def sample(self) -> EdgeBlock:
        """Return some edges drawn evenly from all."""
        return self._part(slice(None, None, max(1, self.n_edges // SAMPLE_SIZE)))

    def _part(self, part: slice) -> EdgeBlock:
        return EdgeBlock(self.value[part], self.source[part], self.target[part])

    def values(self, key: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Return the filtration values of edges with these keys: the same."""
        return key.astype(np.float32, copy=False)

    def stored(self) -> "Graph":
        """Return the graph itself."""
        return self

    def is_two_colourable(self) -> bool:
        """Tell whether the vertices can be coloured so that every edge joins two colours.

        A graph without cycles of odd length has no triangle, whatever the directions of its
        edges. Time linear in the number of edges. The colouring that a feed-forward network
        has by its layers is tried first, then any other by the bipartite double cover, in
        which the two copies of a vertex are connected just if it lies in a component with a
        cycle of odd length.
        """
        colour = ((self.layer + self.is_bias) % 2).astype(bool)
        if all((colour[block.tail] != colour[block.head]).all() for block in self.blocks()):
            return True
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        n = self.n_vertices
        source, target = self.source.astype(np.int64), self.target.astype(np.int64)
        ends = np.concatenate([source, source + n]), np.concatenate([target + n, target])
        cover = coo_array((np.ones(len(ends[0]), dtype=bool), ends), shape=(2 * n, 2 * n))
        _, component = connected_components(cover, directed=False)
        return bool((component[:n] != component[n:])[np.unique(source)].all())

    def check_values(self) -> None:
        """Raise `NetkinError` for a value at which no edge can enter a filtration from 0 on."""
        if not is_finite(self.value):
            raise NetkinError("an edge has a value that is NaN or infinite.")
        if self.value.min(initial=0) < 0:
            raise before_vertices(self.value.min())

    def to_scipy(self) -> "coo_matrix":
        """Return the adjacency matrix, a float32 `coo_matrix` of shape (n, n).

        Row is the source, column the target. Edges of value 0 are kept as explicit entries.
        """
        from scipy.sparse import coo_matrix

        shape = (self.n_vertices, self.n_vertices)
        # pyflagser and giotto-tda take no sparse arrays
        return coo_matrix((self.value, (self.source, self.target)), shape=shape)


def before_vertices(value: np.floating[Any]) -> NetkinError:
    """Return the error of an edge with a negative value."""
    return NetkinError(f"an edge has the value {value}, which is before its vertices enter at 0.")


@checked
def graph_from_weights(
    weights: Sequence[NDArray[np.floating[Any]]],
    biases: Sequence[NDArray[np.floating[Any]] | None],
    *,
    bias_vertices: BiasVertices = "per_neuron",
    zeta: Annotated[float, Gt(0), Lt(1)] = 1e-6,
) -> Graph:
    """Build the graph of a feed-forward network (Pérez-Fernández et al. 2021, section 3).

    A vertex per neuron, inputs included; an edge per weight from source neuron to target
    neuron, reversed where the weight is <= 0, with the value
    ``max(1 - |w| / max|W|, zeta)``, so that strong connections enter the filtration first.

    Vertices are numbered layer by layer, inputs first, then the bias vertices layer by
    layer. Edges stand in canonical order: per layer a block of n_in x n_out edges,
    row-major by input, then the bias edges layer by layer and neuron by neuron.

    Parameters
    ----------
    weights : sequence of arrays of shape (n_out, n_in)
        Weights of each layer, from the inputs on.
    biases : sequence of arrays of shape (n_out,), or None
        Biases of each layer; a layer without has no bias vertices.
    bias_vertices : {"per_neuron", "per_layer", "none"}
        ``per_neuron`` gives each neuron behind the inputs a bias vertex of its own,
        ``per_layer`` one shared by the layer, ``none`` leaves the biases out, of the
        maximum as well.
    zeta : float
        Smallest value of an edge, keeps the strongest connection above 0.

    Returns
    -------
    Graph
        Values are computed in float64 and stored as float32.

    Raises
    ------
    NetkinError
        No layer, an empty layer, shapes that do not fit, a weight or bias that is NaN or
        infinite, no weight other than 0, or a `zeta` or `bias_vertices` that is not allowed.
    """
    widths = check_layers(weights, biases, bias_vertices, zeta)
    if not all(is_finite(block) for block in weights):
        raise NetkinError("a weight or bias is NaN or infinite: the training diverged.")
    used = [None if bias_vertices == "none" else bias for bias in biases]
    blocks = [*weights, *(bias for bias in used if bias is not None)]
    largest = max(float(np.abs(block).max()) for block in blocks)
    if largest == 0:
        raise NetkinError("every weight is 0, so the values of the edges are undefined.")

    n_neurons = sum(widths)
    first = np.cumsum([0, *widths], dtype=np.int32)  # first vertex of each layer
    next_bias = n_neurons
    sources, targets, signed = [], [], []
    for layer, block in enumerate(weights):
        n_out, n_in = block.shape
        inputs = np.arange(first[layer], first[layer] + n_in, dtype=np.int32)
        outputs = np.arange(first[layer + 1], first[layer + 1] + n_out, dtype=np.int32)
        sources.append(np.repeat(inputs, n_out))
        targets.append(np.tile(outputs, n_in))
        signed.append(block.T.ravel())
    layers = [np.repeat(np.arange(len(widths), dtype=np.int32), widths)]
    for layer, bias in enumerate(used):
        if bias is None:
            continue
        n_out = len(bias)
        n_new = n_out if bias_vertices == "per_neuron" else 1
        vertices = np.arange(next_bias, next_bias + n_new, dtype=np.int32)
        next_bias += n_new
        sources.append(np.broadcast_to(vertices, n_out))
        targets.append(np.arange(first[layer + 1], first[layer + 1] + n_out, dtype=np.int32))
        signed.append(bias)
        layers.append(np.full(n_new, layer + 1, dtype=np.int32))

    source, target = np.concatenate(sources), np.concatenate(targets)
    weight = np.concatenate(signed)
    reverse = weight <= 0
    value = edge_values(np.abs(weight), largest, zeta)
    return Graph(
        source=np.where(reverse, target, source),
        target=np.where(reverse, source, target),
        value=value,
        n_vertices=next_bias,
        layer=np.concatenate(layers),
        is_bias=np.arange(next_bias) >= n_neurons,
    )


def edge_values(
    strength: NDArray[np.floating[Any]], largest: float, zeta: float
) -> NDArray[np.float32]:
    """Return ``max(1 - |w| / max|W|, zeta)``, the filtration value of edges.

    Parameters
    ----------
    strength : float array
        |w| of the edges.
    largest : float
        max|W|, positive.
    zeta : float
        Smallest value, more than 0 and less than 1.

    Returns
    -------
    float32 array of the same shape
        Computed in float64, then rounded.

    Raises
    ------
    NetkinError
        A strength is NaN or infinite, `largest` is not positive or infinite, or `zeta` is not
        allowed.
    """
    require_finite(strength, "strengths of edges")
    check_scale(largest, zeta)
    return np.maximum(1 - strength.astype(np.float64) / largest, zeta).astype(np.float32)


def check_scale(largest: float, zeta: float) -> None:
    """Raise `NetkinError` for a largest strength or a smallest value that is not allowed."""
    if not 0 < largest < np.inf:
        raise NetkinError(f"the largest strength is {largest}; allowed is a positive number.")
    # below, it would be 0 as float32
    if not np.finfo(np.float32).tiny <= zeta < 1:
        raise NetkinError(f"zeta: found {zeta}, allowed is 1.2e-38 to less than 1.")


def check_layers(
    weights: Sequence[Any],
    biases: Sequence[NDArray[np.floating[Any]] | None],
    bias_vertices: str,
    zeta: float,
) -> list[int]:
    """Check all arguments of `graph_from_weights` but the numbers in weights.

    Returns
    -------
    list of int
        Number of neurons of every layer, inputs first.

    Raises
    ------
    NetkinError
        No layer, an empty layer, shapes that do not fit, a bias that is NaN or infinite, or an
        option that is not allowed.
    """
    require_choice("bias_vertices", bias_vertices, get_args(BiasVertices))
    if not 0 < zeta < 1:
        raise NetkinError(f"zeta: found {zeta}, allowed is between 0 and 1.")
    if not weights or len(weights) != len(biases):
        raise NetkinError(
            f"found {len(weights)} weight and {len(biases)} bias arrays, "
            "expected at least one and equally many."
        )
    for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True), start=1):
        if len(weight.shape) != 2 or 0 in weight.shape:
            raise NetkinError(
                f"layer {layer}: weights of shape {weight.shape}, expected (n_out, n_in) with "
                "at least one neuron on either side."
            )
        if bias is None:
            continue
        if bias.shape != weight.shape[:1]:
            raise NetkinError(
                f"layer {layer}: biases of shape {bias.shape} do not fit the weights of shape "
                f"{weight.shape}, expected {weight.shape[:1]}."
            )
        if not is_finite(bias):
            raise NetkinError("a weight or bias is NaN or infinite: the training diverged.")
    for layer, (before, after) in enumerate(pairwise(weights), start=2):
        if after.shape[1] != before.shape[0]:
            raise NetkinError(
                f"layer {layer}: weights for {after.shape[1]} inputs, but layer {layer - 1} has "
                f"{before.shape[0]} neurons."
            )
    return [weights[0].shape[1], *(weight.shape[0] for weight in weights)]


def write_graph(
    path: str | os.PathLike[str],
    graph: Graph,
    *,
    parameters: Mapping[str, Any] | None = None,
    code: str = "",
    inputs: Iterable[str | os.PathLike[str]] = (),
) -> None:
    """Write a graph as HDF5, layout ``graph``.

    Datasets ``/source`` ``/target`` (int32), ``/value`` (float32), ``/layer`` (int32) and
    ``/is_bias`` (bool) as in `Graph`, attribute ``n_vertices``. `parameters`, `code` and
    `inputs` are recorded as in `netkin.storage.create`.
    """
    packed = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
    with storage.create(
        path, "graph", parameters=parameters or {}, code=code, inputs=inputs
    ) as file:
        file.attrs["n_vertices"] = graph.n_vertices
        for name in ("source", "target", "layer"):
            file.create_dataset(name, data=getattr(graph, name), dtype=np.int32, **packed)
        # values of trained weights hardly compress
        file.create_dataset("value", data=graph.value, dtype=np.float32)
        file.create_dataset("is_bias", data=graph.is_bias, dtype=bool, **packed)


def read_graph(path: str | os.PathLike[str]) -> Graph:
    """Read and check a graph file.

    Raises
    ------
    Absent
        There is none; the attribute ``reason`` says why.
    NetkinError
        For a file that is not a graph file, and for a vertex out of range, a layer without
        vertices before others, a self-loop, an edge that stands there twice, a value that is
        NaN or outside of 0 to 1, or arrays whose lengths do not fit.
    """
    with storage.open_layout(path, "graph") as file:
        if "reason" in file.attrs:
            raise Absent(str(file.attrs["reason"]))
        for name in ("source", "target", "value", "layer", "is_bias"):
            if name not in file:
                raise NetkinError(f"{path}: the dataset '/{name}' of a graph is missing.")
        if "n_vertices" not in file.attrs:
            raise NetkinError(f"{path}: the attribute 'n_vertices' of a graph is missing.")
        n_vertices = int(file.attrs["n_vertices"])
        layer = file["layer"][:]
        if len(layer) != n_vertices:
            raise NetkinError(f"{path}: /layer has {len(layer)} entries for {n_vertices} vertices.")
        if layer.min(initial=0) < 0 or layer.max(initial=0) > n_vertices:
            raise NetkinError(f"{path}: /layer holds a layer outside 0 to {n_vertices}.")
        empty = np.flatnonzero(np.bincount(layer) == 0)
        if empty.size:
            raise NetkinError(f"{path}: /layer has no vertex in layer {empty[0]}, but behind it.")
        is_bias = file["is_bias"][:]
        if is_bias.view(np.uint8).max(initial=0) > 1:
            raise NetkinError(f"{path}: /is_bias holds a byte that is neither 0 nor 1.")
        source, target = file["source"][:], file["target"][:]
        # before they are made int32, which would wrap what is larger
        for name, vertices in (("source", source), ("target", target)):
            if vertices.min(initial=0) < 0 or vertices.max(initial=-1) >= n_vertices:
                raise NetkinError(f"{path}: /{name} holds a vertex outside 0 to {n_vertices - 1}.")
        if (source == target).any():
            raise NetkinError(
                f"{path}: an edge leads from a vertex to itself, which has no meaning."
            )
        edges = np.sort(source.astype(np.int64) * n_vertices + target)
        if (edges[1:] == edges[:-1]).any():
            raise NetkinError(f"{path}: an edge is listed twice, from the same vertex to the same.")
        value = file["value"][:]
        if not is_finite(value):
            raise NetkinError(f"{path}: /value holds NaN or infinity, expected finite values.")
        if value.min(initial=0) < 0 or value.max(initial=0) > 1:
            raise NetkinError(
                f"{path}: /value holds {value.min()} to {value.max()}, expected 0 to 1."
            )
        return Graph(
            source=source.astype(np.int32, copy=False),
            target=target.astype(np.int32, copy=False),
            value=value.astype(np.float32, copy=False),
            n_vertices=n_vertices,
            layer=layer.astype(np.int32, copy=False),
            is_bias=is_bias.astype(bool, copy=False),
        )
