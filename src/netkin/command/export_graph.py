"""``netkin export-graph``: the graph of the network in a file, for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from netkin.command.shared import (
    AdditionsOption,
    BiasOption,
    FileArgument,
    ForceOption,
    InputShapeOption,
    LeaveOutOption,
    NormaliserOption,
    RescaleOption,
    WiringOption,
    counted,
    examples,
    not_itself,
    note,
    writer_for,
)

EXAMPLES = (
    "netkin export-graph model.safetensors graph.graphml",
    "netkin export-graph model.npz edges.csv",
)


SHORT = "Write the graph of the network in a file."


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export-graph", short_help=SHORT, epilog=examples(EXAMPLES))(export_graph_of_file)


def export_graph_of_file(
    file: FileArgument,
    out: Annotated[Path, typer.Argument(metavar="OUT", hidden=True)],
    wiring: WiringOption = "",
    input_shape: InputShapeOption = "",
    leave_out: LeaveOutOption = "",
    bias_vertices: BiasOption = "per_neuron",
    zeta: Annotated[float, typer.Option(metavar="NUMBER", help="Least value of an edge.")] = 1e-6,
    additions: AdditionsOption = "contracted",
    normaliser: NormaliserOption = "network",
    rescale: RescaleOption = "none",
    force: ForceOption = False,
) -> None:
    """Write the graph of the network in a file: an edge for each weight and bias.

    OUT is written by its ending: .h5, .npz, .csv or .graphml.

    The value of an edge is max(1 - |w| / max|W|, zeta), so that strong ones come first; where the
    weight is not positive its ends are exchanged.
    """
    from netkin.comparing import graph_of
    from netkin.graph.formats import WRITERS

    not_itself(out, Path(file))
    write = writer_for(out, WRITERS, force)
    graph = graph_of(
        file,
        wiring,
        input_shape=input_shape,
        leave_out=leave_out,
        bias_vertices=bias_vertices,
        zeta=zeta,
        additions=additions,
        normaliser=normaliser,
        rescale=rescale,
    )
    write(out, graph)
    edges = counted(graph.n_edges, "edge", "edges")
    note(f"{out}: {graph.n_vertices:,} vertices and {edges} written")
