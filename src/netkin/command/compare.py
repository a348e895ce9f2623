"""``netkin compare``: all pairs of two or more files of weights."""

import csv
import io
import json
from typing import Annotated, Any

import typer

from netkin.command.shared import (
    COULD_NOT,
    GAPS,
    AdditionsOption,
    BiasOption,
    FilesArgument,
    InputShapesOption,
    JsonOption,
    LeaveOutsOption,
    NormaliserOption,
    RescaleOption,
    WiringsOption,
    examples,
    input_shapes,
    left_out,
    note,
    progress,
    put,
    put_json,
    spelled,
    wirings,
)
from netkin.errors import NetkinError, shown

EXAMPLES = (
    "netkin compare a.safetensors b.onnx",
    "netkin compare --measures faq,heat a.pt b.pt c.npz",
    "netkin compare --option heat.sigma=0.2 a.npz b.npz",
    "netkin compare --wiring 'a.npz=enc.weight,dec.weight' a.npz b.keras",
    "netkin compare --csv a.pt b.pt > distances.csv",
)


SHORT = "Compare files of weights, all pairs of them."


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("compare", short_help=SHORT, epilog=examples(EXAMPLES))(compare_files)


def compare_files(
    files: FilesArgument,
    measures: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMES",
            help="Measures or families, divided by commas; may be repeated. If left out, those of "
            "the families topology and weight that take less than half a second for two networks "
            "of 670,000 weights. 'netkin measures' lists all.",
        ),
    ] = None,
    wiring: WiringsOption = None,
    input_shape: InputShapesOption = None,
    leave_out: LeaveOutsOption = None,
    name: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="What to call a network, once for each file, in their order."
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="MEASURE.NAME=VALUE", help="An option of a measure; may be repeated."),
    ] = None,
    bias_vertices: BiasOption = "per_neuron",
    additions: AdditionsOption = "contracted",
    normaliser: NormaliserOption = "network",
    rescale: RescaleOption = "none",
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Write CSV to standard output.")] = False,
) -> None:
    """Compare all pairs of two or more files of weights, by their weights and their topology.

    Networks of different architectures are compared by what both have. Exit code 1 if a file
    cannot be read or a value is not defined (the reason is said), 2 if no value was computed.
    """
    if as_json and as_csv:
        raise NetkinError("found --json and --csv; choose one.")
    from netkin.comparing import COLUMNS, compare

    names = [one.strip() for text in measures or () for one in text.split(",") if one.strip()]
    with progress() as tell:
        found = compare(
            *files,
            measures=names or None,
            wiring=wirings(files, wiring or []),
            input_shape=input_shapes(files, input_shape or []),
            leave_out=left_out(files, leave_out or []),
            names=name or None,
            options=_options(option or []),
            reading={
                "bias_vertices": bias_vertices,
                "additions": additions,
                "normaliser": normaliser,
                "rescale": rescale,
            },
            progress=tell,
        )
    if len(found.unreadable) == len(files):
        for line in found.notes():
            note(line)
        raise typer.Exit(COULD_NOT)
    if as_json:
        put_json(found.to_dict())
    elif as_csv:
        lines = io.StringIO()
        writer = csv.DictWriter(lines, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(found.to_dict()["rows"])
        put(lines.getvalue().removesuffix("\n"))
    else:
        put(spelled(str(found)))
    for line in found.notes():
        note(line)
    if not found.complete:
        raise typer.Exit(COULD_NOT if found.empty else GAPS)


def _options(given: list[str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for text in given:
        name, equals, value = text.partition("=")
        measure, dot, option = name.partition(".")
        if not (equals and dot and measure and option):
            raise NetkinError(
                f"--option: found {shown(text)}; allowed is MEASURE.NAME=VALUE, such as "
                "heat.sigma=0.2."
            )
        if option in found.setdefault(measure, {}):
            raise NetkinError(f"--option: {name} is given twice.")
        try:
            found[measure][option] = json.loads(value)
        except ValueError:  # not a number, list or truth value: text
            found[measure][option] = value
    return found
