"""Measures of tensors that have the same name and shape in two files, whatever the wiring.

Nothing is matched but by name: the tensors of two files whose units are numbered otherwise, or
that only happen to be called the same, are compared as they are.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike, NDArray

from netkin.distance.matrix import CLOSE
from netkin.distance.reasons import Reasons
from netkin.errors import Absent, NetkinError, UndefinedDistance
from netkin.finite import is_finite
from netkin.network.format import open_model
from netkin.network.format.model import Tensor, as_floats
from netkin.storage import id_of, open_layout

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
    if id_of(path):  # of netkin's own, and quick to look at
        with open_layout(path, "network") as file:
            if not any(len(file.get(group, ())) for group in ("layers", "tensors")):
                raise Absent(str(file.attrs.get("reason", NO_TENSOR)))
        return Tensors(partial(_opened, path))
    with open_model(path) as model:
        if not model.tensors:
            raise Absent(model.unchained or NO_TENSOR)
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


def matrix_of(tensor: Tensor) -> NDArray[np.floating[Any]] | None:
    """Return a tensor of weights as the matrix of a layer, None where it is none.

    A kernel of a convolution becomes (n_out, n_in * taps): what it computes at one point. Its
    outputs are the last axis of a tensor that is called ``kernel``, as Keras and Flax have it,
    else the first, as torch and ONNX have it.

    Parameters
    ----------
    tensor : Tensor

    Returns
    -------
    float32 or float64 array of shape (n_out, n_in)
        None for one without two axes, or without numbers.

    Raises
    ------
    UndefinedDistance
        It holds NaN or infinity.
    """
    if 0 in tensor.shape:
        return None
    numbers = _numbers(tensor)
    if len(tensor.shape) < 2:
        return None
    last = tensor.name.replace("/", ".").rsplit(".", 1)[-1].split(":")[0]
    array = numbers.reshape(tensor.shape)
    if last == "kernel":
        array = np.moveaxis(array, -1, 0)
    return as_floats(array.reshape(len(array), -1))


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
        raise UndefinedDistance(NO_ANGLE)
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
        raise UndefinedDistance(NOTHING)
    return math.sqrt(min(2.0, sums.difference / (sums.aa + sums.bb)))


def tensor_cosines(
    a: Sequence[Tensors], b: Sequence[Tensors]
) -> tuple[NDArray[np.float64], Reasons]:
    """Return `tensor_cosine` of all pairs.

    Parameters
    ----------
    a, b : sequence of Tensors
        Of shape (n,) and (m,); `b` may be `a` itself. All are read into memory, if they take less
        than 2 GiB.

    Returns
    -------
    float64 array of shape (n, m)
        NaN where there is a reason. Symmetric, bit by bit, if `b` is `a`.
    Reasons
        What `tensor_cosine` would raise.
    """
    sums = _sums_of_all(tuple(a), tuple(b))
    reasons = sums.reasons.copy()
    _refuse(reasons, (sums.aa == 0) | (sums.bb == 0), NO_ANGLE)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosines = np.clip(sums.ab / (np.sqrt(sums.aa) * np.sqrt(sums.bb)), -1, 1)
    return np.where(reasons.codes > 0, np.nan, cosines), reasons


def tensor_differences(
    a: Sequence[Tensors], b: Sequence[Tensors]
) -> tuple[NDArray[np.float64], Reasons]:
    """Return `tensor_difference` of all pairs; parameters and results as in `tensor_cosines`."""
    sums = _sums_of_all(tuple(a), tuple(b))
    reasons = sums.reasons.copy()
    _refuse(reasons, sums.aa + sums.bb == 0, NOTHING)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = np.sqrt(np.minimum(2, sums.difference / (sums.aa + sums.bb)))
    return np.where(reasons.codes > 0, np.nan, shares), reasons


NO_TENSOR = "the file holds no tensor of weights"
NO_ANGLE = "all matched tensors of a network are 0, so there is no angle"
NOTHING = "all matched tensors are 0, so there is nothing to compare"
UNMATCHED = "no tensor of the one has the name and shape of one of the other"


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
            raise UndefinedDistance(UNMATCHED)
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


def _square_of_difference(x: NDArray[Any], y: NDArray[Any], unit: float) -> float:
    total = 0.0
    for start in range(0, x.size, NUMBERS_AT_ONCE):
        part = slice(start, start + NUMBERS_AT_ONCE)
        w = x[part].astype(np.float64) / unit - y[part].astype(np.float64) / unit
        total += float(w @ w)
    return total


def _numbers(tensor: Tensor) -> NDArray[Any]:
    """Return all numbers of a tensor, flat."""
    # a tensor without axes cannot be sliced
    array = tensor[:] if tensor.shape else tensor.read(...)  # type: ignore[arg-type] # no slice
    flat: NDArray[Any] = np.asarray(array).ravel()
    if flat.dtype.kind not in "fiu":
        raise NetkinError(f"'{tensor.name}' holds {flat.dtype}; allowed are real numbers.")
    if not is_finite(flat):
        raise UndefinedDistance(f"'{tensor.name}' holds NaN or infinite numbers")
    return flat


# --- all pairs at once ---------------------------------------------------------------------

MOST_BYTES = 1 << 31
"""What the networks of a block may take in memory; of larger ones each pair is read anew."""


class _AllSums(NamedTuple):
    """`_Sums` of all pairs, each in a unit of its pair, as arrays of shape (n, m)."""

    ab: NDArray[np.float64]
    aa: NDArray[np.float64]
    bb: NDArray[np.float64]
    difference: NDArray[np.float64]
    reasons: Reasons


@dataclass(frozen=True, eq=False)
class _Read:
    """The tensors of a network in memory, and why one of them cannot be compared."""

    tensors: dict[str, Tensor]
    numbers: dict[str, NDArray[Any]]
    refused: dict[str, str]


def _refuse(reasons: Reasons, where: NDArray[np.bool_], text: str) -> None:
    where = where & (reasons.codes == 0)
    if where.any():
        reasons.codes[where] = reasons.code(text)


@lru_cache(maxsize=1)  # both measures ask for them
def _sums_of_all(a: tuple[Tensors, ...], b: tuple[Tensors, ...]) -> _AllSums:
    """Return the sums of all pairs, of products of matrices.

    Networks that have tensors of the same names and shapes are matched in the same way, so that
    their numbers stand side by side. Where a product would lose too many digits, the difference of
    a pair is taken number by number.
    """
    ab, aa, bb, difference = np.zeros((4, len(a), len(b)))
    found = _AllSums(ab, aa, bb, difference, Reasons((len(a), len(b))))
    items = {id(one): one for one in (*a, *b)}
    read = _all_read(list(items.values()))
    if read is None:
        return _one_by_one(a, b, found)
    known = dict(zip(items, read, strict=True))
    of_a, of_b = ([known[id(one)] for one in each] for each in (a, b))
    same = a == b
    for rows in _alike(of_a):
        for columns in _alike(of_b):
            if not same or rows[0] <= columns[0]:
                _enter_sums(found, of_a, of_b, rows, columns)
                if same:
                    _mirror(found, rows, columns)
    return found


def _all_read(items: Sequence[Tensors]) -> list[_Read] | None:
    """Return the tensors of all networks, None where there is no room for them."""
    found, n_bytes = [], 0
    for item in items:
        one = _Read({}, {}, {})
        with item.opened() as tensors:
            for name, tensor in tensors.items():
                one.tensors[name] = tensor
                if tensor.same_as or 0 in tensor.shape:
                    continue
                try:
                    one.numbers[name] = _numbers(tensor)
                except UndefinedDistance as reason:
                    one.refused[name] = str(reason)
                    continue
                n_bytes += one.numbers[name].nbytes
                if n_bytes > MOST_BYTES:
                    return None
        found.append(one)
    return found


def _one_by_one(a: Sequence[Tensors], b: Sequence[Tensors], found: _AllSums) -> _AllSums:
    for i, one in enumerate(a):
        for j, other in enumerate(b):
            if a == b and j < i:
                continue
            try:
                sums = _summed(one, other)
            except UndefinedDistance as reason:
                found.reasons[i, j] = str(reason)
                continue
            for array, value in zip(found[:4], sums, strict=True):
                array[i, j] = value
    if a == b:
        everyone = np.arange(len(a))
        _mirror(found, everyone, everyone)
    return found


def _alike(read: Sequence[_Read]) -> list[NDArray[np.intp]]:
    """Return the places of networks whose tensors have the same names and shapes."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for i, one in enumerate(read):
        key = tuple((n, t.shape, t.same_as, n in one.refused) for n, t in one.tensors.items())
        groups.setdefault(key, []).append(i)
    return [np.array(places, np.intp) for places in groups.values()]


