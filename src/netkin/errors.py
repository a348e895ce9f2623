"""The errors netkin raises on purpose."""

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from itertools import islice
from typing import Any

MOST_NAMES = 150
"""Names that a message lists, at most."""
MOST_LETTERS = 80
"""Letters of a found value that a message shows, about."""
# letters of Greek and Cyrillic that look like Latin ones
_LOOK_ALIKE = str.maketrans(
    dict(zip("авеѕіјкмнорстухһԁԛԝɡıαεικνορτυχ", "abesijkmhopctyxhdqwgiaeikvoptux", strict=True))
)


class NetkinError(Exception):
    """A mistake a user can mend; its text is the whole message, no traceback needed."""


class UndefinedDistance(Exception):
    """A measure is not defined for this pair; the text is the reason, in one clause.

    Not an error of the run: the entry of the matrix becomes NaN and the reason is
    stored beside it.
    """


class Absent(NetkinError):
    """What is asked of a network cannot be had; the text is the reason, in one clause.

    Raised by what reads a network, or a result of it; it may stand for the network among items
    that are compared, and each of its distances is NaN then, with this reason.
    """


class Lacking(NetkinError):
    """A package is not installed, or too old; a file may well be right."""


def require_choice(name: str, found: object, names: Iterable[str | None]) -> None:
    """Raise `NetkinError` unless an argument is one of those that are allowed.

    Parameters
    ----------
    name : str
        How the error names the argument.
    found : object
        What was given.
    names : iterable of str or None
        What is allowed.
    """
    names = [*names]
    if found not in names:
        texts = ["null" if choice is None else choice for choice in names]
        raise NetkinError(f"{name}: found {shown(found)}. {allowed(found, texts)}")


def did_you_mean(found: object, allowed: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the closest allowed name, else ``""``.

    Letters that look alike, capitals and spaces do not count.
    """
    if not isinstance(found, str) or len(found) > MOST_LETTERS:
        return ""
    names = {_skeleton(str(name)): str(name) for name in reversed([*allowed])}
    close = get_close_matches(_skeleton(found), names, n=1, cutoff=0.5)
    return f" Did you mean '{names[close[0]]}'?" if close else ""


def _skeleton(name: str) -> str:
    """Return what is left of a name without accents, capitals, spaces and other alphabets."""
    plain = unicodedata.normalize("NFKD", name).lower().translate(_LOOK_ALIKE)
    return re.sub(r"[^\x21-\x7e]", "", plain).replace("-", "_")


def allowed(found: object, names: Iterable[str], also: str = "") -> str:
    """Return ``"Did you mean 'x'? Allowed: w, x."``: the hint first, since lists can be long.

    Parameters
    ----------
    found : object
        What is not allowed; only text is like a name.
    names : iterable of str
        What is; without any the text is ``"Nothing is allowed here."``. Of very many the
        first ones are listed.
    also : str
        What else is allowed, said before the names.
    """
    names = [str(name) for name in names]
    if not names:
        return "Nothing is allowed here."
    hint = did_you_mean(found, names).lstrip()
    return f"{hint}{' ' if hint else ''}Allowed: {also}{listed(names)}."


def listed(names: Iterable[Any]) -> str:
    """Return names as a list in a sentence, the first `MOST_NAMES` of very many."""
    names = [str(name) for name in names]
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")


def shown(value: Any) -> str:
    """Return a found value as a message shows it: as YAML writes it, shortened where long.

    Parameters
    ----------
    value : object
        Anything that a config can hold, of any size.
    """
    text = _written(value, MOST_LETTERS)
    if len(text) <= MOST_LETTERS + 20:
        return text
    if isinstance(value, str):
        return f"{text[:40]}...{text[-1]} ({len(value):,} letters)"
    what = "keys" if isinstance(value, Mapping) else "values"
    number = f" ({len(value):,} {what})" if isinstance(value, Mapping | list | tuple) else ""
    return f"{text[:MOST_LETTERS]}...{number}"


def _written(value: Any, room: int) -> str:
    """Return a value as text, of about `room` letters at most."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and abs(value) >= 10**18:
        digits = int(math.log10(abs(value)))  # rounded, one too many or right
        return f"a number of {digits + (abs(value) >= 10**digits):,} digits"
    if isinstance(value, str):
        return ascii(value[:room]) if not value[:room].isprintable() else repr(value[: room + 21])
    if isinstance(value, Mapping | list | tuple):
        parts: list[str] = []
        items = value.items() if isinstance(value, Mapping) else value
        for item in islice(items, room):
            left = room - sum(map(len, parts))
            if left <= 0:
                break
            if isinstance(value, Mapping):
                key, entry = item
                parts.append(f"{_written(key, left)}: {_written(entry, left // 2)}")
            else:
                parts.append(_written(item, left // 2))
        parts += ["..."] * (len(parts) < len(value))
        opened, closed = "{}" if isinstance(value, Mapping) else "[]"
        return f"{opened}{', '.join(parts)}{closed}"
    if isinstance(value, float | int):
        return repr(value)
    return f"{str(value)[:room]}, a {type(value).__name__}"
