"""Representational measures to the letter in 50 digits; small matrices, nothing shared.

A matrix of mpmath holds the rows; ranks are counted at 1e-30 of each column, which is right where
a matrix is known exactly. `eps` is the precision that rows were rounded to, where rows that differ
by rounding only are equal.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from mpmath import mp, mpf

DIGITS = 50
mp.dps = DIGITS
ZERO = mpf(10) ** -30


def matrix(values: Any) -> Any:
    """Return an array as a matrix of mpmath, each number as it is."""
    return mp.matrix(np.asarray(values, dtype=np.float64).tolist())


def rows(x: Any) -> list[list[Any]]:
    """Return the rows as lists."""
    return [list(x[i, :]) for i in range(x.rows)]


def columns(x: Any) -> list[list[Any]]:
    """Return the columns as lists."""
    return [list(x[:, j]) for j in range(x.cols)]


def dot(x: list[Any], y: list[Any]) -> Any:
    """Return the inner product."""
    return mp.fdot(x, y)


def norm(x: list[Any]) -> Any:
    """Return the Euclidean norm."""
    return mp.sqrt(dot(x, x))


def squares(x: Any) -> Any:
    """Return the squared Frobenius norm."""
    return mp.fsum(value**2 for value in x)


def mean(values: list[Any]) -> Any:
    """Return the mean."""
    return mp.fsum(values) / len(values)


def centred(x: Any) -> Any:
    """Return the columns less their means."""
    return mp.matrix([[v - mean(c) for v in c] for c in columns(x)]).T


def basis(x: Any) -> Any:
    """Return an orthonormal basis of the columns (modified Gram and Schmidt, twice)."""
    found: list[list[Any]] = []
    for column in columns(x):
        length = norm(column)
        rest = column
        for _ in range(2):
            for unit in found:
                share = dot(unit, rest)
                rest = [v - share * u for v, u in zip(rest, unit, strict=True)]
        left = norm(rest)
        if left > ZERO * max(length, ZERO):
            found.append([v / left for v in rest])
    return mp.matrix(found).T


def singular_values(x: Any) -> list[Any]:
    """Return the singular values, descending."""
    if x.rows < x.cols:
        x = x.T
    return list(mp.svd_r(x, compute_uv=False))


def nuclear(x: Any) -> Any:
    """Return the sum of the singular values."""
    return mp.fsum(singular_values(x))


def correlations(a: Any, b: Any) -> list[Any]:
    """Return the canonical correlations."""
    return singular_values(basis(centred(a)).T * basis(centred(b)))


def mean_cca(a: Any, b: Any) -> Any:
    """See the measure of this name, as all below."""
    return mean(correlations(a, b))


def mean_squared_cca(a: Any, b: Any) -> Any:
    return mean([c**2 for c in correlations(a, b)])


def linear_regression(a: Any, b: Any) -> Any:
    x = centred(a)
    return squares(basis(centred(b)).T * x) / squares(x)


def eigenspace_overlap(a: Any, b: Any) -> Any:
    u, v = basis(a), basis(b)
    return squares(u.T * v) / max(u.cols, v.cols)


def orthogonal_procrustes(a: Any, b: Any) -> Any:
    return mp.sqrt(max(squares(a) + squares(b) - 2 * nuclear(a.T * b), 0))


def normalised_bures_similarity(a: Any, b: Any) -> Any:
    return nuclear(a.T * b) / mp.sqrt(squares(a) * squares(b))


def angular_shape_metric(a: Any, b: Any) -> Any:
    return mp.acos(min(normalised_bures_similarity(a, b), 1))


def gulp(a: Any, b: Any) -> Any:
    maps = []
    for x in (centred(a), centred(b)):
        x = x * mp.sqrt(x.rows / squares(x))
        covariance = x.T * x / x.rows + mpf("0.01") * mp.eye(x.cols)
        maps.append(x * mp.inverse(covariance) * x.T / x.rows)
    return mp.sqrt(squares(maps[0] - maps[1]))


def rsm_norm_difference(a: Any, b: Any) -> Any:
    return mp.sqrt(squares(a * a.T - b * b.T))


def double_centred(k: Any) -> Any:
    """Return ``H K H``."""
    means = [mean(row) for row in rows(k)]
    total = mean(means)
    return mp.matrix(
        [[k[i, j] - means[i] - means[j] + total for j in range(k.cols)] for i in range(k.rows)]
    )


def aligned(k: Any, m: Any) -> Any:
    """Return the cosine of the angle between two matrices."""
    product = mp.fsum(x * y for x, y in zip(k, m, strict=True))
    return product / mp.sqrt(squares(k) * squares(m))


def cka(a: Any, b: Any) -> Any:
    return aligned(*(double_centred(x * x.T) for x in (a, b)))


def distances(x: Any) -> Any:
    """Return the Euclidean distances of the rows."""
    listed = rows(x)
    return mp.matrix(
        [[norm([p - q for p, q in zip(r, s, strict=True)]) for s in listed] for r in listed]
    )


def cka_rbf(a: Any, b: Any) -> Any:
    kernels = []
    for x in (a, b):
        apart = distances(x)
        ordered = sorted(value**2 for value in apart)
        half = len(ordered) // 2
        median = ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
        scale = 2 * mpf(0.8) ** 2 * median
        kernels.append(double_centred(apart.apply(lambda d, s=scale: mp.exp(-(d**2) / s))))
    return aligned(*kernels)


def distance_correlation(a: Any, b: Any) -> Any:
    return mp.sqrt(max(aligned(*(double_centred(distances(x)) for x in (a, b))), 0))


def hsic(k: Any, m: Any) -> Any:
    """Return the unbiased HSIC of Song et al. 2012 of two kernels with diagonals of 0."""
    n = k.rows
    of_k, of_m = ([mp.fsum(row) for row in rows(x)] for x in (k, m))
    trace = mp.fsum(x * y for x, y in zip(k, m, strict=True))
    total = trace + mp.fsum(of_k) * mp.fsum(of_m) / ((n - 1) * (n - 2))
    return (total - 2 * dot(of_k, of_m) / (n - 2)) / (n * (n - 3))


def bare(x: Any) -> Any:
    """Return ``R R^T`` with a diagonal of 0."""
    kernel = x * x.T
    for i in range(kernel.rows):
        kernel[i, i] = 0
    return kernel


def cka_debiased(a: Any, b: Any) -> Any:
    return cka_minibatch(a, b, batch_size=a.rows)


def cka_minibatch(a: Any, b: Any, batch_size: int) -> Any:
    totals = [mpf(0)] * 3
    for start in range(0, a.rows - 3, batch_size):
        k, m = (bare(x[start : min(start + batch_size, a.rows), :]) for x in (a, b))
        for i, pair in enumerate(((k, m), (k, k), (m, m))):
            totals[i] += hsic(*pair)
    return totals[0] / mp.sqrt(totals[1] * totals[2])


def relational_knowledge_loss(a: Any, b: Any) -> Any:
    x, y = (distances(r) for r in (a, b))
    pairs = a.rows * (a.rows - 1)
    x, y = x / (mp.fsum(x) / pairs), y / (mp.fsum(y) / pairs)
    apart = [abs(p - q) for p, q in zip(x, y, strict=True)]
    return mp.fsum(d**2 / 2 if d <= 1 else d - mpf(1) / 2 for d in apart)


def unit(rows_of: list[list[Any]]) -> list[list[Any]]:
    """Return rows of norm 1, or 0."""
    return [[v / (norm(row) or 1) for v in row] for row in rows_of]


def only(x: Any, kept: list[int]) -> Any:
    """Return these rows."""
    return mp.matrix([list(x[i, :]) for i in kept])


def directed(*matrices: Any) -> list[int]:
    """Return which rows are not 0 in any of them."""
    return [i for i in range(matrices[0].rows) if all(norm(list(x[i, :])) for x in matrices)]


def one_of_each(units: list[list[Any]], tolerance: list[Any]) -> list[list[Any]]:
    """Return rows of norm 1, each replaced by the first that is equal up to rounding."""
    leaders: list[int] = []
    found = []
    for i, row in enumerate(units):
        for j in leaders:
            apart = norm([p - q for p, q in zip(units[j], row, strict=True)])
            if apart <= (tolerance[i] + tolerance[j]) / 2:
                found.append(units[j])
                break
        else:
            leaders.append(i)
            found.append(row)
    return found


def cosines(x: Any) -> list[list[Any]]:
    """Return the cosines of the rows."""
    listed = unit(rows(x))
    return [[dot(r, s) for s in listed] for r in listed]


def nearest(x: Any, k: int, eps: Any) -> list[list[int] | None]:
    """Return the k nearest rows of each row by cosine; None if it is 0 or ties decide them."""
    units = one_of_each(unit(rows(x)), [eps] * x.rows)
    alive = directed(x)
    found: list[list[int] | None] = []
    for i, row in enumerate(units):
        similar = {j: dot(row, units[j]) for j in alive if j != i}
        order = sorted(similar, key=similar.__getitem__, reverse=True)
        tie = len(order) > k and similar[order[k - 1]] - similar[order[k]] < ZERO
        found.append(None if i not in alive or tie else order[:k])
    return found


def knn_jaccard(a: Any, b: Any, k: int = 3, eps: Any = ZERO) -> Any:
    lists = zip(nearest(a, k, eps), nearest(b, k, eps), strict=True)
    return mean([mpf(len({*p} & {*q})) / len({*p} | {*q}) for p, q in lists if p and q])


def gbs(a: Any, b: Any) -> Any:
    graphs = [cosines(x) for x in (a, b)]
    for graph in graphs:
        for i, row in enumerate(graph):
            row[i] = mpf(0)
    pairs = [(p, q) for p, q in zip(*graphs, strict=True) if min(norm(p), norm(q)) > ZERO]
    return mean([dot(p, q) / (norm(p) * norm(q)) for p, q in pairs])


def rsa(a: Any, b: Any, eps: Any = ZERO) -> Any:
    less = [[[v - mean(row) for v in row] for row in rows(x)] for x in (a, b)]
    shares = [
        [norm(p) / (norm(q) or 1) for p, q in zip(x, rows(r), strict=True)]
        for x, r in zip(less, (a, b), strict=True)
    ]
    least = max(eps / 2, ZERO)
    kept = [i for i in range(a.rows) if min(shares[0][i], shares[1][i]) > least]
    ranked = []
    for x, share in zip(less, shares, strict=True):
        tolerance = [eps / share[i] for i in kept]
        units = one_of_each(unit([x[i] for i in kept]), tolerance)
        ranked.append(ranks([dot(units[i], units[j]) for i in range(len(kept)) for j in range(i)]))
    x, y = ([v - mean(r) for v in r] for r in ranked)
    return dot(x, y) / (norm(x) * norm(y))


def ranks(values: list[Any]) -> list[Any]:
    """Return ranks from 0, the mean of them where values tie."""
    order = sorted(range(len(values)), key=values.__getitem__)
    found = [mpf(0)] * len(values)
    start = 0
    for end in range(1, len(order) + 1):
        if end == len(order) or values[order[end]] - values[order[end - 1]] > ZERO:
            for i in order[start:end]:
                found[i] = mpf(start + end - 1) / 2
            start = end
    return found


def magnitude_difference(a: Any, b: Any) -> Any:
    return abs(norm(mean_row(a)) - norm(mean_row(b)))


def mean_row(x: Any) -> list[Any]:
    """Return the mean of the rows."""
    return [mean(column) for column in columns(x)]


def concentricity_difference(a: Any, b: Any) -> Any:
    found = []
    for x in (only(r, directed(r)) for r in (a, b)):
        middle = mean_row(x)
        found.append(mean([dot(row, middle) for row in unit(rows(x))]) / norm(middle))
    return abs(found[0] - found[1])


def uniformity_difference(a: Any, b: Any) -> Any:
    found = []
    for x in (only(r, directed(r)) for r in (a, b)):
        potentials = [mp.exp(4 * (c - 1)) for row in cosines(x) for c in row]
        found.append(mp.log(mean(potentials)))
    return abs(found[0] - found[1])


def soft_correlation_match(a: Any, b: Any) -> Any:
    x, y = ([c for c in columns(centred(r)) if norm(c) > ZERO] for r in (a, b))
    x, y = unit(x), unit(y)
    table = [[dot(p, q) for q in y] for p in x]
    best = [mean([max(line) for line in lines]) for lines in (table, zip(*table, strict=True))]
    return mean(best)


MEASURES: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        mean_cca,
        mean_squared_cca,
        linear_regression,
        eigenspace_overlap,
        orthogonal_procrustes,
        normalised_bures_similarity,
        angular_shape_metric,
        gulp,
        rsm_norm_difference,
        cka,
        cka_rbf,
        cka_debiased,
        cka_minibatch,
        distance_correlation,
        relational_knowledge_loss,
        knn_jaccard,
        gbs,
        rsa,
        magnitude_difference,
        concentricity_difference,
        uniformity_difference,
        soft_correlation_match,
    )
}
