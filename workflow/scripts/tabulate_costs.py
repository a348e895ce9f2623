from netkin.job import run_job
from netkin.table.costs import tabulate_costs

if __name__ == "__main__":
    run_job(
        tabulate_costs,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        benchmark_paths=snakemake.params.benchmarks,
        rules=snakemake.params.rules,
        csv_path=snakemake.output.csv,
        use_path=snakemake.output.use,
        html_path=snakemake.output.html,
        title=snakemake.params.title,
    )
