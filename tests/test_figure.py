import re
from dataclasses import replace

import numpy as np
import pytest

from netkin.errors import NetkinError
from netkin.figure import FIGURES
from netkin.figure.diagram import Curves, draw_diagrams
from netkin.figure.matrix import Panel, draw_deviation_matrix, draw_distance_matrix, draw_overview
from netkin.figure.style import UNDEFINED_COLOUR, colours, save_figure
from netkin.figure.training import draw_training


@pytest.fixture
def panel():
    matrix = np.array([[0.0, 0.5, 1.0], [0.5, 0.0, np.nan], [1.0, np.nan, 0.0]])
    return Panel("digits: heat", matrix, ["1", "2", "10"], ["width", "width", "input_order"])


def mesh_of(figure):
    return figure.axes[0].collections[0]


def test_every_cell_has_the_colour_of_its_distance(panel):
    mesh = mesh_of(draw_distance_matrix(panel, colour_map="viridis"))
    assert mesh.get_clim() == (0.0, 1.0)
    found = mesh.to_rgba(mesh.get_array()).reshape(3, 3, 4)
    wanted = colours("viridis")(np.ma.masked_invalid(panel.matrix))
    np.testing.assert_allclose(found, wanted)


def test_undefined_cells_are_grey_and_said_so(panel):
    figure = draw_distance_matrix(panel)
    assert "grey: not defined" in figure.axes[0].get_title(loc="left")
    mesh = mesh_of(figure)
    grey = tuple(int(UNDEFINED_COLOUR[i : i + 2], 16) / 255 for i in (1, 3, 5))
    np.testing.assert_allclose(mesh.to_rgba(mesh.get_array()).reshape(3, 3, 4)[1, 2, :3], grey)


def test_ticks_are_labels_and_groups_are_separated_and_named(panel):
    ax = draw_distance_matrix(panel).axes[0]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["1", "2", "10"]
    dashed = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert len(dashed) == 2
    assert {
        float(np.unique(line.get_xdata() if i else line.get_ydata())[0])
        for i, line in enumerate(dashed)
    } == {2.0}
    assert [t.get_text() for t in ax.texts] == ["layer\nwidth", "input\norder"]


NAMES = ["first_safetensors", "first_npz", "a", "second_onnx", "second_keras", "b", "x" * 90]
GROUPS = [*["first"] * 3, "second_of_all", "alone", *["y" * 90] * 2]
NUMBERS = [str(number) for number in range(1, 20)]
GRID = [*["width"] * 4, *["layers"] * 5, *["input_order"] * 5, *["labels"] * 5]


@pytest.mark.parametrize(
    ("labels", "groups"), [(NAMES, GROUPS), (NAMES, [""] * 7), (NUMBERS, GRID), (NUMBERS, NUMBERS)]
)
@pytest.mark.parametrize("several", [0, 2, 4])
def test_titles_labels_and_groups_have_room(labels, groups, several):
    matrix = np.ones((len(labels), len(labels)))
    matrix[1, 0] = np.nan
    title = "networks: relational_knowledge_loss" + ", deviation over 12 replicates" * (not several)
    panel = Panel(title, matrix, labels, groups, note="a seed to the others' mean: 0.95")
    figure = draw_overview([panel] * several) if several else draw_distance_matrix(panel)
    for _ in range(2):  # as saving does, whose second layout counts
        figure.draw_without_rendering()
    for ax in figure.axes[: several or 1]:
        boxes = [
            text.get_window_extent()
            for text in (*ax.get_xticklabels(), *ax.texts)
            if text.get_text().strip()
        ]
        for number, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[:number])
        # a pixel for the rounding of letters
        left, below, right, above = ax.get_tightbbox().extents
        assert min(left, below) >= -1
        assert right <= figure.bbox.x1 + 1
        assert above <= figure.bbox.y1 + 1


