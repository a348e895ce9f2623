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
from netkin.storage import canonical_json, lineage, read_attributes

CODE = "other code"


@dataclass(frozen=True)
class Expected:
    """How today's code and config would make a file.

    Attributes
    ----------
    path : str
        The file.
    code : str
        Digest of the code (see `netkin.provenance`).
    parameters : mapping
        What its recorded parameters must say; they may say more, such as the defaults of a
        loader or the device that ``auto`` stood for.
    inputs : tuple of str
        The netkin files it is made from, in the order in which they are recorded.
    """

    path: str
    code: str
    parameters: Mapping[str, Any]
    inputs: tuple[str, ...]


@dataclass
class Freshness:
    """What was found.

    Attributes
    ----------
    fresh : list of str
        Files as today's code and config make them.
    partly : list of str
        The same as far as can be told: an input is not kept, so that its content is unknown.
    stale : dict of str to list of str
        File -> reasons.
    missing : list of str
        Results that are not there.
    foreign : list of str
        Files that this study does not make, such as those of a measure that was taken out.
    """

    fresh: list[str] = field(default_factory=list)
    partly: list[str] = field(default_factory=list)
    stale: dict[str, list[str]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)


def examine(expected: Iterable[Expected], found: Iterable[str]) -> Freshness:
    """Compare the files of a study with what would be made today. Arrays are not read.

    Parameters
    ----------
    expected : iterable of Expected
        Every netkin file of the study, each after its inputs.
    found : iterable of str
        The files on disk, named in the same way.
    """
    there = set(found)
    result = Freshness()
    attributes: dict[str, dict[str, str]] = {}
    for one in expected:
        if one.path not in there:
            result.missing.append(one.path)
            continue
        there.remove(one.path)
        try:
            attributes[one.path] = read_attributes(one.path)
        except NetkinError as error:
            result.stale[one.path] = [str(error)]
            continue
        reasons = list(_reasons(one, attributes, result))
        if reasons:
            result.stale[one.path] = reasons
        elif any(path not in attributes for path in one.inputs):
            result.partly.append(one.path)
        else:
            result.fresh.append(one.path)
    result.foreign += sorted(there)
    return result


def _reasons(
    one: Expected, attributes: Mapping[str, Mapping[str, str]], result: Freshness
) -> Iterator[str]:
    recorded = attributes[one.path]
    parameters = json.loads(recorded["parameters"])
    if recorded["code"] != one.code:
        yield CODE
    yield from differences(parameters, json.loads(canonical_json(dict(one.parameters))))
    stale = [path for path in one.inputs if path in result.stale]
    if stale:
        yield f"made from {_first(stale)}, which would be made otherwise"
    elif all(path in attributes for path in one.inputs):
        contents = [attributes[path]["content"] for path in one.inputs]
        if lineage(recorded["code"], parameters, contents) != recorded["lineage"]:
            yield f"made from another content of {_first(one.inputs) or 'its inputs'}"


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
    if result.partly:
        counts.insert(1, f"{len(result.partly)} as far as can be told (inputs not kept)")
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
