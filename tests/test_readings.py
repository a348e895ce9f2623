"""What each measure sees: the statistics, the page and its sentences, the figures."""

import csv
import html
import itertools
import re
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score

from netkin.comparison import OVERALL
from netkin.distance.file import Distances
from netkin.errors import NetkinError
from netkin.figure.agreement import draw_agreement
from netkin.figure.plot_agreement import plot_agreement
from netkin.figure.plot_readings import plot_readings
from netkin.figure.readings import Dot, Question, draw_readings
from netkin.figure.style import UNDEFINED_COLOUR, save_figure
from netkin.storage import create, member
from netkin.table.findings import ABOVE, BELOW, OPEN, best_of, decide, limits, shown
from netkin.table.measures import tabulate_measures
from netkin.table.questions import QUANTITIES, Compared
from netkin.table.readings import (
    agreements,
    agreements_over_data_sets,
    in_order,
    over_data_sets,
    read_all,
)
from netkin.table.statistic import (
    Interval,
    as_distances,
    average_precision,
    chance_precision,
    chance_violation_rate,
    violation_rate,
)

GRID = [
    *(
        {"name": f"width_{v}", "group": "width", "value": v, "design": f"w{v}"}
        for v in (1, 2, 4, 8)
    ),
    *(
        {"name": f"input_order_{v}", "group": "input_order", "value": v, "design": "w4"}
        for v in (1, 2)
    ),
]
"""Three networks are of one design: width_4 and the two control networks."""
POINTS = [1, 2, 4, 8, 4.1, 4.3]
"""On a line, so that the distance grows with width and those of one design are close."""


def line(points, noise=0.0, seed=0):
    points = np.asarray(points, dtype=np.float64)
    points = points + noise * np.random.default_rng(seed).normal(size=points.shape)
    return np.abs(points[:, None] - points[None, :])


def distances(matrix, measure="heat", family="topology", orientation="down", **more):
    names = tuple(cell["name"] for cell in GRID)
    return Distances(matrix, names, {}, measure, family, orientation, **more)


def compared(grid=GRID, name="digits", **files):
    return Compared(name, grid, files)


def answers(one, untrained=None):
    """Return {(measure, quantity): reading}."""
    return {(r.measure, r.quantity): r for r in read_all(one, untrained)}


# --- statistics -----------------------------------------------------------------------


def violations_one_by_one(matrix, groups):
    """The definition as loops."""
    n, rates = len(groups), []
    for group in set(groups):
        if groups.count(group) < 2:
            continue
        pairs = [p for p in itertools.combinations(range(n), 2) if np.isfinite(matrix[p])]
        within = [p for p in pairs if all(groups[i] == group for i in p)]
        leaving = [p for p in pairs if sum(groups[i] == group for i in p) == 1]
        if not (within and leaving):
            return np.nan
        found = [matrix[w] >= matrix[x] for w in within for x in leaving]
        rates.append(sum(found) / len(found))
    return np.mean(rates) if rates else np.nan


@settings(deadline=None)
@given(
    arrays(np.float64, (6, 6), elements=st.sampled_from([0.0, 1.0, 2.0, 3.0, np.nan])),
    st.lists(st.sampled_from("abc"), min_size=6, max_size=6),
)
def test_violation_rate_is_that_of_the_definition(values, groups):
    matrix = np.triu(values, 1) + np.triu(values, 1).T
    assert violation_rate(matrix, groups) == pytest.approx(
        violations_one_by_one(matrix, groups), nan_ok=True
    )


def test_violation_rate_by_hand():
    groups = ["a", "a", "b", "b"]
    assert violation_rate(line([0, 1, 10, 11]), groups) == 0
    assert violation_rate(line([0, 10, 1, 11]), groups) == pytest.approx(3 / 4)
    assert violation_rate(np.ones((4, 4)), groups) == 1  # ties are violations
    assert np.isnan(violation_rate(line([0, 1]), ["a", "b"]))
    one_undefined = line([0, 1, 10, 11])
    one_undefined[2, 3] = one_undefined[3, 2] = np.nan
    assert np.isnan(violation_rate(one_undefined, groups))


