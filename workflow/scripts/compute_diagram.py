from netkin.diagram.compute import compute_diagram
from netkin.job import run_job

if __name__ == "__main__":
    run_job(
        compute_diagram,
        log_path=snakemake.log[0],
        graph_path=snakemake.input.graph,
        diagram_path=snakemake.output.diagram,
        engine=snakemake.params.engine,
        max_dimension=snakemake.params.max_dimension,
        code=snakemake.params.code,
    )
