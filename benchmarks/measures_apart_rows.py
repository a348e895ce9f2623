"""Measures of rows by rows as functions of two arrays; see measures_apart.py."""

import numpy as np
from ripser import ripser
from scipy.linalg import eigh
from scipy.sparse.csgraph import laplacian
from scipy.spatial.distance import cdist, pdist, squareform
from scipy.special import huber
from scipy.stats import spearmanr
from sklearn.metrics.pairwise import cosine_similarity, rbf_kernel
from sklearn.neighbors import NearestNeighbors, kneighbors_graph

DEGREES = 10
"""Neighbours of a row."""


def centred(x):
    """Return the columns with mean 0."""
    return x - x.mean(axis=0)


def rsm_norm_difference(x, y):
    """Shahbazi et al. 2021."""
    return np.linalg.norm(x @ x.T - y @ y.T)


def rsa(x, y):
    """Kriegeskorte et al. 2008."""
    below = np.tril_indices(len(x), -1)
    return spearmanr(*(np.corrcoef(z)[below].round(12) for z in (x, y))).statistic


def relational_knowledge_loss(x, y):
    """Park et al. 2019."""
    x, y = (z / z.mean() for z in (pdist(x), pdist(y)))
    return 2 * huber(1.0, x - y).sum()


def aligned(k, m):
    """Return the alignment of two kernels."""
    k, m = (z - z.mean(axis=0) - z.mean(axis=1)[:, None] + z.mean() for z in (k, m))
    return (k * m).sum() / (np.linalg.norm(k) * np.linalg.norm(m))


def cka(x, y):
    """Kornblith et al. 2019."""
    x, y = centred(x), centred(y)
    norms = np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)
    return np.linalg.norm(y.T @ x) ** 2 / norms


def cka_rbf(x, y):
    """Kornblith et al. 2019."""
    squares = (cdist(z, z, "sqeuclidean") for z in (x, y))
    return aligned(*(np.exp(-s / (2 * 0.8**2 * np.median(s))) for s in squares))


def unbiased(k, m):
    """Song et al. 2012, of kernels without a diagonal."""
    n = len(k)
    means = k.sum() * m.sum() / ((n - 1) * (n - 2))
    crossed = 2 / (n - 2) * (k.sum(axis=0) @ m.sum(axis=0))
    return ((k * m).sum() + means - crossed) / (n * (n - 3))


def hollow(x):
    """Return the linear kernel with 0 on the diagonal."""
    kernel = x @ x.T
    np.fill_diagonal(kernel, 0)
    return kernel


def cka_minibatch(x, y, batch_size=256):
    """Nguyen et al. 2021."""
    sums = np.zeros(3)
    for start in range(0, len(x), batch_size):
        k, m = (hollow(z[start : start + batch_size]) for z in (x, y))
        sums += unbiased(k, m), unbiased(k, k), unbiased(m, m)
    return sums[0] / np.sqrt(sums[1] * sums[2])


def cka_debiased(x, y):
    """Nguyen et al. 2021."""
    return cka_minibatch(x, y, len(x))


def distance_correlation(x, y):
    """Székely et al. 2007."""
    return np.sqrt(aligned(cdist(x, x), cdist(y, y)))


def neighbours(x):
    """Return the nearest rows by cosine, nearest first."""
    return NearestNeighbors(n_neighbors=DEGREES, metric="cosine").fit(x).kneighbors()[1]


def knn_jaccard(x, y):
    """Schumacher et al. 2021."""
    return np.mean(
        [
            len(np.intersect1d(a, b)) / len(np.union1d(a, b))
            for a, b in zip(neighbours(x), neighbours(y), strict=True)
        ]
    )


def second_order_cosine(x, y):
    """Hamilton et al. 2016."""
    found = []
    near = zip(neighbours(x), neighbours(y), strict=True)
    kernels = cosine_similarity(x), cosine_similarity(y)
    for row, (a, b) in enumerate(near):
        either = np.union1d(a, b)
        k, m = (kernel[row, either] for kernel in kernels)
        found.append(k @ m / (np.linalg.norm(k) * np.linalg.norm(m)))
    return np.mean(found)


