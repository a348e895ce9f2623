import copy
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from netkin import estimate, storage
from netkin.config.sections import FAMILIES
from netkin.dataset import DATASETS, SHAPES
from netkin.dataset.features import build_extractor
from netkin.dataset.language_identification import count
from netkin.graph.graph import graph_from_weights
from netkin.member import Size
from netkin.need import Needs
from netkin.network.file import HISTORY, Network, write_network
from netkin.study import BUNDLED, Study
from tests.test_many import study_of

ROOT = Path(__file__).resolve().parent.parent
CONFIG = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
BASE = 669_706
"""Weights and biases of the paper's base network on MNIST."""


def study(**sections):
    config = copy.deepcopy(CONFIG)
    for section, changes in sections.items():
        config[section] |= changes
    return Study(config)


def test_parameters_are_the_edges_of_the_graph():
    assert Size.of_units((784, 512, 512, 10)).parameters == BASE
    shapes = [(5, 4), (5, 5), (3, 5)]
    weights = [np.ones(shape, dtype=np.float32) for shape in shapes]
    biases = [np.ones(shape[0], dtype=np.float32) for shape in shapes]
    n_edges = len(graph_from_weights(weights, biases, bias_vertices="per_neuron").value)
    assert Size.of_units((4, 5, 5, 3)).edges == n_edges
    assert Size.of_units((4, 3)).edges == 15


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32)])
def test_features_and_multiplications_are_those_of_the_extractor(shape):
    import torch

    blocks, head = build_extractor(shape, 10, dropout=0.0)
    found = blocks(torch.zeros(1, int(np.prod(shape))))
    operations = 0
    with torch.no_grad():
        image = torch.zeros(1, int(np.prod(shape)))
        for layer in blocks:
            image = layer(image)
            if isinstance(layer, torch.nn.Conv2d):
                operations += layer.weight.numel() * image.shape[2] * image.shape[3]
    operations += sum(layer.weight.numel() for layer in list(head)[:-1] if hasattr(layer, "weight"))
    assert estimate.convolutions(int(np.prod(shape))) == (found.shape[1], operations)


def test_every_attempt_asks_for_twice_as_much():
    need = estimate.Need(megabytes=600.2, minutes=10.0)
    assert [need.mem_mb(attempt) for attempt in (1, 2, 3)] == [601, 1202, 2404]
    assert [need.runtime(attempt) for attempt in (1, 2, 3)] == [10, 20, 40]


def test_every_kind_says_its_shape():
    assert set(SHAPES) == set(DATASETS)
    arrays = DATASETS["digits"](Path(), test_share=0.2, split_seed=0)
    n_rows = len(arrays.train_labels) + len(arrays.test_labels)
    datasets = study(study={"datasets": list(CONFIG["dataset"])}).datasets
    assert datasets["digits"].shape == (n_rows, arrays.train_inputs.shape[1])
    assert datasets["mnist"].shape == (70_000, 784)
    # the networks see features
    assert datasets["fashion_mnist"].shape == (70_000, 1_152)
    assert datasets["fashion_mnist"].shape_of_images == (70_000, 784)
    assert datasets["cifar10"].shape == (60_000, 2_048)
    assert datasets["reuters"].shape == (11_228, 10_000)
    assert datasets["language_identification"].shape == (7 * 12_000, count(["a"]).shape[1])
    reuters = {"reuters": {**CONFIG["dataset"]["reuters"], "features": "characters"}}
    found = study(study={"datasets": ["reuters"]}, dataset=reuters).datasets["reuters"]
    assert found.shape == (11_228, 36)


def of_one_bundle(variants, stage, **sections):
    """Return what a stage needs for a bundle of these networks on MNIST."""
    found = study(study={"datasets": ["mnist"], "variants": variants, "seeds": 1}, **sections)
    (bundle,) = found.bundles
    return found.need.bundle(stage, bundle)


