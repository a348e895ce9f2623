"""Measures of similarity matrices, neighbours and shapes: their properties, from a table."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given

from netkin.distance.representational import (
    REPRESENTATIONAL,
    kernel_alignment,
    similarity_matrix,
)
from netkin.distance.representational import representation as module
from netkin.distance.representational.alignment import angular_shape_metric
from netkin.distance.representational.cca import mean_cca
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
    concentricity_difference,
    intrinsic_dimension_difference,
    magnitude_difference,
    modularity_difference,
    tolerance_difference,
    uniformity_difference,
)
from netkin.errors import NetkinError, UndefinedDistance
from tests.test_representational_subspace import (
    CHANGES,
    DETERMINISTIC,
    ILT,
    IS,
    OPEN,
    OT,
    PT,
    SIGNED,
    TR,
    UNIT,
    Known,
    matrices,
    networks,
)
from tests.test_representational_subspace import KNOWN as SUBSPACE


class Labelled(Known):
    """What is known of a measure that may ask for labels."""

    def __call__(self, a, b, **options):
        pair = (Representation(x, labels=np.arange(len(x)) // 2 % 3) for x in (a, b))
        return self.function(*pair, **self.options | options)


SHAPE, DIRECTION = (PT, OT, IS, TR), (PT, OT, IS)
KNOWN = {
    "rsm_norm_difference": Labelled(rsm_norm_difference, "down", OPEN, True, True, (PT, OT)),
    "rsa": Labelled(rsa, "up", SIGNED, True, False, (PT, IS)),
    "relational_knowledge_loss": Labelled(
        relational_knowledge_loss, "down", OPEN, True, False, SHAPE
    ),
    "relational_knowledge_loss, plain": Labelled(
        relational_knowledge_loss, "down", OPEN, True, False, (PT, OT, TR), {"normalised": False}
    ),
    "cka": Labelled(cka, "up", UNIT, True, False, SHAPE),
    "cka_rbf": Labelled(cka_rbf, "up", UNIT, True, False, SHAPE),
    "cka_rbf, narrow": Labelled(cka_rbf, "up", UNIT, True, False, SHAPE, {"bandwidth": 0.3}),
    "cka_debiased": Labelled(cka_debiased, "up", SIGNED, True, False, SHAPE),
    "cka_minibatch": Labelled(cka_minibatch, "up", SIGNED, True, False, SHAPE, {"batch_size": 25}),
    "distance_correlation": Labelled(distance_correlation, "up", UNIT, True, False, SHAPE),
    "knn_jaccard": Labelled(knn_jaccard, "up", UNIT, True, False, DIRECTION),
    "second_order_cosine": Labelled(second_order_cosine, "up", SIGNED, True, False, DIRECTION),
    "rank_similarity": Labelled(rank_similarity, "up", UNIT, True, False, DIRECTION),
    "joint_rank_jaccard": Labelled(joint_rank_jaccard, "up", UNIT, True, False, DIRECTION),
    "gbs": Labelled(gbs, "up", SIGNED, True, False, DIRECTION),
    "gbs, 5 edges": Labelled(gbs, "up", SIGNED, True, False, DIRECTION, {"k": 5}),
    "rtd": Labelled(rtd, "down", OPEN, True, False, SHAPE),
    "rtd, sampled": Labelled(
        rtd, "down", OPEN, True, False, SHAPE, {"n_points": 20, "n_repeats": 3}
    ),
    "imd": Labelled(imd, "down", OPEN, True, True, SHAPE),
    "intrinsic_dimension_difference": Labelled(
        intrinsic_dimension_difference, "down", OPEN, True, True, SHAPE
    ),
    "magnitude_difference": Labelled(magnitude_difference, "down", OPEN, True, True, (PT, OT)),
    "concentricity_difference": Labelled(
        concentricity_difference, "down", (0.0, 2.0), True, True, DIRECTION
    ),
    "uniformity_difference": Labelled(uniformity_difference, "down", OPEN, True, True, DIRECTION),
    "tolerance_difference": Labelled(tolerance_difference, "down", UNIT, True, True, DIRECTION),
    "modularity_difference": Labelled(modularity_difference, "down", OPEN, True, True, DIRECTION),
}
EVERY = pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)
SAME_ROWS = {
    name: known
    for name, known in KNOWN.items()
    if not (name.endswith("_difference") or name == "imd")
} | {"rsm_norm_difference": KNOWN["rsm_norm_difference"]}
"""Those that ask which row is which."""
METRICS = {name: known for name, known in KNOWN.items() if known.metric}


def few(known):
    """Options for fewer rows than the defaults are made for."""
    defaults = (known.function.__kwdefaults__ or {}) | known.options
    return {
        name: value
        for name, value in {"k": 2, "batch_size": 5}.items()
        if defaults.get(name) is not None
    }


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
        assert max(abs(x - value) for x in changed) > 1e-4


@EVERY
def test_a_negative_factor_is_a_rotation_and_a_factor(known):
    a, b = networks((6, 9))
    if {OT, IS} <= set(known.invariances) or known.function is rsa:
        assert known(-2 * a, b) == pytest.approx(known(a, b), rel=1e-9)


@EVERY
@pytest.mark.parametrize("widths", [(6, 6), (6, 9)])
def test_all_are_symmetric(known, widths):
    a, b = networks(widths)
    assert known.symmetric
    assert known(a, b) == pytest.approx(known(b, a), rel=1e-12)


@EVERY
def test_a_network_is_most_like_itself_and_what_it_cannot_be_told_from(known):
    a, b = networks((6, 6))
    random = np.random.default_rng(2)
    assert known(a, a) == pytest.approx(known.best, abs=1e-12)
    for change in known.invariances:
        assert known(a, CHANGES[change](a, random)) == pytest.approx(known.best, abs=1e-10)
    assert abs(known(a, b) - known.best) > 1e-3


@pytest.mark.parametrize("known", SAME_ROWS.values(), ids=SAME_ROWS)
def test_more_noise_is_less_alike(known):
    (a,) = networks((6,), noise=0.1)
    noise = np.random.default_rng(3).normal(size=a.shape)
    values = [known(a, a + scale * noise) for scale in (0.03, 0.3, 3.0)]
    assert values == sorted(values, reverse=known.orientation == "up")
    assert abs(values[0] - values[2]) > 0.1


@pytest.mark.parametrize("known", SAME_ROWS.values(), ids=SAME_ROWS)
def test_it_matters_which_row_is_which(known):
    a, b = networks((6, 9), noise=0.1)
    others = np.random.default_rng(4).permutation(len(b))
    values = known(a, b), known(a, b[others])
    assert values[0] != pytest.approx(values[1], rel=1e-2)
    assert (values[0] < values[1]) == (known.orientation == "down")


@EVERY
@DETERMINISTIC
@given(pair=matrices)
def test_values_stay_in_the_range_or_have_a_reason(known, pair):
    a, b = pair
    low, high = known.range
    for x, y in ((a, b), (a, a), (b, b)):
        try:
            value = known(x, y, **few(known))
        except UndefinedDistance as reason:
            assert str(reason)
            continue
        assert low <= value <= high
        assert math.isfinite(value)
        assert value == pytest.approx(known(y, x, **few(known)), rel=1e-9, abs=1e-9)
        if x is y:
            assert value == pytest.approx(known.best, abs=1e-9)


@EVERY
@pytest.mark.parametrize("widths", [(2, 2), (2, 5), (5, 2), (3, 80), (70, 80)])
def test_any_two_widths_compare(known, widths):
    value = known(*networks(widths))
    assert known.range[0] < value < known.range[1]


@EVERY
def test_a_single_neuron_has_a_value_or_a_reason(known):
    a, b = networks((1, 5))
    neighbours = (knn_jaccard, second_order_cosine, rank_similarity, joint_rank_jaccard)
    if known.function is rsa or known.function in neighbours:
        with pytest.raises(UndefinedDistance, match=r"the same for all neurons|ties decide"):
            known(a, b)
    else:
        assert known.range[0] <= known(a, b) <= known.range[1]
        assert known(a, a) == pytest.approx(known.best, abs=1e-12)


@pytest.mark.parametrize("known", METRICS.values(), ids=METRICS)
@pytest.mark.parametrize("widths", [(5, 5, 5), (3, 5, 4), (1, 2, 6)])
def test_metrics_keep_the_triangle_inequality(known, widths):
    for seed in range(30):
        a, b, c = networks(widths, n=25, seed=seed, noise=2.0)
        assert known(a, c) <= known(a, b) + known(b, c) + 1e-12


@EVERY
def test_different_rows_are_refused(known):
    a, b = (Representation(x, labels=np.zeros(60)) for x in networks((3, 3)))
    b.rows = b.rows + 1
    with pytest.raises(NetkinError, match="different probe rows"):
        known.function(a, b, **known.options)


def tied(n=60):
    """Two layers with equal rows, equal cosines, equal and constant columns."""
    random = np.random.default_rng(5)
    for d in (4, 6):
        values = random.integers(-2, 3, size=(n, d)).astype(float)
        values[:, 1] = 1.0
        values[:, 2] = values[:, 0]
        values[n // 2 : n // 2 + 5] = values[3]
        yield values


MADE = {"narrow": lambda: networks((6, 9)), "wide": lambda: networks((90, 70)), "tied": tied}


@pytest.mark.parametrize("name", [name for name in KNOWN if name != "rtd"])
@pytest.mark.parametrize("kind", MADE)
def test_blocks_give_what_kept_matrices_give(name, kind, monkeypatch):
    known = KNOWN[name]
    a, b = MADE[kind]()
    try:
        expected = known(a, b)
    except UndefinedDistance as reason:
        expected = str(reason)
        assert kind == "tied"
    for kept, rows in ((10, 7), (10, 1), (60, 7)):
        monkeypatch.setattr(module, "KEPT_ROWS", kept)
        monkeypatch.setattr(module, "BLOCK_ROWS", rows)
        if isinstance(expected, str):
            with pytest.raises(UndefinedDistance, match=expected):
                known(a, b)
        else:
            # the distance of equal rows is the root of a rounding error
            tolerance = 1e-9 if kind == "tied" else 1e-10
            assert known(a, b) == pytest.approx(expected, rel=tolerance, abs=1e-12)


@pytest.mark.parametrize("name", [name for name in KNOWN if name not in ("imd", "rtd")])
def test_blocks_take_little_memory(name, monkeypatch):
    known = KNOWN[name]
    monkeypatch.setattr(module, "KEPT_ROWS", 100)
    monkeypatch.setattr(module, "BLOCK_ROWS", 25)
    monkeypatch.setattr(kernel_alignment, "MOST_DISTANCES", 1 << 12)
    monkeypatch.setattr(similarity_matrix, "MOST_RANKS", 1 << 12)
    n = 1500
    a, b = networks((6, 9), n=n)
    known(a[:120], b[:120])  # imports
    tracemalloc.start()
    try:
        known(a, b)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < n * n * 8 / 4


@EVERY
def test_a_permutation_of_the_rows_is_that_of_the_values(known):
    a, b = (Representation(x, labels=np.arange(60) % 3) for x in networks((6, 9)))
    others = np.random.default_rng(6).permutation(60)
    moved = Representation(b.values[others], labels=b.labels[others])
    expected = known.function(a, moved, **known.options)
    assert known.function(a, b.permuted(others), **known.options) == pytest.approx(
        expected, rel=1e-10
    )


@pytest.mark.parametrize("name", REPRESENTATIONAL)
def test_the_registry_says_what_is_tested(name):
    entry, known = REPRESENTATIONAL[name], {**SUBSPACE, **KNOWN}[name]
    for what in ("function", "orientation", "range", "symmetric", "metric"):
        assert getattr(entry, what) == getattr(known, what), what
    assert set(entry.invariances) == set(known.invariances)


def leading(x):
    """The fewest components that hold 99 % of the variance."""
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    kept = 1 + int(np.argmax(np.cumsum(s**2) >= 0.99 * (s**2).sum()))
    return u[:, :kept] * s[:kept]


def partly_whitened(x):
    squares, axes = np.linalg.eigh(x.T @ x)
    return x @ (axes * (0.5 + 0.5 / np.sqrt(squares))) @ axes.T


STEPS = {
    "centred columns": lambda x: x - x.mean(axis=0),
    "unit columns": lambda x: x / np.linalg.norm(x, axis=0),
    "leading components": leading,
    "partly whitened": partly_whitened,
    "unit norm": lambda x: x / np.linalg.norm(x),
    "centred rows": lambda x: x - x.mean(axis=1, keepdims=True),
    "unit rows": lambda x: x / np.linalg.norm(x, axis=1, keepdims=True),
}
"""Pre-processing by hand."""
REST = {"svcca": mean_cca, "partial_whitening_shape_metric": angular_shape_metric}
"""What is left of a measure some of whose steps, done twice, do more than done once."""
UNDONE = {
    "centred columns": (CHANGES[TR], TR),
    "unit columns": (lambda x, random: x * random.uniform(0.5, 3, x.shape[1]), ILT),
    "unit norm": (CHANGES[IS], IS),
    "centred rows": (lambda x, random: x + random.normal(size=(len(x), 1)), None),
    "unit rows": (lambda x, random: x * random.uniform(0.5, 3, (len(x), 1)), None),
}
"""Step -> a change that it undoes, and the invariance that makes it nothing without the step."""


def default(name, *values):
    """Value of a measure without options."""
    labels = np.arange(len(values[0])) // 2 % 3
    return REPRESENTATIONAL[name].function(*(Representation(x, labels=labels) for x in values))


@pytest.mark.parametrize("name", REPRESENTATIONAL)
def test_what_is_done_first_can_be_done_by_hand(name):
    a, b = networks((6, 9))
    x, y = a, b
    for step in REPRESENTATIONAL[name].preprocessing:
        x, y = STEPS[step](x), STEPS[step](y)
    rest = REST.get(name)
    found = rest(Representation(x), Representation(y)) if rest else default(name, x, y)
    assert found == pytest.approx(default(name, a, b), rel=1e-9)


@pytest.mark.parametrize("name", REPRESENTATIONAL)
@pytest.mark.parametrize("step", UNDONE)
def test_pre_processing_undoes_what_the_registry_says_and_no_more(name, step):
    entry = REPRESENTATIONAL[name]
    change, invariance = UNDONE[step]
    before, found, _ = "/".join(entry.preprocessing).partition(step)
    # whitening in part depends on the scale
    undone = bool(found) and "whitened" not in before
    a, b = networks((6, 9))
    random = np.random.default_rng(1)
    value = default(name, a, b)
    changed = [default(name, change(a, random), b), default(name, a, change(b, random))]
    if undone or invariance in entry.invariances:
        assert changed == pytest.approx([value, value], rel=1e-9)
    else:
        assert max(abs(x - value) for x in changed) > 1e-4


@pytest.mark.parametrize("name", REPRESENTATIONAL)
def test_labels_are_missed_where_the_registry_says(name):
    entry = REPRESENTATIONAL[name]
    assert entry.requires in ((), ("labels",))
    a, b = networks((6, 9))
    labels = np.arange(60) // 2 % 3
    for pair in ((None, None), (labels, None), (None, labels)):
        items = [Representation(x, labels=y) for x, y in zip((a, b), pair, strict=True)]
        if entry.requires:
            with pytest.raises(UndefinedDistance, match="have no labels"):
                entry.function(*items)
        else:
            assert entry.function(*items) == default(name, a, b)
