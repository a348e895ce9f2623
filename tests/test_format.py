"""Formats of files of weights: what is understood, in which order, and what is refused."""

import gzip
import io
import json
import os
import pickle
import signal
import site
import struct
import sys
import tarfile
import zipfile
from pathlib import Path

import h5py
import numpy as np
import onnx
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch

from netkin.errors import Lacking, NetkinError
from netkin.network.file import Network, write_network
from netkin.network.format import FORMATS, foreign, open_model, trial
from netkin.network.format.wiring import parse_wiring
from netkin.network.layers import open_layers

SIZES = [5, 4, 4, 3]


def arrays(names, sizes=SIZES, dtype=np.float32):
    """Return weights and biases by the names of their layers."""
    rng = np.random.default_rng(0)
    found = {}
    for name, n_in, n_out in zip(names, sizes[:-1], sizes[1:], strict=True):
        found[f"{name}.weight"] = rng.normal(size=(n_out, n_in)).astype(dtype)
        found[f"{name}.bias"] = rng.normal(size=n_out).astype(dtype)
    return found


def save_npz(tensors, path):
    with path.open("wb") as file:
        np.savez(file, **tensors)


def save_pt(tensors, path, wrap=lambda state: state, how=None):
    state = {name: torch.from_numpy(array) for name, array in tensors.items()}
    torch.save(wrap(state), path, **(how or {}))


BARE = {"safetensors": save_file, "npz": save_npz, "torch": save_pt}
"""Formats of named arrays without a wiring -> what writes one, ``(tensors, path)``."""


def save_as(kind, path, tensors, **more):
    """Write named arrays in a format."""
    BARE[kind](tensors, path, **more)


def layers_of(path, wiring=()):
    with open_layers(path, wiring) as layers:
        return [(layer.weight[:], layer.bias) for layer in layers]


def assert_layers(found, tensors, names):
    assert len(found) == len(names)
    for (weight, bias), name in zip(found, names, strict=True):
        np.testing.assert_array_equal(weight, tensors[f"{name}.weight"])
        np.testing.assert_array_equal(bias, tensors[f"{name}.bias"])


@pytest.mark.parametrize("kind", BARE)
@pytest.mark.parametrize("ending", ["weights", "SAFETENSORS", "h5", "pt"])
def test_a_format_is_told_by_content_and_not_by_ending(tmp_path, kind, ending):
    tensors = arrays(["0", "3", "6"])
    save_as(kind, tmp_path / f"model.{ending}", tensors)
    with open_model(tmp_path / f"model.{ending}") as model:
        assert model.format == kind
        assert not model.left_out
        assert {name: tensor.shape for name, tensor in model.tensors.items()} == {
            name: array.shape for name, array in tensors.items()
        }
    assert_layers(layers_of(tmp_path / f"model.{ending}"), tensors, ["0", "3", "6"])


def test_netkins_own_file_knows_its_wiring(tmp_path):
    tensors = arrays([str(i) for i in range(12)], [3] * 13)
    weights, biases = ([tensors[f"{i}.{part}"] for i in range(12)] for part in ("weight", "bias"))
    write_network(tmp_path / "n", Network(tuple(weights), tuple(biases)), parameters={})
    with open_model(tmp_path / "n") as model:
        assert model.format == "netkin"
    assert_layers(layers_of(tmp_path / "n"), tensors, [str(i) for i in range(12)])


@pytest.mark.parametrize("kind", BARE)
def test_ten_follows_nine(tmp_path, kind):
    names = [f"model.layer{i}.linear" for i in range(1, 13)]
    tensors = arrays(names, [4] * 13)
    shuffled = dict(sorted(tensors.items()))
    save_as(kind, tmp_path / "model", shuffled)
    assert_layers(layers_of(tmp_path / "model"), tensors, names)


UNCERTAIN = {
    "words": (["encoder", "decoder"], [5, 5, 5]),
    "words of one width": (["stem", "body", "head"], [4, 4, 4, 4]),
    "two numbers": (["blocks.0.0", "blocks.1.1", "blocks.2.2"], [4, 4, 4, 4]),
    "LoRA": (["layers.0.lora_A", "layers.0.lora_B"], [6, 2, 6]),
    "a number twice": (["a.1", "a.01"], [4, 4, 4]),
}


@pytest.mark.parametrize("case", UNCERTAIN)
@pytest.mark.parametrize("kind", BARE)
def test_an_order_that_is_not_certain_is_refused_and_can_be_given(tmp_path, kind, case):
    names, sizes = UNCERTAIN[case]
    tensors = arrays(names, sizes)
    save_as(kind, tmp_path / "model", tensors)
    with pytest.raises(NetkinError, match=r"(?s)model: in which order .* name all weights"):
        layers_of(tmp_path / "model")
    wiring = [f"{name}.weight" for name in names]
    assert_layers(layers_of(tmp_path / "model", wiring), tensors, names)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"conv.weight": (3, 2, 3)}, "'conv.weight' has the shape"),
        ({"0.weight_g": (4, 1)}, "'0.weight_g' is neither a weight nor"),
        ({"lstm.bias_hh_l0": (4,)}, "neither a weight nor"),
        ({"scale": ()}, r"'scale' has the shape \(\), a single number"),
        ({"norm.weight": (4,), "norm.bias": (4,)}, "'norm.weight' has the shape"),
        ({"other.bias": (4,)}, "'other.bias' is neither"),
    ],
)
@pytest.mark.parametrize("kind", BARE)
def test_no_parameter_is_left_out_silently(tmp_path, kind, more, why):
    tensors = arrays(["0", "2", "4"])
    tensors |= {name: np.ones(shape, np.float32) for name, shape in more.items()}
    save_as(kind, tmp_path / "model", tensors)
    with pytest.raises(NetkinError, match=why):
        layers_of(tmp_path / "model")
    with pytest.raises(NetkinError, match=f"says nothing of .*'{next(iter(more))}'"):
        layers_of(tmp_path / "model", ["0.weight", "2.weight", "4.weight"])


def test_wiring_may_name_biases(tmp_path):
    tensors = arrays(["0", "2", "4"])
    renamed = {
        name.replace(".weight", "_w").replace(".bias", "_b"): array
        for name, array in tensors.items()
    }
    save_as("npz", tmp_path / "model", renamed)
    with pytest.raises(NetkinError, match=r"no name ends in 'weight'; name all .* as in 'W\+b'"):
        layers_of(tmp_path / "model")
    wiring = [(f"{i}_w", f"{i}_b") for i in (0, 2, 4)]
    assert_layers(layers_of(tmp_path / "model", wiring), tensors, ["0", "2", "4"])
    with pytest.raises(NetkinError, match="no tensor is called '7_b'"):
        layers_of(tmp_path / "model", [("0_w", "7_b")])


