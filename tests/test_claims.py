"""Statistics over matrices, the verdicts made from them, and the page that shows both."""

import csv
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.stats import spearmanr, ttest_1samp

from netkin.paper.claims import FAILS, HOLDS, UNDECIDED, Comparison, claims, overall
from netkin.paper.reproduction import tabulate_reproduction
from netkin.storage import create, member
from netkin.table.statistic import (
    average_precision,
    control_ratio,
    growth,
    hub_share,
    interval_over_seeds,
    pairs_of,
    rank_correlation,
)
from netkin.table.untrained import tabulate_untrained


def matrix_of(points):
    """Distances of points on a line."""
    points = np.asarray(points, dtype=np.float64)
    return np.abs(points[:, None] - points[None, :])


# --- statistics -----------------------------------------------------------------------


def test_interval_is_that_of_students_t():
    values = [0.2, 0.5, 0.3, 0.4]
    expected = ttest_1samp(values, 0).confidence_interval(0.9)
    found = interval_over_seeds(values, level=0.9)
    assert found == pytest.approx((0.35, expected.low, expected.high))
    assert interval_over_seeds(values, least=0.34, largest=0.36)[1:] == (0.34, 0.36)


def test_one_seed_has_no_interval_and_none_no_value():
    assert interval_over_seeds([0.5])[0] == 0.5
    assert np.isnan(interval_over_seeds([0.5])[1:]).all()
    assert np.isnan(interval_over_seeds([np.nan])).all()


def test_control_ratio_by_hand():
    # control pairs: 1; others: 0-2 is 4, 1-2 is 3
    assert control_ratio(matrix_of([0, 1, 4]), [0, 1]) == pytest.approx(1 / 3.5)
    assert np.isnan(control_ratio(matrix_of([0, 1]), [0, 1]))
    undefined = matrix_of([0, 1, 4])
    undefined[0, 2] = undefined[2, 0] = np.nan
    assert control_ratio(undefined, [0, 1]) == pytest.approx(1 / 3)


def test_growth_is_spearmans_correlation_over_pairs():
    rng = np.random.default_rng(0)
    matrix = matrix_of(rng.normal(size=6))
    members, values = [1, 2, 3, 5], [2, 4, 8, 16]
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    differences = [abs(values[i] - values[j]) for i, j in pairs]
    distances = [matrix[members[i], members[j]] for i, j in pairs]
    assert growth(matrix, members, values) == pytest.approx(
        spearmanr(differences, distances).statistic
    )
    assert growth(matrix_of([1, 2, 4, 8]), [0, 1, 2, 3], [1, 2, 4, 8]) == pytest.approx(1)
    assert np.isnan(growth(matrix, [0, 1], [1, 2]))
    assert np.isnan(growth(matrix, members, [3, 3, 3, 3]))


def test_rank_correlation_of_two_matrices_leaves_out_undefined_pairs():
    rng = np.random.default_rng(0)
    a, b = matrix_of(rng.normal(size=5)), matrix_of(rng.normal(size=5))
    above = np.triu_indices(5, k=1)
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a[above], b[above]).statistic)
    assert rank_correlation(a, a**3) == pytest.approx(1)
    a[0, 1] = np.nan
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a[above][1:], b[above][1:]).statistic)
    assert pairs_of(a).size == 9


def test_average_precision_is_1_for_separated_groups():
    groups = ["a", "a", "b", "b"]
    assert average_precision(matrix_of([0, 1, 10, 11]), groups) == 1
    # nearest first: 0-1 of two groups, then 0-2 and 1-3 of one, and so on
    assert average_precision(matrix_of([0, 10, 1, 11]), groups) < 0.5
    assert np.isnan(average_precision(matrix_of([0, 1]), ["a", "a"]))


def test_hub_share_asks_each_member_for_its_nearest():
    matrix = matrix_of([0, 1, 2, 10, 11, 12])
    assert hub_share(matrix, [0, 1, 2]) == 1
    # 0 has 1 and 2 nearest, of which 1 is a member; the others likewise by hand
    assert hub_share(matrix, [0, 1, 3]) == pytest.approx((1 + 1 + 0) / 6)
    matrix[0, 4] = np.nan
    assert np.isnan(hub_share(matrix, [0, 1, 2]))


# --- verdicts -------------------------------------------------------------------------

GRID = [
    *({"name": f"width_{v}", "group": "width", "value": v} for v in (1, 2, 4, 8)),
    *({"name": f"input_order_{v}", "group": "input_order", "value": v} for v in (1, 2)),
]


def verdicts(rows):
    return {(row["claim"].split()[0], row["measure"]): row["verdict"] for row in rows}


def test_claims_hold_where_all_seeds_agree():
    seeds = [matrix_of([1, 2, 4, 8, 0, 0.1 * s]) for s in (1, 2, 3)]
    rows = claims([Comparison("d", GRID, {"heat": seeds})], None, {})
    assert verdicts(rows) == {("control", "heat"): HOLDS, ("distances", "heat"): HOLDS}
    assert {row["seeds"] for row in rows} == {3}


def test_claims_fail_where_all_seeds_say_the_opposite():
    seeds = [10 - matrix_of([1, 2, 4, 8, 0, 0.1 * s]) for s in (1, 2, 3)]
    rows = claims([Comparison("d", GRID, {"heat": seeds})], None, {})
    assert verdicts(rows) == {("control", "heat"): FAILS, ("distances", "heat"): FAILS}


def test_one_seed_decides_nothing_and_neither_do_seeds_that_disagree():
    good = matrix_of([1, 2, 4, 8, 0, 0.1])
    rows = claims([Comparison("d", GRID, {"heat": [good]})], None, {})
    assert set(verdicts(rows).values()) == {UNDECIDED}
    rows = claims([Comparison("d", GRID, {"heat": [good, 10 - good]})], None, {})
    assert set(verdicts(rows).values()) == {UNDECIDED}


