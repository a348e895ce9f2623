"""Files of weights compared: all pairs of two or more."""

import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from netkin.diagram.diagram import Diagram
from netkin.diagram.network import Computed, graph_diagram
from netkin.distance import INPUTS, MEASURES
from netkin.distance.matrix import Matrix, distance_matrices
from netkin.distance.pace import QUICK, SECONDS, expected_seconds, weights_of
from netkin.distance.tensors import Tensors, read_tensors
from netkin.distance.wired import in_memory
from netkin.errors import Absent, NetkinError, UndefinedDistance, allowed, shown
from netkin.failure import explain
from netkin.finite import is_finite
from netkin.graph.blocks import BlockGraph
from netkin.graph.graph import Graph
from netkin.graph.reading import BlockEdges, listed_graph
from netkin.inspection import WITHOUT_ROWS, by_reason, clause, path_of, refuse_others
from netkin.measuring import ChosenMeasure, choose, require_measure
from netkin.network.file import Network
from netkin.network.format import open_model
from netkin.network.format.leave_out import CUT_OFF, given_of
from netkin.network.format.model import Model
from netkin.network.format.wiring_file import Wiring as WiringFile
from netkin.network.format.wiring_file import wiring_of
from netkin.network.layers import open_network_graph
from netkin.options import check_options, options_of
from netkin.storage import file_of

if TYPE_CHECKING:
    import pandas as pd

Path_ = str | os.PathLike[str]
Wiring = str | Sequence[str] | Mapping[str, str]
Made = TypeVar("Made")
Progress = Callable[[int, int, str], None]
COLUMNS = (
    *("network_a", "network_b", "measure", "family", "orientation", "value"),
    *("null_mean", "calibrated", "p_value", "low", "high", "reason", "seconds"),
)
"""Columns of the table, those of `netkin.results` for one comparison and replicate."""
DEFAULT_FAMILIES = ("topology", "weight")
"""Families whose quick measures are computed without being asked for."""


def default_measures() -> list[str]:
    """Return the measures that are computed without being asked for."""
    return [
        name
        for name, entry in MEASURES.items()
        if entry.family in DEFAULT_FAMILIES and SECONDS.get(name, np.inf) <= QUICK
    ]


