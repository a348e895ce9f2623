"""Representational measures on hostile activations against 50 digits.

``python -m tests.stress numbers --cases 300``; ``python -m tests.stress.numbers`` writes the table
of the largest errors of docs/measures.md.
"""

import argparse
import logging
import random
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
from mpmath import isfinite

from netkin.distance.representational import REPRESENTATIONAL
from netkin.distance.representational.representation import Representation
from netkin.errors import UndefinedDistance
from tests.stress import exact
from tests.stress.counts import Counts

DTYPES = {
    "float64": np.float64,
    "float32": np.float32,
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
}
OPTIONS: dict[str, dict[str, Any]] = {"knn_jaccard": {"k": 3}, "cka_minibatch": {"batch_size": 8}}
ALLOWED = 1e-8
"""Largest error that is no finding, of the value or, if that is larger, of 1; of distances in units
of activations, of the larger norm. A row or an offset of 1e8 takes half of the digits."""
RANKED = (
    "mean_cca",
    "mean_squared_cca",
    "linear_regression",
    "eigenspace_overlap",
    "orthogonal_procrustes",
    "normalised_bures_similarity",
    "angular_shape_metric",
    "gulp",
)
"""Measures by decompositions, which leave out what is smaller than the rounding of columns."""
ROUNDED = ("knn_jaccard", "rsa")
"""Measures for which rows that differ by rounding only are equal."""


class Hostile(NamedTuple):
    """Two representations.

    Attributes
    ----------
    given : tuple of arrays
        What netkin is given.
    known : tuple of arrays or None
        What was rounded to make them, where the rank is that before rounding.
    """

    given: tuple[Any, Any]
    known: tuple[Any, Any] | None = None


def campaign(seed: int, seconds: float, cases: float) -> Counts:
    """Compare random pairs; see `tests.stress.__main__`."""
    counts = Counts()
    chance = random.Random(seed)
    end = time.monotonic() + seconds
    while time.monotonic() < end and counts.tried < cases:
        kind = list(KINDS)[counts.tried % len(KINDS)]
        one = chance.randrange(1 << 32)
        started = time.process_time()
        off = {name: error for name, error in errors(kind, one).items() if not error <= ALLOWED}
        outcome = "; ".join(f"{name} is off by {error:.2g}" for name, error in off.items())
        counts.add(kind, f"seed {one}", outcome or "unharmed", time.process_time() - started)
    return counts


def errors(kind: str, seed: int) -> dict[str, float]:
    """Return measure -> its error on one pair, infinite if only one of the two has a value."""
    rng = np.random.default_rng(seed)
    dtype = list(DTYPES)[seed % len(DTYPES)]
    hostile = KINDS[kind](rng, DTYPES[dtype])
    pair = [Representation(x) for x in hostile.given]
    rounded = hostile.given if hostile.known is None else hostile.known
    whole = [exact.matrix(x) for x in rounded]
    found = {}
    logging.getLogger("netkin").setLevel(logging.ERROR)
    doubtful = any(_is_doubtful(*both) for both in zip(pair, whole, strict=True))
    for name, function in exact.MEASURES.items():
        options = OPTIONS.get(name, {})
        if name in RANKED and doubtful:
            continue
        try:
            value = REPRESENTATIONAL[name].function(*pair, **options)
        except UndefinedDistance:
            continue
        try:
            if name in ROUNDED:
                options = options | {"eps": exact.mpf(pair[0].eps)}
            right = function(*whole, **options)
        except ZeroDivisionError:
            right = None
        if right is None or not isfinite(right):
            found[name] = np.inf
            continue
        found[name] = _error(name, value, float(right), pair)
    return found


def _is_doubtful(given: Representation, whole: Any) -> bool:
    """Tell whether a rank is less than that of the exact numbers, since the rest is rounding.

    Then something of the given ones has to be as small as rounding.
    """
    parts = (given.decomposition, whole), (given.varying_decomposition, exact.centred(whole))
    less = [part for part, known in parts if len(part.s) < exact.basis(known).cols]
    if less and given.precision in ("float32", "float64") and _is_plain(given):
        raise AssertionError("a rank was lost that rounding cannot take")
    return bool(less)


