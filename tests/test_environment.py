"""Results are the same in anybody's environment: threads, variables, configuration, clocks."""

import datetime
import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from matplotlib.font_manager import FontManager, fontManager, json_dump

from netkin.dataset.arrays import Arrays, write_arrays
from netkin.errors import NetkinError
from netkin.folders import check_dates, check_folders, check_writable, no_results_of_tomorrow
from netkin.storage import read_attributes
from tests.conftest import environment, results

SOURCE = Path(__file__).resolve().parent.parent / "src"
MATPLOTLIBRC = """
text.usetex: True
axes.grid: True
font.size: 20
font.family: serif
savefig.transparent: True
savefig.bbox: tight
svg.fonttype: path
axes.prop_cycle: cycler('color', ['r', 'g'])
figure.facecolor: red
no.such.key: 1
lines.linewidth: thick
"""
ODD = {
    "OMP_NUM_THREADS": "2",
    "OPENBLAS_NUM_THREADS": "2",
    "OMP_DYNAMIC": "true",
    "MKL_CBWR": "COMPATIBLE",
    "ATEN_CPU_CAPABILITY": "default",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4",
    "PYTHONHASHSEED": "7",
    "LANG": "C",
    "LC_ALL": "C",
    "TZ": "Asia/Kolkata",
    "SOURCE_DATE_EPOCH": "1",
    "MPLBACKEND": "bogus",
    "PYTHONWARNINGS": "error",
}
"""A reader's shell that has been set up for something else."""


def python(code, cwd, *arguments, **environment):
    """Run code in a process of its own and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(SOURCE), **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- threads -------------------------------------------------------------------------------

TRAIN = """
    import json, os, sys
    from netkin.job import run_job
    from netkin.network.train import train_network
    if sys.argv[1] == "one core":
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    run_job(
        train_network, log_path="log", dataset_path="dataset.h5", network_path=sys.argv[2],
        device="cpu", threads=int(sys.argv[3]), code="a" * 16, dataset="d", variant="v", seed=0,
        width=256, hidden_layers=2, dropout=0.2, learning_rate=1e-3, rho=0.9, epsilon=1e-7,
        batch_size=128, epochs=1, validation_share=0.1, n_labels=None, input_order=None,
        order_seed=0,
    )
"""


def test_training_is_that_of_the_threads_of_the_config_and_of_no_others(tmp_path):
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(500, 256)).astype(np.float32)
    labels = rng.integers(0, 3, 500)
    parts = [inputs[:450], labels[:450], np.arange(450), inputs[450:], labels[450:]]
    arrays = Arrays(*parts, np.arange(450, 500), ("a", "b", "c"))
    write_arrays(tmp_path / "dataset.h5", arrays, parameters={})
    python(TRAIN, tmp_path, "", "one.h5", 1)
    python(TRAIN, tmp_path, "", "two.h5", 2)
    python(
        TRAIN,
        tmp_path,
        "one core",
        "odd.h5",
        2,
        **ODD | {"MPLBACKEND": "agg"},
        OMP_THREAD_LIMIT="1",
    )
    one, two, odd = (tmp_path / f"{name}.h5" for name in ("one", "two", "odd"))
    assert two.read_bytes() == odd.read_bytes()
    # another number of threads says so, also where it should give the same weights
    assert read_attributes(one)["lineage"] != read_attributes(two)["lineage"]
    with h5py.File(one) as first, h5py.File(two) as second:
        assert first["layers/0/weight"].shape == second["layers/0/weight"].shape


# --- figures -------------------------------------------------------------------------------

DRAW = """
    import sys
    import numpy as np
    from netkin.figure.agreement import draw_agreement
    from netkin.figure.diagram import Curves, draw_diagrams
    from netkin.figure.matrix import Panel, draw_distance_matrix
    from netkin.figure.style import save_figure
    from netkin.figure.training import draw_training
    matrix = np.array([[0.0, 0.5], [0.5, 0.0]])
    values = np.linspace(0, 1, 9)
    figures = {
        "matrix": draw_distance_matrix(Panel("a title", matrix, ["1", "2"], ["width", "labels"])),
        "training": draw_training({"width": [("width_8", np.outer([1, 2], values))]}, "a title"),
        "diagrams": draw_diagrams(
            [Curves("width_8", "width", *[values, np.arange(1, 10)] * 2)], "a title"
        ),
        "agreement": draw_agreement(np.eye(3), list("abc"), ["weight"] * 3, "a title"),
    }
    for name, figure in figures.items():
        save_figure(figure, [f"{sys.argv[1]}/{name}.{kind}" for kind in ("svg", "png")], dpi=40)
