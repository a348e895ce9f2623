"""The graph of a module of torch that a user has in memory. Imports torch."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from netkin.errors import Lacking, NetkinError, shown
from netkin.graph.blocks import BlockGraph
from netkin.graph.builder import NotUnderstood
from netkin.network.format.input_shape import parse_input_shape
from netkin.network.format.leave_out import hinted, parse_leave_out

if TYPE_CHECKING:
    import torch


def graph_of(
    module: "torch.nn.Module",
    inputs: Any = None,
    *,
    input_shape: str | Sequence[int] | None = None,
    batch_axis: int | None = 0,
    leave_out: str = "",
) -> BlockGraph:
    """Return the graph of a module of torch, by the operators that ``torch.export`` finds in it.

    Parameters
    ----------
    module : torch.nn.Module
        In whatever mode; it is followed as in evaluation, and left as it is.
    inputs : tensor, tuple of them, or dict, optional
        What ``module(...)`` is called with, a dict by name; only shapes and types matter. Of a
        batch the first row is taken.
    input_shape : str or sequence of int, optional
        In place of `inputs`: the shape of the only input without the batch axis, as ``3x224x224``
        or ``(3, 224, 224)``; its type is that of the parameters.
    batch_axis : int, optional
        Of the inputs; None where they have none.
    leave_out : str
        Names of nodes or operators that are left out, see
        `netkin.network.format.leave_out.stand_in`.

    Returns
    -------
    BlockGraph
        Names of parameters are those of ``module.named_parameters()``.

    Raises
    ------
    NetkinError
        One sentence: neither or both of `inputs` and `input_shape` are given, ``torch.export``
        cannot follow the module, or an operator has no rule; then the sentence names the node, and
        its ``__cause__`` is a `netkin.graph.builder.NotUnderstood` with what was understood.

    Examples
    --------
    >>> graph_of(torch.nn.Linear(3, 2), input_shape=(3,)).n_edges  # with two biases
    8
    """
    try:
        import torch
    except ImportError:
        raise Lacking("graph_of: torch is not installed (pip install torch).") from None
    if not isinstance(module, torch.nn.Module):
        raise NetkinError(f"graph_of: found a {type(module).__name__}, allowed is a torch module.")
    title = type(module).__name__
    left_out = parse_leave_out(leave_out)
    arguments, named = _arguments(module, inputs, input_shape, batch_axis)
    tensors = [*module.parameters(), *module.buffers()]
    if any(tensor.is_meta for tensor in tensors):
        raise NetkinError(f"{title}: its parameters are on the meta device and have no numbers.")
    from netkin.network.format.torch_graph import graph_of_program, program_of

    trained = dict(module.named_parameters())
    first = {id(tensor): name for name, tensor in trained.items()}
    names = {
        name: first[id(tensor)]
        for name, tensor in module.named_parameters(remove_duplicate=False)
        if name not in trained
    }
    with _in_evaluation(module), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, of what export does to its own modules
        try:
            exported = torch.export.export(module, arguments, named)
        except Exception as error:  # whatever the module's own code raises
            line = str(error).strip().partition("\n")[0][:300] or type(error).__name__
            hint = "; where inputs are whole numbers, give them as inputs" if input_shape else ""
            raise NetkinError(f"{title}: torch.export cannot follow it ({line}){hint}.") from error
        sizes = {name: tensor.numel() for name, tensor in trained.items()}
        try:
            program = program_of(exported, sizes, names)
            program.leave_out = left_out
            return graph_of_program(program)
        except NotUnderstood as why:
            raise NetkinError(f"{title}: {hinted(why)}.") from why


def _arguments(
    module: "torch.nn.Module",
    inputs: Any,
    input_shape: str | Sequence[int] | None,
    batch_axis: int | None,
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return what the module is called with, one row of each."""
    import torch

    if (inputs is None) == (input_shape is None):
        raise NetkinError("graph_of: give either inputs or input_shape.")
    if input_shape is not None:
        shape: tuple[int, ...] | None = ()
        if isinstance(input_shape, str):
            shape = parse_input_shape(input_shape).of("")
        elif isinstance(input_shape, Sequence):
            shape = (*input_shape,)
        if not shape or not all(type(size) is int and size > 0 for size in shape):
            raise NetkinError(
                f"input_shape: found {shown(input_shape)}; allowed are sizes from 1 on, as in "
                "'3x224x224'."
            )
        floats = (p for p in module.parameters() if p.is_floating_point())
        dtype, device = next(((p.dtype, p.device) for p in floats), (torch.float32, None))
        row = list(shape)
        if batch_axis is not None:
            row.insert(batch_axis, 1)
        return (torch.zeros(row, dtype=dtype, device=device),), {}

    def one(value: Any) -> Any:
        if isinstance(value, torch.Tensor) and batch_axis is not None and value.ndim > batch_axis:
            return value.narrow(batch_axis, 0, 1)
        if isinstance(value, list | tuple):
            return type(value)(one(each) for each in value)
        return value

    if isinstance(inputs, Mapping):
        return (), {str(name): one(value) for name, value in inputs.items()}
    if isinstance(inputs, torch.Tensor):
        return (one(inputs),), {}
    if not isinstance(inputs, list | tuple):
        raise NetkinError(
            f"inputs: found a {type(inputs).__name__}; allowed are a tensor, a tuple, or a dict."
        )
    return tuple(one(value) for value in inputs), {}


@contextmanager
def _in_evaluation(module: "torch.nn.Module") -> Iterator[None]:
    """Set a module to evaluation, and each of its parts back to what it was."""
    before = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in before:
            part.training = training
