"""Stage prediction: from network files and their data set to the bundle of their predictions."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from netkin import storage
from netkin.activation.evaluation import Part, blocks, read_fitting_network, read_part
from netkin.activation.forward import forward, widest_layer
from netkin.failure import Together
from netkin.prediction.prediction import Prediction, put_prediction

logger = logging.getLogger(__name__)


def compute_predictions(
    *,
    network_paths: Sequence[str],
    ids: Sequence[str],
    dataset_path: str,
    prediction_path: str,
    trained_with: Sequence[Mapping[str, Any]],
    code: str = "",
) -> None:
    """Write the class probabilities of networks on all test rows.

    Rows of labels that a network has never seen are kept, so that all networks of a data set
    share the rows; measures leave out what they cannot compare.

    Parameters
    ----------
    network_paths : sequence of str
        The network files to read.
    ids : sequence of str
        What each network is called in the bundle.
    dataset_path, prediction_path : str
        The data set file to read and the bundle to write.
    trained_with : sequence of mapping
        For each network ``input_order``, ``order_seed`` and ``n_labels``, see
        `netkin.network.train.variant_rows`.
    code : str
        Digest of the code, recorded in the file.

    Raises
    ------
    NetkinError
        A file is unreadable, or a network does not fit the data set.
    """
    parameters = {"networks": list(ids), "trained_with": [dict(one) for one in trained_with]}
    part = read_part(dataset_path, "test")
    with storage.create(
        prediction_path,
        "prediction",
        parameters=parameters,
        code=code,
        inputs=[*network_paths, dataset_path],
        ids=ids,
    ) as file:
        failures = Together()
        for path, id, how in zip(network_paths, ids, trained_with, strict=True):
            with failures.one(path):
                prediction = _predict(path, part, how)
                known = part.labels < prediction.n_classes
                logger.info(
                    "%s: %d of %d test rows have one of the network's %d labels, share of right "
                    "answers %.4f",
                    id,
                    known.sum(),
                    len(known),
                    prediction.n_classes,
                    (prediction.predicted == part.labels)[known].mean() if known.any() else np.nan,
                )
                put_prediction(storage.member(file, id), prediction)
        failures.check()


def _predict(path: str, part: Part, how: Mapping[str, Any]) -> Prediction:
    from scipy.special import softmax

    network = read_fitting_network(path, part, **how)
    probabilities = np.empty((len(part.rows), len(network.weights[-1])))
    for block in blocks(len(part.rows), widest_layer(network)):
        probabilities[block] = softmax(forward(network, part.inputs[block])[-1], axis=1)
    return Prediction(part.rows, probabilities, part.labels, name=path)
