from netkin.job import run_job
from netkin.network.file import take_network

if __name__ == "__main__":
    run_job(
        take_network,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        trained_path=next(iter(snakemake.params.inputs)),
        network_path=snakemake.output[0],
    )
