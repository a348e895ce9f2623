"""Measures of similarity matrices, neighbours and shapes: other computations, edge cases."""

import heapq
import itertools
import math
from functools import partial

import networkx as nx
import numpy as np
import pytest
import scipy.stats
from scipy.spatial.distance import cdist, pdist
from scipy.special import huber
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.neighbors import NearestNeighbors, kneighbors_graph

from netkin.distance.representational import order, similarity_matrix
from netkin.distance.representational import representation as module
from netkin.distance.representational.instance_graph import gbs
from netkin.distance.representational.kernel_alignment import (
    cka,
    cka_debiased,
    cka_minibatch,
    cka_rbf,
    distance_correlation,
)
from netkin.distance.representational.neighbours import (
    joint_rank_jaccard,
    knn_jaccard,
    nearest_rows,
    rank_similarity,
    second_order_cosine,
)
from netkin.distance.representational.representation import Representation
from netkin.distance.representational.rtd import rtd
from netkin.distance.representational.similarity_matrix import (
    relational_knowledge_loss,
    rsa,
    rsm_norm_difference,
)
from netkin.distance.representational.spectral import imd
from netkin.distance.representational.statistics import (
    concentricity,
    concentricity_difference,
    intrinsic_dimension,
    intrinsic_dimension_difference,
    magnitude,
    magnitude_difference,
    modularity,
    modularity_difference,
    tolerance,
    tolerance_difference,
    uniformity,
    uniformity_difference,
)
from netkin.errors import NetkinError, UndefinedDistance
from tests.test_representational_subspace import networks

WIDTHS = pytest.mark.parametrize("widths", [(6, 6), (5, 9), (1, 3), (70, 80)])
CLOSE = {"rel": 1e-9, "abs": 1e-12}


def of(measure, a, b, **options):
    return measure(Representation(a), Representation(b), **options)


# kernels


def centred_product(k, m):
    h = np.eye(len(k)) - 1 / len(k)
    return np.trace(h @ k @ h @ h @ m @ h)


def aligned(product, k, m):
    return product(k, m) / math.sqrt(product(k, k) * product(m, m))


def unbiased_product(k, m):
    """HSIC_1 of Song et al. 2012 to the letter."""
    n = len(k)
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    one = np.ones(n)
    total = np.trace(k @ m) + (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
    return (total - 2 / (n - 2) * (one @ k @ m @ one)) / (n * (n - 3))


@WIDTHS
def test_cka_is_the_alignment_of_centred_products(widths):
    a, b = networks(widths)
    expected = aligned(centred_product, a @ a.T, b @ b.T)
    assert of(cka, a, b) == pytest.approx(expected, **CLOSE)


@WIDTHS
@pytest.mark.parametrize("bandwidth", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("n", [30, 31])
def test_cka_rbf_is_the_alignment_of_centred_gaussians(widths, bandwidth, n):
    def kernel(x):
        squares = cdist(x, x, "sqeuclidean")
        return np.exp(-squares / (2 * bandwidth**2 * np.median(squares)))

    a, b = networks(widths, n=n)
    expected = aligned(centred_product, kernel(a), kernel(b))
    assert of(cka_rbf, a, b, bandwidth=bandwidth) == pytest.approx(expected, **CLOSE)


def test_a_wide_gaussian_is_the_linear_kernel():
    # exp(-d^2 / s) is 1 - d^2 / s for large s, and centring makes inner products of it
    a, b = networks((6, 9))
    assert of(cka_rbf.__wrapped__, a, b, bandwidth=1e5) == pytest.approx(of(cka, a, b), rel=1e-6)


@WIDTHS
def test_cka_debiased_is_the_alignment_by_song(widths):
    a, b = networks(widths)
    expected = aligned(unbiased_product, a @ a.T, b @ b.T)
    assert of(cka_debiased, a, b) == pytest.approx(expected, **CLOSE)


def test_cka_debiased_is_the_ratio_of_means_over_all_quadruples():
    a, b = networks((2, 3), n=7)

    def product(k, m):
        # what the unbiased HSIC is a U-statistic of
        return np.mean(
            [
                k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q])
                for i, j, q, r in itertools.permutations(range(7), 4)
            ]
        )

    expected = aligned(product, a @ a.T, b @ b.T)
    assert of(cka_debiased, a, b) == pytest.approx(expected, **CLOSE)


@WIDTHS
@pytest.mark.parametrize("batch_size", [4, 7, 19, 30, 60, 100])
def test_cka_minibatch_is_the_ratio_of_means_over_batches(widths, batch_size):
    a, b = networks(widths)
    batches = [slice(i, i + batch_size) for i in range(0, 60, batch_size)]

    def product(x, y):
        return np.mean(
            [
                unbiased_product(x[rows] @ x[rows].T, y[rows] @ y[rows].T)
                for rows in batches
                if len(x[rows]) >= 4
            ]
        )

    expected = aligned(product, a, b)
    found = of(cka_minibatch, a, b, batch_size=batch_size)
    assert found == pytest.approx(expected, **CLOSE)
    if batch_size >= 60:
        assert found == pytest.approx(of(cka_debiased, a, b), rel=1e-12)


