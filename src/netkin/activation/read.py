"""Reading the activations of a network as what measures compare.

Not beside the writer: an edit of `Representation` must not rerun what writes activations.
"""

import os
from typing import TYPE_CHECKING

import numpy as np

from netkin import storage
from netkin.errors import NetkinError, did_you_mean, shown

if TYPE_CHECKING:
    import h5py

    from netkin.distance.representational.representation import Representation


def layer_names(path: str | os.PathLike[str]) -> list[str]:
    """Return the names of the stored layers, input side first.

    Raises
    ------
    NetkinError
        For a file that is not an activation file.
    """
    with storage.open_layout(path, "activation") as file:
        return _names(path, file)


def _names(path: str | os.PathLike[str], file: "h5py.File") -> list[str]:
    """Return the names of the layers, which are those that are stored."""
    names = [str(name) for name in file["layer_names"].asstr()[()]]
    if set(names) != set(file["layers"]):
        odd = min(set(names) ^ set(file["layers"]))
        raise NetkinError(
            f"{path}: {shown(odd)} is in only one of /layer_names and /layers; a layer needs both."
        )
    return names


def read_activation(path: str | os.PathLike[str], layer: str = "last_hidden") -> "Representation":
    """Read the activations of one layer, with the ids and the true labels of the rows.

    Parameters
    ----------
    path : path
        File of layout ``activation``.
    layer : str
        ``last_hidden``, or the name of a stored layer: ``hidden_1``, ..., ``logits``.

    Raises
    ------
    NetkinError
        For a file that is not an activation file, a layer that it has not, and for
        activations that `Representation` refuses.
    """
    # the registry of measures, which its package is, imports this module
    from netkin.distance.representational.representation import Representation

    with storage.open_layout(path, "activation") as file:
        names = _names(path, file)
        rows, labels = file["rows"][()], file["labels"][()]
        if min(rows.min(initial=0), labels.min(initial=0)) < 0:
            raise NetkinError(f"{path}: /rows or /labels holds a number below 0.")
        if len(np.unique(rows)) < len(rows):
            raise NetkinError(f"{path}: /rows holds an id more than once.")
        hidden = [name for name in names if name != "logits"]
        name = hidden[-1] if layer == "last_hidden" and hidden else layer
        found = file[f"layers/{name}"][()] if name in names else None
    if found is None:
        raise NetkinError(
            f"{path}: has no layer '{layer}'; stored: {', '.join(names)}."
            f"{did_you_mean(layer, names)} With layers: all every layer is stored."
        )
    return Representation(found, rows, str(path), labels)
