"""``netkin inspect``: what is understood of files of weights."""

from pathlib import Path
from typing import Annotated

import typer

from netkin.command.shared import (
    COULD_NOT,
    GAPS,
    JsonOption,
    WiringOption,
    examples,
    note,
    put,
    put_json,
)
from netkin.errors import NetkinError

EXAMPLES = (
    "netkin inspect model.safetensors",
    "netkin inspect --wiring 'enc.weight, dec.weight' model.npz",
    "netkin inspect --json model.onnx",
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("inspect", epilog=examples(EXAMPLES))(inspect_files)


def inspect_files(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of weights.")],
    wiring: WiringOption = "",
    as_json: JsonOption = False,
) -> None:
    """Say what is understood of files of weights, and what can be computed of them and why not.

    Layers and how they are wired, tensors used and unused, what was left out, parameters, vertices
    and edges. Exit code 1 if a file of several cannot be read, 2 if none can.
    """
    from netkin.inspection import inspect

    found = []
    for file in files:
        try:
            found.append(inspect(file, wiring))
        except NetkinError as error:
            note(f"netkin: {error}")
            continue
        if not as_json:
            put(str(found[-1]))
    if as_json:
        put_json([one.to_dict() for one in found])
    if len(found) < len(files):
        raise typer.Exit(GAPS if found else COULD_NOT)