@pytest.mark.parametrize("groups", ["aabb", "aaabcc", "abcddd"])
@pytest.mark.parametrize("n_values", [1, 2, 4, 1000])
def test_chance_of_a_violation_is_the_mean_over_random_orders(groups, n_values):
    random = np.random.default_rng(0)
    n = len(groups)
    above = np.triu_indices(n, 1)
    matrix = np.zeros((n, n))
    matrix[above] = random.integers(n_values, size=len(above[0]))
    rates = []
    for _ in range(2000):
        matrix[above] = random.permutation(matrix[above])
        rates.append(violation_rate(matrix + matrix.T, list(groups)))
    assert chance_violation_rate(matrix + matrix.T) == pytest.approx(np.mean(rates), abs=0.02)


def test_one_pair_has_no_chance_of_a_violation():
    assert np.isnan(chance_violation_rate(line([0, 1])))


@pytest.mark.parametrize("groups", ["aabb", "aaab", "abcdd"])
def test_chance_is_the_mean_over_all_orders_of_the_pairs(groups):
    n = len(groups)
    pairs = list(itertools.combinations(range(n), 2))
    same = [groups[i] == groups[j] for i, j in pairs]
    # which places of the order the pairs within a group take, all equally likely
    expected = np.mean(
        [
            average_precision_score(np.isin(np.arange(len(pairs)), places), -np.arange(len(pairs)))
            for places in itertools.combinations(range(len(pairs)), sum(same))
        ]
    )
    assert chance_precision(np.ones((n, n)), list(groups)) == pytest.approx(expected)


def test_chance_counts_the_defined_pairs_only():
    matrix, groups = line([0, 1, 10, 11, 20]), list("aabbc")
    less = matrix.copy()
    less[4, :] = less[:, 4] = np.nan
    assert chance_precision(less, groups) == pytest.approx(
        chance_precision(matrix[:4, :4], groups[:4])
    )
    assert np.isnan(chance_precision(np.full((3, 3), np.nan), list("aab")))
    assert np.isnan(chance_precision(line([0, 1]), ["a", "a"]))


def test_random_distances_come_to_chance():
    rng, groups = np.random.default_rng(0), list("aaabbbcc")
    found = []
    for _ in range(400):
        values = np.triu(rng.random((8, 8)), 1)
        found.append(average_precision(values + values.T, groups))
    chance = chance_precision(line(range(8)), groups)
    assert abs(np.mean(found) - chance) < 4 * np.std(found) / np.sqrt(len(found))


def test_similarities_are_turned_round_and_both_directions_count():
    matrix = np.array([[1.0, 0.2, 0.9], [0.4, 1.0, np.nan], [0.9, 0.1, 1.0]])
    found = as_distances(matrix, "up")
    np.testing.assert_allclose(found, found.T)
    assert found[0, 1] == pytest.approx(-0.3)
    assert np.isnan(found[2, 1])
    np.testing.assert_array_equal(as_distances(line(POINTS), "down"), line(POINTS))


# --- readings -------------------------------------------------------------------------


def test_a_similarity_is_read_as_the_distance_it_is_the_opposite_of():
    matrix = line(POINTS)
    found = answers(
        compared(
            heat=[distances(matrix)],
            cka=[distances(5 - matrix, "cka", "representational", "up")],
        )
    )
    for quantity in ("design", "groups", "violation_rate", "width"):
        assert found["cka", quantity].values == pytest.approx(found["heat", quantity].values)


def test_readings_by_hand():
    found = answers(compared(heat=[distances(line(POINTS))]))
    design = found["heat", "design"]
    assert design.values == (1.0,)  # 0.1, 0.2 and 0.3 are the least of 15 distances
    assert (design.pairs, design.all_pairs) == (15, 15)
    assert design.chance == pytest.approx(
        chance_precision(line(POINTS), [cell["design"] for cell in GRID])
    )
    assert found["heat", "width"].values == pytest.approx((1.0,))
    assert (found["heat", "width"].pairs, found["heat", "width"].chance) == (6, 0)
    assert found["heat", "pairs_defined"].values == (1.0,)
    # no such group, no such measure, no such number
    for quantity in ("depth", "labels", "disagreement", "calibrated", "seconds", "data_sets"):
        assert ("heat", quantity) not in found


