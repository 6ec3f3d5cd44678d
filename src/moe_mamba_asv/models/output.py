"""The contract of every detector: waveforms go in, one score a waveform comes out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

#: Order of the two logits in every model and checkpoint.
LABEL_ORDER = ("spoof", "bonafide")


@dataclass(frozen=True)
class CountermeasureOutput:
    """What a detector says of a batch.

    Attributes:
        score: (batch,); higher = bona fide.
        embedding: (batch, width), the input of the head.
        logits: (batch, 2) in `LABEL_ORDER`; None where a head has none, as a one-class head.
        auxiliaries: what training and diagnostics ask for besides, by name. `Countermeasure` says which.
    """

    score: Tensor
    embedding: Tensor
    logits: Tensor | None = None
    auxiliaries: Mapping[str, Tensor] = field(default_factory=dict)


class Detector(nn.Module):
    """A detector of spoofed speech.

    A subclass answers a (batch, samples) tensor of 16 kHz waveforms with a `CountermeasureOutput`.

    Attributes:
        replaced: borrowed entries whose values are others than the published model's, as a training that started from
            a trained model finds them; a model file holds them even where they are frozen.
    """

    replaced: frozenset[str] = frozenset()

    def forward(self, waveforms: Tensor) -> CountermeasureOutput:
        """Score a batch of equally long waveforms."""
        raise NotImplementedError

    def observe(self, embedding: Tensor, attacks: Tensor) -> None:
        """Learn from what a training step has shown, without a gradient; most detectors do not.

        Args:
            embedding: (batch, width), as the step answered it.
            attacks: (batch,), 0 for bona fide, k for the k-th attack of training, -1 where it is not known.

        Raises:
            ConfigError: there is no class for such an attack.
        """

    def borrowed(self) -> frozenset[str]:
        """Names in the state dict of what came, or could come again, from a published model; none by default."""
        return frozenset()

    def architectures(self) -> list[dict[str, Any] | None]:
        """Of published models inside, one for each front-end, JSON-able; none by default."""
        return []
