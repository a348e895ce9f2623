"""Measures of spaces, rotations and neurons: their properties, edge cases, other computations."""

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
import pytest
import scipy.linalg
import scipy.spatial
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linprog

from netkin.distance.representational.alignment import (
    aligned_cosine,
    angular_shape_metric,
    normalised_bures_similarity,
    orthogonal_procrustes,
    partial_whitening_shape_metric,
)
from netkin.distance.representational.cca import mean_cca, mean_squared_cca, pwcca, svcca
from netkin.distance.representational.neuron_matching import (
    hard_correlation_match,
    permutation_procrustes,
    soft_correlation_match,
    soft_matching_distance,
)
from netkin.distance.representational.regression import (
    eigenspace_overlap,
    gulp,
    linear_regression,
)
from netkin.distance.representational.representation import Representation
from netkin.errors import NetkinError, UndefinedDistance

DETERMINISTIC = settings(derandomize=True, database=None, deadline=None, max_examples=60)

PT, OT, IS, TR, ILT, AT = (
    "permutation",
    "orthogonal",
    "scaling",
    "translation",
    "invertible_linear",
    "affine",
)
ALL = (PT, OT, IS, TR, ILT, AT)


class Known(NamedTuple):
    """What is known of a measure, with options."""

    function: Any
    orientation: str
    range: tuple[float, float]
    symmetric: bool
    metric: bool
    invariances: tuple[str, ...]
    options: dict[str, Any] = {}  # noqa: RUF012 # nobody changes it

    def __call__(self, a, b):
        return self.function(Representation(a), Representation(b), **self.options)

    @property
    def best(self):
        return self.range[1 if self.orientation == "up" else 0]


UNIT, SIGNED, ANGLE, OPEN = (0.0, 1.0), (-1.0, 1.0), (0.0, math.pi / 2), (0.0, math.inf)
CENTRED = {"centred": True}
BOTH = {"centred": True, "normalised": True}
NEITHER = {"centred": False, "normalised": False}
KNOWN = {
    "mean_cca": Known(mean_cca, "up", UNIT, True, False, ALL),
    "mean_squared_cca": Known(mean_squared_cca, "up", UNIT, True, False, ALL),
    "svcca": Known(svcca, "up", UNIT, True, False, (PT, OT, IS, TR)),
    "svcca, all variance": Known(svcca, "up", UNIT, True, False, ALL, {"variance": 1.0}),
    "pwcca": Known(pwcca, "up", UNIT, False, False, (PT, IS, TR)),
    "orthogonal_procrustes": Known(orthogonal_procrustes, "down", OPEN, True, True, (PT, OT)),
    "orthogonal_procrustes, CC": Known(
        orthogonal_procrustes, "down", OPEN, True, True, (PT, OT, TR), CENTRED
    ),
    "orthogonal_procrustes, CC MN": Known(
        orthogonal_procrustes, "down", (0.0, math.sqrt(2)), True, True, (PT, OT, IS, TR), BOTH
    ),
    "permutation_procrustes": Known(permutation_procrustes, "down", OPEN, True, False, (PT,)),
    "permutation_procrustes, CC MN": Known(
        permutation_procrustes, "down", (0.0, 2.0), True, False, (PT, IS, TR), BOTH
    ),
    "angular_shape_metric": Known(angular_shape_metric, "down", ANGLE, True, True, (PT, OT, IS)),
    "angular_shape_metric, CC": Known(
        angular_shape_metric, "down", ANGLE, True, True, (PT, OT, IS, TR), CENTRED
    ),
    "partial_whitening_shape_metric": Known(
        partial_whitening_shape_metric, "down", ANGLE, True, True, (PT, OT, TR)
    ),
    "partial_whitening_shape_metric, whitened": Known(
        partial_whitening_shape_metric, "down", ANGLE, True, True, ALL, {"alpha": 0.0}
    ),
    "partial_whitening_shape_metric, not whitened": Known(
        partial_whitening_shape_metric, "down", ANGLE, True, True, (PT, OT, IS, TR), {"alpha": 1.0}
    ),
    "soft_matching_distance": Known(
        soft_matching_distance, "down", (0.0, 2.0), True, True, (PT, IS, TR)
    ),
    "soft_matching_distance, as it is": Known(
        soft_matching_distance, "down", OPEN, True, True, (PT,), NEITHER
    ),
    "linear_regression": Known(linear_regression, "up", UNIT, False, False, (PT, OT, IS, TR)),
    "aligned_cosine": Known(aligned_cosine, "up", SIGNED, True, False, (PT, OT, IS)),
    "hard_correlation_match": Known(
        hard_correlation_match, "up", SIGNED, True, False, (PT, IS, TR)
    ),
    "soft_correlation_match": Known(
        soft_correlation_match, "up", SIGNED, True, False, (PT, IS, TR)
    ),
    "normalised_bures_similarity": Known(
        normalised_bures_similarity, "up", UNIT, True, False, (PT, OT, IS)
    ),
    "eigenspace_overlap": Known(eigenspace_overlap, "up", UNIT, True, False, (PT, OT, IS, ILT)),
    "gulp": Known(gulp, "down", OPEN, True, True, (PT, OT, IS, TR)),
    "gulp, no ridge": Known(gulp, "down", OPEN, True, True, ALL, {"regularisation": 0.0}),
}

