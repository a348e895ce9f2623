from netkin.diagram.compute import compute_diagram
from netkin.job import run_each

if __name__ == "__main__":
    run_each(
        compute_diagram,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        each={"graph_path": list(snakemake.input), "diagram_path": list(snakemake.output)},
        forget=list(snakemake.output) if snakemake.resources.stored == "temporary" else [],
        engine=snakemake.params.engine,
        max_dimension=snakemake.params.max_dimension,
        code=snakemake.params.code,
    )
