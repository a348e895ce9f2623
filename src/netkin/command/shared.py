"""What the commands share: where they write, what they end with, how they ask for files."""

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from netkin.errors import NetkinError, allowed, shown

GAPS = 1
"""Exit code: something was computed, and something could not be."""
COULD_NOT = 2
"""Exit code: nothing was computed."""

_NAMES = (
    "Names of the weights in the order in which inputs pass them, where the file does not tell it, "
    "such as 'fc1.weight, fc2.weight'; 'W+b' names a bias too, 'W.T' is a matrix of shape (n_in, "
    "n_out), 'W.T+b' both. Or a file of wiring, such as wiring.yaml, for other layers than dense "
    "ones (docs/graphs.md)."
)
WiringOption = Annotated[str, typer.Option("--wiring", metavar="NAMES", help=_NAMES)]
WiringsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--wiring",
        metavar="[FILE=]NAMES",
        help=f"{_NAMES} For all files, or FILE=NAMES for one; may be repeated.",
    ),
]
_SIZES = (
    "Sizes that the file leaves open: '3x224x224' is the shape of the input without the batch, "
    "'pixels=3x224x224' that of the input of this name, 'sequence_length=128' the size of an axis; "
    "divided by commas."
)
InputShapeOption = Annotated[str, typer.Option("--input-shape", metavar="SIZES", help=_SIZES)]
InputShapesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--input-shape",
        metavar="[FILE=]SIZES",
        help=f"{_SIZES} For all files, or FILE=SIZES for one; may be repeated.",
    ),
]
_LEFT_OUT = (
    "Nodes, layers or operators without a rule that are left out of the graph, divided by commas, "
    "such as 'Pad_1, Mod'. Where one gives what it takes, as an activation does, that goes on."
)
LeaveOutOption = Annotated[str, typer.Option("--leave-out", metavar="NAMES", help=_LEFT_OUT)]
LeaveOutsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--leave-out",
        metavar="[FILE=]NAMES",
        help=f"{_LEFT_OUT} For all files, or FILE=NAMES for one; may be repeated.",
    ),
]
AdditionsOption = Annotated[
    str,
    typer.Option(
        metavar="WORD",
        help="What a sum of a skip and a branch is: contracted to one vertex, or merged.",
    ),
]
NormaliserOption = Annotated[
    str,
    typer.Option(
        metavar="WORD", help="What the largest weight is taken of: the network or each layer."
    ),
]
RescaleOption = Annotated[
    str,
    typer.Option(
        metavar="WORD", help="Whether units behind a ReLU are rescaled first: none or relu."
    ),
]
FileArgument = Annotated[str, typer.Argument(metavar="FILE", hidden=True)]
FilesArgument = Annotated[list[str], typer.Argument(metavar="FILE", hidden=True)]
BiasOption = Annotated[
    str,
    typer.Option(
        metavar="WORD", help="Vertices that carry the biases: per_neuron, per_layer or none."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON to standard output.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Write over a file that is there.")]


IN_LIBRARY = {
    "write it into a file and name that (wiring)": "write it into a file (--wiring FILE.yaml)",
    "name all weights in their order (wiring)": "name all weights in their order (--wiring)",
    "to be asked for by name (measures)": "to be asked for by name (--measures)",
    "to leave it out: leave_out=": "to leave it out: --leave-out ",
}
"""How sentences of the library name an argument -> how the command line does."""
LEADING = {
    "wiring: ": "--wiring: ",
    "input_shape: ": "--input-shape: ",
    "leave_out: ": "--leave-out: ",
    "names: ": "--name: ",
    "options: ": "--option: ",
}
"""The same, where a sentence begins with it."""


def spelled(text: str) -> str:
    """Return a sentence of the library with the arguments as the command line calls them."""
    for ours, theirs in IN_LIBRARY.items():
        text = text.replace(ours, theirs)
    for ours, theirs in LEADING.items():
        if text.startswith(ours):
            return text.replace(ours, theirs, 1)
    return text


def examples(lines: Sequence[str]) -> str:
    """Return what the help of a command ends with: examples, each on a line of its own."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def note(text: str) -> None:
    """Write a line to standard error."""
    typer.echo(spelled(text), err=True)


def put(text: str) -> None:
    """Write a result to standard output."""
    typer.echo(text)


def wirings(files: Sequence[str], given: Sequence[str]) -> list[str]:
    """Return the wiring of each file, of what is said for one file or for all.

    Raises
    ------
    NetkinError
        A file is not among them, or something is said twice.
    """
    paths = [Path(file) for file in files]
    for text in given:
        path, equals, _ = text.partition("=")
        if equals and Path(path) not in paths:
            raise NetkinError(
                f"--wiring: found {shown(text)}; before the '=' one of the files is named: "
                f"{', '.join(files)}."
            )
    return _of_each(files, given, "--wiring", "FILE=NAMES")


def input_shapes(files: Sequence[str], given: Sequence[str]) -> list[str]:
    """Return the sizes for each file, of what is said for one file or for all.

    Raises
    ------
    NetkinError
        Something is said twice.
    """
    return _of_each(files, given, "--input-shape", "FILE=SIZES")


def left_out(files: Sequence[str], given: Sequence[str]) -> list[str]:
    """Return what is left out of each file, of what is said for one file or for all.

    Raises
    ------
    NetkinError
        Something is said twice.
    """
    return _of_each(files, given, "--leave-out", "FILE=NAMES")


def _of_each(files: Sequence[str], given: Sequence[str], option: str, form: str) -> list[str]:
    paths = [Path(file) for file in files]  # ./a.npz is a.npz
    of_one: dict[Path, str] = {}
    of_all: list[str] = []
    for text in given:
        path, equals, value = text.partition("=")
        if not equals or Path(path) not in paths:
            of_all.append(text)
        elif Path(path) in of_one:
            raise NetkinError(f"{option}: that of {path} is given twice.")
        else:
            of_one[Path(path)] = value
    if len(of_all) > 1:
        raise NetkinError(
            f"{option}: found {shown(of_all[0])} and {shown(of_all[1])}, both for all files; say "
            f"{form} for one, and divide what is said of one by commas."
        )
    return [of_one.get(path, "".join(of_all)) for path in paths]


def counted(number: int, one: str, more: str) -> str:
    """Return how many there are, with the word for one or for more."""
    return f"{number:,} {one if number == 1 else more}"


def put_json(found: Any) -> None:
    """Write a result as JSON, NaN and infinity as null."""
    put(json.dumps(_plain(found), indent=2, ensure_ascii=False))


def _plain(found: Any) -> Any:
    if isinstance(found, Mapping):
        return {str(key): _plain(value) for key, value in found.items()}
    if isinstance(found, list | tuple):
        return [_plain(value) for value in found]
    if isinstance(found, float) and not math.isfinite(found):
        return None
    return found


def put_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as a table of text."""
    if not rows:
        return
    cells = [[*rows[0]], *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        put("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else f"{value}"


def writer_for(out: Path, writers: Mapping[str, Callable[..., None]], force: bool) -> Any:
    """Return what writes a file, by its ending.

    Raises
    ------
    NetkinError
        No format has this ending, or there is a file already.
    """
    ending = out.suffix.lower()
    if ending not in writers:
        raise NetkinError(f"{out}: found the ending {shown(ending)}. {allowed(ending, writers)}")
    if out.exists() and not force:
        raise NetkinError(
            f"{out}: there is something already; it may be somebody's only copy. Choose another "
            "name, or say --force."
        )
    return writers[ending]


def not_itself(out: Path, path: Path) -> None:
    """Raise `NetkinError` if a result would replace the file that it is made of."""
    if out.exists() and path.exists() and out.samefile(path):
        raise NetkinError(f"{out}: this is the network itself; choose another name.")


@contextmanager
def progress() -> Iterator[Callable[[int, int, str], None]]:
    """Show how far a work is, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda done, steps, what: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}")
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading")

        def tell(done: int, steps: int, what: str) -> None:
            bar.update(task, completed=done, total=steps, description=what)

        yield tell
