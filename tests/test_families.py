"""Networks of Hugging Face by their config.json: every parameter used, the graph their function."""

import importlib
import json
import re
from collections import Counter
from functools import cache

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from netkin.errors import NetkinError
from netkin.graph.blocks import first_vertices, unrolled
from netkin.graph.builder import Builder, Parameter
from netkin.graph.lazy import LazyMatrix
from netkin.network.format import open_model
from netkin.network.format.families import FAMILIES
from netkin.network.format.huggingface import graph_from_config
from netkin.network.format.input_shape import InputShape, parse_input_shape
from netkin.network.format.model import Model, Tensor
from netkin.torchvision_compat import import_torchvision

import_torchvision()
transformers = importlib.import_module("transformers")  # after torchvision
transformers.utils.logging.disable_progress_bar()

pytestmark = pytest.mark.budget("families")
NORM = re.compile(
    r"(layer_?norm(_before|_after)?|\bnorm|ln_[12f]|downsampling_layer\.0)\.(weight|gamma)$",
    re.IGNORECASE,
)
"""Names of the weights of norms that are no batch norms."""
FUNCTIONS = {
    "": lambda x: x,
    "attention": lambda x: x,
    "product": lambda x: x,
    "relu": torch.relu,
    "tanh": torch.tanh,
    "gelu": torch.nn.functional.gelu,
    "gelu_new": lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
    "silu": torch.nn.functional.silu,
}


def saved(network, folder, drop=(), **options):
    """Write a network as transformers does."""
    network.save_pretrained(folder, **options)
    return folder


def graph_in(folder, shape=""):
    with open_model(folder) as model:
        return model.graph(shape=parse_input_shape(shape))


def evaluated(graph, inputs, *, centred, eps):
    """Return what each group gives before its activation, of values of the inputs by group.

    A block whose numbers have a norm's gamma in them reads the normalised units.
    """
    first = first_vertices(graph.groups)
    edges = unrolled(graph)
    values = {}
    incoming = {}
    for number, block in enumerate(graph.blocks):
        incoming.setdefault(block.target, []).append((number, block))

    def read(place, block):
        group = graph.groups[place]
        x = torch.from_numpy(value_of(place)).reshape(group.channels, group.points)
        passed = [one for one in group.activation.split() if one != "normalisation"]
        x = FUNCTIONS[passed[0] if passed else ""](x)
        if any(NORM.search(name) for name in block.made_of) and block.kind == "weight":
            if centred:
                x = x - x.mean(dim=0)
            return (x / torch.sqrt((x * x).mean(dim=0) + eps)).numpy().ravel()
        return x.numpy().ravel()

    def value_of(place):
        if place in values:
            return values[place]
        group = graph.groups[place]
        total = np.zeros(group.size)
        factors = []
        for number, block in incoming.get(place, []):
            mine = edges.block == number
            target = edges.target[mine] - first[place]
            weight = edges.weight[mine]
            if block.kind == "bias":
                np.add.at(total, target, weight)
                continue
            given = read(block.source, block)[edges.source[mine] - first[block.source]]
            if block.kind == "pooling" and (block.weight[0:1] == 1).all():
                largest = np.full(group.size, -np.inf)
                np.maximum.at(largest, target, given)
                total = largest
            elif block.kind == "product":
                part = np.zeros(group.size)
                part[target] = given
                factors.append((block.source, part))
            else:
                np.add.at(total, target, given * weight)
        if len({source for source, _ in factors}) == 2:
            total = factors[0][1] * factors[1][1]
        elif factors:  # copies for heads: each unit is one of them
            total = np.sum([part for _, part in factors], axis=0)
        values[place] = total
        return total

    for place, array in inputs.items():
        values[place] = np.asarray(array, dtype=np.float64).ravel()
    return value_of


def place_of(graph, name):
    (place,) = [k for k, group in enumerate(graph.groups) if group.name == name]
    return place


