"""Two networks layer by layer: every layer of one compared with every layer of the other."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from netkin import storage
from netkin.activation.read import layer_names, read_activation
from netkin.distance import MEASURES
from netkin.distance.file import read_reasons, write_reasons
from netkin.errors import UndefinedDistance


@dataclass(frozen=True, eq=False)
class LayerDistances:
    """The layers of a pair of networks, compared by one measure.

    Attributes
    ----------
    matrix : float64 array of shape (layers of a, layers of b)
        NaN where undefined.
    layers_a, layers_b : tuple of str
        Names of the layers, input side first.
    measure, orientation : str
        See `netkin.distance.measure.Measure`.
    reasons : dict
        (i, j) -> why the entry is NaN.
    """

    matrix: NDArray[np.float64]
    layers_a: tuple[str, ...]
    layers_b: tuple[str, ...]
    measure: str
    orientation: str
    reasons: dict[tuple[int, int], str] = field(default_factory=dict)


def compare_layers(
    *,
    measures: Sequence[str],
    a_path: str,
    b_path: str,
    layers_path: str,
    options: Mapping[str, Mapping[str, Any]],
    code: str = "",
) -> None:
    """Write how alike the layers of two networks are, layout ``layers``.

    Datasets ``/layers_a`` and ``/layers_b`` (text) and for each measure ``/NAME`` (float64,
    (layers of a, layers of b), NaN where undefined) with the attribute ``orientation``, and
    ``/reason/NAME`` (text, "" where defined) if something is undefined.

    Parameters
    ----------
    measures : sequence of str
        Keys of `netkin.distance.MEASURES` that need activations.
    a_path, b_path : str
        Activation files with all layers, on the same rows.
    layers_path : str
        The file to write.
    options : mapping
        Measure -> options of its function.
    code : str
        Digest of the code, recorded in the file.

    Raises
    ------
    NetkinError
        A file is unreadable, or the files hold different rows.
    """
    paths = (a_path, b_path)
    names = [layer_names(path) for path in paths]
    layers_a, layers_b = (
        [read_activation(path, name) for name in found]
        for path, found in zip(paths, names, strict=True)
    )
    parameters = {"measures": list(measures), "options": {m: dict(options[m]) for m in measures}}
    text = h5py.string_dtype()
    with storage.create(
        layers_path, "layers", parameters=parameters, code=code, inputs=paths
    ) as file:
        file.create_dataset("layers_a", data=names[0], dtype=text)
        file.create_dataset("layers_b", data=names[1], dtype=text)
        for measure in measures:
            function = partial(MEASURES[measure].function, **options[measure])
            matrix = np.full((len(layers_a), len(layers_b)), np.nan)
            reasons = {}
            for i, one in enumerate(layers_a):
                for j, other in enumerate(layers_b):
                    try:
                        matrix[i, j] = function(one, other)
                    except UndefinedDistance as reason:
                        reasons[i, j] = str(reason)
            file[measure] = matrix
            write_reasons(file, f"reason/{measure}", matrix.shape, reasons)
            file[measure].attrs["orientation"] = MEASURES[measure].orientation


def read_layers(path: str | os.PathLike[str]) -> list[LayerDistances]:
    """Read what `compare_layers` wrote, measure by measure.

    Raises
    ------
    NetkinError
        For a file that is not of this layout, or lacks a part.
    """
    with storage.open_layout(path, "layers") as file:
        layers_a, layers_b = (tuple(file[name].asstr()[:]) for name in ("layers_a", "layers_b"))
        return [
            LayerDistances(
                file[name][:],
                layers_a,
                layers_b,
                name,
                str(file[name].attrs["orientation"]),
                read_reasons(file, f"reason/{name}"),
            )
            for name in file
            if name not in ("layers_a", "layers_b", "reason")
        ]
