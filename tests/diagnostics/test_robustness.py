"""Detectors with a planted weakness, and one without, under every condition."""

from dataclasses import replace

import numpy as np
import pytest

from moe_mamba_asv.diagnostics.paired import rescore
from moe_mamba_asv.diagnostics.robustness import Condition, default_conditions, diagnose_robustness
from moe_mamba_asv.diagnostics.sample import Sample, score_all
from moe_mamba_asv.errors import AudioError, ScoreError
from stand_in import RATE_HZ, clip

CLIPS = 40
_FFT_SAMPLES = 8_000


class Detector:
    """Scores by one measure of what it hears."""

    def __init__(self, measure):
        self._measure = measure

    def crop(self, waveform):
        if not waveform.any():
            raise AudioError("digital silence")
        return waveform

    def score(self, crops):
        return np.array([self._measure(crop) for crop in crops], dtype=np.float32)


def overtones(waveform):
    """The third harmonic under the first, in dB: what `clip` plants in a spoof, and most channels leave."""
    spectrum = np.abs(np.fft.rfft(waveform[: 2 * _FFT_SAMPLES] * np.hanning(len(waveform[: 2 * _FFT_SAMPLES]))))
    hz = np.arange(len(spectrum)) * RATE_HZ / 2 / (len(spectrum) - 1)
    first = 90 + np.argmax(spectrum[(hz >= 90) & (hz <= 260)]) * hz[1]
    return 20 * np.log10(peak(spectrum, hz, first) / peak(spectrum, hz, 3 * first))


def peak(spectrum, hz, near_hz):
    return spectrum[np.abs(hz - near_hz) <= 8].max() + 1e-9


def high_band(waveform):
    """Little power above 6 kHz, in tenths of dB; -80 dB of it are as good as none."""
    power = np.abs(np.fft.rfft(waveform)) ** 2 / len(waveform) ** 2
    return round(-10 * np.log10(power[round(len(power) * 0.75) :].sum() + 1e-8), 1)


def level(waveform):
    return 10 * np.log10(np.mean(waveform**2) + 1e-12)


@pytest.fixture(scope="module")
def sample():
    rng = np.random.default_rng(5)
    spoof = np.arange(CLIPS) % 2 == 1
    waveforms = []
    for is_spoof in spoof:
        sound = clip(rng, spoof=bool(is_spoof), duration_s=rng.uniform(1.1, 2.1))
        edges = rng.integers(800, 4_000, 2)
        sound = np.pad(sound, edges) + 1e-4 * rng.standard_normal(len(sound) + edges.sum())
        if is_spoof:
            # A vocoder's whistle, which nothing above 4 kHz survives to tell of.
            sound += 0.02 * np.sin(2 * np.pi * rng.uniform(6_500, 7_500) * np.arange(len(sound)) / RATE_HZ)
        waveforms.append(sound.astype(np.float32))
    names = tuple(f"U{number}" for number in range(CLIPS))
    attacks = tuple("" if not is_spoof else f"A{1 + number % 4 // 2}" for number, is_spoof in enumerate(spoof))
    return Sample("made", None, names, tuple(waveforms), ~spoof, attacks)


def diagnose(measure, sample, seed=1, **options):
    detector = Detector(measure)
    scores = score_all(detector, sample.waveforms)
    return diagnose_robustness(detector, sample, scores, np.random.default_rng(seed), **options)


def named(result):
    return {finding.where for finding in result.findings if finding.raised}


def only(*names):
    chosen = [condition for condition in default_conditions() if condition.name in names]
    assert len(chosen) == len(names)
    return chosen


def test_a_detector_of_a_trace_that_channels_leave_is_not_fragile(sample):
    told = []
    result = diagnose(overtones, sample, on_clips=told.append)
    assert result.eer < 0.05
    assert named(result) == set()
    assert not result.not_measured
    assert sum(told) == CLIPS * len(default_conditions())
    for condition in result.conditions:
        assert condition.n == CLIPS
        assert condition.eer.before == result.eer
        assert condition.attacks.keys() == {"A1", "A2"}


def test_a_detector_of_the_high_band_is_fragile_where_the_band_ends(sample):
    conditions = only("8 kHz", "level -24 dB", "GSM", "no edge silence")
    result = diagnose(high_band, sample, conditions=conditions)
    assert result.eer == 0
    assert named(result) == {"8 kHz", "GSM"}
    faint = next(condition for condition in result.conditions if condition.name == "level -24 dB")
    assert (faint.eer.change, faint.eer.ci) == (0, (0, 0))


def test_shifts_are_in_deviations_of_the_unchanged_scores(sample):
    quieter = diagnose(level, sample, conditions=only("level -12 dB")).conditions[0]
    spread = np.std([level(waveform) for waveform in sample.waveforms])
    assert quieter.shift_bonafide == pytest.approx(-12 / spread, rel=1e-3)
    assert quieter.shift_spoof == pytest.approx(-12 / spread, rel=1e-3)
    assert quieter.eer.change == 0


def test_what_a_clip_meets_depends_on_seed_and_clip_only(sample):
    conditions = only("noise 5 dB", "room")
    once = diagnose(high_band, sample, conditions=conditions)
    # Again, each without the other.
    for number in (0, 1):
        assert diagnose(high_band, sample, conditions=[conditions[number]]).conditions[0] == once.conditions[number]
    other = diagnose(high_band, sample, seed=2, conditions=conditions[:1]).conditions[0]
    assert other.shift_bonafide != once.conditions[0].shift_bonafide


