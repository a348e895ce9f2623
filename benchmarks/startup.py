"""What share of a job is start-up: Python, imports and Snakemake around the work itself.

    python benchmarks/startup.py [RESULTS]

Reads the benchmark files of a finished run of config/config.yaml (default: results) and times
the stage functions on the files of its first seed inside one process, where imports are
paid once. Prints a Markdown table; run `make run` first.
"""

import sys
import tempfile
import time
from pathlib import Path

import common
import pandas as pd
import yaml


def main(results: Path) -> None:
    """Print the table."""
    from netkin.config import Study
    from netkin.diagram.compute import compute_diagram
    from netkin.distance.compute import compute_distances
    from netkin.graph.build import build_graph
    from netkin.network.train import train_network
    from netkin.vector.compute import vectorise_diagram

    study = Study(yaml.safe_load((common.ROOT / "config" / "config.yaml").read_text()))
    dataset = study.datasets[0]
    names = [variant.name for variant in study.variants(dataset)]
    work: dict[str, float] = {}

    def timed(rule, function, **arguments):
        started = time.perf_counter()
        function(**arguments)
        work[rule] = work.get(rule, 0.0) + time.perf_counter() - started

    with tempfile.TemporaryDirectory() as folder:
        target = str(Path(folder) / "out.h5")

        def file(stage, name):
            return str(results / stage / dataset / name / "seed_0.h5")

        def all_stages(names, train):
            for name in names:
                if train:
                    timed(
                        "train_network",
                        train_network,
                        dataset_path=str(results / "dataset" / f"{dataset}.h5"),
                        network_path=target,
                        device="cpu",
                        threads=1,
                        **study.training(dataset, name, 0),
                    )
                options = study.config.graph.model_dump()
                source = file("network", name)
                timed("build_graph", build_graph, network_path=source, graph_path=target, **options)
                timed(
                    "compute_diagram",
                    compute_diagram,
                    graph_path=file("graph", name),
                    diagram_path=target,
                    engine=study.config.diagram.engine,
                    max_dimension=study.config.diagram.max_dimension,
                )
                for vector in study.needed_vectors():
                    timed(
                        "vectorise_diagram",
                        vectorise_diagram,
                        diagram_path=file("diagram", name),
                        vector_path=target,
                        vector=vector,
                        policy=study.policy(),
                        **study.vector(vector),
                    )

        all_stages(names[:1], True)  # imports
        work.clear()
        all_stages(names, True)
        for group, source, measures in study.measure_groups():
            folder = group.replace("vector_", "vector/") if source == "vector" else source
            timed(
                "compute_distances",
                compute_distances,
                measures=measures,
                input_paths=[file(folder, name) for name in names],
                networks=names,
                distance_paths=[target] * len(measures),
                options={measure: study.measure_options(measure) for measure in measures},
                reading=study.reading(source),
            )
    rows = []
    totals = [0.0, 0.0]
    for rule, seconds in work.items():
        paths = list((results / "benchmark" / rule).rglob("*.tsv"))
        wall = pd.concat([pd.read_csv(path, sep="\t") for path in paths])["s"].sum()
        pure = seconds * len(study.seeds)
        totals = [totals[0] + pure, totals[1] + wall]
        rows.append([rule, str(len(paths)), *figures(pure, wall, len(paths))])
    rows.append(["all", "", *figures(*totals, 1)])
    print(f"Machine: {common.machine()}\n")
    head = ["rule", "jobs", "work per job", "job", "total / work", "start-up share"]
    print(common.table(head, rows))


def figures(pure: float, wall: float, jobs: int) -> list[str]:
    """Return the cells of a row."""
    return [
        f"{pure / jobs:.2f} s",
        f"{wall / jobs:.2f} s",
        f"{wall / pure:.1f}",
        f"{max(0.0, 1 - pure / wall):.0%}",
    ]


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else common.ROOT / "results")
