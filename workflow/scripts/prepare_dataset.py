from netkin.dataset.prepare import prepare_dataset
from netkin.job import run_job

if __name__ == "__main__":
    run_job(
        prepare_dataset,
        log_path=snakemake.log[0],
        data_folder=snakemake.resources.data_folder,
        dataset_path=snakemake.output.dataset,
        kind=snakemake.params.kind,
        options=snakemake.params.options,
        code=snakemake.params.code,
    )
