"""Damaged files of models: one sentence, or what can still be understood, and nothing else."""

import importlib.util
import io
import json
import random
import resource
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from netkin.errors import NetkinError
from netkin.network.format import FORMATS, open_model
from tests.stress.counts import Counts
from tests.stress.files import BYTES, STRUCTURE, watched

ROOT = Path(__file__).resolve().parent.parent.parent
UNITS = (6, 5, 4, 3)
LONGEST = 10.0
"""Seconds after which a reader hangs."""
MOST_TIMES = 64
"""Times its size that a damaged file may take of memory, beside `SLACK`."""
SLACK = 64 * 2**20
"""Bytes that libraries take whatever they read."""


def make_files(folder: Path) -> list[Path]:
    """Write one small network in each format, by the writers that people use."""
    random_numbers = np.random.default_rng(0)
    weights = [
        random_numbers.normal(size=shape).astype(np.float32)
        for shape in zip(UNITS[1:], UNITS, strict=False)
    ]
    biases = [random_numbers.normal(size=n).astype(np.float32) for n in UNITS[1:]]
    files = _example().FILES["first"]
    for name, write in files.items():
        write(folder / name, weights, biases)
    return [folder / name for name in files]


def _example() -> Any:
    """Return the script of the docs that writes models."""
    place = ROOT / "docs" / "own_networks" / "make_networks.py"
    spec = importlib.util.spec_from_file_location("make_networks", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read_all(path: Path) -> bool:
    """Read all that is understood of a file; return whether its layers are known.

    Raises
    ------
    NetkinError
        It cannot be read.
    """
    with open_model(path) as model:
        for tensor in model.tensors.values():
            assert tensor[:].shape == tensor.shape
        assert model.format in FORMATS
        try:
            for layer in model.layers():
                assert layer.weight[:].shape == layer.weight.shape
        except NetkinError:
            return False
    return True


# --- damages of what is inside, which keep the file's frame right ---------------------------


def _within_archive(data: bytes, chance: random.Random) -> bytes:
    """Damage an entry of an archive, whose checksum is made right again."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = [(entry, archive.read(entry)) for entry in archive.infolist()]
    chosen = chance.randrange(len(entries))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number, (entry, content) in enumerate(entries):
            if number == chosen:
                if chance.random() < 0.1:
                    continue
                content = _damaged(content, chance)
            archive.writestr(entry.filename, content, chance.choice((0, zipfile.ZIP_DEFLATED)))
            if chance.random() < 0.02:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    archive.writestr(entry.filename, content)
    return out.getvalue()


def _within_safetensors(data: bytes, chance: random.Random) -> bytes:
    """Damage the header, whose length is made right again."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    name = chance.choice(list(header))
    odd = (-1, 0, 1, 3, 2**31, 2**63, 2**64, 1.5, "x", None, [], {}, True, "F64", "BF16", "I8")
    if not isinstance(header[name], dict) or chance.random() < 0.1:
        header[name] = chance.choice(odd)
    else:
        key = chance.choice(["dtype", "shape", "data_offsets", "more"])
        found = header[name].get(key)
        if isinstance(found, list) and found and chance.random() < 0.8:
            found[chance.randrange(len(found))] = chance.choice(odd)
        else:
            header[name][key] = chance.choice(odd)
    text = json.dumps(header).encode()
    if chance.random() < 0.3:
        text = _damaged(text, chance)
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def _within_onnx(data: bytes, chance: random.Random) -> bytes:
    """Damage a field of a node, a tensor or an end of the graph."""
    import onnx

    model = onnx.load_from_string(data)
    graph = model.graph
    part = chance.choice([*graph.node, *graph.initializer, *graph.input, *graph.output, graph])
    fields = [field for field, _ in part.ListFields()]
    field = chance.choice(fields)
    value = getattr(part, field.name)
    if isinstance(value, int):
        setattr(part, field.name, chance.choice((0, 1, 2, 7, 10, 11, 16, 17, 22, 23)))
    elif isinstance(value, str):
        setattr(part, field.name, chance.choice(("", "x", "W0", "h0", "Conv", "Gemm", "MatMul")))
    elif isinstance(value, bytes):
        setattr(part, field.name, bytes(_damaged(value, chance)))
    elif hasattr(value, "append") and len(value):
        del value[chance.randrange(len(value))]
        if field.name == "dims":
            value.append(chance.choice((0, -1, 1, 4, 2**40, 2**62)))
    return bytes(model.SerializeToString())


def _within_hdf5(data: bytes, chance: random.Random) -> bytes:
    """Damage the structure of an HDF5 file."""
    found = io.BytesIO(data)
    try:
        with h5py.File(found, "r+") as file:
            arrays: list[str] = []
            file.visititems(
                lambda name, item: arrays.append(name) if isinstance(item, h5py.Dataset) else None
            )
            chance.choice(STRUCTURE)(file, chance.choice(arrays), chance)
    except (TypeError, ValueError, OSError, KeyError, RuntimeError, AttributeError, IndexError):
        return data
    return found.getvalue()


WITHIN: dict[str, Callable[[bytes, random.Random], bytes]] = {
    ".safetensors": _within_safetensors,
    ".npz": _within_archive,
    ".pt": _within_archive,
    ".keras": _within_archive,
    ".onnx": _within_onnx,
    ".h5": _within_hdf5,
}


def _damaged(data: bytes, chance: random.Random) -> bytes:
    if not data:
        return chance.randbytes(chance.randrange(20))
    return bytes(chance.choice(BYTES)(bytearray(data), chance))


def damaged(path: Path, data: bytes, chance: random.Random) -> tuple[str, bytes]:
    """Return how a file was damaged, and what it is then."""
    if chance.random() < 0.6:
        return "within", WITHIN[path.suffix](data, chance)
    if chance.random() < 0.1:
        return "as the start of another", data[: chance.randrange(len(data))] * 2
    return "bytes", _damaged(data, chance)


# --- the campaign ---------------------------------------------------------------------------


def campaign(seed: int, seconds: float) -> Counts:
    """Send damaged files of every format through the reader of models.

    Parameters
    ----------
    seed : int
        Of the damages; case k is the same whatever came before it.
    seconds : float
        How long to go on.

    Returns
    -------
    Counts
        A finding is anything but a sentence that names the file or a model that was read: another
        exception, more than `LONGEST` or, beside `SLACK`, more than `MOST_TIMES` of the file's
        size in memory, a process that dies.
    """
    counts = Counts()
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "whole").mkdir()
        make_files(folder / "whole")
        for path in (folder / "whole").iterdir():
            assert read_all(path), path  # and imports what reading needs, before any is counted
        case = 0
        while time.monotonic() < end:
            case = watched(_work, folder, seed, case, end, counts)
    return counts


