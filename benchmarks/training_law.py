"""Whether networks that training version 2 makes follow the law of those of version 1.

    python benchmarks/training_law.py [--seeds 40]

The same grid on scikit-learn's digits is trained by both: `netkin.network.perceptrons`, with
steps written out and its own random numbers, and `netkin.network.fit`, which torch
differentiates, as version 1 did. Seeds of the two have nothing in common but the weights that
training begins with. For test accuracy, last training loss, and landscape, silhouette and heat
distance between pairs of variants at one seed, the two samples over seeds are compared by
their means, with Student's interval of the difference (Welch's), and by the two-sample test of
Kolmogorov and Smirnov.
"""

import argparse
import logging
import tempfile
from itertools import combinations
from pathlib import Path

import common
import numpy as np
from scipy import stats

VARIANTS = {
    "width_64": {"width": 64},
    "width_128": {"width": 128},
    "layers_4": {"hidden_layers": 4},
    "labels_4": {"n_labels": 4},
}
SETTINGS = {"width": 128, "hidden_layers": 2, "n_labels": None}
TRAINING = {"dropout": 0.2, "learning_rate": 1e-3, "rho": 0.9, "epsilon": 1e-7}
BATCH, EPOCHS = 128, 20


def version_2(dataset: Path, folder: Path, name: str, seed: int, change: dict):
    """Train as the workflow does."""
    from netkin.network.file import read_network
    from netkin.network.train import train_network

    path = folder / "network.h5"
    train_network(
        dataset_path=str(dataset),
        network_path=str(path),
        device="cpu",
        threads=1,
        dataset="digits",
        variant=name,
        seed=seed,
        batch_size=BATCH,
        epochs=EPOCHS,
        validation_share=0.1,
        input_order=None,
        order_seed=0,
        **TRAINING,
        **SETTINGS | change,
    )
    network = read_network(path)
    return network.weights, network.biases, network.test_accuracy, network.history["loss"][-1]


def version_1(arrays, name: str, seed: int, change: dict):
    """Train by automatic differentiation, as before."""
    import torch

    from netkin.network.fit import evaluate, fit
    from netkin.network.mlp import build_mlp, layer_arrays
    from netkin.network.optimiser import RMSprop
    from netkin.network.torch_setup import derived_seed
    from netkin.network.train import variant_rows

    settings = SETTINGS | change
    rows = variant_rows(
        arrays,
        n_labels=settings["n_labels"],
        input_order=None,
        order_seed=0,
        validation_share=0.1,
        name=name,
    )

    def part(inputs, labels, chosen):
        return torch.from_numpy(inputs[chosen]), torch.from_numpy(labels[chosen])

    torch.manual_seed(derived_seed("digits", name, seed))
    model = build_mlp(
        arrays.train_inputs.shape[1],
        rows.n_outputs,
        width=settings["width"],
        hidden_layers=settings["hidden_layers"],
        dropout=TRAINING["dropout"],
    )
    constants = {key: TRAINING[key] for key in ("learning_rate", "rho", "epsilon")}
    history = fit(
        model,
        RMSprop(model.parameters(), **constants),
        part(arrays.train_inputs, arrays.train_labels, rows.train),
        part(arrays.train_inputs, arrays.train_labels, rows.validation),
        batch_size=BATCH,
        epochs=EPOCHS,
        name=name,
        logger=logging.getLogger("benchmark"),
    )
    test = part(arrays.test_inputs, arrays.test_labels, rows.test)
    return *layer_arrays(model), evaluate(model, test)[1], history["loss"][-1]


def distances(networks: dict[str, tuple]) -> dict[str, float]:
    """Return the three distances of each pair of variants."""
    from netkin.diagram.network import network_diagram
    from netkin.diagram.policy import apply_policy
    from netkin.distance.vector import vector_distance
    from netkin.vector import VECTORISERS
    from netkin.vector.sampling import Sampling
    from netkin.vector.vector import Vector

    sampling = Sampling(0.0, 1.0, 200)
    found = {}
    for kind in ("landscape", "silhouette", "heat"):
        vectors = {}
        for name, (weights, biases, *_) in networks.items():
            diagram = apply_policy(network_diagram(weights, biases)[0])
            arrays = VECTORISERS[kind].arrays(diagram, sampling)
            vectors[name] = Vector(arrays, sampling, axes=VECTORISERS[kind].axes, kind=kind)
        for a, b in combinations(networks, 2):
            found[f"{kind}, {a} - {b}"] = vector_distance(vectors[a], vectors[b])
    return found


def quantities(networks: dict[str, tuple]) -> dict[str, float]:
    """Return all that is compared, of the networks of one seed."""
    found = {}
    for name, (*_, accuracy, loss) in networks.items():
        found[f"test accuracy, {name}"] = accuracy
        found[f"last training loss, {name}"] = float(loss)
    return found | distances(networks)


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=40)
    n_seeds = parser.parse_args().seeds
    import torch

    from netkin.dataset.arrays import write_arrays
    from netkin.dataset.digits import load_digits
    from netkin.network.torch_setup import flushed_denormals

    torch.set_num_threads(1)
    arrays = load_digits(Path())
    samples: list[list[dict[str, float]]] = [[], []]
    with tempfile.TemporaryDirectory() as name, flushed_denormals():
        dataset = Path(name) / "digits.h5"
        write_arrays(dataset, arrays, parameters={})
        for seed in range(n_seeds):
            for sample, train in zip(samples, (version_1, version_2), strict=True):
                data = arrays if train is version_1 else dataset
                more = () if train is version_1 else (Path(name),)
                networks = {
                    variant: train(data, *more, variant, seed, change)
                    for variant, change in VARIANTS.items()
                }
                sample.append(quantities(networks))
    rows, p_values, off = [], [], []
    for key in samples[0][0]:
        one, two = (np.array([found[key] for found in sample]) for sample in samples)
        spread = np.sqrt((one.var(ddof=1) + two.var(ddof=1)) / 2)
        test = stats.ttest_ind(two, one, equal_var=False)
        interval = test.confidence_interval(0.95)
        p_value = stats.ks_2samp(one, two).pvalue
        p_values.append(p_value)
        off.append(not interval.low <= 0 <= interval.high)
        shares = [f"{value / spread:+.2f}" for value in (two.mean() - one.mean(), *interval)]
        rows.append(
            [
                *(key, f"{one.mean():.4g}", f"{two.mean():.4g}", f"{spread:.2g}"),
                *(shares[0], f"{shares[1]} to {shares[2]}", f"{p_value:.2f}"),
            ]
        )
    print(f"{common.machine()}; torch {torch.__version__}, {n_seeds} seeds\n")
    head = ["quantity", "version 1", "version 2", "deviation over seeds"]
    head += ["difference, in deviations", "95 % interval", "p"]
    print(common.table(head, rows))
    print(
        f"\n{sum(off)} of {len(off)} intervals leave out 0; of equal laws one in twenty does. "
        f"Least p of Kolmogorov and Smirnov {min(p_values):.3f}, "
        f"{min(1, min(p_values) * len(p_values)):.2f} after Bonferroni."
    )


if __name__ == "__main__":
    main()
