"""What measures that look inside a network compare: its weights and rows of its data set."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from netkin.activation.evaluation import Part, read_fitting_network, read_part
from netkin.activation.forward import forward
from netkin.errors import NetkinError
from netkin.network.file import Network
from netkin.storage import read_attributes, read_parameters

Made = TypeVar("Made")
TRAINING_ROWS = 5000
"""How many training rows stitches are fitted to."""


@dataclass(frozen=True, eq=False)
class Model:
    """A network that takes the rows of its data set as they are, and such rows.

    Attributes
    ----------
    network : Network
        Its first layer is in the feature order of the data set.
    probe : Part
        Test rows, on which measures are taken.
    training : Part
        Training rows, to which a stitch is fitted.
    name : str
        How an error names the network.
    """

    network: Network
    probe: Part
    training: Part
    name: str = "model"
    _kept: dict[tuple[Any, ...], Any] = field(default_factory=dict, init=False, repr=False)

    def shared(self, make: Callable[..., Made], *options: Any) -> Made:
        """Return ``make(self, *options)``, computed once and kept for all pairs.

        `make` is a function of a module, not a lambda: the next caller has to name the same.
        """
        key = (make, *options)
        if key not in self._kept:
            self._kept[key] = make(self, *options)
        made: Made = self._kept[key]
        return made

    @property
    def rows(self) -> NDArray[np.int64]:
        """Ids of the probe rows, (n,)."""
        return self.probe.rows

    @property
    def labels(self) -> NDArray[np.int64]:
        """True label of each probe row, (n,)."""
        return self.probe.labels

    @property
    def n_classes(self) -> int:
        """Number of classes that the network knows, 0 to ``n_classes - 1``."""
        return len(self.network.weights[-1])

    @cached_property
    def logits(self) -> NDArray[np.float64]:
        """Logits of the probe rows, (n, C)."""
        return forward(self.network, self.probe.inputs)[-1]


def read_model(
    path: str | os.PathLike[str],
    *,
    dataset_path: str,
    probe_rows: int = 1000,
    training_rows: int = TRAINING_ROWS,
) -> Model:
    """Read a network file together with rows of its data set.

    All networks of a data set get the same rows, by
    `netkin.activation.evaluation.choose_rows`, and share them in memory.

    Parameters
    ----------
    path : path
        File of layout ``network``; its parameters say how it was trained.
    dataset_path : str
        The data set it was trained on.
    probe_rows, training_rows : int
        How many test and training rows; all of them, where there are not so many.

    Raises
    ------
    NetkinError
        A file is unreadable, the network file does not say how it was trained, or the network
        does not fit the data set.
    """
    content = read_attributes(dataset_path)["content"]
    probe, training = _read_parts(dataset_path, content, probe_rows, training_rows)
    trained = read_parameters(path)
    try:
        how = {key: trained[key] for key in ("input_order", "order_seed", "n_labels")}
    except KeyError as error:
        raise NetkinError(
            f"{path}: does not say with which {error} the network was trained."
        ) from None
    right = {
        "input_order": how["input_order"] in (None, "samples", "features"),
        "order_seed": isinstance(how["order_seed"], int) and how["order_seed"] >= 0,
        "n_labels": how["n_labels"] is None or isinstance(how["n_labels"], int),
    }
    for key, is_right in right.items():
        if not is_right:
            raise NetkinError(f"{path}: was trained with the {key} {how[key]!r}, which is none.")
    return Model(read_fitting_network(path, probe, **how), probe, training, str(path))


@lru_cache(maxsize=1)
def _read_parts(
    dataset_path: str, content: str, probe_rows: int, training_rows: int
) -> tuple[Part, Part]:
    """Read the rows once for all networks; `content` tells a file that was made anew."""
    return (
        read_part(dataset_path, "test", probe_rows),
        read_part(dataset_path, "train", training_rows),
    )
