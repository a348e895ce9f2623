"""netkin: which trained networks are kin?

source -> network -> graph -> diagram -> vector -> distance -> figure, table
          network -> activation, prediction -> distance

One rule file a stage, in workflow/rules/; the library is src/netkin/.
"""

from snakemake.utils import min_version

min_version("9.20")


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/dataset.smk"
include: "workflow/rules/network.smk"
include: "workflow/rules/graph.smk"
include: "workflow/rules/diagram.smk"
include: "workflow/rules/vector.smk"
include: "workflow/rules/activation.smk"
include: "workflow/rules/prediction.smk"
include: "workflow/rules/distance.smk"
include: "workflow/rules/figure.smk"
include: "workflow/rules/table.smk"
include: "workflow/rules/paper.smk"


from internals import paths_of_rules

try:
    check_links("results")
    # folders of one's own beside those of wildcards are no matter
    check_folders([*study.results(), *FIGURES, *TABLES, *PAPER, *paths_of_rules(workflow)])
except NetkinError as error:
    raise WorkflowError(str(error)) from None


rule all:
    default_target: True
    input:
        FIGURES,
        TABLES,
        PAPER,
        CHECKED,
        # lost after an interrupted job, say, they would not be missed as long as what was made
        # from them is there
        study.results(),