def _peak() -> int:
    """Return the most memory since it was last asked, and forget it."""
    status = Path("/proc/self/status").read_text()
    peak = next(int(x.split()[1]) for x in status.splitlines() if x.startswith("VmHWM"))
    Path("/proc/self/clear_refs").write_text("5")
    return peak * 1024


def _work(folder: Path, seed: int, first: int, end: float, answer: Any) -> None:
    space = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (space + 20 * SLACK,) * 2)
    warnings.simplefilter("error")
    whole = {path: path.read_bytes() for path in sorted((folder / "whole").iterdir())}
    case = first
    while time.monotonic() < end:
        chance = random.Random(f"{seed} {case}")
        original = chance.choice(list(whole))
        how, data = damaged(original, whole[original], chance)
        path = folder / "model"
        path.write_bytes(data)
        about = f"{original.name}, {how}"
        answer.send((case, about, "begins"))
        _peak()
        before = _peak()
        outcome = outcome_of(path)
        used = _peak() - before
        if used > SLACK + MOST_TIMES * len(data):
            outcome = f"takes {used / 2**20:.0f} MiB"
        answer.send((case, about, outcome))
        case += 1


def outcome_of(path: Path) -> str:
    """Return ``refused``, ``unharmed`` for a model that was read, or what is wrong."""
    try:
        read_all(path)
    except NetkinError as error:
        text = str(error)
        if "\n" in text or not text.startswith(f"{path}: ") or "elete" in text:
            return f"says {text[:300]!r}"
        return "refused"
    except BaseException as error:
        return f"raises {type(error).__name__}: {str(error)[:200]}"
    return "unharmed"
