from netkin.job import run_job
from netkin.table.accuracy import tabulate_accuracy

if __name__ == "__main__":
    run_job(
        tabulate_accuracy,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        network_paths=list(snakemake.input),
        variants=snakemake.params.variants,
        csv_path=snakemake.output.csv,
        html_path=snakemake.output.html,
        title=snakemake.params.title,
        grid=snakemake.params.grid,
    )
