"""Public names that go: each is announced by a warning one minor version before."""

import warnings
from typing import NamedTuple


class Going(NamedTuple):
    """A public name that goes.

    Attributes
    ----------
    target : str
        ``module:name`` of what it still is.
    gone_in : str
        The version that will not have it, such as ``0.3``.
    instead : str
        What to use, as a sentence's end, such as ``use netkin.compare``.
    """

    target: str
    gone_in: str
    instead: str


def warn_of(package: str, name: str, going: Going, version: str) -> None:
    """Announce that a name goes.

    Parameters
    ----------
    package, name : str
        Where it is and what it is called.
    going : Going
        When it goes.
    version : str
        That of the package.

    Raises
    ------
    AttributeError
        It is gone already.
    """
    if _minor(version) >= _minor(going.gone_in):
        raise AttributeError(
            f"{package}.{name} is gone since version {going.gone_in}: {going.instead}."
        )
    warnings.warn(
        f"{package}.{name} goes in version {going.gone_in}: {going.instead}.",
        DeprecationWarning,
        stacklevel=3,
    )


def _minor(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)
