import copy
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from netkin import estimate
from netkin.config import Study
from netkin.dataset import DATASETS, SHAPES
from netkin.dataset.features import build_extractor
from netkin.dataset.language_identification import count
from netkin.graph.graph import graph_from_weights

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
    assert estimate.count_parameters(784, 10, width=512, hidden_layers=2) == BASE
    shapes = [(5, 4), (5, 5), (3, 5)]
    weights = [np.ones(shape, dtype=np.float32) for shape in shapes]
    biases = [np.ones(shape[0], dtype=np.float32) for shape in shapes]
    n_edges = len(graph_from_weights(weights, biases, bias_vertices="per_neuron").value)
    assert estimate.count_parameters(4, 3, width=5, hidden_layers=2) == n_edges
    assert estimate.count_parameters(4, 3, width=5, hidden_layers=0) == 15


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
    assert study().shape("digits") == (n_rows, arrays.train_inputs.shape[1])
    assert study().shape("mnist") == (70_000, 784)
    # the networks see features
    assert study().shape("fashion_mnist") == (70_000, 1_152)
    assert study().shape("cifar10") == (60_000, 2_048)
    assert study().shape("reuters") == (11_228, 10_000)
    assert study().shape("language_identification") == (7 * 12_000, count(["a"]).shape[1])
    reuters = {"reuters": {**CONFIG["dataset"]["reuters"], "features": "characters"}}
    assert study(dataset=reuters).shape("reuters") == (11_228, 36)


def test_needs_follow_the_networks():
    paper = study(study={"datasets": ["mnist", "cifar10"]})
    of = {v.name: paper.n_parameters("mnist", v.name) for v in paper.variants("mnist")}
    assert of["width_512"] == of["labels_10"] == of["input_order_1"] == BASE
    assert of["labels_2"] == BASE - 8 * 513
    trainings = {name: paper.need_of_training("mnist", name) for name in of}
    assert trainings["width_128"].minutes < trainings["width_1024"].minutes
    assert trainings["width_128"].megabytes < trainings["width_1024"].megabytes
    # more inputs
    assert paper.need_of_training("cifar10", "width_512").minutes > trainings["width_512"].minutes
    # the memory of the largest, the time of all
    one = paper.need_of_bundle("graph", "mnist", ["layers_10"])
    two = paper.need_of_bundle("graph", "mnist", ["layers_10", "width_512"])
    assert one.megabytes == two.megabytes
    assert one.minutes < two.minutes
    vectors, graphs = (paper.need_of_distances("mnist", [m]) for m in ("heat", "norm_1"))
    assert vectors.megabytes < graphs.megabytes


def test_needs_of_vectors_follow_their_numbers():
    def needs(options, **sections):
        changed = study(
            study={"datasets": ["mnist"]},
            distance={"measures": ["heat", "landscape", "heat_pairwise", "landscape_pairwise"]},
            vector=options,
            **sections,
        )
        names = ["width_128", "width_512"]
        return [
            changed.need_of_bundle("vector", "mnist", names),
            changed.need_of_distances("mnist", ["heat"]),
            changed.need_of_distances("mnist", ["landscape"]),
            changed.need_of_distances("mnist", ["heat_pairwise", "landscape_pairwise"]),
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


def test_a_job_that_trains_several_needs_the_memory_of_one_and_the_time_of_all():
    paper = study(study={"datasets": ["mnist"]})
    names = ["width_1024", "labels_2", "layers_10"]
    each = [paper.need_of_training("mnist", name) for name in names]
    together = paper.need_of_trainings("mnist", names)
    assert together.megabytes == max(need.megabytes for need in each)
    starts = 2 * estimate.START_MINUTES  # two of three
    assert together.minutes == pytest.approx(sum(need.minutes for need in each) - starts)
    assert paper.need_of_trainings("mnist", names[:1]) == each[0]


def test_flagser_asks_for_more_than_the_exact_engine():
    needs = {
        engine: study(study={"datasets": ["mnist"]}, diagram={"engine": engine}).need_of_bundle(
            "diagram", "mnist", ["layers_10"]
        )
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
    assert odd.need_of_features("language_identification").mem_mb(1) >= estimate.TORCH_MB
    assert odd.need_of_training("language_identification", "width_128").mem_mb(1) > 0


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
        return found.need_of_distances("mnist", [measure]).minutes

    # width_512 and layers_2 are of one shape: three pairs, and labels_2 with itself
    expected = 4 * 2 * 512**3 * estimate.MATCHING_SECONDS / 60
    assert minutes("faq") - minutes("neural_persistence") == pytest.approx(expected)


def test_predictions_ask_for_test_rows_and_classes():
    """Not for the square of the rows: a data set of a million rows would ask for terabytes."""
    found = study(study={"datasets": ["mnist"]}, distance={"measures": ["disagreement"]})
    need = found.need_of_distances("mnist", ["disagreement"])
    assert need.megabytes < 2_000


def test_multiplicity_asks_for_the_largest_group_and_the_time_of_all():
    one, five = (
        study(study={"datasets": ["mnist"], "seeds": seeds}).need_of_multiplicity("mnist")
        for seeds in (1, 5)
    )
    # groups of no more than five networks, of the same rows and classes
    assert five.megabytes == one.megabytes
    assert five.minutes - estimate.START_MINUTES > 5 * (one.minutes - estimate.START_MINUTES)
