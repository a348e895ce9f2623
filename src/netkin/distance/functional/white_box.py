"""Measures that need the weights: gradients by the input, attacks, stitching.

Taken on the probe rows whose true label both networks know, see
`netkin.distance.functional.rows.known_rows`. Gradients of a multilayer perceptron are written
out here, so no torch is needed.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from netkin.activation.forward import forward
from netkin.distance.functional.model import Model
from netkin.distance.functional.rows import check_same_classes, known_rows
from netkin.errors import NetkinError, UndefinedDistance, require_choice, shown
from netkin.finite import require_finite
from netkin.network.file import Network
from netkin.options import checked

Array = NDArray[np.float64]


@checked
def saliency_cosine(
    a: Model, b: Model, *, logits: Literal["predicted", "all"] = "predicted"
) -> float:
    """Mean cosine of the saliency maps of a row, in [0, 1]; 1 for equal maps.

    A saliency map is the absolute gradient of a logit by the input, feature by feature in the
    order of the data set. Jones et al. 2022. Maps that are 0 everywhere have no direction and
    are left out.

    Parameters
    ----------
    a, b : Model
        What is compared.
    logits : {"predicted", "all"}
        The logit of the class that the network itself predicts for the row, or the mean over
        the logits of all classes.

    Raises
    ------
    NetkinError
        The networks hold different rows, or `logits` is something else.
    UndefinedDistance
        No row has a label that both know, every map is 0, or the mean over all logits of
        networks that know different classes is wanted.
    """
    require_choice("logits", logits, ("predicted", "all"))
    known = _known(a, b)
    chosen: Sequence[int | None] = [None]
    if logits == "all":
        check_same_classes([a, b])
        chosen = range(a.n_classes)
    cosines = []
    for logit in chosen:
        of_a, of_b = (model.shared(saliency_maps, logit)[known] for model in (a, b))
        norms = np.linalg.norm(of_a, axis=1) * np.linalg.norm(of_b, axis=1)
        with np.errstate(invalid="ignore"):
            cosines.append((of_a * of_b).sum(axis=1) / norms)
    found = np.concatenate(cosines)
    if np.isnan(found).all():
        raise UndefinedDistance("every gradient of one of the networks is 0")
    return float(np.nanmean(found))


def saliency_maps(model: Model, logit: int | None) -> Array:
    """Return the absolute gradients of a logit, or of the predicted ones, by the inputs, (n, d)."""
    direction = np.eye(model.n_classes)[model.logits.argmax(axis=1) if logit is None else logit]
    return np.abs(input_gradients(model.network, model.probe.inputs, direction))


def input_gradients(network: Network, inputs: NDArray[np.floating[Any]], direction: Array) -> Array:
    """Return the gradient by the input of the logits summed with the weights `direction`.

    Parameters
    ----------
    network : Network
        A multilayer perceptron; the slope of ReLU at 0 is taken as 0, as in torch.
    inputs : float array of shape (n, d)
        Rows.
    direction : float64 array of shape (n, C) or (C,)
        Weight of each logit.

    Returns
    -------
    float64 array of shape (n, d)
    """
    require_finite(direction, "weights of logits")
    hidden = forward(network, inputs)[:-1]
    gradient = np.broadcast_to(direction, (len(inputs), direction.shape[-1]))
    gradient = gradient @ network.weights[-1].astype(np.float64)
    for weight, output in zip(network.weights[-2::-1], hidden[::-1], strict=True):
        gradient = (gradient * (output > 0)) @ weight.astype(np.float64)
    return gradient


@checked
def adversarial_transferability(
    a: Model,
    b: Model,
    *,
    epsilon: Annotated[float, Ge(1e-6), Le(1000)] = 0.1,
    steps: Annotated[int, Ge(1), Le(10_000)] = 1,
) -> float:
    """Share of adversarial examples of one network that fool the other, in [0, 1].

    ``1 / (2 |X|) sum_x [A(x_B) != y] + [B(x_A) != y]`` over the rows X that both classify
    rightly, x_A being the example made against A: what is inside the logarithm of Hwang et al.
    2023. A row that no example was found for counts as not fooled. Examples are made by the
    fast gradient sign method, or in more steps by projected gradient descent.

    Parameters
    ----------
    a, b : Model
        What is compared.
    epsilon : float
        Largest change of a feature, as a share of the range of all features of all probe rows.
    steps : int
        1 for the fast gradient sign method (Goodfellow et al. 2015); more for projected
        gradient descent from the row itself in steps of ``2.5 epsilon / steps`` (Madry et al.
        2018).

    Raises
    ------
    NetkinError
        The networks hold different rows.
    UndefinedDistance
        There is no row that both classify rightly.
    """
    known = _known(a, b)
    right = known & (a.logits.argmax(axis=1) == a.labels) & (b.logits.argmax(axis=1) == a.labels)
    if not right.any():
        raise UndefinedDistance("no row is classified rightly by both networks")
    fooled = 0
    for attacked, other in ((a, b), (b, a)):
        examples = attacked.shared(adversarial_examples, epsilon, steps)[right]
        answers = forward(other.network, examples)[-1].argmax(axis=1)
        fooled += int((answers != a.labels[right]).sum())
    return fooled / int(2 * right.sum())


def adversarial_examples(model: Model, epsilon: float, steps: int) -> Array:
    """Return an example against the network for each probe row, (n, d).

    A row whose label the network does not know stays as it is.
    """
    examples = model.probe.inputs.astype(np.float64)
    known = model.labels < model.n_classes
    examples[known] = attack(
        model.network,
        model.probe.inputs[known],
        model.labels[known],
        epsilon=epsilon,
        steps=steps,
        bounds=(float(model.probe.inputs.min()), float(model.probe.inputs.max())),
    )
    return examples


@checked
def attack_transferability_score(
    a: Model,
    b: Model,
    *,
    epsilon: Annotated[float, Ge(1e-6), Le(1000)] = 0.1,
    steps: Annotated[int, Ge(1), Le(10_000)] = 1,
    least: Annotated[float, Ge(1e-6), Le(100)] = 0.01,
) -> float:
    """Similarity by attack transferability: ``log(max(least, 100 share))``.

    The share is that of `adversarial_transferability`, with its options; `least`, in percent,
    keeps the natural logarithm finite. From log `least` to log 100. Hwang et al. 2023, equation
    1; their attack is projected gradient descent.
    """
    share = adversarial_transferability(a, b, epsilon=epsilon, steps=steps)
    return math.log(max(least, 100 * share))


@checked
def modeldiff(
    a: Model,
    b: Model,
    *,
    epsilon: Annotated[float, Ge(1e-6), Le(1000)] = 0.1,
    steps: Annotated[int, Ge(1), Le(10_000)] = 1,
    outputs: Literal["probabilities", "logits"] = "probabilities",
) -> float:
    """Cosine of the decision distance vectors of two networks, in [0, 1]; not symmetric.

    An entry of such a vector is how far a network's answer moves, by cosine distance, from a row
    to the adversarial example made of it against `a`. Only movements are compared, so the
    networks may know different classes. Li et al. 2021, ModelDiff, section 3.

    Parameters
    ----------
    a, b : Model
        The network that the examples are made against, and the other.
    epsilon, steps
        Of the examples, see `adversarial_transferability`.
    outputs : {"probabilities", "logits"}
        What an answer is.

    Raises
    ------
    NetkinError
        The networks hold different rows, or `outputs` is something else.
    UndefinedDistance
        No row has a label that both know, or no example moves the answers of one of them.
    """
    require_choice("outputs", outputs, ("probabilities", "logits"))
    known = _known(a, b)
    examples = a.shared(adversarial_examples, epsilon, steps)[known]
    moved = []
    for model in (a, b):
        before, after = model.logits[known], forward(model.network, examples)[-1]
        moved.append(_cosine_distances(before, after, outputs))
    norms = [float(np.linalg.norm(vector)) for vector in moved]
    if not all(norms):
        raise UndefinedDistance("no adversarial example moves the answers of one of the networks")
    return float(np.clip(np.vdot(*moved) / math.prod(norms), 0.0, 1.0))


def _cosine_distances(before: Array, after: Array, outputs: str) -> Array:
    """Return 1 - cosine of the answers to each row, (n,); logits of 0 are orthogonal to others."""
    from scipy.special import softmax

    if outputs == "probabilities":
        before, after = (softmax(logits, axis=1) for logits in (before, after))
    unit = []
    for answers in (before, after):
        norms = np.linalg.norm(answers, axis=1, keepdims=True)
        unit.append(np.divide(answers, norms, out=np.zeros_like(answers), where=norms > 0))
    # |x - y|^2 / 2 for unit vectors: exactly 0 for equal answers, where 1 - cosine is rounding
    halves: Array = ((unit[0] - unit[1]) ** 2).sum(axis=1) / 2
    one_is_zero = unit[0].any(axis=1) != unit[1].any(axis=1)
    return np.where(one_is_zero, 1.0, halves)


def attack(
    network: Network,
    inputs: NDArray[np.floating[Any]],
    labels: NDArray[np.integer[Any]],
    *,
    epsilon: float,
    steps: int,
    bounds: tuple[float, float],
) -> Array:
    """Return an adversarial example of each row against its true label.

    See `adversarial_transferability`; features stay within `bounds`.
    """
    from scipy.special import softmax

    if not (epsilon >= 0 and steps >= 1):
        raise NetkinError(
            f"an attack of size {epsilon} in {steps} steps; allowed are 0 or more, in 1 or more."
        )
    require_finite(bounds, "bounds of the features")
    if bounds[0] > bounds[1]:
        raise NetkinError(
            f"bounds: found {shown(bounds)}; the first, of the least feature, "
            "must not be the larger."
        )
    reach = epsilon * (bounds[1] - bounds[0])
    size = reach if steps == 1 else 2.5 * reach / steps
    low = np.maximum(inputs.astype(np.float64) - reach, bounds[0])
    high = np.minimum(inputs.astype(np.float64) + reach, bounds[1])
    examples = inputs.astype(np.float64)
    each = np.arange(len(labels))
    for _ in range(steps):
        # the direction of the cross-entropy's gradient by the logits; its length, the chance of
        # a wrong answer, may be too small for a float and changes no sign
        direction = forward(network, examples)[-1]
        direction[each, labels] = -np.inf
        direction = softmax(direction, axis=1)
        direction[each, labels] = -1.0
        gradient = input_gradients(network, examples, direction)
        examples = np.clip(examples + size * np.sign(gradient), low, high)
    return examples


@checked
def stitching(a: Model, b: Model, *, layer: Annotated[int, Ge(-1000), Le(-1)] = -1) -> float:
    """Accuracy of b fed by a hidden layer of a, minus the accuracy of b; not symmetric.

    An affine map takes the activations of `a` after ReLU to those of `b`, and the layers of `b`
    that follow do the rest. The map is fitted by least squares to training rows of the labels
    that both know, the direct matching of Csiszárik et al. 2021 (the shortest such map, where
    the rows leave several); nothing is trained. In [-1, 1], mostly below 0: 0 where `a` holds all
    that `b` uses of its layer. Wise with 5 or more training rows for each unit.

    Parameters
    ----------
    a, b : Model
        Sender and receiver.
    layer : int
        Which hidden layer of both, counted from the last, which is -1.

    Raises
    ------
    NetkinError
        The networks hold different rows.
    UndefinedDistance
        No row has a label that both know, or a network has no such layer.
    """
    known = _known(a, b)
    n_hidden = min(len(model.network.weights) for model in (a, b)) - 1
    if n_hidden < -layer:
        raise UndefinedDistance(f"a network of {n_hidden} hidden layers has no layer {layer}")
    # the logits are the last output, so hidden layer -1 is output -2
    n_classes = min(a.n_classes, b.n_classes)
    fitted = a.training.labels < n_classes
    wanted = b.shared(training_outputs, layer)[fitted]
    stitch = a.shared(pseudo_inverse, layer, n_classes) @ wanted
    rest = dataclasses.replace(
        b.network, weights=b.network.weights[layer:], biases=b.network.biases[layer:]
    )
    sent = forward(a.network, a.probe.inputs[known])[layer - 1]
    labels = b.labels[known]
    stitched = forward(rest, _with_ones(sent) @ stitch)[-1].argmax(axis=1)
    own = b.logits[known].argmax(axis=1)
    return (int((stitched == labels).sum()) - int((own == labels).sum())) / len(labels)


def training_outputs(model: Model, layer: int) -> Array:
    """Return what a hidden layer makes of the training rows, (n, width)."""
    return forward(model.network, model.training.inputs)[layer - 1]


def pseudo_inverse(model: Model, layer: int, n_classes: int) -> Array:
    """Return what fits the outputs of a layer, and a constant, to anything by least squares.

    Of the training rows of the first `n_classes` labels, (width + 1, n).
    """
    sent = model.shared(training_outputs, layer)[model.training.labels < n_classes]
    values = _with_ones(sent)
    # the cut of numpy's lstsq
    cut = np.finfo(float).eps * max(values.shape)
    return np.asarray(np.linalg.pinv(values, rcond=cut), dtype=np.float64)


def _with_ones(values: Array) -> Array:
    return np.column_stack([values, np.ones(len(values))])


def _known(a: Model, b: Model) -> NDArray[np.bool_]:
    """Return `known_rows` of the probe rows, after checking that the inputs are the same."""
    known = known_rows([a, b])
    for part in ("probe", "training"):
        of_a, of_b = getattr(a, part), getattr(b, part)
        if of_a is not of_b and not np.array_equal(of_a.inputs, of_b.inputs):
            raise NetkinError(
                f"{a.name} and {b.name} hold different {part} rows; use the same data set."
            )
    return known
