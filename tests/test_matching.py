"""Matching distances: equal to brute force, to scipy and to GUDHI, on a line and off it."""

import bisect
import itertools
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

from netkin.diagram.diagram import Diagram
from netkin.distance import line
from netkin.distance.line import lengths_on_line
from netkin.distance.matching import (
    _bottleneck_in_plane,
    _wasserstein_in_plane,
    bottleneck,
    wasserstein,
)
from netkin.errors import NetkinError
from netkin.study import Study

DETERMINISTIC = settings(derandomize=True, database=None, deadline=None, max_examples=300)
BOTH = pytest.mark.parametrize("distance", [wasserstein, bottleneck])

# multiples of 1/8 make ties, the floats make differences of all sizes
lengths = st.lists(
    st.integers(0, 16).map(lambda i: i / 8) | st.floats(0, 2, width=32), max_size=12
).map(np.sort)
points = st.lists(
    st.tuples(*[st.integers(0, 8).map(lambda i: i / 8) | st.floats(0, 1, width=32)] * 2),
    max_size=8,
).map(lambda rows: np.sort(np.reshape(rows, (-1, 2)).astype(float), axis=1))


def once(values):
    return np.ones(len(values), np.int64)


def wasserstein_on_line(a, b):
    return line.wasserstein_on_line(a, once(a), b, once(b))


def bottleneck_on_line(a, b):
    return line.bottleneck_on_line(a, once(a), b, once(b))


def born_at_0(lengths):
    return np.column_stack([np.zeros(len(lengths)), lengths])


def dying_at_2(lengths):
    return np.column_stack([2 - np.asarray(lengths), np.full(len(lengths), 2.0)])


def costs(a, b):
    """Cost of each point of `a` with each of `b`, and of each with the diagonal."""
    pairs = np.abs(a[:, None] - b[None]).max(axis=2)
    return pairs, (a[:, 1] - a[:, 0]) / 2, (b[:, 1] - b[:, 0]) / 2


def best_total(a, b):
    """The 1-Wasserstein distance as an assignment: pairs that save the most."""
    pairs, of_a, of_b = costs(a, b)
    saved = np.maximum(of_a[:, None] + of_b - pairs, 0)
    rows, columns = linear_sum_assignment(saved, maximize=True)
    used = saved[rows, columns] > 0
    rows, columns = rows[used], columns[used]
    alone = np.delete(of_a, rows).sum() + np.delete(of_b, columns).sum()
    return pairs[rows, columns].sum() + alone


def least_largest(a, b):
    """The bottleneck distance: the first cost at which a perfect matching exists."""
    pairs, of_a, of_b = costs(a, b)
    n, m = pairs.shape
    table = np.zeros((n + m, n + m))  # a and the diagonal against b and the diagonal
    table[:n, :m] = pairs
    table[:n, m:] = of_a[:, None]
    table[n:, :m] = of_b
    candidates = np.unique(np.append(table, 0.0))

    def suffices(i):
        matched = maximum_bipartite_matching(csr_matrix(table <= candidates[i]))
        return bool((matched >= 0).all())

    return candidates[bisect.bisect_left(range(len(candidates)), True, key=suffices)]


def all_matchings(a, b):
    """Yield the costs that make up each matching: every way there is."""
    pairs, of_a, of_b = costs(a, b)
    for size in range(min(len(a), len(b)) + 1):
        for rows in itertools.combinations(range(len(a)), size):
            for columns in itertools.permutations(range(len(b)), size):
                alone = [*np.delete(of_a, rows), *np.delete(of_b, columns)]
                yield [*pairs[list(rows), list(columns)], *alone]


@DETERMINISTIC
@given(a=lengths.map(lambda x: x[:4]), b=lengths.map(lambda x: x[:4]))
def test_on_a_line_no_matching_is_better(a, b):
    matchings = list(all_matchings(born_at_0(a), born_at_0(b)))
    assert wasserstein_on_line(a, b) == pytest.approx(min(map(sum, matchings)), abs=1e-14)
    assert bottleneck_on_line(a, b) == min(max(matching, default=0.0) for matching in matchings)


@DETERMINISTIC
@given(a=lengths, b=lengths)
def test_on_a_line_equal_to_assignment(a, b):
    a_0, b_0 = born_at_0(a), born_at_0(b)
    assert wasserstein_on_line(a, b) == pytest.approx(best_total(a_0, b_0), rel=1e-13, abs=1e-14)
    assert bottleneck_on_line(a, b) == least_largest(a_0, b_0)


