import copy
import ctypes
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

from netkin.comparison import Cell, Comparison
from netkin.config.check import MOST_NETWORKS, check
from netkin.config.file import (
    COMMAND_LINE,
    MOST_BYTES,
    MOST_VALUES,
    Source,
)
from netkin.config.sections import FAMILIES, Config, DatasetSection, options_model
from netkin.config.words import CHOICES, GONE, in_words
from netkin.dataset import CLASSES, DATASETS, FILES
from netkin.diagram.exact import exact_diagram
from netkin.diagram.policy import apply_policy
from netkin.distance import MEASURES
from netkin.distance.representational import REPRESENTATIONAL
from netkin.distance.vector import vector_distance
from netkin.errors import NetkinError
from netkin.figure import FIGURES
from netkin.graph.graph import graph_from_weights
from netkin.member import Member, Size
from netkin.source import SOURCES
from netkin.study import Study
from netkin.vector import VECTORISERS
from netkin.vector.sampling import Sampling
from netkin.vector.vector import Vector
from tests.conftest import environment
from tests.stress.configs import OF_THE_MACHINERY, campaign

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
        "dropout, learning_rate, rho, epsilon, validation_share, device, together, threads.",
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
    "no_data_set_to_run": (
        changed("study.datasets", []),
        "study.datasets: found [], so there are no networks. "
        f"Allowed: one or more of {', '.join(CONFIG['dataset'])}; or name a sheet of your own "
        "networks (source.sheet).",
    ),
    # what follows from it is not told besides
    "no_data_set_to_run_variants_of": (
        changed("study", CONFIG["study"] | {"datasets": [], "variants": ["width_128"]}),
        "study.datasets: found [], so there are no networks. "
        f"Allowed: one or more of {', '.join(CONFIG['dataset'])}; or name a sheet of your own "
        "networks (source.sheet).",
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


def training(study, id):
    """Return all that determines a network of the grid."""
    return study.source_of[id].making(study.members[id])


def test_the_default_study_is_the_grid_of_the_paper():
    study = Study(CONFIG)
    assert len(study.comparisons["digits"].cells) == 19
    assert study.replicates == ["seed_0", "seed_1"]
    assert len(study.members) == 38
    assert {training(study, id)["width"] for id in study.members} == {128, 256, 512, 1024}
    assert study.members["digits/width_512/seed_1"].size.units == (64, 512, 512, 10)
    assert study.members["digits/labels_2/seed_1"].size.classes == 2


def test_two_data_sets_can_share_a_loader():
    config = changed(
        "dataset.digits_small", {**CONFIG["dataset"]["digits"], "kind": "digits", "test_share": 0.5}
    )
    config["study"]["datasets"] = ["digits", "digits_small"]
    datasets = Study(config).datasets
    assert datasets["digits_small"].section.kind == "digits"
    assert datasets["digits_small"].options == {"test_share": 0.5, "split_seed": 0}
    assert datasets["digits"].options == {"test_share": 0.2, "split_seed": 0}


def test_what_is_said_of_data_sets_is_said_of_registered_ones():
    assert set(CLASSES) | set(FILES) <= set(DATASETS)


def test_an_extractor_is_trained_as_the_networks_are():
    config = changed("network.learning_rate", 0.002)
    config["study"]["datasets"] = ["digits", "cifar10"]
    datasets = Study(config).datasets
    assert datasets["digits"].section.extractor is None
    assert datasets["cifar10"].extraction() == {
        "dataset": "cifar10",
        "epochs": 20,
        "batch_size": 256,
        "dropout": 0.2,
        "learning_rate": 0.002,
        "rho": 0.9,
        "epsilon": 1e-7,
        "validation_share": 0.1,
        "threads": 1,
    }
    # not the loader's business
    assert set(datasets["cifar10"].options) == {"batches", "unknown_checksums"}


def test_only_controls_are_permuted():
    study = Study(changed("network.input_order", "features"))
    orders = {
        member.name: training(study, member.id)["input_order"]
        for member in study.comparisons["digits"].first
    }
    assert {name for name, order in orders.items() if order} == {
        f"input_order_{i}" for i in range(1, 6)
    }
    assert set(orders.values()) == {None, "features"}


def test_stages_follow_from_the_measures():
    assert Study(changed("distance.measures", ["norm_1"])).needed_stages() == {
        "dataset",
        "network",
        "distance",
    }
    study = Study(changed("distance.measures", ["heat"]))
    assert study.needed_stages() == {
        "dataset",
        "network",
        "diagram",
        "vector",
        "distance",
    }
    assert study.needed_vectors() == ["heat"]
    assert "graph" in Study(changed("graph.export", True)).needed_stages()


def test_graphs_are_files_where_the_study_asks_for_them():
    graphs = {
        export: [path for path in found.results() if path.startswith("results/graph/")]
        for export in (False, True)
        for found in [Study(changed("graph.export", export))]
    }
    assert graphs[False] == []
    assert len(graphs[True]) == 38
    assert "results/graph/digits/width_512/seed_1.h5" in graphs[True]
    # it says what is written, not how weights become edges
    assert Study(changed("graph.export", True)).graph() == Study(CONFIG).graph()
    assert "export" not in Study(CONFIG).graph()


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
    assert list(study.comparisons) == ["digits", "digits_b", "control"]
    control = study.comparisons["control"]
    assert [member.id for member in control.members["seed_1"][4:6]] == [
        "digits/input_order_5/seed_1",
        "digits_b/input_order_1/seed_1",
    ]
    assert [cell.index for cell in control.cells[4:6]] == [5, 1]
    assert {cell.group for cell in control.cells} == {"digits", "digits_b"}
    assert len({cell.name for cell in control.cells}) == len(control.cells) == 10
    # there are no rows to put to all of them
    assert control.probe is None
    assert list(Study(CONFIG).comparisons) == ["digits"]
    assert list(two_datasets(variants=["width_128"]).comparisons) == ["digits", "digits_b"]


def test_untrained_networks_are_the_trained_ones_before_training():
    study = two_datasets(untrained=True)
    names = ["digits", "digits_b", "digits_untrained", "digits_b_untrained", "control"]
    assert list(study.comparisons) == names
    assert study.nulls == {"digits_untrained": "digits", "digits_b_untrained": "digits_b"}
    assert [one.name for one in study.trained] == ["digits", "digits_b"]
    trained = training(study, "digits_b/layers_4/seed_1")
    assert trained["epochs"] == 3
    untrained = "digits_b/untrained/layers_4/seed_1"
    assert training(study, untrained) == {**trained, "epochs": 0}
    assert study.members[untrained].annotations["trained"] is False
    cells = [study.comparisons[name].cells for name in ("digits", "digits_untrained")]
    assert [cell.name for cell in cells[0]] == [cell.name for cell in cells[1]]


class Given:
    """A source beside the grid, of one network without a probe."""

    name = "given"
    probe = None

    def __init__(self, config, datasets):
        member = Member("given/a", "a", "once", Size.of_units((8, 4)), probe=self.probe)
        self.members = [member]
        cell = Cell("a", 1, 1, "given")
        self.comparisons = [Comparison(self.name, (cell,), {"once": (member,)}, self.probe)]

    def folder_of(self, member):
        return "given/once"

    def file_of(self, member):
        return "given/a.h5"

    def making(self, member):
        return None


def with_another_source(monkeypatch, *measures, **changes):
    """Return a study of the grid and of another source."""
    kind = type("Other", (Given,), changes)
    monkeypatch.setitem(SOURCES, "given", kind)
    return Study(changed("distance.measures", list(measures) or ["entropy"]), source="my.yaml")


def test_without_a_probe_no_rows_are_asked_for(monkeypatch):
    study = with_another_source(monkeypatch, "entropy", "cka", "disagreement")
    assert "results/diagram/given/once/all.h5" in study.results()
    on_rows = re.compile("(activation|prediction)/given")
    assert not [path for path in study.results() if on_rows.search(path)]
    assert study.measures_of("given") == ["entropy"]
    assert study.measures_of("digits") == ["entropy", "cka", "disagreement"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": "digits"}, "a comparison is called 'digits', and another one is"),
        ({"name": "all"}, "a comparison is called 'all'; allowed are"),
        ({"name": "a/b"}, "a comparison is called 'a/b'; allowed are"),
        ({"probe": "mnits"}, "a network's probe is 'mnits'. Did you mean 'mnist'"),
    ],
)
def test_what_two_sources_cannot_both_have_is_one_sentence(monkeypatch, changes, says):
    with pytest.raises(NetkinError) as caught:
        with_another_source(monkeypatch, **changes)
    assert str(caught.value).startswith("my.yaml: ")
    assert says in str(caught.value)


