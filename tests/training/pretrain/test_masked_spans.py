"""Spans hide what they should, and a second sound leaves half of a clip alone."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.training.pretrain.masks import MaskConfig, draw_mask
from moe_mamba_asv.training.pretrain.mixing import MixingConfig, mix_clips


@given(
    num_frames=st.integers(2, 400),
    span=st.integers(1, 30),
    probability=st.floats(0.001, 0.5),
    seed=st.integers(0, 2**32),
)
def test_hidden_frames_are_whole_spans_and_as_many_as_asked(
    num_frames: int, span: int, probability: float, seed: int
) -> None:
    config = MaskConfig(probability=probability, num_frames=span)
    if span >= num_frames:
        with pytest.raises(ConfigError, match="shorter spans"):
            draw_mask(num_frames, config, np.random.default_rng(seed))
        return
    mask = draw_mask(num_frames, config, np.random.default_rng(seed))
    assert mask.shape == (num_frames,)
    runs = [len(list(run)) for hidden, run in itertools.groupby(mask) if hidden]
    assert min(runs) >= span
    most_spans = max(1, int(probability * num_frames + 1))
    assert span <= mask.sum() <= most_spans * span
    assert np.array_equal(mask, draw_mask(num_frames, config, np.random.default_rng(seed)))


def test_about_half_of_the_frames_are_hidden_and_every_place_alike() -> None:
    masks = np.stack([draw_mask(200, MaskConfig(), np.random.default_rng(seed)) for seed in range(2000)])
    # 16 starts of 191, drawn without replacement: a frame escapes all ten that would hide it.
    escapes = np.prod([(191 - 16 - n) / (191 - n) for n in range(10)])
    assert masks[:, 10:-10].mean() == pytest.approx(1 - escapes, abs=0.01)
    assert np.ptp(masks[:, 10:-10].mean(0)) < 0.1


@given(samples=st.integers(2, 500), batch=st.integers(1, 4), seed=st.integers(0, 2**32))
def test_at_most_half_of_a_clip_is_mixed_in_one_piece(samples: int, batch: int, seed: int) -> None:
    clean = np.random.default_rng(seed).standard_normal((batch, samples), np.float32)
    before = clean.copy()
    heard = mix_clips(clean, MixingConfig(probability=1), np.random.default_rng(seed))
    assert np.array_equal(clean, before)
    for changed in heard != clean:
        places = np.flatnonzero(changed)
        assert len(places) > 0
        assert places[-1] - places[0] + 1 <= samples // 2


@pytest.mark.parametrize("noise_share", [0.0, 1.0])
def test_the_second_sound_has_the_power_that_was_drawn(noise_share: float) -> None:
    time = np.arange(16_000) / 16_000
    clean = np.stack([level * np.sin(2 * np.pi * 200 * time) for level in (0.5, 0.01)]).astype(np.float32)
    ratio = {"noise_ratio_db": (10.0, 10.0), "speech_ratio_db": (-3.0, -3.0)}
    config = MixingConfig(probability=1, noise_share=noise_share, **ratio)
    for seed in range(20):
        added = mix_clips(clean, config, np.random.default_rng(seed)) - clean
        for clip, part in zip(clean, added, strict=True):
            heard = part[part != 0]
            if len(heard) > 1000:
                ratio_db = 10 * np.log10(np.mean(clip**2) / np.mean(heard.astype(np.float64) ** 2))
                assert ratio_db == pytest.approx(10 if noise_share else -3, abs=0.5)


def test_silence_is_neither_mixed_in_nor_drowned() -> None:
    clips = np.stack([np.zeros(1000, np.float32), np.ones(1000, np.float32)])
    heard = mix_clips(clips, MixingConfig(probability=1, noise_share=0), np.random.default_rng(0))
    assert np.array_equal(heard, clips)


def test_clips_are_mixed_as_often_as_asked() -> None:
    clips = np.ones((4000, 10), np.float32)
    heard = mix_clips(clips, MixingConfig(probability=0.3), np.random.default_rng(0))
    assert (heard != clips).any(1).mean() == pytest.approx(0.3, abs=0.03)
