"""The selective scan and its gradient for GPUs, in Triton.

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

import triton
import triton.language as tl

_LARGEST_FLOAT16 = tl.constexpr(65504.0)


@triton.jit
def forward_kernel(
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
    """A few channels of a clip through time; `forward_triton` says what is given and answered."""
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

    u_rows = _rows(u_ptr, u_strides, batch, channel)
    delta_rows = _rows(delta_ptr, delta_strides, batch, channel)
    B_rows = _rows(B_ptr, B_strides, batch, group) + state * B_strides[2]
    C_rows = _rows(C_ptr, C_strides, batch, group) + state * C_strides[2]
    out_rows = _rows(out_ptr, out_strides, batch, channel)

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
            z_rows = _rows(z_ptr, z_strides, batch, channel)
            z = _load(z_rows, z_strides[2], is_channel, step, inside)
            y *= z * tl.sigmoid(z)
        if out_ptr.dtype.element_ty == tl.float16:
            y = tl.clamp(y, -_LARGEST_FLOAT16, _LARGEST_FLOAT16, propagate_nan=tl.PropagateNan.ALL)
        _store(out_rows, out_strides[2], y, is_channel, step, length)
    tl.store(last_ptr + square_of_clip, carry, is_square)


@triton.jit
def backward_kernel(
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
    """The same channels back through time; `backward_triton` says what is given and answered."""
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

    u_rows = _rows(u_ptr, u_strides, batch, channel)
    delta_rows = _rows(delta_ptr, delta_strides, batch, channel)
    B_rows = _rows(B_ptr, B_strides, batch, group) + state * B_strides[2]
    C_rows = _rows(C_ptr, C_strides, batch, group) + state * C_strides[2]
    dout_rows = _rows(dout_ptr, dout_strides, batch, channel)
    du_rows = _rows(du_ptr, du_strides, batch, channel)
    ddelta_rows = _rows(ddelta_ptr, ddelta_strides, batch, channel)
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
            z_rows = _rows(z_ptr, z_strides, batch, channel)
            z = _load(z_rows, z_strides[2], is_channel, step, inside)
            gate = tl.sigmoid(z)
            y = tl.sum(h * C[:, None, :], axis=2) + D * u
            dz_rows = _rows(dz_ptr, dz_strides, batch, channel)
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
def _rows(ptr, strides, batch, row):
    """Where rows of a clip begin: those of its channels, or the first of a group."""
    return ptr + batch * strides[0] + row * strides[1]


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
