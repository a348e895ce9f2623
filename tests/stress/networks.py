"""Small networks in every format, by the writers that people use, for `tests.stress.models`."""

import json
import logging
import os
import warnings
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tests.altered import altered

UNITS = (5, 4, 4, 3)


class Original(NamedTuple):
    """A whole file, or a folder.

    Attributes
    ----------
    kind : str
        Its format, a key of `netkin.network.format.FORMATS`, or more exactly which of its files.
    write : callable
        Writes it into an empty folder.
    target : str
        What in the folder is opened, "" for all of it.
    """

    kind: str
    write: Callable[[Path], None]
    target: str = ""


def _arrays(dtype: Any = np.float32) -> dict[str, np.ndarray]:
    """Return a chain by the names that `torch.nn.Sequential` gives it."""
    chance = np.random.default_rng(0)
    found = {}
    for index, (n_in, n_out) in enumerate(pairwise(UNITS)):
        found[f"{2 * index}.weight"] = chance.normal(size=(n_out, n_in)).astype(dtype)
        found[f"{2 * index}.bias"] = chance.normal(size=n_out).astype(dtype)
    return found


def _network(norm: bool = False, tied: bool = False) -> Any:
    """Return a chain of torch: with batch norm after the first layer, or a layer that is twice."""
    import torch

    torch.manual_seed(0)
    first, middle, last = (torch.nn.Linear(n_in, n_out) for n_in, n_out in pairwise(UNITS))
    norms = [torch.nn.BatchNorm1d(UNITS[1])] if norm else []
    twice = [middle, torch.nn.ReLU()] if tied else []
    parts = [first, *norms, torch.nn.ReLU(), *twice, middle, torch.nn.ReLU(), last]
    return torch.nn.Sequential(*parts).eval()


# --- tensors --------------------------------------------------------------------------------


def _safetensors(folder: Path) -> None:
    from safetensors.numpy import save_file

    save_file(_arrays(), folder / "a.safetensors")


def _safetensors_of_torch(folder: Path, dtype: str = "bfloat16") -> None:
    import torch
    from safetensors.torch import save_file

    state = {
        name: value.to(getattr(torch, dtype)) if value.is_floating_point() else value
        for name, value in _network(norm=True).state_dict().items()
    }
    state["0.empty"] = torch.zeros(0, 3)
    save_file(state, folder / "a.safetensors", metadata={"format": "pt"})


def _npz(folder: Path) -> None:
    arrays = _arrays()
    np.savez(folder / "a.npz", **arrays, epoch=np.int64(3))


def _npz_half(folder: Path) -> None:
    arrays = {name: np.asfortranarray(array) for name, array in _arrays(np.float16).items()}
    np.savez_compressed(folder / "a.npz", **arrays)


def _state(how: str) -> Any:
    import torch

    if how == "tied":
        return _network(tied=True).state_dict()
    state = _network(norm=True).state_dict()
    if how == "half":
        return {name: value.half() for name, value in state.items()}
    if how == "bfloat16":
        return {f"module.{name}": value.bfloat16() for name, value in state.items()}
    moments = {"step": torch.tensor(1.0), "exp_avg": torch.ones(UNITS[1], UNITS[0])}
    optimiser = {"state": {0: moments}, "param_groups": [{"lr": 1e-3, "params": [0]}]}
    return {"epoch": 3, "state_dict": state, "optimizer": optimiser, "name": "x"}


def _torch(folder: Path, how: str, new: bool) -> None:
    import torch

    torch.save(_state(how), folder / "a.pt", _use_new_zipfile_serialization=new)


# --- folders --------------------------------------------------------------------------------


def _shards_of_safetensors(folder: Path) -> None:
    from safetensors.numpy import save_file

    arrays = list(_arrays().items())
    places = {}
    for number in range(3):
        name = f"model-{number + 1:05}-of-00003.safetensors"
        part = dict(arrays[2 * number : 2 * number + 2])
        save_file(part, folder / name, metadata={"format": "pt"})
        places |= dict.fromkeys(part, name)
    _write_index(folder / "model.safetensors.index.json", places)


def _shards_of_torch(folder: Path) -> None:
    import torch

    state = list(_state("half").items())
    places = {}
    for number in range(2):
        name = f"pytorch_model-{number + 1:05}-of-00002.bin"
        part = dict(state[6 * number : 6 * number + 6])
        torch.save(part, folder / name)
        places |= dict.fromkeys(part, name)
    _write_index(folder / "pytorch_model.bin.index.json", places)


def _write_index(path: Path, places: dict[str, str]) -> None:
    path.write_text(json.dumps({"metadata": {"total_size": 300}, "weight_map": places}, indent=2))


