"""What every transform owes whoever calls it, and how several are done in turn."""

from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from moe_mamba_asv.audio.augment.augmentation import Augmentation, augment
from moe_mamba_asv.audio.augment.band import BandLimit
from moe_mamba_asv.audio.augment.codec import Codec
from moe_mamba_asv.audio.augment.codec_setting import CodecSetting
from moe_mamba_asv.audio.augment.level import Clipping, Gain
from moe_mamba_asv.audio.augment.noise import Noise
from moe_mamba_asv.audio.augment.packet_loss import PacketLoss
from moe_mamba_asv.audio.augment.presets import PRESET_NAMES, preset
from moe_mamba_asv.audio.augment.rawboost import RawBoost
from moe_mamba_asv.audio.augment.reverb import Reverb
from moe_mamba_asv.audio.augment.silence import TrimSilence
from moe_mamba_asv.audio.augment.speed import Speed
from moe_mamba_asv.audio.augment.transform import Transform
from moe_mamba_asv.errors import AudioError, ConfigError

TRANSFORMS = [
    RawBoost(),
    Codec(settings=(CodecSetting(codec="mulaw"), CodecSetting(codec="opus", bit_rate_kbps=16))),
    PacketLoss(loss_rate=(0.2, 0.5)),
    Noise(),
    Reverb(),
    Gain(),
    Clipping(),
    BandLimit(),
    TrimSilence(),
    Speed(),
]
MAY_CHANGE_LENGTH = (TrimSilence, Speed)
UNION = TypeAdapter(Augmentation)
each_transform = pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda it: type(it).__name__)


@pytest.fixture(autouse=True)
def _rooms_can_be_simulated(request: pytest.FixtureRequest) -> None:
    if "transform" in request.fixturenames and isinstance(request.getfixturevalue("transform"), Reverb):
        pytest.importorskip("pyroomacoustics")


@pytest.fixture
def sound() -> NDArray[np.float32]:
    """Three tones that rise and fall, silence at both edges, peak about 0.5; nobody may write to it."""
    time_s = np.arange(12_000) / 16_000
    tones = np.sin(2 * np.pi * np.outer([180, 900, 3_700], time_s)).sum(axis=0) * np.sin(np.pi * 3 * time_s) ** 2
    waveform = np.pad(tones * 0.17, 2_000).astype(np.float32)
    waveform.flags.writeable = False
    return waveform


