"""Diagrams: persistent homology of a graph, by one of the registered engines."""

from collections.abc import Callable

from netkin.diagram.diagram import Diagram
from netkin.diagram.exact import exact_diagram
from netkin.diagram.flagser import flagser_diagram

ENGINES: dict[str, Callable[..., Diagram]] = {
    "exact": exact_diagram,
    "flagser": flagser_diagram,
}
"""Name -> function ``(edges, *, max_dimension) -> Diagram``."""
