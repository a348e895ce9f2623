from netkin.job import run_job
from netkin.table.members import check_members

if __name__ == "__main__":
    run_job(
        check_members,
        log_path=snakemake.log[0],
        table_path=snakemake.input[0],
        checked_path=snakemake.output[0],
    )
