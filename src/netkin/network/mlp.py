"""The classifier: a multilayer perceptron with dropout."""

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn


def build_mlp(
    n_inputs: int, n_outputs: int, *, width: int, hidden_layers: int, dropout: float
) -> "nn.Sequential":
    """Build ``Linear -> ReLU -> Dropout`` per hidden layer and a linear output layer.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Number of features and of classes. The outputs are logits, without softmax.
    width : int
        Units of each hidden layer.
    hidden_layers : int
        Number of hidden layers; 0 gives one linear layer from inputs to outputs.
    dropout : float
        Probability in [0, 1) with which a hidden unit is set to 0 in training.

    Returns
    -------
    torch.nn.Sequential
        On the CPU, float32. Weights are uniform in +-sqrt(6 / (n_in + n_out)) from
        torch's default generator (Glorot and Bengio 2010, eq. 16), biases 0, as are the
        defaults of Keras.
    """
    from torch import nn

    from netkin.network.dropout import Dropout

    widths = [n_inputs] + [width] * hidden_layers
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.ReLU(), Dropout(dropout)]
    layers.append(nn.Linear(widths[-1], n_outputs))
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


def layer_arrays(
    model: "nn.Sequential",
) -> tuple[tuple[NDArray[np.float32], ...], tuple[NDArray[np.float32], ...]]:
    """Return copies of the weights (n_out, n_in) and biases (n_out,), input side first."""
    from torch import nn

    linear = [layer for layer in model if isinstance(layer, nn.Linear)]
    weights = tuple(layer.weight.detach().cpu().numpy().copy() for layer in linear)
    biases = tuple(layer.bias.detach().cpu().numpy().copy() for layer in linear)
    return weights, biases