def test_undefined_pairs_are_left_out_and_counted():
    matrix = line(POINTS)
    matrix[0, :] = matrix[:, 0] = np.nan
    found = answers(compared(norm_1=[distances(matrix, "norm_1", "weight")]))
    assert found["norm_1", "pairs_defined"].values == pytest.approx((10 / 15,))
    assert found["norm_1", "design"].pairs == 10
    assert found["norm_1", "width"].pairs == 3
    assert found["norm_1", "width"].values == pytest.approx((1.0,))
    undefined = answers(compared(norm_1=[distances(np.full((6, 6), np.nan), "norm_1", "weight")]))
    assert set(undefined) == {("norm_1", "pairs_defined")}


def test_distances_that_are_all_equal_have_no_order():
    found = answers(compared(still=[distances(np.ones((6, 6)), "still")]))
    assert {q for _, q in found} == {"violation_rate", "pairs_defined"}
    assert found["still", "violation_rate"].values == (1.0,)


def test_answers_are_followed_by_other_measures_only():
    heat, other = line(POINTS), line([3, 1, 4, 1.5, 9, 2])
    other[0, 1] = other[1, 0] = np.nan
    found = answers(
        compared(
            heat=[distances(heat)],
            disagreement=[distances(other, "disagreement", "functional")],
        )
    )
    above = np.triu_indices(6, 1)
    defined = np.isfinite(other[above])
    assert found["heat", "disagreement"].values == pytest.approx(
        (spearmanr(heat[above][defined], other[above][defined]).statistic,)
    )
    assert found["heat", "disagreement"].pairs == 14
    assert ("disagreement", "disagreement") not in found


def test_null_and_cost_are_reduced_to_numbers():
    calibrated, p_value = np.full((6, 6), 0.5), np.full((6, 6), 0.01)
    calibrated[0, 1:] = 0.9
    p_value[0, 1:3] = 0.2
    p_value[4, 5] = np.nan
    np.fill_diagonal(p_value, 0.0)
    one = distances(
        line(POINTS),
        null={"calibrated": calibrated, "p_value": p_value},
        permutations=99,
        seconds=1.5,
        peak_mib=200.0,
    )
    found = answers(compared(heat=[one]))
    assert found["heat", "calibrated"].values == (0.5,)
    assert found["heat", "significant"].values == pytest.approx((27 / 29,))
    assert (found["heat", "seconds"].values, found["heat", "peak_mib"].values) == ((1.5,), (200,))
    # ten permutations tell nothing apart at 0.05
    few = distances(line(POINTS), null=one.null, permutations=10)
    assert ("heat", "significant") not in answers(compared(heat=[few]))
    said = [" ".join(limits(read_all(compared(heat=[each])), 1, ["digits"])) for each in (one, few)]
    assert ["The null of heat has so few permutations" in text for text in said] == [False, True]


def test_control_is_asked_about_data_sets():
    grid = [
        {"name": f"n{i}", "group": group, "value": i, "design": group}
        for i, group in enumerate("aabb")
    ]
    files = [distances(line([0, 1, 10, 11]))]
    found = answers(compared(grid, "control", heat=files))
    assert found["heat", "data_sets"].values == (1.0,)
    assert {quantity for _, quantity in found} == {"data_sets", "violation_rate", "pairs_defined"}


def test_agreement_is_the_rank_correlation_of_the_common_pairs():
    a, b = line(POINTS), line([3, 1, 4, 1.5, 9, 2])
    b[0, 1] = b[1, 0] = np.nan
    one = compared(
        heat=[distances(a)],
        cka=[distances(-b, "cka", "representational", "up")],
        still=[distances(np.ones((6, 6)), "still")],
    )
    found = {(x.a, x.b): x for x in agreements(one)}
    above = np.triu_indices(6, 1)
    defined = np.isfinite(b[above])
    assert found["heat", "cka"].values == pytest.approx(
        (spearmanr(a[above][defined], b[above][defined]).statistic,)
    )
    assert found["heat", "cka"].pairs == 14
    assert np.isnan(found["heat", "still"].values).all()


