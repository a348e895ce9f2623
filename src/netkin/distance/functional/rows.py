"""Which rows of several networks can be compared."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from netkin.errors import NetkinError, UndefinedDistance


class Answers(Protocol):
    """What a network answers on rows of its data set."""

    @property
    def rows(self) -> NDArray[Any]:
        """Ids of the rows, (n,)."""

    @property
    def labels(self) -> NDArray[np.integer[Any]]:
        """True label of each row, (n,)."""

    @property
    def n_classes(self) -> int:
        """Number of classes that the network knows, 0 to ``n_classes - 1``."""

    @property
    def name(self) -> str:
        """How an error names the network."""


def known_rows(group: Sequence[Answers]) -> NDArray[np.bool_]:
    """Return which rows have a true label that every network of the group knows.

    A network of the first 2 of 10 labels cannot be right on a row of another label, and what
    it says there tells nothing about it. So all measures compare answers on these rows only.

    Returns
    -------
    bool array of shape (n,)
        At least one is True.

    Raises
    ------
    NetkinError
        Fewer than two networks, or networks that do not hold the same rows.
    UndefinedDistance
        There is no such row.
    """
    if len(group) < 2:
        raise NetkinError(f"a group of {len(group)} networks; at least 2 are needed.")
    first = group[0]
    for other in group[1:]:
        if not (
            np.array_equal(first.rows, other.rows) and np.array_equal(first.labels, other.labels)
        ):
            raise NetkinError(
                f"{first.name} and {other.name} hold different rows ({len(first.rows)} and "
                f"{len(other.rows)}); measures compare answers to the same rows only. Use "
                "predictions on the same data set."
            )
    known = first.labels < min(network.n_classes for network in group)
    if not known.any():
        raise UndefinedDistance("no row has a label that all the networks know")
    return known


def check_same_classes(group: Sequence[Answers]) -> None:
    """Raise `UndefinedDistance` unless all networks know the same classes."""
    numbers = sorted({network.n_classes for network in group})
    if len(numbers) > 1:
        raise UndefinedDistance(
            f"probabilities of {numbers[0]} and {numbers[-1]} classes do not correspond"
        )
