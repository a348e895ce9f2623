from netkin.distance.summary import summarise_distances
from netkin.job import run_job

if __name__ == "__main__":
    run_job(
        summarise_distances,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        distance_paths=snakemake.params.distances,
        summary_path=snakemake.output.summary,
        code=snakemake.params.code,
    )
