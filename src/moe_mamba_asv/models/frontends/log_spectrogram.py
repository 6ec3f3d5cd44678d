"""Log-power spectrogram on a linear frequency scale.

Linear, not mel: what vocoders leave behind lies as much in the high bands as in the low ones
(Sahidullah et al., Interspeech 2015).
"""

import torch
from torch import Tensor, nn

FFT_SIZE = 512
WINDOW_SAMPLES = 400  # 25 ms at 16 kHz
HOP_SAMPLES = 160  # 10 ms at 16 kHz
#: Added to the power, so that digital silence has a finite logarithm: about -80 dB of full scale.
POWER_FLOOR = 1e-8


class LogSpectrogram(nn.Module):
    """STFT > power > log > mean of the whole clip removed.

    (batch, samples) to (batch, 1, 256 bins, frames); one frame every 10 ms. Taking the mean away makes the level of
    the recording irrelevant. The mean of each bin stays: on minispoof, a detector without it fell to chance.
    """

    window: Tensor
    num_bins = FFT_SIZE // 2

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(WINDOW_SAMPLES), persistent=False)

    def spectrum(self, waveforms: Tensor) -> Tensor:
        """(batch, samples) to complex (batch, 256 bins, frames)."""
        bins = torch.stft(
            waveforms, FFT_SIZE, HOP_SAMPLES, WINDOW_SAMPLES, self.window, center=True, return_complex=True
        )
        return bins[:, : self.num_bins]

    @staticmethod
    def level(spectrum: Tensor) -> Tensor:
        """From what `spectrum` answered to (batch, 1, bins, frames)."""
        log_power = (spectrum.real.square() + spectrum.imag.square() + POWER_FLOOR).log()
        return (log_power - log_power.mean(dim=(1, 2), keepdim=True)).unsqueeze(1)

    def forward(self, waveforms: Tensor) -> Tensor:
        """Analyse a batch."""
        return self.level(self.spectrum(waveforms))