EVERY = pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)
METRICS = {name: known for name, known in KNOWN.items() if known.metric}


def rotation(random, d):
    return np.linalg.qr(random.normal(size=(d, d)))[0]


def conditioned(random, d):
    """A linear map of condition 4, so that no digits are lost."""
    return rotation(random, d) @ np.diag(np.linspace(0.5, 2.0, d)) @ rotation(random, d)


CHANGES = {
    PT: lambda x, random: x[:, random.permutation(x.shape[1])],
    OT: lambda x, random: x @ rotation(random, x.shape[1]),
    IS: lambda x, random: 3.7 * x,
    TR: lambda x, random: x + random.normal(size=x.shape[1]),
    ILT: lambda x, random: x @ conditioned(random, x.shape[1]),
    AT: lambda x, random: x @ conditioned(random, x.shape[1]) + random.normal(size=x.shape[1]),
}


def networks(widths, n=60, seed=0, noise=0.5):
    """Activations of several networks: each a layer on the same inputs, with noise."""
    random = np.random.default_rng(seed)
    inputs = random.normal(size=(n, 4))
    return [
        np.tanh(inputs @ random.normal(size=(4, d)) + random.normal(size=d))
        + noise * random.normal(size=(n, d))
        for d in widths
    ]


@EVERY
@pytest.mark.parametrize("widths", [(6, 6), (6, 9), (9, 6)])
@pytest.mark.parametrize("change", CHANGES)
def test_invariances_are_those_of_the_table_and_no_others(known, widths, change):
    a, b = networks(widths)
    random = np.random.default_rng(1)
    value = known(a, b)
    changed = [known(CHANGES[change](a, random), b), known(a, CHANGES[change](b, random))]
    if change in known.invariances:
        assert changed == pytest.approx([value, value], rel=1e-9)
    else:
        assert max(abs(x - value) for x in changed) > 1e-3


@EVERY
@pytest.mark.parametrize("widths", [(6, 6), (6, 9)])
def test_symmetry_is_that_of_the_table(known, widths):
    a, b = networks(widths)
    if known.symmetric:
        assert known(a, b) == pytest.approx(known(b, a), rel=1e-12)
    else:
        assert abs(known(a, b) - known(b, a)) > 1e-3


@EVERY
def test_a_network_is_most_like_itself_and_what_it_cannot_be_told_from(known):
    a, b = networks((6, 6))
    random = np.random.default_rng(2)
    assert known(a, a) == pytest.approx(known.best, abs=1e-12)
    for change in known.invariances:
        assert known(a, CHANGES[change](a, random)) == pytest.approx(known.best, abs=1e-12)
    assert abs(known(a, b) - known.best) > 0.01


