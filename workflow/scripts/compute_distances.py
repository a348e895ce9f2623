from netkin.distance.matrix import compute_distances
from netkin.job import run_job

if __name__ == "__main__":
    run_job(
        compute_distances,
        log_path=snakemake.log[0],
        measure=snakemake.wildcards.measure,
        input_paths=list(snakemake.input),
        networks=snakemake.params.networks,
        distance_path=snakemake.output.distance,
        options=snakemake.params.options,
        reading=snakemake.params.reading,
        code=snakemake.params.code,
    )
