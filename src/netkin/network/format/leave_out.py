"""Nodes and layers that are left out of a graph on the user's word; see docs/graphs.md."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from netkin.errors import NetkinError, allowed, shown
from netkin.graph.builder import NOTHING, Builder, NotUnderstood, Value
from netkin.network.format.input_shape import InputShape, parse_input_shape

REASON = "left out on the user's word"
CUT_OFF = "what lies behind it is cut off from what lies before"
"""What a node that is left out does to the graph where it changes the shape."""


def parse_leave_out(text: str) -> tuple[str, ...]:
    """Return the names of nodes, layers or operators that a text says, divided by commas.

    Raises
    ------
    NetkinError
        It is no text.
    """
    if not isinstance(text, str):
        raise NetkinError(
            f"leave_out: found {shown(text)}; allowed is a text of names, such as 'Pad_1, Mod'."
        )
    return tuple(dict.fromkeys(filter(None, (each.strip() for each in text.split(",")))))


def given_of(input_shape: str = "", leave_out: str = "") -> InputShape:
    """Return what a sheet or a command line says of inputs, and of what is left out.

    Parameters
    ----------
    input_shape : str
        See `netkin.network.format.input_shape.parse_input_shape`.
    leave_out : str
        See `parse_leave_out`.

    Raises
    ------
    NetkinError
        One of them is not allowed.
    """
    return replace(parse_input_shape(input_shape), leave_out=parse_leave_out(leave_out))


def check_left_out(given: Sequence[str], names: Iterable[str]) -> None:
    """Raise `NetkinError` for a name that no node, layer or operator of a network has."""
    known = [*dict.fromkeys(filter(None, names))] if given else []
    for name in given:
        if name not in known:
            raise NetkinError(
                f"leave_out: no node, layer or operator of the network is called {shown(name)}. "
                f"{allowed(name, known)}"
            )


def refuse_left_out(shape: InputShape) -> None:
    """Raise `NetkinError` where something is to be left out of what has no nodes."""
    if shape.leave_out:
        raise NetkinError(
            f"leave_out: found {shown(', '.join(shape.leave_out))}; allowed is nothing here: it "
            "names nodes of ONNX, of exported programs of torch and layers of Keras."
        )


def is_mistake(error: NetkinError, shape: InputShape) -> bool:
    """Tell whether the user's word is what is wrong, and not the network."""
    return bool(shape.leave_out) and not isinstance(error.__cause__, NotUnderstood)


def hinted(why: NotUnderstood) -> str:
    """Return why a network is not understood, with how to leave its node out."""
    return f"{why}; to leave it out: leave_out='{why.node}'" if why.node else str(why)


def stand_in(
    builder: Builder,
    what: str,
    given: Sequence[tuple[Any, Sequence[int]]],
    shape: Sequence[int | None] | None,
) -> Any:
    """Return what stands for an output of a node that is left out.

    Parameters
    ----------
    builder : Builder
    what : str
        How messages call the node.
    given : sequence of (Value, Mean or Scores, tuple of int)
        What it takes that depends on the inputs, and of which shape each is.
    shape : sequence of (int or None), optional
        That of the output; None for an axis whose size is not known.

    Returns
    -------
    Value
        The first of `given`, as an activation leaves it, where the shape is its own; else units
        that are none.

    Raises
    ------
    NotUnderstood
        The shape is not known.
    """
    note = f"{what} is {REASON}"
    if shape is not None and given:
        value, own = given[0]
        fits = len(own) == len(shape)
        if fits and all(k in (None, n) for k, n in zip(shape, own, strict=True)):
            builder.notes.append(note)
            return builder.activation(value, "other", what)
    if shape is None or None in shape:
        why = NotUnderstood(f"{what} is to be left out, but the shape of its output is not known")
        why.node = ""
        raise why
    builder.notes.append(f"{note}, and {CUT_OFF}")
    return Value(np.full([int(n or 0) for n in shape], NOTHING, dtype=np.int64))
