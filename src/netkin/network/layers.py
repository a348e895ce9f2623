"""The layers or the graph of a network read block by block, for networks larger than memory."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from netkin.graph.blocks import BlockGraph
from netkin.network.format import open_model
from netkin.network.format.leave_out import given_of
from netkin.network.format.model import Layer
from netkin.network.format.wiring_file import wiring_of


@contextmanager
def open_layers(
    path: str | Path, wiring: Sequence[str | tuple[str, str]] = ()
) -> Iterator[list[Layer]]:
    """Open the layers of a feed-forward network, input side first.

    Parameters
    ----------
    path : path
        A file of weights, see `netkin.network.format.FORMATS`.
    wiring : sequence of str or pair of str
        Names of all weight matrices in their order, or of weight and bias, where the file does not
        tell it: names that are alike but for one number do, as `torch.nn.Sequential` gives them.

    Raises
    ------
    NetkinError
        The file cannot be read, has no layers, their order is not certain, a parameter would be
        left out, or the layers do not fit one another.
    """
    with open_model(path) as model:
        yield model.layers(wiring)


@contextmanager
def open_network_graph(
    path: str | Path, wiring: str = "", input_shape: str = "", leave_out: str = ""
) -> Iterator[BlockGraph]:
    """Open the graph of a network, whose numbers are read while it is open.

    Parameters
    ----------
    path : path
        See `open_layers`.
    wiring : str
        See `netkin.network.format.wiring_file.wiring_of`.
    input_shape : str
        Sizes that the file leaves open, see
        `netkin.network.format.input_shape.parse_input_shape`.
    leave_out : str
        Names of nodes, layers or operators that are left out, divided by commas.

    Raises
    ------
    NetkinError
        The file cannot be read, how it is wired is not known, or a part of it has no rule.
    """
    named, shape = wiring_of(wiring), given_of(input_shape, leave_out)
    with open_model(path) as model:
        yield model.graph(named, shape)
