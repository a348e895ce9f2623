"""Run ``python -m tests.stress [--seconds N] [--seed N] [PART ...]``: look for what breaks."""

import argparse
import sys
from collections.abc import Callable

from tests.stress import configs, faults, files, models
from tests.stress.counts import Counts

PARTS: dict[str, Callable[[int, float], Counts]] = {
    "files": files.campaign,
    "models": models.campaign,
    "configs": configs.campaign,
    "faults": faults.campaign,
}
"""Name -> campaign, called as ``(seed, seconds)``."""


def main() -> int:
    """Run the parts one after the other, print their counts; 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--seconds", type=float, default=90, help="of all parts together")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    unknown = set(chosen.parts) - set(PARTS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; allowed: {', '.join(PARTS)}")
    parts = chosen.parts or list(PARTS)
    found = {part: PARTS[part](chosen.seed, chosen.seconds / len(parts)) for part in parts}
    print(f"{'part':<10}{'tried':>10}{'refused':>10}{'unharmed':>10}{'findings':>10}")
    for part, counts in found.items():
        numbers = (counts.tried, counts.refused, counts.unharmed, len(counts.findings))
        print(f"{part:<10}" + "".join(f"{number:>10}" for number in numbers))
    findings = [f"{part}: {text}" for part, counts in found.items() for text in counts.findings]
    print("\n".join(findings))
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main())
