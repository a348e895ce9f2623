"""The wiring of bare tensors as text, for a sheet or a command line."""

import re

from netkin.errors import NetkinError, shown


def parse_wiring(text: str) -> list[str | tuple[str, str]]:
    """Return names of weights, or of weight and bias, in their order.

    Parameters
    ----------
    text : str
        Such as ``fc1.weight, fc2.weight``: names in the order in which inputs pass them, divided
        by commas or blanks; ``fc1.kernel.T`` for a matrix of shape (n_in, n_out); ``W+b`` to name
        the bias of a weight too, ``W.T+b`` for both. Empty for no wiring.

    Raises
    ------
    NetkinError
        It is no text, or a name is missing beside a ``+``, or stands twice.
    """
    if not isinstance(text, str):
        raise NetkinError(
            f"wiring: found {shown(text)}; allowed is a text of names, such as 'fc1.weight, "
            "fc2.weight'."
        )
    found: list[str | tuple[str, str]] = []
    for entry in filter(None, re.split(r"[,\s]+", text)):
        weight, plus, bias = entry.partition("+")
        if (plus and not (weight and bias)) or "+" in bias:
            raise NetkinError(
                f"wiring: found {shown(entry)}; allowed is a weight, or a weight and its bias, as "
                "in 'W+b'."
            )
        found.append((weight, bias) if plus else weight)
    names = [name for entry in found for name in ([entry] if isinstance(entry, str) else entry)]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise NetkinError(f"wiring: {shown(twice[0])} stands twice; a tensor is used once.")
    return found
