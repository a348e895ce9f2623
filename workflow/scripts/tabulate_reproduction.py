from netkin.job import run_job
from netkin.paper.reproduction import tabulate_reproduction

if __name__ == "__main__":
    run_job(
        tabulate_reproduction,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        distance_paths=snakemake.params.distances,
        comparisons=snakemake.params.comparisons,
        grids=snakemake.params.grids,
        epochs=snakemake.params.epochs,
        published_paths=list(snakemake.input.published),
        norm_paths=list(snakemake.input.norms),
        csv_path=snakemake.output.csv,
        claims_path=snakemake.output.claims,
        html_path=snakemake.output.html,
        title=snakemake.params.title,
    )