@WIDTHS
def test_distance_correlation_is_the_root_of_the_alignment_of_distances(widths):
    a, b = networks(widths)
    expected = math.sqrt(aligned(centred_product, cdist(a, a), cdist(b, b)))
    assert of(distance_correlation, a, b) == pytest.approx(expected, **CLOSE)


def test_only_the_debiased_cka_and_rsa_of_noise_are_near_0():
    random = np.random.default_rng(0)
    a, b = random.normal(size=(200, 50)), random.normal(size=(200, 60))
    assert of(distance_correlation, a, b) == pytest.approx(0.73, abs=0.01)
    assert of(cka, a, b) == pytest.approx(0.23, abs=0.02)
    for measure in (cka_debiased, rsa, gbs):
        assert abs(of(measure, a, b)) < 0.03


def test_kernels_of_two_or_three_rows():
    a, b = networks((3, 2), n=3)
    for measure in (cka, cka_rbf, distance_correlation):
        assert of(measure, a[:2], b[:2]) == pytest.approx(1.0)
        assert 0 <= of(measure, a, b) <= 1
    for measure in (cka_debiased, cka_minibatch):
        with pytest.raises(UndefinedDistance, match="fewer than 4 rows"):
            of(measure, a, b)


def test_rows_that_are_all_equally_similar_have_no_debiased_cka():
    (a,) = networks((3,), n=8)
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(8, 8)))[0]
    for corners in (np.eye(8), 3 * np.eye(8) @ rotation):
        for measure in (cka_debiased, cka_minibatch):
            with pytest.raises(UndefinedDistance, match="all are equally similar"):
                of(measure, a, corners)
        assert 0 < of(cka, a, corners) < 1


def test_most_rows_alike_have_no_median_distance():
    (a,) = networks((3,), n=8)
    b = np.zeros((8, 2))
    b[0] = 1.0
    with pytest.raises(UndefinedDistance, match="median distance"):
        of(cka_rbf, a, b)


@pytest.mark.parametrize("seed", range(5))
def test_equal_rows_that_rounding_sets_apart_have_no_median_distance(seed):
    random = np.random.default_rng(seed)
    a, b = random.normal(size=(2, 100, 20))
    b[20:] = b[0]
    with pytest.raises(UndefinedDistance, match="median distance"):
        of(cka_rbf, a, b)


# similarity matrices


@WIDTHS
def test_rsm_norm_difference_is_that_of_the_matrices(widths):
    a, b = networks(widths)
    expected = np.linalg.norm(a @ a.T - b @ b.T)
    assert of(rsm_norm_difference, a, b) == pytest.approx(expected, rel=1e-12)


def test_rsm_norm_difference_keeps_its_digits_near_0():
    (a,) = networks((6,))
    change = np.random.default_rng(0).normal(size=a.shape)
    for scale in (1e-6, 1e-10):
        b = a + scale * change
        # (b - a) b^T + a (b - a)^T
        expected = np.linalg.norm((b - a) @ b.T + a @ (b - a).T)
        assert of(rsm_norm_difference, a, b) == pytest.approx(expected, rel=1e-2 * 1e-8 / scale)


@pytest.mark.parametrize("widths", [(6, 6), (5, 9), (3, 3), (70, 80)])
def test_rsa_is_the_spearman_correlation_of_correlations(widths):
    a, b = networks(widths)
    below = np.tril_indices(60, -1)
    expected = scipy.stats.spearmanr(np.corrcoef(a)[below], np.corrcoef(b)[below]).statistic
    assert of(rsa, a, b) == pytest.approx(expected, **CLOSE)


@pytest.mark.parametrize("kept", [True, False])
def test_rsa_gives_tied_correlations_their_mean_rank(kept, monkeypatch):
    if not kept:
        monkeypatch.setattr(module, "KEPT_ROWS", 10)
        monkeypatch.setattr(module, "BLOCK_ROWS", 7)
    random = np.random.default_rng(0)
    a, b = random.normal(size=(30, 2)), random.normal(size=(30, 2))
    # rows of two neurons correlate by 1 or -1: an exact table of signs
    below = np.tril_indices(30, -1)
    signs = [np.sign(x[:, 0] - x[:, 1]) for x in (a, b)]
    expected = scipy.stats.spearmanr(*(np.outer(s, s)[below] for s in signs)).statistic
    assert of(rsa, a, b) == pytest.approx(expected, rel=1e-12)
    with pytest.raises(UndefinedDistance, match="correlate equally"):
        of(rsa, a, np.sort(b))


