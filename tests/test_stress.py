"""The short form of the stress program, `make stress` has the long one."""

import pytest

from tests.stress import files, numbers

SECONDS = 8
FEWEST = 50
"""Cases in this time, also on a machine with much else to do."""


@pytest.mark.budget("stress")
@pytest.mark.parametrize("seed", [0])
def test_damaged_files_end_in_a_sentence_or_are_read_as_written(seed):
    counts = files.campaign(seed, SECONDS)
    assert counts.findings == []
    assert counts.tried == counts.refused + counts.unharmed
    assert counts.refused >= FEWEST
    assert counts.unharmed


@pytest.mark.budget("stress")
@pytest.mark.parametrize("kind", numbers.KINDS)
def test_measures_are_those_of_50_digits(kind):
    for seed in range(4):  # one of each precision
        found = numbers.errors(kind, seed)
        assert len(found) > 10
        assert max(found.values()) <= numbers.ALLOWED, found
