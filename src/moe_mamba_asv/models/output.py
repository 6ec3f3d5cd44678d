"""The contract of every detector: waveforms go in, one score a waveform comes out."""

from dataclasses import dataclass

from torch import Tensor, nn

#: Order of the two logits in every model and checkpoint.
LABEL_ORDER = ("spoof", "bonafide")


@dataclass(frozen=True)
class CountermeasureOutput:
    """What a detector says of a batch.

    Attributes:
        score: (batch,); higher = bona fide.
        logits: (batch, 2) in `LABEL_ORDER`.
        embedding: (batch, width), the input of the head.
    """

    score: Tensor
    logits: Tensor
    embedding: Tensor


class Countermeasure(nn.Module):
    """A detector of spoofed speech.

    A subclass answers a (batch, samples) tensor of 16 kHz waveforms with a `CountermeasureOutput`.
    """

    def forward(self, waveforms: Tensor) -> CountermeasureOutput:
        """Score a batch of equally long waveforms."""
        raise NotImplementedError
