"""What inputs a network is taken to have where its file leaves that open."""

import re
from dataclasses import dataclass, field

from netkin.errors import NetkinError, shown

MOST_POINTS = 1 << 31
"""Numbers of an input, at most."""


@dataclass(frozen=True)
class InputShape:
    """Sizes of inputs and of symbolic axes, and what else a user says of a network.

    Attributes
    ----------
    inputs : dict of str to tuple of int
        Name of an input -> its shape without the batch axis; "" for the only one.
    axes : dict of str to int
        Name of a symbolic axis, such as ``sequence_length`` -> its size.
    leave_out : tuple of str
        Nodes, layers or operators that are left out, see `netkin.network.format.leave_out`.
    """

    inputs: dict[str, tuple[int, ...]] = field(default_factory=dict)
    axes: dict[str, int] = field(default_factory=dict)
    leave_out: tuple[str, ...] = ()

    def of(self, name: str) -> tuple[int, ...] | None:
        """Return the shape of an input without the batch axis; None where it is not given."""
        return self.inputs.get(name, self.inputs.get(""))


def parse_input_shape(text: str) -> InputShape:
    """Return the sizes that a text says, as a sheet or a command line has it.

    Parameters
    ----------
    text : str
        Divided by commas or blanks: ``3x224x224`` is the shape of the only input without the batch
        axis, ``pixels=3x224x224`` that of the input of this name, ``sequence_length=128`` the size
        of a symbolic axis (or of an input of one axis); "" for nothing.

    Raises
    ------
    NetkinError
        A part is none of these.
    """
    inputs: dict[str, tuple[int, ...]] = {}
    axes: dict[str, int] = {}
    if not isinstance(text, str):
        raise NetkinError(
            f"input shape: found {shown(text)}; allowed is a text such as '3x224x224'."
        )
    for part in filter(None, re.split(r"[,\s]+", text)):
        name, _, sizes = part.rpartition("=")
        if not re.fullmatch(r"[1-9][0-9]{0,9}(x[1-9][0-9]{0,9})*", sizes) or part.startswith("="):
            raise NetkinError(
                f"input shape: found {shown(part)}; allowed are sizes from 1 on, as in "
                "'3x224x224', 'pixels=3x224x224' or 'sequence_length=128'."
            )
        found = tuple(int(size) for size in sizes.split("x"))
        points = 1
        for size in found:
            points *= size
        if points > MOST_POINTS:
            raise NetkinError(
                f"input shape: {shown(part)} are {points:,} numbers; allowed are {MOST_POINTS:,}."
            )
        if name in inputs:
            raise NetkinError(f"input shape: {shown(name or part)} is given twice.")
        inputs[name] = found
        if name and len(found) == 1:
            axes[name] = found[0]
    return InputShape(inputs, axes)