def test_rsa_of_too_many_pairs_to_tell_apart_is_close(monkeypatch):
    a, b = networks((6, 9), n=300)
    exact = of(rsa, a, b)
    monkeypatch.setattr(module, "KEPT_ROWS", 10)
    assert of(rsa, a, b) == pytest.approx(exact, rel=1e-12)
    for groups, error in ((1 << 10, 1e-4), (1 << 13, 1e-5)):
        monkeypatch.setattr(similarity_matrix, "MOST_RANKS", groups)
        found = of(rsa, a, b)
        assert found == pytest.approx(exact, abs=error)
        assert found != exact


@pytest.mark.parametrize("blocks", [(4000, 256), (5, 4)])
def test_rsa_leaves_out_rows_without_a_correlation(blocks, monkeypatch, caplog):
    monkeypatch.setattr(module, "KEPT_ROWS", blocks[0])
    monkeypatch.setattr(module, "BLOCK_ROWS", blocks[1])
    a, b = networks((3, 4))
    for constant in (0.0, 0.1):
        x, y = a.copy(), b.copy()
        x[7] = x[31] = y[40] = constant
        rest = np.delete(np.arange(60), [7, 31, 40])
        expected = of(rsa, a[rest], b[rest])
        caplog.clear()
        assert of(rsa, x, y) == pytest.approx(expected, rel=1e-12)
        assert "2 of 60 rows are the same for all neurons" in caplog.text
        order = np.random.default_rng(0).permutation(60)
        moved = rsa(Representation(x), Representation(y).permuted(order))
        assert moved == pytest.approx(of(rsa, x, y[order]), rel=1e-12)
        assert of(rsa, x, x) == pytest.approx(1)
    with pytest.raises(UndefinedDistance, match=r"every row .* the same for all neurons"):
        of(rsa, a, np.ones((60, 3)))


def test_rsa_of_two_rows_is_refused():
    a, b = networks((3, 3), n=2)
    with pytest.raises(UndefinedDistance, match="correlate equally"):
        of(rsa, a, b)


@WIDTHS
def test_relational_knowledge_loss_is_the_sum_over_ordered_pairs(widths):
    a, b = networks(widths, n=12)
    b[0] *= 20
    means = pdist(a).mean(), pdist(b).mean()
    total, large = 0.0, 0
    for i, j in itertools.permutations(range(12), 2):
        x, y = (np.linalg.norm(r[i] - r[j]) / m for r, m in zip((a, b), means, strict=True))
        large += abs(x - y) > 1
        total += (x - y) ** 2 / 2 if abs(x - y) <= 1 else abs(x - y) - 0.5
    assert large > 0
    assert of(relational_knowledge_loss, a, b) == pytest.approx(total, rel=1e-9)
    plain = huber(1.0, pdist(a) - pdist(b)).sum() * 2
    assert of(relational_knowledge_loss, a, b, normalised=False) == pytest.approx(plain, rel=1e-9)


# order


@pytest.mark.parametrize("n", [1, 2, 7, 50, 51])
@pytest.mark.parametrize("ties", [False, True])
def test_groups_of_distinct_values_are_exact(n, ties):
    random = np.random.default_rng(n)
    values = random.integers(0, 5, n) / 2 if ties else random.normal(size=n)
    groups = order.group(lambda: iter(np.array_split(values, 3)), n, 100)
    ranks = groups.ranks()[np.searchsorted(groups.edges, values)]
    assert ranks.tolist() == scipy.stats.rankdata(values).tolist()
    assert groups.median() == np.median(values)


def test_groups_of_more_values_are_close():
    values = np.random.default_rng(0).normal(size=100_000)
    groups = order.group(lambda: iter(np.array_split(values, 7)), len(values), 500)
    assert len(groups.edges) <= 510
    assert groups.counts.sum() == len(values)
    ranks = groups.ranks()[np.searchsorted(groups.edges, values)]
    assert np.abs(ranks - scipy.stats.rankdata(values)).max() < 0.02 * len(values)
    assert groups.median() == pytest.approx(0, abs=0.02)


# neighbours


def neighbour_lists(x, k):
    search = NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute").fit(x)
    return search.kneighbors(return_distance=False)


def jaccard_of_row(ours, theirs):
    return len({*ours} & {*theirs}) / len({*ours} | {*theirs})


def rank_similarity_of_row(ours, theirs):
    ours, theirs = list(ours), list(theirs)
    common = set(ours) & set(theirs)
    total = 0.0
    for j in common:
        r, s = 1 + ours.index(j), 1 + theirs.index(j)
        total += 2 / ((1 + abs(r - s)) * (r + s))
    return total / sum(1 / i for i in range(1, len(common) + 1)) if common else 0.0