def rank_agreement(a, b):
    """Wang et al. 2020, of one row."""
    _, r, s = np.intersect1d(a, b, return_indices=True)
    if not len(r):
        return 0.0
    agreement = (2 / ((1 + np.abs(r - s)) * (r + s + 2))).sum()
    return agreement / (1 / np.arange(1, len(r) + 1)).sum()


def rank_similarity(x, y):
    """Wang et al. 2020."""
    near = zip(neighbours(x), neighbours(y), strict=True)
    return np.mean([rank_agreement(a, b) for a, b in near])


def joint_rank_jaccard(x, y):
    """Wang et al. 2020."""
    return np.mean(
        [
            rank_agreement(a, b) * len(np.intersect1d(a, b)) / len(np.union1d(a, b))
            for a, b in zip(neighbours(x), neighbours(y), strict=True)
        ]
    )


def gbs(x, y):
    """Chen et al. 2021."""
    k, m = cosine_similarity(x), cosine_similarity(y)
    np.fill_diagonal(k, 0)
    np.fill_diagonal(m, 0)
    norms = np.linalg.norm(k, axis=1) * np.linalg.norm(m, axis=1)
    return ((k * m).sum(axis=1) / norms).mean()


def rtd(x, y, n_points=500):
    """Barannikov et al. 2022, the doubled complex by giotto-ph, one sample."""
    rows = np.arange(len(x))
    if len(x) > n_points:
        rows = np.random.default_rng(0).choice(len(x), n_points, replace=False)
    w, v = (squareform(pdist(z[rows])) for z in (x, y))
    w, v = w / np.quantile(w, 0.9), v / np.quantile(v, 0.9)
    total = 0.0
    for one, other in ((w, v), (v, w)):
        joint = np.block([[np.zeros_like(one), one], [one, np.minimum(one, other)]])
        # places in order, as ripser computes in float32
        values, places = np.unique(joint, return_inverse=True)
        places = places.reshape(joint.shape).astype(np.float32)
        bars = ripser(places, distance_matrix=True)["dgms"][1].astype(int)
        total += (values[bars[:, 1]] - values[bars[:, 0]]).sum()
    return total / 2


def imd(x, y):
    """Tsitsulin et al. 2020, exact traces."""
    times = np.logspace(-1, 1, 256)
    traces = []
    for z in (x, y):
        graph = kneighbors_graph(z, 5)
        graph = graph.maximum(graph.T).toarray()
        eigenvalues = eigh(laplacian(graph, normed=True), eigvals_only=True)
        traces.append(np.exp(-np.outer(times, eigenvalues)).sum(axis=1))
    return (np.exp(-2 * (times + 1 / times)) * np.abs(traces[0] - traces[1])).max()


def intrinsic_dimension(x):
    """Facco et al. 2017."""
    near, second = NearestNeighbors(n_neighbors=2).fit(x).kneighbors()[0].T
    kept = int(len(x) * 0.9)
    ratios = np.log(np.sort(second / near)[:kept])
    heights = -np.log(1 - np.arange(1, kept + 1) / len(x))
    return ratios @ heights / (ratios @ ratios)


def concentricity(x):
    """Wang et al. 2020."""
    return cosine_similarity(x, x.mean(axis=0, keepdims=True)).mean()


def uniformity(x):
    """Wang and Isola 2020."""
    return np.log(rbf_kernel(x / np.linalg.norm(x, axis=1, keepdims=True), gamma=2).mean())


def tolerance(x, labels):
    """Wang and Liu 2021."""
    return (cosine_similarity(x) * (labels[:, None] == labels)).mean()


def modularity(x, labels):
    """Lu et al. 2022."""
    cosines = cosine_similarity(x)
    np.fill_diagonal(cosines, 0)
    near = np.argpartition(-cosines, DEGREES - 1, axis=1)[:, :DEGREES]
    graph = np.zeros_like(cosines)
    np.put_along_axis(graph, near, np.take_along_axis(cosines, near, axis=1), axis=1)
    graph = (graph + graph.T) / 2
    degrees = graph.sum(axis=1)
    expected = np.outer(degrees, degrees) / degrees.sum()
    return ((graph - expected) * (labels[:, None] == labels)).sum() / degrees.sum()


def difference(statistic):
    """Return the function of two arrays, and labels if any, that compares a statistic."""
    return lambda x, y, *labels: abs(statistic(x, *labels) - statistic(y, *labels))
