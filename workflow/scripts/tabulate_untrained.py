from netkin.job import run_job
from netkin.table.untrained import tabulate_untrained

if __name__ == "__main__":
    run_job(
        tabulate_untrained,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        trained_paths=snakemake.params.trained,
        untrained_paths=snakemake.params.untrained,
        csv_path=snakemake.output.csv,
        html_path=snakemake.output.html,
        title=snakemake.params.title,
        grid=snakemake.params.grid,
    )
