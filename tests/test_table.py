import csv
from pathlib import Path

import h5py
import numpy as np
import pytest

from netkin.distance.neural_persistence import layer_neural_persistence
from netkin.network.file import HISTORY, Network, write_network
from netkin.storage import create
from netkin.table.accuracy import tabulate_accuracy
from netkin.table.costs import tabulate_costs
from netkin.table.groups import tabulate_groups
from netkin.table.neural_persistence import tabulate_neural_persistence

GRID = [
    {"name": "width_8", "index": 1, "group": "width"},
    {"name": "width_16", "index": 2, "group": "width"},
    {"name": "width_32", "index": 3, "group": "width"},
    {"name": "labels_2", "index": 4, "group": "labels"},
]


def rows(path):
    with Path(path).open() as file:
        return list(csv.DictReader(file))


@pytest.fixture
def pages(tmp_path):
    return {
        "csv_path": str(tmp_path / "t.csv"),
        "html_path": str(tmp_path / "t.html"),
        "title": "A <title>",
    }


def write_summary(path, mean):
    with create(path, "distance_summary", parameters={}) as file:
        file["mean"] = mean
        file["standard_deviation"] = np.zeros_like(mean)
        names = [cell["name"] for cell in GRID]
        file.create_dataset("networks", data=names, dtype=h5py.string_dtype())
        file.attrs.update(seeds=1, measure="heat", family="topology", orientation="down")


def test_group_statistics_are_those_of_the_pairs_in_the_normalised_matrix(tmp_path, pages):
    mean = np.zeros((4, 4))
    for (i, j), value in {(0, 1): 1.0, (0, 2): 2.0, (1, 2): 6.0, (0, 3): 10.0}.items():
        mean[i, j] = mean[j, i] = value
    write_summary(tmp_path / "s.h5", mean)
    tabulate_groups(summary_paths=[str(tmp_path / "s.h5")], measures=["heat"], grid=GRID, **pages)
    width, labels = rows(pages["csv_path"])
    assert (width["group"], width["pairs"]) == ("width", "3")
    assert float(width["mean"]) == pytest.approx(0.3)
    assert float(width["deviation"]) == pytest.approx(np.std([0.1, 0.2, 0.6]))
    assert (labels["pairs"], labels["mean"]) == ("0", "")


def test_undefined_pairs_are_left_out(tmp_path, pages):
    mean = np.full((4, 4), np.nan)
    mean[0, 1] = mean[1, 0] = 4.0
    write_summary(tmp_path / "s.h5", mean)
    tabulate_groups(summary_paths=[str(tmp_path / "s.h5")], measures=["norm_1"], grid=GRID, **pages)
    assert rows(pages["csv_path"])[0]["pairs"] == "1"
    assert float(rows(pages["csv_path"])[0]["mean"]) == 1.0


def test_accuracy_is_summarised_over_seeds(tmp_path, pages):
    paths, variants = [], []
    for variant, accuracies in {"width_8": (0.5, 0.9), "labels_2": (1.0, 1.0)}.items():
        for seed, accuracy in enumerate(accuracies):
            path = str(tmp_path / f"{variant}_{seed}.h5")
            network = Network(
                weights=(np.ones((2, 3), np.float32),),
                biases=(np.zeros(2, np.float32),),
                history={name: np.zeros(1) for name in HISTORY},
                test_accuracy=accuracy,
            )
            write_network(path, network, parameters={})
            paths.append(path)
            variants.append(variant)
    grid = [GRID[0], GRID[3]]
    tabulate_accuracy(network_paths=paths, variants=variants, grid=grid, **pages)
    first, second = rows(pages["csv_path"])
    assert (first["variant"], second["variant"]) == ("width_8", "labels_2")
    assert [float(first[k]) for k in ("mean", "deviation", "lowest", "highest")] == pytest.approx(
        [0.7, 0.2, 0.5, 0.9]
    )
    page = Path(pages["html_path"]).read_text()
    assert "A &lt;title&gt;" in page
    assert "0.7000" in page


def test_costs_add_up_by_rule(tmp_path, pages):
    head = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
    for name, seconds, rss in (("a", 1.5, "100.0"), ("b", 2.5, "300.0"), ("c", 0.1, "-")):
        (tmp_path / f"{name}.tsv").write_text(
            head + f"{seconds}\t0:00:01\t{rss}\t1\t1\t1\t0\t0\t50\t1.0\n"
        )
    tabulate_costs(
        benchmark_paths=[str(tmp_path / f"{name}.tsv") for name in "abc"],
        rules=["train_network", "train_network", "build_graph"],
        **pages,
    )
    train, graph = rows(pages["csv_path"])
    assert (train["rule"], train["jobs"]) == ("train_network", "2")
    assert float(train["seconds_total"]) == 4.0
    assert float(train["peak_memory_MiB"]) == 300.0
    assert graph["peak_memory_MiB"] == ""
    assert "–" in Path(pages["html_path"]).read_text()


def test_neural_persistence_is_tabulated_by_layer_and_network(tmp_path, pages):
    paths, networks = [], []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        network = Network(
            weights=tuple(
                rng.normal(size=shape).astype(np.float32) for shape in [(4, 3), (5, 4), (2, 5)]
            ),
            biases=tuple(np.zeros(n, np.float32) for n in (4, 5, 2)),
            history={name: np.zeros(1) for name in HISTORY},
            test_accuracy=0.5,
        )
        paths.append(str(tmp_path / f"{seed}.h5"))
        write_network(paths[-1], network, parameters={})
        networks.append(layer_neural_persistence(network))
    tabulate_neural_persistence(
        network_paths=paths, variants=["width_8"] * 2, order=2.0, grid=GRID[:1], **pages
    )
    table = {row["layer"]: row for row in rows(pages["csv_path"])}
    assert list(table) == ["network", "1", "2", "3"]
    assert float(table["2"]["mean"]) == pytest.approx(np.mean([n[1] for n in networks]))
    assert float(table["network"]["deviation"]) == pytest.approx(np.std(np.mean(networks, axis=1)))
    assert "Layers, from the inputs on" in Path(pages["html_path"]).read_text()
