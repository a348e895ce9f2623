from netkin.distance.layers import compare_layers
from netkin.job import run_job

if __name__ == "__main__":
    run_job(
        compare_layers,
        log_path=snakemake.log[0],
        inputs=snakemake.params.inputs,
        measures=snakemake.params.measures,
        a_path=snakemake.params.compared[0],
        b_path=snakemake.params.compared[1],
        layers_path=snakemake.output.layers,
        options=snakemake.params.options,
        calibration=snakemake.params.calibration,
        device=snakemake.params.device,
        code=snakemake.params.code,
    )
