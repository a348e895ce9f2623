from netkin.job import run_each
from netkin.vector.compute import vectorise_diagram

if __name__ == "__main__":
    run_each(
        vectorise_diagram,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        each={"diagram_path": list(snakemake.input), "vector_path": list(snakemake.output)},
        vector=snakemake.wildcards.vector,
        policy=snakemake.params.policy,
        code=snakemake.params.code,
        **snakemake.params.options,
    )
