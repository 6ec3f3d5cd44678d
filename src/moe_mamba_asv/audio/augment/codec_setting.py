"""One codec at one setting, or several after each other, as a round trip of a waveform."""

from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from moe_mamba_asv.audio.augment.codec_pyav import through_pyav
from moe_mamba_asv.audio.augment.codec_soundfile import through_soundfile
from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ, resample
from moe_mamba_asv.errors import AudioError

_NARROW_BAND_HZ = 8_000
_NARROW_BAND = ("alaw", "mulaw", "gsm", "amr-nb", "g723.1")
_AMR_KBPS = (4.75, 5.15, 5.9, 6.7, 7.4, 7.95, 10.2, 12.2)
_MP3_KBPS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_FULL_SCALE = 32_768


class CodecSetting(BaseModel):
    """A codec and its bit rate or quality.

    | codec | rate, kHz | kbit/s | encoder |
    |---|---|---|---|
    | alaw, mulaw (G.711) | 8 | 64 | FFmpeg |
    | gsm (06.10 full rate) | 8 | 13 | libsndfile |
    | amr-nb | 8 | 4.75, 5.15, 5.9, 6.7, 7.4, 7.95, 10.2 or 12.2 | OpenCORE |
    | g723.1 | 8 | 6.3 | FFmpeg |
    | g722 | 16 | 64 | FFmpeg |
    | opus | 16 | 6 to 128, variable | libopus, for voice |
    | mp3 | 16 | 8 to 160 constant, or quality 0 (best) to 9, variable | LAME |
    | aac | 16 | 8 to 96, the most that it has at 16 kHz mono | FFmpeg |
    | vorbis | 16 | quality 0 to 10 (best): about 30 to 90, variable | libvorbis |
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    codec: Literal["alaw", "mulaw", "gsm", "amr-nb", "g723.1", "g722", "opus", "mp3", "aac", "vorbis"] = Field(
        description="which codec; its sampling rate follows from it"
    )
    bit_rate_kbps: float | None = Field(default=None, description="bit rate, for codecs that have several")
    quality: float | None = Field(default=None, description="the encoder's own scale: LAME's 0 to 9, Vorbis's 0 to 10")

    @model_validator(mode="after")
    def _the_codec_has_it(self) -> Self:
        """A bit rate or quality that the encoder would ignore or round is refused."""
        rate, quality = self.bit_rate_kbps, self.quality
        match self.codec:
            case "amr-nb":
                is_right, wanted = quality is None and rate in _AMR_KBPS, f"bit_rate_kbps of {_AMR_KBPS}"
            case "opus":
                is_right, wanted = quality is None and rate is not None and 6 <= rate <= 128, "bit_rate_kbps 6 to 128"
            case "aac":
                is_right, wanted = quality is None and rate is not None and 8 <= rate <= 96, "bit_rate_kbps 8 to 96"
            case "mp3":
                is_right = rate in _MP3_KBPS if quality is None else rate is None and 0 <= quality <= 9
                wanted = f"quality 0 to 9 or bit_rate_kbps of {_MP3_KBPS}"
            case "vorbis":
                is_right, wanted = rate is None and quality is not None and 0 <= quality <= 10, "quality 0 to 10"
            case _:
                is_right, wanted = rate is None and quality is None, "neither: it has one bit rate"
        if not is_right:
            raise ValueError(f"codec {self.codec} with bit_rate_kbps {rate}, quality {quality}; wanted {wanted}")
        return self

    def round_trip(self, waveform: NDArray[np.floating]) -> NDArray[np.float32]:
        """Encode and decode; the same samples give the same result.

        What passes full scale is clipped before the encoder and after the decoder, as 16-bit files do.

        Args:
            waveform: mono, shape (samples,), 16 kHz, full scale 1.0, at least one sample.

        Returns:
            Shape (samples,), 16 kHz, in time with the waveform to within 1 ms.

        Raises:
            AudioError: the waveform is empty or not finite, or the codec is missing in the installed libraries.
        """
        if len(waveform) == 0 or not np.isfinite(waveform).all():
            raise AudioError(f"a waveform of {len(waveform)} samples, empty or not finite", wanted="finite samples")
        if self.codec not in _NARROW_BAND:
            return np.clip(self._coded(_as_integers(waveform)), -1, 1)
        # A whole number of samples at 8 kHz, and one more, so that enough come back.
        padded = np.pad(waveform, (0, 2 + len(waveform) % 2))
        narrow = resample(padded, SAMPLE_RATE_HZ, target_hz=_NARROW_BAND_HZ)
        coded = np.clip(self._coded(_as_integers(narrow)), -1, 1)
        return np.clip(resample(coded, _NARROW_BAND_HZ)[: len(waveform)], -1, 1)

    def _coded(self, samples: NDArray[np.int16]) -> NDArray[np.float32]:
        """Encode and decode at the codec's own rate; shape (samples,)."""
        match self.codec:
            case "gsm":
                return through_soundfile(samples, _NARROW_BAND_HZ, "WAV", "GSM610")
            case "vorbis":
                assert self.quality is not None
                level = 1 - self.quality / 10
                return through_soundfile(samples, SAMPLE_RATE_HZ, "OGG", "VORBIS", compression_level=level)
            case _:
                rate_bps = None if self.bit_rate_kbps is None else round(self.bit_rate_kbps * 1_000)
                return through_pyav(samples, self.codec, bit_rate_bps=rate_bps, quality=self.quality)


class CodecChain(BaseModel):
    """Codecs after each other, as when a file is downloaded, cut and uploaded again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stages: tuple[CodecSetting, ...] = Field(min_length=2, description="first to last")

    def round_trip(self, waveform: NDArray[np.floating]) -> NDArray[np.float32]:
        """Go through each stage; see `CodecSetting.round_trip`."""
        first, *others = self.stages
        coded = first.round_trip(waveform)
        for stage in others:
            coded = stage.round_trip(coded)
        return coded


def _as_integers(waveform: NDArray[np.floating]) -> NDArray[np.int16]:
    """16-bit samples, clipped; shape (samples,)."""
    return np.rint(np.clip(waveform * _FULL_SCALE, -_FULL_SCALE, _FULL_SCALE - 1)).astype(np.int16)
