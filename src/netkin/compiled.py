"""Loops compiled to machine code. Loads numba; import it where it is used."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

import numba
from numba.core.caching import FunctionCache

Function = TypeVar("Function", bound=Callable[..., object])


class _Cache(FunctionCache):
    """Numba's cache of machine code, of which nothing is needed: what is damaged is not there."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call] # numba has no types
        except Exception:  # a pickle, of which a killed process or a full disk left a part
            with suppress(OSError):
                self.flush()  # type: ignore[no-untyped-call] # numba has no types
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(OSError):
            super().save_overload(sig, data)  # type: ignore[no-untyped-call] # numba has no types


def compiled(function: Function, **options: Any) -> Function:
    """Compile a function, and keep the machine code for the next process if possible.

    Parameters
    ----------
    function : callable
        What numba can compile.
    **options
        Those of `numba.njit`.
    """
    dispatcher = numba.njit(function, **options)
    with suppress(RuntimeError):  # neither the package nor the user's cache can be written
        dispatcher._cache = _Cache(function)  # type: ignore[no-untyped-call] # numba has no types
    return cast(Function, dispatcher)
