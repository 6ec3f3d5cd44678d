"""The one function that models call."""

import torch
from torch import Tensor

from moe_mamba_asv.models.scan.choose import Implementation, choose
from moe_mamba_asv.models.scan.inputs import ScanInputs, normalise, require_finite
from moe_mamba_asv.models.scan.official import scan_official
from moe_mamba_asv.models.scan.operator import run_operator
from moe_mamba_asv.models.scan.reference import scan_reference


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    initial_state: Tensor | None = None,
    return_last_state: bool = False,
    lengths: Tensor | None = None,
    implementation: Implementation = "auto",
) -> Tensor | tuple[Tensor, Tensor]:
    """Run the selective state space model (S6) of Mamba along time.

    For each clip, channel and state, ``h_t = exp(delta_t A) h_{t-1} + delta_t B_t u_t``; the output is
    ``y_t = sum over states of C_t h_t, + D u_t``, times ``silu(z_t)`` where a gate is given. States and sums are kept
    in float32 (float64 when an input is), whatever the type of the inputs. Differentiable in every floating input.

    Args:
        u: (batch, channels, length), the signal; float32, bfloat16, float16 or float64.
        delta: (batch, channels, length), step sizes.
        A: (channels, state), real, negative in a stable system.
        B: (batch, state, length); (batch, groups, state, length), each group for ``channels / groups`` channels;
            or (channels, state), constant over time (correct, but with gradients as large as all states).
        C: as B.
        D: (channels,), the skip connection.
        z: (batch, channels, length), the gate.
        delta_bias: (channels,), added to delta.
        delta_softplus: make delta positive by a softplus, after the bias.
        initial_state: (batch, channels, state), the state before the first step; zeros when absent.
        return_last_state: answer the state after the last step too; handed to the next call as ``initial_state``, it
            makes a stream equal to the whole.
        lengths: (batch,), integers; the clip's own length, at least 0. Padding has no effect, whatever it holds: its
            output is 0, its gradient is 0, and the last state is the one after the clip's own last step.
        implementation: ``auto`` takes the best for the device; ``reference``, ``chunked``, ``native`` (CPU),
            ``triton`` and ``mamba_ssm`` (CUDA) are explicit.

    Returns:
        The output, shape and type of u; with ``return_last_state`` also (batch, channels, state) in float32. What
        float16 cannot hold becomes its largest number; gradients overflow as everywhere in PyTorch, so that a loss
        scaler sees it.

    Raises:
        ScanError: shapes, types or devices that do not fit; an implementation that is not there.
        NonFiniteError: on a CPU, an input holds NaN or infinity; the message says which and where. A GPU is not asked,
            since the question would stall it.

    Source: Gu and Dao, "Mamba: Linear-time sequence modeling with selective state spaces", 2023; the interface is the
    official one's, with initial state and lengths added.
    """
    inputs = normalise(ScanInputs(u, delta, A, B, C, D, z, delta_bias, initial_state, lengths, delta_softplus))
    # Under a compiler the choice is left to the operator: a program may run elsewhere than where it was exported.
    chosen = implementation if torch.compiler.is_compiling() else choose(inputs, implementation)
    if chosen == "reference":
        require_finite(inputs)
        out, last_state = scan_reference(inputs)
    elif chosen == "mamba_ssm":
        out, last_state = scan_official(inputs)
    else:
        wants_gradient = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs.tensors().values())
        keep_states = wants_gradient and not torch.compiler.is_exporting()
        out, last_state = run_operator(inputs, keep_states=keep_states, implementation=chosen)
    return (out, last_state) if return_last_state else out
