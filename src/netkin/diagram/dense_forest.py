"""A minimum spanning forest of dense blocks of weights, and their values, in a few passes.

As `netkin.diagram.forest`, whose idea it is, with loops that are compiled: for graphs of so many
edges that it pays to load a compiler. Numbers of 16 bits stay what they are.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netkin.diagram.counts import ValueCounts, order_of
from netkin.diagram.forest import MOST_EDGES_KEPT, next_threshold
from netkin.errors import NetkinError
from netkin.graph.blocks import COUNT
from netkin.graph.dense import DenseEdges
from netkin.graph.edges import SAMPLE_SIZE, EdgeBlock, Halves
from netkin.graph.graph import edge_values
from netkin.graph.lazy import LazyMatrix
from netkin.graph.reading import BlockEdges, Part

EDGES_PER_READ = 1 << 18
"""Edges read at once: what a pass makes of them stays in the processor's cache."""
SAMPLED_PLACES = 16
"""From so many places of a matrix a sample is taken."""
BITS: dict[int, Any] = {2: np.uint16, 4: np.uint32, 8: np.uint64}
"""Size of a float -> the type of its bits."""


class DensePart(NamedTuple):
    """Weights that join every unit of one layer to every unit of another one.

    Attributes
    ----------
    weight : array-like of shape (n_out, n_in) or (n_out, n_in, 1)
        Has a ``shape``; sliced by rows, ``weight[a:b]`` gives these as a float array. If it
        has ``halves``, a `netkin.graph.edges.Halves`, these are read instead.
    source, target : int
        First vertex at either end.
    largest : float
        What |w| is divided by; 0 where every edge has the value 0.
    groups : int
        As of a grouped convolution: the first n_out / groups units have the first n_in sources,
        and so on. Of biases that have a vertex each n_out.
    """

    weight: Any
    source: int
    target: int
    largest: float
    groups: int = 1


class ForestEdges(NamedTuple):
    """Edges of a minimum spanning forest.

    Attributes
    ----------
    tail, head : int32 arrays of shape (k,)
    value : float32 array of shape (k,)
        Ascending.
    component : int32 array of shape (n_vertices,)
        A vertex of the component that each is in, the same for all of it.
    """

    tail: NDArray[np.int32]
    head: NDArray[np.int32]
    value: NDArray[np.float32]
    component: NDArray[np.int32]


def dense_forest(
    parts: Sequence[DensePart],
    component: NDArray[np.integer[Any]],
    zeta: float,
    counted: ValueCounts | None = None,
) -> ForestEdges:
    """Find a minimum spanning forest of dense blocks, of the values of their edges.

    Among edges of equal value an arbitrary choice is made; the values of the forest do not depend
    on it.

    Parameters
    ----------
    parts : sequence of DensePart
        Finite weights, see `largest_weight`. Read once, and what is not yet in one component a few
        times more.
    component : int array of shape (n_vertices,)
        What is in one component before, by equal numbers from 0 to n_vertices - 1; ``arange`` if
        nothing is.
    zeta : float
        See `netkin.graph.graph.edge_values`.
    counted : ValueCounts, optional
        Counts the values of all edges.

    Returns
    -------
    ForestEdges
        Without edges within a component of `component`.
    """
    from netkin.diagram.passes import roots

    matrices = [_Matrix(part) for part in parts]
    n_edges = sum(matrix.size for matrix in matrices)
    parent = _first_of_each(component)
    touched = _touched(matrices, len(parent))
    sample = _sample(matrices, zeta)
    trees = [_Found.nothing()]
    low = -np.inf
    while low < np.inf:
        joins = [matrix for matrix in matrices if matrix.joins(parent)]
        if not joins and counted is None:
            break
        n_components = len(np.unique(parent[touched]))
        high = next_threshold(sample, parent, low, n_components, n_edges)
        found = _pass(matrices if counted is not None else joins, parent, high, zeta, counted)
        trees.append(found)
        roots(parent)
        low, counted = high, None
    tail, head, value = (np.concatenate(each) for each in zip(*trees, strict=True))
    return ForestEdges(tail, head, value, parent)


