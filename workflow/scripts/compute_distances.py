from netkin.distance.compute import compute_distances
from netkin.job import run_job

if __name__ == "__main__":
    run_job(
        compute_distances,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        measures=snakemake.params.measures,
        input_paths=snakemake.params.compared,
        networks=snakemake.params.networks,
        distance_path=snakemake.output[0],
        options=snakemake.params.options,
        reading=snakemake.params.reading,
        dataset_path=snakemake.input.get("dataset") or None,
        calibration=snakemake.params.calibration,
        device=snakemake.params.device,
        code=snakemake.params.code,
    )
