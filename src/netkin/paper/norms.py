"""The table of the norm baselines on the control networks: Table 2 of arXiv 2101.07752."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netkin.distance.norm import frobenius, norm_1, self_frobenius, self_norm_1
from netkin.errors import NetkinError
from netkin.graph.export import read_network_graph
from netkin.graph.graph import Graph
from netkin.table.write import Section, write_csv, write_page

NORMS = {"norm_1": (norm_1, self_norm_1), "frobenius": (frobenius, self_frobenius)}
"""Name -> norm of a difference, norm of one graph."""
READINGS = ("as_published", "as_described")


def tabulate_norms(
    *,
    network_paths: Sequence[str],
    graph: Mapping[str, Any],
    datasets: Sequence[str],
    seeds: Sequence[int],
    csv_path: str,
    ratios_path: str,
    html_path: str,
    title: str,
) -> None:
    """Compare norms of differences with norms of the networks themselves.

    For each data set D is the largest entry of the matrix of norms ``|A - B|`` between its
    control networks, averaged over seeds; a value is ``|D - a| / D``. In the reading
    ``as_described`` a is the norm of one network, averaged over seeds. In the reading
    ``as_published`` it is the norm averaged over the networks of *all* data sets at one
    seed, as the authors' program computed it.

    A second table asks what such a distance is worth: the norm of the difference of two
    control networks over that of the same two after the hidden units of one were shuffled,
    which changes no function. At 1 the norm finds trained networks as far apart as networks
    whose units have nothing to do with each other.

    Parameters
    ----------
    network_paths : sequence of str
        The files of the control networks.
    graph : mapping
        How their weights become edges, see `netkin.graph.export.read_network_graph`.
    datasets, seeds : sequence
        The data set and the seed of each.
    csv_path, ratios_path, html_path, title : str
        Where the two tables and their page go, and its title.

    Raises
    ------
    NetkinError
        There are no networks.
    """
    import pandas as pd

    if not network_paths:
        raise NetkinError(
            f"{csv_path}: norms are compared between control networks (group input_order), pairs "
            "of them on two data sets or more, and this study has none."
        )
    names, numbers = list(dict.fromkeys(datasets)), list(dict.fromkeys(seeds))
    cells = [
        [
            [p for p, d, s in zip(network_paths, datasets, seeds, strict=True) if (d, s) == (n, m)]
            for m in numbers
        ]
        for n in names
    ]
    own: dict[str, dict[tuple[str, int], list[float]]] = {norm: {} for norm in NORMS}
    between: dict[str, dict[str, NDArray[np.float64]]] = {norm: {} for norm in NORMS}
    ratios = []
    for name, of_dataset in zip(names, cells, strict=True):
        for seed, paths in zip(numbers, of_dataset, strict=True):
            graphs = [read_network_graph(path, **graph) for path in paths]
            for norm, (distance, self_norm) in NORMS.items():
                own[norm][name, seed] = [self_norm(graph) for graph in graphs]
                pairs = list(combinations(range(len(graphs)), 2))
                distances = np.array([distance(graphs[i], graphs[j]) for i, j in pairs])
                shuffled = [
                    distance(graphs[i], shuffle_hidden_units(graphs[j], seed=j)) for i, j in pairs
                ]
                sums = between[norm].setdefault(name, np.zeros(len(pairs)))
                sums += distances / len(numbers)
                ratios.append(
                    {
                        "norm": norm,
                        "data_set": name,
                        "seed": seed,
                        "mean_distance": distances.mean(),
                        "ratio_to_shuffled": distances.sum() / np.sum(shuffled),
                    }
                )
    table = pd.DataFrame(
        _summary(norm, reading, own[norm], between[norm], numbers)
        for norm in NORMS
        for reading in READINGS
    )
    ratio_table = pd.DataFrame(ratios)
    write_csv(table, csv_path)
    write_csv(ratio_table, ratios_path)
    decimals = dict.fromkeys(("least", "largest", "mean", "deviation"), 4)
    write_page(
        [
            Section(
                "Difference between the norm of a network and the largest norm of a difference of "
                "two, as a share of the latter (Table 2). As published: the former is averaged "
                "over all data sets; as described: it is the network's own.",
                table,
                decimals,
                "Normalised difference",
            ),
            Section(
                "Norm of the difference of two control networks, over the norm after the hidden "
                "units of one were shuffled. About 1: the norm does not see that they were "
                "trained alike.",
                ratio_table,
                {"mean_distance": 3, "ratio_to_shuffled": 4},
                "Against shuffled units",
            ),
        ],
        html_path,
        title=title,
    )


def shuffle_hidden_units(graph: Graph, *, seed: int) -> Graph:
    """Renumber the hidden neurons within each layer; the network computes the same function.

    The bias vertices stay with the number they have, so that only the numbering of neurons
    tells the two graphs apart.

    Parameters
    ----------
    seed : int
        Seed of numpy's default generator.
    """
    rng = np.random.default_rng(seed)
    renumbered = np.arange(graph.n_vertices, dtype=np.int32)
    for layer in range(1, int(graph.layer.max())):
        units = np.flatnonzero((graph.layer == layer) & ~graph.is_bias)
        renumbered[units] = rng.permutation(units)
    return Graph(
        source=renumbered[graph.source],
        target=renumbered[graph.target],
        value=graph.value,
        n_vertices=graph.n_vertices,
        layer=graph.layer,
        is_bias=graph.is_bias,
    )


def _summary(
    norm: str,
    reading: str,
    own: dict[tuple[str, int], list[float]],
    between: dict[str, NDArray[np.float64]],
    seeds: Sequence[int],
) -> dict[str, object]:
    values: list[float] = []
    for name, distances in between.items():
        largest = distances.max()
        if reading == "as_published":
            norms = [np.mean([own[d, seed] for d in between]) for seed in seeds]
        else:
            norms = list(np.mean([own[name, seed] for seed in seeds], axis=0))
        values += [abs(largest - a) / largest for a in norms]
    return {
        "norm": norm,
        "reading": reading,
        "values": len(values),
        "least": np.min(values),
        "largest": np.max(values),
        "mean": np.mean(values),
        "deviation": np.std(values),
    }
