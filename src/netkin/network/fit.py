"""Training epochs and their history, for any model that takes rows and gives logits."""

import logging
import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from netkin.errors import NetkinError
from netkin.network.file import HISTORY
from netkin.network.optimiser import RMSprop

if TYPE_CHECKING:
    import torch
    from torch import nn

EVALUATION_ROWS = 4096
"""Rows evaluated at once; bounds the memory of the hidden activations."""


def rows_to_train_on(n_rows: int, validation_share: float, name: str) -> int:
    """Return how many of the rows, the first ones, are trained on; the others are held out.

    These are ``floor(n_rows (1 - validation_share))``, as in Keras.

    Raises
    ------
    NetkinError
        When that is none.
    """
    n_train = math.floor(n_rows * (1 - validation_share))
    if n_train < 1:
        raise NetkinError(
            f"{name}: validation_share {validation_share} leaves none of {n_rows} "
            "rows to train on; lower it."
        )
    return n_train


def fit(
    model: "nn.Sequential",
    optimiser: RMSprop,
    train: "tuple[torch.Tensor, torch.Tensor]",
    validation: "tuple[torch.Tensor, torch.Tensor]",
    *,
    batch_size: int,
    epochs: int,
    name: str,
    logger: logging.Logger,
    evaluation_rows: int = EVALUATION_ROWS,
) -> dict[str, NDArray[np.float64]]:
    """Train in place and return the history; see `netkin.network.file.Network.history`.

    Parameters
    ----------
    model : torch.nn.Sequential
        Its parameters change.
    optimiser : RMSprop
        That of the model.
    train, validation : tuple of torch.Tensor
        Inputs (n, d) and labels (n,) on the device of the model; validation may be empty.
    batch_size : int
        Rows a step; the last, smaller batch is kept.
    epochs : int
        Passes over the training rows, in a new order each.
    name : str
        How an error names the network.
    logger : logging.Logger
        Takes one line an epoch.
    evaluation_rows : int
        Validation rows taken at once.

    Raises
    ------
    NetkinError
        When the loss or a weight becomes NaN or infinite.
    """
    import torch
    from torch.nn.functional import cross_entropy

    inputs, labels = train
    n_rows = len(labels)
    history = {key: np.zeros(epochs) for key in HISTORY}
    for epoch in range(epochs):
        started = time.perf_counter()
        model.train()
        # sums stay on the device: reading them every step would stall a GPU
        loss_sum = torch.zeros((), device=inputs.device, dtype=torch.float64)
        n_right = torch.zeros((), device=inputs.device, dtype=torch.int64)
        order = torch.randperm(n_rows).to(inputs.device)
        for start in range(0, n_rows, batch_size):
            batch = order[start : start + batch_size]
            # index_select copies whole rows; indexing is four times slower
            batch_labels = labels.index_select(0, batch)
            logits = model(inputs.index_select(0, batch))
            loss = cross_entropy(logits, batch_labels)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call] # torch has no types here
            optimiser.step()
            loss_sum += loss.detach() * len(batch)
            n_right += (logits.detach().argmax(1) == batch_labels).sum()
        values = [
            loss_sum.item() / n_rows,
            n_right.item() / n_rows,
            *evaluate(model, validation, evaluation_rows),
        ]
        for key, value in zip(HISTORY, values, strict=True):
            history[key][epoch] = value
        finite = all(bool(parameter.isfinite().all()) for parameter in model.parameters())
        if not (math.isfinite(values[0]) and finite):
            raise NetkinError(
                f"{name}: the loss or a weight is NaN or infinite after epoch {epoch + 1} of "
                f"{epochs} with learning_rate {optimiser.learning_rate}, rho {optimiser.rho} and "
                f"epsilon {optimiser.epsilon}; {way_out(optimiser.epsilon)}."
            )
        logger.info(
            "epoch %d/%d loss %.4f accuracy %.4f validation loss %.4f accuracy %.4f %.1f s",
            epoch + 1,
            epochs,
            *values,
            time.perf_counter() - started,
        )
    return history


def way_out(epsilon: float) -> str:
    """Return what to do about a training that diverged."""
    # without a gradient a step is learning_rate * 0 / (0 + epsilon)
    if epsilon < np.finfo(np.float32).tiny:
        return "this epsilon is 0 in float32, take a larger one, such as 1.0e-7"
    return "try a smaller learning_rate or rho, or a larger epsilon"


def evaluate(
    model: "nn.Sequential",
    rows: "tuple[torch.Tensor, torch.Tensor]",
    evaluation_rows: int = EVALUATION_ROWS,
) -> tuple[float, float]:
    """Return mean cross-entropy and accuracy without dropout; NaN for no rows."""
    import torch
    from torch.nn.functional import cross_entropy

    inputs, labels = rows
    if len(labels) == 0:
        return math.nan, math.nan
    model.eval()
    loss_sum: Any = 0.0
    n_right: Any = 0
    with torch.inference_mode():
        for start in range(0, len(labels), evaluation_rows):
            chunk = slice(start, start + evaluation_rows)
            logits = model(inputs[chunk])
            loss_sum += cross_entropy(logits, labels[chunk], reduction="sum").double()
            n_right += (logits.argmax(1) == labels[chunk]).sum()
    return float(loss_sum) / len(labels), float(n_right) / len(labels)
