"""One job: call a stage function with its log, and end in one sentence on a user's mistake."""

import errno
import logging
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from netkin import storage
from netkin.errors import NetkinError


def lead_python_path() -> None:
    """Let every process started from here import this very copy of netkin.

    A copy that was installed some time ago would otherwise do the jobs' work.
    """
    source = str(Path(__file__).resolve().parent.parent)
    others = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p and p != source]
    os.environ["PYTHONPATH"] = os.pathsep.join([source, *others])


def run_each(
    function: Callable[..., Any],
    *,
    log_path: str,
    each: Mapping[str, Sequence[str]],
    inputs: Mapping[str, str] | None = None,
    forget: Iterable[str] = (),
    **arguments: Any,
) -> None:
    """Call a function once for each of several networks, in one job.

    The start-up of Python and of the imports is paid once. A network that fails does not
    keep the others from being done; the job fails at the end.

    Parameters
    ----------
    function : callable
        A stage function of one network.
    log_path : str
        See `run_job`.
    each : mapping
        Name of an argument -> its value for each network.
    inputs : mapping of str to str, optional
        See `run_job`.
    forget : iterable of str
        Files that are deleted after use: when all networks are done, the hidden names that
        would hold their space (see `netkin.storage.create`) go.
    **arguments
        What is the same for all.
    """

    def call_all() -> None:
        failures = []
        for values in zip(*each.values(), strict=True):
            try:
                function(**dict(zip(each, values, strict=True)), **arguments)
            except NetkinError as error:
                failures.append(str(error))
        if failures:
            raise NetkinError("; ".join(failures))
        for path in forget:
            storage.forget(path)

    run_job(call_all, log_path=log_path, inputs=inputs)


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

    A `NetkinError` is written to the log and to standard error as one sentence and
    ends the process with status 1, as do a lack of memory and a full disk; any other
    exception is a defect of netkin, is logged with its traceback and raised.
    """
    Path(log_path).parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(message)s",
        datefmt="%H:%M:%S",
        handlers=[logging.FileHandler(log_path, mode="w")],
        force=True,
    )
    logging.captureWarnings(True)
    logger = logging.getLogger("netkin")
    # what nobody can catch, such as h5py's trouble with a full disk, is a line of the log
    sys.excepthook = lambda kind, error, trace: logger.error(
        "%s: %s", kind.__name__, str(error).partition("\n")[0]
    )
    sys.unraisablehook = lambda hint: logger.error("ignored in %r", hint.object)
    try:
        storage.check_inputs(inputs or {})
        function(**arguments)
    except NetkinError as error:
        logger.error("%s", error)
        print(f"netkin: {error} (log: {log_path})", file=sys.stderr)
        sys.exit(1)
    except MemoryError as error:
        logger.error("out of memory (%s)", error)
        print(f"netkin: this job ran out of memory (log: {log_path}).", file=sys.stderr)
        sys.exit(1)
    except Exception as error:
        if _disk_is_full(error):
            logger.error("no space left on device (%s)", error)
            print(
                f"netkin: no space left on device (log: {log_path}).", file=sys.stderr, flush=True
            )
            logging.shutdown()
            # HDF5 cannot close a file that it cannot write, and crashes when it tries at exit
            os._exit(1)
        logger.exception("defect")
        sys.excepthook = sys.__excepthook__
        raise


def _disk_is_full(error: BaseException | None) -> bool:
    """Tell whether an error, or the one in whose handling it arose, is for want of space."""
    codes = (errno.ENOSPC, errno.EDQUOT)
    while error is not None:
        if isinstance(error, OSError) and error.errno in codes:
            return True
        # h5py, when it closes a file
        if isinstance(error, RuntimeError) and any(
            f"errno = {code}," in str(error) for code in codes
        ):
            return True
        error = error.__context__
    return False
