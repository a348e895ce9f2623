"""Matrices of several measures over all pairs of networks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netkin.cost import Cost
from netkin.distance.reasons import Reasons
from netkin.errors import Absent, UndefinedDistance

Function = Callable[[Any, Any], float]
CLOSE = 1e-5
"""Share of ``|x|^2 + |y|^2`` below which a squared distance is taken of differences, not of a
product: that loses some 1e-15 of the sum, 1e-10 of what is above."""
AllPairs = Callable[[Sequence[Any], Sequence[Any]], tuple[NDArray[np.float64], Reasons | None]]
"""See `netkin.distance.measure.Measure.all_pairs`, its options given."""


@dataclass(eq=False)
class Matrix:
    """The values of one measure.

    Attributes
    ----------
    values : float64 array of shape (n, m)
        NaN where the measure is undefined.
    reasons : Reasons
        (i, j) -> text of the `UndefinedDistance`, for the entries that are NaN by it.
    cost : Cost
        What the entries cost.
    """

    values: NDArray[np.float64]
    reasons: Reasons
    cost: Cost = field(default_factory=Cost)

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> "Matrix":
        """Return a matrix of NaN."""
        return cls(np.full(shape, np.nan), Reasons(shape))


def distance_matrices(
    items: Sequence[Any],
    functions: Mapping[str, Function],
    *,
    others: Sequence[Any] | None = None,
    all_pairs: Mapping[str, AllPairs] | None = None,
    asymmetric: Sequence[str] = (),
    diagonal: bool = True,
) -> dict[str, Matrix]:
    """Compare all pairs of items by several measures.

    Measures that know no way for all pairs at once take a pair each before the next pair, so that
    they can share what they make of it.

    Parameters
    ----------
    items : sequence
        Whatever the functions compare; `netkin.errors.Absent` for one that cannot be had.
    functions : mapping
        Name -> ``(a, b) -> float``; may raise `UndefinedDistance`.
    others : sequence, optional
        What the items are compared with, none of them among the items; by default the items with
        each other.
    all_pairs : mapping, optional
        Name -> a function that compares all pairs at once, for some of the names.
    asymmetric : sequence of str
        The names for which both orders of a pair are compared; for the others each pair is
        compared once and mirrored. Not with `others`.
    diagonal : bool
        Whether each item is compared with itself too; else those entries are NaN.

    Returns
    -------
    dict of str to Matrix
        Of shape (items, items), or (items, others).
    """
    columns = items if others is None else others
    found = {name: Matrix.empty((len(items), len(columns))) for name in functions}
    at_once = {} if all_pairs is None else all_pairs
    for name, of_all in at_once.items():
        with found[name].cost.measured():
            _enter_all(found[name], of_all, items, others)
            if others is None and not diagonal:
                np.fill_diagonal(found[name].values, np.nan)
    one_by_one = {name: each for name, each in functions.items() if name not in at_once}
    for i in range(len(items)):
        first = 0 if others is not None else i if diagonal else i + 1
        for j in range(first, len(columns) if one_by_one else 0):
            for name, function in one_by_one.items():
                matrix = found[name]
                with matrix.cost.measured():
                    if others is not None:
                        _enter(matrix, function, items[i], others[j], {(i, j)})
                    elif name in asymmetric:
                        for a, b in {(i, j), (j, i)}:
                            _enter(matrix, function, items[a], items[b], {(a, b)})
                    else:
                        _enter(matrix, function, items[i], items[j], {(i, j), (j, i)})
    return found


def _enter(
    matrix: Matrix, function: Function, a: Any, b: Any, places: set[tuple[int, int]]
) -> None:
    try:
        for item in (a, b):
            if isinstance(item, Absent):
                raise UndefinedDistance(str(item))
        value = function(a, b)
    except UndefinedDistance as reason:
        matrix.reasons.update(dict.fromkeys(places, str(reason)))
    else:
        for place in places:
            matrix.values[place] = value


def _enter_all(
    matrix: Matrix, function: AllPairs, items: Sequence[Any], others: Sequence[Any] | None
) -> None:
    """Enter what a function of all pairs gives for the items that can be had."""
    rows = _there(items)
    of_rows = [items[i] for i in rows]
    if others is None:
        columns, of_columns = rows, of_rows
    else:
        columns = _there(others)
        of_columns = [others[j] for j in columns]
    if len(rows) and len(columns):
        values, reasons = function(of_rows, of_columns)
        matrix.values[np.ix_(rows, columns)] = values
        if reasons is not None:
            matrix.reasons.put(rows, columns, reasons)
    # of two that are not there the first tells, as for a single pair
    for j, item in reversed(list(enumerate(items if others is None else others))):
        if isinstance(item, Absent):
            matrix.reasons.codes[:, j] = matrix.reasons.code(str(item))
            if others is None:
                matrix.reasons.codes[j, :] = matrix.reasons.code(str(item))
    for i, item in enumerate(items if others is not None else ()):
        if isinstance(item, Absent):
            matrix.reasons.codes[i, :] = matrix.reasons.code(str(item))


def _there(items: Sequence[Any]) -> NDArray[np.intp]:
    return np.array([i for i, item in enumerate(items) if not isinstance(item, Absent)], np.intp)
