"""Read config files strictly: what YAML lets pass in silence is an error with its line.

Imports nothing but yaml, so that a wrong file is told before anything slow starts.
"""

import json
import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml

from netkin.errors import NetkinError, did_you_mean, shown

MOST_BYTES = 1_000_000
"""Size of a config file, at most."""
MOST_VALUES = 50_000
"""Keys and values of a config, those that an alias repeats counted each time, at most."""
MOST_LEVELS = 20
"""Sections and lists inside one another, at most."""
COMMAND_LINE = "the command line (--config)"

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_KEY = re.compile(r"[a-zA-Z_][\w-]*\w")
# what YAML does not allow in a text: all but tab, line ends and printable characters
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WORDS = {
    "bool": "a truth value",
    "int": "a number",
    "float": "a number",
    "null": "nothing",
    "timestamp": "a date",
    "merge": "a merge of sections",
    "value": "a default value",
}
"""What YAML reads text without quotes as -> in words."""


@dataclass(frozen=True)
class Source:
    """What one file, or the command line, says of the config.

    Attributes
    ----------
    name : str
        What messages call it.
    content : mapping
        Its keys and values.
    """

    name: str
    content: Mapping[str, Any]

    def holds(self, path: Sequence[Any]) -> bool:
        """Tell whether it sets the key at a path, names of sections and places in lists."""
        found: Any = self.content
        for part in path:
            try:
                if isinstance(found, str):
                    return False
                found = found[part]
            except (LookupError, TypeError):
                return False
        return True


def origin(sources: Sequence[Source], path: Sequence[Any]) -> Source:
    """Return the source that a key comes from: the last that sets it, as later ones win.

    A key that none sets is missing in the first one that has most of the sections around it.

    Parameters
    ----------
    sources : sequence of Source
        In the order in which they extend one another, at least one.
    path : sequence
        Names of sections and places in lists.
    """
    holding = [source for source in sources if source.holds(path)]
    if holding:
        return holding[-1]
    while path:
        path = path[:-1]
        for source in sources:
            if source.holds(path):
                return source
    return sources[0]


def read_config_file(path: str | os.PathLike[str], name: str = "") -> Source:
    """Read a config file, YAML or JSON.

    Parameters
    ----------
    path : path
        The file.
    name : str
        What messages call it, the path by default.

    Raises
    ------
    NetkinError
        The file is missing, no regular file, unreadable, larger than `MOST_BYTES`, not UTF-8,
        no YAML, no mapping with text as keys, nested more than `MOST_LEVELS` deep, of more
        than `MOST_VALUES` values or recursive, or has a key twice: with its line.
    """
    name = name or str(path)
    return Source(name, _mapping(_text_of(Path(path), name), name))


def read_command_line(entries: Iterable[str]) -> Source:
    """Read the entries ``KEY=VALUE`` of Snakemake's ``--config``.

    Only what can be wrong with an entry by itself is checked; as Snakemake does it, what
    stands inside a section is text.

    Raises
    ------
    NetkinError
        A key is no name, or a value is no YAML in the limits of a file.
    """
    content: dict[str, Any] = {}
    for entry in entries:
        key, equals, value = entry.partition("=")
        if not equals:
            raise NetkinError(
                f"{COMMAND_LINE}: found {shown(entry)}. Allowed: KEY=VALUE, such as "
                "data_folder=PATH."
            )
        if not _KEY.fullmatch(key):
            raise NetkinError(f"{COMMAND_LINE}: found the key {shown(key)}. {_nested_hint(key)}")
        if len(entry.encode(errors="replace")) > MOST_BYTES:
            raise NetkinError(f"{COMMAND_LINE}: {key}: {_too_large()}")
        if value[:1] in ("{", "[", "&"):
            _check_nodes(value, f"{COMMAND_LINE}: {key}")
        content[key] = value
    return Source(COMMAND_LINE, content)