@dataclass(frozen=True, eq=False, repr=False)
class Compared:
    """What several measures say of all pairs of networks.

    Attributes
    ----------
    networks : tuple of str
        What the networks are called, in the order in which they were given.
    paths : tuple of str
        Their files.
    measures : tuple of str
        What was computed, keys of `netkin.distance.MEASURES`.
    matrices : dict of str to Matrix
        Measure -> its values of shape (n, n) with the reasons of those that are NaN; nothing is
        compared with itself, so the diagonal is NaN (see `matrix`).
    unreadable : dict of str to str
        Network -> why its file cannot be read.
    unwired : dict of str to str
        Network -> why it has no graph and no diagram, where its tensors can be read.
    on_request : dict of str to float
        Further measures of weights -> about how many seconds they take here; empty where measures
        were named, or fewer than two networks have a known wiring.
    not_computable : dict of str to str
        Every other measure -> why weights alone do not give it.
    largest : int
        Weights of the largest network whose wiring is known, 0 for none.
    remarks : dict of str to str
        Network -> what was left out of its graph so that this falls into parts.
    """

    networks: tuple[str, ...]
    paths: tuple[str, ...]
    measures: tuple[str, ...]
    matrices: Mapping[str, Matrix]
    unreadable: Mapping[str, str]
    unwired: Mapping[str, str]
    on_request: Mapping[str, float]
    not_computable: Mapping[str, str]
    largest: int
    remarks: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Return one line; printed, it has the values."""
        networks, measures = len(self.networks), len(self.measures)
        return (
            f"<netkin.Compared: {networks} networks by {measures} measure{'s' * (measures != 1)}; "
            "print it, or take .table or .matrix(measure)>"
        )

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """A row for each pair and measure, with the keys `COLUMNS`.

        The keys are those of `netkin.results` but for the comparison and the replicate. Value,
        the null (null_mean, calibrated and p_value) and the interval (low and high) are NaN where
        there is none; there is no null and no interval yet for any measure of weights or topology.
        Seconds is processor time, the mean over the pairs.
        """
        found = []
        n = len(self.networks)
        for name in self.measures:
            entry, matrix = MEASURES[name], self.matrices[name]
            pairs = [
                (i, j)
                for i in range(n)
                for j in range(n)
                if i < j or (i > j and not entry.symmetric)
            ]
            for i, j in pairs:
                cells = (self.networks[i], self.networks[j], name, entry.family, entry.orientation)
                value = float(matrix.values[i, j])
                no_null = (np.nan,) * 5
                seconds = round(matrix.cost.seconds / len(pairs), 6)
                rest = (matrix.reasons.get((i, j), ""), seconds)
                line: tuple[Any, ...] = (*cells, value, *no_null, *rest)
                row = dict(zip(COLUMNS, line, strict=True))
                found.append(row)
        return found

    @cached_property
    def table(self) -> "pd.DataFrame":
        """The rows as a tidy table."""
        import pandas as pd

        return pd.DataFrame(self.rows, columns=[*COLUMNS])

    def matrix(self, measure: str) -> "pd.DataFrame":
        """Return the values of a measure as a square table, labelled by the networks.

        The diagonal is what a measure is of a network and itself by its definition: 0 for a
        distance and 1 for a similarity, NaN for a network without any value.

        Raises
        ------
        NetkinError
            The measure was not computed.
        """
        import pandas as pd

        require_measure(measure)
        if measure not in self.matrices:
            raise NetkinError(
                f"{measure}: it was not computed. {allowed(measure, self.measures)} Name it in "
                "measures=[...] to have it."
            )
        values = self.matrices[measure].values.copy()
        own = 0.0 if MEASURES[measure].orientation == "down" else 1.0
        for i in range(len(values)):
            if np.isfinite(values[i]).any() or np.isfinite(values[:, i]).any():
                values[i, i] = own
        return pd.DataFrame(values, index=self.networks, columns=self.networks)

    @property
    def empty(self) -> bool:
        """Whether no measure has a value for any pair."""
        return not any(np.isfinite(row["value"]) for row in self.rows)

    @property
    def complete(self) -> bool:
        """Whether every file could be read and every measure has a value for every pair."""
        return not self.unreadable and not any(row["reason"] for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as what JSON can hold: None for NaN.

        ``not_computable`` is reason -> measures there.
        """
        rows = [
            {key: None if isinstance(x, float) and np.isnan(x) else x for key, x in row.items()}
            for row in self.rows
        ]
        return {
            "networks": dict(zip(self.networks, self.paths, strict=True)),
            "rows": rows,
            "unreadable": dict(self.unreadable),
            "unwired": dict(self.unwired),
            "on_request": dict(self.on_request),
            "not_computable": by_reason(self.not_computable),
        }

    def __str__(self) -> str:
        """Return the values as text: a table for each pair."""
        return "\n".join(_text(self))

    def notes(self) -> list[str]:
        """Return lines on what has no value and why, and on what can be asked for."""
        path = dict(zip(self.networks, self.paths, strict=True))
        lines = [f"{path[name]}: not read: {reason}" for name, reason in self.unreadable.items()]
        lines += [
            f"{path[name]}: wiring not known: {reason}" for name, reason in self.unwired.items()
        ]
        lines += [f"{path[name]}: {text}" for name, text in self.remarks.items()]
        if self.on_request:
            n = len(self.networks)
            pairs = f"{n * (n - 1) // 2} pairs" if n > 2 else "two networks"
            asked = ", ".join(f"{name} ({_duration(x)})" for name, x in self.on_request.items())
            lines.append(
                f"to be asked for by name (measures), with the time for {pairs} of up to "
                f"{self.largest:,} weights: {asked}"
            )
            number = len(self.not_computable)
            lines.append(f"not of weights alone: {number} measures of activations and answers")
        return lines


