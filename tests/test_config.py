import copy
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from netkin.config import Study
from netkin.dataset import CLASSES, DATASETS, FILES
from netkin.distance import MEASURES
from netkin.distance.representational import REPRESENTATIONAL
from netkin.errors import NetkinError
from netkin.figure import FIGURES
from netkin.schema import FAMILIES, DatasetSection
from netkin.vector import VECTORISERS

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
        "dataset.digits.epochs: found 0; input should be greater than or equal to 1.",
    ),
    "wrong_type": (
        changed("network.width", "wide"),
        "network.width: found 'wide'; input should be a valid integer.",
    ),
    "number_as_text": (
        changed("network.epsilon", "1e-7"),
        "network.epsilon: found '1e-7'; input should be a valid number. "
        "YAML reads 1e-6 as text; write 1.0e-6.",
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
        "distance.layers.0: found ['layers_2', 'layers_4', 'layers_6']; list should have at most 2 "
        "items after validation, not 3.",
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
        "study.variants: found 'some'. Allowed: all, or a list of variant names.",
    ),
    "id_unsafe_as_path": (
        changed("dataset.my/data", {"kind": "digits", "labels": [2]}),
        "dataset.my/data: an id becomes part of paths; allowed are lower-case letters, digits "
        "and underscores inside, beginning with a letter.",
    ),
    "seeds_negative": (
        changed("study.seeds", [0, -1]),
        "study.seeds: found [0, -1]. Allowed: a number of 1 or more, or a list of seeds of 0 or "
        "more.",
    ),
    "value_twice": (
        changed("network.variants.width", [128, 128]),
        "network.variants.width: found 128 more than once; list each value once.",
    ),
    "range_backwards": (
        changed("vector.range", [1.0, 0.0]),
        "vector.range: found [1.0, 0.0]; the first must be below the second.",
    ),
    "option_of_a_vector": (
        changed("vector.heat.sigma", -1.0),
        "vector.heat.sigma: found -1.0; input should be greater than 0.",
    ),
    "option_of_a_loader": (
        changed("dataset.digits.test_share", 1.5),
        "dataset.digits.test_share: found 1.5; input should be less than 1.",
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
        "dataset.cifar10.batches: found 6; input should be less than or equal to 5.",
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
    assert "  graph: found 3; " in message_of(changed("graph", 3))
    assert "  dataset.digits: found 3; expected a section" in message_of(
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
