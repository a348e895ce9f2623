import numpy as np
import pytest

from netkin.diagram.books import book_diagram, is_of_books
from netkin.diagram.diagram import Diagram
from netkin.diagram.flagser import flagser_diagram
from netkin.diagram.split import split_diagram
from netkin.errors import NetkinError
from netkin.graph.builder import Builder, Parameter
from netkin.graph.reading import BlockEdges
from tests.stress.triangles import NETWORKS, OF_BOOKS, difference, judged_network

pytestmark = pytest.mark.budget("graphs")


def merged(weights, n_blocks=1, **options):
    """Return the reading of residual blocks x -> h -> y of these weights [(into, back), ...]."""
    b = Builder()
    x = b.input("x", (1, weights[0][0].shape[1]))
    for _ in range(n_blocks):
        branches = []
        for into, back in weights:
            h = b.linear(x, Parameter(into, ("in",)), name="in")
            branches.append(b.linear(h, Parameter(back, ("out",)), name="out"))
        x = b.add([x, *branches], "sum")
    return BlockEdges(b.finish(), additions="merged", **options)


def h1(diagram: Diagram):
    """Return the classes of H1 as (birth, death, count)."""
    rows = zip(diagram.intervals[1].tolist(), diagram.counts[1].tolist(), strict=True)
    return [(round(birth, 5), round(death, 5), count) for (birth, death), count in rows]


@pytest.mark.parametrize("kind", [*NETWORKS])
def test_diagrams_are_those_of_flagser(kind):
    outcomes = [judged_network(np.random.default_rng([1, seed]), kind) for seed in range(200)]
    assert {*outcomes} <= {"unharmed", "refused"}
    assert outcomes.count("unharmed") > 150


@pytest.mark.parametrize("kind", OF_BOOKS)
def test_books_have_finite_intervals_somewhere(kind):
    """The networks of the tests are no easy ones, in which all classes end at once."""
    finite = 0
    for seed in range(60):
        graph = NETWORKS[kind](np.random.default_rng([2, seed]))
        edges = BlockEdges(graph, additions="merged")
        assert is_of_books(edges)
        found = book_diagram(edges, max_dimension=1)
        finite += int(found.counts[1][np.isfinite(found.intervals[1][:, 1])].sum())
    assert finite > 10


def test_a_book_by_hand():
    # M = 4: into 0.25 0.5 0.75, back 0 0.5 0.25, the skip of weight 1 at 0.75
    into = np.array([[3.0], [2.0], [1.0]])
    back = np.array([[4.0, 2.0, 3.0]])
    diagram = book_diagram(merged([(into, back)], bias_vertices="none"), max_dimension=2)
    # pages at 0.25, 0.5, 0.75: the first takes the skip, the second ends when the skip comes
    assert h1(diagram) == [(0.5, 0.75, 1)]
    assert diagram.n_classes() == (5, 1, 0)


def test_only_a_page_against_the_skip_is_no_triangle():
    """Of the signs of a page both must be <= 0, else the three edges are a triangle."""
    for signs in np.ndindex(2, 2):
        one, other = (np.array([[1.0 - 2 * sign]]) for sign in signs)
        diagram = book_diagram(merged([(one, other)], bias_vertices="none"), max_dimension=1)
        assert diagram.n_classes()[1] == (signs == (1, 1))


def test_branches_side_by_side_are_pages_of_one_book():
    rng = np.random.default_rng(0)
    weights = [(rng.random((2, 3)) * 4 + 0.1, rng.random((3, 2)) * 4 + 0.1) for _ in range(3)]
    edges = merged(weights)
    diagram = book_diagram(edges, max_dimension=3)
    assert difference(diagram, flagser_diagram(edges, max_dimension=3)) == ""
    # six pages of each of three spines; the spines can take one class each
    assert np.isfinite(diagram.intervals[1][:, 1]).sum() > 3


def test_shared_weights_are_counted_and_not_unrolled():
    """A block of 2 x 2 and one of 40 x 40 points differ in counts, not in births of pages."""
    rng = np.random.default_rng(3)
    into, back = (Parameter(2 * rng.random((3, 3, 3, 3)), ("w",)) for _ in range(2))

    def block(size):
        b = Builder()
        x = b.input("x", (1, 3, size, size))
        h = x
        for each in (into, back):
            h = b.convolution(
                h, each, name="c", stride=[1, 1], padding=[(1, 1)] * 2, dilation=[1, 1]
            )
        b.add([x, h], "sum")
        return BlockEdges(b.finish(), additions="merged")

    small, large = block(3), block(40)
    diagram = book_diagram(small, max_dimension=3)
    assert difference(diagram, flagser_diagram(small, max_dimension=3)) == ""
    wide = book_diagram(large, max_dimension=3)
    finite = [{*map(tuple, each.intervals[1].tolist())} for each in (diagram, wide)]
    assert finite[0] and {i for i in finite[0] if i[1] < np.inf} <= {
        i for i in finite[1] if i[1] < np.inf
    }
    assert difference(wide, split_diagram(large, max_dimension=3)) == ""


def test_skips_within_skips_are_no_books():
    b = Builder()
    x = b.input("x", (1, 2))

    def branch(value):
        h = b.linear(value, Parameter(np.ones((3, 2)), ("w",)), name="in")
        return b.linear(h, Parameter(np.ones((2, 3)), ("w",)), name="out")

    y = b.add([x, branch(x)], "y")
    b.add([x, y, branch(y)], "z")
    edges = BlockEdges(b.finish(), additions="merged")
    assert not is_of_books(edges)
    with pytest.raises(NetkinError, match="no pages of books"):
        book_diagram(edges, max_dimension=1)
    found = split_diagram(edges, max_dimension=3)
    assert difference(found, flagser_diagram(edges, max_dimension=3)) == ""


def test_contracted_graphs_have_no_pages():
    rng = np.random.default_rng(1)
    graph = NETWORKS["residual"](rng)
    edges = BlockEdges(graph)
    diagram = book_diagram(edges, max_dimension=3)
    assert np.isinf(diagram.intervals[1][:, 1]).all()
    assert difference(diagram, flagser_diagram(edges, max_dimension=3)) == ""
    n_components = diagram.counts[0][np.isinf(diagram.intervals[0][:, 1])].sum()
    assert diagram.n_classes()[1] == edges.n_edges - edges.n_vertices + n_components