def _nested_hint(key: str) -> str:
    """Return what is allowed as a key on the command line, and how a nested key is set."""
    parts = key.split(".")
    if len(parts) < 2 or not all(map(str.isidentifier, parts)):
        return "Allowed: a key of the top level, such as data_folder=PATH."
    lines = ", below it ".join(f"'{part}:'" for part in parts)
    return (
        "Allowed: a key of the top level, such as data_folder=PATH; a key inside a section goes "
        f"into a file for --configfile, nested: {lines}."
    )


def plain_copy(config: Any, name: str) -> dict[str, Any]:
    """Return a copy of a config made of plain mappings, lists and values, not too many.

    Parameters
    ----------
    config : object
        Whatever a file or a command line gave.
    name : str
        What messages call it.

    Raises
    ------
    NetkinError
        It is no mapping, a key is no text, a text holds characters that are none, or there are
        more values or levels than `MOST_VALUES` and `MOST_LEVELS`.
    """
    count = 0

    def copy(value: Any, path: tuple[str, ...]) -> Any:
        nonlocal count
        count += 1
        if count > MOST_VALUES or len(path) > MOST_LEVELS:
            raise NetkinError(
                f"{name}: more than {MOST_VALUES:,} keys and values, or {MOST_LEVELS} sections and "
                f"lists inside one another, up to {where(path[:2])}. Allowed: at most so many."
            )
        if isinstance(value, Mapping):
            for key in value:
                if not isinstance(key, str):
                    inside = f" in {where(path)}" if path else ""
                    raise NetkinError(
                        f"{name}: found the key {shown(key)}{inside}, which is no text; quote it."
                    )
            return {
                copy(key, (*path, key)): copy(entry, (*path, key)) for key, entry in value.items()
            }
        if isinstance(value, list | tuple):
            return [copy(entry, (*path, str(place))) for place, entry in enumerate(value)]
        if isinstance(value, str):
            wrong = _UNPRINTABLE.search(value)
            if wrong:
                raise NetkinError(
                    f"{name}: {where(path)}: found the character U+{ord(wrong[0]):04X}, which is "
                    "no text."
                )
            return str(value)
        return value

    if config is None:
        raise NetkinError(
            f"{name} is empty. Allowed: sections with keys, as in config/config.yaml."
        )
    if not isinstance(config, Mapping):
        kind = "list" if isinstance(config, list | tuple) else "single value"
        raise NetkinError(
            f"{name}, line 1: found a {kind}. Allowed: sections with keys, as in "
            "config/config.yaml."
        )
    plain: dict[str, Any] = copy(config, ())
    return plain


def where(path: Sequence[Any]) -> str:
    """Return a path of keys as messages name it: ``network.width``."""
    return ".".join(shown_key(str(part)) for part in path)


