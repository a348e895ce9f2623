"""Mutated files of models: a sentence, or what can still be understood (docs/stress.md)."""

import random
import tempfile
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.stress import models

EXAMPLES = 120
"""Of each file; the campaign `models` of `make stress` goes on for as long as one likes."""


@cache
def whole():
    """Return name -> bytes of a network in each format."""
    with tempfile.TemporaryDirectory() as folder:
        return {path.name: path.read_bytes() for path in models.make_files(Path(folder))}


NAMES = [
    *("first.safetensors", "first.npz", "first.pt", "first.onnx", "first.keras"),
    *("first_keras.h5", "first_netkin.h5"),
]


SETTINGS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[Phase.generate],  # a case is small as it is
)


def test_each_format_is_there():
    assert sorted(whole()) == sorted(NAMES)


@pytest.mark.budget("format")
@pytest.mark.parametrize("name", NAMES)
@SETTINGS
@given(seed=st.integers(0, 2**63))
def test_a_mutated_file_is_refused_in_a_sentence_or_read(tmp_path, name, seed):
    path = tmp_path / name
    _, data = models.damaged(path, whole()[name], random.Random(seed))
    path.write_bytes(data)
    assert models.outcome_of(path) in ("refused", "unharmed")


@pytest.mark.budget("format")
@pytest.mark.parametrize("name", NAMES)
@SETTINGS
@given(
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8)),
        min_size=1,
        max_size=4,
    )
)
def test_a_file_with_other_bytes_in_it_is_refused_or_read(tmp_path, name, changes):
    data = bytearray(whole()[name])
    for place, new in changes:
        start = int(place * len(data))
        data[start : start + len(new)] = new
    path = tmp_path / name
    path.write_bytes(data)
    assert models.outcome_of(path) in ("refused", "unharmed")