def _beside_weights(folder: Path) -> None:
    """Write what lies beside the weights of a model of Hugging Face."""
    import torch

    (folder / "config.json").write_text(json.dumps({"model_type": "mlp", "hidden_size": 4}))
    torch.save({"lr": 0.1}, folder / "optimizer.pt")


def _hugging_face(folder: Path) -> None:
    _beside_weights(folder)
    _safetensors_of_torch(folder, "float16")
    (folder / "a.safetensors").rename(folder / "model.safetensors")
    _torch(folder, "half", new=True)
    (folder / "a.pt").rename(folder / "pytorch_model.bin")


def _cache_of_hugging_face(folder: Path) -> None:
    """Write the folder of a download: links to where all lies."""
    made = folder / "snapshots" / "1"
    made.mkdir(parents=True)
    _beside_weights(made)
    _shards_of_safetensors(made)
    (folder / "blobs").mkdir()
    for number, file in enumerate(sorted(made.iterdir())):
        file.rename(folder / "blobs" / f"{number:064x}")
        file.symlink_to(f"../../blobs/{number:064x}")


# --- Keras ----------------------------------------------------------------------------------


def _keras(folder: Path, name: str, norm: bool = False, tied: bool = False, kind: str = "") -> None:
    os.environ["KERAS_BACKEND"] = "torch"
    import keras

    # Keras would rather have the newer format, and calls numpy as of version 1
    logging.getLogger("absl").setLevel(logging.ERROR)
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    dtype = kind or None
    middle = keras.layers.Dense(UNITS[2], activation="relu", dtype=dtype)
    parts = [
        keras.layers.Dense(UNITS[1], activation="relu", dtype=dtype),
        *([keras.layers.BatchNormalization(dtype=dtype)] if norm else []),
        *([middle, middle] if tied else [middle]),
        keras.layers.Dense(UNITS[3], activation="softmax", use_bias=False, dtype=dtype),
    ]
    inputs = outputs = keras.Input((UNITS[0],))
    if tied:
        for part in parts:
            outputs = part(outputs)
        model = keras.Model(inputs, outputs)
    else:
        model = keras.Sequential([inputs, *parts])
    save = model.save_weights if name.endswith(".weights.h5") else model.save
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        save(folder / name)


def _keras_folder(folder: Path) -> None:
    _keras(folder, "a.keras", norm=True)
    with zipfile.ZipFile(folder / "a.keras") as archive:
        archive.extractall(folder)
    (folder / "a.keras").unlink()


# --- ONNX -----------------------------------------------------------------------------------


def _onnx_of_torch(folder: Path) -> None:
    import torch

    network, rows = _network(norm=True), torch.zeros(2, UNITS[0])
    # of which a part becomes a node, and the rest is folded into the first layer
    how = {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, (rows,), folder / "a.onnx", dynamo=False, verbose=False, **how)