@EVERY
def test_more_noise_is_less_alike(known):
    (a,) = networks((6,), noise=0.1)
    random = np.random.default_rng(3)
    noise = random.normal(size=a.shape)
    values = [known(a, a + scale * noise) for scale in (0.03, 0.3, 3.0)]
    assert values == sorted(values, reverse=known.orientation == "up")


# multiples of 1/4 make ties, equal columns, constant columns and zeros
matrices = st.integers(2, 9).flatmap(
    lambda n: st.tuples(
        *[
            st.integers(1, 4).flatmap(
                lambda d: arrays(float, (n, d), elements=st.integers(-4, 4).map(lambda i: i / 4))
            )
        ]
        * 2
    )
)


@EVERY
@DETERMINISTIC
@given(pair=matrices)
def test_values_stay_in_the_range_or_have_a_reason(known, pair):
    try:
        value = known(*pair)
    except UndefinedDistance as reason:
        assert str(reason)
        return
    low, high = known.range
    assert low <= value <= high * (1 + 1e-12)
    if known.symmetric:
        assert value == pytest.approx(known(*pair[::-1]), rel=1e-9, abs=1e-9)


@EVERY
@pytest.mark.parametrize("widths", [(1, 1), (1, 5), (5, 1), (3, 8)])
def test_any_two_widths_compare(known, widths):
    value = known(*networks(widths))
    assert known.range[0] < value < known.range[1]


@pytest.mark.parametrize("known", METRICS.values(), ids=METRICS)
@pytest.mark.parametrize("widths", [(5, 5, 5), (3, 5, 4), (1, 2, 6)])
def test_metrics_keep_the_triangle_inequality(known, widths):
    for seed in range(30):
        a, b, c = networks(widths, n=25, seed=seed, noise=2.0)
        assert known(a, c) <= known(a, b) + known(b, c) + 1e-12
    # on the way from a to c the inequality is nearly an equation
    a, c = networks((4, 4), n=25)
    for share in (0.01, 0.5, 0.99):
        b = share * a + (1 - share) * c
        assert known(a, c) <= known(a, b) + known(b, c) + 1e-12


def test_padding_breaks_the_triangle_inequality_of_permutations():
    # x and y point apart; the half of both is between them only where neither needs a partner
    x, y = np.array([[1.0], [0.0]]), np.array([[-0.6], [0.8]])
    between = np.hstack([x, y]) / 2
    known = KNOWN["permutation_procrustes"]
    assert known(x, y) > known(x, between) + known(between, y) + 0.1


@EVERY
def test_different_rows_are_refused(known):
    a, b = networks((3, 3))
    with pytest.raises(NetkinError, match="different probe rows"):
        known.function(Representation(a), Representation(b, rows=np.arange(60)[::-1]))
    with pytest.raises(NetkinError, match="different probe rows"):
        known.function(Representation(a), Representation(b[:-1]))


# more columns than rows, and too few rows for a value that means something


SPACES = ("mean_cca", "mean_squared_cca", "svcca", "pwcca", "gulp, no ridge")
FORCED = (
    *SPACES,
    "svcca, all variance",
    "linear_regression",
    "eigenspace_overlap",
    "partial_whitening_shape_metric, whitened",
)


@EVERY
def test_more_columns_than_rows(known, request):
    a, b = networks((9, 12), n=6)
    if request.node.callspec.id in FORCED:
        with pytest.raises(UndefinedDistance, match="6 rows"):
            known(a, b)
        return
    assert known.range[0] < known(a, b) < known.range[1]
    assert known(a, a) == pytest.approx(known.best, abs=1e-12)


@pytest.mark.parametrize("name", SPACES)
def test_canonical_correlations_are_refused_from_the_first_forced_one_on(name):
    random = np.random.default_rng(4)
    x, y = random.normal(size=(9, 3)), random.normal(size=(9, 5))
    KNOWN[name](x, y)  # 3 + 5 < 9
    with pytest.raises(UndefinedDistance, match="ranks 3 and 5 add up to no less than the 8 rows"):
        KNOWN[name](x[:8], y[:8])
    # noise, and still one correlation is 1
    basis = [np.linalg.qr(m[:8] - m[:8].mean(axis=0))[0] for m in (x, y)]
    assert np.linalg.svd(basis[0].T @ basis[1])[1][0] == pytest.approx(1.0)


