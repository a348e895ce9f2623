from netkin.job import run_job
from netkin.table.neural_persistence import tabulate_neural_persistence

if __name__ == "__main__":
    run_job(
        tabulate_neural_persistence,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        network_paths=list(snakemake.input),
        variants=snakemake.params.variants,
        order=snakemake.params.order,
        csv_path=snakemake.output.csv,
        html_path=snakemake.output.html,
        title=snakemake.params.title,
        grid=snakemake.params.grid,
    )
