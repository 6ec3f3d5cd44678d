"""The selective scan in plain PyTorch, with a backward pass of its own.

Autograd through a loop over time stores everything of every step, and takes ten to a hundred times as long as the
loop. Here the forward pass keeps one state a chunk; the backward pass runs each chunk forward once more from it, then
walks back through it. Inside a chunk everything is laid out time first, (steps, batch, groups, channels, state), so
that the loops touch adjacent memory. With g the gradient of h, and w = g · exp(delta A) · h_before:

    g_t = grad_y C_t + exp(delta_{t+1} A) g_{t+1}
    gradient of A: sum w delta    of B: sum over channels of g delta u    of C: sum over channels of grad_y h
    gradient of u: delta sum_n g B    of delta: sum_n w A + u sum_n g B
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from moe_mamba_asv.models.scan.inputs import CHUNK, ScanGradients, ScanInputs, ScanResult, require_finite, to_output


@dataclass(frozen=True)
class _Problem:
    """A scan in the accumulate dtype, time first and by groups.

    Attributes:
        inputs: silenced and converted.
        padding: (batch, 1, length) or None.
        u, delta: (length, batch, groups, channels of a group); delta after bias and softplus, zero in the padding.
        A: (groups, channels of a group, state).
        B, C: (length, batch, groups, state).
    """

    inputs: ScanInputs
    padding: Tensor | None
    u: Tensor
    delta: Tensor
    A: Tensor
    B: Tensor
    C: Tensor

    def time_first(self, tensor: Tensor) -> Tensor:
        """(batch, channels, length) to (length, batch, groups, channels of a group)."""
        return tensor.permute(2, 0, 1).unflatten(2, self.A.shape[:2])

    def chunks(self) -> Iterator[slice]:
        """The spans of time between kept states."""
        for start in range(0, len(self.u), CHUNK):
            yield slice(start, min(start + CHUNK, len(self.u)))

    def factors(self, span: slice, decay: Tensor, drive: Tensor) -> tuple[Tensor, Tensor]:
        """exp(delta A) and delta u B of a span, written into the buffers given."""
        steps = span.stop - span.start
        torch.mul(self.delta[span].unsqueeze(-1), self.A, out=decay[:steps]).exp_()
        torch.mul((self.delta[span] * self.u[span]).unsqueeze(-1), self.B[span].unsqueeze(3), out=drive[:steps])
        return decay[:steps], drive[:steps]

    def buffers(self, count: int) -> Tensor:
        """Room for so many chunks of products, used again for every chunk: fresh memory costs more than arithmetic."""
        steps = min(CHUNK, len(self.u))
        return self.u.new_empty(count, steps, *self.u.shape[1:], self.A.shape[2])


def _prepare(inputs: ScanInputs) -> _Problem:
    padding = inputs.padding()
    x = inputs.silenced().converted(inputs.accumulate_dtype)
    delta = x.delta if x.delta_bias is None else x.delta + x.delta_bias[:, None]
    if x.delta_softplus:
        delta = softplus(delta)
    if padding is not None:
        delta = delta.masked_fill(padding, 0)  # no time passes: the state stays as it is
    sizes = (x.num_groups, -1)
    u, delta = (tensor.permute(2, 0, 1).contiguous().unflatten(2, sizes) for tensor in (x.u, delta))
    B, C = (matrix.permute(3, 0, 1, 2).contiguous() for matrix in (x.B, x.C))
    return _Problem(x, padding, u, delta, x.A.unflatten(0, sizes), B, C)


def _initial(problem: _Problem) -> Tensor:
    """(batch, groups, channels of a group, state)."""
    x = problem.inputs
    if x.initial_state is None:
        return x.u.new_zeros(x.u.shape[0], *problem.A.shape)
    return x.initial_state.unflatten(1, problem.A.shape[:2])


def _run(decay: Tensor, drive: Tensor, h: Tensor) -> Tensor:
    """Turn the drive of a chunk into its states, in place; answers the last one."""
    for factor, state in zip(decay.unbind(), drive.unbind(), strict=True):
        h = state.addcmul_(factor, h)
    return h


def forward_chunked(inputs: ScanInputs, *, keep_states: bool) -> ScanResult:
    """Scan on any device that PyTorch has."""
    require_finite(inputs)
    problem = _prepare(inputs)
    x, h = problem.inputs, _initial(problem)
    y = torch.empty_like(problem.u)
    states = x.u.new_empty(x.u.shape[0], x.num_chunks if keep_states else 0, x.num_states, x.u.shape[1])
    decay, drive = problem.buffers(2)
    for index, span in enumerate(problem.chunks()):
        if keep_states:
            states[:, index] = h.flatten(1, 2).transpose(1, 2)
        factors, hidden = problem.factors(span, decay, drive)
        h = _run(factors, hidden, h)
        torch.matmul(hidden, problem.C[span].unsqueeze(-1), out=y[span].unsqueeze(-1))
        h = h.clone()  # the buffer that it lies in is written again
    out = y.flatten(2).permute(1, 2, 0)
    if x.D is not None:
        out = out + x.D[:, None] * x.u
    if x.z is not None:
        out = out * torch.nn.functional.silu(x.z)
    if problem.padding is not None:
        out = out.masked_fill(problem.padding, 0)
    return ScanResult(to_output(out, inputs.u.dtype), h.flatten(1, 2).contiguous(), states)


def backward_chunked(
    inputs: ScanInputs, states: Tensor, grad_out: Tensor, grad_last_state: Tensor | None
) -> ScanGradients:
    """Gradients of `forward_chunked`, from the states that it kept."""
    problem = _prepare(inputs)
    x = problem.inputs
    grad_out = grad_out.to(x.u.dtype)
    if problem.padding is not None:
        grad_out = grad_out.masked_fill(problem.padding, 0)
    gate = None if x.z is None else torch.sigmoid(x.z)
    grad_y = grad_out if x.z is None or gate is None else grad_out * x.z * gate
    sums = _Sums(problem, grad_last_state)
    buffers = problem.buffers(3)
    rows = problem.time_first(grad_y).contiguous()
    for index, span in reversed(list(enumerate(problem.chunks()))):
        sums.take(span, rows[span], states[:, index].transpose(1, 2), buffers)

    g_B, w_A, y = (tensor.flatten(2).permute(1, 2, 0) for tensor in (sums.g_B, sums.w_A, sums.y))
    grad_u = g_B * problem.delta.flatten(2).permute(1, 2, 0)
    grad_delta = w_A + g_B * x.u
    if problem.padding is not None:
        grad_delta = grad_delta.masked_fill(problem.padding, 0)
    if x.delta_softplus:
        raw = x.delta if x.delta_bias is None else x.delta + x.delta_bias[:, None]
        grad_delta = grad_delta * torch.sigmoid(raw)
    grad_D = grad_z = None
    if x.D is not None:
        grad_u = grad_u + x.D[:, None] * grad_y
        grad_D = (grad_y * x.u).sum((0, 2))
    if x.z is not None and gate is not None:
        skipped = 0 if x.D is None else x.D[:, None] * x.u
        grad_z = grad_out * (y + skipped) * gate * (1 + x.z * (1 - gate))
    return ScanGradients(
        u=grad_u.to(inputs.u.dtype),
        delta=grad_delta.to(inputs.delta.dtype),
        A=sums.A.flatten(0, 1).to(inputs.A.dtype),
        B=sums.B.permute(1, 2, 3, 0).to(inputs.B.dtype),
        C=sums.C.permute(1, 2, 3, 0).to(inputs.C.dtype),
        D=None if inputs.D is None or grad_D is None else grad_D.to(inputs.D.dtype),
        z=None if inputs.z is None or grad_z is None else grad_z.to(inputs.z.dtype),
        delta_bias=None if inputs.delta_bias is None else grad_delta.sum((0, 2)).to(inputs.delta_bias.dtype),
        initial_state=(
            None if inputs.initial_state is None else sums.carry.flatten(1, 2).to(inputs.initial_state.dtype)
        ),
    )


class _Sums:
    """What the backward pass gathers, chunk by chunk, from the last to the first.

    Attributes:
        carry: gradient of the state before the chunk taken last.
        A, B, C: gradients, time first and by groups.
        g_B, w_A: sums over the states, (length, batch, groups, channels of a group).
        y: the output without D and gate, in the same form; filled only where there is a gate.
    """

    def __init__(self, problem: _Problem, grad_last_state: Tensor | None) -> None:
        self.problem = problem
        self.A, self.B, self.C = (torch.zeros_like(matrix) for matrix in (problem.A, problem.B, problem.C))
        self.g_B, self.w_A, self.y = (torch.empty_like(problem.u) for _ in range(3))
        if grad_last_state is None:
            self.carry = problem.u.new_zeros(*problem.u.shape[1:], problem.A.shape[2])
        else:
            self.carry = grad_last_state.to(problem.u.dtype).unflatten(1, problem.A.shape[:2])

    def take(self, span: slice, grad_y: Tensor, start: Tensor, buffers: Tensor) -> None:
        """Walk forward and back through one chunk; ``start`` is the state before it, (batch, channels, state)."""
        problem, steps = self.problem, span.stop - span.start
        u, delta, A, B, C = problem.u[span], problem.delta[span], problem.A, problem.B[span], problem.C[span]
        h = start.unflatten(1, A.shape[:2])
        decay, hidden = problem.factors(span, buffers[0], buffers[1])
        _run(decay, hidden, h)
        g = torch.mul(grad_y.unsqueeze(-1), C.unsqueeze(3), out=buffers[2][:steps])
        g[-1] += self.carry
        for t in range(steps - 2, -1, -1):
            g[t].addcmul_(decay[t + 1], g[t + 1])
        self.carry = decay[0] * g[0]

        torch.matmul(g, B.unsqueeze(-1), out=self.g_B[span].unsqueeze(-1))
        self.B[span] = torch.matmul((delta * u).unsqueeze(-2), g).squeeze(-2)
        self.C[span] = torch.matmul(grad_y.unsqueeze(-2), hidden).squeeze(-2)
        if problem.inputs.z is not None:
            torch.matmul(hidden, C.unsqueeze(-1), out=self.y[span].unsqueeze(-1))
        w = decay.mul_(g)
        w[1:] *= hidden[:-1]
        w[0] *= h
        self.w_A[span] = (w * A).sum(-1)
        self.A += torch.einsum("tbgd,tbgdn->gdn", delta, w)
