"""``netkin run``: the workflow, where it is."""

import shutil
import subprocess
import sys
from pathlib import Path

import typer

from netkin.command.shared import examples
from netkin.errors import NetkinError

EXAMPLES = (
    "netkin run --cores 2",
    "netkin run --cores 2 --configfile config/mnist.yaml",
    "netkin run -- --help",
)
MARKS = ("Snakefile", "config/config.yaml", "workflow/rules/distance.smk")
"""Files that a folder with netkin's workflow has."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "run",
        short_help="Run the workflow of the current folder.",
        epilog=examples(EXAMPLES),
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )(run_workflow)


def run_workflow(context: typer.Context) -> None:
    """Run the workflow of the current folder; all arguments are Snakemake's.

    The workflow is not part of the installed package. Its exit code is that of Snakemake.
    """
    missing = [name for name in MARKS if not Path(name).is_file()]
    if missing:
        raise NetkinError(
            f"the workflow is not here: {Path.cwd()} has no {missing[0]}. It is not part of the "
            "installed package; get the repository of netkin (git clone), go into its folder and "
            "run this again."
        )
    beside = Path(sys.executable).with_name("snakemake")
    program = str(beside) if beside.is_file() else shutil.which("snakemake")
    if program is None:
        raise NetkinError(
            "Snakemake is not installed; pip install 'netkin[workflow]' brings what the workflow "
            "needs."
        )
    raise typer.Exit(subprocess.call([program, *context.args]))
