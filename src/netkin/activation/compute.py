"""Stage activation: from network files and their data set to the bundle of their activations."""

import logging
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from netkin import storage
from netkin.activation.evaluation import blocks, read_fitting_network, read_part
from netkin.activation.forward import forward, layer_names, widest_layer
from netkin.activation.write import put_activations
from netkin.errors import NetkinError, require_choice
from netkin.failure import Together

logger = logging.getLogger(__name__)


def compute_activations(
    *,
    network_paths: Sequence[str],
    ids: Sequence[str],
    dataset_path: str,
    activation_path: str,
    probe_rows: Annotated[int, Ge(1)],
    layers: Literal["last_hidden", "all"] = "last_hidden",
    trained_with: Sequence[Mapping[str, Any]],
    code: str = "",
) -> None:
    """Write the activations of networks on the probe rows.

    The probe rows are test rows of all labels, the same for every network of the data set,
    also for one that was trained on some of the labels: its activations are defined on any
    input, and measures compare answers to the same rows.

    Parameters
    ----------
    network_paths : sequence of str
        The network files to read.
    ids : sequence of str
        What each network is called in the bundle.
    dataset_path, activation_path : str
        The data set file to read and the bundle to write.
    probe_rows : int
        How many test rows, see `netkin.activation.evaluation.choose_rows`; all of them, where
        there are not so many.
    layers : {"last_hidden", "all"}
        The last hidden layer, or every hidden layer and the logits.
    trained_with : sequence of mapping
        For each network ``input_order``, ``order_seed`` and ``n_labels``, see
        `netkin.network.train.variant_rows`.
    code : str
        Digest of the code, recorded in the file.

    Raises
    ------
    NetkinError
        A file is unreadable, the network does not fit the data set, or it has no hidden
        layer where the last is wanted.
    """
    require_choice("layers", layers, ("last_hidden", "all"))
    parameters = {
        "networks": list(ids),
        "probe_rows": probe_rows,
        "layers": layers,
        "trained_with": [dict(one) for one in trained_with],
    }
    part = read_part(dataset_path, "test", probe_rows)
    with storage.create(
        activation_path,
        "activation",
        parameters=parameters,
        code=code,
        inputs=[*network_paths, dataset_path],
        ids=ids,
    ) as file:
        failures = Together()
        for path, id, how in zip(network_paths, ids, trained_with, strict=True):
            with failures.one(path):
                network = read_fitting_network(path, part, **how)
                names = layer_names(network)
                chosen = list(range(len(names))) if layers == "all" else [len(names) - 2]
                if chosen[0] < 0:
                    raise NetkinError(f"{path}: has no hidden layer; ask for layers: all.")
                values: dict[str, NDArray[np.float32]] = {
                    names[i]: np.empty((len(part.rows), len(network.weights[i])), np.float32)
                    for i in chosen
                }
                for block in blocks(len(part.rows), widest_layer(network)):
                    outputs = forward(network, part.inputs[block])
                    for i in chosen:
                        values[names[i]][block] = outputs[i]
                logger.info("%s: %d probe rows, layers %s", id, len(part.rows), ", ".join(values))
                put_activations(storage.member(file, id), values, part.rows, part.labels)
        failures.check()
