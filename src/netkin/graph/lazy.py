"""A weight matrix that stays in its file, and what is folded into it, until rows are asked for."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netkin.graph.edges import Halves

BAND = 1 << 23
"""Numbers of a transposed matrix that are read at once, at most."""
BAND_COLUMNS = 64
"""Columns of a matrix that lie in one line of a processor's cache, or some lines."""
PIECE = 1024
"""Rows of a matrix to be turned that are read at once."""
TILE = 32
"""Rows that are turned at once; more of them leave the cache before they are written."""


class LazyMatrix:
    """Rows of ``centred(W * scale)[:, columns] * factor``, computed when they are asked for.

    As `netkin.graph.builder.Parameter.array` it is a matrix of shape (n_out, n_in, 1), as
    `netkin.graph.blocks.Block.weight` of shape (n_out, n_in, n_columns).

    Parameters
    ----------
    matrix : array-like of shape (n_out, n_in), or (n_in, n_out) where it is turned
        Has a ``shape``; ``matrix[a:b]`` gives rows as a float array, of a turned one
        ``matrix[:, a:b]`` columns.
    turned : bool
        Whether it is read as its transpose.
    dtype : dtype
        float32 or float64, what its rows are.

    Attributes
    ----------
    shape : tuple of int
    dtype : dtype
    """

    ndim = 3

    def __init__(self, matrix: Any, *, turned: bool = False, dtype: Any = np.float32) -> None:
        self._matrix, self._turned = matrix, turned
        self.dtype = np.dtype(dtype)
        n_out, n_in = matrix.shape[::-1] if turned else matrix.shape
        self.shape: tuple[int, int, int] = (int(n_out), int(n_in), 1)
        self._scale: NDArray[Any] | None = None
        self._centred = False
        self._columns: NDArray[np.int64] | None = None
        self._factor: NDArray[np.float64] | None = None
        self._band: tuple[int, NDArray[Any]] | None = None

    def _copy(self) -> "LazyMatrix":
        made = LazyMatrix(self._matrix, turned=self._turned, dtype=self.dtype)
        made.shape = self.shape
        made._scale, made._centred = self._scale, self._centred
        made._columns, made._factor = self._columns, self._factor
        return made

    @property
    def T(self) -> "LazyMatrix":  # noqa: N802 # as of an array
        """The transpose, of a matrix to which nothing was done."""
        return LazyMatrix(self._matrix, turned=not self._turned, dtype=self.dtype)

    @property
    def is_plain(self) -> bool:
        """Whether nothing was done to it."""
        done = (self._scale, self._columns, self._factor)
        return not self._centred and all(each is None for each in done)

    @property
    def is_turned(self) -> bool:
        """Whether it is read as its transpose."""
        return self._turned

    @property
    def halves(self) -> Halves | None:
        """Its rows as bits, where it has 16 of them for a number and nothing was done to it."""
        if self._turned or not self.is_plain:
            return None
        found: Halves | None = getattr(self._matrix, "halves", None)
        return found

    @property
    def scaled_halves(self) -> tuple[Halves, NDArray[np.float32]] | None:
        """Rows as bits of 16, and what each column is multiplied by, where that is all."""
        done = (self._columns, self._factor)
        if self._turned or self._centred or any(each is not None for each in done):
            return None
        halves: Halves | None = getattr(self._matrix, "halves", None)
        if halves is None or self._scale is None or self._scale.dtype != np.float32:
            return None
        return halves, self._scale

    def scaled(self, scale: NDArray[np.float64]) -> "LazyMatrix":
        """Return it with each column times a number, float64 of (n_in,); the first thing done."""
        made = self._copy()
        # a product of two float32 is rounded once, as that of the same two float64
        short = scale.astype(self.dtype)
        made._scale = short if (short == scale).all() else scale
        return made

    def centred(self) -> "LazyMatrix":
        """Return it with the mean of each row taken away."""
        made = self._copy()
        made._centred = True
        return made

    def with_columns(self, columns: Sequence[NDArray[np.int64]]) -> "LazyMatrix":
        """Return some columns: number (i, k) of a row is that in place i of the k-th array."""
        made = self._copy()
        stacked = np.stack(columns, axis=1)
        made.shape = (self.shape[0], *stacked.shape)
        whole = np.arange(self.shape[1])[:, None]
        made._columns = None if np.array_equal(stacked, whole) else stacked
        return made

    def scaled_out(self, factor: NDArray[np.float64]) -> "LazyMatrix":
        """Return it with each row times a number, float64 of (n_out,); the last thing done."""
        made = self._copy()
        made._factor = factor if self._factor is None else self._factor * factor
        return made

    def product(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the matrix, to which nothing was done, times vectors of shape (n_in, n)."""
        n_out, n_in, _ = self.shape
        found = np.empty((n_out, vectors.shape[1]))
        rows = max(1, BAND // n_in)
        for row in range(0, n_out, rows):
            part = self[row : row + rows][:, :, 0]
            found[row : row + rows] = part.astype(np.float64) @ vectors
        return found

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Return some rows, of shape (n, n_in, n_columns)."""
        start, stop, _ = slice(rows.start, rows.stop).indices(self.shape[0])
        part = self._read(start, max(start, stop))
        if self._scale is not None:
            part = (part * self._scale).astype(self.dtype, copy=False)
        if self._centred:
            wide = part.astype(np.float64)
            wide -= wide.mean(axis=1, keepdims=True)
            part = wide.astype(self.dtype)
        found = part[:, :, None] if self._columns is None else part[:, self._columns]
        if self._factor is not None:
            factor = self._factor[start:stop, None, None]
            found = (found * factor).astype(self.dtype, copy=False)
        return found[:: rows.step] if rows.step not in (None, 1) else found

    def _read(self, start: int, stop: int) -> NDArray[Any]:
        if not self._turned:
            found: NDArray[Any] = self._matrix[start:stop]
            return found
        long = self._matrix.shape[0]
        if stop - start > BAND // max(1, long) or stop - start >= BAND_COLUMNS:
            return self._turned_rows(start, stop)
        # a few columns at a time would read each line of the file again and again
        band = self._band
        if band is None or not band[0] <= start <= stop <= band[0] + len(band[1]):
            width = max(1, min(BAND_COLUMNS, BAND // max(1, long)))
            stretch = self._turned_rows(start, min(start + width, self._matrix.shape[1]))
            self._band = band = start, stretch
        return band[1][start - band[0] : stop - band[0]]

    def _turned_rows(self, start: int, stop: int) -> NDArray[Any]:
        """Return columns of what is stored as rows, tile by tile, which a cache holds."""
        found = np.empty((stop - start, self._matrix.shape[0]), dtype=self.dtype)
        for row in range(0, found.shape[1], PIECE):
            piece = self._matrix[row : row + PIECE, start:stop]
            for k in range(0, len(piece), TILE):
                found[:, row + k : row + k + TILE] = piece[k : k + TILE].T
        return found
