"""RawBoost: what the published formulae give for the same draws, and what is drawn."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from moe_mamba_asv.audio.augment.notch_filters import NotchFilters, filter_powers, notch_taps
from moe_mamba_asv.audio.augment.rawboost import (
    RawBoost,
    apply_impulses,
    apply_rawboost,
    draw_convolutive,
    draw_impulses,
    draw_noise,
    draw_rawboost,
)
from moe_mamba_asv.bench.rawboost_plain import plain_apply, plain_filtered, plain_taps
from moe_mamba_asv.errors import AudioError

SEEDS = st.integers(0, 2**32 - 1)


def sound(num_samples: int, *, level: float = 0.1, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(0, level, num_samples)


@pytest.mark.parametrize("level", [0.05, 0.4], ids=["quiet", "beyond full scale"])
@pytest.mark.parametrize("num_samples", [64_600, 3_617, 200])
@pytest.mark.parametrize("algorithm", range(9))
def test_it_equals_the_published_formulae(algorithm: int, num_samples: int, level: float) -> None:
    waveform = sound(num_samples, level=level)
    for seed in range(3):
        drawn = draw_rawboost(RawBoost(algorithm=algorithm), num_samples, np.random.default_rng(seed))
        expected = plain_apply(waveform, algorithm, drawn)
        np.testing.assert_allclose(apply_rawboost(waveform, drawn), expected, rtol=0, atol=1e-10)
        single = apply_rawboost(waveform.astype(np.float32), drawn)
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, expected, rtol=0, atol=3e-6)


@pytest.mark.parametrize(
    "changes",
    [
        {"num_bands": 1, "num_powers": 1, "min_taps": 2, "max_taps": 3},
        {"num_bands": 12, "num_powers": 3, "min_taps": 300, "max_taps": 300, "min_gain_db": -6, "max_gain_db": 6},
        {"min_centre_hz": 0, "max_centre_hz": 50},
        {"min_centre_hz": 8000, "min_width_hz": 1000, "min_bias_db": 20, "max_bias_db": 5},
    ],
    ids=["three taps", "3,600 taps", "notches at 0 Hz", "notches at the other end"],
)
def test_other_settings_equal_the_published_formulae_too(changes: dict[str, float]) -> None:
    waveform, config = sound(5_000), RawBoost.model_validate({"algorithm": 4, **changes})
    for seed in range(5):
        drawn = draw_rawboost(config, 5_000, np.random.default_rng(seed))
        np.testing.assert_allclose(apply_rawboost(waveform, drawn), plain_apply(waveform, 4, drawn), rtol=0, atol=1e-10)


@given(seed=SEEDS)
@settings(max_examples=30, deadline=None)
def test_designed_filters_are_those_of_scipy(seed: int) -> None:
    filters = draw_convolutive(RawBoost(), np.random.default_rng(seed))
    ours = notch_taps(filters)
    half = ours.shape[1] // 2
    for index, taps in enumerate(ours):
        expected = plain_taps(filters, index)
        own = len(expected) // 2
        np.testing.assert_allclose(taps[half - own : half + own + 1], expected, rtol=0, atol=1e-12)
        assert np.abs(taps[: half - own]).max(initial=0) < 1e-14


def test_a_click_comes_one_sample_early_through_every_filter() -> None:
    filters = NotchFilters(np.array([[2000.0]]), np.array([[500.0]]), np.array([[51]]), np.zeros(1))
    click = np.zeros(300)
    click[100] = 1
    filtered = filter_powers(click, notch_taps(filters))
    np.testing.assert_allclose(filtered, plain_filtered(click, plain_taps(filters, 0)), rtol=0, atol=1e-14)
    assert np.abs(filtered).argmax() == 99


@given(centre_hz=st.floats(600, 7400), num_taps=st.integers(40, 49), seed=SEEDS)
@settings(max_examples=30, deadline=None)
def test_a_notch_is_deep_at_its_centre(centre_hz: float, num_taps: int, seed: int) -> None:
    config = RawBoost(
        num_bands=1, min_centre_hz=centre_hz, max_centre_hz=centre_hz, min_width_hz=1000, min_taps=2 * num_taps
    )
    filters = draw_noise(config, 10, np.random.default_rng(seed)).colour
    taps = notch_taps(filters)[0]
    time_s = (np.arange(len(taps)) - len(taps) // 2) / 16_000
    gain = taps @ np.cos(2 * np.pi * centre_hz * time_s)
    assert abs(gain) < 0.1  # 20 dB below the largest gain, which is 0 dB


@given(seed=SEEDS, low=st.floats(-10, 30), span=st.floats(0, 30))
@settings(max_examples=40, deadline=None)
def test_the_measured_snr_is_the_drawn_one_and_within_its_range(seed: int, low: float, span: float) -> None:
    config = RawBoost(algorithm=3, min_snr_db=low, max_snr_db=low + span)
    waveform = sound(4_000, seed=seed)
    drawn = draw_rawboost(config, 4_000, np.random.default_rng(seed))
    added = apply_rawboost(waveform, drawn) - waveform
    measured_db = 10 * np.log10(np.sum(waveform**2) / np.sum(added**2))
    assert drawn.noise is not None
    assert measured_db == pytest.approx(drawn.noise.snr_db, abs=1e-6)
    assert low - 1e-6 <= measured_db <= low + span + 1e-6


@given(seed=SEEDS, share=st.floats(0, 1), num_samples=st.integers(1, 3_000))
@settings(max_examples=40, deadline=None)
def test_impulses_touch_no_more_than_their_share(seed: int, share: float, num_samples: int) -> None:
    config, waveform = RawBoost(algorithm=2, max_impulse_share=share), np.full(num_samples, 0.2)
    impulses = draw_impulses(config, num_samples, np.random.default_rng(seed))
    assert len(np.unique(impulses.positions)) == len(impulses.positions) <= share * num_samples
    changed = apply_impulses(waveform, impulses)
    assert set(np.flatnonzero(changed != waveform)) <= set(impulses.positions.tolist())
    assert np.abs(changed / waveform - 1).max() <= 2 + 1e-12


def test_drawn_numbers_are_spread_over_their_ranges() -> None:
    config, rng = RawBoost(), np.random.default_rng(0)
    filters = [draw_convolutive(config, rng) for _ in range(400)]
    biased = np.concatenate([one.gains_db[1:] for one in filters])
    centres = np.concatenate([one.centres_hz.ravel() for one in filters])
    widths = np.concatenate([one.widths_hz.ravel() for one in filters])
    taps = np.concatenate([one.num_taps.ravel() for one in filters])
    shares = [len(draw_impulses(config, 1_000, rng).positions) / 1_000 for _ in range(400)]
    factors = np.concatenate([draw_impulses(config, 1_000, rng).factors for _ in range(100)])
    assert all(one.gains_db[0] == 0 for one in filters)
    assert (taps % 2 == 1).all()
    for drawn, low, high in (
        (biased, -20, -5),
        (centres, 20, 8000),
        (widths, 100, 1000),
        (taps, 11, 99),
        (shares, 0, 0.1),
    ):
        span = high - low
        assert low <= np.min(drawn) < low + 0.02 * span
        assert high - 0.02 * span < np.max(drawn) <= high
        assert abs(np.mean(drawn) - (low + high) / 2) < 0.05 * span
    # The product of two uniform numbers on (-1, 1) has variance 1/9, where one alone has 1/3.
    assert np.var(factors) == pytest.approx(4 / 9, rel=0.1)
    assert abs(factors.mean()) < 0.05


@pytest.mark.parametrize("algorithm", range(9))
@pytest.mark.parametrize("num_samples", [1, 2, 5_000])
@pytest.mark.parametrize("level", [0.0, 1.0, -1.0], ids=["silence", "full scale", "negative full scale"])
def test_awkward_clips_stay_finite(algorithm: int, num_samples: int, level: float) -> None:
    waveform = np.full(num_samples, level, np.float32)
    waveform.setflags(write=False)
    for seed in range(3):
        changed = RawBoost(algorithm=algorithm)(waveform, np.random.default_rng(seed))
        assert (changed.dtype, changed.shape) == (np.dtype(np.float32), waveform.shape)
        assert np.isfinite(changed).all()
        if level == 0:
            assert not changed.any()


def test_noise_without_energy_is_not_added() -> None:
    drawn = draw_rawboost(RawBoost(algorithm=3), 100, np.random.default_rng(0))
    assert drawn.noise is not None
    waveform = sound(100)
    nothing = replace(drawn, noise=replace(drawn.noise, white=np.zeros(100, np.float32)))
    np.testing.assert_array_equal(apply_rawboost(waveform, nothing), waveform)


@pytest.mark.parametrize("algorithm", range(1, 9))
def test_the_same_seed_gives_the_same_sound_and_another_seed_another(algorithm: int) -> None:
    waveform, transform = sound(2_000).astype(np.float32), RawBoost(algorithm=algorithm)
    first, again, other = (transform(waveform, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, waveform)
    assert np.array_equal(RawBoost(algorithm=algorithm, p=0)(waveform, np.random.default_rng(1)), waveform)


def test_a_draw_for_another_length_is_refused() -> None:
    drawn = draw_rawboost(RawBoost(algorithm=2), 100, np.random.default_rng(0))
    with pytest.raises(AudioError, match="drawn for 100 samples, given 99"):
        apply_rawboost(sound(99), drawn)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"min_snr_db": 50}, "min_snr_db 50 above max_snr_db 40"),
        ({"min_taps": 101}, "min_taps 101 above max_taps 100"),
        ({"max_centre_hz": 8001}, "max_centre_hz"),
        ({"algorithm": 9}, "algorithm"),
        ({"nBands": 5}, "nBands"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, float], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        RawBoost.model_validate(changes)
