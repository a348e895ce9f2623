"""netkin: which trained networks are kin?

dataset -> network -> graph -> diagram -> vector -> distance -> figure, table
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


try:
    check_links("results")
    check_folders(
        [
            *results_that_stay(),
            *rules.figures.input,
            *rules.tables.input,
            # folders of one's own beside those of wildcards are no matter
            *(
                path
                for each in workflow.rules
                for path in [*each.output, *each.log, each.benchmark]
                if path is not None
            ),
        ]
    )
except NetkinError as error:
    raise WorkflowError(str(error)) from None


rule all:
    default_target: True
    input:
        rules.figures.input,
        rules.tables.input,
        # lost after an interrupted job, say, they would not be missed as long as what was made
        # from them is there
        results_that_stay(),
