import numpy as np
import pytest

from netkin.diagram.split import split_diagram
from netkin.graph.blocks import BlockGraph, unrolled
from netkin.graph.builder import Builder, Parameter
from netkin.graph.reading import BlockEdges
from netkin.graph.rescale import rescaled
from tests.stress.triangles import difference

pytestmark = pytest.mark.budget("graphs")
SHIFT = np.array([2.0, 0.5, 1.0, 7.0])


def parameters(rng, *shapes, dtype=np.float64):
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def dense(arrays, activation="relu"):
    """Return the graph of dense layers of these weights and biases, one after the other."""
    b = Builder()
    x = b.input("x", (1, arrays[0].shape[1]))
    for layer in range(0, len(arrays), 2):
        weight, bias = (Parameter(arrays[layer + k], ("w",)) for k in (0, 1))
        x = b.linear(x, weight, bias, name=f"layer {layer // 2}")
        if layer + 2 < len(arrays):
            x = b.activation(x, activation, activation)
    return b.finish()


def scaled_by(rng, arrays):
    """Return the same function: what each hidden unit takes times c, what it gives by c."""
    arrays = [array.copy() for array in arrays]
    for layer in range(0, len(arrays) - 2, 2):
        c = rng.choice([0.25, 0.5, 1.0, 4.0], size=len(arrays[layer]))
        if rng.random() < 0.5:
            c = np.exp(rng.normal(size=len(c)))
        arrays[layer] *= c[:, None]
        arrays[layer + 1] *= c
        arrays[layer + 2] /= c
    return arrays


def outputs(graph: BlockGraph, x):
    """Return what a graph of dense layers gives, ReLU between them."""
    for block in graph.blocks:
        if block.kind == "weight":
            bias = next(
                b.weight[:, 0, 0]
                for b in graph.blocks
                if (b.kind, b.target) == ("bias", block.target)
            )
            x = np.asarray(block.weight)[:, :, 0] @ x + bias
            x = np.maximum(x, 0) if graph.groups[block.target].activation == "relu" else x
    return x


def diagram(graph, **options):
    return split_diagram(BlockEdges(graph, **options), max_dimension=1)


def test_all_rescalings_of_a_dense_network_have_one_diagram():
    for seed in range(100):
        rng = np.random.default_rng(seed)
        arrays = parameters(rng, (4, 3), (4,), (5, 4), (5,), (2, 5), (2,))
        other = scaled_by(rng, arrays)
        one, two = diagram(dense(arrays)), diagram(dense(other))
        assert difference(one, two)
        canonical = [diagram(dense(each), rescale="relu") for each in (arrays, other)]
        # equal but for float64 of the last bit, which float32 may round to either side
        for a, b in zip(canonical[0].expanded(), canonical[1].expanded(), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=2e-7)
        x = rng.normal(size=3)
        np.testing.assert_allclose(outputs(dense(arrays), x), outputs(dense(other), x))
        np.testing.assert_allclose(
            outputs(rescaled(dense(arrays)), x), outputs(dense(arrays), x), rtol=1e-12
        )


def test_powers_of_two_change_not_a_bit():
    rng = np.random.default_rng(0)
    arrays = parameters(rng, (4, 3), (4,), (2, 4), (2,), dtype=np.float32)
    other = [array.copy() for array in arrays]
    c = SHIFT[[0, 1, 2, 0]].astype(np.float32)
    other[0] *= c[:, None]
    other[1] *= c
    other[2] /= c
    one, two = (rescaled(dense(each)) for each in (arrays, other))
    for a, b in zip(one.blocks, two.blocks, strict=True):
        assert a.weight.dtype == np.float32
        np.testing.assert_array_equal(a.weight, b.weight)


