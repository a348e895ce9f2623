"""giotto-tda beside numpy 2 and scikit-learn 1.7."""

import warnings
from importlib import import_module
from types import ModuleType

import numpy as np

from netkin.errors import NetkinError


def import_giotto(name: str) -> ModuleType:
    """Import a module of giotto-tda, also where numpy has no ``product`` any more.

    giotto-tda 0.6.2 calls ``numpy.product``, which numpy 2 has only as ``prod``, and an
    argument of scikit-learn by a name that is to go in 1.8, of which scikit-learn warns at
    each call.

    Parameters
    ----------
    name : str
        Such as ``gtda.diagrams``.

    Raises
    ------
    NetkinError
        giotto-tda is not installed, which netkin does without elsewhere since it is AGPL.
    """
    if not hasattr(np, "product"):
        # what giotto-tda calls, neither in numpy 2 nor in its types
        np.product = np.prod  # type: ignore[attr-defined]  # noqa: NPY003, NPY201
    warnings.filterwarnings("ignore", "'force_all_finite' was renamed", FutureWarning)
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "gtda":
            raise
        raise NetkinError(
            "giotto-tda (AGPL) is not installed; install it: pip install --no-deps --requirement "
            "envs/giotto.txt."
        ) from None
