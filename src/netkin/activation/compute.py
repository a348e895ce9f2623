"""Stage activation: from a network file and its data set to an activation file."""

import logging
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from netkin.activation.evaluation import InputOrder, blocks, read_fitting_network, read_part
from netkin.activation.forward import forward, layer_names, widest_layer
from netkin.activation.write import write_activations
from netkin.errors import NetkinError, require_choice
from netkin.storage import restore

logger = logging.getLogger(__name__)


def compute_activations(
    *,
    network_path: str,
    dataset_path: str,
    activation_path: str,
    probe_rows: Annotated[int, Ge(1)],
    layers: Literal["last_hidden", "all"] = "last_hidden",
    input_order: InputOrder,
    order_seed: int,
    n_labels: int | None,
    code: str = "",
) -> None:
    """Write the activations of a network on the probe rows, or put back what was there.

    The probe rows are test rows of all labels, the same for every network of the data set,
    also for one that was trained on some of the labels: its activations are defined on any
    input, and measures compare answers to the same rows.

    Parameters
    ----------
    network_path, dataset_path, activation_path : str
        The network file and the data set file to read, and the activation file to write.
    probe_rows : int
        How many test rows, see `netkin.activation.evaluation.choose_rows`; all of them, where
        there are not so many.
    layers : {"last_hidden", "all"}
        The last hidden layer, or every hidden layer and the logits.
    input_order, order_seed, n_labels
        What the network was trained with, see `netkin.network.train.select_rows`.
    code : str
        Digest of the code, recorded in the file.

    Raises
    ------
    NetkinError
        A file is unreadable, the network does not fit the data set, or it has no hidden
        layer where the last is wanted.
    """
    parameters = {
        "probe_rows": probe_rows,
        "layers": layers,
        "input_order": input_order,
        "order_seed": order_seed,
        "n_labels": n_labels,
    }
    made_by: Any = {
        "parameters": parameters,
        "code": code,
        "inputs": [network_path, dataset_path],
    }
    if restore(activation_path, "activation", **made_by):
        return
    require_choice("layers", layers, ("last_hidden", "all"))
    part = read_part(dataset_path, "test", probe_rows)
    network = read_fitting_network(
        network_path, part, input_order=input_order, order_seed=order_seed, n_labels=n_labels
    )
    names = layer_names(network)
    chosen = list(range(len(names))) if layers == "all" else [len(names) - 2]
    if chosen[0] < 0:
        raise NetkinError(f"{network_path}: has no hidden layer; ask for layers: all.")
    values: dict[str, NDArray[np.float32]] = {
        names[i]: np.empty((len(part.rows), len(network.biases[i])), np.float32) for i in chosen
    }
    for block in blocks(len(part.rows), widest_layer(network)):
        outputs = forward(network, part.inputs[block])
        for i in chosen:
            values[names[i]][block] = outputs[i]
    logger.info("%d probe rows, layers %s", len(part.rows), ", ".join(values))
    write_activations(activation_path, values, part.rows, part.labels, **made_by)
