"""The commands together, and what they end with.

Results go to standard output, everything else to standard error. Exit codes: 0, all is there; 1,
something was computed, but a file could not be read or a value is not defined, with the reason;
2, nothing was computed, for the reason that is said.
"""

import os
import sys
from contextlib import suppress
from typing import Annotated

import typer

from netkin import __version__
from netkin.command import compare, diagram, export_graph, inspect, measures, run
from netkin.command.shared import COULD_NOT, examples, note, spelled

EXAMPLES = (
    "netkin inspect model.safetensors",
    "netkin compare a.safetensors b.onnx",
    "netkin diagram model.pt --out diagram.svg",
)
app = typer.Typer(
    name="netkin",
    help="How similar are trained networks: files of weights that people have, compared.",
    epilog=examples(EXAMPLES) + "\n\nExit codes: 0 all is there, 1 computed with gaps (the reasons "
    "are said), 2 nothing was computed.",
    rich_markup_mode=None,  # that of rich shows types of Python and keeps the lines of docstrings
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (inspect, compare, diagram, export_graph, measures, run):
    command.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"netkin {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """How similar are trained networks: files of weights that people have, compared."""


def main() -> None:
    """Run the command line; a mistake of the user is one sentence, never a traceback."""
    if sys.argv[1:2] != ["run"]:  # jobs of the workflow have numbers of threads of their own
        # nothing here is large enough to share, and threads that wait for work take time
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        app()
    except SystemExit as end:
        # in `netkin measures | head -1` nobody reads the rest; typer and rich end with 1 then
        if isinstance(end.__context__, BrokenPipeError):
            _leave_unread()
            sys.exit(0)
        raise
    except BrokenPipeError:  # from a message that typer writes last of all
        _leave_unread()
        sys.exit(0)
    except Exception as error:
        from netkin.failure import explain

        sentence = explain(error)
        if sentence is None:  # a defect of netkin's own, for a report
            raise
        with suppress(BrokenPipeError):
            note(f"netkin: {spelled(sentence)}")
        _leave_unread()
        sys.exit(COULD_NOT)


def _leave_unread() -> None:
    """Let go of what a stream holds and cannot write, or Python complains at its end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:  # as after `>&-`
                stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
