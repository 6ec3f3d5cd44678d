"""Augmentations by name."""

from moe_mamba_asv.audio.augment.band import BandLimit
from moe_mamba_asv.audio.augment.codec import Codec
from moe_mamba_asv.audio.augment.conditions import condition, condition_names, network
from moe_mamba_asv.audio.augment.level import Clipping, Gain
from moe_mamba_asv.audio.augment.noise import Noise
from moe_mamba_asv.audio.augment.rawboost import RawBoost
from moe_mamba_asv.audio.augment.reverb import Reverb
from moe_mamba_asv.audio.augment.transform import Transform
from moe_mamba_asv.errors import ConfigError

PRESET_NAMES = ("rawboost-la", "rawboost-df", "rawboost-4", "codec", "channel", "reverb")


def preset(name: str) -> tuple[Transform, ...]:
    """Transforms that are used together.

    "rawboost-la", "rawboost-df", "rawboost-4": algorithms 5, 3 and 4 of RawBoost; the first two are those of the
    published systems for the two tracks of ASVspoof 2021. "codec": one codec of telephones, chats or media files for
    half of the clips. "channel": noise, band limits, gain and clipping, each for three clips of ten. "reverb":
    simulated rooms for half of the clips.

    Returns:
        To be done in turn.

    Raises:
        ConfigError: there is no such preset.
    """
    match name:
        case "rawboost-la":
            return (RawBoost(algorithm=5),)
        case "rawboost-df":
            return (RawBoost(algorithm=3),)
        case "rawboost-4":
            return (RawBoost(algorithm=4),)
        case "codec":
            return (_all_codecs(p=0.5),)
        case "channel":
            return Noise(p=0.3), BandLimit(p=0.3), Gain(p=0.3), Clipping(p=0.3)
        case "reverb":
            return (Reverb(p=0.5),)
    raise ConfigError(f"augmentation {name!r}", wanted=", ".join(PRESET_NAMES))


def _all_codecs(p: float) -> Codec:
    """Codecs of the networks and of the deepfake track as one draw, so that a clip meets one of them."""
    media = [transform for word in condition_names("df") for transform in condition("df", word)]
    known = [*network("phone"), *network("chat"), *media]
    settings = [setting for transform in known if isinstance(transform, Codec) for setting in transform.settings]
    return Codec(p=p, settings=tuple(settings))
