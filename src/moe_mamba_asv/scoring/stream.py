"""Score calls while they are spoken: sound is pushed in as it comes, and scores come out as soon as they are known."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from moe_mamba_asv.errors import AudioError, ConfigError
from moe_mamba_asv.models.output import Detector
from moe_mamba_asv.models.streaming import StreamingModel

#: A step hears so much at once of all streams together, 10 s: its memory does not grow with what is pushed.
_SAMPLES_A_STEP = 160_000
_SAMPLE_RATE_HZ = 16_000

Samples = NDArray[np.float32]


class StreamScore(NamedTuple):
    """A score of a stream.

    Attributes:
        time_s: seconds from the start of the stream to the end of what was heard.
        score: of all sound until then, or, with a half-life, of the last moments; higher = bona fide.
    """

    time_s: float
    score: float


class Streams:
    """Many streams, scored together: those that have sound for a frame share a forward pass.

    Each stream has a slot, a clock of its own, and sound of its own length in each push; what does not fill a frame
    waits for the next push. A stream's scores are those that it would have alone, to rounding.

    Args:
        model: a causal detector in eval mode, as ``phase1-stream`` makes.
        count: slots.
        half_life_s: see `StreamingModel`.

    Attributes:
        hop_samples: from one score to the next.

    Raises:
        ConfigError: the model looks ahead, or is in training; ``count`` is not positive.
    """

    def __init__(self, model: Detector, count: int, *, half_life_s: float | None = None) -> None:
        if count < 1:
            raise ConfigError(f"{count} streams", wanted="at least 1")
        self._model = StreamingModel(model, half_life_s=half_life_s)
        self.hop_samples = self._model.hop_samples
        with torch.inference_mode():
            self._state = self._model.empty_state(count)
        self._waiting = [np.zeros(0, np.float32)] * count
        self._frames_heard = [0] * count
        self._device = next(model.parameters()).device

    def push(self, chunks: Mapping[int, Samples] | Sequence[Samples]) -> dict[int, list[StreamScore]]:
        """Hear what has come in.

        Args:
            chunks: new samples, float at 16 kHz and of any length, by slot; a sequence (or an array, streams × samples)
                has a chunk for each slot.

        Returns:
            The new scores of each slot that was pushed to, in the order of time; none where no frame was filled.

        Raises:
            AudioError: a chunk is not one-dimensional, not of floating-point numbers or not finite; no stream has heard
                any of this push then.
            ConfigError: there is no such slot, or a sequence has another length.
        """
        by_slot = self._checked(chunks)
        for slot, chunk in by_slot.items():
            self._waiting[slot] = np.concatenate([self._waiting[slot], chunk])
        answers: dict[int, list[StreamScore]] = {slot: [] for slot in by_slot}
        while ready := [slot for slot in by_slot if len(self._waiting[slot]) >= self.hop_samples]:
            for slot, scores in zip(ready, self._step(ready), strict=True):
                answers[slot] += scores
        return answers

    def restart(self, slot: int) -> None:
        """Forget the stream of a slot, and begin another there, at time 0.

        Raises:
            ConfigError: there is no such slot.
        """
        self._require_slots([slot])
        with torch.inference_mode():
            self._state.put(self._places([slot]), self._model.empty_state(1))
        self._waiting[slot] = np.zeros(0, np.float32)
        self._frames_heard[slot] = 0

    def state_bytes(self) -> int:
        """Memory of all that is known of the streams; it does not grow with time."""
        return self._state.num_bytes() + sum(samples.nbytes for samples in self._waiting)

    @torch.inference_mode()
    def _step(self, slots: Sequence[int]) -> list[list[StreamScore]]:
        """Hear as many frames as all of these slots have, or as a step may hold."""
        hop = self.hop_samples
        fewest = min(len(self._waiting[slot]) for slot in slots) // hop
        frames = min(fewest, max(1, _SAMPLES_A_STEP // (hop * len(slots))))
        chunk = torch.from_numpy(np.stack([self._waiting[slot][: frames * hop] for slot in slots]))
        places = self._places(slots)
        found, state = self._model.step(self._state.take(places), chunk.to(self._device))
        self._state.put(places, state)
        answers = []
        for slot, scores in zip(slots, found.float().cpu().tolist(), strict=True):
            ends = range(self._frames_heard[slot] + 1, self._frames_heard[slot] + frames + 1)
            answers.append([StreamScore(end * hop / _SAMPLE_RATE_HZ, s) for end, s in zip(ends, scores, strict=True)])
            self._frames_heard[slot] += frames
            self._waiting[slot] = self._waiting[slot][frames * hop :].copy()  # what was heard is let go
        return answers

    def _places(self, slots: Sequence[int]) -> torch.Tensor:
        return torch.tensor(slots, device=self._device)

    def _checked(self, chunks: Mapping[int, Samples] | Sequence[Samples]) -> dict[int, Samples]:
        """The chunks by slot, each fit to be heard."""
        if not isinstance(chunks, Mapping):
            if len(chunks) != len(self._waiting):
                raise ConfigError(f"{len(chunks)} chunks for {len(self._waiting)} streams", remedy="a dict by slot")
            chunks = dict(enumerate(chunks))
        self._require_slots(list(chunks))
        return {slot: _fit(chunk) for slot, chunk in chunks.items()}

    def _require_slots(self, slots: Sequence[int]) -> None:
        for slot in slots:
            if not 0 <= slot < len(self._waiting):
                raise ConfigError(f"no stream {slot}", wanted=f"0 to {len(self._waiting) - 1}")


class Stream:
    """One stream; see `Streams`, of which it is the only one.

    Example:
        >>> stream = Stream(load_checkpoint(path).build())
        >>> for chunk in microphone:
        ...     for time_s, score in stream.push(chunk):
        ...         print(f"{time_s:.2f} s: {score:+.2f}")

    Args:
        model: a causal detector in eval mode, as ``phase1-stream`` makes.
        half_life_s: see `StreamingModel`.

    Attributes:
        hop_samples: from one score to the next.

    Raises:
        ConfigError: the model looks ahead, or is in training.
    """

    def __init__(self, model: Detector, *, half_life_s: float | None = None) -> None:
        self._streams = Streams(model, 1, half_life_s=half_life_s)
        self.hop_samples = self._streams.hop_samples

    def push(self, chunk: Samples) -> list[StreamScore]:
        """Hear what has come in: samples at 16 kHz, of any length; the new scores, none where no frame was filled.

        Raises:
            AudioError: the chunk is not one-dimensional, not of floating-point numbers or not finite; it was not heard.
        """
        return self._streams.push({0: chunk})[0]

    def restart(self) -> None:
        """Forget all, and begin another stream at time 0."""
        self._streams.restart(0)

    def state_bytes(self) -> int:
        """Memory of all that is known of the stream; it does not grow with time."""
        return self._streams.state_bytes()


def _fit(chunk: Samples) -> Samples:
    """A chunk as float32."""
    chunk = np.asarray(chunk)
    if chunk.ndim != 1 or not np.issubdtype(chunk.dtype, np.floating):
        raise AudioError(
            f"a chunk of shape {chunk.shape} and type {chunk.dtype}", wanted="one dimension of floats from -1 to 1"
        )
    if not np.isfinite(chunk).all():
        # It would stay in the state, and no later score would be a number.
        raise AudioError("a chunk with numbers that are not finite", remedy="leave it out, or push zeros in its place")
    return chunk.astype(np.float32, copy=False)