def perturbed(network, seed):
    """Give every parameter and statistic random numbers, in float64."""
    network = network.double().eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                noise = torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
                centre = 1.0 if NORM.search(name) or "running_var" in name else 0.0
                tensor.copy_(centre + 0.3 * (noise.abs() if "running_var" in name else noise))
    return network


def one_token(graph, token, position, tables):
    """Return inputs of a graph of one token: the rows that are chosen."""
    chosen = {}
    for place, group in enumerate(graph.groups):
        if group.name.endswith(" rows"):
            array = np.zeros(group.size)
            array[{"t": token, "p": position, "s": 0}[tables[group.name.removesuffix(" rows")]]] = 1
            chosen[place] = array
    return chosen


BERT_TABLES = {
    "embeddings.word_embeddings": "t",
    "embeddings.position_embeddings": "p",
    "embeddings.token_type_embeddings": "s",
}
BERT = {
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 20,
    "vocab_size": 17,
    "max_position_embeddings": 9,
}
LLAMA = {
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 4,
    "intermediate_size": 20,
    "vocab_size": 17,
}
T5 = {"d_model": 12, "d_kv": 4, "d_ff": 20, "num_layers": 2, "num_heads": 3, "vocab_size": 17}
TEXTS = {
    "gpt2": (
        "GPT2LMHeadModel",
        "GPT2Config",
        {"n_embd": 12, "n_layer": 2, "n_head": 3, "vocab_size": 17, "n_positions": 9},
        {"wte": "t", "wpe": "p"},
        "lm_head",
    ),
    "llama": (
        "LlamaForCausalLM",
        "LlamaConfig",
        {**LLAMA, "tie_word_embeddings": False, "attention_bias": True, "mlp_bias": True},
        {"embed_tokens": "t"},
        "lm_head",
    ),
    "llama tied": (
        "LlamaForCausalLM",
        "LlamaConfig",
        {**LLAMA, "tie_word_embeddings": True},
        {"embed_tokens": "t"},
        "lm_head",
    ),
    "mistral": ("MistralForCausalLM", "MistralConfig", LLAMA, {"embed_tokens": "t"}, "lm_head"),
    "qwen2": ("Qwen2ForCausalLM", "Qwen2Config", LLAMA, {"embed_tokens": "t"}, "lm_head"),
    "qwen3": ("Qwen3ForCausalLM", "Qwen3Config", LLAMA, {"embed_tokens": "t"}, "lm_head"),
    "bert": (
        "BertForPreTraining",
        "BertConfig",
        BERT,
        BERT_TABLES,
        "cls.predictions.decoder",
    ),
    "bert classes": (
        "BertForSequenceClassification",
        "BertConfig",
        {**BERT, "hidden_act": "relu"},
        BERT_TABLES,
        "classifier",
    ),
    "bert tokens": ("BertForTokenClassification", "BertConfig", BERT, BERT_TABLES, "classifier"),
    "roberta": ("RobertaForMaskedLM", "RobertaConfig", BERT, BERT_TABLES, "lm_head.decoder"),
    "roberta classes": (
        "RobertaForSequenceClassification",
        "RobertaConfig",
        BERT,
        BERT_TABLES,
        "classifier.out_proj",
    ),
}


@pytest.mark.parametrize("which", TEXTS)
def test_the_graph_of_one_token_gives_the_logits(which, tmp_path):
    name, config_name, sizes, tables, head = TEXTS[which]
    config = getattr(transformers, config_name)(**sizes)
    network = perturbed(getattr(transformers, name)(config), seed=3)
    graph = graph_in(saved(network, tmp_path))
    bert = config_name in ("BertConfig", "RobertaConfig")
    position = config.pad_token_id + 1 if config_name == "RobertaConfig" else 0
    eps = next(
        getattr(config, key)
        for key in ("rms_norm_eps", "layer_norm_epsilon", "layer_norm_eps")
        if hasattr(config, key)
    )
    with torch.no_grad():
        found = network(input_ids=torch.tensor([[5]]))
    wanted = found.prediction_logits if hasattr(found, "prediction_logits") else found.logits
    value = evaluated(
        graph,
        one_token(graph, 5, position, tables),
        centred=bert or config_name == "GPT2Config",
        eps=eps,
    )
    # transformers takes the root of the mean square in float32, netkin the factors of a sum
    close = 1e-9 if config_name == "GPT2Config" else 1e-5
    np.testing.assert_allclose(
        value(place_of(graph, head)), wanted.numpy().ravel(), rtol=close, atol=close
    )
    if "seq_relationship_logits" in found:
        given = value(place_of(graph, "cls.seq_relationship"))
        np.testing.assert_allclose(given, found.seq_relationship_logits.numpy().ravel(), rtol=1e-5)
    unused = {name for name in graph.unused if not re.search(r"[qk]_norm", name)}
    assert not unused
    assert graph.parameters == sum(
        part.numel() for part in dict(network.named_parameters()).values()
    )


