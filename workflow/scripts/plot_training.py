from netkin.figure.plot_training import plot_training
from netkin.job import run_job

if __name__ == "__main__":
    run_job(
        plot_training,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        network_paths=list(snakemake.input),
        variants=snakemake.params.variants,
        figure_paths=list(snakemake.output),
        title=snakemake.params.title,
        grid=snakemake.params.grid,
        dpi=snakemake.params.dpi,
        options=snakemake.params.options,
    )
