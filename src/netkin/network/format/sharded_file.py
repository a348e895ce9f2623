"""Folders of a model, and weights in several files (shards) with an index, as Hugging Face's."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from netkin.errors import NetkinError, listed, shown
from netkin.network.format.model import Model, Tensor, each_once

MOST_INDEX = 100_000_000
"""Bytes of an index at most."""
INDEX = ".index.json"
SHARDS = ("torch", "safetensors")
"""Formats that are divided."""
OF_HUGGING_FACE = (
    *("model.safetensors", f"model.safetensors{INDEX}"),
    *("pytorch_model.bin", f"pytorch_model.bin{INDEX}", "tf_model.h5"),
)
"""Files of one network beside each other, in the order in which transformers looks for them."""
NO_WEIGHTS = ("training_args.", "optimizer.", "scheduler.", "scaler.", "rng_state")
"""How the names of other files begin that a trainer leaves beside the weights."""


def recognises(head: bytes, path: Path) -> bool:
    """Tell a folder, or a JSON object that maps names to files."""
    return path.is_dir() or (head.lstrip()[:1] == b"{" and _map_of(path) is not None)


def _map_of(index: Path) -> Any:
    """Return an index's map of names to files; None where it is no index."""
    if index.stat().st_size > MOST_INDEX:
        return None
    try:
        found = json.loads(index.read_text("utf-8"), object_pairs_hook=each_once)
    except (ValueError, RecursionError):
        return None
    except NetkinError as error:
        raise NetkinError(f"{index}: {error}") from None
    return found.get("weight_map") if isinstance(found, dict) else None


def parts_of(index: Path) -> list[str]:
    """Return the files that an index names; none where it is no index."""
    found = _map_of(index)
    names = found.values() if isinstance(found, dict) else ()
    return list(dict.fromkeys(name for name in names if isinstance(name, str)))


def refuse_part(path: Path) -> None:
    """Raise `NetkinError` for a file that an index beside it names as one of several."""
    if not path.is_file() or path.name.endswith(INDEX):
        return
    for index in path.parent.glob(f"*{INDEX}"):
        parts = parts_of(index)
        if path.name in parts and len(parts) > 1:
            raise NetkinError(
                f"{path}: one of the {len(parts)} files of a model; name {index.name} beside it, "
                "or the folder."
            )


@contextmanager
def opened(path: Path) -> Iterator[Model]:
    """Open a folder or an index; see `netkin.network.format.open_model`."""
    from netkin.network.format import open_bare

    chosen = _chosen(path) if path.is_dir() else path
    if chosen == path or chosen.name.endswith(INDEX):
        with _shards(path, chosen) as model:
            yield model
    else:
        with open_bare(chosen) as model:
            yield model


def _chosen(folder: Path) -> Path:
    """Return the one file of weights, or index, of a folder."""
    from netkin.network.format import ENDINGS

    files = sorted(file for file in folder.iterdir() if file.is_file())
    indices = {
        file: weights
        for file in files
        if file.name.endswith(INDEX) and (weights := _map_of(file)) is not None
    }
    parts = {
        str(name)
        for weights in indices.values()
        for name in (weights.values() if isinstance(weights, dict) else ())
    }
    found = [
        file
        for file in files
        if file in indices
        or (
            file.suffix.lower() in ENDINGS
            and file.name not in parts
            and not file.name.startswith(NO_WEIGHTS)
        )
    ]
    if len(found) == 1:
        return found[0]
    # one network in several formats, of which transformers takes the first too
    if found and {file.name for file in found} <= set(OF_HUGGING_FACE):
        return min(found, key=lambda file: OF_HUGGING_FACE.index(file.name))
    if (folder / "saved_model.pb").is_file():
        raise NetkinError(
            f"{folder}: a SavedModel of TensorFlow, a program with its weights, of which netkin "
            "runs nothing; save the model as .keras, .h5 or ONNX."
        )
    if not found:
        raise NetkinError(f"{folder}: a folder in which no file of weights is.")
    names = listed([file.name for file in found])
    raise NetkinError(f"{folder}: several files of weights are in it; name one of them: {names}.")


@contextmanager
def _shards(path: Path, index: Path) -> Iterator[Model]:
    """Open all files that an index names, as one model."""
    from netkin.network.format import open_bare

    places = _map_of(index)
    if (
        not isinstance(places, dict)
        or not places
        or not all(isinstance(name, str) for name in places.values())
    ):
        raise NetkinError(f"{index}: its 'weight_map' maps no names to files.")
    # a cache of Hugging Face consists of links from this folder to the one where all lies
    folders = {index.parent.resolve(), index.resolve().parent}
    tensors: dict[str, Tensor] = {}
    statistics: dict[str, Tensor] = {}
    left_out: dict[str, str] = {}
    found: dict[str, str] = {}
    with ExitStack() as stack:
        for shard in dict.fromkeys(places.values()):
            file = _within(index, shard, folders)
            part = stack.enter_context(open_bare(file, SHARDS))
            for name in [*part.tensors, *part.left_out]:
                if name in found:
                    raise NetkinError(
                        f"{index}: '{name}' stands in two files, '{found[name]}' and '{shard}'."
                    )
                found[name] = shard
                if places.get(name) != shard:
                    where = f"in '{places[name]}'" if name in places else "nowhere"
                    raise NetkinError(f"{index}: it has '{name}' {where}, but it is in '{shard}'.")
            tensors |= part.tensors
            statistics |= part.statistics
            left_out |= part.left_out
        for name, shard in places.items():
            if name not in found:
                raise NetkinError(f"{index}: it has '{name}' in '{shard}', where it is not.")
        ordered = {name: tensors[name] for name in places if name in tensors}
        yield Model(str(path), "sharded", ordered, left_out, statistics=statistics)


def _within(index: Path, shard: str, folders: set[Path]) -> Path:
    """Return a file that an index names, which must lie in its folder."""
    parts = PurePosixPath(shard).parts
    file = index.parent / shard
    if "\0" in shard or "\\" in shard or ".." in parts or PurePosixPath(shard).is_absolute():
        raise NetkinError(f"{index}: it names {shown(shard)}; allowed are files in its folder.")
    if not file.is_file():
        raise NetkinError(f"{index}: the file '{shard}' that it names is missing.")
    if not any(file.resolve().is_relative_to(folder) for folder in folders):
        raise NetkinError(
            f"{index}: '{shard}' is a link to {file.resolve()}; allowed are files in its folder."
        )
    return file
