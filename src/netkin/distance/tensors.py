"""Measures of tensors that have the same name and shape in two files, whatever the wiring.

Nothing is matched but by name: the tensors of two files whose units are numbered otherwise, or
that only happen to be called the same, are compared as they are.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike, NDArray

from netkin.errors import Absent, NetkinError, UndefinedDistance
from netkin.finite import is_finite
from netkin.network.format import open_model
from netkin.network.format.model import Tensor

NUMBERS_AT_ONCE = 1 << 20
"""Numbers that are made float64 at once."""


@dataclass(frozen=True, eq=False)
class Tensors:
    """The named tensors of one network.

    Attributes
    ----------
    opened : callable
        Returns a context manager of name -> `netkin.network.format.model.Tensor`; they may stay
        on disk until they are sliced.
    """

    opened: Callable[[], AbstractContextManager[Mapping[str, Tensor]]]

    @classmethod
    def of(cls, arrays: Mapping[str, ArrayLike]) -> "Tensors":
        """Return what named arrays are."""
        found = {name: _tensor(name, np.asarray(array)) for name, array in arrays.items()}
        return cls(lambda: nullcontext(found))


def _tensor(name: str, array: NDArray[Any]) -> Tensor:
    return Tensor(name, array.shape, str(array.dtype), array.__getitem__)


def read_tensors(path: str | Path) -> Tensors:
    """Return the tensors of a file of weights; they are read when they are compared.

    Parameters
    ----------
    path : path
        A file or a folder, see `netkin.network.format.FORMATS`.

    Returns
    -------
    Tensors
        Under the names of the file; the file must stay where it is.

    Raises
    ------
    Absent
        There are none.
    NetkinError
        The file cannot be read, see `netkin.network.format.open_model`.
    """
    with open_model(path) as model:
        if not model.tensors:
            raise Absent(model.unchained or "the file holds no tensor of weights")
    return Tensors(partial(_opened, path))


@contextmanager
def _opened(path: str | Path) -> Iterator[Mapping[str, Tensor]]:
    with open_model(path) as model:
        yield model.tensors


def matched_names(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> list[str]:
    """Return the names of the tensors that two networks have in the same shape, in a's order.

    One tensor under two names counts once, if both networks have it so. Tensors without numbers
    are not matched.

    Parameters
    ----------
    a, b : mapping of str to Tensor
        The tensors of each network.

    Returns
    -------
    list of str
        Empty if none is matched.
    """
    names, seen = [], set()
    for name, tensor in a.items():
        other = b.get(name)
        if other is None or tensor.shape != other.shape or 0 in tensor.shape:
            continue
        both = tensor.same_as or name, other.same_as or name
        if both not in seen:
            seen.add(both)
            names.append(name)
    return names


def tensor_cosine(a: Tensors, b: Tensors) -> float:
    """Cosine of the angle between the weights of two networks, all matched tensors as one vector.

    The tensors of equal name and shape are matched, those of other names or shapes do not count;
    so it is also defined where nothing is known of the wiring, and of networks that differ in some
    layers. Near 0 for networks trained from different beginnings, whatever they compute, and
    near 1 for one and its fine-tuned copy. Fort et al. 2020 (arXiv 1912.02757), section 3.

    Parameters
    ----------
    a, b : Tensors
        Of which at least one is matched.

    Returns
    -------
    float
        In [-1, 1]: 1 if the weights are equal but for one positive factor, 0 if they are at a
        right angle.

    Raises
    ------
    UndefinedDistance
        No tensor is matched, all matched ones of a network are 0, or one holds NaN or infinity.
    """
    sums = _sums(a, b)
    if sums.aa == 0 or sums.bb == 0:
        raise UndefinedDistance("all matched tensors of a network are 0, so there is no angle")
    cosine = sums.ab / (math.sqrt(sums.aa) * math.sqrt(sums.bb))
    return min(1.0, max(-1.0, cosine))


def tensor_difference(a: Tensors, b: Tensors) -> float:
    """Relative distance of the weights of two networks, all matched tensors as one vector.

    With x and y for the numbers of the tensors of equal name and shape,
    ``|x - y| / sqrt(|x|^2 + |y|^2)`` in Euclidean norms, the 2-relative distance of Hästö
    2001 (arXiv math/0108025). The other tensors do not count.

    Parameters
    ----------
    a, b : Tensors
        Of which at least one is matched.

    Returns
    -------
    float
        In [0, sqrt(2)]: 0 if all matched tensors are equal, 1 if x and y are at a right angle or
        one of them is 0, sqrt(2) if x = -y. No metric: which tensors are matched differs from
        pair to pair.

    Raises
    ------
    UndefinedDistance
        No tensor is matched, all matched ones are 0, or one holds NaN or infinity.
    """
    sums = _sums(a, b)
    if sums.aa == 0 and sums.bb == 0:
        raise UndefinedDistance("all matched tensors are 0, so there is nothing to compare")
    return math.sqrt(min(2.0, sums.difference / (sums.aa + sums.bb)))


class _Sums(NamedTuple):
    """Sums over all numbers x of a and y of b, of x y, x^2, y^2 and (x - y)^2, in one unit."""

    ab: float = 0.0
    aa: float = 0.0
    bb: float = 0.0
    difference: float = 0.0


_known: "WeakKeyDictionary[Tensors, WeakKeyDictionary[Tensors, _Sums]]" = WeakKeyDictionary()
"""Both networks of a pair -> its sums, for as long as somebody else has the networks."""


def _sums(a: Tensors, b: Tensors) -> _Sums:
    """Return the sums of a pair, which both measures ask for, computed once."""
    of_a = _known.setdefault(a, WeakKeyDictionary())
    if b not in of_a:
        of_a[b] = _summed(a, b)
    return of_a[b]


def _summed(a: Tensors, b: Tensors) -> _Sums:
    """Read one tensor of each at a time."""
    with a.opened() as of_a, b.opened() as of_b:
        names = matched_names(of_a, of_b)
        if not names:
            raise UndefinedDistance(
                "no tensor of the one has the name and shape of one of the other"
            )
        total = np.zeros(4)
        unit = 0.0
        for name in names:
            x, y = _numbers(of_a[name]), _numbers(of_b[name])
            largest = max(float(np.abs(x).max()), float(np.abs(y).max()))
            # in units of a power of two, so that squares neither vanish nor leave the range
            scale = 2.0 ** math.frexp(largest)[1] if largest else 0.0
            if scale > unit:
                total *= (unit / scale) ** 2
                unit = scale
            if unit:
                total += _sums_of(x, y, unit)
    return _Sums(*map(float, total))


def _sums_of(x: NDArray[Any], y: NDArray[Any], unit: float) -> NDArray[np.float64]:
    total = np.zeros(4)
    for start in range(0, x.size, NUMBERS_AT_ONCE):
        part = slice(start, start + NUMBERS_AT_ONCE)
        u, v = (z[part].astype(np.float64) / unit for z in (x, y))
        w = u - v
        total += [u @ v, u @ u, v @ v, w @ w]
    return total


def _numbers(tensor: Tensor) -> NDArray[Any]:
    """Return all numbers of a tensor, flat."""
    # a tensor without axes cannot be sliced
    array = tensor[:] if tensor.shape else tensor.read(...)  # type: ignore[arg-type]
    flat: NDArray[Any] = np.asarray(array).ravel()
    if flat.dtype.kind not in "fiu":
        raise NetkinError(f"'{tensor.name}' holds {flat.dtype}; allowed are real numbers.")
    if not is_finite(flat):
        raise UndefinedDistance(f"'{tensor.name}' holds NaN or infinite numbers")
    return flat
