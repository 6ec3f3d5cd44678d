"""The selective scan as the paper writes it: one step after the other, to be read beside it and to judge the others.

Glossary, code to paper (Gu and Dao, "Mamba: Linear-time sequence modeling with selective state spaces", 2023):

====================  =====================================================================
u                     x, the input of the state space model, one scalar a channel and step
delta                 Δ, the step size; after ``softplus(delta + delta_bias)``
A                     A, diagonal: one rate for each channel and state
B, C                  B and C, selective: a vector over the states for each step
D                     D, the skip connection
h                     h, the hidden state
exp(delta · A)        Ā, the zero-order hold of A
delta · B · u         B̄x, the Euler approximation of B's zero-order hold, as in the official code
y                     y = C h + D x
z                     the gate of the Mamba block, fused here as in the official code
====================  =====================================================================
"""

import torch
from torch import Tensor

from moe_mamba_asv.models.scan.inputs import ScanInputs, to_output


def scan_reference(inputs: ScanInputs) -> tuple[Tensor, Tensor]:
    """Scan step by step in plain PyTorch; gradients by autograd, float64 when an input is.

    Returns:
        The output, like u, and the last state, (batch, channels, state).
    """
    out_dtype, padding = inputs.u.dtype, inputs.padding()
    x = inputs.silenced().converted(inputs.accumulate_dtype)
    delta = x.delta if x.delta_bias is None else x.delta + x.delta_bias[:, None]
    if x.delta_softplus:
        delta = torch.nn.functional.softplus(delta)
    if padding is not None:
        delta = delta.masked_fill(padding, 0)  # no time passes: the state stays as it is
    channels_per_group = x.u.shape[1] // x.num_groups
    B = x.B.repeat_interleave(channels_per_group, dim=1)
    C = x.C.repeat_interleave(channels_per_group, dim=1)

    h = x.initial_state if x.initial_state is not None else x.u.new_zeros(*x.u.shape[:2], x.num_states)
    steps = []
    for t in range(x.u.shape[-1]):
        delta_t = delta[:, :, t, None]
        h = torch.exp(delta_t * x.A) * h + delta_t * B[..., t] * x.u[:, :, t, None]
        steps.append((h * C[..., t]).sum(-1))
    y = torch.stack(steps, dim=-1)

    if x.D is not None:
        y = y + x.D[:, None] * x.u
    if x.z is not None:
        y = y * torch.nn.functional.silu(x.z)
    if padding is not None:
        y = y.masked_fill(padding, 0)
    return to_output(y, out_dtype), h
