"""Multilayer perceptrons of one shape, trained side by side. Imports torch.

A network alone is a stack of one. Forward and backward pass are written out: to record
operations for automatic differentiation takes a good part of a small network's step. On
a GPU each layer of all networks is one batched product, and the whole step
one captured graph.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from netkin.errors import require_choice
from netkin.network.optimiser import RMSprop

EVALUATION_ROWS = 1024
"""Rows of each network evaluated at once; bounds the memory of the hidden activations."""
WARM_UP = 3
"""Steps before one is captured, so that the libraries of a GPU have made their choices."""


class Perceptrons:
    """A stack of perceptrons as `netkin.network.mlp.build_mlp` builds them, in training.

    Each network has an order of rows and a dropout of its own, drawn from its own seed. So
    what it learns does not depend on its neighbours, but for rounding: a batched product
    may sum in another order.

    Parameters
    ----------
    models : sequence of torch.nn.Sequential
        Networks of one shape as training begins with them; they are copied.
    seeds : sequence of int
        For each network the seed of the order of its rows and of its dropout, in [0, 2^63).
    inputs : (n, d) float32 tensor
        Rows that all networks choose theirs from, on the device to train on.
    labels : (n,) int64 tensor
        Their classes.
    dropout : float
        Probability in [0, 1) with which a hidden unit is set to 0 in training, rounded to a
        multiple of 2^-16; kept values are scaled by the inverse of the rounded share.
    learning_rate, rho, epsilon : float
        Constants of RMSprop, see `netkin.network.optimiser.RMSprop`.
    loops : {"compiled", "torch"}, optional
        How dropout and RMSprop are computed: by compiled loops, on a CPU only, or by
        operations of torch, on any device. By default as the device is.
    """

    def __init__(
        self,
        models: Sequence[nn.Sequential],
        seeds: Sequence[int],
        inputs: Tensor,
        labels: Tensor,
        *,
        dropout: float,
        learning_rate: float,
        rho: float,
        epsilon: float,
        loops: Literal["compiled", "torch"] | None = None,
    ) -> None:
        linear = [[part for part in model if isinstance(part, nn.Linear)] for model in models]
        self._inputs, self._labels = inputs, labels
        self._n, device = len(models), inputs.device
        units = [linear[0][0].in_features, *(layer.out_features for layer in linear[0])]
        self.weights = [torch.zeros(self._n, b, a, device=device) for a, b in pairwise(units)]
        self.biases = [torch.zeros(self._n, 1, b, device=device) for b in units[1:]]
        for k, layers in enumerate(linear):
            for i, layer in enumerate(layers):
                self.weights[i][k] = layer.weight.detach()
                self.biases[i][k] = layer.bias.detach()
        # layers share the memory of their gradients, which so stays in the processor's cache
        shared = torch.zeros(max(weight.numel() for weight in self.weights), device=device)
        self._gradients = [shared[: one.numel()].view(one.shape) for one in self.weights]
        optimisers = []
        for weight, gradient, bias in zip(self.weights, self._gradients, self.biases, strict=True):
            weight.grad, bias.grad = gradient, torch.zeros_like(bias)
            optimisers.append(
                RMSprop([weight, bias], learning_rate=learning_rate, rho=rho, epsilon=epsilon)
            )
        loops = loops or ("compiled" if device.type == "cpu" else "torch")
        require_choice("loops", loops, ("compiled", "torch"))
        if loops == "compiled":
            self._rest: _Rest = _Compiled(optimisers, seeds)
        else:
            self._rest = _InTorch(optimisers, seeds, device)
        averages = [part for optimiser in optimisers for part in optimiser.averages]
        self._state = [*self.weights, *self.biases, *averages]
        self._orders = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._dropped = min(round(dropout * 2**16), 2**16 - 1)
        self._scale = 2**16 / (2**16 - self._dropped)
        self._widths = units[1:]
        self._turned = [weight.mT for weight in self.weights]
        self._workspaces: dict[int, _Workspace] = {}
        self._loss = torch.zeros(self._n, dtype=torch.float64, device=device)
        self._right = torch.zeros(self._n, dtype=torch.int64, device=device)
        self._captured: tuple[torch.cuda.CUDAGraph, Tensor] | None = None

    @torch.no_grad()
    def train_epoch(self, rows: Sequence[Tensor], batch_size: int) -> tuple[Tensor, Tensor]:
        """Train on the rows of each network once, in a new order.

        Parameters
        ----------
        rows : sequence of (n,) int64 tensor
            For each network which rows it is trained on, equally many.
        batch_size : int
            Rows a step; the last, smaller batch is kept.

        Returns
        -------
        loss : (networks,) float64
            Mean cross-entropy in nats, a running average with dropout, as Keras reports it.
        accuracy : (networks,) float64
            Share of right answers, the same.
        """
        self._loss.zero_()
        self._right.zero_()
        n_rows = len(rows[0])
        device = self._inputs.device
        order = torch.stack(
            [
                own[torch.randperm(n_rows, generator=generator).to(own.device)]
                for own, generator in zip(rows, self._orders, strict=True)
            ]
        ).to(device)
        for batch in torch.split(order, batch_size, 1):
            if device.type == "cuda" and batch.shape[1] == batch_size:
                self._replay(batch)
            else:
                self._step(batch)
        return self._loss.cpu() / n_rows, self._right.cpu().double() / n_rows

    def _step(self, batch: Tensor) -> None:
        """Change the parameters by one step; `batch` (networks, rows) chooses rows."""
        n_rows = batch.shape[1]
        work = self._workspaces.get(n_rows)
        if work is None:
            work = _Workspace(self._inputs, self._n, n_rows, self._widths)
            self._workspaces[n_rows] = work
        chosen = batch.reshape(-1)
        # index_select copies whole rows; indexing is four times slower
        torch.index_select(self._inputs, 0, chosen, out=work.rows)
        torch.index_select(self._labels, 0, chosen, out=work.flat_labels)
        values, last = work.values, len(self._widths)
        # what dropout scales is scaled within the products
        scales = [1.0] + [self._scale] * (last - 1)
        for i in range(last):
            torch.baddbmm(
                self.biases[i], values[i], self._turned[i], alpha=scales[i], out=values[i + 1]
            )
            if i < last - 1:
                self._rest.rectify(values[i + 1], self._dropped)
        self._rest.answer(values[last], work.labels, self._loss, self._right)
        torch.sum(work.slopes[last], 1, keepdim=True, out=self.biases[-1].grad)
        for i in reversed(range(last)):
            gradient, slope = self._gradients[i], work.slopes[i]
            torch.baddbmm(
                gradient, work.turned[i + 1], values[i], beta=0, alpha=scales[i], out=gradient
            )
            if i:
                torch.baddbmm(
                    slope, work.slopes[i + 1], self.weights[i], beta=0, alpha=scales[i], out=slope
                )
                self._rest.pass_back(slope, values[i], self.biases[i - 1].grad)
            self._rest.update(i)

    def _replay(self, batch: Tensor) -> None:
        """Do a step on a GPU by the captured graph, which is captured first."""
        if self._captured is None:
            chosen = batch.clone()
            # the steps before capturing are undone
            kept = [part.clone() for part in (*self._state, self._loss, self._right)]
            stream = torch.cuda.Stream()  # type: ignore[no-untyped-call] # torch has no types here
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(WARM_UP):
                    self._step(chosen)
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            for generator in self._rest.generators:
                graph.register_generator_state(generator)
            with torch.cuda.graph(graph):
                self._step(chosen)
            for part, before in zip((*self._state, self._loss, self._right), kept, strict=True):
                part.copy_(before)
            self._captured = graph, chosen
        graph, chosen = self._captured
        chosen.copy_(batch)
        graph.replay()

    @torch.no_grad()
    def evaluate(
        self, inputs: Tensor, labels: Tensor, rows: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Return mean cross-entropy and share of right answers, without dropout.

        Parameters
        ----------
        inputs : (n, d) float32 tensor
            Rows to choose from, on the device of the networks.
        labels : (n,) int64 tensor
            Their classes.
        rows : sequence of (m,) int64 tensor
            For each network which rows it answers, equally many.

        Returns
        -------
        loss, accuracy : (networks,) float64
            NaN for no rows.
        """
        loss, right = torch.zeros_like(self._loss), torch.zeros_like(self._right)
        chosen = torch.stack(list(rows)).to(inputs.device)
        for chunk in torch.split(chosen, EVALUATION_ROWS, 1):
            flat = chunk.reshape(-1)
            values = inputs.index_select(0, flat).view(*chunk.shape, inputs.shape[1])
            wanted = labels.index_select(0, flat).view(*chunk.shape, 1)
            for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
                values = torch.baddbmm(bias, values.relu_() if i else values, weight.mT)
            loss -= torch.log_softmax(values, 2).gather(2, wanted).sum((1, 2))
            right += (values.argmax(2, keepdim=True) == wanted).sum((1, 2))
        n_rows = chosen.shape[1] or math.nan
        return loss.cpu() / n_rows, right.cpu().double() / n_rows

    def finite(self) -> list[bool]:
        """Return for each network whether all its parameters are finite."""
        parts = [part.isfinite().flatten(1).all(1) for part in (*self.weights, *self.biases)]
        return [bool(all_finite) for all_finite in torch.stack(parts).all(0)]


