"""The rows of a sheet of networks, checked as a whole."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from netkin.errors import NetkinError, allowed, did_you_mean, listed, shown
from netkin.network.format.foreign import is_of_hub
from netkin.network.format.leave_out import given_of
from netkin.network.format.wiring_file import ENDINGS, wiring_content, wiring_of
from netkin.network.imported import Stamps, stamps_of

COLUMNS = ("network", "path", "group", "replicate", "wiring", "input_shape", "leave_out")
"""Columns that have a meaning; any other one is an annotation."""
LATER = ("activations", "predictions")
"""Columns that nothing reads yet."""
NAME = re.compile(r"[A-Za-z0-9_.+-]{1,100}")
"""What network and replicate are like, which become parts of paths."""
ONCE = "once"
"""The replicate where the sheet says none."""
MOST_ROWS = 20_000
MOST_ERRORS = 20
"""Mistakes that are told at once."""


@dataclass(frozen=True)
class Row:
    """A line of the sheet.

    Attributes
    ----------
    line : int
        Its number in the file.
    network, replicate, group, wiring, input_shape, leave_out : str
        As the sheet has it; all values are text, also ``1`` and ``NA``.
    path : str
        As the sheet has it.
    file : str
        Where that is, as seen from the working folder.
    files : dict
        See `netkin.network.imported.stamps_of`.
    annotations : dict of str to str
        Any other column.
    """

    line: int
    network: str
    path: str
    file: str
    files: Stamps
    group: str = ""
    replicate: str = ONCE
    wiring: str = ""
    input_shape: str = ""
    leave_out: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)


def read_rows(path: str, group: str = "group") -> list[Row]:
    """Read a sheet of networks.

    Parameters
    ----------
    path : str
        A table of text, divided by tabs, or by commas where there is no tab in its first line,
        which names the columns. Lines that are empty or begin with ``#`` do not count.
    group : str
        The column by which networks are grouped, which need not be there if it is ``group``.

    Raises
    ------
    NetkinError
        All mistakes at once, each with the number of its line: a file that is not there, a name
        that cannot be part of a path, a wiring that is none, the same network and replicate
        twice, and more of the kind; before them a group that is no column.
    """
    found = _lines(path)
    header_line, header = next(found, (1, []))
    errors = [f"line {header_line}: {text}" for text in _mistakes_of_header(header)]
    wrong_group = [] if errors else _mistakes_of_group(path, header, group)
    rows: list[Row] = []
    if not errors:
        for number, values in found:
            try:
                rows.append(_row(path, number, header, values))
            except NetkinError as error:
                errors.append(f"line {number}: {error}")
        errors += _mistakes_together(rows, group)
        if not rows and not errors:
            errors.append("there is no network in it; each is a line below the names of columns.")
    if errors:
        count = "an error" if len(errors) == 1 else f"{len(errors)} errors"
        more = ["There are more errors."] if len(errors) > MOST_ERRORS else []
        errors = [f"{path} has {count}:", *(f"  {e}" for e in errors[:MOST_ERRORS]), *more]
    if wrong_group or errors:
        raise NetkinError("\n".join([*wrong_group, *errors]))
    return rows


def remarks_on(path: str, rows: Sequence[Row], group: str) -> list[str]:
    """Return what may be no mistake and may be one.

    Parameters
    ----------
    path : str
        The sheet.
    rows : sequence of Row
        What it holds.
    group : str
        The column by which networks are grouped.
    """
    remarks = []
    for name in rows[0].annotations:
        close = get_close_matches(name.lower(), COLUMNS, n=1, cutoff=0.75)
        if close and name != group:
            remarks.append(
                f"{path}: the column {shown(name)} is an annotation. Did you mean '{close[0]}'?"
            )
    remarks += _not_compared(path, rows)
    members: dict[str, set[str]] = {}
    for row in rows:
        members.setdefault(group_of(row, group), set()).add(row.network)
    alone = [name for name, networks in members.items() if name and len(networks) == 1]
    if alone and len(members) > 1:
        what = "group has" if len(alone) == 1 else "groups have"
        remarks.append(f"{path}: {len(alone)} {what} one network alone: {listed(alone)}.")
    return remarks


def _not_compared(path: str, rows: Sequence[Row]) -> list[str]:
    """Say which networks have no other one to be compared with."""
    together: dict[str, set[str]] = {}
    for row in rows:
        together.setdefault(row.replicate, set()).add(row.network)
    compared = {name for names in together.values() if len(names) > 1 for name in names}
    alone = [name for name in dict.fromkeys(row.network for row in rows) if name not in compared]
    if not alone:
        return []
    if len(alone) == 1 and not compared:
        return [f"{path}: there is one network alone, {alone[0]}, so nothing is compared."]
    within = "Networks are compared only within a replicate"
    if not compared:
        return [
            f"{path}: no two networks have the same replicate, so nothing is compared. {within}: "
            "give one to those that are to be compared, or leave the column out."
        ]
    what = "1 network has" if len(alone) == 1 else f"{len(alone)} networks have"
    return [
        f"{path}: {what} no replicate in common with another one, to be compared with: "
        f"{listed(alone)}. {within}."
    ]


def group_of(row: Row, column: str) -> str:
    """Return the value of the column by which networks are grouped, "" where it is not there."""
    return row.group if column == "group" else row.annotations.get(column, "")


def _lines(path: str) -> Iterator[tuple[int, list[str]]]:
    """Yield number and values of each line that counts."""
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise NetkinError(
            f"{path}: no such file; it is the sheet that source.sheet names."
        ) from None
    except OSError as error:
        raise NetkinError(f"{path}: {error.strerror}; source.sheet names it.") from None
    if content.startswith(b"PK") or b"\0" in content:
        raise NetkinError(
            f"{path}: no text. A sheet is a table of text; save it as tab-separated values or CSV."
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise NetkinError(f"{path}: line {line} is not UTF-8; save it as UTF-8.") from None
    lines = text.splitlines(keepends=True)
    kept = [line for line in lines if line.strip() and not line.startswith("#")]
    divider = "\t" if kept and "\t" in kept[0] else ","
    # no network's name begins so; where another column is the first, it may be a value
    has_comments = not kept or kept[0].partition(divider)[0].strip().strip('"') == "network"
    before = next((i for i, line in enumerate(lines) if line in kept[:1]), len(lines))
    lines = [
        "\n" if line.startswith("#") and (has_comments or i < before) else line
        for i, line in enumerate(lines)
    ]
    reader = csv.reader(io.StringIO("".join(lines), newline=""), delimiter=divider, strict=True)
    last = 0
    try:
        for values in reader:
            first, last = last + 1, reader.line_num
            values = [value.strip() for value in values]
            if any(values):
                yield first, values
    except csv.Error as error:
        raise NetkinError(f"{path}: line {last + 1}: {error}.") from None


def _mistakes_of_group(path: str, header: Sequence[str], group: str) -> list[str]:
    """Check a key of the config, which is no mistake of the sheet."""
    names = ["group", *(name for name in header if name not in (*COLUMNS, *LATER))]
    if group in names:
        return []
    return [
        f"source.group: found {shown(group)}, which is no column of {path} to group by. "
        f"{allowed(group, names)}"
    ]


def _mistakes_of_header(header: Sequence[str]) -> Iterator[str]:
    if len(header) == 1:
        for divider, what in ((";", "';'"), ("|", "'|'"), (" ", "blanks")):
            if divider in header[0]:
                yield (
                    f"its columns are divided by {what}: {shown(header[0])}. Allowed are tabs or "
                    "commas."
                )
                return
    for name in ("network", "path"):
        if name not in header:
            # of other names, which one may be meant
            close = [each for each in header if did_you_mean(each, [name])]
            found = f" Found: {listed(map(shown, close or header))}." if header else ""
            hint = did_you_mean(close[0], [name]) if close else ""
            yield f"the column '{name}' is missing.{found}{hint}"
    for name in dict.fromkeys(header):
        if header.count(name) > 1:
            yield f"the column {shown(name)} stands {header.count(name)} times."
    if "" in header:
        yield "a column has no name."


def _row(sheet: str, number: int, header: Sequence[str], values: Sequence[str]) -> Row:
    """Return a line, checked by itself."""
    if len(values) > len(header):
        raise NetkinError(f"{len(values)} values for {len(header)} columns.")
    found = dict(zip(header, [*values, *[""] * (len(header) - len(values))], strict=True))
    network, path = found.pop("network"), found.pop("path")
    replicate = found.pop("replicate", "") or ONCE
    for column, name in (("network", network), ("replicate", replicate)):
        if not NAME.fullmatch(name) or set(name) == {"."}:
            raise NetkinError(
                f"{column}: found {shown(name)}; it becomes part of paths, allowed are 1 to 100 "
                "letters, digits, '_', '.', '+' and '-'."
            )
    for column in LATER:
        if found.pop(column, ""):
            raise NetkinError(f"{column}: no measure reads this yet; leave it empty.")
    wiring = found.pop("wiring", "")
    if wiring.lower().endswith(ENDINGS):
        # as its text, so that an edit of the file is an edit of the sheet
        wiring = wiring_content(Path(sheet).parent / Path(wiring).expanduser())
    wiring_of(wiring)
    input_shape, leave_out = found.pop("input_shape", ""), found.pop("leave_out", "")
    given_of(input_shape, leave_out)
    if not path:
        raise NetkinError("path: found nothing; it is the file of the network, or its folder.")
    try:
        file = str(Path(sheet).parent / Path(path).expanduser())
        files = stamps_of(file)
    except (OSError, RuntimeError) as error:  # a name that is too long, an unknown user's home
        raise NetkinError(f"path: found {shown(path)} ({error}).") from None
    except NetkinError as error:
        hint = ""
        if is_of_hub(path):
            hint = (
                " If it is the name of a model on a hub: nothing is downloaded; get it first, and "
                "name its folder."
            )
        raise NetkinError(f"path: {error}{hint}") from None
    for name in (file, *files):
        if {"{", "}"} & set(name) or not name.isprintable():
            raise NetkinError(
                f"path: found {shown(name)}; Snakemake cannot name files with braces or what is "
                "not printed. Rename it, or make a link to it."
            )
    if Path(file).resolve().is_relative_to(Path("results").resolve()) or (
        Path(file).is_dir() and Path("results").resolve().is_relative_to(Path(file).resolve())
    ):
        raise NetkinError(
            f"path: found {shown(path)}, where this run puts its results; copy the file elsewhere."
        )
    return Row(
        number,
        network,
        path,
        file,
        files,
        group=found.pop("group", ""),
        replicate=replicate,
        wiring=wiring,
        input_shape=input_shape,
        leave_out=leave_out,
        annotations=found,
    )


def _mistakes_together(rows: Sequence[Row], group: str) -> Iterator[str]:
    """Yield what is wrong with several lines."""
    if len(rows) > MOST_ROWS:
        yield f"{len(rows):,} networks; allowed are {MOST_ROWS:,}."
    first: dict[tuple[str, str], Row] = {}
    for row in rows:
        known = first.setdefault((row.network, row.replicate), row)
        if known is not row:
            yield (
                f"line {row.line}: network {shown(row.network)} at replicate "
                f"{shown(row.replicate)} stands in line {known.line} already."
            )
    # one network has one place in figures
    named: dict[str, Row] = {}
    for row in rows:
        known = named.setdefault(row.network, row)
        here, there = group_of(row, group), group_of(known, group)
        if here != there:
            yield (
                f"line {row.line}: network {shown(row.network)} has {shown(here)} as its {group}, "
                f"and in line {known.line} {shown(there)}."
            )
