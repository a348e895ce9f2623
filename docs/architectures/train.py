"""Train three families of networks and perceptrons, of four sizes, on MNIST, and write a sheet.

    python docs/architectures/train.py FOLDER [--data resources/data] [--seeds 5] [--threads 1]

Writes FOLDER/models/*.onnx and FOLDER/networks.tsv. A network that is there is not trained again,
so that the script goes on where it was stopped. On two of the sizes all families have equally many
parameters, to 0.2 %.
"""

import argparse
import csv
import warnings
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import nn

ROWS, TEST_ROWS = 10_000, 2_000
EPOCHS = 4
BATCH = 64
LEARNING_RATE = 2e-3
SIZES = (6_000, 12_000, 24_000, 48_000)
MATCHED = (12_000, 24_000)
"""Sizes at which the families have equally many parameters; the others are near to theirs."""


def mlp(a: int, b: int) -> nn.Module:
    """Return a perceptron of two hidden layers."""
    return nn.Sequential(
        *(nn.Flatten(), nn.Linear(784, a), nn.ReLU()),
        *(nn.Linear(a, b), nn.ReLU(), nn.Linear(b, 10)),
    )


def cnn(a: int, b: int) -> nn.Module:
    """Return two convolutions with pooling, and a dense head."""
    return nn.Sequential(
        *(nn.Conv2d(1, a, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(a, b, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(49 * b, 10)),
    )


class Residual(nn.Module):
    """A block of two convolutions and the skip around them."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False),
            *(nn.BatchNorm2d(n_out), nn.ReLU()),
            *(nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False), nn.BatchNorm2d(n_out)),
        )
        self.skip: nn.Module = nn.Identity()
        if stride > 1 or n_in != n_out:
            self.skip = nn.Sequential(
                nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the sum of branch and skip."""
        return torch.relu(self.branch(x) + self.skip(x))


def resnet(a: int, b: int) -> nn.Module:
    """Return two residual blocks, the second with a stride, and a dense head on means."""
    return nn.Sequential(
        *(nn.Conv2d(1, a, 3, 2, 1, bias=False), nn.BatchNorm2d(a), nn.ReLU()),
        *(Residual(a, a, 1), Residual(a, b, 2)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(b, 10)),
    )


class Recurrent(nn.Module):
    """A GRU that reads an image row by row, and a dense head of two layers on its last state."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.gru = nn.GRU(28, a, batch_first=True)
        self.head = nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.Linear(b, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        states, _ = self.gru(x[:, 0])
        return self.head(states[:, -1])


FAMILIES: dict[str, Callable[[int, int], nn.Module]] = {
    "mlp": mlp,
    "cnn": cnn,
    "resnet": resnet,
    "gru": Recurrent,
}
"""Name -> what makes a network of two widths."""


def parameters(model: nn.Module) -> int:
    """Return how many numbers are trained."""
    return sum(one.numel() for one in model.parameters())


def widths(family: str, size: int) -> tuple[int, int]:
    """Return the two widths that come nearest to a number of parameters, like ones if several."""
    make = FAMILIES[family]
    with torch.device("meta"):
        counted = {}
        for a, b in product(range(4, 130), range(4, 130)):
            if not 0.5 <= b / a <= 3:
                continue
            counted[a, b] = _formula(family, a, b)
        found = min(counted, key=lambda each: (abs(counted[each] - size), abs(each[1] - each[0])))
        assert parameters(make(*found)) == counted[found]
    return found


def _formula(family: str, a: int, b: int) -> int:
    """Return the number of parameters, without making the network."""
    if family == "mlp":
        return 785 * a + (a + 1) * b + (b + 1) * 10
    if family == "cnn":
        return 10 * a + (9 * a + 1) * b + (49 * b + 1) * 10
    if family == "gru":
        return 3 * a * (28 + a + 2) + (a + 1) * b + (b + 1) * 10
    first = 9 * a + 2 * a + 2 * (9 * a * a + 2 * a)
    second = 9 * a * b + 2 * b + 9 * b * b + 2 * b + a * b + 2 * b
    return first + second + (b + 1) * 10


def images(folder: Path) -> tuple[torch.Tensor, ...]:
    """Return images and labels to train on, and those to test on."""
    from netkin.dataset.mnist import load_mnist

    found = load_mnist(folder)
    parts = (
        (found.train_inputs, found.train_labels, ROWS),
        (found.test_inputs, found.test_labels, TEST_ROWS),
    )
    return tuple(
        each
        for inputs, labels, n in parts
        for each in (
            torch.from_numpy(inputs[:n].reshape(-1, 1, 28, 28)),
            torch.from_numpy(labels[:n].astype(np.int64)),
        )
    )


def train(model: nn.Module, rows: Sequence[torch.Tensor], seed: int) -> float:
    """Train a network with Adam, and return its accuracy on the test rows."""
    x, y, test_x, test_y = rows
    order = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(model.parameters(), LEARNING_RATE)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(x), generator=order).split(BATCH):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimiser.step()
    model.eval()
    with torch.no_grad():
        return float((model(test_x).argmax(1) == test_y).float().mean())


def export(model: nn.Module, path: Path) -> None:
    """Write a trained network as ONNX."""
    temporary = path.with_suffix(".part")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (torch.zeros(1, 1, 28, 28),),
            str(temporary),
            input_names=["image"],
            output_names=["logits"],
            dynamo=False,
        )
    temporary.rename(path)


def main() -> None:
    """Train what is not there yet, and write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, default=Path("resources/data"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    models = options.folder / "models"
    models.mkdir(parents=True, exist_ok=True)
    accuracies = options.folder / "accuracies.csv"
    known: dict[str, str] = {}
    if accuracies.exists():
        known = dict(csv.reader(accuracies.read_text().splitlines()))
    rows: Sequence[torch.Tensor] = ()
    sheet = []
    for family, size in product(FAMILIES, SIZES):
        a, b = widths(family, size)
        for seed in range(options.seeds):
            name = f"{family}_{size}_{seed}"
            path = models / f"{name}.onnx"
            torch.manual_seed(1000 * seed + len(family))
            model = FAMILIES[family](a, b)
            count = parameters(model)
            if name not in known or not path.exists():
                rows = rows or images(options.data)
                known[name] = f"{train(model, rows, seed):.4f}"
                export(model, path)
                with accuracies.open("a") as file:
                    file.write(f"{name},{known[name]}\n")
                print(f"{name}: {a} and {b} units, {count:,} parameters, {known[name]}", flush=True)
            sheet.append([name, f"models/{name}.onnx", family, size, seed, count, known[name]])
    with (options.folder / "networks.tsv").open("w") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(["network", "path", "group", "size", "seed", "parameters", "accuracy"])
        writer.writerows(sheet)


if __name__ == "__main__":
    main()