@pytest.mark.parametrize("widths", [(6, 6), (5, 9), (2, 3), (70, 80)])
@pytest.mark.parametrize("k", [1, 3, 10, 59])
def test_neighbour_measures_are_those_of_sets_and_lists(widths, k):
    a, b = networks(widths)
    lists = list(zip(neighbour_lists(a, k), neighbour_lists(b, k), strict=True))
    jaccard = np.array([jaccard_of_row(*row) for row in lists])
    ranks = np.array([rank_similarity_of_row(*row) for row in lists])
    assert of(knn_jaccard, a, b, k=k) == pytest.approx(jaccard.mean(), rel=1e-12)
    assert of(rank_similarity, a, b, k=k) == pytest.approx(ranks.mean(), rel=1e-12)
    joint = (jaccard * ranks).mean()
    assert of(joint_rank_jaccard, a, b, k=k) == pytest.approx(joint, rel=1e-12)
    cosines = []
    for i, (ours, theirs) in enumerate(lists):
        either = sorted({*ours} | {*theirs})
        x, y = (cosine_similarity(r[[i]], r[either])[0] for r in (a, b))
        cosines.append(x @ y / (np.linalg.norm(x) * np.linalg.norm(y)))
    assert of(second_order_cosine, a, b, k=k) == pytest.approx(np.mean(cosines), **CLOSE)


def test_ten_neighbours_are_the_default():
    a, b = networks((6, 9))
    for measure in (knn_jaccard, second_order_cosine, rank_similarity, joint_rank_jaccard):
        assert of(measure, a, b) == of(measure, a, b, k=10)


def test_neighbours_by_hand():
    # angles of rows; the two nearest of row 0 are 1, 2 and 2, 3
    def at(*degrees):
        return np.array([[math.cos(math.radians(x)), math.sin(math.radians(x))] for x in degrees])

    a, b = Representation(at(0, 10, -20, 180)), Representation(at(0, 180, 10, -20))
    assert a.neighbours(2).rows[0].tolist() == [1, 2]
    assert b.neighbours(2).rows[0].tolist() == [2, 3]
    # common is row 2 alone, the second of one and the first of the other
    assert rank_similarity_of_row([1, 2], [2, 3]) == pytest.approx(2 / (2 * 3))
    found = list(zip(a.neighbours(2).rows, b.neighbours(2).rows, strict=True))
    expected = np.mean([jaccard_of_row(*row) * rank_similarity_of_row(*row) for row in found])
    assert joint_rank_jaccard(a, b, k=2) == pytest.approx(expected, rel=1e-14)


def test_no_common_neighbour_is_0():
    square = np.array([[1.0, 0.1], [1.0, -0.1], [-1.0, 0.1], [-1.0, -0.1]])
    other = square[[0, 2, 1, 3]]
    for measure in (knn_jaccard, rank_similarity, joint_rank_jaccard):
        assert of(measure, square, other, k=1) == 0.0


