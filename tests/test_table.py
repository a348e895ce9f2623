import csv
import os
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from netkin.distance import MEASURES
from netkin.distance.neural_persistence import layer_neural_persistence
from netkin.errors import NetkinError
from netkin.network.file import HISTORY, Network, write_network
from netkin.storage import create, member
from netkin.table.accounting import jobs_by_rule, read_accounting
from netkin.table.accuracy import tabulate_accuracy
from netkin.table.costs import tabulate_costs
from netkin.table.groups import tabulate_groups
from netkin.table.neural_persistence import tabulate_neural_persistence
from netkin.table.read import read_table
from netkin.table.untrained import tabulate_untrained
from netkin.table.write import write_csv

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
        file["standard_deviation"] = mean * 0.0
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
    for name, seconds, rss in (("a", 1.5, "100.0"), ("b", 2.5, "300.0"), ("c", 0.1, "-")):
        (tmp_path / f"{name}.tsv").write_text(
            BENCHMARK + f"{seconds}\t0:00:01\t{rss}\t1\t1\t1\t0\t0\t50\t1.0\n"
        )
    tabulate_costs(
        benchmark_paths=[str(tmp_path / f"{name}.tsv") for name in "abc"],
        rules=["train_network", "train_network", "export_graph"],
        use_path=str(tmp_path / "use.csv"),
        **pages,
    )
    train, graph = rows(pages["csv_path"])
    assert (train["rule"], train["jobs"]) == ("train_network", "2")
    assert float(train["seconds_total"]) == 4.0
    assert float(train["peak_memory_MiB"]) == 300.0
    assert graph["peak_memory_MiB"] == ""
    # benchmark files of an older run do not say what was asked for
    assert rows(tmp_path / "use.csv")[0]["requested_MiB"] == ""
    assert "–" in Path(pages["html_path"]).read_text()


BENCHMARK = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def test_what_was_not_measured_is_empty(tmp_path, pages):
    """Snakemake writes NA for a job that ended before it was sampled, and 0.00 soon after."""
    unmeasured = "\t".join(["NA"] * 8)
    jobs = {
        "never": [f"0.31\t0:00:00\t{unmeasured}"],
        "at once": ["0.42\t0:00:00\t3.10\t7.20\t1.00\t1.00\t-\t-\t0.00\t0.00"],
        "one of two": [
            f"0.31\t0:00:00\t{unmeasured}",
            "2.0\t0:00:02\t90.00\t200.00\t80.00\t80.00\t0.00\t0.05\t31.85\t1.25",
        ],
    }
    paths, rules = [], []
    for rule, lines in jobs.items():
        for number, line in enumerate(lines):
            path = tmp_path / f"{rule}_{number}.tsv"
            path.write_text(f"{BENCHMARK}{line}\n")
            paths.append(str(path))
            rules.append(rule)
    use_path = str(tmp_path / "use.csv")
    tabulate_costs(benchmark_paths=paths, rules=rules, use_path=use_path, **pages)
    never, at_once, both = rows(pages["csv_path"])
    assert (never["cpu_seconds_total"], never["peak_memory_MiB"]) == ("", "")
    assert at_once["cpu_seconds_total"] == ""
    assert (both["cpu_seconds_total"], both["peak_memory_MiB"]) == ("1.25", "90.0")
    assert float(both["seconds_total"]) == 2.31


def test_damaged_benchmark_files_are_left_out(tmp_path, pages):
    contents = {
        "right": f"{BENCHMARK}1.5\t0:00:01\t9.0\t1\t1\t1\t0\t0\t50\t1.0\n",
        "empty": "",
        "foreign": "a,b\n1,2\n",
        "cut": BENCHMARK[:20],
        "without values": BENCHMARK,
        "words": f"{BENCHMARK}{chr(9).join(['word'] * 10)}\n",
        "infinite": f"{BENCHMARK}{chr(9).join(['inf'] * 10)}\n",
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    (tmp_path / "folder").mkdir()
    names = [*contents, "binary", "folder", "absent"]
    tabulate_costs(
        benchmark_paths=[str(tmp_path / name) for name in names],
        rules=["train_network"] * len(names),
        use_path=str(tmp_path / "use.csv"),
        **pages,
    )
    (row,) = rows(pages["csv_path"])
    assert (row["jobs"], row["seconds_total"]) == ("1", "1.5")


def test_requests_stand_against_use(tmp_path, pages, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))  # no Slurm
    head = "s\th:m:s\tmax_rss\tcpu_time\tparams\tresources\n"
    for name, seconds, rss, asked in (("a", 30, "500.0", 1049), ("b", 60, "200.0", 4000)):
        resources = {"tmpdir": "/tmp", "runtime": 2, "mem_mb": asked, "slurm_partition": "short"}
        row = f"{seconds}\t0:00:30\t{rss}\t1.0\t{{'title': 'a \"b\"'}}\t{resources}\n"
        (tmp_path / f"{name}.tsv").write_text(head + row)
    tabulate_costs(
        benchmark_paths=[str(tmp_path / f"{name}.tsv") for name in "ab"],
        rules=["export_graph"] * 2,
        use_path=str(tmp_path / "use.csv"),
        **pages,
    )
    (row,) = rows(tmp_path / "use.csv")
    numbers = {name: float(value) for name, value in row.items() if name != "rule"}
    assert numbers == pytest.approx(
        {
            "requested_MiB": 4000e6 / 2**20,
            "used_MiB": 500.0,
            "memory_share_used": 500 / (1049e6 / 2**20),  # of that job's own request
            "requested_minutes": 2.0,
            "used_minutes": 1.0,
            "time_share_used": 0.5,
        }
    )
    page = Path(pages["html_path"]).read_text()
    assert "From benchmark files only: there is no Slurm here" in page


