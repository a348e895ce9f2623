from netkin.figure.plot_matrix import plot_overview
from netkin.job import run_job

if __name__ == "__main__":
    run_job(
        plot_overview,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        summary_paths=list(snakemake.input),
        figure_paths=list(snakemake.output),
        titles=snakemake.params.titles,
        grid=snakemake.params.grid,
        dpi=snakemake.params.dpi,
        options=snakemake.params.options,
    )
