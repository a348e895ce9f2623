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

if TYPE_CHECKING:
    import torch

Matrix = NDArray[np.float64]

DRIVER = Path("/proc/driver/nvidia/version")
"""Where Linux shows a driver for CUDA; without one torch need not be imported, which takes long."""
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
        ``auto``: CUDA where there is a driver and torch finds a GPU.

    Raises
    ------
    NetkinError
        Another name, or ``cuda`` without a GPU.
    """
    from netkin.network.torch_setup import choose_device

    global _device
    before = _device
    if device == "cpu" or (device == "auto" and not DRIVER.exists()):
        _device = None
    else:
        chosen = choose_device(device)
        _device = None if chosen.type == "cpu" else chosen
    try:
        yield
    finally:
        _device = before


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

    return SVD(*(_back(part) for part in torch.linalg.svd(_there(matrix), full_matrices=False)))


def singular_values(matrix: Matrix) -> Matrix:
    """Return the singular values, descending."""
    if not _is_worthwhile(matrix):
        found: Matrix = np.linalg.svd(matrix, compute_uv=False)
        return found
    import torch

    return _back(torch.linalg.svdvals(_there(matrix)))


def eigenvalues(symmetric: Matrix) -> Matrix:
    """Return the eigenvalues of a symmetric matrix, ascending; its content may be lost."""
    if not _is_worthwhile(symmetric):
        from scipy.linalg import eigvalsh

        # transposed it is in the order of LAPACK and needs no copy
        found: Matrix = eigvalsh(symmetric.T, overwrite_a=True)
        return found
    import torch

    return _back(torch.linalg.eigvalsh(_there(symmetric)))


def _is_worthwhile(*matrices: Matrix) -> bool:
    return _device is not None and min(min(m.shape) for m in matrices) >= WORTHWHILE


def _there(matrix: Matrix) -> "torch.Tensor":
    import torch

    return torch.from_numpy(np.ascontiguousarray(matrix)).to(_device)


def _back(tensor: "torch.Tensor") -> Matrix:
    found: Matrix = tensor.cpu().numpy()
    return found
