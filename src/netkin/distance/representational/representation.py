"""What representational measures compare: the activations of one network on probe rows.

A decomposition, similarity matrix or neighbour list is computed when the first measure asks
for it and kept, so that all measures and all pairs of a network share it.
"""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from netkin.distance.representational import algebra
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
TIE_DECIMALS = 13
"""Angles that agree to so many decimals are ties: sums in another order differ by less."""
BITS = {"bfloat16": 8, "float16": 11, "float32": 24, "float64": 53}
"""Precision that activations may have come in -> its significant bits."""
CLOSE = 1e-4
"""Share of the squared norms below which a squared distance is taken from the difference."""
_EPS = float(np.finfo(np.float64).eps)
MARGIN = {"bfloat16": 2.0, "float16": 2.0, "float32": 16.0, "float64": 16.0}
"""Precision -> how many times what one rounding leaves counts as noise. Layers in half precision
sum in float32 and round once (up to 1.2 times seen); sums in float32 of 10 to 784 products are off
by 2 to 10 times as much."""
_CONDITION = 1e-7
"""Least singular value over the largest from which on one decomposition finds a space."""
_PAIRS = 1 << 22
"""Numbers held at once where rows are compared pair by pair."""


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
    precision : str, optional
        One of `BITS`: what the activations were computed in, if it is less than what they are
        stored in; see `found_precision` for what is taken without it.

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
        precision: str | None = None,
    ) -> None:
        given = np.asarray(values)
        array = np.asarray(given, dtype=np.float64)
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
        if precision is not None and precision not in BITS:
            raise NetkinError(
                f"{name}: precision '{precision}' is not known; allowed are {', '.join(BITS)}."
            )
        self.precision: str = precision or found_precision(array, str(given.dtype))

    @property
    def eps(self) -> float:
        """Distance from 1 to the next number of the precision; rounding is half of it."""
        return 2.0 ** (1 - BITS[self.precision])

    @property
    def noise(self) -> float:
        """Share of an activation that may be noise of its precision, a standard deviation."""
        return MARGIN[self.precision] * self.eps / math.sqrt(12)

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

        Cut by `decompose_in_precision`, at the rounding of the columns before they were centred.
        """
        norms = np.linalg.norm(self.values[:, self.varying], axis=0)
        return decompose_in_precision(self.centred[:, self.varying], norms, self.noise)

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
    def directed(self) -> NDArray[np.bool_]:
        """Which rows are not 0 and so have a direction, (n,)."""
        directed: NDArray[np.bool_] = (self.values != 0).any(axis=1)
        lost = self.n - int(directed.sum())
        if 0 < lost < self.n:
            logger.warning(
                "%s: %d of %d rows are 0 and have no direction; measures of cosines leave them out",
                self.name,
                lost,
                self.n,
            )
        return directed

    @cached_property
    def unit_rows(self) -> Matrix:
        """Values with rows of norm 1 (pre-processing RN), (n, D); rows of zeros stay zeros."""
        rows = self.values / np.abs(self.values).max(axis=1, initial=0.0, keepdims=True).clip(
            np.finfo(np.float64).tiny
        )
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        unit: Matrix = rows / np.where(norms > 0, norms, 1.0)
        return unit

    @cached_property
    def directions(self) -> Matrix:
        """Unit rows, of which those that differ by rounding only are one, see `one_of_each`."""
        return one_of_each(self.unit_rows, np.full(self.n, self.eps))

    @cached_property
    def decomposition(self) -> Decomposition:
        """Singular values and vectors of the values, cut by `decompose_in_precision`."""
        norms = np.linalg.norm(self.values, axis=0)
        alive = norms > 0
        if alive.all():
            return decompose_in_precision(self.values, norms, self.noise)
        u, s, vt = decompose_in_precision(self.values[:, alive], norms[alive], self.noise)
        wide = np.zeros((len(s), len(alive)))
        wide[:, alive] = vt
        return Decomposition(u, s, wide)

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
        return np.sqrt(squared_distances(self._middled, block))

    @cached_property
    def _middled(self) -> Matrix:
        """Values less the median of each column, (n, D)."""
        return middled(self.values)

    def blocks(self) -> Iterator[slice]:
        """Return slices that cover the rows in order, `BLOCK_ROWS` at a time."""
        return (slice(i, min(i + BLOCK_ROWS, self.n)) for i in range(0, self.n, BLOCK_ROWS))

    def neighbours(self, k: int) -> "Neighbourhoods":
        """Return the k rows of largest cosine similarity of each row, best first.

        A row is not its own neighbour, and a row of zeros is none and has none. Which of two
        cosines is larger is told from the distance of the unit rows, by differences, so that
        near 1 no digits are lost.

        Raises
        ------
        UndefinedDistance
            With fewer than k + 1 rows that are not 0.
        """
        alive = int(self.directed.sum())
        if not 1 <= k < alive:
            rows = "rows" if alive == self.n else "rows that are not 0"
            raise UndefinedDistance(f"{alive} {rows} do not have {k} neighbours each")
        if k not in self._neighbours:
            self._neighbours[k] = self._find_neighbours(k)
        return self._neighbours[k]

    @cached_property
    def _neighbours(self) -> "dict[int, Neighbourhoods]":
        return {}

    def _find_neighbours(self, k: int) -> "Neighbourhoods":
        found = Neighbourhoods(
            np.zeros((self.n, k), dtype=np.intp), *(np.zeros(self.n, dtype=np.bool_) for _ in "12")
        )
        for block in self.blocks():
            near = self.nearest_candidates(block, k)
            starts = np.searchsorted(near.rows, np.flatnonzero(self.directed[block]))
            mine = np.flatnonzero(self.directed[block]) + block.start
            places = starts[:, None] + np.arange(k)
            found.rows[mine] = near.columns[places]
            found.ordered[mine] = ~near.tied[places[:, 1:]].any(axis=1)
            # the one after the last, if there is any
            following = np.minimum(starts + k, len(near.rows) - 1)
            same = near.rows[following] == near.rows[starts]
            found.decided[mine] = ~(same & near.tied[following] & (following >= starts + k))
        found.ordered[:] &= found.decided
        lost = int((self.directed & ~found.decided).sum())
        if lost:
            logger.warning(
                "%s: ties decide which %d rows are nearest to %d of %d rows; measures of "
                "neighbours leave them out",
                self.name,
                k,
                lost,
                self.n,
            )
        return found

    def nearest_candidates(self, block: slice, k: int) -> "Candidates":
        """Return the k nearest of each row of the block that is not 0, and what ties with them.

        At least the k + 1 nearest, if there are so many.
        """
        unit = self.directions
        if unit is self.unit_rows:
            cosines = self.cosine_block(block).copy()
        else:
            cosines = algebra.product(unit[block], unit.T)
        steps = np.arange(len(cosines))
        cosines[steps, steps + block.start] = -np.inf
        cosines[:, ~self.directed] = -np.inf
        wanted = min(k + 1, self.n - 1)
        bound = np.partition(cosines, self.n - wanted, axis=1)[:, self.n - wanted, None]
        # more than products of unit rows are rounded by
        near = (cosines >= bound - 1e-11) & np.isfinite(cosines) & self.directed[block, None]
        rows, columns = np.nonzero(near)
        chords = np.empty(len(rows))
        step = max(1, _PAIRS // self.values.shape[1])
        for i in range(0, len(rows), step):
            part = slice(i, i + step)
            ends = unit[rows[part] + block.start] - unit[columns[part]]
            chords[part] = np.sqrt(np.einsum("ij,ij->i", ends, ends))
        order = np.lexsort((columns, chords, rows))
        rows, columns, chords = rows[order], columns[order], chords[order]
        tied = np.zeros(len(rows), dtype=np.bool_)
        tied[1:] = (rows[1:] == rows[:-1]) & (np.diff(chords) <= 64 * _EPS)
        return Candidates(rows, columns, tied)


class Neighbourhoods(NamedTuple):
    """The nearest rows of each row.

    Attributes
    ----------
    rows : integer array of shape (n, k)
        Nearest first; of a row of zeros without a meaning.
    decided : bool array of shape (n,)
        Whether no tie decides which rows they are; False for a row of zeros.
    ordered : bool array of shape (n,)
        Whether no tie decides their order, either.
    """

    rows: NDArray[np.intp]
    decided: NDArray[np.bool_]
    ordered: NDArray[np.bool_]


class Candidates(NamedTuple):
    """Rows near those of a block, by row and nearest first; each of shape (c,).

    Attributes
    ----------
    rows : integer array
        Counted from the start of the block.
    columns : integer array
        The rows near them.
    tied : bool array
        Whether it is as near as the one before, of the same row.
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    tied: NDArray[np.bool_]