def test_the_rank_counts_not_the_width():
    random = np.random.default_rng(5)
    x, y = random.normal(size=(12, 3)), random.normal(size=(12, 4))
    wide = np.hstack([x, x, x @ conditioned(random, 3), np.ones((12, 2))])
    for name in ("mean_cca", "mean_squared_cca", "gulp, no ridge"):
        assert KNOWN[name](wide, y) == pytest.approx(KNOWN[name](x, y), rel=1e-9)
    assert linear_regression(Representation(y), Representation(wide)) == pytest.approx(
        linear_regression(Representation(y), Representation(x)), rel=1e-9
    )


def test_regression_is_refused_once_anything_can_be_explained():
    random = np.random.default_rng(6)
    x, y = random.normal(size=(7, 2)), random.normal(size=(7, 6))
    assert linear_regression(Representation(x), Representation(y[:, :5])) < 1
    assert linear_regression(Representation(y), Representation(x)) < 1
    with pytest.raises(UndefinedDistance, match="explains anything"):
        linear_regression(Representation(x), Representation(y))


def test_overlap_is_refused_once_one_space_is_everything():
    random = np.random.default_rng(7)
    x, y = random.normal(size=(7, 2)), random.normal(size=(7, 7))
    assert eigenspace_overlap(Representation(x), Representation(y[:, :6])) < 1
    for pair in ((x, y), (y, x)):
        with pytest.raises(UndefinedDistance, match="contains any other"):
            eigenspace_overlap(*map(Representation, pair))


# zeros, dead and doubled neurons


CENTRING = {
    name: known
    for name, known in KNOWN.items()
    if known.function not in (aligned_cosine, normalised_bures_similarity, eigenspace_overlap)
    and name
    not in (
        "orthogonal_procrustes",
        "permutation_procrustes",
        "angular_shape_metric",
        "soft_matching_distance, as it is",
    )
}
SCALED = {
    "normalised_bures_similarity",
    "aligned_cosine",
    "eigenspace_overlap",
    "angular_shape_metric",
}


@pytest.mark.parametrize("name", sorted([*CENTRING, *SCALED]))
@pytest.mark.parametrize("constant", [0.0, 0.1])
def test_a_network_that_answers_all_rows_alike_has_no_value(name, constant):
    known = KNOWN[name]
    (a,) = networks((3,))
    dead = np.full((60, 2), constant)
    if name in ("orthogonal_procrustes, CC", "linear_regression") or (
        name in SCALED and constant != 0
    ):
        low, high = known.range
        assert low <= known(a, dead) <= high
        return
    for pair in ((a, dead), (dead, a), (dead, dead)):
        with pytest.raises(UndefinedDistance, match=r"are the same|are 0"):
            known(*pair)


def test_regression_on_and_of_constants():
    (a,) = networks((3,))
    dead = np.full((60, 2), 0.1)
    assert linear_regression(Representation(a), Representation(dead)) == 0.0
    with pytest.raises(UndefinedDistance, match="are the same"):
        linear_regression(Representation(dead), Representation(a))


def test_distances_to_zero_are_norms():
    (a,) = networks((3,))
    zero = np.zeros((60, 5))
    for name in ("orthogonal_procrustes", "permutation_procrustes"):
        assert KNOWN[name](a, zero) == pytest.approx(np.linalg.norm(a))
        assert KNOWN[name](zero, zero) == 0.0
    assert KNOWN["soft_matching_distance, as it is"](a, zero) == pytest.approx(
        np.linalg.norm(a) / math.sqrt(3)
    )


@pytest.mark.parametrize("name", sorted(CENTRING))
@pytest.mark.parametrize("constant", [0.0, 0.1, 1e5 + 0.1])
def test_dead_neurons_change_nothing_where_columns_are_centred(name, constant):
    known = KNOWN[name]
    a, b = networks((5, 7))
    dead = np.hstack([a[:, :2], np.full((60, 2), constant), a[:, 2:]])
    if known.function is soft_matching_distance:
        # they have a mass there
        assert known(dead, b) != pytest.approx(known(a, b))
        return
    for pair, changed in (((a, b), (dead, b)), ((b, a), (b, dead))):
        assert known(*changed) == pytest.approx(known(*pair), rel=1e-9)