def test_needs_follow_the_networks():
    paper = study(study={"datasets": ["mnist", "cifar10"]})
    first = paper.comparisons["mnist"].first
    of = {member.name: member.size.parameters for member in first}
    assert of["width_512"] == of["labels_10"] == of["input_order_1"] == BASE
    assert of["labels_2"] == BASE - 8 * 513
    trainings = {member.name: paper.need.network(member.id) for member in first}
    assert trainings["width_128"].minutes < trainings["width_1024"].minutes
    assert trainings["width_128"].megabytes < trainings["width_1024"].megabytes
    # more inputs
    cifar = paper.need.network("cifar10/width_512/seed_0")
    assert cifar.minutes > trainings["width_512"].minutes
    # the memory of the largest, the time of all
    one, two = (
        of_one_bundle(names, "diagram") for names in (["layers_10"], ["layers_10", "layers_2"])
    )
    assert one.megabytes == two.megabytes
    assert one.minutes < two.minutes
    vectors, graphs = (paper.need.distances("mnist", group) for group in ("vector_heat", "graph"))
    assert vectors.megabytes < graphs.megabytes


def test_needs_of_vectors_follow_their_numbers():
    def needs(options, **sections):
        changed = study(
            study={"datasets": ["mnist"], "seeds": 1},
            distance={"measures": ["heat", "landscape", "heat_pairwise", "landscape_pairwise"]},
            vector=options,
            **sections,
        )
        return [
            changed.need.bundle("vector", next(iter(changed.bundles))),
            changed.need.distances("mnist", "vector_heat"),
            changed.need.distances("mnist", "vector_landscape"),
            changed.need.distances("mnist", "diagram"),
        ]

    plain = needs({})
    fine = needs({"heat": {"n_bins": 2000, "sigma": 0.1}})
    layered = needs({"landscape": {"n_bins": 10_000, "n_layers": 1000}})
    high = needs({}, diagram={"max_dimension": 10})
    wide = needs({"heat": {"n_bins": 200, "sigma": 10.0}})
    # 19 networks, four dimensions of 32 MB, or of 80 MB
    assert fine[1].megabytes > 19 * 4 * 32
    assert layered[2].megabytes > 19 * 4 * 80
    assert fine[0].megabytes > plain[0].megabytes + 32 + 4 * 32
    for place in (0, 1, 3):
        for more in (fine, high):
            assert more[place].minutes > plain[place].minutes
    assert wide[0].minutes > plain[0].minutes
    assert layered[3].megabytes > plain[3].megabytes + 80


def answering(stage, dataset="language_identification", units=None, **changes):
    """Return a study of one network of some units, and what a stage needs that gives it rows."""
    found = study(
        study={"datasets": [dataset], "variants": ["input_order_1"], "seeds": 1},
        network=CONFIG["network"] | (units or {}),
        activation={"probe_rows": 100_000, "layers": "all"},
        dataset={dataset: CONFIG["dataset"][dataset] | changes},
    )
    (bundle,) = found.bundles
    return found, found.need.bundle(stage, bundle)


ANSWER = """
import sys
from pathlib import Path
from netkin.activation.compute import compute_activations
from netkin.prediction.compute import compute_predictions

stage, folder = sys.argv[1], Path(sys.argv[2])

def answer(name):
    given = {"network_paths": 2 * [folder / f"{name}_network.h5"], "ids": ["a", "b"]}
    given |= {"dataset_path": folder / f"{name}.h5", f"{stage}_path": folder / f"{name}_{stage}.h5"}
    given["trained_with"] = 2 * [{"input_order": None, "order_seed": 0, "n_labels": None}]
    if stage == "activation":
        compute_activations(**given, probe_rows=100_000, layers="all")
    else:
        compute_predictions(**given)

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

answer("small")  # imports
before = peak()
answer("large")
print((peak() - before) / 1e6)
"""


