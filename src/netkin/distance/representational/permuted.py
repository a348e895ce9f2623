"""A representation with its rows in another order, without new decompositions."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netkin.distance.representational.representation import (
    Decomposition,
    Matrix,
    Moves,
    Neighbourhoods,
    Part,
    Representation,
)

Order = NDArray[np.intp]


class PermutedRepresentation(Representation):
    """Rows of a representation in another order; see `Representation.permuted`.

    Labels move with the answers to their rows, ids stay. The pieces named in `PIECES` and shared
    parts come from the original when they are asked for. Any other piece is computed anew from
    the permuted values, which is slow, not wrong.
    """

    def __init__(self, original: Representation, order: Order) -> None:
        order = np.asarray(order)
        if not np.array_equal(np.sort(order), np.arange(original.n)):
            raise ValueError(f"not a permutation of {original.n} rows")
        self._original = original
        self._order = order
        self.values = original.values[order]
        self.rows = original.rows
        self.labels = None if original.labels is None else original.labels[order]
        self.name = original.name
        self.precision = original.precision

    def shared(self, make: Callable[..., Part], *options: Any, moves: Moves = "nothing") -> Part:
        """Return the part of the original, its rows moved as `moves` says."""
        if moves == "all":
            return super().shared(make, *options, moves=moves)
        key = (make, *options)
        if key not in self._shared:
            part = self._original.shared(make, *options, moves=moves)
            self._shared[key] = MOVED[moves](part, self._order)
        moved: Part = self._shared[key]
        return moved

    def _find_neighbours(self, k: int) -> Neighbourhoods:
        found = self._original.neighbours(k)
        place = np.argsort(self._order)
        return Neighbourhoods(
            place[found.rows[self._order]],
            found.decided[self._order],
            found.ordered[self._order],
        )


def _same(piece: Any, order: Order) -> Any:
    return piece


def _rows(piece: Matrix, order: Order) -> Matrix:
    return piece[order]


def _rows_and_columns(piece: Matrix, order: Order) -> Matrix:
    return piece[order][:, order]


def _left_vectors(piece: Decomposition, order: Order) -> Decomposition:
    return piece._replace(u=piece.u[order])


MOVED: dict[str, Callable[[Any, Order], Any]] = {
    "nothing": _same,
    "rows": _rows,
    "rows and columns": _rows_and_columns,
}
"""What a new order moves in a part -> the part in that order."""

PIECES: dict[str, Callable[[Any, Order], Any]] = {
    "centred": _rows,
    "norm": _same,
    "centred_norm": _same,
    "varying": _same,
    "varying_decomposition": _left_vectors,
    "unit_columns": _rows,
    "distinct_rows": _same,
    "directed": _rows,
    "unit_rows": _rows,
    "directions": _rows,
    "decomposition": _left_vectors,
    "_cosines": _rows_and_columns,
    "_distances": _rows_and_columns,
    "_middled": _rows,
}
"""Cached property of a representation -> what a new order of the rows makes of it."""


def _permuted_piece(name: str) -> "cached_property[Any]":
    def piece(self: PermutedRepresentation) -> Any:
        return PIECES[name](getattr(self._original, name), self._order)

    return cached_property(piece)


for _name in PIECES:
    _piece = _permuted_piece(_name)
    _piece.__set_name__(PermutedRepresentation, _name)
    setattr(PermutedRepresentation, _name, _piece)
