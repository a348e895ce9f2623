from netkin.figure.plot_matrix import plot_distance_matrix
from netkin.job import run_job

if __name__ == "__main__":
    run_job(
        plot_distance_matrix,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        summary_path=snakemake.input.summary,
        figure_paths=list(snakemake.output),
        title=snakemake.params.title,
        grid=snakemake.params.grid,
        dpi=snakemake.params.dpi,
        options=snakemake.params.options,
    )
