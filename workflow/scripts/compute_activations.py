from netkin.activation.compute import compute_activations
from netkin.job import run_job

if __name__ == "__main__":
    run_job(
        compute_activations,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        network_paths=snakemake.params.networks,
        ids=snakemake.params.ids,
        dataset_path=snakemake.input.dataset,
        activation_path=snakemake.output[0],
        trained_with=snakemake.params.trained_with,
        code=snakemake.params.code,
        **snakemake.params.options,
    )
