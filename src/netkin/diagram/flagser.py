"""Persistent homology of the directed flag complex, by flagser."""

from typing import Annotated

import numpy as np
from annotated_types import Ge

from netkin.diagram.diagram import Diagram
from netkin.errors import NetkinError
from netkin.graph.graph import Edges
from netkin.options import checked


@checked
def flagser_diagram(edges: Edges, *, max_dimension: Annotated[int, Ge(0)]) -> Diagram:
    """Compute the persistence diagram of the directed flag complex of any directed graph.

    A simplex is an ordered clique (v0, ..., vk) with an edge from vi to vj for all i < j;
    its filtration value is the largest of its edges, a vertex enters at 0. Two reciprocal
    edges are two simplices on the same vertices, hence a 1-cycle. Coefficients in Z/2.

    Parameters
    ----------
    edges : Edges
        Without self-loops, values >= 0.
    max_dimension : int
        Highest homology dimension.

    Returns
    -------
    Diagram
        Dimensions 0 to `max_dimension`, computed in float32. flagser itself leaves out
        intervals of length zero.

    Raises
    ------
    NetkinError
        A value is negative, NaN or infinite; or pyflagser is not installed, which netkin does
        without elsewhere since it is AGPL.

    References
    ----------
    Lütgehetmann, Govc, Smith, Levi (2020), Computing persistent homology of directed
    flag complexes, Algorithms 13(1).
    """
    graph = edges.stored()
    graph.check_values()
    try:
        from pyflagser import flagser_weighted
    except ModuleNotFoundError:
        raise NetkinError(
            "the engine flagser, for graphs with cliques, needs the package pyflagser (AGPL), "
            "which is not installed; install it: pip install pyflagser."
        ) from None

    found = flagser_weighted(
        graph.to_scipy(), max_dimension=max_dimension, directed=True, filtration="max", coeff=2
    )["dgms"]
    # flagser stops at the dimension of the complex, and lists at least two dimensions
    empty = np.empty((0, 2))
    found = (found + [empty] * (max_dimension + 1))[: max_dimension + 1]
    return Diagram.from_intervals(found)