def write_rows_and_network(folder, name, n_rows, units):
    """Write test rows and a network of so many units, of random numbers."""
    rng = np.random.default_rng(0)
    shapes = list(zip(units[1:], units[:-1], strict=True))
    weights = tuple(
        rng.normal(scale=shape[1] ** -0.5, size=shape).astype(np.float32) for shape in shapes
    )
    biases = tuple(np.zeros(shape[0], np.float32) for shape in shapes)
    network = Network(weights, biases, {key: np.zeros(1) for key in HISTORY}, 0.9)
    write_network(folder / f"{name}_network.h5", network, parameters={})
    with storage.create(folder / f"{name}.h5", "dataset", parameters={}) as file:
        file["test/labels"] = rng.integers(0, units[-1], n_rows)
        file["test/inputs"] = rng.random((n_rows, units[0]), dtype=np.float32)
        file["label_names"] = [str(label) for label in range(units[-1])]


@pytest.mark.parametrize("stage", ["activation", "prediction"])
@pytest.mark.parametrize(
    ("dataset", "changes", "units"),
    [
        ("language_identification", {"samples_per_language": 20_000}, {"width": 32}),
        ("language_identification", {}, {"width": 40, "hidden_layers": 10}),
        ("digits", {}, {"width": 2000}),
        ("mnist", {}, {"width": 64}),
    ],
    ids=["many rows", "many layers", "wide layers", "many inputs"],
)
def test_rows_and_networks_take_less_memory_than_is_asked_for(
    tmp_path, stage, dataset, changes, units
):
    found, need = answering(stage, dataset, units, **changes)
    (member,) = found.members.values()
    write_rows_and_network(tmp_path, "small", 9, (3, 3, 2))
    n_rows = found.datasets[dataset].test_rows
    write_rows_and_network(tmp_path, "large", n_rows, member.size.units)
    done = subprocess.run(
        [sys.executable, "-c", ANSWER, stage, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT / "src")},
    )
    taken = float(done.stdout)
    assert 0 < taken < need.megabytes - estimate.START_MB < 10 * taken


def test_rows_kept_for_testing_are_those_the_config_says():
    shares = [
        answering("prediction", test_share=share)[0].datasets["language_identification"].test_rows
        for share in (0.2, 0.6)
    ]
    assert shares == [16_800, 50_400]
    few, many = (answering("prediction", test_share=share)[1] for share in (0.2, 0.6))
    assert many.megabytes > few.megabytes
    assert study(study={"datasets": ["mnist"]}).datasets["mnist"].test_rows >= 10_000


def test_every_job_of_the_default_study_has_a_need(tmp_path):
    found = study(study={"untrained": True}, distance={"measures": list(FAMILIES)})
    needs = [found.need.network(member) for member in found.members]
    needs += [found.need.bundle(stage, bundle) for stage in BUNDLED for bundle in found.bundles]
    needs += [
        found.need.distances(name, group)
        for name in found.comparisons
        for group in found.groups_of(name)
    ]
    needs += [found.need.graph(member) for member in found.members]
    needs += [found.need.dataset(name) for name in found.datasets]
    for name in found.comparisons:
        needs += [found.need.neural_persistence(name), found.need.diagram_figure(name)]
        needs += [found.need.multiplicity(name), found.need.layers(name, ["layers_2", "layers_4"])]
    features = study(study={"datasets": ["fashion_mnist", "cifar10"]})
    needs += [features.need.features(name) for name in features.datasets]
    together = study(network={"together": 4})
    needs += [together.need.networks(name) for name in together.together]
    needs += [features.need.norms()]  # of the control networks of several data sets
    asked = {name for name in vars(Needs) if not name.startswith("_")} - {"sampled"}
    assert asked == {
        *("dataset", "features", "network", "networks", "graph", "bundle", "distances", "layers"),
        *("neural_persistence", "diagram_figure", "norms", "multiplicity"),
        *("imported", "block", "matrices", "all_matrices"),
    }
    many = study_of(tmp_path, 300)
    needs += [many.need.imported(bundle) for bundle in many.imported]
    blocks = many.block_names()
    needs += [many.need.block("networks", "vector", "once", block) for block in blocks]
    needs += [many.need.block("networks", "graph", "once", block) for block in blocks]
    needs += [many.need.matrices("networks"), many.need.all_matrices()]
    assert len(blocks) == 3
    for need in needs:
        assert 500 < need.mem_mb(1) < 100_000
        assert 1 <= need.runtime(1) < 100_000


