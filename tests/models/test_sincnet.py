"""The front-end of learnable band-pass filters."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from moe_mamba_asv.errors import AudioError
from moe_mamba_asv.models.aasist import sinc_bank
from moe_mamba_asv.models.frontends.sincnet import MIN_BAND_HZ, SincNetConfig, SincNetFrontend

_NARROW = (2, 2, 3, 3, 3, 3)


def _frontend(**config: Any) -> SincNetFrontend:
    torch.manual_seed(0)
    return SincNetFrontend(SincNetConfig.model_validate({"channels": _NARROW, **config}))


def _mel(frequency_hz: np.ndarray) -> np.ndarray:
    return 2595 * np.log10(1 + frequency_hz / 700)


# AASIST's pooling drops the filters that three does not divide; here each of 70 and of 128 is heard.
@pytest.mark.parametrize("num_filters", [70, 128])
def test_every_parameter_gets_a_gradient(num_filters: int) -> None:
    frontend = _frontend(num_filters=num_filters, frequency_mask=True)
    frontend(torch.randn(2, 16_000)).square().mul(torch.rand(frontend.width)).mean().backward()
    idle = [name for name, parameter in frontend.named_parameters() if not parameter.grad.any()]
    assert idle == []
    for logits in (frontend.bank.low_logits, frontend.bank.band_logits, frontend.bank.mask_logits):
        assert logits.grad.isfinite().all()
        assert logits.grad.all()


def test_learnable_filters_are_parameters_and_learn() -> None:
    frontend = _frontend()
    assert {"bank.low_logits", "bank.band_logits"} <= dict(frontend.named_parameters()).keys()
    assert {"bank.low_logits", "bank.band_logits"} <= frontend.state_dict().keys()
    before = frontend.band_edges_hz()
    optimiser = torch.optim.Adam(frontend.parameters(), lr=0.01)
    frontend(torch.randn(2, 16_000)).square().mul(torch.rand(frontend.width)).mean().backward()
    optimiser.step()
    moved = frontend.band_edges_hz() - before
    assert moved.all()


def test_a_fixed_bank_has_no_parameters_and_is_in_the_checkpoint() -> None:
    fixed, learnable = _frontend(learnable=False), _frontend()
    assert list(fixed.bank.parameters()) == []
    fixed.load_state_dict(learnable.state_dict())
    waveforms = torch.randn(1, 16_000)
    assert torch.equal(fixed.eval()(waveforms), learnable.eval()(waveforms))


@pytest.mark.parametrize(
    ("num_filters", "low_hz", "high_hz"), [(70, 0, 8000), (100, 0, 8000), (128, 0, 8000), (70, 300, 3400)]
)
def test_filters_start_equally_wide_in_mel_and_inside_the_range(num_filters: int, low_hz: int, high_hz: int) -> None:
    frontend = _frontend(num_filters=num_filters, low_hz=low_hz, high_hz=high_hz)
    edges = frontend.band_edges_hz().numpy()
    assert edges.shape == (num_filters, 2)
    assert edges.min() > low_hz
    assert edges.max() < high_hz
    centres = _mel(edges).mean(axis=1)
    spacing = (_mel(np.array(high_hz)) - _mel(np.array(low_hz))) / num_filters
    # The outermost edges stand 1 Hz inside the range: up to 1.6 mel, so 0.8 in a centre. The others: float32.
    np.testing.assert_allclose(np.diff(centres), spacing, atol=0.9)
    np.testing.assert_allclose(np.diff(centres[1:-1]), spacing, atol=0.001)


def test_filters_start_as_those_of_aasist() -> None:
    ours, theirs = _frontend().bank.filters(), sinc_bank.band_pass_filters(70, 129)
    torch.testing.assert_close(ours[1:-1], theirs[1:-1], rtol=0, atol=1e-6)
    # 1 Hz less than AASIST's 26 and 308 Hz.
    torch.testing.assert_close(ours[[0, -1]], theirs[[0, -1]], rtol=0, atol=2e-4)


def test_edges_stay_ordered_and_inside_whatever_the_optimiser_does() -> None:
    frontend = _frontend(low_hz=300, high_hz=3400)
    bank = frontend.bank
    with torch.no_grad():
        for logits in (bank.low_logits, bank.band_logits):
            logits.copy_(100 * torch.randn(70))
    low, high = frontend.band_edges_hz().unbind(1)
    assert (low >= 300).all()
    assert (high <= 3400).all()
    assert (high - low >= MIN_BAND_HZ - 1e-3).all()  # float32 at 3400 Hz
    frontend(torch.randn(1, 16_000)).square().mean().backward()
    assert bank.filters().isfinite().all()
    assert bank.low_logits.grad.isfinite().all()
    assert bank.band_logits.grad.isfinite().all()


def test_the_mask_starts_open_and_can_silence_a_filter() -> None:
    frontend = _frontend(frequency_mask=True).eval()
    assert (frontend.frequency_mask() > 0.9).all()
    waveforms = torch.randn(1, 16_000)
    before, filtered = frontend(waveforms), frontend.bank(waveforms)
    with torch.no_grad():
        frontend.bank.mask_logits[60:] = -100
    assert not torch.equal(frontend(waveforms), before)
    masked = frontend.bank(waveforms)
    assert torch.equal(masked[:, :60], filtered[:, :60])
    assert masked[:, 60:].abs().max() < 1e-30


def test_without_a_mask_all_filters_are_open() -> None:
    assert torch.equal(_frontend().frequency_mask(), torch.ones(70))


@pytest.mark.parametrize(
    ("num_samples", "num_frames"),
    [
        (1_600, 1),
        (2_314, 1),
        (2_315, 1),
        (4_501, 1),
        (4_502, 2),
        (16_000, 7),
        (64_599, 29),
        (64_600, 29),
        (64_601, 29),
        (160_000, 73),
    ],
)
def test_frames_are_as_many_as_promised(num_samples: int, num_frames: int) -> None:
    frontend = _frontend(num_filters=9).eval()
    frames = frontend(torch.randn(1, num_samples))
    assert frontend.num_frames(num_samples) == num_frames
    assert frames.shape == (1, num_frames, frontend.width)


def test_the_default_is_as_large_as_it_says() -> None:
    frontend = SincNetFrontend(SincNetConfig()).eval()
    assert frontend.width == 24 * 8
    assert frontend.frame_rate_hz == pytest.approx(16_000 / 3**7)
    assert sum(parameter.numel() for parameter in frontend.parameters()) == 211_230
    with torch.inference_mode():
        frames = frontend(torch.randn(1, 64_600))
    assert frames.shape == (1, 29, 192)


def test_a_short_clip_is_repeated_and_not_padded() -> None:
    frontend = _frontend().eval()
    clip = torch.randn(2, 1_600)
    assert torch.equal(frontend(clip), frontend(clip.repeat(1, 2)[:, :2_315]))


def test_less_than_a_tenth_of_a_second_is_refused() -> None:
    frontend = _frontend()
    with pytest.raises(AudioError, match="1599 samples; wanted: at least 1600"):
        frontend(torch.randn(1, 1_599))


@pytest.mark.parametrize(("num_taps", "channels"), [(129, (2,)), (31, (2, 3)), (129, _NARROW)])
def test_a_frame_sees_its_receptive_field_and_no_more(
    num_taps: int, channels: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    frontend = _frontend(num_filters=9, num_taps=num_taps, channels=channels).eval().double()
    # A maximum has a gradient in one place; a mean, in all that it looks at.
    monkeypatch.setattr(nn.functional, "max_pool1d", nn.functional.avg_pool1d)
    for block in frontend.encoder:
        block.pool = nn.AvgPool2d((1, 3))
    num_samples = max(1_600, 8 * frontend.hop_samples + num_taps)
    waveforms = torch.randn(1, num_samples, dtype=torch.float64, requires_grad=True)
    frontend(waveforms)[:, 4].sum().backward()
    seen = waveforms.grad[0].nonzero().squeeze(1)
    assert seen[-1] - seen[0] + 1 == frontend.receptive_field_samples


def test_autocast_rounds_no_filter() -> None:
    bank = _frontend(frequency_mask=True).bank
    waveforms = torch.randn(1, 2_000)
    with torch.autocast("cpu", torch.bfloat16):
        under_autocast = bank(waveforms)
    assert torch.equal(under_autocast, bank(waveforms))


def test_it_runs_in_bfloat16() -> None:
    frames = _frontend().bfloat16()(torch.randn(1, 5_000).bfloat16())
    assert frames.dtype == torch.bfloat16
    assert frames.isfinite().all()


@pytest.mark.parametrize(
    "change",
    [
        {"num_filters": 71},
        {"num_taps": 127},
        {"low_hz": 100},
        {"high_hz": 7000},
        {"frequency_mask": True},
        {"channels": (2, 2, 3, 3, 3, 4)},
        {"band_channels": 9},
    ],
)
def test_every_field_changes_the_answer(change: dict[str, Any]) -> None:
    waveforms = torch.randn(1, 5_000)
    assert not torch.equal(_frontend()(waveforms), _frontend(**change)(waveforms))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"num_taps": 128}, "num_taps 128; wanted an odd number"),
        ({"low_hz": 3400, "high_hz": 300}, "70 filters from 3400 to 300 Hz"),
        ({"num_filters": 100, "low_hz": 300, "high_hz": 1000}, "wanted at least 10 Hz for each"),
        ({"high_hz": 8001}, "high_hz"),
        ({"channels": ()}, "channels"),
        ({"filters": 70}, "filters"),
    ],
)
def test_an_impossible_bank_is_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SincNetConfig.model_validate(config)


def test_the_narrowest_possible_bank_is_possible() -> None:
    frontend = _frontend(num_filters=310, low_hz=300, high_hz=3400)
    edges = frontend.band_edges_hz()
    assert edges.isfinite().all()
    assert (edges[:, 1] > edges[:, 0]).all()