class _File:
    """One network of somebody's own, from which the sources of measures are read."""

    def __init__(
        self,
        path: str,
        name: str,
        wiring: str,
        input_shape: str,
        leave_out: str,
        reading: Mapping[str, Any],
    ) -> None:
        self.path, self.name, self._reading = path, name, reading
        self.remarks: list[str] = []
        self._wiring, self._said = wiring_of(wiring), (wiring, input_shape, leave_out)
        self._shape = given_of(input_shape, leave_out)

    @cached_property
    def tensors(self) -> Tensors | Absent:
        """Its named tensors."""
        return self._had(lambda: read_tensors(self.path))

    @cached_property
    def diagram(self) -> Diagram | Absent:
        """Its diagram of raw intervals, from weights that stay on disk."""
        return self._had(self._diagram)

    def network(self) -> Network | BlockGraph | Absent:
        """Return its layers, or its graph, which are not kept."""
        return self._had(self._network)

    @cached_property
    def unwired(self) -> str:
        """Why it is not known how it is wired, "" where it is."""

        def look() -> str:
            with open_model(self.path) as model:
                if not self._is_graph(model):
                    layers = model.layers(self._named)
                    self.units = (layers[0].weight.shape[1], *(x.weight.shape[0] for x in layers))
                else:
                    graph = model.graph(self._wiring, self._shape)
                    self.units = (max(1, model.numbers), 1)
                    self.remarks = [note for note in graph.notes if note.endswith(CUT_OFF)]
            return ""

        found = self._had(look)
        return found if isinstance(found, str) else self._reason_of(found)

    units: tuple[int, ...] = ()

    def _diagram(self) -> Diagram:
        with open_network_graph(self.path, *self._said) as graph:
            return graph_diagram(graph, **self._reading).diagram

    def _network(self) -> Network | BlockGraph:
        with open_model(self.path) as model:
            if self._is_graph(model):
                graph = in_memory(model.graph(self._wiring, self._shape))
                if not all(is_finite(block.weight) for block in graph.blocks):
                    raise NetkinError("a weight or bias is NaN or infinite")
                return graph
            layers = model.layers(self._named)
            network = Network(
                tuple(np.asarray(one.weight[:]) for one in layers),
                tuple(one.bias for one in layers),
            )
        for array in (*network.weights, *network.biases):
            if array is not None and not is_finite(array):
                raise NetkinError("a weight or bias is NaN or infinite")
        return network

    @property
    def _named(self) -> Sequence[str | tuple[str, str]]:
        return () if isinstance(self._wiring, WiringFile) else self._wiring

    def _is_graph(self, model: Model) -> bool:
        """Tell whether a network is read as a graph and not as a chain of layers."""
        return model.is_graph(self._wiring, self._shape)

    def _had(self, work: Callable[[], Made]) -> Made | Absent:
        try:
            refuse_others(self.path)
            return work()
        except NetkinError as error:
            return Absent(f"{self.name}: {clause(error, self.path)}")
        except PermissionError as error:
            return Absent(f"{self.name}: {clause(NetkinError(explain(error)), self.path)}")

    def _reason_of(self, absent: Absent) -> str:
        return str(absent).removeprefix(f"{self.name}: ")


def _source(file: _File, source: str) -> Any:
    return file.network() if source == "network" else getattr(file, source)


def _item(chosen: ChosenMeasure, file: _File, source: Any) -> Any:
    if isinstance(source, Absent):
        return source
    try:
        return chosen.item(source)
    except NetkinError as error:
        return Absent(f"{file.name}: {clause(error, file.path)}")


def _guarded(function: Callable[[Any, Any], float]) -> Callable[[Any, Any], float]:
    """Return a function whose refusals are reasons, so that the other pairs have their values."""

    def value(a: Any, b: Any) -> float:
        try:
            found = function(a, b)
        except NetkinError as error:
            raise UndefinedDistance(str(error).rstrip(".")) from None
        if not np.isfinite(found):
            raise UndefinedDistance(
                f"the value is {found}: the numbers are too large or too small for it"
            )
        return found

    return value


