"""Exported programs of torch, ``.pt2``: operators as JSON, and the bytes of each weight.

``torch.export.load`` unpickles what such a file asks it to, and has no safe way, so the file is
read here: its JSON, and the numbers as they lie in the archive. Nothing in it is run.
"""

import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from netkin.errors import Lacking, NetkinError, listed, shown
from netkin.graph.blocks import BlockGraph
from netkin.graph.builder import NotUnderstood
from netkin.network.format.input_shape import InputShape
from netkin.network.format.model import (
    COUNTER,
    STATISTIC,
    STATISTICS,
    UNREAD,
    Floats,
    Layer,
    Model,
    Tensor,
    can_be,
    each_once,
)

if TYPE_CHECKING:
    import torch

    from netkin.network.format.torch_graph import Program

BUFFER = "a buffer, which is not trained"
OLD = ("serialized_exported_program.json", "serialized_state_dict.pt")
"""Names in a file of torch before 2.8, whose weights are pickled."""
AGAIN = "export it again with a newer torch (torch.export.save), or save the weights alone"
DTYPES = {
    1: "uint8",
    2: "int8",
    3: "int16",
    4: "int32",
    5: "int64",
    6: "float16",
    7: "float32",
    8: "float64",
    12: "bool",
    13: "bfloat16",
}
"""Numbers of the types of tensors, as the format has them -> their names."""
DENSE = frozenset(
    (
        *("linear", "addmm", "mm", "matmul", "t", "transpose", "permute", "flatten", "view"),
        *("reshape", "relu", "tanh", "sigmoid", "gelu", "silu", "elu", "leaky_relu", "selu"),
        *("dropout", "softmax", "log_softmax", "batch_norm", "clone", "contiguous", "to"),
        *("_to_copy", "detach", "alias", "squeeze", "unsqueeze", "_softmax", "_log_softmax"),
        *("_native_batch_norm_legit_no_training", "sym_size"),
    )
)
"""Operators of a chain of dense layers; with any other one it is none."""
MOST_LETTERS = 1 << 28
"""Bytes of JSON, at most."""


OF_DAMAGE = (KeyError, IndexError, TypeError, ValueError, RecursionError, OverflowError)
"""What reading JSON raises that is not as the format has it."""


class Held(NamedTuple):
    """A tensor of a file.

    Attributes
    ----------
    path : str
        Its name in the archive.
    dtype : str
    shape, strides : tuple of int
    offset : int
        Of the first number, in numbers.
    is_trained : bool
    """

    path: str
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    is_trained: bool


def recognises(head: bytes, path: Path) -> bool:
    """Tell whether a file is an archive of torch with a program in it."""
    if not head.startswith(b"PK") or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    return any(
        re.fullmatch(r"([^/]+/)?(archive_format|models/[^/]+\.json)", name) or name in OLD
        for name in names
    )


@contextmanager
def opened(path: Path) -> Iterator[Model]:
    """Open a file; see `netkin.network.format.open_model`."""
    try:
        import torch  # noqa: F401 # its operators say how their inputs are called
    except ImportError:
        raise Lacking(
            f"{path}: an exported program of torch, which is not installed (pip install torch), or "
            "convert it to safetensors."
        ) from None
    with zipfile.ZipFile(path) as archive:
        try:
            model = _File(path, archive).model()
        except OF_DAMAGE as error:
            raise NetkinError(
                f"{path}: not a readable exported program of torch ({_of_damage(error)})."
            ) from None
    yield model


def _of_damage(error: Exception) -> str:
    """Return in a few words what is damaged."""
    return f"{type(error).__name__}: {str(error)[:200]}"


