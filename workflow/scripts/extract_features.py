from netkin.dataset.features import extract_features
from netkin.job import run_job

if __name__ == "__main__":
    run_job(
        extract_features,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        images_path=snakemake.input.images,
        dataset_path=snakemake.output.dataset,
        device=snakemake.params.device,
        code=snakemake.params.code,
        **snakemake.params.extraction,
    )