"""


def test_figures_have_the_same_bytes_whatever_matplotlib_is_told(tmp_path):
    configured = tmp_path / "configured"
    configured.mkdir()
    (configured / "matplotlibrc").write_text(MATPLOTLIBRC)
    # in the user's cache of fonts each name stands for another file
    cache = f"fontlist-v{FontManager.__version__}.json"
    json_dump(fontManager, configured / cache)
    fonts = json.loads((configured / cache).read_text())
    names = [font["fname"] for font in fonts["ttflist"]]
    for font, name in zip(fonts["ttflist"], names[1:] + names[:1], strict=True):
        font["fname"] = name
    (configured / cache).write_text(json.dumps(fonts))
    drawn = {}
    for name, cwd, variables in (
        ("plain", tmp_path, {}),
        ("here", configured, {"SOURCE_DATE_EPOCH": "1", "MPLBACKEND": "pdf", "LC_ALL": "C"}),
        ("home", tmp_path, {"MPLCONFIGDIR": str(configured), "TZ": "Asia/Kolkata"}),
    ):
        python(DRAW, cwd, tmp_path / name, **variables)
        drawn[name] = {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
    assert len(drawn["plain"]) == 8
    assert drawn["here"] == drawn["plain"]
    assert drawn["home"] == drawn["plain"]


# --- compiled code -------------------------------------------------------------------------

MATCH = """
    import numpy as np
    from netkin.distance.line import wasserstein_on_line
    once = np.ones(2, np.int64)
    print(wasserstein_on_line(np.array([0.1, 0.4]), once, np.array([0.2, 0.6]), once))