def test_flagser_asks_for_more_than_the_exact_engine():
    needs = {
        engine: of_one_bundle(["layers_10"], "diagram", diagram={"engine": engine})
        for engine in ("auto", "exact", "flagser")
    }
    assert needs["auto"] == needs["exact"]
    assert needs["flagser"].megabytes > 3 * needs["exact"].megabytes
    assert needs["flagser"].minutes > needs["exact"].minutes


def test_an_extractor_of_what_is_no_image_is_left_to_its_job():
    reuters = {**CONFIG["dataset"]["reuters"], "features": "characters", "n_words": 36}
    extractor = {"epochs": 1, "batch_size": 1}
    language = {**CONFIG["dataset"]["language_identification"], "extractor": extractor}
    odd = study(
        study={"datasets": ["language_identification"]},
        dataset={"reuters": reuters, "language_identification": language},
    )
    assert odd.need.features("language_identification").mem_mb(1) >= estimate.TORCH_MB
    assert odd.need.network("language_identification/width_128/seed_0").mem_mb(1) > 0


MEASURE = """
import resource, sys
import numpy as np
from netkin.diagram import ENGINES
from netkin.graph.graph import graph_from_weights
rng = np.random.default_rng(0)
def graph(units):
    shapes = list(zip(units[1:], units[:-1]))
    weights = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    return graph_from_weights(weights, [weight[:, 0] for weight in weights])
engine = ENGINES[sys.argv[1]]
peak = lambda: 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
engine(graph([5, 5]), max_dimension=3)  # imports
large = graph([700, 300, 10])
before = peak()
engine(large, max_dimension=3)
print((peak() - before) / len(large.value))
"""


@pytest.mark.parametrize("engine", ["exact", "flagser"])
def test_the_engines_take_less_memory_than_is_asked_for(engine):
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, engine],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT / "src")},
    )
    assert 0 <= float(done.stdout) < estimate.BYTES[engine]


def test_measured_pairs_take_less_time_than_is_asked_for():
    page = (ROOT / "docs" / "performance.md").read_text()
    table = page.split("`benchmarks/measures_memory.py`")[1]
    found = re.findall(r"(?m)^\| `\w+` \| \d+ \| \w+ \| ([\d.]+) \|$", table)
    slowest = max(float(cell) for cell in found)
    need = estimate.comparing_rows(10_000, [512, 512], n_measures=1)
    pairs = 3  # and two networks with themselves
    assert 2 * pairs * slowest < 60 * (need.minutes - estimate.START_MINUTES) < 6 * pairs * slowest


def test_matching_asks_for_the_cubes_of_pairs_of_one_shape():
    def minutes(measure, **network):
        found = study(
            study={"datasets": ["mnist"], "variants": ["width_512", "layers_2", "labels_2"]},
            distance={"measures": [measure]},
            network=CONFIG["network"] | network,
        )
        return found.need.distances("mnist", next(iter(found.groups))).minutes

    # width_512 and layers_2 are of one shape: three pairs, and labels_2 with itself
    expected = 4 * 2 * 512**3 * estimate.MATCHING_SECONDS / 60
    assert minutes("faq") - minutes("neural_persistence") == pytest.approx(expected)


def test_predictions_ask_for_test_rows_and_classes():
    """Not for the square of the rows: a data set of a million rows would ask for terabytes."""
    found = study(study={"datasets": ["mnist"]}, distance={"measures": ["disagreement"]})
    need = found.need.distances("mnist", "prediction")
    assert need.megabytes < 2_000


def test_multiplicity_asks_for_the_largest_group_and_the_time_of_all():
    one, five = (
        study(study={"datasets": ["mnist"], "seeds": seeds}).need.multiplicity("mnist")
        for seeds in (1, 5)
    )
    # groups of no more than five networks, of the same rows and classes
    assert five.megabytes == one.megabytes
    assert five.minutes - estimate.START_MINUTES > 5 * (one.minutes - estimate.START_MINUTES)
