"""One job: call a stage function with its log, and end in one sentence on a user's mistake."""

import logging
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from netkin.failure import cannot_be_closed, explain

THREADS = dict.fromkeys(
    (
        *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "GOTO_NUM_THREADS"),
        *("BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS"),
    ),
    "1",
)
"""Threads of libraries that are loaded later: more sum in another order, to other last digits."""
FORGOTTEN = (
    # how sums are split, and by which instructions
    *("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "NPY_", "ATEN_", "DNNL_", "ONEDNN_"),
    *("CUBLAS_", "NVIDIA_TF32_", "TORCH_ALLOW_TF32_", "TORCH_BLAS_", "PANDAS_"),
    # by what driver and plugins HDF5 reads a file
    "HDF5_",
    # what matplotlib and Python do otherwise, or do not start with
    *("MPLBACKEND", "MATPLOTLIBRC", "PYTHONWARNINGS", "PYTHONOPTIMIZE", "PYTHONHASHSEED"),
)
"""How the names of environment variables begin that could change a result or fail a job."""
KEPT = frozenset({"HDF5_USE_FILE_LOCKING"})
"""Those that are the user's to set all the same: some file systems have no locks."""


def settle_environment() -> None:
    """Let this process, and those it starts, make the same results in anybody's environment.

    The mathematics takes one thread, also in libraries that are loaded already; training
    takes the number of the config, see `netkin.network.train.train_network`. Variables that
    libraries have read before stay in effect for this process.
    """
    for name in [name for name in os.environ if name.startswith(FORGOTTEN) and name not in KEPT]:
        del os.environ[name]
    os.environ.update(THREADS)
    # no matplotlibrc of the user: one that cannot be read fails the import; see plain_matplotlib
    os.environ["MATPLOTLIBRC"] = os.devnull
    # sets of texts have one order, should a result ever depend on it
    os.environ["PYTHONHASHSEED"] = "0"


def lead_python_path() -> None:
    """Let every process started from here import this very copy of netkin.

    A copy that was installed some time ago would otherwise do the jobs' work. The
    environment is that of `settle_environment`.
    """
    source = str(Path(__file__).resolve().parent.parent)
    others = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p and p != source]
    os.environ["PYTHONPATH"] = os.pathsep.join([source, *others])
    settle_environment()


def run_job(
    function: Callable[..., Any],
    *,
    log_path: str,
    inputs: Mapping[str, str] | None = None,
    **arguments: Any,
) -> None:
    """Call ``function(**arguments)``, logging to `log_path`.

    `inputs` says of each netkin file that is read by which recipe it was planned to be made;
    one that was made otherwise is refused (see `netkin.storage.check_inputs`).

    The mathematics takes one thread, see `settle_environment`. A failure that is no defect of
    netkin (see `netkin.failure.explain`) is written to the log and to standard error as one
    sentence and ends the process with status 1, an interrupt with 130; any other exception is
    logged with its traceback and raised.
    """
    # not above: HDF5 looks at the environment when it is loaded, for the workflow after
    # `lead_python_path` has settled it
    from netkin import storage

    # a log that cannot be written, as on a full disk, is no traceback on standard error
    logging.raiseExceptions = False
    logger = logging.getLogger("netkin")
    try:
        _open_log(log_path)
    except OSError as error:
        _say(f"{explain(error)}")
        sys.exit(1)
    # what nobody can catch, such as h5py's trouble with a full disk, is a line of the log
    sys.excepthook = lambda kind, error, trace: logger.error(
        "%s: %s", kind.__name__, str(error).partition("\n")[0]
    )
    sys.unraisablehook = lambda hint: logger.error("ignored in %r", hint.object)
    try:
        settle_environment()
        storage.check_inputs(inputs or {})
        # of what is loaded already
        with threadpool_limits(1), storage.kept_open():
            function(**arguments)
        sys.excepthook, sys.unraisablehook = sys.__excepthook__, sys.__unraisablehook__
    except KeyboardInterrupt:
        logger.error("interrupted")
        sys.exit(130)
    except Exception as error:
        sentence = explain(error)
        if sentence is None:
            logger.exception("defect")
            sys.excepthook = sys.__excepthook__
            raise
        logger.error("%s", sentence)
        _say(f"{sentence} (log: {log_path})")
        if cannot_be_closed(error):
            logging.shutdown()
            os._exit(1)
        sys.exit(1)


def _open_log(log_path: str) -> None:
    Path(log_path).parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(message)s",
        datefmt="%H:%M:%S",
        handlers=[logging.FileHandler(log_path, mode="w", encoding="utf-8")],
        force=True,
    )
    logging.captureWarnings(True)


def _say(text: str) -> None:
    with suppress(OSError):  # nobody reads it any more
        print(f"netkin: {text}", file=sys.stderr, flush=True)
