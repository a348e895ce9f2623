"""Stage dataset: load a data set by its kind and store it."""

import inspect
import logging
from collections.abc import Callable, Mapping
from typing import Any

from netkin.dataset import DATASETS
from netkin.dataset.arrays import write_arrays
from netkin.dataset.source import user_folder
from netkin.errors import NetkinError, allowed

logger = logging.getLogger(__name__)


def prepare_dataset(
    *,
    kind: str,
    data_folder: str,
    options: dict[str, Any],
    dataset_path: str,
    code: str = "",
) -> None:
    """Load, check and write one data set.

    Parameters
    ----------
    kind : str
        A key of `netkin.dataset.DATASETS`.
    data_folder : str
        Folder of downloaded files. It does not determine the content (loaders check the
        files they find there) and is not stored.
    options : dict
        Keyword arguments of the loader; the defaults of absent ones are stored as well.
    dataset_path : str
        HDF5 file to write, layout ``dataset``.
    code : str
        Digest of the code, stored in the file.

    Raises
    ------
    NetkinError
        For an unknown kind, for files that are missing or damaged, and for arrays that
        are not what `netkin.dataset.arrays.Arrays` promises.
    """
    if kind not in DATASETS:
        raise NetkinError(f"kind: '{kind}' is no data set. {allowed(kind, DATASETS)}")
    loader = DATASETS[kind]
    arrays = loader(user_folder(data_folder), **options)
    arrays.validate(kind)
    parameters = {"kind": kind, "options": all_options(loader, options)}
    write_arrays(dataset_path, arrays, parameters=parameters, code=code)
    logger.info(
        "%s: %d training and %d test rows of %d features in %d classes",
        kind,
        *arrays.train_inputs.shape[:1],
        *arrays.test_inputs.shape,
        len(arrays.label_names),
    )


def all_options(loader: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a loader with the defaults of those that are not given."""
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(loader).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    return {**defaults, **options}
