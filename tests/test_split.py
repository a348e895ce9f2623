import numpy as np
import pytest

from netkin.diagram import cliques, split
from netkin.diagram.flagser import flagser_diagram
from netkin.diagram.split import split_diagram
from netkin.errors import NetkinError
from netkin.giotto_compat import import_giotto
from netkin.graph.builder import Builder, Parameter
from netkin.graph.graph import Graph
from netkin.graph.reading import BlockEdges
from tests.stress.triangles import NETWORKS, campaign, difference, digraph, judged_digraph

pytestmark = pytest.mark.budget("graphs")


def graph_of(edges, n_vertices):
    """Return a graph from (source, target, value) triples."""
    source, target, value = (np.array(column) for column in zip(*edges, strict=True))
    return Graph(
        source.astype(np.int32),
        target.astype(np.int32),
        value.astype(np.float32),
        n_vertices,
        np.zeros(n_vertices, np.int32),
        np.zeros(n_vertices, bool),
    )


def test_random_graphs_have_the_diagrams_of_flagser():
    for seed in range(400):
        assert judged_digraph(np.random.default_rng([3, seed])) == "unharmed", seed


def test_random_graphs_have_the_diagrams_of_giotto():
    FlagserPersistence = import_giotto("gtda.homology").FlagserPersistence
    for seed in range(10):
        graph = digraph(np.random.default_rng([4, seed]))
        if not graph.n_edges:
            continue
        homology = FlagserPersistence(homology_dimensions=(0, 1, 2), reduced_homology=False)
        rows = homology.fit_transform([graph.to_scipy()])[0]
        found = split_diagram(graph, max_dimension=2)
        for dimension, mine in enumerate(found.expanded()):
            theirs = rows[rows[:, 2] == dimension][:, :2]
            theirs = theirs[theirs[:, 0] < theirs[:, 1]]  # without what it pads with
            order = np.lexsort((theirs[:, 1], theirs[:, 0]))
            np.testing.assert_array_equal(theirs[order], mine)


def test_triangles_are_all_that_there_are():
    for seed in range(100):
        graph = digraph(np.random.default_rng([5, seed]))
        n = graph.n_vertices
        joined = np.zeros((n, n), dtype=int)
        joined[graph.source, graph.target] = 1
        expected = int((joined @ joined * joined).sum())
        fours = int(
            np.einsum("ab,ac,ad,bc,bd,cd->", *[joined] * 6, optimize=True)  # directed 4-cliques
        )
        neighbours = cliques.Neighbours.of(graph.source, graph.target, n)
        found = cliques.list_triangles(neighbours, 10**6)
        assert len(found) == len(np.unique(found, axis=0)) == expected
        edges = neighbours.edge[found]
        one, two, across = (graph.source[edges[:, k]] for k in range(3))
        assert (one == across).all() and (two == graph.target[edges[:, 0]]).all()
        assert (graph.target[edges[:, 1]] == graph.target[edges[:, 2]]).all()
        assert cliques.count_cliques(neighbours, 3, 10**6) == expected
        assert cliques.count_cliques(neighbours, 4, 10**6) == expected + fours


def test_loops_and_parallel_edges_outside_of_triangles_are_classes():
    triangle = [(0, 1, 0.1), (1, 2, 0.2), (0, 2, 0.3)]
    plain = split_diagram(graph_of([*triangle, (2, 3, 0.5)], 4), max_dimension=2)
    more = graph_of([*triangle, (2, 3, 0.5), (2, 3, 0.6), (3, 3, 0.7)], 4)
    found = split_diagram(more, max_dimension=2)
    assert plain.n_classes() == (4, 0, 0)
    assert found.n_classes() == (4, 2, 0)
    np.testing.assert_allclose(found.intervals[1], [[0.6, np.inf], [0.7, np.inf]])


def test_parallel_edges_in_a_triangle_are_refused():
    edges = [(0, 1, 0.1), (1, 2, 0.2), (0, 2, 0.3), (0, 1, 0.4)]
    with pytest.raises(NetkinError, match="parallel edges from vertex 0 to 1 lie in a triangle"):
        split_diagram(graph_of(edges, 3), max_dimension=1)


def test_flagser_refuses_loops_and_parallel_edges():
    with pytest.raises(NetkinError, match="from vertex 1 to 0"):
        flagser_diagram(graph_of([(1, 0, 0.1), (1, 0, 0.2)], 2), max_dimension=1)
    with pytest.raises(NetkinError, match="to itself, as vertex 1"):
        flagser_diagram(graph_of([(1, 1, 0.1), (1, 0, 0.2)], 2), max_dimension=1)


