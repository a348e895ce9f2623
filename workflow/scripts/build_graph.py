from netkin.graph.build import build_graph
from netkin.job import run_job

if __name__ == "__main__":
    run_job(
        build_graph,
        log_path=snakemake.log[0],
        network_path=snakemake.input.network,
        graph_path=snakemake.output.graph,
        code=snakemake.params.code,
        **snakemake.params.options,
    )
