"""What a selective scan is given, checked once and put into one form."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from moe_mamba_asv.errors import NonFiniteError, ScanError

#: Steps between two states that the forward pass keeps for the backward pass, which recomputes what lies between.
CHUNK = 32

#: The tensors of a scan, in the order of `ScanInputs`; all but the last have a gradient.
TENSORS = ("u", "delta", "A", "B", "C", "D", "z", "delta_bias", "initial_state", "lengths")


@dataclass(frozen=True)
class ScanInputs:
    """The arguments of one scan, in the form that every implementation takes.

    Attributes:
        u: (batch, channels, length), the signal.
        delta: (batch, channels, length), the step size, before bias and softplus.
        A: (channels, state), how fast each state forgets; negative in a stable system.
        B: (batch, groups, state, length), what enters the state; a group serves ``channels / groups`` channels.
        C: (batch, groups, state, length), what is read from it.
        D: (channels,), the part of the signal that goes past the state.
        z: (batch, channels, length), the gate: the result is multiplied by silu(z).
        delta_bias: (channels,), added to delta.
        initial_state: (batch, channels, state); zeros where absent.
        lengths: (batch,) int64; steps from ``lengths[i]`` on are padding.
        delta_softplus: whether delta is made positive by a softplus after the bias.
    """

    u: Tensor
    delta: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    D: Tensor | None = None
    z: Tensor | None = None
    delta_bias: Tensor | None = None
    initial_state: Tensor | None = None
    lengths: Tensor | None = None
    delta_softplus: bool = False

    @property
    def num_chunks(self) -> int:
        """Number of states kept for the backward pass."""
        return (self.u.shape[-1] + CHUNK - 1) // CHUNK

    @property
    def num_states(self) -> int:
        """States of a channel."""
        return self.A.shape[1]

    @property
    def num_groups(self) -> int:
        """Groups of channels that share B and C."""
        return self.B.shape[1]

    @property
    def accumulate_dtype(self) -> torch.dtype:
        """Of states and sums: float64 when any input is, else float32."""
        tensors = (self.u, self.delta, self.A, self.B, self.C)
        return torch.float64 if any(tensor.dtype == torch.float64 for tensor in tensors) else torch.float32

    def tensors(self) -> dict[str, Tensor]:
        """The tensors that are present, by name."""
        named = {name: getattr(self, name) for name in TENSORS}
        return {name: value for name, value in named.items() if value is not None}

    def converted(self, dtype: torch.dtype) -> "ScanInputs":
        """The same inputs with every floating tensor in one type."""
        floating = {name: value.to(dtype) for name, value in self.tensors().items() if value.is_floating_point()}
        return replace(self, **floating)

    def padding(self) -> Tensor | None:
        """(batch, 1, length), true where a step is padding; None where there is none."""
        if self.lengths is None:
            return None
        steps = torch.arange(self.u.shape[-1], device=self.u.device)
        return (steps >= self.lengths[:, None]).unsqueeze(1)

    def silenced(self) -> "ScanInputs":
        """The same inputs with zeros where a step is padding, so that nothing there, not even a NaN, is seen."""
        padding = self.padding()
        if padding is None:
            return self
        over_time = {"u": self.u, "delta": self.delta, "z": self.z}
        zeroed = {name: value.masked_fill(padding, 0) for name, value in over_time.items() if value is not None}
        over_groups = {name: getattr(self, name).masked_fill(padding.unsqueeze(1), 0) for name in ("B", "C")}
        return replace(self, **zeroed, **over_groups)


@dataclass(frozen=True)
class ScanResult:
    """What a forward pass answers.

    Attributes:
        out: like u; zeros in the padding.
        last_state: (batch, channels, state) after each clip's last step, in the accumulate dtype.
        states: (batch, chunks, state, channels), the state before each chunk; no chunks where none were wanted.
    """

    out: Tensor
    last_state: Tensor
    states: Tensor


@dataclass(frozen=True)
class ScanGradients:
    """Gradients, each in the shape and type of its input; None where the input is absent."""

    u: Tensor
    delta: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    D: Tensor | None
    z: Tensor | None
    delta_bias: Tensor | None
    initial_state: Tensor | None


def to_output(value: Tensor, dtype: torch.dtype) -> Tensor:
    """Round a sum to the type of the output; what float16 cannot hold becomes its largest number, not infinity."""
    if dtype == torch.float16:
        largest = torch.finfo(dtype).max
        value = value.clamp(-largest, largest)
    return value.to(dtype)


def require_finite(inputs: ScanInputs) -> None:
    """Refuse inputs that are not finite, on a CPU; elsewhere the question would stall the device.

    Raises:
        NonFiniteError: NaN or infinity outside the padding; the message says which input and where.
    """
    if inputs.u.device.type != "cpu":
        return
    for name, tensor in inputs.silenced().tensors().items():
        if name != "lengths" and not tensor.isfinite().all():
            raise non_finite(name, tensor)


def non_finite(name: str, tensor: Tensor) -> NonFiniteError:
    """The error that names the first element of a tensor that is not finite."""
    where = tuple((~tensor.isfinite()).nonzero()[0].tolist())
    return NonFiniteError(
        f"{name}[{', '.join(map(str, where))}] is {tensor[where].item()}",
        wanted="finite numbers",
        remedy="look for what made it before the scan; the scan itself makes none of finite inputs",
    )


def normalise(inputs: ScanInputs) -> ScanInputs:
    """Bring B and C of the official forms, (batch, state, length) and (channels, state), to the grouped form; check.

    Raises:
        ScanError: shapes, types or devices that do not fit; the message names the tensor.
    """
    if inputs.u.ndim != 3:
        raise ScanError(f"u is {tuple(inputs.u.shape)}", wanted="(batch, channels, length)")
    batch, _, length = inputs.u.shape
    inputs = replace(inputs, B=_grouped(inputs.B, batch, length), C=_grouped(inputs.C, batch, length))
    _require_shapes(inputs)
    for name, tensor in inputs.tensors().items():
        if tensor.device != inputs.u.device:
            raise ScanError(f"{name} is on {tensor.device}", wanted=f"{inputs.u.device}, where u is")
        if name != "lengths" and not tensor.is_floating_point():
            raise ScanError(f"{name} is {tensor.dtype}", wanted="a real floating type")
    if inputs.lengths is not None:
        _require_range(inputs.lengths, length)
        inputs = replace(inputs, lengths=inputs.lengths.to(torch.int64).clamp(0, length))
    return inputs


def _require_range(lengths: Tensor, length: int) -> None:
    """On a CPU only, and not under a compiler: reading a number would stall the one and break the other's graph."""
    if lengths.device.type != "cpu" or torch.compiler.is_compiling():
        return
    low, high = int(lengths.min()), int(lengths.max())
    if low < 0 or high > length:
        raise ScanError(f"lengths go from {low} to {high}", wanted=f"0 to {length}, the steps that there are")


