"""Vectorisers: equal to giotto-tda's on any diagram, without its memory."""

import tracemalloc
import warnings
from functools import partial

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import gaussian_filter

from netkin.diagram.diagram import Diagram, put_diagram, write_diagram
from netkin.diagram.policy import apply_policy
from netkin.errors import NetkinError
from netkin.giotto_compat import import_giotto
from netkin.storage import create, member, read_ids
from netkin.vector import VECTORISERS
from netkin.vector.blur import blurred
from netkin.vector.compute import vectorise_diagrams
from netkin.vector.sampling import Sampling, fit_samplings
from netkin.vector.vector import CHUNK, read_vector


def vectorise(name, intervals, sampling, **options):
    """The array of intervals of which each stands for itself."""
    once = np.ones(len(intervals), np.int64)
    return VECTORISERS[name].vectorise(intervals, once, sampling, **options)


betti, entropy, heat, landscape, persistence_image, silhouette = (
    partial(vectorise, name)
    for name in ("betti", "entropy", "heat", "landscape", "persistence_image", "silhouette")
)
DETERMINISTIC = settings(derandomize=True, database=None, deadline=None, max_examples=150)
EMPTY = np.empty((0, 2))

# eighths fall on the points and between the points of the samplings below
eighths = st.integers(-4, 12).map(lambda i: i / 8)
numbers = st.one_of(eighths, st.floats(-0.5, 1.5), st.sampled_from([0.0, 1.0, 1e-9, 1 - 1e-9]))
diagrams = st.integers(0, 12).flatmap(
    lambda k: arrays(float, (k, 2), elements=numbers).map(lambda a: np.sort(a, axis=1))
)
samplings = st.sampled_from(
    [
        Sampling(0.0, 1.0, 9),
        Sampling(0.0, 1.0, 50),
        Sampling(0.25, 0.75, 2),
        Sampling(-1.0, 2.0, 25),
        Sampling(0.5, 0.5, 5),
    ]
)
hostile = [
    EMPTY,
    np.array([[0.25, 0.75]]),
    np.array([[0.5, 0.5]]),
    np.array([[0.5, 0.5], [0.25, 0.75], [0.25, 0.75], [0.25, 1.0]]),
    np.array([[0.0, x] for x in np.linspace(0, 1, 9)]),
    np.array([[x, 1.0] for x in np.linspace(0, 1, 9)]),
    np.array([[-3.0, -2.0], [2.0, 3.0]]),
    np.array([[-3.0, 5.0], [0.1, 0.2]]),
    np.array([[0.3, 0.3 + 1e-12]]),
    # staircases: no interval contains another, and some do
    np.array([[x, x + 0.25] for x in np.linspace(-0.5, 1, 50)]),
    np.array([[x, 1 - x] for x in np.linspace(0, 0.5, 50)] * 2),
    # on and a rounding beside the points of 200 samples
    np.array([[np.nextafter(x, side), 1.0] for x in np.linspace(0, 1, 200) for side in (-1, x, 2)])[
        :-1
    ],
    np.array([[0.0, 1e5], [-1e5, 0.5]]),
]


def giotto(intervals, sampling):
    """Batch of one diagram and the sampling as giotto-tda's functions take them."""
    # they cannot take an empty diagram; a point on the diagonal is none
    batch = (intervals if len(intervals) else np.zeros((1, 2)))[None].copy()
    return batch, sampling.points()[:, None, None]


def assert_equal(ours, theirs):
    assert ours.shape == theirs.shape
    scale = max(np.abs(theirs).max(), 1e-6)
    np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-9 * scale)


@DETERMINISTIC
@given(diagrams, samplings, st.integers(1, 4))
def test_landscape_equals_giotto(intervals, sampling, n_layers):
    check_landscape(intervals, sampling, n_layers)


def check_landscape(intervals, sampling, n_layers):
    landscapes = import_giotto("gtda.diagrams._metrics").landscapes

    theirs = landscapes(*giotto(intervals, sampling), n_layers)[0]
    assert_equal(landscape(intervals, sampling, n_layers=n_layers), theirs)


@DETERMINISTIC
@given(diagrams, samplings, st.sampled_from([0.5, 1.0, 2.0, 8.0, 8.5, 30.0]))
def test_silhouette_equals_giotto(intervals, sampling, power):
    check_silhouette(intervals, sampling, power)


