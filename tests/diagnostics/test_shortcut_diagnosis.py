"""Detectors that score by what is no trace of a fake, and one that does not."""

from dataclasses import replace

import numpy as np
import pytest

from moe_mamba_asv.audio.facts import measure, speech_bounds
from moe_mamba_asv.diagnostics.sample import Sample, score_all
from moe_mamba_asv.diagnostics.shortcuts import MEASURED, diagnose_shortcuts, within_class
from stand_in import clip

CLIPS = 60


class Detector:
    """Scores by one measure of what it hears."""

    def __init__(self, scored):
        self._scored = scored

    def crop(self, waveform):
        return waveform

    def score(self, crops):
        return np.array([self._scored(crop) for crop in crops], dtype=np.float32)


def leading_silence(waveform):
    return measure(waveform).leading_silence_s


def level(waveform):
    return measure(waveform).level_dbfs


def crest(waveform):
    """Peak over level: what `clip` plants in a spoof is flat."""
    start, end = speech_bounds(waveform)
    return np.abs(waveform).max() / np.sqrt(np.mean(waveform[start:end] ** 2))


@pytest.fixture(scope="module")
def sample():
    """Bona fide clips have the longer silences; level and duration are the same in both classes."""
    rng = np.random.default_rng(3)
    spoof = np.arange(CLIPS) % 2 == 1
    waveforms = []
    for is_spoof in spoof:
        sound = rng.uniform(0.1, 1) * clip(rng, spoof=bool(is_spoof), duration_s=rng.uniform(0.3, 0.9))
        before_s = rng.uniform(0, 0.25) if is_spoof else rng.uniform(0.2, 0.5)
        sound = np.pad(sound, (round(before_s * 16_000), rng.integers(3_000)))
        waveforms.append((sound + 1e-5 * rng.standard_normal(len(sound))).astype(np.float32))
    names = tuple(f"U{number}" for number in range(CLIPS))
    attacks = tuple("" if not is_spoof else f"A{1 + number % 6 // 2}" for number, is_spoof in enumerate(spoof))
    return Sample("made", None, names, tuple(waveforms), ~spoof, attacks)


def diagnose(scored, sample, on_clips=lambda clips: None):
    detector = Detector(scored)
    scores = score_all(detector, sample.waveforms)
    return diagnose_shortcuts(detector, sample, scores, np.random.default_rng(1), on_clips)


def named(result):
    return {(finding.fault, finding.where) for finding in result.findings if finding.raised}


def feature(result, name):
    return next(one for one in result.features if one.feature == name)


