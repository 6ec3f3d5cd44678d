"""The native scan: tensors in, the C kernel's answers out."""

from dataclasses import replace

import torch
from torch import Tensor

from moe_mamba_asv.models.scan.inputs import ScanGradients, ScanInputs, ScanResult, non_finite, to_output
from moe_mamba_asv.models.scan.native.library import (
    BAD_INPUTS,
    BFLOAT16,
    FLOAT32,
    FLOAT64,
    Arguments,
    StridedTensor,
    library,
)

#: The kernel reads these as they are; anything else is converted before.
_TYPES = {torch.float32: FLOAT32, torch.bfloat16: BFLOAT16}
#: So many tasks are aimed at, whatever the number of threads: sums must not depend on it. More would serve more
#: cores where a batch is small, and cost time everywhere, since each has sums over its channels to finish.
_TASKS = 8


def best_variant(dtype: torch.dtype) -> str:
    """The instruction set that serves an accumulate dtype on this processor."""
    return "double" if dtype == torch.float64 else next(iter(library().variants))


def forward_native(inputs: ScanInputs, *, keep_states: bool, variant: str | None = None) -> ScanResult:
    """Scan on the CPU.

    Args:
        inputs: on the CPU.
        keep_states: whether a backward pass will follow.
        variant: an instruction set of `Library.variants`; the best where absent.

    Raises:
        NonFiniteError: an input holds NaN or infinity (outside the padding); the message says which and where.
    """
    variant = variant or best_variant(inputs.accumulate_dtype)
    x, dtype = _readable(inputs, variant), inputs.accumulate_dtype
    batch, channels, _ = x.u.shape
    # The kernel stops at a clip's own length: what lies behind it is zero from the start.
    new, new_like = (torch.empty, torch.empty_like) if x.lengths is None else (torch.zeros, torch.zeros_like)
    out = new_like(x.u)
    last_state = torch.empty(batch, channels, x.num_states, dtype=dtype)
    states = new(batch, x.num_chunks if keep_states else 0, x.num_states, channels, dtype=dtype)
    _prefer_large_pages(out, states)
    arguments = _arguments(x, variant)
    arguments.out, arguments.last_state = _strided(out), last_state.data_ptr()
    arguments.kept = states.data_ptr() if keep_states else None
    bad = library().forward(arguments, variant, torch.get_num_threads())
    if bad:
        name = next(name for bit, name in BAD_INPUTS.items() if bad & bit)
        raise non_finite(name, inputs.silenced().tensors()[name])
    return ScanResult(to_output(out, inputs.u.dtype), last_state, states)


def backward_native(
    inputs: ScanInputs,
    states: Tensor,
    grad_out: Tensor,
    grad_last_state: Tensor | None,
    *,
    variant: str | None = None,
) -> ScanGradients:
    """Gradients of `forward_native`, from the states that it kept."""
    variant = variant or best_variant(inputs.accumulate_dtype)
    x, dtype = _readable(inputs, variant), inputs.accumulate_dtype
    batch, channels, length = x.u.shape
    new, new_like = (torch.empty, torch.empty_like) if x.lengths is None else (torch.zeros, torch.zeros_like)
    grad_u, grad_delta = new_like(x.u), new_like(x.delta)
    grad_z = None if x.z is None else new_like(x.z)
    arguments = _arguments(x, variant)
    grad_A, grad_initial = new(2, batch, channels, x.num_states, dtype=dtype)
    grad_D, grad_bias = new(2, batch, channels, dtype=dtype)
    grad_B, grad_C = new(2, batch, x.num_groups, arguments.segments, x.num_states, length, dtype=dtype)
    _prefer_large_pages(grad_u, grad_delta, grad_z, grad_B, grad_C)
    grad_out = _convert(grad_out, _accepted(variant))
    grad_last_state = None if grad_last_state is None else grad_last_state.to(dtype).contiguous()
    arguments.kept = states.data_ptr()
    arguments.grad_out, arguments.grad_last_state = _strided(grad_out), _address(grad_last_state)
    arguments.grad_u, arguments.grad_delta, arguments.grad_z = map(_strided, (grad_u, grad_delta, grad_z))
    arguments.grad_A, arguments.grad_initial_state = grad_A.data_ptr(), grad_initial.data_ptr()
    arguments.grad_D, arguments.grad_delta_bias = grad_D.data_ptr(), grad_bias.data_ptr()
    arguments.grad_B, arguments.grad_C = grad_B.data_ptr(), grad_C.data_ptr()
    library().backward(arguments, variant, torch.get_num_threads())
    of = inputs.tensors()
    return ScanGradients(
        u=grad_u.to(inputs.u.dtype),
        delta=grad_delta.to(inputs.delta.dtype),
        A=grad_A.sum(0).to(inputs.A.dtype),
        B=_finished(grad_B).to(inputs.B.dtype),
        C=_finished(grad_C).to(inputs.C.dtype),
        D=grad_D.sum(0).to(of["D"].dtype) if "D" in of else None,
        z=grad_z.to(of["z"].dtype) if grad_z is not None else None,
        delta_bias=grad_bias.sum(0).to(of["delta_bias"].dtype) if "delta_bias" in of else None,
        initial_state=grad_initial.to(of["initial_state"].dtype) if "initial_state" in of else None,
    )


