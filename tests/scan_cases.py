"""Inputs of the selective scan, and the judge: the step-by-step reference in float64, by autograd."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from moe_mamba_asv.models.scan.inputs import ScanGradients, ScanInputs, ScanResult
from moe_mamba_asv.models.scan.reference import scan_reference

OPTIONAL = ("D", "z", "delta_bias", "initial_state")
#: Largest difference over largest value: of sums in float32, and of a last digit of the shorter types (a processor
#: rounds to half of one, but Triton's interpreter cuts bfloat16 off).
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 2**-7, torch.float16: 2**-10}

Forward = Callable[..., ScanResult]
Backward = Callable[..., ScanGradients]


def made(
    batch: int = 2,
    channels: int = 3,
    length: int = 33,
    state: int = 3,
    groups: int = 1,
    without: tuple[str, ...] = (),
    device: str = "cpu",
) -> ScanInputs:
    """Random inputs with everything in them except what `without` names."""
    generator = torch.Generator().manual_seed(length)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(device)

    inputs = ScanInputs(
        u=normal(batch, channels, length),
        delta=normal(batch, channels, length).abs(),
        A=-normal(channels, state).exp(),
        B=normal(batch, groups, state, length),
        C=normal(batch, groups, state, length),
        D=normal(channels),
        z=normal(batch, channels, length),
        delta_bias=normal(channels).abs(),
        initial_state=normal(batch, channels, state),
        lengths=torch.tensor([length, *[(length + 1) // 2] * (batch - 1)], device=device),
        delta_softplus="delta_softplus" not in without,
    )
    return replace(inputs, **{name: None for name in without if name != "delta_softplus"})


def with_padding(inputs: ScanInputs, value: float) -> ScanInputs:
    """The same inputs with this value wherever a step is padding."""
    padding = inputs.padding()
    assert padding is not None
    over_time = {name: getattr(inputs, name).masked_fill(padding, value) for name in ("u", "delta", "z")}
    over_groups = {name: getattr(inputs, name).masked_fill(padding[:, None], value) for name in ("B", "C")}
    return replace(inputs, **over_time, **over_groups)


def assert_close(name: str, got: Tensor, wanted: Tensor) -> None:
    assert got.shape == wanted.shape, name
    assert torch.isfinite(got).all(), name
    error = (got.double() - wanted).abs().max() / wanted.abs().max().clamp_min(1e-30)
    assert error <= TOLERANCE[got.dtype], f"{name} differs by {error:.1e}"


def assert_as_reference(
    forward: Forward,
    backward: Backward,
    inputs: ScanInputs,
    *,
    grad_out: Tensor | None = None,
    last_state_matters: bool = True,
) -> ScanGradients:
    """Both values and every gradient are those of autograd through the reference in float64; ours are returned."""
    generator = torch.Generator().manual_seed(1)
    if grad_out is None:
        grad_out = torch.randn(inputs.u.shape, generator=generator).to(inputs.u)
    leaves = {name: value.double().requires_grad_() for name, value in inputs.tensors().items() if name != "lengths"}
    out, last_state = scan_reference(replace(inputs, **leaves))
    grad_last_state = torch.randn(last_state.shape, generator=generator).to(grad_out.device)
    given = (out * grad_out.double().nan_to_num()).sum()
    (given + (last_state * grad_last_state).sum() if last_state_matters else given).backward()

    result = forward(inputs, keep_states=True)
    gradients = backward(inputs, result.states, grad_out, grad_last_state if last_state_matters else None)
    assert result.out.dtype == inputs.u.dtype
    assert_close("out", result.out, out.detach())
    assert_close("last_state", result.last_state, last_state.detach())
    for name in ("u", "delta", "A", "B", "C", *OPTIONAL):
        gradient, leaf = getattr(gradients, name), leaves.get(name)
        if leaf is None:
            assert gradient is None, name
        else:
            assert gradient.dtype == getattr(inputs, name).dtype, name
            assert_close(name, gradient, leaf.grad)
    return gradients
