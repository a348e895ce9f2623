"""Stage prediction: from a network file and its data set to a prediction file."""

import logging
from typing import Any

import numpy as np

from netkin.activation.evaluation import InputOrder, blocks, read_fitting_network, read_part
from netkin.activation.forward import forward, widest_layer
from netkin.prediction.prediction import Prediction, write_prediction
from netkin.storage import restore

logger = logging.getLogger(__name__)


def compute_predictions(
    *,
    network_path: str,
    dataset_path: str,
    prediction_path: str,
    input_order: InputOrder,
    order_seed: int,
    n_labels: int | None,
    code: str = "",
) -> None:
    """Write the class probabilities of a network on all test rows, or put back what was there.

    Rows of labels that the network has never seen are kept, so that all networks of a data set
    share the rows; measures leave out what they cannot compare.

    Parameters
    ----------
    network_path, dataset_path, prediction_path : str
        The network file and the data set file to read, and the prediction file to write.
    input_order, order_seed, n_labels
        What the network was trained with, see `netkin.network.train.select_rows`.
    code : str
        Digest of the code, recorded in the file.

    Raises
    ------
    NetkinError
        A file is unreadable, or the network does not fit the data set.
    """
    from scipy.special import softmax

    parameters = {"input_order": input_order, "order_seed": order_seed, "n_labels": n_labels}
    made_by: Any = {
        "parameters": parameters,
        "code": code,
        "inputs": [network_path, dataset_path],
    }
    if restore(prediction_path, "prediction", **made_by):
        return
    part = read_part(dataset_path, "test")
    network = read_fitting_network(
        network_path, part, input_order=input_order, order_seed=order_seed, n_labels=n_labels
    )
    probabilities = np.empty((len(part.rows), len(network.biases[-1])))
    for block in blocks(len(part.rows), widest_layer(network)):
        probabilities[block] = softmax(forward(network, part.inputs[block])[-1], axis=1)
    prediction = Prediction(part.rows, probabilities, part.labels, name=network_path)
    known = part.labels < prediction.n_classes
    logger.info(
        "%d of %d test rows have one of the network's %d labels, share of right answers %.4f",
        known.sum(),
        len(known),
        prediction.n_classes,
        (prediction.predicted == part.labels)[known].mean() if known.any() else np.nan,
    )
    write_prediction(prediction_path, prediction, **made_by)
