from netkin.job import run_job
from netkin.paper.norms import tabulate_norms

if __name__ == "__main__":
    run_job(
        tabulate_norms,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        network_paths=list(snakemake.input),
        graph=snakemake.params.graph,
        datasets=snakemake.params.datasets,
        seeds=snakemake.params.seeds,
        csv_path=snakemake.output.csv,
        ratios_path=snakemake.output.ratios,
        html_path=snakemake.output.html,
        title=snakemake.params.title,
    )