def _onnx(dtype: str = "FLOAT", raw: bool = True, tied: bool = False) -> Any:
    """Return a model of MatMul and Add, or of Gemm where its numbers are not raw."""
    from onnx import TensorProto, helper

    kind = getattr(TensorProto, dtype)
    nodes, tensors, last = [], [], "x"
    for index in range(len(UNITS) - 1):
        weight, bias = (_arrays()[f"{2 * index}.{part}"] for part in ("weight", "bias"))
        if not raw:
            inputs = [last, f"W{index}", f"b{index}"]
            nodes.append(helper.make_node("Gemm", inputs, [f"h{index}"], transB=1))
        else:
            weight = weight.T
            name = "W1" if tied and index == 1 else f"W{index}"
            nodes.append(helper.make_node("MatMul", [last, name], [f"m{index}"]))
            nodes.append(helper.make_node("Add", [f"m{index}", f"b{index}"], [f"h{index}"]))
            if tied and index == 1:
                nodes.append(helper.make_node("MatMul", ["h1", "W1"], ["again"]))
                nodes[-2].output[0], nodes[-1].input[0], nodes[-1].output[0] = "h", "h", "h1"
        for name, array in ((f"W{index}", weight), (f"b{index}", bias)):
            stored = array.astype(helper.tensor_dtype_to_np_dtype(kind))
            numbers = np.ascontiguousarray(stored).tobytes() if raw else stored.ravel()
            tensors.append(helper.make_tensor(name, kind, array.shape, numbers, raw))
        nodes.append(helper.make_node("Relu", [f"h{index}"], [f"r{index}"]))
        last = f"r{index}"
    ends = [
        helper.make_tensor_value_info(name, kind, ["rows", size])
        for name, size in (("x", UNITS[0]), (last, UNITS[-1]))
    ]
    graph = helper.make_graph(nodes, "mlp", ends[:1], ends[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def _save_onnx(folder: Path, **how: Any) -> None:
    import onnx

    onnx.save(_onnx(**how), folder / "a.onnx")


def _onnx_outside(folder: Path, together: bool) -> None:
    import onnx

    onnx.save(
        _onnx(tied=together),
        folder / "a.onnx",
        save_as_external_data=True,
        all_tensors_to_one_file=together,
        location="a.onnx.data" if together else None,
        size_threshold=0,
    )


# --- netkin ---------------------------------------------------------------------------------


def _netkin(folder: Path) -> None:
    from netkin.network.file import HISTORY, Network, write_network

    arrays = _arrays()
    weights = tuple(array for name, array in arrays.items() if name.endswith("weight"))
    biases = tuple(array for name, array in arrays.items() if name.endswith("bias"))
    history = {name: np.linspace(0, 1, 4) for name in HISTORY}
    network = Network(weights, biases, history, 0.5)
    write_network(folder / "a.h5", network, parameters={"seed": 0})


def _netkin_of_tensors(folder: Path) -> None:
    """Write what an import leaves of a network whose wiring is not known."""
    _netkin(folder)
    with altered(folder / "a.h5") as file:
        layers = [file[f"layers/{index}/weight"][...] for index in range(len(UNITS) - 1)]
        for name in ("layers", "history"):
            del file[name]
        for index, weight in enumerate(layers):
            file[f"tensors/{index}"] = weight
            file[f"tensors/{index}"].attrs["name"] = f"encoder.{index}.weight"
        file.attrs["also"] = json.dumps({"encoder.0.weight": ["decoder.weight"]})
        file.attrs["reason"] = "the network is no chain of dense layers"


def _exported(folder: Path, norm: bool) -> None:
    """Write a program of torch."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(_network(norm, tied=norm), (torch.zeros(2, UNITS[0]),))
        torch.export.save(program, folder / "a.pt2")


ORIGINALS = {
    "safetensors": Original("safetensors", _safetensors, "a.safetensors"),
    "safetensors, bfloat16": Original("safetensors", _safetensors_of_torch, "a.safetensors"),
    "npz": Original("npz", _npz, "a.npz"),
    "npz, half": Original("npz", _npz_half, "a.npz"),
    **{
        f"{kind}, {how}": Original(
            kind, lambda folder, how=how, new=kind == "torch": _torch(folder, how, new), "a.pt"
        )
        for kind in ("torch", "torch before 1.6")
        for how in ("checkpoint", "half", "bfloat16", "tied")
    },
    "pt2": Original("pt2", lambda folder: _exported(folder, norm=False), "a.pt2"),
    "pt2, tied": Original("pt2", lambda folder: _exported(folder, norm=True), "a.pt2"),
    "sharded": Original("sharded", _shards_of_safetensors),
    "sharded, index": Original("sharded", _shards_of_safetensors, "model.safetensors.index.json"),
    "sharded, torch": Original("sharded", _shards_of_torch),
    "hugging face": Original("hugging face", _hugging_face),
    "hugging face, cache": Original("hugging face", _cache_of_hugging_face, "snapshots/1"),
    "keras": Original("keras", lambda folder: _keras(folder, "a.keras"), "a.keras"),
    "keras, half": Original(
        "keras", lambda folder: _keras(folder, "a.keras", norm=True, kind="float16"), "a.keras"
    ),
    "keras, tied": Original(
        "keras", lambda folder: _keras(folder, "a.keras", tied=True, kind="bfloat16"), "a.keras"
    ),
    "keras, folder": Original("keras", _keras_folder),
    "keras h5": Original("keras h5", lambda folder: _keras(folder, "a.h5", norm=True), "a.h5"),
    "keras h5, weights": Original(
        "keras h5", lambda folder: _keras(folder, "a.weights.h5"), "a.weights.h5"
    ),
    "onnx": Original("onnx", _save_onnx, "a.onnx"),
    "onnx, torch": Original("onnx", _onnx_of_torch, "a.onnx"),
    "onnx, half": Original(
        "onnx", lambda folder: _save_onnx(folder, dtype="FLOAT16", raw=False), "a.onnx"
    ),
    "onnx, bfloat16": Original(
        "onnx", lambda folder: _save_onnx(folder, dtype="BFLOAT16", tied=True), "a.onnx"
    ),
    "onnx outside": Original("onnx outside", lambda f: _onnx_outside(f, together=True), "a.onnx"),
    "onnx outside, files": Original(
        "onnx outside", lambda folder: _onnx_outside(folder, together=False), "a.onnx"
    ),
    "netkin": Original("netkin", _netkin, "a.h5"),
    "netkin, tensors": Original("netkin", _netkin_of_tensors, "a.h5"),
}
"""Name -> a file."""
KINDS = list(dict.fromkeys(original.kind for original in ORIGINALS.values()))


def make_files(folder: Path) -> None:
    """Write all of `ORIGINALS`, each into a folder of its name."""
    for name, original in ORIGINALS.items():
        (folder / name).mkdir(parents=True)
        original.write(folder / name)