def test_every_member_is_in_one_bundle():
    study = two_datasets(untrained=True)
    found = [member.id for bundle in study.bundles.values() for member in bundle.members]
    assert sorted(found) == sorted(study.members)
    # untrained networks apart, so that asking for them makes nothing anew
    assert set(study.bundles) == {
        f"{dataset}/seed_{seed}/{which}"
        for dataset in ("digits", "digits_b")
        for seed in (0, 1)
        for which in ("all", "untrained/all")
    }


TOOK_ITS_PLACE = {
    "networks_per_job": "in bundles, which netkin makes by itself",
    "trainings_per_job": "--group-components",
    "keep": "graph.export: true writes the graphs",
}
"""Key of older versions -> words of what is there now."""


@pytest.mark.parametrize("key", TOOK_ITS_PLACE)
def test_a_key_that_is_gone_says_what_took_its_place(key):
    assert {path for (path,) in GONE} == set(TOOK_ITS_PLACE)
    head, line = message_of(changed(key, 1)).splitlines()
    assert head == "my.yaml has an error:"
    assert line.startswith(f"  {key}: this key is gone: ")
    assert TOOK_ITS_PLACE[key] in line
    assert line.endswith(" Take it out.")


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
    "graph.export": ["yes", 1],
    "study.paper": ["no"],
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
        ("--configfile=nothing.yaml",): "nothing.yaml: there is no such file.",
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
    counts = campaign(seed=20, seconds=60, cases=150)
    assert counts.findings == []
    assert counts.tried == counts.refused + counts.unharmed
    assert counts.refused > 50
    assert counts.unharmed > 10