@pytest.mark.parametrize("blocks", [(4000, 1024), (5, 4)])
def test_ties_are_seen_whatever_the_lengths_of_rows(blocks, monkeypatch):
    monkeypatch.setattr(module, "KEPT_ROWS", blocks[0])
    monkeypatch.setattr(module, "BLOCK_ROWS", blocks[1])
    random = np.random.default_rng(0)
    for n in (9, 40, 77):
        values = random.normal(size=(n, 5))
        alike = np.sort(random.permutation(n)[: n // 2])
        # equal directions of any length, and equal rows
        values[alike] = values[alike[0]] * random.choice([1.0, 0.3, 7.0], size=(len(alike), 1))
        k = len(alike) - 1
        for dtype in (np.float64, np.float32, np.float16):
            representation = Representation(values.astype(dtype))
            found = representation.neighbours(k)
            assert found.decided[alike].all()
            assert found.ordered[alike].any() == (k == 1)
            for i in alike:
                assert sorted(found.rows[i]) == [j for j in alike if j != i]
            if k > 1:
                assert not representation.neighbours(k - 1).decided[alike].any()
        values[alike] = values[alike[0]]
        found = nearest_rows(Representation(values), k)
        for i in alike:
            assert found.rows[i].tolist() == [j for j in alike if j != i]
            assert not found.distances[i].any()


def test_one_neuron_has_the_neighbours_of_equal_sign():
    found = Representation([[1.0], [-2.0], [3.0], [0.5], [-1.0]]).neighbours(2)
    assert [sorted(row) for row in found.rows[[0, 2, 3]].tolist()] == [[2, 3], [0, 3], [0, 2]]
    # two of the three others are as far from -2 and -1 as the third
    assert found.decided.tolist() == [True, False, True, True, False]
    assert not found.ordered.any()


DIRECTED = {
    knn_jaccard: {"k": 3},
    second_order_cosine: {"k": 3},
    rank_similarity: {"k": 3},
    joint_rank_jaccard: {"k": 3},
    gbs: {"k": 3},
}


@pytest.mark.parametrize("measure", DIRECTED)
def test_a_row_of_zeros_or_too_few_rows_have_no_neighbours(measure):
    a, b = networks((3, 4), n=8)
    of(measure, a, b, k=7)
    with pytest.raises(UndefinedDistance, match="8 rows do not have 8 neighbours"):
        of(measure, a, b, k=8)
    b[5] = 0.0
    for pair in ((a, b), (b, a)):
        of(measure, *pair, k=6)
        with pytest.raises(UndefinedDistance, match="7 rows that are not 0 do not have 7 neigh"):
            of(measure, *pair, k=7)
        with pytest.raises(UndefinedDistance, match="every row is 0 in"):
            of(measure, pair[0], np.zeros((8, 2)), k=3)


@pytest.mark.parametrize("blocks", [(4000, 256), (5, 4)])
@pytest.mark.parametrize("measure", [*DIRECTED, partial(gbs)])
def test_a_row_of_zeros_is_left_out_of_the_mean_and_of_the_lists(
    measure, blocks, monkeypatch, caplog
):
    monkeypatch.setattr(module, "KEPT_ROWS", blocks[0])
    monkeypatch.setattr(module, "BLOCK_ROWS", blocks[1])
    options = DIRECTED.get(measure, {})
    a, b = networks((3, 4), n=30)
    # where both are 0, all is as if the row were not there
    rest = np.delete(np.arange(30), [5, 17])
    x, y = a.copy(), b.copy()
    x[[5, 17]] = y[[5, 17]] = 0
    expected = of(measure, a[rest], b[rest], **options)
    assert of(measure, x, y, **options) == pytest.approx(expected, rel=1e-12)
    assert "2 of 30 rows are 0 and have no direction" in caplog.text
    assert of(measure, x, x, **options) == pytest.approx(1)
    # and in the null
    order = np.random.default_rng(0).permutation(30)
    moved = measure(Representation(x), Representation(b).permuted(order), **options)
    assert moved == pytest.approx(of(measure, x, b[order], **options), rel=1e-12)


def test_a_row_of_zeros_in_one_network_by_hand():
    a, b = networks((3, 4), n=30)
    a[5] = 0
    rest = np.delete(np.arange(30), 5)
    theirs = neighbour_lists(b, 3)[rest]
    ours = rest[neighbour_lists(a[rest], 3)]
    expected = np.mean([jaccard_of_row(*row) for row in zip(ours, theirs, strict=True)])
    assert of(knn_jaccard, a, b, k=3) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("measure", list(DIRECTED)[:4])
def test_neighbours_that_ties_decide_are_no_likeness(measure):
    # one neuron that is always active: every row is as near as any other
    a, b = np.abs(np.random.default_rng(0).normal(size=(2, 200, 1)))
    with pytest.raises(UndefinedDistance, match="ties decide which rows are nearest"):
        of(measure, a, b)
    for dead in (np.zeros((200, 3)), np.ones((200, 3))):
        with pytest.raises(UndefinedDistance, match="ties decide which rows are nearest"):
            of(measure, np.hstack([a, dead * 0]), np.hstack([b, dead]) * [1, 0, 0, 0])


def test_rows_whose_neighbours_ties_decide_are_left_out(caplog):
    a, b = networks((3, 4), n=30)
    a[10:15] = a[10]
    x, y = Representation(a), Representation(b)
    kept = x.neighbours(3).decided
    assert not kept[10:15].any()
    assert kept[:10].sum() > 3
    assert f"nearest to {30 - kept.sum()} of 30 rows" in caplog.text
    lists = zip(x.neighbours(3).rows[kept], y.neighbours(3).rows[kept], strict=True)
    expected = np.mean([jaccard_of_row(*row) for row in lists])
    assert knn_jaccard(x, y, k=3) == pytest.approx(expected, rel=1e-12)
    order = np.random.default_rng(0).permutation(30)
    for measure in list(DIRECTED):
        moved = measure(y, x.permuted(order), k=3)
        assert moved == pytest.approx(of(measure, b, a[order], k=3), rel=1e-12)


def test_orthogonal_rows_have_no_second_order_and_no_edges():
    (a,) = networks((3,), n=6)
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))[0]
    for corners in (np.eye(6), rotation):
        # by rounding errors of the rotation, or by ties
        with pytest.raises(UndefinedDistance, match=r"orthogonal|ties decide"):
            of(second_order_cosine, a, corners, k=2)
        with pytest.raises(UndefinedDistance, match="orthogonal"):
            of(gbs, a, corners)
    with pytest.raises(UndefinedDistance, match="orthogonal"):
        of(gbs, a, np.eye(6), k=2)


# graphs


def graph_by_hand(x, k):
    similar = cosine_similarity(x)
    np.fill_diagonal(similar, 0)
    if k is None:
        return similar
    kept = np.zeros_like(similar)
    for i, row in enumerate(similar):
        largest = heapq.nlargest(k, range(len(row)), row.take)
        kept[i, largest] = row[largest]
    return (kept + kept.T) / 2


