"""A graph written for other programs, in the format of the file's ending."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from netkin.graph.graph import Graph, write_graph
from netkin.storage import whole_file

LINES_AT_ONCE = 1 << 16


def _write_npz(path: Path, graph: Graph) -> None:
    arrays = {
        name: getattr(graph, name) for name in ("source", "target", "value", "layer", "is_bias")
    }
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def _write_csv(path: Path, graph: Graph) -> None:
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write("source,target,value\n")
        for start in range(0, graph.n_edges, LINES_AT_ONCE):
            file.writelines(f"{s},{t},{v!r}\n" for s, t, v in _edges(graph, start))


def _write_graphml(path: Path, graph: Graph) -> None:
    """Write GraphML (Brandes et al. 2002), which Gephi, igraph and NetworkX read."""
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n'
            '<key id="layer" for="node" attr.name="layer" attr.type="int"/>\n'
            '<key id="is_bias" for="node" attr.name="is_bias" attr.type="boolean"/>\n'
            '<key id="value" for="edge" attr.name="value" attr.type="double"/>\n'
            '<graph edgedefault="directed">\n'
        )
        for vertex, (layer, bias) in enumerate(
            zip(graph.layer.tolist(), graph.is_bias.tolist(), strict=True)
        ):
            file.write(
                f'<node id="{vertex}"><data key="layer">{layer}</data>'
                f'<data key="is_bias">{str(bias).lower()}</data></node>\n'
            )
        for start in range(0, graph.n_edges, LINES_AT_ONCE):
            file.writelines(
                f'<edge source="{s}" target="{t}"><data key="value">{v!r}</data></edge>\n'
                for s, t, v in _edges(graph, start)
            )
        file.write("</graph>\n</graphml>\n")


def _edges(graph: Graph, start: int) -> list[tuple[int, int, float]]:
    part = slice(start, start + LINES_AT_ONCE)
    # as float64, which prints float32 exactly
    value = graph.value[part].astype(np.float64).tolist()
    return list(zip(graph.source[part].tolist(), graph.target[part].tolist(), value, strict=True))


WRITERS: dict[str, Callable[[Path, Graph], None]] = {
    ".h5": write_graph,
    ".npz": _write_npz,
    ".csv": _write_csv,
    ".graphml": _write_graphml,
}
"""Ending -> ``(path, graph)``, which writes the file."""
