"""``netkin inspect``: what is understood of files of weights."""

import typer

from netkin.command.shared import (
    COULD_NOT,
    GAPS,
    FilesArgument,
    InputShapesOption,
    JsonOption,
    LeaveOutsOption,
    WiringsOption,
    examples,
    input_shapes,
    left_out,
    note,
    put,
    put_json,
    spelled,
    wirings,
)
from netkin.errors import NetkinError

EXAMPLES = (
    "netkin inspect model.safetensors",
    "netkin inspect --wiring 'enc.weight, dec.weight' model.npz",
    "netkin inspect --json model.onnx",
)


SHORT = "Say what is understood of files of weights."


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("inspect", short_help=SHORT, epilog=examples(EXAMPLES))(inspect_files)


def inspect_files(
    files: FilesArgument,
    wiring: WiringsOption = None,
    input_shape: InputShapesOption = None,
    leave_out: LeaveOutsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what is understood of files of weights, and what can be computed of them and why not.

    Layers and how they are wired, tensors used and unused, what was left out, parameters, vertices
    and edges. Exit code 1 if a file of several cannot be read, 2 if none can.
    """
    from netkin.inspection import inspect

    found = []
    wired, shapes = wirings(files, wiring or []), input_shapes(files, input_shape or [])
    without = left_out(files, leave_out or [])
    for file, *said in zip(files, wired, shapes, without, strict=True):
        try:
            found.append(inspect(file, *said))
        except NetkinError as error:
            note(f"netkin: {spelled(str(error))}")
            continue
        if not as_json:
            put(spelled(str(found[-1])))
    if as_json:
        put_json([one.to_dict() for one in found])
    if len(found) < len(files):
        raise typer.Exit(GAPS if found else COULD_NOT)
