"""A job that fails for no fault of netkin's ends in one sentence, and is the same for everybody."""

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from netkin import storage
from netkin.errors import NetkinError
from netkin.failure import HINTS, cannot_be_closed, explain
from netkin.job import THREADS, settle_environment

SOURCE = Path(__file__).resolve().parent.parent / "src"


def run(code, *arguments, log="log", cwd=None, **environment):
    """Run a job whose stage function is `stage` of the code, in a process of its own."""
    text = textwrap.dedent(code) + textwrap.dedent(
        f"""
        from netkin.job import run_job
        run_job(stage, log_path={str(log)!r})
        """
    )
    return subprocess.run(
        [sys.executable, "-c", text, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(SOURCE), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def sentence_of(done, status=1):
    """Return the only line that a job printed."""
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("netkin: ")
    return line


MEMORY = [
    MemoryError(),
    np._core._exceptions._ArrayMemoryError((10**9, 10**9), np.dtype("f8")),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate "
        "memory: you tried to allocate 4000 bytes. Error code 12 (Cannot allocate memory)"
    ),
    RuntimeError("[enforce fail at alloc_cpu.cpp:1] data. DefaultCPUAllocator: not enough memory"),
    RuntimeError("Storage size calculation overflowed with sizes=[1099511627776]"),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 8.00 GiB.\nGPU 0 has"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ValueError("array is too big; `arr.size * arr.dtype.itemsize` is larger than the maximum"),
    ValueError("Maximum allowed dimension exceeded"),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    RuntimeError("Unable to create dataset (memory allocation failed for raw data chunk)"),
    RuntimeError("std::bad_alloc"),
]


@pytest.mark.parametrize("error", MEMORY, ids=lambda error: str(error)[:30] or "MemoryError")
def test_a_lack_of_memory_is_recognised_however_it_is_said(error):
    sentence = explain(error)
    assert sentence.startswith("out of memory")
    assert "network.width" in sentence
    assert "\n" not in sentence
    assert "enforce" not in sentence
    assert ("network.device" in sentence) == ("CUDA" in str(error))


@pytest.mark.parametrize("code", HINTS, ids=errno.errorcode.get)
def test_errors_of_the_system_name_the_file_and_what_to_do(code):
    wanted = f"{os.strerror(code).lower()}; {HINTS[code]}."
    assert explain(OSError(code, "as the system says", "results/a.h5")) == f"results/a.h5: {wanted}"
    of_hdf5 = f"Unable to open file (name = 'b.h5', errno = {code}, error message = '...')"
    assert explain(OSError(of_hdf5)) == f"b.h5: {wanted}"
    assert explain(RuntimeError(of_hdf5)) == f"b.h5: {wanted}"


def test_the_first_error_counts_when_hdf5_cannot_close_a_file_either():
    try:
        try:
            raise OSError(errno.ENOSPC, "no space", "results/.a.part.h5")
        except OSError:
            raise RuntimeError("Can't decrement id ref count") from None
    except RuntimeError as error:
        assert explain(error).startswith("results/.a.part.h5: no space left on device")
        assert cannot_be_closed(error)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ModuleNotFoundError("No module named 'gph'", name="gph"), "a package cannot be loaded"),
        (ImportError("libx.so: failed to map segment from shared object"), "out of memory"),
        (RuntimeError("CUDA error: no kernel image is available"), "the GPU failed"),
        (RuntimeError("can't start new thread"), "no further thread"),
        (FileNotFoundError(2, "No usable temporary directory found in ['/tmp']"), "temporary dir"),
        (OSError("Can't read data (inflate() failed)"), "reading or writing failed"),
    ],
)
def test_what_the_machine_lacks_is_no_defect(error, sentence):
    assert sentence in explain(error)


