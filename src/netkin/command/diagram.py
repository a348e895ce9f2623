"""``netkin diagram``: the persistence diagram of the network in a file."""

from pathlib import Path
from typing import Annotated

import typer

from netkin.command.shared import (
    ForceOption,
    JsonOption,
    WiringOption,
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
    file: Annotated[Path, typer.Argument(help="A file of weights.")],
    out: Annotated[
        str,
        typer.Option(
            metavar="OUT",
            help="Where the intervals are written, by the ending: .h5, .csv, or a plot as .png or "
            ".svg; '-' is CSV on standard output.",
        ),
    ] = "",
    wiring: WiringOption = "",
    max_dimension: Annotated[int, typer.Option(help="Highest homology dimension.")] = 3,
    bias_vertices: Annotated[
        str, typer.Option(help="Vertices that carry the biases: per_neuron, per_layer or none.")
    ] = "per_neuron",
    engine: Annotated[str, typer.Option(help="What computes it: auto, exact or flagser.")] = "auto",
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compute the persistence diagram of the network in a file.

    Without --out a row for each homology dimension says how many classes there are, and where they
    are born and die. A class that never dies has the death inf.
    """
    if out and as_json:
        raise NetkinError("found --json and --out, which writes the intervals; choose one.")
    from netkin.comparing import diagram_with_engine
    from netkin.diagram.formats import WRITERS, csv_lines, summary

    target = Path(out)
    if out and out != "-":
        not_itself(target, file)
        write = writer_for(target, WRITERS, force)
    found, engine = diagram_with_engine(
        file, wiring, max_dimension=max_dimension, bias_vertices=bias_vertices, engine=engine
    )
    if out == "-":
        for line in csv_lines(found):
            put(line)
    elif out:
        write(target, found, engine, file.stem)
        note(f"{out}: {sum(found.n_classes()):,} classes written")
    elif as_json:
        put_json({"file": str(file), "engine": engine, "dimensions": summary(found)})
    else:
        put_table(summary(found))
