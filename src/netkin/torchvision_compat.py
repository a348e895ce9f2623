"""torchvision beside any build of torch."""

import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

_libraries: list[Any] = []  # torch removes the definitions with their Library object


def import_torchvision() -> ModuleType:
    """Import torchvision, also where its compiled operators do not load.

    The wheels of PyPI carry operators built against CUDA; beside a CPU build of torch
    they do not load, and ``import torchvision`` fails with "operator torchvision::nms
    does not exist", since it registers shape functions for nms and qnms. Defining these
    two schemas first is enough for all that netkin uses (data sets and their readers);
    where the operators load, nothing is defined here.

    Returns
    -------
    module
        The package ``torchvision``.
    """
    if "torchvision" not in sys.modules:
        import torch

        spec = find_spec("torchvision")
        folders = (spec and spec.submodule_search_locations) or []
        for library in (path for folder in folders for path in Path(folder).glob("_C.*")):
            try:
                torch.ops.load_library(str(library))  # type: ignore[no-untyped-call] # torch's
            except OSError:  # built for another torch
                continue
        if not hasattr(torch.ops.torchvision, "nms"):
            definitions = torch.library.Library(  # type: ignore[no-untyped-call] # torch's
                "torchvision", "DEF"
            )
            for name in ("nms", "qnms"):
                definitions.define(  # type: ignore[no-untyped-call] # torch's
                    f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
                )
            _libraries.append(definitions)
    import torchvision

    module: ModuleType = torchvision
    return module