def found_precision(values: Matrix, dtype: str) -> str:
    """Return the precision that activations came in.

    That of the dtype, or a lower one whose numbers all values are, as where bfloat16 was stored
    as float32 (numpy has no other place for it) or float32 as float64. Not so if the values are
    multiples of the last digit of the largest, as whole numbers are: those are taken to be
    exact. So are whole numbers and booleans by dtype. What was scaled or centred since it was
    rounded has the precision of its dtype; name the right one.

    Parameters
    ----------
    values : float64 array
    dtype : str
        What they are stored in.
    """
    stored = dtype if dtype in BITS else "float64"
    if dtype.startswith(("int", "uint", "bool")):
        return stored
    for precision, bits in BITS.items():
        if bits >= BITS[stored]:
            break
        # a look at some of them mostly tells
        if not _fits(values[:4], bits) or not _fits(values, bits):
            continue
        last = 2.0 ** (math.frexp(float(np.abs(values).max()))[1] - bits)
        if not last or (values % last == 0).all():
            break
        return precision
    return stored


def _fits(values: Matrix, bits: int) -> bool:
    """Tell whether no value needs more significant bits than these."""
    whole = np.frexp(values)[0] * 2.0**bits
    return bool((whole == np.rint(whole)).all())


def one_of_each(unit: Matrix, tolerance: NDArray[np.float64]) -> Matrix:
    """Return rows of norm 1 or 0, each replaced by the first that it equals up to rounding.

    Two rows are equal if they are no farther apart than the mean of their tolerances, and a few
    roundings of float64. So what ties before it is rounded ties after.
    """
    slack = tolerance + 8 * _EPS
    # the cosines of products are off by less than 1e-12
    limit = 1 - np.maximum(slack.max() ** 2, 1e-12)
    first = np.arange(len(unit))
    leaders = np.empty(0, dtype=np.intp)
    for start in range(0, len(unit), BLOCK_ROWS):
        block = np.arange(start, min(start + BLOCK_ROWS, len(unit)))
        near = algebra.product(unit[block], unit[leaders].T) >= limit
        own = algebra.product(unit[block], unit[block].T) >= limit
        new: list[int] = []
        busy = near.any(axis=1) | (own.sum(axis=1) > 1)
        for i, row in enumerate(block.tolist()):
            if not busy[i]:
                new.append(row)
                continue
            others = np.concatenate([leaders[near[i]], [j for j in new if own[i, j - start]]])
            others = others.astype(np.intp)
            chords = np.linalg.norm(unit[others] - unit[row], axis=1)
            equal = others[chords <= (slack[others] + slack[row]) / 2]
            if len(equal):
                first[row] = equal[0]
            else:
                new.append(row)
        leaders = np.concatenate([leaders, np.array(new, dtype=np.intp)])
    return unit if len(leaders) == len(unit) else unit[first]


