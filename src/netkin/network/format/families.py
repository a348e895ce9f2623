"""Families of networks that a ``config.json`` of Hugging Face names: one table.

A family is a list of steps in the order in which inputs pass them, with the names that its
checkpoints give the tensors; `netkin.network.format.huggingface` expands it to layers. Steps of
transformers are those of one token, see docs/graphs.md. Adding a family is an entry of `FAMILIES`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Config = Mapping[str, Any]
Places = Mapping[str, int]

SCORES = "it changes attention scores only, which are no units"
MASK = "a constant of the program: a mask, positions or frequencies"
NOT_MET = "no input of this graph meets it"


class Step(NamedTuple):
    """One operator of a family.

    Attributes
    ----------
    name : str
        Of its result; a later step of the same name takes its place.
    op : str
        A key of `netkin.network.format.operators.OPERATORS`.
    of : str
        The module: a weight is ``OF.weight``, a bias ``OF.bias`` where the file has it; the tensor
        itself for parameters, scales and shifts. ``{i}`` is the number of a layer; of names
        divided by ``|`` the first is taken that is in the file.
    inputs : tuple of str
        Names of results before it; of those divided by ``|`` the first that there is.
    options : dict
        Further options; a text that begins with ``$`` is a key of the config, a callable is given
        the config and the numbers of layers.
    maybe : bool
        Whether it is left out where its tensor is not in the file or an input was not made.
    tied : str
        The tensor that is its weight where it has none of its own, as of a language model's head.
    activation : str
        What its units pass, as in `options`.
    when : callable, optional
        ``config -> bool``: whether it is there at all.
    """

    name: str
    op: str
    of: str = ""
    inputs: tuple[str, ...] = ()
    options: Mapping[str, Any] = {}
    maybe: bool = False
    tied: str = ""
    activation: Any = ""
    when: Callable[[Config], bool] | None = None


class Each(NamedTuple):
    """Steps for each layer.

    Attributes
    ----------
    place : str
        What stands for its number in names.
    number : str or callable
        The key of the config that says how many there are, by a number or as the length of a list.
    steps : tuple of Step or Each
        What they make is forgotten after each layer, but for what had a value before.
    """

    place: str
    number: str | Callable[[Config, Places], int]
    steps: "tuple[Step | Each, ...]"


@dataclass(frozen=True)
class Family:
    """A family of networks.

    Attributes
    ----------
    steps : tuple of Step or Each
    prefixes : tuple of str
        What may stand before the names of all but the heads.
    defaults : dict
        Of keys of the config that may be left out, as transformers has them.
    input : str
        ``tokens`` or ``pixel_values``.
    ignored : dict of str to str
        Pattern of the name of a tensor that is no part of the graph -> why.
    """

    steps: tuple[Step | Each, ...]
    prefixes: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    input: str = "tokens"
    ignored: Mapping[str, str] = field(default_factory=dict)


def _language_model(config: Config) -> bool:
    """Tell whether there is a head over the vocabulary, by the classes that a config names."""
    return bool(config["language_model"])


def _step(name: str, op: str, of: str, *inputs: str, **rest: Any) -> Step:
    own = {key: rest.pop(key) for key in ("maybe", "tied", "activation", "when") if key in rest}
    return Step(name, op, of, inputs, rest, **own)


def _bert(prefix: str, *heads: Step) -> Family:
    """Return an encoder whose norms come after the additions."""
    layer = "encoder.layer.{i}"
    return Family(
        (
            _step("words", "embedding", "embeddings.word_embeddings", "tokens"),
            _step("places", "embedding", "embeddings.position_embeddings", "tokens"),
            _step("types", "embedding", "embeddings.token_type_embeddings", "tokens"),
            _step("x", "add", "embeddings", "words", "places", "types"),
            _step("x", "layer_norm", "embeddings.LayerNorm", "x"),
            Each(
                "i",
                "num_hidden_layers",
                (
                    _step("q", "linear", f"{layer}.attention.self.query", "x"),
                    _step("k", "linear", f"{layer}.attention.self.key", "x"),
                    _step("v", "linear", f"{layer}.attention.self.value", "x"),
                    _step(
                        *("z", "attention", f"{layer}.attention.self", "q", "k", "v"),
                        heads="$num_attention_heads",
                    ),
                    _step("o", "linear", f"{layer}.attention.output.dense", "z"),
                    _step("x", "add", f"{layer}.attention.output", "o", "x"),
                    _step("x", "layer_norm", f"{layer}.attention.output.LayerNorm", "x"),
                    _step(
                        *("h", "linear", f"{layer}.intermediate.dense", "x"),
                        activation="$hidden_act",
                    ),
                    _step("y", "linear", f"{layer}.output.dense", "h"),
                    _step("x", "add", f"{layer}.output", "y", "x"),
                    _step("x", "layer_norm", f"{layer}.output.LayerNorm", "x"),
                ),
            ),
            _step("pooled", "linear", "pooler.dense", "x", maybe=True, activation="tanh"),
            *heads,
            _step("answer", "linear", "qa_outputs", "x", maybe=True),
        ),
        (f"{prefix}.",),
        {"num_hidden_layers": 12, "num_attention_heads": 12, "hidden_act": "gelu"},
        ignored={r"embeddings\.(position_ids|token_type_ids)": MASK},
    )


_BERT = _bert(
    "bert",
    _step(
        *("t", "linear", "cls.predictions.transform.dense", "x"),
        maybe=True,
        activation="$hidden_act",
    ),
    _step("t", "layer_norm", "cls.predictions.transform.LayerNorm", "t", maybe=True),
    _step(
        *("words_again", "linear", "cls.predictions.decoder", "t"),
        maybe=True,
        tied="embeddings.word_embeddings.weight",
        bias="cls.predictions.decoder.bias|cls.predictions.bias",
    ),
    _step("next", "linear", "cls.seq_relationship", "pooled", maybe=True),
    _step("class", "linear", "classifier", "pooled|x", maybe=True),
)

_ROBERTA = _bert(
    "roberta",
    _step("t", "linear", "lm_head.dense", "x", maybe=True, activation="gelu"),
    _step("t", "layer_norm", "lm_head.layer_norm", "t", maybe=True),
    _step(
        *("words_again", "linear", "lm_head.decoder", "t"),
        maybe=True,
        tied="embeddings.word_embeddings.weight",
        bias="lm_head.decoder.bias|lm_head.bias",
    ),
    _step("c", "linear", "classifier.dense", "x", maybe=True, activation="tanh"),
    _step("class", "linear", "classifier.out_proj", "c", maybe=True),
    _step("class", "linear", "classifier", "pooled|x", maybe=True),
)

_GPT2 = Family(
    (
        _step("words", "embedding", "wte", "tokens"),
        _step("places", "embedding", "wpe", "tokens"),
        _step("x", "add", "embeddings", "words", "places"),
        Each(
            "i",
            "n_layer",
            (
                _step("n", "layer_norm", "h.{i}.ln_1", "x"),
                # stored as (n_in, n_out); queries, keys and values one behind the other
                _step("qkv", "linear", "h.{i}.attn.c_attn", "n", transposed=True),
                *(
                    _step(
                        *(part, "slice", "h.{i}.attn.c_attn", "qkv"),
                        axis=-1,
                        start=lambda config, _, k=k: k * config["n_embd"],
                        stop=lambda config, _, k=k: (k + 1) * config["n_embd"],
                    )
                    for k, part in enumerate("qkv")
                ),
                _step("z", "attention", "h.{i}.attn", "q", "k", "v", heads="$n_head"),
                _step("o", "linear", "h.{i}.attn.c_proj", "z", transposed=True),
                _step("x", "add", "h.{i}.attn", "o", "x"),
                _step("n", "layer_norm", "h.{i}.ln_2", "x"),
                _step(
                    *("m", "linear", "h.{i}.mlp.c_fc", "n"),
                    transposed=True,
                    activation="$activation_function",
                ),
                _step("y", "linear", "h.{i}.mlp.c_proj", "m", transposed=True),
                _step("x", "add", "h.{i}.mlp", "y", "x"),
            ),
        ),
        _step("x", "layer_norm", "ln_f", "x"),
        _step(*("words_again", "linear", "lm_head", "x"), tied="wte.weight", when=_language_model),
        _step("choice", "linear", "multiple_choice_head.summary", "x", maybe=True),
        _step("class", "linear", "score", "x", maybe=True),
        _step("class", "linear", "classifier", "x", maybe=True),
        _step("answer", "linear", "qa_outputs", "x", maybe=True),
    ),
    ("transformer.",),
    {
        "n_layer": 12,
        "n_head": 12,
        "n_embd": 768,
        "activation_function": "gelu_new",
    },
    ignored={r"h\.\d+\.attn\.(bias|masked_bias)": MASK},
)

_LLAMA = Family(
    (
        _step("x", "embedding", "embed_tokens", "tokens"),
        Each(
            "i",
            "num_hidden_layers",
            (
                _step("n", "rms_norm", "layers.{i}.input_layernorm", "x"),
                _step("q", "linear", "layers.{i}.self_attn.q_proj", "n"),
                _step("k", "linear", "layers.{i}.self_attn.k_proj", "n"),
                _step("v", "linear", "layers.{i}.self_attn.v_proj", "n"),
                _step(
                    *("z", "attention", "layers.{i}.self_attn", "q", "k", "v"),
                    heads="$num_attention_heads",
                    kv_heads="$num_key_value_heads",
                ),
                _step("o", "linear", "layers.{i}.self_attn.o_proj", "z"),
                _step("x", "add", "layers.{i}.self_attn", "o", "x"),
                _step("n", "rms_norm", "layers.{i}.post_attention_layernorm", "x"),
                _step(*("g", "linear", "layers.{i}.mlp.gate_proj", "n"), activation="$hidden_act"),
                _step("u", "linear", "layers.{i}.mlp.up_proj", "n"),
                _step("p", "multiply", "layers.{i}.mlp.product", "g", "u"),
                _step("y", "linear", "layers.{i}.mlp.down_proj", "p"),
                _step("x", "add", "layers.{i}.mlp", "y", "x"),
            ),
        ),
        _step("x", "rms_norm", "norm", "x"),
        _step(
            *("words_again", "linear", "lm_head", "x"),
            tied="embed_tokens.weight",
            when=_language_model,
        ),
        _step("class", "linear", "score", "x", maybe=True),
        _step("answer", "linear", "qa_outputs", "x", maybe=True),
    ),
    ("model.", "transformer."),
    {
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": None,
        "hidden_act": "silu",
    },
    ignored={
        r"layers\.\d+\.self_attn\.[qk]_norm\.weight": SCORES,
        r"(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq": MASK,
    },
)


def _t5_stack(stack: str, layers: str | Callable[[Config, Places], int]) -> tuple[Step | Each, ...]:
    """Return encoder or decoder of T5; the latter reads what the former gives, ``encoded``."""
    block, x = f"{stack}.block.{{i}}.layer", stack
    last = 1 if stack == "encoder" else 2

    def attention(number: int, kind: str, keys: str) -> tuple[Step, ...]:
        of = f"{block}.{number}.{kind}"
        return (
            _step("n", "rms_norm", f"{block}.{number}.layer_norm", x),
            _step("q", "linear", f"{of}.q", "n"),
            _step("k", "linear", f"{of}.k", keys),
            _step("v", "linear", f"{of}.v", keys),
            _step("z", "attention", of, "q", "k", "v", heads="$num_heads"),
            _step("o", "linear", f"{of}.o", "z"),
            _step(x, "add", of, "o", x),
        )

    dense = f"{block}.{last}.DenseReluDense"
    return (
        _step(
            *(x, "embedding", f"{stack}.embed_tokens|shared", "tokens"),
            when=None if stack == "encoder" else lambda config: config["has_decoder"],
        ),
        Each(
            "i",
            layers,
            (
                *attention(0, "SelfAttention", "n"),
                *(attention(1, "EncDecAttention", "encoded") if last == 2 else ()),
                _step("n", "rms_norm", f"{block}.{last}.layer_norm", x),
                _step("g", "linear", f"{dense}.wi_0", "n", maybe=True, activation="$gate_act"),
                _step("u", "linear", f"{dense}.wi_1", "n", maybe=True),
                _step("p", "multiply", f"{dense}.product", "g", "u", maybe=True),
                _step("p", "linear", f"{dense}.wi", "n", maybe=True, activation="$gate_act"),
                _step("y", "linear", f"{dense}.wo", "p"),
                _step(x, "add", dense, "y", x),
            ),
        ),
    )


_T5 = Family(
    (
        *_t5_stack("encoder", "num_layers"),
        _step("encoded", "rms_norm", "encoder.final_layer_norm", "encoder"),
        *_t5_stack(
            "decoder",
            lambda config, _: config["num_decoder_layers"] if config["has_decoder"] else 0,
        ),
        _step("x", "rms_norm", "decoder.final_layer_norm", "decoder", maybe=True),
        _step("class", "linear", "classifier", "encoded", maybe=True),
        _step("c", "linear", "classification_head.dense", "x", maybe=True, activation="tanh"),
        _step("class", "linear", "classification_head.out_proj", "c", maybe=True),
        _step("answer", "linear", "qa_outputs", "x", maybe=True),
        _step(
            *("x", "scale", "lm_head scale", "x"),
            maybe=True,
            by=lambda config, _: config["d_model"] ** -0.5,
            when=lambda config: config["scale_decoder_outputs"] and _language_model(config),
        ),
        _step(
            *("words_again", "linear", "lm_head", "x"),
            maybe=True,
            tied="shared.weight",
            when=_language_model,
        ),
    ),
    ("transformer.",),
    {
        "num_layers": 6,
        "has_decoder": lambda config: any(n.startswith("decoder.") for n in config["names"]),
        "num_decoder_layers": lambda config: config["num_layers"],
        "num_heads": 8,
        "d_model": 512,
        "feed_forward_proj": "relu",
        "gate_act": lambda config: config["feed_forward_proj"].removeprefix("gated-"),
        "tie_word_embeddings": None,
        "scale_decoder_outputs": lambda config: config["tie_word_embeddings"] is not False,
    },
    ignored={
        r"(en|de)coder\.block\.\d+\.layer\.[01]\.\w+\.relative_attention_bias\.weight": SCORES
    },
)


def _vit_name(old: str, new: str) -> str:
    """Return both names of a module, that of checkpoints and that of transformers 5."""
    return f"encoder.layer.{{i}}.{old}|layers.{{i}}.{new}"


_VIT_ATTENTION = _vit_name("attention", "attention")
_VIT = Family(
    (
        _step(
            *("patches", "convolution", "embeddings.patch_embeddings.projection", "pixel_values"),
            stride="$patch_size",
        ),
        _step("patches", "flatten", "embeddings.patch_embeddings", "patches", start=2),
        _step("patches", "transpose", "embeddings.patch_embeddings", "patches", order=[0, 2, 1]),
        _step("class", "parameter", "embeddings.cls_token"),
        _step("x", "concatenate", "embeddings", "class", "patches", axis=1),
        _step("x", "shift", "embeddings.position_embeddings", "x"),
        Each(
            "i",
            "num_hidden_layers",
            (
                _step("n", "layer_norm", _vit_name("layernorm_before", "layernorm_before"), "x"),
                *(
                    _step(
                        part[0],
                        "linear",
                        _vit_name(f"attention.attention.{part}", f"attention.{part[0]}_proj"),
                        "n",
                    )
                    for part in ("query", "key", "value")
                ),
                _step(
                    *("z", "attention", _VIT_ATTENTION, "q", "k", "v"),
                    heads="$num_attention_heads",
                ),
                _step("o", "linear", _vit_name("attention.output.dense", "attention.o_proj"), "z"),
                _step("x", "add", _VIT_ATTENTION, "o", "x"),
                _step("n", "layer_norm", _vit_name("layernorm_after", "layernorm_after"), "x"),
                _step(
                    *("h", "linear", _vit_name("intermediate.dense", "mlp.fc1"), "n"),
                    activation="$hidden_act",
                ),
                _step("y", "linear", _vit_name("output.dense", "mlp.fc2"), "h"),
                _step("x", "add", _vit_name("output", "mlp"), "y", "x"),
            ),
        ),
        _step("x", "layer_norm", "layernorm", "x"),
        _step("class", "take", "class token", "x", index=0),
        _step("pooled", "linear", "pooler.dense", "class", maybe=True, activation="tanh"),
        _step("out", "linear", "classifier", "class", maybe=True),
    ),
    ("vit.",),
    {
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "hidden_act": "gelu",
        "patch_size": 16,
        "num_channels": 3,
        "image_size": 224,
    },
    input="pixel_values",
    ignored={r"embeddings\.mask_token": NOT_MET},
)


def _stride(config: Config, at: Places) -> int:
    """Return by how much the first layer of a stage of a ResNet makes the grid coarser."""
    first = at["l"] == 0 and (at["s"] > 0 or config["downsample_in_first_stage"])
    return 2 if first else 1


def _is_deep(config: Config) -> bool:
    return bool(config["layer_type"] == "bottleneck")


def _where(config: Config) -> int:
    """Return in which convolution of a layer the stride is."""
    return 1 if _is_deep(config) and not config["downsample_in_bottleneck"] else 0


_RESNET_LAYER = "encoder.stages.{s}.layers.{l}"
_RESNET = Family(
    (
        _step(
            *("x", "convolution", "embedder.embedder.convolution", "pixel_values"),
            stride=2,
            padding="half",
        ),
        _step(
            *("x", "batch_norm", "embedder.embedder.normalization", "x"), activation="$hidden_act"
        ),
        _step("x", "max_pool", "embedder.pooler", "x", kernel=3, stride=2, padding=1),
        Each(
            "s",
            "depths",
            (
                Each(
                    "l",
                    lambda config, at: config["depths"][at["s"]],
                    (
                        _step(
                            *("skip", "convolution", f"{_RESNET_LAYER}.shortcut.convolution", "x"),
                            maybe=True,
                            stride=_stride,
                        ),
                        _step(
                            *("skip", "batch_norm", f"{_RESNET_LAYER}.shortcut.normalization"),
                            "skip",
                            maybe=True,
                        ),
                        *(
                            step
                            for k in range(3)
                            for step in (
                                _step(
                                    *("y", "convolution", f"{_RESNET_LAYER}.layer.{k}.convolution"),
                                    "y|x",
                                    maybe=k == 2,
                                    padding="half",
                                    stride=lambda config, at, k=k: (
                                        _stride(config, at) if k == _where(config) else 1
                                    ),
                                    when=_is_deep if k == 2 else None,
                                ),
                                _step(
                                    *(
                                        "y",
                                        "batch_norm",
                                        f"{_RESNET_LAYER}.layer.{k}.normalization",
                                    ),
                                    "y",
                                    when=_is_deep if k == 2 else None,
                                    activation=lambda config, _, k=k: (
                                        "" if k == 1 + _is_deep(config) else config["hidden_act"]
                                    ),
                                ),
                            )
                        ),
                        _step("x", "add", _RESNET_LAYER, "y", "skip|x", activation="$hidden_act"),
                    ),
                ),
            ),
        ),
        _step("x", "mean", "pooler", "x", axes=[2, 3]),
        _step("out", "linear", "classifier.1", "x", maybe=True),
    ),
    ("resnet.",),
    {
        "depths": [3, 4, 6, 3],
        "layer_type": "bottleneck",
        "hidden_act": "relu",
        "downsample_in_first_stage": False,
        "downsample_in_bottleneck": False,
        "num_channels": 3,
    },
    input="pixel_values",
)

_CONVNEXT_LAYER = "encoder.stages.{s}.layers.{l}"
_CONVNEXT = Family(
    (
        _step(
            *("x", "convolution", "embeddings.patch_embeddings", "pixel_values"),
            stride="$patch_size",
        ),
        _step("x", "layer_norm", "embeddings.layernorm", "x", axis=1),
        Each(
            "s",
            "depths",
            (
                _step(
                    *("x", "layer_norm", "encoder.stages.{s}.downsampling_layer.0", "x"),
                    maybe=True,
                    axis=1,
                ),
                _step(
                    *("x", "convolution", "encoder.stages.{s}.downsampling_layer.1", "x"),
                    maybe=True,
                    stride=2,
                ),
                Each(
                    "l",
                    lambda config, at: config["depths"][at["s"]],
                    (
                        _step(
                            *("y", "convolution", f"{_CONVNEXT_LAYER}.dwconv", "x"),
                            padding="half",
                            groups=lambda config, at: config["hidden_sizes"][at["s"]],
                        ),
                        _step("y", "layer_norm", f"{_CONVNEXT_LAYER}.layernorm", "y", axis=1),
                        _step(
                            *("y", "linear", f"{_CONVNEXT_LAYER}.pwconv1", "y"),
                            axis=1,
                            activation="$hidden_act",
                        ),
                        _step("y", "linear", f"{_CONVNEXT_LAYER}.pwconv2", "y", axis=1),
                        _step(
                            *("y", "scale", f"{_CONVNEXT_LAYER}.layer_scale_parameter", "y"),
                            maybe=True,
                            axis=1,
                        ),
                        _step("x", "add", _CONVNEXT_LAYER, "y", "x"),
                    ),
                ),
            ),
        ),
        _step("x", "mean", "pooler", "x", axes=[2, 3]),
        _step("x", "layer_norm", "layernorm", "x"),
        _step("out", "linear", "classifier", "x", maybe=True),
    ),
    ("convnext.",),
    {
        "depths": [3, 3, 9, 3],
        "hidden_sizes": [96, 192, 384, 768],
        "hidden_act": "gelu",
        "patch_size": 4,
        "num_channels": 3,
        "image_size": 224,
    },
    input="pixel_values",
)

FAMILIES: dict[str, Family] = {
    "bert": _BERT,
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "camembert": _ROBERTA,
    "gpt2": _GPT2,
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": _LLAMA,
    "qwen3": _LLAMA,
    "t5": _T5,
    "vit": _VIT,
    "resnet": _RESNET,
    "convnext": _CONVNEXT,
}
"""``model_type`` of a config.json -> family."""
