"""The short form of the stress program, `make stress` has the long one."""

import pytest

from tests.stress import files

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
