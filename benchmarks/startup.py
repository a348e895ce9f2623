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
    from netkin import storage
    from netkin.diagram.compute import compute_diagrams
    from netkin.distance import INPUTS, MEASURES
    from netkin.distance.compute import compute_distances
    from netkin.network.train import train_network
    from netkin.study import Study
    from netkin.vector.compute import vectorise_diagrams

    study = Study(yaml.safe_load((common.ROOT / "config" / "config.yaml").read_text()))
    comparison = next(iter(study.comparisons.values()))
    bundle = next(iter(study.bundles.values()))
    work: dict[str, float] = {}

    def there(path: str) -> str:
        """Return a path of the study in the results that are read."""
        return str(results / Path(path).relative_to("results"))

    def timed(rule, function, **arguments):
        started = time.perf_counter()
        function(**arguments)
        work[rule] = work.get(rule, 0.0) + time.perf_counter() - started

    def all_stages(members, target):
        networks = [there(study.file_of("network", member)) for member in members]
        for member in members:
            timed(
                "train_network",
                train_network,
                dataset_path=there(study.path("dataset", str(member.probe))),
                network_path=target,
                device="auto",
                **study.source_of[member.id].making(member),
            )
        timed(
            "compute_diagrams",
            compute_diagrams,
            network_paths=networks,
            ids=[member.id for member in members],
            diagram_path=target,
            **study.graph(),
            **study.diagram(),
        )
        for vector in study.needed_vectors():
            timed(
                "vectorise_diagrams",
                vectorise_diagrams,
                diagram_path=there(study.path("diagram", bundle.id)),
                vector_path=target,
                vector=vector,
                policy=study.policy(),
                **study.vector(vector),
            )

    with tempfile.TemporaryDirectory() as folder:
        target = str(Path(folder) / "target.h5")
        all_stages(bundle.members[:1], target)  # imports
        work.clear()
        all_stages(bundle.members, target)
        for group, measures in study.groups.items():
            needs = MEASURES[measures[0]].needs
            assert not INPUTS[needs].with_dataset
            compared = study.compared(group, comparison.name, bundle.members[0].replicate)
            timed(
                "compute_distances",
                compute_distances,
                measures=measures,
                input_paths=[
                    storage.address(there(storage.file_of(path)), storage.id_of(path))
                    if storage.id_of(path)
                    else there(path)
                    for path in compared
                ],
                networks=[cell.name for cell in comparison.cells],
                distance_path=target,
                options={measure: study.measure_options(measure) for measure in measures},
                reading=study.reading(needs),
            )
    rows = []
    totals = [0.0, 0.0]
    for rule, seconds in work.items():
        paths = list((results / "benchmark" / rule).rglob("*.tsv"))
        wall = pd.concat([pd.read_csv(path, sep="\t") for path in paths])["s"].sum()
        pure = seconds * len(study.replicates)
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