@pytest.mark.parametrize("widths", [(6, 6), (5, 9), (2, 3), (70, 80)])
@pytest.mark.parametrize("k", [None, 1, 5, 59])
def test_gbs_is_the_mean_cosine_of_rows_of_two_graphs(widths, k):
    a, b = networks(widths)
    rows = zip(graph_by_hand(a, k), graph_by_hand(b, k), strict=True)
    cosines = [x @ y / (np.linalg.norm(x) * np.linalg.norm(y)) for x, y in rows]
    assert of(gbs, a, b, k=k) == pytest.approx(np.mean(cosines), **CLOSE)


def test_gbs_does_not_see_positive_factors_of_rows():
    a, b = networks((6, 9))
    factors = np.random.default_rng(0).uniform(0.1, 9, size=(60, 1))
    for k in (None, 5):
        assert of(gbs, factors * a, b, k=k) == pytest.approx(of(gbs, a, b, k=k), rel=1e-12)


@pytest.mark.parametrize("k", [1, 5, 10])
def test_modularity_is_that_of_networkx(k):
    (a,) = networks((6,))
    labels = np.random.default_rng(0).choice(["cat", "dog", "owl"], size=60)
    classes = [set(np.flatnonzero(labels == name)) for name in np.unique(labels)]
    graph = nx.from_numpy_array(graph_by_hand(a, k))
    expected = nx.community.modularity(graph, classes)
    assert modularity(Representation(a, labels=labels), k) == pytest.approx(expected, rel=1e-9)


def test_modularity_of_separate_classes():
    # two classes, orthogonal to each other: half of all pairs of edges would be within by chance
    a = np.repeat(np.eye(2), 5, axis=0)
    assert modularity(Representation(a, labels=[0] * 5 + [1] * 5), 4) == pytest.approx(0.5)
    assert modularity(Representation(a, labels=[0] * 10), 4) == pytest.approx(0, abs=1e-15)
    alternating = Representation(a, labels=[0, 1] * 5)
    assert modularity(alternating, 4) < 0


# shapes


def heat_trace(x, k):
    joined = kneighbors_graph(x, k).toarray()
    graph = nx.from_numpy_array(np.maximum(joined, joined.T))
    eigenvalues = np.linalg.eigvalsh(nx.normalized_laplacian_matrix(graph).toarray())
    return np.array([np.exp(-t * eigenvalues).sum() for t in np.logspace(-1, 1, 256)])


@WIDTHS
@pytest.mark.parametrize("k", [1, 5, 20])
def test_imd_is_the_largest_difference_of_heat_traces(widths, k):
    a, b = networks(widths)
    t = np.logspace(-1, 1, 256)
    differences = np.abs(heat_trace(a, k) - heat_trace(b, k))
    expected = (np.exp(-2 * (t + 1 / t)) * differences).max()
    assert of(imd, a, b, k=k) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_imd_of_two_pairs_and_a_path_by_hand():
    pairs, path = np.array([[0.0], [1.0], [9.0], [10.0]]), np.array([[0.0], [1.0], [1.9], [2.7]])
    t = np.logspace(-1, 1, 256)
    of_pairs = 2 + 2 * np.exp(-2 * t)
    of_path = 1 + np.exp(-t / 2) + np.exp(-1.5 * t) + np.exp(-2 * t)
    expected = (np.exp(-2 * (t + 1 / t)) * np.abs(of_pairs - of_path)).max()
    assert of(imd, pairs, path, k=1) == pytest.approx(expected, rel=1e-12)
    # all rows joined to all others: the same graph
    assert of(imd, pairs, path, k=3) == pytest.approx(0, abs=1e-14)
    with pytest.raises(UndefinedDistance, match="4 rows do not have 5 neighbours"):
        of(imd, pairs, path)


def test_imd_of_equal_rows_is_that_of_their_graph():
    # ten equal rows and ten others: the neighbours of each of the ten are the lowest of them
    a = np.vstack([np.zeros((10, 2)), np.random.default_rng(0).normal(size=(10, 2)) + 50])
    found = nearest_rows(Representation(a), 3).rows
    assert found[:4].tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]
    assert found[9].tolist() == [0, 1, 2]
    assert of(imd, a, a + 7.0, k=3) == pytest.approx(0, abs=1e-14)


def bars_by_gudhi(w, v):
    from gudhi import RipsComplex

    joint = np.block([[np.zeros_like(w), w], [w, np.minimum(w, v)]])
    tree = RipsComplex(distance_matrix=joint).create_simplex_tree(max_dimension=2)
    tree.compute_persistence(min_persistence=0)
    bars = tree.persistence_intervals_in_dimension(1)
    return (bars[:, 1] - bars[:, 0]).sum() if len(bars) else 0.0


@pytest.mark.parametrize("widths", [(6, 6), (5, 9), (1, 3), (20, 30)])
@pytest.mark.parametrize("n", [2, 3, 5, 17])
def test_rtd_is_that_of_gudhi(widths, n):
    a, b = networks(widths, n=n)
    w, v = (cdist(x, x) / np.quantile(cdist(x, x), 0.9) for x in (a, b))
    expected = (bars_by_gudhi(w, v) + bars_by_gudhi(v, w)) / 2
    assert of(rtd, a, b) == pytest.approx(expected, rel=1e-10, abs=1e-12)
    assert n < 5 or expected > 0


