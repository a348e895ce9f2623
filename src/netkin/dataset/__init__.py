"""Data sets by the name of their kind, each a function that returns `Arrays`.

A loader is called as ``loader(data_folder, **options)``; its keyword-only parameters
are the options of its kind in the config. To add a data set, write a loader in a module
of its own and enter it here.
"""

from collections.abc import Callable
from pathlib import Path

from netkin.dataset.arrays import Arrays
from netkin.dataset.cifar10 import files_of_cifar10, load_cifar10
from netkin.dataset.digits import load_digits
from netkin.dataset.fashion_mnist import load_fashion_mnist
from netkin.dataset.language_identification import (
    CAPITALS,
    SMALL_ALPHABET,
    files_of_language_identification,
    load_language_identification,
)
from netkin.dataset.mnist import load_mnist
from netkin.dataset.reuters import CHARACTERS, files_of_reuters, load_reuters

DATASETS: dict[str, Callable[..., Arrays]] = {
    "digits": load_digits,
    "mnist": load_mnist,
    "fashion_mnist": load_fashion_mnist,
    "cifar10": load_cifar10,
    "reuters": load_reuters,
    "language_identification": load_language_identification,
}

FILES: dict[str, Callable[..., list[Path]]] = {
    "cifar10": files_of_cifar10,
    "reuters": files_of_reuters,
    "language_identification": files_of_language_identification,
}
"""Kinds whose files may be the user's own: called as the loader is, gives the paths of those that
no checksum fixes, whose digests are then part of what determines the data set."""

TEST_ROWS: dict[str, int] = {"mnist": 10_000, "fashion_mnist": 10_000, "cifar10": 10_000}
"""Kind -> rows of its published test part; others are split by the option ``test_share``."""

CLASSES: dict[str, int | str] = {
    "digits": 10,
    "mnist": 10,
    "fashion_mnist": 10,
    "cifar10": 10,
    "reuters": 46,
    "language_identification": "languages",
}
"""How many classes a kind has, or the option that lists them; the config allows no more."""

SHAPES: dict[str, Callable[..., tuple[int, int]]] = {
    "digits": lambda **options: (1_797, 64),
    "mnist": lambda **options: (70_000, 784),
    "fashion_mnist": lambda **options: (70_000, 784),
    "cifar10": lambda *, batches, **options: (10_000 * (batches + 1), 3_072),
    "reuters": lambda *, features, n_words, **options: (
        11_228,
        n_words if features == "words" else len(CHARACTERS),
    ),
    "language_identification": lambda *, languages, samples_per_language, **options: (
        len(languages) * samples_per_language,
        len(SMALL_ALPHABET) + len(CAPITALS),
    ),
}
"""How many rows, training and test together, and features the options of a kind give: what its
jobs ask of a cluster depends on it."""