def test_a_contraction_closes_no_triangle():
    """A branch of one layer makes a triangle of a sum, unless what it joins is one vertex."""
    b = Builder()
    x = b.input("x", (1, 2))
    y = b.linear(x, Parameter(np.array([[1.0, 2.0], [3.0, 4.0]]), ("w",)), name="y")
    b.add([x, y], "z")
    contracted = BlockEdges(b.finish())
    plain = contracted.stored()
    assert len(triangles_of(plain)) == 2
    for diagram in (split_diagram, flagser_diagram):
        # E - V + C, whatever the triangles
        assert diagram(contracted, max_dimension=2).n_classes() == (2, 3, 0)
        assert diagram(plain, max_dimension=2).n_classes() == (2, 1, 0)


def triangles_of(graph):
    neighbours = cliques.Neighbours.of(graph.source, graph.target, graph.n_vertices)
    return cliques.list_triangles(neighbours, 10**6)


def test_equal_classes_are_done_once(monkeypatch):
    rng = np.random.default_rng(0)
    ends = np.argwhere(~np.eye(5, dtype=bool))
    part = graph_of([(*pair, value) for pair, value in zip(ends, rng.random(20), strict=True)], 5)
    runs = []
    real = split.flagser_diagram
    monkeypatch.setattr(
        split, "flagser_diagram", lambda g, **o: runs.append(g.n_vertices) or real(g, **o)
    )
    times, n = 5, part.n_vertices
    one = split_diagram(part, max_dimension=3)
    assert len(runs) == 1
    order = rng.permutation(times * part.n_edges)
    many = Graph(
        np.concatenate([part.source + k * n for k in range(times)])[order].astype(np.int32),
        np.concatenate([part.target + k * n for k in range(times)])[order].astype(np.int32),
        np.tile(part.value, times)[order],
        times * n,
        np.zeros(times * n, dtype=np.int32),
        np.zeros(times * n, dtype=bool),
    )
    found = split_diagram(many, max_dimension=3)
    assert runs[1:] == runs[:1]
    assert found.n_classes() == tuple(times * number for number in one.n_classes())
    assert difference(found, real(many, max_dimension=3)) == ""


def tripartite(n):
    """Return a block of two layers whose skip has weights, of 3 x n units."""
    rng = np.random.default_rng(0)
    b = Builder()
    x = b.input("x", (1, n))
    one, two, skip = (Parameter(rng.normal(size=(n, n)), ("w",)) for _ in range(3))
    h = b.linear(b.linear(x, one, name="in"), two, name="out")
    b.add([h, b.linear(x, skip, name="shortcut")], "sum")
    return b.finish()


def test_what_takes_too_long_is_refused_before():
    edges = BlockEdges(tripartite(120), additions="merged")
    with pytest.raises(NetkinError) as error:
        split_diagram(edges, max_dimension=1)
    assert "1,2" in str(error.value) and "allowed are 1,000,000" in str(error.value)
    assert str(error.value).endswith("; use additions: contracted.")
    # contracted it has none
    assert split_diagram(BlockEdges(tripartite(120)), max_dimension=1).n_classes()[1] > 10_000


@pytest.mark.parametrize(
    ("limit", "says"),
    [("MOST_EDGES", "edges; allowed are 9"), ("MOST_TRIANGLES", "more than 9 triangles")],
)
def test_limits_are_named(monkeypatch, limit, says):
    monkeypatch.setattr(split, limit, 9)
    graph = BlockEdges(tripartite(6)).stored()
    merged = BlockEdges(tripartite(6), additions="merged")
    with pytest.raises(NetkinError, match=f"{says}.*use additions: contracted"):
        split_diagram(merged, max_dimension=1)
    with pytest.raises(NetkinError, match="allowed"):
        split_diagram(merged.stored() if limit == "MOST_TRIANGLES" else graph, max_dimension=1)


def test_large_cliques_are_refused(monkeypatch):
    monkeypatch.setattr(split, "MOST_CELLS", 2_000)
    n = 12
    source, target = np.triu_indices(n, 1)
    graph = graph_of(zip(source, target, np.linspace(0.1, 1, len(source)), strict=True), n)
    assert split_diagram(graph, max_dimension=2).n_classes()[0] == n
    with pytest.raises(NetkinError, match="use a lower max_dimension"):
        split_diagram(graph, max_dimension=8)


def test_networks_of_every_kind_are_in_the_campaign():
    counts = campaign(seed=7, seconds=20, cases=3 * (len(NETWORKS) + 1))
    assert {*counts.kinds} == {"digraph", *NETWORKS}
    assert not counts.findings
