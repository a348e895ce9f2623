from netkin.job import run_each
from netkin.prediction.compute import compute_predictions

if __name__ == "__main__":
    run_each(
        compute_predictions,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        each={
            "network_path": list(snakemake.input.networks),
            "prediction_path": list(snakemake.output),
            **snakemake.params.trained_with,
        },
        dataset_path=snakemake.input.dataset,
        code=snakemake.params.code,
    )
