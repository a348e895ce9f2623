"""Distances of two diagrams on a sampling fitted to the pair, as giotto-tda has them.

Each pair is measured on its own scale, so these are no metrics: distances of different
pairs compare only roughly. They exist to repeat published numbers.
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated

from annotated_types import Ge, Gt, Le

from netkin.diagram.diagram import Diagram
from netkin.distance.vector import combine_dimensions, lp_distance
from netkin.options import OR_INF, checked
from netkin.vector.heat import Heat
from netkin.vector.landscape import Landscape
from netkin.vector.sampling import Sampling, fit_samplings
from netkin.vector.silhouette import Silhouette
from netkin.vector.vector import MOST_BINS, MOST_BINS_OF_IMAGES, Accumulator, vectorise


@checked
def landscape_pairwise(
    a: Diagram,
    b: Diagram,
    *,
    n_bins: Annotated[int, Ge(2), Le(MOST_BINS)] = 200,
    p: Annotated[float, Ge(1), Le(100), OR_INF] = 2.0,
    n_layers: Annotated[int, Ge(1), Le(1000)] = 1,
) -> float:
    """L^p distance of the landscapes of two finite diagrams; see `fit_samplings`.

    Equals giotto-tda's `PairwiseDistance` of the pair with ``order=2``. Options as in
    `netkin.vector.landscape.Landscape` and `netkin.distance.vector.vector_distance`.
    """
    return _distance(a, b, partial(Landscape, n_layers=n_layers), 1, n_bins, p)


@checked
def silhouette_pairwise(
    a: Diagram,
    b: Diagram,
    *,
    n_bins: Annotated[int, Ge(2), Le(MOST_BINS)] = 200,
    p: Annotated[float, Ge(1), Le(100), OR_INF] = 2.0,
    power: Annotated[float, Gt(0), Le(100), OR_INF] = 1.0,
) -> float:
    """L^p distance of the silhouettes of two finite diagrams; see `fit_samplings`.

    Equals giotto-tda's `PairwiseDistance` of the pair with ``order=2``. Options as in
    `netkin.vector.silhouette.Silhouette` and `netkin.distance.vector.vector_distance`.
    """
    return _distance(a, b, partial(Silhouette, power=power), 1, n_bins, p)


@checked
def heat_pairwise(
    a: Diagram,
    b: Diagram,
    *,
    n_bins: Annotated[int, Ge(2), Le(MOST_BINS_OF_IMAGES)] = 200,
    p: Annotated[float, Ge(1), Le(100), OR_INF] = 2.0,
    sigma: Annotated[float, Ge(1e-6), Le(10)] = 0.1,
) -> float:
    """L^p distance of the heat images of two finite diagrams; see `fit_samplings`.

    Equals giotto-tda's `PairwiseDistance` of the pair with ``order=2``. Options as in
    `netkin.vector.heat.Heat` and `netkin.distance.vector.vector_distance`.
    """
    return _distance(a, b, partial(Heat, sigma=sigma), 2, n_bins, p)


def _distance(
    a: Diagram,
    b: Diagram,
    accumulator: Callable[[Sampling], Accumulator],
    axes: int,
    n_bins: int,
    p: float,
) -> float:
    samplings = fit_samplings(a, b, n_bins=n_bins)
    return combine_dimensions(
        lp_distance(
            vectorise(accumulator(sampling), a.intervals[k], a.counts[k]),
            vectorise(accumulator(sampling), b.intervals[k], b.counts[k]),
            step=sampling.step,
            axes=axes,
            p=p,
        )
        for k, sampling in enumerate(samplings)
    )
