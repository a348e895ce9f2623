from netkin.job import run_job
from netkin.table.measures import tabulate_measures

if __name__ == "__main__":
    run_job(
        tabulate_measures,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        distance_paths=snakemake.params.distances,
        comparisons=snakemake.params.comparisons,
        grids=snakemake.params.grids,
        untrained=snakemake.params.untrained,
        n_seeds=snakemake.params.n_seeds,
        csv_path=snakemake.output.csv,
        agreement_path=snakemake.output.agreement,
        html_path=snakemake.output.html,
        title=snakemake.params.title,
    )
