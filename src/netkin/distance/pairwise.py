"""Distances of two diagrams on a sampling fitted to the pair, as giotto-tda has them.

Each pair is measured on its own scale, so these are no metrics: distances of different
pairs compare only roughly. They exist to repeat published numbers.
"""

from collections.abc import Callable
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt
from numpy.typing import NDArray

from netkin.diagram.diagram import Diagram
from netkin.distance.vector import combine_dimensions, lp_distance
from netkin.vector.heat import heat
from netkin.vector.landscape import landscape
from netkin.vector.sampling import Sampling, fit_samplings
from netkin.vector.silhouette import silhouette


def landscape_pairwise(
    a: Diagram,
    b: Diagram,
    *,
    n_bins: Annotated[int, Ge(2)] = 200,
    p: Annotated[float, Ge(1)] = 2.0,
    n_layers: Annotated[int, Ge(1)] = 1,
) -> float:
    """L^p distance of the landscapes of two finite diagrams; see `fit_samplings`.

    Equals giotto-tda's `PairwiseDistance` of the pair with ``order=2``. Options as in
    `netkin.vector.landscape.landscape` and `netkin.distance.vector.vector_distance`.
    """
    return _distance(a, b, lambda x, s: landscape(x, s, n_layers=n_layers), 1, n_bins, p)


def silhouette_pairwise(
    a: Diagram,
    b: Diagram,
    *,
    n_bins: Annotated[int, Ge(2)] = 200,
    p: Annotated[float, Ge(1)] = 2.0,
    power: Annotated[float, Gt(0)] = 1.0,
) -> float:
    """L^p distance of the silhouettes of two finite diagrams; see `fit_samplings`.

    Equals giotto-tda's `PairwiseDistance` of the pair with ``order=2``. Options as in
    `netkin.vector.silhouette.silhouette` and `netkin.distance.vector.vector_distance`.
    """
    return _distance(a, b, lambda x, s: silhouette(x, s, power=power), 1, n_bins, p)


def heat_pairwise(
    a: Diagram,
    b: Diagram,
    *,
    n_bins: Annotated[int, Ge(2)] = 200,
    p: Annotated[float, Ge(1)] = 2.0,
    sigma: Annotated[float, Gt(0)] = 0.1,
) -> float:
    """L^p distance of the heat images of two finite diagrams; see `fit_samplings`.

    Equals giotto-tda's `PairwiseDistance` of the pair with ``order=2``. Options as in
    `netkin.vector.heat.heat` and `netkin.distance.vector.vector_distance`.
    """
    return _distance(a, b, lambda x, s: heat(x, s, sigma=sigma), 2, n_bins, p)


def _distance(
    a: Diagram,
    b: Diagram,
    vectorise: Callable[[NDArray[np.float64], Sampling], NDArray[np.float64]],
    axes: int,
    n_bins: int,
    p: float,
) -> float:
    samplings = fit_samplings(a, b, n_bins=n_bins)
    return combine_dimensions(
        lp_distance(vectorise(x, s), vectorise(y, s), step=s.step, axes=axes, p=p)
        for x, y, s in zip(a.intervals, b.intervals, samplings, strict=True)
    )