def _grouped(matrix: Tensor, batch: int, length: int) -> Tensor:
    match matrix.ndim:
        case 2:  # constant over time, one row a channel
            return matrix[None, :, :, None].expand(batch, -1, -1, length)
        case 3:
            return matrix.unsqueeze(1)
        case _:
            return matrix


def _require_shapes(inputs: ScanInputs) -> None:
    batch, channels, length = inputs.u.shape
    if inputs.A.ndim != 2:
        raise ScanError(f"A is {tuple(inputs.A.shape)}", wanted="(channels, state)")
    states, groups = inputs.A.shape[1], inputs.B.shape[1] if inputs.B.ndim == 4 else 0
    wanted = {
        "delta": (batch, channels, length),
        "A": (channels, states),
        "B": (batch, groups, states, length),
        "C": (batch, groups, states, length),
        "D": (channels,),
        "z": (batch, channels, length),
        "delta_bias": (channels,),
        "initial_state": (batch, channels, states),
        "lengths": (batch,),
    }
    for name, tensor in inputs.tensors().items():
        if name != "u" and tuple(tensor.shape) != wanted[name]:
            raise ScanError(
                f"{name} is {tuple(tensor.shape)}", wanted=f"{wanted[name]} beside u {(batch, channels, length)}"
            )
    if min(batch, channels, length, states) < 1:
        raise ScanError(f"u is {(batch, channels, length)}, state {states}", wanted="at least one of each")
    if groups < 1 or channels % groups:
        raise ScanError(f"{groups} groups of B and C for {channels} channels", wanted="a divisor of the channels")
