"""What representational measures compare: the activations of one network on probe rows.

A decomposition, similarity matrix or neighbour list is computed when the first measure asks
for it and kept, so that all measures and all pairs of a network share it.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from netkin.errors import NetkinError, UndefinedDistance

Matrix = NDArray[np.float64]

KEPT_ROWS = 4000
"""Up to this many rows a matrix of rows by rows is kept, 8 bytes an entry; beyond it each
block is made anew when it is used."""
BLOCK_ROWS = 1024
"""Rows of a block of a matrix of rows by rows."""


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

    Raises
    ------
    NetkinError
        Not two-dimensional, no row or column, NaN or infinite values, or another number of
        ids than of rows.
    """

    def __init__(
        self, values: ArrayLike, rows: ArrayLike | None = None, name: str = "representation"
    ) -> None:
        array = np.asarray(values, dtype=np.float64)
        if array.ndim != 2 or array.size == 0:
            raise NetkinError(
                f"{name}: activations of shape {array.shape}; allowed is (rows, neurons), with at "
                "least one of each."
            )
        if not np.isfinite(array).all():
            raise NetkinError(f"{name}: there are NaN or infinite activations.")
        self.values: Matrix = array
        self.rows: NDArray[Any] = np.arange(len(array)) if rows is None else np.asarray(rows)
        if self.rows.shape != array.shape[:1]:
            raise NetkinError(f"{name}: {len(self.rows)} row ids for {len(array)} rows.")
        self.name = name

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.values)

    @cached_property
    def centred(self) -> Matrix:
        """Values with column means 0 (pre-processing CC), (n, D)."""
        return self.values - self.values.mean(axis=0)

    @cached_property
    def norm(self) -> float:
        """Frobenius norm of the values."""
        return float(np.linalg.norm(self.values))

    @cached_property
    def centred_norm(self) -> float:
        """Frobenius norm of the centred values."""
        return float(np.linalg.norm(self.centred))

    @cached_property
    def unit_rows(self) -> Matrix:
        """Values with rows of norm 1 (pre-processing RN), (n, D); rows of zeros stay zeros."""
        norms = np.linalg.norm(self.values, axis=1, keepdims=True)
        return self.values / np.where(norms > 0, norms, 1.0)

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
        return self.unit_rows @ self.unit_rows.T

    @cached_property
    def _distances(self) -> Matrix:
        return self._distance_block(slice(0, self.n))

    def cosine_block(self, block: slice) -> Matrix:
        """Return these rows of the matrix of cosine similarities of rows, (b, n)."""
        if self.n <= KEPT_ROWS:
            return self._cosines[block]
        return self.unit_rows[block] @ self.unit_rows.T

    def distance_block(self, block: slice) -> Matrix:
        """Return these rows of the matrix of Euclidean distances of rows, (b, n)."""
        return self._distances[block] if self.n <= KEPT_ROWS else self._distance_block(block)

    def _distance_block(self, block: slice) -> Matrix:
        # from centred values: less is lost to cancellation
        squares = np.einsum("ij,ij->i", self.centred, self.centred)
        products = self.centred[block] @ self.centred.T
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

        A row is not its own neighbour; ties go to the lower row.

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
            cosines = self.cosine_block(block).copy()
            steps = np.arange(len(cosines))
            cosines[steps, steps + block.start] = -np.inf
            found[block] = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
        return found


def decompose(values: Matrix) -> Decomposition:
    """Return the thin singular value decomposition, cut where values are numerically 0.

    The cut is numpy's default for a matrix rank: ``max(n, D) eps s[0]``.
    """
    u, s, vt = np.linalg.svd(values, full_matrices=False)
    rank = int((s > max(values.shape) * np.finfo(np.float64).eps * s.max(initial=0.0)).sum())
    return Decomposition(u[:, :rank], s[:rank], vt[:rank])


def check_same_rows(a: Representation, b: Representation) -> None:
    """Raise `NetkinError` unless both hold the same probe rows in the same order."""
    if not np.array_equal(a.rows, b.rows):
        raise NetkinError(
            f"{a.name} and {b.name} hold different probe rows ({a.n} and {b.n}); measures compare "
            "answers to the same rows only. Use activations of the same probe set."
        )
