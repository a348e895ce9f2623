"""Distances of the persistence diagrams of two files of weights, tensor by tensor.

The diagram of a tensor is that of the bipartite graph of one layer: of its own weights, divided by
its own largest. So it needs no wiring, and a tensor says nothing of how it stands to the others.
"""

from collections.abc import Callable
from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from netkin.diagram.diagram import Diagram
from netkin.diagram.exact import exact_diagram
from netkin.diagram.policy import apply_policy
from netkin.distance.matching import bottleneck, wasserstein
from netkin.distance.tensors import NO_TENSOR, UNMATCHED, Tensors, matched_names, matrix_of
from netkin.errors import UndefinedDistance
from netkin.graph.dense import DenseEdges
from netkin.options import checked

Match = Literal["name", "position"]


def matrix_diagram(matrix: NDArray[np.floating[Any]]) -> Diagram:
    """Compute the diagram of the bipartite graph of a layer, in dimensions 0 and 1.

    Parameters
    ----------
    matrix : array of shape (n_out, n_in)
        Finite. An edge enters at ``max(1 - |w| / max|w|, 1e-6)``, or at 1 if all weights are 0.

    Returns
    -------
    Diagram
        As the engine gives it: classes of H1, and one of H0, never die.
    """
    if not matrix.any():
        n_out, n_in = matrix.shape
        h0 = np.array([[0.0, 1.0], [0.0, np.inf]])
        h1 = np.array([[1.0, np.inf]])
        n_loops = (n_out - 1) * (n_in - 1)
        return Diagram(
            (h0, h1[: n_loops > 0]),
            (np.array([n_out + n_in - 1, 1]), np.array([n_loops])[: n_loops > 0]),
        )
    return exact_diagram(DenseEdges([matrix], [None], bias_vertices="none"), max_dimension=1)


_known: "WeakKeyDictionary[Tensors, dict[str, Diagram]]" = WeakKeyDictionary()
"""Tensors -> their diagrams, for as long as somebody else has them."""


def tensor_diagrams(tensors: Tensors) -> dict[str, Diagram]:
    """Return the diagram of every tensor of two and more axes, in the order of the file.

    Parameters
    ----------
    tensors : Tensors
        See `netkin.distance.tensors.matrix_of` for how one is a layer. One that is there under
        two names counts once; those of one axis, as biases, have none.

    Returns
    -------
    dict of str to Diagram
        Reduced, the deaths of what never dies 1, and nothing left out for being short.

    Raises
    ------
    UndefinedDistance
        A tensor holds NaN or infinity.
    """
    if tensors not in _known:
        with tensors.opened() as opened:
            matrices = {name: matrix_of(one) for name, one in opened.items() if not one.same_as}
        _known[tensors] = {
            name: apply_policy(matrix_diagram(matrix), eta=0.0)
            for name, matrix in matrices.items()
            if matrix is not None
        }
    return _known[tensors]


@checked
def tensor_wasserstein(a: Tensors, b: Tensors, *, match: Match = "name") -> float:
    """Sum over tensors of the 1-Wasserstein distances of their diagrams.

    Parameters
    ----------
    a, b : Tensors
    match : {"name", "position"}
        ``name``: tensors of equal name and shape, the others do not count. ``position``: the
        first of a with the first of b and so on, whatever their shapes, of files that have
        equally many of two and more axes.

    Returns
    -------
    float
        0 for equal weights, whatever their signs and the order of units. No metric by name: which
        tensors are matched differs from pair to pair.

    Raises
    ------
    UndefinedDistance
        No tensor is matched, the files have different numbers of them, or one holds NaN or
        infinity.
    """
    return sum((wasserstein(x, y) for x, y in _matched(a, b, match)), 0.0)


@checked
def tensor_bottleneck(a: Tensors, b: Tensors, *, match: Match = "name") -> float:
    """Largest of the bottleneck distances of the diagrams of tensors.

    Parameters, results and errors as of `tensor_wasserstein`.
    """
    return max(bottleneck(x, y) for x, y in _matched(a, b, match))


def _matched(a: Tensors, b: Tensors, match: Match) -> list[tuple[Diagram, Diagram]]:
    matched: dict[Match, Callable[[Tensors, Tensors], list[tuple[Diagram, Diagram]]]] = {
        "name": _by_name,
        "position": _by_position,
    }
    return matched[match](a, b)


def _by_name(a: Tensors, b: Tensors) -> list[tuple[Diagram, Diagram]]:
    with a.opened() as of_a, b.opened() as of_b:
        names = [
            (of_a[name].same_as or name, of_b[name].same_as or name)
            for name in matched_names(of_a, of_b)
            if len(of_a[name].shape) > 1
        ]
    if not names:
        raise UndefinedDistance(UNMATCHED)
    return [(tensor_diagrams(a)[x], tensor_diagrams(b)[y]) for x, y in names]


def _by_position(a: Tensors, b: Tensors) -> list[tuple[Diagram, Diagram]]:
    x, y = (list(tensor_diagrams(each).values()) for each in (a, b))
    if len(x) != len(y):
        raise UndefinedDistance(
            f"the networks have {len(x)} and {len(y)} tensors of weights, so there is no matching "
            "by position"
        )
    if not x:
        raise UndefinedDistance(NO_TENSOR)
    return list(zip(x, y, strict=True))
