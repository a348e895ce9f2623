from netkin.job import run_job
from netkin.table.members import tabulate_members

if __name__ == "__main__":
    run_job(
        tabulate_members,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        network_paths=snakemake.params.networks,
        rows=snakemake.params.rows,
        csv_path=snakemake.output.csv,
        html_path=snakemake.output.html,
        title=snakemake.params.title,
    )
