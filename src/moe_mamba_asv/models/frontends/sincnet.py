"""A front-end of learnable band-pass filters: it listens to the waveform itself, not to a model's idea of speech."""

from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from moe_mamba_asv.errors import AudioError
from moe_mamba_asv.models.aasist.encoder import ResidualBlock
from moe_mamba_asv.models.frontends.frontend import SHORTEST_SAMPLES, Frontend

_SAMPLE_RATE_HZ = 16_000
#: No filter becomes narrower, so none falls silent.
MIN_BAND_HZ = 5.0
#: The outermost edges start so far from the ends of the range: at an end itself, a sigmoid has no slope.
_MARGIN_HZ = 1.0
#: The mask starts with every gate at sigmoid(3), 95 %: open, and yet with a slope.
_OPEN_LOGIT = 3.0


class SincNetConfig(BaseModel):
    """Size of a `SincNetFrontend`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["sincnet"] = "sincnet"
    num_filters: int = Field(default=70, ge=1, description="band-pass filters")
    num_taps: int = Field(default=129, ge=3, description="samples of a filter; odd")
    low_hz: float = Field(default=0, ge=0, description="lower end of the range of all filters")
    high_hz: float = Field(default=_SAMPLE_RATE_HZ / 2, le=_SAMPLE_RATE_HZ / 2, description="upper end of that range")
    learnable: bool = Field(default=True, description="whether the filters' edges are trained")
    frequency_mask: bool = Field(default=False, description="whether each filter has a gate that is trained")
    channels: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        default=(32, 32, 64, 64, 64, 64), min_length=1, description="of each residual block; each divides time by 3"
    )
    band_channels: int = Field(default=8, ge=1, description="numbers in a frame for each band of three filters")
    causal: bool = Field(default=False, description="whether no frame looks ahead, as scoring a live stream needs")

    @model_validator(mode="after")
    def _filters_exist(self) -> "SincNetConfig":
        if self.num_taps % 2 == 0:
            raise ValueError(f"num_taps {self.num_taps}; wanted an odd number, so that a filter has a centre")
        if self.high_hz - self.low_hz < 2 * MIN_BAND_HZ * self.num_filters:
            raise ValueError(
                f"{self.num_filters} filters from {self.low_hz:g} to {self.high_hz:g} Hz; "
                f"wanted at least {2 * MIN_BAND_HZ:g} Hz for each"
            )
        return self


class BandPassBank(nn.Module):
    """Windowed-sinc band-pass filters, each with a lower edge and a band of its own; at first adjoining, equal in mel.

    low = low_hz + sigmoid(low_logit) · (room for it); high = low + MIN_BAND_HZ + sigmoid(band_logit) · (room left).
    So every edge stays inside the range and every band has a width, whatever an optimiser does. With a mask, each
    filter is multiplied by sigmoid(mask_logit).

    Paper: Ravanelli and Bengio, "Speaker recognition from raw waveform with SincNet", 2018. Differs from it: edges
    through a sigmoid, where the original takes absolute values and clamps, and a clamped edge gets no gradient; filters
    are not scaled by their width, as in RawNet2 and AASIST; the mask.

    Args:
        config: of the front-end.
    """

    low_logits: Tensor
    band_logits: Tensor

    def __init__(self, config: SincNetConfig) -> None:
        super().__init__()
        self.num_taps = config.num_taps
        self.low_hz, self.high_hz = config.low_hz, config.high_hz
        edges = mel_spaced_edges_hz(config.num_filters, config.low_hz, config.high_hz)
        highest_low = config.high_hz - MIN_BAND_HZ
        low = edges[:-1].clip(config.low_hz + _MARGIN_HZ, highest_low - _MARGIN_HZ)
        room = highest_low - low
        band = (edges[1:] - low - MIN_BAND_HZ).clip(_MARGIN_HZ, room - _MARGIN_HZ)
        initial = {
            "low_logits": _logit((low - config.low_hz) / (highest_low - config.low_hz)),
            "band_logits": _logit(band / room),
        }
        for name, logits in initial.items():
            if config.learnable:
                self.register_parameter(name, nn.Parameter(logits))
            else:
                self.register_buffer(name, logits)
        self.mask_logits = (
            nn.Parameter(torch.full((config.num_filters,), _OPEN_LOGIT)) if config.frequency_mask else None
        )

    def edges_hz(self) -> Tensor:
        """Lower and upper edge of each filter: (num_filters, 2), in float32 at least."""
        dtype = torch.promote_types(self.low_logits.dtype, torch.float32)
        low_share, band_share = self.low_logits.to(dtype).sigmoid(), self.band_logits.to(dtype).sigmoid()
        highest_low = self.high_hz - MIN_BAND_HZ
        low = self.low_hz + (highest_low - self.low_hz) * low_share
        high = low + MIN_BAND_HZ + (highest_low - low) * band_share
        return torch.stack([low, high], dim=1)

    def mask(self) -> Tensor:
        """How open each filter's gate is, from 0 to 1: (num_filters,), all 1 where there is no mask."""
        if self.mask_logits is None:
            return torch.ones_like(self.low_logits)
        return self.mask_logits.sigmoid()

    def filters(self) -> Tensor:
        """(num_filters, 1, num_taps), in float32 at least."""
        filters = band_pass_filters(self.edges_hz(), self.num_taps)
        return filters * self.mask()[:, None, None]

    def forward(self, waveforms: Tensor) -> Tensor:
        """(batch, samples) to (batch, num_filters, samples - num_taps + 1), without padding, in the type of the input.

        In float32 at least, also under autocast: bfloat16 would round a sample to 8 bits, and a filter's edges with it.
        """
        with torch.autocast(waveforms.device.type, enabled=False):
            filters = self.filters()
            filtered = nn.functional.conv1d(waveforms.to(filters.dtype).unsqueeze(1), filters)
        return filtered.to(waveforms.dtype)


