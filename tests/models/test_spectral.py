"""The spectral front-end: what its maps say, what its frames see, and that its numbers about itself are true."""

import numpy as np
import pytest
import torch

from moe_mamba_asv.errors import AudioError
from moe_mamba_asv.models.countermeasure import Countermeasure, CountermeasureConfig
from moe_mamba_asv.models.frontends.log_spectrogram import LogSpectrogram
from moe_mamba_asv.models.frontends.spectral import SpectralConfig, SpectralFrontend, phase_curvature
from moe_mamba_asv.training.finetune.parts import parts

SMALL = SpectralConfig(channels=(4, 4, 6, 6), num_bands=2)


def curvature(waveform: torch.Tensor) -> torch.Tensor:
    return phase_curvature(LogSpectrogram().spectrum(waveform[None]))[0]


def test_a_steady_tone_has_no_curvature_over_time() -> None:
    time_s = torch.arange(16_000) / 16_000
    maps = curvature(torch.sin(2 * torch.pi * 1_000 * time_s))
    around = slice(30, 35)  # 1,000 Hz is bin 32
    assert maps[0, around, 5:-5].min() > 0.999
    assert maps[1, around, 5:-5].abs().max() < 0.02


def test_a_click_has_no_curvature_over_frequency() -> None:
    click = torch.zeros(16_000)
    click[8_000] = 1
    maps = curvature(click)
    assert maps[2, 5:, 50].min() > 0.999  # the frame whose middle is the click
    assert maps[3, 5:, 50].abs().max() < 0.02


def test_magnitudes_with_a_phase_of_their_own_are_told_from_the_tone() -> None:
    """What a vocoder does that has magnitudes alone: the same levels, another phase."""
    spectrum = LogSpectrogram().spectrum(torch.sin(2 * torch.pi * 1_000 * torch.arange(16_000) / 16_000)[None])
    turned = spectrum * torch.exp(
        2j * torch.pi * torch.rand(spectrum.shape, generator=torch.Generator().manual_seed(0))
    )
    assert phase_curvature(spectrum)[0, 0, 32, 5:-5].mean() > 0.999
    assert phase_curvature(turned)[0, 0, 32, 5:-5].mean().abs() < 0.3


def test_curvature_knows_neither_gain_nor_polarity() -> None:
    speech = torch.randn(8_000, generator=torch.Generator().manual_seed(1))
    inside = slice(3, -3)  # what is mirrored at the ends has a phase of rounding
    quiet, loud = (curvature(gain * speech)[..., inside] for gain in (-0.01, 1))
    torch.testing.assert_close(quiet, loud, atol=1e-2, rtol=0)


def test_silence_is_finite_and_has_a_gradient() -> None:
    frontend = SpectralFrontend(SMALL)
    frames = frontend(torch.zeros(2, 8_000))
    frames.sum().backward()
    assert frames.isfinite().all()
    assert all(one.grad is not None and one.grad.isfinite().all() for one in frontend.parameters())


@pytest.mark.parametrize("num_samples", [1_600, 16_000, 16_037, 64_600])
@pytest.mark.parametrize("phase", [True, False])
def test_as_many_frames_and_numbers_as_it_says(num_samples: int, phase: bool) -> None:
    frontend = SpectralFrontend(SMALL.model_copy(update={"phase": phase})).eval()
    frames = frontend(torch.randn(2, num_samples))
    assert frames.shape == (2, frontend.num_frames(num_samples), frontend.width)


@pytest.mark.parametrize("phase", [True, False])
def test_a_frame_sees_as_many_samples_as_it_says(phase: bool) -> None:
    """What lies outside changes nothing, what lies inside at its edge does; without the mean over the whole clip."""
    torch.manual_seed(0)
    frontend = SpectralFrontend(SMALL.model_copy(update={"phase": phase})).eval().double()
    frontend.spectrogram.level = lambda spectrum: spectrum.abs().square().add(1e-8).log().unsqueeze(1)
    waveform = torch.randn(1, 48_000, dtype=torch.float64, requires_grad=True)
    middle = frontend.num_frames(48_000) // 2
    frontend(waveform)[0, middle].square().sum().backward()
    assert waveform.grad is not None
    seen = np.flatnonzero(waveform.grad[0].numpy())
    # The window's first sample weighs nothing.
    assert seen[-1] - seen[0] + 1 in range(frontend.receptive_field_samples - 2, frontend.receptive_field_samples + 1)


def test_a_clip_too_short_is_refused() -> None:
    with pytest.raises(AudioError, match=r"1599 samples.*1600"):
        SpectralFrontend(SMALL)(torch.zeros(1, 1_599))


def test_beside_a_sinc_stream_every_parameter_is_in_a_part_and_gets_a_gradient() -> None:
    config = CountermeasureConfig.model_validate(
        {
            "frontends": [SMALL.model_dump(), {"kind": "sincnet", "num_filters": 6, "channels": [4, 4, 4, 4]}],
            "width": 16,
            "fusion": {"kind": "concatenation"},
            "backend": {"kind": "bimamba", "num_blocks": 1},
            "pooling": {"kind": "mean"},
            "head": {"kind": "linear"},
        }
    )
    model = Countermeasure(config)
    model(torch.randn(2, 16_000)).score.sum().backward()
    named = parts(model)
    assert "spectral" in named
    assert sorted(name for part in named.values() for name in part) == sorted(
        name for name, _ in model.named_parameters()
    )
    assert all(model.get_parameter(name).grad is not None for name in named["spectral"])
