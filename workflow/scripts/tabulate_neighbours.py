from netkin.job import run_job
from netkin.table.neighbours import tabulate_neighbours

if __name__ == "__main__":
    run_job(
        tabulate_neighbours,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        summary_paths=list(snakemake.input),
        measures=snakemake.params.measures,
        csv_path=snakemake.output.csv,
        html_path=snakemake.output.html,
        title=snakemake.params.title,
        grid=snakemake.params.grid,
    )
