"""Codecs of FFmpeg, in memory through PyAV: one encoder and one decoder for each call, so that nothing is shared."""

from typing import NamedTuple

import av
import numpy as np
from av.codec.codec import UnknownCodecError
from av.codec.context import Flags
from numpy.typing import NDArray

from moe_mamba_asv.audio.resample import resample
from moe_mamba_asv.errors import AudioError

_FULL_SCALE = 32_768
#: LAME's quality in FFmpeg's own unit (FF_QP2LAMBDA).
_QUALITY_UNIT = 118


class Coder(NamedTuple):
    """What FFmpeg calls a codec, and what is left of the codec's delay after its decoder."""

    encoder: str
    decoder: str
    rate_hz: int
    sample_format: str
    delay_samples: int
    options: tuple[tuple[str, str], ...] = ()


def coder(codec: str) -> Coder:
    """FFmpeg's names and the delay of a codec that PyAV serves.

    MP3 and Opus state their delay in the stream, and the decoder takes it out. The others leave what their standards
    say: G.722 the two filters of its band split, AMR and G.723.1 a look-ahead of 5 and 7.5 ms, AAC one frame.

    Raises:
        AudioError: it is served by another library, or by none.
    """
    match codec:
        case "alaw":
            return Coder("pcm_alaw", "pcm_alaw", 8_000, "s16", 0)
        case "mulaw":
            return Coder("pcm_mulaw", "pcm_mulaw", 8_000, "s16", 0)
        case "g722":
            return Coder("g722", "g722", 16_000, "s16", 22)
        case "g723.1":
            return Coder("g723_1", "g723_1", 8_000, "s16", 60)
        case "amr-nb":
            return Coder("libopencore_amrnb", "amrnb", 8_000, "s16", 40)
        case "opus":
            return Coder("libopus", "libopus", 16_000, "s16", 0, (("application", "voip"),))
        case "mp3":
            return Coder("libmp3lame", "mp3float", 16_000, "s16p", 0)
        case "aac":
            return Coder("aac", "aac", 16_000, "fltp", 1_024)
    raise AudioError(f"codec {codec!r}", wanted="one that FFmpeg encodes")


def through_pyav(
    samples: NDArray[np.int16], codec: str, *, bit_rate_bps: int | None = None, quality: float | None = None
) -> NDArray[np.float32]:
    """Encode and decode, with the codec's delay taken out.

    Args:
        samples: shape (samples,), at the codec's rate, at least one.
        codec: a name that `coder` knows.
        bit_rate_bps: for codecs that have several.
        quality: LAME's, 0 (best) to 9, for a variable bit rate.

    Returns:
        Shape (samples,), full scale 1.0; a decoder may pass it.

    Raises:
        AudioError: FFmpeg was built without the codec, or gave back less than it got.
    """
    used = coder(codec)
    try:
        encoder, decoder = av.CodecContext.create(used.encoder, "w"), av.CodecContext.create(used.decoder, "r")
    except UnknownCodecError as error:
        raise AudioError(
            f"codec {codec!r}: FFmpeg has no {error}", wanted=used.encoder, remedy="the wheel of PyAV from PyPI"
        ) from error
    assert isinstance(encoder, av.AudioCodecContext)
    assert isinstance(decoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = used.rate_hz, "mono", used.sample_format
    encoder.options = dict(used.options)
    if bit_rate_bps is not None:
        encoder.bit_rate = bit_rate_bps
    if quality is not None:
        encoder.flags |= Flags.qscale
        encoder.global_quality = round(quality * _QUALITY_UNIT)
    # G.722 takes samples two by two, and what the delay holds back has to be pushed out.
    padded = np.pad(samples, (0, used.delay_samples + len(samples) % 2))
    packets = [*encoder.encode(_frame(padded, used)), *encoder.encode(None)]
    decoder.sample_rate, decoder.layout = used.rate_hz, "mono"
    decoder.extradata = encoder.extradata
    pieces = [piece for packet in packets for piece in decoder.decode(packet)] + decoder.decode(None)
    decoded = _joined(pieces, used.rate_hz)[used.delay_samples :][: len(samples)]
    if len(decoded) < len(samples):
        raise AudioError(f"codec {codec!r}: {len(decoded)} samples came back", wanted=f"{len(samples)} samples")
    return decoded


def _frame(samples: NDArray[np.int16], used: Coder) -> av.AudioFrame:
    """All samples as one frame; PyAV cuts it to the size that the encoder takes."""
    values = samples / np.float32(_FULL_SCALE) if used.sample_format == "fltp" else samples
    frame = av.AudioFrame.from_ndarray(values[None], format=used.sample_format, layout="mono")
    frame.sample_rate = used.rate_hz
    return frame


def _joined(pieces: list[av.AudioFrame], rate_hz: int) -> NDArray[np.float32]:
    """Frames of any format and rate as one waveform at a rate; shape (samples,)."""
    if not pieces:
        return np.zeros(0, np.float32)
    unit = _FULL_SCALE if pieces[0].format.name.startswith("s16") else 1
    values = np.concatenate([piece.to_ndarray().reshape(-1) for piece in pieces]).astype(np.float32)
    return resample(values / np.float32(unit), pieces[0].sample_rate, target_hz=rate_hz)