def test_rtd_by_hand():
    # an equilateral triangle, and three points in a row, scaled to distances 1/2, 1/2 and 1:
    # two clusters of the row at 1/2 are three in the triangle until 1, twice
    triangle = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, math.sqrt(0.75)]])
    row = np.array([[0.0], [1.0], [2.0]])
    assert of(rtd, triangle, row) == pytest.approx((2 * 0.5 + 0) / 2, rel=1e-12)
    assert of(rtd, row, triangle) == pytest.approx(0.5, rel=1e-12)


def test_rtd_is_the_mean_over_the_samples_of_its_seed():
    a, b = networks((6, 9))
    random = np.random.default_rng(3)
    samples = [random.choice(60, 20, replace=False) for _ in range(4)]
    expected = np.mean([of(rtd, a[rows], b[rows]) for rows in samples])
    options = {"n_points": 20, "n_repeats": 4}
    assert of(rtd, a, b, seed=3, **options) == pytest.approx(expected, rel=1e-12)
    assert of(rtd, a, b, seed=4, **options) != pytest.approx(expected, rel=1e-3)
    # all rows are one sample, whatever the seed
    assert of(rtd, a, b, seed=3) == of(rtd, a, b, seed=4) == of(rtd, a, b, n_points=60)


def test_rtd_of_equal_rows():
    (a,) = networks((3,), n=40)
    b = np.vstack([a[:20], a[:20]])
    assert of(rtd, b, b) == 0.0
    assert of(rtd, a, b) > 0
    b = np.zeros((40, 2))
    b[0] = 1.0
    with pytest.raises(UndefinedDistance, match="90 %"):
        of(rtd, a, b)


# statistics


def test_intrinsic_dimension_is_the_slope_through_the_points():
    (a,) = networks((6,))
    distances = NearestNeighbors(n_neighbors=2).fit(a).kneighbors()[0]
    ratios = np.sort(distances[:, 1] / distances[:, 0])
    for discard, kept in ((0.1, 54), (0.25, 45)):
        x = np.log(ratios[:kept])
        y = [-math.log(1 - i / 60) for i in range(1, kept + 1)]
        slope = np.linalg.lstsq(x[:, None], np.array(y), rcond=None)[0][0]
        assert intrinsic_dimension(Representation(a), discard) == pytest.approx(slope, rel=1e-9)
    assert intrinsic_dimension(Representation(a)) == intrinsic_dimension(Representation(a), 0.1)


@pytest.mark.parametrize("d", [1, 2, 5])
def test_intrinsic_dimension_of_a_cube_in_a_wide_space(d):
    random = np.random.default_rng(0)
    cube = random.uniform(size=(1500, d)) @ np.linalg.qr(random.normal(size=(20, d)))[0].T
    assert intrinsic_dimension(Representation(cube)) == pytest.approx(d, rel=0.1)


def test_intrinsic_dimension_has_reasons():
    (a,) = networks((6,))
    with pytest.raises(UndefinedDistance, match="equal rows"):
        intrinsic_dimension(Representation(np.vstack([a, a[:1]])))
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))[0]
    for corners in (np.eye(6), rotation):
        with pytest.raises(UndefinedDistance, match="equally far"):
            intrinsic_dimension(Representation(corners))
    with pytest.raises(UndefinedDistance, match="2 rows do not have 2 neighbours"):
        intrinsic_dimension(Representation(a[:2]))
    assert intrinsic_dimension(Representation(a[:3])) > 0
    with pytest.raises(UndefinedDistance, match="equally far"):
        intrinsic_dimension(Representation(a[:3]), 0.9)


def test_statistics_are_those_of_loops():
    (a,) = networks((6,), n=20)
    labels = np.arange(20) % 3
    representation = Representation(a, labels=labels)
    unit = [row / np.linalg.norm(row) for row in a]
    mean = sum(a) / 20
    assert magnitude(representation) == pytest.approx(math.sqrt(sum(mean**2)), rel=1e-12)
    cosines = [u @ mean / np.linalg.norm(mean) for u in unit]
    assert concentricity(representation) == pytest.approx(np.mean(cosines), rel=1e-12)
    for t in (2.0, 0.5):
        potentials = [math.exp(-t * ((u - v) ** 2).sum()) for u in unit for v in unit]
        expected = math.log(np.mean(potentials))
        assert uniformity(representation, t) == pytest.approx(expected, rel=1e-12)
    same = [
        u @ v if x == y else 0.0
        for u, x in zip(unit, labels, strict=True)
        for v, y in zip(unit, labels, strict=True)
    ]
    assert tolerance(representation) == pytest.approx(np.mean(same), rel=1e-12)


