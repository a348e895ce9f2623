from netkin.job import run_job
from netkin.network.imported import import_network

if __name__ == "__main__":
    run_job(
        import_network,
        log_path=snakemake.log[0],
        file_path=snakemake.params.file,
        network_path=snakemake.output[0],
        code=snakemake.params.code,
        **snakemake.params.reading,
    )