@pytest.mark.parametrize("gate", ["relu", "gated-gelu"])
def test_encoder_and_decoder_of_t5_give_the_logits(gate, tmp_path, monkeypatch):
    config = transformers.T5Config(**T5, feed_forward_proj=gate, num_decoder_layers=3)
    network = perturbed(transformers.T5ForConditionalGeneration(config), seed=5)
    graph = graph_in(saved(network, tmp_path))
    with torch.no_grad():
        wanted = network(
            input_ids=torch.tensor([[5]]), decoder_input_ids=torch.tensor([[7]])
        ).logits
    rows = [k for k, group in enumerate(graph.groups) if group.name == "shared rows"]
    inputs = {}
    for place, token in zip(rows, (5, 7), strict=True):
        inputs[place] = np.eye(17)[token]
    monkeypatch.setitem(FUNCTIONS, "gelu", FUNCTIONS["gelu_new"])  # as T5 takes it
    value = evaluated(graph, inputs, centred=False, eps=config.layer_norm_epsilon)
    given = value(place_of(graph, "lm_head"))
    np.testing.assert_allclose(given, wanted.numpy().ravel(), rtol=1e-5, atol=1e-5)
    assert all("relative_attention_bias" in name for name in graph.unused)


IMAGES = {
    "resnet bottleneck": (
        "ResNetForImageClassification",
        "ResNetConfig",
        {
            "embedding_size": 4,
            "hidden_sizes": [8, 12],
            "depths": [2, 1],
            "layer_type": "bottleneck",
        },
        "classifier.1",
    ),
    "resnet basic": (
        "ResNetForImageClassification",
        "ResNetConfig",
        {
            "embedding_size": 4,
            "hidden_sizes": [4, 6],
            "depths": [1, 2],
            "layer_type": "basic",
            "downsample_in_first_stage": True,
        },
        "classifier.1",
    ),
    "resnet early": (
        "ResNetForImageClassification",
        "ResNetConfig",
        {
            "embedding_size": 4,
            "hidden_sizes": [8, 12],
            "depths": [1, 2],
            "layer_type": "bottleneck",
            "downsample_in_bottleneck": True,
        },
        "classifier.1",
    ),
}


@pytest.mark.parametrize("which", IMAGES)
def test_the_graph_of_a_resnet_gives_the_logits(which, tmp_path):
    name, config_name, sizes, head = IMAGES[which]
    config = getattr(transformers, config_name)(**sizes)
    network = perturbed(getattr(transformers, name)(config), seed=7)
    graph = graph_in(saved(network, tmp_path), "3x24x20")
    x = torch.randn(1, 3, 24, 20, dtype=torch.float64)
    with torch.no_grad():
        wanted = network(x).logits
    value = evaluated(graph, {0: x.numpy()}, centred=True, eps=1e-12)
    np.testing.assert_allclose(
        value(place_of(graph, head)), wanted.numpy().ravel(), rtol=1e-8, atol=1e-8
    )
    assert graph.sizes == {"height": 24, "width": 20}
    assert not graph.unused


