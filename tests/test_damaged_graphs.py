"""Files whose graph is damaged: one sentence, or what can still be understood."""

import os
import random

import pytest
import torch
from torch import nn

import netkin
from netkin.errors import NetkinError
from tests.stress.inside import damaged_file

pytestmark = [pytest.mark.budget("stress"), pytest.mark.filterwarnings("ignore")]

CASES = 60


def onnx_file(path):
    """Write a small residual network."""
    model = nn.Sequential(
        *(nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(27, 4)),
    ).eval()
    torch.onnx.export(model, (torch.zeros(1, 2, 6, 6),), str(path), dynamo=False)


def exported_file(path):
    """Write a small recurrent program."""

    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(3, 4, batch_first=True)
            self.head = nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.lstm(x)[0][:, -1])

    torch.export.save(torch.export.export(Recurrent().eval(), (torch.zeros(1, 5, 3),)), path)


def keras_file(path):
    """Write a small convolutional network with a skip."""
    os.environ["KERAS_BACKEND"] = "torch"
    import keras
    from keras import layers

    x = keras.Input((6, 6, 2))
    y = layers.BatchNormalization()(layers.Conv2D(2, 3, padding="same")(x))
    y = layers.Dense(3)(layers.Flatten()(layers.Add()([x, y])))
    keras.Model(x, y).save(path)


WRITERS = {"a.onnx": onnx_file, "a.pt2": exported_file, "a.keras": keras_file}


@pytest.mark.parametrize("name", WRITERS)
def test_a_damaged_graph_is_one_sentence(tmp_path, name):
    path = tmp_path / name
    WRITERS[name](path)
    assert netkin.inspect(path).graph.complete
    content = path.read_bytes()
    chance = random.Random(0)
    outcomes = set()
    for _ in range(CASES):
        _, damaged = damaged_file(name, content, chance)
        path.write_bytes(damaged)
        try:
            outcomes.add(netkin.inspect(path).format)
        except NetkinError as error:
            outcomes.add("refused")
            assert str(path) in str(error)
    assert "refused" in outcomes