def _is_plain(given: Representation) -> bool:
    """Tell whether columns of norm 1 are far from any rank less than full."""
    values = given.values[:, given.varying]
    scaled = (values - values.mean(axis=0)) / np.linalg.norm(values, axis=0)
    return bool(np.linalg.svd(scaled, compute_uv=False)[-1] > 1e-5)


def _error(name: str, value: float, right: float, pair: list[Representation]) -> float:
    size = {
        "orthogonal_procrustes": max(r.norm for r in pair),
        "rsm_norm_difference": max(r.norm for r in pair) ** 2,
        "magnitude_difference": max(r.norm for r in pair) / np.sqrt(pair[0].n),
    }.get(name, max(1.0, abs(right)))
    return abs(value - right) / size


def _pair(
    rng: np.random.Generator, n: int, widths: tuple[int, int], least: float = 1e-3
) -> list[Any]:
    """Return two representations with something in common, and at least so much noise."""
    shared = rng.normal(size=(n, 3))
    noise = 10.0 ** rng.uniform(np.log10(least), 1)
    return [shared @ rng.normal(size=(3, d)) + noise * rng.normal(size=(n, d)) for d in widths]


def _shape(rng: np.random.Generator) -> tuple[int, tuple[int, int]]:
    return int(rng.integers(12, 25)), (int(rng.integers(2, 6)), int(rng.integers(2, 6)))


def _as(dtype: Any, *values: Any) -> tuple[Any, Any]:
    a, b = (np.asarray(x, np.float64).astype(dtype) for x in values)
    return a, b


def plain(rng: np.random.Generator, dtype: Any) -> Hostile:
    """Return nothing hostile."""
    return Hostile(_as(dtype, *_pair(rng, *_shape(rng))))


def few_rows(rng: np.random.Generator, dtype: Any) -> Hostile:
    """Return hardly more rows than neurons."""
    widths = int(rng.integers(4, 7)), int(rng.integers(4, 7))
    return Hostile(_as(dtype, *_pair(rng, sum(widths) + int(rng.integers(-1, 4)), widths)))


def collinear(rng: np.random.Generator, dtype: Any) -> Hostile:
    """Return columns that are sums of others, exactly so before they are rounded."""
    n, (rank, _) = _shape(rng)
    rank = min(rank, 3)
    # few bits: products and sums are exact, and the dtype holds them or rounds them
    bits = 3 if dtype is not np.float64 else 12
    pair = []
    for _ in range(2):
        shared, mix = (rng.integers(-(2**bits), 2**bits, s) for s in ((n, rank), (rank, 5)))
        pair.append((shared @ mix).astype(np.float64))
    return Hostile(_as(dtype, *pair) if dtype is not np.float64 else tuple(pair), tuple(pair))


def scales(rng: np.random.Generator, dtype: Any) -> Hostile:
    """Return columns of scales from 1e-8 to 1e8; in float16 from 1/16 to 16."""
    n, widths = _shape(rng)
    most = 4 if dtype is np.float16 else 27
    return Hostile(
        _as(
            dtype,
            *(x * 2.0 ** rng.integers(-most, most, x.shape[1]) for x in _pair(rng, n, widths)),
        )
    )


def whole_scales(rng: np.random.Generator, dtype: Any) -> Hostile:
    """Return one network that is 1e8 times as large as the other; in float16 256 times."""
    a, b = _pair(rng, *_shape(rng))
    factor = 2.0**4 if dtype is np.float16 else 2.0**27
    return Hostile(_as(dtype, a * factor, b / factor))


