"""Formats of files of weights: what is understood, in which order, and what is refused."""

import os
import pickle
import zipfile

import h5py
import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch

from netkin.errors import NetkinError
from netkin.network.file import Network, write_network
from netkin.network.format import FORMATS, open_model
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


def save_as(kind, path, tensors, **more):
    """Write named arrays in a format."""
    if kind == "safetensors":
        save_file(tensors, path)
    elif kind == "npz":
        with path.open("wb") as file:
            np.savez(file, **tensors)
    else:
        state = {name: torch.from_numpy(array) for name, array in tensors.items()}
        torch.save(more.get("wrap", lambda x: x)(state), path, **more.get("how", {}))


def layers_of(path, wiring=()):
    with open_layers(path, wiring) as layers:
        return [(layer.weight[:], layer.bias) for layer in layers]


def assert_layers(found, tensors, names):
    assert len(found) == len(names)
    for (weight, bias), name in zip(found, names, strict=True):
        np.testing.assert_array_equal(weight, tensors[f"{name}.weight"])
        np.testing.assert_array_equal(bias, tensors[f"{name}.bias"])


BARE = ["safetensors", "npz", "torch"]


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
    with pytest.raises(NetkinError, match=r"(?s)model: in which order .* Name all weights"):
        layers_of(tmp_path / "model")
    wiring = [f"{name}.weight" for name in names]
    assert_layers(layers_of(tmp_path / "model", wiring), tensors, names)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"conv.weight": (3, 2, 3)}, "'conv.weight' has the shape"),
        ({"0.weight_g": (4, 1)}, "'0.weight_g' is neither a weight nor"),
        ({"lstm.bias_hh_l0": (4,)}, "neither a weight nor"),
        ({"scale": ()}, "'scale' is neither"),
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
    with pytest.raises(NetkinError, match="names must end in 'weight', or the wiring"):
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
    with pytest.raises(NetkinError, match="of no format"):
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


def test_a_matrix_of_inputs_by_outputs_is_transposed_where_the_wiring_says_so(tmp_path):
    tensors = arrays(["0", "2", "4"])
    turned = {
        name.replace("weight", "kernel"): array.T if "weight" in name else array
        for name, array in tensors.items()
    }
    save_as("npz", tmp_path / "m", turned)
    found = layers_of(tmp_path / "m", ["0.kernel.T", "2.kernel.T", "4.kernel.T"])
    assert_layers(found, tensors, ["0", "2", "4"])
