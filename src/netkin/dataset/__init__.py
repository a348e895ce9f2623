"""Data sets by the name of their kind, each a function that returns `Arrays`.

A loader is called as ``loader(data_folder, **options)``; its keyword-only parameters
are the options of its kind in the config. To add a data set, write a loader in a module
of its own and enter it here.
"""

from collections.abc import Callable
from pathlib import Path

from netkin.dataset.arrays import Arrays
from netkin.dataset.cifar10 import load_cifar10
from netkin.dataset.digits import load_digits
from netkin.dataset.fashion_mnist import load_fashion_mnist
from netkin.dataset.language_identification import (
    files_of_language_identification,
    load_language_identification,
)
from netkin.dataset.mnist import load_mnist
from netkin.dataset.reuters import load_reuters

DATASETS: dict[str, Callable[..., Arrays]] = {
    "digits": load_digits,
    "mnist": load_mnist,
    "fashion_mnist": load_fashion_mnist,
    "cifar10": load_cifar10,
    "reuters": load_reuters,
    "language_identification": load_language_identification,
}

FILES: dict[str, Callable[..., list[Path]]] = {
    "language_identification": files_of_language_identification,
}
"""Kinds whose files are the user's own: called as the loader is, gives their paths, which the
workflow watches. The files of the other kinds are known by their checksums."""

CLASSES: dict[str, int | str] = {
    "digits": 10,
    "mnist": 10,
    "fashion_mnist": 10,
    "cifar10": 10,
    "reuters": 46,
    "language_identification": "languages",
}
"""How many classes a kind has, or the option that lists them; the config allows no more."""
