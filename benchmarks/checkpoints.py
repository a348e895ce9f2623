"""Checkpoints of known architectures with random weights, written in the format of safetensors."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

Numbers = Callable[[str, tuple[int, ...]], np.ndarray]
ROWS = 1 << 20
"""Numbers that are drawn at once, about."""


def put_safetensors(
    path: Path, shapes: Mapping[str, tuple[int, ...]], kind: str, numbers: Numbers
) -> None:
    """Write tensors block by block; `numbers(name, shape)` returns an array of some rows."""
    size = {"F32": 4, "BF16": 2}[kind]
    header, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + size * int(np.prod(shape))
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # so that numbers lie at multiples of their size
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, shape in shapes.items():
            rows = max(1, ROWS // int(np.prod(shape[1:])))
            for row in range(0, shape[0], rows):
                part = numbers(name, (min(rows, shape[0] - row), *shape[1:]))
                file.write(part.tobytes())


def write_checkpoint(folder: Path, name: str) -> None:
    """Write a network of `CHECKPOINTS` as Hugging Face stores it, float32 in one file.

    Weights are normal, of He's variance; norms and what they count are drawn about 1 and 0.
    """
    rng = np.random.default_rng(0)
    config, shapes = CHECKPOINTS[name]()

    def numbers(name: str, shape: tuple[int, ...]) -> np.ndarray:
        if len(shape) > 1:
            fan_in = int(np.prod(shape[1:]))
            return np.float32(np.sqrt(2 / fan_in)) * rng.standard_normal(shape, np.float32)
        if name.endswith(("bias", "running_mean")):
            return np.float32(0.02) * rng.standard_normal(shape, np.float32)
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)

    put_safetensors(folder / "model.safetensors", shapes, "F32", numbers)
    (folder / "config.json").write_text(json.dumps(config))


def _of_transformers(config: str, model: str, **options: Any) -> tuple[dict, dict]:
    """Return config.json and the shapes of a model of transformers, which allocates nothing."""
    import torch

    from netkin.torchvision_compat import import_torchvision

    import_torchvision()  # which transformers loads
    import transformers

    made = getattr(transformers, config)(**options)
    with torch.device("meta"):
        module = getattr(transformers, model)(made)
    tied = set(getattr(module, "_tied_weights_keys", None) or ())
    shapes = {
        name: tuple(tensor.shape)
        for name, tensor in module.state_dict().items()
        if tensor.is_floating_point() and name not in tied
    }
    return {**made.to_dict(), "architectures": [model]}, shapes


def _resnet(depths: list[int], kind: str, widths: list[int]) -> tuple[dict, dict]:
    return _of_transformers(
        *("ResNetConfig", "ResNetForImageClassification"),
        depths=depths,
        layer_type=kind,
        hidden_sizes=widths,
        num_labels=1000,
    )


CHECKPOINTS: dict[str, Callable[[], tuple[dict, dict]]] = {
    "ResNet-18": lambda: _resnet([2, 2, 2, 2], "basic", [64, 128, 256, 512]),
    "ResNet-50": lambda: _resnet([3, 4, 6, 3], "bottleneck", [256, 512, 1024, 2048]),
    "ViT-B/16": lambda: _of_transformers("ViTConfig", "ViTForImageClassification", num_labels=1000),
    "GPT-2 small": lambda: _of_transformers("GPT2Config", "GPT2LMHeadModel"),
}
"""Name -> a function that returns config.json and the shapes of the tensors."""
