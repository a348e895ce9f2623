"""Data sets by the name of their kind, each a function that returns `Arrays`.

A loader is called as ``loader(data_folder, **options)``; its keyword-only parameters
are the options of its kind in the config. To add a data set, write a loader in a module
of its own and enter it here.
"""

from collections.abc import Callable

from netkin.dataset.arrays import Arrays
from netkin.dataset.digits import load_digits
from netkin.dataset.mnist import load_mnist

DATASETS: dict[str, Callable[..., Arrays]] = {
    "digits": load_digits,
    "mnist": load_mnist,
}
