"""MNIST: handwritten digits of 28 x 28 pixels (LeCun, Cortes, Burges)."""

from pathlib import Path

from netkin.dataset.arrays import Arrays
from netkin.dataset.idx import load_idx

# computed from the archives that have the md5 published by torchvision
CONTENT_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


def load_mnist(data_folder: Path) -> Arrays:
    """Load MNIST: 60,000 training and 10,000 test images in 10 classes.

    Parameters
    ----------
    data_folder : Path
        Folder that holds ``MNIST/raw`` with the four published files, as archives or
        decompressed; absent ones are downloaded into it.

    Returns
    -------
    Arrays
        784 pixels a row, row by row of the image, as grey levels 0 to 255 divided by 255.

    Raises
    ------
    NetkinError
        When files are missing and cannot be downloaded, or have a wrong checksum.
    """
    return load_idx("MNIST", data_folder, CONTENT_MD5)
