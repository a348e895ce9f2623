"""Stage dataset: features of images by a convolutional network, trained once and frozen.

The classifiers of such a data set are trained on its features, so none of their jobs
touches a convolution.
"""

import logging
import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from netkin.dataset.arrays import read_arrays, store_arrays
from netkin.errors import NetkinError
from netkin.network.fit import evaluate, fit, rows_to_train_on
from netkin.network.optimiser import RMSprop
from netkin.network.torch_setup import choose_device, derived_seed, flushed_denormals
from netkin.storage import create

if TYPE_CHECKING:
    import torch
    from torch import nn

logger = logging.getLogger(__name__)

CHANNELS = (32, 64, 128)
"""Channels of the two convolutions of each block; a block ends by halving the image."""
HEAD = (128, 64)
"""Units of the hidden layers of the head, with which the convolutions are trained."""
CHUNK_ROWS = 512
"""Images taken at once without training; bounds the memory of the activations."""


def extract_features(
    *,
    images_path: str,
    dataset_path: str,
    device: Literal["auto", "cpu", "cuda"],
    threads: int,
    code: str = "",
    dataset: str,
    epochs: int,
    batch_size: int,
    dropout: float,
    learning_rate: float,
    rho: float,
    epsilon: float,
    validation_share: float,
) -> None:
    """Train a convolutional network on images and write the features of all of them.

    Three blocks of two convolutions (3 x 3, same size, ReLU) and a maximum over 2 x 2
    pixels, with 32, 64 and 128 channels; then a head of 128 and 64 units and one output
    a class. The features are the outputs of the last block, flattened channel by channel:
    1,152 for 28 x 28 pixels, 2,048 for 32 x 32. Weights begin Glorot-uniform, biases 0.
    Training is that of `netkin.network.train.train_network`: softmax cross-entropy,
    RMSprop, rows in a new order each epoch. All randomness comes from one seed made of
    `dataset`.

    Parameters
    ----------
    images_path, dataset_path : str
        HDF5 file to read and to write, both of layout ``dataset``. Labels, row numbers
        and names are carried over. The written file also has the group ``extractor``:
        ``layers/0/weight``, ``layers/0/bias`` and so on, convolutions first; attributes
        ``test_accuracy`` and, one value an epoch, those of `netkin.network.file.HISTORY`.
    device : {"auto", "cpu", "cuda"}
        ``auto`` takes the GPU where there is one. The device used is stored.
    threads : int
        CPU threads, as many as that whatever the machine has; another number gives other
        features.
    code : str
        Digest of the code, stored in the file.
    dataset : str
        Name in the config, the seed.
    epochs : int
        Passes over the training rows.
    batch_size : int
        Rows a step.
    dropout : float
        Probability with which a unit of the head is set to 0 in training.
    learning_rate, rho, epsilon : float
        Constants of RMSprop.
    validation_share : float
        Share in [0, 1) of the training rows, the last ones, that is held out.

    Raises
    ------
    NetkinError
        When the images cannot be read or are no square images, when there is no GPU for
        ``cuda``, and when the loss or a weight becomes NaN or infinite. No file is
        written then.
    """
    started = time.perf_counter()
    images = read_arrays(images_path)
    name = f"data set '{dataset}', extractor"
    shape = image_shape(images.train_inputs.shape[1], name)
    n_train = rows_to_train_on(len(images.train_labels), validation_share, name)

    import torch

    torch.set_num_threads(threads)
    place = choose_device(device)
    logger.info("%s: training on %s, %d images of %s", name, place.type, n_train, shape)
    on_cuda = [torch.cuda.current_device()] if place.type == "cuda" else []
    # cuDNN is free to choose convolutions whose sums differ from run to run
    cudnn = torch.backends.cudnn.flags(enabled=True, deterministic=True)
    with flushed_denormals(), cudnn, torch.random.fork_rng(devices=on_cuda):
        torch.manual_seed(derived_seed(dataset, "extractor", 0))
        blocks, head = build_extractor(shape, len(images.label_names), dropout=dropout)
        # colours last in memory: the convolutions of a CPU are faster so
        model = torch.nn.Sequential(*blocks, *head).to(place)
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's own types lack it
        history = fit(
            model,
            RMSprop(model.parameters(), learning_rate=learning_rate, rho=rho, epsilon=epsilon),
            _tensors(images.train_inputs[:n_train], images.train_labels[:n_train], place),
            _tensors(images.train_inputs[n_train:], images.train_labels[n_train:], place),
            batch_size=batch_size,
            epochs=epochs,
            name=name,
            logger=logger,
            evaluation_rows=CHUNK_ROWS,
        )
        test = _tensors(images.test_inputs, images.test_labels, place)
        test_accuracy = evaluate(model, test, CHUNK_ROWS)[1]
        features = replace(
            images,
            train_inputs=_features(blocks, images.train_inputs, place),
            test_inputs=_features(blocks, images.test_inputs, place),
        )
    features.validate(name)
    parameters = {
        "dataset": dataset,
        "epochs": epochs,
        "batch_size": batch_size,
        "dropout": dropout,
        "learning_rate": learning_rate,
        "rho": rho,
        "epsilon": epsilon,
        "validation_share": validation_share,
        "threads": threads,
    }
    with create(
        dataset_path,
        "dataset",
        parameters=parameters,
        determined={"device": place.type},
        code=code,
        inputs=[images_path],
    ) as file:
        store_arrays(file, features)
        group = file.create_group("extractor")
        for index, (weight, bias) in enumerate(_trained(model)):
            group[f"layers/{index}/weight"] = weight.detach().cpu().contiguous().numpy()
            group[f"layers/{index}/bias"] = bias.detach().cpu().numpy()
        group.attrs["test_accuracy"] = test_accuracy
        group.attrs.update(history)
    logger.info(
        "%d features of each image, test accuracy %.4f, %.1f s",
        features.train_inputs.shape[1],
        test_accuracy,
        time.perf_counter() - started,
    )


