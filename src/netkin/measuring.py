"""A measure with its options, and what it compares made of what people have.

What people have is called the source of a measure here: a diagram of raw intervals, for instance,
from which one measure needs finite intervals and another a landscape.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from netkin.diagram.diagram import Diagram
from netkin.diagram.policy import apply_policy
from netkin.distance import INPUTS, MEASURES
from netkin.distance.measure import Measure
from netkin.distance.tensors import Tensors
from netkin.errors import NetkinError, allowed, did_you_mean, shown
from netkin.graph.blocks import BlockGraph, dense_graph
from netkin.graph.graph import Graph, graph_from_weights
from netkin.graph.reading import BlockEdges, listed_graph
from netkin.network.file import Network
from netkin.options import Option, check_options, options_of, require_range
from netkin.vector import VECTORISERS
from netkin.vector.sampling import N_BINS, RANGE, Sampling
from netkin.vector.vector import Vector

Options = Mapping[str, Any]


class Preparation(NamedTuple):
    """How what a measure compares is made of its source.

    Attributes
    ----------
    source : str
        A key of `FROM_ARRAYS`.
    options : callable
        ``measure -> options`` of the making.
    make : callable
        ``(source, measure, **options) -> item``.
    """

    source: str
    options: Callable[[Measure], Mapping[str, Option]]
    make: Callable[..., Any]


def _as_it_is(item: Any, measure: Measure) -> Any:
    return item


def _graph(network: Network | BlockGraph, measure: Measure, **options: Any) -> Graph:
    if isinstance(network, Network):
        network = dense_graph(network.weights, network.biases)
    return listed_graph(network, **options)


_known: "WeakKeyDictionary[Diagram, dict[Any, Diagram]]" = WeakKeyDictionary()
"""Diagram -> policy -> its finite diagram: several vectors are made of each."""


def _finite_diagram(diagram: Diagram, measure: Measure, **options: Any) -> Diagram:
    made = _known.setdefault(diagram, {})
    key = tuple(sorted(options.items()))
    if key not in made:
        made[key] = apply_policy(diagram, **options)
    return made[key]


def _vector_options(measure: Measure) -> Mapping[str, Option]:
    vectoriser = VECTORISERS[str(measure.vector)]
    sampled: dict[str, Option] = {}
    if vectoriser.axes:
        annotation = Annotated[int, Ge(2), Le(vectoriser.most_bins)]
        sampled = {"n_bins": Option(annotation, N_BINS), "range": Option(Any, RANGE)}
    return {**options_of(apply_policy), **options_of(vectoriser.accumulator), **sampled}


def _vector(
    diagram: Diagram,
    measure: Measure,
    n_bins: int = N_BINS,
    range: Iterable[float] = RANGE,
    **options: Any,
) -> Vector:
    kind = str(measure.vector)
    vectoriser = VECTORISERS[kind]
    policy = {name: options.pop(name) for name in options_of(apply_policy) if name in options}
    low, high = require_range("range", range)
    sampling = Sampling(low, high, n_bins if vectoriser.axes else 2)
    finite = _finite_diagram(diagram, measure, **policy)
    arrays = vectoriser.arrays(finite, sampling, **options)
    return Vector(arrays, sampling, axes=vectoriser.axes, kind=kind)


def _none(measure: Measure) -> Mapping[str, Option]:
    return {}


PREPARATIONS: dict[str, Preparation] = {
    "network": Preparation("network", _none, _as_it_is),
    "graph": Preparation("network", lambda measure: options_of(BlockEdges), _graph),
    "tensors": Preparation("tensors", _none, _as_it_is),
    "diagram": Preparation("diagram", lambda measure: options_of(apply_policy), _finite_diagram),
    "vector": Preparation("diagram", _vector_options, _vector),
    "activation": Preparation("activation", _none, _as_it_is),
    "prediction": Preparation("prediction", _none, _as_it_is),
}
"""What a measure needs, a key of `netkin.distance.INPUTS` -> how it is made."""


def require_measure(name: Any) -> Measure:
    """Return a measure by its name.

    Parameters
    ----------
    name : object
        A key of `netkin.distance.MEASURES`, or whatever a user gave for one.

    Returns
    -------
    Measure

    Raises
    ------
    NetkinError
        There is no such measure.
    """
    if not isinstance(name, str) or name not in MEASURES:
        families = ", ".join(dict.fromkeys(one.family for one in MEASURES.values()))
        raise NetkinError(
            f"unknown measure {shown(name)}.{did_you_mean(name, MEASURES)} `netkin measures` lists "
            f"all {len(MEASURES)}, of the families {families}."
        )
    return MEASURES[name]


class ChosenMeasure:
    """A measure with its options.

    Parameters
    ----------
    name : str
        A key of `netkin.distance.MEASURES`.
    options : mapping
        Options of its function and of what is made for it; what is left out has the default of
        its function.

    Raises
    ------
    NetkinError
        There is no such measure or option, or a value is not allowed.
    """

    def __init__(self, name: str, options: Options | None = None) -> None:
        self.name = name
        self.entry = require_measure(name)
        options = dict(options or {})
        if self.entry.needs not in PREPARATIONS:
            raise NetkinError(
                f"{name}: it looks into networks while they answer rows of data, so it takes no "
                "arrays and no files of weights; the workflow computes it."
            )
        self._preparation = PREPARATIONS[self.entry.needs]
        of_function = options_of(self.entry.function)
        of_making = self._preparation.options(self.entry)
        check_options(name, options, {**of_function, **of_making})
        if "range" in options:
            options["range"] = require_range("range", options["range"])
        self._making = {key: options.pop(key) for key in of_making if key in options}
        self.function: Callable[[Any, Any], float] = partial(self.entry.function, **options)

    @property
    def source(self) -> str:
        """What the items are made of, a key of `FROM_ARRAYS`."""
        return self._preparation.source

    @property
    def made_by(self) -> tuple[Any, ...]:
        """Measures with equal ones compare the same items."""
        return (self.entry.needs, self.entry.vector, *sorted(self._making.items(), key=str))

    def item(self, source: Any) -> Any:
        """Return what the function compares, made of the source."""
        return self._preparation.make(source, self.entry, **self._making)


class MeasureOfArrays:
    """A measure that is called on two networks as plain arrays.

    What they are depends on what the measure compares:

    - activations: arrays of shape (rows, neurons), the same rows of both;
    - answers: class numbers of shape (rows,), or probabilities of shape (rows, classes);
    - diagrams: a `netkin.diagram.diagram.Diagram`, or an array of births and deaths of shape
      (intervals, 2) for each homology dimension, or one for dimension 0 alone;
    - weights: a list of matrices of shape (n_out, n_in), the inputs first, or of pairs of a
      matrix and its biases;
    - tensors: a mapping of names to arrays, or a list of arrays, which are matched by their place.

    Parameters
    ----------
    name : str
        A key of `netkin.distance.MEASURES`.

    Attributes
    ----------
    name, family, orientation, range, symmetric, metric, citation
        See `netkin.distance.measure.Measure`; ``up``: the larger the more alike.
    """

    def __init__(self, name: str) -> None:
        entry = ChosenMeasure(name).entry  # refuses what takes no arrays
        self.name = name
        self.family = entry.family
        self.orientation = entry.orientation
        self.range = entry.range
        self.symmetric = entry.symmetric
        self.metric = entry.metric
        self.citation = entry.citation

    def __repr__(self) -> str:
        """Return what makes it."""
        return f"netkin.measure({self.name!r})"

    def __call__(self, a: Any, b: Any, *, labels: Any = None, **options: Any) -> float:
        """Return the value of the measure.

        Parameters
        ----------
        a, b
            The two networks, see the class.
        labels : int array of shape (rows,), optional
            True class of each row, for measures of answers that need it.
        **options
            Options of the measure, as `netkin.measures` and docs/measures.md list them.

        Raises
        ------
        NetkinError
            The arrays or the options are not what the measure takes.
        UndefinedDistance
            It has no value for these two.
        """
        chosen = ChosenMeasure(self.name, options)
        if labels is None and "labels" in chosen.entry.requires:
            raise NetkinError(f"{self.name}: it needs the true class of each row; give labels=...")
        if labels is not None and chosen.source not in ("activation", "prediction"):
            raise NetkinError(f"{self.name}: unknown option 'labels'; it compares no rows.")
        if chosen.source == "prediction" and "probabilities" in chosen.entry.requires:
            for array in (a, b):
                n_axes = numbers(self.name, array).ndim
                if n_axes != 2:
                    raise NetkinError(
                        f"{self.name}: it compares probabilities, of shape (rows, classes); found "
                        f"an array of {n_axes} axes."
                    )
        sources = FROM_ARRAYS[chosen.source](self.name, a, b, labels)
        value = float(chosen.function(*map(chosen.item, sources)))
        if not np.isfinite(value):
            raise NetkinError(
                f"{self.name}: the value is {value}; the numbers are too large or too small for it."
            )
        return value


def numbers(what: str, found: Any, *, axes: Sequence[int] = ()) -> NDArray[Any]:
    """Return an array of real numbers.

    Parameters
    ----------
    what : str
        How the error names it.
    found : array-like
        What was given.
    axes : sequence of int
        How many it may have; any number if empty.

    Raises
    ------
    NetkinError
        It is no such array.
    """
    try:
        array = np.asarray(found)
    except Exception as error:  # whatever a user's object raises
        raise NetkinError(f"{what}: not an array ({error}).") from None
    if array.dtype.kind not in "fiub" or (axes and array.ndim not in axes):
        of = " or ".join(map(str, axes)) or "any number of"
        raise NetkinError(
            f"{what}: an array of {array.ndim} axes of {array.dtype}; allowed are real numbers "
            f"along {of} axes."
        )
    return array


def _of_activations(name: str, a: Any, b: Any, labels: Any) -> list[Any]:
    from netkin.distance.representational.representation import Representation

    known = None if labels is None else numbers("labels", labels, axes=[1])
    return [
        Representation(numbers(f"{name}, {which}", x, axes=[2]), name=which, labels=known)
        for which, x in (("first network", a), ("second network", b))
    ]


def _of_answers(name: str, a: Any, b: Any, labels: Any) -> list[Any]:
    from netkin.prediction.prediction import Prediction

    both = [
        numbers(f"{name}, {which}", x, axes=[1, 2])
        for which, x in (("first network", a), ("second network", b))
    ]
    classes = [x for x in both if x.ndim == 1]
    for x in classes:
        if x.dtype.kind not in "iu" or x.min(initial=0) < 0 or x.max(initial=0) >= MOST_CLASSES:
            raise NetkinError(
                f"{name}: classes must be whole numbers from 0 to {MOST_CLASSES - 1:,}, or give "
                "probabilities of shape (rows, classes)."
            )
    n_classes = max([2, *(int(x.max(initial=0)) + 1 for x in classes)])
    n_classes = max([n_classes, *(x.shape[1] for x in both if x.ndim == 2)])
    found = []
    for which, x in zip(("first network", "second network"), both, strict=True):
        known = (
            np.zeros(len(x), np.int64) if labels is None else numbers("labels", labels, axes=[1])
        )
        probabilities = np.eye(n_classes)[x] if x.ndim == 1 else x.astype(np.float64)
        found.append(Prediction(np.arange(len(x)), probabilities, known, which))
    return found


MOST_CLASSES = 10_000
"""Classes of answers that are given as their numbers, at most."""


def _of_weights(name: str, a: Any, b: Any, labels: Any) -> list[Any]:
    return [_network(f"{name}, {which} network", x) for which, x in (("first", a), ("second", b))]


def _network(what: str, found: Any) -> Network | BlockGraph:
    if isinstance(found, Network | BlockGraph):
        return found
    if isinstance(found, str | bytes | Mapping) or not isinstance(found, Iterable):
        raise NetkinError(
            f"{what}: found {shown(found)}; allowed is a list of weight matrices of shape (n_out, "
            "n_in), or of pairs of a matrix and its biases, the inputs first."
        )
    weights: list[NDArray[Any]] = []
    biases: list[NDArray[Any] | None] = []
    for index, layer in enumerate(found):
        weight, bias = layer if isinstance(layer, tuple) and len(layer) == 2 else (layer, None)
        weights.append(_floats(numbers(f"{what}, layer {index}", weight, axes=[2])))
        of_biases = f"{what}, biases of layer {index}"
        biases.append(None if bias is None else _floats(numbers(of_biases, bias, axes=[1])))
    network = Network(tuple(weights), tuple(biases))
    graph_from_weights(weights, biases)  # refuses what is no network, in a sentence
    return network


def _floats(array: NDArray[Any]) -> NDArray[Any]:
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


def _of_tensors(name: str, a: Any, b: Any, labels: Any) -> list[Any]:
    return [_tensors(f"{name}, {which} network", x) for which, x in (("first", a), ("second", b))]


def _tensors(what: str, found: Any) -> Tensors:
    if isinstance(found, str | bytes) or not isinstance(found, Iterable):
        raise NetkinError(
            f"{what}: found {shown(found)}; allowed is a mapping of names to arrays, or a list."
        )
    named = found if isinstance(found, Mapping) else dict(enumerate(found))
    return Tensors.of({str(key): numbers(f"{what}, {key!r}", x) for key, x in named.items()})


def _of_intervals(name: str, a: Any, b: Any, labels: Any) -> list[Any]:
    both = [_diagram(f"{name}, {which} network", x) for which, x in (("first", a), ("second", b))]
    dimensions = [len(one.intervals) for one in both]
    if dimensions[0] != dimensions[1]:
        raise NetkinError(
            f"{name}: diagrams of {dimensions[0]} and {dimensions[1]} homology dimensions cannot "
            "be compared; give as many arrays for each, empty ones of shape (0, 2) where "
            "there are no intervals."
        )
    return both


def _diagram(what: str, found: Any) -> Diagram:
    if isinstance(found, Diagram):
        return found
    single = isinstance(found, np.ndarray) and found.ndim == 2
    if not single and (isinstance(found, str | bytes | Mapping) or not isinstance(found, Iterable)):
        raise NetkinError(
            f"{what}: found {shown(found)}; allowed is a diagram, or arrays of births and deaths."
        )
    parts = [numbers(what, x, axes=[2]) for x in ([found] if single else found)]
    for part in parts:
        if part.shape[1] != 2:
            raise NetkinError(
                f"{what}: intervals of shape {part.shape}; allowed is (intervals, 2)."
            )
    if not parts:
        raise NetkinError(f"{what}: no homology dimension; allowed is one array for each.")
    return Diagram.from_intervals(parts)


FROM_ARRAYS: dict[str, Callable[[str, Any, Any, Any], list[Any]]] = {
    "activation": _of_activations,
    "prediction": _of_answers,
    "diagram": _of_intervals,
    "network": _of_weights,
    "tensors": _of_tensors,
}
"""Source -> ``(name, a, b, labels) -> both as the source``, checked."""


def measure(name: str) -> MeasureOfArrays:
    """Return a measure that is called on two networks as plain arrays.

    Parameters
    ----------
    name : str
        Such as ``"cka"``; `netkin.measures` lists them.

    Returns
    -------
    MeasureOfArrays
        Such as ``netkin.measure("cka")(X, Y)``; options of the measure are keyword arguments, as in
        ``netkin.measure("heat")(a, b, sigma=0.2)``.

    Raises
    ------
    NetkinError
        There is no such measure, or it takes no arrays.
    """
    return MeasureOfArrays(name)


def choose(names: Sequence[str] | str, options: Mapping[str, Options]) -> list[ChosenMeasure]:
    """Return measures that files of weights have, by their names or those of families.

    Parameters
    ----------
    names : sequence of str, or str
        Measures and families.
    options : mapping
        Measure -> options.

    Raises
    ------
    NetkinError
        No such names, one is not known, needs rows, or an option is not allowed or of a measure not
        chosen.
    """
    if not isinstance(names, Iterable):
        raise NetkinError(
            f"measures: found {shown(names)}; allowed is a list of names of measures and families."
        )
    if not isinstance(options, Mapping):
        raise NetkinError(
            f"options: found {shown(options)}; allowed is a mapping of measures to options, such "
            "as {'heat': {'sigma': 0.2}}."
        )
    wanted: dict[str, None] = {}
    for name in [names] if isinstance(names, str) else names:
        of = [key for key, one in MEASURES.items() if one.family == name]
        if not of:
            require_measure(name)
            of = [name]
        for key in of:
            if INPUTS[MEASURES[key].needs].rows:
                raise NetkinError(
                    f"{name}: it compares what networks make of rows of data, which files of "
                    "weights alone do not have. Allowed are measures of the families topology, "
                    "topology_pairwise and weight."
                )
        wanted |= dict.fromkeys(of)
    if not wanted:
        raise NetkinError("measures: none is named; leave the argument out for the quick ones.")
    for name in options:
        if name not in wanted:
            raise NetkinError(
                f"options: {shown(name)} is not among the measures that are computed. "
                f"{allowed(name, wanted)}"
            )
        if not isinstance(options[name], Mapping):
            raise NetkinError(
                f"options of {name}: found {shown(options[name])}; allowed is a mapping of names "
                "to values."
            )
    return [ChosenMeasure(name, options.get(name)) for name in wanted]


def option_texts(name: str) -> dict[str, str]:
    """Return the options of a measure with their defaults, as text.

    Parameters
    ----------
    name : str
        A key of `netkin.distance.MEASURES`.

    Returns
    -------
    dict of str to str
        Option, of its function or of the making of what it compares -> its default as Python
        writes it, "" for an option that has none.
    """
    entry = MEASURES[name]
    known = dict(options_of(entry.function))
    if entry.needs in PREPARATIONS:
        known |= PREPARATIONS[entry.needs].options(entry)
    return {
        key: "" if one.default is inspect.Parameter.empty else repr(one.default)
        for key, one in known.items()
    }