def test_gain_over_landscape_is_judged():
    grid = [{"name": str(i), "group": g, "value": i} for i, g in enumerate("aabb")]
    near, mixed = matrix_of([0, 1, 10, 11]), matrix_of([0, 10, 1, 11])
    one = Comparison("d", grid, {"heat": [near] * 2, "landscape": [mixed] * 2})
    assert verdicts(claims([one], None, {}))["heat", "heat"] == HOLDS
    one = Comparison("d", grid, {"heat": [mixed] * 2, "landscape": [near] * 2})
    assert verdicts(claims([one], None, {}))["heat", "heat"] == FAILS


def test_a_hub_holds_only_when_every_nearest_network_is_its_own():
    grid = [{"name": f"{g}{i}", "group": g, "value": i} for g in "ab" for i in range(3)]
    apart = matrix_of([0, 1, 2, 10, 11, 12])
    mixed = matrix_of([0, 1, 10.5, 10, 11, 12])
    (a, b) = claims([], Comparison("control", grid, {"heat": [apart]}), {})
    assert (a["verdict"], b["verdict"]) == (HOLDS, HOLDS)
    rows = claims([], Comparison("control", grid, {"heat": [apart, mixed]}), {})
    assert [row["verdict"] for row in rows] == [FAILS, FAILS]


def test_norms_fail_when_shuffled_units_are_no_farther():
    rows = claims([], None, {"norm_1": {"d": [0.99, 0.991]}, "frobenius": {"d": [0.5, 0.51]}})
    assert [row["verdict"] for row in rows] == [HOLDS, FAILS]


def test_overall_counts_cases_in_plain_words():
    case = {"claim": "c", "measure": "heat"}
    rows = [{**case, "verdict": v} for v in (HOLDS, HOLDS, FAILS, UNDECIDED)]
    (found,) = overall(rows)
    assert (found["cases"], found["verdict"]) == (4, "holds in 2 of 4 cases only")
    assert overall(rows[:2])[0]["verdict"] == HOLDS
    assert overall(rows[2:])[0]["verdict"] == "not shown"


# --- the pages ------------------------------------------------------------------------


def write_distances(path, matrix, measure):
    with create(path, "distance", parameters={}) as bundle:
        file = member(bundle)
        file["matrix"] = matrix
        names = [str(i) for i in range(len(matrix))]
        file.create_dataset("networks", data=names, dtype=h5py.string_dtype())
        file.attrs.update(measure=measure, family="topology", orientation="down")


def rows_of(path):
    with Path(path).open() as file:
        return list(csv.DictReader(file))


def test_ours_stand_beside_the_published_numbers(tmp_path):
    # positions 0 to 3 vary the width, 4 and 5 are controls 0.3 apart; the largest is 8
    paths = []
    for seed, shift in enumerate((0.2, 0.4)):
        paths.append(str(tmp_path / f"{seed}.h5"))
        write_distances(paths[-1], matrix_of([1, 2, 4, 8, 0, shift]), "heat")
    folder = Path(__file__).parent.parent / "resources" / "published"
    outputs = {f"{name}_path": str(tmp_path / f"{name}.out") for name in ("csv", "claims", "html")}
    tabulate_reproduction(
        distance_paths=paths,
        comparisons=["mnist", "mnist"],
        grids={"mnist": GRID},
        epochs={"mnist": 7},
        published_paths=[
            str(folder / f"{name}.csv") for name in ("groups", "norms", "repeatability")
        ],
        norm_paths=[],
        title="T",
        **outputs,
    )
    found = {
        (row["group"], row["statistic"]): row
        for row in rows_of(outputs["csv_path"])
        if row["measure"] == "heat"
    }
    control = found["input_order", "mean"]
    assert float(control["ours"]) == pytest.approx(0.3 / 8)
    assert float(control["published"]) == 0.0291
    assert float(control["difference"]) == pytest.approx(0.3 / 8 - 0.0291)
    assert (control["seeds"], control["epochs"]) == ("2", "7")
    assert found["width", "deviation"]["published"] == ""
    floor = found["all", "Spearman's rho"]
    assert float(floor["published"]) == 0.964
    ranks = spearmanr(*(pairs_of(matrix_of([1, 2, 4, 8, 0, x])) for x in (0.2, 0.4)))
    assert float(floor["ours"]) == pytest.approx(ranks.statistic)
    assert {row["seeds"] for row in rows_of(outputs["claims_path"])} == {"2"}
    page = Path(outputs["html_path"]).read_text()
    assert "Verdicts" in page
    assert "control networks are close" in page


def test_untrained_networks_are_a_null(tmp_path):
    trained, untrained = [], []
    for seed in range(2):
        trained.append(str(tmp_path / f"t{seed}.h5"))
        untrained.append(str(tmp_path / f"u{seed}.h5"))
        write_distances(trained[-1], matrix_of([1, 2, 4, 8, 0, 0.5]), "heat")
        write_distances(untrained[-1], matrix_of([1, 2, 4, 8, 0, 0.5]) / 2, "heat")
    tabulate_untrained(
        trained_paths=trained,
        untrained_paths=untrained,
        csv_path=str(tmp_path / "t.csv"),
        html_path=str(tmp_path / "t.html"),
        title="T",
        grid=GRID,
    )
    (row,) = rows_of(tmp_path / "t.csv")
    assert (float(row["correlation"]), float(row["untrained_to_trained"])) == (1.0, 0.5)
    assert float(row["control_ratio"]) == pytest.approx(float(row["control_ratio_untrained"]))