def image_shape(n_inputs: int, name: str) -> tuple[int, int, int]:
    """Return planes, rows and columns of square images by their number of values.

    No number is both a square and three times a square, so it tells grey images, of one
    plane, from colour images, of three.

    Raises
    ------
    NetkinError
        When it is neither, or the images are too small to be halved three times.
    """
    for planes in (1, 3):
        side = math.isqrt(n_inputs // planes)
        if planes * side**2 == n_inputs and side >= 2 ** len(CHANNELS):
            return planes, side, side
    raise NetkinError(
        f"{name}: rows of {n_inputs} values are no images; allowed are squares of 8 x 8 pixels or "
        "more in one or three planes. Leave out the data set's key 'extractor'."
    )


def build_extractor(
    shape: tuple[int, int, int], n_outputs: int, *, dropout: float
) -> "tuple[nn.Sequential, nn.Sequential]":
    """Build the convolutions, from flat rows to features, and the head, to logits.

    Parameters
    ----------
    shape : tuple of int
        Planes, rows and columns of the images, in the order in which a row holds them.
    n_outputs : int
        Number of classes.
    dropout : float
        Probability in [0, 1) with which a hidden unit of the head is set to 0.

    Returns
    -------
    blocks, head : torch.nn.Sequential
        On the CPU, float32, weights drawn from torch's default generator, in this order.
    """
    from torch import nn

    from netkin.network.dropout import Dropout

    channels, *size = shape
    layers: list[nn.Module] = [nn.Unflatten(1, shape)]
    for n_out in CHANNELS:
        for n_in in (channels, n_out):
            layers += [nn.Conv2d(n_in, n_out, 3, padding="same"), nn.ReLU()]
        layers.append(nn.MaxPool2d(2))
        channels = n_out
        size = [length // 2 for length in size]
    blocks = nn.Sequential(*layers, nn.Flatten())
    layers, n_in = [], channels * math.prod(size)
    for n_out in HEAD:
        layers += [nn.Linear(n_in, n_out), nn.ReLU(), Dropout(dropout)]
        n_in = n_out
    head = nn.Sequential(*layers, nn.Linear(n_in, n_outputs))
    for weight, bias in (*_trained(blocks), *_trained(head)):
        nn.init.xavier_uniform_(weight)
        nn.init.zeros_(bias)
    return blocks, head


def _tensors(
    inputs: NDArray[np.float32], labels: NDArray[np.int64], place: "torch.device"
) -> "tuple[torch.Tensor, torch.Tensor]":
    import torch

    return torch.from_numpy(inputs).to(place), torch.from_numpy(labels).to(place)


def _trained(model: "nn.Sequential") -> "list[tuple[torch.Tensor, torch.Tensor]]":
    """Return weight and bias of each layer that has them, input side first."""
    parameters = list(model.parameters())
    return list(zip(parameters[::2], parameters[1::2], strict=True))


def _features(
    blocks: "nn.Sequential", inputs: NDArray[np.float32], place: "torch.device"
) -> NDArray[np.float32]:
    """Return the outputs of the frozen convolutions for all rows."""
    import torch

    with torch.inference_mode():
        chunks = torch.split(torch.from_numpy(inputs), CHUNK_ROWS)
        return torch.cat([blocks(chunk.to(place)).cpu() for chunk in chunks]).numpy()
