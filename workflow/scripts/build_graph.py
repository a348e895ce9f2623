from netkin.graph.build import build_graph
from netkin.job import run_each

if __name__ == "__main__":
    run_each(
        build_graph,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        each={"network_path": list(snakemake.input), "graph_path": list(snakemake.output)},
        forget=list(snakemake.output) if snakemake.resources.stored == "temporary" else [],
        code=snakemake.params.code,
        **snakemake.params.options,
    )
