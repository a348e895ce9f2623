"""Training of the base classifier against its matrix products alone.

    python benchmarks/training.py

Both run in this process, in turn, with the same batch size, shapes and number of threads:
steps of `netkin.network.fit.fit` on rows of the shape of MNIST (784 features, 10 labels,
two hidden layers of 512 units, batches of 128), and the eight matrix products that such a
step cannot do without, in float32. Accuracy of the evaluation after each epoch is included
in the former. The ratio is the median over rounds.
"""

import argparse
import logging
import statistics
import time

import common
import torch

from netkin.network.fit import fit
from netkin.network.mlp import build_mlp
from netkin.network.optimiser import RMSprop
from netkin.network.torch_setup import flushed_denormals

FEATURES, LABELS, WIDTH, HIDDEN_LAYERS, BATCH = 784, 10, 512, 2, 128


def products(model: torch.nn.Sequential, steps: int) -> float:
    """Return the seconds of the products of `steps` steps: forward, weights, inputs."""
    weights = [parameter.detach() for parameter in model.parameters() if parameter.ndim == 2]
    inputs = [torch.rand(BATCH, weight.shape[1]) for weight in weights]
    gradients = [torch.rand(BATCH, weight.shape[0]) for weight in weights]
    started = time.perf_counter()
    for _ in range(steps):
        for x, weight in zip(inputs, weights, strict=True):
            torch.mm(x, weight.T)
        for index in reversed(range(len(weights))):
            torch.mm(gradients[index].T, inputs[index])
            if index:
                torch.mm(gradients[index], weights[index])
    return time.perf_counter() - started


def main() -> None:
    """Print both times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="as the rule asks for")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=100, help="per round")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    n_rows = BATCH * arguments.steps
    # like handwritten digits: a fifth of the pixels are not 0
    inputs = torch.rand(n_rows, FEATURES) * (torch.rand(n_rows, FEATURES) < 0.2)
    labels = torch.randint(LABELS, (n_rows,))
    model = build_mlp(FEATURES, LABELS, width=WIDTH, hidden_layers=HIDDEN_LAYERS, dropout=0.2)
    optimiser = RMSprop(model, learning_rate=1e-3, rho=0.9, epsilon=1e-7)

    def train() -> float:
        started = time.perf_counter()
        fit(
            model,
            optimiser,
            (inputs, labels),
            (inputs[:0], labels[:0]),
            batch_size=BATCH,
            epochs=1,
            name="benchmark",
            learning_rate=1e-3,
            logger=logging.getLogger("benchmark"),
        )
        return time.perf_counter() - started

    with flushed_denormals():
        train(), products(model, arguments.steps)
        times = [(train(), products(model, arguments.steps)) for _ in range(arguments.rounds)]
    per_step = 1e3 / arguments.steps
    row = [
        f"{per_step * statistics.median(a for a, _ in times):.2f}",
        f"{per_step * statistics.median(b for _, b in times):.2f}",
        f"{statistics.median(a / b for a, b in times):.2f}",
        f"{min(a / b for a, b in times):.2f}",
        f"{max(a / b for a, b in times):.2f}",
    ]
    head = ["training, ms a step", "products, ms a step", "ratio, median", "least", "largest"]
    print(f"{common.machine()}; torch {torch.__version__}, {arguments.threads} thread(s)\n")
    print(common.table(head, [row]))


if __name__ == "__main__":
    main()
