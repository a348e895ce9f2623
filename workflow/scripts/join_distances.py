from netkin.distance.compute import join_distances
from netkin.job import run_job

if __name__ == "__main__":
    run_job(
        join_distances,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        measures=snakemake.params.measures,
        block_paths=list(snakemake.input),
        networks=snakemake.params.networks,
        distance_path=snakemake.output[0],
        code=snakemake.params.code,
    )
