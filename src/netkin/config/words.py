"""What is wrong with a value, in a sentence of plain words."""

import functools
import inspect
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from netkin.config.file import where
from netkin.errors import allowed, listed, shown
from netkin.options import bare, bound
from netkin.options import in_words as scalar_in_words


@dataclass(frozen=True)
class Mistake:
    """One error of a config.

    Attributes
    ----------
    path : tuple
        Names of sections and places in lists, down to the key.
    text : str
        What was found and what is allowed.
    because_of : tuple of path
        Further keys that have to do with it.
    """

    path: tuple[Any, ...]
    text: str
    because_of: tuple[tuple[Any, ...], ...] = ()

    def line(self) -> str:
        """Return it as a line: the key, what was found and what is allowed."""
        return f"{where(self.path)}: {self.text}"


def check_model(
    model: type[BaseModel], data: Mapping[str, Any], prefix: tuple[Any, ...]
) -> Iterator[Mistake]:
    """Yield what is wrong with the keys and values of a section, each key once.

    Parameters
    ----------
    model : type
        The model of the section.
    data : mapping
        The section.
    prefix : tuple
        Where it stands in the config.
    """
    try:
        model.model_validate(data)
    except ValidationError as error:
        told = set()
        for detail in error.errors(include_url=False):
            mistake = _mistake(model, detail, prefix, data)
            if mistake.path not in told:
                told.add(mistake.path)
                yield mistake


CHOICES = {
    ("study", "variants"): "all, or a list of 1 to 2,500 names of variants",
    ("study", "seeds"): "a whole number from 1 to 10,000, or a list of 1 to 10,000 seeds, each a "
    "whole number from 0 to 4,294,967,295",
}
"""Keys that take values of several kinds, and which."""


GONE: dict[tuple[Any, ...], str] = {
    ("networks_per_job",): "this key is gone: results of networks stand together in bundles, which "
    "netkin makes by itself. Take it out.",
    ("trainings_per_job",): "this key is gone: each network is a job of its own, and Snakemake's "
    "option --group-components takes several jobs together (docs/cluster.md). Take it out.",
    ("keep",): "this key is gone: diagrams always stay, and graph.export: true writes the graphs "
    "as files. Take it out.",
}
"""Keys of older versions -> what has taken their place."""


def _mistake(model: type[BaseModel], detail: Any, prefix: tuple[Any, ...], data: Any) -> Mistake:
    """Turn one of pydantic's error records into a sentence of plain words."""
    # an error of a mapping's key is one of its entry
    parts = tuple(part for part in detail["loc"] if part != "[key]")
    path, found = prefix + parts, detail["input"]
    for key, kinds in CHOICES.items():
        # pydantic reports each branch of a union on its own; one sentence says it all
        if detail["type"] != "missing" and path[: len(key)] == key:
            found = functools.reduce(lambda section, part: section[part], key, data)
            return Mistake(key, f"found {shown(found)}. Allowed: {kinds}.")
    if detail["type"] == "extra_forbidden":
        if path in GONE:
            return Mistake(path, GONE[path])
        kind, _ = _without_none(_annotation_at(model, parts[:-1])[0])
        keys = list(kind.model_fields)
        section, dot, rest = str(parts[-1]).partition(".")
        nested = f"Write it nested, '{section}:' and below it '{rest}:'. " if dot else ""
        odd = next((letter for letter in str(parts[-1]) if not "!" <= letter <= "~"), None)
        which = f" with the character {unicodedata.name(odd, 'without a name')}" if odd else ""
        return Mistake(path, f"unknown key{which}. {nested}{allowed(str(parts[-1]), keys)}")
    if detail["type"] == "missing":
        return Mistake(path, "this key is missing. It is described in config/config.yaml.")
    kind, limits = _annotation_at(model, detail["loc"])
    if get_origin(kind) is Literal:
        return Mistake(path, f"found {shown(found)}. {allowed(found, get_args(kind))}")
    hint = ""
    if kind in (int, float) and isinstance(found, str):
        if re.fullmatch(r"[+-]?[\d_.]+", found):
            hint = " It is text; write the number without quotes."
        elif re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)e[+-]?\d+", found, re.IGNORECASE):
            hint = " YAML reads 1e-6 and 1.0e3 as text; write 1.0e-6 and 1.0e+3."
    if kind is str and not isinstance(found, str | list | dict | None):
        hint = " YAML reads no, yes, numbers and dates as what they are; put text in quotes."
    return Mistake(path, f"found {shown(found)}. Allowed: {in_words(kind, limits)}.{hint}")


def _annotation_at(model: type[BaseModel], parts: Sequence[Any]) -> tuple[Any, Sequence[Any]]:
    """Return the kind of value that a model allows at a path, and its limits."""
    if parts[-1:] == ("[key]",):
        return bare(get_args(_annotation_at(model, parts[:-2])[0])[0])
    kind: Any = model
    limits: Sequence[Any] = ()
    for part in parts:
        kind, _ = _without_none(kind)
        if inspect.isclass(kind) and issubclass(kind, BaseModel):
            field = kind.model_fields[part]
            kind, limits = field.annotation, field.metadata
        else:  # the values of a mapping or a list
            kind, limits = bare(get_args(kind)[-1])
    return kind, limits


def _without_none(annotation: Any) -> tuple[Any, Sequence[Any]]:
    """Return the kind of value of what may be left out as well."""
    if get_origin(annotation) in (Union, UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
        return bare(kinds[0])
    return annotation, ()


def in_words(kind: Any, limits: Sequence[Any] = ()) -> str:
    """Return what an annotation allows, in words of a sentence.

    Parameters
    ----------
    kind : type
        Of a field of a model, as its ``annotation``.
    limits : sequence
        Its limits, as its ``metadata``.
    """
    if get_origin(kind) in (Union, UnionType):
        return f"{in_words(*_without_none(kind))}, or null"
    low, high = bound(limits, "min_length"), bound(limits, "max_length")
    if get_origin(kind) is dict:
        return f"a section with, for each key, {in_words(*bare(get_args(kind)[1]))}"
    if kind is Any:
        return "a section"
    if get_origin(kind) is list:
        number = f"{low}" if low == high else f"{low or 0:,} to {high:,}"
        return f"a list of {number} values, each {in_words(*bare(get_args(kind)[0]))}"
    if inspect.isclass(kind) and issubclass(kind, BaseModel):
        keys = listed(kind.model_fields)
        return f"a section with the keys {keys}" if keys else "an empty section, {}"
    return scalar_in_words(kind, limits)
