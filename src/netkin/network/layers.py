"""The layers of a network read block by block, for networks larger than memory."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from netkin.network.format import open_model
from netkin.network.format.model import Layer


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