def check_silhouette(intervals, sampling, power):
    silhouettes = import_giotto("gtda.diagrams._metrics").silhouettes

    if power > 8 and not (intervals[:, 0] < intervals[:, 1]).any():
        theirs = np.zeros(sampling.n_bins)  # giotto-tda divides 0 by 0
    else:
        theirs = silhouettes(*giotto(intervals, sampling), power)[0]
    assert_equal(silhouette(intervals, sampling, power=power), theirs)


@DETERMINISTIC
@given(diagrams, samplings, st.sampled_from([0.03, 0.1, 1.0]))
def test_heat_equals_giotto(intervals, sampling, sigma):
    check_heat(intervals, sampling, sigma)


def check_heat(intervals, sampling, sigma):
    heats = import_giotto("gtda.diagrams._metrics").heats

    batch, points = giotto(intervals, sampling)
    theirs = heats(batch, points, sampling.step, sigma)[0]
    assert_equal(heat(intervals, sampling, sigma=sigma), theirs)


@DETERMINISTIC
@given(diagrams, samplings)
def test_betti_equals_giotto(intervals, sampling):
    check_betti(intervals, sampling)


def check_betti(intervals, sampling):
    betti_curves = import_giotto("gtda.diagrams._metrics").betti_curves

    assert np.array_equal(betti(intervals, sampling), betti_curves(*giotto(intervals, sampling))[0])


@DETERMINISTIC
@given(
    diagrams, samplings, st.sampled_from([0.03, 0.1, 1.0]), st.sampled_from([0.0, 0.5, 1.0, 2.0])
)
def test_persistence_image_equals_giotto(intervals, sampling, sigma, weight_power):
    check_persistence_image(intervals, sampling, sigma, weight_power)


def check_persistence_image(intervals, sampling, sigma, weight_power):
    persistence_images = import_giotto("gtda.diagrams._metrics").persistence_images

    if not len(intervals):  # where 0 is no sample, the point on the diagonal would count
        assert not persistence_image(intervals, sampling).any()
        return
    points = np.column_stack([sampling.points()] * 2)
    weights = np.maximum(points[:, 1], 0) ** weight_power
    batch, steps = intervals[None].copy(), np.full(2, sampling.step)
    with warnings.catch_warnings():  # np.product
        warnings.simplefilter("ignore", DeprecationWarning)
        theirs = persistence_images(batch, points, steps, sigma, weights)[0]
    ours = persistence_image(intervals, sampling, sigma=sigma, weight_power=weight_power)
    assert_equal(ours, theirs)


@DETERMINISTIC
@given(diagrams)
def test_entropy_equals_giotto(intervals):
    check_entropy(intervals)


def check_entropy(intervals):
    PersistenceEntropy = import_giotto("gtda.diagrams").PersistenceEntropy

    if (intervals[:, 0] < intervals[:, 1]).any():
        batch = np.column_stack([intervals, np.zeros(len(intervals))])[None]
        theirs = PersistenceEntropy().fit_transform(batch)[0]
    else:
        theirs = np.zeros(1)  # giotto-tda gives -1
    assert_equal(entropy(intervals, Sampling(0.0, 1.0, 2)), theirs)


@pytest.mark.parametrize("sampling", [Sampling(0.0, 1.0, 9), Sampling(0.0, 1.0, 200)])
@pytest.mark.parametrize("intervals", hostile, ids=range(len(hostile)))
def test_hostile_diagrams_equal_giotto(intervals, sampling):
    check_all(intervals, sampling)


def check_all(intervals, sampling):
    check_landscape(intervals, sampling, 1)
    check_landscape(intervals, sampling, 3)
    check_silhouette(intervals, sampling, 1.0)
    check_silhouette(intervals, sampling, 10.0)
    check_heat(intervals, sampling, 0.1)
    check_betti(intervals, sampling)
    check_persistence_image(intervals, sampling, 0.1, 1.0)
    check_entropy(intervals)


rng = np.random.default_rng(0)
large = {
    "equal deaths": np.column_stack([rng.random(5000) ** 0.1, np.ones(5000)]),
    "equal births": np.column_stack([np.zeros(5000), rng.random(5000)]),
    "any": np.sort(rng.random((5000, 2)), axis=1),
    "staircase": rng.random((5000, 1)) + np.array([0.0, 0.05]),
}


@pytest.mark.parametrize("intervals", large.values(), ids=large)
def test_a_large_diagram_equals_giotto(intervals):
    check_all(intervals, Sampling(0.0, 1.0, 200))


