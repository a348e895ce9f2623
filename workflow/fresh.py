"""List the results that today's code and config would make otherwise, and why.

    python workflow/fresh.py [SNAKEMAKE'S ARGUMENTS]

Ends with status 1 if there is one. Nothing is run, and nothing of .snakemake is asked: every
file is judged by what it says of itself. Figures and tables say nothing and are left out.
"""

import os
import sys
from pathlib import Path

# where Python does not look beside the script (PYTHONSAFEPATH)
sys.path.insert(0, str(Path(__file__).resolve().parent))

from internals import ROOT, jobs_to_do

from netkin.errors import NetkinError
from netkin.freshness import describe, examine, files_in
from netkin.recipe import Recipes
from netkin.study import Study

if __name__ == "__main__":
    folder, config, jobs = jobs_to_do(["--forceall", *sys.argv[1:]])
    paths = [str(path) for job in jobs for path in job.output]
    # a sheet is named as seen from where Snakemake works
    os.chdir(folder)
    try:
        recipes = Recipes(Study(config), ROOT / "workflow" / "scripts")
        result = examine(
            [recipes.of(path) for path in paths if path.endswith(".h5")], files_in("results")
        )
    except NetkinError as error:
        sys.exit(f"netkin: {error}")
    print(describe(result))
    sys.exit(bool(result.stale))
