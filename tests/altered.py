"""Files looked into and changed behind the library's back."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import h5py

from netkin import storage


@contextlib.contextmanager
def opened(path: str | Path, mode: str = "r") -> Iterator[h5py.Group]:
    """Open what holds the arrays of a file: the file, or the only member of a bundle."""
    with h5py.File(path, mode, locking=False) as file:
        yield file[f"members/{file['ids'].asstr()[0]}"] if "ids" in file else file


@contextlib.contextmanager
def altered(path: str | Path) -> Iterator[h5py.Group]:
    """Open a file as `opened` to change it; its digest is made right again at the end."""
    with opened(path, "r+") as group:
        yield group
    storage.seal(path)