def squared_distances(values: Matrix, block: slice, close: float = CLOSE) -> Matrix:
    """Return the squared distances of these rows to all, (b, n).

    Products are quick, but lose the digits of rows that are close to each other beside their
    norms: those up to this share of the squared norms are taken from differences.
    """
    squares = np.einsum("ij,ij->i", values, values)
    sums = squares[block, None] + squares[None, :]
    found: Matrix = sums - 2 * algebra.product(values[block], values.T)
    rows, columns = np.nonzero(found <= close * sums)
    first = block.indices(len(values))[0]
    step = max(1, _PAIRS // values.shape[1])
    for i in range(0, len(rows), step):
        part = slice(i, i + step)
        ends = values[rows[part] + first] - values[columns[part]]
        found[rows[part], columns[part]] = np.einsum("ij,ij->i", ends, ends)
    return found


def middled(values: Matrix) -> Matrix:
    """Return the values less the median of each column: one far row does not move the others."""
    found: Matrix = values - np.median(values, axis=0)
    return found


def varying_columns(values: Matrix) -> NDArray[np.bool_]:
    """Return which columns hold more than one value, (D,)."""
    differs: NDArray[np.bool_] = (values != values[0]).any(axis=0)
    return differs


def centre(values: Matrix) -> Matrix:
    """Return the values with column means 0, exactly 0 in columns that do not vary."""
    centred: Matrix = values - values.mean(axis=0)
    # the mean of a large offset is rounded, too
    centred -= centred.mean(axis=0)
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


def decompose_in_precision(values: Matrix, norms: Matrix, noise: float) -> Decomposition:
    """Return the thin singular value decomposition of the space that the columns span.

    The rank is that of the columns in units of `norms`. Noise that is this share of each entry has
    the spectral norm ``noise (sqrt(n) + sqrt(D)) / sqrt(n)`` there (Bai and Yin 1993; one rounding
    is ``eps / sqrt(12)`` of an entry). Singular values up to that are noise, and those up to
    ``max(n, D)`` roundings of float64, numpy's default. So columns of any scale count alike, as
    for all that is invariant to linear maps; what is smaller than the noise is lost beside it.

    Parameters
    ----------
    values : (n, D)
        Maybe centred.
    norms : (D,)
        Norms of the columns before they were centred, above 0.
    noise : float
        See `Representation.noise`.

    Returns
    -------
    Decomposition
        The left vectors span the space of the columns up to rounding. Singular values that are
        small beside the largest are as exact as the largest.
    """
    n, width = values.shape
    if width == 0:
        return Decomposition(np.empty((n, 0)), np.empty(0), np.empty((0, 0)))
    noise *= 1 + math.sqrt(width / n)
    require_finite(values, "values to be decomposed")
    u, s, vt = algebra.svd(values)
    full = len(s) == width and s[-1] > max(norms.max() * noise, _CONDITION * s[0])
    if full:
        return Decomposition(u, s, vt)
    scaled = algebra.svd(values / norms)
    rounding = max(values.shape) * _EPS * scaled.s.max(initial=0.0)
    rank = int((scaled.s > max(noise, rounding)).sum())
    # the principal axes within that space
    core = (scaled.s[:rank, None] * scaled.vt[:rank]) * norms
    turned = algebra.svd(core)
    return Decomposition(algebra.product(scaled.u[:, :rank], turned.u), turned.s, turned.vt)


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


def directed_rows(*representations: Representation) -> NDArray[np.bool_]:
    """Return which rows are not 0 in any of them, (n,).

    Raises
    ------
    UndefinedDistance
        None are.
    """
    kept: NDArray[np.bool_] = np.all([r.directed for r in representations], axis=0)
    if not kept.any():
        names = " or ".join(dict.fromkeys(r.name for r in representations))
        raise UndefinedDistance(f"every row is 0 in {names} and has no direction")
    return kept
