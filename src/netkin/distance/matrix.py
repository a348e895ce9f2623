"""Matrices of several measures over all pairs of the same items."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netkin.cost import Cost
from netkin.errors import Absent, UndefinedDistance

Function = Callable[[Any, Any], float]


@dataclass(eq=False)
class Matrix:
    """The values of one measure.

    Attributes
    ----------
    values : float64 array of shape (n, n)
        NaN where the measure is undefined.
    reasons : dict
        (i, j) -> text of the `UndefinedDistance`, for the entries that are NaN by it.
    cost : Cost
        What the entries cost.
    """

    values: NDArray[np.float64]
    reasons: dict[tuple[int, int], str] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)


def distance_matrices(
    items: Sequence[Any],
    functions: Mapping[str, Function],
    *,
    asymmetric: Sequence[str] = (),
    diagonal: bool = True,
) -> dict[str, Matrix]:
    """Compare all pairs of items by several measures.

    All measures of a pair are taken before the next pair, so that they can share what they
    make of it.

    Parameters
    ----------
    items : sequence
        Whatever the functions compare; `netkin.errors.Absent` for one that cannot be had.
    functions : mapping
        Name -> ``(a, b) -> float``; may raise `UndefinedDistance`.
    asymmetric : sequence of str
        The names for which both orders of a pair are compared; for the others each pair is
        compared once and mirrored.
    diagonal : bool
        Whether each item is compared with itself too; else those entries are NaN.

    Returns
    -------
    dict of str to Matrix
    """
    n = len(items)
    found = {name: Matrix(np.full((n, n), np.nan)) for name in functions}
    for i in range(n):
        for j in range(i if diagonal else i + 1, n):
            for name, function in functions.items():
                matrix = found[name]
                with matrix.cost.measured():
                    if name in asymmetric:
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
        matrix.reasons |= dict.fromkeys(places, str(reason))
    else:
        for place in places:
            matrix.values[place] = value
