from netkin.job import run_job
from netkin.table.multiplicity import tabulate_multiplicity

if __name__ == "__main__":
    run_job(
        tabulate_multiplicity,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        prediction_paths=snakemake.params.predictions,
        variants=snakemake.params.variants,
        seeds=snakemake.params.seeds,
        options=snakemake.params.options,
        csv_path=snakemake.output.csv,
        html_path=snakemake.output.html,
        title=snakemake.params.title,
        grid=snakemake.params.grid,
    )
