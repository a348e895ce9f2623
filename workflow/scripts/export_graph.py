from netkin.graph.export import export_graph
from netkin.job import run_job

if __name__ == "__main__":
    run_job(
        export_graph,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        network_path=snakemake.params.network,
        graph_path=snakemake.output[0],
        code=snakemake.params.code,
        **snakemake.params.options,
    )
