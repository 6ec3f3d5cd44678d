"""Each attack changes the synthesis and nothing else."""

import numpy as np
import pytest

from moe_mamba_asv.audio.facts import measure, speech_bounds
from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.corpora.minispoof.attacks.catalogue import (
    ATTACKS,
    EVAL_ATTACKS,
    TRAIN_ATTACKS,
    SpoofingAttack,
    choose_attacks,
)
from moe_mamba_asv.corpora.minispoof.attacks.engines.engine import Engine
from moe_mamba_asv.corpora.minispoof.attacks.recording import Recording
from moe_mamba_asv.corpora.minispoof.attacks.spectrum import istft, mel_filters, stft
from moe_mamba_asv.corpora.minispoof.background import missing_background
from moe_mamba_asv.corpora.minispoof.finish import LEVEL_DBFS, at_level, match, place, through_channel
from moe_mamba_asv.corpora.minispoof.speech import embedded_speech
from moe_mamba_asv.errors import AudioError, ConfigError

#: Those that need nothing installed; the others have tests of their own.
HERE = [attack for attack in ATTACKS if not attack.engines]
# One clip of each kind of recording: prompt with silent edges, game line with background noise.
CLIPS = ("allison_001", "smallfish_010")


def original(utterance: str) -> np.ndarray:
    path = next(clip.path for clip in embedded_speech().clips if clip.utterance == utterance)
    return at_level(load_16k(path))


def spoof_of(attack: SpoofingAttack, waveform: np.ndarray, seed: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return match(attack.synthesize(Recording(waveform), rng), waveform, rng)


def spectral_distance_db(one: np.ndarray, other: np.ndarray) -> float:
    """Median distance of log magnitudes where there is speech."""
    one_db, other_db = (20 * np.log10(np.abs(stft(wave)) + 1e-3) for wave in (one, other))
    loud = one_db > one_db.max() - 40
    return float(np.median(np.abs(one_db - other_db)[loud]))


def signal_to_residual_db(wanted: np.ndarray, heard: np.ndarray) -> float:
    return float(10 * np.log10(np.sum(wanted**2) / np.sum((wanted - heard) ** 2)))


@pytest.mark.parametrize("attack", HERE, ids=lambda attack: attack.facts.id)
@pytest.mark.parametrize("utterance", CLIPS)
def test_spoof_differs_but_not_in_length_level_edges_or_codec(attack: SpoofingAttack, utterance: str) -> None:
    bonafide = original(utterance)
    spoof = spoof_of(attack, bonafide)
    heard, wanted = through_channel(spoof) / 32768, through_channel(bonafide) / 32768
    assert len(heard) == len(bonafide)
    assert np.abs(heard).max() < 0.95
    start, end = speech_bounds(bonafide, below_peak_db=30)
    level_db, wanted_db = (10 * np.log10(np.mean(wave[start:end] ** 2)) for wave in (heard, wanted))
    assert level_db == pytest.approx(wanted_db, abs=0.3)
    np.testing.assert_array_equal(spoof[: max(0, start - 160)], bonafide[: max(0, start - 160)])
    np.testing.assert_array_equal(spoof[end + 160 :], bonafide[end + 160 :])
    assert measure(heard).bandwidth_hz == pytest.approx(measure(wanted).bandwidth_hz, abs=300)
    # Different far beyond what the codec does, yet the same words: a reversed clip is some 15 dB away.
    assert signal_to_residual_db(bonafide, spoof) < 15 < signal_to_residual_db(bonafide, wanted)
    # A voice whose formants are moved (A05) lies further off.
    limit_db = 12.5 if attack.facts.id == "A05" else 10
    assert spectral_distance_db(bonafide, spoof) < limit_db < spectral_distance_db(bonafide, bonafide[::-1])


@pytest.mark.parametrize("attack", HERE, ids=lambda attack: attack.facts.id)
def test_edge_silences_measure_the_same(attack: SpoofingAttack) -> None:
    bonafide = original(CLIPS[0])
    spoof = spoof_of(attack, bonafide)
    facts, wanted = (measure(through_channel(wave) / 32768) for wave in (spoof, bonafide))
    assert wanted.leading_silence_s > 0.1
    # Three 10 ms frames: a vocoder smears an onset over its window.
    assert facts.leading_silence_s == pytest.approx(wanted.leading_silence_s, abs=0.031)
    assert facts.trailing_silence_s == pytest.approx(wanted.trailing_silence_s, abs=0.031)


@pytest.mark.parametrize("attack", HERE, ids=lambda attack: attack.facts.id)
def test_same_generator_same_spoof(attack: SpoofingAttack) -> None:
    bonafide = original(CLIPS[0])[:24_000]
    np.testing.assert_array_equal(spoof_of(attack, bonafide, 5), spoof_of(attack, bonafide, 5))


@pytest.mark.parametrize("attack", HERE, ids=lambda attack: attack.facts.id)
@pytest.mark.parametrize("sound", ["noise", "click"])
def test_speechless_sound_is_survived(attack: SpoofingAttack, sound: str) -> None:
    waveform = np.random.default_rng(0).normal(0, 0.05, 16_000) if sound == "noise" else np.eye(1, 16_000, 8_000)[0]
    if attack.material == "voices" and sound == "click":  # there is nothing else to take pieces from
        with pytest.raises(AudioError, match="made no sound"):
            spoof_of(attack, at_level(waveform))
        return
    spoof = spoof_of(attack, at_level(waveform))
    assert np.isfinite(spoof).all()
    assert np.abs(spoof).max() < 0.95


def test_nineteen_attacks_of_which_two_of_eval_are_algorithms_of_training() -> None:
    assert [attack.facts.id for attack in ATTACKS] == [f"A{number:02}" for number in range(1, 20)]
    assert len(TRAIN_ATTACKS) == 6
    assert all(attack.facts.known for attack in TRAIN_ATTACKS)
    known = [attack for attack in EVAL_ATTACKS if attack.facts.known]
    assert [attack.facts.id for attack in known] == ["A16", "A19"]
    ours = {attack.synthesize for attack in TRAIN_ATTACKS}
    assert all((attack.synthesize in ours) == attack.facts.known for attack in ATTACKS)
    systems = {(attack.facts.system, attack.facts.waveform) for attack in TRAIN_ATTACKS}
    assert all(((one.facts.system, one.facts.waveform) in systems) == one.facts.known for one in ATTACKS)


def test_attacks_without_an_engine_are_left_out_or_refused_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "missing", lambda self: ("its program",))
    assert choose_attacks(None) == {attack.facts.id for attack in HERE}
    with pytest.raises(ConfigError, match=r"its program is not installed; try: .*install"):
        choose_attacks(["A01", "A03", "A07"])
    with pytest.raises(ConfigError, match="A99"):
        choose_attacks(["A01", "A99"])
    with pytest.raises(ConfigError, match="no attack for the partition eval"):
        choose_attacks(["A01", "A02"])