def test_norms_by_hand():
    arrays = [
        np.array([[3.0, 4.0], [0.0, 0.0], [0.0, 0.0]]),
        np.array([10.0, -2.0, 0.0]),
        np.array([[1.0, 1.0, 1.0]]),
        np.array([6.0]),
    ]
    kept = [array.copy() for array in arrays]
    graph = rescaled(dense(arrays))
    found = [np.asarray(block.weight).squeeze() for block in graph.blocks]
    # norm 5; |b| where the weights are 0; untouched where all are 0
    np.testing.assert_allclose(found[0], [[0.6, 0.8], [0, 0], [0, 0]])
    np.testing.assert_allclose(found[2], [2.0, -1.0, 0.0])
    np.testing.assert_allclose(found[1], [5.0, 2.0, 1.0])
    np.testing.assert_allclose(found[3], 6.0)
    for array, before in zip(arrays, kept, strict=True):
        np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize("activation", ["tanh", "gelu", "leaky relu"])
def test_other_activations_are_untouched(activation):
    graph = dense(parameters(np.random.default_rng(0), (4, 3), (4,), (2, 4), (2,)), activation)
    assert all(one is two for one, two in zip(graph.blocks, rescaled(graph).blocks, strict=True))


@pytest.mark.parametrize("order", ["relu, pool", "pool, relu"])
@pytest.mark.parametrize("kind", ["max", "mean"])
def test_a_convolution_with_pooling_and_a_dense_head(kind, order):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    pool = (torch.nn.MaxPool2d if kind == "max" else torch.nn.AvgPool2d)(2)
    between = [torch.nn.ReLU(), pool] if order == "relu, pool" else [pool, torch.nn.ReLU()]
    model = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3, padding=1),
        *between,
        torch.nn.Conv2d(4, 3, 2, groups=1),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(12, 5),
    ).double()

    def graph_of():
        b = Builder()
        x = b.input("x", (1, 2, 6, 6))
        named = [(n, m) for n, m in model.named_children()]
        for name, module in named:
            if isinstance(module, torch.nn.Conv2d):
                weight, bias = (
                    Parameter(p.detach().numpy().copy(), (name,))
                    for p in (module.weight, module.bias)
                )
                padding = [(p, p) for p in module.padding]
                x = b.convolution(
                    x, weight, bias, name=name, stride=[1, 1], padding=padding, dilation=[1, 1]
                )
            elif isinstance(module, torch.nn.ReLU):
                x = b.activation(x, "relu", name)
            elif isinstance(module, torch.nn.Flatten):
                x = b.moved(x, lambda a: a.reshape(1, -1))
            elif isinstance(module, torch.nn.Linear):
                weight, bias = (
                    Parameter(p.detach().numpy().copy(), (name,))
                    for p in (module.weight, module.bias)
                )
                x = b.linear(x, weight, bias, name=name)
            else:
                x = b.pool(
                    x,
                    name=name,
                    kernel=[2, 2],
                    stride=[2, 2],
                    padding=[(0, 0)] * 2,
                    dilation=[1, 1],
                    kind=kind,
                )
        return b.finish()

    graph = graph_of()
    canonical = rescaled(graph)
    first = canonical.blocks[0]
    assert first.kind == "weight"
    np.testing.assert_allclose((first.weight**2).sum(axis=(1, 2)), np.ones(4))
    inputs = torch.randn(3, 2, 6, 6, dtype=torch.float64)
    expected = model(inputs).detach().numpy()
    before = diagram(canonical)

    # the same module with the new weights
    layers = [m for m in model if hasattr(m, "weight")]
    with torch.no_grad():
        for layer in layers:
            place = next(
                k for k, g in enumerate(canonical.groups) if g.name == named_of(model, layer)
            )
            for block in canonical.blocks:
                if block.target == place and block.is_trained:
                    target = layer.bias if block.kind == "bias" else layer.weight
                    target.copy_(torch.from_numpy(np.array(block.weight)).reshape(target.shape))
    np.testing.assert_allclose(model(inputs).detach().numpy(), expected, rtol=1e-10)

    # another rescaling of it
    with torch.no_grad():
        c = torch.from_numpy(SHIFT)
        layers[0].weight *= c[:, None, None, None]
        layers[0].bias *= c
        layers[1].weight /= c[None, :, None, None]
    np.testing.assert_allclose(model(inputs).detach().numpy(), expected, rtol=1e-10)
    other = graph_of()
    assert difference(diagram(graph), diagram(other))
    after = diagram(rescaled(other))
    for a, b in zip(before.expanded(), after.expanded(), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-7)


