"""Stage dataset: load a data set by its kind and store it."""

import hashlib
import inspect
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from netkin.dataset import DATASETS, FILES
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
    folder = user_folder(data_folder)
    files = digests_of_files(kind, folder, options)
    arrays = loader(folder, **options)
    arrays.validate(kind)
    if digests_of_files(kind, folder, options) != files:
        raise NetkinError(f"{folder}: a file changed while it was read; run again.")
    parameters = {"kind": kind, "options": all_options(loader, options), "files": files}
    write_arrays(dataset_path, arrays, parameters=parameters, code=code)
    logger.info(
        "%s: %d training and %d test rows of %d features in %d classes",
        kind,
        *arrays.train_inputs.shape[:1],
        *arrays.test_inputs.shape,
        len(arrays.label_names),
    )


def digests_of_files(kind: str, data_folder: Path, options: Mapping[str, Any]) -> dict[str, str]:
    """Return the digests of the files of a data set that no checksum fixes.

    Parameters
    ----------
    kind : str
        A key of `netkin.dataset.DATASETS`.
    data_folder : Path
        Where its files are.
    options : mapping
        Keyword arguments of the loader.

    Returns
    -------
    dict of str to str
        Path below the folder -> the first 16 hexadecimal digits of its SHA-256.

    Raises
    ------
    NetkinError
        A file is missing or no file.
    OSError
        One cannot be read.
    """
    if kind not in FILES:
        return {}
    digests = {}
    for path in FILES[kind](data_folder, **options):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
        digests[path.relative_to(data_folder).as_posix()] = digest
    return digests


def all_options(loader: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a loader with the defaults of those that are not given."""
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(loader).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    return {**defaults, **options}