class _Broken(Transform):
    """Gives what it was made with, or raises it."""

    gives: object

    def change(self, waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        if isinstance(self.gives, Exception):
            raise self.gives
        return self.gives  # pyright: ignore[reportReturnType]


def test_every_transform_of_the_union_is_tested_here():
    assert {type(one) for one in TRANSFORMS} == set(get_args(get_args(Augmentation)[0]))


@each_transform
def test_a_transform_that_always_happens_changes_the_clip(transform, sound):
    heard = transform(sound, np.random.default_rng(0))
    assert heard.shape != sound.shape or not np.array_equal(heard, sound)
    assert np.abs(heard).max() > 0.01


@each_transform
def test_a_transform_that_never_happens_gives_the_clip_itself(transform, sound):
    assert transform.model_copy(update={"p": 0.0})(sound, np.random.default_rng(0)) is sound


@each_transform
def test_a_transform_happens_to_its_share_of_the_clips(transform, sound):
    rng, half = np.random.default_rng(0), transform.model_copy(update={"p": 0.5})
    num_same = sum(half(sound, rng) is sound for _ in range(40))
    assert 8 <= num_same <= 32


@each_transform
def test_the_same_seed_gives_the_same_sound_and_another_seed_another(transform, sound):
    one, again, other = (transform(sound, np.random.default_rng(seed)) for seed in (7, 7, 8))
    np.testing.assert_array_equal(one, again)
    assert one.shape != other.shape or not np.array_equal(one, other)


@each_transform
def test_a_clip_is_not_written_to_and_keeps_its_length_where_nothing_else_is_said(transform, sound):
    before = sound.copy()
    heard = transform(sound, np.random.default_rng(3))
    np.testing.assert_array_equal(sound, before)
    assert heard.dtype == np.float32
    assert heard.ndim == 1
    assert isinstance(transform, MAY_CHANGE_LENGTH) or len(heard) == len(sound)


@each_transform
@pytest.mark.parametrize("num_samples", [1, 2, 160, 4_001])
def test_silence_full_scale_and_a_few_samples_stay_finite(transform, num_samples):
    for value in (0.0, 1.0, -1.0, 1e-30):
        waveform = np.full(num_samples, value, np.float32)
        for seed in range(4):
            heard = augment(waveform, [transform], np.random.default_rng(seed))
            assert isinstance(transform, MAY_CHANGE_LENGTH) or len(heard) == num_samples


@each_transform
def test_a_transform_is_the_same_after_a_recipe_has_been_written_and_read(transform):
    read = UNION.validate_json(UNION.dump_json(transform))
    assert type(read) is type(transform)
    assert read == transform


def test_unknown_kinds_and_keys_are_refused():
    for written in ({"kind": "echo"}, {"kind": "gain", "gain": (0, 1)}, {"kind": "gain", "p": 1.5}):
        with pytest.raises(ValidationError):
            UNION.validate_python(written)


def test_transforms_are_done_in_turn_by_one_generator(sound):
    chain = [Gain(), Noise(p=0.5), Clipping()]
    heard = augment(sound, chain, np.random.default_rng(2))
    rng, wanted = np.random.default_rng(2), sound
    for transform in chain:
        wanted = transform(wanted, rng)
    np.testing.assert_array_equal(heard, wanted)
    assert augment(sound, [], np.random.default_rng(0)) is sound


def test_a_failing_transform_raises_what_failed(sound):
    with pytest.raises(ZeroDivisionError, match="inside"):
        augment(sound, [Gain(), _Broken(gives=ZeroDivisionError("inside"))], np.random.default_rng(0))


@pytest.mark.parametrize(
    "gives",
    [
        np.array([0, np.nan], np.float32),
        np.array([0, np.inf], np.float32),
        np.zeros(3),
        np.zeros((1, 3), np.float32),
        np.zeros(0, np.float32),
    ],
    ids=["nan", "infinite", "float64", "two axes", "empty"],
)
def test_what_is_no_waveform_is_refused_by_the_name_of_its_transform(sound, gives):
    with pytest.raises(AudioError, match="what _Broken gave"):
        augment(sound, [Gain(), _Broken(gives=gives), Gain()], np.random.default_rng(0))
    with pytest.raises(AudioError, match="the clip to augment"):
        augment(gives, [Gain()], np.random.default_rng(0))


@pytest.mark.parametrize("name", PRESET_NAMES)
def test_presets_are_of_the_union_and_change_clips(name, sound):
    if name == "reverb":
        pytest.importorskip("pyroomacoustics")
    transforms = preset(name)
    assert [UNION.validate_json(UNION.dump_json(one)) for one in transforms] == list(transforms)
    heard = [augment(sound, transforms, np.random.default_rng(seed)) for seed in range(12)]
    assert any(not np.array_equal(one, sound) for one in heard)
    assert all(len(one) == len(sound) for one in heard)


def test_presets_of_rawboost_are_the_algorithms_of_their_tracks():
    algorithms = [one.algorithm for name in PRESET_NAMES for one in preset(name) if isinstance(one, RawBoost)]
    assert algorithms == [5, 3, 4]


def test_the_codec_preset_has_phones_chats_and_media_files_for_half_of_the_clips():
    (codec,) = preset("codec")
    assert isinstance(codec, Codec)
    assert codec.p == 0.5
    known = {one.codec for one in codec.settings if isinstance(one, CodecSetting)}
    assert {"alaw", "gsm", "amr-nb", "g722", "opus", "aac", "mp3", "vorbis"} <= known


def test_an_unknown_preset_is_refused_with_the_names_of_all():
    with pytest.raises(ConfigError, match="rawboost-la, rawboost-df, rawboost-4, codec, channel, reverb"):
        preset("echo")
