"""Bundles: the members whose results stand in one file, assigned by a rule without state."""

import hashlib
import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from netkin.member import Member

Leaf = TypeVar("Leaf")
MOST_MEMBERS = 256
"""Members of a bundle."""
MOST_SECONDS = 30
"""What a stage takes of a bundle, roughly; it is made again as a whole. One member may take more,
and is then alone."""
SECONDS_OF_EDGE = 3e-7
"""What diagrams by the engine ``exact``, or vectors, take of an edge. Another engine takes longer,
and its bundles too: the assignment must not depend on what a stage is asked for."""
WHOLE = "all"
"""Last part of the id where no split was needed."""


@dataclass(frozen=True)
class Bundle:
    """Members whose results stand in one file.

    Attributes
    ----------
    id : str
        Part of paths, such as ``digits/seed_0/all``.
    members : tuple of Member
        By id.
    """

    id: str
    members: tuple[Member, ...]


def bundles_of(folder: str, members: Iterable[Member]) -> list[Bundle]:
    """Return the bundles of members that have the same source, replicate and probe.

    They are the leaves of a binary trie over the SHA-256 of the ids, split where one holds more
    than `MOST_MEMBERS` or takes more than `MOST_SECONDS`. So one more member changes one bundle,
    or splits it, and no order matters.

    Parameters
    ----------
    folder : str
        First part of the ids.
    members : iterable of Member
        Not empty.
    """
    by_bits = {_bits(member.id): member for member in sorted(members, key=lambda one: one.id)}
    leaves = _leaves("", by_bits, _is_bundle)
    return [Bundle(f"{folder}/{bits or WHOLE}", found) for bits, found in leaves]


def parts_of(ids: Sequence[str]) -> dict[str, list[int]]:
    """Return the parts into which the networks of a matrix are divided, each pair a block.

    The leaves of a trie as those of `bundles_of`, so that a part is made of whole bundles: of at
    most `MOST_MEMBERS`, or of so many networks that there are ten parts and more a tenth of all,
    rounded up to a power of two. One more network changes the blocks of one part.

    Parameters
    ----------
    ids : sequence of str
        Of all members, each once.

    Returns
    -------
    dict of str to list of int
        Name of a part, without hyphens -> the places of its networks, ascending.
    """
    if len(ids) <= MOST_MEMBERS:
        return {WHOLE: list(range(len(ids)))}
    most = max(MOST_MEMBERS, 2 ** math.ceil(math.log2(len(ids) / 10)))
    by_bits = {_bits(id): place for place, id in enumerate(ids)}
    leaves = _leaves("", by_bits, lambda places: len(places) <= most)
    return {bits: sorted(places) for bits, places in leaves}


def _leaves(
    bits: str, by_bits: dict[str, Leaf], fits: Callable[[Collection[Leaf]], bool]
) -> Iterable[tuple[str, tuple[Leaf, ...]]]:
    """Yield the leaves of a trie, split where they do not fit, down to one."""
    found = tuple(by_bits.values())
    if len(found) <= 1 or fits(found):
        if found:
            yield bits, found
        return
    for bit in "01":
        below = {key: one for key, one in by_bits.items() if key[len(bits)] == bit}
        yield from _leaves(bits + bit, below, fits)


def _is_bundle(members: Collection[Member]) -> bool:
    seconds = SECONDS_OF_EDGE * sum(member.size.edges for member in members)
    return len(members) <= MOST_MEMBERS and seconds <= MOST_SECONDS


def _bits(id: str) -> str:
    return f"{int(hashlib.sha256(id.encode()).hexdigest(), 16):0256b}"