OPTIONS = [
    ("landscape", {"n_layers": 1}),
    ("landscape", {"n_layers": 3}),
    ("silhouette", {"power": 1.0}),
    ("silhouette", {"power": 30.0}),
    ("silhouette", {"power": np.inf}),
    ("heat", {}),
    ("betti", {}),
    ("persistence_image", {}),
    ("entropy", {}),
]


@pytest.mark.parametrize(("name", "options"), OPTIONS)
@DETERMINISTIC
@given(
    st.lists(diagrams, max_size=5),
    samplings,
)
def test_the_result_depends_on_no_division_and_no_order(name, options, parts, sampling):
    whole = np.vstack([EMPTY, *parts])
    accumulator = VECTORISERS[name].accumulator(sampling, **options)
    for part in reversed(parts):
        accumulator.add(part[::-1], np.ones(len(part), np.int64))
        accumulator.result()  # may be asked at any time
    assert_equal(accumulator.result(), vectorise(name, whole, sampling, **options))


@pytest.mark.parametrize(("name", "options"), OPTIONS)
@DETERMINISTIC
@given(diagrams, st.lists(st.integers(1, 9), min_size=12, max_size=12), samplings)
def test_counts_stand_for_repeated_intervals(name, options, intervals, counts, sampling):
    counts = np.array(counts)[: len(intervals)]
    found = VECTORISERS[name].vectorise(intervals, counts, sampling, **options)
    wanted = vectorise(name, np.repeat(intervals, counts, axis=0), sampling, **options)
    scale = np.abs(wanted).max()
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12 * scale)


@pytest.mark.parametrize(("name", "options"), OPTIONS)
@pytest.mark.parametrize("intervals", large.values(), ids=large)
def test_large_counts_stand_for_repeated_intervals(monkeypatch, name, options, intervals):
    monkeypatch.setattr("netkin.vector.landscape.CHUNK", 100)  # less than all repetitions
    intervals = intervals[:500]
    counts = np.random.default_rng(0).geometric(0.1, len(intervals))
    sampling = Sampling(0.0, 1.0, 50)
    found = VECTORISERS[name].vectorise(intervals, counts, sampling, **options)
    wanted = vectorise(name, np.repeat(intervals, counts, axis=0), sampling, **options)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12 * np.abs(wanted).max())


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_a_diagram_of_many_chunks_is_one_diagram(name, options):
    k = 2 * CHUNK + 1
    intervals = np.sort(np.random.default_rng(3).random((k, 2)), axis=1)
    sampling = Sampling(0.0, 1.0, 50)
    accumulator = VECTORISERS[name].accumulator(sampling, **options)
    accumulator.add(intervals, np.ones(k, np.int64))
    found = vectorise(name, intervals, sampling, **options)
    assert_equal(found, accumulator.result())
    # the stored precision does, too
    single = vectorise(name, intervals.astype(np.float32), sampling, **options)
    exact = intervals.astype(np.float32).astype(float)
    assert np.array_equal(single, vectorise(name, exact, sampling, **options))


@DETERMINISTIC
@given(
    st.floats(-1e6, 1e6),
    st.one_of(st.floats(1e-12, 1e6), st.sampled_from([0.0, 1e-9, 0.1, 1.0])),
    st.integers(2, 300),
    st.lists(st.floats(-0.2, 1.2), max_size=20),
)
@example(0.3, 1e-14, 200, [0.5])
@example(0.0, 5e-322, 200, [0.5])
@example(0.0, 1e-300, 3, [0.5])
def test_bins_equal_searchsorted_also_on_and_beside_the_points(start, width, n_bins, places):
    sampling = Sampling(start, start + width, n_bins)
    points = sampling.points()
    values = np.concatenate(
        [
            points,
            np.nextafter(points, -np.inf),
            np.nextafter(points, np.inf),
            start + np.array(places) * width,
            [-1e300, 1e300],
        ]
    )
    assert np.array_equal(sampling.bins(values), np.searchsorted(points, values))


def test_landscape_of_one_interval_is_its_tent():
    found = landscape(np.array([[0.0, 1.0]]), Sampling(0.0, 1.0, 5), n_layers=2)
    assert found.tolist() == [[0, 0.25, 0.5, 0.25, 0], [0, 0, 0, 0, 0]]


def test_silhouette_of_high_power_does_not_underflow():
    half = 2.0**-30
    found = silhouette(
        np.array([[0.5 - half, 0.5 + half]]), Sampling(0.5 - half, 0.5 + half, 3), power=40.0
    )
    assert found.tolist() == [0, half, 0]