@pytest.mark.parametrize("kind", BARE)
def test_double_precision_stays(tmp_path, kind):
    tensors = arrays(["0", "2", "4"], dtype=np.float64)
    save_as(kind, tmp_path / "model", tensors)
    found = layers_of(tmp_path / "model")
    assert {array.dtype for layer in found for array in layer} == {np.dtype(np.float64)}
    assert_layers(found, tensors, ["0", "2", "4"])


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2]
)
@pytest.mark.parametrize("kind", ["safetensors", "torch"])
def test_few_bits_become_float32_exactly(tmp_path, kind, dtype):
    every = torch.arange(256, dtype=torch.uint8).view(torch.float8_e5m2).float()
    values = torch.cat([torch.linspace(-3, 3, 64), every[every.isfinite()]]).reshape(4, -1)
    state = {"0.weight": values.to(dtype), "0.bias": torch.linspace(-1, 1, 4).to(dtype)}
    save_torch(state, tmp_path / "m") if kind == "safetensors" else torch.save(
        state, tmp_path / "m"
    )
    ((weight, bias),) = layers_of(tmp_path / "m")
    assert weight.dtype == bias.dtype == np.float32
    np.testing.assert_array_equal(weight, state["0.weight"].float().numpy())
    np.testing.assert_array_equal(bias, state["0.bias"].float().numpy())
    with open_layers(tmp_path / "m") as (layer,):
        np.testing.assert_array_equal(layer.weight[1:3], weight[1:3])


# --- torch ------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model", "net"])
@pytest.mark.parametrize("old", [False, True])
def test_weights_are_found_in_a_checkpoint_and_the_rest_is_named(tmp_path, key, old):
    tensors = arrays(["0", "3", "6"])
    optimiser = {"state": {0: {"exp_avg": torch.zeros(4, 5)}}, "param_groups": [{"lr": 0.1}]}
    save_as(
        "torch",
        tmp_path / "checkpoint",
        tensors,
        wrap=lambda state: {"epoch": 3, "optimizer": optimiser, key: state},
        how={"_use_new_zipfile_serialization": not old},
    )
    with open_model(tmp_path / "checkpoint") as model:
        assert set(model.left_out) == {"epoch", "optimizer"}
    assert_layers(layers_of(tmp_path / "checkpoint"), tensors, ["0", "3", "6"])


def test_counters_and_statistics_are_left_out_by_name(tmp_path):
    state = {name: torch.from_numpy(x) for name, x in arrays(["0", "2", "4"]).items()}
    state["norm.running_mean"] = torch.zeros(4)
    state["norm.num_batches_tracked"] = torch.tensor(3)
    torch.save(state, tmp_path / "m")
    with open_model(tmp_path / "m") as model:
        assert set(model.left_out) == {"norm.running_mean", "norm.num_batches_tracked"}
        assert set(model.tensors) == set(arrays(["0", "2", "4"]))


def test_one_tensor_of_two_names_is_tied_and_views_of_one_memory_are_not(tmp_path):
    shared = torch.arange(40.0)
    state = {"a.weight": shared[:20].view(4, 5), "b.weight": shared[20:].view(5, 4)}
    state["c.weight"] = state["a.weight"]
    torch.save(state, tmp_path / "m")
    with open_model(tmp_path / "m") as model:
        assert [tensor.same_as for tensor in model.tensors.values()] == ["", "", "a.weight"]
        layers = model.layers(["a.weight", "b.weight"])
    assert [layer.weight.shape for layer in layers] == [(4, 5), (5, 4)]


def test_a_pickled_module_is_refused_with_the_name_of_what_it_would_import(tmp_path):
    torch.save(torch.nn.Linear(3, 2), tmp_path / "module.pt")
    with pytest.raises(NetkinError, match=r"module.pt: it asks to import torch\S*Linear"):
        layers_of(tmp_path / "module.pt")


class Evil:
    def __reduce__(self):
        return os.mkdir, ("ran",)


def test_nothing_in_a_file_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"0.weight": torch.ones(2, 2), "evil": Evil()}, "evil.pt")
    np.savez("evil.npz", weight=np.array([Evil()], dtype=object))
    for name in ("evil.pt", "evil.npz"):
        with pytest.raises(NetkinError, match="would run what is in"):
            layers_of(name)
    (tmp_path / "bare.pkl").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(NetkinError, match="a pickle, and reading it would run what is in it"):
        layers_of("bare.pkl")
    assert not (tmp_path / "ran").exists()


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_a_program_of_torch_is_refused(tmp_path):
    torch.jit.trace(torch.nn.Linear(3, 2), torch.ones(1, 3)).save(str(tmp_path / "m.pt"))
    with pytest.raises(NetkinError, match=r"m.pt: TorchScript, .* runs nothing"):
        layers_of(tmp_path / "m.pt")


@pytest.mark.parametrize("loaded", [{"lr": 0.1}, [1, 2], {"a": {"b": torch.ones(2)}}])
def test_a_file_of_torch_without_a_network_is_a_sentence(tmp_path, loaded):
    torch.save(loaded, tmp_path / "m.pt")
    with pytest.raises(NetkinError, match=r"m.pt: (no tensors by name|it holds list)"):
        layers_of(tmp_path / "m.pt")


def test_weights_two_levels_down_are_found(tmp_path):
    tensors = arrays(["0", "3", "6"])
    save_as("torch", tmp_path / "m", tensors, wrap=lambda s: {"model": {"state_dict": s, "v": 1}})
    assert_layers(layers_of(tmp_path / "m"), tensors, ["0", "3", "6"])


@pytest.mark.parametrize("key", ["state_dict_ema", "model_ema", "ema", "ema_state_dict"])
def test_averaged_copies_are_left_out_by_name(tmp_path, key):
    tensors = arrays(["0", "3", "6"])
    save_as("torch", tmp_path / "m", tensors, wrap=lambda s: {key: s, "state_dict": s})
    with open_model(tmp_path / "m") as model:
        assert model.left_out[key].startswith("an averaged copy of the weights")
    assert_layers(layers_of(tmp_path / "m"), tensors, ["0", "3", "6"])


