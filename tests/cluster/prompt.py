"""``python prompt.py ARGUMENTS`` is ``python -m snakemake ARGUMENTS`` that looks at jobs often.

The plugin waits longer from look to look, up to 180 s; jobs here take seconds.
"""

import sys
from pathlib import Path

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

SECONDS = 1
"""From look to look."""
waits = RemoteExecutor.next_seconds_between_status_checks
RemoteExecutor.next_seconds_between_status_checks = property(
    lambda self: min(waits.fget(self), SECONDS), waits.fset
)

if __name__ == "__main__":
    # as with -m, and not the folder of this file
    sys.path[0] = str(Path.cwd())
    main()
