"""What representational measures compare: the activations of one network on probe rows.

A decomposition, similarity matrix or neighbour list is computed when the first measure asks
for it and kept, so that all measures and all pairs of a network share it.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from netkin.distance.representational import algebra
from netkin.distance.representational.nearest import least_places
from netkin.errors import NetkinError, UndefinedDistance
from netkin.finite import is_finite, require_finite

Matrix = NDArray[np.float64]
Part = TypeVar("Part")
Moves = Literal["nothing", "rows", "rows and columns", "all"]
"""What a new order of the rows moves in a part computed from a representation; "all" if it is
another part altogether."""

logger = logging.getLogger(__name__)

ROWS_A_NEURON = 5
"""So many rows for each neuron are wise for measures of subspaces (CCA, regression)."""
KEPT_ROWS = 4000
"""Up to this many rows a matrix of rows by rows is kept, 8 bytes an entry; beyond it each
block is made anew when it is used."""
LEAST_SCALE = 1e-60
"""Least size of the largest activation; 1 over it is the largest. float32 lies within."""
BLOCK_ROWS = 256
"""Rows of a block of a matrix of rows by rows."""
TIE_DECIMALS = 12
"""Cosines and correlations that agree to so many decimals are ties: products summed in another
order differ by less."""


class Decomposition(NamedTuple):
    """Thin singular value decomposition ``u @ diag(s) @ vt``, cut to the numerical rank.

    Attributes
    ----------
    u : (n, r), s : (r,) descending, vt : (r, D)
    """

    u: Matrix
    s: Matrix
    vt: Matrix


class Representation:
    """Activations of one layer of one network.

    Parameters
    ----------
    values : array-like of shape (n, D)
        A row for each probe row, a column for each neuron; finite. All measures compute in
        float64.
    rows : array-like of shape (n,), optional
        Ids of the probe rows; 0 to n - 1 when left out.
    name : str
        How an error names the network.
    labels : array-like of shape (n,), optional
        True label of each row.

    Raises
    ------
    NetkinError
        Not two-dimensional, no row or column, NaN or infinite values, values beyond
        `LEAST_SCALE`, or another number of ids or labels than of rows.
    """

    def __init__(
        self,
        values: ArrayLike,
        rows: ArrayLike | None = None,
        name: str = "representation",
        labels: ArrayLike | None = None,
    ) -> None:
        array = np.asarray(values, dtype=np.float64)
        if array.ndim != 2 or array.size == 0:
            raise NetkinError(
                f"{name}: activations of shape {array.shape}; allowed is (rows, neurons), with at "
                "least one of each."
            )
        if not is_finite(array):
            raise NetkinError(f"{name}: there are NaN or infinite activations.")
        largest = float(np.abs(array).max())
        if largest and not LEAST_SCALE <= largest <= 1 / LEAST_SCALE:
            raise NetkinError(
                f"{name}: the largest activation is {largest:.3g}; allowed is {LEAST_SCALE:g} to "
                f"{1 / LEAST_SCALE:g}, since fourth powers have to fit into a float64."
            )
        self.values: Matrix = array
        self.rows: NDArray[Any] = np.arange(len(array)) if rows is None else np.asarray(rows)
        if self.rows.shape != array.shape[:1]:
            raise NetkinError(f"{name}: {len(self.rows)} row ids for {len(array)} rows.")
        self.labels: NDArray[Any] | None = None if labels is None else np.asarray(labels)
        if self.labels is not None and self.labels.shape != array.shape[:1]:
            raise NetkinError(f"{name}: {len(self.labels)} labels for {len(array)} rows.")
        self.name = name

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.values)

    @property
    def keeps_matrices(self) -> bool:
        """Whether matrices of rows by rows are kept; see `KEPT_ROWS`."""
        return self.n <= KEPT_ROWS

    @cached_property
    def _shared(self) -> dict[tuple[Any, ...], Any]:
        return {}

    def shared(self, make: Callable[..., Part], *options: Any, moves: Moves = "nothing") -> Part:
        """Return ``make(self, *options)``, computed once and kept for all pairs.

        Parameters
        ----------
        make : callable
            A function of a module, not a lambda: the next caller has to name the same one.
        moves : {"nothing", "rows", "rows and columns", "all"}
            What of the part follows the rows into a new order, see `permuted`.
        """
        key = (make, *options)
        if key not in self._shared:
            self._shared[key] = make(self, *options)
        part: Part = self._shared[key]
        return part

    @cached_property
    def centred(self) -> Matrix:
        """Values with column means 0 (pre-processing CC), (n, D).

        Exactly 0 in columns that do not vary.
        """
        return centre(self.values)

    @cached_property
    def norm(self) -> float:
        """Frobenius norm of the values."""
        return float(np.linalg.norm(self.values))

    @cached_property
    def centred_norm(self) -> float:
        """Frobenius norm of the centred values."""
        return float(np.linalg.norm(self.centred))

    @cached_property
    def varying(self) -> NDArray[np.bool_]:
        """Which columns hold more than one value, (D,): False for a dead neuron."""
        return varying_columns(self.values)

    @cached_property
    def varying_decomposition(self) -> Decomposition:
        """Singular values and vectors of the centred columns that vary.

        What centring leaves of a large constant is a rounding error, which beside small columns
        would count as a dimension, the same one in all networks.
        """
        if self.varying.all():
            return self.centred_decomposition
        return decompose(self.centred[:, self.varying])

    @cached_property
    def unit_columns(self) -> Matrix:
        """Centred columns of norm 1, (n, at most D); those that do not vary are left out.

        The products of two columns are the Pearson correlations of two neurons.
        """
        columns = self.centred[:, self.varying]
        norms = np.linalg.norm(columns, axis=0)
        unit: Matrix = columns[:, norms > 0] / norms[norms > 0]
        return unit

    @cached_property
    def distinct_rows(self) -> int:
        """Number of different row ids: fewer than n only in a bootstrap sample."""
        return len(np.unique(self.rows))

    @cached_property
    def unit_rows(self) -> Matrix:
        """Values with rows of norm 1 (pre-processing RN), (n, D); rows of zeros stay zeros."""
        norms = np.linalg.norm(self.values, axis=1, keepdims=True)
        unit: Matrix = self.values / np.where(norms > 0, norms, 1.0)
        return unit

    @cached_property
    def decomposition(self) -> Decomposition:
        """Singular values and vectors of the values."""
        return decompose(self.values)

    @cached_property
    def centred_decomposition(self) -> Decomposition:
        """Singular values and vectors of the centred values."""
        return decompose(self.centred)

    @cached_property
    def _cosines(self) -> Matrix:
        return algebra.product(self.unit_rows, self.unit_rows.T)

    @cached_property
    def _distances(self) -> Matrix:
        return self._distance_block(slice(0, self.n))

    def permuted(self, order: NDArray[np.intp]) -> "Representation":
        """Return this with its rows in another order, under the row ids of the old order.

        What is decomposed or compared here is decomposed or compared once for all orders.
        Ids that stay in place are what a permutation null needs: row i of the result
        stands for probe row ``rows[i]``, but holds the answers to ``rows[order[i]]``.

        Parameters
        ----------
        order : integer array of shape (n,)
            A permutation of 0 to n - 1.

        Raises
        ------
        ValueError
            Not a permutation.
        """
        from netkin.distance.representational.permuted import PermutedRepresentation

        return PermutedRepresentation(self, order)

    def cosine_block(self, block: slice) -> Matrix:
        """Return these rows of the matrix of cosine similarities of rows, (b, n)."""
        if self.n <= KEPT_ROWS:
            return self._cosines[block]
        return algebra.product(self.unit_rows[block], self.unit_rows.T)

    def distance_block(self, block: slice) -> Matrix:
        """Return these rows of the matrix of Euclidean distances of rows, (b, n)."""
        return self._distances[block] if self.n <= KEPT_ROWS else self._distance_block(block)

    def _distance_block(self, block: slice) -> Matrix:
        # from centred values: less is lost to cancellation
        squares = np.einsum("ij,ij->i", self.centred, self.centred)
        products = algebra.product(self.centred[block], self.centred.T)
        block_squares = squares[block, None] + squares[None, :] - 2 * products
        distances: Matrix = np.sqrt(np.maximum(block_squares, 0.0))
        first = block.indices(self.n)[0]
        steps = np.arange(len(distances))
        distances[steps, steps + first] = 0.0
        return distances

    def blocks(self) -> Iterator[slice]:
        """Return slices that cover the rows in order, `BLOCK_ROWS` at a time."""
        return (slice(i, min(i + BLOCK_ROWS, self.n)) for i in range(0, self.n, BLOCK_ROWS))

    def neighbours(self, k: int) -> NDArray[np.intp]:
        """Return the k rows of largest cosine similarity of each row, best first, (n, k).

        A row is not its own neighbour; ties go to the lower row, see `TIE_DECIMALS`.

        Raises
        ------
        UndefinedDistance
            With fewer than k + 1 rows.
        """
        if not 1 <= k < self.n:
            raise UndefinedDistance(f"{self.n} rows do not have {k} neighbours each")
        if k not in self._neighbours:
            self._neighbours[k] = self._find_neighbours(k)
        return self._neighbours[k]

    @cached_property
    def _neighbours(self) -> dict[int, NDArray[np.intp]]:
        return {}

    def _find_neighbours(self, k: int) -> NDArray[np.intp]:
        found = np.empty((self.n, k), dtype=np.intp)
        for block in self.blocks():
            cosines = np.round(self.cosine_block(block), TIE_DECIMALS)
            steps = np.arange(len(cosines))
            cosines[steps, steps + block.start] = -np.inf
            found[block] = least_places(-cosines, k)
        return found


def varying_columns(values: Matrix) -> NDArray[np.bool_]:
    """Return which columns hold more than one value, (D,)."""
    differs: NDArray[np.bool_] = (values != values[0]).any(axis=0)
    return differs


def centre(values: Matrix) -> Matrix:
    """Return the values with column means 0, exactly 0 in columns that do not vary."""
    centred: Matrix = values - values.mean(axis=0)
    centred[:, ~varying_columns(values)] = 0.0
    return centred


def decompose(values: Matrix) -> Decomposition:
    """Return the thin singular value decomposition, cut where values are numerically 0.

    The cut is numpy's default for a matrix rank: ``max(n, D) eps s[0]``.
    """
    require_finite(values, "values to be decomposed")
    u, s, vt = algebra.svd(values)
    rank = int((s > max(values.shape) * np.finfo(np.float64).eps * s.max(initial=0.0)).sum())
    return Decomposition(u[:, :rank], s[:rank], vt[:rank])


def check_same_rows(a: Representation, b: Representation) -> None:
    """Raise `NetkinError` unless both hold the same probe rows in the same order."""
    if not np.array_equal(a.rows, b.rows):
        raise NetkinError(
            f"{a.name} and {b.name} hold different probe rows ({a.n} and {b.n}); measures compare "
            "answers to the same rows only. Use activations of the same probe set."
        )


def warn_of_few_rows(items: Sequence[Representation]) -> None:
    """Log a warning if subspaces of the widest would look alike for want of rows."""
    widest = max(items, key=lambda item: item.values.shape[1])
    width = widest.values.shape[1]
    if widest.n < ROWS_A_NEURON * width:
        logger.warning(
            "%d rows for up to %d neurons: with fewer than %d rows a neuron, measures of CCA and "
            "regression are high for unrelated networks too; compare with the null, or raise "
            "activation.probe_rows.",
            widest.n,
            width,
            ROWS_A_NEURON,
        )


def check_varies(*representations: Representation) -> None:
    """Raise `UndefinedDistance` if all rows of one of them are the same."""
    for representation in representations:
        if not representation.varying.any():
            raise UndefinedDistance(f"all rows of {representation.name} are the same")


def check_not_zero(*representations: Representation) -> None:
    """Raise `UndefinedDistance` if all activations of one of them are 0."""
    for representation in representations:
        if representation.norm == 0:
            raise UndefinedDistance(f"all activations of {representation.name} are 0")


def check_directions(*representations: Representation) -> None:
    """Raise `UndefinedDistance` if a row of one of them is 0 and so has no cosine."""
    for representation in representations:
        if not np.linalg.norm(representation.values, axis=1).all():
            raise UndefinedDistance(f"a row of {representation.name} is 0 and has no direction")