def random_lengths(rng):
    """Draw lengths of one of the kinds that occur: ties, clusters, many sizes, none."""
    size = rng.choice([0, 1, 2, 5, 20, 60])
    match rng.integers(4):
        case 0:
            drawn = rng.integers(0, rng.choice([2, 9, 100]), size) / 16
        case 1:
            drawn = rng.random(size, dtype=np.float32).astype(float)
        case 2:
            drawn = np.exp(-10 * rng.random(size))
        case _:
            drawn = 1 + 1e-6 * rng.random(size)
    return np.sort(drawn)


@pytest.mark.parametrize("seed", range(4))
def test_thousands_of_random_diagrams_on_a_line(seed):
    rng = np.random.default_rng(seed)
    for _ in range(800):
        a, b = random_lengths(rng), random_lengths(rng)
        a_0, b_0 = born_at_0(a), born_at_0(b)
        # hera, through what guards it against ties and equal diagrams
        assert wasserstein_on_line(a, b) == pytest.approx(
            _wasserstein_in_plane(a_0, b_0), rel=1e-7, abs=1e-7
        )
        assert bottleneck_on_line(a, b) == pytest.approx(_bottleneck_in_plane(a_0, b_0), rel=1e-12)
        assert wasserstein_on_line(a, b) == pytest.approx(
            best_total(a_0, b_0), rel=1e-12, abs=1e-13
        )
        assert bottleneck_on_line(a, b) == least_largest(a_0, b_0)


def test_equal_to_hera_on_a_line():
    from gudhi.hera import bottleneck_distance, wasserstein_distance

    rng = np.random.default_rng(0)
    for n, m in ((50, 50), (300, 200), (1, 400)):
        a, b = np.sort(rng.random(n)), np.sort(rng.random(m) ** 2)
        theirs = wasserstein_distance(
            born_at_0(a), born_at_0(b), order=1, internal_p=np.inf, delta=1e-6
        )
        assert wasserstein_on_line(a, b) == pytest.approx(theirs, rel=1e-6)
        theirs = bottleneck_distance(born_at_0(a), born_at_0(b), delta=0)
        assert bottleneck_on_line(a, b) == pytest.approx(theirs, rel=1e-14)


@DETERMINISTIC
@given(a=lengths, b=lengths, c=lengths)
def test_on_a_line_they_are_metrics(a, b, c):
    for distance in (wasserstein_on_line, bottleneck_on_line):
        assert distance(a, b) == distance(b, a)
        assert distance(a, a) == 0
        assert distance(a, c) <= distance(a, b) + distance(b, c) + 1e-14
        if not np.array_equal(a[a > 0], b[b > 0]):
            assert distance(a, b) > 0


@DETERMINISTIC
@given(a=points, b=points)
def test_off_a_line_equal_to_assignment(a, b):
    pair = Diagram.from_intervals((a,)), Diagram.from_intervals((b,))
    assert wasserstein(*pair) == pytest.approx(best_total(a, b), rel=1e-9, abs=1e-9)
    assert wasserstein(*pair) == pytest.approx(wasserstein(*pair[::-1]), rel=1e-9, abs=1e-9)
    # hera takes values for equal that differ by 1e-12
    assert bottleneck(*pair) == pytest.approx(least_largest(a, b), abs=1e-11)
    assert bottleneck(*pair) == pytest.approx(bottleneck(*pair[::-1]), abs=1e-11)


counted = st.lists(
    st.tuples(
        st.integers(0, 16).map(lambda i: i / 8) | st.floats(0, 2, width=32), st.integers(1, 40)
    ),
    max_size=12,
)


@DETERMINISTIC
@given(a=counted, b=counted)
def test_on_a_line_counts_stand_for_repeated_points(a, b):
    (x, counts_x), (y, counts_y) = (
        (np.array([p[0] for p in part], float), np.array([p[1] for p in part], np.int64))
        for part in (sorted(a), sorted(b))
    )
    points = np.repeat(x, counts_x), np.repeat(y, counts_y)
    found = line.wasserstein_on_line(x, counts_x, y, counts_y)
    assert found == pytest.approx(wasserstein_on_line(*points), rel=1e-12, abs=1e-12)
    assert found == line.wasserstein_on_line(y, counts_y, x, counts_x)
    assert line.wasserstein_on_line(x, counts_x, x, counts_x) == 0
    found = line.bottleneck_on_line(x, counts_x, y, counts_y)
    assert found == bottleneck_on_line(*points)


