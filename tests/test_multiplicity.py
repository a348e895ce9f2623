"""The table of predictive multiplicity, by predictions made by hand."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from netkin.distance.functional import GROUP_MEASURES
from netkin.errors import NetkinError
from netkin.prediction.prediction import Prediction, write_prediction
from netkin.table.multiplicity import tabulate_multiplicity

GRID = [
    {"name": "width_8", "index": 1, "group": "width"},
    {"name": "width_16", "index": 2, "group": "width"},
    {"name": "labels_2", "index": 3, "group": "labels"},
    {"name": "labels_3", "index": 4, "group": "labels"},
    {"name": "layers_3", "index": 5, "group": "layers"},
]
LABELS = np.array([0, 1, 0, 1, 2])
# predicted classes by variant and seed; width_8 and width_16 differ in 1 row, then in 3
ANSWERS = {
    "width_8": ([0, 1, 0, 1, 2], [0, 1, 0, 1, 2]),
    "width_16": ([0, 1, 0, 1, 1], [1, 0, 0, 1, 0]),
    # the last row has a label that the first does not know: 2 of 4 differ, then none
    "labels_2": ([0, 1, 1, 0, 1], [0, 0, 0, 0, 0]),
    "labels_3": ([0, 1, 0, 1, 2], [0, 0, 0, 0, 2]),
    "layers_3": ([0, 1, 0, 1, 2], [0, 1, 0, 1, 2]),
}
CLASSES = {"labels_2": 2}


@pytest.fixture
def tabulate(tmp_path):
    """Make the table of some seeds, and return its rows by group and the text of the page."""

    def run(seeds=(0, 1), options=None, grid=GRID, rows=None):
        places = [(cell["name"], seed) for cell in grid for seed in seeds]
        paths = []
        for variant, seed in places:
            path = tmp_path / f"{variant}_{seed}.h5"
            probabilities = np.eye(CLASSES.get(variant, 3))[ANSWERS[variant][seed]]
            ids = np.arange(5) if rows is None else rows[variant]
            write_prediction(path, Prediction(ids, probabilities, LABELS))
            paths.append(str(path))
        tabulate_multiplicity(
            prediction_paths=paths,
            variants=[variant for variant, _ in places],
            seeds=[seed for _, seed in places],
            options=options or {},
            csv_path=str(tmp_path / "t.csv"),
            html_path=str(tmp_path / "t.html"),
            title="Multiplicity",
            grid=grid,
        )
        with (tmp_path / "t.csv").open() as file:
            found = {row["group"]: row for row in csv.DictReader(file)}
        return found, Path(tmp_path / "t.html").read_text()

    return run


def test_experiment_groups_are_means_over_seeds_with_an_interval(tabulate):
    found, page = tabulate()
    assert list(found) == ["width", "labels", "layers", "seeds"]
    width = found["width"]
    assert [width[key] for key in ("networks", "values", "over", "reason")] == [
        "2",
        "2",
        "seeds",
        "",
    ]
    differing = (1 / 5 + 3 / 5) / 2
    expected = {
        "ambiguity": differing,
        "discrepancy": differing,
        "label_entropy": math.log(2) * differing,
        # a row answered otherwise: each is 1 from the mean of both
        "prediction_difference": differing,
        # and two answers, where the others are one
        "rashomon_capacity": 1 + differing,
    }
    assert list(expected) == list(GROUP_MEASURES)
    for name, value in expected.items():
        assert float(width[name]) == pytest.approx(value, abs=1e-6)
    # by Student's t of one degree of freedom, 12.706 standard errors, cut to what can be
    assert (float(width["ambiguity_low"]), float(width["ambiguity_high"])) == (0.0, 1.0)
    assert float(width["label_entropy_high"]) == pytest.approx(
        math.log(2) * (differing + 12.7062 * 0.2), rel=1e-4
    )
    assert float(width["rashomon_capacity_low"]) == 1.0
    assert "0.4000 (0.0000\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}1.0000)" in page


def test_what_is_not_defined_is_a_dash_with_its_reason(tabulate):
    found, page = tabulate()
    labels = found["labels"]
    # over the rows whose label all know
    assert float(labels["ambiguity"]) == pytest.approx((2 / 4 + 0) / 2)
    assert labels["prediction_difference"] == labels["rashomon_capacity"] == ""
    reason = "probabilities of 2 and 3 classes do not correspond"
    assert labels["reason"] == f"prediction_difference, rashomon_capacity: {reason}"
    assert found["layers"]["reason"] == "all: a group of one network"
    assert {found["layers"][name] for name in GROUP_MEASURES} == {""}
    assert page.count("<td>–</td>") == 2 + len(GROUP_MEASURES)
    assert reason in page
    assert "a group of one network" in page


def test_the_seeds_of_a_variant_are_a_group(tabulate):
    row = tabulate()[0]["seeds"]
    assert [row[key] for key in ("networks", "values", "over", "reason")] == [
        *("2", "5", "variants", "")
    ]
    # of labels_2 over the four rows whose label it knows
    shares = {"width_8": 0, "width_16": 3 / 5, "labels_2": 2 / 4, "labels_3": 2 / 5, "layers_3": 0}
    assert float(row["ambiguity"]) == pytest.approx(np.mean(list(shares.values())))
    assert row["ambiguity_low"] == row["ambiguity_high"] == ""


def test_one_seed_has_no_interval_and_no_group_of_seeds(tabulate):
    found, page = tabulate(seeds=[0])
    assert "seeds" not in found
    assert float(found["width"]["ambiguity"]) == pytest.approx(1 / 5)
    assert found["width"]["ambiguity_low"] == ""
    assert "1 seed<" in page
    assert "Not defined" not in tabulate(seeds=[0], grid=GRID[:2])[1]


def test_options_reach_their_measure(tabulate):
    found, _ = tabulate(seeds=[0], options={"prediction_difference": {"order": 2.0}})
    assert float(found["width"]["prediction_difference"]) == pytest.approx(math.sqrt(0.5) / 5)


def test_networks_of_other_rows_and_missing_ones_are_named(tabulate, tmp_path):
    rows = {cell["name"]: np.arange(5) for cell in GRID}
    rows["width_16"] = np.arange(5) + 1
    with pytest.raises(NetkinError, match=r"width_8_0.h5 and \S*width_16_0.h5 hold different rows"):
        tabulate(rows=rows)
    with pytest.raises(NetkinError, match="no prediction of width_8 at seed 1"):
        tabulate_multiplicity(
            prediction_paths=["a", "b"],
            variants=["width_8", "width_16"],
            seeds=[0, 1],
            options={},
            csv_path="",
            html_path="",
            title="",
            grid=GRID[:2],
        )
    assert not (tmp_path / "t.csv").exists()
