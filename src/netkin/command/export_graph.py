"""``netkin export-graph``: the graph of the network in a file, for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from netkin.command.shared import ForceOption, WiringOption, examples, not_itself, note, writer_for

EXAMPLES = (
    "netkin export-graph model.safetensors graph.graphml",
    "netkin export-graph model.npz edges.csv",
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export-graph", epilog=examples(EXAMPLES))(export_graph_of_file)


def export_graph_of_file(
    file: Annotated[Path, typer.Argument(help="A file of weights.")],
    out: Annotated[
        Path,
        typer.Argument(help="The file to write, by its ending: .h5, .npz, .csv or .graphml."),
    ],
    wiring: WiringOption = "",
    bias_vertices: Annotated[
        str, typer.Option(help="Vertices that carry the biases: per_neuron, per_layer or none.")
    ] = "per_neuron",
    zeta: Annotated[float, typer.Option(help="Least value of an edge.")] = 1e-6,
    force: ForceOption = False,
) -> None:
    """Write the graph of the network in a file: an edge for each weight and bias.

    The value of an edge is max(1 - |w| / max|W|, zeta), so that strong ones come first; where the
    weight is not positive its ends are exchanged.
    """
    from netkin.comparing import graph_of
    from netkin.graph.formats import WRITERS

    not_itself(out, file)
    write = writer_for(out, WRITERS, force)
    graph = graph_of(file, wiring, bias_vertices=bias_vertices, zeta=zeta)
    write(out, graph)
    note(f"{out}: {graph.n_vertices:,} vertices and {graph.n_edges:,} edges written")
