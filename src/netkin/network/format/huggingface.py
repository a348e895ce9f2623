"""How the weights of a folder of Hugging Face are wired, by its ``config.json``; nothing is run."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from netkin.errors import NetkinError, listed, shown
from netkin.graph.blocks import BlockGraph
from netkin.graph.builder import NotUnderstood
from netkin.network.format.families import FAMILIES, Each, Family, Step
from netkin.network.format.input_shape import InputShape
from netkin.network.format.leave_out import refuse_left_out
from netkin.network.format.model import Model, each_once
from netkin.network.format.operators import OPERATORS, Layer, Tensors, built
from netkin.network.format.sharded_file import OF_HUGGING_FACE
from netkin.options import check_options, options_of

CONFIG = "config.json"
PREPROCESSOR = "preprocessor_config.json"
MOST_BYTES = 10_000_000
"""Bytes of a config, at most; those with many labels have some 100,000."""
MOST_LAYERS = 10_000
FORMATS = ("safetensors", "torch", "sharded")
PARTS = {
    "linear": ("weight", "bias"),
    "convolution": ("weight", "bias"),
    "embedding": ("weight",),
    "layer_norm": ("weight", "bias"),
    "rms_norm": ("weight",),
    "batch_norm": ("weight", "bias", "running_mean", "running_var"),
    "parameter": ("",),
    "shift": ("",),
    "scale": ("",),
}
"""Operator -> its tensors within a module; the first must be there."""
LANGUAGE_MODEL = re.compile(
    r"\w+(LMHeadModel|ForCausalLM|ForMaskedLM|ForPreTraining|ForConditionalGeneration"
    r"|DoubleHeadsModel|WithLMHead\w*)"
)
"""Classes with a head over the vocabulary."""
OLD_NAMES = {"gamma": "weight", "beta": "bias"}
"""How norms are called in checkpoints that were converted from TensorFlow."""
WRONG = (TypeError, KeyError, IndexError, AttributeError, ValueError)
"""What comes of a config whose values are of other kinds."""


def with_config(model: Model, path: Path) -> Model:
    """Return a model that knows how it is wired, where a config.json beside it says so.

    Parameters
    ----------
    model : Model
        Bare tensors.
    path : path
        The folder, or a file of weights as Hugging Face names them.
    """
    folder = path if path.is_dir() else path.parent
    config = folder / CONFIG
    is_bare = model.chain is None and not model.unchained and model.wired is None
    named = path.is_dir() or path.name in OF_HUGGING_FACE
    if not (is_bare and named and model.format in FORMATS and config.is_file()):
        return model
    try:
        found = _read(config)
    except NotUnderstood as why:
        return replace(model, wired=partial(_refused, str(why)))
    if not isinstance(found.get("model_type"), str):
        return model
    return replace(model, wired=partial(graph_from_config, model, found, folder))


def _refused(why: str, _: InputShape) -> BlockGraph:
    raise NotUnderstood(why)


def _read(path: Path) -> dict[str, Any]:
    """Return the object of a file of JSON."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise NotUnderstood(f"{path.name} beside it has more than {MOST_BYTES:,} bytes")
        found = json.loads(path.read_text("utf-8"), object_pairs_hook=each_once)
    except (ValueError, RecursionError, NetkinError, OSError) as error:
        why = "nested too deep" if isinstance(error, RecursionError) else str(error)[:200]
        raise NotUnderstood(f"{path.name} beside it cannot be read ({why.rstrip('.')})") from None
    if not isinstance(found, dict):
        raise NotUnderstood(f"{path.name} beside it is no object")
    return found


def graph_from_config(
    model: Model, config: Mapping[str, Any], folder: Path, shape: InputShape
) -> BlockGraph:
    """Return the graph of a network of a family that a config names.

    Parameters
    ----------
    model : Model
        Large matrices are read when the graph's blocks are, so it must stay open.
    config : dict
        The object of ``config.json``.
    folder : path
        Where the size of images may stand, in ``preprocessor_config.json``.
    shape : InputShape
        The shape of images, ``3x224x224``.

    Raises
    ------
    NotUnderstood
        The family is none of `FAMILIES`, a tensor is missing, has another shape or is not used.
    """
    kind = config["model_type"]
    if kind not in FAMILIES:
        try:
            return model.graph()
        except NetkinError:
            raise NotUnderstood(
                f"{CONFIG} beside it has the model_type {shown(kind)}; known are "
                f"{listed(FAMILIES)}. A wiring file (docs/graphs.md) can say how it is wired"
            ) from None
    refuse_left_out(shape)
    family = FAMILIES[kind]
    found = _Expansion(family, config, model)
    inputs: dict[str, tuple[int, ...]] = {"tokens": (1,)}
    sizes: dict[str, int] = {}
    if family.input == "tokens":
        notes = ["the graph is that of one token, whatever the length of the text"]
    else:
        notes = []
        inputs = {family.input: found.image(folder, shape)}
        sizes = {"height": inputs[family.input][1], "width": inputs[family.input][2]}
    layers = found.layers()
    return built(
        layers,
        inputs,
        model,
        tensors=Tensors({**model.tensors, **model.statistics}),
        unused=found.unused(layers),
        sizes=sizes,
        notes=[*notes, *found.notes],
    )


