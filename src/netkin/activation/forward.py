"""The forward pass of a network, the one place where its layers are computed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netkin.finite import require_finite
from netkin.network.file import Network


def forward(network: Network, inputs: NDArray[np.floating[Any]]) -> list[NDArray[np.float64]]:
    """Compute the outputs of all layers, without dropout.

    Parameters
    ----------
    network : Network
        A multilayer perceptron as of `netkin.network.mlp.build_mlp`.
    inputs : float array of shape (n, d)
        Rows in the feature order of the network.

    Returns
    -------
    list of float64 arrays of shape (n, width of the layer)
        Hidden layers after ReLU, as the next layer sees them, then the logits.

    Raises
    ------
    NetkinError
        An input, weight or bias is NaN or infinite, or a unit gets beyond what floats hold.
    """
    outputs = []
    values = inputs.astype(np.float64)
    for index, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        values = values @ weight.T.astype(np.float64) + (0.0 if bias is None else bias)
        # before ReLU, which makes 0 of minus infinity
        require_finite(values, f"outputs of layer {index}")
        if index < len(network.weights) - 1:
            np.maximum(values, 0.0, out=values)
        outputs.append(values)
    return outputs


def layer_names(network: Network) -> list[str]:
    """Return the names of what `forward` gives: ``hidden_1``, ``hidden_2``, ..., ``logits``."""
    return [f"hidden_{i}" for i in range(1, len(network.weights))] + ["logits"]


def widest_layer(network: Network) -> int:
    """Return the largest number of units of a layer, the inputs included."""
    return int(max(max(weight.shape) for weight in network.weights))