def test_the_graph_of_a_vit_without_mixing_gives_the_logits(tmp_path):
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    def own(module, query, key, value, mask, **rest):
        return value.transpose(1, 2), None

    ALL_ATTENTION_FUNCTIONS["own"] = own
    config = transformers.ViTConfig(
        hidden_size=12,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=20,
        image_size=8,
        patch_size=4,
        attn_implementation="own",
        num_labels=5,
    )
    network = perturbed(transformers.ViTForImageClassification(config), seed=9)
    graph = graph_in(saved(network, tmp_path))
    x = torch.randn(1, 3, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        wanted = network(x).logits
    value = evaluated(graph, {0: x.numpy()}, centred=True, eps=config.layer_norm_eps)
    np.testing.assert_allclose(
        value(place_of(graph, "classifier")), wanted.numpy().ravel(), rtol=1e-5, atol=1e-5
    )
    assert not graph.unused


def test_the_graph_of_a_convnext_gives_the_logits(tmp_path):
    config = transformers.ConvNextConfig(
        hidden_sizes=[4, 6], depths=[1, 2], image_size=16, num_stages=2, num_labels=5
    )
    network = perturbed(transformers.ConvNextForImageClassification(config), seed=9)
    graph = graph_in(saved(network, tmp_path))
    x = torch.randn(1, 3, 16, 16, dtype=torch.float64)
    with torch.no_grad():
        wanted = network(x).logits
    value = evaluated(graph, {0: x.numpy()}, centred=True, eps=1e-6)
    np.testing.assert_allclose(
        value(place_of(graph, "classifier")), wanted.numpy().ravel(), rtol=1e-5, atol=1e-5
    )
    assert not graph.unused


PUBLISHED = {
    "gpt2": ("GPT2LMHeadModel", "GPT2Config", {}, 124_439_808),
    "Meta-Llama-3-8B": (
        "LlamaForCausalLM",
        "LlamaConfig",
        {
            "vocab_size": 128_256,
            "hidden_size": 4096,
            "intermediate_size": 14_336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
        },
        8_030_261_248,
    ),
    "Mistral-7B-v0.1": (
        "MistralForCausalLM",
        "MistralConfig",
        {"vocab_size": 32_000, "hidden_size": 4096, "intermediate_size": 14_336},
        7_241_732_096,
    ),
    "Qwen2-0.5B": (
        "Qwen2ForCausalLM",
        "Qwen2Config",
        {
            "vocab_size": 151_936,
            "hidden_size": 896,
            "intermediate_size": 4864,
            "num_hidden_layers": 24,
            "num_attention_heads": 14,
            "num_key_value_heads": 2,
            "tie_word_embeddings": True,
        },
        494_032_768,
    ),
    "Qwen3-0.6B": (
        "Qwen3ForCausalLM",
        "Qwen3Config",
        {
            "vocab_size": 151_936,
            "hidden_size": 1024,
            "intermediate_size": 3072,
            "num_hidden_layers": 28,
            "num_attention_heads": 16,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "tie_word_embeddings": True,
        },
        596_049_920,
    ),
    "bert-base-uncased": ("BertForPreTraining", "BertConfig", {}, 110_106_428),
    "roberta-base": (
        "RobertaForMaskedLM",
        "RobertaConfig",
        {"vocab_size": 50_265, "max_position_embeddings": 514, "type_vocab_size": 1},
        124_697_433,
    ),
    "t5-small": ("T5ForConditionalGeneration", "T5Config", {}, 60_506_624),
    "vit-base-patch16-224": (
        "ViTForImageClassification",
        "ViTConfig",
        {"num_labels": 1000},
        86_567_656,
    ),
    "resnet-50": (
        "ResNetForImageClassification",
        "ResNetConfig",
        {"num_labels": 1000},
        25_557_032,
    ),
    "convnext-tiny-224": (
        "ConvNextForImageClassification",
        "ConvNextConfig",
        {"num_labels": 1000},
        28_589_128,
    ),
}
"""Published checkpoints: class, what differs from the default config, numbers of parameters."""


@cache
def published(which):
    """Return the graph of a published checkpoint whose numbers are all 0, and its parameters."""
    name, config_name, sizes, _ = PUBLISHED[which]
    config = getattr(transformers, config_name)(**sizes)
    with torch.device("meta"):
        network = getattr(transformers, name)(config)
    shapes = {key: tuple(one.shape) for key, one in network.named_parameters()}
    statistics = {
        key: tuple(one.shape)
        for key, one in network.named_buffers()
        if key.endswith(("running_mean", "running_var"))
    }
    config.architectures = [name]
    model = Model(
        which,
        "safetensors",
        {key: zeros(key, shape) for key, shape in shapes.items()},
        statistics={key: zeros(key, shape) for key, shape in statistics.items()},
    )
    shape = InputShape({"": (3, 224, 224)}) if "pixel" in FAMILIES[config.model_type].input else ""
    graph = graph_from_config(model, config.to_dict(), None, shape or InputShape())
    return graph, {key: int(np.prod(shape)) for key, shape in shapes.items()}


def zeros(name, shape):
    def read(rows):
        return np.broadcast_to(np.float32(0), shape)[rows]

    return Tensor(name, shape, "float32", read)


@pytest.mark.parametrize("which", PUBLISHED)
def test_every_parameter_of_a_published_checkpoint_is_used_or_named(which):
    graph, sizes = published(which)
    assert sum(sizes.values()) == graph.parameters == PUBLISHED[which][3]
    used = {name for block in graph.blocks for name in block.made_of}
    assert used | set(graph.unused) == set(sizes)
    scores = {name for name in sizes if re.search(r"[qk]_norm|relative_attention_bias", name)}
    assert set(graph.unused) == scores


def counted(graph):
    """Return edges by kind, vertices, those after contraction, and components."""
    edges = Counter()
    first = first_vertices(graph.groups)
    tails, heads, structural = [], [], []
    for block in graph.blocks:
        edges[block.kind] += block.n_edges
        if block.kind == "bias":
            continue
        assert all(group.grid == () for group in graph.groups)
        source = first[block.source] + block.source_channel + np.arange(block.n_in)
        target = first[block.target] + block.target_channel + np.arange(block.n_out)
        if block.groups == 1 and block.kind == "weight":  # all to all: two stars span it
            tails += [source, np.full(block.n_out, source[0])]
            heads += [np.full(block.n_in, target[0]), target]
            structural += [np.zeros(block.n_in + block.n_out, dtype=bool)]
        else:
            assert block.weight.shape[1:] == (1, 1)
            tails.append(source)
            heads.append(target)
            structural.append(np.full(block.n_out, block.kind in ("identity", "product")))
    tail, head, own = (np.concatenate(part) for part in (tails, heads, structural))
    n = int(first[-1])

    def components(chosen):
        pairs = coo_array((np.ones(chosen.sum(), np.int8), (tail[chosen], head[chosen])), (n, n))
        return connected_components(pairs, directed=False)[0]

    return edges, n, components(own), components(np.ones(len(own), dtype=bool))


@pytest.mark.parametrize(
    ("which", "contracted", "weights", "biases", "h1"),
    [
        # the beta of the last norm gives each of 50,257 logits a bias
        ("gpt2", 166_818, 124_318_464 + 38_597_376, 82_944 + 50_257, 162_749_023),
        ("Meta-Llama-3-8B", 915_968, 8_029_995_008, 0, 8_029_079_041),
    ],
)
def test_counts_of_published_transformers(which, contracted, weights, biases, h1):
    graph, _ = published(which)
    edges, n, merged, components = counted(graph)
    assert merged == contracted
    assert edges["weight"] == weights
    assert edges["bias"] == biases
    assert components == 1
    structural = edges["identity"] + edges["product"]
    assert structural == n - contracted  # a forest, as where a skip is counted once
    # a bias has a vertex of its own and one edge
    assert weights + structural - n + components == h1


def small_gpt2(folder, **changes):
    """Write a GPT-2 of one layer, and return its config and tensors."""
    config = transformers.GPT2Config(n_embd=8, n_layer=1, n_head=2, vocab_size=11, n_positions=5)
    network = perturbed(transformers.GPT2LMHeadModel(config), seed=1)
    tensors = {name: one.float() for name, one in network.named_parameters()}
    said = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}
    said |= {key: getattr(config, key) for key in ("n_embd", "n_layer", "n_head")} | changes
    written(folder, said, tensors)
    return said, tensors