def _enter_sums(
    found: _AllSums,
    of_a: Sequence[_Read],
    of_b: Sequence[_Read],
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
) -> None:
    """Enter the sums of networks that are all matched in the same way."""
    first, other = of_a[rows[0]], of_b[columns[0]]
    names = matched_names(first.tensors, other.tensors)
    place = np.ix_(rows, columns)
    refused = [
        one.refused[name]
        for matched in names
        for one in (first, other)
        if (name := one.tensors[matched].same_as or matched) in one.refused
    ]
    if refused or not names:
        found.reasons.codes[place] = found.reasons.code(refused[0] if refused else UNMATCHED)
        return
    x = [[_of_name(of_a[i], name) for name in names] for i in rows]
    same = [of_a[i] for i in rows] == [of_b[j] for j in columns]
    y = x if same else [[_of_name(of_b[j], name) for name in names] for j in columns]
    unit_x, unit_y = (np.array([_unit(numbers) for numbers in each]) for each in (x, y))
    unit = np.maximum(unit_x[:, None], unit_y)
    unit[unit == 0] = 1  # all are 0
    ab = np.zeros(unit.shape)
    aa, bb = np.zeros(len(rows)), np.zeros(len(columns))
    for k in range(len(names)):
        step = max(1, NUMBERS_AT_ONCE * 4 // (len(x) + len(y)))
        for start in range(0, x[0][k].size, step):
            part = slice(start, start + step)
            u = _side_by_side(x, k, part, unit_x)
            v = u if y is x else _side_by_side(y, k, part, unit_y)
            ab += u @ v.T
            aa += np.einsum("ij,ij->i", u, u)
            bb += np.einsum("ij,ij->i", v, v)
    to_x, to_y = unit_x[:, None] / unit, unit_y / unit
    ab *= to_x * to_y
    found.ab[place], found.aa[place], found.bb[place] = ab, aa[:, None] * to_x**2, bb * to_y**2
    both = found.aa[place] + found.bb[place]
    difference = np.maximum(both - 2 * ab, 0)
    close = difference <= CLOSE * both
    for i, j in np.argwhere(np.triu(close) if same else close).tolist():
        scale = unit[i, j]
        difference[i, j] = sum(
            _square_of_difference(u, v, scale) for u, v in zip(x[i], y[j], strict=True)
        )
    # the product has lost what tells a copy from its original
    found.ab[place] = np.where(close, (both - difference) / 2, found.ab[place])
    found.difference[place] = difference


def _of_name(one: _Read, name: str) -> NDArray[Any]:
    return one.numbers[one.tensors[name].same_as or name]


def _unit(numbers: Sequence[NDArray[Any]]) -> float:
    """Return a power of two above all numbers, so that squares neither vanish nor overflow."""
    largest = max(float(np.abs(each).max()) for each in numbers)
    return 2.0 ** math.frexp(largest)[1] if largest else 0.0


def _side_by_side(
    numbers: Sequence[Sequence[NDArray[Any]]], k: int, part: slice, unit: NDArray[np.float64]
) -> NDArray[np.float64]:
    found = np.stack([each[k][part] for each in numbers]).astype(np.float64)
    found /= np.where(unit > 0, unit, 1)[:, None]
    return found


def _mirror(found: _AllSums, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> None:
    """Enter the sums of a block once more, turned: a product may round the two halves otherwise."""
    place, turned = np.ix_(rows, columns), np.ix_(columns, rows)
    pairs: list[tuple[NDArray[Any], NDArray[Any]]] = [
        (found.ab, found.ab),
        (found.aa, found.bb),
        (found.bb, found.aa),
        (found.difference, found.difference),
        (found.reasons.codes, found.reasons.codes),
    ]
    blocks = [array[place] for array, _ in pairs]
    for block, (_, mirrored) in zip(blocks, pairs, strict=True):
        if rows[0] == columns[0]:  # the same networks: what is above the diagonal stays
            below = np.tril_indices(len(rows), -1)
            half = mirrored[place]
            half[below] = block.T[below]
            mirrored[place] = half
        else:
            mirrored[turned] = block.T
