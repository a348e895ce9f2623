from netkin.figure.plot_agreement import plot_agreement
from netkin.job import run_job

if __name__ == "__main__":
    run_job(
        plot_agreement,
        log_path=snakemake.log[0],
        agreement_path=snakemake.input[0],
        comparison=snakemake.wildcards.comparison,
        figure_paths=list(snakemake.output),
        title=snakemake.params.title,
        dpi=snakemake.params.dpi,
        options=snakemake.params.options,
    )
