"""What a campaign has tried and found."""

from dataclasses import dataclass, field


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
    """

    tried: int = 0
    refused: int = 0
    unharmed: int = 0
    findings: list[str] = field(default_factory=list)
