"""The fixed bank of band-pass filters that AASIST listens through."""

import numpy as np
import torch
from torch import Tensor, nn

_SAMPLE_RATE_HZ = 16_000


def mel_band_edges_hz(num_filters: int) -> np.ndarray:
    """Edges of ``num_filters`` adjoining bands from 0 Hz to 8 kHz, equally wide in mel.

    Returns:
        (num_filters + 1,) in Hz.
    """
    top_mel = 2595 * np.log10(1 + (_SAMPLE_RATE_HZ / 2) / 700)
    return 700 * (10 ** (np.linspace(0, top_mel, num_filters + 1) / 2595) - 1)


def band_pass_filters(num_filters: int, num_taps: int) -> Tensor:
    """Windowed-sinc band-pass filters.

    Returns:
        (num_filters, 1, num_taps), float32.

    Source: Ravanelli and Bengio, "Speaker recognition from raw waveform with SincNet", 2018, with the Hamming
    window and the fixed mel bands of RawNet2 and AASIST.
    """
    time = np.arange(num_taps) - (num_taps - 1) / 2
    cutoff = 2 * mel_band_edges_hz(num_filters)[:, None] / _SAMPLE_RATE_HZ
    low_pass = cutoff * np.sinc(cutoff * time)
    band_pass = np.hamming(num_taps) * (low_pass[1:] - low_pass[:-1])
    return torch.from_numpy(band_pass.astype(np.float32)).unsqueeze(1)


class SincBank(nn.Module):
    """(batch, samples) to (batch, num_filters, samples - num_taps + 1)."""

    filters: Tensor

    def __init__(self, num_filters: int = 70, num_taps: int = 129) -> None:
        super().__init__()
        self.register_buffer("filters", band_pass_filters(num_filters, num_taps), persistent=False)

    def forward(self, waveforms: Tensor) -> Tensor:
        """Filter a batch, without padding."""
        return nn.functional.conv1d(waveforms.unsqueeze(1), self.filters)
