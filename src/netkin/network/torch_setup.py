"""How the stages that train use torch: seed, device, denormal numbers."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from netkin.errors import NetkinError, require_choice

if TYPE_CHECKING:
    import torch


def derived_seed(dataset: str, variant: str, seed: int) -> int:
    """Return a number in [0, 2^63) that depends on the three and on nothing else.

    It is taken from a SHA-256 digest, so it is the same on every machine.
    """
    digest = hashlib.sha256(f"{dataset}/{variant}/{seed}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def choose_device(device: str) -> "torch.device":
    """Return the device named ``auto``, ``cpu`` or ``cuda``.

    Raises
    ------
    NetkinError
        For another name, and when there is no GPU for ``cuda``.
    """
    import torch

    require_choice("device", device, ("auto", "cpu", "cuda"))
    if device == "cuda" and not torch.cuda.is_available():
        raise NetkinError(
            f"device: 'cuda' was asked for, but torch {torch.__version__} finds no GPU here; "
            "set it to auto or cpu, or install a CUDA build of torch."
        )
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Let the processor take denormal numbers for 0 within the block.

    Without it the averages of RMSprop for dead units decay into denormal numbers, which
    make deep networks 4 times slower.
    """
    import torch

    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
