"""Handwritten digits of 8 x 8 pixels, part of scikit-learn: no download."""

from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from netkin.dataset.arrays import Arrays
from netkin.errors import NetkinError


def load_digits(
    data_folder: Path,
    *,
    test_share: Annotated[float, Gt(0), Lt(1)] = 0.2,
    split_seed: Annotated[int, Ge(0), Le(2**32 - 1)] = 0,
) -> Arrays:
    """Load the digits of scikit-learn: 1,797 images in 10 classes.

    Parameters
    ----------
    data_folder : Path
        Not used; the images are part of scikit-learn.
    test_share : float
        Share of the rows of each class that become test rows.
    split_seed : int
        Seed of the split and of the order of the rows.

    Returns
    -------
    Arrays
        64 pixels a row, row by row of the image, as grey levels 0 to 16 divided by 16.

    Raises
    ------
    NetkinError
        When `test_share` leaves fewer training or test rows than classes.
    """
    from sklearn.datasets import load_digits as sklearn_digits
    from sklearn.model_selection import train_test_split

    source = sklearn_digits()
    labels = source.target.astype(np.int64)
    inputs = (source.data / 16).astype(np.float32)
    n_rows, n_labels = len(labels), len(source.target_names)
    try:
        train, test = train_test_split(
            np.arange(n_rows), test_size=test_share, random_state=split_seed, stratify=labels
        )
    except ValueError:
        raise NetkinError(
            f"digits: test_share {test_share} of {n_rows} rows is not allowed, the training and "
            f"the test part need {n_labels} rows or more each; try 0.2."
        ) from None
    return Arrays(
        train_inputs=inputs[train],
        train_labels=labels[train],
        train_rows=train.astype(np.int64),
        test_inputs=inputs[test],
        test_labels=labels[test],
        test_rows=test.astype(np.int64),
        label_names=tuple(str(name) for name in source.target_names),
    )