def test_concatenation_takes_the_pieces_from_the_speakers_other_recordings() -> None:
    clips = [clip.path for clip in embedded_speech().clips if clip.speaker == "allison"]
    waveform = original(CLIPS[0])
    attack = next(attack for attack in ATTACKS if attack.facts.id == "A04")
    rng = np.random.default_rng(0)
    alone, with_others = (
        attack.synthesize(Recording(waveform, others=others), rng) for others in ((), tuple(clips[1:5]))
    )
    assert not np.array_equal(alone, with_others)
    # More to choose from lies nearer.
    assert spectral_distance_db(waveform, with_others) < spectral_distance_db(waveform, alone)


def test_speech_of_another_timing_is_placed_between_the_originals_silences() -> None:
    bonafide = original(CLIPS[0])
    start, end = speech_bounds(bonafide, below_peak_db=30)
    speech = np.random.default_rng(0).normal(0, 0.1, 5 * len(bonafide))
    cut = place(speech, bonafide, np.random.default_rng(1), whole=False)
    assert len(cut) == len(bonafide)
    whole = place(speech[: end // 2], bonafide, np.random.default_rng(1), whole=True)
    assert len(whole) == len(bonafide) - (end - start) + end // 2
    for spoof in (cut, whole):
        np.testing.assert_array_equal(spoof[: start - 160], bonafide[: start - 160])
        np.testing.assert_array_equal(spoof[len(spoof) - (len(bonafide) - end) + 160 :], bonafide[end + 160 :])
        inner = spoof[start : len(spoof) - (len(bonafide) - end)]
        assert np.mean(inner**2) == pytest.approx(np.mean(bonafide[start:end] ** 2), rel=0.05)


def test_a_spoof_gets_the_background_that_it_lacks() -> None:
    rng = np.random.default_rng(0)
    tones = np.sin(np.arange(32_000) * 0.3) * (np.arange(32_000) // 4_000 % 2)
    noisy = tones + rng.normal(0, 0.01, 32_000)
    added = missing_background(tones, noisy, 48_000, rng)
    assert len(added) == 48_000
    assert np.std(added) == pytest.approx(0.01, rel=0.2)
    assert np.abs(missing_background(noisy, tones, 32_000, rng)).max() < 1e-3


def test_istft_inverts_stft() -> None:
    waveform = np.random.default_rng(0).normal(size=5_001)
    np.testing.assert_allclose(istft(stft(waveform), len(waveform)), waveform, atol=1e-10)


@pytest.mark.parametrize("num_mels", [40, 80, 128])
def test_mel_filters_average(num_mels: int) -> None:
    filters = mel_filters(num_mels)
    assert filters.shape == (num_mels, 257)
    np.testing.assert_allclose(filters.sum(axis=1), 1)


@pytest.mark.parametrize("num_samples", [2, 999, 1_000, 16_000])
def test_the_channel_keeps_length_and_takes_its_delay_out(num_samples: int) -> None:
    tone = 0.3 * np.sin(2 * np.pi * 500 * np.arange(num_samples) / 16_000)
    coded = through_channel(tone) / 32767
    assert len(coded) == num_samples
    if num_samples == 16_000:
        # 16 to 30 dB below the tone; one sample of delay (0.2 rad) would be 0.06.
        np.testing.assert_allclose(coded[1_000:], tone[1_000:], atol=0.02)


def test_level_is_common_and_silence_is_refused() -> None:
    waveform = np.random.default_rng(0).normal(0, 0.3, 16_000)
    assert measure(at_level(waveform)).level_dbfs == pytest.approx(LEVEL_DBFS, abs=0.01)
    with pytest.raises(AudioError, match="silent"):
        at_level(np.zeros(16_000))
    with pytest.raises(AudioError, match="made no sound"):
        match(np.zeros(16_000), at_level(waveform), np.random.default_rng(0))


def test_edges_of_a_spoof_are_the_originals_own() -> None:
    bonafide = original(CLIPS[0])
    spoof = match(np.random.default_rng(0).normal(size=len(bonafide)), bonafide, np.random.default_rng(0))
    edge = round(0.15 * 16_000)  # the clip has 0.17 s of silence before the speech
    np.testing.assert_array_equal(spoof[: edge - 160], bonafide[: edge - 160])
