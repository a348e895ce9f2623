from netkin.job import run_job
from netkin.network.train import train_network

if __name__ == "__main__":
    run_job(
        train_network,
        log_path=snakemake.log[0],
        dataset_path=snakemake.input.dataset,
        network_path=snakemake.output.network,
        device=snakemake.params.device,
        threads=snakemake.threads,
        code=snakemake.params.code,
        **snakemake.params.training,
    )