def dense_parts(edges: DenseEdges | BlockEdges) -> list[DensePart]:
    """Return all edges of a graph as dense parts; an empty list if a block has a grid."""
    if isinstance(edges, DenseEdges):
        return [
            DensePart(weight, source, target, edges.largest, groups)
            for weight, source, target, groups in edges.matrices()
        ]
    if not all(_is_dense(part) for part in edges.parts):
        return []
    return [_dense(part) for part in edges.parts]


def _dense(part: Part) -> DensePart:
    weight, ends = part.block.weight, (part.source, part.target)
    turned = isinstance(weight, LazyMatrix) and weight.is_turned and weight.is_plain
    if turned and part.block.groups == 1:
        # an edge has no direction here, and the file has this matrix by its columns
        weight, ends = weight.T, ends[::-1]
    return DensePart(weight, *ends, part.largest, part.block.groups)


def _is_dense(part: Part) -> bool:
    taps = part.block.taps
    one_tap = len(taps) == 1 and part.block.weight.shape[2] == 1 and taps[:, :, COUNT].prod() == 1
    return bool(one_tap) and part.source_points == part.target_points == 1


def largest_weight(weight: Any) -> float:
    """Return the largest |w| of a matrix in one pass.

    Parameters
    ----------
    weight
        See `DensePart`.

    Raises
    ------
    NetkinError
        A weight is NaN or infinite.
    """
    from netkin.diagram.passes import strongest

    matrix = _Matrix(DensePart(weight, 0, 0, 1.0))
    most = 0.0
    if matrix.scaled is not None:
        most = _largest_scaled(matrix, *matrix.scaled)
    else:
        for row in matrix.starts():
            bits = matrix.read(row)
            # the bits of NaN and infinity are beyond those of all numbers
            found = np.array([strongest(bits.reshape(-1), _mask(bits.dtype))], dtype=bits.dtype)
            number = float(matrix.magnitudes(found)[0])
            most = max(most, number) if np.isfinite(number) else np.inf
    if not np.isfinite(most):
        raise NetkinError("a weight or bias is NaN or infinite: the training diverged.")
    return most


def _largest_scaled(matrix: "_Matrix", halves: Halves, scale: NDArray[np.float32]) -> float:
    """Return the largest |w| of bfloat16 with scaled columns, inf or NaN where it is not finite."""
    from netkin.diagram.passes import strongest_of_columns

    bits = np.zeros(matrix.n_in, dtype=np.uint16)
    for row in matrix.starts():
        rows = slice(row, min(row + matrix.rows, matrix.n_out))
        strongest_of_columns(halves.read(rows).reshape(-1, matrix.n_in), bits)
    # a rounded product grows as its factors do
    with np.errstate(all="ignore"):
        return float(np.abs((bits.astype(np.uint32) << 16).view(np.float32) * scale).max())


class _Found(NamedTuple):
    tail: NDArray[np.int32]
    head: NDArray[np.int32]
    value: NDArray[np.float32]

    @classmethod
    def nothing(cls) -> "_Found":
        return cls(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32))