def offsets(rng: np.random.Generator, dtype: Any) -> Hostile:
    """Return columns with means that are large beside what they vary by."""
    n, widths = _shape(rng)
    size = {np.float64: 1e4, np.float32: 1e2}.get(dtype, 2.0)
    pair = _pair(rng, n, widths, least=0.1)
    return Hostile(_as(dtype, *(x + size * rng.normal(size=x.shape[1]) for x in pair)))


def tied(rng: np.random.Generator, dtype: Any) -> Hostile:
    """Return small whole numbers."""
    n, widths = _shape(rng)
    return Hostile(_as(dtype, *(rng.integers(-2, 3, size=(n, d)) for d in widths)))


def duplicates(rng: np.random.Generator, dtype: Any) -> Hostile:
    """Return equal rows and equal columns."""
    a, b = _pair(rng, *_shape(rng))
    for x in (a, b):
        x[:4] = x[4]
        x[:, 0] = x[:, -1]
    return Hostile(_as(dtype, a, b))


def constants(rng: np.random.Generator, dtype: Any) -> Hostile:
    """Return dead neurons."""
    a, b = _pair(rng, *_shape(rng))
    a[:, 0], b[:, 0] = 0.0, 0.1
    return Hostile(_as(dtype, a, b))


def far_row(rng: np.random.Generator, dtype: Any) -> Hostile:
    """Return a row that is 1e8 times as large as the others; less where that is all that is left.

    In float32 the others would be less than the rounding of the columns.
    """
    a, b = _pair(rng, *_shape(rng), least=0.1)
    a[int(rng.integers(len(a)))] *= {np.float64: 1e8, np.float32: 1e3}.get(dtype, 4.0)
    return Hostile(_as(dtype, a, b))


def near_rows(rng: np.random.Generator, dtype: Any) -> Hostile:
    """Return rows that all point nearly the same way."""
    n, widths = _shape(rng)
    share = {np.float64: 1e-3, np.float32: 1e-2}.get(dtype, 0.2)
    pair = _pair(rng, n, widths, least=0.1)
    return Hostile(_as(dtype, *(rng.normal(size=x.shape[1]) + share * x for x in pair)))


def rectified(rng: np.random.Generator, dtype: Any) -> Hostile:
    """Return what a ReLU leaves, in both networks of rows that are not 0."""
    a, b = (np.maximum(x, 0) for x in _pair(rng, *_shape(rng)))
    kept = a.any(axis=1) & b.any(axis=1)
    kept[:6] |= ~kept.any()
    return Hostile(_as(dtype, a[kept], b[kept]))


KINDS: dict[str, Callable[[np.random.Generator, Any], Hostile]] = {
    function.__name__: function
    for function in (
        plain,
        few_rows,
        collinear,
        scales,
        whole_scales,
        offsets,
        tied,
        duplicates,
        constants,
        far_row,
        near_rows,
        rectified,
    )
}


def table(cases: int, seed: int) -> str:
    """Return the largest errors by measure and precision, as Markdown."""
    chance = random.Random(seed)
    largest: dict[str, dict[str, float]] = {}
    undefined: dict[str, int] = dict.fromkeys(exact.MEASURES, 0)
    for case in range(cases):
        one = chance.randrange(1 << 32)
        dtype = list(DTYPES)[one % len(DTYPES)]
        found = errors(list(KINDS)[case % len(KINDS)], one)
        for name in exact.MEASURES:
            if name in found:
                by = largest.setdefault(name, {})
                by[dtype] = max(by.get(dtype, 0.0), found[name])
            else:
                undefined[name] += 1
    lines = ["| measure | " + " | ".join(DTYPES) + " | undefined |"]
    lines.append("|---|" + "---|" * (len(DTYPES) + 1))
    for name, by in largest.items():
        cells = [f"{by[d]:.1e}" if d in by else "–" for d in DTYPES]
        lines.append(f"| `{name}` | " + " | ".join([*cells, str(undefined[name])]) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.stress.numbers")
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    print(table(chosen.cases, chosen.seed))