@EVERY
def test_a_network_with_dead_and_doubled_neurons_is_most_like_itself(known):
    (a,) = networks((4,))
    a = np.hstack([a, a[:, :2], np.zeros((60, 1)), np.full((60, 1), 0.1)])
    assert known(a, a) == pytest.approx(known.best, abs=1e-12)
    assert known(a, a[:, ::-1]) == pytest.approx(known.best, abs=1e-12)


def test_doubled_neurons_share_a_partner_in_the_soft_match_only():
    a, b = networks((3, 4))
    x, y, twice = Representation(a), Representation(b), Representation(np.hstack([a, a]))
    row_means = np.corrcoef(a.T, b.T)[:3, 3:].max(axis=1).mean()
    column_means = np.corrcoef(a.T, b.T)[:3, 3:].max(axis=0).mean()
    assert soft_correlation_match(x, y) == pytest.approx((row_means + column_means) / 2)
    assert soft_correlation_match(twice, y) == pytest.approx(soft_correlation_match(x, y))
    assert soft_matching_distance(x, twice, centred=False, normalised=False) == pytest.approx(
        0, abs=1e-12
    )
    assert hard_correlation_match(x, twice) == pytest.approx(1.0)


def test_rows_of_zeros_have_no_direction():
    a, b = networks((3, 3))
    a[:5] = b[:5] = 0
    without = aligned_cosine(Representation(a[5:]), Representation(b[5:]))
    assert aligned_cosine(Representation(a), Representation(b)) == pytest.approx(without)
    assert aligned_cosine(Representation(a), Representation(a)) == pytest.approx(1)
    a[5:10] = 0
    b_only = aligned_cosine(Representation(a), Representation(b))
    without = aligned_cosine(Representation(a[10:]), Representation(b[10:]))
    assert b_only == pytest.approx(without * 50 / 55)


def test_aligned_cosine_keeps_the_digits_of_short_rows():
    (a,) = networks((3,))
    b = a @ rotation(np.random.default_rng(8), 3)
    scales = np.logspace(0, -20, 60)[:, None]
    assert aligned_cosine(Representation(a * scales), Representation(b * scales)) == pytest.approx(
        1, abs=1e-9
    )


def test_aligned_cosine_is_the_mean_over_all_best_rotations():
    # only the first columns are correlated, so that Q may turn and mirror the others at will
    first, second, third = np.linalg.qr(np.random.default_rng(9).normal(size=(20, 3)))[0].T
    a = np.column_stack([2 * first, second])
    b = np.column_stack([first, 3 * third])
    best = [a @ np.diag([1, sign]) for sign in (1, -1)]
    cosines = [
        np.mean(np.sum(x * b, axis=1) / np.linalg.norm(x, axis=1) / np.linalg.norm(b, axis=1))
        for x in best
    ]
    assert cosines[0] != pytest.approx(cosines[1])
    value = aligned_cosine(Representation(a), Representation(b))
    assert value == pytest.approx(np.mean(cosines))


# other computations of the same


def centred(x):
    return x - x.mean(axis=0)


def unit(x):
    return x / np.linalg.norm(x)


def padded(a, b):
    """Both with as many columns as the wider one."""
    width = max(a.shape[1], b.shape[1])
    return [np.pad(x, ((0, 0), (0, width - x.shape[1]))) for x in (a, b)]


def cosines_of_angles(a, b):
    return np.cos(scipy.linalg.subspace_angles(centred(a), centred(b)))


PAIRS = pytest.mark.parametrize(
    "pair", [networks((4, 4)), networks((3, 5)), networks((5, 3))], ids=["4-4", "3-5", "5-3"]
)