@pytest.mark.parametrize(
    "error",
    [
        KeyError("errno = 28, in a text"),
        ValueError("shapes (3,) and (4,) do not match"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        ImportError("cannot import name 'x'", name="netkin.graph"),
    ],
)
def test_defects_stay_defects(error):
    assert explain(error) is None


def test_a_defect_has_its_traceback_on_standard_error_and_in_the_log(tmp_path):
    done = run("def stage(): return {}['a']", cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "Traceback" in (tmp_path / "log").read_text()


def in_the_way_file(folder):
    (folder / "logs").write_text("")


def in_the_way_folder(folder):
    (folder / "logs/stage.log").mkdir(parents=True)


def in_the_way_link(folder):
    (folder / "logs").symlink_to("logs")


@pytest.mark.parametrize("prepare", [in_the_way_file, in_the_way_folder, in_the_way_link])
def test_a_log_that_cannot_be_made_is_one_sentence(tmp_path, prepare):
    prepare(tmp_path)
    done = run("def stage(): print('never')", log="logs/stage.log", cwd=tmp_path)
    assert "logs" in sentence_of(done)


def test_a_log_on_a_full_disk_leaves_no_traceback(tmp_path):
    code = """
        import logging
        def stage(): logging.getLogger("netkin").info("a line")
    """
    done = run(code, log="/dev/full", cwd=tmp_path)
    assert "Traceback" not in done.stderr


OUTPUTS = {
    "results is a file": ("results/graph/a.h5", lambda f: (f / "results").write_text("")),
    "a folder is there": ("results/a.h5", lambda f: (f / "results/a.h5").mkdir(parents=True)),
    "a link in a circle": ("results/a.h5", lambda f: (f / "results").symlink_to("results")),
    "a long id": (f"results/{'a' * 300}.h5", lambda f: None),
    "no file system": ("/proc/a.h5", lambda f: None),
}


@pytest.mark.parametrize("case", OUTPUTS)
def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path, case):
    path, prepare = OUTPUTS[case]
    prepare(tmp_path)
    code = """
        import sys, numpy as np
        from netkin.storage import create
        def stage():
            with create(sys.argv[1], "graph", parameters={}) as file:
                file["a"] = np.zeros(9)
    """
    line = sentence_of(run(code, path, cwd=tmp_path))
    assert path.split("/")[0 if path.startswith("results") else 1] in line
    assert line.endswith("(log: log)")
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_too_many_open_files_and_too_large_ones_are_one_sentence(tmp_path):
    code = """
        import resource, sys, numpy as np
        from netkin.storage import create
        def stage():
            resource.setrlimit(getattr(resource, sys.argv[1]), (int(sys.argv[2]),) * 2)
            if sys.argv[1] == "RLIMIT_NOFILE":
                files = [open("/dev/null") for _ in range(100)]
            with create("a.h5", "vector", parameters={}) as file:
                file["a"] = np.zeros(100_000)
    """
    assert "ulimit -n" in sentence_of(run(code, "RLIMIT_NOFILE", 32, cwd=tmp_path))
    assert "ulimit -f" in sentence_of(run(code, "RLIMIT_FSIZE", 100_000, cwd=tmp_path))
    assert not list(tmp_path.glob("*.h5"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_no_traceback(tmp_path, number):
    text = textwrap.dedent(
        """
        import time
        from netkin.job import run_job
        def stage():
            print("begun", flush=True)
            time.sleep(60)
        run_job(stage, log_path="log")
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", text],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a test run in the background ignores interrupts, and what it starts would too
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout.readline() == "begun\n"
    started = time.monotonic()
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode != 0
    assert said == ""
    assert time.monotonic() - started < 10
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_a_network_too_large_for_memory_is_one_sentence(tmp_path):
    code = """
        import resource
        def stage():
            from netkin.network.mlp import build_mlp
            resource.setrlimit(resource.RLIMIT_AS, (2**34,) * 2)
            build_mlp(4, 2, width=100_000, hidden_layers=2, dropout=0.0)
    """
    line = sentence_of(run(code, cwd=tmp_path))
    assert "out of memory (" in line
    assert "40000000000 bytes" in line
    assert "network.width" in line


THREADED = """
    import json
    def stage():
        import numpy, scipy.linalg, sklearn.utils.parallel, torch
        from threadpoolctl import threadpool_info
        pools = {p["filepath"].rpartition("/")[2]: p["num_threads"] for p in threadpool_info()}
        print(json.dumps({**pools, "torch": torch.get_num_threads()}))
"""


@pytest.mark.parametrize("number", ["1", "4"])
def test_the_mathematics_of_a_job_takes_one_thread_whatever_the_environment_says(tmp_path, number):
    names = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "BLIS")
    done = run(THREADED, cwd=tmp_path, **{f"{name}_NUM_THREADS": number for name in names})
    pools = json.loads(done.stdout)
    assert len(pools) >= 4
    assert set(pools.values()) == {1}


def test_products_have_the_same_bits_whatever_number_of_threads_is_asked_for(tmp_path):
    code = """
        import hashlib, numpy as np
        def stage():
            from netkin.activation.forward import forward
            from netkin.distance.representational import REPRESENTATIONAL
            from netkin.distance.representational.representation import Representation
            from netkin.network.file import Network
            rng = np.random.default_rng(0)
            shapes = [(300, 64), (300, 300), (10, 300)]
            weights = tuple(rng.normal(size=s).astype(np.float32) / 8 for s in shapes)
            biases = tuple(np.zeros(len(w), np.float32) for w in weights)
            rows = rng.normal(size=(700, 64))
            hidden = forward(Network(weights, biases, {}, 0.0), rows)
            a, b = (Representation(values) for values in hidden[:2])
            values = [REPRESENTATIONAL[n].function(a, b) for n in ("cka", "svcca", "rsa", "gulp")]
            print(hashlib.sha256(hidden[2].tobytes()).hexdigest(), [v.hex() for v in values])
    """
    one, many = (
        run(code, cwd=tmp_path, OMP_NUM_THREADS=n, OPENBLAS_NUM_THREADS=n, MKL_NUM_THREADS=n)
        for n in ("1", "2")
    )
    assert one.returncode == 0, one.stderr
    assert one.stdout == many.stdout


def test_processes_that_are_started_find_a_settled_environment(monkeypatch):
    for name, value in {
        "MPLBACKEND": "bogus",
        "PYTHONWARNINGS": "error",
        "NPY_PROMOTION_STATE": "weak",
        "OMP_DYNAMIC": "true",
        "OPENBLAS_CORETYPE": "Prescott",
        "HDF5_USE_FILE_LOCKING": "FALSE",
        "HDF5_DRIVER": "split",
        "HDF5_VOL_CONNECTOR": "bogus",
        "MPLCONFIGDIR": "elsewhere",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("MATPLOTLIBRC", "PYTHONHASHSEED", *THREADS):
        monkeypatch.setenv(name, "as it was")
    settle_environment()
    left = {"HDF5_USE_FILE_LOCKING": "FALSE", "MPLCONFIGDIR": "elsewhere"}
    assert {name: os.environ[name] for name in left} == left
    for name in ("MPLBACKEND", "PYTHONWARNINGS", "NPY_PROMOTION_STATE", "OMP_DYNAMIC"):
        assert name not in os.environ
    assert not [name for name in os.environ if name.startswith("HDF5_") and name not in left]
    assert "OPENBLAS_CORETYPE" not in os.environ
    assert os.environ["OMP_NUM_THREADS"] == "1"
    assert os.environ["PYTHONHASHSEED"] == "0"
    assert os.environ["MATPLOTLIBRC"] == os.devnull


@pytest.mark.parametrize("setting", [{"HDF5_DRIVER": "split"}, {"HDF5_VOL_CONNECTOR": "bogus"}])
def test_hdf5_reads_files_as_ever_whatever_the_environment_says(tmp_path, setting):
    """As in the workflow: what settles the environment loads no HDF5 before."""
    path = tmp_path / "a.h5"
    with storage.create(path, "diagram", parameters={}) as file:
        group = storage.member(file)
        group["H0"] = np.zeros((1, 2), np.float32)
        group["H0_count"] = np.ones(1, np.int8)
        group.attrs["engine"] = "exact"
    code = (
        "import sys; from netkin.job import lead_python_path; lead_python_path(); "
        "from netkin.diagram.diagram import read_diagram; "
        "print(len(read_diagram(sys.argv[1]).intervals))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path],
        env=os.environ | setting | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


def test_files_are_opened_by_the_same_driver_in_any_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("HDF5_DRIVER", "split")
    with storage.create(tmp_path / "a.h5", "graph", parameters={}) as file:
        assert file.driver == "sec2"
    assert storage.read_origin(tmp_path / "a.h5").content


def test_a_user_error_is_its_own_sentence():
    assert explain(NetkinError("width: found 0.")) == "width: found 0."
