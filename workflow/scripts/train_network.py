from netkin.job import run_each
from netkin.network.train import train_network

if __name__ == "__main__":
    run_each(
        train_network,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        each={"network_path": list(snakemake.output), **snakemake.params.trainings},
        dataset_path=snakemake.input[0],
        device=snakemake.params.device,
        threads=snakemake.params.threads,
        code=snakemake.params.code,
    )
