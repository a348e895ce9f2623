"""Train three small networks, write each in several formats, and put a sheet beside them.

    python docs/own_networks/make_networks.py FOLDER

Writes `FOLDER/networks.tsv`, which is `config/networks.tsv.example`, and the files that it names.
"""

import csv
import logging
import os
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
SHEET = ROOT / "config" / "networks.tsv.example"


def train(hidden, seed):
    """Return weights (n_out, n_in) and biases of a network of scikit-learn's on its digits."""
    from sklearn.datasets import load_digits
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    images, labels = load_digits(return_X_y=True)
    network = MLPClassifier(hidden, max_iter=30, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(images / 16, labels)
    # safetensors writes arrays in the order in which they lie in memory
    weights = [np.ascontiguousarray(weight.T, np.float32) for weight in network.coefs_]
    return weights, [bias.astype(np.float32) for bias in network.intercepts_]


def named(weights, biases):
    """Return the arrays by the names that `torch.nn.Sequential` gives them."""
    found = {}
    for index, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        found[f"{2 * index}.weight"], found[f"{2 * index}.bias"] = weight, bias
    return found


def write_safetensors(path, weights, biases):
    """Write a file of Hugging Face's format."""
    from safetensors.numpy import save_file

    save_file(named(weights, biases), path)


def write_npz(path, weights, biases):
    """Write an archive of numpy."""
    np.savez(path, **named(weights, biases))


def write_torch(path, weights, biases):
    """Write a checkpoint of torch, as a training loop leaves it."""
    import torch

    state = {name: torch.from_numpy(array) for name, array in named(weights, biases).items()}
    torch.save({"epoch": 30, "state_dict": state}, path)


def write_pt2(path, weights, biases):
    """Write an exported program of torch."""
    import torch

    layers = []
    for weight, bias in zip(weights, biases, strict=True):
        layers += [torch.nn.Linear(*weight.shape[::-1]), torch.nn.ReLU()]
        layers[-2].weight.data, layers[-2].bias.data = map(torch.from_numpy, (weight, bias))
    module = torch.nn.Sequential(*layers[:-1]).eval()
    torch.export.save(torch.export.export(module, (torch.zeros(1, weights[0].shape[1]),)), path)


def write_onnx(path, weights, biases):
    """Write an ONNX model."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, initialisers, last = [], [], "x"
    for index, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        initialisers += [
            numpy_helper.from_array(weight, f"W{index}"),
            numpy_helper.from_array(bias, f"b{index}"),
        ]
        inputs = [last, f"W{index}", f"b{index}"]
        last = "y" if index == len(weights) - 1 else f"h{index}"
        nodes.append(helper.make_node("Gemm", inputs, [last], transB=1))
        if last != "y":
            nodes.append(helper.make_node("Relu", [last], [f"r{index}"]))
            last = f"r{index}"
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", size])
        for name, size in (("x", weights[0].shape[1]), ("y", len(weights[-1])))
    ]
    graph = helper.make_graph(nodes, "mlp", ends[:1], ends[1:], initialisers)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), path)


def write_keras(path, weights, biases):
    """Write a model of Keras, by the ending of the path as `.keras` or `.h5`."""
    os.environ["KERAS_BACKEND"] = "torch"
    import keras

    model = keras.Sequential([keras.Input((weights[0].shape[1],))])
    for index, weight in enumerate(weights):
        last = index == len(weights) - 1
        model.add(keras.layers.Dense(len(weight), activation="softmax" if last else "relu"))
    model.set_weights(
        [x for pair in zip(weights, biases, strict=True) for x in (pair[0].T, pair[1])]
    )
    # Keras would rather have the newer format, and calls numpy as of version 1
    logging.getLogger("absl").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        model.save(path)


def write_netkin(path, weights, biases):
    """Write netkin's own file."""
    from netkin.network.file import Network, write_network

    write_network(path, Network(tuple(weights), tuple(biases)), parameters={"made_by": "example"})


WRITERS = {
    "safetensors": write_safetensors,
    "npz": write_npz,
    "torch": write_torch,
    "pt2": write_pt2,
    "onnx": write_onnx,
    "keras": write_keras,
    "keras_h5": write_keras,
    "netkin": write_netkin,
}
"""What follows the group in the name of a network of the sheet -> what writes its file."""


def rows():
    """Yield group, writer and path of each network of the sheet."""
    lines = [line for line in SHEET.read_text().splitlines() if not line.startswith("#")]
    for row in csv.DictReader(lines, delimiter="\t"):
        yield row["group"], row["network"].removeprefix(f"{row['group']}_"), row["path"]


def main(folder):
    """Write all files."""
    networks = {
        "first": train((32, 32), seed=0),
        "second": train((32, 32), seed=1),
        "wide": train((64, 64), seed=0),
    }
    for group, writer, path in rows():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        WRITERS[writer](folder / path, *networks[group])
    shutil.copyfile(SHEET, folder / "networks.tsv")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.path.insert(0, str(ROOT / "src"))
    main(Path(sys.argv[1]))
