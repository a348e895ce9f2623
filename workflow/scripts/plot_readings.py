from netkin.figure.plot_readings import plot_readings
from netkin.job import run_job

if __name__ == "__main__":
    run_job(
        plot_readings,
        log_path=snakemake.log[0],
        readings_path=snakemake.input[0],
        comparison=snakemake.wildcards.dataset,
        figure_paths=list(snakemake.output),
        title=snakemake.params.title,
        dpi=snakemake.params.dpi,
        options=snakemake.params.options,
    )
