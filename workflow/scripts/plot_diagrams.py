from netkin.figure.plot_diagrams import plot_diagrams
from netkin.job import run_job

if __name__ == "__main__":
    run_job(
        plot_diagrams,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        diagram_paths=snakemake.params.diagrams,
        figure_paths=list(snakemake.output),
        title=snakemake.params.title,
        grid=snakemake.params.grid,
        dpi=snakemake.params.dpi,
        options=snakemake.params.options,
    )