@PAIRS
def test_cca_equals_scipy_and_scikit_learn(pair):
    from sklearn.cross_decomposition import CCA

    a, b = pair
    k = min(a.shape[1], b.shape[1])
    scores = CCA(n_components=k, scale=False, max_iter=10000, tol=1e-14).fit_transform(a, b)
    correlations = [np.corrcoef(x, y)[0, 1] for x, y in zip(*(s.T for s in scores), strict=True)]
    assert KNOWN["mean_cca"](a, b) == pytest.approx(np.mean(correlations), abs=1e-6)
    assert KNOWN["mean_cca"](a, b) == pytest.approx(cosines_of_angles(a, b).mean(), rel=1e-9)
    squares = (cosines_of_angles(a, b) ** 2).mean()
    assert KNOWN["mean_squared_cca"](a, b) == pytest.approx(squares, rel=1e-9)


@PAIRS
@pytest.mark.parametrize("variance", [0.4, 0.6, 0.8])
def test_svcca_equals_cca_of_principal_components(pair, variance):
    from sklearn.decomposition import PCA

    kept = [PCA(variance, svd_solver="full").fit_transform(x) for x in pair]
    assert min(x.shape[1] for x in kept) < min(x.shape[1] for x in pair)
    value = svcca(*map(Representation, pair), variance=variance)
    assert value == pytest.approx(cosines_of_angles(*kept).mean(), rel=1e-9)


def test_svcca_keeps_the_fewest_components_that_reach_the_share():
    basis = np.linalg.qr(centred(np.random.default_rng(10).normal(size=(30, 4))))[0]
    a = basis[:, :3] * np.sqrt([90, 9.5, 0.5])
    b = basis[:, [0, 3]] * np.sqrt([99.5, 0.5])
    # of a two components, of b one, which is the first of a
    assert svcca(Representation(a), Representation(b), variance=0.99) == pytest.approx(1)
    # of b both: 1 and 0
    assert svcca(Representation(a), Representation(b), variance=0.996) == pytest.approx(0.5)


@PAIRS
def test_pwcca_equals_the_generalised_eigenvalue_problem(pair):
    a, b = map(centred, pair)
    k = min(a.shape[1], b.shape[1])
    cross = a.T @ b
    squares, w = scipy.linalg.eigh(cross @ np.linalg.inv(b.T @ b) @ cross.T, a.T @ a)
    h = (a @ w)[:, ::-1][:, :k]
    h /= np.linalg.norm(h, axis=0)
    weights = np.abs(h.T @ a).sum(axis=1)
    expected = np.sqrt(squares[::-1][:k]) @ weights / weights.sum()
    assert KNOWN["pwcca"](*pair) == pytest.approx(expected, rel=1e-9)


@PAIRS
def test_orthogonal_procrustes_equals_scipy(pair):
    a, b = padded(*pair)
    q, nuclear = scipy.linalg.orthogonal_procrustes(a, b)
    assert KNOWN["orthogonal_procrustes"](*pair) == pytest.approx(np.linalg.norm(a @ q - b))
    cosine = nuclear / np.linalg.norm(a) / np.linalg.norm(b)
    assert KNOWN["normalised_bures_similarity"](*pair) == pytest.approx(cosine)
    assert KNOWN["angular_shape_metric"](*pair) == pytest.approx(math.acos(cosine))
    a, b = unit(centred(a)), unit(centred(b))
    q, nuclear = scipy.linalg.orthogonal_procrustes(a, b)
    distance = np.linalg.norm(a @ q - b)
    assert KNOWN["orthogonal_procrustes, CC MN"](*pair) == pytest.approx(distance)
    assert KNOWN["angular_shape_metric, CC"](*pair) == pytest.approx(math.acos(nuclear))
    # scipy scales the second matrix as well: what is left is the squared sine
    disparity = scipy.spatial.procrustes(*padded(*pair))[2]
    sine = math.sin(KNOWN["angular_shape_metric, CC"](*pair))
    assert disparity == pytest.approx(sine**2)


