from netkin.job import run_job
from netkin.vector.compute import vectorise_diagram

if __name__ == "__main__":
    run_job(
        vectorise_diagram,
        log_path=snakemake.log[0],
        diagram_path=snakemake.input.diagram,
        vector_path=snakemake.output.vector,
        vector=snakemake.wildcards.vector,
        policy=snakemake.params.policy,
        code=snakemake.params.code,
        **snakemake.params.options,
    )
