"""The errors netkin raises on purpose."""

from collections.abc import Iterable
from difflib import get_close_matches


class NetkinError(Exception):
    """A mistake a user can mend; its text is the whole message, no traceback needed."""


class UndefinedDistance(Exception):
    """A measure is not defined for this pair; the text is the reason, in one clause.

    Not an error of the run: the entry of the matrix becomes NaN and the reason is
    stored beside it.
    """


def did_you_mean(found: str, allowed: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the closest allowed name, else ``""``."""
    close = get_close_matches(str(found), [str(name) for name in allowed], n=1, cutoff=0.5)
    return f" Did you mean '{close[0]}'?" if close else ""


def allowed(found: str, names: Iterable[str], also: str = "") -> str:
    """Return ``"Did you mean 'x'? Allowed: w, x."``: the hint first, since lists can be long.

    Parameters
    ----------
    found : str
        What is not allowed.
    names : iterable of str
        What is; without any the text is ``"Nothing is allowed here."``.
    also : str
        What else is allowed, said before the names.
    """
    names = [str(name) for name in names]
    if not names:
        return "Nothing is allowed here."
    hint = did_you_mean(found, names).lstrip()
    return f"{hint}{' ' if hint else ''}Allowed: {also}{', '.join(names)}."
