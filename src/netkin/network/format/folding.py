"""What is scaled and shifted between dense layers becomes a part of the layer beside it.

Computed in float64 and rounded once, to the precision of the layer.
"""

import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netkin.network.format.model import Floats

BLOCK = 2**22
"""Weights that are read at once where a shift of the inputs becomes a bias."""

Numbers = NDArray[np.float64]


class NoChain(Exception):
    """Why a network is no chain of dense layers, in one clause."""


def with_article(kind: str) -> str:
    """Return the name of a class or an operator after "a" or "an"."""
    spelled = kind[:2].isupper() and kind[:1] in "FHLMNRSX"  # an LSTM
    vowel = re.match("[AEIOaeio]|U(?!ni)", kind)
    return f"{'an' if spelled or vowel else 'a'} {kind}"


class Affine(NamedTuple):
    """``x * scale + shift``, each one number for all units or one for each; None does nothing.

    Attributes
    ----------
    scale, shift : float64 array of shape (1,) or (n,), optional
    made_of : tuple of str
        Names of the tensors that they are made of.
    """

    scale: Numbers | None = None
    shift: Numbers | None = None
    made_of: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """For how many units it has numbers, 1 where all have the same."""
        return max((part.size for part in (self.scale, self.shift) if part is not None), default=1)

    def then(self, other: "Affine") -> "Affine":
        """Return one that does what this and then another one does."""
        scale, shift = self.scale, self.shift
        with np.errstate(all="ignore"):
            if other.scale is not None:
                scale = other.scale if scale is None else scale * other.scale
                shift = None if shift is None else shift * other.scale
            if other.shift is not None:
                shift = other.shift if shift is None else shift + other.shift
        return Affine(scale, shift, self.made_of + other.made_of)


def normalised(
    gamma: Numbers, beta: Numbers, mean: Numbers, variance: Numbers, epsilon: Any
) -> Affine:
    """Return what batch normalisation does once training is over.

    Parameters
    ----------
    gamma, beta, mean, variance : float64 array of shape (1,) or (n,)
        Scale, shift, and the statistics of the rows that were trained on.
    epsilon : float or float64 array of shape (1,)
        Added to the variance.
    """
    with np.errstate(all="ignore"):
        scale = gamma / np.sqrt(variance + epsilon)
        return Affine(scale, beta - mean * scale)


def folded(
    weight: Any, before: Affine, after: Affine, *, double: bool
) -> tuple[Any, Floats | None]:
    """Return weight and bias of a dense layer with what happens to its inputs and its outputs.

    Parameters
    ----------
    weight : array-like of shape (n_out, n_in)
        Read by rows, of any type of floats.
    before, after : Affine
        A bias of the layer is the first shift of its outputs.
    double : bool
        In float64, not float32.

    Returns
    -------
    array-like of shape (n_out, n_in)
        Read by rows.
    float array of shape (n_out,) or None
        None where nothing is added.
    """
    n_out, n_in = weight.shape
    dtype: type[np.floating[Any]] = np.float64 if double else np.float32
    shift = None
    with np.errstate(all="ignore"):
        if before.shift is not None:
            each = np.broadcast_to(before.shift, (n_in,))
            rows = max(1, BLOCK // max(1, n_in))
            parts = [
                weight[first : first + rows].astype(np.float64, order="C") @ each
                for first in range(0, n_out, rows)
            ]
            shift = np.concatenate(parts) if parts else np.zeros(0)
        shift = Affine(shift=shift).then(after).shift
        bias = None if shift is None else np.broadcast_to(shift, (n_out,)).astype(dtype)
    return _Folded(weight, before.scale, after.scale, dtype), bias


class _Folded:
    """The weights of a layer, (n_out, n_in), with what is multiplied on either side."""

    def __init__(
        self, weight: Any, scale_in: Numbers | None, scale_out: Numbers | None, dtype: Any
    ) -> None:
        self._weight, self._scale_in, self._scale_out = weight, scale_in, scale_out
        self._dtype = dtype
        self.shape = weight.shape

    def __getitem__(self, rows: slice) -> Floats:
        """Return some rows."""
        part = self._weight[rows]
        with np.errstate(all="ignore"):
            if self._scale_in is not None:
                part = part.astype(np.float64) * self._scale_in
            if self._scale_out is not None:
                scale = np.broadcast_to(self._scale_out, self.shape[:1])[rows, None]
                part = part.astype(np.float64) * scale
            found: Floats = part.astype(self._dtype, order="C")
        return found
