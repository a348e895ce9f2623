"""``netkin compare``: all pairs of two or more files of weights."""

import csv
import io
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from netkin.command.shared import (
    COULD_NOT,
    GAPS,
    JsonOption,
    examples,
    note,
    progress,
    put,
    put_json,
)
from netkin.errors import NetkinError, shown

EXAMPLES = (
    "netkin compare a.safetensors b.onnx",
    "netkin compare --measures faq,heat a.pt b.pt c.npz",
    "netkin compare --option heat.sigma=0.2 a.npz b.npz",
    "netkin compare --wiring 'a.npz=enc.weight,dec.weight' a.npz b.keras",
    "netkin compare --csv a.pt b.pt > distances.csv",
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("compare", epilog=examples(EXAMPLES))(compare_files)


def compare_files(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE FILE...", help="Two or more files of weights.")
    ],
    measures: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Measures or families, divided by commas; the quick ones if left out. 'netkin "
            "measures' lists them.",
        ),
    ] = "",
    wiring: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[FILE=]NAMES",
            help="Names of the weights in the order in which inputs pass them, where a file does "
            "not tell it; for all files, or FILE=NAMES for one. May be repeated.",
        ),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(help="What to call a network, once for each file, in their order."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="MEASURE.NAME=VALUE", help="An option of a measure. May be repeated."),
    ] = None,
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

    names = [one.strip() for one in measures.split(",") if one.strip()]
    with progress() as tell:
        found = compare(
            *files,
            measures=names or None,
            wiring=_wiring(files, wiring or []),
            names=name or None,
            options=_options(option or []),
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
        put(str(found))
    for line in found.notes():
        note(line)
    if not found.complete:
        raise typer.Exit(COULD_NOT if found.empty else GAPS)


def _wiring(files: list[Path], given: list[str]) -> dict[str, str]:
    """Return the wiring by path, of what is said for one file or for all."""
    paths = [str(file) for file in files]
    found: dict[str, str] = {}
    for text in given:
        path, equals, names = text.partition("=")
        path = str(Path(path))  # as the files are, so that ./a.npz is a.npz
        if equals and path in paths:
            found[path] = names
        elif equals:
            raise NetkinError(
                f"--wiring: found {shown(text)}; before the '=' one of the files is named: "
                f"{', '.join(paths)}."
            )
        else:
            found = dict.fromkeys(paths, text) | found
    return found


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
        try:
            found.setdefault(measure, {})[option] = json.loads(value)
        except ValueError:  # not a number, list or truth value: text
            found.setdefault(measure, {})[option] = value
    return found
