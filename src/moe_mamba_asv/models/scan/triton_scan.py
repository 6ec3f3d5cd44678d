"""The selective scan on a GPU, written in Triton.

One program serves a few channels of one clip and walks over its time in chunks. The recurrence h' = a h + b is a chain
of pairs (a, b), and pairs combine associatively, so a chunk is one ``tl.associative_scan`` along time over a
[steps, channels, states] tile that lives in registers; the state at the chunk's end is carried into the next. Nothing
is divided and only decays are multiplied up, so nothing overflows where A is negative. The forward pass keeps the state
before each chunk. The backward pass walks over the chunks from the last to the first, recomputes the states of a chunk
from the kept one and runs the adjoint g_t = C_t dy_t + a_{t+1} g_{t+1} as the same scan in reverse. Memory for
(batch, length, channels, states) is never taken.

Tested in Triton's interpreter, which runs the kernels on the CPU, and compiled for NVIDIA GPUs, but not yet run on one:
its speed is not measured. Needs Triton 3.3, which comes with PyTorch 2.7: strides are passed as tuples.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from moe_mamba_asv.errors import ScanError
from moe_mamba_asv.models.scan.inputs import CHUNK, ScanGradients, ScanInputs, ScanResult

#: Channels times states of one program: two warps, and each thread has one channel and state with all steps of a chunk.
_TILE_WIDTH = 64
#: With more channels in a program there would be fewer programs, too few to fill a GPU with a small batch.
_MOST_CHANNELS = 4
_LARGEST_FLOAT16 = tl.constexpr(65504.0)


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
        _forward_kernel[_grid(inputs)](
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
        _backward_kernel[_grid(inputs)](
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


@triton.jit
def _forward_kernel(
    u_ptr,
    delta_ptr,
    A_ptr,
    B_ptr,
    C_ptr,
    D_ptr,
    z_ptr,
    bias_ptr,
    lengths_ptr,
    initial_ptr,
    out_ptr,
    last_ptr,
    states_ptr,
    u_strides,
    delta_strides,
    B_strides,
    C_strides,
    z_strides,
    out_strides,
    length,
    channels,
    channels_per_group,
    num_states,
    SOFTPLUS: tl.constexpr,
    CHUNK: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    batch = tl.program_id(1).to(tl.int64)
    group, _, channel, is_channel = _place(channels_per_group, BLOCK_D)
    state = tl.arange(0, BLOCK_N)
    is_state = state < num_states
    end = _end_of_clip(lengths_ptr, batch, length)
    num_chunks = tl.cdiv(length, CHUNK)

    square, is_square = channel[:, None] * num_states + state, is_channel[:, None] & is_state
    square_of_clip = batch * channels * num_states + square
    A = _load_small(A_ptr, square, is_square)
    D = _load_small(D_ptr, channel, is_channel)
    bias = _load_small(bias_ptr, channel, is_channel)
    carry = _load_small(initial_ptr, square_of_clip, is_square)

    u_rows = u_ptr + batch * u_strides[0] + channel * u_strides[1]
    delta_rows = delta_ptr + batch * delta_strides[0] + channel * delta_strides[1]
    B_rows = B_ptr + batch * B_strides[0] + group * B_strides[1] + state * B_strides[2]
    C_rows = C_ptr + batch * C_strides[0] + group * C_strides[1] + state * C_strides[2]
    out_rows = out_ptr + batch * out_strides[0] + channel * out_strides[1]

    for chunk in range(num_chunks):
        if states_ptr is not None:
            kept = ((batch * num_chunks + chunk) * num_states + state) * channels + channel[:, None]
            tl.store(states_ptr + kept, carry, is_square)
        step = chunk * CHUNK + tl.arange(0, CHUNK)
        inside = step < end
        delta = _step_size(_load(delta_rows, delta_strides[2], is_channel, step, inside) + bias, inside, SOFTPLUS)
        u = _load(u_rows, u_strides[2], is_channel, step, inside)
        B = _load(B_rows, B_strides[3], is_state, step, inside)
        C = _load(C_rows, C_strides[3], is_state, step, inside)

        h = _states_after(delta, u, A, B, carry)
        carry = _row(h, CHUNK - 1)  # right where the clip has ended, too: the state does not move in the padding

        y = tl.sum(h * C[:, None, :], axis=2) + D * u
        if z_ptr is not None:
            z_rows = z_ptr + batch * z_strides[0] + channel * z_strides[1]
            z = _load(z_rows, z_strides[2], is_channel, step, inside)
            y *= z * tl.sigmoid(z)
        if out_ptr.dtype.element_ty == tl.float16:
            y = tl.clamp(y, -_LARGEST_FLOAT16, _LARGEST_FLOAT16, propagate_nan=tl.PropagateNan.ALL)
        _store(out_rows, out_strides[2], y, is_channel, step, length)
    tl.store(last_ptr + square_of_clip, carry, is_square)


@triton.jit
def _backward_kernel(
    u_ptr,
    delta_ptr,
    A_ptr,
    B_ptr,
    C_ptr,
    D_ptr,
    z_ptr,
    bias_ptr,
    lengths_ptr,
    states_ptr,
    dout_ptr,
    dlast_ptr,
    du_ptr,
    ddelta_ptr,
    dA_ptr,
    dB_ptr,
    dC_ptr,
    dD_ptr,
    dz_ptr,
    dbias_ptr,
    dinitial_ptr,
    u_strides,
    delta_strides,
    B_strides,
    C_strides,
    z_strides,
    dout_strides,
    du_strides,
    ddelta_strides,
    dz_strides,
    slice_stride,
    length,
    channels,
    channels_per_group,
    num_states,
    SOFTPLUS: tl.constexpr,
    CHUNK: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    batch = tl.program_id(1).to(tl.int64)
    group, block, channel, is_channel = _place(channels_per_group, BLOCK_D)
    state = tl.arange(0, BLOCK_N)
    is_state = state < num_states
    end = _end_of_clip(lengths_ptr, batch, length)
    num_chunks = tl.cdiv(length, CHUNK)

    square, is_square = channel[:, None] * num_states + state, is_channel[:, None] & is_state
    square_of_clip = batch * channels * num_states + square
    A = _load_small(A_ptr, square, is_square)
    D = _load_small(D_ptr, channel, is_channel)
    bias = _load_small(bias_ptr, channel, is_channel)
    carry = _load_small(dlast_ptr, square_of_clip, is_square)  # the gradient of the state between two chunks

    u_rows = u_ptr + batch * u_strides[0] + channel * u_strides[1]
    delta_rows = delta_ptr + batch * delta_strides[0] + channel * delta_strides[1]
    B_rows = B_ptr + batch * B_strides[0] + group * B_strides[1] + state * B_strides[2]
    C_rows = C_ptr + batch * C_strides[0] + group * C_strides[1] + state * C_strides[2]
    dout_rows = dout_ptr + batch * dout_strides[0] + channel * dout_strides[1]
    du_rows = du_ptr + batch * du_strides[0] + channel * du_strides[1]
    ddelta_rows = ddelta_ptr + batch * ddelta_strides[0] + channel * ddelta_strides[1]
    groups = channels // channels_per_group
    matrix_row = block * slice_stride + ((batch * groups + group) * num_states + state) * length

    dA = tl.zeros((BLOCK_D, BLOCK_N), tl.float32)
    dD = tl.zeros((BLOCK_D,), tl.float32)
    dbias = tl.zeros((BLOCK_D,), tl.float32)

    for done in range(num_chunks):
        chunk = num_chunks - 1 - done
        row = tl.arange(0, CHUNK)
        step = chunk * CHUNK + row
        inside = step < end
        raw = _load(delta_rows, delta_strides[2], is_channel, step, inside) + bias
        delta = _step_size(raw, inside, SOFTPLUS)
        u = _load(u_rows, u_strides[2], is_channel, step, inside)
        B = _load(B_rows, B_strides[3], is_state, step, inside)
        C = _load(C_rows, C_strides[3], is_state, step, inside)
        dy = _load(dout_rows, dout_strides[2], is_channel, step, inside)

        # The state before a step is the one after the step before it, so the same scan gives it from inputs of one step
        # earlier. Taking it from the state after the step, (h - b) / a, would lose it where the decay is strong.
        earlier = (row > 0) & (step - 1 < end)
        delta_earlier = _load(delta_rows, delta_strides[2], is_channel, step - 1, earlier) + bias
        delta_earlier = _step_size(delta_earlier, earlier, SOFTPLUS)
        u_earlier = _load(u_rows, u_strides[2], is_channel, step - 1, earlier)
        B_earlier = _load(B_rows, B_strides[3], is_state, step - 1, earlier)
        kept = ((batch * num_chunks + chunk) * num_states + state) * channels + channel[:, None]
        h_before = _states_after(delta_earlier, u_earlier, A, B_earlier, _load_small(states_ptr, kept, is_square))
        decay = tl.exp(delta[:, :, None] * A)
        h = decay * h_before + (delta * u)[:, :, None] * B[:, None, :]

        if z_ptr is not None:
            z_rows = z_ptr + batch * z_strides[0] + channel * z_strides[1]
            z = _load(z_rows, z_strides[2], is_channel, step, inside)
            gate = tl.sigmoid(z)
            y = tl.sum(h * C[:, None, :], axis=2) + D * u
            dz_rows = dz_ptr + batch * dz_strides[0] + channel * dz_strides[1]
            dz = dy * y * gate * (1.0 + z * (1.0 - gate))
            _store(dz_rows, dz_strides[2], dz, is_channel, step, length)
            dy *= z * gate

        # Backwards, a step hands its gradient on through its own decay: the pairs hold the decay of one step later.
        later = (row < CHUNK - 1) & (step + 1 < end)
        delta_later = _load(delta_rows, delta_strides[2], is_channel, step + 1, later) + bias
        decay_later = tl.exp(_step_size(delta_later, later, SOFTPLUS)[:, :, None] * A)
        decays, sums = tl.associative_scan((decay_later, dy[:, :, None] * C[:, None, :]), 0, _join, reverse=True)
        g = decays * carry + sums
        decayed = g * decay
        carry = _row(decayed, 0)

        slope = decayed * h_before  # the gradient of delta * A
        into = tl.sum(g * B[:, None, :], axis=2)  # that of delta * u
        ddelta = tl.where(inside[:, None], tl.sum(slope * A, axis=2) + into * u, 0.0)
        if SOFTPLUS:
            ddelta *= tl.sigmoid(raw)
        _store(du_rows, du_strides[2], into * delta + D * dy, is_channel, step, length)
        _store(ddelta_rows, ddelta_strides[2], ddelta, is_channel, step, length)
        dA += tl.sum(slope * delta[:, :, None], axis=0)
        dD += tl.sum(dy * u, axis=0)
        dbias += tl.sum(ddelta, axis=0)
        here, is_here = matrix_row + step[:, None], inside[:, None] & is_state
        tl.atomic_add(dB_ptr + here, tl.sum(g * (delta * u)[:, :, None], axis=1), is_here, sem="relaxed")
        tl.atomic_add(dC_ptr + here, tl.sum(h * dy[:, :, None], axis=1), is_here, sem="relaxed")

    tl.store(dA_ptr + square_of_clip, dA, is_square)
    tl.store(dinitial_ptr + square_of_clip, carry, is_square)
    tl.store(dD_ptr + batch * channels + channel, dD, is_channel)
    tl.store(dbias_ptr + batch * channels + channel, dbias, is_channel)


@triton.jit
def _place(channels_per_group, BLOCK_D: tl.constexpr):
    """Group, number within the group and channels of this program; int64, as offsets outgrow 32 bits."""
    blocks_per_group = tl.cdiv(channels_per_group, BLOCK_D)
    group = (tl.program_id(0) // blocks_per_group).to(tl.int64)
    block = (tl.program_id(0) % blocks_per_group).to(tl.int64)
    within = block * BLOCK_D + tl.arange(0, BLOCK_D)
    return group, block, group * channels_per_group + within, within < channels_per_group


@triton.jit
def _end_of_clip(lengths_ptr, batch, length):
    """The first step that is padding."""
    end = length
    if lengths_ptr is not None:
        end = tl.minimum(tl.load(lengths_ptr + batch), length)
    return end


@triton.jit
def _load_small(ptr, offsets, mask):
    """float32; zeros where the tensor is absent."""
    values = tl.zeros(offsets.shape, tl.float32)
    if ptr is not None:
        values = tl.load(ptr + offsets, mask, 0.0)
    return values


@triton.jit
def _load(rows, stride, is_row, step, is_step):
    """[steps, rows] as float32, of rows that begin at pointers; zeros where a mask is false."""
    return tl.load(rows + step.to(tl.int64)[:, None] * stride, is_step[:, None] & is_row, 0.0).to(tl.float32)


@triton.jit
def _store(rows, stride, values, is_row, step, length):
    """[steps, rows] to rows that begin at pointers."""
    tl.store(rows + step.to(tl.int64)[:, None] * stride, values, (step < length)[:, None] & is_row)


@triton.jit
def _step_size(delta, inside, SOFTPLUS: tl.constexpr):
    """Softplus where it is asked for; zero in the padding, where no time passes: the state stays as it is."""
    if SOFTPLUS:
        # ln(1 + e) as 2 artanh(e / (2 + e)), by its series: without a logarithm a small step keeps all its digits.
        # PyTorch's threshold, softplus(x) = x above 20, is what float32 rounds this to.
        e = tl.exp(-tl.abs(delta))
        ratio = e / (2.0 + e)
        s = ratio * ratio
        series = 1 + s * (1 / 3 + s * (1 / 5 + s * (1 / 7 + s * (1 / 9 + s * (1 / 11 + s * (1 / 13 + s / 15))))))
        delta = tl.maximum(delta, 0.0) + 2.0 * ratio * series
    return tl.where(inside[:, None], delta, 0.0)


@triton.jit
def _join(decay, state, next_decay, next_state):
    """Two stretches of the recurrence as one."""
    return next_decay * decay, next_decay * state + next_state


@triton.jit
def _states_after(delta, u, A, B, start):
    """[steps, channels, states], the state after each step from the one at the start."""
    decay = tl.exp(delta[:, :, None] * A)
    decays, sums = tl.associative_scan((decay, (delta * u)[:, :, None] * B[:, None, :]), 0, _join)
    return decays * start + sums


@triton.jit
def _row(tile, index):
    """[channels, states] of one step."""
    return tl.sum(tl.where(tl.arange(0, tile.shape[0])[:, None, None] == index, tile, 0.0), axis=0)