class SincNetFrontend(Frontend):
    """Band-pass bank > |·| > max over 3 samples × 3 filters > BN > SELU > residual 2-D blocks > 1×1 conv > BN > SELU.

    (batch, samples) to (batch, frames, bands · band_channels). Symbols: three neighbouring filters make a band; each
    block divides time by 3 and leaves the bands apart. A frame keeps them apart too, with a few channels for each: what
    a vocoder leaves behind lies in certain bands, and the maximum over all, which AASIST takes, forgets in which. The
    1×1 convolution keeps a frame short.

    Paper: the encoder of Tak et al., "End-to-end anti-spoofing with RawNet2", 2021, as two-dimensional as in AASIST
    (Jung et al., 2022). Differs from AASIST: filters are learnt; the last band may hold fewer than three filters, where
    AASIST drops the filters that are left over; no norm without effect; frames in place of graphs.

    A clip too short for one frame is repeated until it has one, never zero-padded. What is causal is a
    `CausalSincNetFrontend`.

    Args:
        config: size.

    Attributes:
        hop_samples: from one frame to the next.
    """

    def __init__(self, config: SincNetConfig) -> None:
        super().__init__()
        self.bank = BandPassBank(config)
        self.stem_norm = nn.BatchNorm2d(1)
        # Each block is a `first` one: the others carry AASIST's norm that takes no part.
        self.encoder = nn.Sequential(
            *(ResidualBlock(a, b, first=True, recomputed=False) for a, b in pairwise((1, *config.channels)))
        )
        self.summary = nn.Sequential(
            nn.Conv2d(config.channels[-1], config.band_channels, 1, bias=False),
            nn.BatchNorm2d(config.band_channels),
            nn.SELU(inplace=True),
        )
        self._lead_samples = config.num_taps - 1  # the filters' overlap, which is of no frame
        self.width = -(-config.num_filters // 3) * config.band_channels
        self.hop_samples = 3
        self.receptive_field_samples = config.num_taps + 2
        for _ in config.channels:  # two convolutions and a pooling, each three frames wide
            self.receptive_field_samples += 6 * self.hop_samples
            self.hop_samples *= 3
        self.frame_rate_hz = _SAMPLE_RATE_HZ / self.hop_samples

    def num_frames(self, num_samples: int) -> int:
        """Frames that a waveform of so many samples gives.

        Raises:
            AudioError: fewer than `SHORTEST_SAMPLES`.
        """
        if num_samples < SHORTEST_SAMPLES:
            raise AudioError(f"a clip of {num_samples} samples", wanted=f"at least {SHORTEST_SAMPLES}, 0.1 s")
        return max(1, (num_samples - self._lead_samples) // self.hop_samples)

    def forward(self, waveforms: Tensor) -> Tensor:
        """Embed a batch: (batch, samples) to (batch, frames, width).

        Raises:
            AudioError: fewer than `SHORTEST_SAMPLES`.
        """
        num_samples = waveforms.shape[1]
        needed = self.num_frames(num_samples) * self.hop_samples + self._lead_samples
        if num_samples < needed:
            waveforms = waveforms.repeat(1, -(-needed // num_samples))[:, :needed]
        return self._embed(waveforms)

    def _embed(self, waveforms: Tensor) -> Tensor:
        """`forward` for clips that are long enough."""
        maps = self.summary(self.encoder(self._stem(waveforms)))
        return maps.flatten(1, 2).transpose(1, 2)

    def _stem(self, waveforms: Tensor) -> Tensor:
        """(batch, samples) to (batch, 1, bands, samples / 3)."""
        envelopes = nn.functional.max_pool1d(self.bank(waveforms).abs(), 3).unsqueeze(1)
        maps = nn.functional.max_pool2d(envelopes, (3, 1), ceil_mode=True)
        maps = nn.functional.selu(self.stem_norm(maps), inplace=True)
        # Channels last makes the convolutions about twice as fast on a CPU and changes no answer.
        return maps.to(memory_format=torch.channels_last)

    @torch.no_grad()
    def band_edges_hz(self) -> Tensor:
        """Lower and upper edge of each filter as they are now: (num_filters, 2), without gradient."""
        return self.bank.edges_hz()

    @torch.no_grad()
    def frequency_mask(self) -> Tensor:
        """How open each filter's gate is now, from 0 to 1: (num_filters,), without gradient; 1 where there is none."""
        return self.bank.mask()


def mel_spaced_edges_hz(num_filters: int, low_hz: float, high_hz: float) -> np.ndarray:
    """Edges of adjoining bands between two frequencies, equally wide in mel.

    Returns:
        (num_filters + 1,) in Hz.
    """
    low_mel, high_mel = 2595 * np.log10(1 + np.array([low_hz, high_hz]) / 700)
    return 700 * (10 ** (np.linspace(low_mel, high_mel, num_filters + 1) / 2595) - 1)


def band_pass_filters(edges_hz: Tensor, num_taps: int) -> Tensor:
    """Differences of two low-pass filters, in a Hamming window; differentiable in the edges.

    Args:
        edges_hz: (num_filters, 2), lower and upper.
        num_taps: odd.

    Returns:
        (num_filters, 1, num_taps).
    """
    options = {"dtype": edges_hz.dtype, "device": edges_hz.device}
    time = torch.arange(num_taps, **options) - num_taps // 2
    cutoff = (2 / _SAMPLE_RATE_HZ) * edges_hz.unsqueeze(-1)
    low_pass = cutoff * torch.sinc(cutoff * time)
    window = torch.hamming_window(num_taps, periodic=False, **options)
    return (window * (low_pass[:, 1] - low_pass[:, 0])).unsqueeze(1)


def _logit(share: np.ndarray) -> Tensor:
    """What a sigmoid turns into these shares; float32."""
    return torch.from_numpy(np.log(share / (1 - share)).astype(np.float32))
