from netkin.job import run_job
from netkin.network.train import train_network

if __name__ == "__main__":
    run_job(
        train_network,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        dataset_path=snakemake.input[0],
        network_path=snakemake.output[0],
        device=snakemake.params.device,
        code=snakemake.params.code,
        **snakemake.params.training,
    )
