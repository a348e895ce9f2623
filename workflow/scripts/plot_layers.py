from netkin.figure.plot_layers import plot_layers
from netkin.job import run_job

if __name__ == "__main__":
    run_job(
        plot_layers,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        layers_paths=list(snakemake.input),
        figure_paths=list(snakemake.output),
        names=(snakemake.wildcards.a, snakemake.wildcards.b),
        title=snakemake.params.title,
        dpi=snakemake.params.dpi,
        options=snakemake.params.options,
    )