@PAIRS
@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 1.0])
def test_partial_whitening_follows_its_definition(pair, alpha):
    whitened = []
    for x in map(centred, pair):
        root = np.linalg.inv(scipy.linalg.sqrtm(x.T @ x))
        whitened.append(unit(x @ (alpha * np.eye(x.shape[1]) + (1 - alpha) * root)))
    nuclear = np.linalg.norm(whitened[0].T @ whitened[1], "nuc")
    value = partial_whitening_shape_metric(*map(Representation, pair), alpha=alpha)
    assert value == pytest.approx(math.acos(nuclear))


def test_digits_of_small_distances_are_kept():
    basis = np.linalg.qr(np.random.default_rng(12).normal(size=(30, 4)))[0]
    a = basis[:, :3] * [3, 2, 1]
    b = np.hstack([a @ rotation(np.random.default_rng(13), 3), 1e-9 * basis[:, 3:]])
    for pair in ((a, b), (b, a)):
        assert KNOWN["orthogonal_procrustes"](*pair) == pytest.approx(1e-9, rel=1e-5)
        angle = KNOWN["angular_shape_metric"](*pair)
        assert angle == pytest.approx(1e-9 / np.linalg.norm(a), rel=1e-5)


def test_whitened_shapes_and_canonical_correlations():
    a, b = networks((3, 5))
    expected = math.acos(cosines_of_angles(a, b).sum() / math.sqrt(15))
    assert KNOWN["partial_whitening_shape_metric, whitened"](a, b) == pytest.approx(expected)


@PAIRS
def test_bures_similarity_equals_the_fidelity_of_similarity_matrices(pair):
    k, other = (x @ x.T for x in pair)
    root = scipy.linalg.sqrtm(k).real
    # the rank is known; the roots of the rounding errors beyond it would add up
    rank = min(x.shape[1] for x in pair)
    eigenvalues = np.linalg.eigvalsh(root @ other @ root)[-rank:]
    expected = np.sqrt(eigenvalues).sum() / math.sqrt(np.trace(k) * np.trace(other))
    assert KNOWN["normalised_bures_similarity"](*pair) == pytest.approx(expected)


@PAIRS
def test_aligned_cosine_equals_scipy(pair):
    a, b = padded(*pair)
    aligned = a @ scipy.linalg.orthogonal_procrustes(a, b)[0]
    cosines = [1 - scipy.spatial.distance.cosine(x, y) for x, y in zip(aligned, b, strict=True)]
    assert KNOWN["aligned_cosine"](*pair) == pytest.approx(np.mean(cosines))


@PAIRS
def test_matchings_equal_all_permutations(pair):
    a, b = padded(*pair)
    orders = [list(p) for p in itertools.permutations(range(a.shape[1]))]
    least = min(np.linalg.norm(a[:, p] - b) for p in orders)
    assert KNOWN["permutation_procrustes"](*pair) == pytest.approx(least)
    narrow, wide = sorted(pair, key=lambda x: x.shape[1])
    d = narrow.shape[1]
    correlations = np.corrcoef(narrow.T, wide.T)[:d, d:]
    best = max(np.mean([correlations[i, p[i]] for i in range(d)]) for p in orders)
    assert KNOWN["hard_correlation_match"](*pair) == pytest.approx(best)
    soft = (correlations.max(axis=0).mean() + correlations.max(axis=1).mean()) / 2
    assert KNOWN["soft_correlation_match"](*pair) == pytest.approx(soft)


@pytest.mark.parametrize("widths", [(4, 4), (3, 5), (6, 4), (1, 7)])
def test_soft_matching_equals_a_linear_programme(widths):
    pair = networks(widths)
    a, b = (unit(centred(x)) for x in pair)
    d, e = widths
    costs = scipy.spatial.distance.cdist(a.T, b.T, "sqeuclidean")
    sums = np.vstack([np.kron(np.eye(d), np.ones(e)), np.kron(np.ones(d), np.eye(e))])
    masses = np.append(np.full(d, 1 / d), np.full(e, 1 / e))
    expected = math.sqrt(linprog(costs.ravel(), A_eq=sums, b_eq=masses).fun)
    assert KNOWN["soft_matching_distance"](*pair) == pytest.approx(expected)
    if d == e:
        permutation = KNOWN["permutation_procrustes, CC MN"](*pair)
        assert permutation / math.sqrt(d) == pytest.approx(expected)


