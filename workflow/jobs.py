"""The jobs of the workflow as Snakemake would start them, none of which is started.

For plan.py and fresh.py: an executor plugin that takes note of each job, like Snakemake's own
dry run. So all arguments of Snakemake hold, and the profiles.
"""

import contextlib
import io
import sys
from pathlib import Path

from check import check
from snakemake.cli import main
from snakemake.executors import dryrun
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

NAME = "netkin"
common_settings = dryrun.common_settings
_started = []


class Executor(dryrun.Executor):
    """Takes note of jobs instead of running them."""

    def __init__(self, workflow, logger):
        super().__init__(workflow, logger)
        self.jobs = []
        self.folder = Path.cwd()
        _started.append(self)

    def printjob(self, job):
        """Print nothing: the caller says what is of interest."""

    def run_job(self, job):
        """Note a job, or those of a group."""
        self.jobs += job.jobs if job.is_group() else [job]
        super().run_job(job)


def jobs_to_do(arguments):
    """Return the folder, the config and the jobs that Snakemake would start with these arguments.

    Parameters
    ----------
    arguments : list of str
        Of Snakemake's command line.

    Returns
    -------
    folder : Path
        Where Snakemake would work.
    config : dict
        The config of all files and arguments.
    jobs : list of snakemake.jobs.Job
        In the order of the rules, without those that only name files.

    Raises
    ------
    SystemExit
        A config cannot be read, or Snakemake stopped; what it printed is printed.
    """
    wrong = check(arguments)
    if wrong:
        sys.exit(wrong)
    plugin = f"{ExecutorPluginRegistry().module_prefix}{NAME}"
    ExecutorPluginRegistry().register_plugin(plugin, sys.modules[__name__])
    said = io.StringIO()
    command = ["--snakefile", str(ROOT / "Snakefile"), "--executor", NAME, "--cores", "all"]
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            main([*command, *arguments])
    except SystemExit as stopped:
        if stopped.code:
            print(said.getvalue(), file=sys.stderr, end="")
            raise
    if not _started:
        sys.exit("netkin: give no --dry-run and no --executor here, nothing is run anyway.")
    (executor,) = _started
    place = {rule.name: number for number, rule in enumerate(executor.workflow.rules)}
    jobs = sorted(executor.jobs, key=lambda job: place[job.rule.name])
    config = executor.workflow.globals["config"]
    return executor.folder, config, [job for job in jobs if job.output]


def rule_of(job):
    """Return the name of a job's rule, without the bundle of a rule of several networks."""
    return Path(job.rule.script or job.rule.name).stem
