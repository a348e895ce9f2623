"""A network whole in memory, for measures of its weights and of how they are wired."""

import os
from dataclasses import replace

import numpy as np

from netkin import storage
from netkin.errors import NetkinError
from netkin.finite import is_finite
from netkin.graph.blocks import BlockGraph
from netkin.network.file import Network, read_network
from netkin.network.wired import PLACE, get_graph


def read_wired(path: str | os.PathLike[str]) -> Network | BlockGraph:
    """Read a network whole: a chain of dense layers, or else its graph.

    Parameters
    ----------
    path : path
        As `netkin.network.file.read_network`.

    Raises
    ------
    Absent
        How the network is wired is not known, or its file could not be read.
    NetkinError
        The file is damaged or of another kind, or holds NaN or infinite numbers.
    """
    with storage.open_layout(path, "network") as file:
        if PLACE in file:
            found = in_memory(get_graph(file, path))
            for block in found.blocks:
                if not is_finite(block.weight):
                    raise NetkinError(f"{path}: '{block.name}' has NaN or infinite weights.")
            return found
    return read_network(path)


def in_memory(graph: BlockGraph) -> BlockGraph:
    """Return a graph whose numbers do not need its file any more."""
    blocks = (replace(block, weight=np.asarray(block.weight[:])) for block in graph.blocks)
    return replace(graph, blocks=tuple(blocks))
