"""Which results on disk today's code and config would make otherwise, and why.

Snakemake remembers in ``.snakemake`` how it made a file. Every netkin file says so by itself
(see `netkin.storage`), which also holds after that folder is gone, or the results were moved.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netkin.errors import NetkinError
from netkin.recipe import Recipe
from netkin.storage import (
    Origin,
    canonical_json,
    read_attributes,
    read_origin,
    read_parameters,
)

CODE = "other code"


@dataclass
class Freshness:
    """What was found.

    Attributes
    ----------
    fresh : list of str
        Files as today's code and config make them.
    stale : dict of str to list of str
        File -> reasons.
    missing : list of str
        Results that are not there.
    foreign : list of str
        Files that this study does not make, such as those of a measure that was taken out.
    """

    fresh: list[str] = field(default_factory=list)
    stale: dict[str, list[str]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)


def examine(recipes: Iterable[Recipe], found: Iterable[str]) -> Freshness:
    """Compare the files of a study with what would be made today.

    A file is judged by what it records: how it was made and from what, up to the data set, so
    that files which are deleted after use are not missed.

    Parameters
    ----------
    recipes : iterable of Recipe
        Every netkin file of the study, each after its inputs.
    found : iterable of str
        The files on disk, named in the same way.
    """
    there = set(found)
    result = Freshness()
    contents: dict[str, tuple[str, str]] = {}
    for recipe in recipes:
        if recipe.path not in there:
            result.missing.append(recipe.path)
            continue
        there.remove(recipe.path)
        try:
            origin = read_origin(recipe.path)
            reasons = list(_reasons(recipe, origin, contents, result))
        except NetkinError as error:
            result.stale[recipe.path] = [str(error)]
            continue
        contents[origin.recipe] = (recipe.path, origin.content)
        if reasons:
            result.stale[recipe.path] = reasons
        else:
            result.fresh.append(recipe.path)
    result.foreign += sorted(there)
    return result


def _reasons(
    recipe: Recipe,
    origin: Origin,
    contents: Mapping[str, tuple[str, str]],
    result: Freshness,
) -> Iterator[str]:
    """Yield why a file would be made otherwise; `contents` is recipe -> file and its content."""
    attributes = read_attributes(recipe.path)
    recorded = read_parameters(recipe.path)
    wanted = dict(recipe.parameters)
    if recipe.device != "auto":
        wanted["device"] = recipe.device
    own = [CODE] if attributes["code"] != recipe.code else []
    own += differences(recorded, json.loads(canonical_json(wanted)))
    yield from own
    stale = [one.path for one in recipe.inputs if one.path in result.stale]
    other = [
        path
        for made_by, content in origin.ancestors.items()
        for path, current in [contents.get(made_by, ("", content))]
        if current != content
    ]
    if stale:
        yield f"made from {_first(stale)}, which would be made otherwise"
    elif other:
        yield f"made from another content of {_first(other)}"
    elif not own and origin.recipe != recipe.digest:
        # such as files that were deleted after use
        yield f"made from {_first([one.path for one in recipe.inputs])}, made otherwise then"


def differences(recorded: Any, wanted: Any, name: str = "") -> Iterator[str]:
    """Yield a text for each wanted value that was recorded otherwise; more may be recorded."""
    if not (isinstance(recorded, dict) and isinstance(wanted, dict)):
        if recorded != wanted:
            yield f"{name} was {_short(recorded)}, now {_short(wanted)}"
        return
    for key, value in wanted.items():
        yield from differences(recorded.get(key), value, f"{name}.{key}" if name else key)


def describe(result: Freshness) -> str:
    """Return what was found as text: files of the same reasons together, then counts."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for path, reasons in result.stale.items():
        alike.setdefault(tuple(reasons), []).append(path)
    lines = []
    for kinds, paths in alike.items():
        lines += [f"{'; '.join(kinds)}:", *(f"  {path}" for path in paths)]
    if result.foreign:
        lines += ["not of this study:", *(f"  {path}" for path in result.foreign)]
    counts = [
        f"{len(result.fresh)} results are as today's code and config make them",
        f"{len(result.stale)} are not",
        f"{len(result.missing)} are not there",
    ]
    if result.foreign:
        counts.append(f"{len(result.foreign)} are not of this study")
    return "\n".join([*lines, f"{', '.join(counts)}."])


def _first(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{paths[0]}{more}" if paths else ""


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def files_in(folder: str) -> list[str]:
    """Return all netkin files of a results folder by their path, hidden ones left out."""
    return [str(p) for p in sorted(Path(folder).rglob("*.h5")) if not p.name.startswith(".")]
