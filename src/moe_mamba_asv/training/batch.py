"""What a step learns from."""

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Clips of equal length and what is known of them.

    Attributes:
        waveforms: (batch, samples), 16 kHz.
        labels: (batch,), 1 for bona fide and 0 for spoof, as in `LABEL_ORDER`.
        rows: (batch,), of the table that they come from.
        attacks: (batch,), 0 for bona fide, k for the k-th attack of training, -1 where it is not known.
        domains: (batch,), number of the corpus.
        fixed: each (batch, ...); what `Countermeasure.fixed` answered of the waveforms, where it is kept, else nothing.
    """

    waveforms: Tensor
    labels: Tensor
    rows: Tensor
    attacks: Tensor
    domains: Tensor
    fixed: tuple[Tensor, ...] = ()

    @classmethod
    def of(cls, *tensors: Tensor) -> "Batch":
        """The batch of which these are the `tensors`."""
        count = len(fields(cls)) - 1
        return cls(*tensors[:count], fixed=tensors[count:])

    @property
    def inputs(self) -> tuple[Any, ...]:
        """What a detector is called with: the waveforms, and ``fixed`` beside them where it is kept."""
        return (self.waveforms, self.fixed) if self.fixed else (self.waveforms,)

    def to(self, device: torch.device) -> "Batch":
        """The same on another device."""
        return Batch.of(*(tensor.to(device, non_blocking=True) for tensor in self.tensors()))

    def tensors(self) -> tuple[Tensor, ...]:
        """The fields, in their order; those in ``fixed`` at the end, one by one."""
        return (*(getattr(self, field.name) for field in fields(self)[:-1]), *self.fixed)