class _Matrix:
    """The weights of a part, as bits."""

    def __init__(self, part: DensePart) -> None:
        self.part = part
        self.n_out, self.n_in = int(part.weight.shape[0]), int(np.prod(part.weight.shape[1:]))
        self.size = self.n_out * self.n_in
        self.rows_per_group = self.n_out // part.groups
        self.rows = max(1, EDGES_PER_READ // self.n_in)
        self._halves: Halves | None = getattr(part.weight, "halves", None)
        scaled = getattr(part.weight, "scaled_halves", None)
        self.scaled: tuple[Halves, NDArray[np.float32]] | None = (
            scaled if scaled is not None and scaled[0].dtype == "bfloat16" else None
        )
        self.half = self._halves.dtype if self._halves else "float16"

    def starts(self) -> range:
        """Return the first row of each piece that is read at once."""
        return range(0, self.n_out, self.rows)

    def read(self, row: int, rows: int | None = None) -> NDArray[Any]:
        """Return the bits of some rows from one on, unsigned of shape (rows, n_in)."""
        which = slice(row, min(row + (rows or self.rows), self.n_out))
        array: NDArray[Any]
        if self.scaled is not None:
            from netkin.diagram.passes import scaled_bfloat16

            halves, scale = self.scaled
            array = halves.read(which)
            scaled = np.empty(array.shape, dtype=np.uint32)
            scaled_bfloat16(array, scale, scaled)
            return scaled
        if self._halves is not None:
            array = self._halves.read(which)
        else:
            array = np.asarray(self.part.weight[which])
            if array.dtype != np.float16:
                array = array.astype(np.result_type(array, np.float32), copy=False)
        array = np.ascontiguousarray(array).reshape(-1, self.n_in)
        bits: NDArray[Any] = array.view(BITS[array.dtype.itemsize])
        return bits

    def magnitudes(self, bits: NDArray[Any]) -> NDArray[np.floating[Any]]:
        """Return |w| of bits, float32 or float64."""
        bits = bits & _mask(bits.dtype)
        if bits.dtype.itemsize > 2:
            return bits.view(f"f{bits.dtype.itemsize}")
        if self.half == "bfloat16":
            return (bits.astype(np.uint32) << 16).view(np.float32)
        return bits.view(np.float16).astype(np.float32)

    def values(self, bits: NDArray[Any], zeta: float) -> NDArray[np.float32]:
        """Return the values of the edges."""
        if self.part.largest == 0:
            return np.zeros(bits.shape, dtype=np.float32)
        return edge_values(self.magnitudes(bits), self.part.largest, zeta)

    def least(self, high: float, dtype: np.dtype[Any], zeta: float) -> Any:
        """Return the bits of the least |w| whose value is at most `high`."""
        if self.half == "bfloat16" and dtype.itemsize == 2:
            infinity = 0x7F80
        else:
            infinity = int(np.array(np.inf, dtype=f"f{dtype.itemsize}").view(dtype))
        low, beyond = 0, infinity
        # a value falls as |w| grows
        with np.errstate(over="ignore"):
            while low < beyond:
                middle = (low + beyond) // 2
                if self.values(np.array([middle], dtype=dtype), zeta)[0] <= high:
                    beyond = middle
                else:
                    low = middle + 1
        return dtype.type(low)

    def ends(self, component: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the components of its sources and of its targets."""
        source, target = self.part.source, self.part.target
        n_sources = self.n_in * self.part.groups
        return component[source : source + n_sources], component[target : target + self.n_out]

    def joins(self, component: NDArray[np.int32]) -> bool:
        """Tell whether an edge may join two components."""
        sources, targets = self.ends(component)
        return bool((sources != sources[0]).any() or (targets != sources[0]).any())


def _mask(dtype: np.dtype[Any]) -> Any:
    """Return all bits but the sign."""
    return dtype.type(np.iinfo(dtype).max >> 1)


def _first_of_each(component: NDArray[np.integer[Any]]) -> NDArray[np.int32]:
    """Return for each vertex the first one of its component."""
    first = np.empty(len(component), dtype=np.int32)
    # of equal places the last that is entered stays
    first[component[::-1]] = np.arange(len(component), dtype=np.int32)[::-1]
    found: NDArray[np.int32] = first[component]
    return found


def _touched(matrices: Sequence[_Matrix], n_vertices: int) -> NDArray[np.intp]:
    """Return the vertices that the edges have."""
    there = np.zeros(n_vertices, dtype=bool)
    for matrix in matrices:
        for part in matrix.ends(there):
            part[:] = True
    return np.flatnonzero(there)


def _sample(matrices: Sequence[_Matrix], zeta: float) -> EdgeBlock:
    """Return edges drawn about evenly from all, from a few places of each matrix."""
    n_edges = sum(matrix.size for matrix in matrices)
    found = [_Found.nothing()]
    for matrix in matrices:
        wanted = round(matrix.size * min(1.0, SAMPLE_SIZE / n_edges))
        if wanted == 0:
            continue
        places = min(SAMPLED_PLACES, wanted)
        rows = -(-wanted // (places * matrix.n_in))
        for start in np.linspace(0, matrix.n_out - rows, places).astype(int):
            row = max(0, int(start))
            bits = matrix.read(row, rows)
            place = np.linspace(0, bits.size - 1, -(-wanted // places)).astype(int)
            found.append(_edges_at(matrix, row, bits, place, zeta))
    tail, head, value = (np.concatenate(each) for each in zip(*found, strict=True))
    return EdgeBlock(value, tail, head)


def _edges_at(
    matrix: _Matrix, row: int, bits: NDArray[Any], place: NDArray[Any], zeta: float
) -> _Found:
    """Return the edges at some places of the flat rows from `row` on."""
    r, i = np.divmod(place, matrix.n_in)
    r += row
    source = matrix.part.source + r // matrix.rows_per_group * matrix.n_in + i
    value = matrix.values(bits.reshape(-1)[place], zeta)
    return _Found(source.astype(np.int32), (matrix.part.target + r).astype(np.int32), value)


def _pass(
    matrices: Sequence[_Matrix],
    parent: NDArray[np.int32],
    high: float,
    zeta: float,
    counted: ValueCounts | None,
) -> _Found:
    """Unite in `parent` what edges of values up to `high` join, and return those of the forest.

    Parameters
    ----------
    parent : int32 array of shape (n_vertices,)
        The component of each vertex; a tree that leads to it afterwards.
    counted
        Counts all values, if any.
    """
    from netkin.diagram.passes import strong_crossing

    component = parent.copy()
    place = np.empty(0, dtype=np.int32)
    kept: list[_Found] = []
    n_kept = 0
    # magnitudes of 16 bits that are divided by one number have a histogram of their own
    magnitudes: dict[tuple[str, float], tuple[_Matrix, NDArray[np.int64]]] = {}
    for matrix in matrices:
        sources, targets = matrix.ends(component)
        joins = matrix.joins(component)
        of_one = bool((sources == sources[0]).all())
        least = None
        for row in matrix.starts():
            wanted = joins and not (
                of_one and (targets[row : row + matrix.rows] == sources[0]).all()
            )
            if not wanted and counted is None:
                continue
            bits = matrix.read(row)
            if counted is not None:
                _count(matrix, bits, zeta, counted, magnitudes)
            if not wanted:
                continue
            if least is None:
                least = matrix.least(high, bits.dtype, zeta)
            if len(place) < bits.size:
                place = np.empty(bits.size, dtype=np.int32)
            n_found = strong_crossing(
                bits,
                least,
                _mask(bits.dtype),
                sources,
                targets,
                matrix.rows_per_group,
                row,
                place,
            )
            if n_found:
                kept.append(_edges_at(matrix, row, bits, place[:n_found].astype(np.int64), zeta))
                n_kept += n_found
            if n_kept > MOST_EDGES_KEPT:
                kept = [_forest_of(kept, component.copy())]
                n_kept = len(kept[0].value)
    if counted is not None:
        for matrix, histogram in magnitudes.values():
            there = np.flatnonzero(histogram)
            counted.add(matrix.values(there.astype(np.uint16), zeta), histogram[there])
    return _forest_of(kept, parent)


def _count(
    matrix: _Matrix,
    bits: NDArray[Any],
    zeta: float,
    counted: ValueCounts,
    magnitudes: dict[tuple[str, float], tuple[_Matrix, NDArray[np.int64]]],
) -> None:
    """Count the values of some rows, those of 16 bits by their magnitude."""
    from netkin.diagram.passes import count_magnitudes

    if bits.dtype.itemsize > 2:
        weight = bits.view(f"f{bits.dtype.itemsize}")
        counted.add_weights(weight, matrix.part.largest, zeta)
        return
    one = (matrix.half, matrix.part.largest)
    _, histogram = magnitudes.setdefault(one, (matrix, np.zeros(1 << 15, dtype=np.int64)))
    count_magnitudes(bits.reshape(-1), histogram)


def _forest_of(kept: Sequence[_Found], parent: NDArray[np.int32]) -> _Found:
    """Return the forest of some edges, and unite in `parent` what it joins."""
    from netkin.diagram.passes import unite_in_order

    edges = zip(_Found.nothing(), *kept, strict=True)
    tail, head, value = (np.concatenate(each) for each in edges)
    order = order_of(value)
    chosen = np.empty(len(order), dtype=np.intp)
    n_chosen = unite_in_order(tail, head, order, parent, chosen)
    chosen = chosen[:n_chosen]
    return _Found(tail[chosen], head[chosen], value[chosen])