class _File:
    """An archive of an exported program."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path = path
        self._archive = archive
        self._entries = self._checked()
        model = self._only_model()
        self._program = self._json(f"models/{model}.json")["graph_module"]
        self._graph = self._program["graph"]
        self._held = self._tensors(f"data/weights/{model}_weights_config.json", "data/weights/")
        self._constants = self._tensors(
            f"data/constants/{model}_constants_config.json", "data/constants/"
        )

    def _checked(self) -> dict[str, zipfile.ZipInfo]:
        """Return the entries by name, without the folder in which all of them are."""
        entries = self._archive.infolist()
        if any(one.filename in OLD for one in entries):
            raise NetkinError(
                f"{self._path}: an exported program of torch before 2.8, whose weights are pickled "
                f"in a way that netkin does not read; {AGAIN}."
            )
        packed = [one.filename for one in entries if one.compress_type != zipfile.ZIP_STORED]
        if packed:
            raise NetkinError(
                f"{self._path}: {shown(packed[0])} in it is compressed, which is not of torch."
            )
        if sum(one.file_size for one in entries) > self._path.stat().st_size:
            raise NetkinError(f"{self._path}: its parts declare more bytes than the file has.")
        found = {one.filename.partition("/")[2]: one for one in entries}
        if len(found) < len(entries):
            raise NetkinError(f"{self._path}: a part stands in it twice.")
        return found

    def _bytes(self, name: str) -> bytes:
        if name not in self._entries:
            raise NetkinError(f"{self._path}: {shown(name)} is missing in it.")
        return self._archive.read(self._entries[name])

    def _json(self, name: str) -> Any:
        text = self._bytes(name)
        if len(text) > MOST_LETTERS:
            raise NetkinError(f"{self._path}: {shown(name)} has {len(text):,} bytes.")
        return json.loads(text, object_pairs_hook=each_once)

    def _only_model(self) -> str:
        if "byteorder" in self._entries and self._bytes("byteorder") != b"little":
            raise NetkinError(
                f"{self._path}: {UNREAD}big-endian numbers, which netkin does not read."
            )
        names = [
            found[1]
            for name in self._entries
            if (found := re.fullmatch(r"models/([^/]+)\.json", name))
        ]
        if len(names) > 1:
            raise NetkinError(
                f"{self._path}: several programs are in it: {listed(names)}; save the one that is "
                "meant alone."
            )
        if not names:
            compiled = any(name.startswith("data/aotinductor/") for name in self._entries)
            what = "compiled code, of which netkin runs nothing" if compiled else "no program"
            raise NetkinError(
                f"{self._path}: it holds {what}. Save the exported program, torch.export.save."
            )
        return names[0]

    # --- tensors ------------------------------------------------------------------------------

    def _tensors(self, config: str, folder: str) -> dict[str, Held]:
        """Return the tensors that a part of the archive lists, each within its bytes."""
        if config not in self._entries:
            old = config.replace("_weights_config.json", ".pt")
            old = old.replace("_constants_config.json", ".pt")
            if old in self._entries:
                raise NetkinError(
                    f"{self._path}: its weights are pickled in a way that netkin does not read; "
                    f"{AGAIN}."
                )
        found = {}
        for name, entry in dict(self._json(config)["config"]).items():
            if entry["use_pickle"] or entry["tensor_meta"] is None:
                raise NetkinError(
                    f"{self._path}: {shown(name)} is pickled, and reading it would run what is in "
                    "it. Export a program of plain tensors."
                )
            meta = entry["tensor_meta"]
            number = meta["dtype"]
            held = Held(
                folder + entry["path_name"],
                DTYPES.get(number, f"type {number} of torch"),
                tuple(_plain_int(size) for size in meta["sizes"]),
                tuple(_plain_int(step) for step in meta["strides"]),
                _plain_int(meta["storage_offset"]),
                bool(entry["is_param"]),
            )
            if held.dtype in DTYPES.values():
                self._check(name, held)
            found[name] = held
        return found

    def _check(self, name: str, held: Held) -> None:
        """Refuse a tensor that leaves its bytes."""
        if len(held.shape) != len(held.strides) or not can_be(held.shape):
            raise NetkinError(f"{self._path}: {shown(name)} has the shape {held.shape}.")
        if held.path not in self._entries:
            raise NetkinError(f"{self._path}: {shown(held.path)} is missing in it.")
        size = self._entries[held.path].file_size
        last = held.offset + sum(
            (n - 1) * step for n, step in zip(held.shape, held.strides, strict=True)
        )
        each = 2 if held.dtype == "bfloat16" else np.dtype(held.dtype).itemsize
        numbers, of_file = prod(held.shape), self._path.stat().st_size
        for wanted, there in (((last + 1) * each, size), (numbers * each, of_file)):
            if numbers and wanted > there:
                raise NetkinError(
                    f"{self._path}: {shown(name)} declares {wanted:,} bytes; there are {there:,}."
                )

    def _array(self, held: Held) -> Any:
        """Return a tensor as an array whose numbers stay in the file; bfloat16 as its bits."""
        dtype = np.dtype("uint16" if held.dtype == "bfloat16" else held.dtype)
        if not prod(held.shape):
            return np.empty(held.shape, dtype)
        flat = _mapped(self._path, self._entries[held.path]).view(np.uint8)
        flat = flat[: len(flat) - len(flat) % dtype.itemsize].view(dtype)
        steps = tuple(step * dtype.itemsize for step in held.strides)
        return np.lib.stride_tricks.as_strided(
            flat[held.offset :], held.shape, steps, writeable=False
        )

    def _read(self, held: Held, rows: Any) -> Floats:
        array = self._array(held)
        part = array[rows] if array.ndim else array
        if held.dtype == "bfloat16":
            bits: Floats = (part.astype(np.uint32) << 16).view(np.float32)
            return bits
        return np.array(part, dtype=np.float64 if held.dtype == "float64" else np.float32)

    def _tensor(self, held: Held) -> "torch.Tensor":
        """Return a tensor for torch, a copy."""
        import torch

        array = np.array(self._array(held))
        tensor = torch.from_numpy(array)
        return tensor.view(torch.bfloat16) if held.dtype == "bfloat16" else tensor

    # --- what is understood ---------------------------------------------------------------------

    def model(self) -> Model:
        """Return what was understood."""
        tensors: dict[str, Tensor] = {}
        statistics: dict[str, Tensor] = {}
        left_out: dict[str, str] = {}
        seen: dict[Held, str] = {}
        for name, held in (self._held | self._constants).items():
            tensor = Tensor(name, held.shape, held.dtype, partial(self._read, held))
            if held.dtype not in DTYPES.values():
                left_out[name] = f"{UNREAD}{held.dtype}, which netkin does not read"
            elif not held.dtype.startswith(("float", "bfloat")):
                left_out[name] = COUNTER
            elif name.rpartition(".")[2] in STATISTICS:
                left_out[name] = STATISTIC
                statistics[name] = tensor
            elif not held.is_trained:
                left_out[name] = BUFFER
            else:
                first = seen.setdefault(held, name) if prod(held.shape) else name
                tensors[name] = replace(tensor, same_as=first if first != name else "")
        chain, unchained = None, self._other()
        if not unchained:
            try:
                chain, unchained = _chain(self.graph(InputShape()), self._held)
            except NotUnderstood as why:
                unchained = str(why)
        return Model(
            str(self._path),
            "pt2",
            tensors,
            left_out,
            chain,
            unchained,
            wired=self.graph,
            statistics=statistics,
        )

    def _other(self) -> str:
        """Return what there is beside dense layers, in one clause; "" for nothing."""
        for node in self._graph["nodes"]:
            target = node["target"]
            name = re.sub(r"^torch\.ops\.", "", target)
            base = name.split(".")[1] if name.count(".") else name
            if not name.startswith("aten.") or base.rstrip("_") not in DENSE:
                return f"node {shown(node['outputs'] and _label(node))} is {shown(name)}"
        return ""

    def graph(self, shape: InputShape) -> BlockGraph:
        """Return the graph of the program.

        Raises
        ------
        NotUnderstood
            A node has no rule, or the size of an axis is open.
        """
        from netkin.network.format.torch_graph import graph_of_program

        try:
            program = self._nodes(shape)
        except OF_DAMAGE as error:
            raise NotUnderstood(f"its program is not readable ({_of_damage(error)})") from None
        return graph_of_program(program)

    def _nodes(self, shape: InputShape) -> "Program":
        """Return the program as nodes."""
        from netkin.network.format.torch_graph import Constant, Input, Node, Program

        names = _names(self._held)
        sizes = _Sizes(self._graph["tensor_values"], shape)
        parameters = {
            name: prod(held.shape)
            for name, held in self._held.items()
            if held.is_trained and name not in names
        }
        program = Program([], parameters=parameters)
        for spec in self._program["signature"]["input_specs"]:
            ((kind, entry),) = dict(spec).items()
            if kind == "user_input":
                ((what, argument),) = dict(entry["arg"]).items()
                if what == "as_tensor":
                    name = argument["name"]
                    number = self._graph["tensor_values"][name]["dtype"]
                    is_float = DTYPES.get(number, "").startswith(("float", "bfloat"))
                    program.inputs.append(Input(name, sizes.of_input(name), is_float, name))
                elif what != "as_none":
                    raise NotUnderstood(f"an input is no tensor ({what})")
            elif kind == "constant_input":
                program.numbers[entry["name"]] = next(iter(dict(entry["value"]).values()))
            elif kind in PLACES:
                place = PLACES[kind]
                named = entry[place]
                held = self._held.get(named) or self._constants[named]
                if held.dtype not in DTYPES.values():
                    raise NotUnderstood(f"{shown(named)} is {UNREAD}{held.dtype}")
                of = (names.get(named, named),) if kind != "tensor_constant" else ()
                program.constants[entry["arg"]["name"]] = Constant(self._tensor(held), of)
            else:
                raise NotUnderstood(f"it needs an object that is no tensor ({kind})")
        program.sizes, program.batch = sizes.taken, sizes.batch
        program.leave_out = shape.leave_out
        for name, value in dict(self._graph["sym_int_values"]).items():
            if "as_int" in value:
                program.numbers[name] = int(value["as_int"])
        for node in self._graph["nodes"]:
            target = re.sub(r"^torch\.ops\.", "", node["target"])
            try:
                inputs = {each["name"]: _argument(each["arg"]) for each in node["inputs"]}
            except NotUnderstood as why:
                why = NotUnderstood(f"node {shown(_label(node))} ({target}): {why}")
                raise why from None
            if target.startswith("aten."):
                inputs = _filled(target, inputs)
            outputs = [_given(each) for each in node["outputs"]]
            only = outputs[0] if len(outputs) == 1 else outputs or None
            program.nodes.append(Node(_label(node), target, inputs, only))
        program.outputs = [_argument(each) for each in self._graph["outputs"]]
        program.shapes = sizes.known()
        return program


PLACES = {
    "parameter": "parameter_name",
    "buffer": "buffer_name",
    "tensor_constant": "tensor_constant_name",
}
"""Kind of an input that the file has -> the field with its name."""


def _mapped(path: Path, entry: zipfile.ZipInfo) -> Any:
    """Return the bytes of an entry that is not packed, as they lie in the file."""
    with path.open("rb") as file:
        file.seek(entry.header_offset)
        head = file.read(30)
        if len(head) < 30 or head[:4] != b"PK\x03\x04":
            raise NetkinError(f"{path}: {shown(entry.filename)} is not where it is said to be.")
        name, extra = (int.from_bytes(head[at : at + 2], "little") for at in (26, 28))
        start = entry.header_offset + 30 + name + extra
    if start + entry.file_size > path.stat().st_size:
        raise NetkinError(f"{path}: {shown(entry.filename)} is cut short.")
    return np.memmap(path, np.uint8, "r", start, (entry.file_size,))


def _plain_int(size: Mapping[str, Any]) -> int:
    number = size["as_int"]
    if type(number) is not int or number < 0:
        raise ValueError(f"a size is {shown(number)}")
    return number


def _names(held: Mapping[str, Held]) -> dict[str, str]:
    """Return for each tensor that stands there under an earlier name that name."""
    first: dict[Held, str] = {}
    return {
        name: first[each]
        for name, each in held.items()
        if prod(each.shape) and first.setdefault(each, name) != name
    }


def _label(node: Mapping[str, Any]) -> str:
    """Return how a node is called: as what it gives."""
    name = dict(node).get("name")
    if isinstance(name, str):
        return name
    for each in node["outputs"]:
        given = _given(each)
        return str(given[0] if isinstance(given, list) and given else given)
    return str(node["target"])


class _Sizes:
    """Sizes of axes, of which a file may leave some open."""

    def __init__(self, values: Mapping[str, Any], shape: InputShape) -> None:
        self._values = values
        self._shape = shape
        self.batch = 1
        self.taken: dict[str, int] = {}

    def of_input(self, name: str) -> tuple[int, ...]:
        """Return the shape of an input: one row, and what is given for open axes."""
        sizes = self._values[name]["sizes"]
        given = self._shape.of(name)
        fixed = [int(size["as_int"]) if "as_int" in size else None for size in sizes]
        # a batch is what is open, 1 or, in two axes and more, the first
        has_batch = len(fixed) > 1 or fixed == [None]
        axis = 0 if not fixed or fixed[0] is None or 1 not in fixed else fixed.index(1)
        found: list[int] = []
        rest = iter(given or ())
        if given is not None and len(given) != len(sizes) - has_batch:
            raise NotUnderstood(
                f"input '{name}' has {len(sizes) - has_batch} axes without the batch; "
                f"{len(given)} are given"
            )
        for place, size in enumerate(sizes):
            if has_batch and place == axis:
                self.batch = max(self.batch, fixed[place] or 1)
                found.append(1)
                continue
            wanted = next(rest, None)
            if fixed[place] is not None:
                if wanted not in (None, fixed[place]):
                    raise NotUnderstood(
                        f"axis {place} of input '{name}' has the size {fixed[place]}; {wanted} is "
                        "given"
                    )
                found.append(int(fixed[place] or 0))
                continue
            found.append(self._open(name, place, size["as_expr"], wanted))
        return tuple(found)

    def _open(self, name: str, place: int, expression: Mapping[str, Any], wanted: Any) -> int:
        """Return the size of an axis that is open."""
        axis = expression["expr_str"]
        hint = expression["hint"]
        if wanted is None:
            wanted = self._shape.axes.get(axis)
        if wanted is None and hint is not None:
            wanted = hint["as_int"]
        if type(wanted) is not int or wanted < 1:
            raise NotUnderstood(f"axis {place} of input '{name}' ({axis}) has no size")
        if self.taken.setdefault(axis, wanted) != wanted:
            raise NotUnderstood(f"axis {axis} is to be {self.taken[axis]} and {wanted}")
        return wanted

    def known(self) -> dict[str, tuple[int | None, ...]]:
        """Return the shapes that values must have; None where an axis is open."""
        found = {}
        for name, value in dict(self._values).items():
            sizes = [int(size["as_int"]) if "as_int" in size else None for size in value["sizes"]]
            if self.batch > 1:  # the program is for several rows, and one is taken
                sizes = [
                    None if size is not None and size % self.batch == 0 else size for size in sizes
                ]
            found[name] = tuple(sizes)
        return found


def _argument(argument: Mapping[str, Any]) -> Any:
    """Return an input of a node."""
    ((kind, value),) = dict(argument).items()
    if kind not in ARGUMENTS:
        raise NotUnderstood(f"an input is of a kind that has no rule ({kind})")
    return ARGUMENTS[kind](value)


def _ref(value: Mapping[str, Any]) -> Any:
    from netkin.network.format.torch_graph import Ref

    return Ref(str(value["name"]))


def _symbol(value: Mapping[str, Any]) -> Any:
    """Return a size, by name or as it is."""
    from netkin.network.format.torch_graph import Ref

    ((kind, each),) = dict(value).items()
    return Ref(str(each)) if kind == "as_name" else each


def _optional(value: Mapping[str, Any]) -> Any:
    ((kind, each),) = dict(value).items()
    return None if kind == "as_none" else _ref(each)


def _dtype(number: int) -> Any:
    import torch

    if number not in DTYPES:
        raise NotUnderstood(f"type {number} of torch has no rule")
    return getattr(torch, DTYPES[number])


def _all(of: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda values: [of(each) for each in values]


ARGUMENTS: dict[str, Callable[[Any], Any]] = {
    "as_none": lambda _: None,
    "as_tensor": _ref,
    "as_tensors": _all(_ref),
    "as_optional_tensor": _optional,
    "as_optional_tensors": _all(_optional),
    "as_int": int,
    "as_ints": _all(int),
    "as_float": float,  # "Infinity" and "NaN", too
    "as_floats": _all(float),
    "as_bool": bool,
    "as_bools": _all(bool),
    "as_string": str,
    "as_strings": _all(str),
    "as_sym_int": _symbol,
    "as_sym_ints": _all(_symbol),
    "as_sym_bool": _symbol,
    "as_sym_float": _symbol,
    "as_scalar_type": _dtype,
    "as_memory_format": lambda _: None,
    "as_layout": lambda _: None,
    "as_device": lambda _: None,
}
"""Kind of an input of a node -> what is made of it."""


def _given(argument: Mapping[str, Any]) -> Any:
    """Return the names of what a node gives."""
    from netkin.network.format.torch_graph import Ref

    value = _argument(argument)
    if isinstance(value, list):
        return [each.name if isinstance(each, Ref) else None for each in value]
    return value.name if isinstance(value, Ref) else None


def _filled(target: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs of a node with what is not said, in the order of the operator's schema."""
    from netkin.network.format.torch_graph import bound, operator_of

    return bound(operator_of(target), (), inputs)


