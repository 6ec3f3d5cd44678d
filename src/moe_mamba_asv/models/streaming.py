"""A detector that judges sound while it comes in: what it knows is carried on, and never computed again.

    stream = StreamingModel(model)
    state = stream.empty_state(batch=100)
    while True:
        scores, state = stream.step(state, next_chunk)   # (100, frames · hop_samples) to (100, frames)

The score at a frame is the one that the model gives, offline, to all sound until then. The work for a chunk and the
size of the state depend on nothing but the model: not on how much was heard before.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.models.backends.causal import CausalMamba
from moe_mamba_asv.models.backends.mamba import MambaState
from moe_mamba_asv.models.countermeasure import Countermeasure
from moe_mamba_asv.models.frontends.causal_sincnet import CausalSincNetFrontend, SincNetState
from moe_mamba_asv.models.output import Detector
from moe_mamba_asv.models.pooling import PoolingState, WeightedMean


@dataclass(frozen=True)
class StreamState:
    """What is known of some streams; the first dimension of each tensor counts the streams.

    Attributes:
        frontend: samples and maps that the front-end still sees.
        backend: one for each block.
        pooling: of the frames so far.
    """

    frontend: SincNetState
    backend: tuple[MambaState, ...]
    pooling: PoolingState

    def take(self, streams: Tensor) -> "StreamState":
        """The states of these streams, copied.

        Args:
            streams: (streams,), their places in this state.
        """
        return _each(lambda tensor: tensor[streams], self)

    def put(self, streams: Tensor, states: "StreamState") -> None:
        """Let others take the place of these streams' states; the inverse of `take`."""
        for own, other in zip(_tensors(self), _tensors(states), strict=True):
            own.index_copy_(0, streams, other)

    def num_bytes(self) -> int:
        """Memory of all tensors."""
        return sum(tensor.numel() * tensor.element_size() for tensor in _tensors(self))


class StreamingModel:
    """A causal detector with its state taken out, so that it scores sound chunk by chunk.

    Args:
        model: in eval mode; one causal SincNet, `CausalMamba`, and mean or attentive pooling, as in ``phase1-stream``.
        half_life_s: after so many seconds a frame counts half as much in the mean over time, so that a score is of the
            last moments and not of the whole: about the last 1.4 half-lives. None: all count alike, as offline.

    Attributes:
        hop_samples: from one score to the next.

    Raises:
        ConfigError: the model needs the end of a clip before it can judge its beginning, or it is in training.
    """

    def __init__(self, model: Detector, *, half_life_s: float | None = None) -> None:
        if half_life_s is not None and not half_life_s > 0:
            raise ConfigError(f"half_life_s {half_life_s}", wanted="more than 0, or None to forget nothing")
        if model.training:
            raise ConfigError("a model in training", wanted="running statistics for batch norms", remedy="model.eval()")
        self.model, self.frontend, self.backend, self.pooling = _causal_parts(model)
        self.hop_samples = self.frontend.hop_samples
        self._half_life = math.inf if half_life_s is None else half_life_s * self.frontend.frame_rate_hz

    def empty_state(self, batch: int) -> StreamState:
        """The state of streams of which nothing was heard yet.

        Args:
            batch: streams.
        """
        like = next(self.model.head.parameters())
        return StreamState(
            self.frontend.empty_state(batch, like),
            self.backend.empty_state(batch, like),
            self.pooling.empty_state(batch, like),
        )

    @torch.inference_mode()
    def step(self, state: StreamState, chunk: Tensor) -> tuple[Tensor, StreamState]:
        """Hear the next chunk of each stream.

        Args:
            state: of `empty_state` at the start, then what the last call answered.
            chunk: (batch, frames · hop_samples), 16 kHz, what follows.

        Returns:
            (batch, frames), the score of all sound until the end of each frame, higher = bona fide; and the state for
            the next chunk.

        Raises:
            ConfigError: the chunk is not a whole number of frames.
        """
        if chunk.shape[1] == 0 or chunk.shape[1] % self.hop_samples:
            raise ConfigError(f"a chunk of {chunk.shape[1]} samples", wanted=f"a multiple of {self.hop_samples}")
        frames, frontend = self.frontend.stream(chunk, state.frontend)
        frames, backend = self.backend.stream(self.model.projections[0](frames), state.backend)
        embeddings, pooling = self.pooling.stream(frames, state.pooling, self._half_life)
        scores, _ = self.model.head(embeddings.flatten(0, 1))
        return scores.unflatten(0, embeddings.shape[:2]), StreamState(frontend, backend, pooling)


def _causal_parts(model: Detector) -> tuple[Countermeasure, CausalSincNetFrontend, CausalMamba, WeightedMean]:
    """The parts that carry a state.

    Raises:
        ConfigError: one of them cannot.
    """
    if not isinstance(model, Countermeasure) or len(model.streams()) != 1:
        raise _refusal(f"{type(model).__name__} without exactly one front-end")
    (frontend,) = model.streams()
    if not isinstance(frontend, CausalSincNetFrontend):
        raise _refusal(type(frontend).__name__)
    if not isinstance(model.backend, CausalMamba):
        raise _refusal(type(model.backend).__name__)
    if not isinstance(model.pooling, WeightedMean):
        raise _refusal(type(model.pooling).__name__)
    return model, frontend, model.backend, model.pooling


def _refusal(part: str) -> ConfigError:
    return ConfigError(
        f"{part} in a stream, which needs parts that do not look ahead",
        wanted="one sincnet with causal true, back-end mamba, pooling mean or attentive",
        remedy="the recipe phase1-stream, or phase1-stream-small",
    )


def _each(function: Callable[[Tensor], Tensor], state: Any) -> Any:
    """Apply a function to every tensor of a state; the answer is built as the state is."""
    if isinstance(state, Tensor):
        return function(state)
    if isinstance(state, tuple):
        return tuple(_each(function, part) for part in state)
    return type(state)(**{field.name: _each(function, getattr(state, field.name)) for field in fields(state)})


def _tensors(state: StreamState) -> list[Tensor]:
    """Every tensor of a state, in its order."""
    found: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        found.append(tensor)
        return tensor

    _each(note, state)
    return found
