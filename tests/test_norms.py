"""The norm baselines of the control networks."""

import csv
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from netkin.diagram.exact import exact_diagram
from netkin.distance.norm import self_frobenius, self_norm_1
from netkin.errors import NetkinError
from netkin.graph.graph import graph_from_weights
from netkin.network.file import HISTORY, Network, write_network
from netkin.paper.norms import shuffle_hidden_units, tabulate_norms


def layers_of(seed, widths=(6, 5, 4, 3)):
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=(b, a)).astype(np.float32) for a, b in pairwise(widths)]
    return weights, [rng.normal(size=len(w)).astype(np.float32) for w in weights]


def graph_of(seed):
    return graph_from_weights(*layers_of(seed))


def dense(graph):
    return graph.to_scipy().toarray().astype(np.float64)


def test_self_norms_are_those_of_numpy():
    graph = graph_of(0)
    assert self_norm_1(graph) == pytest.approx(np.linalg.norm(dense(graph), 1))
    assert self_frobenius(graph) == pytest.approx(np.linalg.norm(dense(graph)))


def test_shuffled_units_change_the_matrix_and_nothing_else():
    graph = graph_of(0)
    shuffled = shuffle_hidden_units(graph, seed=1)
    assert not np.array_equal(dense(graph), dense(shuffled))
    assert self_frobenius(shuffled) == pytest.approx(self_frobenius(graph))
    first, last = graph.layer == 0, graph.layer == 3
    hidden = ~(first | last | graph.is_bias)
    np.testing.assert_array_equal(
        np.sort(dense(graph)[np.ix_(first, hidden)].sum(0)),
        np.sort(dense(shuffled)[np.ix_(first, hidden)].sum(0)),
    )
    found, expected = (exact_diagram(one, max_dimension=1) for one in (shuffled, graph))
    for dimension in (0, 1):
        np.testing.assert_array_equal(found.intervals[dimension], expected.intervals[dimension])
        np.testing.assert_array_equal(found.counts[dimension], expected.counts[dimension])


def test_table_2_in_both_readings(tmp_path):
    paths, datasets, seeds, graphs = [], [], [], {}
    for name in ("a", "b"):
        for network in range(3):
            for seed in range(2):
                scale = {"a": 6, "b": 9}[name]
                layers = layers_of([network, seed, scale], (scale, 5, 4, 3))
                graphs[name, network, seed] = dense(graph_from_weights(*layers))
                paths.append(str(tmp_path / f"{name}{network}{seed}.h5"))
                history = {key: np.zeros(1) for key in HISTORY}
                write_network(paths[-1], Network(*layers, history, 1.0), parameters={})
                datasets.append(name)
                seeds.append(seed)
    tabulate_norms(
        network_paths=paths,
        graph={"bias_vertices": "per_neuron", "zeta": 1e-6},
        datasets=datasets,
        seeds=seeds,
        csv_path=str(tmp_path / "n.csv"),
        ratios_path=str(tmp_path / "r.csv"),
        html_path=str(tmp_path / "n.html"),
        title="T",
    )

    def norm(name, network, seed, other=None):
        matrix = graphs[name, network, seed]
        return np.linalg.norm(matrix if other is None else matrix - graphs[name, other, seed])

    published, described = [], []
    for name in ("a", "b"):
        largest = max(
            np.mean([norm(name, i, s, j) for s in range(2)]) for i in range(3) for j in range(i)
        )
        for seed in range(2):
            a = np.mean([norm(n, i, seed) for n in ("a", "b") for i in range(3)])
            published.append(abs(largest - a) / largest)
        for i in range(3):
            a = np.mean([norm(name, i, s) for s in range(2)])
            described.append(abs(largest - a) / largest)
    with (tmp_path / "n.csv").open() as file:
        rows = {(r["norm"], r["reading"]): r for r in csv.DictReader(file)}
    for reading, values in (("as_published", published), ("as_described", described)):
        row = rows["frobenius", reading]
        assert int(row["values"]) == len(values)
        assert float(row["mean"]) == pytest.approx(np.mean(values), rel=1e-5)
        assert float(row["deviation"]) == pytest.approx(np.std(values), rel=1e-5)
        assert float(row["least"]) == pytest.approx(min(values), rel=1e-5)
        assert float(row["largest"]) == pytest.approx(max(values), rel=1e-5)
    with (tmp_path / "r.csv").open() as file:
        ratios = list(csv.DictReader(file))
    assert len(ratios) == 2 * 2 * 2
    assert all(0.5 < float(r["ratio_to_shuffled"]) < 1.5 for r in ratios)
    assert "Against shuffled units" in Path(tmp_path / "n.html").read_text()


def test_without_control_networks_there_is_one_sentence(tmp_path):
    with pytest.raises(NetkinError, match=r"n\.csv: norms are compared between control networks"):
        tabulate_norms(
            network_paths=[],
            graph={},
            datasets=[],
            seeds=[],
            csv_path=str(tmp_path / "n.csv"),
            ratios_path=str(tmp_path / "r.csv"),
            html_path=str(tmp_path / "n.html"),
            title="T",
        )
    assert not list(tmp_path.iterdir())
