from netkin.job import run_job
from netkin.vector.compute import vectorise_diagrams

if __name__ == "__main__":
    run_job(
        vectorise_diagrams,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        diagram_path=snakemake.input[0],
        vector_path=snakemake.output[0],
        vector=snakemake.wildcards.vector,
        policy=snakemake.params.policy,
        code=snakemake.params.code,
        **snakemake.params.options,
    )
