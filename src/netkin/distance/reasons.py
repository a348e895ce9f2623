"""Why entries of a matrix are undefined: few texts, for entries of which there may be millions."""

from collections.abc import Iterator, Mapping, MutableMapping

import numpy as np
from numpy.typing import NDArray


class Reasons(MutableMapping[tuple[int, int], str]):
    """(i, j) -> why that entry of a matrix is undefined; without those that are defined.

    Parameters
    ----------
    shape : pair of int
        That of the matrix.

    Attributes
    ----------
    codes : int32 array of shape (n, m)
        0 where there is no reason, else 1 + the place of the reason in `texts`.
    texts : list of str
        Each reason once.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        # zeros that the system gives only where they are written
        self.codes: NDArray[np.int32] = np.zeros(shape, np.int32)
        self.texts: list[str] = []
        self._code_of: dict[str, int] = {}

    @classmethod
    def of(cls, shape: tuple[int, int], reasons: Mapping[tuple[int, int], str]) -> "Reasons":
        """Return the reasons of another mapping."""
        found = cls(shape)
        found.update(reasons)
        return found

    @classmethod
    def of_codes(cls, codes: NDArray[np.integer], texts: list[str]) -> "Reasons":
        """Return reasons that were kept as codes and texts.

        Raises
        ------
        ValueError
            A code stands for no text.
        """
        if codes.size and not 0 <= codes.min() <= codes.max() <= len(texts):
            raise ValueError(f"codes of reasons from {codes.min()} to {codes.max()}")
        found = cls((0, 0))
        found.codes = codes.astype(np.int32, copy=False)
        found.texts = list(texts)
        found._code_of = {text: code for code, text in enumerate(texts, start=1)}
        return found

    def copy(self) -> "Reasons":
        """Return reasons that change by themselves."""
        return Reasons.of_codes(self.codes.copy(), self.texts)

    def code(self, text: str) -> int:
        """Return the code of a text, a new one if it is new."""
        if text not in self._code_of:
            self.texts.append(text)
            self._code_of[text] = len(self.texts)
        return self._code_of[text]

    def put(self, rows: NDArray[np.intp], columns: NDArray[np.intp], other: "Reasons") -> None:
        """Take over the reasons of a block, whose entries stand at these rows and columns."""
        new = np.array([0, *map(self.code, other.texts)], np.int32)
        self.codes[np.ix_(rows, columns)] = new[other.codes]

    def turned(self) -> "Reasons":
        """Return the reasons of the transposed matrix."""
        return Reasons.of_codes(self.codes.T, self.texts)

    def __getitem__(self, place: tuple[int, int]) -> str:
        """Return the reason of an entry."""
        code = self.codes[place]
        if not code:
            raise KeyError(place)
        return str(self.texts[code - 1])

    def __setitem__(self, place: tuple[int, int], text: str) -> None:
        """Give an entry a reason."""
        self.codes[place] = self.code(text)

    def __delitem__(self, place: tuple[int, int]) -> None:
        """Take the reason of an entry away."""
        if not self.codes[place]:
            raise KeyError(place)
        self.codes[place] = 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield the entries that have a reason."""
        for i, j in zip(*np.nonzero(self.codes), strict=True):
            yield int(i), int(j)

    def __len__(self) -> int:
        """Return how many entries have a reason."""
        return int(np.count_nonzero(self.codes))
