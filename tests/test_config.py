import copy
import ctypes
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pytest
import yaml
from pydantic import BaseModel
from snakemake.utils import update_config

from netkin.config import Study
from netkin.config_file import (
    COMMAND_LINE,
    MOST_BYTES,
    MOST_VALUES,
    Source,
    read_command_line,
    read_config_file,
)
from netkin.dataset import CLASSES, DATASETS, FILES
from netkin.diagram.exact import exact_diagram
from netkin.diagram.policy import apply_policy
from netkin.distance import MEASURES
from netkin.distance.representational import REPRESENTATIONAL
from netkin.distance.vector import vector_distance
from netkin.errors import NetkinError
from netkin.figure import FIGURES
from netkin.graph.graph import graph_from_weights
from netkin.schema import (
    CHOICES,
    FAMILIES,
    MOST_NETWORKS,
    Config,
    DatasetSection,
    check,
    in_words,
    options_model,
)
from netkin.vector import VECTORISERS
from netkin.vector.sampling import Sampling
from netkin.vector.vector import Vector
from tests.conftest import environment
from tests.stress.configs import LAUGHS, OF_THE_MACHINERY, campaign

ROOT = Path(__file__).resolve().parent.parent
CONFIG = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())


def changed(path, value):
    """Return the default config with one key set; None for `value` removes it."""
    config = copy.deepcopy(CONFIG)
    *parents, key = path.split(".")
    section = config
    for parent in parents:
        section = section[parent]
    if value is None:
        del section[key]
    else:
        section[key] = value
    return config


def message_of(config):
    with pytest.raises(NetkinError) as error:
        Study(config, source="my.yaml")
    return str(error.value)