@pytest.mark.parametrize("kind", BARE)
def test_averaged_copies_beside_the_weights_are_left_out(tmp_path, kind):
    tensors = arrays(["0", "3", "6"])
    copies = {f"model_ema.{name}": array + 1 for name, array in tensors.items()}
    save_as(kind, tmp_path / "m", tensors | copies)
    with open_model(tmp_path / "m") as model:
        assert set(model.left_out) == set(copies)
    assert_layers(layers_of(tmp_path / "m"), tensors, ["0", "3", "6"])
    save_as(kind, tmp_path / "alone", copies)
    with open_model(tmp_path / "alone") as model:
        assert set(model.tensors) == set(copies)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "_orig_mod.module.", "module.module."])
@pytest.mark.parametrize("kind", BARE)
def test_prefixes_of_wrappers_are_no_part_of_names(tmp_path, kind, prefix):
    tensors = arrays(["encoder", "decoder"], [5, 4, 5])
    save_as(kind, tmp_path / "m", {f"{prefix}{name}": array for name, array in tensors.items()})
    with open_model(tmp_path / "m") as model:
        assert {name: tensor.name for name, tensor in model.tensors.items()} == {
            name: name for name in tensors
        }
        assert model.prefix == prefix
    for before in ("", prefix):
        wiring = [f"{before}encoder.weight", (f"{before}decoder.weight", f"{before}decoder.bias")]
        assert_layers(layers_of(tmp_path / "m", wiring), tensors, ["encoder", "decoder"])


@pytest.mark.parametrize("names", [["model.0", "model.2"], ["module.0", "2"]])
def test_other_beginnings_of_names_stay(tmp_path, names):
    tensors = arrays(names, [5, 4, 5])
    save_as("torch", tmp_path / "m", tensors)
    with open_model(tmp_path / "m") as model:
        assert set(model.tensors) == set(tensors)
        assert not model.prefix


def test_a_tied_tensor_stays_tied_without_its_prefix(tmp_path):
    weight = torch.ones(3, 3)
    torch.save({"module.a.weight": weight, "module.b.weight": weight}, tmp_path / "m")
    with open_model(tmp_path / "m") as model:
        assert model.tensors["b.weight"].same_as == "a.weight"


@pytest.mark.parametrize(
    "names",
    [
        ["weight_g", "weight_v", "bias"],
        ["parametrizations.weight.original0", "parametrizations.weight.original1", "bias"],
    ],
)
@pytest.mark.parametrize("kind", BARE)
def test_weights_that_are_made_of_others_are_no_chain(tmp_path, kind, names):
    tensors = arrays(["0", "2"], [4, 4, 4])
    tensors |= {f"4.{name}": np.ones((4, 4), np.float32) for name in names[:2]}
    tensors |= {"4.bias": np.ones(4, np.float32)}
    save_as(kind, tmp_path / "m", tensors)
    with pytest.raises(NetkinError, match=rf"'4\.({names[0]}|bias)' is neither a weight nor"):
        layers_of(tmp_path / "m")


def test_a_view_of_more_numbers_than_the_file_has_is_refused(tmp_path):
    torch.save({"0.weight": torch.ones(1).expand(10**6, 10**6)}, tmp_path / "m")
    with pytest.raises(NetkinError, match=r"m: '0.weight' declares 4,000,000,000,000 bytes"):
        layers_of(tmp_path / "m")


def test_an_old_file_that_declares_more_than_it_has_is_refused(tmp_path):
    torch.save({"weight": torch.ones(77)}, tmp_path / "m", _use_new_zipfile_serialization=False)
    whole = (tmp_path / "m").read_bytes()
    declared = pickle.BININT1 + bytes([77]) + pickle.NONE
    assert whole.count(declared) == 1
    lie = pickle.BININT + struct.pack("<i", 2**31 - 1) + pickle.NONE
    (tmp_path / "m").write_bytes(whole.replace(declared, lie))
    with pytest.raises(NetkinError, match=r"m: it declares 2,147,483,647 numbers; the file has"):
        layers_of(tmp_path / "m")


def test_an_archive_whose_pickle_declares_more_than_it_has_is_refused(tmp_path):
    torch.save({"weight": torch.ones(77)}, tmp_path / "m")
    with zipfile.ZipFile(tmp_path / "m") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    lie = pickle.BININT + struct.pack("<i", 2**31 - 1)
    with zipfile.ZipFile(tmp_path / "lie", "w") as archive:
        for name, content in parts.items():
            if name.endswith("data.pkl"):
                assert content.count(pickle.BININT1 + bytes([77])) == 2
                content = content.replace(pickle.BININT1 + bytes([77]), lie)
            archive.writestr(name, content)
    with pytest.raises(NetkinError, match="lie: "):
        layers_of(tmp_path / "lie")


def test_a_compressed_archive_is_not_of_torch(tmp_path):
    torch.save({"weight": torch.zeros(10, 10)}, tmp_path / "m")
    with zipfile.ZipFile(tmp_path / "m") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "packed", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(NetkinError, match=r"packed: '.*' in it is compressed"):
        layers_of(tmp_path / "packed")


# --- safetensors ------------------------------------------------------------------------


