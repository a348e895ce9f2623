from netkin.job import run_job
from netkin.network.train import train_networks

if __name__ == "__main__":
    run_job(
        train_networks,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        dataset_path=snakemake.input[0],
        network_paths=[f"{snakemake.output[0]}/{id}.h5" for id in snakemake.params.ids],
        trainings=snakemake.params.trainings,
        device=snakemake.params.device,
        cores=snakemake.threads,
        code=snakemake.params.code,
    )