def noises_of(sample, *names):
    """What each condition adds to each clip."""
    heard = {name: [] for name in names}

    def spied(condition):
        def changed(waveform, rng):
            made = condition.change(waveform, rng)
            heard[condition.name].append(made - waveform)
            return made

        return Condition(condition.name, condition.group, changed)

    diagnose(level, sample, conditions=[spied(condition) for condition in only(*names)])
    # The first is the trial whether the condition can be made.
    return [heard[name][1:] for name in names]


def test_noise_of_two_levels_is_the_same_noise(sample):
    for far, near in zip(*noises_of(sample, "noise 20 dB", "noise 10 dB"), strict=True):
        np.testing.assert_allclose(near, far * 10**0.5, atol=1e-5)


def test_every_clip_has_a_noise_of_its_own_and_keeps_it_in_another_sample(sample):
    rows = [7, 4, 1, 0]
    few = replace(
        sample,
        utterances=tuple(sample.utterances[row] for row in rows),
        # The same sound under four names: what differs is drawn.
        waveforms=(sample.waveforms[0],) * 4,
        is_bonafide=sample.is_bonafide[rows],
        attacks=tuple(sample.attacks[row] for row in rows),
    )
    ((*others, last),) = noises_of(few, "noise 5 dB")
    assert all(not np.allclose(other, last, atol=1e-3) for other in others)
    np.testing.assert_array_equal(last, noises_of(sample, "noise 5 dB")[0][0])


def test_a_condition_that_cannot_be_made_is_named_with_its_reason(sample):
    def absent(waveform, rng):
        raise AudioError("no such codec here")

    told = []
    conditions = [Condition("absent", "codec", absent), *only("first 1 s")]
    result = diagnose(level, sample, conditions=conditions, on_clips=told.append)
    assert result.not_measured == {"absent": "no such codec here"}
    assert [condition.name for condition in result.conditions] == ["first 1 s"]
    assert sum(told) == 2 * CLIPS


def test_a_change_that_silences_a_class_is_not_measured(sample):
    silenced = {id(sample.waveforms[row]) for row in sample.rows_of("")}
    mute = Condition("mute", "level", lambda waveform, rng: waveform * np.float32(id(waveform) not in silenced))
    result = diagnose(level, sample, conditions=[mute])
    assert result.not_measured.keys() == {"mute"}
    assert "digital silence" in result.not_measured["mute"]
    assert result.findings == ()


def test_clips_without_a_score_are_left_out_on_both_sides(sample):
    # Bona fide above spoof, but for one clip of each class that are exchanged: both EERs without them are 0.
    scores = np.where(sample.is_bonafide, 1.0, -1.0)
    scores[:2] = scores[1::-1]

    def changed(row):
        if row == 0:
            raise AudioError("lost")
        return np.full(4, np.nan if row == 1 else scores[row], dtype=np.float32)

    detector = Detector(lambda waveform: waveform[0])
    rescored = rescore(detector, sample, scores, changed, np.random.default_rng(0))
    assert rescored.failed == {"U0": "lost", "U1": "a score that is not finite"}
    assert rescored.n == CLIPS - 2
    assert (rescored.eer.before, rescored.eer.after, rescored.eer.ci) == (0, 0, (0, 0))


def test_an_exchange_of_the_classes_by_hand(sample):
    # A quarter of either class changes sides: the EER goes from 0 to 1/4, and the interval cannot hold 0.
    scores = np.where(sample.is_bonafide, 1.0, -1.0)
    turned = np.where(np.arange(CLIPS) % 8 < 2, -1.0, 1.0)
    detector = Detector(lambda waveform: waveform[0])
    rng = np.random.default_rng(0)
    rescored = rescore(detector, sample, scores, lambda row: np.full(1, turned[row] * scores[row], np.float32), rng)
    assert (rescored.eer.before, rescored.eer.after) == (0, 0.25)
    assert 0 < rescored.eer.ci[0] < 0.25 < rescored.eer.ci[1]
    # A quarter moves by two, one standard deviation being one.
    assert rescored.shift_bonafide == pytest.approx(-0.5)
    assert rescored.shift_spoof == pytest.approx(0.5)


def test_nothing_left_is_an_error(sample):
    def lost(row):
        raise AudioError("lost")

    with pytest.raises(ScoreError, match="lost"):
        rescore(Detector(level), sample, np.arange(float(CLIPS)), lost, np.random.default_rng(0))


def test_default_conditions_keep_what_they_promise():
    rng = np.random.default_rng(0)
    waveform = np.pad(clip(rng, spoof=False, duration_s=2.5), 3_000)
    names = [condition.name for condition in default_conditions()]
    assert len(set(names)) == len(names) == 14
    before = waveform.copy()
    for condition in default_conditions():
        changed = condition.change(waveform, np.random.default_rng(0))
        np.testing.assert_array_equal(waveform, before)
        assert changed.dtype == np.float32
        assert not np.array_equal(changed, waveform)
        wanted = {"first 1 s": 16_000, "first 2 s": 32_000, "no edge silence": 40_000}
        assert len(changed) == pytest.approx(wanted.get(condition.name, len(waveform)), abs=160)


def test_8_khz_leaves_nothing_above_4_khz_and_the_rest_in_time():
    rng = np.random.default_rng(0)
    (narrow,) = only("8 kHz")
    time = np.arange(16_001) / RATE_HZ
    low, high = (np.sin(2 * np.pi * hz * time).astype(np.float32) for hz in (1_000, 6_000))
    changed = narrow.change(low + high, rng)
    inside = slice(500, -500)
    np.testing.assert_allclose(changed[inside], low[inside], atol=0.01)
