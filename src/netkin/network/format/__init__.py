"""Formats of files of weights, told by what is in a file and not by its ending.

Adding one is a module with `recognises` and `opened`, and a line in `FORMATS`.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

from netkin.errors import NetkinError
from netkin.network.format import netkin_file, npz_file, safetensors_file, torch_file
from netkin.network.format.model import Model

HEAD_BYTES = 1024
"""So much of a file's beginning is shown to each format."""


class Format(NamedTuple):
    """A format.

    Attributes
    ----------
    title : str
        How messages call it.
    recognises : callable
        ``(head, path) -> bool``: whether a file is of this format, by its first bytes.
    opened : callable
        ``path -> context manager of Model``.
    """

    title: str
    recognises: Callable[[bytes, Path], bool]
    opened: Callable[[Path], AbstractContextManager[Model]]


FORMATS = {
    "netkin": Format("netkin's HDF5", netkin_file.recognises, netkin_file.opened),
    "npz": Format("NumPy's npz", npz_file.recognises, npz_file.opened),
    "torch": Format("a file of torch.save", torch_file.recognises, torch_file.opened),
    # its head can be any bytes, so last
    "safetensors": Format("safetensors", safetensors_file.recognises, safetensors_file.opened),
}
"""Name -> format, in the order in which they are asked."""


@contextmanager
def open_model(path: str | Path) -> Iterator[Model]:
    """Open a file of weights; its tensors are read when they are sliced.

    Parameters
    ----------
    path : path
        A file of one of `FORMATS`, whatever its ending.

    Raises
    ------
    NetkinError
        One sentence that names the file: it is missing, empty, of no format that netkin reads, or
        damaged, or would have to be run to be read.
    """
    file = Path(path)
    if not file.is_file():
        what = "a folder" if file.is_dir() else "no such file"
        raise NetkinError(f"{path}: {what}.")
    with file.open("rb") as opened:
        head = opened.read(HEAD_BYTES)
    if not head:
        raise NetkinError(f"{path}: the file is empty.")
    for one in FORMATS.values():
        if one.recognises(head, file):
            with one.opened(file) as model:
                yield model
            return
    titles = ", ".join(one.title for one in FORMATS.values())
    raise NetkinError(f"{path}: of no format that netkin reads, by what is in it: {titles}.")
