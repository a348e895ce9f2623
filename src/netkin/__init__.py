"""How similar are trained neural networks.

The stages, in flow order: dataset -> network -> graph -> diagram -> vector ->
distance -> figure and table. Each noun is a subpackage here, a rule file, a
results folder and a config section.

The public functions for networks people already have are imported when they are used:
`inspect`, `compare`, `distances`, `diagram_of`, `graph_of`, `measure`, `measures` and `results`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netkin.catalogue import measures
    from netkin.comparing import Compared, compare, diagram_of, distances
    from netkin.errors import NetkinError, UndefinedDistance
    from netkin.finished import results
    from netkin.inspection import Inspection, inspect
    from netkin.measuring import measure
    from netkin.network.module import graph_of

__version__ = "0.1.0"

__all__ = [
    "Compared",
    "Inspection",
    "NetkinError",
    "UndefinedDistance",
    "__version__",
    "compare",
    "diagram_of",
    "distances",
    "graph_of",
    "inspect",
    "measure",
    "measures",
    "results",
]

_MODULES = {
    "Compared": "comparing",
    "Inspection": "inspection",
    "NetkinError": "errors",
    "UndefinedDistance": "errors",
    "compare": "comparing",
    "diagram_of": "comparing",
    "distances": "comparing",
    "graph_of": "network.module",
    "inspect": "inspection",
    "measure": "measuring",
    "measures": "catalogue",
    "results": "finished",
}
"""Public name -> the module that has it."""
_GOING: dict[str, Any] = {}
"""Public name that goes -> `netkin.deprecation.Going`, one minor version before."""


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"netkin.{_MODULES[name]}"), name)
    if name in _GOING:
        from netkin.deprecation import warn_of

        warn_of("netkin", name, _GOING[name], __version__)
        module, _, target = _GOING[name].target.partition(":")
        return getattr(import_module(module), target)
    raise AttributeError(f"module 'netkin' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