def _text_of(path: Path, name: str) -> str:
    """Return the text of a file."""
    try:
        # what is no regular file, such as a pipe, might block or never end
        kind = path.stat().st_mode
        if stat.S_ISDIR(kind):
            if not name:
                raise NetkinError("--configfile: found ''. Allowed: the path of a config file.")
            raise NetkinError(f"{name} is a folder. Allowed: a config file, such as {name}/x.yaml.")
        if not stat.S_ISREG(kind):
            raise NetkinError(f"{name} is no regular file; Snakemake reads it more than once.")
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        if path.is_symlink():
            raise NetkinError(
                f"{name} is a link to a file that is missing ({path.readlink()})."
            ) from None
        try:
            beside = [other.name for other in path.parent.iterdir()]
        except OSError:
            raise NetkinError(f"{name}: there is no folder {path.parent}.") from None
        raise NetkinError(
            f"{name}: there is no such file.{did_you_mean(path.name, beside)}"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise NetkinError(f"{name}: this file cannot be read ({reason}).") from None
    if len(content) > MOST_BYTES:
        raise NetkinError(f"{name}: {_too_large()}")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise NetkinError(
            f"{name}, line {line}: not UTF-8 (byte 0x{content[error.start]:02x}). Allowed: a text "
            "file in UTF-8."
        ) from None


def _too_large() -> str:
    return f"more than {MOST_BYTES:,} bytes. Allowed: a config of at most so many."


def _mapping(text: str, name: str) -> dict[str, Any]:
    """Return the mapping that a text of YAML or JSON is."""
    try:
        content = _from_json(text)
    except (ValueError, RecursionError):
        content = _from_yaml(text, name)
    if isinstance(content, dict) and "__use_yte__" in content:
        raise NetkinError(f"{name}: found the key __use_yte__; no code is run from a config.")
    return plain_copy(content, name)


def _from_json(text: str) -> Any:
    """Return what a text is as JSON, which is read as such where it is valid, as Snakemake does."""

    def once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("twice")  # as YAML it has a line to tell
        return dict(pairs)

    return json.loads(text, object_pairs_hook=once)


def _from_yaml(text: str, name: str) -> Any:
    """Return what a text is as YAML."""
    wrong = _UNPRINTABLE.search(text.removeprefix("\ufeff"))
    if wrong:
        line = text.count("\n", 0, wrong.start()) + 1
        raise NetkinError(
            f"{name}, line {line}: found the character U+{ord(wrong[0]):04X}, which is no text. "
            "Allowed: a text file in UTF-8."
        )
    node = _check_nodes(text, name)
    try:
        return _Loader("").construct_document(node) if node else None
    except yaml.MarkedYAMLError as error:
        _refuse(error, text, name)


def _check_nodes(text: str, name: str) -> Any:
    """Return the root node of a text of YAML, None without any, once its form is right."""
    try:
        # without building anything, which a deep or large text would make slow
        _check_events(yaml.parse(text, Loader=_Loader), name)
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        _refuse(error, text, name)
    except yaml.YAMLError as error:
        raise NetkinError(f"{name}: not valid YAML ({str(error).partition(chr(10))[0]}).") from None
    if node:
        _check_keys(node, name)
        _check_aliases(node, {}, name)
    return node


def _check_events(events: Iterable[Any], name: str) -> None:
    """Check depth, number and tags of what a text of YAML holds."""
    depth = count = 0
    for event in events:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        count += isinstance(event, yaml.NodeEvent)
        if depth > MOST_LEVELS:
            raise NetkinError(_too_deep(name, line))
        if count > MOST_VALUES:
            raise NetkinError(
                f"{name}, line {line}: more than {MOST_VALUES:,} keys and values. Allowed: at most "
                "so many."
            )
        tag = getattr(event, "tag", None)
        if tag:
            raise NetkinError(
                f"{name}, line {line}: found the tag {shown(tag)}. Allowed: no tags; put text that "
                "begins with an exclamation mark in quotes."
            )


def _check_keys(root: Any, name: str) -> None:
    """Check that every key is text, and there once."""
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += reversed(node.value)
        if isinstance(node, yaml.ScalarNode):
            _check_value(node, name)
        if not isinstance(node, yaml.MappingNode):
            continue
        lines: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise NetkinError(
                    f"{name}, line {line}: found a list or section as a key. Allowed: text."
                )
            kind = key.tag.rpartition(":")[2]
            if kind not in ("str", "merge"):
                raise NetkinError(
                    f"{name}, line {line}: YAML reads the key {shown_key(key.value)} as "
                    f'{_reading(key)}, not as text; quote it: "{key.value}".'
                )
            if key.value in lines:
                raise NetkinError(
                    f"{name}, line {line}: the key {shown_key(key.value)} is there already, in "
                    f"line {lines[key.value]}. Allowed: each key of a section once."
                )
            lines[key.value] = line
        waiting += [value for _, value in reversed(node.value)]


def _check_value(node: Any, name: str) -> None:
    """Check that YAML can read a value as what it takes it for."""
    kind = node.tag.rpartition(":")[2]
    try:
        if kind != "str":
            _Loader("").construct_object(node)
    except (yaml.YAMLError, ValueError, TypeError, ArithmeticError, LookupError):
        # such as the date 2020-02-31, or a number of 5,000 digits
        raise NetkinError(
            f"{name}, line {node.start_mark.line + 1}: found {shown(node.value)}, which YAML takes "
            f"for {_WORDS.get(kind, 'another value')} but cannot read; put text in quotes."
        ) from None


def shown_key(key: str) -> str:
    """Return a key as a message names it."""
    return key if re.fullmatch(r"[\w./~+-]{1,60}", key, re.ASCII) else shown(key)


def _reading(key: Any) -> str:
    """Return what YAML reads a key without quotes as."""
    kind = key.tag.rpartition(":")[2]
    if kind == "bool":
        return "true" if key.value.lower() in ("yes", "on", "true") else "false"
    return _WORDS.get(kind, "another value")


def _check_aliases(node: Any, known: dict[int, tuple[int, int]], name: str) -> tuple[int, int]:
    """Return how many values and levels a node is, its aliases written out; both are limited."""
    if isinstance(node, yaml.ScalarNode):
        return 1, 0
    line = node.start_mark.line + 1
    if id(node) in known:
        if not known[id(node)][0]:
            raise NetkinError(
                f"{name}, line {line}: the anchor here holds an alias of itself, without end. "
                "Allowed: an alias of what ended before it."
            )
        return known[id(node)]
    known[id(node)] = (0, 0)  # inside it now
    parts = node.value
    if isinstance(node, yaml.MappingNode):
        parts = [part for pair in parts for part in pair]
    found = [_check_aliases(part, known, name) for part in parts]
    size, levels = 1 + sum(n for n, _ in found), 1 + max((n for _, n in found), default=0)
    if size > MOST_VALUES or levels > MOST_LEVELS:
        raise NetkinError(
            f"{name}, line {line}: with its aliases written out this is {size:,} values in "
            f"{levels} levels. Allowed: at most {MOST_VALUES:,} values in {MOST_LEVELS} levels."
        )
    known[id(node)] = (size, levels)
    return size, levels


def _too_deep(name: str, line: int) -> str:
    return (
        f"{name}, line {line}: sections and lists are nested more than {MOST_LEVELS} levels "
        "deep. Allowed: at most so many."
    )


def _refuse(error: yaml.MarkedYAMLError, text: str, name: str) -> NoReturn:
    """Raise an error of YAML in one sentence."""
    rows = [*text.splitlines(), ""]
    mark = error.problem_mark or error.context_mark
    line = min(mark.line + 1, len(rows))
    row = rows[line - 1]
    place = f"{name}, line {line}"
    if "\t" in row[: len(row) - len(row.lstrip())] or row[mark.column : mark.column + 1] == "\t":
        raise NetkinError(
            f"{place}: found a tab. Allowed in front of keys and values: spaces."
        ) from None
    problem = (error.problem or "it cannot be read").removeprefix("but ")
    if "nesting depth" in problem:  # libyaml's own limit
        raise NetkinError(_too_deep(name, line)) from None
    begun = error.context_mark
    opened = rows[begun.line][begun.column :][:1] if begun and begun.line < len(rows) else ""
    if not opened and "flow" in (error.context or ""):
        raise NetkinError(
            f"{place}: not valid YAML; the file ends before an opening {{ or [ is closed."
        ) from None
    if opened and opened in "[{":
        raise NetkinError(
            f"{place}: not valid YAML; the {opened} of line {begun.line + 1} is not closed, or a "
            "comma or quote is missing."
        ) from None
    if opened and opened in "\"'" and "end of" in problem:
        raise NetkinError(
            f"{place}: not valid YAML; the quote that opens in line {begun.line + 1} is not closed."
        ) from None
    raise NetkinError(
        f"{place}: not valid YAML; {problem}. Check the colons, quotes and indentation of this "
        "line and the one above."
    ) from None
