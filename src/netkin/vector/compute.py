"""Stage vector: from the diagrams of a bundle to their vectors."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from netkin import storage
from netkin.diagram.diagram import read_diagram
from netkin.diagram.policy import apply_policy
from netkin.errors import Absent, NetkinError, allowed
from netkin.failure import Together
from netkin.vector import VECTORISERS
from netkin.vector.sampling import Sampling
from netkin.vector.vector import Vector, put_vector

logger = logging.getLogger(__name__)


def vectorise_diagrams(
    *,
    diagram_path: str,
    vector_path: str,
    vector: str,
    range: Sequence[float],
    n_bins: int,
    options: Mapping[str, Any],
    policy: Mapping[str, Any],
    code: str = "",
) -> None:
    """Write diagrams as arrays on a sampling common to all networks and dimensions.

    Parameters
    ----------
    diagram_path, vector_path : str
        The bundle of diagrams to read and the bundle of vectors to write.
    vector : str
        A key of `netkin.vector.VECTORISERS`.
    range : pair of float
        First and last point of the sampling, in units of the filtration.
    n_bins : int
        Number of points, 2 to `Vectoriser.most_bins`.
    options : mapping
        Options of the vectoriser.
    policy : mapping
        Options of `netkin.diagram.policy.apply_policy`.
    code : str
        Digest of the code, recorded in the file.

    Raises
    ------
    NetkinError
        Unknown vector, an empty range, too few or many points, or an unreadable diagram file.
    """
    if vector not in VECTORISERS:
        raise NetkinError(f"unknown vector '{vector}'. {allowed(vector, VECTORISERS)}")
    low, high = (float(bound) for bound in range)
    if not low < high:
        raise NetkinError(
            f"vector '{vector}': range is [{low}, {high}], the first bound must be smaller."
        )
    most = VECTORISERS[vector].most_bins
    if not 2 <= n_bins <= most:
        raise NetkinError(f"vector '{vector}': n_bins is {n_bins}; allowed is 2 to {most:,}.")
    parameters = {
        "kind": vector,
        "range": [low, high],
        "n_bins": n_bins,
        "options": dict(options),
        "policy": dict(policy),
    }
    sampling = Sampling(low, high, n_bins)
    vectoriser = VECTORISERS[vector]
    ids = storage.read_ids(diagram_path, "diagram")
    with storage.create(
        vector_path, "vector", parameters=parameters, code=code, inputs=[diagram_path], ids=ids
    ) as file:
        failures = Together()
        for id in ids:
            with failures.one(id):
                try:
                    raw = read_diagram(storage.address(diagram_path, id))
                except Absent as reason:
                    storage.member(file, id).attrs["reason"] = str(reason)
                    continue
                diagram = apply_policy(raw, **policy)
                logger.info("%s: classes per dimension %s", id, list(diagram.n_classes()))
                arrays = vectoriser.arrays(diagram, sampling, **options)
                put_vector(
                    storage.member(file, id),
                    Vector(arrays, sampling, axes=vectoriser.axes, kind=vector),
                )
        failures.check()