def written(folder, config, tensors):
    tensors = {name: one.detach().clone().contiguous() for name, one in tensors.items()}
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))


def names_of(graph):
    return {group.name for group in graph.groups}


def test_names_without_prefix_masks_and_a_file_in_place_of_the_folder(tmp_path):
    config, tensors = small_gpt2(tmp_path)
    first = graph_in(tmp_path)
    other_folder = tmp_path / "bare"
    other_folder.mkdir()
    bare = {name.removeprefix("transformer."): one for name, one in tensors.items()}
    bare["h.0.attn.bias"] = torch.ones(1, 1, 5, 5)
    written(other_folder, config, bare)
    graph = graph_in(other_folder / "model.safetensors")
    assert "lm_head" in names_of(graph)
    assert list(graph.unused) == ["h.0.attn.bias"]
    assert "mask" in graph.unused["h.0.attn.bias"]
    for one, other in zip(first.blocks, graph.blocks, strict=True):
        np.testing.assert_array_equal(one.weight[0 : one.n_out], other.weight[0 : one.n_out])


def test_a_base_model_has_no_head(tmp_path):
    config, tensors = small_gpt2(tmp_path)
    bare = {name.removeprefix("transformer."): one for name, one in tensors.items()}
    written(tmp_path, {**config, "architectures": ["GPT2Model"]}, bare)
    assert "lm_head" not in names_of(graph_in(tmp_path))
    written(tmp_path, {k: v for k, v in config.items() if k != "architectures"}, bare)
    graph = graph_in(tmp_path)
    assert "lm_head" not in names_of(graph)
    assert any("names no architectures" in note for note in graph.notes)


