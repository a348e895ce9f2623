from netkin.diagram.compute import compute_diagrams
from netkin.job import run_job

if __name__ == "__main__":
    run_job(
        compute_diagrams,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        network_paths=snakemake.params.networks,
        ids=snakemake.params.ids,
        diagram_path=snakemake.output[0],
        code=snakemake.params.code,
        **snakemake.params.graph,
        **snakemake.params.options,
    )
