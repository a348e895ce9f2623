"""Small networks trained on the real digits of scikit-learn, for the tests of several stages."""

from pathlib import Path

from netkin.dataset.prepare import prepare_dataset
from netkin.distance.functional.model import read_model
from netkin.network.train import train_network
from netkin.prediction.compute import compute_predictions
from netkin.prediction.prediction import read_prediction

TRAINING = {
    "dataset": "digits",
    "variant": "width_16",
    "seed": 0,
    "width": 16,
    "hidden_layers": 2,
    "dropout": 0.2,
    "learning_rate": 1e-3,
    "rho": 0.9,
    "epsilon": 1e-7,
    "batch_size": 32,
    "epochs": 3,
    "validation_share": 0.1,
    "n_labels": None,
    "input_order": None,
    "order_seed": 0,
}
VARIANTS = {
    "base": {},
    "other_seed": {"seed": 1},
    "labels_2": {"variant": "labels_2", "n_labels": 2},
    "features": {"variant": "input_order_3", "input_order": "features", "order_seed": 3},
    "samples": {"variant": "input_order_4", "input_order": "samples", "order_seed": 4},
    "deeper": {"variant": "layers_3", "hidden_layers": 3, "width": 24},
}
PROBE_ROWS = 100
HOW = ("input_order", "order_seed", "n_labels")


class Digits:
    """The data set and a network of each variant, as files."""

    def __init__(self, folder: Path) -> None:
        import torch

        self.dataset = str(folder / "digits.h5")
        prepare_dataset(
            kind="digits", data_folder=str(folder), options={}, dataset_path=self.dataset
        )
        self.networks = {name: str(folder / f"{name}.h5") for name in VARIANTS}
        n_threads = torch.get_num_threads()  # training sets it for its process
        for name, changes in VARIANTS.items():
            train_network(
                dataset_path=self.dataset,
                network_path=self.networks[name],
                device="cpu",
                threads=1,
                **TRAINING | changes,
            )
        torch.set_num_threads(n_threads)

    def how(self, variant):
        """Return what an evaluation must know of the training of a variant."""
        settings = TRAINING | VARIANTS[variant]
        return {key: settings[key] for key in HOW}

    def predictions(self, folder):
        """Return {variant: prediction}, computed into files in `folder`."""
        for variant, network in self.networks.items():
            compute_predictions(
                network_paths=[network],
                ids=[variant],
                dataset_path=self.dataset,
                prediction_path=str(folder / f"{variant}.h5"),
                trained_with=[self.how(variant)],
            )
        return {variant: read_prediction(folder / f"{variant}.h5") for variant in VARIANTS}

    def models(self):
        """Return {variant: model} on `PROBE_ROWS` test rows and all training rows."""
        return {
            variant: read_model(
                network, dataset_path=self.dataset, probe_rows=PROBE_ROWS, training_rows=10**6
            )
            for variant, network in self.networks.items()
        }


def rows_of_training(dataset, variant, how):
    """Return inputs and labels of all test rows, as training of the variant sees the columns."""
    from netkin.dataset.arrays import read_arrays
    from netkin.network.train import variant_rows

    arrays = read_arrays(dataset)
    how = how | {"n_labels": None, "validation_share": 0.0}
    rows = variant_rows(arrays, **how, name=variant)
    columns = slice(None) if rows.columns is None else rows.columns
    return arrays.test_inputs[rows.test][:, columns], arrays.test_labels[rows.test]


def torch_outputs(network, inputs):
    """Return the outputs of the ReLUs and of the whole network in torch, without dropout."""
    import torch

    from netkin.network.mlp import build_mlp

    hidden = network.weights[0].shape[0]
    model = build_mlp(
        inputs.shape[1],
        len(network.biases[-1]),
        width=hidden,
        hidden_layers=len(network.weights) - 1,
        dropout=0.5,
    )
    linear = [layer for layer in model if isinstance(layer, torch.nn.Linear)]
    for layer, weight, bias in zip(linear, network.weights, network.biases, strict=True):
        layer.weight.data = torch.from_numpy(weight)
        layer.bias.data = torch.from_numpy(bias)
    found = []
    for layer in model:
        if isinstance(layer, torch.nn.ReLU):
            layer.register_forward_hook(lambda *call: found.append(call[-1].detach().numpy()))
    found.append(model.eval()(torch.from_numpy(inputs)).detach().numpy())
    return found
