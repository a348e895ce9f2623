"""Take over networks that an older netkin trained: python workflow/adopt.py FOLDER [ARGUMENTS].

FOLDER holds the older results; the arguments are Snakemake's. Writes the data sets and networks
of the study that the config describes, where they are not there already. Ends with status 1 if
there was nothing to take for one.
"""

import os
import sys
from pathlib import Path

# where Python does not look beside the script (PYTHONSAFEPATH)
sys.path.insert(0, str(Path(__file__).resolve().parent))

from internals import ROOT, jobs_to_do

from netkin.adopt import adopt, describe
from netkin.errors import NetkinError
from netkin.recipe import Recipes
from netkin.study import Study

if __name__ == "__main__":
    if len(sys.argv) < 2 or not sys.argv[1] or sys.argv[1].startswith("-"):
        sys.exit("netkin: name the folder of the older results: make adopt FROM=FOLDER")
    older = Path(sys.argv[1]).resolve()
    folder, config, _ = jobs_to_do(["--forceall", *sys.argv[2:]])
    os.chdir(folder)
    try:
        result = adopt(Recipes(Study(config), ROOT / "workflow" / "scripts"), older)
    except NetkinError as error:
        sys.exit(f"netkin: {error}")
    print(describe(result))
    sys.exit(bool(result.left))