def _prefer_large_pages(*tensors: Tensor | None) -> None:
    for tensor in tensors:
        if tensor is not None:
            library().prefer_large_pages(tensor.data_ptr(), tensor.nbytes)


def _finished(segments: Tensor) -> Tensor:
    """(batch, groups, segments, state, length) summed over the segments."""
    return segments.squeeze(2) if segments.shape[2] == 1 else segments.sum(2)


def _accepted(variant: str) -> tuple[torch.dtype, ...]:
    return (torch.float64,) if variant == "double" else tuple(_TYPES)


def _convert(tensor: Tensor, accepted: tuple[torch.dtype, ...]) -> Tensor:
    return tensor if tensor.dtype in accepted else tensor.to(accepted[0])


def _readable(inputs: ScanInputs, variant: str) -> ScanInputs:
    """The same inputs in types and layouts that the kernel reads."""
    accepted = _accepted(variant)
    strided = {name: _convert(getattr(inputs, name), accepted) for name in ("u", "delta", "B", "C")}
    z = None if inputs.z is None else _convert(inputs.z, accepted)
    small = {"A": inputs.A, "D": inputs.D, "delta_bias": inputs.delta_bias, "initial_state": inputs.initial_state}
    whole = {name: None if value is None else value.to(accepted[0]).contiguous() for name, value in small.items()}
    lengths = None if inputs.lengths is None else inputs.lengths.contiguous()
    return replace(inputs, **strided, **whole, z=z, lengths=lengths)


def _arguments(x: ScanInputs, variant: str) -> Arguments:
    batch, channels, length = x.u.shape
    blocks = -(-channels // x.num_groups // library().lanes[variant])
    return Arguments(
        batches=batch,
        channels=channels,
        length=length,
        states=x.num_states,
        groups=x.num_groups,
        segments=min(blocks, -(-_TASKS // (batch * x.num_groups))),
        delta_softplus=x.delta_softplus,
        lengths=_address(x.lengths),
        u=_strided(x.u),
        delta=_strided(x.delta),
        z=_strided(x.z),
        B=_strided(x.B),
        C=_strided(x.C),
        A=_address(x.A),
        D=_address(x.D),
        delta_bias=_address(x.delta_bias),
        initial_state=_address(x.initial_state),
    )


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def _strided(tensor: Tensor | None) -> StridedTensor:
    if tensor is None:
        return StridedTensor()
    code = FLOAT64 if tensor.dtype == torch.float64 else _TYPES[tensor.dtype]
    strides = tensor.stride() if tensor.ndim == 4 else (*tensor.stride()[:2], 0, tensor.stride(2))
    return StridedTensor(tensor.data_ptr(), code, *strides)
