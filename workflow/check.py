"""Check the config files before Snakemake reads them: python workflow/check.py [ITS ARGUMENTS].

Snakemake reads what --configfile and --config give before it looks at the Snakefile, and ends in
a traceback where a file cannot be read. Says in one sentence what is wrong, with file and line, and
ends with status 1; what the values are is checked in the Snakefile. Imports little, to be quick.
"""

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from netkin.config.file import read_command_line, read_config_file
from netkin.errors import NetkinError


def check(arguments):
    """Check config files and ``--config`` of a command line of Snakemake; return the first error.

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
    try:
        found, _ = parser.parse_known_args(arguments)
    except argparse.ArgumentError:
        return ""
    default = ROOT / "config" / "config.yaml"
    name = default.relative_to(Path.cwd()) if default.is_relative_to(Path.cwd()) else default
    try:
        named = [found.profile, found.workflow_profile]
        of_profiles = [path for profile in named if profile for path in config_files_of(profile)]
        for path in (name, *of_profiles, *found.configfile):
            read_config_file(path)
        read_command_line(found.config)
    except NetkinError as error:
        return f"netkin: {error}"
    return ""


def config_files_of(profile):
    """Return the config files that a profile of Snakemake names.

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
            content = read_config_file(path).content
            files = content.get("configfile", content.get("configfiles", []))
            return [files] if isinstance(files, str) else list(files or [])
    return []


if __name__ == "__main__":
    sys.exit(check(sys.argv[1:]) or 0)
