from netkin.distance.compute import compute_block
from netkin.job import run_job

if __name__ == "__main__":
    run_job(
        compute_block,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        block_path=snakemake.output[0],
        options=snakemake.params.options,
        reading=snakemake.params.reading,
        code=snakemake.params.code,
        **snakemake.params.block,
    )