"""


def test_a_damaged_cache_of_compiled_code_is_made_anew(tmp_path):
    cache = tmp_path / "cache"
    first = python(MATCH, tmp_path, NUMBA_CACHE_DIR=cache)
    kinds = {".nbi": lambda b: b[:20], ".nbc": lambda b: bytes(len(b))}
    for kind, damage in kinds.items():
        (path,) = cache.rglob(f"*{kind}")
        path.write_bytes(damage(path.read_bytes()))
        damaged = path.read_bytes()
        assert python(MATCH, tmp_path, NUMBA_CACHE_DIR=cache) == first
        assert path.read_bytes() != damaged


# --- the whole -----------------------------------------------------------------------------


@pytest.mark.workflow
def test_a_run_in_an_odd_environment_gives_the_same_files(fresh, finished, monkeypatch):
    for name, value in ODD.items():
        monkeypatch.setenv(name, value)
    (fresh.folder / "matplotlibrc").write_text(MATPLOTLIBRC)
    monkeypatch.delenv("PYTHONWARNINGS")  # Snakemake itself does not start with it
    figure = "results/figure/digits/training.svg"
    distances = "results/distance/digits/graph/seed_0.h5"
    vectors = "results/vector/heat/digits/seed_0/all.h5"
    threads = ("--set-threads", "train_network=2", "compute_diagrams=2")
    command = fresh.command(figure, distances, vectors, *threads)
    # a cold start, in which Snakemake too meets this environment
    done = subprocess.run(
        command, cwd=fresh.folder, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (fresh.folder / figure).read_bytes() == (finished.folder / figure).read_bytes()
    found = results(fresh)
    # data set, three networks, their diagrams, vectors and distances
    assert len(found) == 7
    assert found == {name: finished.results[name] for name in found}


# --- clocks --------------------------------------------------------------------------------


def tomorrow(path):
    """Date a file a day ahead."""
    ahead = time.time() + 86400
    os.utime(path, (ahead, ahead))


@pytest.mark.workflow
def test_results_of_tomorrow_are_kept_and_do_not_fail_a_run(fresh):
    fresh.set("study.variants", ["width_8"])
    table = "results/table/digits/accuracy.csv"
    fresh.run(table)
    before = results(fresh)
    files = {path for path in fresh.folder.glob("results/**/*") if path.is_file()}
    for path in files:
        tomorrow(path)
    fresh.set("study.seeds", 2)
    assert "results were dated in the future" in fresh.run(table)
    assert all(path.is_file() for path in files)
    after = results(fresh)
    assert len(before) == 2
    assert {name: after[name] for name in before} == before
    assert len(after) == 3
    assert "Nothing to be done" in fresh.run(table, "--dry-run")


def test_dates_in_the_future_are_set_to_now_and_others_are_left(tmp_path):
    (tmp_path / "network").mkdir()
    late, hidden, past = (tmp_path / name for name in ("network/a.h5", "network/.a.h5", "b"))
    for path in (late, hidden, past):
        path.write_text("as it was")
    tomorrow(late)
    tomorrow(hidden)
    os.utime(past, (1e9, 1e9))
    assert no_results_of_tomorrow(tmp_path) == 2
    assert no_results_of_tomorrow(tmp_path) == 0
    assert late.stat().st_mtime <= time.time()
    assert late.stat().st_mtime == hidden.stat().st_mtime
    assert past.stat().st_mtime == 1e9
    assert {path.read_text() for path in (late, hidden, past)} == {"as it was"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "network"]


def test_a_result_of_another_user_that_is_dated_in_the_future_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.h5").write_text("")
    tomorrow(tmp_path / "a.h5")

    def refuse(entry, **_):
        raise PermissionError(1, "Operation not permitted", os.fspath(entry))

    monkeypatch.setattr(os, "utime", refuse)
    with pytest.raises(NetkinError, match=r"a\.h5: operation not permitted; let the user"):
        no_results_of_tomorrow(tmp_path)


def test_a_users_file_of_tomorrow_is_named_and_left(tmp_path):
    text = tmp_path / "en.txt"
    text.write_text("a b c")
    check_dates([text, tmp_path / "absent"])
    tomorrow(text)
    before = text.stat().st_mtime_ns
    day = datetime.datetime.fromtimestamp(text.stat().st_mtime).strftime("%Y-%m-%d")
    with pytest.raises(NetkinError, match=rf"en\.txt: it is dated in the future \({day}.*touch"):
        check_dates([text])
    assert text.stat().st_mtime_ns == before


def test_what_stands_where_results_belong_is_named(tmp_path):
    paths = [
        tmp_path / "results/network/digits/width_8/seed_0.h5",
        tmp_path / "results/figure/{dataset}/{measure}.svg",
        tmp_path / "a/{rule}.log",
    ]
    check_folders(paths)
    variant = tmp_path / "results/network/digits/width_8"
    variant.mkdir(parents=True)
    (variant / "seed_0.h5").write_text("")
    (variant.parent.parent / "notes").write_text("")
    (tmp_path / "results/figure").mkdir()
    (tmp_path / "results/figure/readme").write_text("")
    check_folders(paths)
    (tmp_path / "a").symlink_to("nowhere")
    with pytest.raises(NetkinError, match="/a: this is a link to what is not there"):
        check_folders(paths)
    (tmp_path / "a").unlink()
    for folder in (variant, variant.parent, variant.parent.parent, tmp_path / "results"):
        shutil.rmtree(folder)
        folder.write_text("a user's own")
        with pytest.raises(NetkinError, match=f"{folder}: this is no folder, a folder is needed"):
            check_folders(paths)
        assert folder.read_text() == "a user's own"
        folder.unlink()
        folder.mkdir()


@pytest.mark.workflow
def test_a_file_where_results_belong_stops_a_run_in_one_sentence(fresh):
    path = fresh.folder / "results/network/digits"
    path.parent.mkdir(parents=True)
    path.write_text("a user's own")
    output = fresh.run(check=False)
    assert "\nresults/network/digits: this is no folder, a folder is needed; move it" in output
    assert "Traceback" not in output
    assert path.read_text() == "a user's own"


@pytest.mark.workflow
def test_a_file_of_the_users_beside_the_results_of_others_is_no_matter(trained):
    for name in ("results/network/notes", "results/figure/readme", "results/network/digits/x"):
        path = trained.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    assert "Traceback" not in trained.run("--dry-run")


@pytest.mark.parametrize("name", ["netkin.config.check", "netkin.figure.plot_matrix"])
def test_a_matplotlibrc_of_the_working_folder_is_not_read(tmp_path, name):
    (tmp_path / "matplotlibrc").write_bytes(b"axes.grid: \xff\n")
    done = subprocess.run(
        [sys.executable, "-c", f"import {name}, os; print(os.getcwd())"],
        cwd=tmp_path,
        env=environment() | {"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == (f"{tmp_path}\n", "")


@pytest.mark.workflow
def test_a_link_in_a_circle_where_a_result_belongs_is_one_sentence(fresh):
    path = fresh.folder / "results/network/digits/width_8/seed_0.h5"
    path.parent.mkdir(parents=True)
    path.symlink_to(path.name)
    output = fresh.run(check=False)
    assert "seed_0.h5: too many levels of symbolic links; symbolic links lead in a circle" in output
    assert "Traceback" not in output


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    check_writable([tmp_path / "new" / "folder"])
    assert list((tmp_path / "new/folder").iterdir()) == []
    for folder in ("/proc", "/proc/folder"):
        with pytest.raises(NetkinError, match=rf"^{folder}: "):
            check_writable([folder])
