"""Distance of two vectorised diagrams."""

from collections.abc import Iterable
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from netkin.errors import NetkinError
from netkin.finite import require_finite
from netkin.options import OR_INF, checked
from netkin.vector.vector import Vector


@checked
def vector_distance(
    a: Vector, b: Vector, *, p: Annotated[float, Ge(1), Le(100), OR_INF] = 2.0
) -> float:
    """L^p distance of two vectors on the same sampling.

    Per homology dimension the p-norm of the difference times ``step ** (axes / p)``, an
    approximation of the integral norm; then the 2-norm over the dimensions.

    Parameters
    ----------
    a, b : Vector
        Made by the same vectoriser on the same sampling.
    p : float
        Exponent of the norm, ``inf`` for the largest difference.

    Raises
    ------
    NetkinError
        The vectors differ in kind, sampling, dimensions or shape, or hold NaN or infinity.
    """
    for what, of_a, of_b in (
        ("kind", a.kind, b.kind),
        ("sampling", a.sampling, b.sampling),
        ("shapes", [part.shape for part in a.arrays], [part.shape for part in b.arrays]),
    ):
        if of_a != of_b:
            raise NetkinError(
                f"two vectors differ in {what}, {of_a} and {of_b}; compute them with the same "
                "settings."
            )
    return combine_dimensions(
        lp_distance(x, y, step=a.sampling.step, axes=a.axes, p=p)
        for x, y in zip(a.arrays, b.arrays, strict=True)
    )


def lp_distance(
    x: NDArray[np.float64], y: NDArray[np.float64], *, step: float, axes: int, p: float
) -> float:
    """Return the p-norm of x - y, flattened, times ``step ** (axes / p)``; of finite x and y."""
    for array in (x, y):
        require_finite(array, "arrays of a vector")
    with np.errstate(over="ignore"):
        difference = (x - y).ravel()
    require_finite(difference, "differences of arrays of a vector")
    # a power of two rounds nothing, and keeps high powers in the range of floats
    scale = np.ldexp(1.0, np.frexp(np.abs(difference).max(initial=0.0))[1] - 1)
    with np.errstate(over="ignore"):  # infinite then, which whoever asks refuses
        return float(np.linalg.norm(difference / scale, ord=p) * scale * step ** (axes / p))


def combine_dimensions(distances: Iterable[float]) -> float:
    """Return the 2-norm of the distances of the homology dimensions."""
    return float(np.linalg.norm(list(distances)))