def test_axes_name_no_seeds_where_there_may_be_none(panel):
    figures = [draw_deviation_matrix(panel), draw_distance_matrix(replace(panel, similarity=True))]
    labels = [figure.axes[1].get_ylabel() for figure in figures]
    assert labels == ["standard deviation / largest mean distance", "similarity"]


def test_panels_of_an_overview_share_one_scale(panel):
    figure = draw_overview([panel] * 4)
    meshes = [ax.collections[0] for ax in figure.axes[:4]]
    assert {mesh.get_clim() for mesh in meshes} == {(0.0, 1.0)}
    assert len(figure.axes) == 5  # two rows of two, and one colour bar


def test_deviations_have_their_own_scale(panel):
    assert mesh_of(draw_deviation_matrix(panel)).get_clim() == (0.0, 1.0)
    still = Panel("one seed", np.zeros((3, 3)), panel.labels, panel.groups)
    assert mesh_of(draw_deviation_matrix(still)).get_clim() == (0.0, 1.0)


def test_learning_curves_show_the_mean_over_seeds():
    curves = {"width": [("width_8", np.array([[0.2, 0.4], [0.4, 0.8]]))]}
    ax = draw_training(curves).axes[0]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [0.3, 0.6])
    assert ax.get_legend().get_texts()[0].get_text() == "8"


def test_diagrams_are_shares_of_classes_against_the_filtration_value():
    births, deaths, once = np.array([0.9, 0.3, 0.6]), np.array([0.2, 0.1]), np.ones(3, np.int64)
    networks = [
        Curves("width_8", "width", deaths, once[:2], births, once),
        Curves("labels_2", "labels", deaths, once[:2], births[:0], once[:0]),
    ]
    figure = draw_diagrams(networks)
    merged, _, born, empty = figure.axes
    np.testing.assert_allclose(merged.lines[0].get_xdata(), [0.1, 0.2])
    np.testing.assert_allclose(born.lines[0].get_xdata(), [0.3, 0.6, 0.9])
    np.testing.assert_allclose(born.lines[0].get_ydata(), [0, 0.5, 1])
    assert not empty.lines


def test_many_classes_are_drawn_by_few_points_of_the_same_curve():
    values = np.random.default_rng(0).random(50_000)
    once = np.ones(len(values), np.int64)
    curves = Curves("width_8", "width", values, once, values, once)
    line = draw_diagrams([curves]).axes[0].lines[0]
    assert len(line.get_xdata()) == 400
    np.testing.assert_allclose(line.get_xdata(), line.get_ydata(), atol=0.02)


@pytest.mark.parametrize("most", [1, 9, 900])
def test_the_curve_of_counts_is_that_of_repeated_values(most):
    rng = np.random.default_rng(most)
    values, counts = rng.random(30), rng.integers(1, most + 1, 30)
    ax = draw_diagrams([Curves("width_8", "width", values, counts, values, counts)]).axes[1]
    found = ax.lines[0].get_xdata()
    shares = np.linspace(0, 1, min(counts.sum(), 400))
    repeated = np.repeat(values, counts)
    np.testing.assert_array_equal(found, np.quantile(repeated, shares, method="inverted_cdf"))


def test_svg_keeps_text_and_the_same_figure_gives_the_same_files(panel, tmp_path):
    for name in ("a", "b"):
        paths = [str(tmp_path / f"{name}.svg"), str(tmp_path / f"{name}.png")]
        save_figure(draw_distance_matrix(panel), paths, dpi=50)
    svg = (tmp_path / "a.svg").read_text()
    assert re.search(r"<text[^>]*>digits: heat", svg)
    for suffix in ("svg", "png"):
        a, b = ((tmp_path / f"{name}.{suffix}").read_bytes() for name in "ab")
        assert a == b
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_unknown_colour_map_suggests_one(panel):
    with pytest.raises(NetkinError, match="Did you mean 'magma'"):
        draw_distance_matrix(panel, colour_map="magmaa")


def test_figures_are_registered_by_their_function():
    assert {function.__name__ for function in FIGURES.values()} == {
        f"draw_{name}" for name in FIGURES
    }
