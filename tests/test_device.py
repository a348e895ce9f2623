"""Representational measures compute the same through torch as through numpy, on any device."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from netkin.distance import INPUTS
from netkin.distance.representational import REPRESENTATIONAL, algebra
from netkin.distance.representational.representation import Representation
from netkin.errors import NetkinError

ON_THE_PROCESSOR = {
    "rtd",
    "intrinsic_dimension_difference",
    "magnitude_difference",
    "concentricity_difference",
    "tolerance_difference",
}
"""Measures without a product or decomposition that is worth sending."""
LABELS = np.arange(60) % 3


def pair():
    """Two representations of 60 rows that know the labels, of 9 and 7 neurons."""
    rng = np.random.default_rng(0)
    shared = LABELS[:, None] + rng.normal(size=(60, 5))
    return [
        Representation(shared @ rng.normal(size=(5, n)) + rng.normal(size=(60, n)), labels=LABELS)
        for n in (9, 7)
    ]


@pytest.fixture
def through_torch(monkeypatch):
    """Let every operation go through torch, also of small matrices, on the processor."""
    used = []
    there = algebra._there

    def counted(matrix):
        used.append(matrix.shape)
        return there(matrix)

    monkeypatch.setattr(algebra, "_there", counted)
    monkeypatch.setattr(algebra, "WORTHWHILE", 1)
    monkeypatch.setattr(algebra, "_device", torch.device("cpu"))
    return used


@pytest.mark.parametrize("name", REPRESENTATIONAL)
def test_measures_are_those_of_numpy(name, through_torch, monkeypatch):
    measure = REPRESENTATIONAL[name].function
    through = measure(*pair())
    n_used = len(through_torch)
    monkeypatch.setattr(algebra, "_device", None)
    assert through == pytest.approx(measure(*pair()), rel=1e-9, abs=1e-10)
    assert len(through_torch) == n_used, "numpy alone"
    assert (n_used > 0) == (name not in ON_THE_PROCESSOR)


def test_decompositions_and_products_go_through_torch(through_torch):
    matrix = np.random.default_rng(1).normal(size=(6, 4))
    u, s, vt = algebra.svd(matrix)
    np.testing.assert_allclose((u * s) @ vt, matrix, atol=1e-12)
    np.testing.assert_allclose(algebra.singular_values(matrix), s, atol=1e-12)
    gram = algebra.product(matrix.T, matrix)
    np.testing.assert_allclose(gram, matrix.T @ matrix, atol=1e-12)
    np.testing.assert_allclose(algebra.eigenvalues(gram), s[::-1] ** 2, atol=1e-12)
    assert len(through_torch) == 5
    assert all(part.dtype == np.float64 for part in (u, s, vt, gram))


def test_small_matrices_stay(through_torch, monkeypatch):
    monkeypatch.setattr(algebra, "WORTHWHILE", 5)
    algebra.product(np.ones((9, 4)), np.ones((4, 9)))
    assert through_torch == []
    algebra.product(np.ones((9, 5)), np.ones((5, 9)))
    assert through_torch == [(9, 5), (5, 9)]


def test_the_device_holds_within_the_block_only(monkeypatch, tmp_path):
    monkeypatch.setattr(algebra, "DRIVER", tmp_path / "none")
    monkeypatch.setattr(algebra, "_device", torch.device("cpu"))
    for device in ("cpu", "auto"):
        with algebra.on_device(device):
            assert algebra._device is None
        assert algebra._device == torch.device("cpu")
    (tmp_path / "none").touch()
    with algebra.on_device("auto"):
        assert (algebra._device is None) == (not torch.cuda.is_available())


def test_a_gpu_that_is_not_there_is_one_sentence(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(NetkinError, match="finds no GPU here"), algebra.on_device("cuda"):
        pass
    with pytest.raises(NetkinError, match="'gpu' is not known"), algebra.on_device("gpu"):
        pass


def test_without_torch_a_driver_is_not_used(monkeypatch, tmp_path):
    """As in the conda environment of the distances."""
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(algebra, "DRIVER", tmp_path)
    with algebra.on_device("auto"):
        assert algebra._device is None
    with pytest.raises(NetkinError, match="torch is not installed"), algebra.on_device("cuda"):
        pass


def test_a_gpu_without_enough_memory_is_one_sentence():
    with pytest.raises(NetkinError, match="memory of the GPU"), algebra.on_device("cpu"):
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_only_activations_are_computed_there():
    assert {name for name, source in INPUTS.items() if source.on_device} == {"activation"}


def test_without_a_driver_torch_is_not_imported():
    code = (
        "import sys; from netkin.distance.representational.algebra import DRIVER, on_device\n"
        "with on_device('cpu' if DRIVER.exists() else 'auto'): pass\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": "src"}
    )
    assert done.stdout == "False\n", done.stderr


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_measures_on_a_gpu_are_those_of_numpy(monkeypatch):
    monkeypatch.setattr(algebra, "WORTHWHILE", 1)
    for name, entry in REPRESENTATIONAL.items():
        with algebra.on_device("cuda"):
            found = entry.function(*pair())
        assert found == pytest.approx(entry.function(*pair()), rel=1e-6, abs=1e-8), name


def test_dead_neurons_are_no_dimension_on_any_device(through_torch, monkeypatch):
    """Ranks rest on how small the smallest singular values come out."""
    values = np.random.default_rng(2).normal(size=(60, 9))
    values[:, 3:5] = 0.0
    values[:, 8] = values[:, 0] + values[:, 1]
    through = Representation(values).decomposition
    monkeypatch.setattr(algebra, "_device", None)
    assert len(through.s) == len(Representation(values).decomposition.s) == 6