def test_data_sets_are_read_together_as_their_mean_at_each_seed():
    near, far = ([distances(line(POINTS, noise, seed)) for seed in (0, 1)] for noise in (0.01, 2.0))
    apart = [*read_all(compared(heat=near)), *read_all(compared(name="mnist", heat=far))]
    found = {(r.measure, r.quantity): r for r in over_data_sets(apart)}
    one, other = (
        {(r.measure, r.quantity): r for r in apart if r.comparison == name}
        for name in ("digits", "mnist")
    )
    assert found.keys() == one.keys()
    for key, reading in found.items():
        assert reading.comparison == OVERALL
        expected = (np.array(one[key].values) + np.array(other[key].values)) / 2
        np.testing.assert_allclose(reading.values, expected)
        assert reading.pairs == one[key].pairs + other[key].pairs
        assert reading.all_pairs == 30
    assert found["heat", "design"].values != one["heat", "design"].values
    # one data set alone, and the control networks, are nothing to average
    assert over_data_sets(read_all(compared(heat=near))) == []
    control = read_all(compared(name="control", heat=near))
    assert over_data_sets([*read_all(compared(heat=near)), *control]) == []


def test_a_measure_without_an_answer_somewhere_rests_on_fewer_pairs():
    undefined = np.full((6, 6), np.nan)
    here = read_all(compared(heat=[distances(line(POINTS))], cka=[distances(line(POINTS), "cka")]))
    there = read_all(
        compared(name="mnist", heat=[distances(line(POINTS))], cka=[distances(undefined, "cka")])
    )
    found = {(r.measure, r.quantity): r for r in over_data_sets([*here, *there])}
    assert found["heat", "design"].pairs == 2 * found["cka", "design"].pairs
    assert [r.measure for r in best_of([found[m, "design"] for m in ("heat", "cka")])] == ["heat"]


def test_without_a_seed_that_all_data_sets_answer_there_is_no_reading():
    undefined = distances(np.full((6, 6), np.nan))
    defined = distances(line(POINTS))
    here = read_all(compared(heat=[defined, undefined]))
    there = read_all(compared(name="mnist", heat=[undefined, defined]))
    found = {reading.quantity for reading in over_data_sets([*here, *there])}
    # what it costs is known at every seed
    assert "design" not in found
    assert "pairs_defined" in found


def test_a_data_set_without_an_agreement_is_left_out_of_the_mean():
    defined = {"heat": [distances(line(POINTS))], "cka": [distances(line(POINTS[::-1]), "cka")]}
    undefined = defined | {"cka": [distances(np.full((6, 6), np.nan), "cka")]}
    here, there = agreements(compared(**defined)), agreements(compared(name="mnist", **undefined))
    (found,) = agreements_over_data_sets([*here, *there])
    assert found.values == here[0].values
    (found,) = agreements_over_data_sets([*there, *(replace(a, comparison="x") for a in there)])
    assert np.isnan(found.values).all()


def test_agreements_of_data_sets_are_averaged():
    files = {"heat": [distances(line(POINTS))], "cka": [distances(line(POINTS[::-1]), "cka")]}
    more = files | {"cka": [distances(line(POINTS), "cka")]}
    apart = [*agreements(compared(**files)), *agreements(compared(name="mnist", **more))]
    (found,) = agreements_over_data_sets(apart)
    assert found.comparison == OVERALL
    assert found.values[0] == pytest.approx((apart[0].values[0] + 1) / 2)
    assert agreements_over_data_sets(apart[:1]) == []


def test_families_follow_each_other_best_first():
    one = compared(
        cka=[distances(line(POINTS), "cka", "representational")],
        landscape=[distances(line([1, 9, 4, 8, 1, 9]), "landscape")],
        norm_1=[distances(np.full((6, 6), np.nan), "norm_1", "weight")],
        heat=[distances(line(POINTS))],
    )
    order = list(dict.fromkeys(r.measure for r in in_order(read_all(one))))
    assert order == ["heat", "landscape", "norm_1", "cka"]


# --- what is said ---------------------------------------------------------------------


def seeds(points, n, noise, **how):
    return [distances(line(points, noise, seed), **how) for seed in range(n)]