def _chain(graph: BlockGraph, held: Mapping[str, Held]) -> tuple[list[Layer] | None, str]:
    """Return the dense layers of a graph that is a chain of them, or why it is none."""
    sources = {block.target: block for block in graph.blocks if block.kind == "weight"}
    biases = {block.target: block for block in graph.blocks if block.kind == "bias"}
    whole = list(range(1, len(graph.groups)))
    if len(graph.blocks) != len(sources) + len(biases) or sorted(sources) != whole or not whole:
        return None, "its layers do not follow one another"
    if any(group.grid for group in graph.groups):
        return None, "its units have a grid"
    for one, other in pairwise(range(len(graph.groups))):
        block = sources[other]
        if block.source != one or block.n_in != graph.groups[one].channels:
            return None, "its layers do not follow one another"
        if block.weight.shape[2] != 1 or block.groups != 1:
            return None, "its units are read in parts"
    layers = []
    for place in whole:
        block, bias = sources[place], biases.get(place)
        made_of = dict.fromkeys((*block.made_of, *(bias.made_of if bias else ())))
        layers.append(
            Layer(
                block.weight[:, :, 0],
                None if bias is None else bias.weight[:, 0, 0],
                tuple(name for name in made_of if name in held and held[name].is_trained),
            )
        )
    return layers, ""
