"""Check the config files before Snakemake reads them: python workflow/check.py [ITS ARGUMENTS].

Snakemake reads what --configfile and --config give before it looks at the Snakefile, and ends in
a traceback where a file cannot be read. Says in one sentence what is wrong, with file and line, and
ends with status 1; what the values are is checked in the Snakefile. A sheet of networks is read
too, since Snakemake puts words of its own around its mistakes. Imports little, to be quick.
"""

import argparse
import contextlib
import os
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from netkin.config.file import read_command_line, read_config_file
from netkin.errors import NetkinError


def check(arguments):
    """Check config files, ``--config`` and the sheet of a command line; return the first error.

    Parameters
    ----------
    arguments : list of str
        Of Snakemake's command line; it says itself what is wrong with the others.

    Returns
    -------
    str
        Empty when all can be read.
    """
    # abbreviations are Snakemake's to understand
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False, allow_abbrev=False)
    parser.add_argument("--configfile", "--configfiles", nargs="+", default=[])
    parser.add_argument("--config", "-C", nargs="*", default=[])
    parser.add_argument("--profile", default=os.environ.get("SNAKEMAKE_PROFILE"))
    parser.add_argument("--workflow-profile")
    parser.add_argument("--directory", "-d")
    try:
        found, _ = parser.parse_known_args(arguments)
    except argparse.ArgumentError:
        return ""
    default = ROOT / "config" / "config.yaml"
    name = default.relative_to(Path.cwd()) if default.is_relative_to(Path.cwd()) else default
    try:
        profiles = [
            content_of(profile) for profile in (found.profile, found.workflow_profile) if profile
        ]
        of_profiles = [path for profile in profiles for path in config_files_of(profile)]
        folders = [profile["directory"] for profile in profiles if "directory" in profile]
        read = [read_config_file(path) for path in (name, *of_profiles, *found.configfile)]
        read.append(read_command_line(found.config))
        check_sheet(read, found.directory or str((folders or ["."])[-1]))
    except NetkinError as error:
        return f"netkin: {error}"
    return ""


def check_sheet(sources, folder):
    """Read the sheet that a config names, if it does.

    Parameters
    ----------
    sources : sequence of netkin.config.file.Source
        Later ones count before earlier ones.
    folder : str
        Where Snakemake works.

    Raises
    ------
    NetkinError
        All that is wrong with the sheet.
    """
    section = {}
    for source in sources:
        found = source.content.get("source")
        if isinstance(found, str):  # as --config has it
            try:
                found = yaml.safe_load(found)
            except yaml.YAMLError:
                return
        section |= found if isinstance(found, dict) else {}
    sheet, group = section.get("sheet"), section.get("group")
    # what these may be is checked in the Snakefile, and a folder that is not there is made
    if isinstance(sheet, str) and sheet and isinstance(group, str) and Path(folder).is_dir():
        from netkin.source.rows import read_rows

        with contextlib.chdir(folder):
            read_rows(sheet, group)


def content_of(profile):
    """Return what a profile of Snakemake sets, {} for nothing.

    Parameters
    ----------
    profile : str
        A folder, or the name of one where Snakemake keeps those of the user.

    Raises
    ------
    NetkinError
        The profile cannot be read.
    """
    home = os.environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser()
    for folder in (Path(profile), Path(home) / "snakemake" / profile):
        for path in sorted(folder.glob("config*.yaml")):
            return read_config_file(path).content
    return {}


def config_files_of(profile):
    """Return the config files that the content of a profile names."""
    files = profile.get("configfile", profile.get("configfiles", []))
    return [files] if isinstance(files, str) else list(files or [])


if __name__ == "__main__":
    sys.exit(check(sys.argv[1:]) or 0)