def test_differences_are_those_of_the_statistics():
    a, b = (Representation(x, labels=np.arange(60) % 2) for x in networks((6, 9)))
    for difference, statistic, options in (
        (intrinsic_dimension_difference, intrinsic_dimension, {"discard": 0.2}),
        (magnitude_difference, magnitude, {}),
        (concentricity_difference, concentricity, {}),
        (uniformity_difference, uniformity, {"t": 1.0}),
        (tolerance_difference, tolerance, {}),
        (modularity_difference, modularity, {"k": 4}),
    ):
        expected = abs(statistic(a, **options) - statistic(b, **options))
        assert difference(a, b, **options) == pytest.approx(expected, rel=1e-12)


def test_rows_that_all_point_the_same_way():
    a = Representation(np.outer([1.0, 2.0, 5.0], [3.0, 4.0]), labels=[0, 0, 0])
    assert uniformity(a) == pytest.approx(0, abs=1e-15)
    assert concentricity(a) == pytest.approx(1)
    assert tolerance(a) == pytest.approx(1)
    assert magnitude(a) == pytest.approx(5 * 8 / 3)
    opposite = Representation([[3.0, 4.0], [-3.0, -4.0]], labels=[0, 1])
    assert uniformity(opposite) == pytest.approx(math.log((1 + math.exp(-8)) / 2))
    assert tolerance(opposite) == pytest.approx(0.5)
    assert magnitude(opposite) == 0
    with pytest.raises(UndefinedDistance, match="mean row"):
        concentricity(opposite)


@pytest.mark.parametrize("statistic", [concentricity, uniformity, tolerance, modularity])
def test_a_row_of_zeros_is_left_out(statistic):
    (a,) = networks((6,))
    labels, rest = np.arange(60) % 2, np.delete(np.arange(60), 4)
    a[4] = 0.0
    found = statistic(Representation(a, labels=labels))
    assert found == pytest.approx(statistic(Representation(a[rest], labels=labels[rest])))
    with pytest.raises(UndefinedDistance, match="every row is 0"):
        statistic(Representation(0 * a, labels=labels))


def test_labels_belong_to_rows():
    assert Representation([[1.0], [2.0]]).labels is None
    for wrong in ([1], [1, 2, 3]):
        with pytest.raises(NetkinError, match="labels"):
            Representation([[1.0], [2.0]], labels=wrong)


# networks that answer all rows alike


@pytest.mark.parametrize(
    "measure",
    [cka, cka_rbf, cka_debiased, cka_minibatch, distance_correlation, relational_knowledge_loss],
)
@pytest.mark.parametrize("constant", [0.0, 0.1])
def test_a_network_that_answers_all_rows_alike_has_no_value(measure, constant):
    (a,) = networks((3,))
    dead = np.full((60, 2), constant)
    for pair in ((a, dead), (dead, a), (dead, dead)):
        with pytest.raises(UndefinedDistance):
            of(measure, *pair)


@pytest.mark.parametrize(
    "measure",
    [
        cka,
        cka_rbf,
        cka_debiased,
        cka_minibatch,
        distance_correlation,
        relational_knowledge_loss,
        imd,
        rtd,
        intrinsic_dimension_difference,
    ],
)
def test_constant_columns_change_nothing_where_means_do_not_count(measure):
    a, b = networks((5, 7))
    dead = np.hstack([a[:, :2], np.full((60, 2), 0.1), a[:, 2:]])
    assert of(measure, dead, b) == pytest.approx(of(measure, a, b), rel=1e-10, abs=1e-12)


def test_one_row_has_a_value_or_a_reason():
    a, b = Representation([[3.0, 4.0]], labels=[0]), Representation([[1.0]], labels=[0])
    assert rsm_norm_difference(a, b) == 24
    assert magnitude_difference(a, b) == 4
    assert concentricity_difference(a, b) == pytest.approx(0, abs=1e-15)
    assert uniformity_difference(a, b) == pytest.approx(0, abs=1e-15)
    assert tolerance_difference(a, b) == pytest.approx(0, abs=1e-15)
    for measure in (
        rsa,
        relational_knowledge_loss,
        cka,
        cka_rbf,
        cka_debiased,
        cka_minibatch,
        distance_correlation,
        knn_jaccard,
        second_order_cosine,
        rank_similarity,
        joint_rank_jaccard,
        gbs,
        rtd,
        imd,
        intrinsic_dimension_difference,
        modularity_difference,
    ):
        with pytest.raises(UndefinedDistance):
            measure(a, b)


@pytest.mark.parametrize("scale", [1e-85, 1e80])
def test_activations_whose_fourth_powers_do_not_fit_are_refused(scale):
    a, _ = networks((3, 3))
    with pytest.raises(NetkinError, match=r"the largest activation is .*; allowed is 1e-60 to 1e"):
        Representation(scale * a)
    assert of(cka, 1e-59 * a, 1e59 * a) == pytest.approx(1)
