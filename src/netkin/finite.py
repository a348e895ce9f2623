"""NaN and infinity refused, where every later maximum, order or comparison would hide them.

``max(1.0, nan)`` is 1.0, ``nan > 1`` is false, and sorts put NaN last: what is not refused at
the door comes out as a number like any other.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from netkin.errors import NetkinError

LARGEST = 1e100
"""How far from 0 an interval or a sampling may reach: squares and sums stay numbers."""


class NotFinite(NetkinError, ValueError):
    """Numbers that must be finite and are not; a ValueError too, as numpy's users expect."""


def is_finite(values: ArrayLike) -> bool:
    """Tell whether all numbers of an array of any shape are finite; without a copy of it."""
    array = np.asarray(values)
    # both pass on NaN; one of a damaged file may be signalling
    with np.errstate(invalid="ignore"):
        ends: Any = array.min(initial=0), array.max(initial=0)
        return bool(np.isfinite(ends).all())


def require_intervals(
    birth: NDArray[np.floating[Any]],
    death: NDArray[np.floating[Any]],
    what: str = "intervals",
    *,
    endless: bool = False,
) -> None:
    """Raise `NetkinError` unless every interval ends at or behind its finite beginning.

    Parameters
    ----------
    birth, death : float arrays of shape (k,)
        Ends of each interval.
    what : str
        How the error names them.
    endless : bool
        Whether a death may be infinite.

    Raises
    ------
    NotFinite
        An end is NaN or infinite, but for a death of ``inf`` where that is allowed.
    NetkinError
        A death before its birth, or an end farther from 0 than `LARGEST`.
    """
    with np.errstate(all="ignore"):
        length = death - birth
    late = death.max(initial=0)
    # NaN fails every comparison, and where no length is negative the rest follows
    if (
        length.min(initial=0) >= 0
        and birth.min(initial=0) >= -LARGEST
        and birth.max(initial=0) <= LARGEST
        and (late <= LARGEST or (endless and (death[np.isfinite(death)] <= LARGEST).all()))
    ):
        return
    if not (is_finite(birth) and is_finite(death[death < np.inf] if endless else death)):
        raise NotFinite(f"{what}: a birth or death is NaN or infinite; apply a policy first.")
    if (death < birth).any():
        raise NetkinError(f"{what}: a death comes before its birth; allowed is birth <= death.")
    raise NetkinError(
        f"{what}: a birth or death is larger than {LARGEST:g}; divide all of them by one number."
    )


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