# as sacct --parsable2 --units=M prints them; the last job worked elsewhere
SACCT = """\
3|/study|OUT_OF_MEMORY|31||rule_compute_diagrams_digits_1_wildcards_0
3.batch||OUT_OF_MEMORY|31|139.50M|
3.0||OUT_OF_MEMORY|29|149.90M|
4|/study|COMPLETED|62||rule_compute_diagrams_digits_1_wildcards_0
4.batch||COMPLETED|62|140.00M|
4.0||COMPLETED|60|0|
5|/study|CANCELLED by 0|6||rule_train_network_wildcards_digits_0_width|8
6|/study|COMPLETED|6||an interactive job
8|/study|FAILED|20||rule_train_network_wildcards_digits_0_width_16
8.batch||FAILED|20|90.00M|
8.0||OUT_OF_MEMORY|9|80.00M|
7|/other|COMPLETED|600||rule_train_network_wildcards_digits_0_width_8
9|/study|COMPLETED|||rule_train_network_wildcards_of_unknown_length
10|/else|COMPLETED|5||a comment
of two lines | of another user
"""


def test_slurms_accounts_are_read_by_rule():
    found = jobs_by_rule(SACCT, ["train_network", "compute_diagrams"], Path("/study"))
    diagram, train = found.to_dict("records")
    assert diagram == {
        "rule": "compute_diagrams",
        "slurm_MiB": 149.9,
        "slurm_minutes": pytest.approx(62 / 60),
        "slurm_states": "COMPLETED 1, OUT_OF_MEMORY 1",
    }
    assert train == {
        "rule": "train_network",
        "slurm_MiB": 90.0,
        "slurm_minutes": pytest.approx(20 / 60),
        "slurm_states": "CANCELLED 1, OUT_OF_MEMORY 1",
    }
    (never_sampled,) = jobs_by_rule(SACCT, ["train_network"], Path("/other"))["slurm_MiB"]
    assert np.isnan(never_sampled)
    assert jobs_by_rule("", ["train_network"], Path("/study")).empty


def test_a_table_is_read_as_it_was_written(tmp_path):
    frame = pd.DataFrame({"data_set": ["null", "nan"], "value": [1.5, np.nan], "more": ["", "x"]})
    write_csv(frame, str(tmp_path / "t.csv"))
    found = read_table(str(tmp_path / "t.csv"), text=["data_set"], numbers=["value"])
    assert found["data_set"].tolist() == ["null", "nan"]
    np.testing.assert_array_equal(found["value"], frame["value"])
    write_csv(frame[:0], str(tmp_path / "t.csv"))
    assert read_table(str(tmp_path / "t.csv"), text=["data_set"], numbers=["value"]).empty


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "No columns"),
        (b"data_set\nmnist\n", "no column 'value'"),
        (b"data_set,value\nmnist,much\n", "much"),
        (b"data_set,value\n,1\n", "'data_set' is empty"),
        (b"data_set,value\na,1\nb,2,3,4\n", "line 3"),
        (b"data_set,value\na,1,2,3\n", "line 2 has 4 cells, but there are 2 columns"),
        (b"data_set,value\na\n", "line 2 has 1 cells"),
        (b"data_set,value,value\na,1,2\n", "a column stands there twice"),
        *(
            (f"data_set,value\na,{cell}\n".encode(), f"'value' holds '{cell}.*no finite number")
            for cell in ("inf", "-Infinity", "True", "nan", "1e999", "1_0", "0x10")
        ),
        (b"data_set,value\na," + b"1" * 6000 + b"\n", r"\(6,000 letters\), which is no finite"),
        (bytes(range(256)), "decode"),
    ],
)
def test_a_table_that_is_none_is_named(tmp_path, content, reason):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(NetkinError, match=rf"t\.csv: not the table .*{reason}.*\)\. Delete it"):
        read_table(str(path), text=["data_set"], numbers=["value"])


