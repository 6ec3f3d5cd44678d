"""The channels of ASVspoof 2021 and of today's networks, by name."""

from moe_mamba_asv.audio.augment.band import BandLimit
from moe_mamba_asv.audio.augment.codec import Codec
from moe_mamba_asv.audio.augment.codec_setting import CodecChain, CodecSetting
from moe_mamba_asv.audio.augment.packet_loss import PacketLoss
from moe_mamba_asv.audio.augment.transform import Transform
from moe_mamba_asv.errors import ConfigError

#: What a telephone line passes, nominally 300 to 3,400 Hz (ITU-T G.712); no two lines are equal.
_LINE = BandLimit(low_edge_hz=(200.0, 350.0), high_edge_hz=(3_200.0, 3_600.0))
_ALAW, _MULAW = CodecSetting(codec="alaw"), CodecSetting(codec="mulaw")
_GSM, _G722 = CodecSetting(codec="gsm"), CodecSetting(codec="g722")
# The paper's ranges of bit rates are those that the encoders' tables give for one quality each (44.1 kHz stereo).
_LOW_MP3, _HIGH_MP3 = CodecSetting(codec="mp3", quality=7), CodecSetting(codec="mp3", quality=0)
_LOW_OGG, _HIGH_OGG = CodecSetting(codec="vorbis", quality=1), CodecSetting(codec="vorbis", quality=8)
_LOW_M4A, _HIGH_M4A = CodecSetting(codec="aac", bit_rate_kbps=26), CodecSetting(codec="aac", bit_rate_kbps=96)

#: C1 to C7 in order, by the words of the key files.
_LOGICAL_ACCESS: dict[str, tuple[Transform, ...]] = {
    "none": (),
    "alaw": (Codec(settings=(_ALAW,)),),
    "pstn": (_LINE, Codec(settings=(_ALAW, _MULAW)), Codec(settings=(_ALAW, _MULAW))),
    "g722": (Codec(settings=(_G722,)),),
    "ulaw": (Codec(settings=(_MULAW,)),),
    "gsm": (Codec(settings=(_GSM,)),),
    "opus": (Codec(settings=(CodecSetting(codec="opus", bit_rate_kbps=16),)),),
}
#: C1 to C9 in order, by the words of the key files.
_DEEPFAKE: dict[str, tuple[Transform, ...]] = {
    "nocodec": (),
    "low_mp3": (Codec(settings=(_LOW_MP3,)),),
    "high_mp3": (Codec(settings=(_HIGH_MP3,)),),
    "low_m4a": (Codec(settings=(_LOW_M4A,)),),
    "high_m4a": (Codec(settings=(_HIGH_M4A,)),),
    "low_ogg": (Codec(settings=(_LOW_OGG,)),),
    "high_ogg": (Codec(settings=(_HIGH_OGG,)),),
    "mp3m4a": (Codec(settings=(CodecChain(stages=(_LOW_MP3, _HIGH_M4A)),)),),
    "oggm4a": (Codec(settings=(CodecChain(stages=(_LOW_OGG, _HIGH_M4A)),)),),
}


def condition(track: str, name: str) -> tuple[Transform, ...]:
    """What a condition of the ASVspoof 2021 evaluation does to a clip, as near as codecs alone come.

    LA calls went over real networks: here a codec stands for each, without the network's losses and levels, and for
    C3 (unknown codecs over the public telephone network) the telephone band and two G.711 links after each other.
    DF: the bit rates of the paper (MP3 80 to 120 and 220 to 260, Vorbis 80 to 96 and 256 to 320 kbit/s) are what
    the encoders' tables say of LAME's quality 7 and 0 and Vorbis's 1 and 8 for stereo at 44.1 kHz, so those
    qualities are set; 16 kHz mono speech takes fewer bits (about 22, 67, 34 and 67 kbit/s). M4A (20 to 32 and 96 to
    112) is FFmpeg's AAC at 26 and 96 kbit/s, the most that AAC has at 16 kHz mono; of the latter it spends about 75.

    Args:
        track: "la" (logical access) or "df" (deepfake).
        name: the word of the key files ("pstn", "low_mp3") or the paper's code ("C3").

    Returns:
        To be applied in order; nothing for C1.

    Raises:
        ConfigError: there is no such track, or it has no such condition.

    Source: Liu et al., "ASVspoof 2021: Towards Spoofed and Deepfake Speech Detection in the Wild", 2023.
    """
    known = _conditions(track)
    codes = {f"C{number}": word for number, word in enumerate(known, start=1)}
    word = codes.get(name, name)
    if word not in known:
        raise ConfigError(f"condition {name!r} of track {track!r}", wanted=", ".join([*codes, *known]))
    return known[word]


def condition_names(track: str) -> tuple[str, ...]:
    """The words of the key files in the order of the codes, C1 first; see `condition`."""
    return tuple(_conditions(track))


def _conditions(track: str) -> dict[str, tuple[Transform, ...]]:
    """All conditions of a track."""
    match track:
        case "la":
            return _LOGICAL_ACCESS
        case "df":
            return _DEEPFAKE
    raise ConfigError(f"track {track!r} of ASVspoof 2021", wanted="la or df")


def network(name: str) -> tuple[Transform, ...]:
    """What a kind of network does to a clip, drawn anew for each clip.

    "phone": G.711, GSM, AMR-NB or G.722, and for half of the clips lost packets. "chat": Opus at 16 to 32 kbit/s,
    AAC at 32 to 64 or MP3 at 64, as voice messages and files sent on are stored.

    Returns:
        To be applied in order.

    Raises:
        ConfigError: there is no such network.
    """
    match name:
        case "phone":
            amr = tuple(CodecSetting(codec="amr-nb", bit_rate_kbps=rate) for rate in (5.9, 7.4, 12.2))
            return Codec(settings=(_ALAW, _MULAW, _GSM, *amr, _G722)), PacketLoss(p=0.5)
        case "chat":
            opus = tuple(CodecSetting(codec="opus", bit_rate_kbps=rate) for rate in (16, 24, 32))
            aac = tuple(CodecSetting(codec="aac", bit_rate_kbps=rate) for rate in (32, 48, 64))
            return (Codec(settings=(*opus, *aac, CodecSetting(codec="mp3", bit_rate_kbps=64))),)
    raise ConfigError(f"network {name!r}", wanted="phone or chat")
