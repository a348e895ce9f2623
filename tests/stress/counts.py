"""What a campaign of wrong inputs came to."""

from dataclasses import dataclass, field


@dataclass
class Counts:
    """How many inputs were tried, refused and unharmed, and what should not have happened."""

    tried: int = 0
    refused: int = 0
    unharmed: int = 0
    findings: list[str] = field(default_factory=list)
