"""A trained network and rows of its data set, made to fit each other."""

import dataclasses
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from netkin.errors import NetkinError, require_choice
from netkin.finite import is_finite
from netkin.network.file import Network, read_network
from netkin.storage import open_layout

logger = logging.getLogger(__name__)

CHOICE_SEED = 0
"""Seed of the permutation whose first rows are chosen, the same for every network."""
VALUES_AT_ONCE = 1 << 22
"""Values of one layer that are computed at once; as float64, 32 MB."""

InputOrder = Literal["samples", "features"] | None
"""What the input order of a network permuted, see `netkin.network.train.variant_rows`."""


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of the training or test part of a data set, of all its labels.

    Attributes
    ----------
    inputs : (n, d) float32
        Features in the order of the data set.
    labels : (n,) int64
        True label of each row.
    rows : (n,) int64
        Id of each row: its number in the part.
    n_labels : int
        Number of labels of the data set.
    """

    inputs: NDArray[np.float32]
    labels: NDArray[np.int64]
    rows: NDArray[np.int64]
    n_labels: int


def choose_rows(n_rows: int, n_chosen: int) -> NDArray[np.int64]:
    """Return the first `n_chosen` rows of a fixed permutation of 0 to ``n_rows - 1``.

    Fewer chosen rows are a beginning of more. All of them, where there are not so many.
    """
    return np.random.default_rng(CHOICE_SEED).permutation(n_rows)[:n_chosen].astype(np.int64)


def read_part(
    dataset_path: str | os.PathLike[str],
    part: Literal["train", "test"],
    n_chosen: int | None = None,
) -> Part:
    """Read rows of a data set file, and of its other part nothing.

    Parameters
    ----------
    dataset_path : path
        File of layout ``dataset``.
    part : {"train", "test"}
        Which part.
    n_chosen : int or None
        How many rows, by `choose_rows`; None reads all in their order.

    Raises
    ------
    NetkinError
        The file is unreadable or no data set, its inputs or labels are none, there is no such
        `part`, or `n_chosen` is below 1.
    """
    require_choice("part", part, ("train", "test"))
    if n_chosen is not None and n_chosen < 1:
        raise NetkinError(f"{dataset_path}: {n_chosen} rows were asked for; at least 1 is needed.")
    with open_layout(dataset_path, "dataset") as file:
        labels = file[f"{part}/labels"][()]
        stored = file[f"{part}/inputs"]
        n_rows = len(labels)
        n_labels = len(file["label_names"])
        if stored.shape[0] != n_rows or 0 in stored.shape:
            raise NetkinError(
                f"{dataset_path}: {part} inputs of shape {stored.shape} and {n_rows} labels."
            )
        if labels.min() < 0 or labels.max() >= n_labels:
            raise NetkinError(
                f"{dataset_path}: {part} labels lie in {labels.min()}..{labels.max()}; allowed is "
                f"0..{n_labels - 1}, one for each label name."
            )
        rows = np.arange(n_rows) if n_chosen is None else choose_rows(n_rows, n_chosen)
        inputs = np.empty((len(rows), stored.shape[1]), dtype=np.float32)
        # block by block: h5py reads scattered rows slowly, and all at once may be large
        for block in blocks(n_rows, stored.shape[1]):
            inside = (rows >= block.start) & (rows < block.stop)
            inputs[inside] = stored[block][rows[inside] - block.start]
        if not is_finite(inputs):
            raise NetkinError(f"{dataset_path}: the {part} inputs hold NaN or infinite values.")
    if n_chosen is not None and n_chosen > n_rows:
        logger.info("%s: all %d %s rows, not %d", dataset_path, n_rows, part, n_chosen)
    return Part(inputs, labels[rows], rows, n_labels)


def blocks(n_rows: int, width: int) -> Iterator[slice]:
    """Return slices that cover the rows in order, `VALUES_AT_ONCE` values of a layer each."""
    size = max(1, VALUES_AT_ONCE // width)
    return (slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size))


def read_fitting_network(
    network_path: str | os.PathLike[str],
    part: Part,
    *,
    input_order: InputOrder,
    order_seed: int,
    n_labels: int | None,
) -> Network:
    """Read a network so that it takes the rows of its data set as they are.

    Where the columns were permuted for training, the weights of the first layer are put into
    the order of the data set, which is the same as permuting the rows, and makes what is
    known of single features comparable between networks.

    Parameters
    ----------
    network_path : path
        File of layout ``network``.
    part : Part
        Rows of the data set.
    input_order, order_seed, n_labels
        What the network was trained with, see `netkin.network.train.variant_rows`.

    Raises
    ------
    NetkinError
        The file is unreadable, the network is of another data set or variant, or `input_order`
        is none.
    """
    require_choice("input_order", input_order, ("samples", "features", None))
    network = read_network(network_path)
    n_features = part.inputs.shape[1]
    n_inputs, n_outputs = network.weights[0].shape[1], network.weights[-1].shape[0]
    if n_inputs != n_features:
        raise NetkinError(
            f"{network_path}: takes {n_inputs} inputs, but the data set has {n_features} "
            "features; use the data set that the network was trained on."
        )
    expected = part.n_labels if n_labels is None else n_labels
    if n_outputs != expected:
        raise NetkinError(
            f"{network_path}: has {n_outputs} outputs, but was to be trained on {expected} "
            "labels; use the settings that the network was trained with."
        )
    if input_order != "features":
        return network
    order = np.random.default_rng(order_seed).permutation(n_features)
    first = np.empty_like(network.weights[0])
    first[:, order] = network.weights[0]
    return dataclasses.replace(network, weights=(first, *network.weights[1:]))