def test_a_verdict_is_that_of_the_whole_interval():
    assert decide(Interval(0.5, 0.3, 0.7), 0.2) == ABOVE
    assert decide(Interval(0.5, 0.3, 0.7), 0.8) == BELOW
    assert decide(Interval(0.5, 0.3, 0.7), 0.5) == OPEN
    assert decide(Interval(0.5, np.nan, np.nan), 0.2) == OPEN


def test_sentences_follow_the_data():
    shuffled = [4, 8, 1, 2, 9, 0]
    good, bad = seeds(POINTS, 4, 0.01), seeds(shuffled, 4, 0.01, measure="landscape")
    one = compared(heat=good, landscape=bad)
    text = " ".join(shown(read_all(one), agreements(one)))
    assert "Networks of one design (15 pairs): closer together than by chance for 1 of 2" in text
    assert "Highest: heat, 1.00 (1.00 to 1.00; chance" in text
    assert "tells it apart from 1 of 1 other." in text
    turned = compared(landscape=seeds(POINTS, 4, 0.01, measure="landscape"))
    assert "Highest: landscape" in " ".join(shown(read_all(turned), agreements(turned)))


def test_with_one_seed_nothing_is_decided():
    one = compared(heat=seeds(POINTS, 1, 0.01))
    readings = read_all(one)
    sentences = shown(readings, agreements(one))
    assert all("undecided for the one measure" in s for s in sentences)
    assert "nothing here is decided" in limits(readings, 1, ["digits"])[0]
    assert not any("by chance alone" in s for s in limits(readings, 1, ["digits"]))
    several = compared(heat=seeds(POINTS, 4, 0.01))
    said = limits(read_all(several), 4, ["digits"])
    assert "over 4 seeds: 3.2 standard errors" in said[0]
    assert "by chance alone" in said[1]


def test_untrained_networks_are_the_null():
    after, before = compared(heat=seeds(POINTS, 4, 0.01)), seeds([4, 8, 1, 2, 9, 0], 4, 0.01)
    readings = read_all(after, compared(heat=before))
    text = " ".join(shown(readings, []))
    assert "of 1 measure, 1 find networks of one design better after training" in text
    same = " ".join(shown(read_all(after, after), []))
    assert "of 1 measure, none find networks of one design better after training" in same


def test_values_over_fewer_pairs_are_not_set_against_the_rest():
    matrix = line(POINTS)
    matrix[0, :] = matrix[:, 0] = np.nan
    one = compared(
        norm_1=[distances(matrix, "norm_1", "weight")] * 2,
        landscape=seeds([4, 8, 1, 2, 9, 0], 2, 0.01, measure="landscape"),
    )
    readings = read_all(one)
    design = [r for r in readings if r.quantity == "design"]
    assert max(design, key=lambda r: r.interval.mean).measure == "norm_1"
    assert [r.measure for r in best_of(design)] == ["landscape"]
    assert any("norm 1 (10)" in s for s in limits(readings, 2, ["digits"]))
    assert any("came out the same at every seed" in s for s in limits(readings, 2, ["digits"]))


def test_a_measure_of_answers_is_not_praised_for_following_answers():
    one = compared(
        disagreement=seeds(POINTS, 3, 0.01, measure="disagreement", family="functional"),
        cohen_kappa=seeds(POINTS, 3, 0.0, measure="cohen_kappa", family="functional"),
        heat=seeds(POINTS, 3, 0.5),
    )
    found = [r for r in read_all(one) if r.quantity == "disagreement"]
    assert max(found, key=lambda r: r.interval.mean).measure == "cohen_kappa"
    assert [r.measure for r in best_of(found)] == ["heat"]
    assert QUANTITIES["disagreement"].foregone == "functional"
    (sentence,) = [s for s in shown(read_all(one), []) if s.startswith("Disagreement")]
    assert "heat" in sentence
    assert "kappa" not in sentence


# --- files ----------------------------------------------------------------------------


