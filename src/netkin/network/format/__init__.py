"""Formats of files of weights, told by what is in a file and not by its ending.

Adding one is a module with `recognises` and `opened`, and a line in `FORMATS`.
"""

import errno
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from netkin.errors import NetkinError, shown
from netkin.failure import error_code, is_of_content
from netkin.network.format import (
    foreign,
    huggingface,
    keras_file,
    netkin_file,
    npz_file,
    onnx_file,
    pt2_file,
    safetensors_file,
    sharded_file,
    torch_file,
)
from netkin.network.format.model import Model, can_be, unreadable
from netkin.network.format.names import cleaned
from netkin.storage import file_of

OF_PLACES = (errno.EINVAL, errno.ENAMETOOLONG)
"""What the system says of a place in a file, or of a name, that only damage can ask for."""
OF_DIRECTORY = "on disk image buffer"
"""What HDF5 has no memory for where a part of a file's directory says that it is huge."""
MOST_LETTERS = 2000
"""Letters of a sentence, at most."""
MOST_NAME = 255
"""Bytes of the name of a file of numbers, at most, as the system has it for each of its parts."""
HEAD_BYTES = 1024
"""So much of a file's beginning is shown to each format."""


class Format(NamedTuple):
    """A format.

    Attributes
    ----------
    title : str
        How messages call it.
    recognises : callable
        ``(head, path) -> bool``: whether a file is of this format, by its first bytes, which are
        none of a folder.
    opened : callable
        ``path -> context manager of Model``.
    endings : tuple of str
        How names of such files mostly end, by which those of a folder are found; none of a format
        that is made of files of others.
    """

    title: str
    recognises: Callable[[bytes, Path], bool]
    opened: Callable[[Path], AbstractContextManager[Model]]
    endings: tuple[str, ...] = ()


FORMATS = {
    "netkin": Format("netkin's HDF5", netkin_file.recognises, netkin_file.opened, (".h5",)),
    "npz": Format("NumPy's npz", npz_file.recognises, npz_file.opened, (".npz",)),
    "torch": Format(
        "a file of torch.save",
        torch_file.recognises,
        torch_file.opened,
        (".bin", ".pt", ".pth", ".ckpt"),
    ),
    "pt2": Format("an exported program of torch", pt2_file.recognises, pt2_file.opened, (".pt2",)),
    "keras": Format(
        "a file of Keras", keras_file.recognises, keras_file.opened, (".keras", ".h5", ".hdf5")
    ),
    "sharded": Format("a model in several files", sharded_file.recognises, sharded_file.opened),
    "onnx": Format("ONNX", onnx_file.recognises, onnx_file.opened, (".onnx",)),
    # its head can be any bytes, so last
    "safetensors": Format(
        "safetensors", safetensors_file.recognises, safetensors_file.opened, (".safetensors",)
    ),
}
"""Name -> format, in the order in which they are asked."""
ENDINGS = tuple(dict.fromkeys(ending for one in FORMATS.values() for ending in one.endings))
"""How the names of files of weights end."""


@contextmanager
def open_model(path: str | Path) -> Iterator[Model]:
    """Open a file of weights; its tensors are read when they are sliced.

    Parameters
    ----------
    path : path
        A file of one of `FORMATS`, whatever its ending, or a folder with one.

    Raises
    ------
    NetkinError
        One sentence that names the file: it is missing, empty, of no format that netkin reads, or
        damaged, or would have to be run to be read.
    """
    with _printable():
        sharded_file.refuse_part(Path(path))
        with open_bare(path) as model:
            yield huggingface.with_config(cleaned(model), Path(path))


@contextmanager
def open_bare(path: str | Path, formats: Collection[str] = tuple(FORMATS)) -> Iterator[Model]:
    """Open a file of weights by the names that are in it; see `open_model`.

    Parameters
    ----------
    path : path
    formats : collection of str
        Those of `FORMATS` that are allowed.
    """
    file, whole = Path(path), Path(path)
    if not whole.exists():  # a member of a bundle of netkin's, if anything
        whole = Path(file_of(path))
    if not whole.is_file() and not whole.is_dir():
        raise NetkinError(f"{path}: no such file{foreign.missing(path)}.")
    head = b""
    if whole.is_file():
        with whole.open("rb") as opened:
            head = opened.read(HEAD_BYTES)
        if not head:
            raise NetkinError(f"{path}: the file is empty.")
    with ExitStack() as stack:
        with _telling(path):
            for name in FORMATS:
                if name in formats and FORMATS[name].recognises(head, file):
                    found = stack.enter_context(FORMATS[name].opened(file))
                    break
            else:
                found = None
        if found is not None:
            for name, tensor in found.tensors.items():
                if not can_be(tensor.shape):
                    raise NetkinError(f"{path}: {shown(name)} has the shape {tensor.shape}.")
            yield found
            return
    if what := foreign.told(head, file):
        raise NetkinError(f"{path}: {what}.")
    titles = ", ".join(FORMATS[name].title for name in formats)
    raise NetkinError(f"{path}: of no format that netkin reads, by what is in it: {titles}.")


def named_by(path: Path) -> list[str]:
    """Return the files that a file names as places of its numbers, as seen from its folder.

    Parameters
    ----------
    path : path
        A file of any kind. What it names is not opened and need not be there; of damage nothing
        is said.
    """
    found: list[str] = []
    try:
        if path.name.endswith(sharded_file.INDEX):
            found = sharded_file.parts_of(path)
        else:
            with path.open("rb") as file:
                head = file.read(HEAD_BYTES)
            if onnx_file.recognises(head, path):
                found = onnx_file.parts_of(path)
    except Exception as error:
        if not (isinstance(error, NetkinError) or is_of_content(error)):
            raise
    return [one for one in found if _is_beside(one)]


def _is_beside(name: object) -> bool:
    """Tell whether a name can be that of a file in a folder; others are refused later."""
    if not isinstance(name, str) or not name:  # of text that is no UTF-8 onnx gives the bytes
        return False
    if len(name.encode("utf-8", "surrogatepass")) > MOST_NAME:
        return False
    return ".." not in Path(name).parts and not Path(name).anchor


@contextmanager
def _telling(path: str | Path) -> Iterator[None]:
    """Turn whatever a library makes of a damaged file into one sentence."""
    try:
        yield
    except Exception as error:
        is_of_file = (
            error_code(error) in OF_PLACES
            or OF_DIRECTORY in str(error)
            or isinstance(error, ValueError)  # as numpy says of sizes that no machine has
        )
        if not (is_of_content(error) or is_of_file):
            raise
        raise NetkinError(f"{path}: it {unreadable(error)}.") from None


@contextmanager
def _printable() -> Iterator[None]:
    """Let a sentence show what a damaged file holds in place of names, in a few lines at most."""
    try:
        yield
    except NetkinError as error:
        text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(error))
        if len(text) > MOST_LETTERS:
            text = f"{text[:MOST_LETTERS]}..."
        if text == str(error):
            raise
        raise type(error)(text) from None
