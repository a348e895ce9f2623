"""What netkin takes of Snakemake beyond its documented interface: pyproject bounds its version.

For the Snakefile: how the config came about, and whether another workflow loads this one. For
plan.py, fresh.py, adopt.py and report.py: the jobs as Snakemake would start them, none of which is
started, by an executor plugin that takes note of each, like Snakemake's own dry run. So all
arguments of Snakemake hold, and the profiles.
"""

import contextlib
import copy
import io
import os
import sys
from pathlib import Path

from snakemake.cli import main
from snakemake.executors import dryrun
from snakemake.utils import update_config
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from netkin.config.file import COMMAND_LINE, Source, read_config_file

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
    # not above: the Snakefile of another workflow may have a module of this name
    from check import check

    wrong = check(arguments)
    if wrong:
        sys.exit(wrong)
    plugin = f"{ExecutorPluginRegistry().module_prefix}{NAME}"
    ExecutorPluginRegistry().register_plugin(plugin, sys.modules[__name__])
    said = io.StringIO()
    command = ["--snakefile", str(ROOT / "Snakefile"), "--cores", "all"]
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            # the last executor that is named counts
            main([*command, *arguments, "--executor", NAME])
    except SystemExit as stopped:
        if stopped.code:
            print(said.getvalue(), file=sys.stderr, end="")
            raise
    if not _started:
        sys.exit("netkin: give no --dry-run here, nothing is run anyway.")
    (executor,) = _started
    place = {rule.name: number for number, rule in enumerate(executor.workflow.rules)}
    jobs = sorted(executor.jobs, key=lambda job: place[job.rule.name])
    config = executor.workflow.globals["config"]
    return executor.folder, config, [job for job in jobs if job.output]


def is_module(workflow):
    """Tell whether another workflow loads this one."""
    return workflow.modifier.parent_modifier is not None


def has_path_prefix(workflow):
    """Tell whether a module statement changes paths."""
    modifier = workflow.modifier.path_modifier
    return modifier is not None and (modifier.prefix is not None or modifier.modifies_prefixes)


def config_sources(workflow, default, config):
    """Return what sets the config: files and the command line, later ones first to count.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        Before it has read the default file.
    default : str
        The file of all keys.
    config : dict
        What another workflow that loads this one as a module gives.

    Raises
    ------
    netkin.errors.NetkinError
        A file cannot be read.
    """
    first = read_config_file(default, os.path.relpath(default))
    if is_module(workflow):
        return [first, Source("the config of the module", copy.deepcopy(config))]
    sources = [first]
    sources += [read_config_file(path, os.path.relpath(path)) for path in workflow.configfiles]
    if workflow.config_settings.config:
        sources.append(Source(COMMAND_LINE, workflow.config_settings.config))
    if workflow.config_settings.replace_workflow_config and len(sources) > 1:
        del sources[0]
    return sources


def config_of(workflow, config, sources):
    """Return the whole config; a module is given only what differs from the default file."""
    if not is_module(workflow):
        return config
    whole = {}
    for source in sources:
        update_config(whole, copy.deepcopy(source.content))
    return whole


def is_sent(workflow):
    """Tell whether this process is that of a job, which looks at nothing anew."""
    return not workflow.is_main_process


def paths_of_rules(workflow):
    """Return what all rules write, with braces where a wildcard stands."""
    return [
        path
        for rule in workflow.rules
        for path in [*rule.output, *rule.log, rule.benchmark]
        if path is not None
    ]
