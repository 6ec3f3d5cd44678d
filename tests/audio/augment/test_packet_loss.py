import numpy as np
import pytest
from pydantic import ValidationError

from moe_mamba_asv.audio.augment.packet_loss import PacketLoss, conceal, draw_losses

PACKET = 320


def _bursts(is_lost: np.ndarray) -> np.ndarray:
    """Lengths of the runs of lost packets."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_lost.astype(int), [0]])))
    return edges[1::2] - edges[::2]


@pytest.mark.parametrize(("loss_rate", "mean_burst"), [(0.05, 1.0), (0.1, 2.0), (0.2, 5.0), (0.6, 3.0)])
def test_losses_have_the_rate_and_the_bursts_that_were_asked_for(loss_rate, mean_burst):
    is_lost = draw_losses(200_000, loss_rate, mean_burst, np.random.default_rng(3))
    assert is_lost.mean() == pytest.approx(loss_rate, rel=0.05)
    assert _bursts(is_lost).mean() == pytest.approx(mean_burst, rel=0.05)


def test_the_first_packet_is_lost_as_often_as_any():
    rng = np.random.default_rng(4)
    first = [draw_losses(1, 0.3, 4.0, rng)[0] for _ in range(4_000)]
    assert np.mean(first) == pytest.approx(0.3, abs=0.03)


def test_silence_takes_the_place_of_lost_packets_and_of_nothing_else():
    sound = np.random.default_rng(0).standard_normal(4 * PACKET + 7).astype(np.float32)
    heard = conceal(sound, np.array([False, True, False, False, True]), PACKET, "silence")
    expected = sound.copy()
    expected[PACKET : 2 * PACKET] = 0
    expected[4 * PACKET :] = 0
    np.testing.assert_array_equal(heard, expected)


def test_the_last_packet_is_repeated_and_fades_to_silence_in_60_ms():
    sound = np.concatenate([np.full(PACKET, 0.5), np.full(5 * PACKET, -0.9)]).astype(np.float32)
    heard = conceal(sound, np.array([False, True, True, True, True, False]), PACKET, "repeat")
    np.testing.assert_allclose(heard[PACKET : 4 * PACKET], 0.5 * (1 - np.arange(3 * PACKET) / (3 * PACKET)), atol=1e-6)
    assert np.all(heard[4 * PACKET : 5 * PACKET] == 0)
    np.testing.assert_array_equal(heard[5 * PACKET :], sound[5 * PACKET :])


def test_each_gap_repeats_the_packet_before_it():
    sound = np.repeat(np.array([0.1, 0.2, 0.3, 0.4], np.float32), PACKET)
    heard = conceal(sound, np.array([False, True, False, True]), PACKET, "repeat")
    assert heard[PACKET] == np.float32(0.1)
    assert heard[3 * PACKET] == np.float32(0.3)


def test_before_any_packet_came_there_is_nothing_to_repeat():
    sound = np.ones(2 * PACKET, np.float32)
    heard = conceal(sound, np.array([True, False]), PACKET, "repeat")
    np.testing.assert_array_equal(heard, np.repeat(np.array([0, 1], np.float32), PACKET))


@pytest.mark.parametrize("num_samples", [1, 319, 320, 321, 16_001])
def test_a_clip_keeps_its_length_and_its_samples_are_not_written_to(num_samples):
    sound = np.ones(num_samples, np.float32)
    heard = PacketLoss(loss_rate=(0.6, 0.6))(sound, np.random.default_rng(0))
    assert heard.shape == (num_samples,)
    assert heard.dtype == np.float32
    assert np.all(sound == 1)


def test_the_generator_alone_draws_losses_rate_and_concealment():
    sound = np.random.default_rng(0).standard_normal(32_000).astype(np.float32)
    loss = PacketLoss(loss_rate=(0.05, 0.5))
    heard = [loss(sound, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(heard[0], heard[1])
    assert not np.array_equal(heard[0], heard[2])


def test_only_the_concealments_named_are_drawn():
    sound = np.ones(32_000, np.float32)
    loss, rng = PacketLoss(loss_rate=(0.3, 0.3), concealment=("silence",)), np.random.default_rng(0)
    for _ in range(8):
        assert set(np.unique(loss(sound, rng))) == {0.0, 1.0}


@pytest.mark.parametrize("packet_ms", [10.0, 60.0])
def test_packets_last_as_long_as_they_were_set(packet_ms):
    sound, size = np.ones(160_000, np.float32), round(16 * packet_ms)
    loss = PacketLoss(packet_ms=packet_ms, loss_rate=(0.3, 0.3), mean_burst_packets=1, concealment=("silence",))
    heard = loss(sound, np.random.default_rng(0))
    assert set(_bursts(heard == 0)) == {size}


@pytest.mark.parametrize(
    ("loss_rate", "mean_burst"), [((0.2, 0.1), 2.0), ((-0.1, 0.1), 2.0), ((0.1, 0.6), 1.0)], ids=str
)
def test_rates_that_no_chain_makes_are_refused(loss_rate, mean_burst):
    with pytest.raises(ValidationError, match="loss_rate"):
        PacketLoss(loss_rate=loss_rate, mean_burst_packets=mean_burst)