def test_old_names_of_norms_are_known(tmp_path):
    config = transformers.BertConfig(**BERT)
    network = perturbed(transformers.BertModel(config), seed=2)
    wanted = graph_in(saved(network, tmp_path))
    old = {}
    for name, one in network.state_dict().items():
        stem, _, last = name.rpartition(".")
        if "LayerNorm" in stem:
            last = {"weight": "gamma", "bias": "beta"}[last]
        old[f"bert.{stem}.{last}"] = one
    written(tmp_path, {**config.to_dict(), "architectures": ["BertModel"]}, old)
    graph = graph_in(tmp_path)
    assert [block.n_edges for block in graph.blocks] == [block.n_edges for block in wanted.blocks]


def test_a_network_in_bfloat16_and_several_files_is_read_by_rows(tmp_path):
    config = transformers.LlamaConfig(**LLAMA)
    network = perturbed(transformers.LlamaForCausalLM(config), seed=4).to(torch.bfloat16)
    network.save_pretrained(tmp_path, max_shard_size="5KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    with open_model(tmp_path) as model:
        graph = model.graph()
        gamma = network.model.layers[0].input_layernorm.weight.float()
        wanted = (network.model.layers[0].self_attn.q_proj.weight.float() * gamma).detach().numpy()
        (block,) = [b for b in graph.blocks if b.name == "layers.0.self_attn.q_proj"]
        np.testing.assert_array_equal(block.weight[3:9][:, :, 0], wanted[3:9])
        (rows,) = [b for b in graph.blocks if b.name == "embed_tokens"]
        table = network.model.embed_tokens.weight.float().detach().numpy()
        for start in range(0, 12, 5):
            found = rows.weight[start : start + 5][:, :, 0]
            np.testing.assert_array_equal(found, table.T[start : start + 5])
        assert all(not isinstance(b.weight, np.ndarray) for b in graph.blocks if b.kind == "weight")


def test_images_are_as_large_as_the_preprocessor_says(tmp_path):
    config = transformers.ResNetConfig(
        embedding_size=4, hidden_sizes=[4], depths=[1], layer_type="basic"
    )
    saved(transformers.ResNetForImageClassification(config), tmp_path)
    with pytest.raises(NetkinError, match="such as 3x224x224"):
        graph_in(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text('{"size": {"shortest_edge": 20}}')
    assert graph_in(tmp_path).sizes == {"height": 20, "width": 20}
    assert graph_in(tmp_path, "3x12x16").sizes == {"height": 12, "width": 16}


@pytest.mark.parametrize(
    ("changes", "dropped", "said"),
    [
        ({"model_type": "moshi"}, "", "has the model_type 'moshi'; known are bert, roberta"),
        ({}, "transformer.h.0.ln_2.weight", "the file has no 'h.0.ln_2.weight'"),
        ({"n_layer": 0}, "", "nothing is said of 'transformer.h.0."),
        ({"n_layer": "1"}, "", "found '1' as n_layer"),
        ({"n_head": 3}, "", "has 3 heads"),
        ({"n_head": "2"}, "", "heads: found '2'"),
        ({"tie_word_embeddings": False}, "", "tie_word_embeddings"),
        ({"n_embd": 9}, "", "h.0.attn"),
        ({"activation_function": 3}, "", "names the activation 3"),
    ],
)
def test_a_wrong_config_is_one_sentence(changes, dropped, said, tmp_path):
    config, tensors = small_gpt2(tmp_path)
    tensors = {name: one for name, one in tensors.items() if name != dropped}
    written(tmp_path, config | changes, tensors)
    with pytest.raises(NetkinError) as error:
        graph_in(tmp_path)
    assert str(error.value).startswith(str(tmp_path))
    assert said in str(error.value)


def test_a_damaged_config_is_told_where_the_wiring_is_wanted(tmp_path):
    small_gpt2(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with open_model(tmp_path) as model:
        assert "transformer.wte.weight" in model.tensors
        with pytest.raises(NetkinError, match=r"config\.json beside it cannot be read"):
            model.graph()


def test_a_chain_beside_an_unknown_config_is_still_a_chain(tmp_path):
    tensors = {"net.0.weight": torch.ones(3, 2), "net.2.weight": torch.ones(1, 3)}
    written(tmp_path, {"model_type": "mine"}, tensors)
    assert graph_in(tmp_path).n_edges == 9


@pytest.mark.parametrize("seed", range(20))
def test_lazy_matrices_are_those_in_memory(seed):
    rng = np.random.default_rng(seed)
    n_out, n_in = rng.integers(1, 90, 2)
    turned = bool(seed % 2)
    dtype = np.float64 if seed % 3 == 0 else np.float32
    matrix = rng.normal(size=(n_out, n_in)).astype(dtype)
    stored = matrix.T if turned else matrix
    scale, shift = rng.normal(size=(2, n_in))
    if seed % 5:
        scale = scale.astype(np.float32).astype(np.float64)
    units = (3, n_in)
    graphs = []
    for array in (matrix, LazyMatrix(stored, turned=turned, dtype=dtype)):
        build = Builder()
        x = build.input("x", (1, *units))
        x = build.normalised(
            x,
            Parameter(scale, ("g",)) if seed % 4 else None,
            Parameter(shift, ("b",)),
            "norm",
            centred=-1 if seed % 7 else None,
        )
        y = build.linear(x, Parameter(array, ("w",)), name="w")
        factor = Parameter(rng.normal(size=n_out) * 0 + 1.5, ("s",))
        build.affine(y, factor, None, "s", sole=True)
        graphs.append(build.finish())
    for one, other in zip(graphs[0].blocks, graphs[1].blocks, strict=True):
        assert one.made_of == other.made_of
        given = np.concatenate([other.weight[k : k + 7] for k in range(0, n_out, 7)])
        expected = one.weight[0:n_out]
        assert given.dtype == expected.dtype
        if one.kind == "weight":
            np.testing.assert_array_equal(given, expected)
        else:
            np.testing.assert_allclose(given, expected, rtol=1e-6, atol=1e-6)