WIDE = {"n_bins": 200, "sigma": 2.0}
MISTAKES = {
    "unknown_key": (
        changed("network.droput", 0.2),
        "network.droput: unknown key. Did you mean 'dropout'? "
        "Allowed: width, hidden_layers, variants, input_order, "
        "dropout, learning_rate, rho, epsilon, validation_share, device, threads.",
    ),
    "missing_key": (
        changed("graph.zeta", None),
        "graph.zeta: this key is missing. It is described in config/config.yaml.",
    ),
    "unknown_choice": (
        changed("graph.bias_vertices", "per_neurons"),
        "graph.bias_vertices: found 'per_neurons'. Did you mean 'per_neuron'? "
        "Allowed: per_neuron, per_layer, none.",
    ),
    "unknown_data_set_to_run": (
        changed("study.datasets", ["mnits"]),
        "study.datasets: found 'mnits', which is not in the section dataset. "
        f"Did you mean 'mnist'? Allowed: {', '.join(CONFIG['dataset'])}.",
    ),
    "unknown_loader": (
        changed("dataset.sound", {"labels": [2], "batch_size": 1, "epochs": 1}),
        f"dataset.sound: no such data set. Allowed: {', '.join(DATASETS)}.",
    ),
    "number_out_of_range": (
        changed("dataset.digits.epochs", 0),
        "dataset.digits.epochs: found 0. Allowed: a whole number from 1 to 100,000.",
    ),
    "wrong_type": (
        changed("network.width", "wide"),
        "network.width: found 'wide'. Allowed: a whole number from 1 to 65,536.",
    ),
    "number_as_text": (
        changed("network.epsilon", "1e-7"),
        "network.epsilon: found '1e-7'. Allowed: a number from 1.0e-16 to 1. "
        "YAML reads 1e-6 and 1.0e3 as text; write 1.0e-6 and 1.0e+3.",
    ),
    "number_with_a_point_as_text": (
        changed("network.learning_rate", "1.0e3"),
        "network.learning_rate: found '1.0e3'. Allowed: a number from 1.0e-10 to 1.0e+30. "
        "YAML reads 1e-6 and 1.0e3 as text; write 1.0e-6 and 1.0e+3.",
    ),
    "number_of_nines": (
        changed("network.width", 10**26 - 1),
        "network.width: found a number of 26 digits. Allowed: a whole number from 1 to 65,536.",
    ),
    "unknown_measure": (
        changed("distance.measures", ["landscape", "silouette"]),
        "distance.measures.1: found 'silouette'. Did you mean 'silhouette'? "
        f"Allowed: {', '.join((*MEASURES, *FAMILIES))}.",
    ),
    "measure_without_a_null": (
        changed("distance.calibration.fewer", {"heat": 1}),
        f"distance.calibration.fewer.heat: found 'heat'. Allowed: {', '.join(REPRESENTATIONAL)}.",
    ),
    "layers_that_are_not_stored": (
        changed(
            "distance",
            CONFIG["distance"] | {"measures": ["cka"], "layers": [["layers_2", "layers_4"]]},
        ),
        "activation.layers: found 'last_hidden', but distance.layers compares networks layer by "
        "layer. Set it to all, or distance.layers to [].",
    ),
    "layers_without_a_measure": (
        changed("distance.layers", [["layers_2", "layers_4"]])
        | {"activation": {"probe_rows": 9, "layers": "all"}},
        "distance.layers: found [['layers_2', 'layers_4']], but distance.measures has no "
        "representational measure to compare layers by. Add one, such as cka.",
    ),
    "layers_of_a_variant_that_is_not_run": (
        changed("study.variants", ["layers_2"])
        | {
            "activation": {"probe_rows": 9, "layers": "all"},
            "distance": CONFIG["distance"]
            | {"measures": ["cka"], "layers": [["layers_2", "layers_4"]]},
        },
        "distance.layers: found 'layers_4'. Did you mean 'layers_2'? Allowed: layers_2.",
    ),
    "layers_of_an_unknown_variant": (
        changed(
            "distance",
            CONFIG["distance"] | {"measures": ["cka"], "layers": [["layers_2", "layer_4"]]},
        )
        | {"activation": {"probe_rows": 9, "layers": "all"}},
        "distance.layers: found 'layer_4'. Did you mean 'layers_4'? "
        "Allowed: width_128, width_256, width_512, width_1024, "
        "layers_2, layers_4, layers_6, layers_8, layers_10, input_order_1, input_order_2, "
        "input_order_3, input_order_4, input_order_5, labels_2, labels_4, labels_6, labels_8, "
        "labels_10.",
    ),
    "three_networks_layer_by_layer": (
        changed("distance.layers", [["layers_2", "layers_4", "layers_6"]]),
        "distance.layers.0: found ['layers_2', 'layers_4', 'layers_6']. Allowed: a list of 2 "
        "values, each text.",
    ),
    "unknown_variant": (
        changed("study.variants", ["widht_512"]),
        "study.variants: found 'widht_512'. Did you mean 'width_512'? "
        "Allowed: all, or a list of width_128, width_256, "
        "width_512, width_1024, layers_2, layers_4, layers_6, layers_8, layers_10, "
        "input_order_1, input_order_2, input_order_3, input_order_4, input_order_5, labels_2, "
        "labels_4, labels_6, labels_8, labels_10.",
    ),
    "variants_neither_all_nor_list": (
        changed("study.variants", "some"),
        "study.variants: found 'some'. Allowed: all, or a list of 1 to 2,500 names of variants.",
    ),
    "id_unsafe_as_path": (
        changed("dataset.my/data", {"kind": "digits", "labels": [2]}),
        "dataset.my/data: an id becomes part of paths; allowed are lower-case letters, digits "
        "and underscores inside, beginning with a letter.",
    ),
    "seeds_negative": (
        changed("study.seeds", [0, -1]),
        "study.seeds: found [0, -1]. Allowed: a whole number from 1 to 10,000, or a list of 1 to "
        "10,000 seeds, each a whole number from 0 to 4,294,967,295.",
    ),
    "value_twice": (
        changed("network.variants.width", [128, 128]),
        "network.variants.width: found 128 more than once; list each value once.",
    ),
    "range_backwards": (
        changed("vector.range", [1.0, 0.0]),
        "vector.range: found [1.0, 0.0]; the first must be below the second, by 0.001 or more.",
    ),
    "kernel_wider_than_all_samples": (
        changed("vector", CONFIG["vector"] | {"range": [0.9, 1.0], "heat": WIDE}),
        "vector.heat.sigma: found 2.0, but the samples are those of vector.range, [0.9, 1.0]. "
        "Allowed: at most 10 times its length.",
    ),
    "option_of_a_vector": (
        changed("vector.heat.sigma", -1.0),
        "vector.heat.sigma: found -1.0. Allowed: a number from 1.0e-6 to 10.",
    ),
    "option_of_a_loader": (
        changed("dataset.digits.test_share", 1.5),
        "dataset.digits.test_share: found 1.5. Allowed: a number above 0 and below 1.",
    ),
    "unknown_option_of_a_loader": (
        changed("dataset.mnist.test_share", 0.5),
        "dataset.mnist.test_share: unknown key. Allowed: "
        f"{', '.join(DatasetSection.model_fields)}.",
    ),
    "unknown_key_of_an_extractor": (
        changed("dataset.cifar10.extractor", {"epoch": 20, "epochs": 20, "batch_size": 256}),
        "dataset.cifar10.extractor.epoch: unknown key. Did you mean 'epochs'? "
        "Allowed: epochs, batch_size.",
    ),
    "extractor_without_epochs": (
        changed("dataset.mnist.extractor", {"batch_size": 256}),
        "dataset.mnist.extractor.epochs: this key is missing. It is described in "
        "config/config.yaml.",
    ),
    "more_batches_than_there_are": (
        changed("dataset.cifar10.batches", 6),
        "dataset.cifar10.batches: found 6. Allowed: a whole number from 1 to 5.",
    ),
    "more_labels_than_classes": (
        changed("dataset.mnist.labels", [2, 12]),
        "dataset.mnist.labels: found 12, but there are 10 classes. Allowed: 2 to 10.",
    ),
    "more_labels_than_languages": (
        changed("dataset.language_identification.languages", ["en", "fr", "de"]),
        "dataset.language_identification.labels: found 7, but there are 3 classes. "
        "Allowed: 2 to 3.",
    ),
    "language_without_quotes": (
        changed("dataset.language_identification.languages", ["en", False]),
        "dataset.language_identification.languages.1: found false. Allowed: text of 1 to 100 "
        "letters. YAML reads no, yes, numbers and dates as what they are; put text in quotes.",
    ),
    "language_twice": (
        changed("dataset.language_identification.languages", [*"abcdefg", "a"]),
        "dataset.language_identification.languages: found 'a' more than once; list each value "
        "once.",
    ),
    "colour_map": (
        changed("figure.training.colour_map", "viridiss"),
        "figure.training.colour_map: found 'viridiss'; matplotlib knows no such colour map. "
        "Did you mean 'viridis'?",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gives_one_exact_sentence(mistake):
    config, sentence = MISTAKES[mistake]
    assert message_of(config) == f"my.yaml has an error:\n  {sentence}"


def test_all_errors_are_told_at_once():
    config = changed("network.widht", 1)
    config["graph"]["zeta"] = 2.0
    config["dataset"]["digits"]["epochs"] = -1
    lines = message_of(config).splitlines()
    assert lines[0] == "my.yaml has 3 errors:"
    assert [line.split(":")[0].strip() for line in lines[1:]] == [
        "network.widht",
        "graph.zeta",
        "dataset.digits.epochs",
    ]


def test_a_section_that_is_no_section_is_named():
    assert "  graph: found 3. Allowed: a section with the keys" in message_of(changed("graph", 3))
    assert "  dataset.digits: found 3. Allowed: a section" in message_of(
        changed("dataset.digits", 3)
    )


def test_the_default_study_is_the_grid_of_the_paper():
    study = Study(CONFIG)
    assert len(study.variants("digits")) == 19
    assert study.seeds == [0, 1]
    assert {study.training("digits", v.name, 0)["width"] for v in study.variants("digits")} == {
        128,
        256,
        512,
        1024,
    }


def test_two_data_sets_can_share_a_loader():
    config = changed(
        "dataset.digits_small", {**CONFIG["dataset"]["digits"], "kind": "digits", "test_share": 0.5}
    )
    config["study"]["datasets"] = ["digits", "digits_small"]
    study = Study(config)
    assert study.dataset("digits_small").kind == "digits"
    assert study.dataset_options("digits_small") == {"test_share": 0.5, "split_seed": 0}
    assert study.dataset_options("digits") == {"test_share": 0.2, "split_seed": 0}


def test_what_is_said_of_data_sets_is_said_of_registered_ones():
    assert set(CLASSES) | set(FILES) <= set(DATASETS)


def test_an_extractor_is_trained_as_the_networks_are():
    config = changed("network.learning_rate", 0.002)
    config["study"]["datasets"] = ["digits", "cifar10"]
    study = Study(config)
    assert study.dataset("digits").extractor is None
    assert study.extraction("cifar10") == {
        "dataset": "cifar10",
        "epochs": 20,
        "batch_size": 256,
        "dropout": 0.2,
        "learning_rate": 0.002,
        "rho": 0.9,
        "epsilon": 1e-7,
        "validation_share": 0.1,
    }
    # not the loader's business
    assert set(study.dataset_options("cifar10")) == {"batches", "unknown_checksums"}


def test_only_controls_are_permuted():
    study = Study(changed("network.input_order", "features"))
    orders = {
        v.name: study.training("digits", v.name, 0)["input_order"] for v in study.variants("digits")
    }
    assert {name for name, order in orders.items() if order} == {
        f"input_order_{i}" for i in range(1, 6)
    }
    assert set(orders.values()) == {None, "features"}


def test_stages_follow_from_the_measures():
    assert Study(changed("distance.measures", ["norm_1"])).needed_stages() == {
        "dataset",
        "network",
        "graph",
        "distance",
    }
    study = Study(changed("distance.measures", ["heat"]))
    assert study.needed_stages() == {
        "dataset",
        "network",
        "graph",
        "diagram",
        "vector",
        "distance",
    }
    assert study.needed_vectors() == ["heat"]


def test_every_key_stands_in_the_default_config_with_a_comment():
    text = (ROOT / "config" / "config.yaml").read_text()
    for registry, section in ((VECTORISERS, "vector"), (FIGURES, "figure")):
        assert set(registry) <= set(CONFIG[section])
    assert set(DATASETS) <= set(CONFIG["dataset"])
    for name in (*DATASETS, *MEASURES):
        assert name in text

    def keys(section):
        for key, value in section.items():
            yield key
            if isinstance(value, dict):
                yield from keys(value)

    lines = text.splitlines()
    for number, line in enumerate(lines):
        key = line.strip().split(":")[0]
        if line.strip().startswith("#") or key not in set(keys(CONFIG)):
            continue
        # a comment stands in the block of keys above, or the key is named in one
        above = number - 1
        while above > 0 and lines[above].strip() and not lines[above].strip().startswith("#"):
            above -= 1
        named = any(row.strip().startswith("#") and key in row for row in lines)
        assert lines[above].strip().startswith("#") or named, f"{key} is not described"


@pytest.mark.parametrize(
    "names",
    ["config/config.yaml", "config/mnist.yaml", "config/paper.yaml docs/reproduction/config.yaml"],
)
def test_every_study_that_ships_is_valid(names):
    config = copy.deepcopy(CONFIG)
    for name in names.split():
        update_config(config, yaml.safe_load((ROOT / name).read_text()))
        assert Study(config).datasets


def two_datasets(**study):
    config = changed(
        "dataset.digits_b", {**CONFIG["dataset"]["digits"], "kind": "digits", "epochs": 3}
    )
    config["study"] |= {"datasets": ["digits", "digits_b"], **study}
    return Study(config)


def test_control_networks_of_several_data_sets_are_compared_with_each_other():
    study = two_datasets()
    assert study.comparisons == ["digits", "digits_b", "control"]
    cells = study.compared("control")
    assert [(c.dataset, c.variant, c.index) for c in cells[4:6]] == [
        ("digits", "input_order_5", 5),
        ("digits_b", "input_order_1", 1),
    ]
    assert {c.group for c in cells} == {"digits", "digits_b"}
    assert len({c.name for c in cells}) == len(cells) == 10
    assert Study(CONFIG).comparisons == ["digits"]
    assert two_datasets(variants=["width_128"]).comparisons == ["digits", "digits_b"]


def test_untrained_networks_are_the_trained_ones_before_training():
    study = two_datasets(untrained=True)
    assert study.networks == ["digits", "digits_b", "digits_untrained", "digits_b_untrained"]
    assert study.dataset_of("digits_b_untrained") == "digits_b"
    trained = study.training("digits_b", "layers_4", 1)
    assert trained["epochs"] == 3
    assert study.training("digits_b_untrained", "layers_4", 1) == {**trained, "epochs": 0}
    names = [[cell.name for cell in study.compared(n)] for n in ("digits", "digits_untrained")]
    assert names[0] == names[1]
    assert {dataset for dataset, _, _ in study.bundles()} == set(study.networks)


def test_bundles_hold_every_network_once_and_no_more_than_their_size():
    study = two_datasets()
    names = [v.name for v in study.variants("digits")]
    for size in (None, 1, 7, 100):
        bundles = study.bundles(size)
        assert len({bundle for _, bundle, _ in bundles}) == len(bundles)
        most = size or CONFIG["networks_per_job"]
        assert max(len(variants) for _, _, variants in bundles) == min(most, len(names))
        for dataset in study.networks:
            assert [v for d, _, variants in bundles if d == dataset for v in variants] == names


@pytest.mark.parametrize("name", ["control", "all", "digits_untrained"])
def test_names_of_netkins_own_results_are_no_ids(name):
    entry = {**CONFIG["dataset"]["digits"], "kind": "digits"}
    assert f"dataset.{name}: results of netkin's own have such names" in message_of(
        changed(f"dataset.{name}", entry)
    )


LIMITS = {
    "study.seeds": [10**8, list(range(20_000)), [2**32], True, "2", [], 10**400],
    "network.variants.input_order": [10**8, -1, 1.5],
    "network.width": [10**399, 0, True, "512"],
    "network.variants.width": [[10**9], list(range(1, 502)), "512", {}],
    "network.hidden_layers": [10**9],
    "network.epsilon": [1e-300, 1e300, -1.0],
    "network.learning_rate": [1e-300, 1e300, float("inf")],
    "network.rho": [1 - 2**-53, 1.0],
    "network.dropout": [1 - 2**-53],
    "activation.probe_rows": [10**12],
    "graph.zeta": [1e-300, 1 - 2**-53],
    "diagram.infinity_value": [1.0e308, 1e-300, float("nan")],
    "diagram.eta": [1e300],
    "vector.range": [[0.0, 1e308], [-1e308, 1.0], [0.0, 1e-300], [0.0], {}],
    "vector.landscape.n_layers": [10**9],
    "vector.heat.n_bins": [10**6],
    "vector.heat.sigma": [1e-300, 1e300],
    "vector.silhouette.power": [1e300, 0.0],
    "distance.p": [1e300, 0.5],
    "distance.calibration.permutations": [10**9],
    "distance.calibration.resamples": [10**9],
    "distance.calibration.level": [1e-300, 1 - 2**-53],
    "distance.calibration.fewer": [{"rtd": 10**9}, [], "rtd"],
    "distance.options": [{"gbs": {"k": 10**12}}, {"svcca": {"variance": 1.5}}, {"gbs": 5}],
    "dataset.digits.epochs": [10**12],
    "dataset.digits.batch_size": [10**12],
    "dataset.digits.labels": [[10**12], list(range(2, 600)), 2],
    "dataset.language_identification.samples_per_language": [10**12],
    "figure.dpi": [10**9],
    "networks_per_job": [10**12],
    "trainings_per_job": [10**12],
}
"""Key -> values beyond what it allows, each by itself."""


@pytest.mark.parametrize(
    ("key", "value"),
    [(key, value) for key, values in LIMITS.items() for value in values],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_what_no_computer_can_do_is_one_sentence_at_once(key, value):
    begun = time.process_time()
    message = message_of(changed(key, value))
    assert time.process_time() - begun < 1
    head, line = message.splitlines()
    assert head == "my.yaml has an error:"
    assert line.startswith(f"  {key}")
    assert "found" in line
    assert len(line) < 600
    assert not OF_THE_MACHINERY.search(line)


def kinds_in(kind, limits=(), path=()):
    """Yield path, kind and limits of everything that a model allows."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            yield from kinds_in(field.annotation, field.metadata, (*path, name))
        return
    if hasattr(kind, "__metadata__"):
        kind, limits = kind.__origin__, list(kind.__metadata__)
    # pydantic's own way to write limits
    limits = [one for limit in limits for one in getattr(limit, "metadata", [limit])]
    yield path, kind, limits
    if get_origin(kind) is not Literal:
        for part in get_args(kind):
            yield from kinds_in(part, (), path)


def models():
    """Yield each model of the config, those of data sets too."""
    yield Config
    for kind, loader in DATASETS.items():
        yield options_model(kind, loader, DatasetSection)


def test_every_number_and_list_of_a_config_has_both_limits():
    found = 0
    for model in models():
        for path, kind, limits in kinds_in(model):
            names = {name for limit in limits for name in vars_of(limit)}
            if kind in (int, float):
                assert names & {"ge", "gt"}, path
                assert names & {"le", "lt"}, path
                found += 1
            elif get_origin(kind) is list and path != ("dataset",):
                assert "max_length" in names, path
    assert found > 60


def vars_of(limit):
    return [name for name in ("ge", "gt", "le", "lt", "max_length") if hasattr(limit, name)]


WRONG = [None, 10**400, float("nan"), "text", [[]], {"a": {"b": 1}}]


def test_no_word_of_classes_is_in_a_message():
    def paths(section, path=()):
        for key, value in section.items():
            yield (*path, key)
            if isinstance(value, dict):
                yield from paths(value, (*path, key))

    for path in paths(CONFIG):
        for wrong in WRONG:
            config = copy.deepcopy(CONFIG)
            section = config
            for part in path[:-1]:
                section = section[part]
            section[path[-1]] = wrong
            for message in check(config, [Source("my.yaml", config)]):
                assert not OF_THE_MACHINERY.search(message)


def test_the_limits_that_the_docs_list_are_those_of_the_config():
    text = (ROOT / "docs" / "workflow.md").read_text()
    section = text.partition("## Mistakes in a config")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| `([\w.]+)` \| (.*) \|$", section, re.MULTILINE)
    of_config = {".".join(path): in_words(kind, limits) for path, kind, limits in leaves()}
    of_config |= {".".join(key): words for key, words in CHOICES.items()}
    assert len(listed) > 15
    for key, words in listed:
        assert of_config[key] == words
    for number in (MOST_BYTES, MOST_NETWORKS, MOST_VALUES):
        assert f"{number:,}" in text
    message = message_of(changed("dataset.digits.epochs", 0))
    assert "epochs` to 100,000" in text
    assert "to 100,000." in message


def leaves():
    """Yield path, kind and limits of each key of the config that is no section."""
    found = {}
    for path, kind, limits in kinds_in(Config):
        found.setdefault(path, (path, kind, limits))  # the whole comes before its parts
    return found.values()


@pytest.mark.parametrize("model", list(models()), ids=lambda model: model.__name__)
def test_all_that_is_allowed_has_words(model):
    for path, kind, limits in kinds_in(model):
        if path and kind not in (Any, type(None)):
            words = in_words(kind, limits)
            assert not OF_THE_MACHINERY.search(words), path
            assert "None" not in words, path


def test_a_study_has_a_largest_number_of_networks():
    for seeds, untrained, count in ((5000, False, "95,000"), (600, True, "22,800")):
        config = changed("study.seeds", seeds)
        config["study"]["untrained"] = untrained
        line = message_of(config).splitlines()[1]
        assert line.startswith(f"  study: found {count} networks, 19 variants of data sets x ")
        assert line.endswith(f"Allowed: at most {MOST_NETWORKS:,} in a study.")
    assert Study(changed("study.seeds", 600))


@pytest.mark.parametrize("length", [65, 300, 100_000])
def test_a_long_id_is_refused_with_its_limit(length):
    message = message_of(changed(f"dataset.{'a' * length}", {**CONFIG["dataset"]["digits"]}))
    assert f"found {length} letters, allowed are at most 64." in message
    assert len(message) < 300


LOOK_ALIKES = [
    "\u0455tudy",
    "study ",
    "Study",
    "study\u200b",
    "\uff53\uff54\uff55\uff44\uff59",
    "stu-dy",
]


@pytest.mark.parametrize("key", LOOK_ALIKES)
def test_keys_that_look_alike_have_a_hint(key):
    message = message_of({**CONFIG, key: {}})
    assert "unknown key" in message
    assert "Did you mean 'study'?" in message
    assert "Did you mean 'p'?" in message_of(changed("distance.\u0440", 2.0))


ENDS = {
    "landscape": [{"n_layers": 1}, {"n_layers": 1000}],
    "silhouette": [{"power": 1e-300}, {"power": 100.0}],
    "heat": [{"sigma": 1e-6}, {"sigma": 10.0}],
    "betti": [{}],
    "persistence_image": [
        {"sigma": sigma, "weight_power": power} for sigma in (1e-6, 10.0) for power in (0.0, 100.0)
    ],
    "entropy": [{}],
}
"""Vectoriser -> options at the ends of what is allowed."""


@pytest.mark.parametrize("zeta", [1e-12, 0.999])
@pytest.mark.parametrize("end", [[0.0, 1.0], [-100.0, 100.0], [0.5, 0.501], [99.999, 100.0]])
def test_what_is_allowed_gives_finite_vectors_and_distances(end, zeta):
    assert set(ENDS) == set(VECTORISERS)
    rng = np.random.default_rng(0)
    diagrams = []
    for _ in range(2):
        weights = [rng.normal(size=shape) for shape in ((8, 6), (5, 8))]
        graph = graph_from_weights(weights, [np.ones(8), np.ones(5)], zeta=zeta)
        diagrams.append(exact_diagram(graph, max_dimension=1))
    sampling = Sampling(*end, 20)
    for cap, eta in ((1e-6, 0.0), (1.0, 1e-300), (100.0, 0.0), (1.0, 100.0)):
        finite = [apply_policy(d, eta=eta, infinity_value=cap) for d in diagrams]
        for name, ends in ENDS.items():
            entry = VECTORISERS[name]
            for options in ends:
                if "sigma" in options:
                    sigma = min(options["sigma"], 10 * (end[1] - end[0]))
                    options = {**options, "sigma": sigma}
                a, b = (
                    Vector(
                        entry.arrays(d, sampling, **options), sampling, axes=entry.axes, kind=name
                    )
                    for d in finite
                )
                differ = any((x != y).any() for x, y in zip(a.arrays, b.arrays, strict=True))
                for p in (1.0, 2.0, 100.0):
                    distance = vector_distance(a, b, p=p)
                    assert np.isfinite(distance)
                    assert (distance > 0) == differ


def test_many_errors_are_not_all_told():
    config = changed("study.variants", [f"no_{n}" for n in range(2000)])
    message = message_of(config)
    assert message.endswith("There are more errors.")
    assert len(message) < 8000
    assert "more than 50,000 keys" in message_of({f"key_{n}": n for n in range(60_000)})


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("~nosuchuser/x", "whose '~' cannot be replaced"),
        ("{here}/file", "file is a file, no folder."),
        ("{here}/file/below", "file is a file, no folder."),
        ("x" * 300, "File name too long"),
        ("x" * 9000, "Allowed: text of 1 to 4,096 letters."),
        ("{here}/loop", "loop is a link to nothing (loop)."),
        ("nul\0", "found the character U+0000, which is no text."),
    ],
)
def test_a_data_folder_that_cannot_be_is_one_sentence(tmp_path, folder, words):
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    message = message_of(changed("data_folder", folder.format(here=tmp_path)))
    assert "data_folder: found" in message
    assert words in message


def file_of(tmp_path, content):
    path = tmp_path / "my.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


DEEP = "".join(f"{' ' * level}a:\n" for level in range(1000))
UNREADABLE = {
    "tab": ("a: 1\n\tb: 2\n", ", line 2: found a tab."),
    "tab below a section": ("a:\n\tb: 2\n", ", line 2: found a tab."),
    "brace": ("a: {b: 1\nc:\n  d: 3\n", ", line 2: not valid YAML; the { of line 1 is not closed"),
    "bracket": ("x: 1\na: [b, c\n", ", line 3: not valid YAML; the [ of line 2 is not closed"),
    "brace at the end": ("a: 1\nb: {", ", line 3: not valid YAML; the file ends before an opening"),
    "quote": ("a: 'b\nc: 1\n", "; the quote that opens in line 1 is not closed."),
    "colon": ("a: b: c\n", ", line 1: not valid YAML; mapping values are not allowed"),
    "indentation": ("a:\n  b: 1\n c: 2\n", ", line 3: not valid YAML;"),
    "key twice": ("a:\n  b: 1\n  b: 2\n", ", line 3: the key b is there already, in line 2."),
    "section twice": ("a:\n  b: 1\nc: 1\na:\n  d: 1\n", ", line 4: the key a is there already"),
    "key twice in a list": ("a:\n- b: 1\n  b: 2\n", ", line 3: the key b is there already"),
    "key twice in JSON": ('{"a": 1,\n"a": 2}', ", line 2: the key a is there already, in line 1."),
    "no": (
        "a:\n  no: 1\n",
        ', line 2: YAML reads the key no as false, not as text; quote it: "no"',
    ),
    "yes": ("yes: 1\n", ', line 1: YAML reads the key yes as true, not as text; quote it: "yes"'),
    "On": ("On: 1\n", ' reads the key On as true, not as text; quote it: "On".'),
    "number as key": ("1: 1\n", ' reads the key 1 as a number, not as text; quote it: "1".'),
    "date as key": ("2020-01-01: 1\n", ' as a date, not as text; quote it: "2020-01-01".'),
    "null as key": ("~: 1\n", ' reads the key ~ as nothing, not as text; quote it: "~".'),
    "list as key": ("? [a]\n: 1\n", ", line 1: found a list or section as a key."),
    "list": ("- a\n- b\n", ", line 1: found a list."),
    "value": ("abc\n", ", line 1: found a single value."),
    "empty": ("", " is empty. Allowed: sections with keys, as in"),
    "comment": ("# nothing\n", " is empty."),
    "two documents": ("a: 1\n---\nb: 2\n", ", line 2: not valid YAML; found another document"),
    "binary": (b"a: 1\nb: \x00\x01\n", ", line 2: found the character U+0000, which is no text."),
    "not UTF-8": ("a: 1\nb: \xe9\n".encode("latin-1"), ", line 2: not UTF-8 (byte 0xe9)."),
    "UTF-16": ("a: 1\n".encode("utf-16"), ", line 1: not UTF-8 (byte 0xff)."),
    "recursive": ("a:\n  b: &x\n    c: *x\n", ", line 2: the anchor here holds an alias of itself"),
    "recursive list": ("a: &x [*x]\n", ", line 1: the anchor here holds an alias of itself"),
    "deep list": ("a: " + "[" * 3000 + "]" * 3000, ", line 1: sections and lists are nested more"),
    "deep sections": (DEEP, ", line 21: sections and lists are nested more than 20 levels deep."),
    "deep JSON": ('{"a":' * 3000 + "1" + "}" * 3000, " are nested more than 20 levels deep."),
    "deep JSON that Python reads": (
        '{"a":' * 300 + "1" + "}" * 300,
        "20 sections and lists inside",
    ),
    "deep by aliases": (
        "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 2000)),
        ", line 21: with its aliases written out this is 22 values in 21 levels.",
    ),
    "billion laughs": (LAUGHS, ", line 5: with its aliases written out this is"),
    "alias of nothing": ("a: *b\n", ", line 1: not valid YAML; found undefined alias"),
    "code": ("a: !!python/object/apply:os.system [ls]\n", ", line 1: found the tag"),
    "template": ("__use_yte__: true\n", ": found the key __use_yte__; no code is run"),
    "no such day": ("a: 2020-02-31\n", ", line 1: found '2020-02-31', which YAML takes for a date"),
    "digits": (f"x: 1\na: {'9' * 5000}\n", ", line 2: found '999"),
    "merge of a number": ("a:\n  <<: 3\n", ", line 2: not valid YAML; expected a mapping"),
    "half a character": ('{"a": "\\ud800"}', ": a: found the character U+D800, which is no text."),
    "50 MB": ("study:\n  seeds: [" + "1," * 25_000_000 + "]", f": more than {MOST_BYTES:,} bytes."),
    "many values": ("a: [" + "1," * 60_000 + "]", ", line 1: more than 50,000 keys and values."),
}
"""What is wrong with a file -> its content, and words of the sentence."""


@pytest.mark.parametrize("wrong", UNREADABLE)
def test_a_file_that_is_no_config_is_one_sentence_with_its_line(tmp_path, wrong):
    content, words = UNREADABLE[wrong]
    path = file_of(tmp_path, content)
    begun = time.process_time()
    with pytest.raises(NetkinError) as error:
        read_config_file(path, "my.yaml")
    message = str(error.value)
    assert time.process_time() - begun < 1
    assert message.startswith("my.yaml")
    assert words in message
    assert "\n" not in message
    assert len(message) < 300


def test_what_is_no_file_is_one_sentence(tmp_path):
    (tmp_path / "my.yaml").write_text("a: 1\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "nothing").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    for name, words in {
        "mi.yaml": "there is no such config file. Did you mean 'my.yaml'?",
        "folder": "is a folder. Allowed: a config file",
        "nothing": "is a link to a file that is missing (nowhere).",
        "loop": "cannot be read (Too many levels of symbolic links).",
        "pipe": "is no regular file",
        "nowhere/my.yaml": "there is no folder",
        "my.yaml/x": "cannot be read (Not a directory).",
    }.items():
        with pytest.raises(NetkinError) as error:
            read_config_file(tmp_path / name)
        assert words in str(error.value)


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("a: 1\nb: {c: [x, 1.5, null]}\n", {"a": 1, "b": {"c": ["x", 1.5, None]}}),
        ("\ufeffa: 1\r\nb: true\r\n", {"a": 1, "b": True}),
        ('{"a": 1e-6,\n\t"no": [1]}', {"a": 1e-6, "no": [1]}),
        ('"no": 1\n', {"no": 1}),
        ("a: &x {b: 1}\nc:\n  <<: *x\n  d: 2\n", {"a": {"b": 1}, "c": {"b": 1, "d": 2}}),
    ],
)
def test_what_is_right_is_read_as_snakemake_reads_it(tmp_path, text, content):
    assert read_config_file(file_of(tmp_path, text)).content == content


def test_reading_strictly_costs_milliseconds():
    begun = time.process_time()
    for _ in range(5):
        read_config_file(ROOT / "config" / "config.yaml")
    assert (time.process_time() - begun) / 5 < 0.05


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("study.seeds=1", "found the key 'study.seeds'. Allowed: a key of the top level"),
        ("study={a: [", "study, line 2: not valid YAML"),
        ("study={no: 1}", "quote it"),
        ("study={a: 1, a: 2}", "the key a is there already"),
        ("study=&a [*a]", "holds an alias of itself"),
        ("study", "Allowed: KEY=VALUE"),
    ],
)
def test_a_wrong_entry_of_the_command_line_is_one_sentence(entry, words):
    with pytest.raises(NetkinError) as error:
        read_command_line(["data_folder=x", entry])
    assert str(error.value).startswith("the command line (--config): ")
    assert words in str(error.value)


def merged_message(*sources):
    """Return the message of configs that extend the default one."""
    config = copy.deepcopy(CONFIG)
    for source in sources:
        update_config(config, source.content)
    with pytest.raises(NetkinError) as error:
        Study(config, [Source("config/config.yaml", CONFIG), *sources])
    return str(error.value)


def test_an_error_names_the_file_that_sets_the_key():
    a = Source("a.yaml", {"study": {"seeds": 0}, "network": {"width": 8}})
    b = Source("b.yaml", {"network": {"width": 0}, "dataset": {"mine": {"kind": "digits"}}})
    one, two = merged_message(a, b).split("\nb.yaml")
    assert one.startswith("a.yaml has an error:\n  study.seeds: found 0.")
    assert two.startswith(" has 4 errors:\n  network.width: found 0.")
    assert "dataset.mine.epochs: this key is missing." in two
    # a pair of keys that do not go together: the file that came last
    later = Source("b.yaml", {"diagram": {"infinity_value": 2.0}})
    assert merged_message(Source("a.yaml", {}), later).startswith(
        "b.yaml has an error:\n  vector.range: found [0.0, 1.0], which ends before"
    )


def test_an_error_names_the_command_line():
    message = merged_message(Source(COMMAND_LINE, {"study": {"seeds": "1"}}))
    head, line = message.splitlines()
    assert head == "the command line (--config) has an error:"
    assert line.startswith("  study.seeds: found '1'. Allowed: a whole number from 1 to 10,000")
    assert line.endswith("put it into a file for --configfile.")
    assert "it nested, 'study:' and below it 'seeds:'." in merged_message(
        Source("b.yaml", {"study.seeds": 1})
    )


def without_the_rights_of_root():
    """Let this process obey permissions even as root."""
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def started(checkout, *command):
    """Run a command in a checkout; return its status and what it printed."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=checkout.folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=without_the_rights_of_root,
    )
    return done.returncode, done.stdout + done.stderr


def started_by_snakemake(checkout, *arguments):
    return started(checkout, "-m", "snakemake", "--cores", "1", *arguments)


@pytest.mark.workflow
def test_make_says_in_one_line_what_snakemake_cannot_read(fresh):
    makefile = (ROOT / "Makefile").read_text()
    assert "workflow/check.py $(ARGS)" in makefile
    (fresh.folder / "wrong.yaml").write_text("study:\n\tseeds: 1\n")
    (fresh.folder / "mine").mkdir()
    (fresh.folder / "mine/config.yaml").write_text("configfile: wrong.yaml\n")
    for arguments, words in {
        ("--profile", "mine", "-n"): "wrong.yaml, line 2: found a tab",
        ("--configfile", ""): "--configfile: found ''. Allowed: the path of a config file.",
        (
            "--configfile",
            "tiny.yaml",
            "wrong.yaml",
            "--cores",
            "1",
        ): "wrong.yaml, line 2: found a tab",
        ("--configfile=nothing.yaml",): "nothing.yaml: there is no such config file.",
        ("-n", "--config", "study.seeds=1", "a=1"): "(--config): found the key 'study.seeds'.",
    }.items():
        begun = time.monotonic()
        status, output = started(fresh, "workflow/check.py", *arguments)
        assert time.monotonic() - begun < 10
        assert status == 1
        assert output.count("\n") == 1
        assert output.startswith("netkin: ")
        assert words in output
    assert started(fresh, "workflow/plan.py", *arguments) == (status, output)
    assert started(fresh, "workflow/check.py", "--configfile", "tiny.yaml") == (0, "")


@pytest.mark.workflow
def test_bare_snakemake_says_what_a_snakefile_can(fresh):
    default = fresh.folder / "config/config.yaml"
    text = default.read_text()
    (fresh.folder / "twice.yaml").write_text("study:\n  seeds: 1\n  seeds: 2\n")
    (fresh.folder / "wrong.yaml").write_text("study: {seeds: 0}\n")
    for arguments, words in {
        ("twice.yaml",): "twice.yaml, line 3: the key seeds is there already, in line 2.",
        ("tiny.yaml", "wrong.yaml"): "\nwrong.yaml has an error:\n  study.seeds: found 0.",
        ("tiny.yaml", "--config", 'study={"seeds": 1}'): "the command line (--config) has an error",
    }.items():
        status, output = started_by_snakemake(fresh, "-n", "--configfile", *arguments)
        assert status == 1
        assert words in output
        assert "Traceback" not in output
    default.write_text(text + "\nx: {\n")
    status, output = started_by_snakemake(fresh, "-n")
    assert re.search(r"config/config\.yaml, line \d+: not valid YAML; the file ends before", output)
    assert "Traceback" not in output
    default.write_text(text)
    assert not (fresh.folder / "results").exists()


@pytest.mark.workflow
def test_a_place_for_results_that_is_none_is_told_before_any_job(fresh):
    place = fresh.folder / "results"
    place.touch()
    study = ("--configfile", "tiny.yaml")
    status, output = started_by_snakemake(fresh, "-n", *study)
    assert status == 1
    assert "results: this is no folder, a folder is needed; move it away" in output
    place.unlink()
    place.mkdir(mode=0o555)
    # what is there may be asked for
    assert started_by_snakemake(fresh, "-n", *study)[0] == 0
    status, output = started_by_snakemake(fresh, *study)
    place.chmod(0o755)
    assert status == 1
    assert re.search(r"(?m)^\S*results\S*: .*[Pp]ermission", output)
    assert "Traceback" not in output
    assert not list(place.iterdir())


@pytest.mark.budget("stress")
def test_wrong_configs_by_chance_are_a_study_or_a_sentence():
    counts = campaign(seed=20, seconds=6)
    assert counts.findings == []
    assert counts.tried == counts.refused + counts.unharmed
    assert counts.refused > 50
    assert counts.unharmed > 10
