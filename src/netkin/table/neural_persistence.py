"""The table of neural persistence, of every layer and of whole networks."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netkin.distance.neural_persistence import layer_neural_persistence
from netkin.network.file import read_network
from netkin.table.write import Section, write_csv, write_page

NETWORK = "network"
"""What stands for the number of the layer where the row is about the mean of all layers."""


def tabulate_neural_persistence(
    *,
    network_paths: Sequence[str],
    variants: Sequence[str],
    order: float,
    csv_path: str,
    html_path: str,
    title: str,
    grid: Sequence[Mapping[str, Any]],
) -> None:
    """Tabulate the normalised neural persistence over seeds.

    Rieck et al. 2019, Neural persistence; of each layer, counted from 1 at the input side,
    and their mean, which stands for the network. Deviations are the population's.

    Parameters
    ----------
    network_paths, variants : sequence of str
        The networks and the variant of each.
    order : float
        See `netkin.distance.neural_persistence.neural_persistence`.
    csv_path, html_path, title : str
        Where the table and its page go, and its title.
    grid : sequence of mapping
        Variants in order, with ``index``, ``name`` and ``group``.
    """
    import pandas as pd

    found: dict[str, list[NDArray[np.float64]]] = {}
    for path, variant in zip(network_paths, variants, strict=True):
        values = layer_neural_persistence(read_network(path), order=order)
        found.setdefault(variant, []).append(values)
    rows = []
    for cell in grid:
        layers = np.stack(found[cell["name"]], axis=1)
        for layer, values in [(NETWORK, layers.mean(axis=0)), *enumerate(layers, start=1)]:
            rows.append(
                {
                    "index": cell["index"],
                    "variant": cell["name"],
                    "group": cell["group"],
                    "layer": layer,
                    "seeds": len(values),
                    "mean": values.mean(),
                    "deviation": values.std(),
                }
            )
    table = pd.DataFrame(rows)
    write_csv(table, csv_path)
    whole = table["layer"] == NETWORK
    decimals = {"mean": 4, "deviation": 4}
    write_page(
        [
            Section(
                "Mean over the layers of a network, over seeds: 0 where a few connections as "
                "strong as the strongest hold each layer together, 1 where all weights of a layer "
                "are 0.",
                table[whole].drop(columns="layer"),
                decimals,
                "Networks",
            ),
            Section("", table[~whole], decimals, "Layers, from the inputs on"),
        ],
        html_path,
        title=title,
    )
