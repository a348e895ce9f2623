"""Arguments that take one of a few words take no other."""

import importlib
import inspect
import pkgutil
from typing import Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest

import netkin
from netkin.activation.compute import compute_activations
from netkin.activation.evaluation import read_fitting_network, read_part
from netkin.dataset.features import extract_features
from netkin.dataset.reuters import load_reuters
from netkin.diagram.compute import compute_diagrams
from netkin.diagram.diagram import Diagram
from netkin.diagram.network import graph_diagram, network_diagram
from netkin.diagram.policy import apply_policy
from netkin.distance.file import Summary
from netkin.distance.functional.white_box import modeldiff, saliency_cosine
from netkin.distance.tensor_diagrams import tensor_bottleneck, tensor_wasserstein
from netkin.errors import NetkinError
from netkin.graph.blocks import dense_graph
from netkin.graph.export import export_graph
from netkin.graph.graph import graph_from_weights
from netkin.network.torch_setup import choose_device
from netkin.network.train import train_network, train_networks

ONE = np.eye(2)
CALLS = {
    (apply_policy, "order"): lambda: apply_policy(Diagram.from_intervals((ONE,)), order="x"),
    (graph_from_weights, "bias_vertices"): lambda: graph_from_weights(
        [ONE], [np.ones(2)], bias_vertices="x"
    ),
    (network_diagram, "bias_vertices"): lambda: network_diagram([ONE], [None], bias_vertices="x"),
    **{
        (graph_diagram, argument): lambda argument=argument: graph_diagram(
            dense_graph([ONE], [None]), **{argument: "x"}
        )
        for argument in ("bias_vertices", "additions", "normaliser", "rescale")
    },
    **{
        (function, "match"): lambda function=function: function(None, None, match="x")
        for function in (tensor_wasserstein, tensor_bottleneck)
    },
    (read_part, "part"): lambda: read_part("x", "x"),
    (read_fitting_network, "input_order"): lambda: read_fitting_network(
        "x", None, input_order="x", order_seed=0, n_labels=None
    ),
    (Summary.normalised, "statistic"): lambda: Summary(
        ONE, ONE, ("a", "b"), 1, "heat", "topology", "down"
    ).normalised("x"),
    (saliency_cosine, "logits"): lambda: saliency_cosine(None, None, logits="x"),
    (modeldiff, "outputs"): lambda: modeldiff(None, None, outputs="x"),
    (load_reuters, "features"): lambda: load_reuters(None, features="x"),
    (choose_device, "device"): lambda: choose_device("x"),
}
HANDED_ON = {
    *(
        (function, argument)
        for function in (export_graph, compute_diagrams)
        for argument in ("bias_vertices", "additions", "normaliser", "rescale")
    ),
    (compute_activations, "layers"),  # see tests/test_activation.py
    (train_network, "input_order"),  # see tests/test_network.py
    (train_network, "device"),
    (train_networks, "device"),
    (extract_features, "device"),
}
"""Stage functions, which call one of the others or are tested with their stage."""


def choices():
    """Return the public functions and their arguments that are annotated as choices."""
    found = set()
    for module in pkgutil.walk_packages(netkin.__path__, "netkin."):
        for name, value in vars(importlib.import_module(module.name)).items():
            public = inspect.isfunction(value) and not name.startswith("_")
            if public and value.__module__.startswith("netkin."):
                found |= {(value, argument) for argument in _choices_of(value)}
    return found


def _choices_of(function):
    try:
        hints = get_type_hints(function)
    except NameError:  # of what is imported for type checkers only
        hints = {k: v for k, v in function.__annotations__.items() if not isinstance(v, str)}
    return [
        name
        for name, hint in hints.items()
        if any(get_origin(part) is Literal for part in (hint, *get_args(hint)))
    ]


def test_every_choice_of_a_public_function_is_known_here():
    known = {key for key in (*CALLS, *HANDED_ON) if key[0] is not Summary.normalised}
    # choose_device names its device in words
    assert choices() == known - {(choose_device, "device")}


@pytest.mark.parametrize("key", CALLS, ids=lambda key: f"{key[0].__qualname__}, {key[1]}")
def test_another_word_is_refused(key):
    with pytest.raises(NetkinError, match=rf"^{key[1]}: found 'x'\. Allowed: \w+, "):
        CALLS[key]()