def named_of(model, layer):
    return next(name for name, module in model.named_children() if module is layer)


def test_only_units_within_branches_of_a_residual_network_change():
    rng = np.random.default_rng(0)
    b = Builder()
    x = b.activation(
        b.linear(b.input("x", (1, 3)), Parameter(rng.normal(size=(3, 3))), name="stem"), "relu", "r"
    )
    h = b.linear(x, Parameter(rng.normal(size=(4, 3))), name="hidden")
    h = b.activation(h, "relu", "r")
    out = b.linear(h, Parameter(rng.normal(size=(3, 4))), name="out")
    y = b.activation(b.add([x, out], "sum"), "relu", "r")
    b.linear(y, Parameter(rng.normal(size=(2, 3))), name="head")
    graph = b.finish()
    changed = {
        block.name
        for block, new in zip(graph.blocks, rescaled(graph).blocks, strict=True)
        if block is not new
    }
    assert changed == {"hidden", "out"}
    # the function of the branch is the same
    one, two = (
        next(np.asarray(bl.weight)[:, :, 0] for bl in rescaled(graph).blocks if bl.name == name)
        for name in ("hidden", "out")
    )
    np.testing.assert_allclose(np.linalg.norm(one, axis=1), 1)
    u = rng.normal(size=3)
    plain = [np.asarray(bl.weight)[:, :, 0] for bl in graph.blocks if bl.name in ("hidden", "out")]
    np.testing.assert_allclose(
        two @ np.maximum(one @ u, 0), plain[1] @ np.maximum(plain[0] @ u, 0), rtol=1e-12
    )


def test_a_pooling_that_nothing_reads_keeps_what_it_pools():
    rng = np.random.default_rng(0)
    b = Builder()
    x = b.convolution(
        b.input("x", (1, 2, 4), channel_axis=1),
        Parameter(rng.normal(size=(3, 2, 1)), ("w",)),
        name="c",
        stride=[1],
        padding=[(0, 0)],
        dilation=[1],
    )
    x = b.activation(x, "relu", "r")
    b.pool(x, name="p", kernel=[2], stride=[2], padding=[(0, 0)], dilation=[1], kind="max")
    graph = b.finish()
    assert [one is two for one, two in zip(graph.blocks, rescaled(graph).blocks, strict=True)] == [
        True
    ] * len(graph.blocks)


def test_units_in_loops_and_gates_are_untouched():
    rng = np.random.default_rng(0)
    b = Builder()
    x = b.moved(b.input("x", (1, 3, 2)), lambda a: a[0])
    state = b.recurrent(
        x,
        "rnn",
        Parameter(rng.normal(size=(3, 2)), ("w",)),
        Parameter(rng.normal(size=(3, 3)), ("u",)),
        name="rnn",
    )
    h = b.activation(
        b.linear(state, Parameter(rng.normal(size=(4, 3)), ("v",)), name="h"), "relu", "r"
    )
    other = b.linear(state, Parameter(rng.normal(size=(4, 3)), ("z",)), name="other")
    b.linear(b.multiply([h, other], "gate"), Parameter(rng.normal(size=(1, 4)), ("o",)), name="out")
    graph = b.finish()
    assert len(unrolled(graph).weight)
    assert all(one is two for one, two in zip(graph.blocks, rescaled(graph).blocks, strict=True))