def test_an_honest_detector_raises_nothing(sample):
    told = []
    result = diagnose(crest, sample, told.append)
    assert result.trimmed.eer.before < 0.05
    assert named(result) == set()
    assert [one.feature for one in result.features] == list(MEASURED)
    # Noise fills the band of every clip: that one feature has no values to rank.
    assert [one.feature for one in result.features if one.correlation is None] == ["bandwidth"]
    assert len(result.findings) == len(MEASURED) - 1 + 1
    assert (result.n_bonafide, result.n_spoof, sum(told)) == (CLIPS // 2, CLIPS // 2, CLIPS)


def test_a_detector_of_leading_silence_is_found_twice(sample):
    result = diagnose(leading_silence, sample)
    assert named(result) == {("shortcut", "leading silence"), ("silence_reliance", "")}
    silence = feature(result, "leading silence")
    assert silence.correlation == silence.within_bonafide == silence.within_spoof == pytest.approx(1)
    assert silence.auc > 0.95
    assert silence.median_bonafide > 0.3 > 0.2 > silence.median_spoof
    # Without the silences it knows nothing: every score is 0.
    assert result.trimmed.eer.after == 0.5
    assert result.trimmed.shift_bonafide < result.trimmed.shift_spoof < 0


@pytest.mark.parametrize("sign", [1, -1])
def test_a_detector_of_level_is_found_whichever_way_it_scores(sample, sign):
    result = diagnose(lambda waveform: sign * level(waveform), sample)
    # The peak goes with the level.
    assert named(result) == {("shortcut", "level"), ("shortcut", "peak")}
    loud = feature(result, "level")
    assert loud.correlation == pytest.approx(sign)
    finding = next(one for one in result.findings if one.where == "level")
    assert finding.value == pytest.approx(1)
    assert finding.ci == pytest.approx((1, 1))


def test_difference_of_the_classes_does_not_enter(sample):
    # Scores that only know the class, beside a feature that separates the classes perfectly.
    is_bonafide = dict(zip(map(len, sample.waveforms), sample.is_bonafide, strict=True))
    noise = np.random.default_rng(0)
    result = diagnose(lambda waveform: 10 * is_bonafide.get(len(waveform), 0) + noise.standard_normal(), sample)
    assert feature(result, "leading silence").auc > 0.95
    assert ("shortcut", "leading silence") not in named(result)


def test_opposite_signs_in_the_classes_cancel(sample):
    # Surer of long clips: bona fide ones score the higher, spoofed ones the lower, the longer they are.
    of_length = dict(zip(map(len, sample.waveforms), np.where(sample.is_bonafide, 1, -1), strict=True))
    result = diagnose(lambda waveform: of_length.get(len(waveform), 0) * len(waveform), sample)
    duration = feature(result, "duration")
    assert duration.within_bonafide == pytest.approx(1)
    assert duration.within_spoof == pytest.approx(-1)
    assert duration.correlation == pytest.approx(0)
    assert ("shortcut", "duration") not in named(result)


def test_a_feature_without_values_to_rank_has_no_coefficient(sample):
    result = diagnose(lambda waveform: 0.0, sample)
    assert all(one.correlation is None and one.ci is None for one in result.features)
    assert [finding.fault for finding in result.findings] == ["silence_reliance"]
    assert result.trimmed.eer.ci == (0, 0)


def test_spearman_by_hand():
    # Ranks 1 2 3 4 against 2 1 4 3: 1 - 6 * 4 / (4 * 15) = 0.6.
    values, scores = np.array([1.0, 2.0, 3.0, 40.0]), np.array([0.2, 0.1, 9.0, 8.0])
    assert within_class(values, scores, [np.arange(4)[None]]) == pytest.approx(0.6)
    # The same clip four times has nothing to rank.
    drawn = np.array([[0, 0, 0, 0], [3, 2, 1, 0]])
    np.testing.assert_allclose(within_class(values, scores, [drawn]), [np.nan, 0.6])


def test_difference_of_the_attacks_does_not_enter():
    # Two attacks, the second with larger values and scores; in either, values and scores run against each other.
    values, scores = np.array([1.0, 2.0, 3.0, 11.0, 12.0, 13.0]), np.array([3.0, 2.0, 1.0, 30.0, 20.0, 10.0])
    together = within_class(values, scores, [np.arange(6)[None]])
    apart = within_class(values, scores, [np.arange(3)[None], np.arange(3, 6)[None]])
    assert together > 0.5
    assert apart == pytest.approx(-1)


def test_the_seed_decides(sample):
    assert diagnose(level, sample) == diagnose(level, sample)


def test_a_detector_that_finds_one_attack_harder_is_not_blamed_for_its_level(sample):
    # Attacks differ in level and in how well they are found; within each, scores are noise.
    gains, offsets = {"": 0.3, "A1": 1.0, "A2": 0.1, "A3": 0.01}, {"": 40, "A1": 30, "A2": 20, "A3": 10}
    mixed = [gains[name] * waveform for name, waveform in zip(sample.attacks, sample.waveforms, strict=True)]
    noise = np.random.default_rng(0)
    scores = np.array([offsets[name] for name in sample.attacks]) + noise.standard_normal(CLIPS)
    made = replace(sample, waveforms=tuple(wave.astype(np.float32) for wave in mixed))
    result = diagnose_shortcuts(Detector(level), made, scores, np.random.default_rng(1))
    rows = np.flatnonzero(~made.is_bonafide)
    levels = np.array([level(waveform) for waveform in made.waveforms])
    assert within_class(levels, scores, [rows[None]]) > 0.8
    assert abs(feature(result, "level").within_spoof) < 0.4
    assert ("shortcut", "level") not in named(result)
