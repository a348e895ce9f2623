"""``netkin diagram``: the persistence diagram of the network in a file."""

from pathlib import Path
from typing import Annotated

import typer

from netkin.command.shared import (
    AdditionsOption,
    BiasOption,
    FileArgument,
    ForceOption,
    InputShapeOption,
    JsonOption,
    LeaveOutOption,
    NormaliserOption,
    RescaleOption,
    WiringOption,
    counted,
    examples,
    not_itself,
    note,
    put,
    put_json,
    put_table,
    writer_for,
)
from netkin.errors import NetkinError

EXAMPLES = (
    "netkin diagram model.onnx",
    "netkin diagram model.onnx --out intervals.csv",
    "netkin diagram model.onnx --out diagram.h5",
    "netkin diagram model.onnx --out diagram.svg",
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("diagram", epilog=examples(EXAMPLES))(diagram_of_file)


def diagram_of_file(
    file: FileArgument,
    out: Annotated[
        str,
        typer.Option(
            metavar="OUT",
            help="Where the intervals are written, by the ending: .h5, .csv, or a plot as .png or "
            ".svg; '-' is CSV on standard output.",
        ),
    ] = "",
    wiring: WiringOption = "",
    input_shape: InputShapeOption = "",
    leave_out: LeaveOutOption = "",
    max_dimension: Annotated[
        int, typer.Option(metavar="NUMBER", help="Highest homology dimension.")
    ] = 3,
    bias_vertices: BiasOption = "per_neuron",
    additions: AdditionsOption = "contracted",
    normaliser: NormaliserOption = "network",
    rescale: RescaleOption = "none",
    engine: Annotated[
        str, typer.Option(metavar="WORD", help="What computes it: auto, exact or flagser.")
    ] = "auto",
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compute the persistence diagram of the network in a file.

    Without --out a row for each homology dimension says how many classes there are, and where they
    are born and die. A class that never dies has the death inf. With --json or --out classes that
    are born and die together are one interval, with their number.
    """
    if out and as_json:
        raise NetkinError("found --json and --out, which writes the intervals; choose one.")
    from netkin.comparing import computed_of
    from netkin.diagram.formats import WRITERS, csv_lines, summary
    from netkin.network.format.leave_out import CUT_OFF

    target = Path(out)
    if out and out != "-":
        not_itself(target, Path(file))
        write = writer_for(target, WRITERS, force)
    computed = computed_of(
        file,
        wiring,
        input_shape=input_shape,
        leave_out=leave_out,
        max_dimension=max_dimension,
        bias_vertices=bias_vertices,
        additions=additions,
        normaliser=normaliser,
        rescale=rescale,
        engine=engine,
    )
    found = computed.diagram
    for text in computed.notes:
        if text.endswith(CUT_OFF):
            note(f"{file}: {text}")
    if out == "-":
        for line in csv_lines(found):
            put(line)
    elif out:
        write(target, computed, Path(file).stem)
        note(f"{out}: {counted(sum(found.n_classes()), 'class', 'classes')} written")
    elif as_json:
        put_json(
            {
                "file": file,
                "engine": computed.engine,
                "theorem": computed.theorem,
                "dimensions": summary(found),
            }
        )
    else:
        rows = summary(found)
        put_table([{key: row[key] for key in row if key != "intervals"} for row in rows])