def compare(
    *paths: Path_,
    measures: Sequence[str] | str | None = None,
    wiring: Wiring | None = None,
    input_shape: Wiring | None = None,
    leave_out: Wiring | None = None,
    names: Sequence[str] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    reading: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Compared:
    """Compare all pairs of two or more files of weights.

    The functions and defaults are those of the workflow. A file that cannot be read, or whose
    wiring is not known, has no value by the measures that need what is missing, with the reason;
    the others are computed.

    Parameters
    ----------
    *paths : path
        Files or folders, two or more, see `netkin.network.format.FORMATS`.
    measures : sequence of str, or str, optional
        Measures and families of measures, of weights or topology; when left out, those of the
        families topology and weight that take less than half a second for two networks of 670,000
        weights (784-512-512-10).
    wiring : str, sequence of str or mapping, optional
        Names of the weights in the order in which inputs pass them, see
        `netkin.network.format.wiring_file.wiring_of`: for all files, one for each ("" for none), or
        by path or name.
    input_shape : str, sequence of str or mapping, optional
        Sizes of inputs and symbolic axes that files leave open, in the same way; see
        `netkin.network.format.input_shape.parse_input_shape`.
    leave_out : str, sequence of str or mapping, optional
        Nodes, layers or operators that are left out, in the same way; names divided by commas.
    names : sequence of str, optional
        What the networks are called; their file names without ending when left out.
    options : mapping, optional
        Measure -> its options, such as ``{"heat": {"sigma": 0.2}}``.
    reading : mapping, optional
        How weights become the graphs whose diagrams are compared, such as
        ``{"normaliser": "layer"}``; see `netkin.graph.reading.BlockEdges`.
    progress : callable, optional
        Called with steps done, steps in all and what comes next.

    Returns
    -------
    Compared
        Its ``table`` has a row for each pair and measure, ``matrix(measure)`` is square.

    Raises
    ------
    NetkinError
        Fewer than two paths, or an argument that is not allowed.
    """
    if reading is not None and not isinstance(reading, Mapping):
        raise NetkinError(f"reading: found {shown(reading)}; allowed is a mapping.")
    check_options("reading", reading or {}, options_of(BlockEdges))
    files = _files(paths, wiring, input_shape, leave_out, names, reading or {})
    chosen = choose(
        default_measures() if measures is None else measures, {} if options is None else options
    )
    groups: dict[Any, list[ChosenMeasure]] = {}
    for one in chosen:
        groups.setdefault((one.source, one.made_by), []).append(one)
    if progress is not None and not callable(progress):
        raise NetkinError(f"progress: found {shown(progress)}; allowed is a function.")
    steps = len(groups) + 1
    tell = progress or (lambda done, steps, what: None)
    tell(0, steps, "reading")
    unreadable = {
        file.name: clause(NetkinError(str(file.tensors)), file.name).removeprefix(f"{file.name}: ")
        for file in files
        if isinstance(file.tensors, Absent)
    }
    unwired = {f.name: f.unwired for f in files if f.name not in unreadable and f.unwired}
    matrices: dict[str, Matrix] = {}
    for done, ((source, _), group) in enumerate(groups.items(), start=1):
        tell(done, steps, ", ".join(one.name for one in group))
        items = [_item(group[0], file, _source(file, source)) for file in files]
        matrices |= distance_matrices(
            items,
            {one.name: _guarded(one.function) for one in group},
            asymmetric=[one.name for one in group if not one.entry.symmetric],
            diagonal=False,
        )
    tell(steps, steps, "")
    pairs = len(files) * (len(files) - 1) // 2
    largest = max((file.units for file in files), key=weights_of)
    n_wired = sum(file.name not in unreadable and not file.unwired for file in files)
    return Compared(
        networks=tuple(file.name for file in files),
        paths=tuple(file.path for file in files),
        measures=tuple(one.name for one in chosen),
        matrices=matrices,
        unreadable=unreadable,
        unwired=unwired,
        on_request={
            name: float(f"{expected_seconds(name, largest, pairs) or np.nan:.2g}")
            for name, entry in MEASURES.items()
            if not INPUTS[entry.needs].rows and name not in matrices
        }
        if measures is None and n_wired > 1
        else {},
        not_computable={
            name: WITHOUT_ROWS for name, entry in MEASURES.items() if INPUTS[entry.needs].rows
        },
        largest=weights_of(largest),
        remarks={file.name: "; ".join(file.remarks) for file in files if file.remarks},
    )


def _files(
    paths: Sequence[Path_],
    wiring: Wiring | None,
    input_shape: Wiring | None,
    leave_out: Wiring | None,
    names: Sequence[str] | None,
    reading: Mapping[str, Any],
) -> list[_File]:
    files = [path_of(path) for path in paths]
    if len(paths) < 2:
        raise NetkinError(
            f"found {len(paths)} file{'s' * (len(paths) != 1)}; two or more are compared."
        )
    if names is not None and (isinstance(names, str) or not isinstance(names, Iterable)):
        raise NetkinError(f"names: found {shown(names)}; allowed is a list with one for each file.")
    called = _names(files) if names is None else list(names)
    if not all(isinstance(name, str) and name for name in called):
        raise NetkinError("names: each must be a text that is not empty.")
    if len(called) != len(files) or len(set(called)) < len(called):
        raise NetkinError(
            f"names: found {shown(called)} for {len(files)} files; each needs a name of its own."
        )
    wired = _of_each(files, called, wiring, "wiring")
    shapes = _of_each(files, called, input_shape, "input_shape")
    without = _of_each(files, called, leave_out, "leave_out")
    return [
        _File(*each, reading) for each in zip(files, called, wired, shapes, without, strict=True)
    ]


def _names(files: Sequence[str]) -> list[str]:
    """Return short names, each once."""
    found = [Path(file).stem or file for file in files]
    if len(set(found)) < len(found):
        found = [Path(file).name or file for file in files]
    if len(set(found)) < len(found):
        found = list(files)
    return [
        name if found.index(name) == i else f"{name} ({found[: i + 1].count(name)})"
        for i, name in enumerate(found)
    ]


def _of_each(
    files: Sequence[str], names: Sequence[str], given: Wiring | None, argument: str
) -> list[str]:
    """Return a text for each file, "" where nothing is said of it."""
    if given is None:
        return [""] * len(files)
    if isinstance(given, str):
        return [given] * len(files)
    if isinstance(given, Mapping):
        known = {*files, *names}
        for name in given:
            if name not in known:
                raise NetkinError(
                    f"{argument}: no file is called {shown(name)}. {allowed(name, files)}"
                )
        return [
            given.get(file, given.get(name, "")) for file, name in zip(files, names, strict=True)
        ]
    if not isinstance(given, Iterable):
        raise NetkinError(
            f"{argument}: found {shown(given)}; allowed is a text, a list with one for each file, "
            "or a mapping of files to them."
        )
    found = list(given)
    if len(found) != len(files):
        raise NetkinError(f"{argument}: found {len(found)} for {len(files)} files.")
    return found


def _text(found: Compared) -> list[str]:
    rows = found.rows
    lines = []
    width = max((len(name) for name in found.measures), default=0)
    pairs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        pairs.setdefault((row["network_a"], row["network_b"]), []).append(row)
    for (a, b), of_pair in pairs.items():
        lines.append(f"{a} and {b}")
        reason = _one_reason(found, of_pair)
        if reason:
            lines.append(f"  all {len(of_pair)} measures are undefined: {reason}")
            continue
        without: dict[str, list[dict[str, Any]]] = {}
        for row in of_pair:
            if row["reason"]:
                without.setdefault(row["reason"], []).append(row)
                continue
            way = WAYS[row["orientation"]]
            lines.append(f"  {row['measure']:<{width}}  {row['value']:>12.6g}  {way}")
        for reason, of in without.items():
            names = ", ".join(row["measure"] for row in of)
            line = f"{names:<{width}}  {'undefined':>12}  {reason}"
            if len(of) > 1:
                line = f"{len(of)} measures are undefined ({names}): {reason}"
            lines.append(f"  {line}")
    if not found.empty:  # no measure of weights or topology has a null
        lines.append("null: none yet for any of these values")
    return lines


def _one_reason(found: Compared, of_pair: Sequence[Mapping[str, Any]]) -> str:
    """Return why no measure of several has a value for a pair, "" if not for one reason."""
    reasons = [row["reason"] for row in of_pair]
    if len(reasons) < 2 or not all(reasons):
        return ""
    for name in (of_pair[0]["network_a"], of_pair[0]["network_b"]):
        if name in found.unreadable:
            return f"{name}: {found.unreadable[name]}"
    return str(reasons[0]) if len(set(reasons)) == 1 else ""


WAYS = {"down": "smaller is more alike", "up": "larger is more alike"}
"""Orientation -> what it means."""


def _duration(seconds: float) -> str:
    if np.isnan(seconds):
        return "time not known"
    if seconds < 90:
        return f"about {seconds:.1g} s" if seconds < 10 else f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min"


def distances(
    *paths: Path_,
    measure: str,
    wiring: Wiring | None = None,
    input_shape: Wiring | None = None,
    leave_out: Wiring | None = None,
    names: Sequence[str] | None = None,
    reading: Mapping[str, Any] | None = None,
    **options: Any,
) -> "pd.DataFrame":
    """Return the values of one measure for several files as a square table with their names.

    Parameters
    ----------
    *paths, wiring, input_shape, leave_out, names, reading
        As in `compare`.
    measure : str
        A measure of weights or topology.
    **options
        Its options.

    Returns
    -------
    DataFrame of shape (n, n)
        NaN where a pair has no value; a warning says why.

    Raises
    ------
    NetkinError
        As `compare`, and for a path at which nothing is.
    """
    require_measure(measure)
    for path in map(path_of, paths):
        if not Path(path).exists() and not Path(file_of(path)).exists():
            read_tensors(path)  # raises, and says what there is to say
    found = compare(
        *paths,
        measures=[measure],
        wiring=wiring,
        input_shape=input_shape,
        leave_out=leave_out,
        names=names,
        reading=reading,
        options={measure: options},
    )
    reasons = by_reason(
        {f"{row['network_a']} {row['network_b']}": row["reason"] for row in found.rows}
    )
    reasons.pop("", None)
    for reason, of in reasons.items():
        text = f"{measure}: no value for {len(of)} of {len(found.rows)} pairs: {reason}"
        warnings.warn(text, stacklevel=2)
    return found.matrix(measure)


def diagram_of(
    path: Path_,
    wiring: str = "",
    *,
    input_shape: str = "",
    leave_out: str = "",
    **options: Any,
) -> Diagram:
    """Return the persistence diagram of the network in a file, whose weights stay on disk.

    Parameters
    ----------
    path : path
        A file or a folder, see `netkin.network.format.FORMATS`.
    wiring : str
        See `netkin.network.format.wiring_file.wiring_of`; where the file does not tell it.
    input_shape : str
        See `netkin.network.format.input_shape.parse_input_shape`; sizes that the file leaves open.
    leave_out : str
        Names of nodes, layers or operators that are left out, divided by commas.
    **options
        See `netkin.diagram.network.graph_diagram`.

    Returns
    -------
    Diagram
        Raw intervals, ``inf`` for a class that never dies;
        `netkin.diagram.policy.apply_policy` makes them finite.

    Raises
    ------
    NetkinError
        The file cannot be read, its wiring is not known, or an option is not allowed.
    """
    return computed_of(
        path, wiring, input_shape=input_shape, leave_out=leave_out, **options
    ).diagram


def computed_of(
    path: Path_ | BlockGraph,
    wiring: str = "",
    *,
    input_shape: str = "",
    leave_out: str = "",
    **options: Any,
) -> Computed:
    """Return the persistence diagram of the network in a file, and what computed it.

    Parameters
    ----------
    path, wiring, input_shape, leave_out, **options
        As in `diagram_of`.

    Returns
    -------
    Computed
        The diagram, the engine and the theorem that it used.

    Raises
    ------
    NetkinError
        As `diagram_of`.
    """
    check_options("diagram", options, options_of(graph_diagram))
    if isinstance(path, BlockGraph):
        return graph_diagram(path, **options)
    path = path_of(path)
    refuse_others(path)
    with open_network_graph(path, wiring, input_shape, leave_out) as graph:
        try:
            return graph_diagram(graph, **options)
        except NetkinError as error:
            raise NetkinError(f"{path}: {clause(error, path)}.") from None


def graph_of(
    path: Path_,
    wiring: str = "",
    *,
    input_shape: str = "",
    leave_out: str = "",
    **options: Any,
) -> Graph:
    """Return the graph of the network in a file, with all edges in memory.

    Parameters
    ----------
    path, wiring, input_shape, leave_out
        As in `diagram_of`.
    **options
        See `netkin.graph.reading.BlockEdges`.

    Returns
    -------
    Graph
        An edge for each weight and bias, and for each copy of a shared one.

    Raises
    ------
    NetkinError
        The file cannot be read, its wiring is not known, an option is not allowed, the weights
        make no graph, such as where every one is 0, or there are too many edges to list.
    """
    check_options("graph", options, options_of(BlockEdges))
    path = path_of(path)
    refuse_others(path)
    with open_network_graph(path, wiring, input_shape, leave_out) as graph:
        try:
            return listed_graph(graph, **options)
        except NetkinError as error:
            raise NetkinError(f"{path}: {clause(error, path)}.") from None