class _Workspace:
    """Memory of a step on so many rows, and the views of it, made once.

    Attributes
    ----------
    values : list of (networks, rows, units) tensor
        Inputs, outputs of each hidden layer, and logits, which become their slopes.
    slopes : list of the same
        Slope of the loss by each of these, but for the inputs.
    turned : list of (networks, units, rows) tensor
        Views of the slopes.
    labels : (networks, rows) int64 tensor
    rows, flat_labels : tensor
        Views of inputs and labels, row after row of all networks.
    """

    def __init__(self, inputs: Tensor, n_networks: int, n_rows: int, widths: list[int]) -> None:
        units = [inputs.shape[1], *widths]
        self.values = [inputs.new_empty(n_networks, n_rows, width) for width in units]
        self.slopes = [torch.empty_like(values) for values in self.values[1:-1]]
        self.slopes = [inputs.new_empty(0), *self.slopes, self.values[-1]]
        self.turned = [slope.mT if slope.ndim == 3 else slope for slope in self.slopes]
        self.labels = inputs.new_empty(n_networks, n_rows, dtype=torch.int64)
        self.rows, self.flat_labels = self.values[0].flatten(0, 1), self.labels.flatten()


class _Rest(Protocol):
    """What a step does besides products; all tensors are of (networks, rows, ...)."""

    generators: list[torch.Generator]
    """Of a GPU, where random numbers are drawn there."""

    def rectify(self, values: Tensor, dropped: int) -> None:
        """Apply ReLU and drop units with probability dropped / 2^16, in place."""
        ...

    def answer(self, logits: Tensor, labels: Tensor, loss: Tensor, right: Tensor) -> None:
        """Replace logits by the slope of their mean cross-entropy; add to loss and right ones."""
        ...

    def pass_back(self, slope: Tensor, values: Tensor, sums: Tensor | None) -> None:
        """Set slopes to 0 where the unit was, in place, and write their sums over rows."""
        ...

    def update(self, layer: int) -> None:
        """Change the parameters of a layer by their gradients."""
        ...


