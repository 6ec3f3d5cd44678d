"""What happens when a number is not finite: found, named, skipped, rolled back, or stopped with a reason."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from moe_mamba_asv.errors import NonFiniteError
from moe_mamba_asv.training.pieces import own_part


class GuardConfig(BaseModel):
    """How much trouble a run bears."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    patience: int = Field(default=3, ge=1, description="steps skipped in a row before the run rolls back")
    roll_backs: int = Field(default=3, ge=0, description="returns to the last good state before the run stops")
    rate_factor: float = Field(default=0.5, gt=0, le=1, description="learning rates after a return, times this")


@dataclass(frozen=True)
class Fault:
    """What was not finite in a step.

    Attributes:
        what: ``loss``, ``score``, ``gradient``, ``weights`` or ``dev score``.
        culprit: the first module whose answer is not finite though all that it was given is; or the parameter nearest
            to the loss whose gradient or value is not finite.
        rows: of the training table, or of dev.
    """

    what: str
    culprit: str
    rows: tuple[int, ...] = field(default=())


def fault_in_answer(answer: dict[str, Any]) -> str | None:
    """What is not finite in the answer of a learner: ``loss``, ``score`` or nothing."""
    for name in ("score", "loss"):
        if not torch.isfinite(answer[name]).all():
            return name
    return None


def name_culprit(model: nn.Module, forward: Callable[[], Any], waveforms: Tensor) -> str:
    """Run a forward pass again and see where the numbers stop being finite.

    Modules are asked as they finish, inner ones before those that hold them.

    Args:
        model: whose modules are asked.
        forward: the pass, as it was.
        waveforms: what went in.
    """
    found: list[str] = []

    def ask(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if not found and not all(bool(torch.isfinite(tensor).all()) for tensor in _tensors(output)):
                found.append(name)

        return hook

    handles = [module.register_forward_hook(ask(name)) for name, module in model.named_modules() if name]
    reason = "the loss itself"
    try:
        forward()  # in any case: other devices may take part in it
    except NonFiniteError as error:
        reason = str(error)
    finally:
        for handle in handles:
            handle.remove()
    if not torch.isfinite(waveforms).all():
        return "the waveforms"
    return found[0] if found else reason


def not_finite(named: Iterable[tuple[str, Tensor | None]]) -> str | None:
    """The last of several named tensors that is not finite, None if all are; parameters come in forward order.

    Of a tensor that is cut up among devices, only the part on this one is looked at.
    """
    faulty = [name for name, tensor in named if tensor is not None and not torch.isfinite(own_part(tensor)).all()]
    return f"{faulty[-1]}, the last of {len(faulty)}" if faulty else None


class NormMemory:
    """Running statistics of batch norms before a step: a batch that is skipped must not leave a NaN in them."""

    def __init__(self, model: nn.Module) -> None:
        norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
        buffers = [buffer for norm in norms if norm.training for buffer in norm.buffers()]
        self._kept = [(buffer, buffer.clone()) for buffer in buffers]

    def restore(self) -> None:
        """Put them back."""
        for buffer, before in self._kept:
            buffer.copy_(before)


def _tensors(answer: Any) -> list[Tensor]:
    """Floating-point tensors in what a module answers."""
    if isinstance(answer, Tensor):
        return [answer] if answer.is_floating_point() else []
    if isinstance(answer, dict):
        answer = answer.values()
    elif hasattr(answer, "__dataclass_fields__"):
        answer = vars(answer).values()
    elif not isinstance(answer, list | tuple):
        return []
    return [tensor for part in answer for tensor in _tensors(part)]
