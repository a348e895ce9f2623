"""Every representational measure as a function of two arrays, shared parts computed anew.

What a user would write who wants one value: a library where one has the measure or its main
part, numpy for the rest. Rows are the same inputs in both arrays. No value is kept from one
call to the next. Where there is a choice netkin's is taken, see docs/measures.md.
"""

import measures_apart_rows as by_rows
import numpy as np
import ot
from measures_apart_rows import centred
from scipy.linalg import orthogonal_procrustes, svd, svdvals
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist


def basis(x):
    """Return an orthonormal basis of the columns, its singular values and right vectors."""
    u, s, vt = svd(x, full_matrices=False)
    kept = s > max(x.shape) * np.finfo(float).eps * s[0]
    return u[:, kept], s[kept], vt[kept]


def correlations(x, y):
    """Return the canonical correlations."""
    return svdvals(basis(centred(x))[0].T @ basis(centred(y))[0])


def mean_cca(x, y):
    """Raghu et al. 2017."""
    return correlations(x, y).mean()


def mean_squared_cca(x, y):
    """Yanai 1974."""
    return (correlations(x, y) ** 2).mean()


def svcca(x, y):
    """Raghu et al. 2017."""
    bases = []
    for z in (x, y):
        u, s, _ = basis(centred(z))
        kept = np.searchsorted(np.cumsum(s**2) / (s**2).sum(), 0.99) + 1
        bases.append(u[:, :kept])
    return svdvals(bases[0].T @ bases[1]).mean()


def pwcca(x, y):
    """Morcos et al. 2018."""
    u, v = basis(centred(x))[0], basis(centred(y))[0]
    left, rho, _ = svd(u.T @ v, full_matrices=False)
    weights = np.abs((u @ left).T @ centred(x)).sum(axis=1)
    return rho @ weights / weights.sum()


def procrustes(x, y):
    """Williams et al. 2021."""
    square = (x**2).sum() + (y**2).sum() - 2 * svdvals(x.T @ y).sum()
    return np.sqrt(square)


def permutation_procrustes(x, y):
    """Williams et al. 2021."""
    gains = x.T @ y
    i, j = linear_sum_assignment(gains, maximize=True)
    return np.linalg.norm(x[:, i] - y[:, j])


def bures(x, y):
    """Tang et al. 2020."""
    return svdvals(x.T @ y).sum() / (np.linalg.norm(x) * np.linalg.norm(y))


def angular(x, y):
    """Williams et al. 2021."""
    return np.arccos(bures(x, y))


def partial_whitening(x, y, alpha=0.5):
    """Williams et al. 2021."""
    whitened = []
    for z in (x, y):
        u, _, vt = basis(centred(z))
        whitened.append(alpha * centred(z) + (1 - alpha) * (u @ vt))
    return angular(*whitened)


def soft_matching(x, y):
    """Khosla and Williams 2024."""
    x, y = (centred(z) / np.linalg.norm(centred(z)) for z in (x, y))
    costs = cdist(x.T, y.T, "sqeuclidean")
    d, e = costs.shape
    return np.sqrt(ot.emd2(np.full(d, 1 / d), np.full(e, 1 / e), costs, numItermax=10**7))


def linear_regression(x, y):
    """Kornblith et al. 2019."""
    x, y = centred(x), centred(y)
    return np.linalg.norm(basis(y)[0].T @ x) ** 2 / np.linalg.norm(x) ** 2


def aligned_cosine(x, y):
    """Hamilton et al. 2016."""
    rotated = x @ orthogonal_procrustes(x, y)[0]
    norms = np.linalg.norm(rotated, axis=1) * np.linalg.norm(y, axis=1)
    return ((rotated * y).sum(axis=1) / norms).mean()


def neuron_correlations(x, y):
    """Return the Pearson correlations of neurons that vary."""
    x, y = x[:, x.std(axis=0) > 0], y[:, y.std(axis=0) > 0]
    return np.corrcoef(x.T, y.T)[: x.shape[1], x.shape[1] :]


def hard_match(x, y):
    """Li et al. 2016."""
    found = neuron_correlations(x, y)
    return found[linear_sum_assignment(found, maximize=True)].mean()


def soft_match(x, y):
    """Li et al. 2016."""
    found = neuron_correlations(x, y)
    return (found.max(axis=0).mean() + found.max(axis=1).mean()) / 2


def eigenspace_overlap(x, y):
    """May et al. 2019."""
    u, v = basis(x)[0], basis(y)[0]
    return np.linalg.norm(u.T @ v) ** 2 / max(u.shape[1], v.shape[1])


def gulp(x, y, ridge=0.01):
    """Boix-Adserà et al. 2022."""
    n = len(x)
    x, y = (np.sqrt(n) * centred(z) / np.linalg.norm(centred(z)) for z in (x, y))
    a, b = (np.linalg.inv(z.T @ z / n + ridge * np.eye(z.shape[1])) for z in (x, y))
    s, t, c = x.T @ x / n, y.T @ y / n, x.T @ y / n
    square = ((a @ s) * (a @ s).T).sum() + ((b @ t) * (b @ t).T).sum()
    return np.sqrt(square - 2 * ((a @ c @ b) * c).sum())


MEASURES = {
    "mean_cca": mean_cca,
    "mean_squared_cca": mean_squared_cca,
    "svcca": svcca,
    "pwcca": pwcca,
    "orthogonal_procrustes": procrustes,
    "permutation_procrustes": permutation_procrustes,
    "angular_shape_metric": angular,
    "partial_whitening_shape_metric": partial_whitening,
    "soft_matching_distance": soft_matching,
    "linear_regression": linear_regression,
    "aligned_cosine": aligned_cosine,
    "hard_correlation_match": hard_match,
    "soft_correlation_match": soft_match,
    "normalised_bures_similarity": bures,
    "eigenspace_overlap": eigenspace_overlap,
    "gulp": gulp,
    "rsm_norm_difference": by_rows.rsm_norm_difference,
    "rsa": by_rows.rsa,
    "relational_knowledge_loss": by_rows.relational_knowledge_loss,
    "cka": by_rows.cka,
    "cka_rbf": by_rows.cka_rbf,
    "cka_debiased": by_rows.cka_debiased,
    "cka_minibatch": by_rows.cka_minibatch,
    "distance_correlation": by_rows.distance_correlation,
    "knn_jaccard": by_rows.knn_jaccard,
    "second_order_cosine": by_rows.second_order_cosine,
    "rank_similarity": by_rows.rank_similarity,
    "joint_rank_jaccard": by_rows.joint_rank_jaccard,
    "gbs": by_rows.gbs,
    "rtd": by_rows.rtd,
    "imd": by_rows.imd,
    "intrinsic_dimension_difference": by_rows.difference(by_rows.intrinsic_dimension),
    "magnitude_difference": by_rows.difference(lambda x: np.linalg.norm(x.mean(axis=0))),
    "concentricity_difference": by_rows.difference(by_rows.concentricity),
    "uniformity_difference": by_rows.difference(by_rows.uniformity),
    "tolerance_difference": by_rows.difference(by_rows.tolerance),
    "modularity_difference": by_rows.difference(by_rows.modularity),
}
"""Name -> function of two arrays of the same rows."""
LABELLED = {"tolerance_difference", "modularity_difference"}
"""Those that take the labels of the rows, too."""
