"""The scan on a GPU: tensors in, the Triton kernels' answers out."""

from typing import Any

import torch
import triton
from torch import Tensor

from moe_mamba_asv.errors import ScanError
from moe_mamba_asv.models.scan.inputs import CHUNK, ScanGradients, ScanInputs, ScanResult
from moe_mamba_asv.models.scan.triton.kernels import backward_kernel, forward_kernel

#: Channels times states of one program: two warps, and each thread has one channel and state with all steps of a chunk.
_TILE_WIDTH = 64
#: With more channels in a program there would be fewer programs, too few to fill a GPU with a small batch.
_MOST_CHANNELS = 4


def forward_triton(inputs: ScanInputs, *, keep_states: bool) -> ScanResult:
    """Scan on the GPU; sums in float32.

    Args:
        inputs: normalised, on one CUDA device; float32, bfloat16 or float16.
        keep_states: keep the state before each chunk, which ``backward_triton`` needs.

    Raises:
        ScanError: an input is float64.
    """
    arguments = _arguments(inputs)
    u, (batch, channels, _) = inputs.u, inputs.u.shape
    out = torch.empty_like(u)  # in the layout of u, as the operator promises
    last_state = u.new_empty((batch, channels, inputs.num_states), dtype=torch.float32)
    kept = inputs.num_chunks if keep_states else 0
    states = u.new_empty((batch, kept, inputs.num_states, channels), dtype=torch.float32)
    with torch.cuda.device_of(u):
        forward_kernel[_grid(inputs)](
            **arguments,
            initial_ptr=_small(inputs.initial_state),
            out_ptr=out,
            last_ptr=last_state,
            states_ptr=states if keep_states else None,
            out_strides=out.stride(),
        )
    return ScanResult(out, last_state, states)


def backward_triton(
    inputs: ScanInputs, states: Tensor, grad_out: Tensor, grad_last_state: Tensor | None
) -> ScanGradients:
    """Gradients of ``forward_triton``; sums in float32.

    Those of B and C are sums over a group's channels, to which many programs add in no fixed order, so that the last
    digits may change from run to run. Under ``torch.use_deterministic_algorithms`` every program adds to a slice of its
    own instead; the slices, one for up to four channels, are summed afterwards.

    Args:
        inputs: what the forward pass was given.
        states: (batch, chunks, state, channels), what it kept.
        grad_out: (batch, channels, length), of the output.
        grad_last_state: (batch, channels, state), of the last state; None where nothing depends on it.

    Raises:
        ScanError: an input is float64.
    """
    arguments = _arguments(inputs)
    u, B, (batch, channels, _) = inputs.u, inputs.B, inputs.u.shape
    du, ddelta = torch.empty_like(u), torch.empty_like(inputs.delta)
    dz = None if inputs.z is None else torch.empty_like(inputs.z)
    dA, dinitial = u.new_empty((2, batch, channels, inputs.num_states), dtype=torch.float32)
    dD, dbias = u.new_empty((2, batch, channels), dtype=torch.float32)
    slices = _blocks_per_group(inputs) if torch.are_deterministic_algorithms_enabled() else 1
    dB, dC = u.new_zeros((2, slices, *B.shape), dtype=torch.float32)
    with torch.cuda.device_of(u):
        backward_kernel[_grid(inputs)](
            **arguments,
            states_ptr=states,
            dout_ptr=grad_out,
            dlast_ptr=_small(grad_last_state),
            du_ptr=du,
            ddelta_ptr=ddelta,
            dA_ptr=dA,
            dB_ptr=dB,
            dC_ptr=dC,
            dD_ptr=dD,
            dz_ptr=dz,
            dbias_ptr=dbias,
            dinitial_ptr=dinitial,
            dout_strides=grad_out.stride(),
            du_strides=du.stride(),
            ddelta_strides=ddelta.stride(),
            dz_strides=(0, 0, 0) if dz is None else dz.stride(),
            slice_stride=B.numel() if slices > 1 else 0,
        )
    return ScanGradients(
        u=du,
        delta=ddelta,
        A=dA.sum(0).to(inputs.A.dtype),
        B=dB.sum(0).to(B.dtype),
        C=dC.sum(0).to(inputs.C.dtype),
        D=None if inputs.D is None else dD.sum(0).to(inputs.D.dtype),
        z=dz,
        delta_bias=None if inputs.delta_bias is None else dbias.sum(0).to(inputs.delta_bias.dtype),
        initial_state=None if inputs.initial_state is None else dinitial.to(inputs.initial_state.dtype),
    )


def _arguments(inputs: ScanInputs) -> dict[str, Any]:
    """What both kernels are given, by the names of their parameters."""
    if inputs.accumulate_dtype == torch.float64:
        raise ScanError(
            "float64 inputs of the Triton scan", wanted="float32, bfloat16 or float16", remedy="the 'chunked' scan"
        )
    channels_per_group, block_channels, block_states = _tile(inputs)
    return {
        "u_ptr": inputs.u,
        "delta_ptr": inputs.delta,
        "A_ptr": _small(inputs.A),
        "B_ptr": inputs.B,
        "C_ptr": inputs.C,
        "D_ptr": _small(inputs.D),
        "z_ptr": inputs.z,
        "bias_ptr": _small(inputs.delta_bias),
        "lengths_ptr": None if inputs.lengths is None else inputs.lengths.contiguous(),
        "u_strides": inputs.u.stride(),
        "delta_strides": inputs.delta.stride(),
        "B_strides": inputs.B.stride(),
        "C_strides": inputs.C.stride(),
        "z_strides": (0, 0, 0) if inputs.z is None else inputs.z.stride(),
        "length": inputs.u.shape[2],
        "channels": inputs.u.shape[1],
        "channels_per_group": channels_per_group,
        "num_states": inputs.num_states,
        "SOFTPLUS": inputs.delta_softplus,
        "CHUNK": CHUNK,
        "BLOCK_D": block_channels,
        "BLOCK_N": block_states,
        # As many warps of 32 threads as channels and states fill, so that the steps of a chunk stay within a thread.
        "num_warps": max(1, block_channels * block_states // 32),
        # Products and sums rounded once; said here, as Triton warns where it must guess.
        "enable_fp_fusion": True,
    }


def _tile(inputs: ScanInputs) -> tuple[int, int, int]:
    """Channels of a group, and channels and states of one program; the latter two are powers of two."""
    channels_per_group = inputs.u.shape[1] // inputs.num_groups
    block_states = triton.next_power_of_2(inputs.num_states)
    fitting = max(1, _TILE_WIDTH // block_states)
    return channels_per_group, min(fitting, _MOST_CHANNELS, triton.next_power_of_2(channels_per_group)), block_states


def _blocks_per_group(inputs: ScanInputs) -> int:
    channels_per_group, block_channels, _ = _tile(inputs)
    return triton.cdiv(channels_per_group, block_channels)


def _grid(inputs: ScanInputs) -> tuple[int, int]:
    """Programs that read the same B and C, those of one clip, follow each other."""
    return inputs.num_groups * _blocks_per_group(inputs), inputs.u.shape[0]


def _small(tensor: Tensor | None) -> Tensor | None:
    """Contiguous float32: cheap for a tensor without a time axis, and simpler to read than strides."""
    return None if tensor is None else tensor.to(torch.float32).contiguous()