def raw(path, header, data=b""):
    """Write safetensors with any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def entry(shape, begin, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


LIES = {
    "overlap": ({"a": entry([2], 0, 8), "b": entry([2], 4, 12)}, 12),
    "the same place": ({"a": entry([2], 0, 8), "b": entry([2], 0, 8)}, 8),
    "gap": ({"a": entry([2], 0, 8), "b": entry([2], 12, 20)}, 20),
    "beyond the file": ({"a": entry([10**6, 10**6], 0, 4 * 10**12)}, 8),
    "more than its bytes": ({"a": entry([10**6, 10**6], 0, 8)}, 8),
    "negative offset": ({"a": entry([2], -8, 0)}, 0),
    "negative size": ({"a": entry([-1, -2], 0, 8)}, 8),
    "backwards": ({"a": entry([2], 8, 0)}, 8),
    "left over": ({"a": entry([2], 0, 8)}, 16),
    "fraction": ({"a": entry([2.0], 0, 8)}, 8),
    "truth": ({"a": entry([True, 2], 0, 8)}, 8),
    "no offsets": ({"a": {"dtype": "F32", "shape": [2]}}, 8),
    "three offsets": ({"a": entry([2], 0, 8) | {"data_offsets": [0, 8, 8]}}, 8),
    "type": ({"a": entry([2], 0, 8, 3)}, 8),
    "no tensor": ({"a": 3}, 0),
    "metadata": ({"__metadata__": {"a": 1}, "b": entry([2], 0, 8)}, 8),
    "metadata list": ({"__metadata__": ["a"], "b": entry([2], 0, 8)}, 8),
    "a name twice": (
        b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, '
        b'"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}',
        8,
    ),
    "deep": (b'{"a":' + b"[" * 100_000, 0),
    "no JSON": (b'{"a": ', 0),
    "no text": (b'{"\xff": 1}', 0),
    "number": (b'{"a": ' + b"9" * 5000 + b"}", 0),
}


@pytest.mark.parametrize("case", LIES)
def test_a_header_that_lies_is_refused(tmp_path, case):
    header, size = LIES[case]
    with pytest.raises(NetkinError, match=r"m: not a readable safetensors file \("):
        layers_of(raw(tmp_path / "m", header, bytes(size)))


def test_a_header_longer_than_the_file_is_refused(tmp_path):
    (tmp_path / "m").write_bytes(struct.pack("<Q", 90_000_000) + b"{}")
    with pytest.raises(NetkinError, match="its header has 90,000,000 bytes, the file 10"):
        layers_of(tmp_path / "m")


@pytest.mark.parametrize("dtype", ["F4", "F6_E2M3", "F8_E8M0", "C64", "F1024"])
def test_types_that_are_not_read_are_left_out_by_name(tmp_path, dtype):
    header = {"w": entry([2, 2], 0, 2, dtype), "0.weight": entry([1, 1], 2, 6)}
    with open_model(raw(tmp_path / "m", header, bytes(6))) as model:
        assert model.left_out == {"w": f"stored as {dtype}, which netkin does not read"}
        assert list(model.tensors) == ["0.weight"]


@pytest.mark.parametrize("kind", ["safetensors", "torch"])
def test_a_number_and_an_empty_tensor_are_read(tmp_path, kind):
    tensors = {"scale": np.array(3, np.float32), "none": np.zeros((0, 4), np.float32)}
    save_as(kind, tmp_path / "m", tensors)
    with open_model(tmp_path / "m") as model:
        assert model.tensors["scale"][:] == 3
        assert model.tensors["scale"][:].shape == ()
        assert model.tensors["none"][:].shape == (0, 4)


# --- several files -----------------------------------------------------------------------


def shards(folder, kind, tensors, divided=2, **more):
    """Write tensors to several files and an index; return the index."""
    folder.mkdir(parents=True, exist_ok=True)
    base, end = ("model", "safetensors") if kind == "safetensors" else ("pytorch_model", "bin")
    places = {}
    for number in range(divided):
        name = f"{base}-{number + 1:05}-of-{divided:05}.{end}"
        part = dict(list(tensors.items())[number::divided])
        save_as(kind, folder / name, part)
        places |= dict.fromkeys(part, name)
    places |= more
    index = folder / f"{base}.{end}.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places}))
    (folder / "config.json").write_text('{"architectures": ["Mine"]}')
    (folder / "training_args.bin").write_bytes(b"x")
    return index


SHARDED = ["safetensors", "torch"]


@pytest.mark.parametrize("given", ["folder", "index"])
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("kind", SHARDED)
def test_a_model_in_several_files_is_one(tmp_path, kind, prefix, given):
    tensors = arrays([str(i) for i in range(12)], [3] * 13)
    index = shards(tmp_path / "m", kind, {f"{prefix}{n}": array for n, array in tensors.items()})
    path = index if given == "index" else index.parent
    with open_model(path) as model:
        assert model.format == "sharded"
        assert set(model.tensors) == set(tensors)
    assert_layers(layers_of(path), tensors, [str(i) for i in range(12)])


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_folder_with_one_file_of_weights(tmp_path, name):
    tensors = arrays(["0", "2", "4"])
    save_as("safetensors" if name.endswith("s") else "torch", tmp_path / name, tensors)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "optimizer.pt").write_bytes(b"x")
    assert_layers(layers_of(tmp_path), tensors, ["0", "2", "4"])


def test_a_cache_of_links_is_read(tmp_path):
    index = shards(tmp_path / "blobs", "safetensors", arrays(["0", "2", "4"]))
    (tmp_path / "snapshots" / "1").mkdir(parents=True)
    for file in index.parent.iterdir():
        renamed = file.rename(file.with_name(f"{abs(hash(file.name)):x}"))
        (tmp_path / "snapshots" / "1" / file.name).symlink_to(renamed)
    assert len(layers_of(tmp_path / "snapshots" / "1")) == 3


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    index = shards(tmp_path / "m", "safetensors", arrays(["0", "2", "4"]))
    shard = index.with_name("model-00001-of-00002.safetensors")
    shard.rename(tmp_path / "elsewhere")
    shard.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NetkinError, match=r"is a link to .*elsewhere; allowed are files in its"):
        layers_of(index)


@pytest.mark.parametrize("place", ["../x", "/etc/passwd", "a/../../x", "..\\x"])
def test_a_place_out_of_the_folder_is_refused(tmp_path, place):
    save_as("safetensors", tmp_path / "x", arrays(["0", "2", "4"]))
    index = shards(tmp_path / "m", "safetensors", arrays(["0", "2", "4"]), **{"9.weight": place})
    with pytest.raises(NetkinError, match="allowed are files in its folder"):
        layers_of(index)


def broken(change):
    def make(folder, kind):
        tensors = arrays(["0", "2", "4"])
        index = shards(folder, kind, tensors)
        places = json.loads(index.read_text())["weight_map"]
        change(index, places, tensors, kind)
        index.write_text(json.dumps({"weight_map": places}))
        return index

    return make


def both(index, places, tensors, kind):
    name = next(name for name in tensors if places[name] != places["0.weight"])
    first = {n: array for n, array in tensors.items() if places[n] == places["0.weight"]}
    save_as(kind, index.parent / places["0.weight"], first | {name: tensors[name]})


BROKEN = {
    "missing file": (
        broken(lambda index, places, *_: (index.parent / places["0.bias"]).unlink()),
        "the file '.*' that it names is missing",
    ),
    "missing tensor": (
        broken(lambda _, places, *__: places.update({"6.weight": places["0.bias"]})),
        "it has '6.weight' in '.*', where it is not",
    ),
    "tensor not named": (
        broken(lambda _, places, *__: places.pop("2.weight")),
        "it has '2.weight' nowhere, but it is in",
    ),
    "in another file": (
        broken(lambda _, places, *__: places.update({"0.bias": places["0.weight"]})),
        "it has '0.bias' in '.*1-of.*', (but it is in '.*2-of|where it is not)",
    ),
    "in two files": (broken(both), "it has '.*' in '.*', but it is in|stands in two files"),
    "the index itself": (
        broken(lambda index, places, *_: places.update({"x": index.name})),
        "index.json: of no format that netkin reads",
    ),
    "no names": (
        broken(lambda _, places, *__: places.update({"x": 3})),
        "'weight_map' maps no names to files",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.parametrize("kind", SHARDED)
def test_an_index_that_is_not_right_is_a_sentence(tmp_path, kind, case):
    make, why = BROKEN[case]
    with pytest.raises(NetkinError, match=why):
        layers_of(make(tmp_path / "m", kind))


def test_an_index_with_a_name_twice_is_refused(tmp_path):
    index = shards(tmp_path / "m", "safetensors", arrays(["0", "2", "4"]))
    index.write_text('{"weight_map": {"a": "x", "a": "y"}}')
    with pytest.raises(NetkinError, match=r"index.json: 'a' stands in it twice"):
        layers_of(index.parent)


def test_a_folder_with_several_models_asks_which(tmp_path):
    for name in ("model.safetensors", "fp16.safetensors"):
        save_as("safetensors", tmp_path / name, arrays(["0", "2", "4"]))
    shards(tmp_path, "torch", arrays(["0", "2", "4"]))
    with pytest.raises(
        NetkinError,
        match=r"one of them: fp16.safetensors, model.safetensors, pytorch_model.bin.index.json",
    ):
        layers_of(tmp_path)


def test_a_folder_of_tensorflow_is_told(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"x")
    with pytest.raises(NetkinError, match="a SavedModel of TensorFlow"):
        layers_of(tmp_path)


# --- what is none ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bert-base-uncased", "org/name-7b.v2"])
def test_the_name_of_a_model_of_a_hub_is_not_downloaded(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NetkinError, match=f"{name}: no such file; .* downloads nothing"):
        layers_of(name)
    with pytest.raises(NetkinError, match=r"x/m\.pt: no such file\.$"):
        layers_of("x/m.pt")


def npy():
    file = io.BytesIO()
    np.save(file, np.ones((2, 2)))
    return file.getvalue()


def tar():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("pickle"))
    return file.getvalue()


FOREIGN = {
    "gzip": (gzip.compress(b"x"), "packed by gzip"),
    "Git LFS": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:1",
        "a pointer of Git LFS",
    ),
    "HTML": (b"\n<!DOCTYPE html><html>", "a page of HTML"),
    "XML": (b"\xef\xbb\xbf<?xml version='1.0'?><Error/>", "a page of HTML or XML"),
    "npy": (npy(), r"a single array of NumPy .* \(numpy.savez\)"),
    "tar": (tar(), "a tar archive; .* torch before 0.4"),
    "TFLite": (b"\x1c\0\0\0TFL3", "TensorFlow Lite"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_what_is_no_file_of_weights_is_told(tmp_path, case):
    content, why = FOREIGN[case]
    (tmp_path / "m.pt").write_bytes(content)
    with pytest.raises(NetkinError, match=rf"m\.pt: {why}"):
        layers_of(tmp_path / "m.pt")


# --- files of packages ----------------------------------------------------------------------

PACKAGES = {
    "silero_vad/data/silero_vad_16k.safetensors": ("safetensors", 309_633, "in which order"),
    "resemblyzer/pretrained.pt": ("torch", 1_423_618, "in which order"),
}
"""File of a package of envs/models.txt -> format, parameters, why it is no chain."""


@pytest.mark.parametrize("name", PACKAGES)
def test_real_files_are_read_as_tensors_without_a_guess(name):
    (path,) = (Path(p) / name for p in site.getsitepackages() if (Path(p) / name).exists())
    kind, parameters, why = PACKAGES[name]
    with open_model(path) as model:
        assert model.format == kind
        assert sum(tensor[:].size for tensor in model.tensors.values()) == parameters
        with pytest.raises(NetkinError, match=why):
            model.layers()


# --- damage -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", BARE)
def test_a_file_cut_anywhere_is_refused(tmp_path, kind):
    save_as(kind, tmp_path / "whole", arrays(["0", "2", "4"]))
    whole = (tmp_path / "whole").read_bytes()
    for length in range(0, len(whole) - 1, max(1, len(whole) // 60)):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(NetkinError, match=r"cut: "):
            layers_of(tmp_path / "cut")


def test_arrays_that_declare_more_than_they_have_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.npz", "w") as archive, archive.open("a.npy", "w") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f4", "fortran_order": False, "shape": (10**9, 10**9)}
        )
    with pytest.raises(NetkinError, match=r"'a.npy' declares 4,000,000,000,000,000,000 bytes"):
        layers_of(tmp_path / "m.npz")


def test_other_peoples_hdf5_is_not_netkins_to_judge(tmp_path):
    with h5py.File(tmp_path / "model.h5", "w") as file:
        file["layers/0/weight"] = np.ones((2, 3))
    with pytest.raises(NetkinError, match=r"model\.h5: of no format") as told:
        layers_of(tmp_path / "model.h5")
    assert "Delete" not in str(told.value)


def test_no_file_and_a_folder_are_told(tmp_path):
    with pytest.raises(NetkinError, match="none: no such file"):
        layers_of(tmp_path / "none")
    with pytest.raises(NetkinError, match="a folder"):
        layers_of(tmp_path)
    (tmp_path / "empty").touch()
    with pytest.raises(NetkinError, match="empty: the file is empty"):
        layers_of(tmp_path / "empty")


def test_what_a_message_lists_are_the_formats(tmp_path):
    (tmp_path / "text").write_text("nothing")
    with pytest.raises(NetkinError) as told:
        layers_of(tmp_path / "text")
    assert all(one.title in str(told.value) for one in FORMATS.values())


# --- wiring as text -----------------------------------------------------------------------


def test_wiring_as_text():
    assert parse_wiring("") == []
    assert parse_wiring("a.weight, b.weight c.kernel.T") == ["a.weight", "b.weight", "c.kernel.T"]
    assert parse_wiring("W1+b1,W2+b2") == [("W1", "b1"), ("W2", "b2")]


@pytest.mark.parametrize("text", ["W+", "+b", "W+b+c", "a, b, a", "a+a"])
def test_wiring_that_is_none_is_a_sentence(text):
    with pytest.raises(NetkinError, match=r"^wiring: "):
        parse_wiring(text)


@pytest.mark.parametrize("given", [3, None, ["a.weight"], {"a": "b"}])
def test_a_wiring_that_is_no_text_is_a_sentence(given):
    with pytest.raises(NetkinError, match=r"^wiring: found .*; allowed is a text of names"):
        parse_wiring(given)


HINT = "name all weights in their order"


@pytest.mark.parametrize(
    ("modules", "what", "wiring"),
    [
        (
            [torch.nn.Conv2d(1, 4, 3), torch.nn.Flatten(), torch.nn.Linear(16, 3)],
            r"'0\.weight' has the shape \(4, 1, 3, 3\), as of a convolution",
            "0.weight 2.weight",
        ),
        (
            [torch.nn.Linear(4, 5), torch.nn.LayerNorm(5), torch.nn.Linear(5, 3)],
            r"'1\.weight' has the shape \(5,\), as of a norm",
            "0.weight 2.weight",
        ),
    ],
)
@pytest.mark.parametrize("kind", BARE)
def test_no_hint_is_given_that_cannot_be_followed(tmp_path, kind, modules, what, wiring):
    state = torch.nn.Sequential(*modules).state_dict()
    save_as(kind, tmp_path / "m", {name: value.numpy() for name, value in state.items()})
    everything = parse_wiring("0.weight 1.weight 2.weight" if "norm" in what else wiring)
    for given in ((), parse_wiring(wiring), everything):
        with pytest.raises(NetkinError, match=what) as told:
            layers_of(tmp_path / "m", given)
        assert HINT not in str(told.value)
        assert str(told.value).endswith("the tensors are compared all the same.")


@pytest.mark.parametrize("kind", BARE)
def test_what_batch_normalisation_keeps_is_the_reason_where_the_order_is_given(tmp_path, kind):
    net = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.BatchNorm1d(5))
    state = {name: value.numpy() for name, value in net.state_dict().items()}
    save_as(kind, tmp_path / "m", state)
    with pytest.raises(NetkinError, match=r"batch normalisation is folded .* only where") as told:
        layers_of(tmp_path / "m", ["0.weight"])
    assert "order" not in str(told.value)


def test_one_tensor_is_not_called_tensors(tmp_path):
    save_as("npz", tmp_path / "m", {"heads.0.weight": np.ones((2, 3))})
    with pytest.raises(NetkinError, match="its one tensor is not known"):
        layers_of(tmp_path / "m")


def test_matrices_of_inputs_by_outputs_are_told_and_how_to_say_so(tmp_path):
    rng = np.random.default_rng(0)
    shapes = {"W0": (6, 4), "b0": (4,), "W1": (4, 3), "b1": (3,)}
    save_as("npz", tmp_path / "m", {name: rng.normal(size=shapes[name]) for name in shapes})
    with pytest.raises(NetkinError, match=r"\(4,\) biases for 6 units; .*as in 'W0\.T\+b0'"):
        layers_of(tmp_path / "m", parse_wiring("W0+b0, W1+b1"))
    found = layers_of(tmp_path / "m", parse_wiring("W0.T+b0, W1.T+b1"))
    assert [weight.shape for weight, _ in found] == [(4, 6), (3, 4)]
    bare = {f"{i}.weight": rng.normal(size=shapes[f"W{i}"]) for i in range(2)}
    save_as("npz", tmp_path / "bare", bare)
    with pytest.raises(
        NetkinError, match=r"layer 1 takes 3 inputs, .*as in '0\.weight\.T'"
    ) as told:
        layers_of(tmp_path / "bare")
    assert len(layers_of(tmp_path / "bare", ["0.weight.T", "1.weight.T"])) == 2
    # who says so where it is not so is told as well
    turned = {name: array.T for name, array in bare.items()}
    save_as("npz", tmp_path / "turned", turned)
    with pytest.raises(NetkinError, match=r"'0\.weight\.T' is for a matrix of shape"):
        layers_of(tmp_path / "turned", ["0.weight.T", "1.weight.T"])
    assert HINT in str(told.value)


def test_a_matrix_of_inputs_by_outputs_is_transposed_where_the_wiring_says_so(tmp_path):
    tensors = arrays(["0", "2", "4"])
    turned = {
        name.replace("weight", "kernel"): array.T if "weight" in name else array
        for name, array in tensors.items()
    }
    save_as("npz", tmp_path / "m", turned)
    found = layers_of(tmp_path / "m", ["0.kernel.T", "2.kernel.T", "4.kernel.T"])
    assert_layers(found, tensors, ["0", "2", "4"])


# --- libraries that hang or crash ------------------------------------------------------------


def for_ever():
    while True:
        pass


def crash():
    os.kill(os.getpid(), signal.SIGSEGV)


def fail():
    raise ValueError("told when the file is read in earnest")


@pytest.mark.parametrize(
    ("read", "what"),
    [(for_ever, "does not come to an end"), (crash, r"crashes \(SIGSEGV\)"), (fail, "")],
)
def test_a_library_that_hangs_or_crashes_is_a_sentence(tmp_path, monkeypatch, read, what):
    monkeypatch.setattr(trial, "SECONDS", 1)
    (tmp_path / "m.h5").write_text("damaged")
    if what:
        with pytest.raises(NetkinError, match=f"m.h5: damaged; HDF5 {what}"):
            trial.tried(tmp_path / "m.h5", read)
    else:
        trial.tried(tmp_path / "m.h5", read)


# --- files that are made to do harm, and those that hold several networks ----------------------

PAIRS = b"K\x00K\x00\x86q\x00" + b"h\x00h\x00\x86q\x00" * 60
"""A pair of pairs of pairs: of few bytes, and the work of years to hash or to print."""
LISTS = b"]q\x00" + b"](h\x00h\x00eq\x00" * 60
BOMBS = {
    "key": PAIRS + b"}h\x00K\x01s.",
    "keys": PAIRS + b"}(h\x00K\x01u.",
    "storage": b"(X\x07\x00\x00\x00storageN" + PAIRS + b"X\x03\x00\x00\x00cpuK\x01Nt" + b"Q.",
    "set": b"cbuiltins\nset\n" + PAIRS + b"\x85R.",
    "printed": LISTS + b")R.",
    "tensor": b"ctorch\nTensor\n" + LISTS + b"\x85R.",
    "filled late": b"]q\x00]q\x01(h\x00h\x00e0h\x00(h\x01e.",
    "in itself": b"]q\x00(h\x00e.",
    "mappings": b"}q\x00" + b"}(K\x00h\x00K\x01h\x00uq\x00" * 60 + b".",
    "deep": b"cbuiltins\nset\nK\x00" + b"\x85" * 300_000 + b"\x85R.",
    "bytes": b"cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.",
    "numbers": b"ctorch\nFloatTensor\nJ\xff\xff\xff\x7f\x85R.",
    "by another": b"ctorch._tensor\n_rebuild_from_type_v2\n"
    b"(cbuiltins\nbytearray\nNJ\xff\xff\xff\x7f\x85NtR.",
    "long text": b"X\xff\xff\xff\x7fabc.",
    "longer text": b"\x8e" + struct.pack("<Q", 1 << 45) + b"abc.",
    "command": b"\x93.",
}


@pytest.mark.parametrize("case", BOMBS)
@pytest.mark.parametrize("old", [False, True])
def test_a_pickle_of_few_bytes_takes_no_time_and_no_memory(tmp_path, case, old):
    if old:
        torch.save({}, tmp_path / "empty", _use_new_zipfile_serialization=False)
        before = (tmp_path / "empty").read_bytes().partition(b"\x80\x02}q\x00.")[0]
        (tmp_path / "m").write_bytes(before + b"\x80\x02" + BOMBS[case])
    else:
        with zipfile.ZipFile(tmp_path / "m", "w") as archive:
            archive.writestr("a/data.pkl", b"\x80\x02" + BOMBS[case])
            archive.writestr("a/version", "3\n")
    with pytest.raises(NetkinError, match=r"m: not a readable file of torch"):
        layers_of(tmp_path / "m")


@pytest.mark.parametrize("old", [False, True])
def test_a_tensor_larger_than_its_storage_takes_no_memory(tmp_path, old):
    torch.save({"w": torch.ones(7, 11)}, tmp_path / "m", _use_new_zipfile_serialization=not old)
    whole = (tmp_path / "m").read_bytes()
    shape = b"K\x07K\x0b\x86"
    assert whole.count(shape) == 1
    lie = b"M\xff\xffM\xff\xff\x86"
    if old:
        (tmp_path / "m").write_bytes(whole.replace(shape, lie))
    else:
        with zipfile.ZipFile(tmp_path / "m") as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(tmp_path / "m", "w") as archive:
            for name, content in parts.items():
                archive.writestr(name, content.replace(shape, lie))
    with pytest.raises(NetkinError, match=r"m: .*a tensor in it is larger than its storage"):
        layers_of(tmp_path / "m")


def test_what_torch_itself_writes_is_not_taken_for_harm(tmp_path):
    shared = torch.ones(3, 3)
    long = [float(n) for n in range(20_000)]
    state = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3)).state_dict()
    optimiser = torch.optim.Adam(torch.nn.Linear(3, 3).parameters()).state_dict()
    rest = {
        "optimizer": optimiser,
        "losses": long,
        "kinds": {torch.float32: torch.Size([1, 2]), (1, "a"): {1, 2}, None: 1 + 2j},
        "many": [shared] * 5000,
        "parameter": torch.nn.Parameter(shared),
        "bytes": [b"abc", bytearray(b"abc")],
    }
    for old in (False, True):
        whole = {"state_dict": state, **rest}
        torch.save(whole, tmp_path / "m", _use_new_zipfile_serialization=not old)
        with open_model(tmp_path / "m") as model:
            assert set(rest) <= set(model.left_out)
            np.testing.assert_array_equal(model.tensors["0.weight"][:], state["0.weight"].numpy())


def test_a_type_that_torch_does_not_read_from_an_old_file_is_a_sentence(tmp_path):
    state = {"w": torch.ones(3).to(torch.float8_e4m3fn)}
    torch.save(state, tmp_path / "m", _use_new_zipfile_serialization=False)
    with pytest.raises(NetkinError, match="m: not a readable file of torch"):
        layers_of(tmp_path / "m")


def test_an_older_torch_reads_nothing(tmp_path, monkeypatch):
    torch.save({"0.weight": torch.ones(2, 2)}, tmp_path / "m")
    monkeypatch.setattr(torch, "__version__", "2.9.1+cu128")
    with pytest.raises(NetkinError, match=r"installed, 2.9.1\+cu128, .* pip install 'torch>=2.10'"):
        layers_of(tmp_path / "m")


@pytest.mark.parametrize("kind", ["npz", "torch"])
def test_an_archive_that_is_cut_short_is_told(tmp_path, kind):
    save_as(kind, tmp_path / "m", arrays(["0", "2", "4"]))
    whole = (tmp_path / "m").read_bytes()
    assert foreign.told(whole[:1024], tmp_path / "m") == ""
    (tmp_path / "m").write_bytes(whole[: len(whole) // 2])
    told = foreign.told(whole[:1024], tmp_path / "m")
    assert told == "an archive that is cut short; fetch or copy it again"


@pytest.mark.parametrize("keys", [(1, "1"), (None, "None"), (b"a", "b'a'")])
def test_two_keys_of_one_name_are_refused(tmp_path, keys):
    torch.save({key: torch.ones(2, 2) for key in keys}, tmp_path / "m")
    with pytest.raises(NetkinError, match="m: two of its keys are "):
        layers_of(tmp_path / "m")


def state_of(seed):
    return {"0.weight": torch.full((3, 3), float(seed))}


SEVERAL = ["generator discriminator", "model net", "model model2", "model model_b", "net net_D"]


@pytest.mark.parametrize("names", SEVERAL)
def test_several_networks_are_refused_by_their_names(tmp_path, names):
    torch.save({name: state_of(i) for i, name in enumerate(names.split())}, tmp_path / "m")
    with pytest.raises(
        NetkinError, match=rf"several networks are in it: {', '.join(names.split())};"
    ):
        layers_of(tmp_path / "m")


def test_an_encoder_and_a_decoder_are_no_network_by_themselves(tmp_path):
    torch.save({"encoder": state_of(0), "decoder": state_of(1)}, tmp_path / "m")
    with pytest.raises(NetkinError, match="groups of tensors: 'encoder', 'decoder'"):
        layers_of(tmp_path / "m")


def test_another_group_beside_the_weights_is_named(tmp_path):
    whole = {
        "critic": state_of(0),
        "model": state_of(1),
        "model_optimizer": state_of(2),
        "epoch": 3,
    }
    torch.save(whole, tmp_path / "m")
    with open_model(tmp_path / "m") as model:
        assert model.left_out == {
            "critic": "another group of tensors beside the weights, 'model'",
            "model_optimizer": "not among the weights, which are under 'model'",
            "epoch": "not among the weights, which are under 'model'",
        }
        assert model.tensors["0.weight"][:][0, 0] == 1
    one = state_of(1)
    torch.save({"generator": one, "optim_g": state_of(2), "model_ema": state_of(3)}, tmp_path / "m")
    assert layers_of(tmp_path / "m")[0][0][0, 0] == 1
    torch.save({"model": one, "state_dict": one}, tmp_path / "m")
    assert layers_of(tmp_path / "m")[0][0][0, 0] == 1


@pytest.mark.parametrize("kind", ["npz", "torch"])
def test_complex_numbers_are_left_out_as_such(tmp_path, kind):
    save_as(kind, tmp_path / "m", {"a": np.ones((2, 2)), "c": np.ones(3, np.complex64)})
    with open_model(tmp_path / "m") as model:
        assert model.left_out == {"c": "stored as complex64, which netkin does not read"}


def test_arrays_of_any_order_of_bytes_and_of_more_than_eight(tmp_path):
    values = np.random.default_rng(0).normal(size=(3, 4))
    stored = {"d": values.astype(">f8"), "s": values.astype(">f4"), "h": values.astype("<f2")}
    save_as("npz", tmp_path / "m", stored | {"long": values.astype(np.longdouble)})
    with open_model(tmp_path / "m") as model:
        assert set(model.left_out) == {"long"}
        assert model.left_out["long"].endswith("which netkin does not read")
        found = {name: tensor[:] for name, tensor in model.tensors.items()}
        assert [model.tensors[name].dtype for name in "dsh"] == ["float64", "float32", "float16"]
    assert [found[name].dtype for name in "dsh"] == [np.float64, np.float32, np.float32]
    for name, array in stored.items():
        np.testing.assert_array_equal(found[name], array)


def test_an_array_is_unpacked_once_for_many_slices(tmp_path, monkeypatch):
    values = np.arange(12.0).reshape(4, 3)
    save_as("npz", tmp_path / "m", {"0.weight": values})
    unpack, times = np.lib.format.read_array, []
    monkeypatch.setattr(
        np.lib.format, "read_array", lambda *a, **k: times.append(1) or unpack(*a, **k)
    )
    with open_model(tmp_path / "m") as model:
        for row in range(4):
            part = model.tensors["0.weight"][row : row + 1]
            part += 1  # of the caller
        np.testing.assert_array_equal(model.tensors["0.weight"][:], values)
    assert times == [1]


# --- what is left out may be a part of the network -------------------------------------------


@pytest.mark.parametrize("kind", BARE)
def test_a_layer_of_another_type_is_no_reason_to_skip_it(tmp_path, kind):
    tensors = arrays(["0", "2", "4"], [4, 4, 4, 4])
    tensors["2.weight"] = np.ones((4, 4), np.int8)
    del tensors["2.bias"]
    save_as(kind, tmp_path / "m", tensors)
    for wiring in ((), ("0.weight", "4.weight")):
        with pytest.raises(NetkinError, match=r"'2.weight' is a part of the network"):
            layers_of(tmp_path / "m", wiring)


@pytest.mark.parametrize("kind", BARE)
def test_a_norm_without_parameters_is_no_reason_to_skip_it(tmp_path, kind):
    net = torch.nn.Sequential(
        torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4, affine=False), torch.nn.Linear(4, 3)
    )
    state = {name: value.numpy() for name, value in net.state_dict().items()}
    save_as(kind, tmp_path / "m", state)
    with open_model(tmp_path / "m") as model:
        assert set(model.tensors) == {"0.weight", "0.bias", "2.weight", "2.bias"}
        assert {name for name in model.left_out if "running" in name} == {
            "1.running_mean",
            "1.running_var",
        }
    with pytest.raises(NetkinError, match=r"'1.running_mean' is a part of the network"):
        layers_of(tmp_path / "m")


@pytest.mark.parametrize("names", [["heads.0", "heads.1"], ["net.experts.0", "net.experts.1"]])
def test_what_stands_side_by_side_is_no_chain(tmp_path, names):
    save_as("npz", tmp_path / "m", arrays(names, [5, 5, 5]))
    with pytest.raises(NetkinError, match="for what stands side by side"):
        layers_of(tmp_path / "m")


def test_averaged_copies_that_are_the_weights_lose_nothing(tmp_path):
    tensors = {name: torch.from_numpy(array) for name, array in arrays(["0", "2", "4"]).items()}
    torch.save(
        {**{f"ema.{name}": value for name, value in tensors.items()}, **tensors}, tmp_path / "m"
    )
    with open_model(tmp_path / "m") as model:
        assert {name: tensor.same_as for name, tensor in model.tensors.items()} == dict.fromkeys(
            tensors, ""
        )
    assert_layers(layers_of(tmp_path / "m"), arrays(["0", "2", "4"]), ["0", "2", "4"])


def test_a_zip_of_torch_may_be_called_safetensors(tmp_path):
    save_as("torch", tmp_path / "m.safetensors", arrays(["0", "2", "4"]))
    assert_layers(layers_of(tmp_path / "m.safetensors"), arrays(["0", "2", "4"]), ["0", "2", "4"])


@pytest.mark.parametrize("package", ["torch", "onnx"])
def test_a_package_that_is_missing_is_told_as_such(tmp_path, monkeypatch, package):
    if package == "torch":
        save_as("torch", tmp_path / "m", arrays(["0", "2", "4"]))
    else:
        graph = onnx.helper.make_graph([], "g", [], [])
        onnx.save(onnx.helper.make_model(graph), tmp_path / "m")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(Lacking, match=f"m: a file of .*pip install {package}"):
        layers_of(tmp_path / "m")


# --- shapes that no machine has -------------------------------------------------------------

ENORMOUS = (0, 2**62, 4)


def enormous_safetensors():
    entry = {"dtype": "F32", "shape": ENORMOUS, "data_offsets": [0, 0]}
    header = json.dumps({"a.weight": entry}).encode()
    return len(header).to_bytes(8, "little") + header


def enormous_npz():
    header = str({"descr": "<f4", "fortran_order": False, "shape": ENORMOUS}).encode() + b"\n"
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w") as archive:
        length = len(header).to_bytes(2, "little")
        archive.writestr("a.weight.npy", b"\x93NUMPY\x01\x00" + length + header)
    return stored.getvalue()


def enormous_onnx():
    tensor = onnx.TensorProto(name="a.weight", data_type=1, dims=ENORMOUS)
    ends = [onnx.helper.make_tensor_value_info(name, 1, [1, 3]) for name in "xy"]
    node = onnx.helper.make_node("MatMul", ["x", "a.weight"], ["y"])
    graph = onnx.helper.make_graph([node], "g", ends[:1], ends[1:], [tensor])
    return onnx.helper.make_model(graph).SerializeToString()


@pytest.mark.parametrize("made", [enormous_safetensors, enormous_npz, enormous_onnx])
def test_a_shape_that_no_machine_has_is_a_sentence(tmp_path, made):
    """Also where it has no numbers, so that it fits the file."""
    (tmp_path / "m").write_bytes(made())
    said = r"'a\.weight' has the shape \(0, 4611686018427387904"
    with pytest.raises(NetkinError, match=said), open_model(tmp_path / "m"):
        pass
