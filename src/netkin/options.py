"""Options of functions, checked against their annotations wherever they come from."""

import functools
import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin

from netkin.errors import NetkinError, allowed, listed, shown

Function = TypeVar("Function", bound=Callable[..., Any])
OR_INF = "inf too"
"""Among the limits of a number: infinity is allowed, though it is beyond them."""


class Option:
    """One keyword-only parameter: what it allows.

    Parameters
    ----------
    annotation : type
        Evaluated, such as ``Annotated[float, Ge(0)]``, ``bool`` or ``Literal["a", "b"]``.
    default : object
        `inspect.Parameter.empty` where there is none.
    """

    def __init__(self, annotation: Any, default: Any = inspect.Parameter.empty) -> None:
        self.default = default
        self._kind, self._limits = bare(annotation)
        self._or_none = get_origin(self._kind) in (Union, UnionType)
        if self._or_none:
            (kind,) = (one for one in get_args(self._kind) if one is not NoneType)
            self._kind, self._limits = bare(kind)

    def allows(self, value: Any) -> bool:
        """Tell whether a value is allowed."""
        if value is None:
            return self._or_none
        if get_origin(self._kind) is Literal:
            return isinstance(value, str) and value in get_args(self._kind)
        if self._kind is Any:
            return True
        if self._kind not in (int, float):
            return isinstance(value, self._kind)
        if not is_number(value, whole=self._kind is int) or math.isnan(value):
            return False
        if math.isinf(value) and value > 0 and OR_INF in self._limits:
            return True
        low, high = bound(self._limits, "ge"), bound(self._limits, "le")
        above, below = bound(self._limits, "gt"), bound(self._limits, "lt")
        return (
            math.isfinite(value)
            and (low is None or value >= low)
            and (above is None or value > above)
            and (high is None or value <= high)
            and (below is None or value < below)
        )

    def sentence(self, value: Any) -> str:
        """Return what is allowed in place of a value, as a sentence."""
        if get_origin(self._kind) is Literal:
            return allowed(value, get_args(self._kind))
        also = ", or inf" * (OR_INF in self._limits) + ", or None" * self._or_none
        return f"Allowed: {in_words(self._kind, self._limits)}{also}."


@functools.lru_cache(maxsize=512)
def options_of(function: Callable[..., Any]) -> Mapping[str, Option]:
    """Return the options of a function or class: its keyword-only parameters."""
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    return {
        one.name: Option(one.annotation, one.default)
        for one in parameters
        if one.kind is inspect.Parameter.KEYWORD_ONLY
    }


def check_options(
    what: str, options: Mapping[str, Any], known: Mapping[str, Option], missing: bool = False
) -> None:
    """Raise `NetkinError` unless all options are known and their values allowed.

    Parameters
    ----------
    what : str
        How the error names whose options they are.
    options : mapping
        Name -> value.
    known : mapping of str to Option
        As `options_of` gives them.
    missing : bool
        Whether those without a default must be there.
    """
    for name, value in options.items():
        if name not in known:
            if not known:
                raise NetkinError(f"{what}: unknown option {shown(name)}; it has none.")
            raise NetkinError(f"{what}: unknown option {shown(name)}. {allowed(name, known)}")
        if not known[name].allows(value):
            raise NetkinError(f"{name}: found {shown(value)}. {known[name].sentence(value)}")
    if missing:
        for name, option in known.items():
            if option.default is inspect.Parameter.empty and name not in options:
                raise NetkinError(f"{what}: the option {name!r} is missing.")


def checked(function: Function) -> Function:
    """Let a function refuse options that its annotations do not allow, by `NetkinError`.

    For functions, and for the ``__init__`` of a class. Its options are the keyword-only
    parameters.
    """
    what = function.__qualname__.removesuffix(".__init__")

    @functools.wraps(function)
    def checking(*arguments: Any, **options: Any) -> Any:
        if options:
            known = options_of(function)
            # what may be given by place or by name is no option
            named = {name: value for name, value in options.items() if name not in places}
            check_options(what, named, known)
        return function(*arguments, **options)

    places = {
        one.name
        for one in inspect.signature(function).parameters.values()
        if one.kind is not inspect.Parameter.KEYWORD_ONLY
    }
    return cast(Function, checking)


def require_range(what: str, found: Any) -> tuple[float, float]:
    """Return first and last point of a sampling, which must be two finite numbers that ascend.

    Parameters
    ----------
    what : str
        How the error names them.
    found : object
        What was given.
    """
    numbers: Sequence[Any] = ()
    if isinstance(found, Iterable) and not isinstance(found, str | bytes | Mapping):
        numbers = [*found]
    good = [one for one in numbers if is_number(one)]
    if len(numbers) == len(good) == 2 and all(math.isfinite(one) for one in good):
        low, high = (float(one) for one in good)
        if low < high:
            return low, high
    raise NetkinError(
        f"{what} is {shown(found)}. Allowed: two finite numbers, the first below the second."
    )


def is_number(value: Any, *, whole: bool = False) -> bool:
    """Tell whether a value is a real number, or a whole one; truth values are none."""
    return isinstance(value, Integral if whole else Real) and not isinstance(value, bool)


def bare(annotation: Any) -> tuple[Any, Sequence[Any]]:
    """Return an annotation without its limits, and these."""
    limits: list[Any] = []
    while get_origin(annotation) is Annotated:
        annotation, *found = get_args(annotation)
        for limit in found:
            limits += getattr(limit, "metadata", [limit])
    return annotation, limits


def in_words(kind: Any, limits: Sequence[Any] = ()) -> str:
    """Return which numbers, truth values, texts or names are allowed, in words of a sentence.

    Parameters
    ----------
    kind : type
        ``int``, ``float``, ``bool``, ``str`` or a ``Literal``.
    limits : sequence
        As `bare` gives them.
    """
    low, high = bound(limits, "ge", "min_length"), bound(limits, "le", "max_length")
    above, below = bound(limits, "gt"), bound(limits, "lt")
    if get_origin(kind) is Literal:
        return f"one of {listed(get_args(kind))}"
    if kind is bool:
        return "true or false"
    if kind is str:
        return "text" + (f" of {low or 0:,} to {high:,} letters" if high is not None else "")
    name = "a whole number" if kind is int else "a number"
    if above is not None and below is not None:
        return f"{name} above {number(above)} and below {number(below)}"
    bounds = {"from": low, "above": above, "to": high, "below": below}
    parts = [f"{word} {number(each)}" for word, each in bounds.items() if each is not None]
    return " ".join([name, *parts])


def bound(limits: Sequence[Any], *names: str) -> Any:
    """Return the first of the named bounds that limits set, else None."""
    found = [getattr(limit, name, None) for limit in limits for name in names]
    return next((each for each in found if each is not None), None)


def number(value: float) -> str:
    """Return a number as a sentence and YAML write it."""
    if abs(value) < 1e15 and float(value).is_integer():
        return f"{int(value):,}"
    mantissa, e, exponent = f"{value:g}".partition("e")
    return f"{mantissa}{'' if '.' in mantissa else '.0'}e{int(exponent):+d}" if e else mantissa
