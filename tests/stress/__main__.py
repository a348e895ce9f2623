"""Run ``python -m tests.stress [--seconds N | --cases N] [--seed N] [PART ...]``."""

import argparse
import importlib
import math
import sys

from tests.stress.counts import Counts

PARTS = ("files", "models", "configs", "faults", "graphs", "triangles", "numbers")
"""Modules with a `campaign`, called as ``(seed, seconds, cases)``."""
COLUMNS = ("tried", "refused", "unharmed", "findings", "a second")


def main() -> int:
    """Run the parts one after the other, print their counts; 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--seconds", type=float, help="of all parts together, 90 without --cases")
    parser.add_argument("--cases", type=int, default=math.inf, help="of all parts together")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    unknown = set(chosen.parts) - set(PARTS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; allowed: {', '.join(PARTS)}")
    parts = chosen.parts or PARTS
    seconds = chosen.seconds or (90 if chosen.cases == math.inf else math.inf)
    found = {}
    for part in parts:
        # alone: a process that a reader forks is dear where all is imported
        module = importlib.import_module(f"tests.stress.{part}")
        found[part] = module.campaign(chosen.seed, seconds / len(parts), chosen.cases / len(parts))
    print(f"{'':<20}" + "".join(f"{column:>10}" for column in COLUMNS))
    for part, counts in found.items():
        _show(part, counts)
        for kind, some in counts.kinds.items():
            _show(f"  {kind}", some)
    findings = [f"{part}: {text}" for part, counts in found.items() for text in counts.findings]
    print("\n".join(findings))
    return int(bool(findings))


def _show(name: str, counts: Counts) -> None:
    numbers = (counts.tried, counts.refused, counts.unharmed, len(counts.findings))
    rate = f"{counts.tried / counts.seconds:.0f}" if counts.seconds else ""
    print(f"{name:<20}" + "".join(f"{number:>10}" for number in (*numbers, rate)))


if __name__ == "__main__":
    sys.exit(main())