def write(path, matrix, measure, family="topology", orientation="down", networks=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    with create(str(path), "distance", parameters={}) as bundle:
        file = member(bundle)
        file["matrix"] = matrix
        names = networks or [cell["name"] for cell in GRID]
        file.create_dataset("networks", data=names, dtype=h5py.string_dtype())
        file.attrs.update(measure=measure, family=family, orientation=orientation)
        file.attrs.update(seconds=2.0, peak_mib=100.0)
    return str(path)


@pytest.fixture
def tables(tmp_path):
    """The tables of a study with two measures and a null, and where they are."""
    paths, comparisons = [], []
    for comparison, points in (("digits", POINTS), ("digits_untrained", [4, 8, 1, 2, 9, 0])):
        for seed in range(3):
            matrix = line(points, 0.05, seed)
            folder = tmp_path / comparison
            paths.append(write(folder / f"heat_{seed}.h5", matrix, "heat"))
            cka = folder / f"cka_{seed}.h5"
            similar = write(cka, 1 - matrix / 20, "cka", "representational", "up")
            paths.append(similar)
            comparisons += [comparison] * 2
    out = {
        "csv_path": str(tmp_path / "measures.csv"),
        "agreement_path": str(tmp_path / "agreement.csv"),
        "html_path": str(tmp_path / "measures.html"),
    }
    tabulate_measures(
        distance_paths=paths,
        comparisons=comparisons,
        grids={"digits": GRID, "digits_untrained": GRID},
        untrained={"digits_untrained": "digits"},
        n_seeds=3,
        title="Which <measure>",
        **out,
    )
    return out


def rows(path):
    with Path(path).open() as file:
        return list(csv.DictReader(file))


def test_tables_hold_every_reading_and_agreement(tables):
    found = {(row["measure"], row["quantity"]): row for row in rows(tables["csv_path"])}
    assert {row["comparison"] for row in found.values()} == {"digits"}
    design = found["heat", "design"]
    assert (design["seeds"], design["pairs"], design["all_pairs"]) == ("3", "15", "15")
    assert float(design["value"]) > float(design["untrained"])
    assert found["heat", "seconds"]["value"] == "2.0"
    (agreement,) = rows(tables["agreement_path"])
    assert (agreement["measure_a"], agreement["measure_b"]) == ("heat", "cka")
    assert float(agreement["value"]) == pytest.approx(1)


def test_the_page_shows_values_intervals_and_marks(tables):
    page = Path(tables["html_path"]).read_text()
    assert "Which &lt;measure&gt;" in page
    # both measures put the pairs in one order, so both are marked
    assert len(re.findall(r"<b>1.00</b><small>1.00 to 1.00</small>", page)) >= 2
    text = html.unescape(page)
    for part in ("What this shows", "What this does not show", "untrained", "Topology", "chance"):
        assert part in text
    assert "nan" not in re.sub(r"<style>.*</style>", "", page, flags=re.S)


def test_files_of_other_networks_are_refused(tmp_path):
    path = write(tmp_path / "a.h5", line([0, 1]), "heat", networks=["x", "y"])
    with pytest.raises(NetkinError, match=r"2 networks \(x, y, ...\), but 'digits' has 6"):
        tabulate_measures(
            distance_paths=[path],
            comparisons=["digits"],
            grids={"digits": GRID},
            untrained={},
            n_seeds=1,
            csv_path="",
            agreement_path="",
            html_path="",
            title="",
        )


def test_a_study_of_one_network_has_an_empty_page(tmp_path):
    path = write(tmp_path / "a.h5", np.zeros((1, 1)), "heat", networks=["width_1"])
    out = [str(tmp_path / name) for name in ("m.csv", "a.csv", "m.html")]
    tabulate_measures(
        distance_paths=[path],
        comparisons=["digits"],
        grids={"digits": GRID[:1]},
        untrained={},
        n_seeds=1,
        csv_path=out[0],
        agreement_path=out[1],
        html_path=out[2],
        title="",
    )
    figures = [str(tmp_path / "r.svg")]
    plot_readings(
        readings_path=out[0],
        comparison="digits",
        figure_paths=figures,
        title="",
        dpi=50,
        options={},
    )
    assert {row["quantity"] for row in rows(out[0])} == {"seconds", "peak_mib"}
    assert rows(out[1]) == []
    assert "cost" in Path(figures[0]).read_text()


# --- figures --------------------------------------------------------------------------


def test_figures_are_written_from_the_tables_as_svg_and_png(tables, tmp_path):
    for name, function, source in (
        ("readings", plot_readings, {"readings_path": tables["csv_path"]}),
        ("agreement", plot_agreement, {"agreement_path": tables["agreement_path"]}),
    ):
        paths = [str(tmp_path / f"{name}.{suffix}") for suffix in ("svg", "png")]
        function(
            comparison="digits", figure_paths=paths, title="digits", dpi=50, options={}, **source
        )
        assert ">heat</text>" in Path(paths[0]).read_text()
        assert Path(paths[1]).read_bytes().startswith(b"\x89PNG")


def test_alike_measures_stand_side_by_side_in_the_matrix():
    correlations = np.eye(4)
    for (i, j), value in {(0, 2): 0.9, (1, 3): 0.8, (0, 1): -0.5}.items():
        correlations[i, j] = correlations[j, i] = value
    figure = draw_agreement(correlations, list("abcd"), ["topology", "weight"] * 2)
    square = figure.axes[0]
    names = [label.get_text() for label in square.get_yticklabels()]
    assert abs(names.index("a") - names.index("c")) == 1
    assert abs(names.index("b") - names.index("d")) == 1
    order = ["abcd".index(name) for name in names]
    drawn = square.collections[0].get_array()
    np.testing.assert_allclose(drawn, correlations[np.ix_(order, order)])
    assert sorted(t.get_text() for t in square.texts)[-1] == "1.00"


@pytest.mark.parametrize("n", [2, 60])
def test_the_matrix_is_legible_for_few_and_many_measures(n):
    correlations = np.eye(n)
    correlations[0, 1] = correlations[1, 0] = np.nan
    names = [f"a_rather_long_name_{i}" for i in range(n)]
    figure = draw_agreement(correlations, names, ["representational"] * n, "all")
    height = figure.axes[0].get_position().height * figure.get_figheight()
    assert height / n * 72 >= 7  # a cell is at least as high as its label's text
    assert bool(figure.axes[0].texts) == (n == 2)
    assert figure.texts[0].get_text() == "all (grey: not defined)"
    mesh = figure.axes[0].collections[0]
    grey = tuple(int(UNDEFINED_COLOUR[i : i + 2], 16) / 255 for i in (1, 3, 5))
    undefined = mesh.to_rgba(mesh.get_array())[np.ma.getmaskarray(mesh.get_array())]
    np.testing.assert_allclose(undefined[:, :3], [grey] * 2)


def test_axes_stay_in_place_when_a_figure_is_saved_again(tmp_path):
    figure = draw_agreement(np.eye(2), ["a", "b"], ["topology", "weight"])
    save_figure(figure, [str(tmp_path / "a.png"), str(tmp_path / "b.png")], dpi=40)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_dots_lie_at_their_values_with_intervals_and_chance():
    whole = Dot(0.8, 0.7, 0.9, 0.2, 0.3, is_whole=True)
    part = Dot(0.5, np.nan, np.nan, 0.4, np.nan, is_whole=False)
    questions = [
        Question("groups", "average precision", {"heat": whole, "norm_1": part}, (0, 1)),
        Question("cost", "seconds", {"heat": Dot(2, 1, 3, np.nan, np.nan, True)}, None),
    ]
    figure = draw_readings([("heat", "topology"), ("norm_1", "weight")], questions)
    groups, cost = figure.axes
    heat, norm = groups.get_yticks()
    dots = {line.get_ydata()[0]: line for line in groups.lines if line.get_marker() == "o"}
    assert dots[heat].get_xdata()[0] == 0.8
    assert dots[heat].get_markerfacecolor() != "white"
    assert dots[norm].get_markerfacecolor() == "white"
    drawn = [(tuple(line.get_xdata()), line.get_ydata()[0]) for line in groups.lines]
    assert ((0.7, 0.9), heat) in drawn
    assert ((0.2, 0.2), heat - 0.5) in drawn
    assert ((0.4, 0.4), norm - 0.5) in drawn
    assert cost.get_xscale() == "log"
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert {"over fewer pairs", "before training", "chance", "topology", "weights"} <= set(labels)