def test_entropy_counts_in_bits():
    one, two, eight = (np.array([[0.25, 0.5]] * k) for k in (1, 2, 8))
    for intervals, bits in ((EMPTY, 0), (one, 0), (two, 1), (eight, 3)):
        assert entropy(intervals, Sampling(0.0, 1.0, 2)).tolist() == [bits]


def test_persistence_image_is_highest_at_birth_and_persistence():
    found = persistence_image(np.array([[0.25, 0.75]]), Sampling(0.0, 1.0, 9), sigma=0.05)
    # rows from high to low persistence: undo to index by (birth, persistence)
    image = np.rot90(found, k=-1)
    assert np.unravel_index(image.argmax(), image.shape) == (2, 4)


def test_heat_ignores_points_cut_to_the_diagonal_exactly():
    inside, outside = np.array([[0.125, 0.375]]), np.array([[1.5, 2.5]] * 9999)
    sampling = Sampling(0.0, 1.0, 200)
    assert np.array_equal(heat(np.vstack([inside, outside]), sampling), heat(inside, sampling))


def test_heat_lies_above_the_diagonal_and_is_antisymmetric():
    found = heat(np.array([[0.25, 0.75]]), Sampling(0.0, 1.0, 9), sigma=0.05)
    # rows from high to low death: undo to index by (birth, death)
    image = np.rot90(found, k=-1)
    assert np.unravel_index(image.argmax(), image.shape) == (2, 6)
    assert np.array_equal(image, -image.T)


@DETERMINISTIC
@given(st.lists(diagrams, min_size=4, max_size=4), st.integers(2, 30))
@example([EMPTY] * 4, 5)
@example([EMPTY, np.array([[0.5, 0.5]]), EMPTY, np.array([[0.5, 0.5]])], 5)
def test_fitted_samplings_equal_giotto(parts, n_bins):
    _bin = import_giotto("gtda.diagrams._utils")._bin

    pair = [
        Diagram.from_intervals((parts[0], parts[1])),
        Diagram.from_intervals((parts[2], parts[3])),
    ]
    points, steps = _bin(padded(pair), "heat", n_bins=n_bins)
    for dimension, sampling in enumerate(fit_samplings(*pair, n_bins=n_bins)):
        assert np.array_equal(sampling.points(), points[dimension][:, 0, 0])
        assert sampling.step == steps[dimension]


def padded(pair):
    """The pair as giotto-tda's array of triples: padded with the smallest birth, else 0."""
    blocks = []
    for dimension, parts in enumerate(zip(*(d.expanded() for d in pair), strict=True)):
        births = np.concatenate(parts)[:, 0]
        longest = max(1, *map(len, parts))
        block = np.full((2, longest, 3), births.min() if births.size else 0.0)
        for row, part in zip(block, parts, strict=True):
            row[: len(part), :2] = part
            row[:, 2] = dimension
        blocks.append(block)
    return np.concatenate(blocks, axis=1)


def test_diagrams_of_different_dimensions_have_no_common_sampling():
    with pytest.raises(NetkinError, match="1 and 2 homology dimensions"):
        fit_samplings(
            Diagram.from_intervals((EMPTY,)), Diagram.from_intervals((EMPTY, EMPTY)), n_bins=5
        )


@pytest.mark.parametrize("name", VECTORISERS)
def test_memory_does_not_grow_with_the_intervals(name):
    k, n_bins = 2_000_000, 100
    rng = np.random.default_rng(1)
    intervals = np.empty((k, 2))
    intervals[:, 0] = rng.random(k, dtype=np.float32)
    # few contain another
    intervals[:, 1] = intervals[:, 0] + 0.1
    sampling = Sampling(0.0, 1.0, n_bins)
    counts = rng.integers(1, 1000, k)
    options = {"n_layers": 20} if name == "landscape" else {}
    compute = partial(VECTORISERS[name].vectorise, sampling=sampling, **options)
    compute(intervals[:10], counts[:10])  # imports
    tracemalloc.start()
    compute(intervals, counts)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12e6, "the intervals take 32 MB, samples of all 1.6 GB"


@pytest.mark.parametrize("name", VECTORISERS)
def test_vectorisers_refuse_infinite_intervals(name):
    with pytest.raises(ValueError, match="apply a policy"):
        vectorise(name, np.array([[0, np.inf]]), Sampling(0.0, 1.0, 5))