@PAIRS
def test_linear_regression_equals_scikit_learn(pair):
    from sklearn.linear_model import LinearRegression
    from sklearn.metrics import r2_score

    a, b = pair
    predicted = LinearRegression().fit(b, a).predict(b)
    expected = r2_score(a, predicted, multioutput="variance_weighted")
    assert KNOWN["linear_regression"](a, b) == pytest.approx(expected)


@PAIRS
def test_overlap_equals_the_trace_of_projections(pair):
    projections = [x @ np.linalg.pinv(x) for x in pair]
    expected = np.trace(projections[0] @ projections[1]) / max(x.shape[1] for x in pair)
    assert KNOWN["eigenspace_overlap"](*pair) == pytest.approx(expected)


@PAIRS
@pytest.mark.parametrize("regularisation", [0.0, 1e-6, 0.01, 10.0])
def test_gulp_follows_its_definition(pair, regularisation):
    n = len(pair[0])
    a, b = (math.sqrt(n) * unit(centred(x)) for x in pair)
    s, t, c = a.T @ a / n, b.T @ b / n, a.T @ b / n
    g, h = (np.linalg.inv(m + regularisation * np.eye(len(m))) for m in (s, t))
    square = np.trace(g @ s @ g @ s) + np.trace(h @ t @ h @ t) - 2 * np.trace(g @ c @ h @ c.T)
    value = gulp(*map(Representation, pair), regularisation=regularisation)
    assert value == pytest.approx(math.sqrt(square))
    if regularisation == 0:
        ranks = sum(x.shape[1] for x in pair)
        assert value**2 == pytest.approx(ranks - 2 * (cosines_of_angles(*pair) ** 2).sum())


def test_gulp_is_the_distance_of_ridge_predictions():
    from sklearn.linear_model import Ridge

    pair = [math.sqrt(60) * unit(centred(x)) for x in networks((3, 5))]
    targets = np.random.default_rng(11).normal(size=(60, 200000))
    # alpha of scikit-learn belongs to sums, that of GULP to means over the rows
    predictions = [
        Ridge(alpha=0.01 * 60, fit_intercept=False).fit(x, targets).predict(x) for x in pair
    ]
    expected = math.sqrt(np.mean((predictions[0] - predictions[1]) ** 2) * 60)
    assert KNOWN["gulp"](*pair) == pytest.approx(expected, rel=0.01)


def test_width_one_by_hand():
    x = np.array([[1.0], [2.0], [3.0], [6.0]])
    y = np.array([[2.0], [1.0], [0.0], [-1.0]])
    pearson = -8.0 / math.sqrt(14 * 5)
    cosine = (2 + 2 + 0 - 6) / math.sqrt(50 * 6)
    for name in ("mean_cca", "svcca", "pwcca"):
        assert KNOWN[name](x, y) == pytest.approx(-pearson)
    for name in ("mean_squared_cca", "linear_regression"):
        assert KNOWN[name](x, y) == pytest.approx(pearson**2)
    for name in ("hard_correlation_match", "soft_correlation_match"):
        assert KNOWN[name](x, y) == pytest.approx(pearson)
    assert KNOWN["normalised_bures_similarity"](x, y) == pytest.approx(abs(cosine))
    assert KNOWN["angular_shape_metric"](x, y) == pytest.approx(math.acos(abs(cosine)))
    assert KNOWN["eigenspace_overlap"](x, y) == pytest.approx(cosine**2)
    assert KNOWN["orthogonal_procrustes"](x, y) == pytest.approx(math.sqrt(50 + 6 - 2 * 2))
    assert KNOWN["permutation_procrustes"](x, y) == pytest.approx(math.sqrt(50 + 6 + 2 * 2))
    # x mirrored: -1 and -1, 0 for the row of zero, 1
    assert KNOWN["aligned_cosine"](x, y) == pytest.approx((-1 - 1 + 0 + 1) / 4)
