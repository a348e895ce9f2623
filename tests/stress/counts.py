"""What a campaign has tried and found."""

from __future__ import annotations

from dataclasses import dataclass, field

FINE = ("refused", "unharmed")
"""Outcomes that are no findings."""


@dataclass
class Counts:
    """Counts of a campaign.

    Attributes
    ----------
    tried : int
        Cases.
    refused : int
        Those that ended in one sentence.
    unharmed : int
        Those whose result was right.
    findings : list of str
        What was wrong, one text a case.
    seconds : float
        What the cases took of a processor, where that was measured.
    kinds : dict of str to Counts
        The same of each kind of file, where there are kinds.
    """

    tried: int = 0
    refused: int = 0
    unharmed: int = 0
    findings: list[str] = field(default_factory=list)
    seconds: float = 0.0
    kinds: dict[str, Counts] = field(default_factory=dict)

    def add(self, kind: str, about: str, outcome: str, seconds: float = 0.0) -> None:
        """Count a case: ``refused``, ``unharmed``, or what is wrong."""
        for counts in (self, self.kinds.setdefault(kind, Counts())):
            counts.tried += 1
            counts.seconds += seconds
            if outcome in FINE:
                setattr(counts, outcome, getattr(counts, outcome) + 1)
            else:
                counts.findings.append(f"{kind}, {about}: {outcome}")