@BOTH
@DETERMINISTIC
@given(a=points, b=points, counts=st.lists(st.integers(1, 3), min_size=16, max_size=16))
def test_off_a_line_counts_stand_for_repeated_points(distance, a, b, counts):
    counts = np.array(counts)[: len(a)], np.array(counts)[::-1][: len(b)]
    pair = [
        Diagram.from_intervals([part], [count]) for part, count in zip((a, b), counts, strict=True)
    ]
    repeated = (np.repeat(part, count, axis=0) for part, count in zip((a, b), counts, strict=True))
    best = best_total if distance is wasserstein else least_largest
    assert distance(*pair) == pytest.approx(best(*repeated), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("bad", [0, -1])
def test_a_count_below_1_is_refused(bad):
    a, counts = np.array([0.5, 1.0]), np.array([1, bad])
    for distance in (line.wasserstein_on_line, line.bottleneck_on_line):
        with pytest.raises(NetkinError, match="at least 1"):
            distance(a, counts, a, once(a))
        with pytest.raises(NetkinError, match="at least 1"):
            distance(a, once(a), a, once(a)[:1])


def test_points_beyond_memory_cost_what_their_distinct_lengths_cost():
    rng = np.random.default_rng(0)
    a, b = (np.sort(10 + rng.random(1000)) for _ in range(2))
    many = np.full(1000, 10**12)
    differences = np.abs(a - b)
    found = line.wasserstein_on_line(a, many, b, many)
    assert found == pytest.approx(1e12 * differences.sum(), rel=1e-10)
    assert line.bottleneck_on_line(a, many, b, many) == differences.max()


@BOTH
def test_off_a_line_nearly_equal_diagrams_come_to_an_end(distance):
    rng = np.random.default_rng(0)
    a = np.sort(rng.random((200, 2)), axis=1)
    diagonal = np.repeat(rng.random((3, 1)), 2, axis=1)
    shuffled = np.concatenate([diagonal, rng.permutation(a)])
    assert distance(Diagram.from_intervals((a,)), Diagram.from_intervals((shuffled,))) == 0
    for change in (1e-16, 1e-9, 1e-4):
        b = a + change * rng.random(a.shape)
        found = distance(Diagram.from_intervals((a,)), Diagram.from_intervals((b,)))
        exact = best_total(a, b) if distance is wasserstein else np.abs(a - b).max()
        assert found == pytest.approx(exact, rel=1e-9, abs=1e-9)


def test_a_line_has_equal_births_or_equal_deaths_in_both():
    def lengths_of(a, b):
        found = lengths_on_line(a, np.arange(1, len(a) + 1), b, np.arange(1, len(b) + 1))
        return found and [part.tolist() for part in found]

    assert lengths_of(born_at_0([3.0, 1.0]), born_at_0([])) == [[1, 3], [2, 1], [], []]
    found = lengths_of(dying_at_2([0.5, 1.5]), dying_at_2([0.0, 0.25, 1.0]))
    assert found == [[0.5, 1.5], [1, 2], [0, 0.25, 1], [1, 2, 3]]
    assert lengths_of(born_at_0([1.0, 2.0]), born_at_0([1.0, 2.0]) + 1) is None
    assert lengths_of(born_at_0([1.0, 1.5]), dying_at_2([1.0, 1.5])) is None


@BOTH
@DETERMINISTIC
@given(a=lengths, b=lengths)
def test_both_kinds_of_line_give_the_same(distance, a, b):
    born = distance(
        Diagram.from_intervals((born_at_0(a),)), Diagram.from_intervals((born_at_0(b),))
    )
    assert distance(
        Diagram.from_intervals((dying_at_2(a),)), Diagram.from_intervals((dying_at_2(b),))
    ) == pytest.approx(born, rel=1e-12, abs=1e-14)


def test_wasserstein_adds_dimensions_and_bottleneck_takes_the_largest():
    a = Diagram.from_intervals(
        (born_at_0([1.0]), dying_at_2([1.0, 0.25]), np.array([[0.25, 0.5], [0.5, 1.0]]))
    )
    b = Diagram.from_intervals((born_at_0([1.5]), dying_at_2([1.0]), np.array([[0.25, 0.75]])))
    assert wasserstein(a, b) == pytest.approx(0.5 + 0.125 + 0.375)
    assert bottleneck(a, b) == 0.5
    empty = Diagram.from_intervals((np.empty((0, 2)),) * 3)
    assert wasserstein(empty, empty) == bottleneck(empty, empty) == 0
    assert wasserstein(a, empty) == pytest.approx(0.5 + 0.625 + 0.375)
    assert bottleneck(a, empty) == 0.5


@BOTH
def test_what_cannot_be_matched_is_refused(distance):
    one = Diagram.from_intervals((born_at_0([1.0]),))
    with pytest.raises(NetkinError, match="1 and 2 homology dimensions"):
        distance(one, Diagram.from_intervals((born_at_0([1.0]),) * 2))
    for bad in (np.inf, np.nan):
        with pytest.raises(ValueError, match="apply a policy first"):
            distance(one, Diagram.from_intervals((born_at_0([bad]),)))


MILLION = 1_000_000


def test_a_million_points_far_from_the_diagonal_are_matched_in_order():
    rng = np.random.default_rng(0)
    a, b = (np.sort(10 + rng.random(MILLION)) for _ in range(2))
    differences = np.abs(a - b)
    assert wasserstein_on_line(a, b) == pytest.approx(differences.sum(), rel=1e-10)
    assert bottleneck_on_line(a, b) == differences.max()


def test_a_million_points_near_and_far_from_the_diagonal():
    # copies of a small diagram, apart from each other: a copy costs what it costs alone
    rng = np.random.default_rng(1)
    small = [rng.random(60), rng.random(40)]
    at = np.arange(4, 1004, 4.0)
    a, b = (np.sort((at[:, None] + part).ravel()) for part in small)
    a, b = (
        np.concatenate([np.sort(np.tile(p, 16_000)), x]) for p, x in zip(small, (a, b), strict=True)
    )
    whole = wasserstein_on_line(a, b)
    near = wasserstein_on_line(*map(np.sort, small))
    far = [wasserstein_on_line(*(np.sort(place + part) for part in small)) for place in at]
    assert len(a) + len(b) > 1.6 * MILLION
    assert whole == pytest.approx(16_000 * near + sum(far), rel=1e-10)


def test_a_million_points_against_none_or_equal_ones():
    a = np.sort(np.random.default_rng(0).random(MILLION))
    assert wasserstein_on_line(a, np.empty(0)) == pytest.approx(a.sum() / 2, rel=1e-12)
    assert bottleneck_on_line(a, np.empty(0)) == a.max() / 2
    assert wasserstein_on_line(a, a) == bottleneck_on_line(a, a) == 0
    # the same value a million times, against one of them less
    ties = np.full(MILLION, 0.75)
    assert wasserstein_on_line(ties, ties[1:]) == bottleneck_on_line(ties, ties[1:]) == 0.375


def test_the_registry_stays_free_of_what_is_slow_to_load():
    code = "import sys, netkin.distance; print([m for m in ('numba', 'gudhi') if m in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_study_hands_a_matching_the_policy_and_nothing_else():
    config = yaml.safe_load((Path(__file__).parents[1] / "config" / "config.yaml").read_text())
    config["distance"]["measures"] = ["wasserstein", "bottleneck"]
    study = Study(config)
    for measure in study.measures:
        assert study.measure_options(measure) == {}
        assert study.reading("diagram") == study.policy()
    assert study.needed_stages() == {"dataset", "network", "diagram", "distance"}
    assert study.needed_vectors() == []


def far_line(random, n, death):
    births = np.round(random.uniform(0, 3, n), 2)
    births[random.random(n) < 0.3] = death - 8 * random.integers(0, 4)
    return np.sort(np.column_stack([births, np.full(n, death)]), axis=0)


def exact_matchings(a, b):
    """Costs of all matchings of intervals, as fractions."""
    x, y = ([tuple(map(Fraction, row)) for row in rows.tolist()] for rows in (a, b))
    slots = [*range(len(y)), *[None] * len(x)]
    for chosen in set(itertools.permutations(slots, len(x))):
        alone = set(range(len(y))) - set(chosen)
        yield [
            (x[i][1] - x[i][0]) / 2
            if j is None
            else max(abs(x[i][0] - y[j][0]), abs(x[i][1] - y[j][1]))
            for i, j in enumerate(chosen)
        ] + [(y[j][1] - y[j][0]) / 2 for j in alone]


@pytest.mark.parametrize("death", [1e9, 1e16, 1e17])
def test_on_a_far_line_differences_of_births_are_not_rounded(death):
    one, other = (Diagram((np.array([[b, death]]),), (once([b]),)) for b in (0.1, 1.0))
    assert wasserstein(one, other) == bottleneck(one, other) == 0.9
    random = np.random.default_rng(0)
    for _ in range(20):
        a, b = (far_line(random, n, death) for n in (3, 4))
        pair = [Diagram((x,), (once(x),)) for x in (a, b)]
        costs = list(exact_matchings(a, b))
        assert wasserstein(*pair) == pytest.approx(float(min(map(sum, costs))), rel=1e-9)
        assert bottleneck(*pair) == pytest.approx(float(min(map(max, costs))), rel=1e-9)
        assert wasserstein(pair[0], pair[0]) == bottleneck(pair[0], pair[0]) == 0
