"""Fashion-MNIST: pieces of clothing, 28 x 28 pixels (Xiao, Rasul, Vollgraf 2017)."""

from pathlib import Path

from netkin.dataset.arrays import Arrays
from netkin.dataset.idx import load_idx

# computed from the archives that have the md5 published by torchvision
CONTENT_MD5 = {
    "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
}


def load_fashion_mnist(data_folder: Path) -> Arrays:
    """Load Fashion-MNIST: 60,000 training and 10,000 test images in 10 classes.

    Parameters
    ----------
    data_folder : Path
        Folder that holds ``FashionMNIST/raw`` with the four published files, as archives
        or decompressed; absent ones are downloaded into it.

    Returns
    -------
    Arrays
        784 pixels a row, row by row of the image, as grey levels 0 to 255 divided by 255.

    Raises
    ------
    NetkinError
        When files are missing and cannot be downloaded, or have a wrong checksum.
    """
    return load_idx("FashionMNIST", data_folder, CONTENT_MD5)
