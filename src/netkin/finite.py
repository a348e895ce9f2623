"""NaN and infinity refused, where every later maximum, order or comparison would hide them.

``max(1.0, nan)`` is 1.0, ``nan > 1`` is false, and sorts put NaN last: what is not refused at
the door comes out as a number like any other.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from netkin.errors import NetkinError


class NotFinite(NetkinError, ValueError):
    """Numbers that must be finite and are not; a ValueError too, as numpy's users expect."""


def is_finite(values: ArrayLike) -> bool:
    """Tell whether all numbers of an array of any shape are finite; without a copy of it."""
    array = np.asarray(values)
    # both pass on NaN; one of a damaged file may be signalling
    with np.errstate(invalid="ignore"):
        ends: Any = array.min(initial=0), array.max(initial=0)
        return bool(np.isfinite(ends).all())


def require_finite(values: ArrayLike, what: str) -> None:
    """Raise `NotFinite`, a `NetkinError`, unless all numbers of an array are finite.

    Parameters
    ----------
    values : array-like
        Numbers, any shape.
    what : str
        How the error names them.
    """
    if not is_finite(values):
        raise NotFinite(f"{what}: there is a NaN or infinite value; allowed are finite numbers.")
