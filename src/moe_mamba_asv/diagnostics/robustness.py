"""How far an EER drifts when the same clips come through another channel."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.audio.augment.codec import Codec
from moe_mamba_asv.audio.augment.codec_setting import CodecSetting
from moe_mamba_asv.audio.augment.level import Clipping, Gain
from moe_mamba_asv.audio.augment.noise import Noise
from moe_mamba_asv.audio.augment.reverb import Reverb
from moe_mamba_asv.audio.augment.silence import TrimSilence
from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ, resample
from moe_mamba_asv.diagnostics.paired import rescore
from moe_mamba_asv.diagnostics.results.finding import Finding, by_rule
from moe_mamba_asv.diagnostics.results.robustness import ConditionGroup, ConditionResult, RobustnessResult
from moe_mamba_asv.diagnostics.sample import Sample, Waveform
from moe_mamba_asv.errors import AudioError, ScoreError
from moe_mamba_asv.evaluation.metrics.eer import equal_error_rate
from moe_mamba_asv.scoring.predictor import Predictor

#: A channel may cost some accuracy, as it hides what it takes away; who loses more than this to one that people
#: understand speech through has learnt the channel of its corpus.
FRAGILE_RISE = 0.10
_NARROW_BAND_HZ = 8_000


@dataclass(frozen=True)
class Condition:
    """One change of the sound.

    Attributes:
        name: short and Latin, as a figure shows it; also the ``where`` of the finding.
        group: what is changed.
        change: of a clip (samples,) at 16 kHz, which it does not write to; draws from the generator alone.
    """

    name: str
    group: ConditionGroup
    change: Callable[[Waveform, np.random.Generator], Waveform]


def default_conditions() -> tuple[Condition, ...]:
    """Fourteen: what telephones, chats, rooms and cuts do to speech that stays easy to understand.

    Noise is white, pink or speech-shaped, drawn for each clip. Of a clip's 5 % loudest samples, clipping cuts the tops.
    """
    return (
        _codec("GSM", CodecSetting(codec="gsm")),
        _codec("Opus 16 kbit/s", CodecSetting(codec="opus", bit_rate_kbps=16)),
        _codec("MP3 32 kbit/s", CodecSetting(codec="mp3", bit_rate_kbps=32)),
        *(Condition(f"noise {snr_db} dB", "noise", Noise(snr_db=(snr_db, snr_db)).change) for snr_db in (20, 10, 5)),
        Condition("8 kHz", "band", _through_8_khz),
        *(Condition(f"level {gain_db} dB", "level", Gain(gain_db=(gain_db, gain_db)).change) for gain_db in (-12, -24)),
        Condition("clipped 5 %", "level", Clipping(share=(0.05, 0.05)).change),
        *(Condition(f"first {length_s} s", "length", partial(_first, length_s)) for length_s in (2, 1)),
        Condition("room", "room", Reverb().change),
        Condition("no edge silence", "silence", TrimSilence(kept_share=(0.0, 0.0)).change),
    )


def diagnose_robustness(
    predictor: Predictor,
    sample: Sample,
    scores: NDArray[np.float64],
    generator: np.random.Generator,
    *,
    conditions: Sequence[Condition] | None = None,
    on_clips: Callable[[int], None] = lambda clips: None,
) -> RobustnessResult:
    """Score the sample again under each condition.

    What is drawn for a clip, such as its noise or its room, depends on the seed and the clip only: the noises of
    10 and 5 dB are the same but for their level, and a condition answers the same whichever others there are. The
    bootstrap draws clips; where a speaker has several, its intervals are somewhat too narrow.

    Args:
        predictor: the detector.
        sample: the unchanged clips.
        scores: theirs, (clips,).
        generator: gives the seed.
        conditions: none for `default_conditions`.
        on_clips: told of clips as they are done, for every condition all of them.

    Raises:
        ScoreError: a score is not finite.
    """
    seed = int(generator.integers(2**63))
    measured, not_measured = [], {}
    for condition in default_conditions() if conditions is None else conditions:
        reason = _missing(condition)
        if reason is None:
            try:
                measured.append(_measure(predictor, sample, scores, condition, seed, on_clips))
                continue
            except ScoreError as error:
                reason = str(error)
        else:
            on_clips(len(scores))
        not_measured[condition.name] = reason
    return RobustnessResult(
        n_bonafide=int(sample.is_bonafide.sum()),
        n_spoof=int((~sample.is_bonafide).sum()),
        eer=equal_error_rate(scores[sample.is_bonafide], scores[~sample.is_bonafide]).value,
        conditions=tuple(measured),
        not_measured=not_measured,
        findings=tuple(_fragile(one) for one in measured),
    )


def _missing(condition: Condition) -> str | None:
    """Why this machine cannot make the condition, tried on a second of noise; None if it can."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(SAMPLE_RATE_HZ, dtype=np.float32)
    try:
        condition.change(noise, np.random.default_rng(0))
    except (AudioError, ImportError) as error:
        return str(error)
    return None


def _measure(
    predictor: Predictor,
    sample: Sample,
    scores: NDArray[np.float64],
    condition: Condition,
    seed: int,
    on_clips: Callable[[int], None],
) -> ConditionResult:
    def changed(row: int) -> Waveform:
        of_clip = np.random.default_rng([seed, crc32(sample.utterances[row].encode())])
        return condition.change(sample.waveforms[row], of_clip)

    # The same resamples for every condition, so that their intervals can be compared.
    rescored = rescore(predictor, sample, scores, changed, np.random.default_rng(seed), on_clips)
    return ConditionResult(name=condition.name, group=condition.group, **dict(rescored))


def _fragile(condition: ConditionResult) -> Finding:
    eer = condition.eer
    return by_rule(
        "fragile", "eer_rise", eer.change, limit=FRAGILE_RISE, ci=eer.ci, n=condition.n, where=condition.name
    )


def _codec(name: str, setting: CodecSetting) -> Condition:
    return Condition(name, "codec", Codec(settings=(setting,)).change)


def _through_8_khz(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """Down and up again, so that nothing is left above 4 kHz; as many samples."""
    # A whole number of samples at 8 kHz, and so enough that come back.
    padded = np.pad(waveform, (0, len(waveform) % 2))
    return resample(resample(padded, SAMPLE_RATE_HZ, target_hz=_NARROW_BAND_HZ), _NARROW_BAND_HZ)[: len(waveform)]


def _first(length_s: int, waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """The beginning as it is, its silence included; a shorter clip stays whole."""
    return waveform[: length_s * SAMPLE_RATE_HZ]
