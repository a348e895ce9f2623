"""Products and decompositions of large matrices, on a CUDA device where there is one.

All take and return float64 arrays of numpy; a matrix is copied to the device for each operation,
which what is cubic in its size pays for. Values differ from those of the CPU in the last digits.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netkin.errors import NetkinError

if TYPE_CHECKING:
    import torch

Matrix = NDArray[np.float64]

DRIVER = Path("/proc/driver/nvidia/version")
"""Where Linux shows a driver for CUDA; without one torch need not be imported, which takes long.

Elsewhere, as in WSL2, ``auto`` is the processor.
"""
WORTHWHILE = 128
"""Least number of rows and columns for which a matrix is sent to the device."""

_device: "torch.device | None" = None


class SVD(NamedTuple):
    """Thin singular value decomposition ``u @ diag(s) @ vt``, s descending."""

    u: Matrix
    s: Matrix
    vt: Matrix


@contextmanager
def on_device(device: str) -> Iterator[None]:
    """Compute on a device within the block.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda"}
        ``auto``: CUDA where there is a driver, torch is installed and finds a GPU.

    Raises
    ------
    NetkinError
        Another name, ``cuda`` without torch or a GPU, or a GPU whose memory does not suffice.
    """
    global _device
    before, _device = _device, _choose(device)
    try:
        yield
    except RuntimeError as error:
        # torch's own class, which cannot be named where torch is not installed
        if type(error).__name__ != "OutOfMemoryError":
            raise
        raise NetkinError(
            "the memory of the GPU does not suffice; set distance.device to cpu, or "
            "activation.probe_rows lower."
        ) from None
    finally:
        _device = before


def _choose(device: str) -> "torch.device | None":
    """Return the GPU, or None for the processor."""
    if device not in ("auto", "cpu", "cuda"):
        raise NetkinError(
            f"distance.device: '{device}' is not known; allowed are auto, cpu and cuda."
        )
    # not the training's choice of a device, whose edits would make all distances anew
    if device == "cpu" or (device == "auto" and not DRIVER.exists()):
        return None
    try:
        import torch
    except ImportError:
        lack = "torch is not installed here"
    else:
        if torch.cuda.is_available():
            return torch.device("cuda")
        lack = f"torch {torch.__version__} finds no GPU here"
    if device == "auto":
        return None
    raise NetkinError(f"distance.device: 'cuda' was asked for, but {lack}; set it to auto or cpu.")


def product(x: Matrix, y: Matrix) -> Matrix:
    """Return ``x @ y``."""
    if not _is_worthwhile(x, y):
        found: Matrix = x @ y
        return found
    return _back(_there(x) @ _there(y))


def svd(matrix: Matrix) -> SVD:
    """Return the thin singular value decomposition."""
    if not _is_worthwhile(matrix):
        return SVD(*np.linalg.svd(matrix, full_matrices=False))
    import torch

    parts = torch.linalg.svd(_there(matrix), full_matrices=False, driver=_driver())
    return SVD(*(_back(part) for part in parts))


def singular_values(matrix: Matrix) -> Matrix:
    """Return the singular values, descending."""
    if not _is_worthwhile(matrix):
        return np.asarray(np.linalg.svd(matrix, compute_uv=False), dtype=np.float64)
    import torch

    return _back(torch.linalg.svdvals(_there(matrix), driver=_driver()))


def eigenvalues(symmetric: Matrix) -> Matrix:
    """Return the eigenvalues of a symmetric matrix, ascending; its content may be lost."""
    if not _is_worthwhile(symmetric):
        from scipy.linalg import eigvalsh

        # transposed it is in the order of LAPACK and needs no copy
        found: Matrix = eigvalsh(symmetric.T, overwrite_a=True)
        return found
    import torch

    return _back(torch.linalg.eigvalsh(_there(symmetric)))


def _driver() -> str | None:
    # the one that finds small values as exactly as LAPACK, on which ranks rest
    return "gesvd" if _device is not None and _device.type == "cuda" else None


def _is_worthwhile(*matrices: Matrix) -> bool:
    return _device is not None and min(min(m.shape) for m in matrices) >= WORTHWHILE


def _there(matrix: Matrix) -> "torch.Tensor":
    import torch

    return torch.from_numpy(np.ascontiguousarray(matrix)).to(_device)


def _back(tensor: "torch.Tensor") -> Matrix:
    found: Matrix = tensor.cpu().numpy()
    return found