class _Compiled:
    """On a CPU, by compiled loops, one pass over the numbers each."""

    def __init__(self, optimisers: Sequence[RMSprop], seeds: Sequence[int]) -> None:
        from netkin.network import loops

        self.generators: list[torch.Generator] = []
        self._loops = loops
        self._bits = [np.random.SFC64(seed) for seed in seeds]
        self._known: dict[int, tuple[Tensor, NDArray[Any], list[NDArray[Any]]]] = {}
        self._layers = [
            [
                [self._arrays(part)[0].reshape(-1) for part in (values, values.grad, averages)]
                for values, averages in zip(one.parameters, one.averages, strict=True)
            ]
            for one in optimisers
        ]
        rmsprop = optimisers[0]
        constants = rmsprop.learning_rate, rmsprop.rho, 1 - rmsprop.rho, rmsprop.epsilon
        self._constants = tuple(np.float32(constant) for constant in constants)

    def _arrays(self, tensor: Tensor | None) -> tuple[NDArray[Any], list[NDArray[Any]]]:
        """Return a tensor that stays, and the flat part of each network, as arrays."""
        known = self._known.get(id(tensor))
        if known is None:
            assert tensor is not None
            array: NDArray[Any] = tensor.numpy()
            known = tensor, array, list(array.reshape(len(array), -1))
            self._known[id(tensor)] = known
        return known[1:]

    def rectify(self, values: Tensor, dropped: int) -> None:
        if not dropped:
            values.relu_()
            return
        for own, bits in zip(self._arrays(values)[1], self._bits, strict=True):
            # one draw of 64 bits serves four units
            draws = bits.random_raw(-(-own.size // 4)).view(np.uint16)
            self._loops.rectify(own, draws, dropped)

    def answer(self, logits: Tensor, labels: Tensor, loss: Tensor, right: Tensor) -> None:
        self._loops.answer(*(self._arrays(part)[0] for part in (logits, labels, loss, right)))

    def pass_back(self, slope: Tensor, values: Tensor, sums: Tensor | None) -> None:
        self._loops.pass_back(*(self._arrays(part)[0] for part in (slope, values, sums)))

    def update(self, layer: int) -> None:
        for values, gradients, averages in self._layers[layer]:
            self._loops.rmsprop(values, gradients, averages, *self._constants)


class _InTorch:
    """By operations of torch, on any device."""

    def __init__(
        self, optimisers: Sequence[RMSprop], seeds: Sequence[int], device: torch.device
    ) -> None:
        self.generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
        self._optimisers = optimisers
        self._draws: dict[int, Tensor] = {}

    def rectify(self, values: Tensor, dropped: int) -> None:
        values.relu_()
        if not dropped:
            return
        n_units = values[0].numel()
        draws = self._draws.get(n_units)
        if draws is None:
            n_draws = -(-n_units // 4)
            draws = torch.empty(len(values), n_draws, dtype=torch.int64, device=values.device)
            self._draws[n_units] = draws
        for own, generator in zip(draws, self.generators, strict=True):
            own.random_(-(2**63), None, generator=generator)
        bits = draws.view(torch.int16)[:, :n_units].view(values.shape)
        values.mul_(bits >= dropped - 2**15)

    def answer(self, logits: Tensor, labels: Tensor, loss: Tensor, right: Tensor) -> None:
        right += (logits.argmax(2) == labels).sum(1)
        wanted = labels.unsqueeze(2)
        log_shares = torch.log_softmax(logits, 2)
        loss -= log_shares.gather(2, wanted).sum((1, 2))
        torch.exp(log_shares, out=logits)
        logits.scatter_add_(2, wanted, logits.new_full(wanted.shape, -1.0))
        logits.div_(logits.shape[1])

    def pass_back(self, slope: Tensor, values: Tensor, sums: Tensor | None) -> None:
        torch.ops.aten.threshold_backward.grad_input(slope, values, 0, grad_input=slope)
        torch.sum(slope, 1, keepdim=True, out=sums)

    def update(self, layer: int) -> None:
        self._optimisers[layer].step()
