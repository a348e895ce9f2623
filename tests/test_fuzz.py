"""Mutated files of models: a sentence, or what can still be understood (docs/stress.md)."""

import math
import tempfile
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.stress import models
from tests.stress.networks import KINDS, ORIGINALS

CASES = 40
"""Of each kind; the campaign `models` of `make stress` goes on for as long as one likes."""
EXAMPLES = 30
FIRST = [next(name for name, one in ORIGINALS.items() if one.kind == kind) for kind in KINDS]
NAMES = [name for name in FIRST if ORIGINALS[name].target]
"""A file of each kind; the other kinds are folders."""


@pytest.mark.budget("format")
def test_a_damaged_file_or_folder_of_each_kind_is_refused_in_a_sentence_or_read():
    counts = models.campaign(seed=0, seconds=math.inf, cases=CASES * len(KINDS))
    assert counts.findings == []
    assert list(counts.kinds) == KINDS
    for some in counts.kinds.values():
        assert some.tried == CASES
        assert some.refused
        assert some.unharmed


@cache
def whole(name):
    """Return the bytes of a file and of those that belong to it."""
    with tempfile.TemporaryDirectory() as folder:
        ORIGINALS[name].write(Path(folder))
        return models.files_in(Path(folder))


@pytest.mark.budget("format")
@pytest.mark.parametrize("name", NAMES)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[Phase.generate],  # a case is small as it is
)
@given(
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8)),
        min_size=1,
        max_size=4,
    )
)
def test_a_file_with_other_bytes_in_it_is_refused_or_read(tmp_path, name, changes):
    files, target = whole(name), ORIGINALS[name].target
    data = bytearray(files[target])
    for place, new in changes:
        start = int(place * len(data))
        data[start : start + len(new)] = new
    folder = tmp_path / "m"
    models.write(files | {target: bytes(data)}, folder)
    others = [folder / other for other in files]
    assert models.outcome_of(folder / target, others) in ("refused", "unharmed")