@pytest.fixture
def diagram_file(tmp_path):
    rng = np.random.default_rng(2)
    h0 = np.column_stack([np.zeros(30), rng.random(30)])
    h1 = np.column_stack([rng.random(20), np.full(20, np.inf)])
    diagram = Diagram.from_intervals((np.vstack([h0, [[0, np.inf]]]), h1, EMPTY))
    path = tmp_path / "diagram.h5"
    write_diagram(path, diagram, engine="flagser")
    return path


@pytest.mark.parametrize("kind", VECTORISERS)
def test_vectorise_diagrams_applies_policy_and_common_sampling(tmp_path, diagram_file, kind):
    from netkin.diagram.diagram import read_diagram

    target = tmp_path / "vector.h5"
    vectorise_diagrams(
        diagram_path=str(diagram_file),
        vector_path=str(target),
        vector=kind,
        range=[0.0, 1.0],
        n_bins=50,
        options={},
        policy={"eta": 0.2},
    )
    vector = read_vector(target)
    assert vector.sampling == Sampling(0.0, 1.0, 50)
    assert (vector.kind, vector.axes) == (kind, VECTORISERS[kind].axes)
    diagram = apply_policy(read_diagram(diagram_file), eta=0.2)
    for array, *part in zip(vector.arrays, diagram.intervals, diagram.counts, strict=True):
        assert np.array_equal(array, VECTORISERS[kind].vectorise(*part, vector.sampling))
    assert not vector.arrays[2].any()


def test_a_bundle_of_diagrams_gives_the_bundle_of_their_vectors(tmp_path):
    rng = np.random.default_rng(5)
    diagrams = {}
    for id, n in (("net/b", 30), ("net/a", 4)):
        # of another number of intervals each, in another order than by id
        h0, h1 = np.sort(rng.random((n, 2))), np.sort(rng.random((n // 2, 2)))
        diagrams[id] = Diagram.from_intervals((h0, h1))
    source, target = str(tmp_path / "diagram.h5"), str(tmp_path / "vector.h5")
    with create(source, "diagram", parameters={}, ids=list(diagrams)) as file:
        for id, diagram in diagrams.items():
            put_diagram(member(file, id), diagram, engine="exact")
    made_by = {"vector": "heat", "range": [0.0, 1.0], "n_bins": 9, "options": {}, "policy": {}}
    vectorise_diagrams(diagram_path=source, vector_path=target, **made_by)
    assert read_ids(target, "vector") == list(diagrams)
    for id, diagram in diagrams.items():
        one, alone = str(tmp_path / "one.h5"), str(tmp_path / "alone.h5")
        write_diagram(one, diagram, engine="exact")
        vectorise_diagrams(diagram_path=one, vector_path=alone, **made_by)
        arrays = zip(read_vector(f"{target}::{id}").arrays, read_vector(alone).arrays, strict=True)
        for found, expected in arrays:
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"vector": "heatt"}, "Did you mean 'heat'"),
        ({"range": [1.0, 0.0]}, "the first bound must be smaller"),
        ({"n_bins": 1}, "allowed is 2 to 2,000"),
        ({"n_bins": 2001}, "allowed is 2 to 2,000"),
    ],
)
def test_vectorise_diagrams_names_the_mistake(tmp_path, diagram_file, changes, says):
    arguments = {"vector": "heat", "range": [0.0, 1.0], "n_bins": 5}
    with pytest.raises(NetkinError, match=says) as caught:
        vectorise_diagrams(
            diagram_path=str(diagram_file),
            vector_path=str(tmp_path / "vector.h5"),
            options={},
            policy={},
            **(arguments | changes),
        )
    assert "'heat" in str(caught.value)


def test_a_vector_file_that_lacks_a_part_is_refused(tmp_path):
    path = tmp_path / "vector.h5"
    with create(path, "vector", parameters={}) as file:
        member(file)
    with pytest.raises(NetkinError, match="'n_bins' of a vector is missing"):
        read_vector(path)


@pytest.mark.parametrize("sigma", [0.05, 0.7, 3.0, 40.0, 500.0])
@pytest.mark.parametrize("n", [1, 2, 57])
def test_images_are_blurred_as_scipy_does(sigma, n):
    image = np.random.default_rng(0).normal(size=(n, n))
    wanted = gaussian_filter(image, sigma, mode="constant")
    np.testing.assert_allclose(blurred(image, sigma), wanted, rtol=1e-10, atol=1e-12)
