"""The contract of every front-end: samples go in, frames come out, and their place in time is never guessed."""

from typing import Any

from torch import Tensor, nn

#: 0.1 s, of front-ends without a model inside: a shorter clip holds less than one syllable.
SHORTEST_SAMPLES = 1_600


class Frontend(nn.Module):
    """Turns waveforms into frames.

    A subclass answers a (batch, samples) tensor of 16 kHz waveforms with (batch, frames, width), and says:

    Attributes:
        width: numbers in a frame.
        frame_rate_hz: frames a second.
        receptive_field_samples: samples that one frame sees, where every frame sees as many; for a front-end whose
            frames attend to the whole clip, what a frame sees before that.

    What training cannot change may be computed once and kept: ``forward(waveforms)`` is
    ``learned(*fixed(waveforms))``.
    """

    width: int
    frame_rate_hz: float
    receptive_field_samples: int

    @property
    def architecture(self) -> dict[str, Any] | None:
        """Of a published model inside, JSON-able; with it a copy is built without the source. None by default."""
        return None

    def num_frames(self, num_samples: int) -> int:
        """Frames that a waveform of so many samples gives."""
        raise NotImplementedError

    def borrowed(self) -> frozenset[str]:
        """Names in the state dict of what came, or could come again, from a published model; none by default."""
        return frozenset()

    def fixed(self, waveforms: Tensor) -> tuple[Tensor, ...]:
        """The part of the work that no training changes; by default none, and these are the waveforms.

        Args:
            waveforms: (batch, samples).

        Returns:
            Tensors that begin with the batch, and that carry no graph but the waveforms' own. A clip has the same
            values whatever it shares a batch with, up to the rounding of matrix products. They hold for these weights
            and for as long as the same parameters ask for a gradient.
        """
        return (waveforms,)

    @property
    def num_fixed(self) -> int:
        """Tensors that `fixed` answers, where they are worth keeping; 0, the default, where they are the waveforms."""
        return 0

    def learned(self, *fixed: Tensor) -> Tensor:
        """The rest of the work: from what `fixed` answered to (batch, frames, width)."""
        (waveforms,) = fixed
        return self(waveforms)

    def forward(self, waveforms: Tensor) -> Tensor:
        """(batch, samples) to (batch, frames, width)."""
        raise NotImplementedError
