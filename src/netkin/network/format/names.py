"""What training leaves in the names of bare tensors: prefixes of wrappers, averaged copies."""

import re
from collections.abc import Iterable
from dataclasses import replace

from netkin.network.format.model import COPY, STATISTIC, STATISTICS, Model

WRAPPERS = ("module.", "_orig_mod.")
"""What `torch.nn.DataParallel` and its like, and `torch.compile`, put before each name."""
AVERAGED = re.compile(
    r"(model_?ema|ema_?model|ema|state_dict_ema|ema_?state_?dict|ema_weights|ema_params"
    r"|model_averaged|averaged_model|swa_?model|swa_state_dict|shadow_params)",
    re.IGNORECASE,
)
"""How a group of averaged copies of the weights is called."""


def prefix_of(names: Iterable[str]) -> str:
    """Return what wrappers put before all of some names, "" for nothing."""
    left = list(names)
    found = ""
    while left and (
        wrapper := next((w for w in WRAPPERS if all(n.startswith(w) for n in left)), "")
    ):
        found += wrapper
        left = [name.removeprefix(wrapper) for name in left]
    return found


def cleaned(model: Model) -> Model:
    """Return bare tensors without wrappers' prefixes, averaged copies and statistics of norms.

    Two files of one network have the same tensors by the same names then. Where the format says
    how the network is wired, nothing is changed.
    """
    if model.chain is not None or model.unchained:
        return model
    left_out = dict(model.left_out)
    # beside the weights only: where all are averaged, these are the weights
    averaged = [name for name in model.tensors if AVERAGED.fullmatch(name.partition(".")[0])]
    tensors, statistics = dict(model.tensors), dict(model.statistics)
    if 0 < len(averaged) < len(tensors):
        for name in averaged:
            del tensors[name]
            left_out[name] = COPY
    for name in list(tensors):
        if name.rpartition(".")[2] in STATISTICS:
            statistics[name] = tensors.pop(name)
            left_out[name] = STATISTIC
    prefix = prefix_of(tensors)
    # of several names of one tensor the first that is left is its own
    own: dict[str, str] = {}
    for name, tensor in tensors.items():
        own.setdefault(tensor.same_as or name, name)
    bare = {
        name.removeprefix(prefix): replace(
            tensor,
            name=name.removeprefix(prefix),
            same_as=first.removeprefix(prefix) if first != name else "",
        )
        for name, tensor in tensors.items()
        for first in [own[tensor.same_as or name]]
    }
    return replace(
        model,
        tensors=bare,
        left_out={name.removeprefix(prefix): why for name, why in left_out.items()},
        prefix=prefix,
        statistics={
            name.removeprefix(prefix): replace(tensor, name=name.removeprefix(prefix))
            for name, tensor in statistics.items()
        },
    )
