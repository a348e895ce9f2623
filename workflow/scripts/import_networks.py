from netkin.job import run_job
from netkin.network.imported import import_networks

if __name__ == "__main__":
    run_job(
        import_networks,
        log_path=snakemake.log[0],
        file_paths=snakemake.params.files,
        networks=snakemake.params.networks,
        networks_path=snakemake.output[0],
        code=snakemake.params.code,
    )