class _Expansion:
    """The steps of a family with the names and sizes of one network."""

    def __init__(self, family: Family, config: Mapping[str, Any], model: Model) -> None:
        self._family, self._model = family, model
        self.notes: list[str] = []
        self._copies: dict[str, str] = {}
        names = [*model.tensors, *model.statistics]
        prefix = next((p for p in family.prefixes if any(n.startswith(p) for n in names)), "")
        self._raw: dict[str, str] = {}
        for name in names:
            stem, dot, last = name.removeprefix(prefix).rpartition(".")
            plain = stem + dot + (OLD_NAMES.get(last, last) if "LayerNorm" in stem else last)
            if plain in self._raw:
                raise NotUnderstood(f"{shown(name)} and {shown(self._raw[plain])} are one name")
            self._raw[plain] = name
        self._config: dict[str, Any] = {"names": self._raw, "language_model": False}
        self._config |= {key: one for key, one in config.items() if one is not None}
        for key, default in family.defaults.items():
            if key not in self._config:
                self._config[key] = self._called(key, default, self._config)
        classes = config.get("architectures")
        if isinstance(classes, list) and classes:
            has_head = any(LANGUAGE_MODEL.fullmatch(str(one)) for one in classes)
        else:
            has_head = bool(prefix)
            self.notes.append(
                f"{CONFIG} names no architectures: a language model's head is taken to be there "
                "where it is in the file, or the names are those of a model with a head"
            )
        self._config["language_model"] = has_head or "lm_head.weight" in self._raw

    def layers(self) -> list[Layer]:
        """Return all layers."""
        known = {self._family.input: self._family.input}
        return list(self._expanded(self._family.steps, known, {}))

    def unused(self, layers: list[Layer]) -> dict[str, str]:
        """Return names of tensors that are none of the graph's, and why."""
        used = {name for layer in layers for name in layer.options.values() if _is_text(name)}
        found = {
            raw: why
            for plain, raw in self._raw.items()
            for pattern, why in self._family.ignored.items()
            if re.fullmatch(pattern, plain)
        }
        for copy, own in self._copies.items():
            if copy not in used and self._same(copy, own):
                found[copy] = f"the same numbers as {shown(own)}"
        return found

    def _same(self, one: str, other: str) -> bool:
        first, second = self._model.tensors[one], self._model.tensors[other]
        if first.shape != second.shape:
            return False
        rows = max(1, (1 << 20) // max(1, int(np.prod(first.shape[1:]))))
        return all(
            np.array_equal(first[row : row + rows], second[row : row + rows])
            for row in range(0, first.shape[0], rows)
        )

    def image(self, folder: Path, shape: InputShape) -> tuple[int, int, int]:
        """Return channels, height and width of images."""
        given = shape.of(self._family.input)
        channels = self._config["num_channels"]
        if given is not None:
            if len(given) != 3:
                raise NotUnderstood(
                    f"the input shape has {len(given)} axes; allowed are channels, height and "
                    "width, as in 3x224x224"
                )
            return given[0], given[1], given[2]
        size = self._config.get("image_size")
        if size is None and (folder / PREPROCESSOR).is_file():
            said = _read(folder / PREPROCESSOR)
            size = said.get("crop_size", said.get("size"))
            if said.get("do_center_crop") is False:
                size = said.get("size")
        if isinstance(size, Mapping):
            edge = size.get("shortest_edge")
            size = [size.get("height", edge), size.get("width", edge)]
        sides = size if isinstance(size, list) else [size, size]
        whole = [one for one in (channels, *sides) if type(one) is int and 0 < one < 1 << 16]
        if len(whole) != 3:
            raise NotUnderstood(
                f"neither {CONFIG} nor {PREPROCESSOR} says how large images are; give it as the "
                "input shape, such as 3x224x224"
            )
        return whole[0], whole[1], whole[2]

    def _expanded(
        self, steps: tuple[Step | Each, ...], known: dict[str, str], at: dict[str, int]
    ) -> Iterator[Layer]:
        """Yield layers; `known` maps results to names of the layers that made them."""
        for step in steps:
            if isinstance(step, Step):
                layer = self._layer(step, known, at)
                if layer is not None:
                    known[step.name] = layer.name
                    yield layer
                continue
            for number in range(self._count(step, at)):
                inside = dict(known)
                yield from self._expanded(step.steps, inside, {**at, step.place: number})
                known.update((name, inside[name]) for name in known)

    def _count(self, each: Each, at: Mapping[str, int]) -> int:
        found = (
            self._called("layers", each.number, self._config, at)
            if callable(each.number)
            else self._config.get(each.number)
        )
        count = len(found) if isinstance(found, list) else found
        if type(count) is not int or not 0 <= count <= MOST_LAYERS:
            raise NotUnderstood(
                f"{CONFIG} beside it: found {shown(found)} as "
                f"{each.number if isinstance(each.number, str) else 'a number of layers'}; allowed "
                f"is a whole number to {MOST_LAYERS:,}"
            )
        return count

    def _layer(self, step: Step, known: Mapping[str, str], at: Mapping[str, int]) -> Layer | None:
        """Return the layer of a step; None where it is left out."""
        if step.when is not None and not self._called(step.name, step.when, self._config):
            return None
        inputs = []
        for choice in step.inputs:
            made = next((one for one in choice.split("|") if one in known), None)
            if made is None:
                if step.maybe:
                    return None
                raise NotUnderstood(f"{step.of.format(**at)} reads what is not there")
            inputs.append(known[made])
        options = {
            key: self._value(key, value, at)
            for key, value in step.options.items()
            if key not in ("bias",)
        }
        stems = step.of.format(**at).split("|")
        label = stems[0]
        if step.op in PARTS and "by" not in options:
            stem = self._stem(stems, PARTS[step.op][0])
            if stem is None and not step.tied:
                if step.maybe:
                    return None
                part = PARTS[step.op][0]
                raise NotUnderstood(
                    f"the file has no {shown(_joined(stems[0], part))}, which its model_type "
                    f"{shown(self._config['model_type'])} asks for"
                )
            label = stem or label
            for part in PARTS[step.op]:
                names = [_joined(one, part) for one in ([stem] if stem else stems)]
                if part == "bias" and "bias" in step.options:
                    names = step.options["bias"].format(**at).split("|")
                if part == PARTS[step.op][0] and stem is None:
                    names = [step.tied]
                    self._check_tied(label)
                chosen = self._chosen(names)
                if chosen is not None:
                    options[part or "weight"] = chosen
        operator = OPERATORS[step.op]
        try:
            check_options(step.op, options, options_of(operator.function), missing=True)
        except NetkinError as error:
            why = str(error).rstrip(".")
            raise NotUnderstood(f"{label}, by {CONFIG} beside it: {why}") from None
        function = self._value("activation", step.activation, at)
        if not isinstance(function, str):
            raise NotUnderstood(f"{CONFIG} beside it names the activation {shown(function)}")
        self._made = getattr(self, "_made", 0) + 1
        return Layer(f"{step.name}.{self._made}", step.op, tuple(inputs), options, function, label)

    def _stem(self, stems: list[str], part: str) -> str | None:
        """Return the first of several modules that is in the file."""
        there = [one for one in stems if _joined(one, part) in self._raw]
        if there:
            self._chosen([_joined(one, part) for one in there])
        return there[0] if there else None

    def _chosen(self, names: list[str]) -> str | None:
        """Return the first of several tensors that is in the file, by its name there."""
        there = [self._raw[name] for name in names if name in self._raw]
        for other in there[1:]:
            self._copies.setdefault(other, there[0])
        return there[0] if there else None

    def _check_tied(self, label: str) -> None:
        if self._config.get("tie_word_embeddings") is False:
            raise NotUnderstood(
                f"the file has no {shown(label + '.weight')}, and {CONFIG} beside it says that "
                "the embedding does not take its place (tie_word_embeddings)"
            )

    def _value(self, key: str, value: Any, at: Mapping[str, int]) -> Any:
        """Return an option of a step."""
        if callable(value):
            return self._called(key, value, self._config, at)
        if isinstance(value, str) and value.startswith("$"):
            return self._config.get(value[1:])
        return value

    @staticmethod
    def _called(key: str, value: Any, *given: Any) -> Any:
        try:
            return value(*given) if callable(value) else value
        except WRONG as error:
            raise NotUnderstood(
                f"{CONFIG} beside it does not say {key}: {type(error).__name__} {error}"
            ) from None


def _joined(stem: str, part: str) -> str:
    return f"{stem}.{part}" if part else stem


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