def test_a_pipe_is_no_table(tmp_path):
    os.mkfifo(tmp_path / "t.csv")
    with pytest.raises(NetkinError, match=r"t\.csv: this is a pipe, a file is needed"):
        read_table(str(tmp_path / "t.csv"), text=[], numbers=[])


def command(folder, text):
    """Put a command sacct into a folder."""
    (folder / "sacct").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "sacct").chmod(0o755)


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("echo Slurm accounting storage is disabled >&2; exit 1", "says 'Slurm accounting sto"),
        ("exit 0", "no job of this folder"),
        (r"printf '1|/else|COMPLETED|5||\\377\\n'", "no job of this folder"),
    ],
)
def test_a_slurm_without_accounts_is_one_sentence(tmp_path, monkeypatch, script, sentence):
    command(tmp_path, script)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NetkinError, match=sentence):
        read_accounting(["train_network"], since=0.0, folder=tmp_path)


def test_a_command_that_cannot_be_run_is_one_sentence(tmp_path, monkeypatch):
    command(tmp_path, "")
    (tmp_path / "sacct").write_bytes(b"\x7fELF, but no program")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NetkinError, match="sacct cannot be run"):
        read_accounting(["train_network"], since=0.0, folder=tmp_path)


def test_slurm_is_asked_from_before_the_first_benchmark_file_on(tmp_path, monkeypatch):
    command(tmp_path, f'echo "$@" > {tmp_path}/asked; echo "{SACCT.splitlines()[0]}"')
    monkeypatch.setenv("PATH", str(tmp_path))
    since = time.mktime((2026, 3, 2, 12, 0, 0, 0, 0, -1))
    read_accounting(["compute_diagrams"], since=since, folder=Path("/study"))
    assert "--starttime=2026-03-01T12:00:00" in (tmp_path / "asked").read_text()


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


def test_costs_without_any_benchmark_file_are_one_sentence(tmp_path, pages):
    with pytest.raises(NetkinError, match="none of the benchmark files"):
        tabulate_costs(
            benchmark_paths=[str(tmp_path / "gone.tsv")],
            rules=["train_network"],
            use_path=str(tmp_path / "use.csv"),
            **pages,
        )


def test_a_table_of_groups_says_which_way_is_alike(tmp_path, pages):
    """A similarity stands beside distances, and means the opposite."""
    paths = []
    for measure, orientation in (
        ("error_corrected_disagreement", "down"),
        ("linear_regression", "up"),
    ):
        paths.append(str(tmp_path / f"{measure}.h5"))
        with create(paths[-1], "distance_summary", parameters={}) as file:
            file.attrs.update(
                measure=measure, family=MEASURES[measure].family, orientation=orientation, seeds=1
            )
            file["mean"] = np.array([[0, 1, 4], [3, 0, 8], [4, 8, 0]]) / 8
            file["standard_deviation"] = np.zeros((3, 3))
            file.create_dataset("networks", data=["a", "b", "c"], dtype=h5py.string_dtype())
    tabulate_groups(
        summary_paths=paths,
        measures=["error_corrected_disagreement", "linear_regression"],
        grid=[{"name": n, "group": g} for n, g in (("a", "one"), ("b", "one"), ("c", "two"))],
        **pages,
    )
    found = {(row["measure"], row["group"]): row for row in rows(pages["csv_path"])}
    # both directions of a pair count
    assert float(found["error_corrected_disagreement", "one"]["mean"]) == 2 / 8
    assert float(found["linear_regression", "one"]["mean"]) == 2 / 8
    assert found["error_corrected_disagreement", "one"]["alike"] == "small"
    assert found["linear_regression", "one"]["alike"] == "large"


def test_ratios_of_similarities_are_left_out_beside_untrained_networks(tmp_path, pages):
    rng = np.random.default_rng(0)
    paths = {}
    for name, measure, orientation in (("a", "norm_1", "down"), ("b", "cka", "up")):
        for when in ("trained", "untrained"):
            path = str(tmp_path / f"{name}_{when}.h5")
            values = rng.random((4, 4)) / 2
            np.fill_diagonal(values, 0.0)
            with create(path, "distance", parameters={}) as bundle:
                file = member(bundle)
                file.attrs.update(
                    measure=measure, family=MEASURES[measure].family, orientation=orientation
                )
                file["matrix"] = values + values.T
                file.create_dataset("networks", data=list("abcd"), dtype=h5py.string_dtype())
            paths.setdefault(when, []).append(path)
    groups = ["input_order", "input_order", "width", "width"]
    tabulate_untrained(
        trained_paths=paths["trained"],
        untrained_paths=paths["untrained"],
        grid=[{"name": n, "group": g} for n, g in zip("abcd", groups, strict=True)],
        **pages,
    )
    norm, cka = rows(pages["csv_path"])
    assert float(norm["control_ratio"]) > 0
    assert cka["control_ratio"] == cka["untrained_to_trained"] == ""
    assert -1 <= float(cka["correlation"]) <= 1
