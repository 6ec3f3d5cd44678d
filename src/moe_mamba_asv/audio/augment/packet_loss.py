"""Packets that did not arrive."""

from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from moe_mamba_asv.audio.augment.transform import Transform
from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ

Concealment = Literal["silence", "repeat"]
#: A repeated packet sounds on for this long and no longer; a longer gap ends in silence.
_FADE_MS = 60.0


class PacketLoss(Transform):
    """Packets lost in bursts, and what a receiver puts in their place. Length and timing stay.

    Losses follow Gilbert's chain of two states, Elliott's with no loss in the good one and nothing else in the bad
    one. Packets are lost after decoding: a decoder that needs a while to find its state again is not modelled.

    Source: Gilbert, "Capacity of a burst-noise channel", 1960; Elliott, 1963.
    """

    kind: Literal["packet-loss"] = "packet-loss"
    packet_ms: float = Field(default=20.0, ge=1, description="duration of a packet, in ms")
    loss_rate: tuple[float, float] = Field(
        default=(0.01, 0.1), description="range of the share of packets lost; drawn for each clip"
    )
    mean_burst_packets: float = Field(default=2.0, ge=1, description="packets lost in a row, on average")
    concealment: tuple[Concealment, ...] = Field(
        default=("silence", "repeat"),
        min_length=1,
        description="what is put in place, drawn for each clip: nothing, or the last packet, fading",
    )

    @model_validator(mode="after")
    def _bursts_make_the_rate(self) -> Self:
        """Bursts have at least one packet between them, which bounds the rate."""
        low, high = self.loss_rate
        most = self.mean_burst_packets / (self.mean_burst_packets + 1)
        if not 0 <= low <= high <= most:
            raise ValueError(
                f"loss_rate {self.loss_rate}; wanted lower and upper from 0 to {most:.3g}, the most that bursts of "
                f"{self.mean_burst_packets:g} packets on average can make"
            )
        return self

    def change(self, waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Draw the losses, then conceal them."""
        packet_samples = round(self.packet_ms * SAMPLE_RATE_HZ / 1_000)
        num_packets = -(-len(waveform) // packet_samples)
        is_lost = draw_losses(num_packets, rng.uniform(*self.loss_rate), self.mean_burst_packets, rng)
        concealment = self.concealment[rng.integers(len(self.concealment))]
        return conceal(waveform, is_lost, packet_samples, concealment)


def draw_losses(
    num_packets: int, loss_rate: float, mean_burst_packets: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Which packets are lost, by Gilbert's chain from its stationary state.

    Args:
        num_packets: at least one.
        loss_rate: expected share, at most mean / (mean + 1).
        mean_burst_packets: expected packets lost in a row, at least one.
        rng: draws the chain.

    Returns:
        Shape (num_packets,), true where lost.
    """
    to_good = 1 / mean_burst_packets
    to_bad = to_good * loss_rate / (1 - loss_rate)
    is_lost = np.empty(num_packets, np.bool_)
    is_bad = rng.random() < loss_rate
    for packet, draw in enumerate(rng.random(num_packets)):
        is_lost[packet] = is_bad
        is_bad = draw >= to_good if is_bad else draw < to_bad
    return is_lost


def conceal(
    waveform: NDArray[np.float32], is_lost: NDArray[np.bool_], packet_samples: int, concealment: Concealment
) -> NDArray[np.float32]:
    """Put silence or the last packet that came, fading over 60 ms, where packets are lost.

    Args:
        waveform: shape (samples,), 16 kHz.
        is_lost: shape (ceil(samples / packet_samples),).
        packet_samples: samples in a packet; the last one may be shorter.
        concealment: before any packet came, both are silence.

    Returns:
        Shape (samples,); the waveform is not written to.
    """
    packets = np.zeros((len(is_lost), packet_samples), np.float32)
    packets.reshape(-1)[: len(waveform)] = waveform
    age = np.arange(packet_samples) * 1_000 / SAMPLE_RATE_HZ
    packet_ms = packet_samples * 1_000 / SAMPLE_RATE_HZ
    last, gap = np.zeros(packet_samples, np.float32), 0
    for packet in range(len(packets)):
        if not is_lost[packet]:
            last, gap = packets[packet].copy(), 0
        elif concealment == "silence":
            packets[packet] = 0
        else:
            packets[packet] = last * np.clip(1 - (gap * packet_ms + age) / _FADE_MS, 0, 1)
            gap += 1
    return packets.reshape(-1)[: len(waveform)]
