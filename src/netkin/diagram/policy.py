"""The policy that makes the raw intervals of diagrams finite and comparable."""

import os
from typing import Annotated, Any, Literal, get_args

import numpy as np
from annotated_types import Ge, Gt

from netkin.diagram.diagram import Diagram, read_diagram
from netkin.errors import NetkinError, require_choice
from netkin.finite import LARGEST, require_intervals
from netkin.options import checked

Order = Literal["filter_then_cap", "cap_then_filter"]
"""What is done first: short intervals left out, or infinite deaths made finite."""


@checked
def apply_policy(
    diagram: Diagram,
    *,
    reduced: bool = True,
    eta: Annotated[float, Ge(0)] = 0.01,
    infinity_value: Annotated[float, Gt(0)] = 1.0,
    order: Order = "filter_then_cap",
) -> Diagram:
    """Drop the intervals that do not count and make the rest finite.

    Parameters
    ----------
    diagram : Diagram
        As an engine gives it.
    reduced : bool
        Reduced homology: leave out one infinite class of dimension 0, the earliest born.
    eta : float
        Intervals of length <= eta are dropped, in units of the filtration.
    infinity_value : float
        Death given to the classes that never die.
    order : {"filter_then_cap", "cap_then_filter"}
        ``filter_then_cap`` keeps every class that never dies, however late it is born;
        ``cap_then_filter`` measures it up to `infinity_value` first.

    Returns
    -------
    Diagram
        Finite intervals only, each with birth < death: what has no length left after
        the capping is trivial.

    Raises
    ------
    NetkinError
        An interval without finite birth <= death, or an option that is not allowed.

    Notes
    -----
    ``filter_then_cap`` gives the intervals of giotto-tda's `FlagserPersistence` followed
    by `Filtering` with ``epsilon=eta``, infinite deaths then set to `infinity_value`.
    """
    require_choice("order", order, get_args(Order))
    if not (eta >= 0 and 0 < infinity_value <= LARGEST):
        raise NetkinError(
            f"eta and infinity_value: found {eta} and {infinity_value}, allowed are 0 or more and "
            "a positive "
            f"number up to {LARGEST:g}."
        )
    kept, counted = [], []
    for dimension, intervals in enumerate(diagram.intervals):
        counts = diagram.counts[dimension]
        birth, death = intervals.T
        require_intervals(birth, death, f"/H{dimension}", endless=True)
        if dimension == 0 and reduced:
            never_dying = np.flatnonzero(np.isinf(death))
            if never_dying.size:
                counts = counts.copy()
                counts[never_dying[np.argmin(birth[never_dying])]] -= 1
        capped = np.where(np.isinf(death), infinity_value, death)
        measured = death if order == "filter_then_cap" else capped
        keep = np.flatnonzero((measured - birth > eta) & (birth < capped) & (counts > 0))
        kept.append(np.column_stack([birth[keep], capped[keep]]))
        counted.append(counts[keep])
    # intervals with different deaths may have the same one now
    return Diagram.from_intervals(kept, counted)


def read_finite_diagram(path: str | os.PathLike[str], **policy: Any) -> Diagram:
    """Read a diagram file and apply a policy; see `read_diagram` and `apply_policy`."""
    return apply_policy(read_diagram(path), **policy)
