"""From a file of weights, of any size, to the diagram of the network."""

from pathlib import Path
from typing import Any

from netkin.diagram.diagram import Diagram
from netkin.diagram.network import network_diagram
from netkin.errors import NetkinError
from netkin.network.layers import open_layers


def network_file_diagram(path: str | Path, **options: Any) -> tuple[Diagram, str]:
    """Compute the diagram of a network whose weights stay on disk.

    Parameters
    ----------
    path : path
        See `netkin.network.layers.open_layers`.
    **options
        See `netkin.diagram.network.network_diagram`.

    Raises
    ------
    NetkinError
        As `netkin.diagram.network.network_diagram`, with the path, and for a file that cannot be
        read.
    """
    with open_layers(path) as layers:
        try:
            return network_diagram(
                [layer.weight for layer in layers], [layer.bias for layer in layers], **options
            )
        except NetkinError as error:
            raise NetkinError(f"{path}: {error}") from None
