from netkin.activation.compute import compute_activations
from netkin.job import run_each

if __name__ == "__main__":
    run_each(
        compute_activations,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        each={
            "network_path": list(snakemake.input.networks),
            "activation_path": list(snakemake.output),
            **snakemake.params.trained_with,
        },
        dataset_path=snakemake.input.dataset,
        code=snakemake.params.code,
        **snakemake.params.options,
    )
