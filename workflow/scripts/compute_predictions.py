from netkin.job import run_job
from netkin.prediction.compute import compute_predictions

if __name__ == "__main__":
    run_job(
        compute_predictions,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        network_paths=snakemake.params.networks,
        ids=snakemake.params.ids,
        dataset_path=snakemake.input.dataset,
        prediction_path=snakemake.output[0],
        trained_with=snakemake.params.trained_with,
        code=snakemake.params.code,
    )
