"""The scan as a PyTorch operator, so that `torch.compile` and `torch.export` take it as one step.

``moe_mamba_asv::selective_scan`` and its backward twin hold no mathematics: they hand over to an implementation. What
they add is what PyTorch's compilers ask of an operator: the shapes of its answers (*fake*) and its gradient.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from moe_mamba_asv.models.scan.choose import Implementation, choose
from moe_mamba_asv.models.scan.inputs import TENSORS, ScanGradients, ScanInputs, ScanResult

_LIBRARY = torch.library.Library("moe_mamba_asv", "DEF")

_INPUTS = (
    "Tensor u, Tensor delta, Tensor A, Tensor B, Tensor C, Tensor? D, Tensor? z, Tensor? delta_bias, "
    "Tensor? initial_state, Tensor? lengths, bool delta_softplus"
)
_LIBRARY.define(f"selective_scan({_INPUTS}, bool keep_states, str implementation) -> (Tensor, Tensor, Tensor)")
_LIBRARY.define(
    f"selective_scan_backward({_INPUTS}, str implementation, Tensor states, Tensor grad_out, Tensor? grad_last_state)"
    " -> Tensor[]"
)
_NUM_INPUTS = len(TENSORS) + 1
_DIFFERENTIABLE = TENSORS[:-1]


def run_operator(inputs: ScanInputs, *, keep_states: bool, implementation: Implementation) -> tuple[Tensor, Tensor]:
    """Output and last state by the operator; differentiable where the states are kept."""
    arguments = [getattr(inputs, name) for name in TENSORS]
    arguments += [inputs.delta_softplus, keep_states, implementation]
    if _is_traced(inputs.u):
        out, last_state, _ = torch.ops.moe_mamba_asv.selective_scan(*arguments)
    else:
        out, last_state, _ = _Eager.apply(*arguments)  # pyright: ignore[reportGeneralTypeIssues]
    return out, last_state


def _is_traced(tensor: Tensor) -> bool:
    """Whether a compiler looks on, or stands in for the tensor."""
    return torch.compiler.is_compiling() or type(tensor) not in (Tensor, torch.nn.Parameter)


def _forward(*arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    inputs, (keep_states, implementation) = ScanInputs(*arguments[:_NUM_INPUTS]), arguments[_NUM_INPUTS:]
    result = _forward_by(choose(inputs, implementation), inputs, keep_states)
    return _laid_out_like(inputs.u, result.out), result.last_state, result.states


def _laid_out_like(model: Tensor, tensor: Tensor) -> Tensor:
    """The same numbers in the layout that the fake operator promises a compiler."""
    wanted = torch.empty_like(model)
    return tensor if tensor.stride() == wanted.stride() else wanted.copy_(tensor)


def _forward_by(implementation: Implementation, inputs: ScanInputs, keep_states: bool) -> ScanResult:
    match implementation:
        case "native":
            from moe_mamba_asv.models.scan.native.scan import forward_native

            return forward_native(inputs, keep_states=keep_states)
        case "triton":
            from moe_mamba_asv.models.scan.triton.scan import forward_triton

            return forward_triton(inputs, keep_states=keep_states)
        case _:
            from moe_mamba_asv.models.scan.chunked import forward_chunked

            return forward_chunked(inputs, keep_states=keep_states)


def _backward(*arguments: Any) -> list[Tensor]:
    inputs = ScanInputs(*arguments[:_NUM_INPUTS])
    implementation, states, grad_out, grad_last_state = arguments[_NUM_INPUTS:]
    gradients = _backward_by(choose(inputs, implementation), inputs, states, grad_out, grad_last_state)
    # An operator's list holds no None: gradients of absent inputs are left out.
    return [_laid_out_like(getattr(inputs, name), getattr(gradients, name)) for name in _differentiable(inputs)]


def _backward_by(
    implementation: Implementation, inputs: ScanInputs, states: Tensor, grad_out: Tensor, grad_last_state: Tensor | None
) -> ScanGradients:
    match implementation:
        case "native":
            from moe_mamba_asv.models.scan.native.scan import backward_native

            return backward_native(inputs, states, grad_out, grad_last_state)
        case "triton":
            from moe_mamba_asv.models.scan.triton.scan import backward_triton

            return backward_triton(inputs, states, grad_out, grad_last_state)
        case _:
            from moe_mamba_asv.models.scan.chunked import backward_chunked

            return backward_chunked(inputs, states, grad_out, grad_last_state)


def _fake_forward(*arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    inputs, keep_states = ScanInputs(*arguments[:_NUM_INPUTS]), arguments[_NUM_INPUTS]
    batch, channels, _ = inputs.u.shape
    new = inputs.u.new_empty
    last_state = new(batch, channels, inputs.num_states, dtype=inputs.accumulate_dtype)
    chunks = inputs.num_chunks if keep_states else 0
    states = new(batch, chunks, inputs.num_states, channels, dtype=inputs.accumulate_dtype)
    return torch.empty_like(inputs.u), last_state, states


def _fake_backward(*arguments: Any) -> list[Tensor]:
    inputs = ScanInputs(*arguments[:_NUM_INPUTS])
    return [torch.empty_like(getattr(inputs, name)) for name in _differentiable(inputs)]


def _differentiable(inputs: ScanInputs) -> list[str]:
    """Names of the inputs that are present and have a gradient, in their order."""
    return [name for name in _DIFFERENTIABLE if getattr(inputs, name) is not None]


def _remember(ctx: Any, inputs: Sequence[Any], output: tuple[Tensor, Tensor, Tensor]) -> None:
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(output[2])
    *tensors, ctx.delta_softplus = inputs[:_NUM_INPUTS]
    ctx.implementation = inputs[-1]
    ctx.save_for_backward(*tensors, output[0], output[2])


def _gradients(ctx: Any, grad_out: Tensor | None, grad_last_state: Tensor | None, _: None) -> tuple[Any, ...]:
    *tensors, out, states = ctx.saved_tensors
    inputs = ScanInputs(*tensors, ctx.delta_softplus)  # pyright: ignore[reportCallIssue]
    if grad_out is None:
        grad_out = torch.zeros_like(out)
    backward = torch.ops.moe_mamba_asv.selective_scan_backward if _is_traced(grad_out) else _backward
    grads = backward(*tensors, ctx.delta_softplus, ctx.implementation, states, grad_out, grad_last_state)
    by_name = dict(zip(_differentiable(inputs), grads, strict=True))
    return (*(by_name.get(name) for name in TENSORS), None, None, None)  # none for the flags


class _Eager(torch.autograd.Function):
    """The operator without PyTorch's dispatcher, which adds 0.2 ms to a forward and a backward pass."""

    forward = staticmethod(_forward)
    setup_context = staticmethod(_remember)
    backward = staticmethod(once_differentiable(_gradients))  # pyright: ignore[reportAssignmentType]


_LIBRARY.impl("selective_scan", _forward, "CompositeExplicitAutograd")
_LIBRARY.impl("selective_scan_backward", _backward, "CompositeExplicitAutograd")
torch.library.register_fake("moe_mamba_asv::selective_scan", _fake_forward, lib=_LIBRARY)
torch.library.register_fake("moe_mamba_asv::selective_scan_backward", _fake_backward, lib=_LIBRARY)
torch.library.register_autograd("moe_mamba_asv::selective_scan", _gradients, setup_context=_remember, lib=_LIBRARY)
